//! A complete check of a file system, in the order of fsck(8): superblock, blocks and sizes of
//! every inode, names, link counts, groups.
//!
//! No kernel checks an archive before it writes to it, so this does.  It counts for itself: nothing
//! here is shared with the writer but the constants of the format.
//!
//! | file | what it holds |
//! |---|---|
//! | `superblock.rs` | every field of the superblock against every other |
//! | `inodes.rs` | every inode by itself, and that no fragment has two owners |
//! | `names.rs` | every directory, and that names and link counts agree |
//! | `groups.rs` | bitmaps, counters and tables of every group, and the superblock's copies |

use std::io::{Read, Seek};

use super::layout::*;
use super::read::{Image, ReadError};

mod groups;
mod inodes;
mod names;
mod superblock;

/// More are not told.
const FAULTS_MAX: usize = 1000;

/// Disagreements, in words.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, text: impl Into<String>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(text.into());
        }
    }

    /// Adds one when two numbers differ.
    fn equal(&mut self, what: impl FnOnce() -> String, have: u64, want: u64) {
        if have != want {
            self.add(format!("{} is {have}, not {want}", what()));
        }
    }
}

/// The numbers of a superblock that holds together.
#[derive(Debug, Clone, Copy)]
struct Shape {
    size: u32,
    groups: u32,
    cylinders: u32,
    cylinders_per_group: u32,
    inodes_per_group: u32,
    frags_per_group: u32,
    /// First fragment of data behind a group's inodes.
    data_at: u32,
    /// Bytes of the groups' summary table, whole fragments.
    table_bytes: u32,
}

impl Shape {
    fn base(&self, group: u32) -> u32 {
        group * self.frags_per_group
    }

    fn start(&self, group: u32) -> u32 {
        self.base(group) + GROUP_OFFSET * (group % OFFSET_CYCLE)
    }

    fn end(&self, group: u32) -> u32 {
        self.size.min(self.base(group) + self.frags_per_group)
    }
}

/// What is known of all inodes.
struct Nodes {
    /// Type bits of the mode; 0: free.
    kinds: Vec<u16>,
    links: Vec<u16>,
}

impl Nodes {
    fn kind(&self, number: u32) -> u16 {
        self.kinds.get(number as usize).copied().unwrap_or(0)
    }
}

/// Every disagreement found, in words (1000 at most); empty when the image is consistent.
pub fn check<R: Read + Seek>(image: &mut Image<R>) -> Result<Vec<String>, ReadError> {
    let mut faults = Faults::default();
    let Some(shape) = superblock::check(&image.superblock, &mut faults) else {
        return Ok(faults.0);
    };
    // Bit n: fragment n has an owner.
    let mut owned = vec![0u8; (shape.size as usize).div_ceil(8)];
    for group in 0..shape.groups {
        let start = shape.start(group);
        let (first, table) = match group {
            0 => (0, shape.table_bytes / FRAGMENT as u32),
            _ => (start + COPY_AT, 0),
        };
        (first..start + shape.data_at + table).for_each(|at| set_bit(&mut owned, at));
    }
    let nodes = inodes::check(image, &shape, &mut owned, &mut faults)?;
    names::check(image, &nodes, &mut faults);
    groups::check(image, &shape, &nodes, &owned, &mut faults)?;
    Ok(faults.0)
}
