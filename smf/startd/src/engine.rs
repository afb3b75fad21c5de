//! engine - the graph and the restarter, put together; events in, calls to the two seams out.
//!
//! Invariants:
//! - Orders of one instance are carried out in turn, one at a time, and wait while it is busy.
//! - Every change of an instance's state goes through `enter`, which records it, tells the graph
//!   and gives the orders that follow.
//! - Nothing here waits.  What takes time is an [`Activity`]; its end comes back as an event.
//! - An error of the store or of the system concerning one instance is noted and leaves the
//!   engine running.
//!
//! Reading order: engine (this), events (what the system tells), deadlines, configure (instances
//! come, change, go), orders (what an order does in a state), methods (running them), outcomes (what
//! their end leads to), unwritten.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;
use std::time::Duration;

use crate::config::{Restarter, Watching};
use crate::evaluate::Evaluation;
use crate::graph::Graph;
use crate::methods::Birth;
use crate::milestone::Milestone;
use crate::propagate::{self, Transition};
use crate::state::{Method, Order, Severity, State};
use crate::store::{Entry, Finished, Store, Write};
use crate::sys::{Level, Sys};
use crate::unwritten::Unwritten;

/// More orders than this wait for no instance.
const QUEUE_LIMIT: usize = 100;

/// Of the group `restarter`: whether it was enabled when it entered maintenance.
pub(crate) const WAS_ENABLED: &str = "was_enabled";

/// So many processes are made after one commit, unless [`Engine::set_litter`] says otherwise.
const LITTER: usize = 16;

/// Where a stop leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop {
    pub to: State,
    pub aux: &'static str,
    pub severity: Severity,
}

/// What keeps an instance busy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Activity {
    /// A method runs.
    Running {
        method: Method,
        pid: i32,
        contract: u64,
        deadline: Option<Duration>,
        timed_out: bool,
        stop: Option<Stop>,
        /// As it was when the method was started.
        watching: Watching,
    },
    /// The stop method is done; the service's processes are still to end.
    Draining { contract: u64, deadline: Option<Duration>, timed_out: bool, stop: Stop },
    /// What an engine that died left running has been killed and is still to end; whether that was
    /// a start method.  Until then it stays recorded: this engine may die as well.
    Reviving { contract: u64, starting: bool },
    /// It fails too quickly.
    Throttled { until: Duration },
}

/// An instance under the restarter.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Who runs it.
    pub restarter: Restarter,
    pub state: State,
    pub next: State,
    pub aux: String,
    /// What is to be done, and the actions that it was ordered by.
    pub queue: VecDeque<(Order, Vec<Finished>)>,
    pub activity: Option<Activity>,
    /// The primary contract.
    pub contract: Option<u64>,
    /// The child of a wait service.
    pub child: Option<i32>,
    pub start_pid: Option<i32>,
    /// Failures of methods since the last success.
    pub faults: u32,
    /// When it was started, lately.
    pub stamps: VecDeque<Duration>,
    /// Why the next start happens.
    pub start_aux: &'static str,
    /// Actions that are in the queue, or done, and still have their values.
    pub acted: BTreeSet<Finished>,
}

impl Instance {
    pub(crate) fn new(state: State, aux: &str) -> Instance {
        Instance {
            restarter: Restarter::Master,
            state,
            next: State::None,
            aux: aux.to_owned(),
            queue: VecDeque::new(),
            activity: None,
            contract: None,
            child: None,
            start_pid: None,
            faults: 0,
            stamps: VecDeque::new(),
            start_aux: "dependencies_satisfied",
            acted: BTreeSet::new(),
        }
    }
}

/// The engine.
#[derive(Debug)]
pub struct Engine<S, Y> {
    pub(crate) store: S,
    pub(crate) sys: Y,
    pub(crate) graph: Graph,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) pids: BTreeMap<i32, String>,
    pub(crate) contracts: BTreeMap<u64, String>,
    /// (when, whose).  An entry whose activity has changed since means nothing.
    pub(crate) timers: BTreeSet<(Duration, String)>,
    work: VecDeque<String>,
    /// So many processes are made after one commit, and then it is asked what has happened.
    litter: usize,
    /// What is to be written before the next process is made, or before waiting.
    pub(crate) due: Vec<Entry>,
    /// Methods whose processes are to be made once that is written.
    pub(crate) births: Vec<Birth>,
    /// What the repository did not take, and when it is asked again.
    pub(crate) unwritten: BTreeMap<String, Unwritten>,
    pub(crate) again: Option<Duration>,
    /// The repository did not take what the milestone asks for.
    pub(crate) going: bool,
    /// The milestone this boot was asked to go to.
    pub(crate) booting: Option<String>,
    pub(crate) milestone: Milestone,
    pub(crate) ending: bool,
}

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// An engine without instances; [`Engine::begin`] reads them.
    pub fn new(store: S, sys: Y) -> Engine<S, Y> {
        Engine {
            store,
            sys,
            graph: Graph::default(),
            instances: BTreeMap::new(),
            pids: BTreeMap::new(),
            contracts: BTreeMap::new(),
            timers: BTreeSet::new(),
            work: VecDeque::new(),
            litter: LITTER,
            due: Vec::new(),
            births: Vec::new(),
            unwritten: BTreeMap::new(),
            again: None,
            going: false,
            booting: None,
            milestone: Milestone::All,
            ending: false,
        }
    }

    /// From now on so many processes, and at least one, are made after one commit.
    pub fn set_litter(&mut self, litter: usize) {
        self.litter = litter.max(1);
    }

    /// The repository, for the main loop.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// The system, for the main loop.
    pub fn sys(&mut self) -> &mut Y {
        &mut self.sys
    }

    /// Whose contract this is.
    #[must_use]
    pub fn instance_of(&self, contract: u64) -> Option<String> {
        self.contracts.get(&contract).cloned()
    }

    /// The state of an instance, if it is managed.
    #[must_use]
    pub fn state(&self, fmri: &str) -> Option<State> {
        self.instances.get(fmri).map(|instance| instance.state)
    }

    /// Whether all dependencies of an instance are satisfied.
    #[must_use]
    pub fn ready(&self, fmri: &str) -> bool {
        let sys = &self.sys;
        Evaluation::new(&self.graph, &|path| sys.exists(path)).ready(fmri)
    }

    /// Puts an order into an instance's queue.
    pub(crate) fn give(&mut self, fmri: &str, order: Order) {
        self.give_by(fmri, order, Vec::new());
    }

    /// The same for an order that was given by actions.
    pub(crate) fn give_by(&mut self, fmri: &str, order: Order, by: Vec<Finished>) {
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        // The protocol's room: here an order would go to the other restarter.
        if matches!(instance.restarter, Restarter::Delegate(_)) {
            self.finish(fmri, by);
            return;
        }
        if self.ending && matches!(order, Order::Start | Order::Enable) {
            return;
        }
        let of_administrator = matches!(
            order,
            Order::Refresh
                | Order::Restart
                | Order::Dump
                | Order::Maintain(_)
                | Order::MaintainImmediate(_)
                | Order::Degrade(_)
                | Order::Restore
                | Order::Clear
        );
        if instance.queue.len() >= QUEUE_LIMIT && of_administrator {
            let text = "Instance event queue overflow.  Dropping administrative request.";
            self.sys.log(fmri, text);
            self.finish(fmri, by);
            return;
        }
        // The graph asks again whenever something changes; asking twice is asking once.
        if order == Order::Start && instance.queue.iter().any(|(one, _)| *one == Order::Start) {
            return;
        }
        match order {
            // Nothing that waits is to be done with such a configuration, least of all a start.
            Order::Misconfigured(_) => instance.queue.push_front((order, by)),
            order => instance.queue.push_back((order, by)),
        }
        self.work.push_back(fmri.to_owned());
    }

    pub(crate) fn give_all(&mut self, orders: propagate::Orders) {
        for (fmri, order) in orders {
            self.give(&fmri, order);
        }
    }

    /// Carries out orders until every instance is busy or has none; then all that followed from it
    /// is written.
    pub(crate) fn settle(&mut self) {
        loop {
            while let Some(fmri) = self.work.pop_front() {
                self.next_order(&fmri);
                // While these are made, the next are not yet; what they need of the other
                // processor they get meanwhile, and those before them have ended.
                if self.births.len() >= self.litter {
                    self.deliver();
                    let meanwhile = self.sys.meanwhile();
                    meanwhile.into_iter().for_each(|happened| self.happen(happened));
                }
            }
            if self.births.is_empty() {
                break;
            }
            self.deliver();
        }
        self.flush();
    }

    fn next_order(&mut self, fmri: &str) {
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        if instance.activity.is_some() {
            return;
        }
        let Some((order, by)) = instance.queue.pop_front() else { return };
        if !instance.queue.is_empty() {
            self.work.push_back(fmri.to_owned());
        }
        self.carry_out(fmri, order);
        self.finish(fmri, by);
    }

    /// An instance is no longer busy.
    pub(crate) fn idle(&mut self, fmri: &str) {
        if let Some(instance) = self.instances.get_mut(fmri) {
            instance.activity = None;
            self.work.push_back(fmri.to_owned());
        }
    }

    /// Orders a start if nothing is waited for.
    pub(crate) fn start_if_ready(&mut self, fmri: &str) {
        let sys = &self.sys;
        if let Some(order) = propagate::startable(&self.graph, fmri, &|path| sys.exists(path)) {
            self.give(fmri, order);
        }
    }

    /// Writes the state of an instance, and what else changed with it.
    pub(crate) fn record(&mut self, fmri: &str, more: Vec<Write>) {
        let Some(instance) = self.instances.get(fmri) else { return };
        let (seconds, nanoseconds) = self.sys.wall();
        let mut writes: Vec<Write> = vec![
            ("state", "astring", vec![instance.state.name().to_owned()]),
            ("next_state", "astring", vec![instance.next.name().to_owned()]),
            ("state_timestamp", "time", vec![format!("{seconds}.{nanoseconds:09}")]),
            ("auxiliary_state", "astring", vec![instance.aux.clone()]),
        ];
        writes.extend(more);
        self.write(fmri, writes);
    }

    /// An instance enters a state.
    pub(crate) fn enter(&mut self, fmri: &str, to: State, severity: Severity, more: Vec<Write>) {
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        let from = instance.state;
        instance.state = to;
        instance.next = State::None;
        instance.activity = None;
        let more = if to == State::Maintenance { self.with_wish(fmri, more) } else { more };
        self.record(fmri, more);
        self.follow(fmri, from, severity);
    }

    /// Out of maintenance leads a disable that comes later, and from what is wanted the next engine
    /// could not tell when it came.
    fn with_wish(&self, fmri: &str, mut writes: Vec<Write>) -> Vec<Write> {
        let enabled = self.graph.node(fmri).is_some_and(|node| node.enabled);
        let waits =
            |one: &Instance| one.queue.iter().any(|(order, _)| *order == Order::AdminDisable);
        let enabled = enabled || self.instances.get(fmri).is_some_and(waits);
        writes.push((WAS_ENABLED, "boolean", vec![enabled.to_string()]));
        writes
    }

    /// What follows from the state that an instance has now.
    pub(crate) fn follow(&mut self, fmri: &str, from: State, severity: Severity) {
        let Some(to) = self.state(fmri) else { return };
        if let Some(node) = self.graph.node_mut(fmri) {
            node.state = to;
        }
        let sys = &self.sys;
        let transition = Transition { fmri, from, to, severity };
        let orders = propagate::entered(&mut self.graph, transition, &|path| sys.exists(path));
        self.give_all(orders);
        if self.ending && to.is_running() {
            let orders = propagate::take_down(&mut self.graph);
            self.give_all(orders);
        }
        self.work.push_back(fmri.to_owned());
    }

    /// Writes what went wrong to svc.startd.log and goes on.
    pub(crate) fn noted<T, E: Display>(&mut self, fmri: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.sys.note(Level::Error, &format!("{fmri}: {error}"));
                None
            }
        }
    }
}
