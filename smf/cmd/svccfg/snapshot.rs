//! snapshot.rs - listsnap, selectsnap, revert.

use std::io::Write;

use smf_cmd::operand::service_of;
use smf_scf::import::Operation;
use smf_scf::import::merge::Groups;

use crate::session::{Outcome, Session, complain};

/// The names of the snapshots, one per line.
pub fn listsnap(session: &mut Session) -> Outcome {
    let instance = session.instance()?;
    let mut out = std::io::stdout().lock();
    for name in session.repository.snapshots(&instance)? {
        writeln!(out, "{name}")?;
    }
    Ok(())
}

/// Selects a snapshot, or none again.
pub fn selectsnap(session: &mut Session, name: Option<&str>) -> Outcome {
    let instance = session.instance()?;
    if let Some(name) = name {
        if session.repository.snapshot(&instance, name)?.is_none() {
            return complain("No such snapshot.");
        }
    }
    session.snapshot = name.map(str::to_owned);
    Ok(())
}

/// Makes the persistent groups of instance and service what a snapshot holds.
pub fn revert(session: &mut Session, name: Option<&str>) -> Outcome {
    let instance = session.instance()?;
    let Some(name) = name.map(str::to_owned).or_else(|| session.snapshot.clone()) else {
        return complain("No snapshot selected.");
    };
    let Some((own, service)) = session.repository.snapshot(&instance, &name)? else {
        return complain("No such snapshot.");
    };
    let mut operations = vec![Operation::Take(instance.clone(), "previous".into())];
    for (entity, wanted) in [(instance.clone(), own), (service_of(&instance).to_owned(), service)] {
        let live = session.repository.groups(&entity)?;
        restore(&entity, &live, &wanted, &mut operations);
    }
    session.repository.carry_out(&operations)?;
    session.snapshot = None;
    Ok(())
}

/// The operations that make the persistent groups of an entity what is wanted.
fn restore(entity: &str, live: &Groups, wanted: &Groups, operations: &mut Vec<Operation>) {
    let entity = || entity.to_owned();
    for (name, group) in live.iter().filter(|(_, group)| !group.volatile) {
        if name == "general" {
            // Whether it is enabled stays the administrator's.
            let keep = wanted.get(name);
            for property in group.properties.keys().filter(|property| *property != "enabled") {
                if keep.is_none_or(|keep| !keep.properties.contains_key(property)) {
                    operations.push(Operation::Unset(entity(), name.clone(), property.clone()));
                }
            }
        } else if wanted.get(name) != Some(group) {
            operations.push(Operation::RemoveGroup(entity(), name.clone()));
        }
    }
    for (name, group) in wanted.iter().filter(|(_, group)| !group.volatile) {
        if name == "general" && live.contains_key(name) {
            for (property, value) in group.properties.iter().filter(|(p, _)| *p != "enabled") {
                let (name, property) = (name.clone(), property.clone());
                operations.push(Operation::Set(entity(), name, property, value.clone()));
            }
        } else if live.get(name) != Some(group) {
            operations.push(Operation::AddGroup(entity(), name.clone(), group.clone()));
        }
    }
}
