//! Receiving: what arrives, what is refused, and what the destination looks like afterwards.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ips_client::{
    Control, Origin, ReceiveError, ReceiveOptions, Received, Source, Versions, receive,
};
use ips_model::{Fmri, Manifest, Pattern, Timestamp};
use ips_repository::{Repository, Sources};

const NOW: i64 = 1_700_000_000;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A repository of these manifests; every payload's content is its file name.
    fn repository(&self, name: &str, manifests: &[&str]) -> Source {
        let (proto, path) = (self.path("proto"), self.path(name));
        fs::create_dir_all(&proto).unwrap();
        let repository = Repository::create(&path).unwrap();
        let batch = repository.batch().unwrap();
        for (number, text) in manifests.iter().enumerate() {
            let manifest = Manifest::parse(text).unwrap();
            for action in manifest.actions.iter().filter(|action| action.kind.has_payload()) {
                let content = action.hash.as_deref().unwrap();
                fs::write(proto.join(content), content).unwrap();
            }
            let sources = Sources { folders: vec![proto.clone()], timestamps: Vec::new() };
            let stamp = Timestamp::from_seconds(NOW + number as i64);
            batch.publish(&manifest, &sources, stamp).unwrap();
        }
        batch.commit(Timestamp::from_seconds(NOW)).unwrap();
        Source::open(&Origin::directory(&path)).unwrap()
    }

    fn destination(&self) -> Repository {
        let path = self.path("destination");
        Repository::open(&path).or_else(|_| Repository::create(&path).map_err(|_| ())).unwrap()
    }

    fn receive(
        &self,
        sources: &[&Source],
        patterns: &[&str],
        options: &ReceiveOptions,
    ) -> Result<Received, ReceiveError> {
        let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
        let patterns: Vec<Pattern> = patterns.collect();
        receive(sources, &self.destination(), &patterns, options, &Control::silent())
    }
}

fn options() -> ReceiveOptions {
    ReceiveOptions::at(Timestamp::from_seconds(NOW + 100))
}

fn brief(packages: &[Fmri]) -> String {
    let names: Vec<String> = packages.iter().map(Fmri::brief).collect();
    names.join(" ")
}

fn file(name: &str, content: &str) -> String {
    format!(
        "set name=pkg.fmri value={name}\nfile {content} path=f mode=0444 owner=root group=sys\n"
    )
}

/// Files below a folder by path and bytes.
fn all_files(folder: &Path, under: &mut Vec<(PathBuf, Vec<u8>)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            all_files(&path, under);
        } else {
            under.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn packages_arrive_as_they_are_and_only_once() {
    let place = Place::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/repo");
    let source = Source::open(&Origin::directory(&golden)).unwrap();
    let first = place.receive(&[&source], &[], &options()).unwrap();
    assert_eq!((first.packages.len(), first.held.len()), (25, 0));
    let destination = Source::open(&Origin::directory(&place.path("destination"))).unwrap();
    assert_eq!(destination.packages().len(), 25);
    for (theirs, ours) in source.catalogs().iter().zip(
        ["orchard.example", "harbour.example"]
            .map(|name| destination.catalogs().iter().find(|c| c.publisher == name).unwrap()),
    ) {
        assert_eq!(theirs.base.publishers, ours.base.publishers);
        assert_eq!(theirs.dependency.publishers, ours.dependency.publishers);
    }
    for fmri in source.packages() {
        let (text, manifest) = source.manifest(&fmri).unwrap();
        assert_eq!(destination.manifest(&fmri).unwrap().0, text);
        for hash in manifest.payload_hashes() {
            let stored = |from: &Source| fs::read(from.payload_path(&fmri, hash).unwrap()).unwrap();
            assert_eq!(stored(&source), stored(&destination), "{fmri} {hash}");
        }
    }
    let mut before = Vec::new();
    all_files(&place.path("destination"), &mut before);
    let second = place.receive(&[&source], &[], &options()).unwrap();
    assert_eq!((second.packages.len(), second.held.len(), second.bytes), (0, 25, 0));
    let mut after = Vec::new();
    all_files(&place.path("destination"), &mut after);
    assert!(before == after, "receiving nothing changed something");
}

#[test]
fn payloads_on_disk_are_linked() {
    let place = Place::new();
    let source = place.repository("one", &[&file("pkg://here/a@1", "x")]);
    let came = place.receive(&[&source], &["a"], &options()).unwrap();
    let fmri = &came.packages[0];
    let (_, manifest) = source.manifest(fmri).unwrap();
    let path = source.payload_path(fmri, manifest.payload_hashes()[0]).unwrap();
    assert_eq!(fs::metadata(path).unwrap().nlink(), 2);
}

#[test]
fn what_is_meant() {
    let place = Place::new();
    let source = place.repository(
        "one",
        &[
            "set name=pkg.fmri value=pkg://here/a@1\n",
            "set name=pkg.fmri value=pkg://here/a@2\ndepend type=require fmri=b@1\n",
            "set name=pkg.fmri value=pkg://here/b@1\ndepend type=optional fmri=c\n",
            "set name=pkg.fmri value=pkg://here/b@2\n",
            "set name=pkg.fmri value=pkg://here/c@1\ndepend type=require fmri=a@9\n",
            "set name=pkg.fmri value=pkg://there/a@3\n",
        ],
    );
    for (patterns, versions, recursive, from, expected) in [
        (&["b"][..], Versions::All, false, None, "b@1 b@2"),
        (&["b"], Versions::Newest, false, None, "b@2"),
        (&["a@2"], Versions::All, true, None, "a@2 b@1 c@1"),
        (&["pkg://there/*"], Versions::All, false, None, "a@3"),
        (&["a"], Versions::Newest, false, None, "a@2 a@3"),
        (&[], Versions::Newest, false, Some("here"), "a@2 b@2 c@1"),
    ] {
        let from_publisher = from.map(str::to_string);
        let options = ReceiveOptions { versions, recursive, from_publisher, ..options() };
        let own = Place::new();
        let came = own.receive(&[&source], patterns, &options).unwrap();
        assert_eq!(brief(&came.packages), expected, "{patterns:?}");
    }
    for (patterns, from, message) in [
        (&["none"][..], None, "no package in file:///… matches none"),
        (&["b", "a@7"], None, "no package in file:///… matches a@7"),
        (&["pkg://elsewhere.example/a"], None, "publisher elsewhere.example is not in file:///…"),
        (&[], Some("elsewhere"), "publisher elsewhere is not in file:///…"),
    ] {
        let options = ReceiveOptions { from_publisher: from.map(str::to_string), ..options() };
        let error = place.receive(&[&source], patterns, &options).unwrap_err().to_string();
        let place = format!("file://{}", place.path("one").display());
        assert_eq!(error.replace(&place, "file:///…"), message);
    }
    assert!(place.destination().packages().unwrap().is_empty());
}

#[test]
fn several_repositories_become_one_publishers() {
    let place = Place::new();
    let one = place.repository("one", &[&file("pkg://here/a@1", "x")]);
    let depends =
        format!("{}depend type=require fmri=pkg://here/a@1\n", file("pkg://there/b@1", "y"));
    let two = place.repository("two", &[&depends]);
    let options = ReceiveOptions { publisher: Some("release.example".into()), ..options() };
    let came = place.receive(&[&one, &two], &[], &options).unwrap();
    let names: Vec<String> = came.packages.iter().map(Fmri::without_build).collect();
    let expected = [
        "pkg://release.example/a@1:20231114T221320Z",
        "pkg://release.example/b@1:20231114T221320Z",
    ];
    assert_eq!(names, expected);
    let text = place.destination().manifest_text(&came.packages[1]).unwrap();
    assert!(text.contains("fmri=pkg://release.example/a@1"), "{text}");
    let again = place.receive(&[&one, &two], &[], &options).unwrap();
    assert_eq!((again.packages.len(), again.held.len()), (0, 2));
    let bad = ReceiveOptions { publisher: Some("../x".into()), ..options };
    assert!(place.receive(&[&one], &[], &bad).is_err());
}

#[test]
fn one_name_has_one_meaning() {
    let place = Place::new();
    let one = place.repository("one", &[&file("pkg://here/a@1", "x")]);
    let two = place.repository("two", &[&file("pkg://here/a@1", "y")]);
    let error = place.receive(&[&one, &two], &[], &options()).unwrap_err().to_string();
    assert!(error.contains("disagree about its contents"), "{error}");
    place.receive(&[&one], &[], &options()).unwrap();
    let error = place.receive(&[&two], &[], &options()).unwrap_err().to_string();
    assert!(error.contains("pkg://here/a@1"), "{error}");
    let held = place.destination().packages().unwrap();
    let (text, _) = one.manifest(&held[0]).unwrap();
    assert_eq!(place.destination().manifest_text(&held[0]).unwrap(), text);
}

#[test]
fn damage_and_cancelling_leave_the_destination_as_it_was() {
    let place = Place::new();
    let manifests = [file("pkg://here/a@1", "x"), file("pkg://here/b@1", "y")];
    let source = place.repository("one", &[&manifests[0], &manifests[1]]);
    let fmri = &source.packages()[1];
    let (_, manifest) = source.manifest(fmri).unwrap();
    let hash = manifest.payload_hashes()[0].to_string();
    let stored = source.payload_path(fmri, &hash).unwrap();
    let good = fs::read(&stored).unwrap();
    place.destination();
    let mut before = Vec::new();
    all_files(&place.path("destination"), &mut before);
    for bad in [&good[..good.len() - 1], b"".as_slice(), b"no gzip"] {
        fs::write(&stored, bad).unwrap();
        let error = place.receive(&[&source], &[], &options()).unwrap_err().to_string();
        assert!(error.contains(&hash) && error.contains("b@1"), "{error}");
    }
    fs::write(&stored, &good).unwrap();
    let cancel = AtomicBool::new(true);
    let error =
        receive(&[&source], &place.destination(), &[], &options(), &Control::new(&|_| {}, &cancel));
    assert!(matches!(error, Err(ReceiveError::Cancelled)), "{error:?}");
    let mut after = Vec::new();
    all_files(&place.path("destination"), &mut after);
    assert!(before == after);
    cancel.store(false, Ordering::Relaxed);
    let came = place.receive(&[&source], &[], &options()).unwrap();
    assert_eq!(brief(&came.packages), "a@1 b@1");
}
