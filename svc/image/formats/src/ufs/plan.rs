//! plan.rs - a metadata table turned into inodes and the bytes of directories.
//!
//! Inode numbers follow the table's order: the root is 2, the next path 3.  A hard link takes no
//! inode.  Law: every parent is a directory of the table, every hard link names a row that is no
//! directory and no hard link itself.
//!
//! A directory entry: u32 inode, u16 length of the entry, u16 length of the name (there is no
//! type byte), the name, NULs to a multiple of four; the last entry of a chunk of 512 bytes
//! reaches to its end.

use std::collections::BTreeMap;

use image_tree::{Entry, Kind, Tree};

use super::layout::*;
use super::map::indirect_blocks;

/// Most sectors of a file: the inode's count has 31 bits.
const SECTORS_MAX: u64 = i32::MAX as u64;

/// Why a table cannot become a file system.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// The parent is missing or no directory.
    #[error("{path}: its parent is not a directory of the table")]
    Parent {
        /// The path whose parent it is.
        path: String,
    },
    /// A hard link to nothing, to a directory or to another hard link.
    #[error("{path}: a hard link to {target}, which is no file of the table")]
    HardLink {
        /// The link.
        path: String,
        /// What it names.
        target: String,
    },
    /// A name or a symbolic link longer than the format allows.
    #[error("{path}: the name or the link's text is too long")]
    Long {
        /// The path.
        path: String,
    },
    /// More than 32,767 links to one inode, or a device number that has no room.
    #[error("{path}: its link count or device number has no room in an inode")]
    Number {
        /// The path.
        path: String,
    },
    /// A file of a terabyte or more: its sectors have no room in an inode.
    #[error("{path}: {size} bytes are more than a file can have")]
    Large {
        /// The path.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
}

/// What the data of an inode is.
#[derive(Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Bytes that are known now: a directory's entries, a link's text.
    Bytes(Vec<u8>),
    /// The contents of the file at this path.
    File(&'a str),
    /// No data; the device's number, as `db[1]` holds it.
    Device(u32),
    /// No data.
    Nothing,
}

/// One inode before it has addresses.
#[derive(Debug, PartialEq, Eq)]
pub struct Inode<'a> {
    /// Type and permission bits.
    pub mode: u16,
    /// Names, and for a directory its own `.` and its children's `..`.
    pub links: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds.
    pub mtime: i64,
    /// Bytes of data.
    pub size: u64,
    /// The data.
    pub body: Body<'a>,
}

/// All inodes; the first is the root, number 2.
#[derive(Debug)]
pub struct Plan<'a> {
    /// In order of their numbers.
    pub inodes: Vec<Inode<'a>>,
}

/// The root of a table that has no row for it.
static MISSING_ROOT: Entry = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, mtime: 0 };

struct Children<'a> {
    names: Vec<(&'a str, u32)>,
    directories: u32,
}

impl<'a> Plan<'a> {
    /// Lays out the inodes of `tree`; a table without a row for the root gets one, 0755 0:0.
    pub fn of(tree: &'a Tree) -> Result<Self, PlanError> {
        let numbers = numbers(tree)?;
        let mut children = children(tree, &numbers)?;
        let mut links: BTreeMap<u32, u32> = BTreeMap::new();
        for path in tree.iter().map(|(path, _)| path).filter(|path| !path.is_empty()) {
            *links.entry(numbers[path]).or_default() += 1;
        }
        let missing = tree.get("").is_none().then_some(("", &MISSING_ROOT));
        let mut plan = Self { inodes: Vec::with_capacity(tree.len()) };
        for (path, entry) in missing.into_iter().chain(tree.iter()) {
            if matches!(entry.kind, Kind::HardLink { .. }) {
                continue;
            }
            let names = links.get(&numbers[path]).copied().unwrap_or(0);
            let mut inode = inode(path, entry, names)?;
            if let Some(found) = children.remove(path) {
                let parent = numbers[parent(path).unwrap_or("")];
                inode.body = Body::Bytes(directory(numbers[path], parent, &found.names));
                inode.links = u16::try_from(2 + found.directories)
                    .ok()
                    .filter(|&count| count <= 0x7fff)
                    .ok_or_else(|| PlanError::Number { path: path.to_string() })?;
            }
            if let Body::Bytes(bytes) = &inode.body {
                inode.size = bytes.len() as u64;
            }
            plan.inodes.push(inode);
        }
        Ok(plan)
    }
}

fn parent(path: &str) -> Option<&str> {
    if path.is_empty() { None } else { Some(path.rsplit_once('/').map_or("", |(up, _)| up)) }
}

/// The inode number of every path, hard links included.
fn numbers(tree: &Tree) -> Result<BTreeMap<&str, u32>, PlanError> {
    let mut numbers = BTreeMap::from([("", ROOT)]);
    let mut next = ROOT + 1;
    for (path, entry) in tree.iter() {
        if !path.is_empty() && !matches!(entry.kind, Kind::HardLink { .. }) {
            numbers.insert(path, next);
            next += 1;
        }
    }
    for (path, entry) in tree.iter() {
        let Kind::HardLink { target } = &entry.kind else { continue };
        let plain = tree
            .get(target)
            .filter(|found| !matches!(found.kind, Kind::Directory | Kind::HardLink { .. }));
        match (plain, numbers.get(target.as_str())) {
            (Some(_), Some(&number)) => numbers.insert(path, number),
            _ => {
                let (path, target) = (path.to_string(), target.clone());
                return Err(PlanError::HardLink { path, target });
            }
        };
    }
    Ok(numbers)
}

/// Every directory's names, in the table's order.
fn children<'a>(
    tree: &'a Tree,
    numbers: &BTreeMap<&'a str, u32>,
) -> Result<BTreeMap<&'a str, Children<'a>>, PlanError> {
    let empty = || Children { names: Vec::new(), directories: 0 };
    let mut children = BTreeMap::from([("", empty())]);
    for (path, _) in tree.iter().filter(|(_, entry)| entry.kind == Kind::Directory) {
        children.insert(path, empty());
    }
    for (path, entry) in tree.iter() {
        let Some(up) = parent(path) else { continue };
        let name = &path[if up.is_empty() { 0 } else { up.len() + 1 }..];
        if name.len() > NAME_MAX {
            return Err(PlanError::Long { path: path.to_string() });
        }
        let found =
            children.get_mut(up).ok_or_else(|| PlanError::Parent { path: path.to_string() })?;
        found.names.push((name, numbers[path]));
        found.directories += u32::from(entry.kind == Kind::Directory);
    }
    Ok(children)
}

fn inode<'a>(path: &'a str, entry: &Entry, names: u32) -> Result<Inode<'a>, PlanError> {
    let number = || PlanError::Number { path: path.to_string() };
    let device = |major: u32, minor: u32| device(major, minor).map(Body::Device);
    let (kind, size, body) = match &entry.kind {
        Kind::Directory | Kind::HardLink { .. } => (kind::DIRECTORY, 0, Body::Nothing),
        Kind::File { size } => (kind::FILE, *size, Body::File(path)),
        Kind::Symlink { target } if target.len() > LINK_MAX => {
            return Err(PlanError::Long { path: path.to_string() });
        }
        // A link's text always takes a block of its own: there are no fast links.
        Kind::Symlink { target } => (kind::SYMLINK, 0, Body::Bytes(target.as_bytes().to_vec())),
        Kind::CharacterDevice { major, minor } => {
            (kind::CHARACTER, 0, device(*major, *minor).ok_or_else(number)?)
        }
        Kind::BlockDevice { major, minor } => {
            (kind::BLOCK, 0, device(*major, *minor).ok_or_else(number)?)
        }
        Kind::Fifo => (kind::FIFO, 0, Body::Nothing),
    };
    let blocks = size.div_ceil(BLOCK).saturating_add(indirect_blocks(size.div_ceil(BLOCK)));
    if blocks > SECTORS_MAX / u64::from(FRAGS * SECTORS_PER_FRAG) {
        return Err(PlanError::Large { path: path.to_string(), size });
    }
    let links = u16::try_from(names).ok().filter(|&n| n <= 0x7fff).ok_or_else(number)?;
    let mode = kind | (entry.mode & 0o7777) as u16;
    let Entry { uid, gid, mtime, .. } = *entry;
    Ok(Inode { mode, links, uid, gid, mtime, size, body })
}

/// A device number: 8 and 8 bits where both fit, else 14 and 18.
fn device(major: u32, minor: u32) -> Option<u32> {
    match (major, minor) {
        (0..=0xff, 0..=0xff) => Some(major << 8 | minor),
        (0..=0x3fff, 0..=0x3_ffff) if major > 0 => Some(major << 18 | minor),
        _ => None,
    }
}

/// The bytes of a directory, whole chunks.
fn directory(own: u32, parent: u32, names: &[(&str, u32)]) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut last = 0;
    for (name, number) in [(".", own), ("..", parent)].iter().chain(names) {
        let length = 8 + (name.len() + 1).next_multiple_of(4);
        let left = bytes.len().next_multiple_of(CHUNK) - bytes.len();
        if length > left {
            close(&mut bytes, last);
        }
        last = bytes.len();
        bytes.resize(last + length, 0);
        put32(&mut bytes, last, *number);
        put16(&mut bytes, last + 4, length as u16);
        put16(&mut bytes, last + 6, name.len() as u16);
        bytes[last + 8..last + 8 + name.len()].copy_from_slice(name.as_bytes());
    }
    close(&mut bytes, last);
    bytes
}

/// Fills the chunk up and stretches its last entry, at `last`, to the end.
fn close(bytes: &mut Vec<u8>, last: usize) {
    let end = bytes.len().next_multiple_of(CHUNK);
    if end == 0 {
        return;
    }
    bytes.resize(end, 0);
    put16(bytes, last + 4, (end - last) as u16);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(rows: &[(&str, Kind)]) -> Tree {
        let mut tree = Tree::new();
        for (path, kind) in rows {
            let entry = Entry { kind: kind.clone(), mode: 0o644, uid: 1, gid: 2, mtime: 3 };
            tree.insert(path, entry).unwrap();
        }
        tree
    }

    #[test]
    fn what_makes_no_file_system_is_refused() {
        let hard = |target: &str| Kind::HardLink { target: target.to_string() };
        let file = Kind::File { size: 0 };
        let long = "n".repeat(256);
        for rows in [
            vec![("a/b", file.clone())],
            vec![("a", file.clone()), ("a/b", file.clone())],
            vec![("a", hard("b"))],
            vec![("a", Kind::Directory), ("b", hard("a"))],
            vec![("a", file.clone()), ("b", hard("a")), ("c", hard("b"))],
            vec![(long.as_str(), file.clone())],
            vec![("l", Kind::Symlink { target: "x".repeat(1024) })],
            vec![("d", Kind::CharacterDevice { major: 1 << 14, minor: 0 })],
            vec![("f", Kind::File { size: 1 << 40 })],
        ] {
            assert!(Plan::of(&tree(&rows)).is_err(), "{rows:?}");
        }
    }

    #[test]
    fn entries_never_cross_a_chunk() {
        let names: Vec<String> = (0..300).map(|n| format!("{n}{}", "x".repeat(n % 90))).collect();
        let list: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 9)).collect();
        let bytes = directory(2, 2, &list);
        assert_eq!(bytes.len() % CHUNK, 0);
        let (mut at, mut count) = (0, 0);
        while at < bytes.len() {
            let length = usize::from(get16(&bytes, at + 4));
            assert!(at / CHUNK == (at + length - 1) / CHUNK, "at {at}");
            at += length;
            count += 1;
        }
        assert_eq!(count, 302);
    }

    #[test]
    fn links_are_counted() {
        let tree = tree(&[
            ("d", Kind::Directory),
            ("d/e", Kind::Directory),
            ("f", Kind::File { size: 0 }),
            ("g", Kind::HardLink { target: "f".to_string() }),
        ]);
        let plan = Plan::of(&tree).unwrap();
        let links: Vec<u16> = plan.inodes.iter().map(|inode| inode.links).collect();
        assert_eq!(links, [3, 3, 2, 2]);
    }

    #[test]
    fn device_numbers() {
        for (major, minor, value) in
            [(13, 2, Some(0x0d02)), (300, 5, Some(300 << 18 | 5)), (1, 256, Some(1 << 18 | 256))]
        {
            assert_eq!(device(major, minor), value);
        }
    }
}
