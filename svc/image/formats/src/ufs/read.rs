//! read.rs - a reader of our own, for looking into an archive and for holding it against its table.
//!
//! Reads what `write.rs` makes and what mkfs makes.  Nothing in an image is trusted: every address
//! is held against the size, every name against what a path may hold, every length against its
//! chunk, every walk against a directory or a block met twice too often.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom, Write};

use image_tree::{Entry, Kind, Tree};

use super::layout::*;

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream.
    #[error("the image cannot be read")]
    Io(#[from] io::Error),
    /// What it holds is no file system of this kind, or a damaged one.
    #[error("{0}")]
    Format(String),
    /// No file of that name.
    #[error("{0} is not in the image")]
    Missing(String),
}

/// An open image.
pub struct Image<R> {
    from: R,
    /// The superblock.
    pub(crate) superblock: Vec<u8>,
}

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// One inode as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub number: u32,
    /// What it is.
    pub kind: NodeKind,
    /// Permission bits.
    pub mode: u32,
    /// Link count.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: i64,
    /// Bytes of data.
    pub size: u64,
    /// Sectors of 512 bytes it takes, indirect blocks counted.
    pub sectors: u32,
    pub(crate) direct: [u32; DIRECT],
    pub(crate) indirect: [u32; 3],
}

impl Node {
    /// Major and minor number, of a device.
    pub fn device(&self) -> (u32, u32) {
        let device = self.direct[1];
        if device < 1 << 16 {
            (device >> 8, device & 0xff)
        } else {
            (device >> 18, device & 0x3_ffff)
        }
    }
}

/// What the superblock says of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of the file system.
    pub bytes: u64,
    /// Cylinder groups.
    pub groups: u64,
    /// Inodes, 0 and 1 (which are nobody's) not counted.
    pub inodes: u64,
    /// Inodes that are free.
    pub inodes_free: u64,
    /// Directories.
    pub directories: u64,
    /// Whole blocks that are free.
    pub blocks_free: u64,
    /// Fragments that are free in blocks that are not.
    pub frags_free: u64,
    /// When it was last written, seconds since the epoch.
    pub time: u64,
}

fn format_error<T>(text: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError::Format(text.into()))
}

/// A block of a file, as [`Image::each_piece`] meets it.
pub(crate) enum Piece {
    /// Data.
    Data {
        /// Which block of the file.
        index: u64,
        /// Its address.
        at: u32,
        /// Its length in fragments.
        frags: u32,
    },
    /// An indirect block at this address.
    Indirect(u32),
    /// An address in an indirect block behind the file's end.
    Beyond(u32),
}

/// What is done with a piece.
type Visit<'a, R> = dyn FnMut(&mut Image<R>, Piece) -> Result<(), ReadError> + 'a;

/// Most blocks that an inode can name.
const BLOCKS_MAX: u64 = {
    let pointers = POINTERS as u64;
    DIRECT as u64 + pointers + pointers * pointers + pointers * pointers * pointers
};

/// The walk through one file's blocks.
struct Walk {
    number: u32,
    size: u64,
    /// One past its last block.
    end: u64,
    budget: u64,
}

impl Walk {
    fn spend(&mut self) -> Result<(), ReadError> {
        match self.budget.checked_sub(1) {
            Some(left) => self.budget = left,
            None => return format_error(format!("inode {} has too many blocks", self.number)),
        }
        Ok(())
    }

    fn data<R: Read + Seek>(
        &mut self,
        image: &mut Image<R>,
        index: u64,
        at: u32,
        visit: &mut Visit<'_, R>,
    ) -> Result<(), ReadError> {
        if at == 0 {
            return Ok(());
        }
        self.spend()?;
        visit(image, Piece::Data { index, at, frags: frags_of_block(self.size, index) })
    }

    /// The indirect block at `at`, `depth` steps above data, whose first address is of block
    /// `first`.
    fn below<R: Read + Seek>(
        &mut self,
        image: &mut Image<R>,
        (at, depth, first): (u32, u32, u64),
        visit: &mut Visit<'_, R>,
    ) -> Result<(), ReadError> {
        if at == 0 {
            return Ok(());
        }
        self.spend()?;
        visit(image, Piece::Indirect(at))?;
        let span = (POINTERS as u64).pow(depth - 1);
        for (entry, to) in (0..).zip(image.pointers(at)?) {
            let index = first + entry * span;
            match (to, depth) {
                (0, _) => {}
                _ if index >= self.end => visit(image, Piece::Beyond(to))?,
                (_, 1) => self.data(image, index, to, visit)?,
                _ => self.below(image, (to, depth - 1, index), visit)?,
            }
        }
        Ok(())
    }
}

impl<R: Read + Seek> Image<R> {
    /// Reads the superblock and holds it against what this reader knows.
    pub fn open(mut from: R) -> Result<Self, ReadError> {
        let mut superblock = vec![0; SUPERBLOCK_SIZE];
        let length = from.seek(SeekFrom::End(0))?;
        if length < SUPERBLOCK_AT + SUPERBLOCK_SIZE as u64 {
            return format_error(format!("{length} bytes have no room for a superblock"));
        }
        from.seek(SeekFrom::Start(SUPERBLOCK_AT))?;
        from.read_exact(&mut superblock)?;
        let image = Self { from, superblock };
        for (at, name, want) in [
            (1372, "magic", MAGIC),
            (48, "block size", BLOCK as u32),
            (52, "fragment size", FRAGMENT as u32),
            (12, "group offset", GROUP_AT),
            (16, "inode offset", INODES_AT),
        ] {
            if image.field(at) != want {
                return format_error(format!("{name} is {:#x}, not {want:#x}", image.field(at)));
            }
        }
        image.check_groups(length)?;
        Ok(image)
    }

    /// Holds the numbers that every address is computed from against each other and against
    /// the length of the stream.
    fn check_groups(&self, length: u64) -> Result<(), ReadError> {
        let (size, groups, inodes) = (self.field(36), self.field(44), self.field(184));
        let each = self.field(188);
        let fits = u64::from(groups) * u64::from(each);
        if groups == 0
            || inodes == 0
            || inodes > INODES_MAX
            || each < CYLINDER
            || size > 0x7fff_ffff
            || u64::from(size) > fits
            || fits - u64::from(size) >= u64::from(each)
        {
            return format_error(format!("{groups} groups of {each} in {size} fragments"));
        }
        if length < u64::from(size) * FRAGMENT {
            return format_error(format!("{length} bytes are fewer than {size} fragments"));
        }
        Ok(())
    }

    /// The stream again.
    pub fn into_inner(self) -> R {
        self.from
    }

    /// What the superblock says of the whole; `check` says whether that is so.
    pub fn totals(&self) -> Totals {
        let field = |at| u64::from(self.field(at));
        Totals {
            bytes: field(36) * FRAGMENT,
            groups: field(44),
            inodes: (field(44) * field(184)).saturating_sub(u64::from(ROOT)),
            inodes_free: field(200),
            directories: field(192),
            blocks_free: field(196),
            frags_free: field(204),
            time: field(32),
        }
    }

    /// The 32-bit field at `at` of the superblock.
    pub(crate) fn field(&self, at: usize) -> u32 {
        get32(&self.superblock, at)
    }

    /// First fragment of a group's metadata.
    pub(crate) fn group_start(&self, group: u32) -> u32 {
        let offset = self.field(24).wrapping_mul(group & !self.field(28));
        (group * self.field(188)).wrapping_add(offset)
    }

    /// `count` fragments from `at` on.
    pub(crate) fn frags(&mut self, at: u32, count: u32) -> Result<Vec<u8>, ReadError> {
        if u64::from(at) + u64::from(count) > u64::from(self.field(36)) {
            return format_error(format!("fragment {at} lies behind the end"));
        }
        let mut bytes = vec![0; (u64::from(count) * FRAGMENT) as usize];
        self.from.seek(SeekFrom::Start(u64::from(at) * FRAGMENT))?;
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Inode `number`.
    pub fn node(&mut self, number: u32) -> Result<Node, ReadError> {
        let each = self.field(184);
        let group = number / each;
        if number < ROOT || group >= self.field(44) {
            return format_error(format!("no inode {number}"));
        }
        let index = number % each;
        let at = self.group_start(group).wrapping_add(INODES_AT + index / INODES_PER_FRAG);
        let frag = self.frags(at, 1)?;
        let bytes = &frag[(index % INODES_PER_FRAG) as usize * INODE..][..INODE];
        let mode = get16(bytes, 0);
        let kind = match mode & kind::MASK {
            kind::DIRECTORY => NodeKind::Directory,
            kind::FILE => NodeKind::File,
            kind::SYMLINK => NodeKind::Symlink,
            kind::CHARACTER => NodeKind::CharacterDevice,
            kind::BLOCK => NodeKind::BlockDevice,
            kind::FIFO => NodeKind::Fifo,
            other => return format_error(format!("inode {number} has type {other:#o}")),
        };
        let owner = |short: u16, long: u32| if short == u16::MAX { long } else { u32::from(short) };
        Ok(Node {
            number,
            kind,
            mode: u32::from(mode & 0o7777),
            links: u32::from(get16(bytes, 2)),
            uid: owner(get16(bytes, 4), get32(bytes, 116)),
            gid: owner(get16(bytes, 6), get32(bytes, 120)),
            mtime: i64::from(get32(bytes, 24) as i32),
            size: get64(bytes, 8),
            direct: std::array::from_fn(|index| get32(bytes, 40 + 4 * index)),
            indirect: [88, 92, 96].map(|at| get32(bytes, at)),
            sectors: get32(bytes, 104),
        })
    }

    /// Calls `visit` with every block of a node in order, indirect ones before what they point to;
    /// holes are left out.
    pub(crate) fn each_piece(
        &mut self,
        node: &Node,
        visit: &mut Visit<'_, R>,
    ) -> Result<(), ReadError> {
        if matches!(node.kind, NodeKind::CharacterDevice | NodeKind::BlockDevice | NodeKind::Fifo) {
            return Ok(());
        }
        let end = node.size.div_ceil(BLOCK);
        if end > BLOCKS_MAX {
            return format_error(format!(
                "inode {}: {} bytes are too many",
                node.number, node.size
            ));
        }
        // A block belongs to one file once, so no file has more of them than there are.
        let budget = u64::from(self.field(36) / FRAGS) + DIRECT as u64;
        let mut walk = Walk { number: node.number, size: node.size, end, budget };
        for (index, &at) in (0..end).zip(&node.direct) {
            walk.data(self, index, at, visit)?;
        }
        let mut first = DIRECT as u64;
        for (depth, &at) in (1..).zip(&node.indirect) {
            if first < end {
                walk.below(self, (at, depth, first), visit)?;
            }
            first += (POINTERS as u64).pow(depth);
        }
        Ok(())
    }

    /// Hands every run of a node's bytes that is no hole to `give`, with where it begins.
    pub fn runs(
        &mut self,
        node: &Node,
        give: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> Result<(), ReadError> {
        let size = node.size;
        self.each_piece(node, &mut |image, piece| {
            if let Piece::Data { index, at, frags } = piece {
                let mut bytes = image.frags(at, frags)?;
                bytes.truncate((size - index * BLOCK).min(BLOCK) as usize);
                give(index * BLOCK, &bytes)?;
            }
            Ok(())
        })
    }

    fn pointers(&mut self, at: u32) -> Result<Vec<u32>, ReadError> {
        let bytes = self.frags(at, FRAGS)?;
        Ok((0..POINTERS).map(|index| get32(&bytes, 4 * index)).collect())
    }

    /// Writes all bytes of a node to `out`, NULs for holes.
    pub fn copy(&mut self, node: &Node, out: &mut dyn Write) -> Result<(), ReadError> {
        let mut at = 0;
        self.runs(node, &mut |from, bytes| {
            io::copy(&mut io::repeat(0).take(from - at), out)?;
            at = from + bytes.len() as u64;
            out.write_all(bytes)
        })?;
        io::copy(&mut io::repeat(0).take(node.size - at), out)?;
        Ok(())
    }

    /// All bytes of a node that is not larger than the image.
    pub fn data(&mut self, node: &Node) -> Result<Vec<u8>, ReadError> {
        if node.size > u64::from(self.field(36)) * FRAGMENT {
            return format_error(format!("inode {} is too large", node.number));
        }
        let mut bytes = Vec::new();
        self.copy(node, &mut bytes)?;
        Ok(bytes)
    }

    /// The names in a directory with their inodes, `.` and `..` included.
    pub fn entries(&mut self, node: &Node) -> Result<Vec<(String, u32)>, ReadError> {
        let bytes = self.data(node)?;
        let bad = |at: usize| format!("directory {}, byte {at}: no entry", node.number);
        let mut list = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let left = CHUNK - at % CHUNK;
            if bytes.len() - at < 8 {
                return format_error(bad(at));
            }
            let length = usize::from(get16(&bytes, at + 4));
            let name = usize::from(get16(&bytes, at + 6));
            if length < 8 + name || length > left || length % 4 != 0 || at + length > bytes.len() {
                return format_error(bad(at));
            }
            let number = get32(&bytes, at);
            if number != 0 {
                let text = std::str::from_utf8(&bytes[at + 8..at + 8 + name])
                    .ok()
                    .filter(|text| !text.is_empty() && !text.contains(['/', '\0']))
                    .ok_or_else(|| ReadError::Format(bad(at)))?;
                list.push((text.to_string(), number));
            }
            at += length;
        }
        Ok(list)
    }

    /// Every path with its inode, in byte order of paths; the root is `""`.
    pub fn walk(&mut self) -> Result<BTreeMap<String, Node>, ReadError> {
        let mut found = BTreeMap::from([(String::new(), self.node(ROOT)?)]);
        let mut todo = vec![String::new()];
        let mut seen = BTreeSet::from([ROOT]);
        while let Some(path) = todo.pop() {
            let node = found[&path].clone();
            for (name, number) in self.entries(&node)? {
                if name == "." || name == ".." {
                    continue;
                }
                let below = if path.is_empty() { name } else { format!("{path}/{name}") };
                let child = self.node(number)?;
                if child.kind == NodeKind::Directory {
                    if !seen.insert(number) {
                        return format_error(format!("{below}: a directory met twice"));
                    }
                    todo.push(below.clone());
                }
                found.insert(below, child);
            }
        }
        Ok(found)
    }

    /// The metadata table of the image; of several names the first by byte order is the file.
    pub fn tree(&mut self) -> Result<Tree, ReadError> {
        let mut tree = Tree::new();
        let mut first: BTreeMap<u32, String> = BTreeMap::new();
        for (path, node) in self.walk()? {
            let (major, minor) = node.device();
            let kind = match (node.kind, first.get(&node.number)) {
                (_, Some(target)) => Kind::HardLink { target: target.clone() },
                (NodeKind::Directory, None) => Kind::Directory,
                (NodeKind::File, None) => Kind::File { size: node.size },
                (NodeKind::Symlink, None) => {
                    let text = String::from_utf8(self.data(&node)?)
                        .map_err(|_| ReadError::Format(format!("{path}: link is not UTF-8")))?;
                    Kind::Symlink { target: text }
                }
                (NodeKind::CharacterDevice, None) => Kind::CharacterDevice { major, minor },
                (NodeKind::BlockDevice, None) => Kind::BlockDevice { major, minor },
                (NodeKind::Fifo, None) => Kind::Fifo,
            };
            let linked = matches!(kind, Kind::HardLink { .. });
            let Node { mode, uid, gid, mtime, .. } = node;
            let entry = if linked {
                Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 }
            } else {
                Entry { kind, mode, uid, gid, mtime }
            };
            tree.insert(&path, entry).map_err(|error| ReadError::Format(error.to_string()))?;
            first.entry(node.number).or_insert(path);
        }
        Ok(tree)
    }

    /// The node at `path`, a path of the table (no link is followed).
    pub fn find(&mut self, path: &str) -> Result<Node, ReadError> {
        let mut node = self.node(ROOT)?;
        for name in path.split('/').filter(|_| !path.is_empty()) {
            let missing = || ReadError::Missing(path.to_string());
            if node.kind != NodeKind::Directory {
                return Err(missing());
            }
            let entries = self.entries(&node)?;
            let found = entries.into_iter().find(|(entry, _)| entry == name);
            let (_, number) = found.ok_or_else(missing)?;
            node = self.node(number)?;
        }
        Ok(node)
    }

    /// The bytes of the file at `path` (no link is followed).
    pub fn file(&mut self, path: &str) -> Result<Vec<u8>, ReadError> {
        let node = self.find(path)?;
        self.data(&node)
    }
}
