//! idle - groups that nobody is in any more, kept for the contracts to come.
//!
//! To make a group and to remove it costs a third of a short method's life, most of it in the kernel
//! after the call has returned.  So a reaper keeps some, with their names and so the numbers of their
//! contracts.
//!
//! Law: a group is kept only if it has no member, no group below it, is not frozen and was never killed.  It is used
//! again only when all that ended before has been reaped since and a while has passed: a zombie that
//! was its member would be taken for a member of the next contract.  Who may have written down its
//! number where that cannot be taken back says so ([`Idle::clear`]).

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::cgroup;

/// So many are kept: as many as a boot has in use and at rest at once.
const KEPT: usize = 64;

/// So long a group rests.
const REST: Duration = Duration::from_millis(10);

/// A group, its directory open and its events.
#[derive(Debug)]
pub(crate) struct Group {
    pub id: u64,
    pub dir: PathBuf,
    pub door: File,
    pub events: File,
}

/// The groups that are kept, the one that has rested longest first.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    groups: VecDeque<(Group, Instant)>,
    /// So many of them have rested until all was reaped.
    rested: usize,
}

impl Idle {
    /// Whether one more is kept.
    pub fn has_room(&self) -> bool {
        self.groups.len() < KEPT
    }

    /// Keeps a group that is fit for it ([`cgroup::is_idle`]).
    pub fn keep(&mut self, group: Group) {
        self.groups.push_back((group, Instant::now()));
    }

    /// A group to be used again.  One that somebody has removed or moved into meanwhile is not.
    pub fn take(&mut self) -> Option<Group> {
        while self.rested > 0 {
            let (group, since) = self.groups.pop_front()?;
            if since.elapsed() < REST {
                self.groups.push_front((group, since));
                return None;
            }
            self.rested -= 1;
            if cgroup::is_idle(&group.events, group.door.as_fd()).unwrap_or(false) {
                return Some(group);
            }
        }
        None
    }

    /// All children that had ended have been reaped.
    pub fn all_reaped(&mut self) {
        self.rested = self.groups.len();
    }

    /// Whether a contract's group is kept.
    pub fn has(&self, id: u64) -> bool {
        self.groups.iter().any(|(group, _)| group.id == id)
    }

    /// Removes them all: none is used again.
    pub fn clear(&mut self) {
        self.rested = 0;
        self.groups.drain(..).for_each(|(group, _)| cgroup::remove(&group.dir));
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.clear();
    }
}
