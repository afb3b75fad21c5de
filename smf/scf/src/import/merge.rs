//! merge.rs - what an upgrade changes: the three-way merge of property groups.
//!
//! Three sides meet: what the last bundle delivered (last-import), what this one delivers (new),
//! and what the entity has (current: the running snapshot's level where there is one, so a setprop
//! that was never refreshed is no customisation).  What an administrator changed or deleted stays;
//! a difference that cannot be taken over is said, as a warning, and changes nothing.
//!
//! Pure: it reads the sides and returns the steps, which are for the live groups.  Who may carry
//! them out, in which order and whether at all, is import.rs's affair.  The group `dependents` and
//! what it stands for is not here (dependents.rs).

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

/// A group by its sides.
#[derive(Clone, Copy)]
struct Sided<'a> {
    entity: &'a str,
    name: &'a str,
    last: &'a Group,
    new: &'a Delivered,
    current: &'a Group,
    live: Option<&'a Group>,
}

/// Merges one level of an entity that has a last-import snapshot.
#[must_use]
pub fn merge(sides: &Sides<'_>) -> Merged {
    let mut merged = Merged::default();
    let is_own = |name: &&String| *name != "dependents" && *name != "manifestfiles";
    for (name, last) in sides.last {
        // What is placed on others is no group of the entity.
        if !is_own(&name) || is_placed(last) {
            continue;
        }
        match sides.new.get(name) {
            Some(new) if !new.delete => known_group(sides, name, last, new, &mut merged),
            withdrawn => withdrawn_group(sides, name, last, withdrawn.is_some(), &mut merged),
        }
    }
    for (name, new) in sides.new.iter().filter(|(name, _)| is_own(name)) {
        if !sides.last.contains_key(name) && !new.delete {
            new_group(sides, name, new, &mut merged);
        }
    }
    merged
}

/// Whether a group is a dependency that another entity has placed where it is.
#[must_use]
pub fn is_placed(group: &Group) -> bool {
    group.kind == "dependency" && group.properties.contains_key("external")
}

/// The groups of a bundle replace those of the same name, whatever they hold.
#[must_use]
pub fn replace(live: &Groups, new: &BTreeMap<String, Delivered>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, delivered) in new.iter().filter(|(_, delivered)| !delivered.delete) {
        let there = live.get(name);
        // general lives on: it says whether the instance is enabled.
        if name == "general" && there.is_some() {
            let differ = |(p, v): &(&String, &Property)| {
                there.and_then(|g| g.properties.get(*p)) != Some(*v)
            };
            let properties = delivered.group.properties.iter().filter(differ);
            steps.extend(properties.map(|(p, v)| Step::Set(name.clone(), p.clone(), v.clone())));
            continue;
        }
        if there == Some(&delivered.group) {
            continue;
        }
        if there.is_some() {
            steps.push(Step::Remove(name.clone()));
        }
        steps.push(Step::Add(name.clone(), delivered.group.clone()));
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
    if new == last {
        return;
    }
    let entity = sides.entity;
    let Some(current) = sides.current.get(name) else {
        let text = format!("Conflict upgrading {entity} (property group {name} is missing)");
        merged.conflicts.push(text);
        return;
    };
    if current.kind != last.kind {
        if current.kind != new.kind {
            merged.conflicts.push(differs_in_type(entity, name, ""));
        }
        return;
    }
    let live = sides.live.get(name);
    if current == last && new.kind != last.kind {
        merged.notes.push(format!("{entity}: Upgrading property group \"{name}\"."));
        make_again(name, new, live, merged);
        return;
    }
    if live.is_none() {
        // It was deleted and nobody was told: what runs still has it.
        make_again(name, new, live, merged);
        return;
    }
    upgrade(Sided { entity, name, last, new: delivered, current, live }, merged);
}

fn make_again(name: &str, new: &Group, live: Option<&Group>, merged: &mut Merged) {
    if live.is_some() {
        merged.steps.push(Step::Remove(name.to_owned()));
    }
    merged.steps.push(Step::Add(name.to_owned(), new.clone()));
}

/// Merges one group on its own: what the last bundle delivered, this one delivers, and is there.
#[must_use]
pub fn merge_group(
    entity: &str,
    name: &str,
    (last, new): (&Group, &Delivered),
    (current, live): (&Group, &Group),
) -> Merged {
    let mut merged = Merged::default();
    upgrade(Sided { entity, name, last, new, current, live: Some(live) }, &mut merged);
    merged
}

fn upgrade(group: Sided<'_>, merged: &mut Merged) {
    for (property, was) in &group.last.properties {
        known_property(group, property, was, merged);
    }
    let new = &group.new.group.properties;
    for (property, value) in new.iter().filter(|(p, _)| !group.last.properties.contains_key(*p)) {
        match group.current.properties.get(property) {
            None => set(group, property, value, merged),
            // It was never in a last-import; it belongs to the administrator.
            Some(_) if group.name == "general" && property == "enabled" => {}
            Some(is) => merged.conflicts.extend(differs(group, property, (is, value), "new ")),
        }
    }
}

fn set(group: Sided<'_>, property: &str, value: &Property, merged: &mut Merged) {
    if group.live.and_then(|live| live.properties.get(property)) != Some(value) {
        let (group, property) = (group.name.to_owned(), property.to_owned());
        merged.steps.push(Step::Set(group, property, value.clone()));
    }
}

/// A property that the last bundle delivered.
fn known_property(group: Sided<'_>, property: &str, was: &Property, merged: &mut Merged) {
    let Sided { entity, name, .. } = group;
    // What the restarter reads while it runs is nobody's but the administrator's.
    let live = name == "general" && matches!(property, "enabled" | "restarter");
    let new = group.new.group.properties.get(property);
    let current = group.current.properties.get(property);
    if new == Some(was) {
        return;
    }
    let overridden = group.new.overrides.iter().any(|name| name == property);
    match (new, current) {
        (Some(new), _) if overridden => upgraded(group, property, new, merged),
        (None, None) => {}
        (Some(_), None) if live => {}
        (Some(_), None) => merged.conflicts.push(format!(
            "Conflict upgrading {entity} (property \"{name}/{property}\" is missing)."
        )),
        (_, Some(is)) if is != was => {
            if !live {
                let other = new.unwrap_or(was);
                merged.conflicts.extend(differs(group, property, (is, other), ""));
            }
        }
        (_, Some(_)) if live => merged
            .notes
            .push(format!("{entity}: Refusing to upgrade \"{name}/{property}\" (live property).")),
        (Some(new), Some(_)) => upgraded(group, property, new, merged),
        (None, Some(_)) => {
            merged.notes.push(format!("{entity}: Deleting property \"{name}/{property}\"."));
            if group.live.is_some_and(|live| live.properties.contains_key(property)) {
                merged.steps.push(Step::Unset(name.to_owned(), property.to_owned()));
            }
        }
    }
}

fn upgraded(group: Sided<'_>, property: &str, new: &Property, merged: &mut Merged) {
    let Sided { entity, name, .. } = group;
    merged.notes.push(format!("{entity}: Upgrading property \"{name}/{property}\"."));
    set(group, property, new, merged);
}

/// A group that this bundle is the first to deliver.
fn new_group(sides: &Sides<'_>, name: &str, delivered: &Delivered, merged: &mut Merged) {
    match sides.current.get(name) {
        Some(current) => {
            merged.conflicts.extend(differences(sides.entity, name, &delivered.group, current));
        }
        // general lives on; of it only properties come.
        None if name == "general" && sides.live.contains_key(name) => {}
        None if sides.live.get(name) == Some(&delivered.group) => {}
        None => make_again(name, &delivered.group, sides.live.get(name), merged),
    }
}

/// Why a group that a bundle is the first to deliver is not taken over: there is one already.
#[must_use]
pub fn differences(entity: &str, name: &str, new: &Group, current: &Group) -> Vec<String> {
    if new.kind != current.kind {
        return vec![differs_in_type(entity, name, "new ")];
    }
    let difference = |(property, value): (&String, &Property)| {
        let Some(is) = current.properties.get(property) else {
            return Some(format!(
                "Conflict upgrading {entity} (new property group \"{name}\" is missing property \
                 \"{property}\")."
            ));
        };
        conflict(entity, &format!("{name}/{property}"), (is, value), "new ")
    };
    new.properties.iter().filter_map(difference).collect()
}

/// A group that the last bundle delivered and this one does not.  The live group counts here.
fn withdrawn_group(sides: &Sides<'_>, name: &str, last: &Group, always: bool, merged: &mut Merged) {
    let Some(live) = sides.live.get(name) else { return };
    let entity = sides.entity;
    if always || live == last {
        merged.notes.push(format!("{entity}: Deleting property group \"{name}\"."));
        merged.steps.push(Step::Remove(name.to_owned()));
        return;
    }
    if live.kind != last.kind {
        merged.conflicts.push(differs_in_type(entity, name, ""));
        return;
    }
    for (property, was) in &last.properties {
        let path = format!("{name}/{property}");
        match live.properties.get(property) {
            Some(is) => merged.conflicts.extend(conflict(entity, &path, (is, was), "")),
            None => merged
                .conflicts
                .push(format!("Conflict upgrading {entity} (property \"{path}\" is missing).")),
        }
    }
}

fn differs_in_type(entity: &str, name: &str, new: &str) -> String {
    format!("Conflict upgrading {entity} ({new}property group \"{name}\" has different type).")
}

fn differs(
    group: Sided<'_>,
    property: &str,
    pair: (&Property, &Property),
    new: &str,
) -> Option<String> {
    conflict(group.entity, &format!("{}/{property}", group.name), pair, new)
}

/// What keeps two properties from being one, if anything does.
fn conflict(
    entity: &str,
    path: &str,
    (one, other): (&Property, &Property),
    new: &str,
) -> Option<String> {
    let what = match one {
        _ if one == other => return None,
        _ if one.kind != other.kind => "type",
        _ => "values",
    };
    Some(format!("Conflict upgrading {entity} ({new}property \"{path}\" has different {what})."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a=1 b=2` as the group p; "-" is no group at all, "" an empty one; `:x` makes it of type x.
    fn groups(text: &str) -> Groups {
        if text == "-" {
            return Groups::new();
        }
        let words = || text.split_whitespace().map(|word| word.trim_start_matches('!'));
        let pairs = words().filter_map(|pair| pair.split_once('='));
        let properties = pairs.map(|(n, v)| (n.to_owned(), Property::one("count", v))).collect();
        let kind = words().find_map(|word| word.strip_prefix(':')).unwrap_or("t").to_owned();
        [("p".to_owned(), Group { kind, volatile: false, properties })].into()
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

    /// What is said, shortened: notes as they are, conflicts by what stands in brackets.
    fn said(merged: &Merged) -> String {
        let note = |note: &String| note.strip_prefix("x: ").unwrap_or(note).to_owned();
        let conflict = |text: &String| {
            let inner = text.strip_prefix("Conflict upgrading x (");
            inner.expect("every conflict begins so").trim_end_matches(['.', ')']).to_owned()
        };
        let notes = merged.notes.iter().map(note);
        notes.chain(merged.conflicts.iter().map(conflict)).collect::<Vec<_>>().join("; ")
    }

    const SAYS: &[(&str, &str, &str, &str, &str, &str)] = &[
        // last, new, current, live; what is done; what is said
        ("a=1", "a=1", "a=9", "a=9", "", ""),
        ("a=1", "a=1", "", "", "", ""),
        ("a=1", "!a=1", "a=9", "a=9", "", ""),
        ("a=1", "!a=2", "a=9", "a=9", "a=2", "Upgrading property \"p/a\"."),
        ("a=1", "!a=2", "", "", "a=2", "Upgrading property \"p/a\"."),
        ("a=1", "a=2", "a=1", "a=1", "a=2", "Upgrading property \"p/a\"."),
        // A setprop that was never refreshed is not seen.
        ("a=1", "a=2", "a=1", "a=9", "a=2", "Upgrading property \"p/a\"."),
        ("a=1", "a=2", "a=1", "a=2", "", "Upgrading property \"p/a\"."),
        ("a=1", "a=2", "a=2", "a=2", "", ""),
        ("a=1", "a=2", "a=9", "a=9", "", "property \"p/a\" has different values"),
        ("a=1", "a=2", "", "", "", "property \"p/a\" is missing"),
        ("a=1", "", "a=1", "a=1", "-a", "Deleting property \"p/a\"."),
        ("a=1", "", "a=1", "", "", "Deleting property \"p/a\"."),
        ("a=1", "", "a=9", "a=9", "", "property \"p/a\" has different values"),
        ("a=1", "", "", "", "", ""),
        ("", "a=1", "", "", "a=1", ""),
        ("", "a=1", "a=9", "a=9", "", "new property \"p/a\" has different values"),
        ("", "a=1", "a=1", "a=1", "", ""),
        // Override does not reach what was never delivered.
        ("", "!a=1", "a=9", "a=9", "", "new property \"p/a\" has different values"),
        ("a=1", "-", "a=1", "a=1", "remove", "Deleting property group \"p\"."),
        // For a group that goes the live one counts.
        ("a=1", "-", "a=1", "a=9", "", "property \"p/a\" has different values"),
        ("a=1", "-", "a=1", "", "", "property \"p/a\" is missing"),
        ("a=1", "-", "a=1", "a=1 b=2", "", ""),
        ("a=1", "-", "a=1", "a=1 :u", "", "property group \"p\" has different type"),
        ("a=1", "-", "-", "-", "", ""),
        ("a=1", "delete", "a=9", "a=9", "remove", "Deleting property group \"p\"."),
        ("a=1", "delete", "-", "-", "", ""),
        ("-", "delete", "a=9", "a=9", "", ""),
        ("a=1", "a=2", "-", "-", "", "property group p is missing"),
        ("a=1", "a=1", "-", "-", "", ""),
        // Deleted without a refresh: what runs has it still, so it is no customisation.
        ("a=1", "a=2", "a=1", "-", "add", ""),
        ("-", "-", "a=1", "a=1", "", ""),
        ("-", "a=1", "-", "-", "add", ""),
        ("-", "a=1", "-", "a=2", "remove add", ""),
        ("-", "a=1", "-", "a=1", "", ""),
        ("-", "a=1", "a=1", "a=1", "", ""),
        ("-", "a=1", "a=1 b=2", "a=1 b=2", "", ""),
        (
            "-",
            "a=1 b=1",
            "a=2",
            "a=2",
            "",
            "new property \"p/a\" has different values; new property group \"p\" is missing \
             property \"b\"",
        ),
        ("-", "a=1", "a=1 :u", "a=1 :u", "", "new property group \"p\" has different type"),
        ("a=1", "a=1 :u", "a=1", "a=1", "remove add", "Upgrading property group \"p\"."),
        ("a=1", "a=1 :u", "a=1", "-", "add", "Upgrading property group \"p\"."),
        ("a=1", "a=1 :u", "a=2", "a=2", "", ""),
        ("a=1", "a=2", "a=1 :u", "a=1 :u", "", "property group \"p\" has different type"),
        ("a=1", "a=2 :u", "a=1 :u", "a=1 :u", "", ""),
    ];

    #[test]
    fn the_table_of_upgrades() {
        for (last, new, current, live, steps, says) in SAYS {
            let (last_side, new_side) = (groups(last), delivered(new));
            let (current_side, live_side) = (groups(current), groups(live));
            let merged = merge(&Sides {
                entity: "x",
                last: &last_side,
                new: &new_side,
                current: &current_side,
                live: &live_side,
            });
            let case = format!("{last:?} {new:?} {current:?} {live:?}");
            let got: Vec<_> = merged.steps.iter().map(shown).collect();
            assert_eq!(got.join(" "), *steps, "{case}");
            assert_eq!(said(&merged), *says, "{case}");
        }
    }

    #[test]
    fn what_the_restarter_reads_is_the_administrators() {
        // last, new, current; what is done; what is said
        let refused = "Refusing to upgrade \"general/restarter\" (live property).";
        for (last, new, current, steps, says) in [
            ("restarter=1", "restarter=2", "restarter=1", "", refused),
            ("restarter=1", "restarter=2", "restarter=9", "", ""),
            ("restarter=1", "restarter=2", "", "", ""),
            ("restarter=1", "", "restarter=1", "", refused),
            (
                "restarter=1",
                "!restarter=2",
                "restarter=9",
                "restarter=2",
                "Upgrading property \"general/restarter\".",
            ),
            ("", "restarter=2", "", "restarter=2", ""),
            ("", "enabled=1", "enabled=0", "", ""),
            ("", "!enabled=1", "enabled=0", "", ""),
            ("", "enabled=1", "", "enabled=1", ""),
        ] {
            let named = |groups: Groups| -> Groups {
                groups.into_values().map(|group| ("general".to_owned(), group)).collect()
            };
            let new_side = delivered(new).into_values().map(|d| ("general".to_owned(), d));
            let (last_side, current_side) = (named(groups(last)), named(groups(current)));
            let merged = merge(&Sides {
                entity: "x",
                last: &last_side,
                new: &new_side.collect(),
                current: &current_side,
                live: &current_side,
            });
            let got: Vec<_> = merged.steps.iter().map(shown).collect();
            assert_eq!(got.join(" "), steps, "{last:?} {new:?} {current:?}");
            assert_eq!(said(&merged), says, "{last:?} {new:?} {current:?}");
        }
    }
}
