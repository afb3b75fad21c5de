//! group.rs - addpg and delpg.

use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::value::valid_name;
use smf_scf::import::Operation;
use smf_scf::import::merge::Group;

use crate::arguments::{one, words};
use crate::session::{Complaint, Outcome, Session, complain};
use crate::verbs::{EDITABLE, Verb};

pub const VERBS: &[Verb] = &[
    Verb {
        name: "addpg",
        usage: "addpg name type [P]",
        about: "Add a property group to what is selected; with P it is not persistent.",
        at: EDITABLE,
        run: addpg,
    },
    Verb {
        name: "delpg",
        usage: "delpg name",
        about: "Delete a property group of what is selected.",
        at: EDITABLE,
        run: |session, tokens| delpg(session, one(tokens)?),
    },
];

fn addpg(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (name, kind, flags) = match words(tokens)?[..] {
        [name, kind] => (name, kind, ""),
        [name, kind, flags] => (name, kind, flags),
        [] | [_] | [_, _, _, ..] => return Err(Complaint::Syntax),
    };
    let entity = session.editable()?;
    let mut volatile = false;
    for flag in flags.chars() {
        match flag {
            'P' => volatile = true,
            'p' => volatile = false,
            other => return complain(format!("Invalid property group flag {other}.")),
        }
    }
    if !valid_name(name) || !valid_name(kind) {
        return complain("Name, type, or flags are invalid.");
    }
    if session.group(&entity, name)?.is_some() {
        return complain("Property group already exists.");
    }
    let group = Group { kind: kind.to_owned(), volatile, ..Group::default() };
    session.commit(vec![Operation::AddGroup(entity, name.to_owned(), group)])
}

/// Deletes a group of the selected entity.
pub fn delpg(session: &mut Session, name: &str) -> Outcome {
    let entity = session.editable()?;
    checked(name)?;
    if session.group(&entity, name)?.is_none() {
        return complain(absent(name));
    }
    session.commit(vec![Operation::RemoveGroup(entity, name.to_owned())])
}

/// Whether a group can have this name.
pub fn checked(name: &str) -> Outcome {
    if valid_name(name) {
        Ok(())
    } else {
        complain(format!("Invalid property group name \"{name}\"."))
    }
}

/// What is said of a group that is not there.
pub fn absent(name: &str) -> String {
    format!("No such property group \"{name}\".")
}
