//! authorization.rs - what a change needs (smf_security(7)).
//!
//! | change | any one of |
//! |---|---|
//! | a service or instance, a snapshot | solaris.smf.modify |
//! | a group, its properties, their types | + solaris.smf.modify.KIND, the group's modify_authorization |
//! | only values of properties that are there | + the group's value_authorization |
//! | restarter_actions, general_ovr | + solaris.smf.manage, general/action_authorization |
//! | general/action_authorization | solaris.smf.modify, solaris.smf.manage |
//!
//! The authorizations a group names are looked up as they were before the change, on the instance,
//! else on its service.

use smf_scf::import::merge::{Group, Groups};

use crate::rights::Caller;

/// The kinds of groups that have an authorization of their own.
const KINDS: [&str; 4] = ["method", "dependency", "application", "framework"];

const MODIFY: &str = "solaris.smf.modify";
const MANAGE: &str = "solaris.smf.manage";

/// The groups of an entity before and after, and those of its service before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub before: &'a Groups,
    pub after: &'a Groups,
    pub service: &'a Groups,
}

/// Whether the caller may make and remove services, instances and snapshots.
pub(crate) fn may_modify(caller: &Caller) -> bool {
    caller.holds(MODIFY)
}

/// Whether the caller may change groups so.
pub(crate) fn may_change(caller: &Caller, change: &Change<'_>) -> bool {
    let names = change.before.keys().chain(change.after.keys());
    let mut changed = names.filter(|name| change.before.get(*name) != change.after.get(*name));
    changed.all(|name| may_change_group(caller, change, name))
}

fn may_change_group(caller: &Caller, change: &Change<'_>, name: &str) -> bool {
    let (before, after) = (change.before.get(name), change.after.get(name));
    let kind = before.or(after).map(|group| group.kind.as_str()).unwrap_or_default();
    let property =
        |of: Option<&Group>, name: &str| of.and_then(|group| group.properties.get(name)).cloned();
    let rule = "action_authorization";
    if name == "general" && property(before, rule) != property(after, rule) {
        return caller.holds(MODIFY) || caller.holds(MANAGE);
    }
    if caller.holds(MODIFY) || (KINDS.contains(&kind) && caller.holds(&format!("{MODIFY}.{kind}")))
    {
        return true;
    }
    let named = |group: &str, rule: &str| named(caller, change, group, rule);
    if named(name, "modify_authorization") {
        return true;
    }
    match name {
        "restarter_actions" | "general_ovr" => caller.holds(MANAGE) || named("general", rule),
        _ => {
            let values =
                before.zip(after).is_some_and(|(before, after)| only_values(before, after));
            values && named(name, "value_authorization")
        }
    }
}

/// Whether the caller holds one of the authorizations that a group names by a rule.
fn named(caller: &Caller, change: &Change<'_>, group: &str, rule: &str) -> bool {
    let of =
        |groups: &Groups| groups.get(group).and_then(|group| group.properties.get(rule)).cloned();
    let property = of(change.before).or_else(|| of(change.service));
    property
        .filter(|property| property.kind == "astring")
        .is_some_and(|property| property.values.iter().any(|value| caller.holds(value)))
}

/// Whether nothing but values differ, and no rule among them.
fn only_values(before: &Group, after: &Group) -> bool {
    let shape = |group: &Group| -> Vec<(String, String)> {
        let all = group.properties.iter();
        all.map(|(name, property)| (name.clone(), property.kind.clone())).collect()
    };
    let rule = "modify_authorization";
    shape(before) == shape(after) && before.properties.get(rule) == after.properties.get(rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smf_scf::import::merge::Property;

    fn groups(text: &str) -> Groups {
        let mut groups = Groups::new();
        for word in text.split_whitespace() {
            let (path, value) = word.split_once('=').unwrap();
            let (group, name) = path.split_once('/').unwrap();
            let kind = if group.starts_with("general") { "framework" } else { "application" };
            let entry = groups.entry(group.to_owned()).or_default();
            entry.kind = kind.to_owned();
            let value = Property { kind: "astring".into(), values: vec![value.to_owned()] };
            entry.properties.insert(name.to_owned(), value);
        }
        groups
    }

    #[test]
    fn every_row_of_the_table() {
        let service = groups("general/action_authorization=b.act g/value_authorization=b.value");
        for (before, after, holds, want) in [
            ("g/x=1", "g/x=2", "", false),
            ("g/x=1", "g/x=2", "solaris.smf.modify", true),
            ("g/x=1", "g/x=2", "solaris.smf.modify.application", true),
            ("g/x=1", "g/x=2", "solaris.smf.modify.framework", false),
            ("g/x=1", "g/x=2", "b.value", true),
            ("g/x=1", "g/x=1 g/y=1", "b.value", false),
            ("g/x=1", "", "b.value", false),
            ("g/x=1 g/modify_authorization=m", "", "m", true),
            ("g/x=1 g/modify_authorization=m", "g/x=1 g/modify_authorization=n", "b.value", false),
            ("", "general_ovr/enabled=true", "b.act", true),
            ("", "general_ovr/enabled=true", "b.value", false),
            ("", "restarter_actions/restart=1", "b.act", true),
            ("", "restarter_actions/restart=1", "solaris.smf.manage", true),
            ("general/enabled=true", "general/enabled=false", "b.act", false),
            ("", "general/action_authorization=x", "b.act", false),
            ("", "general/action_authorization=x", "solaris.smf.manage", true),
            ("h/x=1", "h/x=2", "b.value", false),
        ] {
            let caller = Caller::Holder([holds.to_owned()].into());
            let (before, after) = (groups(before), groups(after));
            let change = Change { before: &before, after: &after, service: &service };
            assert_eq!(may_change(&caller, &change), want, "{before:?} {after:?} {holds}");
            assert!(may_change(&Caller::Owner, &change));
        }
    }
}
