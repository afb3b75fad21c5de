//! plan.rs - a manifest against what the repository holds.
//!
//! Which rule applies is decided once per service: it is new; or an earlier import is known
//! (last-import), and its groups are merged; or somebody made it by hand and runs it, and it is
//! left alone; or it was made by hand and nobody runs it, and the bundle's groups replace those
//! of the same name.

use smf_model::bundle::{Entity, Instance, Service};

use super::dependents::{self, Force};
use super::held::boolean;
use super::merge::{self, Delivered, Group, Groups, Property, Sides};
use super::planner::{Brought, Planner, brought};
use super::{Delivery, Refused};

/// How an entity that is there is treated.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// Merge with what this import delivered.
    Merge(Groups),
    /// Replace the groups of the same name.
    Replace,
    /// Change nothing.
    LeaveAlone,
}

/// Plans one service and its instances.
pub(super) fn service(
    planner: &mut Planner<'_>,
    service: &Service,
    bundled: &Delivery<'_>,
) -> Result<(), Refused> {
    let fmri = format!("svc:/{}", service.name);
    let instances = planner.held.instances(&fmri);
    let rule = rule(planner, &instances);
    if rule != Rule::LeaveAlone {
        // The undo point comes before any change.
        for instance in &service.instances {
            let instance = format!("{fmri}:{}", instance.name);
            if instances.contains(&instance) {
                planner.take(&instance, "previous");
            }
        }
    }
    let delivered = brought(&service.entity);
    if planner.held.has(&fmri) {
        groups(planner, &fmri, &rule, &delivered);
        placed(planner, &fmri, &service.entity, &rule)?;
    } else {
        planner.make(&fmri);
        fresh(planner, &fmri, &delivered);
        dependents::place_all(planner, &fmri, &service.entity, Force::Refuse)?;
    }
    for instance in &service.instances {
        let instance_fmri = format!("{fmri}:{}", instance.name);
        if instances.contains(&instance_fmri) {
            upgrade(planner, &instance_fmri, (instance, bundled), &rule)?;
        } else {
            create(planner, &instance_fmri, (instance, bundled))?;
        }
        let own = contents(&instance.entity, &own_brought(instance, bundled));
        planner.record(&instance_fmri, "last-import", own, contents(&service.entity, &delivered));
    }
    if let Some((name, path)) = bundled.file {
        planner.set(&fmri, "manifestfiles", name, Property::one("astring", path));
    }
    Ok(())
}

/// By which rule a service that is there is treated.
fn rule(planner: &Planner<'_>, instances: &[String]) -> Rule {
    let held = &planner.held;
    let mut imported = instances.iter().filter_map(|i| held.snapshot(i, "last-import"));
    let managed = || instances.iter().any(|instance| is_managed(planner, instance));
    match imported.next() {
        Some((_, service)) => Rule::Merge(service.clone()),
        None if managed() => Rule::LeaveAlone,
        None => Rule::Replace,
    }
}

fn is_managed(planner: &Planner<'_>, instance: &str) -> bool {
    let general = planner.held.group(instance, "general");
    general.is_some_and(|general| general.properties.contains_key("enabled"))
}

/// What a bundle delivers to an instance; the package it comes in is delivered too.
fn own_brought(instance: &Instance, bundled: &Delivery<'_>) -> Brought {
    let mut delivered = brought(&instance.entity);
    if let Some(package) = bundled.package {
        let general = delivered.entry("general".into()).or_insert_with(|| Delivered {
            group: Group { kind: "framework".into(), ..Group::default() },
            delete: false,
            overrides: Vec::new(),
        });
        let package = Property::one("astring", package);
        general.group.properties.insert("package".into(), package);
    }
    delivered
}

/// What last-import holds: all that was delivered, but whether it is enabled.
fn contents(entity: &Entity, delivered: &Brought) -> Groups {
    let kept = delivered.iter().filter(|(_, delivered)| !delivered.delete);
    let mut groups: Groups = kept.map(|(name, d)| (name.clone(), d.group.clone())).collect();
    if let Some(general) = groups.get_mut("general") {
        general.properties.remove("enabled");
    }
    groups.extend(dependents::recorded(entity));
    groups
}

/// All groups of an entity that was not there; its dependents are placed elsewhere.
fn fresh(planner: &mut Planner<'_>, fmri: &str, delivered: &Brought) {
    let there = planner.live(fmri);
    let new = delivered.iter().filter(|(name, d)| *name != "dependents" && !d.delete);
    for (name, delivered) in new {
        // Somebody else's dependent may be there before the entity itself is.
        if there.contains_key(name) {
            planner.remove_group(fmri, name);
        }
        planner.add_group(fmri, name, delivered.group.clone());
    }
}

/// Groups of an entity that is there.
fn groups(planner: &mut Planner<'_>, fmri: &str, rule: &Rule, delivered: &Brought) {
    let live = planner.live(fmri);
    match rule {
        Rule::LeaveAlone => {}
        Rule::Replace => {
            let mut own = delivered.clone();
            own.remove("dependents");
            planner.steps(fmri, merge::replace(&live, &own));
        }
        Rule::Merge(last) => {
            let current = planner.held.current(fmri).cloned().unwrap_or_default();
            let merged = merge::merge(&Sides {
                entity: fmri,
                last,
                new: delivered,
                current: &current,
                live: &live,
            });
            planner.merged(fmri, merged);
        }
    }
}

/// Dependents of an entity that is there.
fn placed(
    planner: &mut Planner<'_>,
    fmri: &str,
    entity: &Entity,
    rule: &Rule,
) -> Result<(), Refused> {
    match rule {
        Rule::LeaveAlone => Ok(()),
        Rule::Replace => dependents::place_all(planner, fmri, entity, Force::Replace),
        Rule::Merge(last) => {
            let current = planner.held.current(fmri).cloned().unwrap_or_default();
            dependents::upgrade(planner, fmri, entity, last, &current)
        }
    }
}

/// Upgrades an instance that is there.
fn upgrade(
    planner: &mut Planner<'_>,
    fmri: &str,
    (instance, bundled): (&Instance, &Delivery<'_>),
    service_rule: &Rule,
) -> Result<(), Refused> {
    let last = planner.held.snapshot(fmri, "last-import").map(|(own, _)| own.clone());
    let rule = match (last, service_rule) {
        (Some(mut own), _) => {
            // Every instance has this group, delivered or not: it says whether it is enabled.
            own.entry("general".into()).or_insert_with(framework);
            Rule::Merge(own)
        }
        (None, Rule::LeaveAlone) => Rule::LeaveAlone,
        (None, Rule::Merge(_) | Rule::Replace) => Rule::Replace,
    };
    let mut delivered = own_brought(instance, bundled);
    delivered.entry("general".into()).or_insert_with(|| Delivered {
        group: framework(),
        delete: false,
        overrides: Vec::new(),
    });
    groups(planner, fmri, &rule, &delivered);
    placed(planner, fmri, &instance.entity, &rule)?;
    match rule {
        Rule::LeaveAlone => return Ok(()),
        // It was there for somebody's dependent, or nobody knows why: this is its beginning.
        Rule::Replace => planner.take(fmri, "initial"),
        Rule::Merge(_) => {}
    }
    enable(planner, fmri, instance);
    Ok(())
}

fn framework() -> Group {
    Group { kind: "framework".into(), ..Group::default() }
}

/// Makes an instance.  Its group general comes last, and in that `enabled`: until then nobody runs
/// it.
fn create(
    planner: &mut Planner<'_>,
    fmri: &str,
    (instance, bundled): (&Instance, &Delivery<'_>),
) -> Result<(), Refused> {
    planner.make(fmri);
    let mut delivered = own_brought(instance, bundled);
    let general = delivered.remove("general");
    fresh(planner, fmri, &delivered);
    dependents::place_all(planner, fmri, &instance.entity, Force::Refuse)?;
    planner.take(fmri, "initial");
    if let Some(mut general) = general {
        general.group.properties.remove("enabled");
        planner.add_group(fmri, "general", general.group);
    }
    enable(planner, fmri, instance);
    Ok(())
}

/// general/enabled where it is absent; where it is there it belongs to the administrator.
fn enable(planner: &mut Planner<'_>, fmri: &str, instance: &Instance) {
    if let Some(enabled) = instance.enabled.filter(|_| !is_managed(planner, fmri)) {
        planner.set(fmri, "general", "enabled", boolean(enabled));
        planner.touch(fmri);
    }
}
