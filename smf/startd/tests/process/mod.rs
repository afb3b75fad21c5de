//! svc.startd as a process, as its host has it.

#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use smf_scf::handle::Handle;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Groups, Property};
use smf_scf::protocol::{Request, Response};

pub const DEADLINE: Duration = Duration::from_secs(30);

/// One svc.startd in the foreground, told to talk to us.
pub struct Engine {
    pub root: tempfile::TempDir,
    pub socket: UnixDatagram,
    pub child: Child,
}

impl Drop for Engine {
    /// A test that failed leaves no engine behind.
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Engine {
    pub fn new(variables: &[(&str, &str)]) -> Engine {
        Engine::prepared(variables, |_| {})
    }

    /// With a root that was worked on before.
    pub fn prepared(variables: &[(&str, &str)], prepare: impl FnOnce(&Path)) -> Engine {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
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

    pub fn heard(&self) -> String {
        let mut bytes = [0; 256];
        let length = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    pub fn handle(&self) -> Handle {
        Handle::connect(&self.root.path().join("etc/svc/volatile/repository_door")).unwrap()
    }

    pub fn add(&self, fmri: &str, start: &str, model: &str, needs: Option<&str>) {
        let properties = [
            ("grouping", "astring", "require_all"),
            ("restart_on", "astring", "none"),
            ("type", "astring", "service"),
            ("entities", "fmri", needs.unwrap_or_default()),
        ];
        let needs = needs.map(|_| ("needs", group("dependency", &properties)));
        self.add_with(fmri, start, model, needs.into_iter().collect());
    }

    /// Adds an enabled instance with groups of its own.
    pub fn add_with(&self, fmri: &str, start: &str, model: &str, groups: Vec<(&str, Group)>) {
        let service = &fmri[..fmri.rfind(':').unwrap()];
        let timeout = ("timeout_seconds", "count", "20");
        let stop = if model == "transient" { ":true" } else { ":kill" };
        let mut all = vec![
            ("start", group("method", &[("exec", "astring", start), timeout])),
            ("stop", group("method", &[("exec", "astring", stop), timeout])),
            ("startd", group("framework", &[("duration", "astring", model)])),
        ];
        all.extend(groups);
        all.push(("general", group("framework", &[("enabled", "boolean", "true")])));
        let mut operations =
            vec![Operation::Add(service.to_owned()), Operation::Add(fmri.to_owned())];
        let add = |(name, group)| Operation::AddGroup(fmri.to_owned(), String::from(name), group);
        operations.extend(all.into_iter().map(add));
        let done = self.handle().call(&Request::CarryOut(operations)).unwrap();
        assert_eq!(done, Response::Done);
    }

    /// Sets a property, as svccfg does.
    pub fn set(&self, fmri: &str, group: &str, name: &str, kind: &str, value: &str) {
        let value = Property { kind: kind.to_owned(), values: vec![value.to_owned()] };
        let set = Operation::Set(fmri.to_owned(), group.to_owned(), name.to_owned(), value);
        self.handle().call(&Request::CarryOut(vec![set])).unwrap();
    }

    /// Has the running snapshot taken anew, and waits until it is.
    pub fn refresh(&self, fmri: &str) {
        let actions = || "restarter_actions".to_owned();
        let group = Group { kind: "framework".into(), volatile: true, ..Group::default() };
        let value = Property { kind: "integer".into(), values: vec!["1".into()] };
        let order = vec![
            Operation::AddGroup(fmri.to_owned(), actions(), group),
            Operation::Set(fmri.to_owned(), actions(), "refresh".to_owned(), value),
        ];
        self.handle().call(&Request::CarryOut(order)).unwrap();
        self.until(fmri, "its refresh", |groups| {
            groups
                .get("restarter_actions")
                .is_some_and(|g| g.properties["refresh"].values.is_empty())
        });
    }

    pub fn await_state(&self, fmri: &str, state: &str) {
        self.until(fmri, state, |groups| {
            let now =
                groups.get("restarter").and_then(|g| g.properties.get("state")?.values.first());
            now.is_some_and(|now| now == state)
        });
    }

    fn until(&self, fmri: &str, what: &str, holds: impl Fn(&Groups) -> bool) {
        let mut handle = self.handle();
        let until = Instant::now() + DEADLINE;
        loop {
            let Ok(Response::Mark(since)) = handle.call(&Request::Mark) else { panic!() };
            let groups = match handle.call(&Request::Groups(fmri.to_owned())) {
                Ok(Response::Groups(groups)) => groups,
                other => panic!("{other:?}"),
            };
            if holds(&groups) {
                return;
            }
            let now = groups.get("restarter");
            assert!(Instant::now() < until, "{fmri}: {what} expected: {now:?}");
            handle.call(&Request::Wait { since, longest_ms: 1_000 }).unwrap();
        }
    }

    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join("var/svc/log").join(name)).unwrap_or_default()
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: kill of the engine this test started and has not reaped.
        assert_eq!(0, unsafe { libc::kill(self.child.id() as i32, signal) });
    }

    /// What is left of it is its root.
    pub fn end(mut self) -> tempfile::TempDir {
        self.signal(libc::SIGTERM);
        assert!(self.child.wait().unwrap().success());
        std::mem::replace(&mut self.root, tempfile::tempdir().unwrap())
    }
}

pub fn group(kind: &str, properties: &[(&str, &str, &str)]) -> Group {
    let properties = properties.iter().map(|(name, kind, value)| {
        let value = Property { kind: (*kind).to_owned(), values: vec![(*value).to_owned()] };
        ((*name).to_owned(), value)
    });
    Group { kind: kind.to_owned(), properties: properties.collect(), ..Group::default() }
}
