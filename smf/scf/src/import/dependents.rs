//! dependents.rs - the dependencies that an entity places on others.
//!
//! A dependent is two things: a property of the group `dependents` that names the target, and a
//! group on the target that names the entity back, with external = true.  Both are upgraded
//! together, or not at all.  Last-import has both sides too: the group lies beside `dependents`,
//! under its own name.

use smf_model::bundle::{Dependent, Entity};
use smf_model::fmri::{canonical, service_of};

use super::Refused;
use super::merge::{self, Delivered, Group, Groups, Property};
use super::planner::Planner;

/// What is there already is replaced, or stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Force {
    /// A group of that name on the target is replaced.
    Replace,
    /// It is an error, unless it is the entity's own.
    Refuse,
}

/// The target of a dependent, and its group there.
struct Placed {
    target: String,
    group: Group,
}

/// The services that a bundle places something on.
pub(super) fn targets(entity: &Entity) -> impl Iterator<Item = String> {
    let targets = entity.dependents.iter().map(|dependent| dependent.target.as_str());
    targets.filter_map(canonical).map(|fmri| service_of(&fmri).to_owned())
}

/// The services that these groups say something has been placed on.
pub(super) fn listed(groups: &Groups) -> impl Iterator<Item = String> {
    let listed = groups.get("dependents").into_iter().flat_map(|group| group.properties.values());
    let targets = listed.flat_map(|property| property.values.iter());
    targets.filter_map(|target| canonical(target)).map(|fmri| service_of(&fmri).to_owned())
}

/// What last-import keeps of the dependents: the groups on the targets.
pub(super) fn recorded(entity: &Entity) -> Groups {
    let kept = entity.dependents.iter().filter(|dependent| !dependent.delete);
    kept.map(|dependent| (dependent.name.clone(), dependent.group.held())).collect()
}

/// Places all dependents of an entity that had none.
pub(super) fn place_all(
    planner: &mut Planner<'_>,
    fmri: &str,
    entity: &Entity,
    force: Force,
) -> Result<(), Refused> {
    for dependent in entity.dependents.iter().filter(|dependent| !dependent.delete) {
        let placed = wanted(dependent)?;
        place(planner, fmri, dependent, placed, force)?;
    }
    Ok(())
}

/// Upgrades the dependents of an entity that has been imported before.
pub(super) fn upgrade(
    planner: &mut Planner<'_>,
    fmri: &str,
    entity: &Entity,
    last: &Groups,
    current: &Groups,
) -> Result<(), Refused> {
    let current = current.get("dependents");
    let listed = last.get("dependents").map(|group| group.properties.clone()).unwrap_or_default();
    for (name, old) in &listed {
        let Some(target) = old.values.first().and_then(|target| canonical(target)) else {
            continue;
        };
        let group = last.get(name).cloned().unwrap_or_else(|| found(planner, &target, name));
        let old = Placed { target, group };
        let new = entity.dependents.iter().find(|dependent| dependent.name == *name);
        match new {
            Some(new) if new.delete => withdraw(planner, fmri, name, &old.target),
            Some(new) => change(planner, fmri, (new, wanted(new)?), old, current)?,
            None => leave(planner, fmri, name, &old, current),
        }
    }
    let is_new =
        |dependent: &&Dependent| !dependent.delete && !listed.contains_key(&dependent.name);
    for dependent in entity.dependents.iter().filter(is_new) {
        let placed = wanted(dependent)?;
        match current.and_then(|group| group.properties.get(&dependent.name)) {
            Some(there) => not_imported(planner, fmri, dependent, &placed, there),
            None => place(planner, fmri, dependent, placed, Force::Refuse)?,
        }
    }
    Ok(())
}

fn wanted(dependent: &Dependent) -> Result<Placed, Refused> {
    let name = || dependent.name.clone();
    let Some(target) = canonical(&dependent.target) else {
        return Err(Refused::Target {
            line: dependent.at.line,
            target: dependent.target.clone(),
            name: name(),
        });
    };
    Ok(Placed { target, group: dependent.group.held() })
}

/// The group on a target that an import before this kind of last-import has left.
fn found(planner: &Planner<'_>, target: &str, name: &str) -> Group {
    planner.held.group(target, name).cloned().unwrap_or_default()
}

/// What runs on a target under this name.
fn running(planner: &Planner<'_>, target: &str, name: &str) -> Option<Group> {
    planner.held.current(target)?.get(name).cloned()
}

/// The one target that a property of `dependents` names.
fn named(property: &Property) -> Option<String> {
    match property.values.as_slice() {
        [target] if matches!(property.kind.as_str(), "fmri" | "astring") => canonical(target),
        _ => None,
    }
}

fn place(
    planner: &mut Planner<'_>,
    fmri: &str,
    dependent: &Dependent,
    placed: Placed,
    force: Force,
) -> Result<(), Refused> {
    let Placed { target, group } = placed;
    let name = &dependent.name;
    planner.make(&target);
    match planner.held.group(&target, name) {
        None => planner.add_group(&target, name, group),
        Some(there) if *there == group => {}
        Some(there) if force == Force::Replace || is_of(there, &group) => {
            planner.remove_group(&target, name);
            planner.add_group(&target, name, group);
        }
        Some(_) => return Err(Refused::Taken { name: name.clone(), target }),
    }
    planner.touch(&target);
    planner.set(fmri, "dependents", name, Property::one("fmri", dependent.target.as_str()));
    Ok(())
}

/// Whether a group on a target was placed by the entity that places the other.
fn is_of(there: &Group, other: &Group) -> bool {
    let entity = |group: &Group| group.single("entities", "fmri").and_then(canonical);
    there.kind == "dependency" && there.is_true("external") && entity(there) == entity(other)
}

/// Takes a dependent back from its target.
pub(super) fn withdraw(planner: &mut Planner<'_>, fmri: &str, name: &str, target: &str) {
    planner.note(format!("{fmri}: Deleting dependent \"{name}\"."));
    if planner.held.group(target, name).is_some() {
        planner.remove_group(target, name);
        planner.touch(target);
    }
    planner.unset(fmri, "dependents", name);
}

/// A dependent that this bundle no longer has.
fn leave(planner: &mut Planner<'_>, fmri: &str, name: &str, old: &Placed, current: Option<&Group>) {
    let Some(is) = current.and_then(|group| group.properties.get(name)) else { return };
    let conflict = |what: &str| format!("Conflict upgrading {fmri} (dependent \"{name}\" {what}).");
    match named(is) {
        None => planner.conflict(conflict("has invalid dependents property")),
        Some(target) if target != old.target => planner.conflict(conflict("has new target")),
        Some(target) => match running(planner, &target, name) {
            None => planner.unset(fmri, "dependents", name),
            Some(group) if group != old.group => {
                planner.conflict(conflict("has new dependency property group"));
            }
            Some(_) => withdraw(planner, fmri, name, &target),
        },
    }
}

/// A dependent that this bundle has, as the last one had it.
fn change(
    planner: &mut Planner<'_>,
    fmri: &str,
    (dependent, new): (&Dependent, Placed),
    old: Placed,
    current: Option<&Group>,
) -> Result<(), Refused> {
    let name = &dependent.name;
    if new.target == old.target && new.group == old.group {
        return Ok(());
    }
    let conflict = |what: &str| format!("Conflict upgrading {fmri} (dependent \"{name}\" {what}).");
    let newly = "has new dependency property group";
    if !dependent.overrides {
        let Some(is) = current.and_then(|group| group.properties.get(name)) else {
            planner.conflict(conflict("is missing"));
            return Ok(());
        };
        match named(is) {
            None => {
                planner.conflict(conflict("has invalid dependents property"));
                return Ok(());
            }
            Some(target) if target == old.target => {}
            Some(target) if target != new.target => {
                planner.conflict(conflict("has new target"));
                return Ok(());
            }
            // Somebody was faster; it only has to be the same.
            Some(target) => {
                match running(planner, &target, name) {
                    None => planner.conflict(conflict("is missing")),
                    Some(group) if group != new.group => planner.conflict(conflict(newly)),
                    Some(_) => {}
                }
                return Ok(());
            }
        }
    }
    let there = running(planner, &old.target, name);
    if !dependent.overrides {
        match &there {
            None => {
                planner.conflict(conflict("is missing"));
                return Ok(());
            }
            Some(group) if *group != old.group => {
                if *group != new.group {
                    planner.conflict(conflict(newly));
                }
                return Ok(());
            }
            Some(_) => {}
        }
    }
    planner.note(format!("{fmri}: Upgrading dependent \"{name}\"."));
    if new.target != old.target || dependent.overrides {
        if planner.held.group(&old.target, name).is_some() {
            planner.remove_group(&old.target, name);
            planner.touch(&old.target);
        }
        return place(planner, fmri, dependent, new, Force::Refuse);
    }
    upgrade_group(planner, fmri, name, old, new, there);
    Ok(())
}

/// The group on a target that stays the target.
fn upgrade_group(
    planner: &mut Planner<'_>,
    fmri: &str,
    name: &str,
    old: Placed,
    new: Placed,
    there: Option<Group>,
) {
    let target = old.target;
    let (Some(current), Some(live)) = (there, planner.held.group(&target, name).cloned()) else {
        planner.add_group(&target, name, new.group);
        planner.touch(&target);
        return;
    };
    let delivered = Delivered { group: new.group, delete: false, overrides: Vec::new() };
    let sides = (&old.group, &delivered);
    let mut merged = merge::merge_group(fmri, name, sides, (&current, &live));
    // It has been said as a whole.
    merged.notes.clear();
    planner.merged(&target, merged);
}

/// A dependent that is new in this bundle, and there already.
fn not_imported(
    planner: &mut Planner<'_>,
    fmri: &str,
    dependent: &Dependent,
    new: &Placed,
    there: &Property,
) {
    let name = &dependent.name;
    let [written] = there.values.as_slice() else {
        planner.conflict(format!(
            "Conflict upgrading {fmri} (not importing dependent \"{name}\" because it already \
             exists.)  Warning: The \"dependents/{name}\" property has more or fewer than one \
             value))."
        ));
        return;
    };
    let already = format!(
        "Conflict upgrading {fmri} (not importing dependent \"{name}\" because it already exists)."
    );
    let newly = format!(
        "Conflict upgrading {fmri} (not importing new dependent \"{name}\" because it already \
         exists).  Warning: The current dependent's target ({written})"
    );
    match named(there) {
        None => planner.conflict(format!(
            "{already}  Warning: The current dependent's target ({written}) is invalid."
        )),
        Some(target) if target != new.target => planner.conflict(format!(
            "Conflict upgrading {fmri} (not importing dependent \"{name}\" (target \"{}\") because \
             it already exists with target \"{written}\").",
            dependent.target
        )),
        Some(target) if !planner.held.has(&target) => {
            planner.conflict(format!("{newly} does not exist."));
        }
        Some(target) => match running(planner, &target, name) {
            None => planner.conflict(format!(
                "{newly} does not have a dependency named \"{name}\" as expected."
            )),
            Some(group) => {
                for text in merge::differences(&target, name, &new.group, &group) {
                    planner.conflict(text);
                }
            }
        },
    }
}
