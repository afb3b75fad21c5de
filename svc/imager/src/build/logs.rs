//! logs.rs - where the lines of a build go: the console, the simple log, the detail log.
//!
//! | level | console | simple-log | detail-log | what |
//! |---|---|---|---|---|
//! | error | yes | yes | yes | standard error of scripts, failures |
//! | info | yes | yes | yes | the build's own lines |
//! | debug | with -v | no | yes | standard output of scripts, commands |
//!
//! Lines carry no time and no level.  Before [`Logs::open`] only the console hears them.
//! Invariant: a log that cannot be written fails the build by [`Logs::broken`], not the moment.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The console of a build.
pub type Console<'a> = dyn Fn(&str) + Sync + 'a;

/// Where a build's lines go.
pub struct Logs<'a> {
    console: &'a Console<'a>,
    verbose: bool,
    files: Mutex<Files>,
}

#[derive(Default)]
struct Files {
    simple: Option<(PathBuf, File)>,
    detail: Option<(PathBuf, File)>,
    broken: Option<(PathBuf, io::Error)>,
    last_error: Option<String>,
}

impl Files {
    fn write(&mut self, line: &str, also_simple: bool) {
        if self.broken.is_some() {
            return;
        }
        let text = format!("{line}\n");
        let simple = self.simple.as_mut().filter(|_| also_simple);
        for (path, file) in simple.into_iter().chain(self.detail.as_mut()) {
            if let Err(error) = file.write_all(text.as_bytes()) {
                self.broken = Some((path.clone(), error));
                return;
            }
        }
    }
}

impl<'a> Logs<'a> {
    /// Lines for the console alone, for now.
    pub fn new(console: &'a Console<'a>, verbose: bool) -> Self {
        Self { console, verbose, files: Mutex::default() }
    }

    /// The paths of the two logs in `folder` for a build begun at `stamp`
    /// (`YYYY-MM-DD-HH-MM-SS`).
    pub fn paths(folder: &Path, stamp: &str) -> [PathBuf; 2] {
        ["simple", "detail"].map(|kind| folder.join(format!("{kind}-log-{stamp}")))
    }

    /// From now on the files hear what is theirs; they are added to.
    pub fn open(&self, [simple, detail]: &[PathBuf; 2]) -> io::Result<()> {
        let open = |path: &PathBuf| -> io::Result<(PathBuf, File)> {
            Ok((path.clone(), File::options().create(true).append(true).open(path)?))
        };
        let (simple, detail) = (open(simple)?, open(detail)?);
        let mut files = self.files();
        (files.simple, files.detail) = (Some(simple), Some(detail));
        Ok(())
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The build's own line.
    pub fn info(&self, line: &str) {
        (self.console)(line);
        self.files().write(line, true);
    }

    /// What went wrong, or what a script said on its standard error.
    pub fn error(&self, line: &str) {
        self.info(line);
        self.files().last_error = Some(line.to_string());
    }

    /// The last line of that kind.
    pub fn last_error(&self) -> Option<String> {
        self.files().last_error.clone()
    }

    /// What only the detail log hears.
    pub fn debug(&self, line: &str) {
        if self.verbose {
            (self.console)(line);
        }
        self.files().write(line, false);
    }

    /// The log that could not be written, and why.
    pub fn broken(&self) -> Option<String> {
        let files = self.files();
        files.broken.as_ref().map(|(path, error)| format!("{}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hears_what_is_its_own() {
        let scratch = tempfile::tempdir().unwrap();
        let heard = Mutex::new(Vec::new());
        let console = |line: &str| heard.lock().unwrap().push(line.to_string());
        let logs = Logs::new(&console, false);
        let paths = Logs::paths(scratch.path(), "2026-01-02-03-04-05");
        logs.info("before");
        logs.open(&paths).unwrap();
        logs.info("info");
        logs.debug("debug");
        logs.error("error");
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!(text(&scratch.path().join("simple-log-2026-01-02-03-04-05")), "info\nerror\n");
        assert_eq!(text(&paths[1]), "info\ndebug\nerror\n");
        assert_eq!(*heard.lock().unwrap(), ["before", "info", "error"]);
        assert_eq!(logs.broken(), None);
    }

    #[test]
    fn a_log_that_is_full_is_told_of() {
        let full = [PathBuf::from("/dev/null"), PathBuf::from("/dev/full")];
        if !full[1].exists() {
            return;
        }
        let logs = Logs::new(&|_| {}, false);
        logs.open(&full).unwrap();
        logs.info("x");
        assert!(logs.broken().unwrap().starts_with("/dev/full: "));
    }
}
