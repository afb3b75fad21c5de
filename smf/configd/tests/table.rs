//! table.rs - a few properties of many instances: which level they come from, and in which order
//! the rows stand.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use smf_configd::Repository;
use smf_configd::rights::Caller;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};
use smf_scf::protocol::Columns;

fn set(entity: &str, path: &str, values: &[&str]) -> Operation {
    let (group, name) = path.split_once('/').unwrap();
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    let value = Property { kind: "astring".into(), values };
    Operation::Set(entity.into(), group.into(), name.into(), value)
}

fn group(entity: &str, name: &str, volatile: bool) -> Operation {
    let group = Group { kind: "application".into(), volatile, ..Group::default() };
    Operation::AddGroup(entity.into(), name.into(), group)
}

fn repository(root: &std::path::Path) -> Repository {
    let mut repository = Repository::open(&root.join("l"), &root.join("v")).unwrap();
    let operations = [
        Operation::Add("svc:/s".into()),
        Operation::Add("svc:/s:a".into()),
        Operation::Add("svc:/s:b".into()),
        group("svc:/s", "g", false),
        group("svc:/s:a", "g", false),
        group("svc:/s:a", "v", true),
        set("svc:/s", "g/x", &["service"]),
        set("svc:/s", "g/y", &["of|the", "ser\tvice"]),
        set("svc:/s:a", "g/x", &["own"]),
        set("svc:/s:a", "v/x", &["1"]),
        Operation::Take("svc:/s:a".into(), "running".into()),
        set("svc:/s:a", "g/x", &["later"]),
    ];
    repository.carry_out(&operations, &Caller::Owner).unwrap();
    repository
}

fn columns(own: &str, live: &str, running: &str) -> Columns {
    let of = |text: &str| {
        let paths = text.split_whitespace().map(|path| path.split_once('/').unwrap());
        paths.map(|(group, name)| (group.to_owned(), name.to_owned())).collect()
    };
    Columns { instances: None, own: of(own), live: of(live), running: of(running) }
}

#[test]
fn where_values_come_from() {
    let root = tempfile::tempdir().unwrap();
    let repository = repository(root.path());
    for (columns, expected) in [
        (columns("", "", ""), ["svc:/s:a", "svc:/s:b"]),
        (columns("g/x v/x", "", ""), ["svc:/s:a|later|1", "svc:/s:b||"]),
        (columns("g/y", "", ""), ["svc:/s:a|", "svc:/s:b|"]),
        (columns("", "g/x", ""), ["svc:/s:a|later", "svc:/s:b|service"]),
        (
            columns("", "g/y g/x", ""),
            ["svc:/s:a|of\\|the,ser\tvice|later", "svc:/s:b|of\\|the,ser\tvice|service"],
        ),
        // Of an instance that never ran, what runs is what it has.
        (columns("", "", "g/x"), ["svc:/s:a|own", "svc:/s:b|service"]),
        (columns("", "none/x", "v/x"), ["svc:/s:a||", "svc:/s:b||"]),
    ] {
        assert_eq!(repository.seen_by(&Caller::Owner).table(&columns), expected, "{columns:?}");
    }
}

#[test]
fn those_that_are_asked_for_stand_in_that_order() {
    let root = tempfile::tempdir().unwrap();
    let repository = repository(root.path());
    let asked = ["svc:/s:b", "svc:/s:none", "svc:/s", "svc:/s:a"].map(str::to_owned).to_vec();
    let columns = Columns { instances: Some(asked), ..Columns::default() };
    let rows = repository.seen_by(&Caller::Owner).table(&columns);
    assert_eq!(rows, ["svc:/s:b", "svc:/s:a"]);
}

#[test]
fn what_may_not_be_read_is_empty() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = repository(root.path());
    let protected = [set("svc:/s", "g/read_authorization", &["site.read"])];
    repository.carry_out(&protected, &Caller::Owner).unwrap();
    let nobody = Caller::Holder(BTreeSet::new());
    let rows = repository.seen_by(&nobody).table(&columns("", "g/x", "g/x"));
    assert_eq!(rows, ["svc:/s:a||", "svc:/s:b||"]);
}
