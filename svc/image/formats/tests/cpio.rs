//! Random trees as cpio archives: read back by our reader, and by GNU cpio where it is here.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use image_formats::cpio::{self, CpioError, Format};
use image_tree::{Entry, Kind, Tree};

mod world;
use world::{Random, World};

fn written(world: &World, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    let length = cpio::write(&world.tree, &world.content(), format, &mut out).unwrap();
    assert_eq!(length, out.len() as u64);
    assert_eq!(out.len() % 512, 0);
    out
}

fn read(mut bytes: &[u8]) -> Result<(Tree, BTreeMap<String, Vec<u8>>), CpioError> {
    let mut files = BTreeMap::new();
    let tree = cpio::read(&mut bytes, &mut |path, from| {
        let mut data = Vec::new();
        from.read_to_end(&mut data)?;
        files.insert(path.to_string(), data);
        Ok(())
    })?;
    Ok((tree, files))
}

#[test]
fn random_trees_read_back_whole() {
    for seed in 1..=30 {
        let world = World::random(seed, 60, 60_000);
        for format in Format::ALL {
            let bytes = written(&world, format);
            assert!(bytes == written(&world, format), "{seed} {format:?}: the same again");
            let (tree, files) = read(&bytes).unwrap();
            world.assert_tree(&tree, &format!("{seed} {format:?}"));
            assert!(files == world.files, "{seed} {format:?}");
        }
    }
}

/// What `cpio` says of an archive; `None` where it is not installed.
fn gnu(arguments: &[&str], archive: &[u8]) -> Option<(String, String)> {
    let mut child = Command::new("cpio")
        .args(arguments)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    let feeder = std::thread::spawn({
        let archive = archive.to_vec();
        move || input.write_all(&archive)
    });
    let said = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((text(&said.stdout), text(&said.stderr)))
}

#[test]
fn gnu_cpio_lists_and_verifies() {
    let mut world = World::new();
    world.file("etc-release", b"Sample\n".to_vec());
    for (path, kind) in [
        ("etc", Kind::Directory),
        ("etc/link", Kind::Symlink { target: "../x".to_string() }),
        ("null", Kind::CharacterDevice { major: 13, minor: 2 }),
        ("pipe", Kind::Fifo),
        ("zz", Kind::HardLink { target: "etc-release".to_string() }),
    ] {
        let entry = Entry { kind, mode: 0o750, uid: 7, gid: 60_000, mtime: 1_700_000_000 };
        world.tree.insert(path, entry).unwrap();
    }
    let want = "\
drwxr-xr-x   3 0        3               0 Jan  1  1970 .
drwxr-x---   2 7        60000           0 Nov 14  2023 etc
-rw-r--r--   2 0        0           SIZE1 Jan  1  1970 etc-release
lrwxr-x---   1 7        60000           4 Nov 14  2023 etc/link -> ../x
crwxr-x---   1 7        60000     13,   2 Nov 14  2023 null
prwxr-x---   1 7        60000           0 Nov 14  2023 pipe
-rw-r--r--   2 0        0               7 Jan  1  1970 zz
";
    let squeeze = |text: &str| -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).filter(|line| !line.is_empty()).collect()
    };
    for (format, first) in [(Format::Odc, "7"), (Format::Newc, "0"), (Format::Crc, "0")] {
        let Some((listed, said)) = gnu(&["-itvn"], &written(&world, format)) else {
            eprintln!("SKIPPED: cpio is absent");
            return;
        };
        assert_eq!(squeeze(&listed), squeeze(&want.replace("SIZE1", first)), "{format:?}");
        assert!(!said.contains("cpio:"), "{format:?}: {said}");
    }
    // Its own check of the sums; and that it can fail.
    let world = World::random(9, 80, 90_000);
    let mut bytes = written(&world, Format::Crc);
    let (_, said) = gnu(&["-i", "--only-verify-crc"], &bytes).unwrap();
    assert!(!said.contains("checksum"), "{said}");
    let (path, data) = world.files.iter().find(|(_, data)| data.len() > 100).unwrap();
    let at = bytes.windows(100).position(|window| window == &data[..100]).unwrap();
    bytes[at] ^= 1;
    let (_, said) = gnu(&["-i", "--only-verify-crc"], &bytes).unwrap();
    assert!(said.contains("checksum"), "{path}: {said}");
    assert!(matches!(read(&bytes), Err(CpioError::Format { .. })));
}

#[test]
fn what_has_no_room_is_refused() {
    let owner = |uid| Entry { kind: Kind::Fifo, mode: 0, uid, gid: 0, mtime: 0 };
    let device = |major| Entry {
        kind: Kind::CharacterDevice { major, minor: 0 },
        mode: 0,
        uid: 0,
        gid: 0,
        mtime: 0,
    };
    for (entry, odc, newc) in [
        (owner(0o777_777), true, true),
        (owner(0o1_000_000), false, true),
        (device(255), true, true),
        (device(256), false, true),
    ] {
        let mut world = World::new();
        world.tree.insert("p", entry.clone()).unwrap();
        for (format, good) in [(Format::Odc, odc), (Format::Newc, newc)] {
            let made = cpio::write(&world.tree, &world.content(), format, &mut Vec::new());
            assert_eq!(made.is_ok(), good, "{format:?} {entry:?}");
        }
    }
}

#[test]
fn contents_of_another_length_are_refused() {
    for other in [0, 99, 101] {
        let mut world = World::new();
        world.file("f", vec![7; 100]);
        world.files.insert("f".to_string(), vec![7; other]);
        let made = cpio::write(&world.tree, &world.content(), Format::Odc, &mut Vec::new());
        assert!(matches!(made, Err(CpioError::Content { .. })), "{other}");
    }
}

#[test]
fn hostile_archives_are_refused_without_a_panic() {
    for name in ["../x", "/etc", "a//b", "a/../b"] {
        let mut bytes = b"070707000000000001100644000000000000000001000000".to_vec();
        bytes.extend(format!("00000000000{:06o}00000000000{name}\0", name.len() + 1).bytes());
        assert!(matches!(read(&bytes), Err(CpioError::Format { .. })), "{name}");
    }
    let mut random = Random(3);
    for format in Format::ALL {
        let good = written(&World::random(4, 40, 3_000), format);
        for _ in 0..1_000 {
            let mut bytes = good.clone();
            for _ in 0..1 + random.next(4) {
                let at = random.next(bytes.len() as u64) as usize;
                bytes[at] = *random.one(b"0179fF/.\0x");
            }
            bytes.truncate(bytes.len() - random.next(900) as usize);
            let _ = read(&bytes);
        }
    }
}
