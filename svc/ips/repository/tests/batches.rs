//! batches.rs - transactions: whole or nothing, one writer at a time, readers undisturbed.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{copied, files, input, now, publish_inputs, sources};
use ips_model::{Manifest, Timestamp};
use ips_repository::{Repository, Sources, Stored, WriteError, unpack_file};

fn package(name: &str) -> Manifest {
    let text =
        format!("set name=pkg.fmri value=pkg://p.example/{name}@1,5.11-1:20240102T030405Z\n");
    Manifest::parse(&text).unwrap()
}

fn publish(repository: &Repository, name: &str, now: Timestamp) {
    let batch = repository.batch().unwrap();
    batch.publish(&package(name), &Sources::default(), now).unwrap();
    batch.commit(now).unwrap();
}

fn new() -> (tempfile::TempDir, Repository) {
    let place = tempfile::tempdir().unwrap();
    let repository = Repository::create(&place.path().join("repo")).unwrap();
    (place, repository)
}

#[test]
fn a_refused_package_leaves_nothing() {
    let (_place, repository) = new();
    repository.add_publisher("p.example", now()).unwrap();
    let before = files(repository.root());
    let named = "set name=pkg.fmri value=pkg://p.example/x@1\n";
    for (line, expected) in [
        ("file path=no/such mode=0644 owner=root group=bin", "was not found"),
        (
            "file path=no/such mode=0644 owner=a group=b\nfile also/none path=x mode=0644 owner=a group=b",
            "Action payloads '/no/such', '/also/none' were not found",
        ),
        ("dir path=a mode=9 owner=root group=bin", "not a valid mode"),
        ("set name=pkg.obsolete value=true\ndir path=a mode=0755 owner=a group=b", "obsolete"),
        ("set name=pkg.fmri value=pkg://p.example/x", "has an invalid version"),
    ] {
        let batch = repository.batch().unwrap();
        let manifest = Manifest::parse(&format!("{named}{line}\n")).unwrap();
        let error = batch.publish(&manifest, &sources(), now()).unwrap_err();
        assert!(error.to_string().contains(expected), "{line}: {error}");
        drop(batch);
        let mut after = files(repository.root());
        after.retain(|name, _| !name.ends_with("tmp/lock"));
        assert_eq!(after.len() + 1, before.len(), "{line}");
    }
    let batch = repository.batch().unwrap();
    batch.publish(&input("pear-1.9-1.p5m"), &sources(), now()).unwrap();
    drop(batch);
    assert_eq!(repository.publishers().unwrap(), ["p.example"]);
}

#[test]
fn a_package_without_publisher_needs_a_default_one() {
    let (_place, repository) = new();
    let manifest = Manifest::parse("set name=pkg.fmri value=x@1\n").unwrap();
    let refused = repository.batch().unwrap().publish(&manifest, &Sources::default(), now());
    assert!(matches!(refused, Err(WriteError::NoPublisher(_))), "{refused:?}");
    repository.set_default_publisher("d.example").unwrap();
    let batch = repository.batch().unwrap();
    let fmri = batch.publish(&manifest, &Sources::default(), now()).unwrap();
    assert_eq!(fmri.to_string(), "pkg://d.example/x@1,5.11:20261122T031530Z");
    assert!(matches!(
        batch.publish(&manifest, &Sources::default(), now()),
        Err(WriteError::Exists(_))
    ));
    batch.commit(now()).unwrap();
    assert!(repository.batch().unwrap().holds(&fmri).unwrap());
}

#[test]
fn times_go_forward_whatever_the_clock_says() {
    let (_place, repository) = new();
    publish(&repository, "a", now());
    let first = repository.attributes("p.example").unwrap().unwrap();
    assert_eq!((first.created, first.last_modified), (now(), now()));
    publish(&repository, "b", Timestamp::from_seconds(0));
    let second = repository.attributes("p.example").unwrap().unwrap();
    assert_eq!((second.created, second.last_modified), (now(), now().next()));
    assert_eq!((second.packages, second.versions, second.updates.len()), (2, 2, 1));
    // Another hour, another log; the first stays as it was.
    let later = Timestamp::parse("20261122T041530Z").unwrap();
    publish(&repository, "c", later);
    let third = repository.attributes("p.example").unwrap().unwrap();
    assert_eq!(third.last_modified, later);
    let [old, new] = ["update.20261122T03Z.C", "update.20261122T04Z.C"];
    assert_eq!(third.updates[old], second.updates[old]);
    assert_eq!(third.updates[new].last_modified, later);
    let path = repository.catalog_file("p.example", "catalog.attrs").unwrap().unwrap();
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let seconds = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(seconds.as_micros(), u128::try_from(later.micros()).unwrap());
}

#[test]
fn writers_wait_for_each_other_and_readers_for_nobody() {
    let (_place, repository) = new();
    repository.add_publisher("p.example", now()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) || reads == 0 {
                let catalog = repository.catalog("p.example").unwrap();
                assert_eq!(catalog.packages().len(), catalog.attributes.versions);
                for package in catalog.packages() {
                    repository.manifest_text(&package.fmri).unwrap();
                }
                reads += 1;
            }
        });
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let repository = &repository;
                scope.spawn(move || {
                    for round in 0..10 {
                        publish(repository, &format!("n{writer}-{round}"), now());
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(repository.packages().unwrap().len(), 40);
    assert_eq!(repository.info("p.example").unwrap().packages, 40);
}

#[cfg(target_os = "linux")]
#[test]
fn who_has_nothing_to_write_ends_what_the_dead_left() {
    let (_place, repository) = new();
    publish(&repository, "a", now());
    let folder = repository.root().join("publisher/p.example");
    let before = files(&folder);
    // A process that has ended and been waited for.
    let mut dead = std::process::Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    for left in [format!("tmp/batch.{}.x/catalog", dead.id()), "old.catalog".to_string()] {
        fs::create_dir_all(folder.join(&left)).unwrap();
        fs::write(folder.join(&left).join("catalog.attrs"), "x").unwrap();
        let alive = folder.join(format!("tmp/batch.{}.x", std::process::id()));
        fs::create_dir(&alive).unwrap();
        assert!(repository.batch().unwrap().commit(now()).unwrap().is_empty());
        fs::remove_dir(&alive).unwrap();
        assert!(files(&folder) == before, "{left}");
    }
    assert_eq!(repository.packages().unwrap().len(), 1);
}

#[test]
fn refresh_and_rebuild_do_not_wait() {
    use nix::fcntl::{FcntlArg, fcntl};
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    let publisher = repository.root().join("publisher/orchard.example");
    fs::create_dir_all(publisher.join("tmp")).unwrap();
    let lock = fs::File::create(publisher.join("tmp/lock")).unwrap();
    // An open file description's lock stands for another process: it excludes record locks.
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&lock, FcntlArg::F_OFD_SETLK(&whole)).unwrap();
    for refused in
        [repository.refresh("orchard.example", now()), repository.rebuild("orchard.example", now())]
    {
        assert!(matches!(refused, Err(WriteError::Locked(_))), "{refused:?}");
    }
    drop(lock);
    repository.refresh("orchard.example", now()).unwrap();
}

#[test]
fn the_default_compression_is_described_as_it_is() {
    let mut made = Vec::new();
    for _ in 0..2 {
        let (_place, repository) = new();
        publish_inputs(&repository);
        made.push(files(&repository.root().join("publisher")));
        for fmri in repository.packages().unwrap() {
            let publisher = fmri.publisher.clone().unwrap();
            let manifest = Manifest::parse(&repository.manifest_text(&fmri).unwrap()).unwrap();
            for action in &manifest.actions {
                let Some(hash) = action.payload_hash() else { continue };
                let path = repository.file_path(&publisher, hash).unwrap();
                let unpacked = unpack_file(&path).unwrap();
                assert_eq!(unpacked.sha1, hash);
                assert_eq!(action.get("pkg.size"), Some(unpacked.size.to_string().as_str()));
                let stored = fs::read(&path).unwrap();
                assert_eq!(action.get("pkg.csize"), Some(stored.len().to_string().as_str()));
                let chash = ips_model::digest::sha1_hex(&stored);
                assert_eq!(action.get("chash"), Some(chash.as_str()));
            }
        }
    }
    let again = made.pop().unwrap();
    assert!(made.pop().unwrap() == again, "the same inputs at the same time give the same bytes");
}

#[test]
fn a_payload_that_is_there_keeps_its_bytes() {
    // What pkg5 stored stays, and what is published later describes the stored bytes.
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    let batch = repository.batch().unwrap();
    let mut manifest = input("pear-1.9-1.p5m");
    let version = "pkg://orchard.example/fruit/pear@3.0,5.11-1:20240102T030405Z";
    manifest = manifest.with_fmri(&ips_model::Fmri::parse(version).unwrap());
    let fmri = batch.publish(&manifest, &sources(), now()).unwrap();
    batch.commit(now()).unwrap();
    let older = ips_model::Fmri::parse(&version.replace("3.0", "1.9")).unwrap();
    let [ours, theirs] = [&fmri, &older].map(|fmri| repository.manifest_text(fmri).unwrap());
    let payloads = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("file ")).map(str::to_string).collect()
    };
    assert_eq!(payloads(&ours), payloads(&theirs));
}

#[test]
fn appended_bytes_are_stored_and_lacking_payloads_are_told() {
    let place = tempfile::tempdir().unwrap();
    let source = copied(&place.path().join("source"));
    let destination = Repository::create(&place.path().join("to")).unwrap();
    let fmri = source.packages().unwrap().into_iter().find(|fmri| fmri.name == "library/tiny");
    let fmri = fmri.unwrap();
    let text = source.manifest_text(&fmri).unwrap();
    let batch = destination.batch().unwrap();
    let gone = |_: &str| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    let error = batch.append(&fmri, &text, gone).unwrap_err();
    assert!(matches!(error, WriteError::Payload { .. }), "{error}");
    let publisher = fmri.publisher.as_deref().unwrap();
    let manifest = Manifest::parse(&text).unwrap();
    for hash in manifest.payload_hashes() {
        assert!(batch.lacks(publisher, hash));
    }
    let bytes = |hash: &str| {
        Ok(Stored::Bytes(fs::read(source.file_path(publisher, hash).unwrap()).unwrap()))
    };
    batch.append(&fmri, &text, bytes).unwrap();
    for hash in manifest.payload_hashes() {
        assert!(!batch.lacks(publisher, hash));
    }
    batch.commit(now()).unwrap();
    for hash in manifest.payload_hashes() {
        let [ours, theirs] = [&destination, &source]
            .map(|place| fs::read(place.file_path(publisher, hash).unwrap()).unwrap());
        assert_eq!(ours, theirs);
    }
}

#[test]
fn times_of_files_are_kept_where_asked() {
    let (place, repository) = new();
    let proto = place.path().join("proto");
    fs::create_dir(&proto).unwrap();
    let text = "set name=pkg.fmri value=pkg://p.example/x@1\n\
        file path=a.py mode=0644 owner=root group=bin\nfile path=b.txt mode=0644 owner=root group=bin\n";
    for name in ["a.py", "b.txt"] {
        fs::write(proto.join(name), name).unwrap();
        let file = fs::File::options().write(true).open(proto.join(name)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        file.set_modified(time).unwrap();
    }
    let sources = Sources { folders: vec![proto], timestamps: vec!["*.py".into()] };
    let batch = repository.batch().unwrap();
    let fmri = batch.publish(&Manifest::parse(text).unwrap(), &sources, now()).unwrap();
    batch.commit(now()).unwrap();
    let stored = repository.manifest_text(&fmri).unwrap();
    let times: Vec<bool> =
        stored.lines().map(|line| line.contains("timestamp=20231114T221320Z")).collect();
    assert_eq!(times, [false, true, false], "{stored}");
}
