//! profile.rs - a profile against what the repository holds.
//!
//! A profile sets what it names, whatever was there; it makes groups and properties, but never
//! services or instances.  What is not there is skipped, and so is an instance that nobody
//! delivered and nobody manages.

use smf_model::bundle::value::{PropertyType, Value};
use smf_model::bundle::{self, Entity, Service, Values};

use super::merge::{Group, Groups, Property};
use super::plan::touch_all;
use super::{Operation, Plan, PlanError, Source, property};

/// Plans one service of a profile.
pub(super) fn service<S: Source>(
    source: &mut S,
    service: &Service,
    plan: &mut Plan,
) -> Result<(), PlanError<S::Error>> {
    let fmri = format!("svc:/{}", service.name);
    if !source.has_service(&fmri)? {
        plan.notes.push(format!("Ignoring {fmri}: it does not exist."));
        return Ok(());
    }
    let live = source.live(&fmri)?;
    if entity(&fmri, &service.entity, &live, &Groups::new(), plan)? {
        touch_all(source, &fmri, plan)?;
    }
    let instances = source.instances(&fmri)?;
    for instance in &service.instances {
        let instance_fmri = format!("{fmri}:{}", instance.name);
        if !instances.contains(&instance_fmri) {
            plan.notes.push(format!("Ignoring {instance_fmri}: it does not exist."));
            continue;
        }
        let own = source.live(&instance_fmri)?;
        let general = own.get("general");
        let managed = general.is_some_and(|general| general.properties.contains_key("enabled"));
        if !managed && source.snapshot(&instance_fmri, "last-import")?.is_none() {
            plan.notes.push(format!("Ignoring {instance_fmri}: it is partial."));
            continue;
        }
        let mut changed = entity(&instance_fmri, &instance.entity, &own, &live, plan)?;
        if let Some(enabled) = instance.enabled {
            if general.is_none() {
                let general = Group { kind: "framework".into(), ..Group::default() };
                let add = Operation::AddGroup(instance_fmri.clone(), "general".into(), general);
                plan.operations.push(add);
            }
            let value = Property { kind: "boolean".into(), values: vec![enabled.to_string()] };
            plan.operations.push(Operation::Set(
                instance_fmri.clone(),
                "general".into(),
                "enabled".into(),
                value,
            ));
            changed = true;
        }
        if changed {
            plan.touch(&instance_fmri);
        }
    }
    Ok(())
}

/// Plans the groups of an entity; whether there were any.
fn entity<E: std::error::Error + 'static>(
    fmri: &str,
    entity: &Entity,
    own: &Groups,
    inherited: &Groups,
    plan: &mut Plan,
) -> Result<bool, PlanError<E>> {
    for delivered in &entity.groups {
        let name = &delivered.name;
        if delivered.delete {
            if own.contains_key(name) {
                plan.operations.push(Operation::RemoveGroup(fmri.to_owned(), name.clone()));
            }
            continue;
        }
        if !own.contains_key(name) {
            let inherited = inherited.get(name).map(|group| group.kind.clone());
            let kind =
                delivered.kind.clone().or(inherited).ok_or_else(|| PlanError::UnknownType {
                    line: delivered.at.line,
                    entity: fmri.to_owned(),
                    what: name.clone(),
                })?;
            let group = Group { kind, ..Group::default() };
            plan.operations.push(Operation::AddGroup(fmri.to_owned(), name.clone(), group));
        }
        for delivered in &delivered.properties {
            let value = typed(fmri, name, delivered, own, inherited)?;
            let set = Operation::Set(fmri.to_owned(), name.clone(), delivered.name.clone(), value);
            plan.operations.push(set);
        }
    }
    Ok(!entity.groups.is_empty())
}

fn typed<E: std::error::Error + 'static>(
    fmri: &str,
    group: &str,
    delivered: &bundle::Property,
    own: &Groups,
    inherited: &Groups,
) -> Result<Property, PlanError<E>> {
    let Values::Untyped(texts) = &delivered.values else { return Ok(property(delivered)) };
    let line = delivered.at.line;
    let known =
        |groups: &Groups| Some(groups.get(group)?.properties.get(&delivered.name)?.kind.clone());
    let kind = known(own).or_else(|| known(inherited));
    let kind = kind.and_then(|kind| PropertyType::from_name(&kind)).ok_or_else(|| {
        PlanError::UnknownType {
            line,
            entity: fmri.to_owned(),
            what: format!("{group}/{}", delivered.name),
        }
    })?;
    let mut values = Vec::new();
    for text in texts {
        let value = Value::parse(kind, text).map_err(|_| PlanError::Value {
            line,
            value: text.clone(),
            kind: kind.to_string(),
        })?;
        values.push(value.to_string());
    }
    Ok(Property { kind: kind.to_string(), values })
}
