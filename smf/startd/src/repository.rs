//! repository.rs - the store of the engine, on the configuration repository it hosts.

use std::collections::{BTreeMap, BTreeSet};

use smf_configd::{Host, Repository, Step};
use smf_model::fmri::service_of;
use smf_scf::import::Operation;
use smf_scf::import::merge;
use smf_scf::protocol::Refusal;

use crate::config::MASTER;
use crate::store::{Change, Entry, Group, Groups, Property, Store, StoreError, View, Write};

/// Groups that count at once, whatever snapshot runs.
const LIVE: [&str; 4] = ["general", "general_ovr", "restarter", "restarter_actions"];

impl Store for Host {
    fn instances(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(self.read(|repository| repository.entities()).into_values().flatten().collect())
    }

    fn groups(&mut self, fmri: &str, view: View) -> Result<Option<Groups>, StoreError> {
        self.some_groups(fmri, view, &|_, _| true)
    }

    fn some_groups(
        &mut self,
        fmri: &str,
        view: View,
        wanted: &dyn Fn(&str, &str) -> bool,
    ) -> Result<Option<Groups>, StoreError> {
        Ok(self.read(|repository| {
            let live = |name: &str, kind: &str| LIVE.contains(&name) && wanted(name, kind);
            let then = |name: &str, kind: &str| !LIVE.contains(&name) && wanted(name, kind);
            let snapshot = match view {
                View::Running => repository.some_of_snapshot(fmri, "running", then).ok().flatten(),
                View::Live => None,
            };
            let of = |fmri: &str| match snapshot {
                Some(_) => repository.some_groups(fmri, live),
                None => repository.some_groups(fmri, wanted),
            };
            let mut composed = BTreeMap::new();
            lay(&mut composed, of(fmri).ok()?);
            let service = service_of(fmri);
            if service != fmri {
                of(service).into_iter().for_each(|service| lay(&mut composed, service));
            }
            let (own_then, service_then) = snapshot.unwrap_or_default();
            lay(&mut composed, own_then);
            lay(&mut composed, service_then);
            Some(composed)
        }))
    }

    fn group(&mut self, fmri: &str, group: &str) -> Result<Option<Group>, StoreError> {
        let Some(group) = self.read(|repository| repository.group(fmri, group)) else {
            return Ok(None);
        };
        let of = |value: merge::Property| Property { kind: value.kind, values: value.values };
        let properties = group.properties.into_iter().map(|(name, value)| (name, of(value)));
        Ok(Some(Group { kind: group.kind, properties: properties.collect() }))
    }

    fn set(&mut self, fmri: &str, group: &str, writes: &[Write]) -> Result<(), StoreError> {
        self.update(|repository| {
            let mut operations: Vec<Operation> =
                with_group(repository, fmri, group).into_iter().collect();
            operations.extend(writes.iter().map(|write| set(fmri, group, write)));
            operations
        })
        .map_err(failed(fmri, "writing its state"))
    }

    fn write(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let whose = entries.first().map_or(MASTER, |entry| entry.fmri.as_str());
        let whose = whose.to_owned();
        self.update_by_steps(|repository| {
            let mut steps = Vec::new();
            let mut made = BTreeSet::new();
            for Entry { fmri, writes, snapshots, finished, outside } in entries {
                if *outside {
                    let disabled = override_operations(repository, fmri, Some(false));
                    steps.extend(disabled.into_iter().map(Step::Operation));
                }
                if !writes.is_empty() {
                    if made.insert(fmri) {
                        let group = with_group(repository, fmri, "restarter");
                        steps.extend(group.map(Step::Operation));
                    }
                    steps.push(Step::Write {
                        entity: fmri,
                        group: "restarter",
                        properties: writes,
                    });
                }
                let take = |name: &&str| Operation::Take(fmri.clone(), (*name).to_owned());
                let done = finished.iter();
                let done = done.filter_map(|(name, value)| finish(repository, fmri, name, value));
                steps.extend(snapshots.iter().map(take).chain(done).map(Step::Operation));
            }
            steps
        })
        .map_err(failed(&whose, "writing states"))
    }

    fn set_overrides(&mut self, overrides: &[(String, Option<bool>)]) -> Result<(), StoreError> {
        self.update(|repository| {
            let operations = overrides
                .iter()
                .flat_map(|(fmri, enabled)| override_operations(repository, fmri, *enabled));
            operations.collect()
        })
        .map_err(failed(MASTER, "overriding what is enabled"))
    }

    fn snapshot(&mut self, fmri: &str, name: &str) -> Result<(), StoreError> {
        self.update(|_| vec![Operation::Take(fmri.to_owned(), name.to_owned())])
            .map_err(failed(fmri, "taking a snapshot"))
    }

    fn has_snapshot(&mut self, fmri: &str, name: &str) -> Result<bool, StoreError> {
        self.read(|repository| repository.has_snapshot(fmri, name))
            .map_err(failed(fmri, "reading its snapshots"))
    }

    fn finish_action(&mut self, fmri: &str, action: &str, value: &str) -> Result<(), StoreError> {
        self.update(|repository| finish(repository, fmri, action, value).into_iter().collect())
            .map_err(failed(fmri, "finishing an action"))
    }

    fn changes(&mut self) -> Result<Vec<Change>, StoreError> {
        let changes = Host::changes(self).into_iter();
        Ok(changes.map(|change| Change { fmri: change.entity, group: change.group }).collect())
    }
}

fn set(fmri: &str, group: &str, (name, kind, values): &Write) -> Operation {
    let value = merge::Property { kind: (*kind).to_owned(), values: values.clone() };
    Operation::Set(fmri.to_owned(), group.to_owned(), (*name).to_owned(), value)
}

/// What takes its value from an action.  A newer order stays, also one that comes at this moment.
fn finish(repository: &Repository, fmri: &str, action: &str, value: &str) -> Option<Operation> {
    let group = "restarter_actions";
    let mut now = repository.group(fmri, group)?;
    let done = now.properties.remove(action)?;
    let same = done.values.first().is_some_and(|now| now == value);
    let empty = merge::Property { kind: done.kind, values: Vec::new() };
    same.then(|| Operation::Set(fmri.to_owned(), group.to_owned(), action.to_owned(), empty))
}

/// What makes a volatile framework group, where it is not there yet.
fn with_group(repository: &Repository, fmri: &str, group: &str) -> Option<Operation> {
    let there = repository.generation(fmri, group) != 0;
    let kind = "framework".to_owned();
    let empty = merge::Group { kind, volatile: true, ..merge::Group::default() };
    (!there).then(|| Operation::AddGroup(fmri.to_owned(), group.to_owned(), empty))
}

fn override_operations(
    repository: &Repository,
    fmri: &str,
    enabled: Option<bool>,
) -> Vec<Operation> {
    let (group, name) = ("general_ovr".to_owned(), "enabled".to_owned());
    let Some(enabled) = enabled else {
        let now = repository.group(fmri, &group);
        let set = now.is_some_and(|now| now.properties.contains_key(&name));
        let unset = set.then(|| Operation::Unset(fmri.to_owned(), group, name));
        return unset.into_iter().collect();
    };
    let value = merge::Property { kind: "boolean".to_owned(), values: vec![enabled.to_string()] };
    let mut operations: Vec<Operation> = with_group(repository, fmri, &group).into_iter().collect();
    operations.push(Operation::Set(fmri.to_owned(), group, name, value));
    operations
}

/// The repository has the instance that this program is, as a bundle would bring it.
///
/// # Errors
/// The repository cannot be written.
pub fn appear(host: &Host) -> Result<(), Refusal> {
    let method = |name: &str| {
        let properties = [
            ("type", "astring", "method"),
            ("exec", "astring", ":true"),
            ("timeout_seconds", "count", "3"),
        ];
        (name.to_owned(), lasting_group("method", &properties))
    };
    let instance = [
        method("start"),
        method("stop"),
        ("startd".to_owned(), lasting_group("framework", &[("duration", "astring", "transient")])),
        ("general".to_owned(), lasting_group("framework", &[("enabled", "boolean", "true")])),
    ];
    let name = lasting_group("template", &[("C", "ustring", "master restarter")]);
    host.update(|repository| {
        let service = service_of(MASTER);
        let mut operations = Vec::new();
        if repository.groups(service).is_err() {
            operations.push(Operation::Add(service.to_owned()));
            let template = "tm_common_name".to_owned();
            operations.push(Operation::AddGroup(service.to_owned(), template, name));
        }
        let there = repository.groups(MASTER);
        if there.is_err() {
            operations.push(Operation::Add(MASTER.to_owned()));
        }
        // A command may have made it, to leave an option there.
        let there = there.unwrap_or_default();
        if !there.contains_key("general") {
            let missing = instance.into_iter().filter(|(name, _)| !there.contains_key(name));
            let add = |(name, group)| Operation::AddGroup(MASTER.to_owned(), name, group);
            operations.extend(missing.map(add));
        }
        operations
    })
}

fn lasting_group(kind: &str, properties: &[(&str, &str, &str)]) -> merge::Group {
    let properties = properties.iter().map(|(name, kind, value)| {
        let value = merge::Property { kind: (*kind).to_owned(), values: vec![(*value).to_owned()] };
        ((*name).to_owned(), value)
    });
    merge::Group {
        kind: kind.to_owned(),
        properties: properties.collect(),
        ..merge::Group::default()
    }
}

/// Lays groups below those that are there: properties that are there hide others.
fn lay(composed: &mut Groups, groups: merge::Groups) {
    for (name, group) in groups {
        let upper = composed
            .entry(name)
            .or_insert_with(|| Group { kind: group.kind, properties: BTreeMap::new() });
        for (name, value) in group.properties {
            let of = || Property { kind: value.kind, values: value.values };
            upper.properties.entry(name).or_insert_with(of);
        }
    }
}

fn failed<'a>(fmri: &'a str, what: &'static str) -> impl FnOnce(Refusal) -> StoreError + 'a {
    move |refusal| StoreError {
        fmri: fmri.to_owned(),
        what,
        cause: refusal.to_string(),
        passing: matches!(refusal, Refusal::Failed(_) | Refusal::ReadOnly),
    }
}
