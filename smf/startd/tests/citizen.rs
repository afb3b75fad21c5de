//! svc.startd as a service of its host: it tells the service manager, sleeps when there is nothing
//! to do, survives what services do to it, and ends in order.

#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use smf_scf::handle::Handle;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};
use smf_scf::protocol::{Request, Response};

const DEADLINE: Duration = Duration::from_secs(30);

/// One svc.startd in the foreground, told to talk to us.
struct Engine {
    root: tempfile::TempDir,
    socket: UnixDatagram,
    child: Child,
}

impl Engine {
    fn new(variables: &[(&str, &str)]) -> Engine {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_svc-startd"))
            .arg("-n")
            .env("SMF_ROOT", root.path())
            .env("NOTIFY_SOCKET", &path)
            .envs(variables.iter().copied())
            .spawn()
            .unwrap();
        let engine = Engine { root, socket, child };
        assert!(engine.heard().starts_with("READY=1\n"));
        engine
    }

    fn heard(&self) -> String {
        let mut bytes = [0; 256];
        let length = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    fn handle(&self) -> Handle {
        Handle::connect(&self.root.path().join("etc/svc/volatile/repository_door")).unwrap()
    }

    fn add(&self, fmri: &str, start: &str, model: &str, needs: Option<&str>) {
        let mut operations = Vec::new();
        let service = &fmri[..fmri.rfind(':').unwrap()];
        operations.push(Operation::Add(service.to_owned()));
        operations.push(Operation::Add(fmri.to_owned()));
        let mut add = |name: &str, kind: &str, properties: &[(&str, &str, &str)]| {
            let group = group(kind, properties);
            operations.push(Operation::AddGroup(fmri.to_owned(), name.to_owned(), group));
        };
        let timeout = ("timeout_seconds", "count", "20");
        add("start", "method", &[("exec", "astring", start), timeout]);
        add("stop", "method", &[("exec", "astring", ":kill"), timeout]);
        add("startd", "framework", &[("duration", "astring", model)]);
        if let Some(needs) = needs {
            let properties = [
                ("grouping", "astring", "require_all"),
                ("restart_on", "astring", "none"),
                ("type", "astring", "service"),
                ("entities", "fmri", needs),
            ];
            add("needs", "dependency", &properties);
        }
        add("general", "framework", &[("enabled", "boolean", "true")]);
        let done = self.handle().call(&Request::CarryOut(operations)).unwrap();
        assert_eq!(done, Response::Done);
    }

    fn await_state(&self, fmri: &str, state: &str) {
        let mut handle = self.handle();
        let until = Instant::now() + DEADLINE;
        loop {
            let Ok(Response::Mark(since)) = handle.call(&Request::Mark) else { panic!() };
            let groups = match handle.call(&Request::Groups(fmri.to_owned())) {
                Ok(Response::Groups(groups)) => groups,
                other => panic!("{other:?}"),
            };
            let now =
                groups.get("restarter").and_then(|g| g.properties.get("state")?.values.first());
            if now.is_some_and(|now| now == state) {
                return;
            }
            assert!(Instant::now() < until, "{fmri} is {now:?}, {state} expected");
            handle.call(&Request::Wait { since, longest_ms: 1_000 }).unwrap();
        }
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join("var/svc/log").join(name)).unwrap_or_default()
    }

    fn signal(&self, signal: i32) {
        // SAFETY: kill of the engine this test started and has not reaped.
        assert_eq!(0, unsafe { libc::kill(self.child.id() as i32, signal) });
    }

    /// What is left of it is its root.
    fn end(mut self) -> tempfile::TempDir {
        self.signal(libc::SIGTERM);
        assert!(self.child.wait().unwrap().success());
        self.root
    }

    /// How often each thread of it has gone to sleep.
    fn naps(&self) -> BTreeMap<String, u64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nap = |path: &Path| -> u64 {
            let text = fs::read_to_string(path.join("status")).unwrap_or_default();
            let count = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            count("voluntary_ctxt_switches:").and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        let tasks = tasks.flatten().map(|entry| entry.path());
        tasks.map(|path| (path.display().to_string(), nap(&path))).collect()
    }
}

fn group(kind: &str, properties: &[(&str, &str, &str)]) -> Group {
    let properties = properties.iter().map(|(name, kind, value)| {
        let value = Property { kind: (*kind).to_owned(), values: vec![(*value).to_owned()] };
        ((*name).to_owned(), value)
    });
    Group { kind: kind.to_owned(), properties: properties.collect(), ..Group::default() }
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
    let (mut before, mut quiet) = (engine.naps(), 0);
    let until = Instant::now() + DEADLINE;
    while quiet < 10 {
        assert!(Instant::now() < until, "it never sleeps for two seconds: {before:?}");
        std::thread::sleep(Duration::from_millis(200));
        let now = engine.naps();
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
    let engine = Engine::new(&[]);
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
