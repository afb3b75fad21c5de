//! daemon - the main loop: one poll over signals, contracts and the repository.
//!
//! Idle, it sleeps in poll without a time-out.  A time-out is set only for the next deadline of
//! a method, and for a watchdog that asked to hear from this loop.  SIGCHLD is looked at before the
//! contracts, so that how a process ended is known before its contract is found empty.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::engine::Engine;
use crate::store::{Store, StoreError};
use crate::sys::machine::Machine;
use crate::sys::manager::Manager;
use crate::sys::memory;
use crate::sys::signals::Sender;
pub use crate::sys::signals::Signals;
use crate::sys::{Level, Sys};

/// So many at once need more memory than what follows from them: a bundle of a thousand services.
const MANY_CHANGES: usize = 1_000;

/// What ends the loop early.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// Waiting failed.
    #[error("waiting for events")]
    Poll(#[source] io::Error),
    /// The repository cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs the engine until it is told to end and everything is down.  `changes` is readable when
/// the store has changes.
///
/// # Errors
/// Waiting failed, or the repository is gone.
pub fn run<S: Store>(
    engine: &mut Engine<S, Machine>,
    signals: &Signals,
    changes: BorrowedFd<'_>,
    manager: &mut Manager,
) -> Result<(), LoopError> {
    let mut stopping = false;
    // To read all instances took more than to keep them.
    memory::give_back();
    loop {
        if turn(engine, signals)? >= MANY_CHANGES {
            memory::give_back();
        }
        if engine.is_ending() && !stopping {
            stopping = true;
            manager.stopping();
        }
        if engine.ended() {
            return Ok(());
        }
        let beat = manager.beat();
        wait(engine, signals, changes, beat)?;
    }
}

/// Lets the engine know all that has happened; how much of it was changes of the repository.
///
/// # Errors
/// The repository is gone.
pub fn turn<S: Store>(
    engine: &mut Engine<S, Machine>,
    signals: &Signals,
) -> Result<usize, LoopError> {
    for sender in signals.orders_to_end() {
        if !of_a_service(engine, sender) {
            engine.end();
        }
    }
    engine.sys().signals_read();
    let mut happened = engine.sys().reap();
    happened.extend(engine.sys().emptied());
    engine.all_happened(happened);
    let changes = engine.repository_changed()?;
    engine.tick();
    engine.sys().turned();
    Ok(changes)
}

/// Whether it is a service that orders the end: its restarter is not its to end.  An administrator
/// may be a member of one (that lets him log in), so only who kills his own parent counts.
fn of_a_service<S: Store>(engine: &mut Engine<S, Machine>, sender: Sender) -> bool {
    let Sender::Process(pid) = sender else { return false };
    let Some(contract) = engine.sys().contract_of_child(pid) else { return false };
    // Its contract may have ended with it.
    let whose = engine.instance_of(contract);
    let whose = whose.map_or_else(|| "a service".to_owned(), |fmri| fmri.to_string());
    let what = format!("{whose}: its process {pid} orders the end of svc.startd; ignored");
    engine.sys().note(Level::Notice, &what);
    true
}

/// Sleeps until something happens, or the engine's next deadline, or `limit`.
///
/// # Errors
/// Waiting failed.
pub fn wait<S: Store>(
    engine: &mut Engine<S, Machine>,
    signals: &Signals,
    changes: BorrowedFd<'_>,
    limit: Option<Duration>,
) -> Result<(), LoopError> {
    let timeout = engine.timeout().into_iter().chain(limit).min();
    let machine = engine.sys();
    let timeout = if machine.has_more() { Some(Duration::ZERO) } else { timeout };
    let watched = signals.descriptors().into_iter().chain([changes]).chain(machine.descriptor());
    let mut fds: Vec<PollFd<'_>> = watched.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let timeout = timeout.map_or(PollTimeout::NONE, |timeout| {
        // Rounded up, so that the deadline has passed when it is looked at.
        let timeout = if timeout.is_zero() { timeout } else { timeout + Duration::from_millis(1) };
        PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut fds, timeout) {
        Ok(_) => {
            if fds[0].any() == Some(true) {
                // Before they are looked for: one that ends from now on makes it readable again.
                signals.children_ended();
            }
            Ok(())
        }
        Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(LoopError::Poll(errno.into())),
    }
}
