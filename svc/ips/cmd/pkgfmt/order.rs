//! order.rs - which of two actions comes first.
//!
//! `set` first, among them pkg.fmri and then what begins with `pkg.`; `depend` last.  Between, the
//! older form goes by type, the newer one by path, with drivers and accounts and then licences
//! after what delivers to the file system.

use std::cmp::Ordering;

use ips_model::{Action, Kind};

use crate::options::Form;

/// Compares.
pub fn compare(one: &Action, other: &Action, form: Form) -> Ordering {
    let by_type = || match form {
        Form::V1 => one.kind.as_str().cmp(other.kind.as_str()),
        Form::V2 => Ordering::Equal,
    };
    group(one.kind, form)
        .cmp(&group(other.kind, form))
        .then_with(by_type)
        .then_with(|| rank_of_set(one, form).cmp(&rank_of_set(other, form)))
        .then_with(|| by_key(one, other, form))
        .then_with(|| one.to_string().cmp(&other.to_string()))
}

fn group(kind: Kind, form: Form) -> u8 {
    match (kind, form) {
        (Kind::Set, _) => 1,
        (Kind::Driver | Kind::Group | Kind::User, Form::V2) => 3,
        (Kind::Legacy | Kind::License, Form::V2) => 4,
        (Kind::Depend, _) => 5,
        (
            Kind::Dir
            | Kind::File
            | Kind::Hardlink
            | Kind::Link
            | Kind::Signature
            | Kind::Driver
            | Kind::Group
            | Kind::User
            | Kind::Legacy
            | Kind::License,
            _,
        ) => 2,
    }
}

fn rank_of_set(action: &Action, form: Form) -> u8 {
    if action.kind != Kind::Set {
        return 0;
    }
    match (action.key().unwrap_or_default(), form) {
        ("pkg.fmri", _) => 0,
        ("pkg.summary", Form::V2) => 1,
        ("pkg.description", Form::V2) => 2,
        (name, _) if name.starts_with("pkg.") => 3,
        _ => 4,
    }
}

/// Actions whose key attributes have other names do not compare by them.
fn by_key(one: &Action, other: &Action, form: Form) -> Ordering {
    let key = one.kind.key_attribute();
    if key != other.kind.key_attribute() {
        return Ordering::Equal;
    }
    let pair = |first: &str, second: &str| {
        let of = |action: &Action| (action.values(first).to_vec(), action.values(second).to_vec());
        of(one).cmp(&of(other))
    };
    let both = |name: &str| one.get(name).is_some() && other.get(name).is_some();
    match form {
        Form::V2 if both("path") && both("target") => pair("path", "target"),
        Form::V2 if one.kind == Kind::Depend => pair("type", "fmri"),
        Form::V1 | Form::V2 => one.values(key).cmp(other.values(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_differ() {
        let lines = [
            "depend type=require fmri=a",
            "license license=l",
            "driver name=d",
            "link path=b target=a",
            "dir path=b/c",
            "file path=b/a",
            "dir path=a",
            "set name=info.x value=1",
            "set name=pkg.zone value=1",
            "set name=pkg.description value=1",
            "set name=pkg.summary value=1",
            "set name=pkg.fmri value=x@1",
        ];
        for (form, expected) in [
            (Form::V2, [11, 10, 9, 8, 7, 6, 3, 5, 4, 2, 1, 0]),
            (Form::V1, [11, 9, 10, 8, 7, 6, 4, 2, 5, 1, 3, 0]),
        ] {
            let mut actions: Vec<Action> =
                lines.iter().map(|line| Action::parse(line).unwrap()).collect();
            actions.sort_by(|one, other| compare(one, other, form));
            let sorted: Vec<String> = actions.iter().map(ToString::to_string).collect();
            let wanted = expected.map(|at| Action::parse(lines[at]).unwrap().to_string());
            assert_eq!(sorted, wanted, "{form:?}");
        }
    }
}
