//! configure - instances come, change and go; the administrator's actions arrive.
//!
//! A managed instance is one with general/enabled.  `enabled` and the actions are read live; the
//! dependencies come from the running snapshot.

use std::collections::BTreeSet;

use crate::config::{self, Restarter};
use crate::engine::{Activity, Engine, Instance, WAS_ENABLED};
use crate::evaluate::{Evaluation, reckon};
use crate::graph::{Dependency, Descent, Entity, Grouping};
use crate::propagate::{self, Transition};
use crate::state::{Order, Severity, State};
use crate::store::{Entry, Finished, Groups, Store, StoreError, View, Write};
use crate::sys::{Level, Sys};
use crate::unwritten::Unwritten;

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// Reads all instances; takes over what an engine before this one left running.
    ///
    /// # Errors
    /// The repository cannot be read at all.
    pub fn begin(&mut self) -> Result<(), StoreError> {
        let (mut managed, mut new) = (Vec::new(), Vec::new());
        for fmri in self.store.instances()? {
            let admitted = self.admit(&fmri);
            new.extend(admitted.filter(|fresh| *fresh).map(|_| fmri.clone()));
            managed.extend(admitted.map(|_| fmri));
        }
        // All are in the graph: now their edges, then what each needs.
        self.connect_all(&managed);
        self.begin_milestone();
        self.options();
        // Made while there was no engine: who is flagged disabled by now left with the others.
        new.retain(|fmri| self.graph.node(fmri).is_some_and(|node| node.enabled));
        new.iter().for_each(|fmri| self.stay_outside(fmri));
        self.sys.adoptions(true);
        for fmri in &managed {
            self.resume(fmri);
            self.actions(fmri);
        }
        self.sys.adoptions(false);
        for fmri in &managed {
            self.overtake(fmri);
        }
        self.settle();
        Ok(())
    }

    /// The contracts in use.
    pub fn contracts(&self) -> Vec<u64> {
        self.contracts.keys().copied().collect()
    }

    /// Something changed in the repository.
    ///
    /// # Errors
    /// The changes cannot be read.
    pub fn repository_changed(&mut self) -> Result<usize, StoreError> {
        let changes = self.store.changes()?;
        let count = changes.len();
        // Read whole when they came: what else is told of them now is no order of its own.
        let mut came = BTreeSet::new();
        for change in changes {
            match change.group.as_deref() {
                None => {
                    if self.came_or_went(&change.fmri) {
                        came.insert(change.fmri);
                    }
                }
                Some("general" | "general_ovr" | "deathrow") if came.contains(&change.fmri) => {}
                Some("general" | "general_ovr" | "deathrow") => {
                    if self.changed(&change.fmri) {
                        came.insert(change.fmri);
                    }
                }
                Some("restarter_actions") => self.actions(&change.fmri),
                Some("restarter") => self.reported(&change.fmri),
                Some("options" | "options_ovr") if change.fmri == config::MASTER => {
                    self.options();
                }
                Some(_) => {}
            }
        }
        self.settle();
        Ok(count)
    }

    /// One that was deleted and made again before anybody looked is another one; whether it is new.
    fn came_or_went(&mut self, fmri: &str) -> bool {
        let live = self.store.some_groups(fmri, View::Live, &is_general);
        let Some(live) = self.noted(fmri, live) else { return false };
        let stateless = live.is_some_and(|live| recorded(&live).1);
        if self.instances.contains_key(fmri) && stateless && !self.is_to_be_recorded(fmri) {
            self.dismiss(fmri);
            self.due.retain(|due| due.fmri != fmri);
        }
        self.changed(fmri)
    }

    /// Whether the repository has not taken yet that there is this instance; then it can have no
    /// state there.  One that has lost its first snapshot is another.
    fn is_to_be_recorded(&mut self, fmri: &str) -> bool {
        let first = |due: &Entry| due.fmri == fmri && due.snapshots.contains(&"running");
        let first = self.due.iter().any(first)
            || self.unwritten.get(fmri).is_some_and(Unwritten::has_first_snapshot);
        let written =
            self.unwritten.contains_key(fmri) || self.due.iter().any(|due| due.fmri == fmri);
        if first || !written {
            return first;
        }
        let has = self.store.has_snapshot(fmri, "running");
        self.noted(fmri, has) != Some(false)
    }

    /// Whether it is new.
    fn changed(&mut self, fmri: &str) -> bool {
        let live = self.store.some_groups(fmri, View::Live, &is_general);
        let Some(live) = self.noted(fmri, live) else { return false };
        let enabled = live.as_ref().and_then(config::enabled);
        let restarter = live.as_ref().map(config::restarter);
        if self.graph.condemn(fmri, live.as_ref().is_some_and(config::condemned)) {
            self.reconsider(fmri);
        }
        let moved = |instance: &Instance| restarter.is_some_and(|now| now != instance.restarter);
        if self.instances.get(fmri).is_some_and(moved) {
            self.dismiss(fmri);
        }
        if let (Some(node), Some(live)) = (self.graph.node_mut(fmri), &live) {
            node.lasting = config::lasting(live);
        }
        match (enabled, self.instances.contains_key(fmri)) {
            (None, true) => self.dismiss(fmri),
            (None, false) => {}
            (Some(_), false) => {
                if self.admit(fmri).is_some() {
                    self.connect(fmri);
                    self.stay_outside(fmri);
                    self.appeared(fmri);
                    self.actions(fmri);
                    return true;
                }
            }
            (Some(enabled), true) => self.set_enabled(fmri, enabled),
        }
        false
    }

    /// Another restarter wrote down what became of one of its instances.
    fn reported(&mut self, fmri: &str) {
        let delegated = |instance: &Instance| matches!(instance.restarter, Restarter::Delegate(_));
        if !self.instances.get(fmri).is_some_and(delegated) {
            return;
        }
        let live = self.store.some_groups(fmri, View::Live, &is_general);
        let live = self.noted(fmri, live).flatten().unwrap_or_default();
        let (now, _) = recorded(&live);
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        let from = std::mem::replace(&mut instance.state, now.state);
        instance.aux = now.aux;
        if from != now.state {
            self.follow(fmri, from, Severity::Restart);
        }
    }

    /// Starts who can start now because something about this instance changed.
    pub(crate) fn reconsider(&mut self, fmri: &str) {
        let sys = &self.sys;
        let mut orders = propagate::Orders::new();
        propagate::reconsider(&mut self.graph, fmri, &|path| sys.exists(path), &mut orders);
        self.give_all(orders);
    }

    /// Takes an instance into the engine, if it is managed; whether it was never seen before.
    fn admit(&mut self, fmri: &str) -> Option<bool> {
        let live = self.store.some_groups(fmri, View::Live, &is_general);
        let live = self.noted(fmri, live).flatten()?;
        let enabled = config::enabled(&live)?;
        let (mut instance, fresh) = recorded(&live);
        instance.restarter = config::restarter(&live);
        let delegated = matches!(instance.restarter, Restarter::Delegate(_));
        self.graph.add(fmri, instance.state, enabled);
        if let Some(node) = self.graph.node_mut(fmri) {
            node.delegated = delegated;
            node.lasting = config::lasting(&live);
        }
        self.instances.insert(fmri.to_owned(), instance);
        if fresh {
            let has = self.store.has_snapshot(fmri, "running");
            if self.noted(fmri, has) == Some(false) {
                self.take(fmri, "running");
            }
            let logfile = vec![self.sys.log_path(fmri)];
            let more = vec![("logfile", "astring", logfile)];
            // Where the log is, the restarter says that writes it.
            self.record(fmri, if delegated { Vec::new() } else { more });
        }
        Some(fresh)
    }

    /// Gives an instance its dependencies.
    fn connect(&mut self, fmri: &str) {
        if let Err(aux) = self.read_dependencies(fmri) {
            self.give(fmri, Order::Misconfigured(aux));
        }
    }

    /// Gives all instances their dependencies.
    fn connect_all(&mut self, managed: &[String]) {
        for fmri in managed {
            match self.dependencies(fmri) {
                Ok(dependencies) => self.graph.depend(fmri, dependencies),
                Err(aux) => self.give(fmri, Order::Misconfigured(aux)),
            }
        }
        if self.graph.is_cyclic() {
            // Who closes a cycle is found by adding one after the other; who was found before is
            // added last, so that it is the same one again.
            managed.iter().for_each(|fmri| self.graph.depend(fmri, Vec::new()));
            let closes = |fmri: &&String| {
                self.instances.get(*fmri).is_some_and(|one| one.aux == "dependency_cycle")
            };
            let (last, first): (Vec<_>, Vec<_>) = managed.iter().partition(closes);
            first.into_iter().chain(last).for_each(|fmri| self.connect(fmri));
        }
        let sys = &self.sys;
        let exists = |path: &str| sys.exists(path);
        let mut unused = propagate::Orders::new();
        for fmri in managed {
            if reckon(&mut self.graph, fmri, &exists) {
                propagate::reconsider(&mut self.graph, fmri, &exists, &mut unused);
            }
        }
    }

    /// Reads the dependencies from the running snapshot.
    ///
    /// # Errors
    /// The reason to be in maintenance.
    pub(crate) fn read_dependencies(&mut self, fmri: &str) -> Result<(), &'static str> {
        self.graph.depend(fmri, Vec::new());
        let dependencies = self.dependencies(fmri)?;
        self.graph.depend(fmri, dependencies);
        let Some(cycle) = self.graph.cycle(fmri) else { return Ok(()) };
        self.graph.depend(fmri, Vec::new());
        let what = format!(
            "Transitioning {fmri} to maintenance because it completes a dependency cycle \
             (see svcs -xv for details):\n{}",
            cycle.join("\n")
        );
        self.sys.note(Level::Error, &what);
        Err("dependency_cycle")
    }

    fn dependencies(&mut self, fmri: &str) -> Result<Vec<Dependency>, &'static str> {
        let is_dependency = |_: &str, kind: &str| kind == "dependency";
        let groups = self.store.some_groups(fmri, View::Running, &is_dependency);
        let groups = self.noted(fmri, groups).flatten().unwrap_or_default();
        let restarter = self.instances.get(fmri).map(|instance| instance.restarter.clone());
        let what = format!("Transitioning {fmri} to maintenance due to misconfiguration.");
        if restarter == Some(Restarter::Invalid) {
            self.sys.note(Level::Error, &format!("{what}  (its restarter is no instance)"));
            return Err("invalid_restarter");
        }
        let mut dependencies = config::dependencies(&groups).map_err(|error| {
            self.sys.note(Level::Error, &format!("{what}  ({error})"));
            "invalid_dependency"
        })?;
        if let Some(Restarter::Delegate(other)) = restarter {
            dependencies.push(Dependency {
                name: "general/restarter".to_owned(),
                grouping: Grouping::RequireAll,
                restart_on: Severity::None,
                entities: vec![Entity::Instance(other)],
            });
        }
        Ok(dependencies)
    }

    /// A new instance: it and those who waited for it.
    fn appeared(&mut self, fmri: &str) {
        self.resume(fmri);
        if let Some(state) = self.state(fmri) {
            let sys = &self.sys;
            let (from, to, severity) = (State::None, state, Severity::None);
            let transition = Transition { fmri, from, to, severity };
            let exists = |path: &str| sys.exists(path);
            let orders = propagate::entered(&mut self.graph, transition, &exists);
            // Its own next step was ordered by resume.
            let orders = orders.into_iter().filter(|(to, _)| to != fmri).collect();
            self.give_all(orders);
        }
    }

    /// Goes on from the recorded state: takes contracts over, ends methods nobody waits for,
    /// orders what is due.
    fn resume(&mut self, fmri: &str) {
        if self.graph.node(fmri).is_some_and(|node| node.delegated) {
            return;
        }
        let recorded = self.store.group(fmri, "restarter");
        let recorded = self.noted(fmri, recorded).flatten().unwrap_or_default();
        let number = |property: &str| recorded.first(property).and_then(|text| text.parse().ok());
        let contract: Option<u64> = number("contract");
        let transient: Option<u64> = number("transient_contract");
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        let (state, next) = (instance.state, instance.next);
        instance.next = State::None;
        let starting = !state.is_running() && next == State::Online;
        let orphan = if starting { transient.or(contract) } else { transient };
        if let Some(contract) = contract.filter(|_| !starting) {
            instance.contract = Some(contract);
            self.contracts.insert(contract, fmri.to_owned());
            if !self.sys.adopt(contract) && state.is_running() && next == State::None {
                self.give(fmri, Order::Emptied(contract));
            }
        }
        let revives = orphan.is_some_and(|orphan| self.end_orphan(fmri, orphan, starting));
        if next != State::None && !revives {
            self.record(fmri, revived_writes(starting));
        }
        let was_enabled = recorded.first(WAS_ENABLED) == Some("true");
        self.resume_order(fmri, state, next, was_enabled);
    }

    /// An engine that died may have died between a stop and the stops that follow from it.
    fn overtake(&mut self, fmri: &str) {
        let sys = &self.sys;
        let exists = |path: &str| sys.exists(path);
        let may_go_on = Evaluation::new(&self.graph, &exists).may_go_on(fmri);
        if self.state(fmri).is_some_and(State::is_running) && !may_go_on {
            self.give(fmri, Order::StopReset);
        }
    }

    /// The tree of a method whose engine died is ended before anything else happens; true when
    /// that is still to be waited for.
    fn end_orphan(&mut self, fmri: &str, contract: u64, starting: bool) -> bool {
        if !self.sys.adopt(contract) {
            self.sys.abandon(contract);
            return false;
        }
        let killed = self.sys.signal(contract, libc::SIGKILL);
        self.noted(fmri, killed);
        // Quick as it may be, its end is told as an event.
        if self.sys.is_empty(contract) {
            self.sys.abandon(contract);
            return false;
        }
        self.contracts.insert(contract, fmri.to_owned());
        if let Some(instance) = self.instances.get_mut(fmri) {
            instance.activity = Some(Activity::Reviving { contract, starting });
        }
        true
    }

    /// The tree of that method is gone.
    pub(crate) fn revived(&mut self, fmri: &str, contract: u64, starting: bool) {
        self.sys.abandon(contract);
        self.contracts.remove(&contract);
        self.record(fmri, revived_writes(starting));
        self.idle(fmri);
    }

    fn resume_order(&mut self, fmri: &str, state: State, next: State, was_enabled: bool) {
        let enabled = self.graph.node(fmri).is_some_and(|node| node.enabled);
        match (state, next) {
            (State::Online | State::Degraded, State::Online | State::Degraded) => {
                self.give(fmri, Order::ResumeRefresh);
            }
            (
                State::Online | State::Degraded,
                State::Offline | State::Disabled | State::Maintenance,
            ) => self.give(fmri, Order::ResumeStop(next)),
            (
                State::None
                | State::Uninitialized
                | State::Offline
                | State::Online
                | State::Degraded
                | State::Disabled
                | State::Maintenance,
                _,
            ) => {}
        }
        if self.graph.node(fmri).is_some_and(|node| node.descent != Descent::None) {
            // It goes down with others, in their order.
            return;
        }
        match (state, enabled) {
            (State::Uninitialized | State::Disabled, true) => self.give(fmri, Order::Enable),
            (State::Uninitialized | State::Offline, false) => self.give(fmri, Order::Disable),
            (State::Online | State::Degraded, false) => self.give(fmri, Order::AdminDisable),
            (State::Offline, true) => self.start_if_ready(fmri),
            // The engine died before it came to the disable, or could write what came of it.
            (State::Maintenance, false) if was_enabled && !self.is_outside(fmri) => {
                self.give(fmri, Order::AdminDisable);
            }
            (State::Online | State::Degraded, true)
            | (State::Disabled, false)
            | (State::None | State::Maintenance, _) => {}
        }
    }

    pub(crate) fn set_enabled(&mut self, fmri: &str, enabled: bool) {
        let Some(node) = self.graph.node_mut(fmri) else { return };
        node.enabled = enabled;
        self.disable_no_more(fmri);
        if enabled {
            propagate::forget_disable(&mut self.graph, fmri);
            match self.state(fmri) {
                Some(State::Uninitialized | State::Disabled) => self.give(fmri, Order::Enable),
                Some(
                    State::None
                    | State::Offline
                    | State::Online
                    | State::Degraded
                    | State::Maintenance,
                )
                | None => self.start_if_ready(fmri),
            }
            // Flagged enabled, a disabled instance may start: those who looked past it wait now.
            self.reconsider(fmri);
            self.descend();
        } else if self.state(fmri) != Some(State::Disabled) {
            let orders = propagate::disable(&mut self.graph, fmri);
            self.give_all(orders);
        }
    }

    /// An instance is gone, or no longer managed.
    fn dismiss(&mut self, fmri: &str) {
        let stops = |groups: &[&Dependency]| {
            groups.iter().any(|group| {
                group.grouping == Grouping::ExcludeAll || group.restart_on >= Severity::Restart
            })
        };
        let dependents = self.graph.dependents(fmri).into_iter();
        let stopped: Vec<String> = dependents
            .filter(|(_, groups)| stops(groups))
            .map(|(dependent, _)| dependent.clone())
            .collect();
        if let Some(instance) = self.instances.remove(fmri) {
            // It stays recorded, should there be anything left to record it with.
            if let Some(contract) = instance.contract {
                self.contracts.remove(&contract);
                self.sys.abandon(contract);
            }
            if let Some(Activity::Running { pid, .. }) = instance.activity {
                self.pids.remove(&pid);
            }
            if let Some(child) = instance.child {
                self.pids.remove(&child);
            }
            if let Some(
                Activity::Running { contract, .. }
                | Activity::Draining { contract, .. }
                | Activity::Reviving { contract, .. },
            ) = instance.activity
            {
                self.contracts.remove(&contract);
                self.sys.abandon(contract);
            }
        }
        self.graph.remove(fmri);
        // One of that name that comes is another: what was refused is not its own.
        self.unwritten.remove(fmri);
        for dependent in stopped {
            self.give(&dependent, Order::StopReset);
        }
        self.reconsider(fmri);
        self.descend();
    }

    /// Who was held by something that holds nobody any more goes down.
    pub(crate) fn descend(&mut self) {
        let orders = propagate::descend_all(&mut self.graph);
        self.give_all(orders);
    }

    /// What is in the repository counts from now on; when no snapshot can be taken, later.
    pub(crate) fn take_refresh(&mut self, fmri: &str, by: Vec<Finished>) {
        let taken = self.store.snapshot(fmri, "running");
        if taken.as_ref().is_err_and(|error| error.passing) {
            self.act_again(fmri, &by);
        }
        if self.noted(fmri, taken).is_some() {
            self.connect(fmri);
            self.start_if_ready(fmri);
            let sys = &self.sys;
            if reckon(&mut self.graph, fmri, &|path| sys.exists(path)) {
                self.reconsider(fmri);
            }
            self.descend();
            self.give_by(fmri, Order::Refresh, by);
            let orders = propagate::refreshed(&self.graph, fmri);
            self.give_all(orders);
        }
    }
}

/// What says whether an instance is managed, by whom, and in which state it is.
fn is_general(name: &str, _kind: &str) -> bool {
    matches!(name, "general" | "general_ovr" | "restarter" | "deathrow")
}

/// The instance as the repository has it; true when it was never seen before.
fn recorded(live: &Groups) -> (Instance, bool) {
    let restarter = |property: &str| live.get("restarter").and_then(|group| group.first(property));
    let state = restarter("state").and_then(State::parse);
    let next = restarter("next_state").and_then(State::parse);
    let aux = restarter("auxiliary_state").unwrap_or("none");
    match (state, next) {
        (Some(State::None) | None, None) => {
            (Instance::new(State::Uninitialized, "insert_in_graph"), true)
        }
        (Some(state), Some(next)) if state != State::None => {
            let mut instance = Instance::new(state, aux);
            instance.next = next;
            instance.start_pid = restarter("start_pid").and_then(|text| text.parse().ok());
            (instance, false)
        }
        // Half of it is as good as nothing.
        (Some(_) | None, _) => (Instance::new(State::Maintenance, "bad_repo_state"), true),
    }
}

/// What to record when nothing is left of a method whose engine died.
fn revived_writes(starting: bool) -> Vec<Write> {
    let mut writes: Vec<Write> = vec![("transient_contract", "count", Vec::new())];
    if starting {
        writes.push(("contract", "count", Vec::new()));
    }
    writes
}
