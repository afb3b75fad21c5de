//! poller - which contracts have something to tell, out of many, through one descriptor.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;

#[cfg(target_os = "linux")]
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// A set of watched contracts.
#[derive(Debug)]
pub struct Poller {
    #[cfg(target_os = "linux")]
    epoll: Epoll,
}

#[cfg(target_os = "linux")]
impl Poller {
    /// An empty set.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn new() -> io::Result<Poller> {
        Ok(Poller { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)? })
    }

    /// Watches a contract's descriptor, until that is closed.
    ///
    /// # Errors
    /// What the system says.
    pub fn watch(&self, contract: u64, event: BorrowedFd<'_>) -> io::Result<()> {
        match self.epoll.add(event, EpollEvent::new(EpollFlags::EPOLLIN, contract)) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The contracts that have something to tell now.
    ///
    /// # Errors
    /// What the system says.
    pub fn ready(&self) -> io::Result<Vec<u64>> {
        let mut events = [EpollEvent::empty(); 64];
        let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        Ok(events[..count].iter().map(EpollEvent::data).collect())
    }

    /// What to poll for reading.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.epoll.0.as_fd())
    }
}

#[cfg(not(target_os = "linux"))]
impl Poller {
    /// An empty set.
    ///
    /// # Errors
    /// None here.
    pub fn new() -> io::Result<Poller> {
        Ok(Poller {})
    }

    /// Contracts have no descriptors here.
    ///
    /// # Errors
    /// None here.
    pub fn watch(&self, _contract: u64, _event: BorrowedFd<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Nothing can be told.
    ///
    /// # Errors
    /// None here.
    pub fn ready(&self) -> io::Result<Vec<u64>> {
        Ok(Vec::new())
    }

    /// There is none.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
