//! Our ISO 9660 as xorriso reads it: every name, type, mode, target, size, device, and the
//! bytes where it says that they lie; and how much of an image stays where a file changes.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use image_formats::iso9660::{CUT, Options, Plan, PlanError, SECTOR};
use image_tree::{Entry, Kind, Tree};

mod world;
use world::{Random, World, bytes};

fn options(weights: &str) -> Options<'_> {
    Options { volume: "compress", time: 1_700_000_000, weights }
}

fn image(world: &World, weights: &str) -> Vec<u8> {
    let plan = Plan::new(&world.tree, &options(weights)).unwrap();
    let mut out = Vec::new();
    plan.write(&world.content(), &mut out).unwrap();
    assert_eq!(out.len() as u64, plan.bytes());
    out
}

/// What xorriso says with these commands on the image; `None`: there is no xorriso.
fn said(image: &Path, commands: &[&str]) -> Option<String> {
    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-no_rc", "-abort_on", "WARNING", "-indev"]).arg(image).args(commands);
    let out = match xorriso.env("LC_ALL", "C").output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        out => out.unwrap(),
    };
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).unwrap())
}

fn letters(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::Directory => 'd',
        Kind::File { .. } | Kind::HardLink { .. } => '-',
        Kind::Symlink { .. } => 'l',
        Kind::CharacterDevice { .. } => 'c',
        Kind::BlockDevice { .. } => 'b',
        Kind::Fifo => 'p',
    };
    let bit = |shift: u32, letter: char| if entry.mode >> shift & 1 == 1 { letter } else { '-' };
    let special = |shift: u32, x: u32, on: char, off: char| match (
        entry.mode >> shift & 1,
        entry.mode >> x & 1,
    ) {
        (1, 1) => on,
        (1, _) => off,
        (_, 1) => 'x',
        _ => '-',
    };
    [
        kind,
        bit(8, 'r'),
        bit(7, 'w'),
        special(11, 6, 's', 'S'),
        bit(5, 'r'),
        bit(4, 'w'),
        special(10, 3, 's', 'S'),
        bit(2, 'r'),
        bit(1, 'w'),
        special(9, 0, 't', 'T'),
    ]
    .iter()
    .collect()
}

/// Of a listing `LETTERS LINKS OWNER GROUP SIZE DATE '/PATH' [-> 'TARGET']`: by path, the rest.
fn listed(text: &str) -> BTreeMap<String, (String, String, String)> {
    let row = |line: &str| {
        let (about, names) = line.split_once('\'').unwrap();
        let words: Vec<&str> = about.split_whitespace().collect();
        let (path, target) = match names.split_once("' -> '") {
            Some((path, target)) => (path, target.trim_end_matches('\'')),
            None => (names.trim_end_matches('\''), ""),
        };
        // A device has two numbers, parted by a comma.
        let size = words[4..words.len() - 3].concat();
        let path = path.trim_start_matches('/').to_owned();
        (path, (words[0].to_owned(), size, target.to_owned()))
    };
    text.lines().filter(|line| line.contains('\'')).map(row).collect()
}

/// Path → sector and size of a report `File data lba: N , SECTOR , BLOCKS , SIZE , '/PATH'`.
fn placed(text: &str) -> BTreeMap<String, (usize, usize)> {
    let row = |line: &str| {
        let (numbers, path) = line.split_once('\'')?;
        let fields: Vec<&str> = numbers.split(',').map(str::trim).collect();
        let path = path.trim_end_matches('\'').trim_start_matches('/').to_owned();
        Some((path, (fields[1].parse().ok()?, fields[3].parse().ok()?)))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn xorriso_reads_what_was_written() {
    let place = tempfile::tempdir().unwrap();
    for seed in 0..6 {
        let world = World::random(seed, 400, 400_000);
        let bytes = image(&world, "");
        let path = place.path().join("one.iso");
        std::fs::write(&path, &bytes).unwrap();
        let Some(list) = said(&path, &["-find", "/", "-exec", "lsdl"]) else {
            eprintln!("SKIPPED: xorriso is absent");
            return;
        };
        let list = listed(&list);
        let report = said(&path, &["-find", "/", "-type", "f", "-exec", "report_lba"]).unwrap();
        let places = placed(&report);
        assert_eq!(list.len(), world.tree.len(), "seed {seed}");
        for (name, entry) in world.tree.iter() {
            let what = format!("seed {seed}: {name}");
            let (letters_there, size, target) = list.get(name).expect(&what);
            let file = match &entry.kind {
                Kind::HardLink { target } => world.tree.get(target).unwrap(),
                _ => entry,
            };
            // It has a sign for access lists that is no part of the mode.
            assert_eq!(letters_there.trim_end_matches('+'), letters(file), "{what}");
            let first = match &entry.kind {
                Kind::HardLink { target } => target,
                _ => name,
            };
            match &file.kind {
                Kind::File { .. } => {
                    let want = &world.files[first];
                    assert_eq!(*size, want.len().to_string(), "{what}");
                    if !want.is_empty() {
                        let (sector, length) = places[name];
                        let from = sector * SECTOR as usize;
                        assert!(bytes[from..from + length] == want[..], "{what}");
                    }
                }
                Kind::Symlink { target: want } => {
                    assert_eq!(target, want.trim_end_matches('/'), "{what}");
                }
                Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                    // It joins the two numbers in one of its own.
                    assert_eq!(*size, format!("0,{}", (major << 20) + minor), "{what}");
                }
                Kind::Directory | Kind::Fifo | Kind::HardLink { .. } => {}
            }
        }
    }
}

/// Pieces of an image as lofi cuts it.
fn pieces(image: &[u8]) -> BTreeSet<&[u8]> {
    image.chunks(CUT as usize).collect()
}

#[test]
fn most_of_an_image_stays_when_a_file_changes() {
    let mut world = World::new();
    let mut random = Random::of(7);
    let folder = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, mtime: 1 };
    for package in 0..20 {
        world.tree.insert(&format!("p{package}"), folder.clone()).unwrap();
        for file in 0..100 {
            let size = random.next(20_000);
            world.file(&format!("p{package}/f{file}"), bytes(&mut random, size));
        }
    }
    let before = image(&world, "");
    let mut grown = world.files["p3/f7"].clone();
    grown.extend([1; 5_000]);
    world.file("p3/f7", grown);
    world.file("p12/new", vec![2; 3_000]);
    let after = image(&world, "");
    let (before, after) = (pieces(&before), pieces(&after));
    let same = after.intersection(&before).count();
    assert!(same * 10 > after.len() * 8, "{same} of {}", after.len());
    assert!(same < after.len());
}

#[test]
fn heavy_files_come_first() {
    let mut world = World::new();
    let folder = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, mtime: 1 };
    world.tree.insert("d", folder).unwrap();
    for name in ["a", "b", "d/e", "d/f"] {
        world.file(name, name.repeat(2_000).into_bytes());
    }
    let image = image(&world, "b\t10\nd 5\nd/f 20\n");
    let at = |name: &str| {
        let want = name.repeat(2_000).into_bytes();
        let mut sectors = image.chunks(SECTOR as usize);
        sectors.position(|sector| want.starts_with(sector) || sector.starts_with(&want)).unwrap()
    };
    let order: Vec<usize> = ["d/f", "b", "d/e", "a"].map(at).to_vec();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn tables_that_are_no_trees_are_refused() {
    let entry = |kind| Entry { kind, mode: 0o755, uid: 0, gid: 0, mtime: 0 };
    let of = |rows: &[(&str, Kind)]| {
        let mut tree = Tree::new();
        for (path, kind) in rows {
            tree.insert(path, entry(kind.clone())).unwrap();
        }
        tree
    };
    let long = "x/".repeat(2_000);
    for (rows, error) in [
        (vec![], PlanError::Orphan(String::new())),
        (
            vec![("", Kind::Directory), ("a", Kind::File { size: 0 }), ("a/b", Kind::Fifo)],
            PlanError::Orphan("a/b".into()),
        ),
        (
            vec![("", Kind::Directory), ("a", Kind::HardLink { target: "b".into() })],
            PlanError::HardLink { path: "a".into(), target: "b".into() },
        ),
        (
            vec![("", Kind::Directory), ("a", Kind::Symlink { target: long.clone() })],
            PlanError::Long("a".into()),
        ),
    ] {
        let tree = of(&rows);
        assert_eq!(Plan::new(&tree, &options("")).err(), Some(error));
    }
    let mut world = World::new();
    world.file("short", vec![1; 10]);
    world.files.insert("short".into(), vec![1; 9]);
    let plan = Plan::new(&world.tree, &options("")).unwrap();
    let error = plan.write(&world.content(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("short: "), "{error}");
}
