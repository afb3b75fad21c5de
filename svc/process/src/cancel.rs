//! cancel.rs - the wish to stop: a flag that can be asked, and a descriptor that wakes a poll.
//!
//! Invariant: once set it stays set.  The flag is set before the descriptor becomes readable.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A wish to stop, shared by all clones.
#[derive(Debug, Clone)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    ends: Arc<(UnixStream, UnixStream)>,
}

impl Cancel {
    /// Not set.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn new() -> io::Result<Cancel> {
        Ok(Cancel { flag: Arc::new(AtomicBool::new(false)), ends: Arc::new(UnixStream::pair()?) })
    }

    /// Wishes to stop.
    pub fn set(&self) {
        self.flag.store(true, Ordering::SeqCst);
        // Only fails when it was done before.
        let _again = self.ends.1.shutdown(Shutdown::Write);
    }

    /// Whether somebody wished to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::SeqCst)
    }

    /// The flag itself, for work that asks now and then.
    #[must_use]
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.flag
    }

    /// Readable once it is set.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.ends.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    #[test]
    fn set_once_seen_by_all() {
        let cancel = Cancel::new().unwrap();
        let other = cancel.clone();
        let readable = |timeout| {
            let mut fds = [PollFd::new(other.descriptor(), PollFlags::POLLIN)];
            poll(&mut fds, timeout).unwrap() == 1
        };
        assert!(!cancel.is_set() && !readable(PollTimeout::ZERO));
        cancel.set();
        cancel.set();
        assert!(other.is_set() && other.flag().load(Ordering::SeqCst));
        assert!(readable(PollTimeout::NONE) && readable(PollTimeout::NONE));
    }
}
