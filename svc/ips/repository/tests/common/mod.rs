//! What the tests of the repository share: the golden data and how to copy them.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ips_model::{Manifest, Timestamp};
use ips_repository::{Repository, Sources};

/// The publishers of the golden repository.
pub const PUBLISHERS: [&str; 2] = ["harbour.example", "orchard.example"];
/// The catalog files that hold no time.
pub const PARTS: [&str; 4] =
    ["catalog.base.C", "catalog.dependency.C", "catalog.summary.C", "catalog.summary.de"];

/// Where the data are.
pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A time for publications.
pub fn now() -> Timestamp {
    Timestamp::parse("20261122T031530.250000Z").unwrap()
}

/// A copy of the golden repository that may be changed.
pub fn copied(place: &Path) -> Repository {
    copy(&golden().join("repo"), place);
    Repository::open(place).unwrap()
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let place = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &place);
        } else {
            fs::copy(&entry, &place).unwrap();
        }
    }
}

/// Relative path → content of every file below a folder.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// A source manifest of the golden inputs.
pub fn input(name: &str) -> Manifest {
    let path = golden().join("input/manifests").join(name);
    Manifest::parse(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The golden inputs' files.
pub fn sources() -> Sources {
    Sources { folders: vec![golden().join("input/proto")], timestamps: Vec::new() }
}

/// Publishes every golden input in one batch.
pub fn publish_inputs(repository: &Repository) {
    let batch = repository.batch().unwrap();
    for entry in fs::read_dir(golden().join("input/manifests")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        batch
            .publish(&input(&name), &sources(), now())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    batch.commit(now()).unwrap();
}
