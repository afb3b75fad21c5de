//! confinement.rs - what of the file system a program may change.

use std::path::PathBuf;

/// Where a program may write; everything else it may read.  /tmp is its own, empty at first, and
/// gone when it has ended.
///
/// Held by a mount namespace, and without privilege by a user namespace in which the caller is
/// root.  A system that has neither runs the program unconfined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Directories that it may write.
    pub writable: Vec<PathBuf>,
    /// Files and directories that it must find even if they lie below /tmp.
    pub readable: Vec<PathBuf>,
    /// A directory whose names are there in a second one too, where the system can show them so.
    pub shown: Option<(PathBuf, PathBuf)>,
}
