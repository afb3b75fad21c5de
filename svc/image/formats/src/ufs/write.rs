//! write.rs - the plan written out.
//!
//! First all addresses are given away (the same walk that found the size, now on the real
//! blocks), then the data goes out file by file, then inodes, groups, superblock.  What is not
//! written stays a hole of the stream; the last byte is always written.

use std::io::{self, Read, Seek, SeekFrom, Write};

use image_tree::Tree;

use crate::content::Content;

use super::allocate::Allocator;
use super::geometry::{Geometry, GeometryError, Inodes, Space};
use super::layout::*;
use super::plan::{Body, Inode, Plan, PlanError};
use super::summary::{self, Counts, Usage};

/// How to write.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Size of the file system.
    pub space: Space,
    /// How many inodes.
    pub inodes: Inodes,
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

/// Where an inode's data lies.
struct Place {
    /// Address of every block of data, the last perhaps a tail.
    data: Vec<u32>,
    /// The single indirect block, then the double one, then those it points to.
    indirect: Vec<u32>,
    /// Sectors, indirect blocks counted.
    sectors: u64,
}

/// Writes `tree` with `content` as a file system to `out`, from its byte 0 on.
pub fn write<W: Write + Seek>(
    tree: &Tree,
    content: &dyn Content,
    options: &Options,
    out: &mut W,
) -> Result<Written, WriteError> {
    let plan = Plan::of(tree)?;
    let files = plan.inodes.len() as u64;
    let mut measure = Allocator::new((0..u32::MAX).step_by(FRAGS as usize));
    let short = |need| GeometryError::Space { need, space: 0 };
    for inode in &plan.inodes {
        place(inode, &mut measure).ok_or_else(|| short(measure.taken))?;
    }
    let geometry = Geometry::of(measure.taken, files, options.space, options.inodes)?;

    let mut used = vec![0u8; (geometry.size as usize).div_ceil(8) + 1];
    summary::mark_metadata(&geometry, &mut used);
    let mut allocator = Allocator::new(geometry.blocks());
    let mut table = vec![0u8; geometry.inodes() as usize * INODE];
    for (index, inode) in plan.inodes.iter().enumerate() {
        let place = place(inode, &mut allocator).ok_or_else(|| short(allocator.taken))?;
        mark(inode, &place, &mut used);
        write_data(inode, &place, content, out)?;
        write_indirect(&place, out)?;
        let number = index as u32 + ROOT;
        let at = number as usize * INODE;
        put_inode(&mut table[at..at + INODE], number, inode, &place);
    }
    write_metadata(&geometry, &plan, (&table, &used), options.time, out)?;
    Ok(Written { bytes: u64::from(geometry.size) * FRAGMENT, files, groups: geometry.groups })
}

/// Gives an inode its addresses; `None` when there is no room.
fn place<I: Iterator<Item = u32>>(inode: &Inode, from: &mut Allocator<I>) -> Option<Place> {
    let frags = match inode.body {
        Body::Bytes(_) | Body::File(_) => data_frags(inode.size),
        Body::Device(_) | Body::Nothing => 0,
    };
    let whole = frags / u64::from(FRAGS);
    let tail = (frags % u64::from(FRAGS)) as u32;
    let mut place = Place { data: Vec::new(), indirect: Vec::new(), sectors: 0 };
    for index in 0..whole as usize {
        // Indirect blocks lie before the data they point to, as a reader meets them.
        if index == DIRECT {
            place.indirect.push(from.block()?);
        } else if index >= DIRECT + POINTERS && (index - DIRECT) % POINTERS == 0 {
            if index == DIRECT + POINTERS {
                place.indirect.push(from.block()?);
            }
            place.indirect.push(from.block()?);
        }
        place.data.push(from.block()?);
    }
    if tail > 0 {
        place.data.push(from.frags(tail)?);
    }
    let all = frags + place.indirect.len() as u64 * u64::from(FRAGS);
    place.sectors = all * u64::from(SECTORS_PER_FRAG);
    Some(place)
}

/// Each block of data with its length in fragments.
fn pieces<'a>(inode: &Inode, place: &'a Place) -> impl Iterator<Item = (u32, u32)> + 'a {
    let frags = data_frags(inode.size);
    place.data.iter().enumerate().map(move |(index, &at)| {
        let left = frags - index as u64 * u64::from(FRAGS);
        (at, left.min(u64::from(FRAGS)) as u32)
    })
}

fn mark(inode: &Inode, place: &Place, used: &mut [u8]) {
    let indirect = place.indirect.iter().map(|&at| (at, FRAGS));
    for (at, count) in pieces(inode, place).chain(indirect) {
        for frag in at..at + count {
            assert!(!bit(used, frag), "fragment {frag} is given away once");
            set_bit(used, frag);
        }
    }
}

fn write_data<W: Write + Seek>(
    inode: &Inode,
    place: &Place,
    content: &dyn Content,
    out: &mut W,
) -> Result<(), WriteError> {
    let (path, mut from): (&str, Box<dyn Read>) = match &inode.body {
        Body::Bytes(bytes) => ("", Box::new(bytes.as_slice())),
        Body::File(path) => {
            let failed = |source| WriteError::Content { path: path.clone(), source };
            (path, content.open(path).map_err(failed)?)
        }
        Body::Device(_) | Body::Nothing => return Ok(()),
    };
    let failed = |source| WriteError::Content { path: path.to_string(), source };
    let mut buffer = vec![0u8; BLOCK as usize];
    let (mut left, mut here) = (inode.size, None);
    for (at, count) in pieces(inode, place) {
        let length = left.min(u64::from(count) * FRAGMENT) as usize;
        from.read_exact(&mut buffer[..length]).map_err(failed)?;
        if here != Some(at) {
            out.seek(SeekFrom::Start(u64::from(at) * FRAGMENT))?;
        }
        let padded = (count * FRAGMENT as u32) as usize;
        buffer[length..padded].fill(0);
        out.write_all(&buffer[..padded])?;
        here = Some(at + count);
        left -= length as u64;
    }
    let more = from.read(&mut buffer[..1]).map_err(failed)?;
    if more != 0 {
        let text = format!("longer than the {} bytes of the table", inode.size);
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, text)));
    }
    Ok(())
}

fn write_indirect<W: Write + Seek>(place: &Place, out: &mut W) -> Result<(), WriteError> {
    let mut write = |at: u32, addresses: &[u32]| -> io::Result<()> {
        let mut bytes = vec![0u8; BLOCK as usize];
        addresses.iter().enumerate().for_each(|(n, &to)| put32(&mut bytes, 4 * n, to));
        out.seek(SeekFrom::Start(u64::from(at) * FRAGMENT))?;
        out.write_all(&bytes)
    };
    let pointed = place.data.get(DIRECT..).unwrap_or_default();
    let mut chunks = pointed.chunks(POINTERS);
    let [single, rest @ ..] = place.indirect.as_slice() else { return Ok(()) };
    write(*single, chunks.next().unwrap_or_default())?;
    if let [double, below @ ..] = rest {
        write(*double, below)?;
        for (&at, chunk) in below.iter().zip(chunks) {
            write(at, chunk)?;
        }
    }
    Ok(())
}

fn put_inode(bytes: &mut [u8], number: u32, inode: &Inode, place: &Place) {
    put16(bytes, 0, inode.mode);
    put16(bytes, 2, inode.links);
    // 65535 says: look at the 32-bit field.
    put16(bytes, 4, u16::try_from(inode.uid).unwrap_or(u16::MAX));
    put16(bytes, 6, u16::try_from(inode.gid).unwrap_or(u16::MAX));
    put64(bytes, 8, inode.size);
    for at in [16, 24, 32] {
        put32(bytes, at, inode.mtime.clamp(0, i64::from(i32::MAX)) as u32);
    }
    for (index, &at) in place.data.iter().take(DIRECT).enumerate() {
        put32(bytes, 40 + 4 * index, at);
    }
    if let Body::Device(device) = inode.body {
        put32(bytes, 44, device);
    }
    for (index, &at) in place.indirect.iter().take(2).enumerate() {
        put32(bytes, 88 + 4 * index, at);
    }
    put32(bytes, 104, place.sectors as u32);
    put32(bytes, 108, number);
    put32(bytes, 116, inode.uid);
    put32(bytes, 120, inode.gid);
}

fn write_metadata<W: Write + Seek>(
    geometry: &Geometry,
    plan: &Plan,
    (table, used): (&[u8], &[u8]),
    time: u32,
    out: &mut W,
) -> Result<(), WriteError> {
    let map = vec![0u8; (geometry.inodes() as usize).div_ceil(8)];
    let (mut inodes, mut directories) = (map.clone(), map);
    (0..ROOT + plan.inodes.len() as u32).for_each(|number| set_bit(&mut inodes, number));
    for (index, inode) in plan.inodes.iter().enumerate() {
        if inode.mode & kind::MASK == kind::DIRECTORY {
            set_bit(&mut directories, index as u32 + ROOT);
        }
    }
    let usage = Usage { frags: used, inodes: &inodes, directories: &directories };
    let mut all = vec![0u8; (geometry.summary_frags() * FRAGMENT as u32) as usize];
    let mut total = Counts::default();
    let mut put = |frag: u32, bytes: &[u8]| -> io::Result<()> {
        out.seek(SeekFrom::Start(u64::from(frag) * FRAGMENT))?;
        out.write_all(bytes)
    };
    let each = geometry.inodes_per_group as usize * INODE;
    for group in 0..geometry.groups {
        let (bytes, counts) = summary::group(geometry, group, &usage, time);
        put(geometry.start(group) + GROUP_AT, &bytes)?;
        let first = group as usize * each;
        put(geometry.start(group) + INODES_AT, &table[first..first + each])?;
        counts.put(&mut all, group as usize * 16);
        total = total.plus(counts);
    }
    put(geometry.data_at(), &all)?;
    let superblock = summary::superblock(geometry, total, time);
    for group in 0..geometry.groups {
        put(geometry.start(group) + COPY_AT, &superblock)?;
    }
    // The very last byte fixes the length; it may lie in data, so it is not overwritten.
    if !bit(used, geometry.size - 1) {
        put(geometry.size - 1, &[0; FRAGMENT as usize])?;
    }
    put((SUPERBLOCK_AT / FRAGMENT) as u32, &superblock)?;
    out.flush()?;
    Ok(())
}
