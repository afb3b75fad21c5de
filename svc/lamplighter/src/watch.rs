//! watch.rs - sleeping until something happens: files that change, a process that ends.
//!
//! Linux has inotify and pidfd.  Elsewhere a watch only sleeps, for a second at most, and the
//! caller looks again.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

/// The longest sleep: what changes no file that is watched is seen this late.
pub const LOOK_AGAIN: Duration = Duration::from_secs(3);

#[cfg(target_os = "linux")]
mod linux {
    use super::{Path, Result};
    use anyhow::Context;
    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
    use std::time::Duration;

    /// Directories whose files change.
    pub struct Watch {
        inotify: Inotify,
    }

    impl Watch {
        /// Nothing is watched yet.
        pub fn new() -> Result<Self> {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            Ok(Self { inotify })
        }

        /// Watches a directory, or a file; again is the same, what is not there is left out.
        pub fn add(&self, path: &Path) -> Result<()> {
            let kinds = AddWatchFlags::IN_MODIFY
                | AddWatchFlags::IN_CREATE
                | AddWatchFlags::IN_DELETE
                | AddWatchFlags::IN_MOVED_TO;
            match self.inotify.add_watch(path, kinds) {
                Ok(_) | Err(Errno::ENOENT) => Ok(()),
                Err(errno) => Err(errno).with_context(|| path.display().to_string()),
            }
        }

        /// Sleeps until something changes; false when nothing did for so long.
        pub fn wait(&self, longest: Duration) -> Result<bool> {
            if !ready(self.inotify.as_fd(), Some(longest))? {
                return Ok(false);
            }
            // What happened is of no interest, only that it did.
            while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
            Ok(true)
        }
    }

    fn ready(fd: BorrowedFd<'_>, longest: Option<Duration>) -> Result<bool> {
        let timeout = match longest {
            None => PollTimeout::NONE,
            Some(time) => PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX),
        };
        loop {
            match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout) {
                Ok(count) => return Ok(count > 0),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno).context("poll"),
            }
        }
    }

    /// A process that is not our child.
    pub struct Process {
        fd: OwnedFd,
    }

    impl Process {
        /// The process of this number; `None` when there is none.
        pub fn open(pid: i32) -> Result<Option<Self>> {
            // SAFETY: pidfd_open takes two integers and gives a new descriptor or -1.
            let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
            match i32::try_from(Errno::result(fd).unwrap_or(-1)).unwrap_or(-1) {
                -1 if Errno::last() == Errno::ESRCH => Ok(None),
                -1 => Err(Errno::last()).with_context(|| format!("process {pid}")),
                // SAFETY: the descriptor is new and nobody else's.
                fd => Ok(Some(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })),
            }
        }

        /// Asks it to end.
        pub fn terminate(&self) -> Result<()> {
            use std::os::fd::AsRawFd;
            let none = std::ptr::null::<libc::siginfo_t>();
            // SAFETY: the descriptor is open; a null pointer for the information is allowed.
            let done = unsafe {
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    self.fd.as_raw_fd(),
                    libc::SIGTERM,
                    none,
                    0,
                )
            };
            match Errno::result(done) {
                Ok(_) | Err(Errno::ESRCH) => Ok(()),
                Err(errno) => Err(errno).context("SIGTERM"),
            }
        }

        /// Sleeps until it has ended; false when it lives on after so long.
        pub fn ended(&self, longest: Duration) -> Result<bool> {
            ready(self.fd.as_fd(), Some(longest))
        }
    }
}

#[cfg(target_os = "linux")]
pub use linux::{Process, Watch};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Duration, Path, Result};

    /// Nothing is watched: the caller looks every second.
    pub struct Watch;

    impl Watch {
        /// Ready.
        pub fn new() -> Result<Self> {
            Ok(Self)
        }

        /// Does nothing.
        pub fn add(&self, _: &Path) -> Result<()> {
            Ok(())
        }

        /// Sleeps.
        pub fn wait(&self, longest: Duration) -> Result<bool> {
            std::thread::sleep(longest.min(Duration::from_secs(1)));
            Ok(true)
        }
    }

    /// The system's svc.startd is not ours to end.
    pub struct Process;

    impl Process {
        /// There is none of ours.
        pub fn open(_: i32) -> Result<Option<Self>> {
            Ok(None)
        }

        /// Does nothing.
        pub fn terminate(&self) -> Result<()> {
            Ok(())
        }

        /// It never ran.
        pub fn ended(&self, _: Duration) -> Result<bool> {
            Ok(true)
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Process, Watch};

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_change_wakes_and_silence_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::new().unwrap();
        watch.add(folder.path()).unwrap();
        watch.add(folder.path()).unwrap();
        watch.add(&folder.path().join("not-there")).unwrap();
        assert!(!watch.wait(Duration::ZERO).unwrap());
        std::fs::write(folder.path().join("x"), "1").unwrap();
        assert!(watch.wait(LOOK_AGAIN).unwrap());
        assert!(!watch.wait(Duration::ZERO).unwrap());
        std::fs::rename(folder.path().join("x"), folder.path().join("y")).unwrap();
        assert!(watch.wait(LOOK_AGAIN).unwrap());
    }

    #[test]
    fn processes() {
        let own = i32::try_from(std::process::id()).unwrap();
        let own = Process::open(own).unwrap().unwrap();
        assert!(!own.ended(Duration::ZERO).unwrap());
        assert!(Process::open(i32::MAX - 1).unwrap().is_none());
    }
}
