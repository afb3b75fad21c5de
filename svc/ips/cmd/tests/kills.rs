//! kills.rs - whoever writes to a repository may be killed at any moment: what is there then is
//! sound, and doing it again does it.
//!
//! A moment is a number of changes of what is on disk, random by a seed, which a failure prints; a
//! command that was done before it is let run again.  `LAMPLIGHTER_KILLS` is how many kills have to
//! meet a command at work (10), `LAMPLIGHTER_SEED` the seed.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::DirEntryExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Place, copy};
use dice::Dice;

const PACKAGES: usize = 30;

/// Manifests `m0` ... and the files they name; half of the content is common to two architectures.
fn sources(place: &Place, numbers: &mut Dice) {
    for arch in ["i386", "sparc"] {
        fs::create_dir_all(place.path(&format!("proto.{arch}"))).unwrap();
        fs::create_dir_all(place.path(&format!("m.{arch}"))).unwrap();
    }
    for package in 0..PACKAGES {
        let mut manifest = format!("set name=pkg.fmri value=pkg://kill.example/p{package}@1.0\n");
        for file in 0..6 {
            let name = format!("f{package}.{file}");
            let common = numbers.roll() % 2 == 0;
            let content = |salt: u64| {
                let mut numbers = Dice(salt);
                let words = (0..1_000).map(|_| format!("{:x} ", numbers.roll() % 5_000));
                words.collect::<String>()
            };
            let salt = numbers.roll();
            for (at, arch) in ["i386", "sparc"].into_iter().enumerate() {
                let salt = if common { salt } else { salt + at as u64 };
                fs::write(place.path(&format!("proto.{arch}/{name}")), content(salt)).unwrap();
            }
            manifest.push_str(&format!("file path={name} mode=0644 owner=root group=bin\n"));
        }
        for arch in ["i386", "sparc"] {
            let path = place.path(&format!("m.{arch}/m{package}"));
            fs::write(path, format!("{manifest}set name=variant.arch value={arch}\n")).unwrap();
        }
    }
    for arch in ["i386", "sparc"] {
        let line = format!(
            "pkgrepo create {arch} && pkgsend -s {arch} publish --fmri-in-manifest -d proto.{arch} m.{arch}/*"
        );
        assert_eq!(place.sh(&line, None).status, 0);
    }
}

/// Starts a shell line that becomes the command (`exec`).
fn started(place: &Place, line: &str) -> Child {
    let programs = Path::new(env!("CARGO_BIN_EXE_pkgrepo")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    Command::new("sh")
        .args(["-c", &format!("exec {line}")])
        .current_dir(place.path(""))
        .env("PATH", path)
        .env("SOURCE_DATE_EPOCH", "1795316676")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Names and files below a folder, as one number; what goes while it is read does not count.
fn state(folder: &Path) -> u64 {
    let mut sum = 0_u64;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            let mut one = DefaultHasher::new();
            (&path, entry.ino()).hash(&mut one);
            sum = sum.wrapping_add(one.finish());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            }
        }
    }
    sum
}

/// The moments at which a command can be killed.
struct Moments {
    /// How many changes can be seen while it works, as far as is known.
    most: u64,
}

impl Moments {
    fn new() -> Moments {
        Moments { most: 1 }
    }

    /// Starts the command and kills it at a moment; whether it was still at work.  How much is seen
    /// of its work hangs on the machine's load, so every run corrects what is expected of the next.
    fn kill(&mut self, place: &Place, line: &str, changed: &Path, numbers: &mut Dice) -> bool {
        let moment = numbers.roll() % (self.most + 1);
        let mut before = state(changed);
        let mut child = started(place, line);
        let mut seen = 0;
        while seen < moment && child.try_wait().unwrap().is_none() {
            let now = state(changed);
            seen += u64::from(now != before);
            before = now;
        }
        let at_work = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        match at_work {
            true if moment == self.most => self.most += 1,
            true => {}
            false => self.most = seen.max(1),
        }
        at_work
    }
}

/// How many kills have to meet a command at work, and the seed.
fn asked() -> (u64, u64) {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    (number("LAMPLIGHTER_KILLS", 10), number("LAMPLIGHTER_SEED", 1))
}

/// A command that is always done before its moment comes is not tried for ever.
const TRIES: u64 = 20;

/// What is killed, and how many packages there are when it is done.
const COMMANDS: [(&str, &str); 4] = [
    ("pkgsend", "pkgsend -s new publish --fmri-in-manifest -d proto.i386 m.i386/*"),
    ("pkgrecv", "pkgrecv -s i386 -d new '*'"),
    ("pkgmerge", "pkgmerge -d new -s arch=i386,i386 -s arch=sparc,sparc"),
    ("rebuild", "pkgrepo rebuild -s new"),
];

#[test]
fn at_any_moment() {
    let (kills, seed) = asked();
    let place = Place::new();
    let mut numbers = Dice(seed);
    sources(&place, &mut numbers);
    for (name, line) in COMMANDS {
        let fresh = || {
            let _ = fs::remove_dir_all(place.path("new"));
            if name == "rebuild" {
                copy(&place.path("i386"), &place.path("new"));
            } else {
                assert_eq!(place.sh("pkgrepo create new", None).status, 0);
            }
        };
        let (mut moments, mut at_work, mut round) = (Moments::new(), 0, 0);
        while at_work < kills {
            let told = format!("{name}, round {round}, seed {seed}");
            assert!(round < kills * TRIES, "{told}: {at_work} kills met it at work");
            round += 1;
            fresh();
            at_work += u64::from(moments.kill(&place, line, &place.path("new"), &mut numbers));
            let count = || place.sh("pkgrepo list -H -s new", None).out.lines().count();
            let before = count();
            assert!(before == 0 || before == PACKAGES, "{told}: {before} packages");
            let sound = place.sh("pkgrepo verify -s new", None);
            assert_eq!(sound.status, 0, "{told}: {sound:?}");
            let again = place.sh(line, None);
            // What was done before the kill came cannot be published once more.
            let done = before == PACKAGES && again.err.contains("already exists");
            assert!(again.status == 0 || done, "{told}: {again:?}");
            assert_eq!(count(), PACKAGES, "{told}");
            let sound = place.sh("pkgrepo verify -s new", None);
            assert_eq!(sound.status, 0, "{told}: {sound:?}");
            if name == "rebuild" {
                let list = place.path("new/publisher/kill.example/index/full_fmri_list");
                let indexed = fs::read_to_string(list).unwrap().lines().count();
                assert_eq!(indexed, PACKAGES + 1, "{told}");
            }
            let tmp = place.path("new/publisher/kill.example/tmp");
            let left: Vec<_> =
                fs::read_dir(&tmp).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert!(done || left == ["lock"], "{told}: {left:?}");
        }
    }
}

/// The files that packages of a version have, all of them.
fn delivered(place: &Place, version: usize) -> Vec<(String, Vec<u8>)> {
    let proto = place.path(if version == 0 { "proto.i386" } else { "proto.sparc" });
    let mut all: Vec<(String, Vec<u8>)> = fs::read_dir(proto)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_string(), fs::read(&path).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// What lies in an image, besides what the client keeps for itself.
fn present(place: &Place, image: &str) -> Vec<(String, Vec<u8>)> {
    let all = common::files(&place.path(image));
    let own = all.into_iter().filter(|(path, _)| !path.starts_with("var/pkg"));
    own.map(|(path, at)| (path, fs::read(at).unwrap())).collect()
}

#[test]
fn an_image_at_any_moment() {
    let (kills, seed) = asked();
    let place = Place::new();
    let mut numbers = Dice(seed);
    sources(&place, &mut numbers);
    // The other architecture's files are the next version's.
    let next = "for m in m.sparc/*; do sed -e 's/@1.0/@1.1/' -e /variant.arch/d $m > m.next; \
        pkgsend -s i386 publish --fmri-in-manifest -d proto.sparc m.next > /dev/null || exit 1; done";
    assert_eq!(place.sh(next, None).status, 0);
    let made = place.sh(
        "pkg image-create -F -f -p kill.example=file://$PWD/i386 --variant variant.arch=i386 img",
        None,
    );
    assert_eq!(made.status, 0, "{made:?}");
    let states = [Vec::new(), delivered(&place, 0), delivered(&place, 1)];
    let lines =
        ["pkg -R img install -q '*@1.0'", "pkg -R img update -q", "pkg -R img uninstall -q '*'"];
    let mut moments = [Moments::new(), Moments::new(), Moments::new()];
    let (mut at_work, mut round) = (0, 0);
    while at_work < kills {
        let at = usize::try_from(round % 3).unwrap();
        let (line, before, after) = (lines[at], &states[at], &states[(at + 1) % 3]);
        let told = format!("{line}, round {round}, seed {seed}");
        assert!(round < kills * TRIES, "{told}: {at_work} kills met it at work");
        round += 1;
        at_work += u64::from(moments[at].kill(&place, line, &place.path("img"), &mut numbers));
        // Looking is enough to end what was begun.
        let listed = place.sh("pkg -R img list -H", None);
        let found = present(&place, "img");
        assert!(found == *before || found == *after, "{told}: {listed:?}");
        let count = listed.out.lines().count();
        assert_eq!(count * 6, found.len(), "{told}: {listed:?}");
        let sound = place.sh("pkg -R img fix", None);
        assert_eq!(sound.status, 4, "{told}: {sound:?}");
        if found != *after {
            let again = place.sh(line, None);
            assert_eq!(again.status, 0, "{told}: {again:?}");
        }
        assert!(present(&place, "img") == *after, "{told}");
        nothing_is_left(&place, "img", &told);
    }
}

/// That nothing lies about of an operation that was not ended.
fn nothing_is_left(place: &Place, image: &str, told: &str) {
    for name in ["journal", "journal.new", "journal.old", "cache/stage"] {
        let path = place.path(image).join("var/pkg").join(name);
        let is_empty = fs::read_dir(&path).map_or(true, |mut entries| entries.next().is_none());
        assert!(is_empty, "{told}: {image}: {name} is left");
    }
}

/// A parent and its children, each with the packages it has; all but `only` have to be as the
/// parent has them.
const LINKED: [(&str, &[&str]); 3] = [
    ("all/above", &["p0", "p1", "p2", "only"]),
    ("all/a", &["p0", "p1"]),
    ("all/b", &["p1", "p2"]),
];

/// What is done to the parent, and what all have then: version, and whether there is `more`.
const STEPS: [(&str, &str, bool); 4] = [
    ("pkg -R all/above update -q", "1.1", false),
    ("pkg -R all/above install -qr more", "1.1", true),
    ("pkg -R all/above update -q '*@1.0'", "1.0", true),
    ("pkg -R all/above uninstall -qr more", "1.0", false),
];

const FILES: usize = 3;

/// A file of a package: its path, and what is in it.
fn linked_file(name: &str, version: &str, file: usize) -> (String, String) {
    (format!("{name}.{file}"), format!("{name} {version} {file}\n").repeat(40))
}

fn linked_images(place: &Place) {
    let mut line =
        "pkgrepo create linked && pkgrepo set -s linked publisher/prefix=kill.example".to_string();
    for version in ["1.0", "1.1"] {
        let proto = place.path(&format!("proto.{version}"));
        fs::create_dir_all(&proto).unwrap();
        for name in ["p0", "p1", "p2", "only", "more"] {
            let mut manifest =
                format!("set name=pkg.fmri value=pkg://kill.example/{name}@{version}\n");
            if name != "only" {
                manifest.push_str("depend type=parent fmri=feature/package/dependency/self\n");
            }
            for file in 0..FILES {
                let (path, content) = linked_file(name, version, file);
                fs::write(proto.join(&path), content).unwrap();
                manifest.push_str(&format!("file path={path} mode=0644 owner=root group=bin\n"));
            }
            fs::write(place.path(&format!("{name}.{version}.m")), manifest).unwrap();
        }
        line.push_str(&format!(
            " && pkgsend -s linked publish --fmri-in-manifest -d proto.{version} *.{version}.m > /dev/null"
        ));
    }
    for (image, packages) in LINKED {
        let packages: Vec<String> = packages.iter().map(|name| format!("{name}@1.0")).collect();
        line.push_str(&format!(
            " && pkg image-create -F -p linked {image} && pkg -R {image} install -q {}",
            packages.join(" "),
        ));
    }
    for name in ["a", "b"] {
        line.push_str(&format!(
            " && pkg -R all/above attach-linked -q -c system:{name} all/{name}"
        ));
    }
    let made = place.sh(&line, None);
    assert_eq!(made.status, 0, "{made:?}");
}

/// What an image has to have.
fn linked_state(packages: &[&str], version: &str, more: bool) -> Vec<(String, Vec<u8>)> {
    let names = packages.iter().copied().chain(more.then_some("more"));
    let files = names.flat_map(|name| (0..FILES).map(move |file| linked_file(name, version, file)));
    let mut all: Vec<_> = files.map(|(path, content)| (path, content.into_bytes())).collect();
    all.sort();
    all
}

#[test]
fn a_parent_with_children_at_any_moment() {
    let (kills, seed) = asked();
    let place = Place::new();
    let mut numbers = Dice(seed);
    linked_images(&place);
    let mut moments = STEPS.map(|_| Moments::new());
    let (mut at_work, mut round) = (0, 0);
    let (mut version, mut more) = ("1.0", false);
    while at_work < kills {
        let at = usize::try_from(round % 4).unwrap();
        let (line, next, next_more) = STEPS[at];
        let told = format!("{line}, round {round}, seed {seed}");
        assert!(round < kills * TRIES, "{told}: {at_work} kills met it at work");
        round += 1;
        at_work += u64::from(moments[at].kill(&place, line, &place.path("all"), &mut numbers));
        // Whether those that were looked at have come to the end: parents come first.
        let mut ahead = true;
        for (image, packages) in LINKED {
            // Looking is enough to end what was begun with an image.
            let sound = place.sh(&format!("pkg -R {image} list -H && pkg -R {image} verify"), None);
            assert_eq!(sound.status, 0, "{told}: {image}: {sound:?}");
            let found = present(&place, image);
            let done = found == linked_state(packages, next, next_more);
            let before = found == linked_state(packages, version, more);
            assert!(done || before, "{told}: {image}: {sound:?}");
            assert!(ahead || !done, "{told}: {image} is ahead of its parent");
            ahead &= done;
        }
        if !ahead {
            let again = place.sh(line, None);
            assert_eq!(again.status, 0, "{told}: {again:?}");
        }
        let audit = place.sh("pkg -R all/above audit-linked -a", None);
        assert_eq!(audit.status, 0, "{told}: {audit:?}");
        for (image, packages) in LINKED {
            assert!(
                present(&place, image) == linked_state(packages, next, next_more),
                "{told}: {image}"
            );
            nothing_is_left(&place, image, &told);
        }
        (version, more) = (next, next_more);
    }
}
