//! The release as SMF starts it, with scripts for SMF's commands.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use ips_model::{Fmri, Manifest, Timestamp};
use ips_repository::Repository;
use stage::{Outputs, Stamp};

struct World(tempfile::TempDir);

impl World {
    fn new() -> World {
        let world = World(tempfile::tempdir().unwrap());
        fs::create_dir(world.path("bin")).unwrap();
        for (name, text) in [
            ("svcprop", "cat \"$SMF_ROOT/properties\""),
            ("svcadm", "echo \"$@\" >> \"$SMF_ROOT/orders\""),
        ] {
            let path = world.path("bin").join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let depot = "release/depot fmri svc:/application/pkg/server:release\n";
        fs::write(world.path("properties"), depot).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn release(&self, name: &str) -> PathBuf {
        self.path("var/lamplighter/release/default").join(name)
    }

    fn finish(&self, stage: &str, digest: &str, content: &str, read: &[(&str, &str)]) {
        let directory = self.path("var/lamplighter").join(stage).join("default");
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        let stamp = Stamp {
            stage: stage.into(),
            digest: digest.into(),
            outputs: map(&[("repo", content)]),
            read: map(read),
            ..Stamp::default()
        };
        Outputs::of(&directory).finish(&directory.join("work"), &stamp).unwrap();
    }

    /// A candidate and the medium made of it.
    fn made(&self, digest: &str, packages: &[(&str, &str)], medium: &str) {
        let work = self.path("var/lamplighter/merger/default/work");
        let repository = Repository::create(&work.join("repo")).unwrap();
        let batch = repository.batch().unwrap();
        for (name, value) in packages {
            let fmri = Fmri::parse(name).unwrap();
            let body = format!("set name=x value={value}");
            let text = Manifest::parse(&body).unwrap().with_fmri(&fmri).to_string();
            batch.append(&fmri, &text, |_| Err(std::io::Error::other("none"))).unwrap();
        }
        batch.commit(Timestamp::from_seconds(0)).unwrap();
        self.finish("merger", digest, digest, &[]);
        let work = self.path("var/lamplighter/imager/default/work");
        fs::create_dir_all(&work).unwrap();
        fs::write(work.join("tiny.iso"), medium).unwrap();
        fs::write(work.join("boot-test.log"), "booted").unwrap();
        self.finish("imager", &format!("i-{digest}"), "", &[("merger", digest)]);
    }

    fn run(&self) -> (i32, String) {
        let path = std::env::var("PATH").unwrap();
        let said = Command::new(env!("CARGO_BIN_EXE_builder-release"))
            .env("SMF_FMRI", "svc:/application/builder/release:default")
            .env("SMF_ROOT", self.0.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .output()
            .unwrap();
        (said.status.code().unwrap_or(-1), String::from_utf8(said.stderr).unwrap())
    }

    #[track_caller]
    fn does(&self, text: &str) {
        let (status, log) = self.run();
        assert!(status == 0 && log.contains(text), "{text} is not in {log} ({status})");
    }

    fn names(&self) -> Vec<String> {
        let release = Repository::open(&self.release("repo")).unwrap();
        let mut names: Vec<String> =
            release.packages().unwrap().iter().map(Fmri::to_string).collect();
        names.sort();
        names
    }
}

const FIRST: &str = "pkg://p.example/a@1,5.11:20260101T000000Z";
const LATER: &str = "pkg://p.example/a@1,5.11:20260101T000001Z";

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[test]
fn history_is_appended_to() {
    let world = World::new();
    world.made("m1", &[(FIRST, "1")], "one");
    world.does("builder/release: finished out/");
    assert_eq!(world.names(), [FIRST]);
    let medium = world.release("media/tiny.iso");
    assert_eq!(fs::read_to_string(&medium).unwrap(), "one");
    assert_eq!(fs::read_dir(world.release("media")).unwrap().count(), 1);
    let orders = fs::read_to_string(world.path("orders")).unwrap();
    assert_eq!(orders, "refresh svc:/application/pkg/server:release\n");
    world.does("up to date");

    let before = inode(&medium);
    world.made("m2", &[(LATER, "2")], "one");
    world.does("finished");
    assert_eq!(world.names(), [FIRST, LATER]);
    assert_eq!(inode(&medium), before, "the same medium is left alone");
    world.made("m3", &[(LATER, "2")], "two");
    world.does("finished");
    assert_eq!(fs::read_to_string(&medium).unwrap(), "two");
}

#[test]
fn what_is_said_of_media_lies_beside_them() {
    let world = World::new();
    let work = world.path("var/lamplighter/imager/default/work");
    let made = |digest: &str, documents: &[&str]| {
        fs::create_dir_all(&work).unwrap();
        documents.iter().for_each(|name| fs::write(work.join(name), digest).unwrap());
        world.made(digest, &[(FIRST, "1")], "one");
        world.does("finished");
    };
    let there = || {
        let entries = fs::read_dir(world.release("media")).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    made("m1", &["tiny.facts.json", "tiny.intoto.jsonl", "tiny.provenance.json", "tiny.qcow2"]);
    let all =
        ["tiny.facts.json", "tiny.intoto.jsonl", "tiny.iso", "tiny.provenance.json", "tiny.qcow2"];
    assert_eq!(there(), all);
    // Not signed any more: the former signature is of another statement.
    made("m2", &["tiny.provenance.json"]);
    assert!(!there().contains(&"tiny.intoto.jsonl".to_owned()), "{:?}", there());
    assert_eq!(fs::read_to_string(world.release("media/tiny.provenance.json")).unwrap(), "m2");
}

#[test]
fn one_name_one_content_for_ever() {
    let world = World::new();
    world.made("m1", &[(FIRST, "1")], "one");
    world.does("finished");
    world.made("m2", &[(FIRST, "other"), (LATER, "2")], "two");
    let (status, log) = world.run();
    assert!(status == 95 && log.contains(FIRST), "{log}");
    assert_eq!(world.names(), [FIRST], "nothing of a refused candidate is released");
    assert_eq!(fs::read_to_string(world.release("media/tiny.iso")).unwrap(), "one");
}

#[test]
fn what_was_lost_is_released_again() {
    let world = World::new();
    world.made("m1", &[(FIRST, "1")], "one");
    world.does("finished");
    fs::remove_file(world.release("media/tiny.iso")).unwrap();
    world.does("finished");
    fs::remove_dir_all(world.release("repo")).unwrap();
    world.does("finished");
    assert_eq!(world.names(), [FIRST]);
    assert!(world.release("media/tiny.iso").exists());
}

#[test]
fn the_platform_comes_with_the_media_of_the_same_builders() {
    let world = World::new();
    // The candidate is of builder:illumos b1.
    let of = |digest: &str| [("builder:illumos".to_owned(), digest.to_owned())];
    let platform = |digest: &str, builder: &str| {
        let work = world.path("var/lamplighter/live/default/work");
        fs::create_dir_all(work.join("platform-S")).unwrap();
        fs::write(work.join("platform-S.tgz"), digest).unwrap();
        world.finish("live", digest, "", &[("builder:illumos", builder)]);
    };
    world.made("m1", &[(FIRST, "1")], "one");
    let merger = Outputs::of(&world.path("var/lamplighter/merger/default"));
    let stamp = Stamp {
        stage: "merger".into(),
        digest: "m1".into(),
        outputs: [("repo".to_owned(), "m1".to_owned())].into(),
        read: of("b1").into(),
        ..Stamp::default()
    };
    let work = world.path("var/lamplighter/merger/default/work");
    fs::rename(world.path("var/lamplighter/merger/default/out/m1"), &work).unwrap();
    merger.finish(&work, &stamp).unwrap();
    let there = || fs::read_to_string(world.release("media/platform-S.tgz")).ok();

    platform("l1", "b1");
    world.does("finished");
    assert_eq!(there(), None, "live is not online");
    let properties = fs::read_to_string(world.path("properties")).unwrap();
    let online = "restarter/state astring online\nrestarter/next_state astring none\n";
    fs::write(world.path("properties"), properties + online).unwrap();
    world.does("finished");
    assert_eq!(there().as_deref(), Some("l1"));
    world.does("up to date");
    platform("l2", "b2");
    world.does("the platform is of another builder:illumos than the candidate: left out");
    assert_eq!(there().as_deref(), Some("l1"));
    platform("l3", "b1");
    world.does("finished");
    assert_eq!(there().as_deref(), Some("l3"));
}

#[test]
fn released_is_what_was_imaged() {
    let world = World::new();
    world.made("m1", &[(FIRST, "1")], "one");
    // The merger is ahead of the imager.
    let work = world.path("var/lamplighter/merger/default/work");
    Repository::create(&work.join("repo")).unwrap();
    world.finish("merger", "m2", "m2", &[]);
    world.does("finished");
    assert_eq!(world.names(), [FIRST]);
}
