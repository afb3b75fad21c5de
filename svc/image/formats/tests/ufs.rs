//! Random trees written, checked, and read back: by our reader, and by GRUB's where it is here.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::process::Command;

use image_formats::ufs::{self, Image, Inodes, Options, Space};
use image_tree::{Entry, Kind, Tree};

/// A small generator of the xorshift family: the seed says all.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

struct World {
    tree: Tree,
    files: BTreeMap<String, Vec<u8>>,
}

fn bytes(random: &mut Random, size: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(size as usize);
    while out.len() < size as usize {
        out.extend(random.next(u64::MAX).to_le_bytes());
    }
    out.truncate(size as usize);
    out
}

/// A tree of `count` paths of every type, with files of up to `largest` bytes.
fn world(seed: u64, count: u64, largest: u64) -> World {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut world = World { tree: Tree::new(), files: BTreeMap::new() };
    let mut directories = vec![String::new()];
    let mut names: Vec<String> = Vec::new();
    let root = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 3, mtime: 1 };
    world.tree.insert("", root).unwrap();
    for index in 0..count {
        let up = directories[random.next(directories.len() as u64) as usize].clone();
        let pad = "n".repeat(random.next(60) as usize);
        // The number first: later paths of a directory sort after earlier ones of equal width.
        let name = format!("{index:06}{pad}");
        let path = if up.is_empty() { name } else { format!("{up}/{name}") };
        let kind = match random.next(12) {
            0 | 1 => {
                directories.push(path.clone());
                Kind::Directory
            }
            2 => Kind::Symlink { target: "t/".repeat(1 + random.next(500) as usize) },
            3 => Kind::CharacterDevice { major: 1 + random.next(400) as u32, minor: 7 },
            4 => Kind::BlockDevice { major: 3, minor: random.next(1 << 17) as u32 },
            5 => Kind::Fifo,
            6 if !names.is_empty() => {
                let target = names[random.next(names.len() as u64) as usize].clone();
                if target < path { Kind::HardLink { target } } else { Kind::Fifo }
            }
            _ => {
                let size = match random.next(8) {
                    0 => 0,
                    1 => 8192 * random.next(13),
                    2 => random.next(largest),
                    _ => random.next(20_000),
                };
                world.files.insert(path.clone(), bytes(&mut random, size));
                names.push(path.clone());
                Kind::File { size }
            }
        };
        let linked = matches!(kind, Kind::HardLink { .. });
        let mut entry = Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 };
        if !linked {
            entry.mode = random.next(0o10000) as u32;
            entry.uid = [0, 2, 100_000][random.next(3) as usize];
            entry.gid = random.next(70_000) as u32;
            entry.mtime = 1_700_000_000 + i64::from(index as u32);
        }
        world.tree.insert(&path, entry).unwrap();
    }
    world
}

fn write(world: &World, space: Space, inodes: Inodes) -> Result<Vec<u8>, ufs::WriteError> {
    let content = |path: &str| -> std::io::Result<Box<dyn Read>> {
        Ok(Box::new(Cursor::new(world.files[path].clone())))
    };
    let options = Options { space, inodes, time: 1_700_000_000 };
    let mut out = Cursor::new(Vec::new());
    let written = ufs::write(&world.tree, &content, &options, &mut out)?;
    let bytes = out.into_inner();
    assert_eq!(written.bytes, bytes.len() as u64);
    Ok(bytes)
}

const CONTENT: Space = Space::Content { pad_mb: 0 };

fn read_back(world: &World, bytes: Vec<u8>, name: &str) {
    let mut image = Image::open(Cursor::new(bytes)).unwrap();
    assert_eq!(ufs::check(&mut image).unwrap(), Vec::<String>::new(), "{name}");
    let tree = image.tree().unwrap();
    for ((path, want), (have_path, have)) in world.tree.iter().zip(tree.iter()) {
        assert_eq!((path, want), (have_path, have), "{name}");
    }
    assert_eq!(tree.len(), world.tree.len(), "{name}");
    for (path, want) in &world.files {
        assert!(image.file(path).unwrap() == *want, "{name}: {path}");
    }
}

#[test]
fn random_trees_read_back_whole() {
    for seed in 1..=40 {
        let world = world(seed, 1 + seed * 13, 300_000);
        let bytes = write(&world, CONTENT, Inodes::Content).unwrap();
        assert!(bytes == write(&world, CONTENT, Inodes::Content).unwrap(), "seed {seed}: same");
        read_back(&world, bytes, &format!("seed {seed}"));
    }
}

#[test]
fn double_indirect_blocks_and_several_groups() {
    let mut world = world(99, 4_000, 100_000);
    let large = bytes(&mut Random(5), (12 + 2048 + 2048 + 3) * 8192 + 17);
    let entry = Entry {
        kind: Kind::File { size: large.len() as u64 },
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 5,
    };
    world.tree.insert("large", entry).unwrap();
    world.files.insert("large".to_string(), large);
    let bytes = write(&world, Space::Bytes(200 << 20), Inodes::BytesPer(4096)).unwrap();
    assert_eq!(bytes.len(), 200 << 20);
    read_back(&world, bytes, "large");
}

#[test]
fn a_directory_of_many_blocks() {
    let mut world = World { tree: Tree::new(), files: BTreeMap::new() };
    for index in 0..9_000 {
        let entry = Entry { kind: Kind::File { size: 0 }, mode: 0o644, uid: 0, gid: 0, mtime: 5 };
        let path = format!("{index:05}-a-name-of-some-length");
        world.tree.insert(&path, entry).unwrap();
        world.files.insert(path, Vec::new());
    }
    let root = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, mtime: 0 };
    world.tree.insert("", root).unwrap();
    read_back(&world, write(&world, CONTENT, Inodes::Content).unwrap(), "many");
}

#[test]
fn contents_of_another_length_are_refused() {
    for other in [0, 99, 101, 9_000] {
        let mut world = World { tree: Tree::new(), files: BTreeMap::new() };
        let kind = Kind::File { size: 100 };
        let entry = Entry { kind, mode: 0o644, uid: 0, gid: 0, mtime: 5 };
        world.tree.insert("f", entry).unwrap();
        world.files.insert("f".to_string(), vec![7; other]);
        let error = write(&world, CONTENT, Inodes::Content).unwrap_err();
        assert_eq!(error.to_string(), "f", "{other}");
    }
}

#[test]
fn damage_is_found() {
    let world = world(3, 60, 50_000);
    let good = write(&world, CONTENT, Inodes::Content).unwrap();
    // A free-block count of the superblock; a used bit and a counter of group 0.
    for at in [8192 + 196, 24 * 1024 + 32, 24 * 1024 + 168 + 6 + 3] {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        let mut image = Image::open(Cursor::new(bytes)).unwrap();
        assert!(!ufs::check(&mut image).unwrap().is_empty(), "byte {at}");
    }
    let mut bytes = good;
    bytes[8192 + 1372] = 0;
    assert!(Image::open(Cursor::new(bytes)).is_err());
}

#[test]
fn hostile_bytes_are_refused_without_a_panic() {
    let world = world(4, 80, 200_000);
    let good = write(&world, CONTENT, Inodes::Content).unwrap();
    let mut random = Random(77);
    for _ in 0..3_000 {
        let mut bytes = good.clone();
        for _ in 0..1 + random.next(6) {
            // Superblock, group, inodes and the directories behind them.
            let at = match random.next(3) {
                0 => 8192 + random.next(1380),
                1 => 32 * 1024 + random.next(80 * 128),
                _ => 24 * 1024 + random.next(60 * 1024),
            };
            bytes[at as usize] = random.next(256) as u8;
        }
        // Any answer will do, but for a panic or an endless walk.
        if let Ok(mut image) = Image::open(Cursor::new(bytes)) {
            let _ = image.tree();
            let _ = ufs::check(&mut image);
        }
    }
}

#[test]
fn grub_reads_every_file() {
    if Command::new("grub-fstest").arg("--version").output().is_err() {
        eprintln!("SKIPPED: grub-fstest is absent (apt-get install grub-common)");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    for (seed, count, largest) in [(7, 120, 400_000), (8, 60, 40_000_000)] {
        let world = world(seed, count, largest);
        let image = scratch.path().join(format!("{seed}.ufs"));
        std::fs::write(&image, write(&world, CONTENT, Inodes::Content).unwrap()).unwrap();
        for (path, want) in &world.files {
            assert!(grub_compares(&image, path, want), "seed {seed}: {path}");
        }
        // The comparison itself can fail.
        let (path, want) = world.files.iter().find(|(_, want)| !want.is_empty()).unwrap();
        let mut other = want.clone();
        *other.last_mut().unwrap() ^= 1;
        assert!(!grub_compares(&image, path, &other), "seed {seed}: {path} differs");
        assert_listed(&image, &world);
    }
}

/// Whether GRUB reads `want` at `path`.
fn grub_compares(image: &std::path::Path, path: &str, want: &[u8]) -> bool {
    let file = image.with_extension("file");
    std::fs::write(&file, want).unwrap();
    let out = Command::new("grub-fstest")
        .arg(image)
        .args(["cmp", &format!("(loop0)/{path}")])
        .arg(&file)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    out.status.success() && !text.contains("differ")
}

/// GRUB lists the names of every directory that we do.
fn assert_listed(image: &std::path::Path, world: &World) {
    for (path, _) in world.tree.iter().filter(|(_, entry)| entry.kind == Kind::Directory) {
        let out = Command::new("grub-fstest")
            .arg(image)
            .args(["ls", &format!("(loop0)/{path}/")])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let mut have: Vec<&str> =
            text.split_whitespace().map(|name| name.trim_end_matches('/')).collect();
        let mut want: Vec<&str> = world
            .tree
            .iter()
            .map(|(below, _)| below)
            .filter(|below| !below.is_empty())
            .filter(|below| below.rsplit_once('/').map_or("", |(up, _)| up) == path)
            .map(|below| below.rsplit('/').next().unwrap())
            .collect();
        have.retain(|name| *name != "." && *name != "..");
        have.sort_unstable();
        want.sort_unstable();
        assert_eq!(have, want, "{path}");
    }
}
