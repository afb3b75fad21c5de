//! run.rs - the frame of a stage program: what went wrong becomes one log line and one exit
//! status, here and nowhere else.
//!
//! | failure | status | SMF's name |
//! |---|---|---|
//! | fatal; no longer wanted | 95 | SMF_EXIT_ERR_FATAL |
//! | configuration | 96 | SMF_EXIT_ERR_CONFIG |
//! | not a method | 99 | SMF_EXIT_ERR_NOSMF |
//! | permission | 100 | SMF_EXIT_ERR_PERM |
//! | a signal | death by that signal | |

use std::io::{self, Write};
use std::process::ExitCode;

use nix::sys::signal::{SigHandler, SigSet, Signal, raise, signal};

use crate::output::OutputError;
use crate::properties::PropertyError;
use crate::smf::{Smf, SmfError};
use crate::stage::Stage;
use crate::tree::TreeError;
use crate::watch::{Reason, Watch, Wish};

/// Why a stage did not do its work.  The text is the last line of its log.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Trying again changes nothing; somebody must repair something.
    #[error("{0}")]
    Fatal(String),
    /// A property is wrong, or names what is not there.
    #[error("{0}")]
    Configuration(String),
    /// This user may not do it.
    #[error("{0}")]
    Permission(String),
    /// Not started by SMF.
    #[error("{0}")]
    NoSmf(String),
}

impl Failure {
    /// Fatal, with this text.
    pub fn fatal(text: impl std::fmt::Display) -> Failure {
        Failure::Fatal(text.to_string())
    }

    /// Bad configuration, with this text.
    pub fn configuration(text: impl std::fmt::Display) -> Failure {
        Failure::Configuration(text.to_string())
    }

    /// Fatal, with an error and its sources; permission where that is at the bottom of it.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Failure {
        let mut text = error.to_string();
        let mut denied = false;
        let mut next = Some(error);
        while let Some(cause) = next {
            let said = cause.to_string();
            // Many a message shows its source already.
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            let system = cause.downcast_ref::<io::Error>();
            denied |= system.is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied);
            next = cause.source();
        }
        if denied { Failure::Permission(text) } else { Failure::Fatal(text) }
    }

    fn status(&self) -> u8 {
        match self {
            Failure::Fatal(_) => 95,
            Failure::Configuration(_) => 96,
            Failure::NoSmf(_) => 99,
            Failure::Permission(_) => 100,
        }
    }
}

impl From<PropertyError> for Failure {
    fn from(error: PropertyError) -> Failure {
        Failure::configuration(error)
    }
}

impl From<SmfError> for Failure {
    fn from(error: SmfError) -> Failure {
        match error {
            SmfError::NotAMethod => Failure::NoSmf(error.to_string()),
            SmfError::Fmri(_) | SmfError::Process(_) | SmfError::Refused { .. } => {
                Failure::of(&error)
            }
        }
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Failure {
        Failure::of(&error)
    }
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Failure {
        Failure::of(&error)
    }
}

impl From<process::ProcessError> for Failure {
    fn from(error: process::ProcessError) -> Failure {
        Failure::of(&error)
    }
}

/// Runs a stage: `kind` names its directory below var/lamplighter (`builder`, `merger`).
pub fn run(kind: &str, work: impl FnOnce(&Stage) -> Result<(), Failure>) -> ExitCode {
    let mut name = kind.to_owned();
    let wish = match Wish::new().and_then(|wish| wish.hear_signals().map(|()| wish)) {
        Ok(wish) => wish,
        Err(error) => return report(&name, &no_thread(&error)),
    };
    let done = Smf::of_environment().map_err(Failure::from).and_then(|smf| {
        name = smf.name();
        let asked = smf.clone();
        // Asked from the beginning: taking the lock may take its time.
        let watch = Watch::start(&wish, move || asked.is_wanted());
        let _watch = watch.map_err(|error| no_thread(&error))?;
        let stage = Stage::open(kind, smf, wish.clone())?;
        without_panic(|| work(&stage))
    });
    match (wish.reason(), done) {
        // What was finished in spite of a wish to end is finished.
        (None | Some(Reason::Unwanted), Ok(())) => ExitCode::SUCCESS,
        (None, Err(failure)) => report(&name, &failure),
        (Some(Reason::Unwanted), Err(_)) => stopped(&name),
        (Some(Reason::Signal(by)), _) => {
            say(&name, &format!("stopped by {by}"));
            die_of(by);
            ExitCode::from(95)
        }
    }
}

/// The work, and a fatal failure where it panics: the status that Rust gives a panic is 101, which
/// SMF may read as success (SMF_EXIT_TEMP_DISABLE).
fn without_panic(work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(Failure::fatal(format!("internal error: {text}")))
    })
}

/// Too many processes, or too little memory, for one more thread.
fn no_thread(error: &io::Error) -> Failure {
    Failure::fatal(format!("no room for a thread, in memory or number: {error}"))
}

/// The end of work that is no longer wanted.  Wanted again by now, it ends by a signal: SMF begins
/// again at once, where maintenance would wait for a clear that nobody thinks of.
fn stopped(name: &str) -> ExitCode {
    let wanted = Smf::of_environment().ok().and_then(|smf| smf.is_wanted());
    if wanted == Some(true) {
        say(name, "stopped, and wanted again");
        die_of(Signal::SIGTERM);
    }
    report(name, &Failure::fatal("stopped: no longer wanted"))
}

/// The frame of a program that is a method but no stage: name, work, status.
pub fn run_method(kind: &str, work: impl FnOnce(&Smf) -> Result<(), Failure>) -> ExitCode {
    let mut name = kind.to_owned();
    let done = Smf::of_environment().map_err(Failure::from).and_then(|smf| {
        name = smf.name();
        without_panic(|| work(&smf))
    });
    done.map_or_else(|failure| report(&name, &failure), |()| ExitCode::SUCCESS)
}

fn report(name: &str, failure: &Failure) -> ExitCode {
    say(name, &failure.to_string());
    ExitCode::from(failure.status())
}

/// One line of the instance's log.
pub(crate) fn say(name: &str, text: &str) {
    // A log that cannot be written cannot be told of.
    let _unsaid = writeln!(io::stderr().lock(), "{name}: {text}");
}

/// Ends this process the way the signal would have.
fn die_of(by: Signal) {
    // SAFETY: the default action, not a handler.
    let restored = unsafe { signal(by, SigHandler::SigDfl) };
    let mut set = SigSet::empty();
    set.add(by);
    if restored.is_ok() && set.thread_unblock().is_ok() {
        let _still_here = raise(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = OutputError::File { path: "/x".into(), source: denied };
        let failure = Failure::of(&error);
        assert_eq!(failure.to_string(), "/x: permission denied");
        assert_eq!(failure.status(), 100);
        assert_eq!(Failure::from(SmfError::NotAMethod).status(), 99);
        assert_eq!(Failure::from(PropertyError::Absent("a/b".into())).status(), 96);
        assert_eq!(Failure::fatal("x").status(), 95);
    }

    #[test]
    fn a_panic_is_a_fatal_failure() {
        let failure = without_panic(|| panic!("{} and {}", 1, 2)).unwrap_err();
        assert_eq!(failure.to_string(), "internal error: 1 and 2");
        assert_eq!(failure.status(), 95);
        assert!(without_panic(|| Ok(())).is_ok());
    }
}
