//! world.rs - a life: the steps of a plan, the engine that lives through them, and what must be
//! true when it is at rest.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use smf_startd::engine::Engine;
use smf_startd::state::State;
use smf_startd::store::{StoreError, View as Which};

use crate::disk::Disk;
use crate::plan::{Order, Plan, Random, Step};
use crate::reality::{Killed, Reality, Repository, Shared, System};
use crate::rules::Rules;

type Living = Engine<Repository, System>;

pub struct World {
    pub shared: Shared,
    pub engine: Option<Living>,
    pub stamp: u64,
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
        reality.appear();
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

    /// Gives an order.
    fn order(&mut self, order: &Order) {
        self.stamp += 1;
        self.shared.borrow_mut().order(order, self.stamp);
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
        let mut engine = Engine::new(repository, system);
        let (seed, number) = {
            let kernel = &self.shared.borrow().kernel;
            (kernel.seed, kernel.engine)
        };
        engine.set_litter(Random::of(seed, "litter", number).below(16));
        self.engine = Some(engine);
        self.shared.borrow_mut().tell(|| "a new engine begins".to_owned());
        self.with(Living::begin)?;
        self.turn()
    }

    /// Everything that has happened is told to the engine, one thing after the other, as its main
    /// loop does: how processes ended, which contracts are empty, what changed, the time.
    pub fn turn(&mut self) -> Result<(), String> {
        let engine = self.shared.borrow().kernel.engine;
        loop {
            let told = self.shared.borrow_mut().kernel.take_told();
            if told.is_empty() {
                break;
            }
            let count = told.len();
            for (number, happened) in told.into_iter().enumerate() {
                self.shared.borrow_mut().kernel.telling = number + 1 < count;
                if self.shared.borrow().kernel.engine != engine {
                    return Ok(());
                }
                self.with(|engine| {
                    engine.happened(happened);
                    Ok(())
                })?;
            }
        }
        for act in [
            |engine: &mut Living| engine.repository_changed().map(drop),
            |engine: &mut Living| {
                engine.tick();
                Ok(())
            },
        ] {
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

impl Reality {
    /// Time passes; the first thing that is due happens.
    pub fn pass(&mut self, when: Duration) {
        self.now = self.now.max(when);
        let before: Vec<(i32, String)> = {
            let methods = self.kernel.processes.iter().filter(|(_, one)| one.method.is_some());
            methods.map(|(pid, one)| (*pid, one.fmri.clone())).collect()
        };
        let Some(what) = self.kernel.pass(self.now) else { return };
        let well = what.ends_with("with 0x0");
        let no_daemon = what.ends_with("with 0x5e00");
        for (pid, fmri) in before {
            if !well && !self.kernel.processes.contains_key(&pid) {
                self.rules.failed(&fmri);
                self.rules.no_daemon(&fmri, no_daemon);
            }
        }
        self.tell(|| what);
    }

    /// The engine is dead: what it held is nobody's until the next one adopts it.
    fn bereave(&mut self) {
        self.kernel.bereave();
        self.rules.bereave();
        self.reopen(false);
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
        self.rules.forget_orders();
        self.reopen(true);
        self.reread();
    }

    fn reopen(&mut self, reboot: bool) {
        let opened = self.disk.reopen(reboot);
        opened.unwrap_or_else(|what| self.rules.broke(what));
    }

    /// What is written is what counts.
    fn reread(&mut self) {
        for fmri in self.disk.instances().unwrap_or_default() {
            let live = self.disk.groups(&fmri, Which::Live).ok().flatten().unwrap_or_default();
            let told = |name: &str| live.get("restarter").and_then(|group| group.first(name));
            let state = told("state").and_then(State::parse).unwrap_or(State::None);
            let aux = told("auxiliary_state").unwrap_or_default().to_owned();
            if let Some(seen) = self.rules.seen.get_mut(&fmri) {
                let next = told("next_state").and_then(State::parse).unwrap_or(State::None);
                (seen.state, seen.next, seen.aux) = (state, next, aux);
                seen.orphaned();
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
