//! zfs.rs - the back end of datasets, against a zfs that keeps its snapshots in directories.
#![allow(clippy::unwrap_used)]

mod world;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use image_checkpoint::{Area, BackEnd, OpenError, Options, Place, Ran, Tools};
use world::{NoTools, id, picture, step};

/// Understands what is asked of zfs(8) here, with its words, and its refusals.
struct Fake {
    /// Where datasets are mounted: `POOL/DATASET` at `ROOT/POOL/DATASET`.
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    datasets: Vec<String>,
    /// The oldest first.
    snapshots: Vec<String>,
    /// Every command that changed something.
    asked: Vec<String>,
    refuses: Option<&'static str>,
}

fn said(out: String) -> io::Result<Ran> {
    Ok(Ran { success: true, out, complaint: String::new() })
}

fn refused(complaint: &str) -> io::Result<Ran> {
    Ok(Ran { success: false, out: String::new(), complaint: complaint.to_owned() })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let below = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &below)
        } else {
            fs::copy(entry.path(), &below).map(|_| ()).unwrap();
        }
    }
}

fn empty(path: &Path) {
    fs::remove_dir_all(path).unwrap();
    fs::create_dir(path).unwrap();
}

impl Fake {
    fn kept(&self, snapshot: &str) -> PathBuf {
        self.root.join("snapshots").join(snapshot.replace('/', "_"))
    }

    fn list(&self, state: &State, arguments: &[&str]) -> io::Result<Ran> {
        let at = |name: &String| self.root.join(name).display().to_string();
        match arguments {
            ["-o", "mountpoint", name] => match state.datasets.iter().find(|one| one == name) {
                Some(found) => said(format!("{}\n", at(found))),
                None => refused("dataset does not exist"),
            },
            ["-o", "name", name] => match state.datasets.iter().any(|one| one == name) {
                true => said(format!("{name}\n")),
                false => refused("dataset does not exist"),
            },
            ["-t", "filesystem", "-o", "name,mountpoint"] => {
                said(state.datasets.iter().map(|name| format!("{name}\t{}\n", at(name))).collect())
            }
            ["-t", "snapshot", "-o", "name", "-r", name] => {
                let of = |snapshot: &&String| snapshot.starts_with(&format!("{name}@"));
                said(state.snapshots.iter().filter(of).map(|one| format!("{one}\n")).collect())
            }
            other => panic!("zfs list {other:?}"),
        }
    }

    fn change(&self, state: &mut State, arguments: &[&str]) -> io::Result<Ran> {
        if state.refuses.is_some_and(|word| arguments.join(" ").contains(word)) {
            return refused("out of space");
        }
        match arguments {
            ["create", name] | ["create", "-p", name] => {
                if !name.starts_with("pool/") {
                    return refused("no such pool");
                }
                fs::create_dir_all(self.root.join(name)).unwrap();
                state.datasets.push((*name).to_owned());
            }
            ["snapshot", name] => {
                if state.snapshots.iter().any(|one| one == name) {
                    return refused("dataset already exists");
                }
                copy(&self.root.join(name.split('@').next().unwrap()), &self.kept(name));
                state.snapshots.push((*name).to_owned());
            }
            ["rollback", "-r", name] => {
                let Some(place) = state.snapshots.iter().position(|one| one == name) else {
                    return refused("dataset does not exist");
                };
                let dataset = name.split('@').next().unwrap();
                let mut number = 0;
                state.snapshots.retain(|one| {
                    number += 1;
                    number <= place + 1 || !one.starts_with(&format!("{dataset}@"))
                });
                empty(&self.root.join(dataset));
                copy(&self.kept(name), &self.root.join(dataset));
            }
            ["destroy", name] => {
                state.snapshots.retain(|one| one != name);
                fs::remove_dir_all(self.kept(name)).unwrap();
            }
            ["destroy", "-r", name] => {
                state.snapshots.retain(|one| !one.starts_with(&format!("{name}@")));
                state.datasets.retain(|one| one != name);
                fs::remove_dir_all(self.root.join(name)).unwrap();
            }
            other => panic!("zfs {other:?}"),
        }
        said(String::new())
    }
}

impl Tools for Fake {
    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Ran> {
        assert_eq!(program, "zfs");
        let mut state = self.state.lock().unwrap();
        if let ["list", "-H", rest @ ..] = arguments {
            return self.list(&state, rest);
        }
        state.asked.push(arguments.join(" "));
        self.change(&mut state, arguments)
    }
}

fn fake(root: &Path) -> Arc<Fake> {
    Arc::new(Fake { root: root.to_owned(), state: Mutex::default() })
}

fn options(tools: &Arc<Fake>) -> Options {
    Options { tools: tools.clone(), calls: None }
}

#[test]
fn snapshots_are_what_checkpoints_are_made_of() {
    let place = tempfile::tempdir().unwrap();
    let tools = fake(place.path());
    let dataset = Place::of("pool/dc");
    let mut area = Area::open(&dataset, &options(&tools)).unwrap();
    assert_eq!(*area.back_end(), BackEnd::Zfs { dataset: "pool/dc".to_owned() });
    assert_eq!(area.root(), place.path().join("pool/dc"));
    let data = area.build_data().to_owned();
    for (number, name) in (0..).zip(["a", "b", "c"]) {
        fs::write(data.join("file"), name).unwrap();
        fs::write(area.table(), name).unwrap();
        area.checkpoint(&step(name), &id(number), name.as_bytes()).unwrap();
    }
    drop(area);
    // The area's own path leads to the same dataset.
    let directory = Place::Directory(place.path().join("pool/dc"));
    let mut area = Area::open(&directory, &options(&tools)).unwrap();
    assert_eq!(area.checkpoints().len(), 3);
    area.rollback(&step("b")).unwrap();
    assert_eq!(fs::read_to_string(data.join("file")).unwrap(), "b");
    assert_eq!(fs::read_to_string(area.table()).unwrap(), "b");
    assert!(!area.root().join(".step_c").exists());
    area.clear().unwrap();
    assert_eq!(picture(&data).len(), 1);
    let asked = tools.state.lock().unwrap().asked.join("\n");
    let wanted = "create -p pool/dc\n\
        create pool/dc/build_data\n\
        snapshot pool/dc/build_data@empty\n\
        create pool/dc/media\n\
        create pool/dc/logs\n\
        snapshot pool/dc/build_data@.step_a\n\
        snapshot pool/dc/build_data@.step_b\n\
        snapshot pool/dc/build_data@.step_c\n\
        destroy pool/dc/build_data@.step_c\n\
        rollback -r pool/dc/build_data@.step_b\n\
        destroy pool/dc/build_data@.step_b\n\
        destroy pool/dc/build_data@.step_a\n\
        rollback -r pool/dc/build_data@empty";
    assert_eq!(asked, wanted);
}

#[test]
fn snapshots_without_a_record_go_and_records_without_a_snapshot_too() {
    let place = tempfile::tempdir().unwrap();
    let tools = fake(place.path());
    let dataset = Place::of("pool/dc");
    let mut area = Area::open(&dataset, &options(&tools)).unwrap();
    for (number, name) in (0..).zip(["a", "b", "c"]) {
        area.checkpoint(&step(name), &id(number), b"").unwrap();
    }
    drop(area);
    let build_data = "pool/dc/build_data";
    tools.run("zfs", &["destroy", &format!("{build_data}@.step_b")]).unwrap();
    tools.run("zfs", &["snapshot", &format!("{build_data}@.step_torn")]).unwrap();
    tools.run("zfs", &["snapshot", &format!("{build_data}@mine")]).unwrap();
    let area = Area::open(&dataset, &options(&tools)).unwrap();
    let names: Vec<_> = area.checkpoints().iter().map(|made| made.step.as_str()).collect();
    assert_eq!(names, ["a"]);
    let left = tools.state.lock().unwrap().snapshots.clone();
    assert_eq!(left, ["empty", ".step_a", "mine"].map(|name| format!("{build_data}@{name}")));
    assert!(!area.root().join(".step_c").exists());
}

#[test]
fn refusals_are_told_and_leave_nothing() {
    let place = tempfile::tempdir().unwrap();
    let tools = fake(place.path());
    let mut area = Area::open(&Place::of("pool/dc"), &options(&tools)).unwrap();
    tools.state.lock().unwrap().refuses = Some("snapshot");
    let error = area.checkpoint(&step("a"), &id(1), b"").unwrap_err().to_string();
    assert_eq!(error, "zfs snapshot pool/dc/build_data@.step_a: out of space");
    assert!(area.checkpoints().is_empty());
    assert!(!area.root().join(".step_a").exists());
    tools.state.lock().unwrap().refuses = None;
    area.checkpoint(&step("a"), &id(1), b"").unwrap();

    let open = |place: &str| Area::open(&Place::of(place), &options(&tools)).err().unwrap();
    for place in ["tank/dc", "-rf", "pool/dc@x", ""] {
        let OpenError::NoPool { dataset, .. } = open(place) else { panic!("{place}") };
        assert_eq!(dataset, place);
    }
    let text = open("tank/dc").to_string();
    let wanted = "Unable to create the zfs dataset tank/dc. \n\
        You may want to check that the pool tank exists.";
    assert_eq!(text, wanted);
    let none = Options { tools: Arc::new(NoTools), calls: None };
    let error = Area::open(&Place::of("pool/dc"), &none).err().unwrap();
    assert!(matches!(error, OpenError::NoZfs), "{error}");
}
