//! What a repository keeps, refuses and tells.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use smf_configd::rights::Caller;
use smf_configd::{Change, Host, Repository};
use smf_scf::handle::Handle;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Groups, Property};
use smf_scf::protocol::{Choice, Expected, Query, Refusal, Request, Response, Wanted};

const SERVICE: &str = "svc:/a/b";
const INSTANCE: &str = "svc:/a/b:c";

fn files(root: &Path) -> (PathBuf, PathBuf) {
    (root.join("repository.db"), root.join("volatile.db"))
}

fn open(root: &Path) -> Repository {
    let (lasting, volatile) = files(root);
    Repository::open(&lasting, &volatile).unwrap()
}

fn value(kind: &str, values: &[&str]) -> Property {
    Property { kind: kind.into(), values: values.iter().map(|v| (*v).to_owned()).collect() }
}

fn group(volatile: bool) -> Group {
    Group { kind: "application".into(), volatile, properties: BTreeMap::new() }
}

fn add_group(entity: &str, name: &str, volatile: bool) -> Operation {
    Operation::AddGroup(entity.into(), name.into(), group(volatile))
}

fn set(entity: &str, group: &str, name: &str, value: Property) -> Operation {
    Operation::Set(entity.into(), group.into(), name.into(), value)
}

fn filled(root: &Path) -> Repository {
    let mut repository = open(root);
    repository
        .carry_out(
            &[
                Operation::Add(SERVICE.into()),
                Operation::Add(INSTANCE.into()),
                add_group(SERVICE, "p", false),
                add_group(INSTANCE, "v", true),
                set(SERVICE, "p", "port", value("count", &["1", "2"])),
                set(INSTANCE, "v", "state", value("astring", &["on"])),
                Operation::Take(INSTANCE.into(), "running".into()),
            ],
            &Caller::Owner,
        )
        .unwrap();
    repository
}

#[test]
fn what_was_carried_out_is_there_after_opening_again() {
    let root = tempfile::tempdir().unwrap();
    let before = filled(root.path());
    let after = open(root.path());
    for repository in [&before, &after] {
        assert_eq!(repository.entities()[SERVICE], [INSTANCE]);
        assert_eq!(repository.groups(SERVICE).unwrap()["p"].properties["port"].values, ["1", "2"]);
        assert!(repository.groups(INSTANCE).unwrap()["v"].volatile);
        let (own, service) = repository.snapshot(INSTANCE, "running").unwrap().unwrap();
        assert!(own.is_empty(), "a volatile group is in no snapshot");
        assert!(service.contains_key("p"));
    }
    let (lasting, volatile) = files(root.path());
    drop((before, after));
    std::fs::remove_file(&volatile).unwrap();
    let rebooted = Repository::open(&lasting, &volatile).unwrap();
    assert!(rebooted.groups(INSTANCE).unwrap().is_empty());
}

#[test]
fn a_refused_operation_undoes_those_before_it() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = filled(root.path());
    let good = set(SERVICE, "p", "port", value("count", &["3"]));
    for (bad, what) in [
        (Operation::Add(SERVICE.into()), "exists"),
        (Operation::Add("svc:/x:y".into()), "not found"),
        (Operation::Add("svc:/x y".into()), "name"),
        (add_group(SERVICE, "p", false), "exists"),
        (add_group(SERVICE, "9", false), "name"),
        (set(SERVICE, "q", "x", value("count", &["1"])), "not found"),
        (set(SERVICE, "p", "x", value("count", &["one"])), "value"),
        (set(SERVICE, "p", "x", value("number", &["1"])), "type"),
        (Operation::RemoveGroup(SERVICE.into(), "q".into()), "not found"),
        (Operation::Unset(SERVICE.into(), "p".into(), "q".into()), "not found"),
        (Operation::Take("svc:/a/b:d".into(), "x".into()), "not found"),
    ] {
        let refusal =
            repository.carry_out(&[good.clone(), bad.clone()], &Caller::Owner).unwrap_err();
        assert!(refusal.to_string().contains(what), "{bad:?}: {refusal}");
        assert_eq!(repository.groups(SERVICE).unwrap()["p"].properties["port"].values, ["1", "2"]);
    }
    assert_eq!(open(root.path()).groups(SERVICE), repository.groups(SERVICE));
}

#[test]
fn changes_are_told_by_entity_and_group() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = filled(root.path());
    let again = set(SERVICE, "p", "port", value("count", &["1", "2"]));
    assert_eq!(repository.carry_out(&[again], &Caller::Owner).unwrap(), [], "nothing differs");
    let told = |entity: &str, group: Option<&str>| Change {
        entity: entity.into(),
        group: group.map(str::to_owned),
    };
    let other = set(SERVICE, "p", "port", value("count", &["3"]));
    assert_eq!(repository.carry_out(&[other], &Caller::Owner).unwrap(), [told(SERVICE, Some("p"))]);
    let gone = repository.delete(SERVICE, &Caller::Owner).unwrap();
    assert_eq!(gone, [told(SERVICE, None), told(INSTANCE, None)]);
    assert!(repository.entities().is_empty() && open(root.path()).entities().is_empty());
}

#[test]
fn a_role_may_what_its_authorizations_allow() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = filled(root.path());
    let role = Caller::Holder(["site.act".to_owned()].into());
    let framework = |entity: &str, name: &str, volatile| {
        let group = Group { kind: "framework".into(), ..group(volatile) };
        Operation::AddGroup(entity.into(), name.into(), group)
    };
    let order = [
        framework(INSTANCE, "general_ovr", true),
        set(INSTANCE, "general_ovr", "enabled", value("boolean", &["true"])),
    ];
    assert_eq!(repository.carry_out(&order, &role), Err(Refusal::Denied));
    let rule = [
        framework(SERVICE, "general", false),
        set(SERVICE, "general", "action_authorization", value("astring", &["site.act"])),
    ];
    assert_eq!(repository.carry_out(&rule, &role), Err(Refusal::Denied), "not by itself");
    repository.carry_out(&rule, &Caller::Owner).unwrap();
    repository.carry_out(&order, &role).unwrap();
    assert_eq!(repository.delete(SERVICE, &role), Err(Refusal::Denied));
    let take = [Operation::Take(INSTANCE.into(), "mine".into())];
    assert_eq!(repository.carry_out(&take, &role), Err(Refusal::Denied));
}

#[test]
fn many_instances_are_read_at_once() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = filled(root.path());
    let operations = [
        add_group(INSTANCE, "p", false),
        set(INSTANCE, "p", "port", value("count", &["9"])),
        set(SERVICE, "p", "host", value("astring", &["h"])),
        Operation::Add("svc:/a/b:d".into()),
    ];
    repository.carry_out(&operations, &Caller::Owner).unwrap();
    let text = |groups: &Groups| -> String {
        let every = groups.iter().flat_map(|(name, group)| {
            group.properties.iter().map(move |(p, v)| format!("{name}/{p}={}", v.values.join(",")))
        });
        every.collect::<Vec<_>>().join(" ")
    };
    let property = |group: &str, name: &str| Wanted::Property(group.into(), name.into());
    for (live, running, want) in [
        (
            Choice::Everything,
            Choice::Nothing,
            ["p/host=h p/port=9 v/state=on|", "p/host=h p/port=1,2|"],
        ),
        (
            Choice::These(vec![property("v", "state"), property("p", "port")]),
            Choice::These(vec![Wanted::Kind("application".into())]),
            // The snapshot was taken before; an instance without one shows what is live.
            ["p/port=9 v/state=on|p/port=1,2", "p/port=1,2|p/host=h p/port=1,2"],
        ),
        (Choice::These(vec![Wanted::Group("none".into())]), Choice::Nothing, ["|", "|"]),
    ] {
        let query = Query { instances: None, live, running };
        let found = repository.composed(&query);
        let shown = found.iter().map(|one| format!("{}|{}", text(&one.live), text(&one.running)));
        assert_eq!(shown.collect::<Vec<_>>(), want, "{query:?}");
    }
    let instances = Some(vec!["svc:/a/b:d".into(), SERVICE.into(), "svc:/no:no".into()]);
    let found = repository.composed(&Query { instances, ..Query::default() });
    assert_eq!(found.iter().map(|one| &one.instance).collect::<Vec<_>>(), ["svc:/a/b:d"]);
}

#[test]
fn a_snapshot_is_gone_back_to_and_removed() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = filled(root.path());
    let enabled = |repository: &Repository| {
        repository.groups(INSTANCE).unwrap()["general"].properties["enabled"].values.clone()
    };
    let operations = [
        set(SERVICE, "p", "port", value("count", &["3"])),
        add_group(INSTANCE, "q", false),
        add_group(INSTANCE, "general", false),
        set(INSTANCE, "general", "enabled", value("boolean", &["true"])),
    ];
    repository.carry_out(&operations, &Caller::Owner).unwrap();
    repository.revert(INSTANCE, "running", &Caller::Owner).unwrap();
    assert_eq!(repository.groups(SERVICE).unwrap()["p"].properties["port"].values, ["1", "2"]);
    let groups = repository.groups(INSTANCE).unwrap();
    assert!(!groups.contains_key("q"), "made after the snapshot");
    assert!(groups.contains_key("v"), "what is volatile stays");
    assert_eq!(enabled(&repository), ["true"], "whether it is enabled stays");
    repository.revert(INSTANCE, "previous", &Caller::Owner).unwrap();
    assert!(repository.groups(INSTANCE).unwrap().contains_key("q"));
    repository.remove_snapshot(INSTANCE, "previous", &Caller::Owner).unwrap();
    assert_eq!(repository.snapshots(INSTANCE).unwrap(), ["running"]);
    assert_eq!(open(root.path()).snapshots(INSTANCE).unwrap(), ["running"]);
    for refused in [
        repository.revert(INSTANCE, "none", &Caller::Owner),
        repository.remove_snapshot(INSTANCE, "none", &Caller::Owner),
    ] {
        assert_eq!(refused, Err(Refusal::NotFound("none".into())));
    }
}

#[test]
fn what_was_started_is_what_runs() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = filled(root.path());
    let take = |name: &str| Operation::Take(INSTANCE.into(), name.into());
    let edit = set(SERVICE, "p", "port", value("count", &["3"]));
    repository.carry_out(&[edit, take("start")], &Caller::Owner).unwrap();
    let of = |repository: &Repository, name: &str| repository.snapshot(INSTANCE, name).unwrap();
    assert_eq!(of(&repository, "start"), of(&repository, "running"));
    repository.carry_out(&[take("running")], &Caller::Owner).unwrap();
    assert_ne!(of(&repository, "start"), of(&repository, "running"));
    let (reopened, there) = (open(root.path()), of(&repository, "start"));
    assert!(there.is_some() && of(&reopened, "start") == there);
}

#[test]
fn protected_values_are_for_some() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = filled(root.path());
    repository
        .carry_out(&[Operation::Take(INSTANCE.into(), "old".into())], &Caller::Owner)
        .unwrap();
    let rule = value("astring", &["site.read"]);
    let protect = [
        set(SERVICE, "p", "read_authorization", rule.clone()),
        add_group(SERVICE, "open", false),
        set(SERVICE, "open", "x", value("count", &["7"])),
        // A group of the instance is as its service's of the same name and type.
        add_group(INSTANCE, "p", false),
        set(INSTANCE, "p", "key", value("astring", &["secret"])),
        Operation::Take(INSTANCE.into(), "new".into()),
    ];
    repository.carry_out(&protect, &Caller::Owner).unwrap();
    let everything =
        Query { live: Choice::Everything, running: Choice::Everything, ..Query::default() };
    for (holds, reads) in [(vec![], false), (vec!["site.other"], false), (vec!["site.read"], true)]
    {
        let caller = Caller::Holder(holds.into_iter().map(str::to_owned).collect());
        let view = repository.seen_by(&caller);
        let mut seen = vec![view.groups(SERVICE).unwrap(), view.groups(INSTANCE).unwrap()];
        // Also in a snapshot that was taken before it was protected.
        for name in ["old", "new", "running"] {
            let (own, service) = view.snapshot(INSTANCE, name).unwrap().unwrap();
            seen.extend([own, service]);
        }
        for composed in view.composed(&everything) {
            seen.extend([composed.live, composed.running]);
        }
        for (name, group) in seen.iter().flatten() {
            for (property, value) in &group.properties {
                let shown = reads || name != "p";
                assert_eq!(!value.values.is_empty(), shown, "{name}/{property} {caller:?}");
            }
        }
        let hidden: &[&str] = if reads { &[] } else { &["p"] };
        assert_eq!(view.hidden(SERVICE).unwrap().into_iter().collect::<Vec<_>>(), hidden);
        assert_eq!(view.hidden(INSTANCE).unwrap().into_iter().collect::<Vec<_>>(), hidden);
    }
}

#[test]
fn one_opened_for_reading_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    drop(filled(root.path()));
    let (lasting, volatile) = files(root.path());
    let mut repository = Repository::open_read_only(&lasting, &volatile).unwrap();
    assert_eq!(repository.entities()[SERVICE], [INSTANCE]);
    let refused = repository.delete(SERVICE, &Caller::Owner).unwrap_err();
    assert_eq!(refused, Refusal::ReadOnly);
    assert_eq!(repository.entities()[SERVICE], [INSTANCE]);
}

#[test]
fn clients_change_and_the_restarter_hears() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(filled(root.path())).unwrap();
    let door = root.path().join("door");
    host.serve(&door, root.path()).unwrap();
    let mut client = Handle::connect(&door).unwrap();
    let Response::Mark(mark) = client.call(&Request::Mark).unwrap() else { panic!() };
    // One waits while another changes.
    let mut waiting = Handle::connect(&door).unwrap();
    let waiter = std::thread::spawn(move || {
        waiting.call(&Request::Wait { since: mark, longest_ms: 30_000 }).unwrap()
    });
    let change = set(SERVICE, "p", "port", value("count", &["9"]));
    assert_eq!(client.call(&Request::CarryOut(vec![change])).unwrap(), Response::Done);
    assert_eq!(waiter.join().unwrap(), Response::Mark(mark + 1));
    // And one waits for a group, which another group's change does not wake.
    let Response::Generation(generation) =
        client.call(&Request::Generation(SERVICE.into(), "p".into())).unwrap()
    else {
        panic!()
    };
    let mut waiting = Handle::connect(&door).unwrap();
    let known = Expected { entity: SERVICE.into(), group: "p".into(), generation };
    let still = waiting.call(&Request::WaitGroup(known.clone(), 0)).unwrap();
    assert_eq!(still, Response::Generation(generation), "nothing has changed");
    let changes = host.changes();
    let waiter =
        std::thread::spawn(move || waiting.call(&Request::WaitGroup(known, 30_000)).unwrap());
    let operations = vec![add_group(SERVICE, "q", false)];
    client.call(&Request::CarryOut(operations)).unwrap();
    let operations = vec![set(SERVICE, "p", "port", value("count", &["10"]))];
    client.call(&Request::CarryOut(operations)).unwrap();
    let now = host.read(|repository| repository.generation(SERVICE, "p"));
    assert!(now > generation);
    assert_eq!(waiter.join().unwrap(), Response::Generation(now));
    assert_eq!(host.changes().len(), 2);
    assert_eq!(changes, [Change { entity: SERVICE.into(), group: Some("p".into()) }]);
    assert_eq!(host.changes(), []);
    let refused = client.call(&Request::Groups("svc:/no".into())).unwrap_err();
    assert_eq!(refused.to_string(), "svc:/no: not found");
    // Nonsense ends a connection and nothing else.
    use std::io::Write;
    UnixStream::connect(&door).unwrap().write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(matches!(client.call(&Request::Entities).unwrap(), Response::Entities(_)));
}

#[test]
fn a_private_repository_is_one_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("own.db");
    let mut repository = Repository::open_private(&path).unwrap();
    let operations = [Operation::Add(SERVICE.into()), add_group(SERVICE, "p", false)];
    repository.carry_out(&operations, &Caller::Owner).unwrap();
    repository.carry_out(&[add_group(SERVICE, "v", true)], &Caller::Owner).unwrap();
    drop(repository);
    let groups = Repository::open_private(&path).unwrap().groups(SERVICE).unwrap().clone();
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["p"]);
}

fn expected(repository: &Repository, entity: &str, group: &str) -> Expected {
    let generation = repository.generation(entity, group);
    Expected { entity: entity.into(), group: group.into(), generation }
}

#[test]
fn a_commit_upon_what_has_changed_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = filled(root.path());
    let port = |port: &str| set(SERVICE, "p", "port", value("count", &[port]));
    let read = expected(&repository, SERVICE, "p");
    let absent = expected(&repository, SERVICE, "q");
    assert_eq!(absent.generation, 0);
    let both = [read.clone(), absent.clone()];
    repository.carry_out_upon(&both, &[port("3")], &Caller::Owner).unwrap();
    let refused = repository.carry_out_upon(&both, &[port("4")], &Caller::Owner);
    assert_eq!(refused, Err(Refusal::Outdated("svc:/a/b/:properties/p".into())));
    assert_eq!(repository.group(SERVICE, "p").unwrap().properties["port"].values, ["3"]);
    // An empty commit gives no new generation; a group that is removed and made again has one.
    let read = expected(&repository, SERVICE, "p");
    repository.carry_out(&[port("3")], &Caller::Owner).unwrap();
    assert_eq!(expected(&repository, SERVICE, "p"), read);
    let again = [
        Operation::RemoveGroup(SERVICE.into(), "p".into()),
        add_group(SERVICE, "p", false),
        port("3"),
    ];
    repository.carry_out(&again, &Caller::Owner).unwrap();
    assert_ne!(expected(&repository, SERVICE, "p"), read);
    repository.carry_out(&[add_group(SERVICE, "q", true)], &Caller::Owner).unwrap();
    assert!(repository.carry_out_upon(&[absent], &[port("5")], &Caller::Owner).is_err());
    // Nor does opening it again give one that somebody may remember.
    let last = repository.generation(SERVICE, "q");
    let gone = [
        Operation::RemoveGroup(SERVICE.into(), "p".into()),
        Operation::RemoveGroup(SERVICE.into(), "q".into()),
    ];
    repository.carry_out(&gone, &Caller::Owner).unwrap();
    drop(repository);
    let mut repository = open(root.path());
    repository.carry_out(&[add_group(SERVICE, "q", true)], &Caller::Owner).unwrap();
    assert!(repository.generation(SERVICE, "q") > last);
}

/// Number of rows of versions in the lasting file.
fn versions(root: &Path) -> i64 {
    let (lasting, _) = files(root);
    let file = rusqlite::Connection::open(lasting).unwrap();
    file.query_row("SELECT count(*) FROM generation", [], |row| row.get(0)).unwrap()
}

#[test]
fn snapshots_share_what_they_hold() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = filled(root.path());
    let act = |repository: &mut Repository, operations: &[Operation]| {
        repository.carry_out(operations, &Caller::Owner).unwrap();
    };
    let take = |name: &str| Operation::Take(INSTANCE.into(), name.into());
    act(&mut repository, &[add_group(INSTANCE, "own", false), take("a"), take("b")]);
    let own = repository.groups(INSTANCE).unwrap();
    let record = Operation::Record {
        instance: INSTANCE.into(),
        name: "last-import".into(),
        own: own.into_iter().filter(|(_, group)| !group.volatile).collect(),
        service: repository.groups(SERVICE).unwrap(),
    };
    act(&mut repository, &[record]);
    assert_eq!(versions(root.path()), 2, "p of the service and own of the instance");
    // What nothing refers to any more goes with the commit after, or when it is opened next.
    let port = |port: &str| set(SERVICE, "p", "port", value("count", &[port]));
    act(&mut repository, &[port("3")]);
    act(&mut repository, &[port("4")]);
    act(&mut repository, &[take("a")]);
    assert_eq!(versions(root.path()), 3, "p as it was, p as it is, and own");
    repository.delete(INSTANCE, &Caller::Owner).unwrap();
    drop(repository);
    let mut repository = open(root.path());
    act(&mut repository, &[port("5")]);
    act(&mut repository, &[port("6")]);
    drop(repository);
    act(&mut open(root.path()), &[add_group(SERVICE, "q", false)]);
    assert_eq!(versions(root.path()), 2, "p and q of the service");
}

/// What is told of an instance is now a little longer, now a little shorter; its row in the file
/// keeps its length, so that nothing but the row has to be written.
#[test]
fn a_volatile_group_is_written_in_its_place() {
    let root = tempfile::tempdir().unwrap();
    let mut repository = filled(root.path());
    let name = |number: usize| format!("{SERVICE}:i{number:03}");
    let made = (0..200).flat_map(|number| {
        let state = value("astring", &["offline"]);
        let name = name(number);
        [Operation::Add(name.clone()), add_group(&name, "v", true), set(&name, "v", "state", state)]
    });
    repository.carry_out(&made.collect::<Vec<_>>(), &Caller::Owner).unwrap();
    let log = root.path().join("volatile.db-wal");
    let length = || std::fs::metadata(&log).unwrap().len();
    // A page and its head.
    let least = 4096 + 24;
    for number in 0..200 {
        for text in ["online", &"x".repeat(250), ""] {
            let before = length();
            let operation = set(&name(number), "v", "told", value("astring", &[text]));
            repository.carry_out(&[operation], &Caller::Owner).unwrap();
            assert_eq!(length() - before, least, "{number} {text}");
        }
    }
    drop(repository);
    let told = open(root.path()).group(&name(7), "v").unwrap().properties["told"].clone();
    assert_eq!(told, value("astring", &[""]));
}
