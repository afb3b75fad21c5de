//! version3.rs - repositories of version 3 are read, and refuse to be changed.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{PUBLISHERS, golden, now};
use ips_model::Fmri;
use ips_repository::{Fault, OpenError, Repository, WriteError};

/// A publisher of the captured repository as version 3 keeps it: its folders at the top, payloads in
/// the older layout.
fn older(place: &Path, publisher: &str) {
    let newer = golden().join("repo/publisher").join(publisher);
    for name in ["catalog", "pkg"] {
        common::copy(&newer.join(name), &place.join(name));
    }
    for (name, payload) in common::files(&newer.join("file")) {
        let hash = name.rsplit('/').next().unwrap();
        let there = place.join("file").join(&hash[..2]).join(&hash[2..8]);
        fs::create_dir_all(&there).unwrap();
        fs::write(there.join(hash), payload).unwrap();
    }
    let text = format!("[publisher]\nprefix = {publisher}\n\n[repository]\nname = old\n");
    fs::write(place.join("cfg_cache"), text).unwrap();
}

#[test]
fn it_is_read() {
    let place = tempfile::tempdir().unwrap();
    let publisher = PUBLISHERS[0];
    older(place.path(), publisher);
    let repository = Repository::open(place.path()).unwrap();
    let newer = Repository::open(&golden().join("repo")).unwrap();
    assert_eq!(repository.publishers().unwrap(), [publisher]);
    let packages = repository.packages().unwrap();
    let same = newer.packages().unwrap().into_iter();
    let same: Vec<_> = same.filter(|fmri| fmri.publisher.as_deref() == Some(publisher)).collect();
    assert_eq!(packages, same);
    let verified = repository.verify(publisher).unwrap();
    let mut faults = verified.findings.iter().map(|finding| &finding.fault);
    assert!(faults.all(|fault| *fault == Fault::Restricted), "{:?}", verified.findings);
    assert_eq!(verified.packages.len(), packages.len());
    for fmri in &packages {
        assert_eq!(
            repository.manifest_text(fmri).unwrap(),
            newer.manifest_text(fmri).unwrap(),
            "{fmri}"
        );
    }
    let others = Fmri::parse("pkg://other.example/x@1,5.11").unwrap();
    assert!(repository.manifest_path(&others).is_err());
}

#[test]
fn it_is_not_changed() {
    let place = tempfile::tempdir().unwrap();
    let publisher = PUBLISHERS[0];
    older(place.path(), publisher);
    let before = common::files(place.path());
    let repository = Repository::open(place.path()).unwrap();
    let packages = repository.packages().unwrap();
    let refused = [
        repository.rebuild(publisher, now()).map(drop),
        repository.refresh(publisher, now()).map(drop),
        repository.rebuild_index(publisher).map(drop),
        repository.remove(publisher, &packages, now()),
        repository.remove_publishers(&[publisher.to_string()]).map(drop),
        repository.replace_catalog(publisher, &[]),
        repository.add_publisher("new.example", now()),
        repository.set_property("publisher", "prefix", "new.example"),
        repository.batch().unwrap().expect(publisher),
    ];
    for (at, refused) in refused.into_iter().enumerate() {
        assert!(matches!(refused, Err(WriteError::ReadOnly(_))), "{at}: {refused:?}");
    }
    let text = repository.rebuild(publisher, now()).unwrap_err().to_string();
    assert!(text.contains("is version '3', which can be read only"), "{text}");
    assert_eq!(common::files(place.path()), before);
}

#[test]
fn without_a_publisher_it_is_refused() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("pkg5.repository"), "[repository]\nversion = 3\n").unwrap();
    let error = Repository::open(place.path()).unwrap_err();
    assert!(matches!(error, OpenError::NoPublisher(_)), "{error}");
    fs::write(place.path().join("pkg5.repository"), "[repository]\nversion = 2\n").unwrap();
    assert!(matches!(Repository::open(place.path()), Err(OpenError::Configuration { .. })));
}
