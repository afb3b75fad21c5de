//! index.rs - what a checkpoint says of its tree, as bytes.
//!
//! All numbers little endian.  Folders are numbered, the root is 0; a child of kind `d` names its
//! folder's number.  A string is a u32 length and its bytes.
//!
//! ```text
//! "LAMPCKPT" u32 version(1)
//! string boot, i64 u32 taken (the file system's clock when the tree had been read)
//! meta of the root
//! u32 folders, each: u32 children, each:
//!   string name, u8 kind, meta, u64 ino, i64 u32 ctime, and by kind
//!   'd'  u32 folder
//!   'f'  u64 size, u32 checkpoint, u32 pack, u64 offset, u64 link, u32 segments, each u64 u64
//!   'l'  string target
//!   's'  u32 format, u64 device
//! "LAMPCKPT"
//! meta = u32 mode, u32 uid, u32 gid, i64 u32 mtime
//! ```
//!
//! `link` is 0, or the same number for all names of one file.  A file's bytes lie in one piece
//! from `offset` in a pack; with segments, they are (place in the file, length) of what is no
//! hole, one after the other in the pack.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const MAGIC: &[u8; 8] = b"LAMPCKPT";
const VERSION: u32 = 1;

/// Where in time: seconds and nanoseconds.
pub(super) type Moment = (i64, i64);

/// Mode, owner and time of modification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Moment,
}

/// What tells whether an inode was touched since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    pub(super) ino: u64,
    pub(super) ctime: Moment,
}

/// Of a file with holes what is none: place and length.
pub(super) type Segments = Box<[(u64, u64)]>;

/// Where a file's bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Content {
    /// The checkpoint whose pack it is.
    pub(super) checkpoint: u32,
    /// Which of its packs.
    pub(super) pack: u32,
    /// From where in it.
    pub(super) offset: u64,
    /// Length of the file.
    pub(super) size: u64,
    /// What is no hole; `None`: all of it.
    pub(super) segments: Option<Segments>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Folder(u32),
    File { content: Content, link: u64 },
    Symlink(CString),
    Special { format: u32, device: u64 },
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) name: CString,
    pub(super) meta: Meta,
    pub(super) stamp: Stamp,
    pub(super) node: Node,
}

impl Child {
    /// The number of the folder that it is.
    pub(super) fn folder(&self) -> Option<u32> {
        if let Node::Folder(number) = self.node { Some(number) } else { None }
    }

    /// Where its bytes are, if it is a file.
    pub(super) fn content(&self) -> Option<&Content> {
        if let Node::File { content, .. } = &self.node { Some(content) } else { None }
    }
}

/// A folder's children, sorted by name.
pub(super) type Folder = Vec<Child>;

/// A whole tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// The boot in which its stamps mean something.
    pub(super) boot: String,
    /// The file system's clock when all had been read.
    pub(super) taken: Moment,
    pub(super) root: Meta,
    pub(super) folders: Vec<Folder>,
}

impl Index {
    /// The child of a folder.
    pub(super) fn child(&self, folder: u32, name: &CStr) -> Option<&Child> {
        let children = self.folders.get(folder as usize)?;
        let found = children.binary_search_by(|child| child.name.as_c_str().cmp(name)).ok()?;
        children.get(found)
    }

    /// The path of the first file whose bytes are kept so.
    pub(super) fn path_of(&self, is_it: impl Fn(&Content) -> bool) -> Option<PathBuf> {
        let mut to_do = vec![(0, PathBuf::new())];
        while let Some((number, above)) = to_do.pop() {
            for child in self.folders.get(number as usize)? {
                let path = above.join(OsStr::from_bytes(child.name.to_bytes()));
                match &child.node {
                    Node::Folder(number) => to_do.push((*number, path)),
                    Node::File { content, .. } if is_it(content) => return Some(path),
                    Node::File { .. } | Node::Symlink(_) | Node::Special { .. } => {}
                }
            }
        }
        None
    }

    /// The bytes of it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 << 20);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        put_string(&mut out, self.boot.as_bytes());
        put_moment(&mut out, self.taken);
        put_meta(&mut out, &self.root);
        put_length(&mut out, self.folders.len());
        for folder in &self.folders {
            put_length(&mut out, folder.len());
            folder.iter().for_each(|child| put_child(&mut out, child));
        }
        out.extend_from_slice(MAGIC);
        out
    }

    /// Reads the bytes; what is wrong with them otherwise.
    pub(super) fn parse(bytes: &[u8]) -> Result<Index, String> {
        let mut from = Reader { rest: bytes };
        if from.take(8)? != MAGIC || from.u32()? != VERSION {
            return Err("no index of this version".to_owned());
        }
        let boot = String::from_utf8_lossy(from.string()?).into_owned();
        let (taken, root) = (from.moment()?, from.meta()?);
        let count = from.u32()?;
        let mut folders = Vec::new();
        for _ in 0..count {
            let children = from.u32()?;
            // A child takes more than 40 bytes: no more of them than there is text.
            let mut folder = Folder::with_capacity((children as usize).min(from.rest.len() / 40));
            for _ in 0..children {
                folder.push(from.child(count)?);
            }
            if !folder.is_sorted_by(|one, two| one.name < two.name) {
                return Err("names are out of order".to_owned());
            }
            folders.push(folder);
        }
        // Each folder is in one other: there is no way around in circles.
        let mut seen = vec![false; folders.len()];
        for number in folders.iter().flatten().filter_map(Child::folder) {
            if std::mem::replace(&mut seen[number as usize], true) {
                return Err(format!("folder {number} is in two"));
            }
        }
        if from.rest != MAGIC || folders.is_empty() {
            return Err("it has no end".to_owned());
        }
        Ok(Index { boot, taken, root, folders })
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a directory has fewer than 2^32 names");
    out.extend_from_slice(&length.to_le_bytes());
}

fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    put_length(out, text.len());
    out.extend_from_slice(text);
}

fn put_moment(out: &mut Vec<u8>, (seconds, nanoseconds): Moment) {
    out.extend_from_slice(&seconds.to_le_bytes());
    let nanoseconds = u32::try_from(nanoseconds).unwrap_or(0);
    out.extend_from_slice(&nanoseconds.to_le_bytes());
}

fn put_meta(out: &mut Vec<u8>, meta: &Meta) {
    for number in [meta.mode, meta.uid, meta.gid] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    put_moment(out, meta.mtime);
}

fn put_child(out: &mut Vec<u8>, child: &Child) {
    put_string(out, child.name.as_bytes());
    out.push(match child.node {
        Node::Folder(_) => b'd',
        Node::File { .. } => b'f',
        Node::Symlink(_) => b'l',
        Node::Special { .. } => b's',
    });
    put_meta(out, &child.meta);
    out.extend_from_slice(&child.stamp.ino.to_le_bytes());
    put_moment(out, child.stamp.ctime);
    match &child.node {
        Node::Folder(number) => out.extend_from_slice(&number.to_le_bytes()),
        Node::File { content, link } => {
            out.extend_from_slice(&content.size.to_le_bytes());
            out.extend_from_slice(&content.checkpoint.to_le_bytes());
            out.extend_from_slice(&content.pack.to_le_bytes());
            out.extend_from_slice(&content.offset.to_le_bytes());
            out.extend_from_slice(&link.to_le_bytes());
            // One more than there are: 0 is "all of it", 1 is "nothing but hole".
            let segments = content.segments.as_deref();
            put_length(out, segments.map_or(0, |segments| segments.len() + 1));
            for (place, length) in segments.unwrap_or_default() {
                out.extend_from_slice(&place.to_le_bytes());
                out.extend_from_slice(&length.to_le_bytes());
            }
        }
        Node::Symlink(target) => put_string(out, target.as_bytes()),
        Node::Special { format, device } => {
            out.extend_from_slice(&format.to_le_bytes());
            out.extend_from_slice(&device.to_le_bytes());
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("it is cut off")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "it is cut off".to_owned())
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    fn string(&mut self) -> Result<&'a [u8], String> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    fn text(&mut self) -> Result<CString, String> {
        CString::new(self.string()?).map_err(|_| "a name has a NUL".to_owned())
    }

    fn moment(&mut self) -> Result<Moment, String> {
        let seconds = self.array().map(i64::from_le_bytes)?;
        Ok((seconds, i64::from(self.u32()?)))
    }

    fn meta(&mut self) -> Result<Meta, String> {
        let (mode, uid, gid) = (self.u32()?, self.u32()?, self.u32()?);
        Ok(Meta { mode, uid, gid, mtime: self.moment()? })
    }

    fn child(&mut self, folders: u32) -> Result<Child, String> {
        let name = self.text()?;
        if matches!(name.as_bytes(), b"" | b"." | b"..") || name.as_bytes().contains(&b'/') {
            return Err(format!("{name:?} is no name"));
        }
        let [kind] = self.array()?;
        let meta = self.meta()?;
        let stamp = Stamp { ino: self.u64()?, ctime: self.moment()? };
        let node = match kind {
            b'd' => match self.u32()? {
                number @ 1.. if number < folders => Node::Folder(number),
                number => return Err(format!("there is no folder {number}")),
            },
            b'f' => self.file()?,
            b'l' => Node::Symlink(self.text()?),
            b's' => Node::Special { format: self.u32()?, device: self.u64()? },
            other => return Err(format!("there is no kind {other}")),
        };
        Ok(Child { name, meta, stamp, node })
    }

    fn file(&mut self) -> Result<Node, String> {
        let size = self.u64()?;
        let (checkpoint, pack, offset) = (self.u32()?, self.u32()?, self.u64()?);
        let link = self.u64()?;
        let segments = match self.u32()?.checked_sub(1) {
            None => None,
            Some(count) => {
                let pairs = (0..count).map(|_| Ok((self.u64()?, self.u64()?)));
                Some(pairs.collect::<Result<Box<[_]>, String>>()?)
            }
        };
        Ok(Node::File { content: Content { checkpoint, pack, offset, size, segments }, link })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(name: &str, node: Node) -> Child {
        let meta = Meta { mode: 0o4755, uid: 1, gid: 2, mtime: (-5, 7) };
        let stamp = Stamp { ino: 99, ctime: (1_700_000_000, 123_456_789) };
        Child { name: CString::new(name).unwrap(), meta, stamp, node }
    }

    fn sample() -> Index {
        let whole = Content { checkpoint: 3, pack: 1, offset: 4096, size: 10, segments: None };
        let holes = Some(Box::from([(0, 4096), (1 << 40, 7)]));
        let holed = Content { size: 1 << 41, segments: holes, ..whole.clone() };
        let hole = Content { segments: Some(Box::default()), ..whole.clone() };
        let root = vec![
            child("a", Node::Folder(1)),
            child("b", Node::File { content: whole, link: 0 }),
            child("c", Node::File { content: holed, link: 12 }),
            child("d", Node::File { content: hole, link: 12 }),
            child("e", Node::Symlink(c"../\xff".to_owned())),
            child("f", Node::Special { format: 0o020_000, device: 0x0103 }),
        ];
        let root_meta = child("x", Node::Folder(0)).meta;
        let folders = vec![root, Vec::new()];
        Index { boot: "b".to_owned(), taken: (5, 6), root: root_meta, folders }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let index = sample();
        assert_eq!(Index::parse(&index.to_bytes()), Ok(index.clone()));
        assert_eq!(index.child(0, c"b").unwrap().name.as_c_str(), c"b");
        assert!(index.child(1, c"b").is_none());
    }

    #[test]
    fn whatever_is_cut_off_or_turned_is_refused_or_read_without_harm() {
        let bytes = sample().to_bytes();
        for length in 0..bytes.len() {
            assert!(Index::parse(&bytes[..length]).is_err(), "{length}");
        }
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 0xff;
            // A name, a number: another, but no panic and no name that leads elsewhere.
            if let Ok(index) = Index::parse(&other) {
                assert!(index.folders.iter().flatten().all(|child| !child.name.is_empty()));
            }
        }
    }
}
