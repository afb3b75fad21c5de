//! Random trees written, checked, and read back: by our reader, and by GRUB's where it is here.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path;
use std::process::Command;

use image_formats::ufs::{self, Image, Inodes, NodeKind, Options, Space, Zeros};
use image_tree::{Entry, Kind, Tree};

mod world;
use world::{Random, World, bytes};

const CONTENT: Options = Options {
    space: Space::Content { pad_mb: 0 },
    inodes: Inodes::Content,
    zeros: Zeros::Holes,
    time: 1_700_000_000,
};

fn write(world: &World, options: &Options) -> Result<Vec<u8>, ufs::WriteError> {
    let mut out = Cursor::new(Vec::new());
    let written = ufs::write(&world.tree, &world.content(), options, &mut out)?;
    let bytes = out.into_inner();
    assert_eq!(written.bytes, bytes.len() as u64);
    Ok(bytes)
}

/// Checks an image and holds all that is in it against the world.
fn read_back<R: Read + Seek>(world: &World, from: R, name: &str) {
    let mut image = Image::open(from).unwrap();
    assert_eq!(ufs::check(&mut image).unwrap(), Vec::<String>::new(), "{name}");
    world.assert_tree(&image.tree().unwrap(), name);
    for (path, node) in image.walk().unwrap() {
        if let (NodeKind::File, Some(want)) = (node.kind, world.files.get(&path)) {
            assert!(image.data(&node).unwrap() == *want, "{name}: {path}");
        }
    }
}

/// How many trees, and from which seed on: a soak asks for more.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("LAMPLIGHTER_SEED").unwrap_or(1);
    first..first + number("LAMPLIGHTER_TREES").unwrap_or(default)
}

/// The tree of a seed: half of them smaller than 200 KB, few much larger.
fn tree_of(seed: u64) -> World {
    let mut random = Random::of(seed ^ 0xf5);
    let largest = match random.next(if seeds(0).is_empty() { 20 } else { 400 }) {
        0 => 2_000_000,
        1 if !seeds(0).is_empty() => 200_000_000,
        _ => 20_000,
    };
    World::random(seed, 1 + random.next(60), largest)
}

#[test]
fn random_trees_read_back_whole() {
    let mut sizes = Vec::new();
    for seed in seeds(200) {
        let world = tree_of(seed);
        let name = format!("LAMPLIGHTER_SEED={seed}");
        let options = match seed % 4 {
            0 => Options { zeros: Zeros::Stored, inodes: Inodes::Spare(500), ..CONTENT },
            1 => Options { space: Space::Content { pad_mb: 3 }, ..CONTENT },
            _ => CONTENT,
        };
        let bytes = write(&world, &options).unwrap();
        assert!(bytes == write(&world, &options).unwrap(), "{name}: the same again");
        read_back(&world, Cursor::new(bytes), &name);
        sizes.push(world.files.values().map(Vec::len).sum::<usize>());
    }
    sizes.sort_unstable();
    println!("{} trees, median {} bytes", sizes.len(), sizes[sizes.len() / 2]);
}

#[test]
fn double_indirect_blocks_and_several_groups() {
    let mut world = World::random(99, 400, 100_000);
    world.file("large", bytes(&mut Random(5), (12 + 2048 + 2048 + 3) * 8192 + 17));
    let mut sparse = vec![0; (12 + 2048 + 2048 * 3) * 8192];
    for at in [8192 * 11, 8192 * 12, (12 + 2048) * 8192 + 5, (12 + 2048 * 3) * 8192] {
        sparse[at] = 1;
    }
    world.file("sparse", sparse);
    let space = Space::Bytes(200 << 20);
    let options = Options { space, inodes: Inodes::BytesPer(4096), ..CONTENT };
    let bytes = write(&world, &options).unwrap();
    assert_eq!(bytes.len(), 200 << 20);
    let mut image = Image::open(Cursor::new(&bytes)).unwrap();
    // Four blocks of data and the last one; the single and the double indirect block, and two more.
    assert_eq!(image.find("sparse").unwrap().sectors, (5 + 4) * 16);
    read_back(&world, Cursor::new(bytes), "large");
}

/// Contents of one length, NULs but for a number every 64 MiB.
struct Marked {
    at: u64,
    size: u64,
}

const MARK: u64 = 64 << 20;

impl Read for Marked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let next = (self.at / MARK + 1) * MARK;
        let count = (buffer.len() as u64).min(self.size - self.at).min(next - self.at) as usize;
        buffer[..count].fill(0);
        if count > 0 && self.at % MARK == 0 {
            buffer[0] = (self.at / MARK + 1) as u8;
        }
        self.at += count as u64;
        Ok(count)
    }
}

#[test]
fn triple_indirect_blocks() {
    // Just behind what two steps reach: 32 GiB and 16 MiB.
    let size = (12 + 2048 + 2048 * 2048 + 2048 * 2 + 5) * 8192 + 9;
    let mut tree = Tree::new();
    let kind = Kind::File { size };
    tree.insert("f", Entry { kind, mode: 0o644, uid: 0, gid: 0, mtime: 5 }).unwrap();
    let content =
        |_: &str| -> std::io::Result<Box<dyn Read>> { Ok(Box::new(Marked { at: 0, size })) };
    let mut out = tempfile::tempfile().unwrap();
    ufs::write(&tree, &content, &CONTENT, &mut out).unwrap();
    let mut image = Image::open(out).unwrap();
    assert_eq!(ufs::check(&mut image).unwrap(), Vec::<String>::new());
    let node = image.find("f").unwrap();
    let mut marks = Vec::new();
    image
        .runs(&node, &mut |at, bytes| {
            if bytes[0] != 0 {
                assert_eq!(at % MARK, 0);
                marks.push((at / MARK + 1) as u8);
            }
            Ok(())
        })
        .unwrap();
    let want: Vec<u8> = (0..size.div_ceil(MARK)).map(|n| (n + 1) as u8).collect();
    assert!(!marks.is_empty());
    // A mark of 0 (every 256th) is none.
    assert_eq!(marks, want.into_iter().filter(|&mark| mark != 0).collect::<Vec<_>>());
}

#[test]
fn a_directory_of_many_blocks() {
    let mut world = World::new();
    for index in 0..9_000 {
        world.file(&format!("{index:05}-a-name-of-some-length"), Vec::new());
    }
    read_back(&world, Cursor::new(write(&world, &CONTENT).unwrap()), "many");
}

#[test]
fn directories_as_deep_as_paths_go() {
    let mut world = World::new();
    let mut path = String::from("d");
    for _ in 0..500 {
        let kind = Kind::Directory;
        let entry = Entry { kind, mode: 0o755, uid: 0, gid: 0, mtime: 5 };
        world.tree.insert(&path, entry).unwrap();
        world.file(&format!("{path}/f"), path.clone().into_bytes());
        path.push_str("/d");
    }
    read_back(&world, Cursor::new(write(&world, &CONTENT).unwrap()), "deep");
}

#[test]
fn contents_of_another_length_are_refused() {
    for (size, others) in [(100, &[0, 99, 101, 9_000][..]), (3 << 20, &[2 << 20, (3 << 20) + 1])] {
        for &other in others {
            let mut world = World::new();
            world.file("a", vec![1; 5]);
            world.file("f", vec![7; size]);
            world.files.insert("f".to_string(), vec![7; other]);
            let error = write(&world, &CONTENT).unwrap_err();
            assert_eq!(error.to_string(), "f", "{other}");
        }
    }
    let mut world = World::new();
    world.file("gone", vec![7; 10]);
    world.files.clear();
    assert!(matches!(write(&world, &CONTENT), Err(ufs::WriteError::Content { .. })));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut world = World::new();
    world.file("f", bytes(&mut Random(3), 5 << 20));
    for (space, inodes) in [
        (Space::Bytes(4 << 20), Inodes::Content),
        (Space::Bytes(5_000), Inodes::Content),
        (Space::Bytes(8 << 20), Inodes::BytesPer(1 << 30)),
    ] {
        let options = Options { space, inodes, ..CONTENT };
        let fits = write(&world, &options);
        // The smallest group has 64 inodes, whatever was asked for.
        assert_eq!(fits.is_ok(), space == Space::Bytes(8 << 20), "{options:?}");
    }
}

#[test]
fn grub_reads_every_file() {
    if Command::new("grub-fstest").arg("--version").output().is_err() {
        eprintln!("SKIPPED: grub-fstest is absent (apt-get install grub-common)");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut worlds: BTreeMap<u64, World> = (1..=20).map(|seed| (seed, tree_of(seed))).collect();
    worlds.insert(100, World::random(8, 40, 40_000_000));
    for (seed, world) in worlds {
        let image = scratch.path().join(format!("{seed}.ufs"));
        std::fs::write(&image, write(&world, &CONTENT).unwrap()).unwrap();
        for (path, want) in &world.files {
            assert!(grub_compares(&image, path, want), "seed {seed}: {path}");
        }
        // The comparison itself can fail.
        if let Some((path, want)) = world.files.iter().find(|(_, want)| !want.is_empty()) {
            let mut other = want.clone();
            *other.last_mut().unwrap() ^= 1;
            assert!(!grub_compares(&image, path, &other), "seed {seed}: {path} differs");
        }
        assert_listed(&image, &world);
    }
}

/// Whether GRUB reads `want` at `path`.
fn grub_compares(image: &Path, path: &str, want: &[u8]) -> bool {
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
fn assert_listed(image: &Path, world: &World) {
    for (path, _) in world.tree.iter().filter(|(_, entry)| entry.kind == Kind::Directory) {
        let out = Command::new("grub-fstest")
            .arg(image)
            .args(["ls", &format!("(loop0)/{path}/")])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        // Names have blanks, and GRUB parts them by one: the whole line is compared, in order.
        let mut want = String::new();
        let below = world.tree.iter().filter(|(below, _)| !below.is_empty());
        for (below, entry) in
            below.filter(|(below, _)| below.rsplit_once('/').map_or("", |(up, _)| up) == path)
        {
            want.push_str(below.rsplit('/').next().unwrap());
            want.push_str(if entry.kind == Kind::Directory { "/ " } else { " " });
        }
        assert_eq!(text.trim_end_matches('\n'), want, "{}: {path}", image.display());
    }
}

#[test]
fn memory_does_not_grow_with_files() {
    // A process of its own, whose highest use is its own.
    let Ok(me) = std::env::current_exe() else { return };
    let said = Command::new(me)
        .args(["--exact", "a_large_file_for_its_measure", "--nocapture"])
        .env("LAMPLIGHTER_MEASURE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{text}");
    let peak = text.lines().find_map(|line| line.split_once("peak KiB: ")).unwrap().1;
    let peak: u64 = peak.trim().parse().unwrap();
    assert!(peak < 64 * 1024, "{peak} KiB");
}

/// Run by [`memory_does_not_grow_with_files`] alone: 1.5 GiB, three groups of it small files.
#[test]
fn a_large_file_for_its_measure() {
    if std::env::var_os("LAMPLIGHTER_MEASURE").is_none() {
        return;
    }
    let mut tree = Tree::new();
    let mut put = |path: &str, size| {
        let entry = Entry { kind: Kind::File { size }, mode: 0o644, uid: 0, gid: 0, mtime: 5 };
        tree.insert(path, entry).unwrap();
    };
    put("large", 1 << 30);
    (0..20_000).for_each(|n| put(&format!("small-{n:06}"), 25_000));
    let content = |path: &str| -> std::io::Result<Box<dyn Read>> {
        let size = if path == "large" { 1 << 30 } else { 25_000 };
        Ok(Box::new(std::io::repeat(7).take(size)))
    };
    let options = Options { zeros: Zeros::Stored, ..CONTENT };
    let mut out = tempfile::tempfile().unwrap();
    ufs::write(&tree, &content, &options, &mut out).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    println!("peak KiB: {}", peak.trim().trim_end_matches(" kB"));
    let _: File = out;
}
