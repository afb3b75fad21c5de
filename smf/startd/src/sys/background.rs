//! background - leaving the terminal; the parent returns when the daemon serves.
//!
//! Must be called while the process has one thread.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// Which side of the fork this is.
#[derive(Debug)]
pub enum Side {
    /// The process that was called: it ends with this status.
    Caller(i32),
    /// The daemon: it tells when it serves.
    Daemon(Ready),
}

/// The daemon's promise to tell.
#[derive(Debug)]
pub struct Ready {
    caller: Option<UnixStream>,
}

impl Ready {
    /// For a process that stays in the foreground: nobody waits.
    #[must_use]
    pub fn foreground() -> Ready {
        Ready { caller: None }
    }

    /// It serves: lets the caller go, and lets go of the terminal.
    ///
    /// # Errors
    /// What the system says.
    pub fn tell(self) -> io::Result<()> {
        let Some(mut caller) = self.caller else { return Ok(()) };
        let null = File::options().read(true).write(true).open("/dev/null")?;
        for standard in 0..=2 {
            // SAFETY: dup2 on two descriptors this process owns.
            if unsafe { libc::dup2(null.as_raw_fd(), standard) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        caller.write_all(b"r")
    }
}

/// What the caller had open is not for a daemon to hold: locks, pipes somebody reads to the end.
#[cfg(target_os = "linux")]
fn close_inherited(keep: &UnixStream) {
    let Ok(keep) = u32::try_from(keep.as_raw_fd()) else { return };
    for (first, last) in [(3, keep.saturating_sub(1)), (keep + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: descriptors that nothing in this process owns: it has opened `keep` alone.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn close_inherited(_keep: &UnixStream) {}

/// Goes on in a child in a session of its own.
///
/// # Errors
/// No process could be made.
pub fn background() -> io::Result<Side> {
    let (mut here, there) = UnixStream::pair()?;
    // SAFETY: one thread only, as the file's law says, so the child may go on as the parent would.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(here);
            // SAFETY: no arguments; the child leads no group, so this cannot fail.
            unsafe { libc::setsid() };
            std::env::set_current_dir("/")?;
            close_inherited(&there);
            Ok(Side::Daemon(Ready { caller: Some(there) }))
        }
        child => {
            drop(there);
            let mut byte = [0u8; 1];
            if here.read(&mut byte)? == 1 {
                return Ok(Side::Caller(0));
            }
            // It ended before it served, and has said why.
            let mut status = 0;
            // SAFETY: waitpid on the child made above, with room for its status.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1 };
            Ok(Side::Caller(code))
        }
    }
}
