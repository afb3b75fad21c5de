//! watch - one descriptor that is readable when a contract may have become empty.
//!
//! An epoll instance over cgroup.events, or over one pidfd for each member that is known.  Readable
//! means "look again", never "empty".  Where the kernel has neither (illumos), there is no
//! descriptor and the caller looks when one of its children ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, FromRawFd};

#[cfg(target_os = "linux")]
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::processes::Pid;

/// The descriptor to poll for reading.
#[derive(Debug)]
pub struct Watch {
    #[cfg(target_os = "linux")]
    epoll: Epoll,
}

#[cfg(target_os = "linux")]
impl Watch {
    /// A watch over nothing.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn new() -> io::Result<Watch> {
        Ok(Watch { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)? })
    }

    /// Also watches cgroup.events.
    ///
    /// # Errors
    /// What epoll says.
    pub fn add_events(&self, events: impl AsFd) -> io::Result<()> {
        Ok(self.epoll.add(events, EpollEvent::new(EpollFlags::EPOLLPRI, 0))?)
    }

    /// Also watches a process for its end.  Dropping the descriptor ends the watch.
    ///
    /// # Errors
    /// What epoll says.
    pub fn add_process(&self, process: impl AsFd) -> io::Result<()> {
        Ok(self.epoll.add(process, EpollEvent::new(EpollFlags::EPOLLIN, 0))?)
    }

    /// What to poll for reading.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.epoll.0.as_fd())
    }
}

#[cfg(not(target_os = "linux"))]
impl Watch {
    /// A watch over nothing.
    ///
    /// # Errors
    /// None here.
    pub fn new() -> io::Result<Watch> {
        Ok(Watch {})
    }

    /// Nothing to watch here.
    ///
    /// # Errors
    /// None here.
    pub fn add_events(&self, _events: impl AsFd) -> io::Result<()> {
        Ok(())
    }

    /// Nothing to watch here.
    ///
    /// # Errors
    /// None here.
    pub fn add_process(&self, _process: impl AsFd) -> io::Result<()> {
        Ok(())
    }

    /// There is none.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A descriptor for a process; it never names a later process of that number.
///
/// # Errors
/// `ESRCH` when it is gone; `ENOSYS` where there is no such thing.
pub fn open_process(pid: Pid) -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: pidfd_open takes two integers and returns a new descriptor or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and owned by nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _unused = pid;
        Err(io::Error::from_raw_os_error(libc::ENOSYS))
    }
}

/// Sends a signal through such a descriptor.
///
/// # Errors
/// `ESRCH` when the process is gone, `EPERM` when it may not be signalled.
pub fn signal_process(process: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a descriptor that lives through the call, an integer, no siginfo, no flags.
        let sent = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, none, 0)
        };
        if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _unused = (process, signal);
        Err(io::Error::from_raw_os_error(libc::ENOSYS))
    }
}
