//! sys - the seam between the engine and the system: every system call the engine causes.
//!
//! The engine decides; this does.  Tests put a simulated system here.  What the system has to
//! tell (a child ended, a contract emptied) comes back as [`Happened`].

pub mod background;
mod bare;
mod child;
mod identity;
mod log;
pub mod machine;
pub mod manager;
pub mod memory;
mod newborn;
pub mod poller;
mod privilege;
mod profile;
pub mod signals;
mod syslog;

use std::path::PathBuf;
use std::time::Duration;

pub use log::{line, log_name};

/// Whom and where a method runs as.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// The user, by name or number; none = as the engine.
    pub user: Option<String>,
    /// The group; none = the user's.
    pub group: Option<String>,
    /// Supplementary groups; none = the user's.
    pub supplementary: Option<Vec<String>>,
    /// Working directory; none = `/`, or the user's home where `home` says so.
    pub directory: Option<PathBuf>,
    /// Without a directory: the home of the user.
    pub home: bool,
    /// The rights profile that says all of the above but the directory.
    pub profile: Option<String>,
    /// Privileges; none = as they are.
    pub privileges: Option<String>,
    /// Privileges that its processes can ever have.
    pub limit: Option<String>,
    /// The project it is accounted to.
    pub project: Option<String>,
    /// The resource pool it is bound to.
    pub pool: Option<String>,
    /// Security flags.
    pub security_flags: Option<String>,
}

/// Why a context cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// What it says cannot be made out.
    #[error("{0}")]
    Unreadable(String),
    /// It cannot be set; a process that tried would exit 96.
    #[error("{0}")]
    Unsettable(String),
}

/// A method to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spawn {
    /// The instance's log is its standard output and error.
    pub fmri: String,
    /// Argument of `/bin/sh -c`, without the `exec`.
    pub command: String,
    /// The whole environment, except the contract's cookie.
    pub environment: Vec<(String, String)>,
    /// The contract to start it in.
    pub contract: u64,
    /// Whom and where.
    pub context: Context,
}

/// What the system has to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// A method ended with this wait status.
    Ended {
        /// Its process.
        pid: i32,
        /// As wait(2) gives it.
        status: i32,
    },
    /// A member of a contract, other than a method, ended with this wait status.
    MemberEnded {
        /// The contract.
        contract: u64,
        /// As wait(2) gives it.
        status: i32,
    },
    /// A contract has no living member any more.
    Emptied {
        /// The contract.
        contract: u64,
    },
}

/// How a message of the engine is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Worth reading.
    Notice,
    /// Something is wrong.
    Error,
    /// Worth reading for who looks for something.
    Debug,
}

/// What svc.startd.log gets (`options/logging`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Logging {
    /// Notices and errors.
    #[default]
    Quiet,
    /// All there is.
    Debug,
}

impl Logging {
    /// Reads the word; one that is none says nothing.
    #[must_use]
    pub fn parse(word: &str) -> Option<Logging> {
        match word {
            "quiet" => Some(Logging::Quiet),
            "verbose" | "debug" => Some(Logging::Debug),
            _ => None,
        }
    }
}

/// The system, as the engine needs it.
pub trait Sys {
    /// Time since some fixed instant; never goes back.
    fn now(&self) -> Duration;
    /// Seconds and nanoseconds since the epoch.
    fn wall(&self) -> (i64, u32);
    /// A new contract.
    ///
    /// # Errors
    /// What the system says.
    fn create(&mut self) -> Result<u64, String>;
    /// A new contract for a method with this context.
    ///
    /// # Errors
    /// What the system says.
    fn create_for(&mut self, _context: &Context) -> Result<u64, String> {
        self.create()
    }
    /// Looks at a method that is about to be started: lines for its log.
    ///
    /// # Errors
    /// Its context cannot be had.
    fn prepare(&mut self, _spawn: &Spawn) -> Result<Vec<String>, Unfit> {
        Ok(Vec::new())
    }
    /// Starts a method; returns its process.
    ///
    /// # Errors
    /// What the system says.
    fn spawn(&mut self, spawn: &Spawn) -> Result<i32, String>;
    /// Many contracts are going to be taken over from now on, or no longer.
    fn adoptions(&mut self, _ahead: bool) {}
    /// Takes a contract over from an engine that died; false when nothing lives in it.
    fn adopt(&mut self, contract: u64) -> bool;
    /// Sends a signal to all members.
    ///
    /// # Errors
    /// What the system says.
    fn signal(&mut self, contract: u64, signal: i32) -> Result<(), String>;
    /// Whether no member lives.  Afterwards `Emptied` is told once when the last one ends.
    fn is_empty(&mut self, contract: u64) -> bool;
    /// Lets go of a contract; its processes are left alone.
    fn abandon(&mut self, contract: u64);
    /// The same for one that nothing will name any more once what is due is written: if nothing
    /// lives in it, its number may be given out again after something else has been told.
    fn release(&mut self, contract: u64) {
        self.abandon(contract);
    }
    /// The numbers of contracts that were released are not given out again: what was due is not
    /// written, and the repository names them still.
    fn discard_used(&mut self) {}
    /// What there is to tell while methods are being started; the main loop is told the rest.
    fn meanwhile(&mut self) -> Vec<Happened> {
        Vec::new()
    }
    /// Whether a file exists.
    fn exists(&self, path: &str) -> bool;
    /// Whether a program that is to be executed is not there.
    fn lacks(&self, _program: &str) -> bool {
        false
    }
    /// Begins a new log for an instance whose log has become large, and keeps the old one; where
    /// logs are no files there is nothing to do.
    fn rotate(&mut self, _fmri: &str) {}
    /// Writes a line to an instance's log; it may wait for [`Sys::told`], or for waiting.
    fn log(&mut self, fmri: &str, message: &str);
    /// What follows is to be seen by others: whoever sees it finds the lines about it.
    fn told(&mut self) {}
    /// From now on svc.startd.log gets this much.
    fn set_logging(&mut self, _logging: Logging) {}
    /// Writes a line to svc.startd.log.
    fn note(&mut self, level: Level, message: &str);
    /// Tells syslog.
    fn syslog(&mut self, message: &str);
    /// Where an instance's log is.
    fn log_path(&self, fmri: &str) -> String;
    /// The variables every method gets beside those of SMF, PATH included.
    fn environment(&self) -> Vec<(String, String)>;
}
