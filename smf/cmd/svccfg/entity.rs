//! entity.rs - add, delete, refresh, addpg, delpg.

use smf_cmd::instance::Instance;
use smf_cmd::operand::{self, Wanted};
use smf_cmd::repository::RepositoryError;
use smf_model::bundle::value::{valid_name, valid_service_name};

use crate::session::{Outcome, Session, complain};

/// Makes a service, or an instance of the selected service.  It is not selected.
pub fn add(session: &mut Session, name: &str) -> Outcome {
    if session.snapshot.is_some() {
        return complain("Cannot modify snapshots.");
    }
    let (fmri, valid, there) = match &session.selection {
        None => (format!("svc:/{name}"), valid_service_name(name), "Service already exists."),
        Some(service) if operand::is_instance(service) => {
            return complain("Cannot add entities to an instance.");
        }
        Some(service) => {
            (format!("{service}:{name}"), valid_name(name), "Instance already exists.")
        }
    };
    if !valid {
        return complain("Invalid name.");
    }
    match session.repository.add(&fmri) {
        Err(RepositoryError::Exists(_)) => complain(there),
        other => Ok(other?),
    }
}

/// Removes a service or an instance.
pub fn delete(session: &mut Session, words: &[String]) -> Outcome {
    let (force, name) = match words {
        [flag, name] if flag == "-f" => (true, name),
        [name] if name != "-f" => (false, name),
        _ => return complain("Syntax error."),
    };
    if session.snapshot.is_some() {
        return complain("Cannot modify snapshots.");
    }
    let entities = session.repository.entities()?;
    let child = session.selection.as_ref().map(|fmri| format!("{fmri}:{name}"));
    let child = child.filter(|fmri| entities.values().flatten().any(|other| other == fmri));
    let exact = operand::canonical(name).filter(|fmri| entities.contains_key(fmri));
    let fmri = match child.or(exact) {
        Some(fmri) => fmri,
        None => match operand::find(name, Wanted::ServiceFirst, &entities) {
            Ok(matched) => match matched.fmris.as_slice() {
                [one] => one.clone(),
                several => return complain(operand::several("Pattern", name, several)),
            },
            Err(message) => return complain(message),
        },
    };
    let own = std::slice::from_ref(&fmri);
    let instances = entities.get(&fmri).map_or(own, Vec::as_slice);
    for instance in instances.iter().filter(|_| !force) {
        // The next state does not count: what is on its way may be deleted.
        if Instance::read(&mut session.repository, instance)?.runs() {
            return complain(format!(
                "Instance {instance} may be running.  Use delete -f if it is not."
            ));
        }
    }
    session.repository.delete(&fmri)?;
    if session
        .selection
        .as_ref()
        .is_some_and(|selected| *selected == fmri || operand::service_of(selected) == fmri)
    {
        session.selection = None;
    }
    Ok(())
}

/// Asks the restarter to take what is configured.
pub fn refresh(session: &mut Session) -> Outcome {
    let instance = session.instance()?;
    if session.snapshot.is_some() {
        return complain("Cannot modify snapshots.");
    }
    Ok(session.repository.refresh(&instance)?)
}

/// Makes a property group.
pub fn addpg(session: &mut Session, words: &[String]) -> Outcome {
    let entity = session.editable()?;
    let (name, kind, flags) = match words {
        [name, kind] => (name, kind, ""),
        [name, kind, flags] => (name, kind, flags.as_str()),
        _ => return complain("Syntax error."),
    };
    if let Some(bad) = flags.chars().find(|flag| *flag != 'P') {
        return complain(format!("Invalid property group flag {bad}."));
    }
    if !valid_name(name) || !valid_name(kind) {
        return complain("Name, type, or flags are invalid.");
    }
    match session.repository.add_group(&entity, name, kind, flags.contains('P')) {
        Err(RepositoryError::Exists(_)) => complain("Property group already exists."),
        other => Ok(other?),
    }
}

/// Removes a property group.
pub fn delpg(session: &mut Session, name: &str) -> Outcome {
    let entity = session.editable()?;
    match session.repository.delete_group(&entity, name) {
        Err(RepositoryError::NotFound(_)) => {
            complain(format!("No such property group \"{name}\"."))
        }
        other => Ok(other?),
    }
}
