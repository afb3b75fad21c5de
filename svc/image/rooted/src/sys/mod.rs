//! sys - what differs between systems: how much a pipe holds.

use std::fs::File;

/// Lets a pipe hold more than it would: each of its ends then waits for the other less often.
#[cfg(target_os = "linux")]
pub(crate) fn widen(pipe: &File) {
    /// What everybody may have.
    const ROOM: i32 = 1 << 20;
    // Where it may not be, it is as it was: nothing depends on it.
    let _as_it_was = nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(ROOM));
}

/// Nothing of that kind.
#[cfg(not(target_os = "linux"))]
pub(crate) fn widen(_: &File) {}
