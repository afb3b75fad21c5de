//! area.rs - what an area promises, on the file system of the temporary directory.
#![allow(clippy::unwrap_used)]

mod world;

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use image_checkpoint::{Area, CheckpointError, OpenError, Place, RollbackError};
use world::{hostile, id, open, options, picture, place, set_mode, step};

/// Checkpoints are `names`, the oldest first.
fn assert_checkpoints(area: &Area, names: &[&str]) {
    let found: Vec<_> = area.checkpoints().iter().map(|made| made.step.as_str()).collect();
    assert_eq!(found, names);
    for name in names {
        assert!(area.root().join(format!(".step_{name}")).is_file(), "{name} has no side-car");
    }
    let side_cars = fs::read_dir(area.root()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".step_")
    });
    assert_eq!(side_cars.count(), names.len());
}

#[test]
fn a_state_comes_back_whole() {
    let place = place();
    let mut area = open(place.path());
    let data = area.build_data().to_owned();
    hostile(&data);
    fs::write(area.table(), "one\n").unwrap();
    let before = picture(&data);
    area.checkpoint(&step("one"), &id(1), b"manifest").unwrap();
    assert_eq!(picture(&data), before, "taking changes nothing");

    // Changes in place, one of each kind.
    let file = fs::File::options().write(true).open(data.join("pkg_image/one")).unwrap();
    file.write_all_at(b"ONE", 0).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let file = fs::File::options().write(true).open(data.join("large")).unwrap();
    file.write_all_at(b"!", 1_100_000).unwrap();
    fs::remove_dir_all(data.join("pkg_image/usr")).unwrap();
    fs::write(data.join("pkg_image/usr"), "a file where a directory was").unwrap();
    fs::remove_file(data.join("pkg_image/etc")).unwrap();
    fs::create_dir_all(data.join("pkg_image/etc/new/er")).unwrap();
    fs::write(data.join("pkg_image/etc/new/er/file"), "new").unwrap();
    fs::remove_file(data.join("out")).unwrap();
    symlink("/etc/shadow", data.join("out")).unwrap();
    fs::rename(data.join("d0/d1"), data.join("moved")).unwrap();
    fs::hard_link(data.join("large"), data.join("pkg_image/large too")).unwrap();
    fs::remove_file(data.join("four")).unwrap();
    fs::write(data.join("four"), "one of four").unwrap();
    set_mode(&data.join("closed"), 0o755);
    fs::remove_file(data.join("pkg_image/pipe")).unwrap();
    fs::remove_file(data.join("socket")).unwrap();
    fs::write(data.join("hole"), "filled").unwrap();
    set_mode(&data, 0o700);
    fs::write(area.table(), "two\n").unwrap();

    area.rollback(&step("one")).unwrap();
    assert_eq!(picture(&data), before);
    assert_eq!(fs::read_to_string(area.table()).unwrap(), "one\n");
    let holed = fs::metadata(data.join("holed")).unwrap();
    assert!(holed.blocks() * 512 < 1 << 20, "a hole is a hole again: {} blocks", holed.blocks());
    // Nothing to do.
    let again = area.rollback(&step("one")).unwrap();
    assert_eq!((again.made, again.removed), (0, 0));
    assert_eq!(picture(&data), before);
    area.settle().unwrap();
}

#[test]
fn checkpoints_are_a_stack() {
    let place = place();
    let mut area = open(place.path());
    let data = area.build_data().to_owned();
    let mut pictures = Vec::new();
    let names = ["a", "b", "3", "d"];
    for (number, name) in (0..).zip(names) {
        fs::write(data.join(name), format!("made before {name}")).unwrap();
        fs::write(data.join("log"), name.repeat(20_000)).unwrap();
        pictures.push(picture(&data));
        area.checkpoint(&step(name), &id(number), name.as_bytes()).unwrap();
    }
    assert_checkpoints(&area, &names);
    let exists = area.checkpoint(&step("b"), &id(9), b"").unwrap_err();
    assert!(matches!(exists, CheckpointError::Exists { .. }));
    let absent = area.rollback(&step("e")).unwrap_err();
    assert!(matches!(absent, RollbackError::Absent { .. }));

    fs::remove_dir_all(&data).unwrap();
    fs::create_dir(&data).unwrap();
    drop(area);
    let mut area = open(place.path());
    assert_checkpoints(&area, &names);
    let third = &area.checkpoints()[2];
    assert_eq!((third.id.clone(), third.manifest.as_slice()), (id(2), b"3".as_slice()));
    area.rollback(&step("3")).unwrap();
    assert_eq!(picture(&data), pictures[2]);
    assert_checkpoints(&area, &names[..3]);
    area.rollback(&step("a")).unwrap();
    assert_eq!(picture(&data), pictures[0]);
    assert_checkpoints(&area, &names[..1]);

    // And on from there.
    fs::write(data.join("b"), "another").unwrap();
    let other = picture(&data);
    area.checkpoint(&step("b"), &id(7), b"other").unwrap();
    fs::remove_file(data.join("a")).unwrap();
    area.rollback(&step("b")).unwrap();
    assert_eq!(picture(&data), other);
    area.settle().unwrap();
    assert_eq!(fs::read_dir(place.path().join(".checkpoints/gone")).unwrap().count(), 0);
    let folders = fs::read_dir(place.path().join(".checkpoints")).unwrap();
    let numbers = folders.filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().parse::<u32>().is_ok()
    });
    assert_eq!(numbers.count(), 2);
}

#[test]
fn a_fresh_build_has_nothing_of_the_last_one() {
    let place = place();
    let mut area = open(place.path());
    hostile(area.build_data());
    fs::write(area.table(), "table").unwrap();
    fs::write(area.media().join("old.iso"), "kept").unwrap();
    area.checkpoint(&step("gone-from-the-manifest"), &id(1), b"").unwrap();
    area.clear().unwrap();
    assert_eq!(fs::read_dir(area.build_data()).unwrap().count(), 0);
    assert!(!area.table().exists());
    assert!(area.media().join("old.iso").exists());
    assert_checkpoints(&area, &[]);
    area.settle().unwrap();
    assert_eq!(fs::read_dir(place.path().join(".checkpoints/gone")).unwrap().count(), 0);
    area.checkpoint(&step("first"), &id(2), b"").unwrap();
    assert_checkpoints(&area, &["first"]);
}

#[test]
fn bytes_that_did_not_change_are_kept_once() {
    let place = place();
    let mut area = open(place.path());
    if !matches!(area.back_end(), image_checkpoint::BackEnd::Embedded) {
        // Elsewhere the file system shares them.
        return;
    }
    let data = area.build_data().to_owned();
    for number in 0..200u32 {
        fs::write(data.join(number.to_string()), number.to_string().repeat(1000)).unwrap();
    }
    let total: u64 = (0..200u32).map(|number| number.to_string().len() as u64 * 1000).sum();
    let first = area.checkpoint(&step("a"), &id(1), b"").unwrap();
    assert_eq!((first.paths, first.new_bytes, first.shared_bytes), (200, total, 0));
    // Another mode, another time, a further name: the bytes are the same.
    set_mode(&data.join("7"), 0o600);
    fs::hard_link(data.join("8"), data.join("eight")).unwrap();
    fs::write(data.join("9"), "9".repeat(1000)).unwrap();
    fs::write(data.join("10"), "changed").unwrap();
    let second = area.checkpoint(&step("b"), &id(2), b"").unwrap();
    assert_eq!((second.paths, second.new_bytes), (201, 7));
    area.rollback(&step("a")).unwrap();
    let third = area.checkpoint(&step("b"), &id(2), b"").unwrap();
    assert_eq!((third.new_bytes, third.shared_bytes), (0, total));
    drop(area);
    // In another boot no stamp counts, and still nothing is kept twice.
    let mut area = open(place.path());
    let folders = place.path().join(".checkpoints");
    for entry in fs::read_dir(&folders).unwrap() {
        let record = entry.unwrap().path().join("record");
        if let Ok(text) = fs::read_to_string(&record) {
            assert!(text.contains("\"boot\""), "{text}");
        }
    }
    let fourth = area.checkpoint(&step("c"), &id(3), b"").unwrap();
    assert_eq!((fourth.new_bytes, fourth.shared_bytes), (0, total));
}

#[test]
fn a_change_right_after_a_checkpoint_is_seen() {
    let place = place();
    let mut area = open(place.path());
    let data = area.build_data().to_owned();
    // The same length, the same time of modification, at once: only care tells them apart.
    let write = |text: &str| {
        let mut how = fs::File::options();
        let how = how.write(true).create(true).truncate(false);
        let file = how.open(data.join("file")).unwrap();
        file.write_all_at(text.as_bytes(), 0).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    for round in 0..30 {
        write(&format!("{round:04}"));
        let name = step(&format!("s{round}"));
        area.checkpoint(&name, &id(round), b"").unwrap();
    }
    for round in (0..30).rev() {
        write("zzzz");
        area.rollback(&step(&format!("s{round}"))).unwrap();
        assert_eq!(fs::read_to_string(data.join("file")).unwrap(), format!("{round:04}"));
    }
}

#[test]
fn what_was_moved_away_is_taken_back_and_made_right() {
    let place = place();
    let mut area = open(place.path());
    let data = area.build_data().to_owned();
    let inode = |name: &str| fs::metadata(data.join(name)).unwrap().ino();
    fs::create_dir_all(data.join("top/usr/lib")).unwrap();
    for name in ["kept", "gone", "changed"] {
        fs::write(data.join("top/usr/lib").join(name), name.repeat(1_000)).unwrap();
    }
    area.checkpoint(&step("a"), &id(1), b"").unwrap();
    let (before, kept) = (picture(&data), inode("top/usr/lib/kept"));
    for round in 0..2 {
        let away = area.spare().join(image_checkpoint::spare_name("top/usr"));
        fs::rename(data.join("top/usr"), &away).unwrap();
        area.checkpoint(&step("b"), &id(2), b"").unwrap();
        // Somebody has been there.
        fs::remove_file(away.join("lib/gone")).unwrap();
        fs::write(away.join("lib/changed"), "CHANGED".repeat(1_000)).unwrap();
        fs::write(away.join("lib/new"), "new").unwrap();
        drop(area);
        area = open(place.path());
        area.rollback(&step("a")).unwrap();
        assert_eq!(picture(&data), before, "round {round}");
        let taken = !matches!(
            area.back_end(),
            image_checkpoint::BackEnd::Btrfs | image_checkpoint::BackEnd::Zfs { .. }
        );
        assert!(!taken || inode("top/usr/lib/kept") == kept, "round {round}");
    }
    fs::rename(data.join("top/usr"), area.spare().join("top%2Fusr")).unwrap();
    area.clear().unwrap();
    assert_eq!(fs::read_dir(area.spare()).unwrap().count(), 0);
}

#[test]
fn a_build_begins_with_what_an_earlier_one_reached() {
    let place = place();
    let mut area = open(place.path());
    let data = area.build_data().to_owned();
    let packed = !matches!(
        area.back_end(),
        image_checkpoint::BackEnd::Btrfs | image_checkpoint::BackEnd::Zfs { .. }
    );
    area.checkpoint(&step("fill"), &id(0), b"").unwrap();
    for number in 0..50 {
        fs::write(data.join(format!("f{number}")), number.to_string().repeat(2_000)).unwrap();
    }
    area.checkpoint(&step("next"), &id(1), b"").unwrap();
    assert!(!area.restart(&step("none"), &step("fill"), &id(0), b"").unwrap());
    let mut full = 0;
    for round in 2..24 {
        let filled = picture(&data);
        fs::write(data.join("later"), "by another step").unwrap();
        area.checkpoint(&step("last"), &id(round), b"").unwrap();
        if !area.restart(&step("next"), &step("fill"), &id(0), b"again").unwrap() {
            assert_checkpoints(&area, &["fill", "next", "last"]);
            full = round;
            break;
        }
        assert_checkpoints(&area, &["fill"]);
        assert_eq!(area.checkpoints()[0].manifest, b"again");
        assert_eq!(picture(&data), filled);
        drop(area);
        area = open(place.path());
        assert_checkpoints(&area, &["fill"]);
        fs::write(data.join("f7"), format!("round {round}")).unwrap();
        let changed = picture(&data);
        let taken = area.checkpoint(&step("next"), &id(round), b"").unwrap();
        assert!(taken.new_bytes < 100 && taken.shared_bytes > 100_000, "{taken:?}");
        area.rollback(&step("fill")).unwrap();
        assert_eq!(picture(&data), filled);
        fs::write(data.join("f7"), format!("round {round}")).unwrap();
        area.checkpoint(&step("next"), &id(round), b"").unwrap();
        assert_eq!(changed.len(), picture(&data).len());
    }
    // What is kept below has an end; where nothing can be kept so there is none of it.
    assert!(full > if packed { 10 } else { 1 }, "{full}");
    area.clear().unwrap();
    area.settle().unwrap();
    assert!(folders(place.path()).is_empty());
}

/// One change of a kind that directories tell of: a file, link or directory comes, goes, is replaced, moved, or
/// gets another name.
fn change(data: &Path, number: u64) {
    let folders = ["a", "a/b", "a/b/c", "d/e", "d/e/f/g"];
    let pick = |of: u64| data.join(folders[(number / of) as usize % folders.len()]);
    let (from, to) = (pick(1), pick(7));
    fs::create_dir_all(&from).unwrap();
    fs::create_dir_all(&to).unwrap();
    let (one, other) = (from.join(format!("f{}", number % 5)), to.join(format!("g{number}")));
    match number % 6 {
        0 | 1 => {
            let beside = from.join("beside");
            fs::write(&beside, format!("content {number}")).unwrap();
            fs::rename(beside, one).unwrap();
        }
        2 => drop(fs::remove_file(one)),
        3 => drop(fs::hard_link(one, other)),
        4 => drop(fs::rename(one, other)),
        _ => drop(std::os::unix::fs::symlink(format!("to {number}"), other)),
    }
}

#[test]
fn directories_tell_what_was_done_by_whom_is_known() {
    use image_checkpoint::Writer;
    let place = place();
    let mut area = open(place.path());
    let data = area.build_data().to_owned();
    let (mut pictures, mut number) = (Vec::new(), 1u64);
    let mut next = || {
        number =
            number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        number >> 33
    };
    for round in 0..12 {
        (0..[40, 1, 3, 0][round % 4]).for_each(|_| change(&data, next()));
        // Here anything may happen.
        for path in ["top", "a/below"] {
            let file = fs::File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(data.join(path))
                .unwrap();
            file.write_all_at(&[b'0' + round as u8], 0).unwrap();
        }
        pictures.push(picture(&data));
        let writer = if round < 6 { Writer::KnownFirst } else { Writer::Known };
        area.checkpoint_for(writer, &step(&format!("s{round}")), &id(1), b"").unwrap();
    }
    for (round, wanted) in pictures.iter().enumerate().rev() {
        (0..9).for_each(|_| change(&data, next()));
        area.rollback(&step(&format!("s{round}"))).unwrap();
        assert_eq!(picture(&data), *wanted, "{round}");
        // What was done since is not known of anybody.
        fs::write(data.join("a/b/written"), "in place").unwrap();
        fs::write(data.join("a/b/written"), "and again").unwrap();
        let seen = picture(&data);
        area.checkpoint_for(Writer::Known, &step("again"), &id(2), b"").unwrap();
        fs::remove_dir_all(data.join("a")).unwrap();
        area.rollback(&step("again")).unwrap();
        assert_eq!(picture(&data), seen, "{round}");
    }
}

#[test]
fn large_files_are_not_copied_for_who_replaces_them() {
    use image_checkpoint::{BackEnd, Writer};
    let place = place();
    let mut area = open(place.path());
    if !matches!(area.back_end(), BackEnd::Embedded | BackEnd::Reflink) {
        return;
    }
    let large = area.build_data().join("large");
    let bytes = |letter: &str| letter.repeat(3 << 20);
    fs::write(&large, bytes("a")).unwrap();
    let taken = area.checkpoint_for(Writer::Replaces, &step("one"), &id(1), b"").unwrap();
    assert_eq!(taken.new_bytes, 0);
    assert_eq!(fs::metadata(&large).unwrap().nlink(), 2);
    // Replaced, it comes back.
    fs::remove_file(&large).unwrap();
    fs::write(&large, bytes("b")).unwrap();
    area.checkpoint_for(Writer::Replaces, &step("two"), &id(2), b"").unwrap();
    area.rollback(&step("one")).unwrap();
    assert_eq!(fs::read_to_string(&large).unwrap(), bytes("a"));
    // Independent, it may be written into.
    area.checkpoint_for(Writer::Replaces, &step("two"), &id(2), b"").unwrap();
    area.harden().unwrap();
    let write = |letter: u8| {
        let file = fs::File::options().write(true).open(&large).unwrap();
        file.write_all_at(&[letter], 7).unwrap();
    };
    write(b'x');
    drop(area);
    let mut area = open(place.path());
    assert_checkpoints(&area, &["one", "two"]);
    area.rollback(&step("two")).unwrap();
    assert_eq!(fs::read_to_string(&large).unwrap(), bytes("a"));
    // Who writes into it all the same takes its checkpoint away, and nothing else.
    fs::remove_file(&large).unwrap();
    fs::write(&large, bytes("c")).unwrap();
    area.checkpoint_for(Writer::Replaces, &step("three"), &id(3), b"").unwrap();
    write(b'y');
    drop(area);
    // Whoever opens it is told, until the step has another.
    for _ in 0..2 {
        let area = open(place.path());
        assert_checkpoints(&area, &["one", "two"]);
        let void = area.void().unwrap();
        assert_eq!((&void.step, &void.file), (&step("three"), &large));
    }
    let mut area = open(place.path());
    area.rollback(&step("two")).unwrap();
    assert_eq!(fs::read_to_string(&large).unwrap(), bytes("a"));
    assert!(area.void().is_some());
    area.checkpoint(&step("three"), &id(3), b"").unwrap();
    assert!(area.void().is_none());
    drop(area);
    assert!(open(place.path()).void().is_none());
}

#[test]
fn only_what_has_another_name_becomes_a_copy() {
    use image_checkpoint::{BackEnd, Writer};
    let place = place();
    let mut area = open(place.path());
    if !matches!(area.back_end(), BackEnd::Embedded | BackEnd::Reflink) {
        return;
    }
    let data = area.build_data().to_owned();
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let text = |letter: &str| letter.repeat(2 << 20);
    for name in ["gone", "kept", "written"] {
        fs::write(data.join(name), text(name)).unwrap();
        area.checkpoint_for(Writer::Replaces, &step(name), &id(1), b"").unwrap();
    }
    let packs: Vec<_> = folders(place.path())
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| fs::metadata(path).unwrap().len() > 2 << 20)
        .collect();
    let pack_of = |name: &str| {
        let wanted = inode(&data.join(name));
        packs.iter().find(|pack| inode(pack) == wanted).unwrap()
    };
    let of = |name| (pack_of(name), inode(&data.join(name)));
    let [gone, kept, written] = ["gone", "kept", "written"].map(of);
    fs::remove_file(data.join("gone")).unwrap();
    let file = fs::File::options().write(true).open(data.join("written")).unwrap();
    file.write_all_at(b"!", 7).unwrap();
    // Whatever the clock's grain.
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    area.settle().unwrap();
    area.harden().unwrap();
    // Once flushed, they are to be flushed again.
    area.settle().unwrap();
    for folder in folders(place.path()) {
        let text = fs::read(folder.join("record")).unwrap();
        assert_eq!(fs::read_to_string(folder.join("durable")).unwrap(), mark(&text));
    }
    assert_eq!(inode(gone.0), gone.1, "it has no other name");
    assert_ne!(inode(kept.0), kept.1);
    assert_eq!(inode(written.0), written.1, "it is no checkpoint's any more");
    drop(area);
    let mut area = open(place.path());
    assert_checkpoints(&area, &["gone", "kept"]);
    for (name, is_there) in [("kept", true), ("gone", false)] {
        area.rollback(&step(name)).unwrap();
        assert_eq!(fs::read_to_string(data.join("gone")).unwrap(), text("gone"));
        assert_eq!(data.join("kept").exists(), is_there);
    }
}

#[test]
fn a_large_file_that_nobody_may_read_comes_back() {
    use image_checkpoint::Writer;
    let place = place();
    let mut area = open(place.path());
    let data = area.build_data().to_owned();
    for (name, mode) in [("run only", 0o4111), ("shut", 0), ("plain", 0o644)] {
        fs::write(data.join(name), name.repeat(1 << 20)).unwrap();
        set_mode(&data.join(name), mode);
    }
    let before = picture(&data);
    area.checkpoint_for(Writer::Replaces, &step("a"), &id(1), b"").unwrap();
    for name in ["run only", "shut", "plain"] {
        fs::remove_file(data.join(name)).unwrap();
    }
    area.harden().unwrap();
    area.rollback(&step("a")).unwrap();
    assert_eq!(picture(&data), before);
}

#[test]
fn one_build_at_a_time() {
    let place = place();
    let area = open(place.path());
    let second = Area::open(&Place::Directory(place.path().to_owned()), &options(None));
    let Err(OpenError::Held { pid, since, .. }) = second else { panic!("opened twice") };
    assert_eq!(pid, std::process::id());
    assert!(since.starts_with("20") && since.ends_with('Z'), "{since}");
    drop(area);
    open(place.path());
}

/// What `durable` says beside a record.
fn mark(record: &[u8]) -> String {
    format!("{:08x}\n", crc32fast::hash(record))
}

/// Leaves a checkpoint as another boot would find it.
fn of_another_boot(folder: &Path) {
    let record = folder.join("record");
    let text = fs::read(&record).unwrap();
    let flushed = folder.join("durable");
    assert_eq!(fs::read_to_string(&flushed).unwrap(), mark(&text));
    let mut json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    json["boot"] = "another".into();
    let text = json.to_string();
    fs::write(&record, &text).unwrap();
    fs::write(&flushed, mark(text.as_bytes())).unwrap();
}

fn unflushed(folder: &Path) {
    fs::remove_file(folder.join("durable")).unwrap();
}

/// As if the record had been written again, and not flushed since.
fn written_since(folder: &Path) {
    let record = folder.join("record");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("\"revision\":0", "\"revision\":1")).unwrap();
}

/// As if its file of that name had its length on the disk, and not all of its bytes.
fn torn(folder: &Path, name: &str) {
    unflushed(folder);
    spoil(folder, name);
}

fn spoil(folder: &Path, name: &str) {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(name);
    let mut files = files.filter(|path| named(path) && fs::metadata(path).unwrap().len() > 0);
    let file = files.next().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
}

fn folders(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = fs::read_dir(root.join(".checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("record").is_file())
        .collect();
    found.sort();
    found
}

#[test]
fn what_a_power_failure_may_have_torn_is_not_resumed_from() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, &[&str]); 11] = [
        ("flushed", |_| {}, &["a", "b", "c"]),
        ("flushed, then written, and whole", written_since, &["a", "b", "c"]),
        (
            "flushed, then written, a pack torn",
            |folder| {
                written_since(folder);
                spoil(folder, "pack");
            },
            &["a"],
        ),
        ("not flushed, and whole", unflushed, &["a", "b", "c"]),
        ("not flushed, a pack torn", |folder| torn(folder, "pack"), &["a"]),
        ("not flushed, the index torn", |folder| torn(folder, "index"), &["a"]),
        ("not flushed, the manifest torn", |folder| torn(folder, "manifest"), &["a"]),
        ("no record", |folder| fs::remove_file(folder.join("record")).unwrap(), &["a"]),
        ("half a record", |folder| fs::write(folder.join("record"), "{\"form").unwrap(), &["a"]),
        ("no manifest", |folder| fs::remove_file(folder.join("manifest")).unwrap(), &["a"]),
        (
            "later format",
            |folder| {
                let record = fs::read_to_string(folder.join("record")).unwrap();
                let record = record.replace("\"format\":2", "\"format\":3");
                fs::write(folder.join("record"), record).unwrap();
            },
            &["a"],
        ),
    ];
    for (name, damage, left) in cases {
        let place = place();
        let mut area = open(place.path());
        for (number, name) in (0..).zip(["a", "b", "c"]) {
            fs::write(area.build_data().join(name), name).unwrap();
            area.checkpoint(&step(name), &id(number), b"manifest").unwrap();
        }
        area.settle().unwrap();
        let sums = !matches!(area.back_end(), image_checkpoint::BackEnd::Btrfs);
        if !sums && (name.starts_with("not flushed") || name.contains("written")) {
            continue;
        }
        drop(area);
        let folders = folders(place.path());
        folders.iter().for_each(|folder| of_another_boot(folder));
        damage(&folders[1]);
        let mut area = open(place.path());
        let found: Vec<_> = area.checkpoints().iter().map(|made| made.step.as_str()).collect();
        assert_eq!(found, left, "{name}");
        assert_checkpoints(&area, left);
        area.rollback(&step(left.last().unwrap())).unwrap();
    }
}

#[test]
fn packs_that_were_cut_off_are_no_checkpoint() {
    let place = place();
    let mut area = open(place.path());
    if matches!(area.back_end(), image_checkpoint::BackEnd::Btrfs) {
        return;
    }
    fs::write(area.build_data().join("file"), "bytes").unwrap();
    area.checkpoint(&step("a"), &id(1), b"").unwrap();
    drop(area);
    let folder = &folders(place.path())[0];
    let packs = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let full = packs.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("pack"));
    let mut full = full.filter(|path| fs::metadata(path).unwrap().len() > 0);
    let full = full.next().unwrap();
    fs::write(full, "byte").unwrap();
    assert_checkpoints(&open(place.path()), &[]);
}

#[test]
fn only_order_and_gaps_decide_what_is_resumable() {
    use image_checkpoint::{changed_since, check_order, resumable};
    let place = place();
    let mut area = open(place.path());
    for (number, name) in (0..).zip(["a", "b", "d"]) {
        area.checkpoint(&step(name), &id(number), name.as_bytes()).unwrap();
    }
    let steps = |names: &str| names.chars().map(|c| step(&c.to_string())).collect::<Vec<_>>();
    let made = area.checkpoints();
    for (manifest, last, ordered) in
        [("abcd", 2, true), ("abd", 3, true), ("bad", 3, false), ("xab", 0, false)]
    {
        let steps = steps(manifest);
        assert_eq!(resumable(&steps, made), last, "{manifest}");
        let resume = last.saturating_sub(1);
        assert_eq!(check_order(&steps, made, resume).is_ok(), ordered, "{manifest}");
    }
    let all = steps("abd");
    let changed = |resume| changed_since(&all, made, resume, b"b").len();
    assert_eq!([0, 1, 2].map(changed), [1, 1, 2]);
}
