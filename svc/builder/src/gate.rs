//! gate.rs - a source workspace: which of its files are sources, and how old they are.
//!
//! In a git workspace sources are what git tracks and what it does not ignore; elsewhere every
//! file is one.  The time of the sources: the commit's in a clean git workspace, else the newest
//! of the commit's and the changed files'; `.source-date` (seconds since the epoch, one line)
//! where there is no git; else the newest file's.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Limits, Output, Program};
use stage::{Failure, Files, StatCache, Tree};

/// How long git may take to look at a workspace.
const PATIENCE: Duration = Duration::from_secs(600);

/// A source workspace.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
    /// What git knows of, in a git workspace.
    listed: Option<Vec<PathBuf>>,
}

impl Gate {
    /// Looks at a workspace.
    pub fn open(path: &str) -> Result<Gate, Failure> {
        let path = PathBuf::from(path);
        let bad =
            |why: &str| Failure::configuration(format!("build/gate: {}: {why}", path.display()));
        if !path.is_absolute() {
            return Err(bad("not an absolute path"));
        }
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(bad("not a directory")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(bad("no such directory"));
            }
            Err(error) => return Err(bad(&error.to_string())),
        }
        let mut gate = Gate { path, listed: None };
        // A gate within somebody else's repository is not that repository.
        if gate.path.join(".git").exists() {
            let all = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
            let mut listed = paths(&gate.git(&all)?.out);
            listed.sort();
            listed.dedup();
            gate.listed = Some(listed);
        }
        Ok(gate)
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether git knows which files are sources.
    pub fn is_git(&self) -> bool {
        self.listed.is_some()
    }

    /// Its sources as they are now.
    pub fn scan(&self, cache: &mut StatCache) -> Result<Tree, Failure> {
        let files = self.listed.as_ref().map_or(Files::All, |paths| Files::Listed(paths));
        Ok(cache.scan(&self.path, files)?)
    }

    /// The time of its sources.
    pub fn source_date(&self, tree: &Tree) -> Result<i64, Failure> {
        let found = match &self.listed {
            Some(_) => self.git_date()?.or(tree.newest()),
            None => source_date_file(&self.path)?.or(tree.newest()),
        };
        let empty = || format!("build/gate: {}: no file in it", self.path.display());
        found.ok_or_else(|| Failure::configuration(empty()))
    }

    /// The commit's time, or that of what was changed since; none before the first commit.
    fn git_date(&self) -> Result<Option<i64>, Failure> {
        if self.git(&["rev-parse", "--verify", "--quiet", "HEAD"]).is_err() {
            return Ok(None);
        }
        let log = self.git(&["log", "-1", "--format=%ct"])?.text();
        let commit: i64 = log.trim().parse().map_err(|_| self.odd("log", &log))?;
        let status = self.git(&["status", "--porcelain", "-z", "--untracked-files=all"])?.out;
        let changed = changed(&status).into_iter();
        let times = changed.filter_map(|path| fs::symlink_metadata(self.path.join(path)).ok());
        Ok(times.map(|found| found.mtime()).chain([commit]).max())
    }

    fn odd(&self, what: &str, said: &str) -> Failure {
        Failure::fatal(format!("git {what} in {}: {}", self.path.display(), said.trim()))
    }

    fn git(&self, words: &[&str]) -> Result<Output, Failure> {
        // Another user's gate is as good as one's own: nothing of it is run by git.
        let program = Program::new("git")
            .args(["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C"])
            .arg(&self.path)
            .args(words)
            .env("GIT_OPTIONAL_LOCKS", "0");
        let said = program.output(&Limits::of(PATIENCE))?;
        if said.success() { Ok(said) } else { Err(self.odd(words[0], &said.complaint())) }
    }
}

fn paths(list: &[u8]) -> Vec<PathBuf> {
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect()
}

/// The paths of `git status --porcelain -z`: `XY PATH`, and for a rename the old path after it.
fn changed(status: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut fields = status.split(|byte| *byte == 0);
    while let Some(field) = fields.next() {
        let (Some(code), Some(path)) = (field.get(..2), field.get(3..)) else { continue };
        if code.contains(&b'R') || code.contains(&b'C') {
            fields.next();
        }
        found.push(PathBuf::from(OsStr::from_bytes(path)));
    }
    found
}

fn source_date_file(gate: &Path) -> Result<Option<i64>, Failure> {
    let path = gate.join(".source-date");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(|error| Failure::fatal(format!("{}: {error}", path.display())))?,
    };
    let bad = || format!("{}: \"{}\" is not seconds since the epoch", path.display(), text.trim());
    text.trim().parse().map(Some).map_err(|_| Failure::configuration(bad()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str, mtime: u64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(mtime)).unwrap();
    }

    fn look(gate: &Path) -> (Vec<String>, i64) {
        let place = tempfile::tempdir().unwrap();
        let mut cache = StatCache::open(&place.path().join("cache")).unwrap();
        let gate = Gate::open(gate.to_str().unwrap()).unwrap();
        let tree = gate.scan(&mut cache).unwrap();
        let names = tree.entries.iter().map(|entry| entry.path.display().to_string()).collect();
        (names, gate.source_date(&tree).unwrap())
    }

    #[test]
    fn a_plain_directory() {
        let place = tempfile::tempdir().unwrap();
        write(&place.path().join("a/b"), "x", 1_000_000);
        write(&place.path().join("c"), "x", 2_000_000);
        assert_eq!(look(place.path()), (vec!["a".into(), "a/b".into(), "c".into()], 2_000_000));
        write(&place.path().join(".source-date"), "1764547200\n", 3_000_000);
        assert_eq!(look(place.path()).1, 1_764_547_200);
        write(&place.path().join(".source-date"), "yesterday\n", 3_000_000);
        let gate = Gate::open(place.path().to_str().unwrap()).unwrap();
        let error = gate.source_date(&Tree::default()).unwrap_err().to_string();
        assert!(error.contains("\"yesterday\" is not seconds"), "{error}");
    }

    #[test]
    fn a_git_workspace_clean_and_dirty() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path();
        let git = |words: &[&str]| {
            let said = Program::new("git")
                .args(["-c", "user.name=n", "-c", "user.email=e", "-C"])
                .arg(path)
                .args(words)
                .env("GIT_COMMITTER_DATE", "@1000000 +0000")
                .output(&Limits::none());
            assert!(said.as_ref().is_ok_and(Output::success), "{said:?}");
        };
        write(&path.join("tracked"), "x", 5_000_000);
        write(&path.join(".gitignore"), "*.o\n", 5_000_000);
        write(&path.join("x.o"), "x", 9_000_000);
        git(&["init", "-q"]);
        assert_eq!(look(path).1, 5_000_000, "before the first commit");
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "one"]);
        let names = vec![".gitignore".to_string(), "tracked".to_string()];
        assert_eq!(look(path), (names, 1_000_000));
        write(&path.join("tracked"), "y", 6_000_000);
        write(&path.join("new"), "y", 4_000_000);
        assert_eq!(look(path).1, 6_000_000);
        fs::remove_file(path.join("tracked")).unwrap();
        assert_eq!(look(path), (vec![".gitignore".into(), "new".into()], 4_000_000));
    }

    #[test]
    fn what_is_no_gate() {
        for (path, text) in [
            ("/no/such/gate", "build/gate: /no/such/gate: no such directory"),
            ("relative", "build/gate: relative: not an absolute path"),
            ("/dev/null", "build/gate: /dev/null: not a directory"),
        ] {
            let failure = Gate::open(path).unwrap_err();
            assert!(matches!(&failure, Failure::Configuration(_)), "{failure}");
            assert_eq!(failure.to_string(), text);
        }
    }

    #[test]
    fn renames_have_two_paths() {
        let status = b" M a\0R  new\0old\0?? b c\0";
        let want = ["a", "new", "b c"].map(PathBuf::from);
        assert_eq!(changed(status), want);
    }
}
