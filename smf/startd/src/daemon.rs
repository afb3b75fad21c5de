//! daemon - the main loop: one poll over signals, contracts and the repository.
//!
//! Idle, it sleeps in poll without a time-out.  A time-out is set only for the next deadline of
//! a method, and for a watchdog that asked to hear from this loop.  Signals arrive as bytes in a socket pair: SIGCHLD first, so that how a process ended
//! is known before its contract is found empty.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
};

use crate::engine::Engine;
use crate::store::{Store, StoreError};
use crate::sys::machine::Machine;
use crate::sys::manager::Manager;

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

/// The signals of this process, as descriptors.
#[derive(Debug)]
pub struct Signals {
    child: UnixStream,
    end: UnixStream,
}

impl Signals {
    /// Takes them.  Those that nobody has a use for here are caught and dropped: any process of
    /// the same user may send them, services included.
    ///
    /// # Errors
    /// What the system says.
    pub fn take() -> io::Result<Signals> {
        let pair = |signals: &[i32]| -> io::Result<UnixStream> {
            let (reader, writer) = UnixStream::pair()?;
            reader.set_nonblocking(true)?;
            for signal in signals {
                signal_hook::low_level::pipe::register(*signal, writer.try_clone()?)?;
            }
            Ok(reader)
        };
        let ignored = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        for signal in [SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO] {
            signal_hook::flag::register(signal, ignored.clone())?;
        }
        Ok(Signals { child: pair(&[SIGCHLD])?, end: pair(&[SIGTERM, SIGINT])? })
    }
}

/// Empties a pipe; true if there was anything in it.
fn drain(mut pipe: &UnixStream) -> bool {
    let mut bytes = [0u8; 256];
    let mut any = false;
    while matches!(pipe.read(&mut bytes), Ok(1..)) {
        any = true;
    }
    any
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
    loop {
        turn(engine, signals)?;
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

/// Lets the engine know all that has happened.
///
/// # Errors
/// The repository is gone.
pub fn turn<S: Store>(engine: &mut Engine<S, Machine>, signals: &Signals) -> Result<(), LoopError> {
    if drain(&signals.end) {
        engine.end();
    }
    drain(&signals.child);
    for happened in engine.sys().reap() {
        engine.happened(happened);
    }
    for happened in engine.sys().emptied() {
        engine.happened(happened);
    }
    engine.repository_changed()?;
    engine.tick();
    Ok(())
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
    let mut fds = vec![
        PollFd::new(signals.child.as_fd(), PollFlags::POLLIN),
        PollFd::new(signals.end.as_fd(), PollFlags::POLLIN),
        PollFd::new(changes, PollFlags::POLLIN),
    ];
    fds.extend(machine.descriptor().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    let timeout = timeout.map_or(PollTimeout::NONE, |timeout| {
        // Rounded up, so that the deadline has passed when it is looked at.
        let timeout = if timeout.is_zero() { timeout } else { timeout + Duration::from_millis(1) };
        PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut fds, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(LoopError::Poll(errno.into())),
    }
}
