//! outcomes - what the end of a method leads to.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::Watching;
use crate::engine::{Activity, Engine, Stop};
use crate::methods::Attempt;
use crate::state::{Method, Model, Severity, State};
use crate::store::{Store, Write};
use crate::sys::{Level, Sys};

/// Failures in a row that lead to maintenance.
const FAULT_THRESHOLD: u32 = 3;

/// How a method succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Success {
    /// As methods do.
    Plain,
    /// Exit 94: it leaves no processes behind, and that is right.
    NoDaemon,
    /// Exit 97: it runs, but not as it should.
    Degraded,
    /// Exit 101: that is all there was to do until the next boot.
    Disable,
}

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
    fn of(
        method: Method,
        status: i32,
        timed_out: bool,
        watching: &Watching,
    ) -> Result<Success, Failure> {
        if timed_out && !watching.retry_timeout {
            return Err(Failure::TimedOut);
        }
        if libc::WIFSIGNALED(status) {
            return Err(Failure::Retry);
        }
        match (libc::WEXITSTATUS(status), method) {
            (0, _) => Ok(Success::Plain),
            (94, _) => Ok(Success::NoDaemon),
            (97, Method::Start | Method::Refresh) => Ok(Success::Degraded),
            (101, Method::Start) => Ok(Success::Disable),
            (95, _) => Err(Failure::Fatal),
            (96, _) => Err(Failure::Misconfigured),
            (99 | 100, _) => Err(Failure::Refused),
            _ => Err(Failure::Retry),
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
        let Some(Activity::Running {
            method, contract, deadline, timed_out, stop, watching, ..
        }) = instance.activity.take()
        else {
            return;
        };
        self.forget_timer(fmri, deadline);
        let name = method.name();
        let message = if libc::WIFEXITED(status) {
            format!("Method \"{name}\" exited with status {}.", libc::WEXITSTATUS(status))
        } else {
            format!("Method \"{name}\" failed due to signal {}.", signal_name(status))
        };
        self.sys.log(fmri, &message);
        let outcome = Failure::of(method, status, timed_out, &watching);
        let primary = method == Method::Start && watching.model != Model::Transient;
        if primary && outcome.is_ok_and(|success| success != Success::NoDaemon) {
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
            self.sys.release(contract);
        }
        let attempt = Attempt { fmri: fmri.to_owned(), method, stop };
        match outcome {
            Ok(success) => {
                let left = deadline.map(|deadline| deadline.saturating_sub(self.sys.now()));
                self.succeeded(&attempt, success, status, left);
            }
            Err(_) if self.ending && method == Method::Start => {
                self.enter(fmri, State::Offline, Severity::None, cleared(true));
            }
            Err(failure) => {
                if method == Method::Start {
                    // What svcs -x explains: how the last start ended.
                    let ended = ("start_method_waitstatus", "integer", vec![status.to_string()]);
                    self.write(fmri, vec![ended]);
                }
                self.method_failed(&attempt, failure);
            }
        }
    }

    /// What stands for a method did what it should; `left` is what remains of its time.
    pub(crate) fn method_succeeded(&mut self, attempt: &Attempt, left: Option<Duration>) {
        self.succeeded(attempt, Success::Plain, 0, left);
    }

    fn succeeded(
        &mut self,
        attempt: &Attempt,
        success: Success,
        status: i32,
        left: Option<Duration>,
    ) {
        let fmri = attempt.fmri.as_str();
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        instance.faults = 0;
        let state = match success {
            Success::Degraded => State::Degraded,
            Success::Plain | Success::NoDaemon | Success::Disable => State::Online,
        };
        match (attempt.method, attempt.stop) {
            (Method::Start, _) => {
                // What an earlier one asked for is of the past.
                self.disable_no_more(fmri);
                self.start_succeeded(fmri, state, status);
            }
            (Method::Stop, Some(stop)) => self.stop_succeeded(fmri, stop, left),
            (Method::Refresh, _) if success == Success::Degraded => {
                self.because(fmri, "method_failed");
                let writes = cleared(false);
                self.enter(fmri, state, Severity::None, writes);
            }
            (Method::Stop, None) | (Method::Refresh, _) => {
                instance.next = State::None;
                self.record(fmri, vec![("transient_contract", "count", Vec::new())]);
                self.idle(fmri);
            }
        }
        if success == Success::Disable {
            self.disable_until_boot(fmri);
        }
    }

    /// The start method asked for it: a temporary disable, as an administrator would give it.
    pub(crate) fn disable_until_boot(&mut self, fmri: &str) {
        let comment = "start method exited with $SMF_EXIT_TEMP_DISABLE".to_owned();
        let writes: [Write; 2] = [
            ("enabled", "boolean", vec!["false".to_owned()]),
            ("comment", "astring", vec![comment]),
        ];
        let written = self.store.set(fmri, "general_ovr", &writes);
        let later = written.as_ref().is_err_and(|error| error.passing);
        if self.noted(fmri, written).is_some() {
            self.set_enabled(fmri, false);
        } else if later {
            self.disable_again(fmri);
        }
    }

    fn start_succeeded(&mut self, fmri: &str, state: State, status: i32) {
        if state == State::Degraded {
            self.because(fmri, "method_failed");
        }
        let (seconds, nanoseconds) = self.sys.wall();
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        let values = |number: Option<String>| number.into_iter().collect::<Vec<String>>();
        let contract = instance.contract;
        let mut writes: Vec<Write> = vec![
            ("start_method_timestamp", "time", vec![format!("{seconds}.{nanoseconds:09}")]),
            ("start_method_waitstatus", "integer", vec![status.to_string()]),
        ];
        // Who never had a process has no contract to tell of, not even none.
        if instance.start_pid.is_some() || contract.is_some() {
            writes.extend([
                ("contract", "count", values(contract.map(|contract| contract.to_string()))),
                ("transient_contract", "count", Vec::new()),
                ("start_pid", "count", values(instance.start_pid.map(|pid| pid.to_string()))),
            ]);
        }
        self.take(fmri, "start");
        self.enter(fmri, state, Severity::None, writes);
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
                // That of the stop method is gone.
                self.record(fmri, cleared(false));
                self.set_timer(fmri, deadline);
            }
            Some(_) | None => self.drained(fmri, stop, false),
        }
    }

    /// No process of the service is left.
    pub(crate) fn drained(&mut self, fmri: &str, stop: Stop, timed_out: bool) {
        let writes = self.abandon_contract(fmri);
        if let Some(instance) = self.instances.get_mut(fmri) {
            instance.activity = None;
            instance.child = None;
        }
        if timed_out {
            self.write(fmri, writes);
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
pub(crate) fn cleared(primary: bool) -> Vec<Write> {
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
    use crate::config;
    use crate::store::Groups;

    #[test]
    fn statuses() {
        let watching = config::watching(&Groups::new());
        let start = Method::Start;
        for (status, want) in [
            (0, Ok(Success::Plain)),
            (1 << 8, Err(Failure::Retry)),
            (94 << 8, Ok(Success::NoDaemon)),
            (95 << 8, Err(Failure::Fatal)),
            (96 << 8, Err(Failure::Misconfigured)),
            (97 << 8, Ok(Success::Degraded)),
            (98 << 8, Err(Failure::Retry)),
            (99 << 8, Err(Failure::Refused)),
            (100 << 8, Err(Failure::Refused)),
            (101 << 8, Ok(Success::Disable)),
            (9, Err(Failure::Retry)),
        ] {
            assert_eq!(want, Failure::of(start, status, false, &watching), "{status:#x}");
        }
        // There is nothing to be degraded, and nothing to be disabled, at the end.
        for status in [97 << 8, 101 << 8] {
            let found = Failure::of(Method::Stop, status, false, &watching);
            assert_eq!(Err(Failure::Retry), found, "{status:#x}");
        }
        let once = Watching { retry_timeout: false, ..watching };
        assert_eq!(Err(Failure::TimedOut), Failure::of(start, 9, true, &once));
        assert_eq!(Err(Failure::Retry), Failure::of(start, 9, true, &watching));
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
