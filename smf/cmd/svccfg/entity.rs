//! entity.rs - add, delete, refresh.

use smf_cmd::operand::is_instance;
use smf_cmd::repository::RepositoryError;
use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::value::{valid_name, valid_service_name};
use smf_scf::import::Operation;

use crate::arguments::{flagged, none, one};
use crate::select::named;
use crate::session::{Outcome, Session, complain};
use crate::verbs::{ANYWHERE, At, Verb};
use crate::withdraw;

pub const VERBS: &[Verb] = &[
    Verb {
        name: "add",
        usage: "add name",
        about: "Add a service, or an instance of the selected service.",
        at: &[At::Scope, At::Service],
        run: |session, tokens| add(session, one(tokens)?),
    },
    Verb {
        name: "delete",
        usage: "delete [-f] {name | fmri | pattern}",
        about: "Delete a child, or what an FMRI or a pattern names; with -f even if it runs.",
        at: ANYWHERE,
        run: |session, tokens| {
            let (force, name) = flagged(tokens, "-f")?;
            delete(session, name, if force { Running::Delete } else { Running::Refuse })
        },
    },
    Verb {
        name: "refresh",
        usage: "refresh",
        about: "Commit the values of the current configuration to the running snapshot of the\n\
                selected instance, and have its restarter read them.",
        at: &[At::Instance],
        run: refresh,
    },
];

/// What becomes of an instance that may be running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    Refuse,
    Delete,
}

/// Makes a service, or an instance of the selected service.  It is not selected.
fn add(session: &mut Session, name: &str) -> Outcome {
    if session.snapshot.is_some() {
        return complain("Cannot modify snapshots.");
    }
    let (fmri, valid, there) = match &session.selection {
        None => (format!("svc:/{name}"), valid_service_name(name), "Service already exists."),
        Some(fmri) if is_instance(fmri) => {
            return complain("Cannot add entities to an instance.");
        }
        Some(service) => {
            (format!("{service}:{name}"), valid_name(name), "Instance already exists.")
        }
    };
    if !valid {
        return complain("Invalid name.");
    }
    match session.repository()?.carry_out(&[Operation::Add(fmri)]) {
        Err(RepositoryError::Exists(_)) => complain(there),
        other => Ok(other?),
    }
}

fn delete(session: &mut Session, name: &str, running: Running) -> Outcome {
    if session.snapshot.is_some() {
        return complain("Cannot modify snapshots.");
    }
    let entities = session.repository()?.entities()?;
    let fmri = named(session, name, &entities)?;
    withdraw::entity(session, &fmri, running)
}

fn refresh(session: &mut Session, tokens: &[Token]) -> Outcome {
    none(tokens)?;
    let instance = session.instance()?;
    session.refresh(&instance)
}
