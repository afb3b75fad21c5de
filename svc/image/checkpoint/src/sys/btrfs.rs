//! btrfs.rs - subvolumes and snapshots of btrfs, by its ioctls.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statfs::BTRFS_SUPER_MAGIC;

use super::Removed;

/// The inode of every subvolume's root.
const ROOT: u64 = 256;

/// The flag of a subvolume that nobody writes to.
const READ_ONLY: u64 = 1 << 1;

/// `struct btrfs_ioctl_vol_args`
#[repr(C)]
struct Named {
    fd: i64,
    name: [u8; 4088],
}

/// `struct btrfs_ioctl_vol_args_v2`
#[repr(C)]
struct Flagged {
    fd: i64,
    transaction: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; 4040],
}

nix::ioctl_write_ptr!(subvolume_create, 0x94, 14, Named);
nix::ioctl_write_ptr!(snapshot_destroy, 0x94, 15, Named);
nix::ioctl_write_ptr!(snapshot_create, 0x94, 23, Flagged);
nix::ioctl_write_ptr!(set_flags, 0x94, 26, u64);

/// Whether a snapshot may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ReadOnly,
    Writable,
}

/// Whether a path is on btrfs.
pub(crate) fn is_btrfs(path: &Path) -> io::Result<bool> {
    Ok(nix::sys::statfs::statfs(path)?.filesystem_type() == BTRFS_SUPER_MAGIC)
}

/// Whether a directory on btrfs is the root of a subvolume.
pub(crate) fn is_subvolume(path: &Path) -> io::Result<bool> {
    let about = std::fs::symlink_metadata(path)?;
    Ok(about.is_dir() && about.ino() == ROOT)
}

fn name_of<const N: usize>(name: &[u8]) -> io::Result<[u8; N]> {
    let mut room = [0; N];
    // The last byte stays 0.
    let place = room.get_mut(..name.len()).filter(|place| place.len() < N);
    place.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name);
    Ok(room)
}

/// Makes an empty subvolume.
pub(crate) fn create(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let named = Named { fd: 0, name: name_of(name.as_bytes())? };
    // SAFETY: the structure is the one this ioctl reads, and the descriptor is open.
    unsafe { subvolume_create(folder.as_raw_fd(), &named) }?;
    Ok(())
}

/// Makes a snapshot of a subvolume.
pub(crate) fn snapshot(
    source: &OwnedFd,
    folder: &OwnedFd,
    name: &OsStr,
    kind: Kind,
) -> io::Result<()> {
    let flags = if kind == Kind::ReadOnly { READ_ONLY } else { 0 };
    let fd = i64::from(source.as_raw_fd());
    let name = name_of(name.as_bytes())?;
    let flagged = Flagged { fd, transaction: 0, flags, unused: [0; 4], name };
    // SAFETY: the structure is the one this ioctl reads, and both descriptors are open.
    unsafe { snapshot_create(folder.as_raw_fd(), &flagged) }?;
    Ok(())
}

/// Removes a subvolume.
pub(crate) fn remove(
    folder: impl AsFd,
    name: &CStr,
    about: &nix::sys::stat::FileStat,
) -> io::Result<Removed> {
    let folder = folder.as_fd();
    let kind = nix::sys::statfs::fstatfs(folder)?.filesystem_type();
    if about.st_ino != ROOT || kind != BTRFS_SUPER_MAGIC {
        return Ok(Removed::NoSubvolume);
    }
    let named = Named { fd: 0, name: name_of(name.to_bytes())? };
    // SAFETY: the structure is the one this ioctl reads, and the descriptor is open.
    match unsafe { snapshot_destroy(folder.as_raw_fd(), &named) } {
        Ok(_) => Ok(Removed::Yes),
        Err(nix::errno::Errno::EPERM | nix::errno::Errno::EACCES) => {
            let open = crate::disk::open_folder(folder, name)?;
            // SAFETY: the argument is the one this ioctl reads, and the descriptor is open.
            unsafe { set_flags(open.as_raw_fd(), &0) }?;
            Ok(Removed::Emptied)
        }
        Err(errno) => Err(errno.into()),
    }
}
