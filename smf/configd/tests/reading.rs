//! reading.rs - what is read in parts is what the whole repository says.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use smf_configd::rights::Caller;
use smf_configd::{Reading, Repository};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};
use smf_scf::protocol::{Choice, Columns, Query, Wanted};

const KINDS: [&str; 3] = ["framework", "dependency", "application"];

fn dice(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 40).unwrap()
}

/// Services with instances; groups of the same name that differ in type, property and persistence
/// between the two; snapshots that lag behind.
fn filled(root: &Path, services: usize) -> Repository {
    let mut repository = Repository::open(&root.join("l"), &root.join("v")).unwrap();
    let (mut seed, mut operations) = (7, Vec::new());
    for number in 0..services {
        let service = format!("svc:/s{number}");
        let mut entities = vec![service.clone()];
        entities.extend((0..dice(&mut seed) % 3).map(|at| format!("{service}:i{at}")));
        for fmri in &entities {
            operations.push(Operation::Add(fmri.clone()));
            for name in ["a", "b", "c"] {
                if dice(&mut seed) % 3 == 0 {
                    continue;
                }
                let kind = KINDS[dice(&mut seed) % 3].to_owned();
                let volatile = dice(&mut seed) % 4 == 0 && fmri != &service;
                let group = Group { kind, volatile, ..Group::default() };
                operations.push(Operation::AddGroup(fmri.clone(), name.into(), group));
                for property in ["x", "y"].iter().take(dice(&mut seed) % 3) {
                    let values = vec![dice(&mut seed).to_string()];
                    let value = Property { kind: "count".into(), values };
                    operations.push(Operation::Set(
                        fmri.clone(),
                        name.into(),
                        (*property).to_owned(),
                        value,
                    ));
                }
            }
        }
        for instance in entities.iter().skip(1) {
            let taken = ["running", "other"].into_iter().filter(|_| dice(&mut seed) % 2 == 0);
            operations.extend(taken.map(|name| Operation::Take(instance.clone(), name.into())));
            let group = Group { kind: "dependency".into(), ..Group::default() };
            operations.push(Operation::AddGroup(instance.clone(), "late".into(), group));
        }
    }
    repository.carry_out(&operations, &Caller::Owner).unwrap();
    repository
}

fn choices() -> Vec<Choice> {
    let kind = |kind: &str| Wanted::Kind(kind.into());
    vec![
        Choice::Nothing,
        Choice::Everything,
        Choice::These(vec![Wanted::Group("a".into())]),
        Choice::These(vec![Wanted::Property("b".into(), "x".into()), kind("framework")]),
        Choice::These(vec![kind("dependency")]),
    ]
}

#[test]
fn a_part_is_a_part_of_the_whole() {
    for (services, volatile) in [(40, true), (40, false), (700, true)] {
        let root = tempfile::tempdir().unwrap();
        drop(filled(root.path(), services));
        let (lasting, volatile) =
            (root.path().join("l"), root.path().join(if volatile { "v" } else { "none" }));
        let whole = Repository::open_read_only(&lasting, &volatile).unwrap();
        let mut reading = Reading::open(&lasting, &volatile).unwrap();
        let entities = whole.entities();
        assert_eq!(reading.entities().unwrap(), entities);
        let all: Vec<String> = entities.values().flatten().cloned().collect();
        assert!(all.len() > services / 2);
        let few: Vec<String> = all.iter().rev().step_by(3).take(20).cloned().collect();
        let absent = vec!["svc:/none:i".to_owned(), all[0].clone()];
        for instances in [None, Some(all.clone()), Some(few.clone()), Some(absent), Some(vec![])] {
            for (live, running) in choices()
                .into_iter()
                .flat_map(|one| choices().into_iter().map(move |o| (one.clone(), o)))
            {
                let query = Query { instances: instances.clone(), live, running };
                assert_eq!(reading.composed(&query).unwrap(), whole.composed(&query), "{query:?}");
            }
            let path = |group: &str, name: &str| (group.to_owned(), name.to_owned());
            for (own, live, running) in [
                (vec![], vec![], vec![]),
                (vec![path("a", "x")], vec![path("b", "x"), path("b", "y")], vec![]),
                (vec![path("c", "y")], vec![], vec![path("a", "x")]),
            ] {
                let columns = Columns { instances: instances.clone(), own, live, running };
                let owner = whole.seen_by(&Caller::Owner);
                assert_eq!(reading.table(&columns).unwrap(), owner.table(&columns), "{columns:?}");
            }
        }
        for fmri in few.iter().chain(entities.keys().take(20)) {
            assert_eq!(reading.groups(fmri).unwrap(), whole.groups(fmri).unwrap());
            assert_eq!(reading.snapshots(fmri).unwrap(), whole.snapshots(fmri).unwrap());
            assert_eq!(reading.generation(fmri, "a").unwrap(), whole.generation(fmri, "a"));
            for name in ["running", "other", "none"] {
                let (part, all) = (reading.snapshot(fmri, name), whole.snapshot(fmri, name));
                assert_eq!(part.unwrap(), all.unwrap(), "{fmri} {name}");
            }
        }
        assert!(reading.groups("svc:/none").is_err());
        assert!(reading.snapshot("svc:/none:i", "running").is_err());
    }
}

#[test]
fn a_settled_repository_has_empty_logs_and_reads_the_same() {
    let root = tempfile::tempdir().unwrap();
    let host = smf_configd::Host::new(filled(root.path(), 40)).unwrap();
    let (lasting, volatile) = (root.path().join("l"), root.path().join("v"));
    let before = host.read(|repository| repository.entities());
    let logs = || ["l-wal", "v-wal"].map(|log| root.path().join(log).metadata().unwrap().len());
    assert!(logs().iter().all(|length| *length > 0));
    host.settle();
    assert_eq!(logs(), [0, 0]);
    assert_eq!(Reading::open(&lasting, &volatile).unwrap().entities().unwrap(), before);
    // And goes on being one that can be written.
    host.update(|_| vec![Operation::Add("svc:/new".into())]).unwrap();
    let after = Reading::open(&lasting, &volatile).unwrap().entities().unwrap();
    assert_eq!(after.len(), before.len() + 1);
}
