//! draft.rs - what operations come to, before any of it is written.
//!
//! A draft lies over the entities of a repository and leaves them alone.  A group that operations
//! have changed is open until a snapshot takes it or the draft is finished; then it becomes a
//! version, or the version it was if nothing differs.

use std::collections::BTreeMap;
use std::sync::Arc;

use smf_model::fmri::service_of;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Groups, Property};
use smf_scf::protocol::{Expected, Refusal};

use crate::check;
use crate::version::{self, Entity, Level, Snapshot, Version, Write};

/// A step of a commit.
#[derive(Debug)]
pub enum Step<'a> {
    /// What a client may ask for as well.
    Operation(Operation),
    /// Properties of a group are set, all in one go: svc.startd does it with every event.
    Write {
        /// The service or instance.
        entity: &'a str,
        /// The group.
        group: &'a str,
        /// What is set.
        properties: &'a [Write<'a>],
    },
}

/// Entities by name.
pub(crate) type Entities = BTreeMap<String, Entity>;

/// Entities as a draft leaves them; none = removed.
pub(crate) type Finished = BTreeMap<String, Option<Entity>>;

#[derive(Debug)]
pub(crate) struct Draft<'r> {
    entities: &'r Entities,
    changed: BTreeMap<String, Option<Drafted>>,
    /// The next generation.
    next: u64,
}

#[derive(Debug, Default)]
struct Drafted {
    /// In the order of their names.
    slots: Vec<Slot>,
    snapshots: Vec<(Arc<str>, Snapshot)>,
}

#[derive(Debug)]
enum Slot {
    Kept(Arc<Version>),
    Open { name: String, group: Group, was: Option<Arc<Version>> },
}

impl Slot {
    fn name(&self) -> &str {
        match self {
            Slot::Kept(version) => version.name(),
            Slot::Open { name, .. } => name,
        }
    }

    fn is_volatile(&self) -> bool {
        match self {
            Slot::Kept(version) => version.volatile,
            Slot::Open { group, .. } => group.volatile,
        }
    }

    /// Whether it is a dependency that another entity has put here.
    fn is_external(&self) -> bool {
        let is_true = |kind: &str, value: Option<bool>| kind == "dependency" && value == Some(true);
        match self {
            Slot::Kept(version) => {
                let external = version.property("external").map(|line| line == "boolean\ttrue");
                is_true(version.kind(), external)
            }
            Slot::Open { group, .. } => {
                let external = group.properties.get("external");
                let first = external.and_then(|property| property.values.first());
                is_true(&group.kind, first.map(|value| value == "true"))
            }
        }
    }

    /// The group, to be changed.
    fn open(&mut self) -> &mut Group {
        if let Slot::Kept(version) = self {
            let (name, group) = (version.name().to_owned(), version.group());
            *self = Slot::Open { name, group, was: Some(version.clone()) };
        }
        match self {
            Slot::Open { group, .. } => group,
            Slot::Kept(_) => unreachable!("it was opened just now"),
        }
    }

    fn close(&mut self, next: &mut u64) -> Arc<Version> {
        let version = match self {
            Slot::Kept(version) => return version.clone(),
            Slot::Open { name, group, was } => {
                let is = Version::of(*next, name, group);
                let kept = was.take().filter(|was| was.same(&is) && !is_an_order(name));
                match kept {
                    Some(was) => was,
                    None => {
                        *next += 1;
                        Arc::new(is)
                    }
                }
            }
        };
        *self = Slot::Kept(version.clone());
        version
    }

    /// Sets properties; a group that nothing has opened is not taken apart for it.
    fn set(&mut self, properties: &[Write<'_>], next: &mut u64) {
        match self {
            Slot::Open { group, .. } => {
                for (name, kind, values) in properties {
                    let value = Property { kind: (*kind).to_owned(), values: values.clone() };
                    group.properties.insert((*name).to_owned(), value);
                }
            }
            Slot::Kept(version) => {
                let is = version.with(*next, properties);
                if !version.same(&is) || is_an_order(version.name()) {
                    *next += 1;
                    *version = Arc::new(is);
                }
            }
        }
    }
}

/// Whether a group that is written has changed whatever it holds: to enable what is enabled, or to
/// disable what is disabled, is an order, which takes an instance out of maintenance too.
fn is_an_order(group: &str) -> bool {
    matches!(group, "general" | "general_ovr")
}

impl Drafted {
    fn of(entity: &Entity) -> Self {
        Self {
            slots: entity.level.iter().cloned().map(Slot::Kept).collect(),
            snapshots: entity.snapshots.clone(),
        }
    }

    fn at(&self, group: &str) -> Result<usize, usize> {
        self.slots.binary_search_by(|slot| slot.name().cmp(group))
    }

    fn slot(&mut self, fmri: &str, group: &str) -> Result<&mut Slot, Refusal> {
        let at = self.at(group).map_err(|_| absent(fmri, group))?;
        Ok(&mut self.slots[at])
    }

    fn put(&mut self, name: &str, group: &Group) -> bool {
        let Err(at) = self.at(name) else { return false };
        let slot = Slot::Open { name: name.to_owned(), group: group.clone(), was: None };
        self.slots.insert(at, slot);
        true
    }

    /// The lasting groups as they are now.
    fn lasting(&mut self, next: &mut u64) -> Level {
        let kept = self.slots.iter_mut().filter(|slot| !slot.is_volatile());
        kept.map(|slot| slot.close(next)).collect()
    }

    fn record(&mut self, name: &str, own: Level, service: Level) {
        let snapshot = Snapshot { own: self.shared(own), service: self.shared(service) };
        self.keep(name, snapshot);
    }

    fn keep(&mut self, name: &str, snapshot: Snapshot) {
        match self.snapshots.binary_search_by(|(own, _)| (**own).cmp(name)) {
            Ok(at) => self.snapshots[at].1 = snapshot,
            Err(at) => self.snapshots.insert(at, (name.into(), snapshot)),
        }
    }

    /// The level as a snapshot of this instance has it already, if one has.
    fn shared(&self, level: Level) -> Arc<[Arc<Version>]> {
        let known = self.snapshots.iter().flat_map(|(_, one)| [&one.own, &one.service]);
        let same = known.into_iter().find(|known| version::same(known, &level));
        same.cloned().unwrap_or_else(|| level.into())
    }
}

impl<'r> Draft<'r> {
    pub fn new(entities: &'r Entities, next: u64) -> Self {
        Self { entities, changed: BTreeMap::new(), next }
    }

    /// What comes of it, and the next generation that is free.
    pub fn finish(self) -> (Finished, u64) {
        let mut next = self.next;
        let finished = self.changed.into_iter().map(|(fmri, drafted)| {
            let entity = drafted.map(|mut drafted| {
                let level = drafted.slots.iter_mut().map(|slot| slot.close(&mut next)).collect();
                Entity { level, snapshots: drafted.snapshots }
            });
            (fmri, entity)
        });
        (finished.collect(), next)
    }

    /// Refuses when a group is not what the caller takes it for.
    pub fn expect(&self, expected: &Expected) -> Result<(), Refusal> {
        let entity = self.entities.get(&expected.entity);
        let version = entity.and_then(|entity| version::find(&entity.level, &expected.group));
        if version.map_or(0, |version| version.generation) == expected.generation {
            return Ok(());
        }
        Err(Refusal::Outdated(format!("{}/:properties/{}", expected.entity, expected.group)))
    }

    pub fn step(&mut self, step: &Step<'_>) -> Result<(), Refusal> {
        let (entity, name, properties) = match step {
            Step::Operation(operation) => return self.carry_out(operation),
            Step::Write { entity, group, properties } => (entity, group, properties),
        };
        properties.iter().try_for_each(|(name, kind, values)| check::values(name, kind, values))?;
        let mut next = self.next;
        self.entity(entity)?.slot(entity, name)?.set(properties, &mut next);
        self.next = next;
        Ok(())
    }

    pub fn carry_out(&mut self, operation: &Operation) -> Result<(), Refusal> {
        match operation {
            Operation::Add(fmri) => self.add(fmri)?,
            Operation::AddGroup(fmri, name, group) => {
                check::group(name, group)?;
                if !self.entity(fmri)?.put(name, group) {
                    return Err(Refusal::Exists(format!("{fmri}/:properties/{name}")));
                }
            }
            Operation::RemoveGroup(fmri, name) => {
                let entity = self.entity(fmri)?;
                let at = entity.at(name).map_err(|_| absent(fmri, name))?;
                entity.slots.remove(at);
            }
            Operation::Set(fmri, group, name, value) => {
                check::property(name, value)?;
                let group = self.entity(fmri)?.slot(fmri, group)?.open();
                group.properties.insert(name.clone(), value.clone());
            }
            Operation::Unset(fmri, group, name) => {
                let whole = format!("{group}/{name}");
                let group = self.entity(fmri)?.slot(fmri, group)?.open();
                group.properties.remove(name).ok_or_else(|| absent(fmri, &whole))?;
            }
            Operation::Take(fmri, name) => self.take(fmri, name)?,
            Operation::Record { instance, name, own, service } => {
                self.record(instance, name, own, service)?;
            }
        }
        Ok(())
    }

    /// Removes a service with its instances, or an instance.
    pub fn delete(&mut self, fmri: &str) -> Result<(), Refusal> {
        self.entity(fmri)?;
        let below = format!("{fmri}:");
        let instances = self.entities.range(below.clone()..);
        for (instance, _) in instances.take_while(|(instance, _)| instance.starts_with(&below)) {
            self.changed.insert(instance.clone(), None);
        }
        self.changed.insert(fmri.to_owned(), None);
        Ok(())
    }

    /// Takes the lasting groups of an instance and its service back from a snapshot, after
    /// `previous` was taken; general/enabled stays.  What a bundle delivered (`last-import`) knows
    /// nothing of the dependencies that other entities have put here: they stay too.
    pub fn revert(&mut self, instance: &str, name: &str) -> Result<(), Refusal> {
        let entity = self.entities.get(instance).ok_or_else(|| not_found(instance))?;
        let snapshot = entity.snapshot(name).ok_or_else(|| not_found(name))?.clone();
        self.take(instance, "previous")?;
        for (fmri, then) in [(instance, snapshot.own), (service_of(instance), snapshot.service)] {
            let entity = self.entity(fmri)?;
            let general = entity.at("general").ok().map(|at| entity.slots[at].open().clone());
            let foreign = |slot: &Slot| name == "last-import" && slot.is_external();
            entity.slots.retain(|slot| slot.is_volatile() || foreign(slot));
            for slot in then.iter().cloned().map(Slot::Kept) {
                let taken = entity.slots.iter().any(|own| own.name() == slot.name());
                if !foreign(&slot) && !taken {
                    entity.slots.push(slot);
                }
            }
            entity.slots.sort_by(|one, other| one.name().cmp(other.name()));
            let Some(now) = general.filter(|group| !group.volatile) else { continue };
            let Some(enabled) = now.properties.get("enabled") else { continue };
            let empty = Group { properties: BTreeMap::new(), ..now.clone() };
            entity.put("general", &empty);
            let general = entity.slot(fmri, "general")?.open();
            general.properties.insert("enabled".to_owned(), enabled.clone());
        }
        Ok(())
    }

    pub fn remove_snapshot(&mut self, instance: &str, name: &str) -> Result<(), Refusal> {
        let snapshots = &mut self.entity(instance)?.snapshots;
        let at = snapshots.iter().position(|(own, _)| **own == *name);
        snapshots.remove(at.ok_or_else(|| not_found(name))?);
        Ok(())
    }

    /// An entity as the draft has it so far, to be changed.
    fn entity(&mut self, fmri: &str) -> Result<&mut Drafted, Refusal> {
        if !self.changed.contains_key(fmri) {
            let entity = self.entities.get(fmri).ok_or_else(|| not_found(fmri))?;
            self.changed.insert(fmri.to_owned(), Some(Drafted::of(entity)));
        }
        self.changed.get_mut(fmri).and_then(Option::as_mut).ok_or_else(|| not_found(fmri))
    }

    fn add(&mut self, fmri: &str) -> Result<(), Refusal> {
        check::fmri(fmri)?;
        if self.entity(fmri).is_ok() {
            return Err(Refusal::Exists(fmri.to_owned()));
        }
        let service = service_of(fmri);
        if service != fmri {
            self.entity(service)?;
        }
        self.changed.insert(fmri.to_owned(), Some(Drafted::default()));
        Ok(())
    }

    /// The lasting groups of an instance and its service as they are now.
    fn levels(&mut self, instance: &str) -> Result<(Level, Level), Refusal> {
        let mut next = self.next;
        let service = self.entity(service_of(instance))?.lasting(&mut next);
        let own = self.entity(instance)?.lasting(&mut next);
        self.next = next;
        Ok((own, service))
    }

    fn take(&mut self, instance: &str, name: &str) -> Result<(), Refusal> {
        check::snapshot(name)?;
        let entity = self.entity(instance)?;
        let running = entity.snapshots.iter().find(|(own, _)| **own == *"running");
        // What was started is what runs, not what has been edited since.
        if let Some((_, running)) = running.filter(|_| name == "start").cloned() {
            entity.keep(name, running);
            return Ok(());
        }
        let (own, service) = self.levels(instance)?;
        self.entity(instance)?.record(name, own, service);
        Ok(())
    }

    fn record(
        &mut self,
        instance: &str,
        name: &str,
        own: &Groups,
        service: &Groups,
    ) -> Result<(), Refusal> {
        check::snapshot(name)?;
        own.iter().chain(service).try_for_each(|(name, group)| check::group(name, group))?;
        let (own_now, service_now) = self.levels(instance)?;
        let mut next = self.next;
        let entity = self.entity(instance)?;
        // What is recorded is mostly what is there, or what another snapshot holds.
        let known: Vec<Arc<Version>> = own_now
            .into_iter()
            .chain(service_now)
            .chain(entity.snapshots.iter().flat_map(|(_, one)| one.versions()).cloned())
            .collect();
        let mut level = |groups: &Groups| -> Level {
            let version = |(name, group): (&String, &Group)| {
                let new = Version::of(next, name, &Group { volatile: false, ..group.clone() });
                if let Some(same) = known.iter().find(|known| known.same(&new)) {
                    return same.clone();
                }
                next += 1;
                Arc::new(new)
            };
            groups.iter().map(version).collect()
        };
        let (own, service) = (level(own), level(service));
        entity.record(name, own, service);
        self.next = next;
        Ok(())
    }
}

fn not_found(what: &str) -> Refusal {
    Refusal::NotFound(what.to_owned())
}

fn absent(fmri: &str, what: &str) -> Refusal {
    Refusal::NotFound(format!("{fmri}/:properties/{what}"))
}
