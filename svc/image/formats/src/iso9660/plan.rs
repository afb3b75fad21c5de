//! plan.rs - a metadata table laid out: which directories there are, and where each file lies.

use std::collections::{BTreeMap, HashMap};

use image_tree::{Entry, Kind, Tree};

use super::head::Head;
use super::{CUT, SECTOR, sectors};

/// A record tells at most so many bytes; a longer file has several.
const SECTION: u64 = (4 << 30) - SECTOR;
/// One path of so many begins at a cut.
const PATHS: u64 = 64;
/// What the whole is a multiple of.
const END: u64 = 32 << 10;
/// The path table numbers directories by sixteen bits.
const DIRECTORIES: usize = u16::MAX as usize;

/// How to write.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The volume's name.
    pub volume: &'a str,
    /// Every time in it that is no entry's, seconds since the epoch.
    pub time: i64,
    /// Lines `PATH WEIGHT`: what comes first, heaviest first.  A directory's weight is that of all
    /// below it that has none of its own.
    pub weights: &'a str,
}

/// Why a table cannot be laid out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// A path without the directory above it.
    #[error("{0}: what is above it is no directory of the table")]
    Orphan(String),
    /// A hard link to what is no file.
    #[error("{path}: the hard link's target {target} is no file of the table")]
    HardLink {
        /// The link.
        path: String,
        /// Its target.
        target: String,
    },
    /// More fields than one record and its continuation have room for.
    #[error("{0}: name and target are too long for ISO 9660")]
    Long(String),
    /// More directories than the format can number.
    #[error("{0} directories: ISO 9660 numbers at most {DIRECTORIES}")]
    Directories(usize),
    /// More than the format can address.
    #[error("{0} bytes: ISO 9660 addresses at most 8 TiB")]
    Large(u64),
}

/// A directory and what is in it.
pub(super) struct Directory<'a> {
    pub entry: &'a Entry,
    /// The number of the one above; the root's is its own.
    pub parent: usize,
    /// Its place among its siblings.
    pub rank: usize,
    /// Name and entry, in order; of directories the number.
    pub children: Vec<Child<'a>>,
}

pub(super) struct Child<'a> {
    pub name: &'a str,
    pub path: &'a str,
    /// Of a further name of a file, the file's.
    pub entry: &'a Entry,
    /// The file's first name.
    pub first: &'a str,
    pub directory: Option<usize>,
}

/// Where bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub sector: u64,
    pub size: u64,
}

impl Place {
    /// Its sections: sector, length, whether more follow.
    pub fn sections(self) -> impl Iterator<Item = (u32, u32, bool)> {
        let count = self.size.div_ceil(SECTION).max(1);
        (0..count).map(move |number| {
            let from = number * SECTION;
            let length = (self.size - from).min(SECTION);
            ((self.sector + from / SECTOR) as u32, length as u32, number + 1 < count)
        })
    }
}

/// What is known of files, by their first names.
pub(super) struct Files<'a> {
    pub places: HashMap<&'a str, Place>,
    /// How many names those have that have more than one.
    pub links: HashMap<&'a str, u32>,
}

/// A file system that is laid out.
pub struct Plan<'a> {
    pub(super) head: Vec<u8>,
    /// Files in their order on the medium: path, size, sector.
    pub(super) files: Vec<(&'a str, u64, u64)>,
    pub(super) sectors: u64,
}

impl<'a> Plan<'a> {
    /// Lays out a table, whose root is `""`.
    pub fn new(tree: &'a Tree, options: &Options<'_>) -> Result<Self, PlanError> {
        let directories = directories(tree)?;
        if directories.len() > DIRECTORIES {
            return Err(PlanError::Directories(directories.len()));
        }
        let ordered = ordered(tree, options.weights);
        let place = |(path, size): &(&'a str, u64)| (*path, Place { sector: 0, size: *size });
        let places = ordered.iter().map(place).collect();
        let mut known = Files { places, links: links(tree) };
        let head = Head::measure(&directories, &known)?;
        let begin = (head.sectors * SECTOR).next_multiple_of(CUT) / SECTOR;
        let mut at = begin;
        let mut files = Vec::with_capacity(ordered.len());
        for (path, size) in ordered {
            if begins_at_cut(path) {
                at = (at * SECTOR).next_multiple_of(CUT) / SECTOR;
            }
            // An empty file lies nowhere; readers want a sector that is there.
            let sector = if size == 0 { begin } else { at };
            known.places.insert(path, Place { sector, size });
            files.push((path, size, at));
            at += sectors(size);
        }
        let bytes = (at * SECTOR).next_multiple_of(END);
        if u32::try_from(bytes / SECTOR).is_err() {
            return Err(PlanError::Large(bytes));
        }
        let sectors = bytes / SECTOR;
        let head = head.write(&directories, &known, options, sectors as u32);
        Ok(Self { head, files, sectors })
    }

    /// Bytes of the whole.
    pub fn bytes(&self) -> u64 {
        self.sectors * SECTOR
    }
}

/// Whether a file begins where a piece does: one of a few does, whatever lies around it.
fn begins_at_cut(path: &str) -> bool {
    // FNV-1a, whose low bits are good enough for a choice.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ hash >> 32) % PATHS == 0
}

/// The table's directories, level by level, each in the order of its parents and names.
fn directories(tree: &Tree) -> Result<Vec<Directory<'_>>, PlanError> {
    let mut below: HashMap<&str, Vec<(&str, &str, &Entry)>> = HashMap::new();
    let mut root = None;
    for (path, entry) in tree.iter() {
        if path.is_empty() {
            root = Some(entry);
            continue;
        }
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_there = tree.get(above).is_some_and(|entry| entry.kind == Kind::Directory);
        if !is_there {
            return Err(PlanError::Orphan(path.to_string()));
        }
        below.entry(above).or_default().push((name, path, entry));
    }
    let root = root.filter(|entry| entry.kind == Kind::Directory);
    let entry = root.ok_or_else(|| PlanError::Orphan(String::new()))?;
    let mut found = vec![Directory { entry, parent: 0, rank: 0, children: Vec::new() }];
    let mut paths = vec![""];
    let mut at = 0;
    while at < found.len() {
        let mut children = below.remove(paths[at]).unwrap_or_default();
        children.sort_by_key(|(name, ..)| *name);
        for (rank, (name, path, entry)) in children.into_iter().enumerate() {
            let is_directory = entry.kind == Kind::Directory;
            let directory = is_directory.then_some(found.len());
            let (first, entry) = match &entry.kind {
                Kind::HardLink { target } => (target.as_str(), file(tree, path, target)?),
                _ => (path, entry),
            };
            found[at].children.push(Child { name, path, entry, first, directory });
            if is_directory {
                found.push(Directory { entry, parent: at, rank, children: Vec::new() });
                paths.push(path);
            }
        }
        at += 1;
    }
    Ok(found)
}

/// The file that a hard link is another name of.
fn file<'a>(tree: &'a Tree, path: &str, target: &str) -> Result<&'a Entry, PlanError> {
    let found = tree.get(target).filter(|entry| matches!(entry.kind, Kind::File { .. }));
    found.ok_or_else(|| PlanError::HardLink { path: path.into(), target: target.into() })
}

/// How many names each file has that has more than one.
fn links(tree: &Tree) -> HashMap<&str, u32> {
    let mut links = HashMap::new();
    for (_, entry) in tree.iter() {
        if let Kind::HardLink { target } = &entry.kind {
            *links.entry(target.as_str()).or_insert(1) += 1;
        }
    }
    links
}

/// Files with their sizes, in the order in which they lie.
fn ordered<'a>(tree: &'a Tree, weights: &str) -> Vec<(&'a str, u64)> {
    let parsed = weights.lines().filter_map(|line| {
        let (path, weight) = line.trim().rsplit_once(char::is_whitespace)?;
        Some((path.trim().trim_start_matches('/'), weight.trim().parse().ok()?))
    });
    let weights: BTreeMap<&str, i64> = parsed.collect();
    let weight = |path: &str| -> i64 {
        let mut at = path;
        loop {
            match (weights.get(at), at.rsplit_once('/')) {
                (Some(weight), _) => return *weight,
                (None, Some((above, _))) => at = above,
                (None, None) => return 0,
            }
        }
    };
    let mut files: Vec<(i64, &str, u64)> = Vec::new();
    for (path, entry) in tree.iter() {
        if let Kind::File { size } = entry.kind {
            files.push((weight(path), path, size));
        }
    }
    // Stable: equal weights stay in the order of their paths.
    files.sort_by_key(|(weight, ..)| std::cmp::Reverse(*weight));
    files.into_iter().map(|(_, path, size)| (path, size)).collect()
}
