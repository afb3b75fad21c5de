//! Every field of a file system changed by itself: the check finds each one, or the field means
//! nothing to it.  And bytes by chance, which must not make anything panic.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use image_formats::ufs::{self, Image, Inodes, NodeKind, Options, Space, Zeros};
use image_tree::{Entry, Kind};
use rayon::prelude::*;

mod world;
use world::{Random, World, bytes};

const SUPERBLOCK: usize = 8192;
const COPY: usize = 16 * 1024;
const GROUP: usize = 24 * 1024;
const INODES: usize = 32 * 1024;

fn write(world: &World, space: Space) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let options =
        Options { space, inodes: Inodes::Content, zeros: Zeros::Holes, time: 1_700_000_000 };
    ufs::write(&world.tree, &world.content(), &options, &mut out).unwrap();
    out.into_inner()
}

/// One of everything: a tail, an indirect block, a hole, a long directory, names of one file.
fn sample() -> Vec<u8> {
    let mut world = World::new();
    let mut random = Random(11);
    world.file("a-tail", bytes(&mut random, 2_500));
    world.file("b-large", bytes(&mut random, 14 * 8192 + 100));
    let mut sparse = vec![0; 15 * 8192];
    sparse[9] = 1;
    world.file("c-sparse", sparse);
    for index in 0..40 {
        world.file(&format!("e{index:02}-file-with-a-name"), vec![index; 3]);
    }
    for (path, kind) in [
        ("d", Kind::Directory),
        ("d/e", Kind::Directory),
        ("d/link", Kind::Symlink { target: "../a-tail".to_string() }),
        ("d/other", Kind::HardLink { target: "a-tail".to_string() }),
        ("null", Kind::CharacterDevice { major: 13, minor: 2 }),
        ("pipe", Kind::Fifo),
        ("sd", Kind::BlockDevice { major: 3, minor: 1 }),
    ] {
        let entry = Entry { kind, mode: 0o644, uid: 7, gid: 9, mtime: 1_600_000_000 };
        world.tree.insert(path, entry).unwrap();
    }
    write(&world, Space::Content { pad_mb: 0 })
}

/// Faults found, or the refusal to read.
fn faults(bytes: &[u8]) -> Vec<String> {
    match Image::open(Cursor::new(bytes)) {
        Ok(mut image) => ufs::check(&mut image).unwrap_or_else(|error| vec![error.to_string()]),
        Err(error) => vec![error.to_string()],
    }
}

/// A change of some bytes of the image, and what it is called.
struct Change {
    at: usize,
    to: Vec<u8>,
    name: String,
}

/// The changes of which the check says nothing.
fn unnoticed(good: &[u8], changes: Vec<Change>) -> Vec<String> {
    assert!(changes.len() > 20);
    changes
        .into_par_iter()
        .filter(|change| good[change.at..change.at + change.to.len()] != change.to[..])
        .filter_map(|change| {
            let mut bytes = good.to_vec();
            bytes[change.at..change.at + change.to.len()].copy_from_slice(&change.to);
            faults(&bytes).is_empty().then_some(change.name)
        })
        .collect()
}

fn get(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// A field of 32 bits: one more, one less, its highest bit, all bits, nothing.
fn field(good: &[u8], base: usize, offset: usize, what: &str) -> Vec<Change> {
    let at = base + offset;
    let value = get(good, at);
    [
        ("+1", value.wrapping_add(1)),
        ("-1", value.wrapping_sub(1)),
        ("^high", value ^ 0x8000_0000),
        ("=-1", u32::MAX),
        ("=0", 0),
    ]
    .into_iter()
    .map(|(change, to)| Change {
        at,
        to: to.to_le_bytes().to_vec(),
        name: format!("{what} {offset} {change}"),
    })
    .collect()
}

fn all_fields(
    good: &[u8],
    base: usize,
    fields: impl Iterator<Item = usize>,
    what: &str,
) -> Vec<Change> {
    fields.flat_map(|offset| field(good, base, offset, what)).collect()
}

/// Holds what was not noticed against what need not be.
fn assert_only(unnoticed: Vec<String>, free: &[&str]) {
    let rest: Vec<&String> = unnoticed
        .iter()
        .filter(|name| {
            !free.iter().any(|free| *free == *name || name.starts_with(&format!("{free} ")))
        })
        .collect();
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn the_sample_is_in_order() {
    assert_eq!(faults(&sample()), Vec::<String>::new());
}

#[test]
fn every_field_of_the_superblock() {
    let good = sample();
    let meaningless = |at: usize| (144..152).contains(&at) || (212..724).contains(&at);
    let fields = (0..1380).step_by(4).filter(|&at| !meaningless(at));
    let mut changes = all_fields(&good, SUPERBLOCK, fields, "superblock");
    changes.extend((1380..2048).step_by(4).map(|offset| Change {
        at: SUPERBLOCK + offset,
        to: vec![0, 0, 1, 0],
        name: format!("superblock {offset}"),
    }));
    // Tuning within its bounds.
    let free = [
        "superblock 60 +1",
        "superblock 64 +1",
        "superblock 68 +1",
        "superblock 68 -1",
        "superblock 88 +1",
        "superblock 88 -1",
        "superblock 92 +1",
        "superblock 92 -1",
        "superblock 128 -1",
        "superblock 128 =0",
    ];
    assert_only(unnoticed(&good, changes), &free);
}

#[test]
fn every_byte_of_a_copy_and_of_the_summary_table() {
    let good = sample();
    // What a mount changes is not compared: time, state, counts, flags, where it was mounted.
    let lasting = [0..32, 36..132, 136..192, 728..1324, 1336..2048];
    let table = get(&good, SUPERBLOCK + 152) as usize * 1024;
    let copy = lasting.into_iter().flatten().map(|offset| COPY + offset);
    let changes = copy.chain(table..table + 1024).map(|at| Change {
        at,
        to: vec![good[at] ^ 0x10],
        name: format!("byte {at}"),
    });
    assert_only(unnoticed(&good, changes.collect()), &[]);
}

#[test]
fn every_field_and_bit_of_a_group() {
    let good = sample();
    let mut changes = all_fields(&good, GROUP, (0..168).step_by(4), "group");
    let end = get(&good, GROUP + 100) as usize;
    for offset in 168..end {
        let bits = (0..8).map(|bit| Change {
            at: GROUP + offset,
            to: vec![good[GROUP + offset] ^ (1 << bit)],
            name: format!("group byte {offset} bit {bit}"),
        });
        changes.extend(bits);
    }
    changes.extend((end..8192).step_by(97).map(|offset| Change {
        at: GROUP + offset,
        to: vec![1],
        name: format!("group byte {offset}"),
    }));
    // The time, and rotors within their bounds.
    let free =
        ["group 8 +1", "group 8 -1", "group 8 =0", "group 40 +1", "group 44 +1", "group 48 +1"];
    assert_only(unnoticed(&good, changes), &free);
}

#[test]
fn every_field_of_every_inode() {
    let good = sample();
    let mut image = Image::open(Cursor::new(&good[..])).unwrap();
    let walk = image.walk().unwrap();
    let (mut changes, mut free) = (Vec::new(), Vec::new());
    // One free inode, and one of each kind.
    let of_kind = |kind| walk.values().find(|node| node.kind == kind).unwrap();
    let unused = get(&good, SUPERBLOCK + 184) - 1;
    for name in ["0 0", "unused 0"] {
        free.extend([format!("{name} 108")]);
    }
    for (name, number) in [("0 0", 0), ("unused 0", unused)] {
        changes.extend(all_fields(
            &good,
            INODES + number as usize * 128,
            (4..128).step_by(4),
            name,
        ));
    }
    let mut nodes: Vec<_> = ["a-tail", "b-large", "c-sparse", "d"].map(|path| &walk[path]).to_vec();
    let kinds =
        [NodeKind::CharacterDevice, NodeKind::BlockDevice, NodeKind::Fifo, NodeKind::Symlink];
    nodes.extend(kinds.map(of_kind));
    for node in nodes {
        let base = INODES + node.number as usize * 128;
        let name = format!("{:?} {}", node.kind, node.number);
        changes.extend(all_fields(&good, base, (4..128).step_by(4), &name));
        // The type, and the count of links; permissions are what they are.
        for (offset, change) in [(1, 0x10), (1, 0x80), (1, 0xf0), (2, 1), (3, 0x80)] {
            let (at, name) = (base + offset, format!("{name} byte {offset}"));
            changes.push(Change { at, to: vec![good[at] ^ change], name });
        }
        // Times and generation are what they are; a file may be a byte longer in its last fragment.
        free.extend([16, 24, 32, 108].map(|offset| format!("{name} {offset}")));
        free.extend([20, 28, 36].map(|offset| format!("{name} {offset} +1")));
        if node.kind == NodeKind::File {
            free.extend(["+1", "-1"].map(|change| format!("{name} 8 {change}")));
        }
        if matches!(node.kind, NodeKind::CharacterDevice | NodeKind::BlockDevice) {
            free.push(format!("{name} 44"));
        }
    }
    let free: Vec<&str> = free.iter().map(String::as_str).collect();
    assert_only(unnoticed(&good, changes), &free);
}

#[test]
fn every_address_of_an_indirect_block() {
    let good = sample();
    let mut image = Image::open(Cursor::new(&good[..])).unwrap();
    for path in ["b-large", "c-sparse"] {
        let number = image.find(path).unwrap().number;
        let at = get(&good, INODES + number as usize * 128 + 88) as usize * 1024;
        let entries = (0..8).chain((8..2048).step_by(61));
        let changes = all_fields(&good, at, entries.map(|entry| entry * 4), path);
        assert_only(unnoticed(&good, changes), &[]);
    }
}

#[test]
fn every_field_of_every_entry() {
    let good = sample();
    let mut image = Image::open(Cursor::new(&good[..])).unwrap();
    let mut changes = Vec::new();
    for path in ["", "d"] {
        let node = image.find(path).unwrap();
        let base = get(&good, INODES + node.number as usize * 128 + 40) as usize * 1024;
        let mut at = 0;
        while at < node.size as usize {
            let length = usize::from(good[base + at + 4]) | usize::from(good[base + at + 5]) << 8;
            let name = usize::from(good[base + at + 6]);
            let what = format!("{path}/ at {at}:");
            changes.extend(field(&good, base, at, &what));
            changes.extend(field(&good, base, at + 4, &what));
            for (offset, to) in [
                (4, good[base + at + 4].wrapping_add(4)),
                (4, good[base + at + 4].wrapping_sub(4)),
                (6, good[base + at + 6] + 1),
                (6, good[base + at + 6] - 1),
                (8, b'/'),
                (8 + name - 1, 0),
                (8 + name, b'x'),
            ] {
                let name = format!("{what} byte {offset}");
                changes.push(Change { at: base + at + offset, to: vec![to], name });
            }
            at += length;
        }
    }
    assert_only(unnoticed(&good, changes), &[]);
}

#[test]
fn a_second_group_is_looked_at_too() {
    let mut world = World::random(3, 200, 20_000);
    world.file("large", bytes(&mut Random(5), 40 << 20));
    let good = write(&world, Space::Bytes(64 << 20));
    let groups = get(&good, SUPERBLOCK + 44) as usize;
    assert!(groups > 1);
    let each = get(&good, SUPERBLOCK + 188) as usize * 1024;
    for group in 1..groups {
        let start = group * each + group * 64 * 1024;
        for at in [
            start + COPY + 36,
            start + GROUP + 12,
            start + GROUP + 28,
            start + GROUP + 200,
            start + INODES + 5 * 128 + 2,
        ] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert!(!faults(&bytes).is_empty(), "group {group}, byte {at}");
        }
    }
    assert_eq!(faults(&good), Vec::<String>::new());
}

#[test]
fn hostile_bytes_are_refused_without_a_panic() {
    let good = write(&World::random(4, 80, 200_000), Space::Content { pad_mb: 0 });
    (0..3_000u64).into_par_iter().for_each(|seed| {
        let mut random = Random::of(seed + 77);
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
    });
}
