//! The stage as SMF starts it, with scripts for SMF's commands and an output in the builder's place.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::Yard;
use stage::{Outputs, Stamp};

/// The time of the builder's sources, as [`common::STAMP`] says it.
const DATE: i64 = 1_299_547_425;

struct World {
    yard: Yard,
}

impl World {
    fn new() -> World {
        let world = World { yard: Yard::new() };
        world.yard.script("bin/svcprop", "#!/bin/sh\ncat \"$SMF_ROOT/properties\"\n");
        world.yard.script("bin/svcadm", "#!/bin/sh\n");
        world.built("one");
        world
    }

    fn configure(&self, lines: &[&str]) {
        let path = |name: &str| self.yard.path(name).display().to_string();
        let mut text = format!(
            "general/enabled boolean true\nbuilders/grouping astring require_all\n\
             builders/entities fmri svc:/application/builder:illumos\n\
             live/manifest astring {}\nlive/overlay astring {}\nlive/man astring {}\n",
            path("manifest"),
            path("overlay"),
            path("projects/opensolaris-man")
        );
        lines.iter().for_each(|line| text += &format!("{line}\n"));
        fs::write(self.yard.path("properties"), text).unwrap();
    }

    /// The proto area becomes an output of a builder.
    fn built(&self, digest: &str) {
        let builder = self.yard.path("var/lamplighter/builder/illumos");
        let work = builder.join("work");
        for (path, bytes) in common::files(&self.yard.path("proto")) {
            let path = work.join("proto").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let stamp = Stamp {
            stage: "builder:illumos".to_owned(),
            version: "1".to_owned(),
            digest: digest.to_owned(),
            inputs: BTreeMap::new(),
            outputs: [("proto".to_owned(), digest.to_owned())].into(),
            read: BTreeMap::new(),
            source_date: Some(DATE),
        };
        Outputs::of(&builder).finish(&work, &stamp).unwrap();
    }

    fn current(&self, name: &str) -> PathBuf {
        self.yard.path("var/lamplighter/live/default/current").join(name)
    }

    /// Status and log.
    fn run(&self) -> (i32, String) {
        let path = std::env::var("PATH").unwrap();
        let said = Command::new(env!("CARGO_BIN_EXE_live-stage"))
            .env("SMF_FMRI", "svc:/application/live:default")
            .env("SMF_ROOT", self.yard.path(""))
            .env("PATH", format!("{}:{path}", self.yard.path("bin").display()))
            .output()
            .unwrap();
        (said.status.code().unwrap_or(-1), String::from_utf8(said.stderr).unwrap())
    }

    #[track_caller]
    fn does(&self, status: i32, text: &str) -> String {
        let (ended, log) = self.run();
        assert_eq!(ended, status, "{log}");
        assert!(log.lines().last().unwrap().contains(text), "{text} is not the end of {log}");
        log
    }
}

#[test]
fn a_platform_of_the_builders_proto_areas() {
    let world = World::new();
    let delivered = format!("live/output astring {}", world.yard.path("delivered").display());
    world.configure(&[&delivered]);
    let log = world.does(0, "/delivered");
    assert!(log.contains("finished out/"), "{log}");
    let name = format!("platform-{}", common::STAMP);
    assert!(world.current(&name).join("i86pc/amd64/boot_archive").is_file());
    let tgz = format!("{name}.tgz");
    let (made, copy) = (world.current(&tgz), world.yard.path("delivered").join(&tgz));
    assert!(fs::read(made).unwrap() == fs::read(copy).unwrap());
    let log = fs::read_to_string(world.current("build_live.log")).unwrap();
    assert!(log.contains("OK[P] - FILE: usr/bin/su\n"), "{log}");

    world.does(0, "up to date (out/");
    world.yard.write("overlay/etc/motd", b"Another\n");
    world.does(0, "/delivered");
    world.yard.write("proto/usr/bin/su", b"newer");
    world.built("two");
    let log = world.does(0, "/delivered");
    assert!(log.contains("finished out/"), "{log}");
    let mut archive = common::unpacked(&world.current(&name).join("i86pc/amd64/boot_archive"));
    let inside = common::contents(&mut archive);
    assert_eq!(
        (inside["usr/bin/su"].3.as_str(), inside["etc/motd"].3.as_str()),
        ("newer", "Another\n")
    );
    assert_eq!(
        fs::read_dir(world.current("../../output")).unwrap().count(),
        1,
        "nothing is kept twice"
    );
}

#[test]
fn the_last_line_says_why() {
    let world = World::new();
    world.configure(&[]);
    world.yard.manifest("f usr/bin/sux 0555 root bin\n");
    let log = world.does(95, "; log: ");
    let last = log.lines().last().unwrap();
    for part in ["live: ", "f usr/bin/sux: not at ", "; there is usr/bin/su;"] {
        assert!(last.contains(part), "{part}: {last}");
    }
    for (line, text) in [
        ("live/archive astring zip", "live/archive: zip: boot archives are ufs or ufs+usr-lofi"),
        ("live/media astring dvd", "live/media: dvd: media are iso and usb"),
        ("live/buildstamp astring now", "live/buildstamp: build stamp \"now\" is not"),
        ("live/customize astring /no/such", "live/customize: /no/such: No such file"),
    ] {
        world.configure(&[line]);
        world.does(96, text);
    }
}
