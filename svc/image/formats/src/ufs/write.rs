//! write.rs - the plan written out.
//!
//! The size is found first, from the table alone.  Then the files' bytes come, read ahead in order
//! (`../feed.rs`); each block gets its address when it is there (`allocate.rs`, `map.rs`) and goes out
//! through a window (`window.rs`).  The inodes of a group go out when they are all known; groups
//! and superblock at the end, counted from what is left.  What is not written stays a hole of the
//! stream; the last byte is always written.
//!
//! Law: memory does not grow with the size of files.

use std::io::{self, Seek, Write};

use image_tree::Tree;

use super::allocate::{Allocator, Left, measure};
use super::geometry::{Geometry, GeometryError, Inodes, Space};
use super::layout::*;
use super::map::{Map, indirect_blocks};
use super::plan::{Body, Inode, Plan, PlanError};
use super::summary::{self, Counts, Usage};
use super::window::Window;
use crate::content::Content;
use crate::feed::{Feed, FeedError, Want};

/// What becomes of a file's blocks that hold only NULs; the last one is always written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zeros {
    /// They are written.
    Stored,
    /// They are holes.
    Holes,
}

/// How to write.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Size of the file system.
    pub space: Space,
    /// How many inodes.
    pub inodes: Inodes,
    /// What becomes of blocks of NULs.
    pub zeros: Zeros,
    /// The time the file system was last written, seconds since the epoch; nothing asks a clock.
    pub time: u32,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the file system.
    pub bytes: u64,
    /// Inodes taken.
    pub files: u64,
    /// Cylinder groups.
    pub groups: u32,
}

/// Why no file system came out.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The table is no tree of files.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It does not fit.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// A file's contents cannot be read, or are not as long as the table says.
    #[error("{path}")]
    Content {
        /// The file.
        path: String,
        /// What happened.
        source: io::Error,
    },
    /// The stream cannot be written.
    #[error("the file system cannot be written")]
    Output(#[from] io::Error),
}

impl From<FeedError> for WriteError {
    fn from(FeedError { path, source }: FeedError) -> Self {
        Self::Content { path, source }
    }
}

/// Writes `tree` with `content` as a file system to `out`, from its byte 0 on.  Where nothing is
/// written, `out` must read as NULs, as a new file does.
pub fn write<W: Write + Seek>(
    tree: &Tree,
    content: &dyn Content,
    options: &Options,
    out: &mut W,
) -> Result<Written, WriteError> {
    let plan = Plan::of(tree)?;
    let blocks = measure(plan.inodes.iter().map(blocks_and_tail));
    let geometry = Geometry::of(blocks, plan.inodes.len() as u64, options.space, options.inodes)?;
    let wants: Vec<Want<'_>> = plan.inodes.iter().filter_map(want).collect();
    std::thread::scope(|scope| {
        let mut feed = Feed::start(scope, content, &wants);
        let mut writer = Writer {
            blocks: Allocator::new(geometry.blocks()),
            window: Window::new(out),
            inodes: Table::new(&geometry),
            geometry,
            zeros: options.zeros,
        };
        for inode in &plan.inodes {
            writer.inode(inode, &mut feed)?;
        }
        writer.finish(options.time)
    })?;
    let (files, groups) = (plan.inodes.len() as u64, geometry.groups);
    Ok(Written { bytes: u64::from(geometry.size) * FRAGMENT, files, groups })
}

static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];

fn has_data(inode: &Inode<'_>) -> bool {
    matches!(inode.body, Body::Bytes(_) | Body::File(_))
}

fn want<'a>(inode: &Inode<'a>) -> Option<Want<'a>> {
    match inode.body {
        Body::File(path) => Some((path, inode.size)),
        Body::Bytes(_) | Body::Device(_) | Body::Nothing => None,
    }
}

/// Whole blocks of an inode without holes, indirect ones counted, and fragments of its tail.
fn blocks_and_tail(inode: &Inode<'_>) -> (u64, u32) {
    let frags = if has_data(inode) { data_frags(inode.size) } else { 0 };
    let whole = frags / u64::from(FRAGS);
    (whole + indirect_blocks(whole), (frags % u64::from(FRAGS)) as u32)
}

struct Writer<'a, W, I> {
    geometry: Geometry,
    blocks: Allocator<I>,
    window: Window<'a, W>,
    inodes: Table,
    zeros: Zeros,
}

impl<W: Write + Seek, I: Iterator<Item = u32>> Writer<'_, W, I> {
    fn inode(&mut self, inode: &Inode<'_>, feed: &mut Feed<'_>) -> Result<(), WriteError> {
        let mut map = Map::new();
        let mut index = 0;
        match &inode.body {
            Body::Bytes(bytes) => self.part(inode, &mut map, &mut index, bytes)?,
            Body::File(_) => feed.next(|part| self.part(inode, &mut map, &mut index, part))?,
            Body::Device(_) | Body::Nothing => {}
        }
        map.close(0, &mut self.window)?;
        if let Some((at, table)) = self.inodes.push(inode, &map) {
            self.window.put_now(at, &table)?;
        }
        Ok(())
    }

    /// Writes a part of a file's data that begins with block `index`.
    fn part(
        &mut self,
        inode: &Inode<'_>,
        map: &mut Map,
        index: &mut u64,
        part: &[u8],
    ) -> Result<(), WriteError> {
        for bytes in part.chunks(BLOCK as usize) {
            let last = (*index + 1) * BLOCK >= inode.size;
            if last || !self.is_hole(inode, bytes) {
                self.block(inode, map, *index, bytes)?;
            }
            *index += 1;
        }
        Ok(())
    }

    fn is_hole(&self, inode: &Inode<'_>, bytes: &[u8]) -> bool {
        match self.zeros {
            Zeros::Stored => false,
            Zeros::Holes => matches!(inode.body, Body::File(_)) && bytes == &ZEROS[..bytes.len()],
        }
    }

    fn block(
        &mut self,
        inode: &Inode<'_>,
        map: &mut Map,
        index: u64,
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        let frags = frags_of_block(inode.size, index);
        let reached = map.reach(index, &mut self.blocks, &mut self.window)?;
        let Some(at) = reached.and_then(|()| self.blocks.frags(frags)) else {
            let need = self.blocks.taken;
            return Err(GeometryError::Space { need, space: self.geometry.data_blocks() }.into());
        };
        map.set(index, at, frags);
        Ok(self.window.put(at, bytes)?)
    }

    /// The rest of the inodes, groups, superblock and its copies.
    fn finish(self, time: u32) -> Result<(), WriteError> {
        let Self { geometry, blocks, mut window, inodes, .. } = self;
        let left = blocks.left();
        let (rest, taken) = inodes.end();
        if let Some((at, table)) = rest {
            window.put_now(at, &table)?;
        }
        let mut counts = vec![0; (geometry.summary_frags() * FRAGMENT as u32) as usize];
        let mut total = Counts::default();
        for group in 0..geometry.groups {
            let (inodes, directories) = taken.get(group as usize).copied().unwrap_or((0, 0));
            let free = summary::free(&geometry, group, &left);
            let usage = Usage { inodes, directories, free };
            let (bytes, here) = summary::group(&geometry, group, &usage, time);
            window.put_now(geometry.start(group) + GROUP_AT, &bytes)?;
            here.put(&mut counts, group as usize * 16);
            total = total.plus(here);
        }
        window.put_now(geometry.data_at(), &counts)?;
        let superblock = summary::superblock(&geometry, total, time);
        for group in 0..geometry.groups {
            window.put_now(geometry.start(group) + COPY_AT, &superblock)?;
        }
        window.flush()?;
        // The very last byte fixes the length; it may lie in data, so it is not overwritten.
        if last_is_free(&geometry, &left) {
            window.put_now(geometry.size - 1, &[0; FRAGMENT as usize])?;
        }
        window.put_now((SUPERBLOCK_AT / FRAGMENT) as u32, &superblock)?;
        Ok(window.finish()?)
    }
}

fn last_is_free(geometry: &Geometry, left: &Left) -> bool {
    let group = geometry.groups - 1;
    bit(&summary::free(geometry, group, left), geometry.size - 1 - geometry.base(group))
}

/// Bytes, and the fragment they belong to.
type Placed = (u32, Vec<u8>);

/// The inodes of the group at hand, and what is known of those that are written.
struct Table {
    geometry: Geometry,
    bytes: Vec<u8>,
    number: u32,
    /// Of each group: inodes taken, and directories among them.
    taken: Vec<(u32, u32)>,
}

impl Table {
    fn new(geometry: &Geometry) -> Self {
        let bytes = vec![0; geometry.inodes_per_group as usize * INODE];
        Self { geometry: *geometry, bytes, number: ROOT, taken: vec![(ROOT, 0)] }
    }

    /// Puts the next inode; hands out a group's table, and where it lies, when it is full.
    fn push(&mut self, inode: &Inode<'_>, map: &Map) -> Option<Placed> {
        let each = self.geometry.inodes_per_group;
        let at = (self.number % each) as usize * INODE;
        put_inode(&mut self.bytes[at..at + INODE], self.number, inode, map);
        if let Some((taken, directories)) = self.taken.last_mut() {
            *taken += 1;
            *directories += u32::from(inode.mode & kind::MASK == kind::DIRECTORY);
        }
        self.number += 1;
        if self.number % each != 0 {
            return None;
        }
        self.taken.push((0, 0));
        Some(self.group())
    }

    fn group(&mut self) -> Placed {
        let group = (self.number - 1) / self.geometry.inodes_per_group;
        let empty = vec![0; self.bytes.len()];
        (self.geometry.start(group) + INODES_AT, std::mem::replace(&mut self.bytes, empty))
    }

    /// The table of the group that is not full, and what is taken of all that were begun.
    fn end(mut self) -> (Option<Placed>, Vec<(u32, u32)>) {
        let begun = self.number % self.geometry.inodes_per_group != 0;
        (begun.then(|| self.group()), self.taken)
    }
}

fn put_inode(bytes: &mut [u8], number: u32, inode: &Inode<'_>, map: &Map) {
    put16(bytes, 0, inode.mode);
    put16(bytes, 2, inode.links);
    // 65535 says: look at the 32-bit field.
    put16(bytes, 4, u16::try_from(inode.uid).unwrap_or(u16::MAX));
    put16(bytes, 6, u16::try_from(inode.gid).unwrap_or(u16::MAX));
    put64(bytes, 8, inode.size);
    for at in [16, 24, 32] {
        put32(bytes, at, inode.mtime.clamp(0, i64::from(i32::MAX)) as u32);
    }
    for (index, &at) in map.direct.iter().chain(&map.indirect).enumerate() {
        put32(bytes, 40 + 4 * index, at);
    }
    if let Body::Device(device) = inode.body {
        put32(bytes, 44, device);
    }
    // Below 2^31: a larger file has no plan.
    put32(bytes, 104, map.sectors as u32);
    put32(bytes, 108, number);
    put32(bytes, 116, inode.uid);
    put32(bytes, 120, inode.gid);
}
