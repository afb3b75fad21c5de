//! events.rs - commands that wait: for what a restarter writes, and for nothing else; and commands
//! when nobody serves; and how much a command has itself told.
//!
//! The restarter is this test: it writes a state when it likes to.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use smf_configd::{Host, Repository};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};

const FMRI: &str = "svc:/site/one:default";

struct World {
    root: tempfile::TempDir,
    host: Option<Host>,
}

fn property(kind: &str, value: &str) -> Property {
    Property { kind: kind.into(), values: vec![value.into()] }
}

fn repository(root: &Path) -> Repository {
    let volatile = root.join("etc/svc/volatile");
    std::fs::create_dir_all(&volatile).unwrap();
    let lasting = root.join("etc/svc/repository.db");
    Repository::open(&lasting, &volatile.join("svc_nonpersist.db")).unwrap()
}

impl World {
    /// One instance, disabled.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(repository(root.path())).unwrap();
        let door = root.path().join("etc/svc/volatile/repository_door");
        host.serve(&door, root.path()).unwrap();
        let world = Self { root, host: Some(host) };
        let group = |volatile| Group { kind: "framework".into(), volatile, ..Group::default() };
        let add =
            |name: &str, volatile| Operation::AddGroup(FMRI.into(), name.into(), group(volatile));
        world.write(vec![
            Operation::Add("svc:/site/one".into()),
            Operation::Add(FMRI.into()),
            add("general", false),
            add("restarter", true),
            add("config", false),
        ]);
        world.set("general", "enabled", "boolean", "false");
        world.set("config", "port", "count", "80");
        world.state("disabled", "none");
        world
    }

    fn write(&self, operations: Vec<Operation>) {
        self.host.as_ref().unwrap().update(|_| operations).unwrap();
    }

    fn set(&self, group: &str, name: &str, kind: &str, value: &str) {
        let value = property(kind, value);
        self.write(vec![Operation::Set(FMRI.into(), group.into(), name.into(), value)]);
    }

    fn state(&self, state: &str, next: &str) {
        self.set("restarter", "next_state", "astring", next);
        self.set("restarter", "state", "astring", state);
    }

    fn start(&self, command: &str) -> Child {
        let programs = Path::new(env!("CARGO_BIN_EXE_svcs")).parent().unwrap();
        Command::new("/bin/sh")
            .args(["-c", &format!("exec {command}")])
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .env("SMF_ROOT", self.root.path())
            .env("LC_ALL", "C")
            .env_remove("LIBSCF_DOORPATH")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn run(&self, command: &str) -> (String, String, i32) {
        said(self.start(command).wait_with_output().unwrap())
    }

    /// Waits until the general group says what the command was to store.
    fn until_stored(&self, enabled: &str) {
        let start = Instant::now();
        while self.run(&format!("svcprop -c -p general/enabled {FMRI}")).0.trim() != enabled {
            assert!(start.elapsed() < Duration::from_secs(60), "the order is not stored");
        }
    }
}

fn said(output: Output) -> (String, String, i32) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// The time a process has run on a processor, in ticks.
fn processor_ticks(child: &Child) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn enable_waits_for_the_state() {
    for (states, expected, status) in [
        (&[("offline", "none"), ("offline", "online"), ("online", "none")][..], "", 0),
        (&[("offline", "online"), ("degraded", "none")], "", 0),
        (
            &[("offline", "online"), ("maintenance", "none")],
            "svcadm: Instance \"svc:/site/one:default\" is in maintenance state.\n",
            3,
        ),
    ] {
        let world = World::new();
        let mut child = world.start("svcadm enable -s one");
        world.until_stored("true");
        for (state, next) in states {
            assert!(child.try_wait().unwrap().is_none(), "{states:?}: it did not wait");
            world.state(state, next);
        }
        let (out, err, got) = said(child.wait_with_output().unwrap());
        assert_eq!((out.as_str(), err.as_str(), got), ("", expected, status), "{states:?}");
    }
}

#[test]
fn another_entity_may_change_its_mind() {
    let world = World::new();
    let child = world.start("svcadm enable -s one");
    world.until_stored("true");
    world.set("general", "enabled", "boolean", "false");
    let (_, err, status) = said(child.wait_with_output().unwrap());
    let expected =
        "svcadm: Instance \"svc:/site/one:default\" has been disabled by another entity.\n";
    assert_eq!((err.as_str(), status), (expected, 3));

    world.set("general", "enabled", "boolean", "true");
    world.state("online", "none");
    let child = world.start("svcadm disable -s one");
    world.until_stored("false");
    world.set("general", "enabled", "boolean", "true");
    let (_, err, status) = said(child.wait_with_output().unwrap());
    let expected =
        "svcadm: Instance \"svc:/site/one:default\" has been enabled by another entity.\n";
    assert_eq!((err.as_str(), status), (expected, 3));
}

#[test]
fn disable_ends_with_disabled_only() {
    let world = World::new();
    world.set("general", "enabled", "boolean", "true");
    world.state("online", "none");
    let mut child = world.start("svcadm disable -s one");
    world.until_stored("false");
    for (state, next) in
        [("online", "disabled"), ("maintenance", "none"), ("uninitialized", "none")]
    {
        world.state(state, next);
        assert!(child.try_wait().unwrap().is_none(), "{state} is not disabled");
    }
    world.state("disabled", "none");
    assert_eq!(said(child.wait_with_output().unwrap()), (String::new(), String::new(), 0));
}

#[test]
fn who_waits_sleeps() {
    let world = World::new();
    let mut child = world.start("svcadm enable -s -T 3 one");
    world.until_stored("true");
    world.state("offline", "online");
    // It has seen the last change when it does no more.
    let mut before = processor_ticks(&child);
    let quiet = Duration::from_millis(300);
    let mut since = Instant::now();
    let start = Instant::now();
    while since.elapsed() < quiet && start.elapsed() < Duration::from_secs(2) {
        let now = processor_ticks(&child);
        if now != before {
            (before, since) = (now, Instant::now());
        }
        std::thread::yield_now();
    }
    assert!(child.try_wait().unwrap().is_none());
    assert!(since.elapsed() >= quiet, "it works while nothing changes");
    let (_, err, status) = said(child.wait_with_output().unwrap());
    assert_eq!(err, "svcadm: Timed out waiting for instance \"svc:/site/one:default\".\n");
    assert_eq!(status, 5);
}

#[test]
fn svcprop_waits_for_a_change_of_the_group() {
    let world = World::new();
    for (command, before) in [
        ("svcprop -w -p config/port one", ""),
        ("svcprop -w -p config one", "config/port count "),
        (
            "svcprop -w -f svc:/site/one:default/:properties/config/port",
            "svc:/site/one:default/:properties/config/port count ",
        ),
    ] {
        let mut child = world.start(command);
        // Changes of other groups are none to it, whether it has begun to wait or not.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            world.state("disabled", "none");
            world.state("disabled", "online");
            assert!(child.try_wait().unwrap().is_none(), "{command}: it did not wait");
        }
        // It may still be on its way, so the port changes until it is seen.
        let mut port = 8000;
        while child.try_wait().unwrap().is_none() {
            port += 1;
            world.set("config", "port", "count", &port.to_string());
            let set = Instant::now();
            while set.elapsed() < Duration::from_millis(100) && child.try_wait().unwrap().is_none()
            {
                std::thread::yield_now();
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{command}: it waits for ever");
        }
        let (out, err, status) = said(child.wait_with_output().unwrap());
        let value: i32 = out.trim_end().strip_prefix(before).unwrap().parse().unwrap();
        assert!((8001..=port).contains(&value), "{command}: {out}");
        assert_eq!((err.as_str(), status), ("", 0), "{command}");
    }
}

#[test]
fn the_file_answers_when_nobody_serves() {
    let mut world = World::new();
    world.state("online", "none");
    world.write(vec![Operation::Take(FMRI.into(), "running".into())]);
    world.set("config", "port", "count", "8080");
    world.host = None;
    // The socket of a server that is gone is a name and nothing more.
    let door = world.root.path().join("etc/svc/volatile/repository_door");
    std::fs::remove_file(&door).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&door).unwrap());
    for (command, expected) in [
        ("svcs -H -o state,fmri one", "online         svc:/site/one:default\n"),
        ("svcs -H -o state -a", "online\n"),
        ("svcprop -p config/port one", "80\n"),
        ("svcprop -c -p config/port one", "8080\n"),
        ("svcprop -p restarter/state svc:/site/one:default", "online\n"),
        ("svcs -x", ""),
    ] {
        let (out, err, status) = world.run(command);
        assert_eq!((out.as_str(), err.as_str(), status), (expected, "", 0), "{command}");
    }
    let (_, err, status) = world.run("svcadm restart one");
    let why = "Couldn't bind to configuration repository: repository server unavailable.";
    assert_eq!((err, status), (format!("svcadm: {why}\n"), 1));
}

#[test]
fn without_a_repository_nobody_answers() {
    let root = tempfile::tempdir().unwrap();
    let world = World { root, host: None };
    for (command, expected) in [
        (
            "svcs",
            "svcs: Could not bind to repository server: repository server unavailable.  Exiting.\n",
        ),
        (
            "svcprop x",
            "svcprop: Could not connect to configuration repository: repository server unavailable.\n",
        ),
        ("svcprop -q x", ""),
        (
            "svcadm enable x",
            "svcadm: Couldn't bind to configuration repository: repository server unavailable.\n",
        ),
    ] {
        let (out, err, status) = world.run(command);
        assert_eq!((out.as_str(), err.as_str(), status), ("", expected, 1), "{command}");
    }
}

fn instance(fmri: &str) -> Vec<Operation> {
    let group = Group { kind: "framework".into(), ..Group::default() };
    let set = Operation::Set(
        fmri.into(),
        "general".into(),
        "enabled".into(),
        property("boolean", "false"),
    );
    let add = Operation::Add(fmri.into());
    vec![add, Operation::AddGroup(fmri.into(), "general".into(), group), set]
}

#[test]
fn very_many_are_told_and_each_is_spoken_of() {
    const MANY: usize = 600;
    let world = World::new();
    // Each needs the one before it, and the first needs the last but one: a cycle.
    let fmri = |number: usize| format!("svc:/chain/s{number}:default");
    let mut operations = Vec::new();
    for number in 0..MANY {
        let fmri = fmri(number);
        operations.push(Operation::Add(fmri.replace(":default", "")));
        operations.extend(instance(&fmri));
    }
    for number in 0..MANY {
        let (name, on) = ("on", number.checked_sub(1).unwrap_or(MANY - 2));
        let group = Group { kind: "dependency".into(), ..Group::default() };
        operations.push(Operation::AddGroup(fmri(number), name.into(), group));
        for (property_name, value) in [
            ("grouping", property("astring", "require_all")),
            ("restart_on", property("astring", "none")),
            ("type", property("astring", "service")),
            ("entities", property("fmri", &fmri(on))),
        ] {
            operations.push(Operation::Set(fmri(number), name.into(), property_name.into(), value));
        }
    }
    world.write(operations);
    let (out, err, status) = world.run(&format!("svcadm -v enable -r {}", fmri(MANY - 1)));
    let last = fmri(MANY - 1);
    assert_eq!(err, format!("svcadm: {last}: Dependency cycle detected.\n"));
    assert_eq!(status, 1);
    // In the order of the walk; what it came to before the cycle is enabled all the same.
    let expected: String = (0..MANY).rev().map(|n| format!("{} enabled.\n", fmri(n))).collect();
    assert_eq!(out, expected);
    let enabled = |value: &str| {
        let (out, _, _) = world.run("svcprop -c -p general/enabled 'chain/*'");
        out.lines().filter(|line| line.ends_with(value)).count()
    };
    assert_eq!(enabled("true"), MANY);
    let (out, err, status) = world.run("svcadm -v disable -t 'chain/*'");
    assert_eq!((err.as_str(), status, out.lines().count()), ("", 0, MANY));
    assert!(out.lines().all(|line| line.ends_with(" temporarily disabled.")), "{out}");
    assert_eq!(enabled("true"), MANY, "only for now");
    let (out, _, _) = world.run("svcprop -c -p general_ovr/enabled 'chain/*'");
    assert_eq!(out.lines().filter(|line| line.ends_with("false")).count(), MANY);
}

#[test]
fn one_that_is_refused_does_not_stop_the_others() {
    // SAFETY: reads a number of this process.
    if unsafe { nix::libc::geteuid() } != 0 {
        eprintln!("SKIPPED: only root can be somebody else");
        return;
    }
    let world = World::new();
    let fmri = |name: &str| format!("svc:/site/one:{name}");
    let mut operations: Vec<Operation> =
        ["a", "b", "c"].iter().flat_map(|name| instance(&fmri(name))).collect();
    let mine = property("astring", "solaris.smf.manage.b");
    operations.push(Operation::Set(
        fmri("b"),
        "general".into(),
        "action_authorization".into(),
        mine,
    ));
    world.write(operations);
    let root = world.root.path();
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o755)).unwrap();
    let entry = "nobody::::auths=solaris.smf.manage.b\n";
    std::fs::write(root.join("etc/user_attr"), entry).unwrap();
    let as_nobody = |line: &str| {
        world.run(&format!("setpriv --reuid=65534 --regid=65534 --clear-groups {line}"))
    };
    if as_nobody("svcs -H site/one:a").2 != 0 {
        eprintln!("SKIPPED: cannot run the commands as nobody here");
        return;
    }
    let (out, err, status) = as_nobody("svcadm restart site/one:a site/one:b site/one:c");
    let denied = |name: &str| format!("svcadm: {}: Permission denied.\n", fmri(name));
    assert_eq!((out.as_str(), status), ("", 1));
    assert_eq!(err, denied("a") + &denied("c"));
    for (name, ordered) in [("a", false), ("b", true), ("c", false)] {
        let asked =
            world.run(&format!("svcprop -q -c -p restarter_actions/restart {}", fmri(name)));
        assert_eq!(asked.2 == 0, ordered, "{name}");
    }
}

/// Serves one connection at `door` by passing it on to `to`; the bytes that were answered.
fn counted(door: &Path, to: &Path) -> std::thread::JoinHandle<usize> {
    let listener = UnixListener::bind(door).unwrap();
    let mut server = UnixStream::connect(to).unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let (mut asks, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let there = std::thread::spawn(move || {
            let copied = std::io::copy(&mut asks, &mut asked);
            asked.shutdown(Shutdown::Both).unwrap();
            copied.unwrap()
        });
        let (mut answered, mut buffer) = (0, [0; 4096]);
        loop {
            match server.read(&mut buffer).unwrap() {
                0 => break,
                count => {
                    answered += count;
                    client.write_all(&buffer[..count]).unwrap();
                }
            }
        }
        there.join().unwrap();
        answered
    })
}

#[test]
fn an_edit_of_one_group_does_not_read_the_others() {
    let world = World::new();
    let property = ["p".to_owned()].map(|name| (name, property("astring", &"x".repeat(100))));
    let group = Group { kind: "application".into(), properties: property.into(), volatile: false };
    let add = |n| Operation::AddGroup(FMRI.into(), format!("g{n}"), group.clone());
    world.write((0..500).map(add).collect());
    let serving = world.root.path().join("etc/svc/volatile/repository_door");
    for (number, edit) in [
        "addpg mine method",
        "setprop mine/exec = astring: true",
        "setprop mine/exec = false",
        "addpropvalue mine/exec astring: other",
        "delpropvalue mine/exec other",
        "setenv -m mine A b",
        "unsetenv -m mine A",
        "delprop mine/exec",
        "delpg mine",
    ]
    .into_iter()
    .enumerate()
    {
        let door = world.root.path().join(format!("door{number}"));
        let answered = counted(&door, &serving);
        let command = format!("env LIBSCF_DOORPATH={} svccfg -s {FMRI} {edit}", door.display());
        assert_eq!(world.run(&command), (String::new(), String::new(), 0), "{edit}");
        let answered = answered.join().unwrap();
        assert!(answered < 4096, "{edit}: {answered} bytes");
    }
}
