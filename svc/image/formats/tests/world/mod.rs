//! Random trees by seed: deep directories, long names, holes, hard links, devices.

// The helpers of a test may fail as the test does; each test file uses some of them.
#![allow(clippy::unwrap_used, dead_code)]

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use image_tree::{Entry, Kind, Tree};

/// A small generator of the xorshift family: the seed says all.
pub struct Random(pub u64);

impl Random {
    pub fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }

    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.next(of.len() as u64) as usize]
    }
}

/// A table and the bytes of its files.
pub struct World {
    pub tree: Tree,
    pub files: BTreeMap<String, Vec<u8>>,
}

/// `size` bytes, runs of nothing among them.
pub fn bytes(random: &mut Random, size: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(size as usize + 8);
    while out.len() < size as usize {
        if random.next(2_000) == 0 {
            out.resize(out.len() + 8 * random.next(6_000) as usize, 0);
        }
        out.extend(random.next(u64::MAX).to_le_bytes());
    }
    out.truncate(size as usize);
    out
}

impl World {
    pub fn new() -> Self {
        let mut tree = Tree::new();
        let root = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 3, mtime: 1 };
        tree.insert("", root).unwrap();
        Self { tree, files: BTreeMap::new() }
    }

    /// A tree of `count` paths of every type, with files of up to `largest` bytes.
    pub fn random(seed: u64, count: u64, largest: u64) -> Self {
        let mut random = Random::of(seed);
        let mut world = Self::new();
        let mut directories = vec![String::new()];
        let mut names: Vec<String> = Vec::new();
        for index in 0..count {
            // Every third goes into the newest directory: some become deep.
            let up = match random.next(3) {
                0 => directories.last().unwrap().clone(),
                _ => random.one(&directories).clone(),
            };
            let name = name(&mut random, index);
            let path = if up.is_empty() { name } else { format!("{up}/{name}") };
            let kind = world.kind(&mut random, &path, &names, largest);
            match &kind {
                Kind::Directory => directories.push(path.clone()),
                Kind::File { .. } => names.push(path.clone()),
                _ => {}
            }
            let mut entry = Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 };
            if !matches!(entry.kind, Kind::HardLink { .. }) {
                entry.mode = random.next(0o10000) as u32;
                entry.uid = *random.one(&[0, 2, 100_000]);
                entry.gid = random.next(70_000) as u32;
                entry.mtime = 1_700_000_000 + i64::from(index as u32);
            }
            world.tree.insert(&path, entry).unwrap();
        }
        world
    }

    fn kind(&mut self, random: &mut Random, path: &str, names: &[String], largest: u64) -> Kind {
        match random.next(14) {
            0..=2 => Kind::Directory,
            3 => Kind::Symlink { target: "t/".repeat(1 + random.next(500) as usize) },
            4 => Kind::CharacterDevice { major: 1 + random.next(255) as u32, minor: 7 },
            5 => Kind::BlockDevice { major: 3, minor: random.next(256) as u32 },
            6 => Kind::Fifo,
            7 if !names.is_empty() => {
                let target = random.one(names).clone();
                if target.as_str() < path { Kind::HardLink { target } } else { Kind::Fifo }
            }
            _ => {
                let size = match random.next(8) {
                    0 => 0,
                    1 => 8192 * random.next(13),
                    2 => random.next(largest),
                    _ => random.next(20_000),
                };
                self.files.insert(path.to_string(), bytes(random, size));
                Kind::File { size }
            }
        }
    }

    /// Puts a file in, or in the place of another.
    pub fn file(&mut self, path: &str, bytes: Vec<u8>) {
        let kind = Kind::File { size: bytes.len() as u64 };
        let entry = Entry { kind, mode: 0o644, uid: 0, gid: 0, mtime: 5 };
        self.tree.insert(path, entry).unwrap();
        self.files.insert(path.to_string(), bytes);
    }

    /// The contents, as writers ask for them.
    pub fn content(&self) -> impl Fn(&str) -> std::io::Result<Box<dyn Read>> + Sync + '_ {
        |path| match self.files.get(path) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    /// Whether `tree` is this table.
    pub fn assert_tree(&self, tree: &Tree, what: &str) {
        for ((path, want), (have_path, have)) in self.tree.iter().zip(tree.iter()) {
            assert_eq!((path, want), (have_path, have), "{what}");
        }
        assert_eq!(tree.len(), self.tree.len(), "{what}");
    }
}

/// A name that no other index has, sometimes as long as names can be.
fn name(random: &mut Random, index: u64) -> String {
    let pad = match random.next(30) {
        0 => 255 - 4,
        1..=8 => random.next(60),
        _ => random.next(9),
    };
    let letter = *random.one(&["n", "x", "é", "-", " ", ".", "Z"]);
    let mut name = format!("{}{index:03}", random.one(&["", "a", "B", "_"]));
    while name.len() + letter.len() <= 255 && name.len() < pad as usize {
        name.push_str(letter);
    }
    name
}
