//! other.rs - systems without Linux' calls; on illumos the back end is ZFS.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Names the time since the system was booted; empty: unknown.
pub(crate) fn boot() -> String {
    String::new()
}

/// Flushes what was written to the file system so far.
pub(crate) fn flush(_folder: &OwnedFd) -> io::Result<()> {
    nix::unistd::sync();
    Ok(())
}

/// Whether a file system is mounted at a name.  Another device number is the caller's to see.
pub(crate) fn is_mount(_at: impl AsFd, _name: &CStr) -> io::Result<bool> {
    Ok(false)
}

/// Asks the file system to put what is made in this directory far apart.
pub(crate) fn scatter(_folder: &OwnedFd) {}

/// Puts the blocks of `length` bytes of a file into another, shared.
pub(crate) fn share(_from: &File, _to: &File, _offset: u64, _length: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Removes a subvolume; there are none here.
pub(crate) fn remove_subvolume(
    _folder: impl AsFd,
    _name: &CStr,
    _about: &nix::sys::stat::FileStat,
) -> io::Result<super::Removed> {
    Ok(super::Removed::NoSubvolume)
}
