//! methods - preparing a method and starting it.
//!
//! The contract is recorded before the process exists: an engine that dies in between leaves
//! nothing behind that the next one cannot find.  So that one commit records many, the processes
//! are made when all orders are carried out ([`Engine::deliver`]).

use std::time::Duration;

use crate::config::{self, Configured, Watching};
use crate::context;
use crate::engine::{Activity, Engine, Stop};
use crate::expand::{Named, expand};
use crate::outcomes::{Failure, cleared};
use crate::state::{Method, Model, Severity, State};
use crate::store::{Groups, Store, View, Write};
use crate::sys::{Spawn, Sys, Unfit};

/// A method to be run, once or again.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub fmri: String,
    pub method: Method,
    /// For a stop: where it leads.
    pub stop: Option<Stop>,
}

impl Attempt {
    pub(crate) fn start(fmri: &str) -> Attempt {
        Attempt { fmri: fmri.to_owned(), method: Method::Start, stop: None }
    }

    pub(crate) fn stop(fmri: &str, stop: Stop) -> Attempt {
        Attempt { fmri: fmri.to_owned(), method: Method::Stop, stop: Some(stop) }
    }

    pub(crate) fn refresh(fmri: &str) -> Attempt {
        Attempt { fmri: fmri.to_owned(), method: Method::Refresh, stop: None }
    }
}

/// A method whose process is to be made.
#[derive(Debug)]
pub(crate) struct Birth {
    pub attempt: Attempt,
    pub spawn: Spawn,
    pub watching: Watching,
    pub timeout: Option<Duration>,
    /// All dependencies were satisfied.
    pub ready: bool,
}

/// What a method string asks for, its tokens expanded.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    True,
    Kill(i32),
    Shell(String),
}

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// The groups that count and are wanted; none when they cannot be read.
    fn running(&mut self, fmri: &str, wanted: &dyn Fn(&str, &str) -> bool) -> Groups {
        let groups = self.store.some_groups(fmri, View::Running, wanted);
        self.noted(fmri, groups).flatten().unwrap_or_default()
    }

    /// How the processes of an instance are watched.
    pub(crate) fn watching(&mut self, fmri: &str) -> Watching {
        config::watching(&self.running(fmri, &|name, _| matches!(name, "start" | "startd")))
    }

    /// Runs a method, or does what stands for it.
    pub(crate) fn run_method(&mut self, attempt: &Attempt) {
        let fmri = attempt.fmri.as_str();
        let method = attempt.method.name();
        let mut groups = self.running(fmri, &|name, _| {
            matches!(name, "start" | "startd" | "method_context") || name == method
        });
        let exec = groups.get(attempt.method.name()).and_then(|group| group.first("exec"));
        if exec.is_some_and(|exec| exec.contains("%{")) {
            // A token may name what is still to be written.
            self.flush();
            groups = self.running(fmri, &|_, _| true);
        }
        let watching = config::watching(&groups);
        let contract = self.instances.get(fmri).and_then(|instance| instance.contract);
        let Some((command, timeout)) = self.prepare(attempt, &groups) else { return };
        let nothing_to_stop = watching.model != Model::Transient && contract.is_none();
        if attempt.method == Method::Stop && nothing_to_stop {
            self.method_succeeded(attempt, None);
            return;
        }
        match command {
            Command::True => {
                let what = format!("Executing {} method (null).", attempt.method.name());
                self.sys.log(fmri, &what);
                self.method_succeeded(attempt, timeout);
            }
            Command::Kill(signal) => self.kill(attempt, signal, contract, timeout),
            Command::Shell(command) => {
                self.execute(attempt, &command, &groups, &watching, timeout);
            }
        }
    }

    /// The command of a method; none when the outcome is clear without one.
    fn prepare(
        &mut self,
        attempt: &Attempt,
        groups: &Groups,
    ) -> Option<(Command, Option<Duration>)> {
        let (fmri, name) = (attempt.fmri.as_str(), attempt.method.name());
        let (exec, timeout, warnings) = match config::method(fmri, groups, attempt.method) {
            Configured::Exec { exec, timeout, warnings } => (exec, timeout, warnings),
            Configured::NoGroup => {
                let message = match attempt.method {
                    Method::Refresh => {
                        "No 'refresh' method defined.  Treating as :true.".to_owned()
                    }
                    Method::Start | Method::Stop => {
                        format!("Method property group '{name}' is not present.")
                    }
                };
                self.sys.log(fmri, &message);
                self.method_succeeded(attempt, None);
                return None;
            }
            Configured::NoExec => {
                self.sys.log(fmri, &format!("Method property '{name}/exec is not present."));
                self.method_succeeded(attempt, None);
                return None;
            }
        };
        for warning in warnings {
            self.sys.log(fmri, &warning);
        }
        let store = &mut self.store;
        let expanded = expand(&exec, fmri, name, &mut |named| look_up(store, fmri, groups, named));
        match expanded {
            Ok(expanded) => Some((command(&expanded), timeout)),
            Err(error) => {
                let what = format!("Could not expand method tokens in \"{exec}\": {error}.");
                self.sys.log(fmri, &what);
                self.method_failed(attempt, Failure::Configuration);
                None
            }
        }
    }

    fn kill(
        &mut self,
        attempt: &Attempt,
        signal: i32,
        contract: Option<u64>,
        timeout: Option<Duration>,
    ) {
        let (fmri, name) = (attempt.fmri.as_str(), attempt.method.name());
        let Some(contract) = contract else {
            let what = "Invalid use of \":kill\" as stop method for transient service.";
            self.sys.log(fmri, what);
            self.method_failed(attempt, Failure::Configuration);
            return;
        };
        self.sys.log(fmri, &format!("Executing {name} method (:kill)."));
        let signalled = self.sys.signal(contract, signal);
        match self.noted(fmri, signalled) {
            Some(()) => self.method_succeeded(attempt, timeout),
            None => self.method_failed(attempt, Failure::Configuration),
        }
    }

    fn execute(
        &mut self,
        attempt: &Attempt,
        command: &str,
        groups: &Groups,
        watching: &Watching,
        timeout: Option<Duration>,
    ) {
        let fmri = attempt.fmri.as_str();
        if attempt.method == Method::Start && watching.model == Model::Wait {
            // Its exec would fail at once, for ever.
            let program = command.split_whitespace().next().unwrap_or_default();
            if program.starts_with('/') && self.sys.lacks(program) {
                let what =
                    format!("Missing start method ({program}), changing state to maintenance.");
                self.sys.log(fmri, &what);
                self.method_failed(attempt, Failure::Configuration);
                return;
            }
        }
        if attempt.method == Method::Start && !self.may_start(fmri, watching) {
            self.method_failed(attempt, Failure::TooQuick);
            return;
        }
        let context = match context::context(groups, attempt.method) {
            Ok(context) => context,
            Err(message) => {
                self.sys.log(fmri, &message);
                self.method_failed(attempt, Failure::Configuration);
                return;
            }
        };
        let base = self.sys.environment();
        let (environment, warnings) = context::environment(groups, fmri, attempt.method, base);
        for warning in warnings {
            self.sys.log(fmri, &warning);
        }
        let made = self.sys.create_for(&context);
        let Some(contract) = self.noted(fmri, made) else {
            self.method_failed(attempt, Failure::Retry);
            return;
        };
        self.contracts.insert(contract, fmri.to_owned());
        self.about_to_run(attempt, contract, *watching);
        if attempt.method == Method::Start {
            self.sys.rotate(fmri);
        }
        let what = format!("Executing {} method (\"{command}\").", attempt.method.name());
        self.sys.log(fmri, &what);
        let command = command.to_owned();
        let spawn = Spawn { fmri: fmri.to_owned(), command, environment, contract, context };
        let prefix = groups.get("startd").and_then(|startd| startd.first("utmpx_prefix"));
        if let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) {
            let what = format!("utmpx_prefix \"{prefix}\" ignored: nobody reads utmpx here.");
            self.sys.log(fmri, &what);
        }
        if !self.fits(attempt, &spawn) {
            return;
        }
        let (attempt, watching) = (attempt.clone(), *watching);
        let ready = self.ready(&attempt.fmri);
        self.births.push(Birth { attempt, spawn, watching, timeout, ready });
    }

    /// Makes the processes that are to be made.
    pub(crate) fn deliver(&mut self) {
        self.flush();
        let births = std::mem::take(&mut self.births);
        // What it stands on may have gone since; a start that is tried again goes on.
        let waits = |engine: &Self, birth: &Birth| {
            birth.attempt.method == Method::Start && birth.ready && !engine.ready(&birth.spawn.fmri)
        };
        // By what is written: what comes online while these are made is not yet.
        let waiting: Vec<bool> = births.iter().map(|birth| waits(self, birth)).collect();
        for (birth, waited) in births.into_iter().zip(waiting) {
            let waits = waited || waits(self, &birth);
            let Birth { attempt, spawn, watching, timeout, .. } = birth;
            if waits {
                self.contracts.remove(&spawn.contract);
                self.sys.release(spawn.contract);
                if let Some(instance) = self.instances.get_mut(&spawn.fmri) {
                    instance.stamps.pop_back();
                }
                self.enter(&spawn.fmri, State::Offline, Severity::None, cleared(true));
                continue;
            }
            let spawned = self.sys.spawn(&spawn);
            match self.noted(&spawn.fmri, spawned) {
                Some(pid) => self.started(&attempt, pid, spawn.contract, watching, timeout),
                None => {
                    self.contracts.remove(&spawn.contract);
                    self.sys.abandon(spawn.contract);
                    self.method_failed(&attempt, Failure::Retry);
                }
            }
        }
    }

    /// Whether the context of a method can be had; if not, what follows has been done.
    fn fits(&mut self, attempt: &Attempt, spawn: &Spawn) -> bool {
        let fmri = attempt.fmri.as_str();
        let (message, status) = match self.sys.prepare(spawn) {
            Ok(lines) => {
                for line in lines {
                    self.sys.log(fmri, &line);
                }
                return true;
            }
            Err(Unfit::Unreadable(message)) => (message, None),
            Err(Unfit::Unsettable(message)) => {
                (format!("svc.startd could not set context for method: {message}"), Some(96 << 8))
            }
        };
        self.sys.log(fmri, &message);
        match status {
            // As if a process had been made, had tried, and had ended.
            Some(status) => self.method_ended(fmri, status),
            None => {
                self.contracts.remove(&spawn.contract);
                self.sys.abandon(spawn.contract);
                self.method_failed(attempt, Failure::Configuration);
            }
        }
        false
    }

    /// Records what is about to happen, the contract included.
    fn about_to_run(&mut self, attempt: &Attempt, contract: u64, watching: Watching) {
        let Some(instance) = self.instances.get_mut(&attempt.fmri) else { return };
        let primary = attempt.method == Method::Start && watching.model != Model::Transient;
        instance.next = match (attempt.method, attempt.stop) {
            (Method::Start, _) => State::Online,
            (Method::Stop, Some(stop)) => stop.to,
            (Method::Stop, None) => State::Offline,
            (Method::Refresh, _) => instance.state,
        };
        let log = self.sys.log_path(&attempt.fmri);
        let name = if primary { "contract" } else { "transient_contract" };
        let mut writes: Vec<Write> = vec![(name, "count", vec![contract.to_string()])];
        // Busy from here on: the process is made when this is written.
        instance.activity = Some(Activity::Running {
            method: attempt.method,
            pid: 0,
            contract,
            deadline: None,
            timed_out: false,
            stop: attempt.stop,
            watching,
        });
        if attempt.method == Method::Start {
            writes.push(("logfile", "astring", vec![log]));
        }
        self.record(&attempt.fmri, writes);
    }

    fn started(
        &mut self,
        attempt: &Attempt,
        pid: i32,
        contract: u64,
        watching: Watching,
        timeout: Option<Duration>,
    ) {
        let fmri = attempt.fmri.as_str();
        self.pids.insert(pid, fmri.to_owned());
        let deadline = timeout.map(|timeout| self.sys.now() + timeout);
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        if attempt.method == Method::Start {
            instance.start_pid = Some(pid);
        }
        if attempt.method == Method::Start && watching.model == Model::Wait {
            instance.contract = Some(contract);
            instance.child = Some(pid);
            self.method_succeeded(attempt, None);
            return;
        }
        instance.activity = Some(Activity::Running {
            method: attempt.method,
            pid,
            contract,
            deadline,
            timed_out: false,
            stop: attempt.stop,
            watching,
        });
        self.set_timer(fmri, deadline);
    }
}

/// Looks a property up for a token: in the running snapshot, then live.
fn look_up(
    store: &mut impl Store,
    fmri: &str,
    running: &Groups,
    named: &Named<'_>,
) -> Option<Vec<String>> {
    let of = |groups: &Groups| {
        let property = groups.get(named.group)?.properties.get(named.property)?;
        Some(property.values.clone())
    };
    let whose = named.fmri.unwrap_or(fmri);
    let first = match named.fmri {
        None => of(running),
        // A property that cannot be read is one that is not there.
        Some(other) => store.groups(other, View::Running).ok().flatten().and_then(|g| of(&g)),
    };
    first.or_else(|| store.groups(whose, View::Live).ok().flatten().and_then(|g| of(&g)))
}

fn command(text: &str) -> Command {
    if text == ":true" {
        return Command::True;
    }
    match text.strip_prefix(":kill").map(str::trim) {
        Some("") => Command::Kill(libc::SIGTERM),
        Some(rest) if text[":kill".len()..].starts_with([' ', '\t']) => {
            match rest.strip_prefix('-').and_then(signal) {
                Some(signal) => Command::Kill(signal),
                None => Command::Shell(text.to_owned()),
            }
        }
        Some(_) | None => Command::Shell(text.to_owned()),
    }
}

/// A signal by number, or by name without SIG, as str2sig(3C) reads it.
fn signal(word: &str) -> Option<i32> {
    use nix::sys::signal::Signal;
    if let Ok(number) = word.parse::<i32>() {
        return Signal::try_from(number).ok().map(|signal| signal as i32);
    }
    format!("SIG{word}").parse::<Signal>().ok().map(|signal| signal as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let shell = |text: &str| Command::Shell(text.to_owned());
        for (text, want) in [
            (":true", Command::True),
            (":true x", shell(":true x")),
            (":kill", Command::Kill(libc::SIGTERM)),
            (":kill -KILL", Command::Kill(libc::SIGKILL)),
            (":kill -9", Command::Kill(libc::SIGKILL)),
            (":kill  -HUP ", Command::Kill(libc::SIGHUP)),
            (":kill KILL", shell(":kill KILL")),
            (":kill -NONE", shell(":kill -NONE")),
            (":kill_process", shell(":kill_process")),
            ("/bin/true", shell("/bin/true")),
        ] {
            assert_eq!(want, command(text), "{text}");
        }
    }
}
