//! restraint.rs - what the engine must leave alone: who fails too quickly, who is another
//! restarter's, who is no part of the milestone.
//!
//! - Throttled is only a wait service whose last five starts took less than four seconds; for a
//!   second after that it is not started.
//! - Started too often is only another service, with four starts in the last forty minutes; and a
//!   fifth that follows from failures alone never begins.
//! - An instance of another restarter has no methods run, and no state but uninitialized told.
//! - Going to a milestone that is an instance, nobody it requires is disabled, and everybody it
//!   has nothing to do with is; and it gets there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use smf_startd::config::MASTER;
use smf_startd::state::State;
use smf_startd::store::{Groups, View as Which};

use crate::oracle::{Known, View};
use crate::reality::Reality;
use crate::rules::{enabled, needs};

/// Starts that are one too many, and in which time.
const MANY: usize = 5;
const IN_ALL: Duration = Duration::from_secs(4 * 600);
const OF_WAIT: Duration = Duration::from_secs(4);
/// What an engine does between stamping a start and making its process.
const SLACK: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Restraint {
    /// When starts were tried by the engine that lives.
    tried: BTreeMap<String, VecDeque<Duration>>,
    /// Those since somebody or something else than a failure had a part in it.
    failing: BTreeMap<String, VecDeque<Duration>>,
    /// Until when nothing is started.
    throttled: BTreeMap<String, Duration>,
    /// The milestone that the engine read last, if it is an instance that is there.
    milestone: Option<String>,
}

impl Restraint {
    /// Somebody orders something for an instance.
    pub fn interfere(&mut self, fmri: &str) {
        self.failing.remove(fmri);
    }

    /// An instance is gone: one of that name that comes is another.
    pub fn deleted(&mut self, fmri: &str) {
        for stamps in [&mut self.tried, &mut self.failing] {
            stamps.remove(fmri);
        }
        self.throttled.remove(fmri);
    }

    /// The engine died.
    pub fn bereave(&mut self) {
        *self = Restraint::default();
    }

    /// Where the engine is to be when nothing is under way.
    pub fn milestone(&self) -> Option<&str> {
        self.milestone.as_deref()
    }
}

fn push(stamps: &mut VecDeque<Duration>, now: Duration) {
    stamps.push_back(now);
    stamps.drain(..stamps.len().saturating_sub(MANY));
}

fn since(stamps: Option<&VecDeque<Duration>>, when: Duration) -> usize {
    stamps.map_or(0, |all| all.iter().filter(|stamp| **stamp >= when).count())
}

impl Reality {
    /// The engine tries to make the process of a method.
    pub fn tries(&mut self, fmri: &str, method: &str) {
        if self.delegated.contains(fmri) {
            self.rules.broke(format!("{fmri}: {method} begins, and another restarter runs it"));
        }
        if method != "start" {
            return;
        }
        let now = self.now;
        let restraint = &mut self.rules.restraint;
        let throttled = restraint.throttled.get(fmri).is_some_and(|until| now < *until);
        push(restraint.tried.entry(fmri.to_owned()).or_default(), now);
        let failing = restraint.failing.entry(fmri.to_owned()).or_default();
        push(failing, now);
        let many = failing.len() == MANY && now - failing[0] + SLACK < IN_ALL;
        if throttled {
            self.rules.broke(format!("{fmri} starts while it is throttled"));
        }
        if many && !self.kernel.wait_services.contains(fmri) {
            self.rules.broke(format!("{fmri} starts a fifth time in forty minutes"));
        }
    }

    /// The engine says that it holds an instance back.
    pub fn throttles(&mut self, fmri: &str) {
        let now = self.now;
        let restraint = &mut self.rules.restraint;
        restraint.throttled.insert(fmri.to_owned(), now + Duration::from_secs(1));
        // How long the last of them ran makes no difference.
        let tried = restraint.tried.get(fmri).filter(|tried| tried.len() == MANY);
        let quick = tried.is_some_and(|tried| tried[MANY - 1] - tried[0] < OF_WAIT + SLACK);
        if !quick || !self.kernel.wait_services.contains(fmri) {
            let broke = format!("{fmri} is throttled after starts at {tried:?}");
            self.rules.broke(broke);
        }
    }

    /// An instance went from one state to another.
    pub fn restrained(&mut self, fmri: &str, from: State, to: State, aux: &str) {
        if self.delegated.contains(fmri) && to != State::Uninitialized {
            self.rules.broke(format!("{fmri} is told as {to}, and another restarter runs it"));
        }
        let now = self.now;
        let restraint = &mut self.rules.restraint;
        let failed = aux.starts_with("ct_ev") || aux == "method_failed";
        let goes_on = from == to || to.is_running() || (to == State::Offline && failed);
        if !goes_on {
            restraint.failing.remove(fmri);
        }
        if to == State::Maintenance && from != to && aux == "restarting_too_quickly" {
            // The fifth is stamped and not tried.
            let many = since(restraint.tried.get(fmri), now.saturating_sub(IN_ALL + SLACK));
            let excused = self.rules.disk_refused;
            let wait = self.kernel.wait_services.contains(fmri);
            if (many < MANY - 1 || wait) && !excused {
                self.rules.broke(format!("{fmri} is too quick after {many} starts"));
            }
        }
    }

    /// The engine reads where it is to go.
    pub fn reads_milestone(&mut self, live: &Groups) {
        let of = |group: &str| live.get(group).and_then(|group| group.first("milestone"));
        let named = of("options_ovr").or_else(|| of("options")).unwrap_or("all").to_owned();
        let there =
            self.rules.seen.get(&named).is_some_and(|one| one.met || one.state != State::None);
        self.rules.restraint.milestone = Some(named).filter(|_| there);
    }

    /// What the engine may know: of who is so new that it has told nothing of him yet, and of who is
    /// gone and that was not dealt with.
    pub fn with_newcomers(&mut self) -> View {
        let mut view = self.view_with_the_gone();
        for fmri in self.disk.instances().unwrap_or_default() {
            if view.instances.get(&fmri).is_some_and(|known| known.state != State::None) {
                continue;
            }
            let live = self.disk.groups(&fmri, Which::Live).ok().flatten().unwrap_or_default();
            let Some(enabled) = enabled(&live) else { continue };
            let known = Known { state: State::Uninitialized, enabled, needs: needs(&live) };
            view.instances.insert(fmri, known);
        }
        view
    }

    /// The engine overrides what is enabled.
    pub fn overrides(&mut self, overrides: &[(String, Option<bool>)]) {
        let Some(milestone) = self.rules.restraint.milestone.clone() else { return };
        let view = self.view();
        let required = reached(&view, &milestone, Follow::Required);
        let concerned = reached(&self.with_newcomers(), &milestone, Follow::All);
        for (fmri, enabled) in overrides.iter().filter(|(fmri, _)| fmri != MASTER) {
            let out = *enabled == Some(false);
            if out && required.contains(fmri) {
                self.rules.broke(format!("{fmri} is disabled, and {milestone} requires it"));
            }
            // Of who is new it is not known yet who needs it.
            let known = view.instances.contains_key(fmri);
            if !out && known && !concerned.contains(fmri) {
                self.rules.broke(format!("{fmri} stays, and is no part of {milestone}"));
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follow {
    Required,
    All,
}

/// What an instance stands on.
fn reached(view: &View, fmri: &str, follow: Follow) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = vec![fmri.to_owned()];
    while let Some(next) = rest.pop() {
        let Some(known) = view.instances.get(&next) else { continue };
        if !found.insert(next.clone()) {
            continue;
        }
        // Of who closed a cycle the dependencies do not count.
        let left_out = known.state == State::Maintenance || view.cyclic(&next);
        let counts = |grouping: &str| match follow {
            Follow::Required => !left_out && matches!(grouping, "require_all" | "require_any"),
            Follow::All => grouping != "exclude_all",
        };
        for need in known.needs.iter().filter(|need| counts(need.grouping)) {
            let named = need.entities.iter().filter(|entity| !entity.starts_with("file:"));
            rest.extend(named.flat_map(|entity| view.meant(entity)).map(str::to_owned));
        }
    }
    found
}
