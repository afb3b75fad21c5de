//! svc.startd as it is run: served, killed, started again, ended; with cgroups and without.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use smf_scf::handle::Handle;
use smf_scf::import;
use smf_scf::import::merge::{Groups, Property};
use smf_scf::import::{Operation, Source};
use smf_scf::protocol::{Request, Response};

const DEADLINE: Duration = Duration::from_secs(30);
const DAEMON: &str = "svc:/site/daemon:default";
const STAGE: &str = "svc:/site/stage:default";

const BUNDLE: &str = r#"<?xml version='1.0'?>
<!DOCTYPE service_bundle SYSTEM '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>
<service_bundle type='manifest' name='site'>
<service name='site/daemon' type='service' version='1'>
  <create_default_instance enabled='true'/>
  <exec_method type='method' name='start' exec='/bin/sh -c "sleep 1000 &amp;"' timeout_seconds='10'/>
  <exec_method type='method' name='stop' exec=':kill' timeout_seconds='10'/>
</service>
<service name='site/stage' type='service' version='1'>
  <create_default_instance enabled='true'/>
  <dependency name='daemon' grouping='require_all' restart_on='none' type='service'>
    <service_fmri value='svc:/site/daemon'/>
  </dependency>
  <exec_method type='method' name='start' exec='/bin/sh -c "echo $SMF_FMRI in $SMF_ROOT"' timeout_seconds='10'/>
  <exec_method type='method' name='stop' exec=':true' timeout_seconds='10'/>
  <property_group name='startd' type='framework'>
    <propval name='duration' type='astring' value='transient'/>
  </property_group>
</service>
</service_bundle>"#;

/// A connection that imports.
struct Client(Handle);

impl Client {
    fn groups(&mut self, entity: &str) -> Groups {
        match self.0.call(&Request::Groups(entity.to_owned())) {
            Ok(Response::Groups(groups)) => groups,
            _ => Groups::new(),
        }
    }

    fn property(&mut self, fmri: &str, name: &str) -> Option<String> {
        let group = self.groups(fmri).remove("restarter")?;
        group.properties.get(name)?.values.first().cloned()
    }
}

impl Source for Client {
    type Error = std::io::Error;
    fn has_service(&mut self, service: &str) -> Result<bool, Self::Error> {
        Ok(self.0.call(&Request::Groups(service.to_owned())).is_ok())
    }
    fn instances(&mut self, _service: &str) -> Result<Vec<String>, Self::Error> {
        Ok(Vec::new())
    }
    fn live(&mut self, entity: &str) -> Result<Groups, Self::Error> {
        Ok(self.groups(entity))
    }
    fn snapshot(&mut self, _: &str, _: &str) -> Result<Option<(Groups, Groups)>, Self::Error> {
        Ok(None)
    }
}

struct Engine {
    root: tempfile::TempDir,
    cgroups: bool,
}

impl Engine {
    fn new(cgroups: bool) -> Self {
        let engine = Self { root: tempfile::tempdir().unwrap(), cgroups };
        engine.start();
        engine
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svc-startd"));
        command.env("SMF_ROOT", self.root.path());
        if !self.cgroups {
            command.env("LAMPLIGHTER_NO_CGROUP", "1");
        }
        command
    }

    fn start(&self) {
        assert!(self.command().status().unwrap().success());
    }

    fn volatile(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join("etc/svc/volatile").join(name)
    }

    fn client(&self) -> Client {
        Client(Handle::connect(&self.volatile("repository_door")).unwrap())
    }

    fn pid(&self) -> i32 {
        fs::read_to_string(self.volatile("svc.startd.pid")).unwrap().trim().parse().unwrap()
    }

    fn import(&self) {
        let bundle = smf_model::bundle::parse(BUNDLE).unwrap();
        let mut client = self.client();
        let plan = import::import(&mut client, &bundle).unwrap();
        client.0.call(&Request::CarryOut(plan.operations)).unwrap();
    }

    fn await_state(&self, fmri: &str, state: &str) {
        self.await_property(fmri, "state", state, |is| is == Some(state));
    }

    /// Waits until a property is as wanted, looking again whenever something has changed.
    fn await_property(
        &self,
        fmri: &str,
        name: &str,
        wanted: &str,
        fits: impl Fn(Option<&str>) -> bool,
    ) {
        let mut client = self.client();
        let until = Instant::now() + DEADLINE;
        loop {
            let Ok(Response::Mark(since)) = client.0.call(&Request::Mark) else { panic!() };
            let is = client.property(fmri, name);
            if fits(is.as_deref()) {
                return;
            }
            assert!(Instant::now() < until, "{fmri}: {name} is {is:?}, {wanted} expected");
            client.0.call(&Request::Wait { since, longest_ms: 1_000 }).unwrap();
        }
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join("var/svc/log").join(name)).unwrap_or_default()
    }

    fn signal(&self, signal: i32) {
        let pid = self.pid();
        // SAFETY: two integers, and a descriptor that nobody else has.
        let process = unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
            OwnedFd::from_raw_fd(i32::try_from(fd).unwrap())
        };
        // SAFETY: kill of the engine this test started.
        assert_eq!(0, unsafe { libc::kill(pid, signal) });
        // Readable once it has ended, reaped or not.
        let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        let longest = PollTimeout::try_from(DEADLINE).unwrap();
        assert_eq!(poll(&mut ended, longest), Ok(1), "{pid} does not end");
    }
}

/// Living processes with this root in their environment.
fn alive(root: &Path) -> Vec<i32> {
    let mark = format!("SMF_ROOT={}", root.display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

fn life(cgroups: bool) {
    let engine = Engine::new(cgroups);
    let root = engine.root.path().to_owned();
    let again = engine.command().output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("another svc.startd"), "{again:?}");
    engine.import();
    engine.await_state(STAGE, "online");
    let log = engine.log("site-stage:default.log");
    assert!(log.contains(&format!("{STAGE} in {}", root.display())), "{log}");
    let contract = engine.client().property(DAEMON, "contract");
    let before = alive(&root);
    assert_eq!(before.len(), 2, "the engine and the daemon: {before:?}");

    // Killed and started again, it keeps what is online and holds what runs.
    engine.signal(libc::SIGKILL);
    engine.start();
    engine.await_state(STAGE, "online");
    engine.await_state(DAEMON, "online");
    assert_eq!(engine.client().property(DAEMON, "contract"), contract);
    assert_eq!(log, engine.log("site-stage:default.log"), "nothing was started again");
    let daemon = alive(&root).into_iter().find(|pid| before.contains(pid)).unwrap();

    // The adopted daemon is watched: its death is seen, and it is started again.
    // SAFETY: kill of a process this test's engine started.
    assert_eq!(0, unsafe { libc::kill(daemon, libc::SIGKILL) });
    let old = contract.as_deref();
    engine.await_property(DAEMON, "contract", "another one", |is| is != old);
    engine.await_state(DAEMON, "online");

    let off = Property { kind: "boolean".into(), values: vec!["false".into()] };
    let disable = Operation::Set(DAEMON.into(), "general".into(), "enabled".into(), off);
    engine.client().0.call(&Request::CarryOut(vec![disable])).unwrap();
    engine.await_state(DAEMON, "disabled");
    engine.signal(libc::SIGTERM);
    assert_eq!(alive(&root), Vec::<i32>::new());
    assert!(!engine.volatile("repository_door").exists());
}

#[test]
fn a_life_with_cgroups_where_they_can_be_had() {
    life(true);
}

#[test]
fn a_life_without_cgroups() {
    life(false);
}

#[test]
fn engines_of_several_roots_know_nothing_of_each_other() {
    let (one, other) = (Engine::new(true), Engine::new(true));
    one.import();
    one.await_state(STAGE, "online");
    assert_eq!(other.client().groups(STAGE), Groups::new());
    other.import();
    other.await_state(STAGE, "online");
    one.signal(libc::SIGTERM);
    assert_eq!(alive(one.root.path()), Vec::<i32>::new());
    other.await_state(DAEMON, "online");
    assert_eq!(alive(other.root.path()).len(), 2);
    other.signal(libc::SIGTERM);
    assert_eq!(alive(other.root.path()), Vec::<i32>::new());
}

#[test]
fn usage() {
    let said = Command::new(env!("CARGO_BIN_EXE_svc-startd")).arg("--no").output().unwrap();
    assert_eq!(said.status.code(), Some(2));
}
