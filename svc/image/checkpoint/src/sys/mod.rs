//! sys - what differs between systems: when it was booted, flushing a file system, sharing blocks.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub(crate) use linux::{boot, flush, is_mount, scatter, share};
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{boot, flush, is_mount, scatter, share};

#[cfg(target_os = "linux")]
pub(crate) mod btrfs;
#[cfg(target_os = "linux")]
pub(crate) use btrfs::remove as remove_subvolume;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::remove_subvolume;

/// What became of a name that is on another device.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there are none"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removed {
    /// It was a subvolume and is gone.
    Yes,
    /// It is one that only the administrator removes at once; it can be emptied now.
    Emptied,
    /// It is none.
    NoSubvolume,
}
