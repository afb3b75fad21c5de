//! A repository in memory: every operation must fit, as in a real one.

use std::collections::BTreeMap;
use std::convert::Infallible;

use smf_model::fmri::{is_instance, service_of};
use smf_scf::import::merge::{Group, Groups, Property};
use smf_scf::import::{Operation, Source};

/// Entities with their groups, and snapshots by instance and name.
#[derive(Default, Clone, PartialEq, Debug)]
pub struct Memory {
    pub entities: BTreeMap<String, Groups>,
    pub snapshots: BTreeMap<(String, String), (Groups, Groups)>,
}

impl Source for Memory {
    type Error = Infallible;

    fn has_service(&mut self, service: &str) -> Result<bool, Infallible> {
        Ok(self.entities.contains_key(service))
    }

    fn instances(&mut self, service: &str) -> Result<Vec<String>, Infallible> {
        let own = |name: &&String| is_instance(name) && service_of(name) == service;
        Ok(self.entities.keys().filter(own).cloned().collect())
    }

    fn live(&mut self, entity: &str) -> Result<Groups, Infallible> {
        Ok(self.entities.get(entity).cloned().unwrap_or_default())
    }

    fn snapshot(&mut self, i: &str, name: &str) -> Result<Option<(Groups, Groups)>, Infallible> {
        Ok(self.snapshots.get(&(i.to_owned(), name.to_owned())).cloned())
    }
}

impl Memory {
    pub fn groups(&mut self, entity: &str) -> &mut Groups {
        self.entities.get_mut(entity).unwrap_or_else(|| panic!("{entity} is there"))
    }

    fn group(&mut self, entity: &str, name: &str) -> &mut Group {
        let group = self.groups(entity).get_mut(name);
        group.unwrap_or_else(|| panic!("{entity} has the group {name}"))
    }

    pub fn set(&mut self, entity: &str, group: &str, name: &str, value: Property) {
        self.group(entity, group).properties.insert(name.to_owned(), value);
    }

    fn lasting(&mut self, entity: &str) -> Groups {
        let groups = self.groups(entity).clone();
        groups.into_iter().filter(|(_, group)| !group.volatile).collect()
    }

    pub fn take(&mut self, instance: &str, name: &str) {
        let taken = (self.lasting(instance), self.lasting(service_of(instance)));
        self.snapshots.insert((instance.to_owned(), name.to_owned()), taken);
    }

    pub fn carry_out(&mut self, operations: &[Operation]) {
        for operation in operations {
            match operation.clone() {
                Operation::Add(fmri) => {
                    assert!(self.entities.contains_key(service_of(&fmri)) || !is_instance(&fmri));
                    let there = self.entities.insert(fmri.clone(), Groups::new());
                    assert!(there.is_none(), "{fmri} was there");
                }
                Operation::AddGroup(entity, name, group) => {
                    let there = self.groups(&entity).insert(name.clone(), group);
                    assert!(there.is_none(), "{entity} had {name}");
                }
                Operation::RemoveGroup(entity, name) => {
                    let there = self.groups(&entity).remove(&name);
                    assert!(there.is_some(), "{entity} had no {name}");
                }
                Operation::Set(entity, group, name, value) => {
                    let there = self.group(&entity, &group).properties.insert(name.clone(), value);
                    let same = there.as_ref() == self.group(&entity, &group).properties.get(&name);
                    assert!(!same, "{entity} had {group}/{name} so already");
                }
                Operation::Unset(entity, group, name) => {
                    let there = self.group(&entity, &group).properties.remove(&name);
                    assert!(there.is_some(), "{entity} had no {group}/{name}");
                }
                Operation::Take(instance, name) => self.take(&instance, &name),
                Operation::Record { instance, name, own, service } => {
                    self.snapshots.insert((instance, name), (own, service));
                }
            }
        }
    }
}
