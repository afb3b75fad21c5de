//! outcomes - what the end of a method leads to (smf.md 3.5 to 3.7).

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::{self, Watching};
use crate::engine::{Activity, Engine, Stop};
use crate::methods::Attempt;
use crate::state::{Method, Model, Severity, State};
use crate::store::{Store, View, Write};
use crate::sys::{Level, Sys};

/// Failures in a row that lead to maintenance.
const FAULT_THRESHOLD: u32 = 3;

/// How a method failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may work the next time.
    Retry,
    /// Exit 95.
    Fatal,
    /// Exit 96.
    Misconfigured,
    /// Exit 99 or 100, or a signal that could not be sent.
    Refused,
    /// Its context or its tokens.
    Configuration,
    /// It timed out, and is not to be tried again.
    TimedOut,
    /// The processes of the service did not end in time.
    Undrained,
    /// It was started too often.
    TooQuick,
}

impl Failure {
    fn of(status: i32, timed_out: bool, watching: &Watching) -> Option<Failure> {
        if libc::WIFSIGNALED(status) {
            let again = !timed_out || watching.retry_timeout;
            return Some(if again { Failure::Retry } else { Failure::TimedOut });
        }
        match libc::WEXITSTATUS(status) {
            0 => None,
            95 => Some(Failure::Fatal),
            96 => Some(Failure::Misconfigured),
            99 | 100 => Some(Failure::Refused),
            _ => Some(Failure::Retry),
        }
    }

    fn console(self) -> &'static str {
        match self {
            Failure::Fatal => "failed fatally",
            Failure::Misconfigured => "misconfigured",
            Failure::TimedOut => "timed out",
            Failure::TooQuick => "failed repeatedly",
            Failure::Retry | Failure::Refused | Failure::Configuration | Failure::Undrained => {
                "failed"
            }
        }
    }

    fn aux(self) -> &'static str {
        match self {
            Failure::Retry => "fault_threshold_reached",
            Failure::TooQuick => "restarting_too_quickly",
            Failure::Fatal
            | Failure::Misconfigured
            | Failure::Refused
            | Failure::Configuration
            | Failure::TimedOut
            | Failure::Undrained => "method_failed",
        }
    }
}

/// Whether the last starts came too quickly, on average, one after the other.
pub(crate) fn too_quick(stamps: &VecDeque<Duration>, watching: &Watching) -> bool {
    let count = watching.rate_count;
    let Some(first) = stamps.len().checked_sub(count) else { return false };
    match (stamps.get(first), stamps.back()) {
        (Some(first), Some(last)) => {
            let intervals = u32::try_from(count - 1).unwrap_or(u32::MAX);
            last.saturating_sub(*first) / intervals < watching.rate_period
        }
        (Some(_) | None, _) => false,
    }
}

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// Stamps a start; false when it is one too many.
    pub(crate) fn may_start(&mut self, fmri: &str, watching: &Watching) -> bool {
        let now = self.sys.now();
        let Some(instance) = self.instances.get_mut(fmri) else { return false };
        instance.stamps.push_back(now);
        while instance.stamps.len() > watching.rate_count {
            instance.stamps.pop_front();
        }
        let quick = watching.model != Model::Wait && too_quick(&instance.stamps, watching);
        if quick {
            self.sys.log(fmri, "Restarting too quickly, changing state to maintenance.");
        }
        !quick
    }

    /// The process of a method has ended.
    pub(crate) fn method_ended(&mut self, fmri: &str, status: i32) {
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        let Some(Activity::Running { method, contract, deadline, timed_out, stop, .. }) =
            instance.activity.take()
        else {
            return;
        };
        let groups = self.store.groups(fmri, View::Running);
        let groups = self.noted(fmri, groups).flatten().unwrap_or_default();
        let watching = config::watching(&groups);
        let name = method.name();
        let message = if libc::WIFEXITED(status) {
            format!("Method \"{name}\" exited with status {}.", libc::WEXITSTATUS(status))
        } else {
            format!("Method \"{name}\" failed due to signal {}.", signal_name(status))
        };
        self.sys.log(fmri, &message);
        let failure = Failure::of(status, timed_out, &watching);
        let primary = method == Method::Start && watching.model != Model::Transient;
        if primary && failure.is_none() {
            if let Some(instance) = self.instances.get_mut(fmri) {
                instance.contract = Some(contract);
            }
        } else {
            if libc::WIFSIGNALED(status) {
                // What a method that was killed leaves behind is nobody's work.
                let killed = self.sys.signal(contract, libc::SIGKILL);
                self.noted(fmri, killed);
            }
            self.contracts.remove(&contract);
            self.sys.abandon(contract);
        }
        let attempt = Attempt { fmri: fmri.to_owned(), method, stop };
        match failure {
            None => {
                let left = deadline.map(|deadline| deadline.saturating_sub(self.sys.now()));
                self.method_succeeded(&attempt, left);
            }
            Some(_) if self.ending && method == Method::Start => {
                self.enter(fmri, State::Offline, Severity::None, cleared(true));
            }
            Some(failure) => {
                if method == Method::Start {
                    // What svcs -x explains: how the last start ended.
                    let ended = ("start_method_waitstatus", "integer", vec![status.to_string()]);
                    self.write(fmri, vec![ended]);
                }
                self.method_failed(&attempt, failure);
            }
        }
    }

    /// A method did what it should; `left` is what remains of its time.
    pub(crate) fn method_succeeded(&mut self, attempt: &Attempt, left: Option<Duration>) {
        let fmri = attempt.fmri.as_str();
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        instance.faults = 0;
        match (attempt.method, attempt.stop) {
            (Method::Start, _) => self.start_succeeded(fmri),
            (Method::Stop, Some(stop)) => self.stop_succeeded(fmri, stop, left),
            (Method::Stop, None) | (Method::Refresh, _) => {
                instance.next = State::None;
                self.record(fmri, vec![("transient_contract", "count", Vec::new())]);
                self.idle(fmri);
            }
        }
    }

    fn start_succeeded(&mut self, fmri: &str) {
        let (seconds, nanoseconds) = self.sys.wall();
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        let values = |number: Option<String>| number.into_iter().collect::<Vec<String>>();
        let contract = instance.contract;
        let writes: Vec<Write> = vec![
            ("contract", "count", values(contract.map(|contract| contract.to_string()))),
            ("transient_contract", "count", Vec::new()),
            ("start_pid", "count", values(instance.start_pid.map(|pid| pid.to_string()))),
            ("start_method_timestamp", "time", vec![format!("{seconds}.{nanoseconds:09}")]),
            ("start_method_waitstatus", "integer", vec!["0".to_owned()]),
        ];
        let taken = self.store.snapshot(fmri, "start");
        self.noted(fmri, taken);
        self.enter(fmri, State::Online, Severity::None, writes);
        // It may have emptied while nobody was to be told.
        if let Some(contract) = contract {
            if self.sys.is_empty(contract) {
                self.give(fmri, crate::state::Order::Emptied(contract));
            }
        }
    }

    fn stop_succeeded(&mut self, fmri: &str, stop: Stop, left: Option<Duration>) {
        let contract = self.instances.get(fmri).and_then(|instance| instance.contract);
        match contract {
            Some(contract) if !self.sys.is_empty(contract) => {
                let deadline = left.map(|left| self.sys.now() + left);
                if let Some(instance) = self.instances.get_mut(fmri) {
                    instance.next = stop.to;
                    instance.activity =
                        Some(Activity::Draining { contract, deadline, timed_out: false, stop });
                }
                self.record(fmri, Vec::new());
                self.set_timer(fmri, deadline);
            }
            Some(_) | None => self.drained(fmri, stop, false),
        }
    }

    /// No process of the service is left.
    pub(crate) fn drained(&mut self, fmri: &str, stop: Stop, timed_out: bool) {
        self.abandon_contract(fmri);
        if let Some(instance) = self.instances.get_mut(fmri) {
            instance.activity = None;
            instance.child = None;
        }
        if timed_out {
            let attempt = Attempt::stop(fmri, stop);
            self.method_failed(&attempt, Failure::Undrained);
        } else {
            self.enter(fmri, stop.to, stop.severity, cleared(true));
        }
    }

    /// A method failed: again, or to maintenance.
    pub(crate) fn method_failed(&mut self, attempt: &Attempt, failure: Failure) {
        let fmri = attempt.fmri.as_str();
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        if failure == Failure::Retry {
            instance.faults += 1;
            if instance.faults < FAULT_THRESHOLD {
                self.run_method(attempt);
                return;
            }
        }
        failure.aux().clone_into(&mut instance.aux);
        let name = fmri.trim_start_matches("svc:/");
        let message = format!(
            "{name} {}: transitioned to maintenance (see 'svcs -xv' for details)",
            failure.console()
        );
        self.sys.note(Level::Notice, &message);
        self.sys.syslog(&message);
        // The service's processes stay, and its contract stays recorded, unless it is the one of
        // a start method that failed.
        let writes = cleared(attempt.method == Method::Start);
        self.enter(fmri, State::Maintenance, Severity::Error, writes);
    }
}

/// What to record when a method's contract, or the service's too, is no longer held.
fn cleared(primary: bool) -> Vec<Write> {
    let mut writes: Vec<Write> = vec![("transient_contract", "count", Vec::new())];
    if primary {
        writes.push(("contract", "count", Vec::new()));
    }
    writes
}

fn signal_name(status: i32) -> String {
    let number = libc::WTERMSIG(status);
    match nix::sys::signal::Signal::try_from(number) {
        Ok(signal) => signal.as_str().trim_start_matches("SIG").to_owned(),
        Err(_) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Groups;

    #[test]
    fn statuses() {
        let watching = config::watching(&Groups::new());
        for (status, want) in [
            (0, None),
            (1 << 8, Some(Failure::Retry)),
            (95 << 8, Some(Failure::Fatal)),
            (96 << 8, Some(Failure::Misconfigured)),
            (97 << 8, Some(Failure::Retry)),
            (98 << 8, Some(Failure::Retry)),
            (99 << 8, Some(Failure::Refused)),
            (100 << 8, Some(Failure::Refused)),
            (9, Some(Failure::Retry)),
        ] {
            assert_eq!(want, Failure::of(status, false, &watching), "{status:#x}");
        }
        let once = Watching { retry_timeout: false, ..watching };
        assert_eq!(Some(Failure::TimedOut), Failure::of(9, true, &once));
        assert_eq!(Some(Failure::Retry), Failure::of(9, true, &watching));
        assert_eq!("KILL", signal_name(9));
    }

    #[test]
    fn five_starts_in_forty_minutes() {
        let watching = config::watching(&Groups::new());
        for (minutes, want) in [
            (vec![0, 1, 2, 3], false),
            (vec![0, 10, 20, 30, 39], true),
            (vec![0, 10, 20, 30, 40], false),
            (vec![0, 60, 61, 62, 63, 64], true),
        ] {
            let stamps = minutes.iter().map(|minute| Duration::from_secs(60 * minute)).collect();
            assert_eq!(want, too_quick(&stamps, &watching), "{minutes:?}");
        }
        let five = Watching { rate_count: 5, rate_period: Duration::from_secs(1), ..watching };
        let stamps = (0..5).map(Duration::from_secs).collect();
        assert!(!too_quick(&stamps, &five));
    }
}
