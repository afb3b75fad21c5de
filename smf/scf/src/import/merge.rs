//! merge.rs - what an upgrade changes: the three-way merge of property groups.
//!
//! Three sides meet: what the last bundle delivered (last-import), what this one delivers (new),
//! and what the entity has (current: the running snapshot's level where there is one, so a setprop
//! that was never refreshed is no customisation).  What an administrator changed or deleted stays;
//! a difference that cannot be taken over is said, as a warning, and changes nothing.
//!
//! Pure: it reads three sides and returns the steps.  Who may carry them out, in which order and
//! whether at all, is import.rs's affair.

use std::collections::BTreeMap;

pub use smf_model::group::{Group, Groups, Property};

/// A group of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// What it holds.
    pub group: Group,
    /// delete='true'.
    pub delete: bool,
    /// Properties with override='true'.
    pub overrides: Vec<String>,
}

/// One change to an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a group with these properties.
    Add(String, Group),
    /// Remove a group.
    Remove(String),
    /// Set a property of a group, making the property if need be.
    Set(String, String, Property),
    /// Remove a property of a group.
    Unset(String, String),
}

/// What the merge comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// The changes in order.
    pub steps: Vec<Step>,
    /// What could not be taken over; always said.
    pub conflicts: Vec<String>,
    /// What is done and refused; said with -v.
    pub notes: Vec<String>,
}

/// The sides of a merge.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// The name of the entity, for messages.
    pub entity: &'a str,
    /// What the last bundle delivered.
    pub last: &'a Groups,
    /// What this bundle delivers.
    pub new: &'a BTreeMap<String, Delivered>,
    /// What runs: the running snapshot's level, or the live groups.
    pub current: &'a Groups,
    /// The live groups.
    pub live: &'a Groups,
}

/// Merges one level of an entity that has a last-import snapshot.
#[must_use]
pub fn merge(sides: &Sides<'_>) -> Merged {
    let mut merged = Merged::default();
    for (name, delivered) in sides.new {
        if delivered.delete {
            if sides.live.contains_key(name) {
                merged.steps.push(Step::Remove(name.clone()));
            }
            continue;
        }
        match sides.last.get(name) {
            Some(last) => known_group(sides, name, last, delivered, &mut merged),
            None => new_group(sides, name, delivered, &mut merged),
        }
    }
    for (name, last) in sides.last {
        if !sides.new.contains_key(name) {
            withdrawn_group(sides, name, last, &mut merged);
        }
    }
    merged
}

/// The groups of a bundle replace those of the same name, whatever they hold.
#[must_use]
pub fn replace(live: &Groups, new: &BTreeMap<String, Delivered>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, delivered) in new {
        // general lives on: it says whether the instance is enabled.
        if name == "general" && live.contains_key(name) {
            let properties = &delivered.group.properties;
            steps.extend(
                properties.iter().map(|(p, v)| Step::Set(name.clone(), p.clone(), v.clone())),
            );
            continue;
        }
        if live.contains_key(name) {
            steps.push(Step::Remove(name.clone()));
        }
        if !delivered.delete {
            steps.push(Step::Add(name.clone(), delivered.group.clone()));
        }
    }
    steps
}

/// A group that this bundle delivers and the last one delivered.
fn known_group(
    sides: &Sides<'_>,
    name: &str,
    last: &Group,
    delivered: &Delivered,
    merged: &mut Merged,
) {
    let new = &delivered.group;
    let Some(current) = sides.current.get(name) else {
        if new != last {
            merged.conflicts.push(format!(
                "Conflict upgrading {} (property group {name} is missing)",
                sides.entity
            ));
        }
        return;
    };
    if new.kind != last.kind {
        if current == last {
            merged.steps.push(Step::Remove(name.to_owned()));
            merged.steps.push(Step::Add(name.to_owned(), new.clone()));
        } else if current.kind != new.kind {
            merged.conflicts.push(format!(
                "Conflict upgrading {} (property group \"{name}\" has different type)",
                sides.entity
            ));
        }
        return;
    }
    for (property, value) in &new.properties {
        let overrides = delivered.overrides.contains(property);
        let was = last.properties.get(property);
        let is = current.properties.get(property);
        if was == Some(value) {
            continue;
        }
        if name == "general" && property == "restarter" && !overrides {
            merged.notes.push(format!(
                "{}: Refusing to upgrade \"{name}/{property}\" (live property).",
                sides.entity
            ));
            continue;
        }
        known_property(sides.entity, (name, property), (was, value, is), overrides, merged);
    }
    for (property, was) in &last.properties {
        if new.properties.contains_key(property) {
            continue;
        }
        match current.properties.get(property) {
            None => {}
            Some(is) if is == was => {
                merged
                    .notes
                    .push(format!("{}: Deleting property \"{name}/{property}\".", sides.entity));
                merged.steps.push(Step::Unset(name.to_owned(), property.clone()));
            }
            Some(_) => merged.conflicts.push(differs(sides.entity, name, property)),
        }
    }
}

/// A property that differs from what the last bundle delivered: was, new, is.
fn known_property(
    entity: &str,
    (group, property): (&str, &str),
    (was, new, is): (Option<&Property>, &Property, Option<&Property>),
    overrides: bool,
    merged: &mut Merged,
) {
    let set = Step::Set(group.to_owned(), property.to_owned(), new.clone());
    match (was, is) {
        (_, Some(is)) if is == new => {}
        // New in this bundle: override counts only for what was delivered before.
        (None, None) => merged.steps.push(set),
        (None, Some(_)) => merged.conflicts.push(differs(entity, group, property)),
        (Some(_), _) if overrides => {
            merged.notes.push(format!("{entity}: Upgrading property \"{group}/{property}\"."));
            merged.steps.push(set);
        }
        (Some(was), Some(is)) if is == was => {
            merged.notes.push(format!("{entity}: Upgrading property \"{group}/{property}\"."));
            merged.steps.push(set);
        }
        (Some(_), Some(_)) => merged.conflicts.push(differs(entity, group, property)),
        (Some(_), None) => merged.conflicts.push(missing(entity, group, property)),
    }
}

/// A group that this bundle is the first to deliver.
fn new_group(sides: &Sides<'_>, name: &str, delivered: &Delivered, merged: &mut Merged) {
    let Some(current) = sides.current.get(name) else {
        if !sides.live.contains_key(name) {
            merged.steps.push(Step::Add(name.to_owned(), delivered.group.clone()));
        }
        return;
    };
    for (property, value) in &delivered.group.properties {
        match current.properties.get(property) {
            Some(is) if is == value => {}
            Some(_) => merged.conflicts.push(differs(sides.entity, name, property)),
            None => merged.conflicts.push(missing(sides.entity, name, property)),
        }
    }
}

/// A group that the last bundle delivered and this one does not.  The live group counts here.
fn withdrawn_group(sides: &Sides<'_>, name: &str, last: &Group, merged: &mut Merged) {
    let Some(live) = sides.live.get(name) else { return };
    // general holds more than bundles deliver; of it only properties go.
    if name != "general" && live == last {
        merged.steps.push(Step::Remove(name.to_owned()));
        return;
    }
    for (property, was) in &last.properties {
        match live.properties.get(property) {
            Some(is) if is == was && name == "general" => {
                merged.steps.push(Step::Unset(name.to_owned(), property.clone()));
            }
            Some(is) if is == was => {}
            Some(_) => merged.conflicts.push(differs(sides.entity, name, property)),
            None => merged.conflicts.push(missing(sides.entity, name, property)),
        }
    }
    for property in live.properties.keys() {
        if name != "general" && !last.properties.contains_key(property) {
            merged.conflicts.push(format!(
                "Conflict upgrading {} (property \"{name}/{property}\" was added).",
                sides.entity
            ));
        }
    }
}

fn differs(entity: &str, group: &str, property: &str) -> String {
    format!("Conflict upgrading {entity} (property \"{group}/{property}\" has different value).")
}

fn missing(entity: &str, group: &str, property: &str) -> String {
    format!("Conflict upgrading {entity} (property \"{group}/{property}\" is missing).")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a=1 b=2` as the group p; "-" is no group at all, "" an empty one.
    fn groups(text: &str) -> Groups {
        if text == "-" {
            return Groups::new();
        }
        let property = |value: &str| Property { kind: "count".into(), values: vec![value.into()] };
        let pairs = text.split_whitespace().map(|pair| pair.trim_start_matches('!'));
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        let properties = pairs.map(|(n, v)| (n.to_owned(), property(v))).collect();
        [("p".to_owned(), Group { kind: "t".into(), volatile: false, properties })].into()
    }

    /// The same for the bundle; `!a=1` overrides; "delete" deletes the group.
    fn delivered(text: &str) -> BTreeMap<String, Delivered> {
        let overrides = text.split_whitespace().filter_map(|pair| pair.strip_prefix('!'));
        let overrides: Vec<_> =
            overrides.filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect();
        let deliver =
            |group| Delivered { group, delete: text == "delete", overrides: overrides.clone() };
        groups(text).into_iter().map(|(name, group)| (name, deliver(group))).collect()
    }

    fn shown(step: &Step) -> String {
        match step {
            Step::Add(..) => "add".into(),
            Step::Remove(_) => "remove".into(),
            Step::Set(_, name, value) => format!("{name}={}", value.values.join(",")),
            Step::Unset(_, name) => format!("-{name}"),
        }
    }

    #[test]
    fn the_table_of_upgrades() {
        // last, new, current, live, steps, number of conflicts
        for (last, new, current, live, steps, conflicts) in [
            ("a=1", "a=1", "a=9", "a=9", "", 0),
            ("a=1", "a=1", "", "", "", 0),
            ("a=1", "!a=2", "a=9", "a=9", "a=2", 0),
            ("a=1", "!a=2", "", "", "a=2", 0),
            ("a=1", "a=2", "a=1", "a=1", "a=2", 0),
            // A setprop that was never refreshed is not seen.
            ("a=1", "a=2", "a=1", "a=9", "a=2", 0),
            ("a=1", "a=2", "a=2", "a=2", "", 0),
            ("a=1", "a=2", "a=9", "a=9", "", 1),
            ("a=1", "a=2", "", "", "", 1),
            ("a=1", "", "a=1", "a=1", "-a", 0),
            ("a=1", "", "a=9", "a=9", "", 1),
            ("a=1", "", "", "", "", 0),
            ("", "a=1", "", "", "a=1", 0),
            ("", "a=1", "a=9", "a=9", "", 1),
            // Override does not reach what was never delivered.
            ("", "!a=1", "a=9", "a=9", "", 1),
            ("a=1", "-", "a=1", "a=1", "remove", 0),
            ("a=1", "-", "a=1", "a=9", "", 1),
            ("a=1", "-", "a=1", "a=1 b=2", "", 1),
            ("a=1", "-", "-", "-", "", 0),
            ("a=1", "delete", "a=9", "a=9", "remove", 0),
            ("a=1", "a=2", "-", "-", "", 1),
            ("a=1", "a=1", "-", "-", "", 0),
            ("-", "-", "a=1", "a=1", "", 0),
            ("-", "a=1", "-", "-", "add", 0),
            ("-", "a=1", "a=1", "a=1", "", 0),
            ("-", "a=1 b=1", "a=2", "a=2", "", 2),
        ] {
            let (last_side, new_side) = (groups(last), delivered(new));
            let (current_side, live_side) = (groups(current), groups(live));
            let merged = merge(&Sides {
                entity: "svc:/x",
                last: &last_side,
                new: &new_side,
                current: &current_side,
                live: &live_side,
            });
            let case = format!("{last:?} {new:?} {current:?} {live:?}");
            let got: Vec<_> = merged.steps.iter().map(shown).collect();
            assert_eq!(got.join(" "), steps, "{case}");
            assert_eq!(merged.conflicts.len(), conflicts, "{case}: {:?}", merged.conflicts);
        }
    }

    #[test]
    fn a_group_whose_type_changed_is_made_again() {
        let last = groups("a=1");
        let mut new = delivered("a=1");
        new.get_mut("p").unwrap().group.kind = "other".into();
        for (current, steps) in [("a=1", "remove add"), ("a=2", "")] {
            let current = groups(current);
            let sides =
                Sides { entity: "x", last: &last, new: &new, current: &current, live: &current };
            let merged = merge(&sides);
            let got: Vec<_> = merged.steps.iter().map(shown).collect();
            assert_eq!(got.join(" "), steps);
            assert_eq!(merged.conflicts.len(), usize::from(steps.is_empty()));
        }
    }
}
