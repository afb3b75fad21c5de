//! What the tests of the commands share: a place with inputs and repositories, and cases.
//!
//! A case is a folder of tests/cli: `cmd`, what pkg5 printed for it (`stdout`, `stderr`) and its
//! `exit` status.  `$ROOT` in them is the place the command runs in.
#![allow(dead_code)]

pub mod image;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a command's tests and their data are.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let place = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &place);
        } else {
            fs::copy(&entry, &place).unwrap();
        }
    }
}

/// Every file below, by its path from there, sorted.
pub fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.strip_prefix(folder).unwrap().display().to_string(), path));
            }
        }
    }
    files.sort();
    files
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The exit status.
    pub status: i32,
}

/// Makes a file and locks it as another process would.
#[cfg(target_os = "linux")]
pub fn locked(path: &Path) -> fs::File {
    use nix::fcntl::{FcntlArg, fcntl};
    let lock = fs::File::create(path).unwrap();
    let whole = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as nix::libc::c_short,
        l_whence: nix::libc::SEEK_SET as nix::libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&lock, FcntlArg::F_OFD_SETLK(&whole)).unwrap();
    lock
}

/// A folder with `input/`, pkg5's repository `repo/`, a copy of it `scratch/`, and an empty
/// repository `scratch2/`.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// Makes one.
    pub fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let golden = top().join("../../repository/tests/golden");
        copy(&golden.join("input"), &folder.path().join("input"));
        for name in ["bad", "two"] {
            copy(&top().join(name), &folder.path().join("input").join(name));
        }
        for name in ["repo", "scratch"] {
            copy(&golden.join("repo"), &folder.path().join(name));
        }
        let place = Place { folder };
        assert_eq!(place.sh("pkgrepo create scratch2", None).status, 0);
        place
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a shell line in it; the time of publication is fixed.
    pub fn sh(&self, line: &str, stdin: Option<&Path>) -> Said {
        let programs = Path::new(env!("CARGO_BIN_EXE_pkgrepo")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let stdin = match stdin {
            Some(file) => Stdio::from(fs::File::open(file).unwrap()),
            None => Stdio::null(),
        };
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("SOURCE_DATE_EPOCH", "1795316676")
            .env_remove("PKG_REPO")
            .env_remove("PKG_IMAGE")
            // No pkglintrc of the user's.
            .env("HOME", self.folder.path())
            .stdin(stdin)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| {
            let root = fs::canonicalize(self.folder.path()).unwrap();
            String::from_utf8_lossy(bytes).replace(root.to_str().unwrap(), "$ROOT")
        };
        let status = output.status.code().unwrap();
        Said { out: text(&output.stdout), err: text(&output.stderr), status }
    }

    /// Runs a case and compares: what there is no file for has to be empty, but standard output
    /// of a usage error.
    pub fn check(&self, case: &str) {
        let folder = top().join("cli").join(case);
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let line = read("cmd").trim().replace("<stdin", "");
        let stdin = folder.join("stdin");
        let said = self.sh(&line, stdin.exists().then_some(stdin.as_path()));
        // What is being read is progress, and not told here.
        let progress = |line: &&str| {
            let heads = ["Retrieving catalog", "Retrieving target catalog", "Fetching manifests"];
            heads.iter().any(|head| line.starts_with(head))
        };
        let out = match case.starts_with("recv-") {
            true => read("stdout")
                .lines()
                .filter(|line| !progress(line))
                .map(|line| format!("{line}\n"))
                .collect(),
            false => read("stdout"),
        };
        let expected =
            Said { out, err: read("stderr"), status: read("exit").trim().parse().unwrap() };
        let mut said = without_times(said);
        let expected = without_times(expected);
        // What comes before a usage may be progress.
        if expected.out.lines().any(|line| line.starts_with("Usage:")) {
            assert!(said.out.starts_with("Usage:"), "{case}: {said:?}");
            said.out.clone_from(&expected.out);
        }
        // pkg5 has put the size into the action before it looks at the attributes.
        let err = expected.err.replace(" pkg.size=44", "");
        assert_eq!((said.err, said.status), (err, expected.status), "{case}: {line}");
        let lines = said.out.lines().zip(expected.out.lines());
        for (ours, theirs) in lines.filter(|(ours, theirs)| ours != theirs) {
            assert_eq!(ours, theirs, "{case}: {line}");
        }
        assert_eq!(said.out.trim_end().len(), expected.out.trim_end().len(), "{case}: {line}");
        let stored = folder.join("stored-manifest");
        if let Ok(stored) = fs::read_to_string(stored) {
            let name = said_name(&expected.out);
            let shown = self.sh(&format!("pkgrepo -s scratch contents '{name}'"), None);
            assert_eq!(no_times(&shown.out), no_times(&stored), "{case}");
        }
    }
}

/// The stem of what was published.
fn said_name(out: &str) -> String {
    out.split('@').next().unwrap().to_string()
}

fn without_times(said: Said) -> Said {
    Said { out: no_times(&said.out), err: no_times(&said.err), status: said.status }
}

/// The day pkg5 was run, and the seconds in a transaction's name, depend on when it was run.
pub fn no_times(text: &str) -> String {
    let mut pieces = text.split("20261122T");
    let mut out = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        out.push_str("TIME");
        out.push_str(&piece["030436Z".len()..]);
    }
    let parts: Vec<&str> = out.split("transaction ID '").collect();
    let bare =
        |part: &str| part.trim_start_matches(|digit: char| digit.is_ascii_digit()).to_string();
    let rest: Vec<String> = parts[1..].iter().map(|part| bare(part)).collect();
    [&[parts[0].to_string()], rest.as_slice()].concat().join("transaction ID '")
}

/// Runs every case of a folder of tests: `cmd` in the case's copy, which has to say `stdout` and
/// `stderr` and end with `exit`.  Files beside the cases are there for all of them.
pub fn check_folders(kind: &str, least: usize) {
    let place = Place::new();
    let all = top().join(kind);
    copy(&all, &place.path(kind));
    let folders = fs::read_dir(&all).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = folders.filter(|folder| folder.join("cmd").exists()).collect();
    cases.sort();
    assert!(cases.len() >= least, "{cases:?}");
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let read = |file: &str| fs::read_to_string(case.join(file)).unwrap_or_default();
        let said = place.sh(&format!("cd {kind}/{name}\n{}", read("cmd")), None);
        let told = format!("{}--\n{}-- {}\n", said.out, said.err, said.status);
        let expected =
            format!("{}--\n{}-- {}\n", read("stdout"), read("stderr"), read("exit").trim());
        if told != expected {
            wrong.push(format!("{name}: said\n{told}expected\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
