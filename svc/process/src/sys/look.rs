//! look.rs - what a program sees of a file of which the ledger knows more than the disk.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::reach::{self, Other};
use crate::ledger::{Claim, Ledger};

/// A call that looks at a file.
pub struct Look {
    folder: i32,
    /// Where its path is; 0: there is none.
    path: u64,
    flags: i32,
    /// Where the answer goes.
    to: u64,
    form: Form,
}

/// The form of the answer.
enum Form {
    Stat,
    /// With the mask of what is wanted.
    Statx(u32),
}

impl Look {
    /// The call, if it is one.
    pub fn of(call: &libc::seccomp_data) -> Option<Self> {
        let at = |at: usize| call.args[at];
        let (folder, flags) = (at(0) as i32, at(3) as i32);
        Some(match libc::c_long::from(call.nr) {
            libc::SYS_newfstatat => {
                Self { folder, path: at(1), flags, to: at(2), form: Form::Stat }
            }
            libc::SYS_fstat => {
                Self { folder, path: 0, flags: libc::AT_EMPTY_PATH, to: at(1), form: Form::Stat }
            }
            libc::SYS_statx => {
                let (flags, form) = (at(2) as i32, Form::Statx(at(3) as u32));
                Self { folder, path: at(1), flags, to: at(4), form }
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_stat | libc::SYS_lstat => {
                let is_followed = libc::c_long::from(call.nr) == libc::SYS_stat;
                let flags = if is_followed { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
                let folder = libc::AT_FDCWD;
                Self { folder, path: at(0), flags, to: at(1), form: Form::Stat }
            }
            _ => return None,
        })
    }

    /// Answers it; false where the kernel knows all there is to know.
    pub fn answer(
        &self,
        other: &Other,
        ledger: &Ledger,
        still: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<bool> {
        let file = other.named(self.folder, self.path, self.flags)?;
        let mut about = nix::sys::stat::fstat(&file)?;
        let generation = || reach::generation_of(file.as_fd());
        let Some(claim) = ledger.claim((about.st_dev, about.st_ino), generation) else {
            return Ok(false);
        };
        // What was read was the caller's if it still waits.
        still()?;
        // What nobody said is root's: who builds is root in there.
        let Claim { uid, gid, device } = claim;
        let (uid, gid) = (uid.unwrap_or(0), gid.unwrap_or(0));
        let kind = device.map(|one| if one.is_block { libc::S_IFBLK } else { libc::S_IFCHR });
        match self.form {
            Form::Stat => {
                (about.st_uid, about.st_gid) = (uid, gid);
                if let (Some(kind), Some(device)) = (kind, device) {
                    about.st_mode = about.st_mode & !libc::S_IFMT | kind;
                    about.st_rdev = libc::makedev(device.major, device.minor);
                }
                other.put(self.to, bytes(&about))?;
            }
            Form::Statx(mask) => {
                // SAFETY: all zero is a valid value of this plain structure.
                let mut about: libc::statx = unsafe { std::mem::zeroed() };
                let flags = self.flags & libc::AT_STATX_SYNC_TYPE | libc::AT_EMPTY_PATH;
                let file = file.as_raw_fd();
                // SAFETY: the path ends with NUL, the structure lives through the call.
                let done = unsafe { libc::statx(file, c"".as_ptr(), flags, mask, &raw mut about) };
                if done != 0 {
                    return Err(io::Error::last_os_error());
                }
                (about.stx_uid, about.stx_gid) = (uid, gid);
                if let (Some(kind), Some(device)) = (kind, device) {
                    about.stx_mode = about.stx_mode & !(libc::S_IFMT as u16) | kind as u16;
                    (about.stx_rdev_major, about.stx_rdev_minor) = (device.major, device.minor);
                }
                other.put(self.to, bytes(&about))?;
            }
        }
        Ok(true)
    }
}

/// The bytes of a structure of the kernel's.
fn bytes<T>(of: &T) -> &[u8] {
    // SAFETY: a plain structure that the kernel has filled in whole, of which every byte may be
    // read as long as it lives.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(of).cast(), size_of::<T>()) }
}
