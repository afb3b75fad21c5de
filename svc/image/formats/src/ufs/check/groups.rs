//! groups.rs - bitmaps, counters and tables of every group, and the superblock's copies.

use std::io::{Read, Seek};
use std::ops::Range;

use super::{Faults, Nodes, Shape};
use crate::ufs::layout::*;
use crate::ufs::read::{Image, ReadError};

/// What of a copy of the superblock is the same for ever: the rest changes with every mount.
const LASTING: [Range<usize>; 5] = [0..32, 36..132, 136..192, 728..1324, 1336..SUPERBLOCK_SIZE];

/// Free fragments as they are counted.
#[derive(Default)]
struct Counted {
    blocks: u32,
    frags: u32,
    /// `runs[n]`: runs of n free fragments in blocks that are not free.
    runs: [u32; 8],
    /// Free blocks of each cylinder.
    cylinders: Vec<u32>,
}

/// Compares all groups with what inodes and names were found to own.
pub fn check<R: Read + Seek>(
    image: &mut Image<R>,
    shape: &Shape,
    nodes: &Nodes,
    owned: &[u8],
    faults: &mut Faults,
) -> Result<(), ReadError> {
    let table = image.frags(shape.data_at, shape.table_bytes / FRAGMENT as u32)?;
    let mut totals = [0u64; 4];
    for group in 0..shape.groups {
        let bytes = image.frags(shape.start(group) + GROUP_AT, FRAGS)?;
        let counted = count(shape, group, owned);
        let counts = counts(shape, group, nodes, &counted);
        header(shape, group, &bytes, faults);
        counters(shape, group, &bytes, &counted, faults);
        maps(shape, group, &bytes, (nodes, owned), faults);
        for (index, name) in
            ["directories", "free blocks", "free inodes", "free fragments"].into_iter().enumerate()
        {
            let want = counts[index].into();
            let (own, line) =
                (get32(&bytes, 24 + 4 * index), get32(&table, group as usize * 16 + 4 * index));
            faults.equal(|| format!("group {group}: {name}"), own.into(), want);
            faults.equal(|| format!("summary table: {name} of group {group}"), line.into(), want);
            totals[index] += want;
        }
        let copy = image.frags(shape.start(group) + COPY_AT, 2)?;
        let differs = |at: &usize| copy[*at] != image.superblock[*at];
        if let Some(at) = LASTING.into_iter().flatten().find(differs) {
            faults.add(format!("group {group}: copy of the superblock differs at byte {at}"));
        }
    }
    if table[shape.groups as usize * 16..].iter().any(|&byte| byte != 0) {
        faults.add("summary table: more than the groups' lines");
    }
    for (index, name) in ["ndir", "nbfree", "nifree", "nffree"].into_iter().enumerate() {
        let have = get32(&image.superblock, 192 + 4 * index);
        faults.equal(|| format!("superblock: {name}"), have.into(), totals[index]);
    }
    Ok(())
}

fn count(shape: &Shape, group: u32, owned: &[u8]) -> Counted {
    let mut counted =
        Counted { cylinders: vec![0; shape.cylinders_per_group as usize], ..Counted::default() };
    let (base, end) = (shape.base(group), shape.end(group));
    for block in (base..end).step_by(FRAGS as usize) {
        let mut run = 0;
        let mut runs = [0; 9];
        for at in block..block + FRAGS {
            if at < end && !bit(owned, at) {
                run += 1;
                continue;
            }
            runs[run] += 1;
            run = 0;
        }
        if run == FRAGS as usize {
            counted.blocks += 1;
            counted.cylinders[((block - base) / CYLINDER) as usize] += 1;
            continue;
        }
        runs[run] += 1;
        for (length, &count) in runs.iter().enumerate().take(FRAGS as usize).skip(1) {
            counted.runs[length] += count;
            counted.frags += length as u32 * count;
        }
    }
    counted
}

/// Directories, free blocks, free inodes, free fragments.
fn counts(shape: &Shape, group: u32, nodes: &Nodes, counted: &Counted) -> [u32; 4] {
    let numbers = group * shape.inodes_per_group..(group + 1) * shape.inodes_per_group;
    let kinds = &nodes.kinds[numbers.start as usize..numbers.end as usize];
    let directories = kinds.iter().filter(|&&kind| kind == kind::DIRECTORY).count() as u32;
    let free = kinds.iter().filter(|&&kind| kind == 0).count() as u32;
    // Inodes 0 and 1 are nobody's and never free.
    let reserved = if group == 0 { ROOT } else { 0 };
    [directories, counted.blocks, free - reserved, counted.frags]
}

/// Where the tables lie: totals and positions of cylinders, inodes, fragments, and their end.
fn tables(shape: &Shape) -> [usize; 5] {
    let totals = 168;
    let positions = totals + 4 * shape.cylinders_per_group as usize;
    let inodes = positions + 2 * shape.cylinders_per_group as usize;
    let frags = inodes + shape.inodes_per_group as usize / 8;
    [totals, positions, inodes, frags, frags + shape.frags_per_group as usize / 8]
}

fn header(shape: &Shape, group: u32, bytes: &[u8], faults: &mut Faults) {
    let length = shape.end(group) - shape.base(group);
    let [totals, positions, inodes, frags, end] = tables(shape).map(|at| at as u32);
    let cylinders = u32::min(
        shape.cylinders_per_group,
        shape.cylinders.saturating_sub(group * shape.cylinders_per_group),
    );
    for (at, name, want) in [
        (0, "link", 0),
        (4, "magic", GROUP_MAGIC),
        (12, "number", group),
        (16, "ncyl and niblk", shape.inodes_per_group << 16 | cylinders),
        (20, "ndblk", length),
        (84, "btotoff", totals),
        (88, "boff", positions),
        (92, "iusedoff", inodes),
        (96, "freeoff", frags),
        (100, "nextfreeoff", end),
    ] {
        faults.equal(|| format!("group {group}: {name}"), get32(bytes, at).into(), want.into());
    }
    let rotors = [(40, length), (44, length), (48, shape.inodes_per_group)];
    if rotors.into_iter().any(|(at, end)| get32(bytes, at) >= end) {
        faults.add(format!("group {group}: a rotor points behind the end"));
    }
    // No group was written before 1970 or after the superblock was, by whole bytes at least.
    if get32(bytes, 8) > i32::MAX as u32 {
        faults.add(format!("group {group}: time"));
    }
    if let Some(at) = (104..168).chain(end as usize..bytes.len()).find(|&at| bytes[at] != 0) {
        faults.add(format!("group {group}: byte {at} is not 0"));
    }
}

fn counters(shape: &Shape, group: u32, bytes: &[u8], counted: &Counted, faults: &mut Faults) {
    let [totals, positions, ..] = tables(shape);
    for (length, &want) in counted.runs.iter().enumerate() {
        let have = get32(bytes, 52 + 4 * length);
        faults.equal(|| format!("group {group}: frsum[{length}]"), have.into(), want.into());
    }
    for (cylinder, &want) in counted.cylinders.iter().enumerate() {
        let total = get32(bytes, totals + 4 * cylinder);
        let position = get16(bytes, positions + 2 * cylinder);
        faults.equal(|| format!("group {group}: btot[{cylinder}]"), total.into(), want.into());
        faults.equal(|| format!("group {group}: b[{cylinder}]"), position.into(), want.into());
    }
}

fn maps(
    shape: &Shape,
    group: u32,
    bytes: &[u8],
    (nodes, owned): (&Nodes, &[u8]),
    faults: &mut Faults,
) {
    let [_, _, inodes, frags, _] = tables(shape);
    for index in 0..shape.inodes_per_group {
        let number = group * shape.inodes_per_group + index;
        let taken = nodes.kind(number) != 0 || number < ROOT;
        if bit(&bytes[inodes..], index) != taken {
            let state = if taken { "taken" } else { "free" };
            faults.add(format!("group {group}: inode {number} is {state}, its bit says otherwise"));
        }
    }
    let (base, end) = (shape.base(group), shape.end(group));
    for index in 0..shape.frags_per_group {
        let free = base + index < end && !bit(owned, base + index);
        if bit(&bytes[frags..], index) != free {
            let state = if free { "free" } else { "taken" };
            let at = base + index;
            faults.add(format!("group {group}: fragment {at} is {state}, its bit says otherwise"));
        }
    }
}
