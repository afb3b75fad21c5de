//! linux.rs - Linux: its boot id, syncfs, mount points, FICLONERANGE, the hint to ext4.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, IFlags, StatxAttributes, StatxFlags};

/// Names the time since the system was booted; empty: unknown.
pub(crate) fn boot() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Flushes what was written to the file system so far.
pub(crate) fn flush(folder: &OwnedFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(folder)?)
}

/// Whether a file system is mounted at a name.
pub(crate) fn is_mount(at: impl AsFd, name: &CStr) -> io::Result<bool> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let found = match rustix::fs::statx(at, name, flags, StatxFlags::TYPE) {
        // Before Linux 4.11: the device number must do.
        Err(rustix::io::Errno::NOSYS) => return Ok(false),
        found => found?,
    };
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Asks the file system to put what is made in this directory far apart.  ext4 without a journal
/// does not use the number of an inode again for minutes after its removal and looks for a free one from where
/// the directory's others are: 60,000 new files beside as many removed ones take 20 s.
pub(crate) fn scatter(folder: &OwnedFd) {
    // Only ext2, 3 and 4 know the hint, and nothing but time depends on it.
    if let Ok(flags) = rustix::fs::ioctl_getflags(folder) {
        let _hinted = rustix::fs::ioctl_setflags(folder, flags | IFlags::TOPDIR);
    }
}

/// The argument of FICLONERANGE.
#[repr(C)]
struct CloneRange {
    from: i64,
    from_offset: u64,
    length: u64,
    to_offset: u64,
}

nix::ioctl_write_ptr!(clone_range, 0x94, 13, CloneRange);

/// Puts the blocks of `length` bytes of a file into another at `offset`, shared; a whole number of
/// blocks, or up to the file's end.
pub(crate) fn share(from: &File, to: &File, offset: u64, length: u64) -> io::Result<()> {
    let from = i64::from(from.as_raw_fd());
    let range = CloneRange { from, from_offset: 0, length, to_offset: offset };
    // SAFETY: the structure is the one this ioctl reads, and both descriptors are open.
    unsafe { clone_range(to.as_raw_fd(), &range) }?;
    Ok(())
}
