//! world.rs - a life: the steps of a plan, the engine that lives through them, and what must be
//! true when it is at rest.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use smf_startd::engine::Engine;
use smf_startd::state::State;
use smf_startd::store::{Group, Groups, StoreError, View as Which};
use smf_startd::sys::Happened;

use crate::disk::{Disk, kind_of, property};
use crate::oracle::View;
use crate::plan::{Need, Order, Plan, Service, Step};
use crate::reality::{Killed, Reality, Repository, Shared, System};
use crate::rules::{self, Rules};

type Living = Engine<Repository, System>;

pub struct World {
    shared: Shared,
    engine: Option<Living>,
    stamp: u64,
    full_for: usize,
    deaths: usize,
}

/// What went wrong, and what had happened until then.
pub struct Broken {
    pub what: String,
    pub trace: Vec<String>,
}

/// Lives a plan through to its end.
pub fn live(plan: &Plan, disk: Box<dyn Disk>, tracing: bool) -> Result<(), Broken> {
    let mut world = World::new(plan, disk);
    world.shared.borrow_mut().tracing = tracing;
    let lived = world.live(plan);
    let trace = world.shared.borrow().trace.clone();
    lived.map_err(|what| Broken { what, trace })
}

impl World {
    fn new(plan: &Plan, disk: Box<dyn Disk>) -> World {
        let mut reality = Reality::new(plan.seed, disk);
        for service in &plan.services {
            reality.add(service);
        }
        let _before = reality.disk.changes();
        let shared = Rc::new(RefCell::new(reality));
        World { shared, engine: None, stamp: 0, full_for: 0, deaths: 0 }
    }

    fn live(&mut self, plan: &Plan) -> Result<(), String> {
        self.resurrect()?;
        for step in &plan.steps {
            self.step(step)?;
        }
        self.rest()?;
        self.at_rest()?;
        self.repair()?;
        self.rest()?;
        self.at_rest()?;
        self.repaired()?;
        self.end()
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Order(order) => {
                self.order(order);
                self.turn()
            }
            Step::Burst(orders) => {
                orders.iter().for_each(|order| self.order(order));
                self.turn()
            }
            Step::Events(count) => {
                for _ in 0..*count {
                    self.advance()?;
                }
                Ok(())
            }
            Step::Kill { calls, after } => {
                self.shared.borrow_mut().fuse = Some((*calls, *after));
                Ok(())
            }
            Step::Full(events) => {
                self.full_for = *events;
                self.shared.borrow_mut().full = true;
                Ok(())
            }
            Step::Refuse(writes) => {
                self.shared.borrow_mut().refuse = *writes;
                Ok(())
            }
            Step::Jump(seconds) => {
                self.shared.borrow_mut().jump += seconds;
                Ok(())
            }
            Step::Reboot => {
                self.shared.borrow_mut().tell(|| "reboot".to_owned());
                self.engine = None;
                self.shared.borrow_mut().reboot();
                self.resurrect()
            }
        }
    }

    /// Gives an order as svcadm and svccfg do: by what they write into the repository.
    fn order(&mut self, order: &Order) {
        let mut reality = self.shared.borrow_mut();
        // A full repository takes no orders either.
        if reality.full {
            return;
        }
        reality.tell(|| format!("order: {order:?}"));
        self.stamp += 1;
        let stamp = self.stamp.to_string();
        let known = |fmri: &str, reality: &mut Reality| {
            reality.disk.groups(fmri, Which::Live).ok().flatten().is_some()
        };
        let act = |fmri: &str, action: &str, reality: &mut Reality| {
            if known(fmri, reality) {
                let path = format!("restarter_actions/{action}");
                reality.disk.put(fmri, &path, "integer", &[&stamp]);
            }
        };
        match order {
            Order::Enable(fmri) | Order::Disable(fmri) if known(fmri, &mut reality) => {
                let word = if matches!(order, Order::Enable(_)) { "true" } else { "false" };
                reality.disk.put(fmri, "general/enabled", "boolean", &[word]);
                reality.disk.unset(fmri, "general_ovr/enabled");
            }
            Order::EnableForNow(fmri) | Order::DisableForNow(fmri) if known(fmri, &mut reality) => {
                let word = if matches!(order, Order::EnableForNow(_)) { "true" } else { "false" };
                reality.disk.put(fmri, "general_ovr/enabled", "boolean", &[word]);
            }
            Order::Enable(_)
            | Order::Disable(_)
            | Order::EnableForNow(_)
            | Order::DisableForNow(_) => {}
            Order::Restart(fmri) => act(fmri, "restart", &mut reality),
            Order::Refresh(fmri) => act(fmri, "refresh", &mut reality),
            Order::Clear(fmri) => act(fmri, "maint_off", &mut reality),
            Order::Mark(fmri) => {
                reality.rules.marked(fmri);
                act(fmri, "maint_on", &mut reality);
            }
            Order::MarkImmediate(fmri) => {
                reality.rules.marked(fmri);
                act(fmri, "maint_on_immediate", &mut reality);
            }
            Order::Delete(fmri) if known(fmri, &mut reality) => {
                reality.disk.delete(fmri);
                reality.kernel.disown(fmri);
                reality.rules.deleted(fmri);
            }
            Order::Delete(_) => {}
            Order::Add(service) => {
                if !known(service.fmri, &mut reality) {
                    reality.add(service);
                }
            }
            Order::Depend(fmri, needs) if known(fmri, &mut reality) => {
                reality.disk.depend(fmri, dependencies(needs));
                act(fmri, "refresh", &mut reality);
            }
            Order::Depend(..) => {}
            Order::Touch(file) => {
                let there = reality.files.remove(*file);
                if !there {
                    reality.files.insert((*file).to_owned());
                }
                let entity = format!("file:{file}");
                for fmri in reality.disk.instances().unwrap_or_default() {
                    let groups = reality.disk.groups(&fmri, Which::Live).ok().flatten();
                    let needs = rules::needs(&groups.unwrap_or_default());
                    if needs.iter().any(|need| need.entities.contains(&entity)) {
                        act(&fmri, "refresh", &mut reality);
                    }
                }
            }
        }
    }

    /// Lets the engine do something; it may die of it.  A panic that is no SIGKILL is a bug.
    fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Living) -> Result<T, StoreError>,
    ) -> Result<Option<T>, String> {
        let Some(engine) = self.engine.as_mut() else { return Ok(None) };
        match catch_unwind(AssertUnwindSafe(|| act(engine))) {
            Ok(Ok(value)) => {
                self.after()?;
                Ok(Some(value))
            }
            Ok(Err(error)) => Err(format!("the engine gave up: {error}")),
            Err(payload) if payload.is::<Killed>() => {
                self.engine = None;
                self.killed()?;
                Ok(None)
            }
            Err(payload) => {
                let text = payload.downcast_ref::<String>().cloned();
                let text = text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                Err(format!("the engine panicked: {}", text.unwrap_or_default()))
            }
        }
    }

    /// Things go on for a while without an engine; then there is a new one.
    fn killed(&mut self) -> Result<(), String> {
        self.deaths += 1;
        {
            let mut reality = self.shared.borrow_mut();
            reality.tell(|| "SIGKILL of the engine".to_owned());
            reality.bereave();
            for _ in 0..self.deaths % 3 {
                let next = reality.kernel.next();
                next.into_iter().for_each(|when| reality.pass(when));
            }
            self.check_broken(&reality.rules)?;
        }
        self.resurrect()
    }

    fn resurrect(&mut self) -> Result<(), String> {
        let (repository, system) = (Repository(self.shared.clone()), System(self.shared.clone()));
        self.engine = Some(Engine::new(repository, system));
        self.shared.borrow_mut().tell(|| "a new engine begins".to_owned());
        self.with(Living::begin)?;
        self.turn()
    }

    /// Everything that has happened is told to the engine, one thing after the other, as its main
    /// loop does: how processes ended, which contracts are empty, what changed, the time.
    fn turn(&mut self) -> Result<(), String> {
        let engine = self.shared.borrow().kernel.engine;
        loop {
            let mut told = std::mem::take(&mut self.shared.borrow_mut().kernel.told);
            told.sort_by_key(|one| matches!(one, Happened::Emptied { .. }));
            if told.is_empty() {
                break;
            }
            for happened in told {
                if self.shared.borrow().kernel.engine != engine {
                    return Ok(());
                }
                self.with(|engine| {
                    engine.happened(happened);
                    Ok(())
                })?;
            }
        }
        for act in [Living::repository_changed, |engine: &mut Living| {
            engine.tick();
            Ok(())
        }] {
            if self.shared.borrow().kernel.engine == engine {
                self.with(act)?;
            }
        }
        Ok(())
    }

    /// Time passes until the next thing happens; false when nothing ever will.
    fn advance(&mut self) -> Result<bool, String> {
        {
            let mut reality = self.shared.borrow_mut();
            self.full_for = self.full_for.saturating_sub(1);
            reality.full &= self.full_for > 0;
        }
        let timer = self.engine.as_ref().and_then(Engine::timeout);
        {
            let mut reality = self.shared.borrow_mut();
            let timer = timer.map(|left| reality.now + left);
            let Some(when) = reality.kernel.next().into_iter().chain(timer).min() else {
                return Ok(false);
            };
            reality.pass(when);
            self.check_broken(&reality.rules)?;
        }
        self.turn().map(|()| true)
    }

    /// From now on everything does as it should: the world comes to rest.
    fn rest(&mut self) -> Result<(), String> {
        {
            let mut reality = self.shared.borrow_mut();
            reality.tell(|| "everything does as it should from here".to_owned());
            (reality.fuse, reality.full, reality.refuse) = (None, false, 0);
            reality.kernel.benign = true;
        }
        self.full_for = 0;
        self.turn()?;
        for _ in 0..5_000 {
            if !self.advance()? {
                return Ok(());
            }
        }
        Err("it never settles".to_owned())
    }

    fn check_broken(&self, rules: &Rules) -> Result<(), String> {
        rules.broken.clone().map_or(Ok(()), Err)
    }

    /// What holds after every call into the engine.
    fn after(&mut self) -> Result<(), String> {
        let Some(engine) = self.engine.as_ref() else { return Ok(()) };
        let reality = self.shared.borrow();
        self.check_broken(&reality.rules)?;
        let held = engine.contracts();
        for process in reality.kernel.processes.values().filter(|process| !process.killed) {
            let abandoned =
                reality.kernel.contracts.get(&process.contract).is_some_and(|one| one.abandoned);
            if !abandoned && !held.contains(&process.contract) {
                let (fmri, contract) = (&process.fmri, process.contract);
                return Err(format!("{fmri}: contract {contract} has members and nobody holds it"));
            }
        }
        for (fmri, seen) in &reality.rules.seen {
            let Some(state) = engine.state(fmri) else { continue };
            if state != seen.state {
                return Err(format!("{fmri}: acts as {state}, told {}", seen.state));
            }
            let refreshing = seen.next != State::None;
            if let Some(why) = seen.obliged.as_ref().filter(|_| !refreshing) {
                return Err(format!("{fmri} goes on: {why}"));
            }
        }
        Ok(())
    }

    /// What holds when nothing is under way.
    fn at_rest(&mut self) -> Result<(), String> {
        let view = self.shared.borrow_mut().view();
        let instances = self.shared.borrow_mut().disk.instances().unwrap_or_default();
        for fmri in instances {
            let engine = self.engine.as_ref().ok_or("there is no engine")?;
            let live = self.shared.borrow_mut().disk.groups(&fmri, Which::Live);
            let live = live.ok().flatten().unwrap_or_default();
            if rules::enabled(&live).is_none() {
                continue;
            }
            let Some(state) = engine.state(&fmri) else {
                return Err(format!("{fmri} is not managed"));
            };
            let told = |name: &str| live.get("restarter").and_then(|group| group.first(name));
            if told("state") != Some(state.name()) || told("next_state") != Some("none") {
                let (now, next) = (told("state"), told("next_state"));
                return Err(format!("{fmri} is {state}, the repository says {now:?} {next:?}"));
            }
            self.right(&view, &fmri, state).map_err(|why| format!("{fmri} is {state}: {why}"))?;
            self.processes(&fmri, state)?;
        }
        Ok(())
    }

    fn right(&self, view: &View, fmri: &str, state: State) -> Result<(), String> {
        let reality = self.shared.borrow();
        let Some(seen) = reality.rules.seen.get(fmri) else { return Err("never seen".into()) };
        let known = view.instances.get(fmri).ok_or("unknown")?;
        match (state, known.enabled) {
            (State::Disabled, false) => Ok(()),
            (State::Offline, true) if view.satisfied(fmri) => {
                Err(format!("all its dependencies are satisfied: {:?}", known.needs))
            }
            (State::Offline, true) => Ok(()),
            (State::Online | State::Degraded, true) => {
                let wrong = known.needs.iter().find(|need| {
                    let files = need.entities.iter().any(|entity| entity.starts_with("file:"));
                    let strict = match need.grouping {
                        "require_all" | "require_any" => {
                            matches!(need.level, "restart" | "refresh")
                        }
                        grouping => grouping == "exclude_all",
                    };
                    strict && !files && !seen.changed && view.group(need) != 1
                });
                wrong.map_or(Ok(()), |need| Err(format!("{need:?} is not satisfied")))
            }
            (State::Maintenance, _) => self.justified(&reality, view, fmri),
            (State::Disabled | State::Offline | State::Online | State::Degraded, enabled) => {
                Err(format!("enabled is {enabled}"))
            }
            (State::None | State::Uninitialized, _) => Err("no state to rest in".to_owned()),
        }
    }

    /// In maintenance only for a reason that there was.
    fn justified(&self, reality: &Reality, view: &View, fmri: &str) -> Result<(), String> {
        let seen = reality.rules.seen.get(fmri).ok_or("never seen")?;
        let can = reality.kernel.transient_services.contains(fmri);
        let reason = match seen.aux.as_str() {
            "method_failed" => seen.failures > 0 || can,
            "fault_threshold_reached" => seen.failures > 0,
            "restarting_too_quickly" => seen.starts >= 5,
            "administrative_request" | "service_request" => {
                seen.marks > 0 || reality.rules.disk_refused
            }
            "dependency_cycle" => cyclic(view, fmri),
            _ => false,
        };
        let known = format!("{} failures, {} starts", seen.failures, seen.starts);
        if reason { Ok(()) } else { Err(format!("no reason to be: {} ({known})", seen.aux)) }
    }

    fn processes(&self, fmri: &str, state: State) -> Result<(), String> {
        let reality = self.shared.borrow();
        let living = reality.kernel.processes.values().find(|process| {
            let one = reality.kernel.contracts.get(&process.contract);
            process.fmri == fmri && one.is_some_and(|one| !one.abandoned)
        });
        match (state, living) {
            (State::Disabled | State::Offline, Some(process)) => {
                Err(format!("{fmri} is {state} and has a process in {}", process.contract))
            }
            (_, Some(process)) if process.method.is_some() => {
                let child = reality.kernel.wait_services.contains(fmri);
                if child { Ok(()) } else { Err(format!("{fmri}: a method lives")) }
            }
            (_, Some(_) | None) => Ok(()),
        }
    }

    /// The administrator clears what is in maintenance.
    fn repair(&mut self) -> Result<(), String> {
        let seen: Vec<String> = self.shared.borrow().rules.seen.keys().cloned().collect();
        for fmri in seen {
            let state = self.engine.as_ref().and_then(|engine| engine.state(&fmri));
            if state == Some(State::Maintenance) {
                self.stamp += 1;
                let stamp = self.stamp.to_string();
                let path = "restarter_actions/maint_off";
                self.shared.borrow_mut().disk.put(&fmri, path, "integer", &[&stamp]);
            }
        }
        self.turn()
    }

    /// Cleared, and with methods that work, only what cannot be is in maintenance.
    fn repaired(&mut self) -> Result<(), String> {
        let reality = self.shared.borrow();
        for (fmri, seen) in &reality.rules.seen {
            let excused =
                seen.aux == "dependency_cycle" || reality.kernel.transient_services.contains(fmri);
            if seen.state == State::Maintenance && !excused {
                return Err(format!("{fmri} is in maintenance again: {}", seen.aux));
            }
        }
        Ok(())
    }

    /// The engine is told to end: everything goes down, and only what was let go of lives on.
    fn end(&mut self) -> Result<(), String> {
        self.shared.borrow_mut().tell(|| "the engine is told to end".to_owned());
        self.shared.borrow_mut().rules.ending = true;
        self.with(|engine| {
            engine.end();
            Ok(())
        })?;
        self.rest()?;
        let engine = self.engine.as_ref().ok_or("there is no engine")?;
        if !engine.ended() {
            return Err("it does not end".to_owned());
        }
        let reality = self.shared.borrow();
        let left = reality.kernel.processes.values().find(|process| {
            let one = reality.kernel.contracts.get(&process.contract);
            let state = reality.rules.seen.get(&process.fmri).map(|seen| seen.state);
            state != Some(State::Maintenance) && one.is_some_and(|one| !one.abandoned)
        });
        left.map_or(Ok(()), |process| Err(format!("{}: something lives on", process.fmri)))
    }
}

/// Whether what an instance depends on leads back to it, exclusions not followed.
fn cyclic(view: &View, fmri: &str) -> bool {
    let mut seen = Vec::new();
    let mut rest = vec![fmri.to_owned()];
    while let Some(next) = rest.pop() {
        let needs = view.instances.get(&next).map_or(&[][..], |known| &known.needs);
        for need in needs.iter().filter(|need| need.grouping != "exclude_all") {
            let named = need.entities.iter().filter(|entity| !entity.starts_with("file:"));
            for other in named.flat_map(|entity| view.meant(entity)) {
                if other == fmri {
                    return true;
                }
                if !seen.contains(&other.to_owned()) {
                    seen.push(other.to_owned());
                    rest.push(other.to_owned());
                }
            }
        }
    }
    false
}

/// Dependencies as property groups.
fn dependencies(needs: &[Need]) -> Groups {
    let group = |(number, need): (usize, &Need)| {
        let paths = need.entities.iter().any(|entity| entity.starts_with("file:"));
        let entities: Vec<&str> = need.entities.iter().map(String::as_str).collect();
        let properties = BTreeMap::from([
            ("grouping".to_owned(), property("astring", &[need.grouping])),
            ("restart_on".to_owned(), property("astring", &[need.level])),
            ("type".to_owned(), property("astring", &[if paths { "path" } else { "service" }])),
            ("entities".to_owned(), property("fmri", &entities)),
        ]);
        (format!("dep{number}"), Group { kind: "dependency".to_owned(), properties })
    };
    needs.iter().enumerate().map(group).collect()
}

impl Reality {
    /// An instance is made, as svccfg import does.
    fn add(&mut self, service: &Service) {
        let mut groups = dependencies(&service.needs);
        let mut put = |group: &str, name: &str, kind: &str, value: &str| {
            let entry = groups.entry(group.to_owned()).or_default();
            kind_of(group).clone_into(&mut entry.kind);
            entry.properties.insert(name.to_owned(), property(kind, &[value]));
        };
        put("startd", "duration", "astring", service.model);
        put("startd", "ignore_error", "astring", service.ignore);
        put("startd", "timeout_retry", "boolean", if service.retry { "true" } else { "false" });
        let methods =
            [("start", Some(service.start)), ("stop", service.stop), ("refresh", service.refresh)];
        for (method, exec) in methods {
            if let Some(exec) = exec {
                put(method, "exec", "astring", exec);
                put(method, "timeout_seconds", "count", service.timeout);
            }
        }
        put("start", "restart_on", "astring", service.restart_on);
        put("general", "enabled", "boolean", if service.enabled { "true" } else { "false" });
        for (names, model) in [
            (&mut self.kernel.wait_services, "child"),
            (&mut self.kernel.transient_services, "transient"),
        ] {
            names.remove(service.fmri);
            if service.model == model {
                names.insert(service.fmri.to_owned());
            }
        }
        self.disk.add(service.fmri, groups);
    }

    /// Time passes; the first thing that is due happens.
    fn pass(&mut self, when: Duration) {
        self.now = self.now.max(when);
        let before: Vec<(i32, String)> = {
            let methods = self.kernel.processes.iter().filter(|(_, one)| one.method.is_some());
            methods.map(|(pid, one)| (*pid, one.fmri.clone())).collect()
        };
        let Some(what) = self.kernel.pass(self.now) else { return };
        let well = what.ends_with("with 0x0");
        for (pid, fmri) in before {
            if !well && !self.kernel.processes.contains_key(&pid) {
                self.rules.failed(&fmri);
            }
        }
        self.tell(|| what);
    }

    /// The engine is dead: what it held is nobody's until the next one adopts it.
    fn bereave(&mut self) {
        self.kernel.bereave();
        self.rules.bereave();
        self.disk.reopen(false);
        self.reread();
        // What a full disk did not take cannot be found again.
        if self.rules.disk_refused {
            for (id, one) in &mut self.kernel.contracts {
                let recorded = recorded_contracts(self.disk.as_mut(), &one.fmri);
                one.abandoned |= !recorded.contains(&id.to_string());
            }
        }
    }

    fn reboot(&mut self) {
        self.kernel.reboot();
        self.rules.bereave();
        self.disk.reopen(true);
        self.reread();
    }

    /// What is written is what counts.
    fn reread(&mut self) {
        for fmri in self.disk.instances().unwrap_or_default() {
            let live = self.disk.groups(&fmri, Which::Live).ok().flatten().unwrap_or_default();
            let told = |name: &str| live.get("restarter").and_then(|group| group.first(name));
            let state = told("state").and_then(State::parse).unwrap_or(State::None);
            let aux = told("auxiliary_state").unwrap_or_default().to_owned();
            if let Some(seen) = self.rules.seen.get_mut(&fmri) {
                (seen.state, seen.next, seen.aux) = (state, State::None, aux);
            }
        }
    }
}

fn recorded_contracts(disk: &mut dyn Disk, fmri: &str) -> Vec<String> {
    let live = disk.groups(fmri, Which::Live).ok().flatten().unwrap_or_default();
    let values = |name: &str| {
        let property = live.get("restarter").and_then(|group| group.properties.get(name));
        property.map_or(Vec::new(), |property| property.values.clone())
    };
    [values("contract"), values("transient_contract")].concat()
}
