//! check.rs - does every counter and bitmap of an image agree with its files?
//!
//! Walks all files, marks what they take, builds the groups and the superblock such files
//! should have (`summary.rs`) and compares field by field.  No kernel checks an archive before
//! it writes to it, so this does.

use std::io::{Read, Seek};

use super::geometry::Geometry;
use super::layout::*;
use super::read::{Image, NodeKind, ReadError};
use super::summary::{self, Counts, Usage};

/// Every disagreement found, in words; empty when the image is consistent.
pub fn check<R: Read + Seek>(image: &mut Image<R>) -> Result<Vec<String>, ReadError> {
    let geometry = Geometry {
        size: image.field(36),
        groups: image.field(44),
        cylinders_per_group: image.field(180),
        inodes_per_group: image.field(184),
    };
    let mut faults = Vec::new();
    if geometry.cylinders_per_group > CYLINDERS_MAX
        || geometry.frags_per_group() != image.field(188)
        || geometry.data_at() != image.field(20)
        || geometry.group_bytes() > BLOCK
        || image.field(24) != GROUP_OFFSET
        || !geometry.stands()
    {
        faults.push("the superblock's numbers do not agree".to_string());
        return Ok(faults);
    }
    let mut frags = vec![0u8; (geometry.size as usize).div_ceil(8) + 1];
    let mut inodes = vec![0u8; (geometry.inodes() as usize).div_ceil(8)];
    let mut directories = inodes.clone();
    summary::mark_metadata(&geometry, &mut frags);
    (0..ROOT).for_each(|number| set_bit(&mut inodes, number));
    files(image, (&mut frags, &mut inodes, &mut directories), &mut faults)?;

    let time = image.field(32);
    let usage = Usage { frags: &frags, inodes: &inodes, directories: &directories };
    let mut total = Counts::default();
    let table = image.frags(geometry.data_at(), geometry.summary_frags())?;
    for group in 0..geometry.groups {
        let (want, counts) = summary::group(&geometry, group, &usage, time);
        let have = image.frags(geometry.start(group) + GROUP_AT, FRAGS)?;
        if let Some(at) = (0..want.len()).find(|&at| want[at] != have[at]) {
            faults.push(format!("group {group}: differs from its files at byte {at}"));
        }
        if Counts::get(&table, group as usize * 16) != counts {
            faults.push(format!("group {group}: its line of the summary table is wrong"));
        }
        total = total.plus(counts);
    }
    let want = summary::superblock(&geometry, total, time);
    if let Some(at) = (0..want.len()).find(|&at| want[at] != image.superblock[at]) {
        faults.push(format!("superblock: differs from its files at byte {at}"));
    }
    Ok(faults)
}

/// Marks what the files take; faults are fragments taken twice, links and sectors miscounted.
fn files<R: Read + Seek>(
    image: &mut Image<R>,
    (frags, inodes, directories): (&mut [u8], &mut [u8], &mut [u8]),
    faults: &mut Vec<String>,
) -> Result<(), ReadError> {
    let paths = image.walk()?;
    let mut names = std::collections::BTreeMap::from([(ROOT, 2u32)]);
    for (path, node) in &paths {
        if path.is_empty() {
            continue;
        }
        // A directory is also named by its own "." and names its parent by "..".
        let directory = node.kind == NodeKind::Directory;
        *names.entry(node.number).or_default() += if directory { 2 } else { 1 };
        if directory {
            let up = path.rsplit_once('/').map_or("", |(up, _)| up);
            *names.entry(paths[up].number).or_default() += 1;
        }
    }
    for (path, node) in &paths {
        if bit(inodes, node.number) {
            continue;
        }
        set_bit(inodes, node.number);
        if node.kind == NodeKind::Directory {
            set_bit(directories, node.number);
        }
        if names[&node.number] != node.links {
            faults.push(format!("{path}: {} links, {} counted", node.links, names[&node.number]));
        }
        let (data, indirect) = image.addresses(node)?;
        let all = if data.is_empty() { 0 } else { data_frags(node.size) };
        let mut sectors = 0;
        let pieces = data.iter().enumerate().map(|(index, &at)| {
            (at, (all - index as u64 * u64::from(FRAGS)).min(u64::from(FRAGS)) as u32)
        });
        for (at, count) in pieces.chain(indirect.iter().map(|&at| (at, FRAGS))) {
            sectors += count * SECTORS_PER_FRAG;
            for frag in at..at.saturating_add(count) {
                if frag >= image.field(36) || bit(frags, frag) {
                    faults.push(format!("{path}: fragment {frag} is not its own"));
                } else {
                    set_bit(frags, frag);
                }
            }
        }
        if sectors != node.sectors {
            faults.push(format!("{path}: {} sectors, {sectors} counted", node.sectors));
        }
    }
    Ok(())
}
