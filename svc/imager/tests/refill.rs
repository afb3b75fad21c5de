//! An image that is filled anew with the files of the last one is the image that nothing was before: worlds
//! by seed, whose packages come, go, change, give files to each other, edit files that others deliver.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::Yard;
use dice::Dice;
use image_rooted::Rooted;
use imager::packages::{Filled, Order, Packages, Repositories};
use imager::source::{self, ThisHost};
use ips_client::Donor;
use ips_model::{Manifest, Timestamp};
use ips_repository::{Repository, Sources};
use process::Cancel;

const PACKAGES: u64 = 5;
const PATHS: u64 = 14;
/// Paths below directories of one package, where little changes.
const OWN: u64 = 6;
const ROUNDS: u64 = 5;
const NOW: i64 = 1_700_000_000;

struct World {
    yard: Yard,
    dice: Dice,
}

impl World {
    fn below(&mut self, end: u64) -> u64 {
        self.dice.below(end)
    }

    /// A file at a path; who owns it may be a user of the package.
    fn file(&mut self, path: &str, owner: &str) -> String {
        let content = self.below(3);
        self.file_of(path, owner, content)
    }

    fn file_of(&mut self, path: &str, owner: &str, content: u64) -> String {
        let content = format!("content {content} of {path}\n");
        let name = format!("{}-{}", path.replace('/', "-"), content.replace(['\n', ' ', '/'], "_"));
        let proto = self.yard.path("random");
        fs::create_dir_all(&proto).unwrap();
        fs::write(proto.join(&name), content).unwrap();
        let mode = ["0644", "0555", "04755", "0600"][self.below(4) as usize];
        let preserve = ["", "", "preserve=true", "preserve=renamenew", "preserve=install-only"];
        let preserve = preserve[self.below(5) as usize];
        let time = ["", "timestamp=20200101T000000Z"][self.below(2) as usize];
        format!("file {name} path={path} owner={owner} group=sys mode={mode} {preserve} {time}\n")
    }

    /// What lies in directories of a package's own, which now and then is something else.
    fn own(&mut self, package: usize) -> String {
        let mut text = String::new();
        for path in 0..OWN {
            let at = format!("own/p{package}/d{}/f{path}", path % 2);
            let more = match self.below(14) {
                // The last is there for links.
                _ if path + 1 == OWN => self.file_of(&at, "root", 0),
                0 => continue,
                1 => format!("link path={at} target=t{}\n", self.below(2)),
                2 => format!("dir path={at} owner=root group=sys mode=0755\n"),
                3 => self.file_of(&format!("{at}/below"), "root", 0),
                4 => format!("hardlink path={at} target=../d{}/f{}\n", (OWN - 1) % 2, OWN - 1),
                5 => self.file(&at, "root"),
                _ => self.file_of(&at, "root", 0),
            };
            text.push_str(&more);
        }
        text
    }

    /// The packages of a round; each path is at most one's.
    fn publish(&mut self, round: u64) {
        let mut texts: Vec<String> = (0..PACKAGES)
            .map(|package| {
                format!("set name=pkg.fmri value=pkg://orchard.example/p{package}@1.{round}\n")
            })
            .collect();
        let users: Vec<bool> = (0..PACKAGES).map(|_| self.below(2) == 0).collect();
        for path in 0..PATHS {
            let owner = self.below(PACKAGES + 1);
            let Some(text) = texts.get_mut(owner as usize).map(std::mem::take) else { continue };
            let user = match users[owner as usize] {
                true => format!("user{owner}"),
                false => "root".to_owned(),
            };
            let at = format!("shared/d{}/f{path}", path % 3);
            let more = match self.below(6) {
                0 => format!("link path={at} target=t{}\n", self.below(3)),
                1 => format!("dir path={at} owner=root group=sys mode=0755\n"),
                2 => {
                    let file = self.file(&at, &user);
                    format!("{file}hardlink path=shared/d{}/h{path} target=f{path}\n", path % 3)
                }
                _ => self.file(&at, &user),
            };
            texts[owner as usize] = text + &more;
        }
        for (package, text) in texts.iter_mut().enumerate() {
            text.push_str(&self.own(package));
        }
        let repository = Repository::open(&self.yard.path("repo")).unwrap();
        let now = Timestamp::from_seconds(NOW + 10 * round as i64);
        let batch = repository.batch().unwrap();
        for (number, mut text) in texts.into_iter().enumerate() {
            if users[number] {
                let uid = 100 + number;
                writeln!(text, "user username=user{number} uid={uid} group=sys").unwrap();
                writeln!(text, "group groupname=group{number} gid={uid}").unwrap();
            }
            let sources =
                Sources { folders: vec![self.yard.path("random")], timestamps: Vec::new() };
            batch.publish(&Manifest::parse(&text).unwrap(), &sources, now).unwrap();
        }
        batch.commit(now).unwrap();
    }

    /// Fills a root with some packages, with or without what was there before.
    fn fill(&self, names: &[String], root: &Path, donor: Option<&Donor>) -> Filled {
        let manifest = self.yard.manifest("m", &[["im-pop", "", "im_pop.py", ""]]);
        let list: String = names.iter().map(|name| format!("<pkg name=\"{name}\"/>")).collect();
        let text = fs::read_to_string(&manifest).unwrap();
        let (before, rest) = text.split_once("<packages>").unwrap();
        let (_, after) = rest.split_once("</packages>").unwrap();
        let text = format!("{before}<packages>{list}</packages>{after}");
        fs::write(&manifest, text).unwrap();
        let image = source::read(&manifest, "", &ThisHost).unwrap().image();
        let (say, debug, progress) = (&|_: &str| {}, &|_: &str| {}, &|_: &str, _, _| {});
        let order = Order { image: &image, root, donor, say, debug, progress };
        let cancel = Cancel::new().unwrap();
        Repositories {
            instead: None,
            cancel: &cancel,
            surroundings: |_| Ok(ips_client::Transport::default()),
            kept: None,
        }
        .fill(&order)
        .unwrap()
    }
}

/// All below a directory: type, mode, bytes or target, and the first name of the same file.
fn picture(root: &Path) -> BTreeMap<String, String> {
    let (mut found, mut inodes) = (BTreeMap::new(), HashMap::new());
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let mut paths: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let about = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let told = if about.is_dir() {
                folders.push(path);
                format!("directory {:o}", about.mode())
            } else if about.is_symlink() {
                format!("link {}", fs::read_link(&path).unwrap().display())
            } else {
                let first = inodes.entry(about.ino()).or_insert_with(|| name.clone()).clone();
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                format!("file {:o} {} {first} {text}", about.mode(), about.nlink())
            };
            found.insert(name, told);
        }
    }
    found
}

/// In every directory a file whose name is no text, as a script might have left it.
fn leave_strange_names(root: &Path) {
    let folders = picture(root).into_iter().filter(|(_, told)| told.starts_with("directory"));
    for (folder, _) in folders {
        fs::write(root.join(folder).join(OsStr::from_bytes(b"\xff")), "").unwrap();
    }
}

/// What files below a directory look like, apart from where they lie.
fn looks_of(root: &Path) -> HashSet<(u64, i64, i64)> {
    let (mut found, mut folders) = (HashSet::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            if about.is_dir() {
                folders.push(entry.path());
            } else {
                found.insert((about.ino(), about.ctime(), about.ctime_nsec()));
            }
        }
    }
    found
}

#[test]
fn what_is_filled_anew_is_what_was_never_filled_before() {
    let (mut given, mut put, mut same) = (0, 0, 0);
    for seed in 0..3 {
        let mut world = World { yard: Yard::new(), dice: Dice(seed) };
        let root = world.yard.path("root");
        let mut earlier: Option<Filled> = None;
        for round in 0..ROUNDS {
            world.publish(round);
            let mut names: Vec<String> = (0..PACKAGES).map(|number| format!("p{number}")).collect();
            names.retain(|_| world.below(4) > 0);
            names.push("entire".to_owned());
            let fresh = world.yard.path(&format!("fresh{round}"));
            let wanted = world.fill(&names, &fresh, None);
            let old = world.yard.path("earlier");
            let donor = earlier.map(|earlier| {
                fs::rename(&root, &old).unwrap();
                leave_strange_names(&old);
                Donor::open(&old, earlier.payloads.into_iter().collect()).unwrap()
            });
            let has_donor = donor.is_some();
            let before = if has_donor { picture(&old) } else { BTreeMap::new() };
            let looks = looks_of(&old);
            let filled = world.fill(&names, &root, donor.as_ref());
            let what = format!("seed {seed}, round {round}");
            assert_eq!(filled.tree, wanted.tree, "{what}");
            assert_eq!(filled.packages, wanted.packages, "{what}");
            assert_eq!(filled.payloads, wanted.payloads, "{what}");
            let again = looks_of(&root);
            same += again.iter().filter(|look| looks.contains(*look)).count();
            if has_donor {
                let after = picture(&old);
                given += before.keys().filter(|path| !after.contains_key(*path)).count();
                put += filled.payloads.len();
                fs::remove_dir_all(&old).unwrap();
            }
            // But for the records, the disk is what the tree says.
            let rooted = || Rooted::of(&root, Path::new("none"), filled.tree.clone(), NOW);
            let (mut own, mut all) = (rooted(), rooted());
            own.reconcile_below(&filled.records).unwrap();
            all.reconcile(&Default::default()).unwrap();
            assert_eq!(own.tree, all.tree, "{what}");
            let (have, want) = (picture(&root), picture(&fresh));
            for (path, told) in &want {
                assert_eq!(have.get(path), Some(told), "{what}: {path}");
            }
            assert_eq!(have.len(), want.len(), "{what}");
            fs::remove_dir_all(&fresh).unwrap();
            earlier = Some(filled);
        }
    }
    // Much is given, and not all.
    assert!(given * 4 > put, "{given} of {put}");
    // Of files that are as they were, most are the same files, which look the same.
    assert!(same * 2 > put && same < put, "{same} of {put}");
}
