//! signals - the signals of this process, as descriptors.
//!
//! A child has ended: a byte in a socket pair.  The end was ordered: on Linux a signalfd, which
//! says who ordered it, because a service is not to end its restarter.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
};

/// They are taken once, while the process has one thread: the others inherit what is blocked.
#[derive(Debug)]
pub struct Signals {
    child: UnixStream,
    #[cfg(target_os = "linux")]
    end: nix::sys::signalfd::SignalFd,
    #[cfg(not(target_os = "linux"))]
    end: UnixStream,
}

/// Who ordered the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// This process.
    Process(i32),
    /// The kernel (a terminal), or somebody this system does not name.
    Unnamed,
}

impl Signals {
    /// Takes them.  Those that nobody has a use for here are caught and dropped: any process of
    /// the same user may send them, services included.
    ///
    /// # Errors
    /// What the system says.
    pub fn take() -> io::Result<Signals> {
        let ignored = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        for signal in [SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO] {
            signal_hook::flag::register(signal, ignored.clone())?;
        }
        Ok(Signals { child: pipe(&[SIGCHLD])?, end: end()? })
    }

    /// Readable when a child has ended.
    #[must_use]
    pub fn child(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }

    /// Readable when the end was ordered.
    #[must_use]
    pub fn end(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }

    /// Whether children have ended since the last call.
    pub fn children_ended(&self) -> bool {
        drain(&self.child)
    }

    /// Who has ordered the end since the last call.
    #[cfg(target_os = "linux")]
    pub fn orders_to_end(&self) -> Vec<Sender> {
        let mut senders = Vec::new();
        while let Ok(Some(signal)) = self.end.read_signal() {
            senders.push(match i32::try_from(signal.ssi_pid) {
                Ok(pid) if pid > 0 && signal.ssi_code <= 0 => Sender::Process(pid),
                Ok(_) | Err(_) => Sender::Unnamed,
            });
        }
        senders
    }

    /// Who has ordered the end since the last call.
    #[cfg(not(target_os = "linux"))]
    pub fn orders_to_end(&self) -> Vec<Sender> {
        if drain(&self.end) { vec![Sender::Unnamed] } else { Vec::new() }
    }
}

fn pipe(signals: &[i32]) -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    for signal in signals {
        signal_hook::low_level::pipe::register(*signal, writer.try_clone()?)?;
    }
    Ok(reader)
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

#[cfg(target_os = "linux")]
fn end() -> io::Result<nix::sys::signalfd::SignalFd> {
    use nix::sys::signal::{SigSet, Signal};
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    let mut mask = SigSet::empty();
    for signal in [SIGTERM, SIGINT] {
        mask.add(Signal::try_from(signal)?);
    }
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

#[cfg(not(target_os = "linux"))]
fn end() -> io::Result<UnixStream> {
    pipe(&[SIGTERM, SIGINT])
}
