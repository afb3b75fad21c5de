//! stamp.rs - by what a file is known to be the one that was seen, with the bytes that it had.
//!
//! A file that is written to, renamed, linked or dressed gets another ctime, and nobody can set one
//! back.  What happens in the tick of the file system's clock in which it was seen may be missed;
//! who minds asks whether a stamp is from before a moment.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Inode, length, and nanoseconds since the epoch of the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    pub size: u64,
    changed: i64,
}

impl Stamp {
    /// A file's.
    pub fn of(about: &Metadata) -> Self {
        let changed =
            about.ctime().saturating_mul(1_000_000_000).saturating_add(about.ctime_nsec());
        Self { inode: about.ino(), size: about.len(), changed }
    }

    /// One as it was displayed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(':');
        let inode = numbers.next()?.parse().ok()?;
        let size = numbers.next()?.parse().ok()?;
        let changed = numbers.next()?.parse().ok()?;
        numbers.next().is_none().then_some(Self { inode, size, changed })
    }

    /// Whether all that happened to it did before another was made.
    pub fn is_before(&self, other: &Self) -> bool {
        self.changed < other.changed
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inode, size, changed } = self;
        write!(to, "{inode}:{size}:{changed}")
    }
}
