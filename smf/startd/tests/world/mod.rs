//! A simulated repository and a simulated system for the engine.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smf_startd::engine::Engine;
use smf_startd::state::State;
use smf_startd::store::{Change, Group, Groups, Property, Store, StoreError, View, Write};
use smf_startd::sys::{Happened, Level, Spawn, Sys};

/// A repository in memory.
#[derive(Debug, Default, Clone)]
pub struct Memory {
    pub live: BTreeMap<String, Groups>,
    pub running: BTreeMap<String, Groups>,
    pub snapshots: Vec<(String, String)>,
    pub changes: Vec<Change>,
    /// Nothing can be written.
    pub full: bool,
}

impl Memory {
    fn of(&self, fmri: &str) -> Result<&Groups, StoreError> {
        let cause = "not found".to_owned();
        let passing = false;
        self.live.get(fmri).ok_or(StoreError {
            fmri: fmri.to_owned(),
            what: "looking",
            cause,
            passing,
        })
    }

    fn room(&self, fmri: &str) -> Result<(), StoreError> {
        let (fmri, cause) = (fmri.to_owned(), "full".to_owned());
        let refused = StoreError { fmri, what: "writing", cause, passing: true };
        if self.full { Err(refused) } else { Ok(()) }
    }

    /// Sets one property, live, as svccfg and svcadm do.
    pub fn put(&mut self, fmri: &str, path: &str, kind: &str, values: &[&str]) {
        let (group, property) = path.split_once('/').unwrap();
        let group_kind = match group {
            "start" | "stop" | "refresh" => "method",
            _ if group.starts_with("dep") => "dependency",
            _ => "framework",
        };
        let groups = self.live.entry(fmri.to_owned()).or_default();
        let entry = groups.entry(group.to_owned()).or_default();
        entry.kind = group_kind.to_owned();
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        entry.properties.insert(property.to_owned(), Property { kind: kind.to_owned(), values });
        self.changes.push(Change { fmri: fmri.to_owned(), group: Some(group.to_owned()) });
    }

    pub fn get(&self, fmri: &str, path: &str) -> Option<&str> {
        let (group, property) = path.split_once('/')?;
        self.live.get(fmri)?.get(group)?.first(property)
    }
}

impl Store for Memory {
    fn instances(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(self.live.keys().cloned().collect())
    }

    fn groups(&mut self, fmri: &str, view: View) -> Result<Option<Groups>, StoreError> {
        let Some(live) = self.live.get(fmri) else { return Ok(None) };
        match (view, self.running.get(fmri)) {
            (View::Running, Some(running)) => {
                let mut groups = running.clone();
                for name in ["restarter", "restarter_actions", "general_ovr"] {
                    if let Some(group) = live.get(name) {
                        groups.insert(name.to_owned(), group.clone());
                    }
                }
                Ok(Some(groups))
            }
            (View::Live, _) | (View::Running, None) => Ok(Some(live.clone())),
        }
    }

    fn set(&mut self, fmri: &str, group: &str, writes: &[Write]) -> Result<(), StoreError> {
        self.of(fmri)?;
        self.room(fmri)?;
        let groups = self.live.get_mut(fmri).unwrap();
        let group = groups
            .entry(group.to_owned())
            .or_insert(Group { kind: "framework".to_owned(), properties: BTreeMap::new() });
        for (name, kind, values) in writes {
            let property = Property { kind: (*kind).to_owned(), values: values.clone() };
            group.properties.insert((*name).to_owned(), property);
        }
        Ok(())
    }

    fn snapshot(&mut self, fmri: &str, name: &str) -> Result<(), StoreError> {
        let groups = self.of(fmri)?.clone();
        self.room(fmri)?;
        self.snapshots.push((fmri.to_owned(), name.to_owned()));
        if name == "running" {
            self.running.insert(fmri.to_owned(), groups);
        }
        Ok(())
    }

    fn has_snapshot(&mut self, fmri: &str, name: &str) -> Result<bool, StoreError> {
        Ok(self.snapshots.contains(&(fmri.to_owned(), name.to_owned())))
    }

    fn finish_action(&mut self, fmri: &str, action: &str, value: &str) -> Result<(), StoreError> {
        self.of(fmri)?;
        self.room(fmri)?;
        let group = self.live.get_mut(fmri).unwrap().get_mut("restarter_actions").unwrap();
        let property = group.properties.get_mut(action).unwrap();
        if property.values.first().is_some_and(|now| now == value) {
            property.values.clear();
        }
        Ok(())
    }

    fn changes(&mut self) -> Result<Vec<Change>, StoreError> {
        Ok(std::mem::take(&mut self.changes))
    }
}

/// A system without processes: the test says what happens.
#[derive(Debug, Default)]
pub struct Machine {
    pub now: Duration,
    pub next: u64,
    /// Contracts with living members.
    pub alive: BTreeSet<u64>,
    pub spawned: Vec<(i32, Spawn)>,
    /// Methods that have not ended.
    pub living: BTreeMap<i32, Spawn>,
    pub signals: Vec<(u64, i32)>,
    pub logs: BTreeMap<String, Vec<String>>,
    pub notes: Vec<String>,
    pub files: BTreeSet<String>,
}

impl Sys for Machine {
    fn now(&self) -> Duration {
        self.now
    }
    fn wall(&self) -> (i64, u32) {
        (self.now.as_secs() as i64, self.now.subsec_nanos())
    }
    fn create(&mut self) -> Result<u64, String> {
        self.next += 1;
        Ok(self.next)
    }
    fn spawn(&mut self, spawn: &Spawn) -> Result<i32, String> {
        let pid = 1000 + spawn.contract as i32;
        self.alive.insert(spawn.contract);
        self.spawned.push((pid, spawn.clone()));
        self.living.insert(pid, spawn.clone());
        Ok(pid)
    }
    fn adopt(&mut self, contract: u64) -> bool {
        self.alive.contains(&contract)
    }
    fn signal(&mut self, contract: u64, signal: i32) -> Result<(), String> {
        self.signals.push((contract, signal));
        Ok(())
    }
    fn is_empty(&mut self, contract: u64) -> bool {
        !self.alive.contains(&contract)
    }
    fn abandon(&mut self, _contract: u64) {}
    fn exists(&self, path: &str) -> bool {
        self.files.contains(path)
    }
    fn log(&mut self, fmri: &str, message: &str) {
        self.logs.entry(fmri.to_owned()).or_default().push(message.to_owned());
    }
    fn note(&mut self, _level: Level, message: &str) {
        self.notes.push(message.to_owned());
    }
    fn syslog(&mut self, _message: &str) {}
    fn log_path(&self, fmri: &str) -> String {
        format!("/var/svc/log/{fmri}")
    }
    fn environment(&self) -> Vec<(String, String)> {
        vec![("PATH".to_owned(), "/usr/sbin:/usr/bin".to_owned())]
    }
}

/// An engine in its world.
pub struct World {
    pub engine: Engine<Memory, Machine>,
}

impl World {
    /// A world with these services, begun.
    pub fn new(services: &[Service]) -> World {
        World::prepared(services, |_| {})
    }

    /// A world whose repository somebody else has worked on before.
    pub fn prepared(services: &[Service], prepare: impl FnOnce(&mut Memory)) -> World {
        let mut memory = Memory::default();
        for service in services {
            service.add(&mut memory);
        }
        prepare(&mut memory);
        memory.changes.clear();
        let mut engine = Engine::new(memory, Machine { next: 100, ..Machine::default() });
        engine.begin().unwrap();
        World { engine }
    }

    /// A world that is booted to a milestone.
    pub fn booted(services: &[Service], milestone: &str) -> World {
        let mut memory = Memory::default();
        for service in services {
            service.add(&mut memory);
        }
        memory.changes.clear();
        let mut engine = Engine::new(memory, Machine { next: 100, ..Machine::default() });
        engine.boot_to(milestone);
        engine.begin().unwrap();
        World { engine }
    }

    /// The same repository and processes under a new engine.
    pub fn restarted(mut self) -> World {
        let memory = self.engine.store().clone();
        let old = self.engine.sys();
        let machine = Machine {
            now: old.now,
            next: old.next,
            alive: old.alive.clone(),
            ..Machine::default()
        };
        let mut engine = Engine::new(memory, machine);
        engine.begin().unwrap();
        World { engine }
    }

    pub fn state(&self, fmri: &str) -> State {
        self.engine.state(fmri).unwrap()
    }

    pub fn property(&mut self, fmri: &str, path: &str) -> String {
        self.engine.store().get(fmri, path).unwrap_or_default().to_owned()
    }

    pub fn put(&mut self, fmri: &str, path: &str, kind: &str, values: &[&str]) {
        self.engine.store().put(fmri, path, kind, values);
        self.engine.repository_changed().unwrap();
    }

    pub fn enable(&mut self, fmri: &str, enabled: bool) {
        self.put(fmri, "general/enabled", "boolean", &[if enabled { "true" } else { "false" }]);
    }

    pub fn order(&mut self, fmri: &str, action: &str) {
        self.engine.sys().now += Duration::from_nanos(1);
        let stamp = self.engine.sys().now.as_nanos().to_string();
        self.put(fmri, &format!("restarter_actions/{action}"), "integer", &[&stamp]);
    }

    /// The method running last for this instance.
    pub fn method(&mut self, fmri: &str) -> Option<(i32, Spawn)> {
        let spawned = &self.engine.sys().spawned;
        spawned.iter().rev().find(|(_, spawn)| spawn.fmri == fmri).cloned()
    }

    /// That method exits; its contract is left with or without members.
    pub fn exit(&mut self, fmri: &str, code: i32, leaves: bool) {
        self.end(fmri, code << 8, leaves);
    }

    pub fn end(&mut self, fmri: &str, status: i32, leaves: bool) {
        let (pid, spawn) = self.method(fmri).unwrap();
        if !leaves {
            self.engine.sys().alive.remove(&spawn.contract);
        }
        self.ended(pid, status);
    }

    pub fn ended(&mut self, pid: i32, status: i32) {
        self.engine.sys().living.remove(&pid);
        self.engine.happened(Happened::Ended { pid, status });
    }

    pub fn living(&mut self) -> Option<(i32, Spawn)> {
        let first = self.engine.sys().living.first_key_value();
        first.map(|(pid, spawn)| (*pid, spawn.clone()))
    }

    pub fn living_in(&mut self, contract: u64) -> Option<i32> {
        let mut living = self.engine.sys().living.iter();
        living.find(|(_, spawn)| spawn.contract == contract).map(|(pid, _)| *pid)
    }

    pub fn method_of(&self, spawn: &Spawn) -> String {
        let named = spawn.environment.iter().find(|(name, _)| name == "SMF_METHOD");
        named.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// The primary contract loses its last member.
    pub fn empty(&mut self, fmri: &str) {
        let contract: u64 = self.property(fmri, "restarter/contract").parse().unwrap();
        self.engine.sys().alive.remove(&contract);
        self.engine.happened(Happened::Emptied { contract });
    }

    pub fn pass(&mut self, time: Duration) {
        self.engine.sys().now += time;
        self.engine.tick();
    }

    /// The log since the last call.
    pub fn log(&mut self, fmri: &str) -> Vec<String> {
        self.engine.sys().logs.remove(fmri).unwrap_or_default()
    }

    pub fn spawned(&mut self) -> usize {
        self.engine.sys().spawned.len()
    }
}

/// A service to put into a world.
#[derive(Clone)]
pub struct Service {
    pub fmri: &'static str,
    pub enabled: bool,
    pub model: &'static str,
    pub start: &'static str,
    pub stop: &'static str,
    pub timeout: &'static str,
    /// (grouping, restart_on, entities)
    pub needs: Vec<(&'static str, &'static str, &'static str)>,
}

impl Service {
    pub fn new(fmri: &'static str) -> Service {
        Service {
            fmri,
            enabled: true,
            model: "contract",
            start: "/start",
            stop: ":kill",
            timeout: "60",
            needs: Vec::new(),
        }
    }

    pub fn transient(fmri: &'static str) -> Service {
        Service { model: "transient", stop: ":true", ..Service::new(fmri) }
    }

    pub fn needs(
        mut self,
        grouping: &'static str,
        level: &'static str,
        entities: &'static str,
    ) -> Service {
        self.needs.push((grouping, level, entities));
        self
    }

    pub fn disabled(self) -> Service {
        Service { enabled: false, ..self }
    }

    pub fn add(&self, memory: &mut Memory) {
        let enabled = if self.enabled { "true" } else { "false" };
        memory.put(self.fmri, "startd/duration", "astring", &[self.model]);
        for (method, exec) in [("start", self.start), ("stop", self.stop)] {
            memory.put(self.fmri, &format!("{method}/exec"), "astring", &[exec]);
            let path = format!("{method}/timeout_seconds");
            memory.put(self.fmri, &path, "count", &[self.timeout]);
        }
        for (number, (grouping, level, entities)) in self.needs.iter().enumerate() {
            let entities: Vec<&str> = entities.split(' ').collect();
            let kind = if entities[0].starts_with("file:") { "path" } else { "service" };
            for (name, values) in [
                ("grouping", &[*grouping][..]),
                ("restart_on", &[*level][..]),
                ("type", &[kind][..]),
                ("entities", &entities[..]),
            ] {
                memory.put(self.fmri, &format!("dep{number}/{name}"), "astring", values);
            }
        }
        memory.put(self.fmri, "general/enabled", "boolean", &[enabled]);
    }
}
