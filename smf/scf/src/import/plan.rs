//! plan.rs - a manifest against what the repository holds.
//!
//! Which rule applies is decided once per service: it is new; or an earlier import is known
//! (last-import), and its groups are merged; or somebody made it by hand and runs it, and it is
//! left alone; or it was made by hand and nobody runs it, and the bundle's groups replace those
//! of the same name.

use std::collections::BTreeMap;

use smf_model::bundle::{Dependent, Entity, Instance, Service};
use smf_model::fmri::{canonical, service_of};

use super::merge::{self, Delivered, Group, Groups, Property, Sides, Step};
use super::{Operation, Plan, PlanError, Source, group};

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

type Delivery = BTreeMap<String, Delivered>;

/// Plans one service and its instances.
pub(super) fn service<S: Source>(
    source: &mut S,
    service: &Service,
    plan: &mut Plan,
) -> Result<(), PlanError<S::Error>> {
    let fmri = format!("svc:/{}", service.name);
    let delivered = delivery(&service.entity);
    let there = source.has_service(&fmri)?;
    let instances = source.instances(&fmri)?;
    let mut last = None;
    let mut current = None;
    let mut managed = false;
    for instance in &instances {
        if let (None, Some((_, groups))) = (&last, source.snapshot(instance, "last-import")?) {
            last = Some(groups);
            current = source.snapshot(instance, "running")?.map(|(_, service)| service);
        }
        managed |= is_managed(&source.live(instance)?);
    }
    // The undo point comes before any change.
    let in_bundle =
        |fmri: &&String| service.instances.iter().any(|i| fmri.ends_with(&format!(":{}", i.name)));
    for instance in instances.iter().filter(in_bundle) {
        plan.operations.push(Operation::Take(instance.clone(), "previous".into()));
    }
    let rule = match (last, managed) {
        (Some(last), _) => Rule::Merge(last),
        (None, true) => Rule::LeaveAlone,
        (None, false) => Rule::Replace,
    };
    let before = plan.operations.len();
    if there {
        let live = source.live(&fmri)?;
        existing(&fmri, &rule, &delivered, current.as_ref().unwrap_or(&live), &live, plan);
    } else {
        plan.operations.push(Operation::Add(fmri.clone()));
        add_groups(&fmri, &delivered, plan);
    }
    dependents(source, &service.entity, &rule, plan)?;
    if plan.operations.len() > before {
        // What the service has, all its instances have.
        instances.iter().for_each(|instance| plan.touch(instance));
    }
    for instance in &service.instances {
        let instance_fmri = format!("{fmri}:{}", instance.name);
        let own_rule = if instances.contains(&instance_fmri) {
            upgrade(source, &instance_fmri, instance, &rule, plan)?
        } else {
            create(&instance_fmri, instance, plan);
            Rule::Replace
        };
        dependents(source, &instance.entity, &own_rule, plan)?;
        enable(source, &instance_fmri, instance, plan)?;
        plan.operations.push(Operation::Record {
            instance: instance_fmri,
            name: "last-import".into(),
            own: contents(&delivery(&instance.entity)),
            service: contents(&delivered),
        });
    }
    Ok(())
}

fn is_managed(groups: &Groups) -> bool {
    groups.get("general").is_some_and(|general| general.properties.contains_key("enabled"))
}

fn delivery(entity: &Entity) -> Delivery {
    let deliver = |delivered: &smf_model::bundle::Group| {
        let overrides = delivered.properties.iter().filter(|property| property.overrides);
        Delivered {
            group: group(delivered),
            delete: delivered.delete,
            overrides: overrides.map(|property| property.name.clone()).collect(),
        }
    };
    entity.groups.iter().map(|group| (group.name.clone(), deliver(group))).collect()
}

fn contents(delivery: &Delivery) -> Groups {
    let kept = delivery.iter().filter(|(_, delivered)| !delivered.delete);
    kept.map(|(name, delivered)| (name.clone(), delivered.group.clone())).collect()
}

/// All groups of a new entity; general is the caller's affair.
fn add_groups(fmri: &str, delivery: &Delivery, plan: &mut Plan) {
    for (name, group) in contents(delivery) {
        plan.operations.push(Operation::AddGroup(fmri.to_owned(), name, group));
    }
}

/// Groups of an entity that is there.
fn existing(
    fmri: &str,
    rule: &Rule,
    delivery: &Delivery,
    current: &Groups,
    live: &Groups,
    plan: &mut Plan,
) {
    let steps = match rule {
        Rule::LeaveAlone => return,
        Rule::Replace => merge::replace(live, delivery),
        Rule::Merge(last) => {
            let merged = merge::merge(&Sides { entity: fmri, last, new: delivery, current, live });
            plan.conflicts.extend(merged.conflicts);
            plan.notes.extend(merged.notes);
            merged.steps
        }
    };
    let fmri = || fmri.to_owned();
    plan.operations.extend(steps.into_iter().map(|step| match step {
        Step::Add(name, group) => Operation::AddGroup(fmri(), name, group),
        Step::Remove(name) => Operation::RemoveGroup(fmri(), name),
        Step::Set(group, name, value) => Operation::Set(fmri(), group, name, value),
        Step::Unset(group, name) => Operation::Unset(fmri(), group, name),
    }));
}

/// Upgrades an instance that is there; by which rule.
fn upgrade<S: Source>(
    source: &mut S,
    fmri: &str,
    instance: &Instance,
    service_rule: &Rule,
    plan: &mut Plan,
) -> Result<Rule, PlanError<S::Error>> {
    let live = source.live(fmri)?;
    let current = source.snapshot(fmri, "running")?.map(|(own, _)| own);
    let rule = match (source.snapshot(fmri, "last-import")?, service_rule) {
        (Some((own, _)), _) => Rule::Merge(own),
        (None, Rule::LeaveAlone) => Rule::LeaveAlone,
        (None, Rule::Merge(_) | Rule::Replace) => Rule::Replace,
    };
    let before = plan.operations.len();
    let delivered = delivery(&instance.entity);
    existing(fmri, &rule, &delivered, current.as_ref().unwrap_or(&live), &live, plan);
    if plan.operations.len() > before {
        plan.touch(fmri);
    }
    Ok(rule)
}

fn create(fmri: &str, instance: &Instance, plan: &mut Plan) {
    plan.operations.push(Operation::Add(fmri.to_owned()));
    let mut delivered = delivery(&instance.entity);
    let general = delivered.remove("general");
    add_groups(fmri, &delivered, plan);
    plan.operations.push(Operation::Take(fmri.to_owned(), "initial".into()));
    if let Some(general) = general {
        let general = Operation::AddGroup(fmri.to_owned(), "general".into(), general.group);
        plan.operations.push(general);
    }
}

/// general/enabled where it is absent; where it is there it belongs to the administrator.
fn enable<S: Source>(
    source: &mut S,
    fmri: &str,
    instance: &Instance,
    plan: &mut Plan,
) -> Result<(), PlanError<S::Error>> {
    let Some(enabled) = instance.enabled else { return Ok(()) };
    let live = source.live(fmri)?;
    if is_managed(&live) {
        return Ok(());
    }
    let added = |operation: &Operation| matches!(operation, Operation::AddGroup(e, name, _) if e == fmri && name == "general");
    if !live.contains_key("general") && !plan.operations.iter().any(added) {
        let general = Group { kind: "framework".into(), ..Group::default() };
        let add = Operation::AddGroup(fmri.to_owned(), "general".into(), general);
        plan.operations.push(add);
    }
    let value = Property { kind: "boolean".into(), values: vec![enabled.to_string()] };
    let set = Operation::Set(fmri.to_owned(), "general".into(), "enabled".into(), value);
    plan.operations.push(set);
    Ok(())
}

/// The dependencies that an entity places on others.
fn dependents<S: Source>(
    source: &mut S,
    entity: &Entity,
    rule: &Rule,
    plan: &mut Plan,
) -> Result<(), PlanError<S::Error>> {
    if *rule == Rule::LeaveAlone {
        return Ok(());
    }
    for dependent in &entity.dependents {
        place(source, dependent, plan)?;
    }
    if let Rule::Merge(last) = rule {
        withdraw(source, entity, last, plan)?;
    }
    Ok(())
}

fn place<S: Source>(
    source: &mut S,
    dependent: &Dependent,
    plan: &mut Plan,
) -> Result<(), PlanError<S::Error>> {
    let target = canonical(&dependent.target).unwrap_or_else(|| dependent.target.clone());
    let wanted = group(&dependent.group);
    let live = source.live(&target)?;
    let there = live.get(&dependent.name);
    if dependent.delete {
        if there.is_some() {
            remove(source, &target, &dependent.name, plan)?;
        }
        return Ok(());
    }
    match there {
        Some(group) if *group == wanted => return Ok(()),
        Some(group) if !is_external(group) && !dependent.overrides => {
            plan.conflicts.push(format!(
                "Conflict upgrading {target} (property group {} is not this dependent)",
                dependent.name
            ));
            return Ok(());
        }
        Some(_) => {
            let remove = Operation::RemoveGroup(target.clone(), dependent.name.clone());
            plan.operations.push(remove);
        }
        None => make_target(source, &target, plan)?,
    }
    plan.operations.push(Operation::AddGroup(target.clone(), dependent.name.clone(), wanted));
    touch_all(source, &target, plan)
}

/// A target that is not there yet is made, empty, and waits for its own bundle.
fn make_target<S: Source>(
    source: &mut S,
    target: &str,
    plan: &mut Plan,
) -> Result<(), PlanError<S::Error>> {
    let service = service_of(target).to_owned();
    let planned =
        |fmri: &str, plan: &Plan| plan.operations.contains(&Operation::Add(fmri.to_owned()));
    if !source.has_service(&service)? && !planned(&service, plan) {
        plan.operations.push(Operation::Add(service.clone()));
    }
    let missing = service != target && !source.instances(&service)?.iter().any(|i| i == target);
    if missing && !planned(target, plan) {
        plan.operations.push(Operation::Add(target.to_owned()));
    }
    Ok(())
}

fn is_external(group: &Group) -> bool {
    let external = group.properties.get("external").and_then(|property| property.values.first());
    group.kind == "dependency" && external.is_some_and(|value| value == "true")
}

/// Dependents of the last import that this bundle no longer has.
fn withdraw<S: Source>(
    source: &mut S,
    entity: &Entity,
    last: &Groups,
    plan: &mut Plan,
) -> Result<(), PlanError<S::Error>> {
    let Some(dependents) = last.get("dependents") else { return Ok(()) };
    for (name, target) in &dependents.properties {
        if entity.dependents.iter().any(|dependent| dependent.name == *name) {
            continue;
        }
        let Some(target) = target.values.first().and_then(|target| canonical(target)) else {
            continue;
        };
        if source.live(&target)?.get(name).is_some_and(is_external) {
            remove(source, &target, name, plan)?;
        }
    }
    Ok(())
}

fn remove<S: Source>(
    source: &mut S,
    target: &str,
    name: &str,
    plan: &mut Plan,
) -> Result<(), PlanError<S::Error>> {
    plan.operations.push(Operation::RemoveGroup(target.to_owned(), name.to_owned()));
    touch_all(source, target, plan)
}

/// The instance, or all instances of the service.
pub(super) fn touch_all<S: Source>(
    source: &mut S,
    entity: &str,
    plan: &mut Plan,
) -> Result<(), PlanError<S::Error>> {
    if service_of(entity) != entity {
        if source.instances(service_of(entity))?.iter().any(|instance| instance == entity) {
            plan.touch(entity);
        }
        return Ok(());
    }
    for instance in source.instances(entity)? {
        plan.touch(&instance);
    }
    Ok(())
}
