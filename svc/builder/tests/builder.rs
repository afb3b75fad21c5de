//! The builder as SMF starts it, with scripts for SMF's commands; gates bring ready packages and
//! copy them, so no other program of ours is needed.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ips_model::{Fmri, Manifest, Timestamp};
use ips_repository::{Repository, Sources};

struct World {
    directory: tempfile::TempDir,
}

fn publish(path: &Path, packages: &[(&str, &str)]) {
    let repository = Repository::create(path).unwrap();
    repository.add_publisher("p.example", Timestamp::from_seconds(0)).unwrap();
    let proto = path.with_extension("proto");
    fs::create_dir_all(&proto).unwrap();
    let batch = repository.batch().unwrap();
    for (name, text) in packages {
        fs::write(proto.join(name), text).unwrap();
        let manifest = format!(
            "set name=pkg.fmri value=pkg://p.example/{name}@1.0\n\
             file {name} path={name} mode=0644 owner=root group=bin\n"
        );
        let manifest = Manifest::parse(&manifest).unwrap();
        let sources = Sources { folders: vec![proto.clone()], timestamps: Vec::new() };
        batch.publish(&manifest, &sources, Timestamp::from_seconds(1_000_000)).unwrap();
    }
    batch.commit(Timestamp::from_seconds(1_000_000)).unwrap();
    fs::remove_dir_all(proto).unwrap();
}

impl World {
    fn new() -> World {
        let world = World { directory: tempfile::tempdir().unwrap() };
        fs::create_dir_all(world.path("bin")).unwrap();
        for (name, text) in [
            ("svcprop", "for last do :; done; cat \"$SMF_ROOT/${last##*:}\""),
            ("svcadm", "echo \"$@\" >> \"$SMF_ROOT/svcadm.log\""),
        ] {
            let path = world.path("bin").join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        world
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    fn stage(&self, instance: &str) -> PathBuf {
        self.path("var/lamplighter/builder").join(instance)
    }

    /// A gate that publishes what its `packages.source` holds.
    fn gate(&self, name: &str, packages: &[(&str, &str)]) -> PathBuf {
        let gate = self.path(&format!("gates/{name}"));
        let _ = fs::remove_dir_all(gate.join("ready"));
        fs::create_dir_all(&gate).unwrap();
        fs::write(gate.join(".source-date"), "1000000\n").unwrap();
        publish(&gate.join("ready"), packages);
        let nightly = "set -e\nmkdir -p packages proto/root_i386/usr/include\n\
                       cp -R ready packages/repo\necho \"$SOURCE_DATE_EPOCH\" > proto/date\n\
                       env | sort > proto/root_i386/env\n\
                       echo '#define X' > proto/root_i386/usr/include/x.h\n";
        fs::write(gate.join("nightly"), nightly).unwrap();
        gate
    }

    fn configure(&self, instance: &str, lines: &[&str]) {
        let mut text = "general/enabled boolean true\nbuild/repository astring packages/repo\n\
                        build/command astring sh\\ ./nightly\nbuild/proto astring \"\"\n\
                        build/depot fmri svc:/application/pkg/server:x\n"
            .to_string();
        lines.iter().for_each(|line| text += &format!("{line}\n"));
        fs::write(self.path(instance), text).unwrap();
    }

    fn run(&self, instance: &str) -> (i32, String) {
        let path = std::env::var("PATH").unwrap();
        let said = Command::new(env!("CARGO_BIN_EXE_builder"))
            .env("SMF_FMRI", format!("svc:/application/builder:{instance}"))
            .env("SMF_ROOT", self.directory.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .output()
            .unwrap();
        (said.status.code().unwrap_or(-1), String::from_utf8(said.stderr).unwrap())
    }

    #[track_caller]
    fn does(&self, instance: &str, text: &str) {
        let (status, log) = self.run(instance);
        assert_eq!(status, 0, "{log}");
        assert!(log.lines().last().unwrap().contains(text), "{text} is not the end of {log}");
    }

    fn names(&self, instance: &str) -> Vec<String> {
        let repository = Repository::open(&self.stage(instance).join("current/repo")).unwrap();
        let mut names: Vec<String> =
            repository.packages().unwrap().iter().map(Fmri::to_string).collect();
        names.sort();
        names
    }
}

fn gate_line(gate: &Path) -> String {
    format!("build/gate astring {}", gate.display())
}

const FIRST: &str = "pkg://p.example/hello@1.0,5.11:19700112T134640Z";

#[test]
fn built_once_changed_and_named_anew() {
    let world = World::new();
    let gate = world.gate("one", &[("hello", "hello"), ("other", "other")]);
    world.configure("one", &[&gate_line(&gate), "build/environment astring A=1\\ 2"]);
    world.does("one", "finished out/");
    assert_eq!(world.names("one")[0], FIRST);
    let refreshed = fs::read_to_string(world.path("svcadm.log")).unwrap();
    assert_eq!(refreshed, "refresh svc:/application/pkg/server:x\n");
    let environment = world.stage("one").join("current/proto/env");
    let environment = fs::read_to_string(environment).unwrap();
    for line in ["A=1 2", "GATE=one", "LC_ALL=C", "SOURCE_DATE_EPOCH=1000000", "TZ=UTC"] {
        assert!(environment.lines().any(|text| text == line), "{line}\n{environment}");
    }
    assert!(!environment.contains("SMF_"), "{environment}");
    world.does("one", "up to date (out/");

    // Other contents, the same sources' time: a second later, the other package as it was.
    world.gate("one", &[("hello", "HELLO"), ("other", "other")]);
    world.does("one", "finished out/");
    let names = world.names("one");
    assert_eq!(names[0], FIRST.replace("40Z", "41Z"));
    assert_eq!(names[1], "pkg://p.example/other@1.0,5.11:19700112T134640Z");

    // Back again: the first output is still there, and nothing later was released.
    world.gate("one", &[("hello", "hello"), ("other", "other")]);
    world.does("one", "up to date (out/");
    assert_eq!(world.names("one")[0], FIRST);

    // But when the later one is released, what went back must overtake it.
    publish(&world.path("var/lamplighter/release/default/repo"), &[("unrelated", "x")]);
    let release = Repository::open(&world.path("var/lamplighter/release/default/repo")).unwrap();
    let batch = release.batch().unwrap();
    let later = Fmri::parse(&FIRST.replace("40Z", "41Z")).unwrap();
    let manifest = Manifest::parse("set name=x value=HELLO").unwrap().with_fmri(&later);
    let none = |_: &str| Err(std::io::Error::other("none"));
    batch.append(&later, &manifest.to_string(), none).unwrap();
    batch.commit(Timestamp::from_seconds(2_000_000)).unwrap();
    world.does("one", "finished out/");
    assert_eq!(world.names("one")[0], FIRST.replace("40Z", "42Z"));
    world.does("one", "up to date (out/");
    assert_eq!(world.names("one")[0], FIRST.replace("40Z", "42Z"));
}

#[test]
fn a_failing_build_names_the_first_error() {
    let world = World::new();
    let gate = world.gate("one", &[("hello", "hello")]);
    world.configure("one", &[&gate_line(&gate)]);
    let script = "echo cc\necho 'usr/true.c:5:2: error: bad' >&2\necho 'make: *** [x] Error 1'\n\
                  sleep 600 &\nexit 2\n";
    fs::write(gate.join("nightly"), script).unwrap();
    let (status, log) = world.run("one");
    assert_eq!(status, 95, "{log}");
    assert_eq!(log.lines().last(), Some("builder:one: usr/true.c:5:2: error: bad"));
    assert!(log.contains("\nmake: *** [x] Error 1\n"), "{log}");
    assert!(!world.stage("one").join("current").exists());

    fs::write(gate.join("nightly"), "echo it cannot be done; exit 1\n").unwrap();
    let (status, log) = world.run("one");
    assert_eq!((status, log.lines().last()), (95, Some("builder:one: it cannot be done")));
    fs::write(gate.join("nightly"), "true\n").unwrap();
    let (status, log) = world.run("one");
    assert!(status == 95 && log.contains("left no repository"), "{log}");
}

#[test]
fn bad_configuration() {
    let world = World::new();
    let gate = gate_line(&world.gate("one", &[("hello", "hello")]));
    for (lines, text) in [
        (vec!["build/gate astring /no/where"], "/no/where: no such directory"),
        (vec![], "build/gate is not set"),
        (vec![gate.as_str(), "build/environment astring X"], "\"X\": not NAME=value"),
        (vec![gate.as_str(), "build/proto astring ../x"], "not a path within the workspace"),
        (vec![gate.as_str(), "build/in_place boolean true"], "only git can tell"),
        (vec![gate.as_str(), "build/inputs astring /no/input"], "/no/input"),
        (vec!["build/gate astring file://elsewhere/x"], "not the URI of a local file"),
    ] {
        world.configure("one", &lines);
        let (status, log) = world.run("one");
        assert_eq!(status, 96, "{log}");
        assert!(log.lines().last().unwrap().contains(text), "{text} is not in {log}");
    }
}

#[test]
fn an_earlier_gates_proto_area_counts_where_it_is_read() {
    let world = World::new();
    let one = world.gate("one", &[("hello", "hello")]);
    world.configure("one", &[&gate_line(&one)]);
    let two = world.gate("two", &[("two", "two")]);
    let depends =
        "one/entities fmri svc:/application/builder:one\none/grouping astring require_all";
    let reads = "build/reads astring one:usr/include/**";
    world.configure("two", &[&gate_line(&two), depends, reads]);
    let (status, log) = world.run("two");
    assert!(status == 95 && log.contains("builder/one has no output yet"), "{log}");
    world.does("one", "finished out/");
    world.does("two", "finished out/");
    let environment = fs::read_to_string(world.stage("two").join("current/proto/env")).unwrap();
    let proto = fs::canonicalize(world.stage("one").join("current")).unwrap().join("proto");
    assert!(environment.contains(&format!("PROTO_ONE={}\n", proto.display())), "{environment}");

    // What is not read: cut off.  What is: built.
    let nightly = fs::read_to_string(one.join("nightly")).unwrap();
    fs::write(one.join("nightly"), format!("{nightly}echo x > proto/root_i386/other\n")).unwrap();
    world.does("one", "finished out/");
    world.does("two", "up to date (out/");
    fs::write(one.join("nightly"), nightly.replace("#define X", "#define Y")).unwrap();
    world.does("one", "finished out/");
    world.does("two", "finished out/");
    let stamp = fs::read_to_string(world.stage("two").join("current/stamp")).unwrap();
    assert!(stamp.contains("\"builder:one\""), "{stamp}");
}

#[test]
fn a_gate_that_is_a_repository() {
    let world = World::new();
    let gate = world.path("published");
    publish(&gate, &[("hello", "hello"), ("other", "other")]);
    let line = format!("build/gate astring file://{}", gate.display());
    world.configure("one", &[&line, "build/packages astring hello"]);
    world.does("one", "finished out/");
    assert_eq!(world.names("one"), [FIRST]);
    world.does("one", "up to date (out/");
    world.configure("one", &[&line, "build/packages astring \\*"]);
    let (status, log) = world.run("one");
    assert_eq!(status, 0, "{log}");
    assert!(log.contains("2 packages, 1 of them new"), "{log}");
    assert_eq!(world.names("one").len(), 2);
    world.configure("one", &[&line, "build/packages astring pkg://elsewhere.example/x"]);
    let (status, log) = world.run("one");
    assert!(status == 95 && log.lines().last().unwrap().contains("elsewhere.example"), "{log}");
    assert_eq!(world.names("one").len(), 2, "what was there is still there");
}

#[test]
fn built_in_place() {
    let world = World::new();
    let gate = world.gate("one", &[("hello", "hello")]);
    fs::write(gate.join(".gitignore"), "/packages\n/proto\n").unwrap();
    fs::write(
        gate.join("nightly"),
        "set -e\nrm -rf packages\nmkdir -p packages proto/root_i386\ncp -R ready packages/repo\n",
    )
    .unwrap();
    let git = Command::new("git").arg("init").arg("-q").arg(&gate).status().unwrap();
    assert!(git.success());
    world.configure("one", &[&gate_line(&gate), "build/in_place boolean true"]);
    world.does("one", "finished out/");
    assert!(gate.join("packages/repo").exists() && !world.stage("one").join("ws").exists());
    world.does("one", "up to date (out/");
    fs::write(gate.join("nightly"), "set -e\necho x > new-source\n").unwrap();
    let (status, log) = world.run("one");
    assert!(status == 95 && log.contains("the gate changed while it was built"), "{log}");
}
