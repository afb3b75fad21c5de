//! signals - the signals of this process, as descriptors.
//!
//! A child has ended: on Linux a signalfd, elsewhere a byte in a socket pair.  The end was ordered:
//! the same, and a signalfd says who ordered it, because a service is not to end its restarter.
//!
//! A signalfd tells of what is blocked in all threads.  In svc.startd that is so; where another
//! thread was there before (a test's), it gets SIGCHLD, and the socket pair tells of it.

use std::io::{self, Read};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
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
    blocked: nix::sys::signalfd::SignalFd,
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
        #[cfg(target_os = "linux")]
        return Ok(Signals { child: pipe(&[SIGCHLD])?, blocked: blocked()? });
        #[cfg(not(target_os = "linux"))]
        Ok(Signals { child: pipe(&[SIGCHLD])?, end: pipe(&[SIGTERM, SIGINT])? })
    }

    /// One of them is readable when there is something to take.
    #[must_use]
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        #[cfg(target_os = "linux")]
        let other = self.blocked.as_fd();
        #[cfg(not(target_os = "linux"))]
        let other = self.end.as_fd();
        [self.child.as_fd(), other]
    }

    /// The first of them is readable: children have ended, and are to be looked for.
    pub fn children_ended(&self) {
        drain(&self.child);
    }

    /// Who has ordered the end since the last call.  It takes what came of children as well: they
    /// are looked for afterwards.
    #[cfg(target_os = "linux")]
    pub fn orders_to_end(&self) -> Vec<Sender> {
        let mut senders = Vec::new();
        loop {
            // SAFETY: all zero is a valid signalfd_siginfo.
            let mut some: [libc::signalfd_siginfo; 4] = unsafe { std::mem::zeroed() };
            let (fd, room) = (self.blocked.as_raw_fd(), size_of_val(&some));
            // SAFETY: a descriptor that is open, and room for so many bytes.
            let length = unsafe { libc::read(fd, some.as_mut_ptr().cast(), room) };
            let length = usize::try_from(length).unwrap_or(0);
            for signal in &some[..length / size_of::<libc::signalfd_siginfo>()] {
                if i32::try_from(signal.ssi_signo) == Ok(SIGCHLD) {
                    continue;
                }
                senders.push(match i32::try_from(signal.ssi_pid) {
                    Ok(pid) if pid > 0 && signal.ssi_code <= 0 => Sender::Process(pid),
                    Ok(_) | Err(_) => Sender::Unnamed,
                });
            }
            if length < room {
                return senders;
            }
        }
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
fn blocked() -> io::Result<nix::sys::signalfd::SignalFd> {
    use nix::sys::signal::{SigSet, Signal};
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    let mut mask = SigSet::empty();
    for signal in [SIGTERM, SIGINT, SIGCHLD] {
        mask.add(Signal::try_from(signal)?);
    }
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}
