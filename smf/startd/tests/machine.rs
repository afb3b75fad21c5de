//! The engine on the real system, with a repository in memory: real methods, contracts and logs,
//! with cgroups and without.

#![allow(clippy::unwrap_used)]

mod world;

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};
use smf_startd::daemon::{Signals, turn, wait};
use smf_startd::engine::Engine;
use smf_startd::state::State;
use smf_startd::sys::machine::Machine;
use smf_startd::sys::{Happened, Sys, log_name};
use world::{Memory, Service};

const A: &str = "svc:/a/b:x";
const DEADLINE: Duration = Duration::from_secs(10);

/// A machine reaps every child of this process: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

struct Host {
    engine: Engine<Memory, Machine>,
    signals: Signals,
    changes: UnixStream,
    _other_end: UnixStream,
    root: tempfile::TempDir,
}

fn machine(root: &Path) -> Machine {
    let environment = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    Machine::new("machinetest", root, environment).unwrap()
}

impl Host {
    fn new(services: &[Service]) -> Host {
        let root = tempfile::tempdir().unwrap();
        let mut memory = Memory::default();
        for service in services {
            service.add(&mut memory);
        }
        let (changes, other_end) = UnixStream::pair().unwrap();
        let signals = Signals::take().unwrap();
        let mut engine = Engine::new(memory, machine(root.path()));
        engine.begin().unwrap();
        Host { engine, signals, changes, _other_end: other_end, root }
    }

    /// Another engine over the same repository and the same processes.
    fn restarted(mut self) -> Host {
        let memory = self.engine.store().clone();
        let mut engine = Engine::new(memory, machine(self.root.path()));
        engine.begin().unwrap();
        self.engine = engine;
        self
    }

    fn until(&mut self, what: &str, holds: impl Fn(&mut Engine<Memory, Machine>) -> bool) {
        let end = Instant::now() + DEADLINE;
        loop {
            turn(&mut self.engine, &self.signals).unwrap();
            if holds(&mut self.engine) {
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{what}, forbid {:?}\n{}{}\n{:?}",
                std::env::var_os(smf_contract::FORBID_CGROUP),
                self.log(A),
                fs::read_to_string(self.root.path().join("svc.startd.log")).unwrap_or_default(),
                self.engine.store().live.get(A).and_then(|groups| groups.get("restarter"))
            );
            wait(&mut self.engine, &self.signals, self.changes.as_fd(), Some(left)).unwrap();
        }
    }

    fn reach(&mut self, fmri: &str, state: State) {
        self.until(state.name(), |engine| engine.state(fmri) == Some(state));
    }

    fn log(&self, fmri: &str) -> String {
        fs::read_to_string(self.root.path().join(log_name(fmri))).unwrap_or_default()
    }

    /// The log without its times.
    fn messages(&self, fmri: &str) -> Vec<String> {
        let untimed = |line: &str| match line.strip_prefix("[ ") {
            Some(line) => line[16..].trim_end_matches(" ]").to_owned(),
            None => line.to_owned(),
        };
        self.log(fmri).lines().map(untimed).collect()
    }

    fn finish(mut self) {
        self.engine.end();
        self.until("the end", |engine| engine.ended());
    }
}

fn both_ways(test: impl Fn()) {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for forbid in ["1", ""] {
        // SAFETY: the lock keeps every other test of this program from the environment.
        unsafe { std::env::set_var(smf_contract::FORBID_CGROUP, forbid) };
        test();
    }
}

#[test]
fn a_daemon_lives_dies_and_is_started_again() {
    both_ways(|| {
        let start = "/bin/sh -c 'setsid sleep 600 & echo started'";
        let mut host = Host::new(&[Service { start, ..Service::new(A) }]);
        host.reach(A, State::Online);
        let contract: u64 =
            host.engine.store().get(A, "restarter/contract").unwrap().parse().unwrap();
        host.engine.sys().signal(contract, libc::SIGKILL).unwrap();
        host.until("a second start", |engine| {
            let now = engine.store().get(A, "restarter/contract").map(str::to_owned);
            engine.state(A) == Some(State::Online)
                && now.is_some_and(|now| now != contract.to_string())
        });
        host.engine.store().put(A, "general/enabled", "boolean", &["false"]);
        host.reach(A, State::Disabled);
        let messages = host.messages(A);
        let executing = format!("Executing start method (\"{start}\").");
        assert_eq!("Enabled.", messages[0]);
        assert_eq!(executing, messages[1]);
        assert_eq!("started", messages[2]);
        assert_eq!("Method \"start\" exited with status 0.", messages[3]);
        assert_eq!(
            ["Stopping because service disabled.", "Executing stop method (:kill)."],
            messages[messages.len() - 2..]
        );
        host.finish();
    });
}

/// How the last member ended decides what follows from it, and it leaves its group before it can be
/// reaped.
#[test]
fn a_contract_is_empty_only_when_its_last_member_was_reaped() {
    both_ways(|| {
        let start = "/bin/sh -c 'sleep 600 &'";
        let mut host = Host::new(&[Service { start, ..Service::new(A) }]);
        host.reach(A, State::Online);
        let contract: u64 =
            host.engine.store().get(A, "restarter/contract").unwrap().parse().unwrap();
        let machine = host.engine.sys();
        machine.signal(contract, libc::SIGKILL).unwrap();
        let mut ended = host.signals.descriptors().map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        assert!(poll(&mut ended, PollTimeout::from(10_000_u16)).unwrap() > 0);
        assert_eq!(Vec::<Happened>::new(), machine.emptied());
        let mut happened = machine.reap();
        happened.extend(machine.emptied());
        let status = libc::SIGKILL;
        assert_eq!(
            vec![Happened::MemberEnded { contract, status }, Happened::Emptied { contract }],
            happened
        );
        host.engine.all_happened(happened);
        host.reach(A, State::Online);
        host.finish();
    });
}

/// A service may order the engine's end and be reaped before the order is read.
#[test]
fn who_was_reaped_is_known_until_signals_were_read() {
    both_ways(|| {
        let start = "/bin/sh -c 'sleep 600 & echo $!'";
        let mut host = Host::new(&[Service { start, ..Service::new(A) }]);
        host.reach(A, State::Online);
        let contract: u64 =
            host.engine.store().get(A, "restarter/contract").unwrap().parse().unwrap();
        let pid: i32 = host.messages(A)[2].parse().unwrap();
        let machine = host.engine.sys();
        machine.signal(contract, libc::SIGKILL).unwrap();
        let mut ended = host.signals.descriptors().map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        assert!(poll(&mut ended, PollTimeout::from(10_000_u16)).unwrap() > 0);
        let happened = machine.reap();
        assert_eq!(machine.contract_of_child(pid), Some(contract));
        machine.signals_read();
        assert_eq!(machine.contract_of_child(pid), None);
        host.engine.all_happened(happened);
        host.reach(A, State::Online);
        host.finish();
    });
}

#[test]
fn a_new_engine_takes_over() {
    both_ways(|| {
        let start = "/bin/sh -c 'sleep 600 & sleep 600 &'";
        let mut host = Host::new(&[Service { start, ..Service::new(A) }]);
        host.reach(A, State::Online);
        let before = host.messages(A).len();
        let mut host = host.restarted();
        assert_eq!(Some(State::Online), host.engine.state(A));
        assert_eq!(before, host.messages(A).len(), "nothing happened to it");
        host.engine.store().put(A, "general/enabled", "boolean", &["false"]);
        host.reach(A, State::Disabled);
        host.finish();
    });
}

#[test]
fn a_method_cut_off_is_ended_and_started_again() {
    both_ways(|| {
        let directory = tempfile::tempdir().unwrap();
        let flag = directory.path().join("flag");
        // The first time it hangs with a child in a session of its own, the second time it does not.
        let start: &'static str = format!(
            "/bin/sh -c 'if [ -e {0} ]; then exit 0; fi; touch {0}; setsid sleep 600'",
            flag.display()
        )
        .leak();
        let mut host = Host::new(&[Service { start, ..Service::transient(A) }]);
        let end = Instant::now() + DEADLINE;
        while !flag.exists() && Instant::now() < end {
            let limit = Some(Duration::from_millis(20));
            wait(&mut host.engine, &host.signals, host.changes.as_fd(), limit).unwrap();
            turn(&mut host.engine, &host.signals).unwrap();
        }
        assert_eq!(Some(State::Offline), host.engine.state(A));
        let mut host = host.restarted();
        host.reach(A, State::Online);
        host.finish();
    });
}

#[test]
fn what_a_method_gets() {
    // As if this process had been started like that; SIGPIPE it ignores in any case.
    // SAFETY: no handler is installed.
    unsafe { signal(Signal::SIGTTOU, SigHandler::SigIgn) }.unwrap();
    both_ways(|| {
        let start = "/bin/sh -c 'env | sort; pwd; read x || echo no input; umask; \
                     grep -E \"Sig(Blk|Ign)\" /proc/self/status; ls /proc/$$/fd'";
        let mut host = Host::new(&[Service { start, ..Service::transient(A) }]);
        host.reach(A, State::Online);
        let messages = host.messages(A);
        let output: Vec<&str> =
            messages[2..messages.len() - 1].iter().map(String::as_str).collect();
        for line in [
            "SMF_FMRI=svc:/a/b:x",
            "SMF_METHOD=start",
            "PATH=/usr/bin:/bin",
            "/",
            "no input",
            "0022",
            #[cfg(target_os = "linux")]
            "SigBlk:\t0000000000000000",
            #[cfg(target_os = "linux")]
            "SigIgn:\t0000000000000000",
        ] {
            assert!(output.contains(&line), "{line} in {output:?}");
        }
        assert!(!messages.iter().any(|line| line.starts_with("HOME=")), "nothing is inherited");
        assert_eq!(["0", "1", "2"], output[output.len() - 3..], "no other descriptor");
        host.finish();
    });
}

#[test]
fn a_method_that_hangs_is_killed() {
    both_ways(|| {
        let start = "/bin/sh -c 'setsid sleep 600 & sleep 600'";
        let service = Service { start, timeout: "1", ..Service::transient(A) };
        let mut host = Host::new(&[service]);
        host.reach(A, State::Maintenance);
        let messages = host.messages(A);
        let killed = "Method \"start\" failed due to signal KILL.";
        assert_eq!(3, messages.iter().filter(|line| *line == killed).count(), "{messages:?}");
        let notes = fs::read_to_string(host.root.path().join("svc.startd.log")).unwrap();
        let note = "a/b:x failed: transitioned to maintenance (see 'svcs -xv' for details)";
        assert!(notes.contains(note), "{notes}");
        host.finish();
    });
}

#[test]
fn the_end_does_not_wait_for_work() {
    both_ways(|| {
        let start = "sleep 600";
        let host = Host::new(&[Service { start, ..Service::transient(A) }]);
        host.finish();
    });
}
