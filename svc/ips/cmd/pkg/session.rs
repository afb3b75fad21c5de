//! session.rs - a change of an image from the command line: its lock, its time, its history entry.

use ips_client::Control;
use ips_client::execute::recover;
use ips_client::image::{
    Change, Configuration, HistoryError, Image, ImageLock, Operation, Outcome,
};
use ips_cmd::{Failure, clock};
use ips_model::Timestamp;
use nix::unistd::{Uid, User};

use crate::call::{Call, refused};

/// A change that is going on.
#[derive(Debug)]
pub struct Session {
    /// The image, locked.
    pub image: Image,
    /// The lock.
    pub lock: ImageLock,
    /// When it began.
    pub start: Timestamp,
    /// The release notes of what was done, for the history.
    pub notes: Vec<String>,
    operation: Operation,
}

impl Session {
    /// Locks the call's image to do what the history calls `operation`.
    pub fn begin(call: &Call, operation: &str) -> Result<Session, Failure> {
        let image = call.image()?;
        Session::of(call, image, operation)
    }

    /// The same with an image that is open.
    pub fn of(call: &Call, mut image: Image, operation: &str) -> Result<Session, Failure> {
        let start = clock::publication()?;
        let lock = image.lock().map_err(refused)?;
        // Whoever had the lock until now may have died with it.
        recover(&mut image, &lock, &Control::silent()).map_err(Failure::new)?;
        let user = User::from_uid(Uid::effective()).ok().flatten();
        let operation = Operation {
            client: image.client().to_string(),
            client_version: env!("CARGO_PKG_VERSION").to_string(),
            arguments: call.line.clone(),
            name: operation.to_string(),
            user: user.map_or_else(|| Uid::effective().to_string(), |user| user.name),
            userid: Uid::effective().to_string(),
            start: start.package(),
            ..Operation::default()
        };
        Ok(Session { image, lock, start, notes: Vec::new(), operation })
    }

    /// Stores a configuration.
    pub fn configure(&mut self, configuration: Configuration) -> Result<(), Failure> {
        let mut change = Change::at(self.start);
        change.configuration = Some(configuration);
        self.record(&change)
    }

    /// Makes a change lasting.
    pub fn record(&mut self, change: &Change) -> Result<(), Failure> {
        self.image.record(&self.lock, change).map_err(refused)
    }

    /// What was planned, and what came of it, for the history.
    pub fn states(&mut self, start: &str, end: &str) {
        (self.operation.start_state, self.operation.end_state) = (start.into(), end.into());
    }

    /// Writes the history entry and lets go of the image.
    pub fn end(mut self, outcome: Outcome) -> Result<(), Failure> {
        self.write(outcome)
    }

    /// The same for what failed; hands the failure on.
    pub fn fail(mut self, outcome: Outcome, failure: Failure) -> Failure {
        self.operation.errors.push(failure.message.clone());
        match self.write(outcome) {
            Ok(()) => failure,
            Err(second) => Failure::new(format!("{}\n{}", failure.message, second.message)),
        }
    }

    fn write(&mut self, outcome: Outcome) -> Result<(), Failure> {
        self.operation.outcome = outcome.outcome.to_string();
        self.operation.reason = outcome.reason.to_string();
        self.operation.end = clock::publication()?.package();
        let failed = |error: HistoryError| {
            Failure::new(format!(
                "An error was encountered while attempting to store information about the\ncurrent operation in client history.\npkg: {error}"
            ))
        };
        if !self.notes.is_empty() {
            let text: String = self.notes.iter().map(|line| format!("{line}\n")).collect();
            let name = self.image.keep_notes(&self.operation.start, &text).map_err(failed)?;
            self.operation.others.push(("release-notes".to_string(), name));
        }
        self.image.log(&self.operation).map_err(failed)
    }
}
