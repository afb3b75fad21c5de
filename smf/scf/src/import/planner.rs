//! planner.rs - a plan as it grows: every operation is carried out on what is held at once.

use std::collections::{BTreeMap, BTreeSet};

use smf_model::bundle::Entity;
use smf_model::fmri::{is_instance, service_of};

use super::held::Held;
use super::merge::{Delivered, Group, Groups, Merged, Property, Step};
use super::{Operation, Plan};

/// What a bundle brings to one entity, by group.
pub(super) type Brought = BTreeMap<String, Delivered>;

pub(super) fn brought(entity: &Entity) -> Brought {
    let deliver = |delivered: &smf_model::bundle::Group| {
        let overrides = delivered.properties.iter().filter(|property| property.overrides);
        Delivered {
            group: delivered.held(),
            delete: delivered.delete,
            overrides: overrides.map(|property| property.name.clone()).collect(),
        }
    };
    entity.groups.iter().map(|group| (group.name.clone(), deliver(group))).collect()
}

/// What is held, and what is to be done with it.
pub(super) struct Planner<'h> {
    pub held: &'h mut Held,
    plan: Plan,
    touched: BTreeSet<String>,
}

impl<'h> Planner<'h> {
    pub fn new(held: &'h mut Held) -> Self {
        held.begin();
        Self { held, plan: Plan::default(), touched: BTreeSet::new() }
    }

    /// The finished plan.
    pub fn finish(mut self) -> Plan {
        let made: BTreeSet<_> = self.plan.operations.iter().filter_map(made).collect();
        // A new instance is taken as it is by whoever finds it.
        let touched = self.touched.into_iter().filter(|fmri| !made.contains(fmri));
        self.plan.touched = touched.collect();
        self.plan
    }

    /// Gives the plan up.
    pub fn undo(self) {
        self.held.undo();
    }

    pub fn emit(&mut self, operation: Operation) {
        self.held.carry_out(&operation);
        self.plan.operations.push(operation);
    }

    pub fn conflict(&mut self, text: String) {
        self.plan.conflicts.push(text);
    }

    pub fn note(&mut self, text: String) {
        self.plan.notes.push(text);
    }

    /// The live groups of an entity; none if it is not there.
    pub fn live(&self, entity: &str) -> Groups {
        self.held.groups(entity).cloned().unwrap_or_default()
    }

    /// Makes a service or an instance, and the service of the instance, where they are missing.
    pub fn make(&mut self, entity: &str) {
        for name in [service_of(entity), entity] {
            if !self.held.has(name) {
                self.emit(Operation::Add(name.to_owned()));
            }
        }
    }

    pub fn add_group(&mut self, entity: &str, name: &str, group: Group) {
        self.emit(Operation::AddGroup(entity.to_owned(), name.to_owned(), group));
    }

    pub fn remove_group(&mut self, entity: &str, name: &str) {
        self.emit(Operation::RemoveGroup(entity.to_owned(), name.to_owned()));
    }

    /// Sets a property, if it is not that already; makes a framework group for it if need be.
    pub fn set(&mut self, entity: &str, group: &str, name: &str, value: Property) {
        match self.held.group(entity, group) {
            Some(there) if there.properties.get(name) == Some(&value) => return,
            Some(_) => {}
            None => {
                let empty = Group { kind: "framework".into(), ..Group::default() };
                self.add_group(entity, group, empty);
            }
        }
        self.emit(Operation::Set(entity.to_owned(), group.to_owned(), name.to_owned(), value));
    }

    pub fn unset(&mut self, entity: &str, group: &str, name: &str) {
        let there = self.held.group(entity, group);
        if there.is_some_and(|group| group.properties.contains_key(name)) {
            self.emit(Operation::Unset(entity.to_owned(), group.to_owned(), name.to_owned()));
        }
    }

    /// Takes a snapshot, if it is not that already.
    pub fn take(&mut self, instance: &str, name: &str) {
        if !self.held.is_taken(instance, name) {
            self.emit(Operation::Take(instance.to_owned(), name.to_owned()));
        }
    }

    /// Records a snapshot, if it is not that already.
    pub fn record(&mut self, instance: &str, name: &str, own: Groups, service: Groups) {
        let there = self.held.snapshot(instance, name);
        if there.is_none_or(|(o, s)| *o != own || *s != service) {
            let (instance, name) = (instance.to_owned(), name.to_owned());
            self.emit(Operation::Record { instance, name, own, service });
        }
    }

    /// Carries the steps of a merge out, and says what it says.
    pub fn merged(&mut self, entity: &str, merged: Merged) {
        self.plan.conflicts.extend(merged.conflicts);
        self.plan.notes.extend(merged.notes);
        self.steps(entity, merged.steps);
    }

    pub fn steps(&mut self, entity: &str, steps: Vec<Step>) {
        if !steps.is_empty() {
            self.touch(entity);
        }
        let own = || entity.to_owned();
        for step in steps {
            self.emit(match step {
                Step::Add(name, group) => Operation::AddGroup(own(), name, group),
                Step::Remove(name) => Operation::RemoveGroup(own(), name),
                Step::Set(group, name, value) => Operation::Set(own(), group, name, value),
                Step::Unset(group, name) => Operation::Unset(own(), group, name),
            });
        }
    }

    /// The instance, or all instances of the service, are to be refreshed.
    pub fn touch(&mut self, entity: &str) {
        if !is_instance(entity) {
            self.touched.extend(self.held.instances(entity));
        } else if self.held.has(entity) {
            self.touched.insert(entity.to_owned());
        }
    }
}

fn made(operation: &Operation) -> Option<String> {
    match operation {
        Operation::Add(entity) => Some(entity.clone()),
        _ => None,
    }
}
