//! logs.rs - where the lines of a build go: the console, the simple log, the detail log.
//!
//! | level | console | simple-log | detail-log | what |
//! |---|---|---|---|---|
//! | error | yes | yes | yes | standard error of scripts, failures |
//! | info | yes | yes | yes | the build's own lines |
//! | debug | with -v | no | yes | standard output of scripts, commands |
//!
//! How a line is written is the manifest's form's (lines.rs).  Before [`Logs::open`] only the console
//! hears the older form's; the newer one's are caught up on.
//! Invariant: a log that cannot be written fails the build by [`Logs::broken`], not the moment.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use image_manifest::Form;
use jiff::Zoned;

use super::lines::{self, Level};

/// The console of a build.
pub type Console<'a> = dyn Fn(&str) + Sync + 'a;

/// Where a build's lines go.
pub struct Logs<'a> {
    form: Form,
    console: &'a Console<'a>,
    verbose: bool,
    files: Mutex<Files>,
}

#[derive(Default)]
struct Files {
    simple: Option<(PathBuf, File)>,
    detail: Option<(PathBuf, File)>,
    broken: Option<(PathBuf, io::Error)>,
    /// What waits for the files.
    early: Vec<(Level, String)>,
    /// The step that says it all.
    step: Option<String>,
    last_error: Option<String>,
}

impl Files {
    fn write(&mut self, level: Level, text: &str) {
        if self.broken.is_some() {
            return;
        }
        let simple = self.simple.as_mut().filter(|_| level >= Level::Info);
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
    pub fn new(form: Form, console: &'a Console<'a>, verbose: bool) -> Self {
        Self { form, console, verbose, files: Mutex::default() }
    }

    /// The paths of the two logs in `folder` for a build begun at a time.
    pub fn paths(&self, folder: &Path, begun: &Zoned) -> [PathBuf; 2] {
        ["simple", "detail"].map(|kind| folder.join(lines::log_name(self.form, kind, begun)))
    }

    /// From now on the files hear what is theirs; they are added to.
    pub fn open(&self, [simple, detail]: &[PathBuf; 2]) -> Result<()> {
        let open = |path: &PathBuf| -> Result<(PathBuf, File)> {
            let file = File::options().create(true).append(true).open(path);
            Ok((path.clone(), file.with_context(|| path.display().to_string())?))
        };
        let (simple, detail) = (open(simple)?, open(detail)?);
        let mut files = self.files();
        (files.simple, files.detail) = (Some(simple), Some(detail));
        for (level, text) in std::mem::take(&mut files.early) {
            files.write(level, &text);
        }
        Ok(())
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, level: Level, line: &str) {
        let mut files = self.files();
        let text = lines::logged(self.form, level, files.step.as_deref(), line, &Zoned::now());
        if files.simple.is_some() {
            files.write(level, &text);
        } else if self.form == Form::Dc {
            files.early.push((level, text));
        }
    }

    /// From now on a step says it; none: the build itself.
    pub fn say_as(&self, step: Option<&str>) {
        self.files().step = step.map(str::to_owned);
    }

    /// The build's own line.
    pub fn info(&self, line: &str) {
        (self.console)(line);
        self.write(Level::Info, line);
    }

    /// The build's own line, for the files alone.
    pub fn note(&self, line: &str) {
        self.write(Level::Info, line);
    }

    /// What went wrong, or what a script said on its standard error.
    pub fn error(&self, line: &str) {
        self.complain(line);
        self.files().last_error = Some(line.to_owned());
    }

    /// What went wrong, said once more at the end.
    pub fn cause(&self, line: &str) {
        self.info(line);
        self.files().last_error = Some(line.to_owned());
    }

    /// A line about what went wrong that does not say what.
    pub fn complain(&self, line: &str) {
        (self.console)(line);
        self.write(Level::Error, line);
    }

    /// The last line that said what went wrong.
    pub fn last_error(&self) -> Option<String> {
        self.files().last_error.clone()
    }

    /// What only the detail log hears.
    pub fn debug(&self, line: &str) {
        if self.verbose {
            (self.console)(line);
        }
        self.write(Level::Debug, line);
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

    fn begun() -> Zoned {
        "2026-01-02T03:04:05+00:00[UTC]".parse().unwrap()
    }

    #[test]
    fn the_newer_form_catches_up_on_what_came_before_its_files() {
        let scratch = tempfile::tempdir().unwrap();
        let heard = Mutex::new(Vec::new());
        let console = |line: &str| heard.lock().unwrap().push(line.to_string());
        let logs = Logs::new(Form::Dc, &console, true);
        logs.note("will resume");
        logs.debug("early");
        let paths = logs.paths(scratch.path(), &begun());
        assert!(paths[0].ends_with("simple-log.2026-01-02.03:04"), "{paths:?}");
        logs.open(&paths).unwrap();
        logs.say_as(Some("iso"));
        logs.error("cause");
        logs.say_as(None);
        logs.complain("see the log");
        assert_eq!(logs.last_error().as_deref(), Some("cause"));
        let said = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap();
            let words = |line: &str| {
                let columns: Vec<&str> = line[25..].split_whitespace().collect();
                columns.join(" ")
            };
            text.lines().map(words).collect::<Vec<_>>()
        };
        let simple = [
            "InstallationLogger INFO will resume",
            "InstallationLogger.iso ERROR cause",
            "InstallationLogger ERROR see the log",
        ];
        assert_eq!(said(&paths[0]), simple);
        assert_eq!(said(&paths[1])[1], "InstallationLogger DEBUG early");
        assert_eq!(*heard.lock().unwrap(), ["early", "cause", "see the log"]);
    }

    #[test]
    fn each_hears_what_is_its_own() {
        let scratch = tempfile::tempdir().unwrap();
        let heard = Mutex::new(Vec::new());
        let console = |line: &str| heard.lock().unwrap().push(line.to_string());
        let logs = Logs::new(Form::Distribution, &console, false);
        let paths = logs.paths(scratch.path(), &begun());
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
        let logs = Logs::new(Form::Distribution, &|_| {}, false);
        logs.open(&full).unwrap();
        logs.info("x");
        assert!(logs.broken().unwrap().starts_with("/dev/full: "));
    }
}
