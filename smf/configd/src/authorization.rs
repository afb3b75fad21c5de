//! authorization.rs - what a change needs (smf_security(7)).
//!
//! | change | any one of |
//! |---|---|
//! | a service or instance, a snapshot | solaris.smf.modify |
//! | a group, its properties, their types | + solaris.smf.modify.KIND, the group's modify_authorization |
//! | only values of properties that are there | + the group's value_authorization |
//! | restarter_actions, general_ovr/enabled of an instance | + solaris.smf.manage, general/action_authorization |
//! | general/action_authorization | solaris.smf.modify, solaris.smf.manage |
//! | reading values where there is a read_authorization | solaris.smf.modify, solaris.smf.modify.KIND, the group's modify_, value_ or read_authorization |
//!
//! The authorizations a group names are astrings, looked up as they were before the change, on the
//! instance, else on its service's group of the same name and type.  Groups of the types framework,
//! dependency and method can be read by everybody.

use smf_scf::packed;

use crate::rights::Caller;
use crate::version::Version;

/// The kinds of groups that have an authorization of their own.
const KINDS: [&str; 4] = ["method", "dependency", "application", "framework"];

const MODIFY: &str = "solaris.smf.modify";
const MANAGE: &str = "solaris.smf.manage";

/// Which group changes, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub name: &'a str,
    /// It is a group of an instance, not of a service.
    pub of_instance: bool,
    pub before: Option<&'a Version>,
    pub after: Option<&'a Version>,
    /// The group of that name of the service.
    pub service: Option<&'a Version>,
    /// The groups `general` of the entity and of its service.
    pub general: [Option<&'a Version>; 2],
}

/// Whether the caller may make and remove services, instances and snapshots.
pub(crate) fn may_modify(caller: &Caller) -> bool {
    caller.holds(MODIFY)
}

/// Whether the caller may change a group so.
pub(crate) fn may_change(caller: &Caller, change: &Change<'_>) -> bool {
    let rule = "action_authorization";
    let property = |version: Option<&Version>| {
        version.and_then(|version| version.property(rule)).map(str::to_owned)
    };
    if change.name == "general" && property(change.before) != property(change.after) {
        return caller.holds(MODIFY) || caller.holds(MANAGE);
    }
    let kind = change.before.or(change.after).map(Version::kind).unwrap_or_default();
    if may_modify_kind(caller, kind) {
        return true;
    }
    let named = |rule: &str| named(caller, change.before, change.service, kind, rule);
    if named("modify_authorization") {
        return true;
    }
    let [general, general_of_service] = change.general;
    let acts = change.of_instance
        && match change.name {
            "restarter_actions" => true,
            "general_ovr" => differ_only_in(change, "enabled"),
            _ => false,
        };
    if acts {
        let kind = "framework";
        return caller.holds(MANAGE)
            || self::named(caller, general, general_of_service, kind, rule);
    }
    let values =
        change.before.zip(change.after).is_some_and(|(before, after)| only_values(before, after));
    values && named("value_authorization")
}

/// Whether the caller may read the values of a group; `service` is its service's of that name.
pub(crate) fn may_read(caller: &Caller, own: &Version, service: Option<&Version>) -> bool {
    let kind = own.kind();
    if *caller == Caller::Owner || matches!(kind, "framework" | "dependency" | "method") {
        return true;
    }
    let (own, rule) = (Some(own), "read_authorization");
    rules(own, service, kind, rule).is_none()
        || may_modify_kind(caller, kind)
        || [rule, "value_authorization", "modify_authorization"]
            .iter()
            .any(|rule| named(caller, own, service, kind, rule))
}

fn may_modify_kind(caller: &Caller, kind: &str) -> bool {
    caller.holds(MODIFY) || (KINDS.contains(&kind) && caller.holds(&format!("{MODIFY}.{kind}")))
}

/// The authorizations that a group names by a rule, if it has the rule.
fn rules(
    own: Option<&Version>,
    service: Option<&Version>,
    kind: &str,
    rule: &str,
) -> Option<Vec<String>> {
    let of = |version: Option<&Version>| {
        let property = packed::property(version?.property(rule)?)?;
        (property.kind == "astring").then_some(property.values)
    };
    of(own).or_else(|| of(service.filter(|service| service.kind() == kind)))
}

/// Whether the caller holds one of the authorizations that a group names by a rule.
fn named(
    caller: &Caller,
    own: Option<&Version>,
    service: Option<&Version>,
    kind: &str,
    rule: &str,
) -> bool {
    rules(own, service, kind, rule).is_some_and(|all| all.iter().any(|one| caller.holds(one)))
}

/// Whether nothing but one property differs.
fn differ_only_in(change: &Change<'_>, property: &str) -> bool {
    let others = |version: Option<&Version>| -> Vec<(String, String)> {
        let lines = version.map(Version::properties).unwrap_or_default();
        let others = packed::lines(lines).filter(|(name, _)| *name != property);
        others.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
    };
    others(change.before) == others(change.after)
}

/// Whether nothing but values differ, and not what is needed to modify the group.
fn only_values(before: &Version, after: &Version) -> bool {
    let shape = |version: &Version| -> Vec<(String, String)> {
        let kind = |rest: &str| rest.split('\t').next().unwrap_or_default().to_owned();
        let lines = packed::lines(version.properties());
        lines.map(|(name, rest)| (name.to_owned(), kind(rest))).collect()
    };
    let rule = "modify_authorization";
    before.kind() == after.kind()
        && before.volatile == after.volatile
        && shape(before) == shape(after)
        && before.property(rule) == after.property(rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Level;
    use std::sync::Arc;

    /// Words `group/property=value`; `group:kind/property=value` where the kind is not the usual.
    fn level(text: &str) -> Level {
        let mut groups: std::collections::BTreeMap<&str, (&str, String)> = Default::default();
        for word in text.split_whitespace() {
            let (path, value) = word.split_once('=').unwrap();
            let (group, name) = path.split_once('/').unwrap();
            let usual = if matches!(group, "general" | "general_ovr" | "restarter_actions") {
                "framework"
            } else {
                "application"
            };
            let (group, kind) = group.split_once(':').unwrap_or((group, usual));
            let type_name = if value.starts_with('#') { "count" } else { "astring" };
            let lines = &mut groups.entry(group).or_insert((kind, String::new())).1;
            lines.push_str(&format!("{name}\t{type_name}\t{value}\n"));
        }
        let version = |(name, (kind, lines)): (&str, (&str, String))| {
            Arc::new(Version::new(1, name, kind, false, &lines))
        };
        groups.into_iter().map(version).collect()
    }

    fn may(
        caller: &Caller,
        before: &Level,
        after: &Level,
        service: &Level,
        instance: bool,
    ) -> bool {
        fn find<'a>(level: &'a Level, name: &str) -> Option<&'a Version> {
            crate::version::find(level, name).map(AsRef::as_ref)
        }
        let names = before.iter().chain(after).map(|version| version.name());
        let mut changed = names.filter(|name| {
            let (was, is) = (find(before, name), find(after, name));
            was.zip(is).is_none_or(|(was, is)| !was.same(is))
        });
        changed.all(|name| {
            may_change(
                caller,
                &Change {
                    name,
                    of_instance: instance,
                    before: find(before, name),
                    after: find(after, name),
                    service: find(service, name),
                    general: [find(before, "general"), find(service, "general")],
                },
            )
        })
    }

    fn holder(text: &str) -> Caller {
        Caller::Holder(text.split_whitespace().map(str::to_owned).collect())
    }

    /// Before, after, what the caller holds, whether it may.
    const CHANGES: &[(&str, &str, &str, bool)] = &[
        // Adding, deleting, modifying a group: modify, modify.KIND, modify_authorization.
        ("g/x=1", "g/x=2", "", false),
        ("g/x=1", "g/x=2", "solaris.smf.modify", true),
        ("g/x=1", "g/x=2", "solaris.smf.*", true),
        ("g/x=1", "g/x=2", "solaris.smf.manage", false),
        ("g/x=1", "g/x=2", "solaris.smf.modify.application", true),
        ("g/x=1", "g/x=2", "solaris.smf.modify.framework", false),
        ("", "g/x=1", "solaris.smf.modify.application", true),
        ("g/x=1", "", "solaris.smf.modify.application", true),
        ("g:method/x=1", "", "solaris.smf.modify.method", true),
        ("g:dependency/x=1", "", "solaris.smf.modify.dependency", true),
        ("g:framework/x=1", "", "solaris.smf.modify.framework", true),
        // Only four types have an authorization of their own.
        ("g:template/x=1", "g:template/x=2", "solaris.smf.modify.template", false),
        ("g/x=1 g/modify_authorization=m", "", "m", true),
        ("g/x=1", "", "b.modify", true),
        ("g/x=1 g/modify_authorization=m", "", "b.modify", false),
        ("g/x=1 g/modify_authorization=#1", "", "#1", false),
        ("h/x=1", "", "b.modify", false),
        // Only values: value_authorization, of the service where the instance has none.
        ("g/x=1", "g/x=2", "b.value", true),
        ("g/x=1", "g/x=1 g/y=1", "b.value", false),
        ("g/x=1 g/y=1", "g/x=1", "b.value", false),
        ("g/x=1", "g/x=#1", "b.value", false),
        ("g/x=1", "", "b.value", false),
        ("g/x=1 g/value_authorization=v", "g/x=2 g/value_authorization=v", "v", true),
        ("g/x=1 g/value_authorization=v", "g/x=2 g/value_authorization=v", "b.value", false),
        ("g/x=1 g/modify_authorization=m", "g/x=1 g/modify_authorization=n", "b.value", false),
        ("g/x=1 g/modify_authorization=m", "g/x=2 g/modify_authorization=m", "b.value", true),
        // The service's group counts only where it has the same type.
        ("k/x=1", "k/x=2", "b.value", false),
        ("k:other/x=1", "k:other/x=2", "b.value", true),
        // Actions.
        ("", "general_ovr/enabled=true", "b.act", true),
        ("", "general_ovr/enabled=true", "solaris.smf.manage", true),
        ("", "general_ovr/enabled=true", "solaris.smf.modify.framework", true),
        ("", "general_ovr/enabled=true", "b.value", false),
        ("general_ovr/enabled=true", "general_ovr/enabled=false", "b.act", true),
        ("", "general_ovr/other=true", "b.act", false),
        ("", "restarter_actions/restart=1", "b.act", true),
        ("", "restarter_actions/restart=1", "solaris.smf.manage", true),
        ("", "restarter_actions/restart=1", "", false),
        (
            "general/action_authorization=i",
            "general/action_authorization=i general_ovr/enabled=1",
            "i",
            true,
        ),
        (
            "general/action_authorization=i",
            "general/action_authorization=i general_ovr/enabled=1",
            "b.act",
            false,
        ),
        // Enabling for good is a change of general.
        ("general/enabled=true", "general/enabled=false", "b.act", false),
        ("general/enabled=true", "general/enabled=false", "solaris.smf.manage", false),
        (
            "general/enabled=1 general/value_authorization=v",
            "general/enabled=2 general/value_authorization=v",
            "v",
            true,
        ),
        // Who may order is not for those to say who may.
        ("", "general/action_authorization=x", "b.act", false),
        ("", "general/action_authorization=x", "solaris.smf.modify.framework", false),
        ("", "general/action_authorization=x", "solaris.smf.manage", true),
        ("", "general/action_authorization=x", "solaris.smf.modify", true),
    ];

    #[test]
    fn every_row_of_changes() {
        let service = "general/action_authorization=b.act g/value_authorization=b.value \
                       g/modify_authorization=b.modify k:other/value_authorization=b.value";
        for (before, after, holds, want) in CHANGES {
            let case = format!("{before:?} {after:?} {holds:?}");
            let (before, after, service) = (level(before), level(after), level(service));
            let caller = holder(holds);
            assert_eq!(may(&caller, &before, &after, &service, true), *want, "{case}");
            assert!(may(&Caller::Owner, &before, &after, &service, true));
        }
        let (none, order) = (level(""), level("restarter_actions/restart=1"));
        assert!(!may(&holder("solaris.smf.manage"), &none, &order, &none, false), "of a service");
    }

    #[test]
    fn every_row_of_reading() {
        let service = level("g/read_authorization=s.read h:other/read_authorization=s.read");
        for (own, holds, want) in [
            ("g/x=1", "", false),
            ("g/x=1", "s.read", true),
            ("g/x=1 g/read_authorization=i.read", "s.read", false),
            ("g/x=1 g/read_authorization=i.read", "i.read", true),
            ("g/x=1 g/value_authorization=v", "v", true),
            ("g/x=1 g/modify_authorization=m", "m", true),
            ("g/x=1", "solaris.smf.modify", true),
            ("g/x=1", "solaris.smf.modify.application", true),
            ("g/x=1", "solaris.smf.modify.method", false),
            ("f/x=1", "", true),
            ("f/x=1 f/read_authorization=#1", "", true),
            ("h/x=1", "", true),
            ("h:other/x=1", "", false),
            ("m:method/x=1 m:method/read_authorization=r", "", true),
            ("m:dependency/x=1 m:dependency/read_authorization=r", "", true),
            ("m:framework/x=1 m:framework/read_authorization=r", "", true),
            ("m:template/x=1 m:template/read_authorization=r", "", false),
        ] {
            let own_level = level(own);
            let below = crate::version::find(&service, own_level[0].name()).map(AsRef::as_ref);
            assert_eq!(may_read(&holder(holds), &own_level[0], below), want, "{own} {holds}");
            assert!(may_read(&Caller::Owner, &own_level[0], below));
        }
    }
}
