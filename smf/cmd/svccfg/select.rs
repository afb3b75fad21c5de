//! select.rs - select and unselect.

use smf_cmd::operand::{self, Wanted, service_of};

use crate::session::{Outcome, Session, complain};

/// A child of the selection by its name, else whatever the pattern names.
pub fn select(session: &mut Session, name: &str) -> Outcome {
    if name == ":properties" {
        return complain(":properties is not an entity.  Try 'listprop' to list properties.");
    }
    let entities = session.repository.entities()?;
    let child = match &session.selection {
        None => format!("svc:/{name}"),
        Some(fmri) => format!("{fmri}:{name}"),
    };
    let below_service = session.selection.as_ref().is_none_or(|fmri| !operand::is_instance(fmri));
    let is_child =
        entities.contains_key(&child) || entities.values().flatten().any(|i| *i == child);
    let chosen = if below_service && is_child {
        child
    } else {
        // An instance, or a service where nothing finer is named.
        let matched = match operand::canonical(name).filter(|fmri| entities.contains_key(fmri)) {
            Some(service) => vec![service],
            None => match operand::find(name, Wanted::ServiceFirst, &entities) {
                Ok(matched) => matched.fmris,
                Err(message) => return complain(message),
            },
        };
        match matched.as_slice() {
            [one] => one.clone(),
            several => return complain(operand::several("Pattern", name, several)),
        }
    };
    session.selection = Some(chosen);
    session.snapshot = None;
    Ok(())
}

/// One level up.
pub fn unselect(session: &mut Session) -> Outcome {
    if session.snapshot.is_some() {
        return complain("No parent levels.");
    }
    let Some(fmri) = session.selection.take() else {
        return complain("Cannot unselect at scope level.");
    };
    session.selection = operand::is_instance(&fmri).then(|| service_of(&fmri).to_owned());
    Ok(())
}
