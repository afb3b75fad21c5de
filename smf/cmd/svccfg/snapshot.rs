//! snapshot.rs - listsnap, selectsnap, revert.

use smf_cmd::operand::service_of;
use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::value::valid_name;

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
    if session.repository()?.snapshot(&instance, &name)?.is_none() {
        return complain("No such snapshot.");
    }
    session.repository()?.revert(&instance, &name)?;
    if session.connection.is_private() {
        // Of what was reverted all instances of the service have a part.
        let service = service_of(&instance).to_owned();
        for instance in session.repository()?.entities()?.remove(&service).unwrap_or_default() {
            session.refresh(&instance)?;
        }
    }
    if named.is_none() {
        session.snapshot = None;
    }
    Ok(())
}
