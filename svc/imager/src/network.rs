//! network.rs - what was asked of depots is asked again when the network was lost.
//!
//! Each request is tried several times by the transport; here a whole piece of work is begun again
//! after a pause, and goes on with what it has already got.  What a depot refuses is not asked
//! again: only what broke off, was not answered, or is said to pass.

use std::time::Duration;

use anyhow::{Result, bail};
use ips_client::SourceError;
use ips_client::change::ChangeError;
use ips_client::execute::ExecuteError;
use ips_client::image::{ManifestError, OriginRefreshError};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use process::Cancel;

/// How long to wait before each new attempt.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Does a piece of work, again where the network was lost.
pub fn again<T>(
    cancel: &Cancel,
    say: &dyn Fn(&str),
    mut work: impl FnMut() -> Result<T>,
) -> Result<T> {
    let mut pauses = PAUSES.iter();
    loop {
        let error = match work() {
            Err(error) if is_lost(&error) => error,
            other => return other,
        };
        let Some(pause) = pauses.next() else {
            return Err(error.context(format!("the network was lost {} times", PAUSES.len() + 1)));
        };
        say(&format!("{error:#}; trying again in {} s", pause.as_secs()));
        let mut fds = [PollFd::new(cancel.descriptor(), PollFlags::POLLIN)];
        // A signal only makes the pause shorter.
        let _woken = poll(&mut fds, PollTimeout::try_from(*pause).unwrap_or(PollTimeout::MAX));
        if cancel.is_set() {
            bail!("no longer wanted");
        }
    }
}

/// Whether a piece of work failed because the network was lost.
pub fn is_lost(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let refresh = cause.downcast_ref::<OriginRefreshError>();
        let change = cause.downcast_ref::<ChangeError>();
        let source = match (refresh, change) {
            (Some(OriginRefreshError::Source(source)), _)
            | (
                _,
                Some(
                    ChangeError::Source(source)
                    | ChangeError::Manifest(ManifestError::Source(source))
                    | ChangeError::Execute(ExecuteError::Source(source)),
                ),
            ) => Some(source),
            _ => cause.downcast_ref::<SourceError>(),
        };
        source.is_some_and(SourceError::is_passing)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let status = |status: u16| SourceError::Status { uri: "http://d".into(), status };
        let broken = || SourceError::Transport { uri: "http://d".into(), reason: "cut".into() };
        for (error, wanted) in [
            (anyhow::Error::from(broken()).context("publisher x"), true),
            (ChangeError::from(ExecuteError::from(broken())).into(), true),
            (ChangeError::from(ManifestError::from(status(503))).into(), true),
            (OriginRefreshError::from(status(500)).into(), true),
            (ChangeError::from(status(404)).into(), false),
            (anyhow::anyhow!("http://d: cut"), false),
        ] {
            assert_eq!(is_lost(&error), wanted, "{error:#}");
        }
    }

    #[test]
    fn a_wish_to_stop_ends_the_pause() {
        let cancel = Cancel::new().unwrap();
        let mut attempts = 0;
        let say = |line: &str| {
            assert_eq!(line, "http://d: cut; trying again in 1 s");
            cancel.set();
        };
        let ended = again::<()>(&cancel, &say, || {
            attempts += 1;
            Err(SourceError::Transport { uri: "http://d".into(), reason: "cut".into() }.into())
        });
        assert_eq!((ended.unwrap_err().to_string().as_str(), attempts), ("no longer wanted", 1));
    }
}
