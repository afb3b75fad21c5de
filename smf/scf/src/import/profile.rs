//! profile.rs - a profile against what the repository holds.
//!
//! A profile sets what it names, whatever was there; it makes groups and properties, but never
//! services or instances.  What is not there is skipped, and so is an instance that nobody
//! delivered and nobody manages.  Types that it leaves out are those of the repository, else those
//! of the templates; a type that is known nowhere makes the whole profile fail.

use smf_model::bundle::value::{PropertyType, Value};
use smf_model::bundle::{self, Dependent, Entity, Service, Values};
use smf_model::fmri::canonical;
use smf_model::template::{Levels, Owner, Templates, builtin, restarter_of};

use super::Refused;
use super::dependents::{self, Force};
use super::held::{Held, boolean};
use super::merge::{Group, Groups, Property};
use super::planner::Planner;

/// Plans one service of a profile.
pub(super) fn service(planner: &mut Planner<'_>, service: &Service) -> Result<(), Refused> {
    let name = &service.name;
    let fmri = format!("svc:/{name}");
    if !planner.held.has(&fmri) {
        planner.note(format!("Ignoring nonexistent service {name}."));
        return Ok(());
    }
    entity(planner, &fmri, None, &service.entity)?;
    if !service.entity.groups.is_empty() {
        planner.touch(&fmri);
    }
    for instance in &service.instances {
        let own = format!("{fmri}:{}", instance.name);
        if !planner.held.has(&own) {
            planner.note(format!("Ignoring nonexistant instance {name}:{}.", instance.name));
            continue;
        }
        let general = planner.held.group(&own, "general");
        let managed = general.is_some_and(|general| general.properties.contains_key("enabled"));
        if !managed && planner.held.snapshot(&own, "last-import").is_none() {
            planner.note(format!("Ignoreing partial instance {name}:{}.", instance.name));
            continue;
        }
        entity(planner, &own, Some(&fmri), &instance.entity)?;
        if let Some(enabled) = instance.enabled {
            planner.set(&own, "general", "enabled", boolean(enabled));
        }
        if instance.enabled.is_some() || !instance.entity.groups.is_empty() {
            planner.touch(&own);
        }
    }
    Ok(())
}

/// What stands behind an entity: where types come from that a profile leaves out.
struct Types {
    entity: String,
    inherited: Groups,
    templates: Templates,
}

impl Types {
    /// Those of an instance, with its service; or those of a service.
    fn of(held: &Held, entity: &str, service: Option<&str>) -> Self {
        let groups = |fmri: &str| held.groups(fmri).cloned().unwrap_or_default();
        let (own, inherited) = (groups(entity), service.map(groups).unwrap_or_default());
        let restarter = owner(held, restarter_of(&own, &inherited));
        let global = owner(held, builtin::GLOBAL);
        let levels = Levels {
            service: service.map_or((entity, &own), |service| (service, &inherited)),
            instance: service.map(|_| (entity, &own)),
            restarter: restarter.as_ref(),
            global: global.as_ref(),
        };
        let templates = Templates::of(&levels);
        Self { entity: entity.to_owned(), inherited, templates }
    }

    fn unknown(&self, at: bundle::Position, what: String) -> Refused {
        Refused::UnknownType { line: at.line, entity: self.entity.clone(), what }
    }

    fn of_group(&self, delivered: &bundle::Group) -> Result<String, Refused> {
        let name = &delivered.name;
        let kind = delivered.kind.clone();
        let kind = kind.or_else(|| self.inherited.get(name).map(|group| group.kind.clone()));
        kind.or_else(|| self.templates.group_type(name).map(str::to_owned))
            .ok_or_else(|| self.unknown(delivered.at, name.clone()))
    }

    /// The value of a property of a group that is there, of this type.
    fn of_property(
        &self,
        (name, group): (&str, &Group),
        delivered: &bundle::Property,
    ) -> Result<Property, Refused> {
        let Values::Untyped(texts) = &delivered.values else { return Ok(delivered.held()) };
        let inherited = self.inherited.get(name);
        let known = |group: &Group| Some(group.properties.get(&delivered.name)?.kind.clone());
        let kind = known(group).or_else(|| known(inherited?));
        let kind = kind
            .and_then(|kind| PropertyType::from_name(&kind))
            .or_else(|| self.templates.property_type(name, &group.kind, &delivered.name));
        let path = || format!("{name}/{}", delivered.name);
        let kind = kind.ok_or_else(|| self.unknown(delivered.at, path()))?;
        let value = |text: &String| match Value::parse(kind, text) {
            Ok(value) => Ok(value.to_string()),
            Err(_) => Err(Refused::Value {
                line: delivered.at.line,
                value: text.clone(),
                kind: kind.to_string(),
            }),
        };
        let values = texts.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Property { kind: kind.to_string(), values })
    }
}

fn owner(held: &Held, fmri: &str) -> Option<Owner> {
    let groups = held.groups(fmri)?;
    let service = held.groups(smf_model::fmri::service_of(fmri))?;
    let groups = smf_model::group::composed(groups, service);
    Some(Owner::new(fmri, groups))
}

/// Plans the groups and dependents of an entity.
fn entity(
    planner: &mut Planner<'_>,
    fmri: &str,
    service: Option<&str>,
    entity: &Entity,
) -> Result<(), Refused> {
    let types = Types::of(planner.held, fmri, service);
    for delivered in entity.groups.iter().filter(|group| group.name != "dependents") {
        group(planner, fmri, &types, delivered)?;
    }
    for delivered in &entity.dependents {
        dependent(planner, fmri, delivered)?;
    }
    // Those that are not dependents of anything are properties like others.
    let is_property = |property: &&bundle::Property| {
        !entity.dependents.iter().any(|dependent| dependent.name == property.name)
    };
    for property in
        entity.group("dependents").into_iter().flat_map(|g| &g.properties).filter(is_property)
    {
        planner.set(fmri, "dependents", &property.name, property.held());
    }
    Ok(())
}

fn group(
    planner: &mut Planner<'_>,
    fmri: &str,
    types: &Types,
    delivered: &bundle::Group,
) -> Result<(), Refused> {
    let name = &delivered.name;
    if delivered.delete {
        if planner.held.group(fmri, name).is_some() {
            planner.remove_group(fmri, name);
        }
        return Ok(());
    }
    let there = match planner.held.group(fmri, name) {
        Some(there) => there.clone(),
        None => {
            let group = Group { kind: types.of_group(delivered)?, ..Group::default() };
            planner.add_group(fmri, name, group.clone());
            group
        }
    };
    for property in &delivered.properties {
        let value = types.of_property((name, &there), property)?;
        planner.set(fmri, name, &property.name, value);
    }
    Ok(())
}

/// A dependent is placed on its target, whatever is there; one with another target leaves that.
fn dependent(planner: &mut Planner<'_>, fmri: &str, dependent: &Dependent) -> Result<(), Refused> {
    let name = &dependent.name;
    let there = planner.held.group(fmri, "dependents").and_then(|g| g.properties.get(name));
    let old = there.and_then(|property| canonical(property.values.first()?));
    let moves = dependent.delete || old != canonical(&dependent.target);
    if let Some(old) = old.filter(|_| moves) {
        dependents::withdraw(planner, fmri, name, &old);
    }
    let only = Entity { groups: Vec::new(), dependents: vec![dependent.clone()] };
    dependents::place_all(planner, fmri, &only, Force::Replace)
}
