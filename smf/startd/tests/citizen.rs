//! svc.startd as a service of its host: it tells the service manager, sleeps when there is nothing
//! to do, survives what services do to it, and ends in order.

#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

mod process;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use process::{DEADLINE, Engine};
use smf_scf::import::Operation;
use smf_scf::import::merge::Group;
use smf_scf::protocol::{Request, Response};

/// How often each thread of it has gone to sleep.
fn naps(engine: &Engine) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{}/task", engine.child.id())).unwrap();
    let nap = |path: &Path| -> u64 {
        let text = fs::read_to_string(path.join("status")).unwrap_or_default();
        let count = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        count("voluntary_ctxt_switches:").and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let tasks = tasks.flatten().map(|entry| entry.path());
    tasks.map(|path| (path.display().to_string(), nap(&path))).collect()
}

#[test]
fn the_manager_hears_of_it_all() {
    let engine = Engine::new(&[("WATCHDOG_USEC", "200000")]);
    for _ in 0..3 {
        assert_eq!("WATCHDOG=1", engine.heard());
    }
    engine.signal(libc::SIGTERM);
    let mut heard = engine.heard();
    while heard == "WATCHDOG=1" {
        heard = engine.heard();
    }
    assert!(heard.starts_with("STOPPING=1\n"), "{heard}");
    let mut engine = engine;
    assert!(engine.child.wait().unwrap().success());
}

#[test]
fn with_nothing_to_do_it_sleeps() {
    let engine = Engine::new(&[]);
    engine.add("svc:/site/daemon:default", "/bin/sh -c 'sleep 1000 &'", "contract", None);
    engine.await_state("svc:/site/daemon:default", "online");
    // What the last change and the last client left to do is done when nobody moves for a while.
    let (mut before, mut quiet) = (naps(&engine), 0);
    let until = Instant::now() + DEADLINE;
    while quiet < 10 {
        assert!(Instant::now() < until, "it never sleeps for two seconds: {before:?}");
        std::thread::sleep(Duration::from_millis(200));
        let now = naps(&engine);
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
    }
    engine.end();
}

#[test]
fn it_ends_dependents_first_and_with_success() {
    let engine = Engine::new(&[]);
    let mark = engine.root.path().join("marks");
    // It is started when it can be told to stop.
    let start = |name: &str| {
        let life = "trap \"echo $1 >> $0; exit\" TERM; : > $0.$1; while :; do sleep 0.05; done";
        let script = format!("({life}) & until [ -e $0.$1 ]; do sleep 0.01; done");
        format!("/bin/sh -c '{script}' {} {name}", mark.display())
    };
    let (low, high) = ("svc:/site/low:default", "svc:/site/high:default");
    engine.add(low, &start("low"), "contract", None);
    engine.add(high, &start("high"), "contract", Some(low));
    engine.await_state(high, "online");
    let _root = engine.end();
    assert_eq!("high\nlow\n", fs::read_to_string(mark).unwrap());
}

#[test]
fn what_services_do_to_it() {
    survives(Engine::new(&[]));
}

#[test]
fn what_services_do_to_it_without_cgroups() {
    survives(Engine::new(&[("LAMPLIGHTER_NO_CGROUP", "1")]));
}

fn survives(engine: Engine) {
    // Each of these is tried by a start method that then succeeds.
    let tricks = [
        (
            "signals",
            "for s in HUP USR1 USR2 ALRM VTALRM PROF IO QUIT PIPE CHLD; do kill -$s $PPID; done",
        ),
        ("garbage", "head -c 3000000 /dev/urandom"),
        ("closing", "exec 0<&- 1>&- 2>&-"),
        ("orphans", "i=0; while [ $i -lt 400 ]; do (sleep 0.01 &) ; i=$((i+1)); done"),
        (
            "pipe",
            "rm -f $SMF_ROOT/var/svc/log/site-pipe:default.log; mkfifo $SMF_ROOT/var/svc/log/site-pipe:default.log",
        ),
        ("link", "ln -sf /etc/passwd $SMF_ROOT/var/svc/log/site-link:default.log"),
        ("door", "printf '\\377\\377\\377\\377' | timeout 5 nc -U $LIBSCF_DOORPATH || true"),
        ("parent", "kill -TERM $PPID; kill -INT $PPID"),
        ("stopped", "kill -TSTP $$ & kill -CONT $$"),
    ];
    for (name, trick) in tricks {
        let fmri = format!("svc:/site/{name}:default");
        engine.add(&fmri, &format!("/bin/sh -c '{trick}; exit 0'"), "transient", None);
    }
    for (name, _) in tricks {
        engine.await_state(&format!("svc:/site/{name}:default"), "online");
    }
    assert!(engine.log("site-garbage:default.log").is_empty(), "random bytes are no text");
    assert!(fs::read_to_string("/etc/passwd").unwrap().lines().all(|line| !line.starts_with("[ ")));
    engine.end();
}

/// Processes that are each gone before they can be told to go: nothing without cgroups can hold
/// them for sure at one try, yet the engine is there for others and they end in the end.
#[test]
fn what_multiplies_is_ended() {
    for variables in [&[][..], &[("LAMPLIGHTER_NO_CGROUP", "1")]] {
        let engine = Engine::new(variables);
        let (hydra, other) = ("svc:/site/hydra:default", "svc:/site/other:default");
        let script = engine.root.path().join("hydra");
        fs::write(&script, "sleep 0.02; /bin/sh $0 & /bin/sh -c : & exit 0\n").unwrap();
        let start = format!("/bin/sh -c '/bin/sh {0} & /bin/sh {0} &'", script.display());
        engine.add(hydra, &start, "contract", None);
        engine.await_state(hydra, "online");
        engine.add(other, "/bin/true", "transient", None);
        engine.await_state(other, "online");
        engine.set(hydra, "stop", "timeout_seconds", "count", "1");
        engine.set(hydra, "stop", "exec", "astring", ":kill -CONT");
        engine.refresh(hydra);
        engine.set(hydra, "general", "enabled", "boolean", "false");
        // The drain timed out, and that is a failure, from which the disable leads on.
        engine.await_state(hydra, "maintenance");
        engine.end();
    }
}

#[test]
fn it_is_an_instance_itself() {
    const MASTER: &str = "svc:/system/svc/restarter:default";
    let engine = Engine::new(&[]);
    engine.await_state(MASTER, "online");
    engine.add("svc:/site/work:default", "/bin/true", "transient", None);
    engine.await_state("svc:/site/work:default", "online");
    let group = Group { kind: "framework".into(), volatile: true, ..Group::default() };
    let add = Operation::AddGroup(MASTER.into(), "options_ovr".into(), group);
    engine.handle().call(&Request::CarryOut(vec![add])).unwrap();
    engine.set(MASTER, "options_ovr", "milestone", "astring", "none");
    engine.await_state("svc:/site/work:default", "disabled");
    engine.set(MASTER, "options_ovr", "milestone", "astring", "all");
    engine.await_state("svc:/site/work:default", "online");
    let Ok(Response::Groups(groups)) =
        engine.handle().call(&Request::Groups("svc:/site/work:default".into()))
    else {
        panic!()
    };
    let kept = groups.get("general_ovr").is_some_and(|g| g.properties.contains_key("enabled"));
    assert!(!kept, "the override is gone, not empty");
    engine.end();
}
