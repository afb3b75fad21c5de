//! state - the words of the restarter: states, reasons, severities, methods.

use std::fmt;

/// The state of an instance, as `restarter/state` and `restarter/next_state` hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No state; as `next_state`: stable.
    None,
    /// Known, and neither enabled nor disabled yet.
    Uninitialized,
    /// Enabled and not running.
    Offline,
    /// Running.
    Online,
    /// Running, in part.
    Degraded,
    /// Not to run.
    Disabled,
    /// Waits for the administrator.
    Maintenance,
}

impl State {
    const NAMES: [(State, &'static str); 7] = [
        (State::None, "none"),
        (State::Uninitialized, "uninitialized"),
        (State::Offline, "offline"),
        (State::Online, "online"),
        (State::Degraded, "degraded"),
        (State::Disabled, "disabled"),
        (State::Maintenance, "maintenance"),
    ];

    /// The word in the repository.
    #[must_use]
    pub fn name(self) -> &'static str {
        State::NAMES.iter().find(|(state, _)| *state == self).map_or("none", |(_, name)| name)
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(name: &str) -> Option<State> {
        State::NAMES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }

    /// Online or degraded.
    #[must_use]
    pub fn is_running(self) -> bool {
        matches!(self, State::Online | State::Degraded)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How bad a stop is for the dependents, and how much of it a dependency lets pass.  A group
/// passes a stop on iff its severity is at most the group's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As a level: nothing passes.
    None,
    /// A fault.
    Error,
    /// Somebody wanted it, or the last process ended.
    Restart,
    /// The configuration was read again.
    Refresh,
}

impl Severity {
    /// Reads the value of `restart_on`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Severity> {
        match word {
            "none" => Some(Severity::None),
            "error" => Some(Severity::Error),
            "restart" => Some(Severity::Restart),
            "refresh" => Some(Severity::Refresh),
            _ => None,
        }
    }
}

/// The methods startd runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Brings the instance online.
    Start,
    /// Takes it down.
    Stop,
    /// Has it read its configuration again.
    Refresh,
}

impl Method {
    /// Its property group, `SMF_METHOD` and `%m`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::Start => "start",
            Method::Stop => "stop",
            Method::Refresh => "refresh",
        }
    }
}

/// What startd does with the processes of an instance (`startd/duration`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// A daemon: online while its contract has members.
    Contract,
    /// A configuration: online when its start method is done.
    Transient,
    /// A child: online while the start method runs.
    Wait,
}

/// An order to the restarter.  Orders of one instance are carried out one after the other, and
/// wait while a method runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The graph wants it enabled.
    Enable,
    /// The graph wants it disabled.
    Disable,
    /// The administrator disabled it.
    AdminDisable,
    /// All dependencies are satisfied.
    Start,
    /// A dependency failed.
    Stop,
    /// A dependency went away or came back; start stamps are forgotten.
    StopReset,
    /// The engine ends: down, staying enabled.
    TakeDown,
    /// The running snapshot has been taken anew.
    Refresh,
    /// The administrator wants it stopped and started.
    Restart,
    /// The administrator wants it in maintenance, for this reason.
    Maintain(&'static str),
    /// The same at once, leaving the processes alone.
    MaintainImmediate(&'static str),
    /// The administrator has repaired it.
    Clear,
    /// It runs, but not as it should, for this reason.
    Degrade(&'static str),
    /// What degraded it is over.
    Restore,
    /// Its processes are to dump core.
    Dump,
    /// Its own configuration does not let it run.
    Misconfigured(&'static str),
    /// The engine died while it was being stopped for this state.
    ResumeStop(State),
    /// The engine died while its refresh method ran.
    ResumeRefresh,
    /// The last process of this contract has ended.
    Emptied(u64),
    /// A process of this contract dumped core.
    DumpedCore(u64),
    /// A process of this contract got a fatal signal.
    Signalled(u64),
    /// The child of a wait service has ended with this exit status.
    ChildEnded(i32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for (state, name) in State::NAMES {
            assert_eq!(Some(state), State::parse(name));
            assert_eq!(name, state.to_string());
        }
        assert_eq!(None, State::parse("Online"));
    }

    #[test]
    fn what_passes() {
        // smf(7), restart_on: rows stop by error, other stop, refresh; columns none, error, restart, refresh.
        let levels = ["none", "error", "restart", "refresh"].map(|w| Severity::parse(w).unwrap());
        for (severity, want) in [
            (Severity::Error, [false, true, true, true]),
            (Severity::Restart, [false, false, true, true]),
            (Severity::Refresh, [false, false, false, true]),
        ] {
            assert_eq!(want, levels.map(|level| severity <= level), "{severity:?}");
        }
    }
}
