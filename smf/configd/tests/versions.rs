//! A file of each earlier version is opened and holds what it held.
//!
//! `versions/N.db` was written by the program whose newest version was N, all with the contents
//! that `versions/contents.txt` shows.  One is added with each version; none is ever changed.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use smf_configd::rights::Caller;
use smf_configd::{OpenError, Repository};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Groups, Property};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/versions")
}

fn versions() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "db"));
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    files
}

fn show(out: &mut String, of: &str, groups: &Groups) {
    for (name, group) in groups {
        writeln!(out, "{of} {name} {} {}", group.kind, group.volatile).unwrap();
        for (property, value) in &group.properties {
            writeln!(out, "    {property} {} {:?}", value.kind, value.values).unwrap();
        }
    }
}

fn contents(repository: &Repository) -> String {
    let mut out = String::new();
    for (service, instances) in repository.entities() {
        for fmri in [service].into_iter().chain(instances) {
            writeln!(out, "{fmri}").unwrap();
            show(&mut out, "  live", &repository.groups(&fmri).unwrap());
            for name in repository.snapshots(&fmri).unwrap() {
                let (own, service) = repository.snapshot(&fmri, &name).unwrap().unwrap();
                show(&mut out, &format!("  {name} instance"), &own);
                show(&mut out, &format!("  {name} service"), &service);
            }
        }
    }
    out
}

fn copied(from: &Path, root: &Path) -> (PathBuf, PathBuf) {
    let lasting = root.join("repository.db");
    std::fs::copy(from, &lasting).unwrap();
    (lasting, root.join("volatile.db"))
}

#[test]
fn every_earlier_version_is_read_and_brought_up_to_date() {
    let want = std::fs::read_to_string(folder().join("contents.txt")).unwrap();
    for file in versions() {
        let root = tempfile::tempdir().unwrap();
        let (lasting, volatile) = copied(&file, root.path());
        let before = std::fs::read(&lasting).unwrap();
        let read = Repository::open_read_only(&lasting, &volatile).unwrap();
        assert_eq!(contents(&read), want, "{} read only", file.display());
        drop(read);
        assert_eq!(std::fs::read(&lasting).unwrap(), before, "reading changes nothing");
        assert_eq!(contents(&Repository::open(&lasting, &volatile).unwrap()), want, "{file:?}");
        let mut again = Repository::open(&lasting, &volatile).unwrap();
        assert_eq!(contents(&again), want, "{file:?} once more");
        let add = Operation::Add("svc:/site/new".into());
        again.carry_out(&[add], &Caller::Owner).unwrap();
        drop(again);
        let private = root.path().join("private.db");
        std::fs::copy(&file, &private).unwrap();
        assert_eq!(contents(&Repository::open_private(&private).unwrap()), want, "{file:?}");
    }
}

#[test]
fn a_version_of_the_future_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let (lasting, volatile) = copied(&versions()[0], root.path());
    let future = rusqlite::Connection::open(&lasting).unwrap();
    future.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(future);
    for error in [
        Repository::open(&lasting, &volatile).unwrap_err(),
        Repository::open_read_only(&lasting, &volatile).unwrap_err(),
    ] {
        assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    }
}

/// `SVCCFG_REPOSITORY` may be mistyped.
#[test]
fn what_is_no_repository_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let (text, database) = (root.path().join("text"), root.path().join("database"));
    std::fs::write(&text, "root:x:0:0:root:/root:/bin/bash\n".repeat(50)).unwrap();
    let other = rusqlite::Connection::open(&database).unwrap();
    other
        .execute_batch("CREATE TABLE bookmark (address); INSERT INTO bookmark VALUES (1)")
        .unwrap();
    drop(other);
    for (path, why) in [(&text, "damaged"), (&database, "not a repository")] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
        let before = std::fs::read(path).unwrap();
        let error = Repository::open_private(path).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(std::fs::read(path).unwrap(), before, "{why}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644, "{why}");
    }
    let error = Repository::open(&database, &root.path().join("volatile.db")).unwrap_err();
    assert!(matches!(error, OpenError::Foreign(_)), "{error}");
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 3);
}

/// The volatile file outlives an upgrade of the programs within a boot.
#[test]
fn volatile_groups_of_earlier_versions_are_kept() {
    let first = "CREATE TABLE property_group (
            entity TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, properties TEXT NOT NULL,
            PRIMARY KEY (entity, name)) WITHOUT ROWID;
         INSERT INTO property_group VALUES ('svc:/site/sample:one', 'restarter', 'framework',
            '{\"state\":{\"kind\":\"astring\",\"values\":[\"online\"]}}')";
    let second = "CREATE TABLE property_group (
            entity TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
            generation INTEGER NOT NULL, properties TEXT NOT NULL,
            PRIMARY KEY (entity, name)) WITHOUT ROWID;
         CREATE TABLE stamp (name TEXT PRIMARY KEY) WITHOUT ROWID;
         INSERT INTO property_group VALUES ('svc:/site/sample:one', 'restarter', 'framework', 4711,
            'state\tastring\tonline\n');
         PRAGMA user_version = 2";
    for written in [first, second] {
        let root = tempfile::tempdir().unwrap();
        let (lasting, volatile) = copied(&versions()[0], root.path());
        let old = rusqlite::Connection::open(&volatile).unwrap();
        old.execute_batch(written).unwrap();
        drop(old);
        let same = |repository: &Repository| {
            let group = repository.group("svc:/site/sample:one", "restarter").unwrap();
            assert!(group.volatile);
            assert_eq!(group.properties["state"].values, ["online"]);
        };
        same(&Repository::open_read_only(&lasting, &volatile).unwrap());
        same(&Repository::open(&lasting, &volatile).unwrap());
        let mut again = Repository::open(&lasting, &volatile).unwrap();
        same(&again);
        let value = Property { kind: "astring".into(), values: vec!["disabled".into()] };
        let (whose, group) = ("svc:/site/sample:one".to_owned(), "restarter".to_owned());
        let set = Operation::Set(whose.clone(), group.clone(), "state".into(), value);
        again.carry_out(&[set], &Caller::Owner).unwrap();
        drop(again);
        let group = Repository::open(&lasting, &volatile).unwrap().group(&whose, &group).unwrap();
        assert_eq!(group.properties["state"].values, ["disabled"]);
    }
}
