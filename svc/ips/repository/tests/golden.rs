//! golden.rs - what pkg5 made of the same inputs: read, made again byte for byte, copied.
//!
//! `golden/input` are source manifests and their files, `golden/repo` the repository pkg5 made
//! of them, publishing one after the other.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use common::{PARTS, PUBLISHERS, copied, files, golden, now, publish_inputs};
use ips_model::catalog::Log;
use ips_model::digest::sha1_hex;
use ips_repository::{Appended, Repository, Stored, WriteError, unpack_file};

#[test]
fn a_repository_is_created_as_pkg5_does() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("not/there");
    let repository = Repository::create(&root).unwrap();
    let created = fs::read(golden().join("created.pkg5.repository")).unwrap();
    assert_eq!(fs::read(root.join("pkg5.repository")).unwrap(), created);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
    assert!(Repository::create(&root).is_err(), "it is not empty");
    assert!(repository.publishers().unwrap().is_empty());
    repository.add_publisher("orchard.example", now()).unwrap();
    let description = repository.description("orchard.example").unwrap().unwrap();
    let theirs = golden().join("repo/publisher/orchard.example/pub.p5i");
    assert_eq!(description, fs::read_to_string(theirs).unwrap());
    assert_eq!(repository.default_publisher().unwrap().as_deref(), Some("orchard.example"));
}

#[test]
fn publishing_gives_the_same_bytes() {
    let place = tempfile::tempdir().unwrap();
    let repository = Repository::create(&place.path().join("repo")).unwrap();
    repository.set_property("repository", "compression", "zlib").unwrap();
    for publisher in ["orchard.example", "harbour.example"] {
        repository.add_publisher(publisher, now()).unwrap();
    }
    publish_inputs(&repository);
    let theirs = golden().join("repo/publisher");
    for publisher in PUBLISHERS {
        let ours = repository.root().join("publisher").join(publisher);
        for folder in ["pkg", "file"] {
            let theirs = files(&theirs.join(publisher).join(folder));
            assert_eq!(files(&ours.join(folder)), theirs, "{publisher} {folder}");
        }
        for part in PARTS {
            let read = |place: std::path::PathBuf| fs::read(place.join("catalog").join(part)).ok();
            assert_eq!(read(ours.clone()), read(theirs.join(publisher)), "{publisher} {part}");
        }
        for locale in ["C", "de"] {
            assert_eq!(log(&ours, locale), log(&theirs.join(publisher), locale), "{publisher}");
        }
    }
}

/// The one update log of a publisher, without the times.
fn log(publisher: &std::path::Path, locale: &str) -> Option<BTreeMap<String, String>> {
    let name = fs::read_dir(publisher.join("catalog")).unwrap().find_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        (name.starts_with("update.") && name.ends_with(&format!(".{locale}"))).then_some(name)
    })?;
    let log = Log::parse(&fs::read_to_string(publisher.join("catalog").join(name)).unwrap());
    let mut told = BTreeMap::new();
    for entries in log.unwrap().publishers.values().flatten() {
        for entry in entries.1 {
            let key = format!("{}@{}", entries.0, entry.version);
            told.insert(key, format!("{:?} {:?}", entry.operation, entry.parts));
        }
    }
    Some(told)
}

#[test]
fn what_pkg5_stored_is_read() {
    let repository = Repository::open(&golden().join("repo")).unwrap();
    assert_eq!(repository.publishers().unwrap(), PUBLISHERS);
    assert_eq!(repository.packages().unwrap().len(), 25);
    let info = repository.info("orchard.example").unwrap();
    assert_eq!((info.packages, info.status), (17, "online"));
    assert_eq!(info.updated.unwrap().to_string(), "20261122T030350.079913Z");
    for publisher in PUBLISHERS {
        let catalog = repository.catalog(publisher).unwrap();
        for package in catalog.packages() {
            let text = repository.manifest_text(&package.fmri).unwrap();
            assert_eq!(sha1_hex(text.as_bytes()), package.signature, "{}", package.fmri);
            let manifest = ips_model::Manifest::parse(&text).unwrap();
            assert_eq!(manifest.to_string(), text);
            for hash in manifest.payload_hashes() {
                let path = repository.file_path(publisher, hash).unwrap();
                assert_eq!(unpack_file(&path).unwrap().sha1, hash);
            }
        }
    }
    let catalog = repository.catalog_file("orchard.example", "update.20261122T03Z.C").unwrap();
    assert!(catalog.is_some());
    for none in ["../pub.p5i", "catalog.none.C", "pub.p5i", ""] {
        assert_eq!(repository.catalog_file("orchard.example", none).unwrap(), None, "{none}");
    }
    for none in ["", "../catalog", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"] {
        assert_eq!(repository.file_path("orchard.example", none), None, "{none}");
    }
    assert!(repository.catalog("../repo").is_err() && repository.catalog("nobody").is_err());
}

#[test]
fn payloads_of_the_older_layout_are_found() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    let new = repository.root().join("publisher/orchard.example/file");
    let old = new.join("ab/cdef01").join("abcdef01".to_string() + &"0".repeat(32));
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    fs::write(&old, "x").unwrap();
    let name = old.file_name().unwrap().to_str().unwrap();
    assert_eq!(repository.file_path("orchard.example", name), Some(old.clone()));
    assert_eq!(repository.file_path("harbour.example", name), None);
    assert_eq!(repository.any_file_path("harbour.example", name), Some(old.clone()));
}

#[test]
fn appending_copies_byte_for_byte() {
    let place = tempfile::tempdir().unwrap();
    let source = copied(&place.path().join("source"));
    let destination = Repository::create(&place.path().join("destination")).unwrap();
    for round in [Appended::Added, Appended::Held] {
        let batch = destination.batch().unwrap();
        for fmri in source.packages().unwrap() {
            let publisher = fmri.publisher.clone().unwrap();
            let text = source.manifest_text(&fmri).unwrap();
            let payload =
                |hash: &str| Ok(Stored::Path(source.file_path(&publisher, hash).unwrap()));
            assert_eq!(batch.append(&fmri, &text, payload).unwrap(), round, "{fmri}");
        }
        let came = batch.commit(now()).unwrap();
        assert_eq!(came.len(), if round == Appended::Added { 25 } else { 0 });
    }
    assert_eq!(destination.default_publisher().unwrap(), None);
    for publisher in PUBLISHERS {
        let [ours, theirs] = [&destination, &source]
            .map(|repository| repository.root().join("publisher").join(publisher));
        for folder in ["pkg", "file"] {
            assert_eq!(files(&ours.join(folder)), files(&theirs.join(folder)), "{folder}");
        }
        for part in PARTS {
            let read = |place: &std::path::Path| fs::read(place.join("catalog").join(part)).ok();
            assert_eq!(read(&ours), read(&theirs), "{part}");
        }
        assert_eq!(fs::read_dir(ours.join("tmp")).unwrap().count(), 1, "the lock alone");
    }
    let empty = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    let linked = destination.file_path("orchard.example", empty).unwrap();
    assert_eq!(fs::metadata(linked).unwrap().nlink(), 2, "payloads are linked");
}

#[test]
fn another_manifest_under_the_same_name_is_a_conflict() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    let fmri = repository.packages().unwrap().remove(0);
    let text = repository.manifest_text(&fmri).unwrap();
    let other = format!("{text}set name=another value=line\n");
    let none = |_: &str| -> std::io::Result<Stored> { panic!("no payload is lacking") };
    let batch = repository.batch().unwrap();
    assert!(matches!(batch.append(&fmri, &other, none), Err(WriteError::Conflict(_))));
    let misnamed = text.replace(&fmri.name, "an/other");
    assert!(matches!(batch.append(&fmri, &misnamed, none), Err(WriteError::Misnamed(_, _))));
    assert_eq!(batch.commit(now()).unwrap(), []);
}

#[test]
fn catalogs_are_made_again_from_the_manifests() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    for publisher in PUBLISHERS {
        let catalog = repository.root().join("publisher").join(publisher).join("catalog");
        let before = repository.attributes(publisher).unwrap().unwrap();
        let parts = || PARTS.map(|part| fs::read(catalog.join(part)).ok());
        let expected = parts();
        assert_eq!(repository.refresh(publisher, now()).unwrap(), [], "nothing is missing");
        assert_eq!(repository.attributes(publisher).unwrap().unwrap(), before);
        // An older clock than the catalog's.
        let older = ips_model::Timestamp::from_seconds(0);
        repository.rebuild(publisher, older).unwrap();
        let after = repository.attributes(publisher).unwrap().unwrap();
        assert!(after.created > before.last_modified && after.updates.is_empty());
        assert_eq!(parts(), expected);
        fs::remove_dir_all(&catalog).unwrap();
        assert!(!repository.refresh(publisher, now()).unwrap().is_empty());
        assert_eq!(parts(), expected);
        assert!(!repository.attributes(publisher).unwrap().unwrap().updates.is_empty());
    }
}

#[test]
fn a_manifest_that_is_none_is_named() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    let fmri = repository.packages().unwrap().remove(0);
    let path = repository.manifest_path(&fmri).unwrap();
    for text in ["fiel path=x\n", "", "set name=pkg.fmri value=pkg://harbour.example/other@1\n"] {
        fs::write(&path, text).unwrap();
        let stored = || {
            let mut stored = files(repository.root());
            stored.retain(|name, _| !name.ends_with("tmp/lock"));
            stored
        };
        let before = stored();
        let error = repository.rebuild("harbour.example", now()).unwrap_err().to_string();
        assert!(error.contains(&fmri.to_string()), "{error}");
        assert!(stored() == before, "{text:?}: something was changed");
    }
}
