//! poller.rs - which descriptors are ready, by epoll (Linux and illumos have it alike).
//!
//! Level-triggered: a descriptor is reported for as long as it is ready, so a caller may stop
//! early and is called again.  Every unsafe call of the event loop is in this file.
//!
//! Not here: what a token means; who owns the descriptors.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// What a descriptor is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    /// Wake when there is something to read, or the peer is gone.
    pub read: bool,
    /// Wake when something can be written.
    pub write: bool,
}

/// A set of descriptors, each with a token.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer; the result is checked before it is owned.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, open, and owned by nobody else.
        Ok(Self { epoll: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Adds a descriptor under a token.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, bits(interest))
    }

    /// Adds a listening socket that several sets share: one of them is woken, not all.
    pub fn add_shared(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let shared = libc::EPOLLIN as u32 | libc::EPOLLEXCLUSIVE as u32;
        self.control(libc::EPOLL_CTL_ADD, fd, token, shared)
    }

    /// Changes what a descriptor is waited for.
    pub fn change(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, bits(interest))
    }

    /// Takes a descriptor out.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    /// Waits until something is ready or the time is over; the tokens of what is ready.
    pub fn wait(&self, tokens: &mut Vec<u64>, limit: Option<Duration>) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
        let limit_ms = match limit {
            Some(limit) => i32::try_from(limit.as_millis()).unwrap_or(i32::MAX),
            None => -1,
        };
        // SAFETY: the array outlives the call and its length is the one given.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as libc::c_int,
                limit_ms,
            )
        };
        tokens.clear();
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        tokens.extend(events[..count as usize].iter().map(|event| event.u64));
        Ok(())
    }

    fn control(&self, operation: i32, fd: BorrowedFd<'_>, token: u64, bits: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: bits, u64: token };
        // SAFETY: both descriptors are open for the call; the event lives through it.
        let status = unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd.as_raw_fd(), &mut event)
        };
        if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn bits(interest: Interest) -> u32 {
    let mut bits = 0;
    if interest.read {
        bits |= (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
    }
    if interest.write {
        bits |= libc::EPOLLOUT as u32;
    }
    bits
}

/// Sends bytes of a file from `offset` on without copying them through this process; moves
/// `offset` on and returns how many went.
pub fn send_file(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: &mut u64,
    limit: usize,
) -> io::Result<usize> {
    let mut position = *offset as libc::off_t;
    // SAFETY: both descriptors are open for the call and `position` lives through it.
    let sent = unsafe {
        libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &mut position, limit as libc::size_t)
    };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    *offset = position as u64;
    Ok(sent as usize)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_what_is_asked_for_wakes() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let poller = Poller::new().unwrap();
        poller.add(far.as_fd(), 7, Interest { read: true, write: false }).unwrap();
        let mut tokens = Vec::new();
        poller.wait(&mut tokens, Some(Duration::ZERO)).unwrap();
        assert!(tokens.is_empty());
        near.write_all(b"x").unwrap();
        poller.wait(&mut tokens, None).unwrap();
        assert_eq!(tokens, [7]);
        poller.change(far.as_fd(), 8, Interest { read: false, write: true }).unwrap();
        poller.wait(&mut tokens, None).unwrap();
        assert_eq!(tokens, [8]);
        poller.remove(far.as_fd()).unwrap();
        poller.wait(&mut tokens, Some(Duration::ZERO)).unwrap();
        assert!(tokens.is_empty());
    }

    #[test]
    fn a_file_goes_out_from_its_offset() {
        use std::io::Read;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut offset = 3;
        assert_eq!(send_file(near.as_fd(), file.as_fd(), &mut offset, 4).unwrap(), 4);
        assert_eq!(offset, 7);
        drop(near);
        let mut text = String::new();
        far.read_to_string(&mut text).unwrap();
        assert_eq!(text, "3456");
    }
}
