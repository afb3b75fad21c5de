//! The switch, with scripts for SMF's commands.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Each instance is a file named as the instance; `svcadm` writes into it, and a stage that works
/// takes one `svcprop -w` to be out.
const SVCPROP: &str = r#"
for last do :; done
name=${last##*:}
case "$1" in
-w) echo "restarter/state astring disabled" > "$SMF_ROOT/$name"; exit 0 ;;
esac
cat "$SMF_ROOT/$name""#;
const SVCADM: &str = r#"
echo "$*" >> "$SMF_ROOT/orders"
case "$3" in *:gone) echo "svcadm: Pattern '$3' doesn't match any instances" >&2; exit 1 ;; esac"#;

struct World(tempfile::TempDir);

impl World {
    fn new(stages: &str) -> World {
        let world = World(tempfile::tempdir().unwrap());
        fs::create_dir(world.path("bin")).unwrap();
        for (name, text) in [("svcprop", SVCPROP), ("svcadm", SVCADM)] {
            let path = world.path("bin").join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(world.path("default"), format!("pipeline/stages fmri {stages}\n")).unwrap();
        for (name, state) in [("out", "disabled"), ("works", "offline")] {
            let next = if name == "works" { "online" } else { "none" };
            let text =
                format!("restarter/state astring {state}\nrestarter/next_state astring {next}\n");
            fs::write(world.path(name), text).unwrap();
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, method: &[&str]) -> (Option<i32>, String, String) {
        let path = std::env::var("PATH").unwrap();
        let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_builder-pipeline"))
            .args(method)
            .env("SMF_FMRI", "svc:/application/builder/pipeline:default")
            .env("SMF_ROOT", self.0.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .output()
            .unwrap();
        let orders = fs::read_to_string(self.path("orders")).unwrap_or_default();
        (status.code(), String::from_utf8(stderr).unwrap(), orders)
    }
}

#[test]
fn start_orders_and_returns() {
    let world = World::new("svc:/x:out svc:/x:works");
    let orders = "enable -t svc:/x:out\nenable -t svc:/x:works\n";
    assert_eq!(world.run(&["start"]), (Some(0), String::new(), orders.into()));
}

#[test]
fn stop_waits_until_all_are_out() {
    let world = World::new("svc:/x:works svc:/x:out");
    let orders = "disable -t svc:/x:works\ndisable -t svc:/x:out\n";
    assert_eq!(world.run(&["stop"]), (Some(0), String::new(), orders.into()));
    assert!(fs::read_to_string(world.path("works")).unwrap().contains("disabled"));
}

#[test]
fn one_that_is_gone_is_named_and_the_others_are_ordered() {
    let world = World::new("svc:/x:gone svc:/x:out");
    let (status, log, orders) = world.run(&["start"]);
    assert_eq!(status, Some(96));
    assert!(log.contains("'svc:/x:gone' doesn't match any instances"), "{log}");
    assert_eq!(orders, "enable -t svc:/x:gone\nenable -t svc:/x:out\n");
    assert_eq!(World::new("").run(&["start"]).0, Some(96));
    assert_eq!(world.run(&[]).0, Some(96));
}
