//! script.rs - a script of the user's own, contained: when it has ended, all it started has.
//!
//! What it may write is named; on hosts with mount namespaces anything else is refused by the
//! system.  What it did to a root is taken over by [`crate::Rooted::reconcile`].

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use process::{Cancel, Confinement, Ended, Ledger, Limits, Lines, ProcessError, Program, Stream};

/// A script to run.
pub struct Script<'a> {
    /// The program and its arguments.
    pub command: &'a [String],
    /// What its environment has beside what every program gets.
    pub environment: &'a [(&'a str, String)],
    /// Where it runs; none: where the caller is.
    pub directory: Option<&'a Path>,
    /// What it may write, and what it must find below /tmp, which is its own.
    pub confinement: Confinement,
    /// How long it may take; none: as long as it likes.
    pub time: Option<Duration>,
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

impl Script<'_> {
    /// Runs it to its end, hearing its two streams line by line.
    ///
    /// # Errors
    /// It cannot be started or heard.
    pub fn run(
        &self,
        out: &mut dyn FnMut(&str),
        err: &mut dyn FnMut(&str),
    ) -> Result<Ended, ProcessError> {
        self.run_by(&Arc::default(), out, err)
    }

    /// The same; owners that it sets where only root may are in the ledger afterwards, for
    /// [`crate::Rooted::reconcile_by`].
    ///
    /// # Errors
    /// It cannot be started or heard.
    pub fn run_by(
        &self,
        ledger: &Arc<Ledger>,
        out: &mut dyn FnMut(&str),
        err: &mut dyn FnMut(&str),
    ) -> Result<Ended, ProcessError> {
        let name = self.command.first().map_or("", String::as_str);
        let mut program = Program::new(name)
            .args(self.command.iter().skip(1))
            .pass(&["HOME", "USER", "LOGNAME"])
            .confined(self.confinement.clone());
        for (name, value) in self.environment {
            program = program.env(name, value);
        }
        if !nix::unistd::geteuid().is_root() {
            program = program.ledger(ledger);
        }
        if let Some(directory) = self.directory {
            program = program.directory(directory);
        }
        let limits = Limits { time: self.time, cancel: Some(self.cancel), ..Limits::none() };
        let (mut outs, mut errs) = (Lines::default(), Lines::default());
        let ended = program.start()?.wait(&limits, &mut |stream, bytes| {
            match stream {
                Stream::Out => outs.push(bytes, out),
                Stream::Err => errs.push(bytes, err),
            }
            ControlFlow::Continue(())
        });
        outs.finish(out);
        errs.finish(err);
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_streams_are_heard_apart() {
        let cancel = Cancel::new().unwrap();
        let command = ["sh", "-c", "echo $WHAT; echo no >&2; exit 3"].map(str::to_string);
        let script = Script {
            command: &command,
            environment: &[("WHAT", "yes".to_string())],
            directory: None,
            confinement: Confinement::default(),
            time: None,
            cancel: &cancel,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let ended = script
            .run(&mut |line| out.push(line.to_string()), &mut |line| err.push(line.to_string()))
            .unwrap();
        assert_eq!((ended, out, err), (Ended::Exited(3), vec!["yes".into()], vec!["no".into()]));
    }
}
