//! snapshot.rs - listsnap, selectsnap, revert.

use smf_cmd::operand::service_of;
use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::value::valid_name;
use smf_scf::import::Operation;
use smf_scf::import::merge::Groups;

use crate::arguments::{none, optional};
use crate::session::{Level, Outcome, Session, complain};
use crate::verbs::{At, Verb};
use crate::voice::print;

const AT: &[At] = &[At::Instance, At::Snapshot];

pub const VERBS: &[Verb] = &[
    Verb {
        name: "listsnap",
        usage: "listsnap",
        about: "List the snapshots of the selected instance.",
        at: AT,
        run: listsnap,
    },
    Verb {
        name: "selectsnap",
        usage: "selectsnap [snapshot]",
        about: "Select a snapshot of the selected instance, or what is configured now.",
        at: AT,
        run: selectsnap,
    },
    Verb {
        name: "revert",
        usage: "revert [snapshot]",
        about: "Make the properties of the selected instance and of its service those of a\n\
                snapshot: the one named, or the one selected.",
        at: AT,
        run: revert,
    },
];

fn listsnap(session: &mut Session, tokens: &[Token]) -> Outcome {
    none(tokens)?;
    let instance = session.instance()?;
    let names = session.repository()?.snapshots(&instance)?;
    print(&names.iter().map(|name| format!("{name}\n")).collect::<String>())
}

fn selectsnap(session: &mut Session, tokens: &[Token]) -> Outcome {
    let name = optional(tokens)?;
    let instance = session.instance()?;
    let Some(name) = name else {
        session.snapshot = None;
        return Ok(());
    };
    if session.snapshot.as_ref().is_some_and(|(selected, _)| selected == name) {
        return Ok(());
    }
    session.snapshot = None;
    if !valid_name(name) {
        return complain(format!("Invalid name \"{name}\"."));
    }
    if session.repository()?.snapshot(&instance, name)?.is_none() {
        return complain(format!("No such snapshot \"{name}\"."));
    }
    session.snapshot = Some((name.to_owned(), Level::Instance));
    Ok(())
}

fn revert(session: &mut Session, tokens: &[Token]) -> Outcome {
    let named = optional(tokens)?;
    let instance = session.instance()?;
    let selected = session.snapshot.as_ref().map(|(name, _)| name.clone());
    let name = match (named, selected) {
        (Some(name), _) if !valid_name(name) => {
            return complain(format!("Invalid snapshot name \"{name}\"."));
        }
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => name,
        (None, None) => return complain("No snapshot selected."),
    };
    let Some((own, service)) = session.repository()?.snapshot(&instance, &name)? else {
        return complain("No such snapshot.");
    };
    let mut operations = vec![Operation::Take(instance.clone(), "previous".into())];
    for (entity, wanted) in [(service_of(&instance).to_owned(), service), (instance, own)] {
        let live = session.live(&entity)?;
        restore(&entity, &live, &wanted, &mut operations);
    }
    session.commit(operations)?;
    if named.is_none() {
        session.snapshot = None;
    }
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
