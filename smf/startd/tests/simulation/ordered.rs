//! ordered.rs - what an administrator ordered is done: once, and by the next engine if this one dies.
//!
//! An order counts from the moment its property is in the repository.  It is owed until it shows:
//!
//! | order                | owed by                        | done when                              |
//! |----------------------|--------------------------------|----------------------------------------|
//! | restart              | who runs or is being started   | it goes down, or its start came to none |
//! | maint_on, _immediate | who is not in maintenance      | it is, or goes there                   |
//! | maint_off            | who is in maintenance          | it is not                              |
//! | degraded, restore    | who is online, degraded        | it is not any more, or goes down       |
//! | refresh              | everybody                      | the snapshot is taken, and who runs    |
//! |                      |                                | has begun the method or goes down      |
//!
//! Who is outside of a milestone is disabled until something else is ordered for it.  A reboot takes the orders with it, and a deletion those of the instance.  At rest nothing is owed;
//! and nobody is stopped for a restart more often than that was ordered, unless the repository did not
//! take it that the restart was done.

use std::collections::BTreeMap;

use smf_startd::config::MASTER;
use smf_startd::state::State;

use crate::rules::{Rules, Seen};

/// What is owed to the orders an instance was given.
#[derive(Debug, Clone, Default)]
pub struct Ordered {
    /// The order, and whether a part of it is done.
    owed: BTreeMap<String, bool>,
    /// How many restarts were ordered, and how many were seen.
    restarts: (usize, usize),
    /// The engine died while it was stopped: the next one goes on with that.
    resumes: bool,
}

/// The property's name without what makes no difference here.
fn kind(action: &str) -> &str {
    match action {
        "maint_on_temporary" => "maint_on",
        "maint_on_immtemp" => "maint_on_immediate",
        "degrade_immediate" => "degraded",
        other => other,
    }
}

fn goes_down(state: State, next: State) -> bool {
    state.is_running() && next != State::None && !next.is_running()
}

/// Whether an order asks anything of who is in this state, on its way to the next.
fn owes(state: State, next: State, kind: &str) -> bool {
    let down = goes_down(state, next);
    match kind {
        "restart" => !down && (state.is_running() || next == State::Online),
        "maint_on" | "maint_on_immediate" => !matches!(state, State::Maintenance | State::None),
        "maint_off" => state == State::Maintenance,
        "degraded" => state == State::Online && !down,
        "restore" => state == State::Degraded && !down,
        "refresh" => true,
        _ => false,
    }
}

impl Seen {
    /// An order for it is in the repository.
    pub fn order(&mut self, action: &str) {
        if kind(action) == "restart" {
            self.ordered.restarts.0 += 1;
        }
        if owes(self.state, self.next, kind(action)) {
            self.ordered.owed.insert(kind(action).to_owned(), false);
        }
    }

    /// It is about to be told that it is in this state, on its way to the next, for this reason.
    pub fn carried_out(&mut self, to: State, next: State, aux: &str) -> Option<String> {
        let begins = self.state.is_running() && !goes_down(self.state, self.next);
        let down = goes_down(to, next) || (!to.is_running() && next == State::None);
        let maintained = to == State::Maintenance || next == State::Maintenance;
        self.ordered.owed.retain(|action, begun| match action.as_str() {
            "restart" => !down,
            "maint_on" | "maint_on_immediate" => !maintained,
            "maint_off" => to == State::Maintenance,
            "degraded" => to == State::Online && !down,
            "restore" => to == State::Degraded && !down,
            _ => !(*begun && down),
        });
        let resumes = down && std::mem::take(&mut self.ordered.resumes);
        if begins && down && !resumes && aux == "restart_request" && !maintained {
            self.ordered.restarts.1 += 1;
        }
        let (ordered, seen) = self.ordered.restarts;
        (seen > ordered).then(|| format!("restarted {seen} times, ordered {ordered} times"))
    }

    /// The engine died: what counts is what is written down.
    pub fn orphaned(&mut self) {
        let (state, next) = (self.state, self.next);
        self.ordered.owed.retain(|action, _| owes(state, next, action));
        self.ordered.resumes |= goes_down(self.state, self.next);
    }

    /// Its running snapshot was taken; whether it has a refresh method of its own.
    pub fn snapshot_taken(&mut self, method: bool) {
        let stopped = !self.state.is_running() && self.next == State::None;
        if stopped || !method {
            self.ordered.owed.remove("refresh");
        } else if let Some(begun) = self.ordered.owed.get_mut("refresh") {
            *begun = true;
        }
    }

    /// Its refresh method begins.
    pub fn refreshes(&mut self) {
        if self.ordered.owed.get("refresh") == Some(&true) {
            self.ordered.owed.remove("refresh");
        }
    }
}

impl Rules {
    /// A milestone is in the repository; whether all are outside of it.
    pub fn milestone(&mut self, outside: bool) {
        let others = self.seen.iter_mut().filter(|(fmri, _)| *fmri != MASTER);
        others.for_each(|(_, seen)| seen.outside = outside);
    }

    /// The machine came up again: nobody knows of any order.
    pub fn forget_orders(&mut self) {
        for seen in self.seen.values_mut() {
            seen.ordered.owed.clear();
            seen.outside = false;
        }
    }

    /// What is still owed.
    pub fn owed(&self) -> Result<(), String> {
        let owed = self
            .seen
            .iter()
            .find_map(|(fmri, seen)| seen.ordered.owed.keys().next().map(|action| (fmri, action)));
        owed.map_or(Ok(()), |(fmri, action)| {
            Err(format!("{fmri}: {action} was ordered and never carried out"))
        })
    }
}
