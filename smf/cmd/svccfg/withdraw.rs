//! withdraw.rs - what goes when a service or an instance goes.
//!
//! Its dependents go with it: the dependencies it has placed on others are removed there, and an
//! entity that was only made to hold one is removed as well.  What others have placed on *it*
//! stays: it would be lost if the same service were imported again.  An entity that has such
//! dependencies loses everything else, snapshots included, and is otherwise empty.

use smf_cmd::instance::Instance;
use smf_cmd::operand::{is_instance, service_of};
use smf_model::fmri::canonical;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Groups};

use crate::entity::Running;
use crate::session::{Complaint, Outcome, Session, complain};

/// Removes a service with its instances, or an instance.
pub fn entity(session: &mut Session, fmri: &str, running: Running) -> Outcome {
    let instances = match is_instance(fmri) {
        true => vec![fmri.to_owned()],
        false => session.repository()?.entities()?.remove(fmri).unwrap_or_default(),
    };
    for instance in instances.iter().filter(|_| running == Running::Refuse) {
        // The next state does not count: what is on its way may be deleted.
        if Instance::read(session.repository()?, instance)?.runs() {
            return complain(format!(
                "Instance {instance} may be running.  Use delete -f if it is not."
            ));
        }
    }
    let mut kept = false;
    for instance in &instances {
        kept |= remove(session, instance)?;
    }
    if !is_instance(fmri) {
        let own = session.live(fmri)?;
        dependents(session, &own)?;
        if kept || own.values().any(is_external) {
            empty(session, fmri, &own)?;
        } else {
            session.repository()?.delete(fmri)?;
        }
    }
    Ok(())
}

/// Removes an instance; whether something of it has to stay.
fn remove(session: &mut Session, instance: &str) -> Result<bool, Complaint> {
    let own = session.live(instance)?;
    dependents(session, &own)?;
    if !own.values().any(is_external) {
        session.repository()?.delete(instance)?;
        return Ok(false);
    }
    empty(session, instance, &own)?;
    for name in session.repository()?.snapshots(instance)? {
        session.repository()?.remove_snapshot(instance, &name)?;
    }
    Ok(true)
}

/// Removes all groups but those that others have placed here.
fn empty(session: &mut Session, entity: &str, own: &Groups) -> Outcome {
    let going = own.iter().filter(|(_, group)| !is_external(group));
    let operations: Vec<_> =
        going.map(|(name, _)| Operation::RemoveGroup(entity.to_owned(), name.clone())).collect();
    session.commit(operations)
}

/// Whether a group is a dependency that another entity has placed here.
pub fn is_external(group: &Group) -> bool {
    let external = group.properties.get("external").and_then(|property| property.values.first());
    group.kind == "dependency" && external.is_some_and(|value| value == "true")
}

/// Removes the dependencies that an entity has placed on others.
fn dependents(session: &mut Session, own: &Groups) -> Outcome {
    let Some(placed) = own.get("dependents").filter(|group| group.kind == "framework") else {
        return Ok(());
    };
    for (name, target) in &placed.properties {
        let Some(target) = target.values.first() else { continue };
        match canonical(target) {
            Some(target) => withdrawn(session, &target, name)?,
            None if session.verbose => {
                session.voice.say(&format!("Value of dependents/{name} is not a valid FMRI."))
            }
            None => {}
        }
    }
    Ok(())
}

/// Removes one dependency from a target, and the target with it when it was made for that alone.
fn withdrawn(session: &mut Session, target: &str, name: &str) -> Outcome {
    let entities = session.repository()?.entities()?;
    let service = service_of(target);
    let Some(instances) = entities.get(service) else { return Ok(()) };
    if is_instance(target) && !instances.iter().any(|instance| instance == target) {
        return Ok(());
    }
    let groups = session.live(target)?;
    let Some(group) = groups.get(name) else { return Ok(()) };
    if group.kind != "dependency" {
        if session.verbose {
            session.voice.say(&format!(
                "Property group \"{name}\" of entity \"{target}\" does not have dependency type."
            ));
        }
        return Ok(());
    }
    let remove = Operation::RemoveGroup(target.to_owned(), name.to_owned());
    session.commit(vec![remove])?;
    let lasting = |groups: &Groups| groups.values().any(|group| !group.volatile);
    let left = lasting(&session.live(target)?);
    let others = instances.iter().any(|instance| instance != target);
    if !left && is_instance(target) {
        session.repository()?.delete(target)?;
        if !others && !lasting(&session.live(service)?) {
            session.repository()?.delete(service)?;
        }
        return Ok(());
    }
    if !left && instances.is_empty() {
        return Ok(session.repository()?.delete(target)?);
    }
    let touched = if is_instance(target) { vec![target.to_owned()] } else { instances.clone() };
    for instance in touched {
        session.refresh(&instance)?;
    }
    Ok(())
}
