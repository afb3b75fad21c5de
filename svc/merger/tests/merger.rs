//! The merger as SMF starts it, with scripts for SMF's commands.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ips_model::{Fmri, Manifest, Timestamp};
use ips_repository::Repository;
use stage::{Outputs, Stamp};

struct World(tempfile::TempDir);

const BUILDERS: &str = "builders/entities fmri svc:/application/builder:one svc:/application/builder:two\n\
     builders/grouping astring require_all\n";

impl World {
    fn new() -> World {
        let world = World(tempfile::tempdir().unwrap());
        fs::create_dir(world.path("bin")).unwrap();
        let script = world.path("bin/svcprop");
        fs::write(&script, "#!/bin/sh\ncat \"$SMF_ROOT/properties\"\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        world.configure("");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn configure(&self, lines: &str) {
        fs::write(self.path("properties"), format!("{BUILDERS}{lines}")).unwrap();
    }

    /// An output of a builder.
    fn built(&self, builder: &str, digest: &str, packages: &[(&str, &str)]) {
        let directory = self.path("var/lamplighter/builder").join(builder);
        let work = directory.join("work");
        let repository = Repository::create(&work.join("repo")).unwrap();
        let batch = repository.batch().unwrap();
        let mut content = String::new();
        for (name, body) in packages {
            let fmri = Fmri::parse(name).unwrap();
            let text = Manifest::parse(body).unwrap().with_fmri(&fmri).to_string();
            content += &text;
            let none = |_: &str| Err(std::io::Error::other("no payload"));
            batch.append(&fmri, &text, none).unwrap();
        }
        batch.commit(Timestamp::from_seconds(0)).unwrap();
        let stamp = Stamp {
            stage: format!("builder:{builder}"),
            digest: digest.into(),
            outputs: [("repo".to_string(), stage::recipe::sha256(content.as_bytes()))].into(),
            source_date: Some(7),
            ..Stamp::default()
        };
        Outputs::of(&directory).finish(&work, &stamp).unwrap();
    }

    fn run(&self) -> (i32, String) {
        let path = std::env::var("PATH").unwrap();
        let said = Command::new(env!("CARGO_BIN_EXE_merger"))
            .env("SMF_FMRI", "svc:/application/merger:default")
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

    fn current(&self) -> PathBuf {
        fs::canonicalize(self.path("var/lamplighter/merger/default/current")).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let candidate = Repository::open(&self.current().join("repo")).unwrap();
        let mut names: Vec<String> =
            candidate.packages().unwrap().iter().map(Fmri::to_string).collect();
        names.sort();
        names
    }
}

const A: &str = "pkg://one.example/a@1,5.11:20260101T000000Z";
const B: &str = "pkg://two.example/b@1,5.11:20260102T000000Z";

fn bytes(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes(&path, found);
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
}

#[test]
fn one_candidate_and_again_only_when_contents_change() {
    let world = World::new();
    let depend = "depend type=require fmri=pkg://one.example/a@1";
    world.built("one", "o1", &[(A, "set name=x value=1")]);
    let (status, log) = world.run();
    assert!(status == 95 && log.contains("builder/two has no output yet"), "{log}");
    world.built("two", "t1", &[(B, depend)]);
    world.does("merger: finished out/");
    assert_eq!(world.names(), [A, B]);
    let stamp = fs::read_to_string(world.current().join("stamp")).unwrap();
    for text in ["\"builder:one\": \"o1\"", "\"builder:two\": \"t1\"", "\"source_date\": 7"] {
        assert!(stamp.contains(text), "{text} is not in {stamp}");
    }
    world.does("up to date");

    // Built again, and nothing new came of it.
    world.built("one", "o2", &[(A, "set name=x value=1")]);
    world.does("up to date");

    // The same inputs give the same bytes.
    let (mut before, mut after) = (Vec::new(), Vec::new());
    bytes(&world.current().join("repo"), &mut before);
    fs::remove_dir_all(world.path("var/lamplighter/merger")).unwrap();
    world.does("merger: finished out/");
    bytes(&world.current().join("repo"), &mut after);
    assert_eq!(before, after);
}

#[test]
fn one_publisher() {
    let world = World::new();
    world.built("one", "o1", &[(A, "set name=x value=1")]);
    world.built("two", "t1", &[(B, "depend type=require fmri=pkg://one.example/a@1")]);
    world.configure("merge/publisher astring all.example\n");
    world.does("finished");
    assert_eq!(
        world.names(),
        [A, B].map(|name| {
            let (_, rest) = name.strip_prefix("pkg://").unwrap().split_once('/').unwrap();
            format!("pkg://all.example/{rest}")
        })
    );
    let candidate = Repository::open(&world.current().join("repo")).unwrap();
    assert_eq!(candidate.default_publisher().unwrap().as_deref(), Some("all.example"));
    let text = candidate.manifest_text(&Fmri::parse(&world.names()[1]).unwrap()).unwrap();
    assert!(text.contains("fmri=pkg://all.example/a@1"), "{text}");
}

#[test]
fn what_cannot_be_merged() {
    let world = World::new();
    world.built("one", "o1", &[(A, "set name=x value=1")]);
    world.built("two", "t1", &[(A, "set name=x value=2")]);
    let (status, log) = world.run();
    assert!(status == 95 && log.contains("disagree about its contents"), "{log}");
    assert!(!world.path("var/lamplighter/merger/default/current").exists());
    world.configure("merge/publisher astring -\n");
    assert_eq!(world.run().0, 96);
    fs::write(world.path("properties"), "").unwrap();
    let (status, log) = world.run();
    assert!(status == 96 && log.contains("depends on no builder"), "{log}");
}
