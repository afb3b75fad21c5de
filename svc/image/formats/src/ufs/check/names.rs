//! names.rs - every directory, and that names and link counts agree.

use std::collections::{BTreeSet, VecDeque};
use std::io::{Read, Seek};

use super::{Faults, Nodes};
use crate::ufs::layout::*;
use crate::ufs::read::{Image, ReadError};

/// A name, and the inode it names.
type Name = (Vec<u8>, u32);

/// Walks from the root and counts the names of every inode.
pub fn check<R: Read + Seek>(image: &mut Image<R>, nodes: &Nodes, faults: &mut Faults) {
    if nodes.kind(ROOT) != kind::DIRECTORY {
        faults.add("inode 2 is no directory: there is no root");
        return;
    }
    let mut names = vec![0u32; nodes.kinds.len()];
    let mut reached = vec![0u8; nodes.kinds.len().div_ceil(8)];
    set_bit(&mut reached, ROOT);
    let mut todo = VecDeque::from([(ROOT, ROOT)]);
    while let Some((number, parent)) = todo.pop_front() {
        let entries = match data(image, number) {
            Ok(bytes) => entries(number, &bytes, faults),
            Err(error) => {
                faults.add(format!("directory {number}: {error}"));
                continue;
            }
        };
        dots(number, parent, &entries, faults);
        let mut seen = BTreeSet::new();
        for (name, target) in &entries {
            if !seen.insert(name) {
                faults.add(format!("directory {number}: {} twice", name.escape_ascii()));
            }
            if nodes.kind(*target) == 0 {
                let name = name.escape_ascii();
                faults
                    .add(format!("directory {number}: {name} names inode {target}, which is free"));
                continue;
            }
            names[*target as usize] += 1;
            let dot = matches!(name.as_slice(), b"." | b"..");
            if !dot && nodes.kind(*target) == kind::DIRECTORY {
                if bit(&reached, *target) {
                    faults.add(format!("directory {target} has two names"));
                } else {
                    set_bit(&mut reached, *target);
                    todo.push_back((*target, number));
                }
            }
        }
    }
    for (number, &count) in names.iter().enumerate() {
        if nodes.kinds[number] != 0 {
            let links = nodes.links[number].into();
            faults.equal(|| format!("inode {number}: link count"), links, count.into());
            if count == 0 {
                faults.add(format!("inode {number}: nothing names it"));
            }
        }
    }
}

fn data<R: Read + Seek>(image: &mut Image<R>, number: u32) -> Result<Vec<u8>, ReadError> {
    let node = image.node(number)?;
    image.data(&node)
}

/// A directory begins with itself and its parent.
fn dots(number: u32, parent: u32, entries: &[Name], faults: &mut Faults) {
    for (index, name, want) in [(0, &b"."[..], number), (1, b"..", parent)] {
        match entries.get(index) {
            Some((found, target)) if found == name && *target == want => {}
            _ => {
                let name = name.escape_ascii();
                faults.add(format!("directory {number}: entry {index} is not {name} for {want}"));
            }
        }
    }
}

/// The names with their inodes; what is no entry ends its chunk.
fn entries(number: u32, bytes: &[u8], faults: &mut Faults) -> Vec<Name> {
    let mut list = Vec::new();
    for (chunk, bytes) in bytes.chunks(CHUNK).enumerate() {
        let mut at = 0;
        while at < bytes.len() {
            match entry(&bytes[at..]) {
                Some((length, found)) => {
                    list.extend(found);
                    at += length;
                }
                None => {
                    let at = chunk * CHUNK + at;
                    faults.add(format!("directory {number}: no entry at byte {at}"));
                    break;
                }
            }
        }
    }
    list
}

/// The entry that `rest` of a chunk begins with: its length, and its name unless it is free.
fn entry(rest: &[u8]) -> Option<(usize, Option<Name>)> {
    if rest.len() < 8 {
        return None;
    }
    let (length, name) = (usize::from(get16(rest, 4)), usize::from(get16(rest, 6)));
    let target = get32(rest, 0);
    let need = 8 + (name + 1).next_multiple_of(4);
    if length % 4 != 0 || length < 12 || length > rest.len() {
        return None;
    }
    if target == 0 {
        return Some((length, None));
    }
    let good = name > 0
        && name <= NAME_MAX
        && need <= length
        && !rest[8..8 + name].iter().any(|byte| matches!(byte, 0 | b'/'))
        && rest[8 + name..need].iter().all(|&byte| byte == 0);
    good.then(|| (length, Some((rest[8..8 + name].to_vec(), target))))
}
