//! select.rs - list, select and unselect: the way through services, instances and snapshots.

use smf_cmd::operand::{self, Entities, Wanted, is_instance, matches, service_of};
use smf_cmd::svccfg_lex::Token;

use crate::arguments::{none, one, optional};
use crate::session::{Complaint, Level, Outcome, Session, complain};
use crate::verbs::{ANYWHERE, At, READABLE, Verb};
use crate::voice::print;

pub const VERBS: &[Verb] = &[
    Verb {
        name: "list",
        usage: "list [glob_pattern]",
        about: "List the children of what is selected.",
        at: &[At::Scope, At::Service, At::Snapshot],
        run: list,
    },
    Verb {
        name: "select",
        usage: "select {name | fmri | pattern}",
        about: "Select a child by its name, or what an FMRI or a pattern names.",
        at: ANYWHERE,
        run: |session, tokens| select(session, one(tokens)?),
    },
    Verb {
        name: "unselect",
        usage: "unselect",
        about: "Select the parent of what is selected.",
        at: READABLE,
        run: unselect,
    },
];

const PROPERTIES: &str = ":properties";

fn list(session: &mut Session, tokens: &[Token]) -> Outcome {
    let pattern = optional(tokens)?;
    let mut names: Vec<String> = Vec::new();
    match session.selection.clone() {
        None => {
            let entities = session.repository()?.entities()?;
            names.extend(entities.keys().map(|fmri| fmri["svc:/".len()..].to_owned()));
        }
        Some(fmri) => {
            print(&format!("{PROPERTIES}\n"))?;
            let service = service_of(&fmri).to_owned();
            let below = match &session.snapshot {
                // A snapshot of a service has one child: the instance it was taken of.
                Some((_, Level::Service)) => vec![fmri],
                Some((_, Level::Instance)) => Vec::new(),
                None if is_instance(&fmri) => Vec::new(),
                None => session.repository()?.entities()?.remove(&service).unwrap_or_default(),
            };
            names.extend(below.iter().map(|fmri| fmri[service.len() + 1..].to_owned()));
        }
    }
    let wanted = names.iter().filter(|name| pattern.is_none_or(|p| matches(p, name)));
    print(&wanted.map(|name| format!("{name}\n")).collect::<String>())
}

/// Selects what a name, an FMRI or a pattern stands for.
pub fn select(session: &mut Session, name: &str) -> Outcome {
    if let (Some((_, level)), Some(fmri)) = (&mut session.snapshot, &session.selection) {
        return match level {
            Level::Instance => complain("No children."),
            Level::Service if fmri[service_of(fmri).len() + 1..] != *name => {
                complain("No such child.")
            }
            Level::Service => {
                *level = Level::Instance;
                Ok(())
            }
        };
    }
    let entities = session.repository()?.entities()?;
    if name == "svc:" {
        session.selection = None;
        return Ok(());
    }
    if name == PROPERTIES {
        return complain(":properties is not an entity.  Try 'listprop' to list properties.");
    }
    let chosen = named(session, name, &entities)?;
    session.selection = Some(chosen);
    Ok(())
}

/// The child of what is selected that has this name, or the one entity that a pattern stands for.
pub fn named(session: &Session, name: &str, entities: &Entities) -> Result<String, Complaint> {
    let child = match &session.selection {
        Some(fmri) if is_instance(fmri) => None,
        Some(service) => entities.get(service).and_then(|instances| {
            let fmri = format!("{service}:{name}");
            instances.contains(&fmri).then_some(fmri)
        }),
        None => Some(format!("svc:/{name}")).filter(|fmri| entities.contains_key(fmri)),
    };
    if let Some(child) = child {
        return Ok(child);
    }
    match operand::find(name, Wanted::ServiceFirst, entities) {
        Ok(matched) => match matched.fmris.as_slice() {
            [one] => Ok(one.clone()),
            several => complain(operand::several("Pattern", name, several)),
        },
        Err(message) => complain(message),
    }
}

fn unselect(session: &mut Session, tokens: &[Token]) -> Outcome {
    none(tokens)?;
    match &mut session.snapshot {
        Some((_, Level::Service)) => return complain("No parent levels."),
        Some((_, level @ Level::Instance)) => {
            *level = Level::Service;
            return Ok(());
        }
        None => {}
    }
    let Some(fmri) = session.selection.take() else {
        return complain("Cannot unselect at scope level.");
    };
    session.selection = is_instance(&fmri).then(|| service_of(&fmri).to_owned());
    Ok(())
}
