//! A build that is killed, a disk that is full, and a proto area that changes: nothing that looks
//! finished is left, and the next build makes what it would have made.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use common::{STAMP, Yard, files};
use dice::Dice;

const SEED: u64 = 7;
const KILLS: usize = 14;

/// Everything beside `.build_live`, with its bytes.
fn platforms(yard: &Yard) -> BTreeMap<String, Vec<u8>> {
    if !yard.path("output").exists() {
        return BTreeMap::new();
    }
    let mut found = files(&yard.path("output"));
    found.retain(|path, _| !path.starts_with(".build_live/"));
    found
}

/// Starts a build and reads so many of its lines, or all.
fn lines(yard: &Yard, count: usize) -> (Child, Vec<String>) {
    let mut child = yard.command(&["manifest"]).stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let said = out.lines().take(count).map(Result::unwrap).collect();
    (child, said)
}

#[test]
fn killed_at_any_line() {
    let mut dice = Dice(SEED);
    let yard = Yard::new();
    yard.script("tools/customize", "#!/bin/sh\necho more > $1/etc/more\n");
    let (mut child, all) = lines(&yard, usize::MAX);
    assert!(child.wait().unwrap().success());
    let mut wanted = platforms(&yard);
    let mut before = wanted.clone();
    for round in 0..KILLS {
        // Half of them replace a platform, half make one anew.
        if round % 2 == 0 {
            yard.write("proto/usr/bin/su", format!("version {round}").as_bytes());
            wanted.clear();
        } else {
            fs::remove_dir_all(yard.path("output")).unwrap();
            before.clear();
        }
        let count = dice.place(all.len());
        let (mut child, _) = lines(&yard, count);
        dice.moment(40);
        child.kill().unwrap();
        child.wait().unwrap();
        let left = platforms(&yard);
        let (mut child, said) = lines(&yard, usize::MAX);
        assert!(child.wait().unwrap().success(), "round {round} of seed {SEED}: {said:?}");
        let made = platforms(&yard);
        assert!(wanted.is_empty() || made == wanted, "round {round} of seed {SEED}");
        // A name that was there stood for something whole: the earlier one or the new one.
        for (part, name) in
            [("platform", format!("platform-{STAMP}/")), ("tgz", format!("platform-{STAMP}.tgz"))]
        {
            let of = |all: &BTreeMap<String, Vec<u8>>| -> BTreeMap<String, Vec<u8>> {
                let all = all.iter().filter(|(path, _)| path.starts_with(&name));
                all.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
            };
            let left = of(&left);
            let whole = left.is_empty() || left == of(&before) || left == of(&made);
            assert!(whole, "round {round} of seed {SEED}: half a {part}");
        }
        (wanted, before) = (made.clone(), made);
    }
}

#[test]
fn a_full_disk() {
    if !mounts::are_own("a_full_disk") {
        return;
    }
    let yard = Yard::new();
    let mut dice = Dice(SEED);
    let noise: Vec<u8> = (0..200_000).map(|_| dice.roll() as u8).collect();
    yard.write("proto/usr/bin/su", &noise);
    for (failures, kilobytes) in [4, 40, 150, 300, 500, 700, 4000].into_iter().enumerate() {
        mounts::mount(&format!("size={kilobytes}k"), &yard.path("output"));
        let said = yard.run(&["manifest"]);
        if said.status == 0 {
            assert_eq!(yard.finished().len(), 3, "{kilobytes} KB");
            assert!(failures >= 4, "only {failures} disks were full");
            return;
        }
        assert!(said.out.contains("No space left on device"), "{kilobytes} KB: {said:?}");
        assert!(said.out.lines().last().unwrap().contains("; log: "), "{said:?}");
        assert_eq!(yard.finished(), [""; 0], "{kilobytes} KB");
        assert!(!yard.path("output/.build_live/work").exists(), "the room is given back");
    }
    panic!("no disk was large enough");
}

#[test]
fn a_full_disk_for_the_log() {
    if !mounts::are_own("a_full_disk_for_the_log") {
        return;
    }
    let yard = Yard::new();
    mounts::mount("size=4k", &yard.path("log"));
    fs::write(yard.path("log/full"), [0; 4096]).unwrap();
    let said = yard.run(&["manifest"]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("No space left on device"), "{said:?}");
    assert_eq!(yard.finished(), [""; 0]);
}

/// What happens to the places while a script waits.
const CHANGES: [fn(&Yard); 4] = [
    |yard| yard.write("proto/usr/bin/su", b"another one"),
    |yard| fs::remove_file(yard.path("proto/usr/bin/zz")).unwrap(),
    // Of the same length and time: the inode is another one.
    |yard| {
        let old = yard.path("proto/usr/bin/zz");
        let time = fs::metadata(&old).unwrap().modified().unwrap();
        yard.write("proto/usr/bin/new", b"ZZ");
        let new = yard.path("proto/usr/bin/new");
        fs::File::options().write(true).open(&new).unwrap().set_modified(time).unwrap();
        fs::rename(new, old).unwrap();
    },
    |yard| yard.write("overlay/usr/bin/su", b"one that comes first"),
];

#[test]
fn a_proto_area_that_changes() {
    for (number, change) in CHANGES.iter().enumerate() {
        let yard = Yard::new();
        let fifo = yard.path("go");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        yard.script("tools/customize", "#!/bin/sh\necho waiting\nread line < go\necho \"$line\"\n");
        let mut child = yard.command(&["manifest"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(out.any(|line| line.unwrap() == "waiting"), "{number}");
        change(&yard);
        fs::File::options().write(true).open(&fifo).unwrap().write_all(b"on\n").unwrap();
        let rest: Vec<String> = out.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{number}: {rest:?}");
        let last = rest.last().unwrap();
        let told = ["during the build", "changed while it was read", "No such file"];
        assert!(told.iter().any(|text| last.contains(text)), "{number}: {last}");
        assert_eq!(yard.finished(), [""; 0], "{number}");
    }
}
