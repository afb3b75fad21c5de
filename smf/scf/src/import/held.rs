//! held.rs - what a repository held when it was read, and what has been planned since.
//!
//! A plan is made against this and changes it as it grows, so what is decided later sees what was
//! decided before: two bundles that place something on the same target, a bundle that brings the
//! service another one waits for.
//!
//! What must hold: `carry_out` does here what a repository does with the same operation.  Services
//! that were never read are not known to be absent; asking for one is a mistake of the planner.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smf_model::fmri::{is_instance, service_of};

use super::Operation;
use super::merge::{Group, Groups, Property};

/// The snapshots that an import looks at.
pub const SNAPSHOTS: [&str; 3] = ["last-import", "previous", "running"];

/// A service as a repository holds it, with its instances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its canonical FMRI.
    pub service: String,
    /// Its live groups.
    pub groups: Groups,
    /// Its instances.
    pub instances: Vec<FoundInstance>,
}

/// An instance as a repository holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundInstance {
    /// Its canonical FMRI.
    pub instance: String,
    /// Its live groups.
    pub groups: Groups,
    /// Those of `SNAPSHOTS` that it has: the groups of the instance, and those of its service.
    pub snapshots: BTreeMap<String, (Groups, Groups)>,
}

/// A service or an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entity {
    groups: Groups,
    /// Shared: they never change, and what was before a plan is kept until it is made.
    snapshots: BTreeMap<String, Arc<(Groups, Groups)>>,
}

/// What is known of a repository.
#[derive(Debug, Default)]
pub struct Held {
    /// None = it is known not to be there.
    entities: BTreeMap<String, Option<Entity>>,
    /// What the entities were before the plan that is being made.
    before: BTreeMap<String, Option<Option<Entity>>>,
}

impl Held {
    /// Takes up what was asked for and what was found.
    pub fn learn(&mut self, asked: &[String], found: Vec<Found>) {
        for service in asked {
            self.entities.entry(service.clone()).or_insert(None);
        }
        for Found { service, groups, instances } in found {
            self.entities.insert(service, Some(Entity { groups, ..Entity::default() }));
            for FoundInstance { instance, groups, snapshots } in instances {
                let shared = snapshots.into_iter().map(|(name, taken)| (name, Arc::new(taken)));
                let snapshots = shared.collect();
                self.entities.insert(instance, Some(Entity { groups, snapshots }));
            }
        }
    }

    /// Whether a service has been read.
    #[must_use]
    pub fn knows(&self, service: &str) -> bool {
        self.entities.contains_key(service)
    }

    /// Whether an entity is there.
    #[must_use]
    pub fn has(&self, entity: &str) -> bool {
        self.entity(entity).is_some()
    }

    /// The live groups of an entity, if it is there.
    #[must_use]
    pub fn groups(&self, entity: &str) -> Option<&Groups> {
        self.entity(entity).map(|entity| &entity.groups)
    }

    /// A live group of an entity.
    #[must_use]
    pub fn group(&self, entity: &str, name: &str) -> Option<&Group> {
        self.groups(entity)?.get(name)
    }

    /// A snapshot of an instance: its own groups, and those of its service.
    #[must_use]
    pub fn snapshot(&self, instance: &str, name: &str) -> Option<&(Groups, Groups)> {
        self.entity(instance)?.snapshots.get(name).map(Arc::as_ref)
    }

    /// The instances of a service.
    #[must_use]
    pub fn instances(&self, service: &str) -> Vec<String> {
        let first = format!("{service}:");
        let from = self.entities.range(first.clone()..);
        let own = from.take_while(|(name, _)| name.starts_with(&first));
        own.filter(|(_, entity)| entity.is_some()).map(|(name, _)| name.clone()).collect()
    }

    /// The groups of an entity as its methods see them: from the running snapshot where there is
    /// one (of a service: of any of its instances), else live.
    #[must_use]
    pub fn current(&self, entity: &str) -> Option<&Groups> {
        let running = if is_instance(entity) {
            self.snapshot(entity, "running").map(|(own, _)| own)
        } else {
            let instances = self.instances(entity);
            let mut running = instances.iter().filter_map(|i| self.snapshot(i, "running"));
            running.next().map(|(_, service)| service)
        };
        running.or_else(|| self.groups(entity))
    }

    /// Whether a snapshot of this name holds what it would take of an instance now.
    #[must_use]
    pub fn is_taken(&self, instance: &str, name: &str) -> bool {
        self.snapshot(instance, name).is_some_and(|(own, service)| {
            own.iter().eq(self.lasting(instance))
                && service.iter().eq(self.lasting(service_of(instance)))
        })
    }

    /// What a snapshot takes: the groups that last.
    fn lasting(&self, entity: &str) -> impl Iterator<Item = (&String, &Group)> {
        self.groups(entity).into_iter().flatten().filter(|(_, group)| !group.volatile)
    }

    fn taken(&self, entity: &str) -> Groups {
        self.lasting(entity).map(|(name, group)| (name.clone(), group.clone())).collect()
    }

    /// Begins a plan: from here on `undo` takes back.
    pub fn begin(&mut self) {
        self.before.clear();
    }

    /// Takes back what has been carried out since `begin`.
    pub fn undo(&mut self) {
        for (name, was) in std::mem::take(&mut self.before) {
            match was {
                Some(entity) => self.entities.insert(name, entity),
                None => self.entities.remove(&name),
            };
        }
    }

    fn entity(&self, name: &str) -> Option<&Entity> {
        self.entities.get(name)?.as_ref()
    }

    fn changed(&mut self, name: &str) -> &mut Entity {
        if !self.before.contains_key(name) {
            self.before.insert(name.to_owned(), self.entities.get(name).cloned());
        }
        self.entities.entry(name.to_owned()).or_default().get_or_insert_default()
    }

    /// Does what a repository does.
    pub fn carry_out(&mut self, operation: &Operation) {
        match operation {
            Operation::Add(entity) => drop(self.changed(entity)),
            Operation::AddGroup(entity, name, group) => {
                self.changed(entity).groups.insert(name.clone(), group.clone());
            }
            Operation::RemoveGroup(entity, name) => {
                self.changed(entity).groups.remove(name);
            }
            Operation::Set(entity, group, name, value) => {
                if let Some(group) = self.changed(entity).groups.get_mut(group) {
                    group.properties.insert(name.clone(), value.clone());
                }
            }
            Operation::Unset(entity, group, name) => {
                if let Some(group) = self.changed(entity).groups.get_mut(group) {
                    group.properties.remove(name);
                }
            }
            Operation::Take(instance, name) => {
                let taken = Arc::new((self.taken(instance), self.taken(service_of(instance))));
                self.changed(instance).snapshots.insert(name.clone(), taken);
            }
            Operation::Record { instance, name, own, service } => {
                let contents = Arc::new((own.clone(), service.clone()));
                self.changed(instance).snapshots.insert(name.clone(), contents);
            }
        }
    }
}

/// A boolean property.
pub(super) fn boolean(value: bool) -> Property {
    Property::one("boolean", value.to_string())
}
