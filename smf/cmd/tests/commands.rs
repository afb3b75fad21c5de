//! commands.rs - plays the transcripts in `transcripts/` against a repository without a restarter.
//!
//! ```text
//! $ command        what is typed (by sh, in a copy of `bundles/`, beside `shipped`)
//! < line           its standard input
//! ! line           its standard error
//! = status         its exit status, 0 when not said
//! line             its standard output
//! ```
//!
//! A root of its own for each transcript; `$T` is a directory that is its to fill.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use smf_configd::{Host, Repository};

/// One command and what it should say.
#[derive(Default)]
struct Line {
    number: usize,
    command: String,
    input: String,
    out: String,
    err: String,
    status: i32,
}

fn parse(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            let command = command.to_owned();
            lines.push(Line { number: index + 1, command, ..Line::default() });
            continue;
        }
        let Some(last) = lines.last_mut() else { panic!("line {}: no command yet", index + 1) };
        let say = |text: &mut String, line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        if let Some(rest) = line.strip_prefix("< ") {
            say(&mut last.input, rest);
        } else if let Some(rest) = line.strip_prefix("! ") {
            say(&mut last.err, rest);
        } else if let Some(rest) = line.strip_prefix("= ") {
            last.status = rest.parse().unwrap();
        } else {
            say(&mut last.out, line);
        }
    }
    lines
}

fn play(root: &Path, line: &Line) -> (String, String, i32) {
    let programs = Path::new(env!("CARGO_BIN_EXE_svcs")).parent().unwrap();
    let mut child = Command::new("/bin/sh")
        .args(["-c", &line.command])
        .current_dir(root.join("bundles"))
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("SMF_ROOT", root)
        .env("T", root.join("scratch"))
        .env("HOME", root.join("scratch"))
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .env_remove("LIBSCF_DOORPATH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that reads nothing may be gone already.
    let _unread = stdin.write_all(line.input.as_bytes());
    drop(stdin);
    let said = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(said.stdout), text(said.stderr), said.status.code().unwrap())
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn transcript(name: &str) {
    let path = here().join("tests/transcripts").join(name);
    let root = tempfile::tempdir().unwrap();
    let volatile = root.path().join("etc/svc/volatile");
    fs::create_dir_all(&volatile).unwrap();
    let lasting = root.path().join("etc/svc/repository.db");
    let repository = Repository::open(&lasting, &volatile.join("svc_nonpersist.db")).unwrap();
    let host = Host::new(repository).unwrap();
    host.serve(&volatile.join("repository_door"), root.path()).unwrap();
    fs::create_dir(root.path().join("scratch")).unwrap();
    let bundles = root.path().join("bundles");
    fs::create_dir(&bundles).unwrap();
    for entry in fs::read_dir(here().join("tests/bundles")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, bundles.join(path.file_name().unwrap())).unwrap();
    }
    let shipped = root.path().join("shipped");
    fs::create_dir(&shipped).unwrap();
    for bundle in ["system/svc/global.xml", "system/fm/notify-params.xml"] {
        let path = here().join("../../manifests").join(bundle);
        fs::copy(&path, shipped.join(path.file_name().unwrap())).unwrap();
    }
    let lines = parse(&fs::read_to_string(path).unwrap());
    assert!(!lines.is_empty());
    for line in lines {
        let (out, err, status) = play(root.path(), &line);
        let want = (line.out.as_str(), line.err.as_str(), line.status);
        assert_eq!(
            (out.as_str(), err.as_str(), status),
            want,
            "{name}, line {}: {}",
            line.number,
            line.command
        );
    }
}

macro_rules! transcripts {
    ($($test:ident: $file:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            transcript($file);
        })*

        #[test]
        fn every_transcript_is_played() {
            let folder = here().join("tests/transcripts");
            let played = [$($file),*];
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                if entry.path().is_dir() {
                    assert_eq!(name, "svccfg", "{name} is not played");
                    continue;
                }
                assert!(played.contains(&name.as_str()), "{name} is not played");
            }
        }
    };
}

/// One file for each subcommand of svccfg.
#[test]
fn svccfg_subcommands() {
    let mut names = Vec::new();
    for entry in fs::read_dir(here().join("tests/transcripts/svccfg")).unwrap() {
        names.push(entry.unwrap().file_name().into_string().unwrap());
    }
    assert!(names.len() >= 30, "{names:?}");
    names.sort();
    // All of them are played before one is said to fail.
    let failed = names
        .iter()
        .filter(|name| std::panic::catch_unwind(|| transcript(&format!("svccfg/{name}"))).is_err());
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<&String>::new());
}

transcripts! {
    build_notes: "build-notes.txt",
    svcadm: "svcadm.txt",
    svcadm_wait: "svcadm-wait.txt",
    svcprop: "svcprop.txt",
    svcs_explain: "svcs-explain.txt",
    svcs_explain_roots: "svcs-explain-roots.txt",
    svcs_long: "svcs-long.txt",
    svcs_notify: "svcs-notify.txt",
    svcs_table: "svcs-table.txt",
    unheard: "unheard.txt",
}
