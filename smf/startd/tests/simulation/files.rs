//! files.rs - a disk that is one: the repository of smf-configd on two files in a temporary directory.
//!
//! A SIGKILL is a copy of the files at that instant, which the next engine opens; a reboot leaves the
//! volatile one behind; between the two files of a commit is the lasting file after it beside the
//! volatile one before it.  On a full disk no process of this test may write to a file, so lives on
//! files are lived one at a time.  What was committed must be there when the files are opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, mem};

use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use smf_configd::rights::Caller;
use smf_configd::{Host, Repository};
use smf_scf::import::{Operation, merge};
use smf_startd::store::{Change, Entry, Groups, Property, Store, StoreError, View, Write};

use crate::disk::{Disk, VOLATILE, kind_of, property};

const NAMES: [&str; 2] = ["repository.db", "svc_nonpersist.db"];

/// What an instance has: live, in its running snapshot, and whether there is one.
type All = BTreeMap<String, (Groups, Groups, bool)>;

pub struct Files {
    root: tempfile::TempDir,
    /// How often the files were copied.
    copies: usize,
    host: Option<Host>,
    feed: Vec<Change>,
    /// The commit under way has reached the lasting file and not the volatile one, of which this is
    /// the copy from before.
    torn: Option<PathBuf>,
}

fn files(folder: &Path) -> [PathBuf; 2] {
    NAMES.map(|name| folder.join(name))
}

fn open(folder: &Path) -> Host {
    let [lasting, volatile] = files(folder);
    Host::new(Repository::open(&lasting, &volatile).unwrap()).unwrap()
}

/// Copies a file with its log; the index of the log is made anew.
fn copy(name: &str, from: &Path, to: &Path) {
    for name in [name.to_owned(), format!("{name}-wal")] {
        if from.join(&name).exists() {
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// While it is there nothing can be written to any file.
struct Starved;

impl Starved {
    fn begin() -> Starved {
        // SAFETY: no handler is installed; the signal is ignored, so that a write fails instead.
        unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
        setrlimit(Resource::RLIMIT_FSIZE, 0, RLIM_INFINITY).unwrap();
        Starved
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        setrlimit(Resource::RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY).unwrap();
    }
}

impl Files {
    pub fn new() -> Files {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("0");
        fs::create_dir(&folder).unwrap();
        let host = Some(open(&folder));
        Files { root, copies: 0, host, feed: Vec::new(), torn: None }
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join(self.copies.to_string())
    }

    fn host(&mut self) -> &mut Host {
        self.host.as_mut().unwrap()
    }

    /// A client's commit.
    fn commit(&mut self, operations: impl FnOnce(&Repository) -> Vec<Operation>) {
        self.host().update(operations).unwrap();
    }

    fn told(&mut self, fmri: &str, group: Option<&str>) {
        self.feed.push(Change { fmri: fmri.to_owned(), group: group.map(str::to_owned) });
    }

    /// All that is committed, the volatile half of the live groups left out if that is lost.
    fn all(&mut self, without_volatile: bool) -> All {
        let fmris = self.instances().unwrap();
        let all = fmris.into_iter().map(|fmri| {
            let mut live = self.groups(&fmri, View::Live).unwrap().unwrap();
            let mut running = self.groups(&fmri, View::Running).unwrap().unwrap();
            if without_volatile {
                live.retain(|name, _| !VOLATILE.contains(&name.as_str()));
                running.retain(|name, _| !VOLATILE.contains(&name.as_str()));
            }
            let has = self.has_snapshot(&fmri, "running").unwrap();
            (fmri, (live, running, has))
        });
        all.collect::<Vec<_>>().into_iter().collect()
    }
}

fn stored(value: Property) -> merge::Property {
    merge::Property { kind: value.kind, values: value.values }
}

/// What makes a group with these properties.
fn make(fmri: &str, name: &str, kind: &str, properties: BTreeMap<String, Property>) -> Operation {
    let properties = properties.into_iter().map(|(name, value)| (name, stored(value)));
    let group = merge::Group {
        kind: kind.to_owned(),
        properties: properties.collect(),
        volatile: VOLATILE.contains(&name),
    };
    Operation::AddGroup(fmri.to_owned(), name.to_owned(), group)
}

fn make_all(fmri: &str, groups: Groups) -> Vec<Operation> {
    let make = |(name, group): (String, smf_startd::store::Group)| {
        make(fmri, &name, &group.kind, group.properties)
    };
    groups.into_iter().map(make).collect()
}

impl Disk for Files {
    fn put(&mut self, fmri: &str, path: &str, kind: &str, values: &[&str]) {
        let (group, name) = path.split_once('/').unwrap();
        self.commit(|repository| {
            let there = repository.generation(fmri, group) != 0;
            let make = (!there).then(|| make(fmri, group, kind_of(group), BTreeMap::new()));
            let value = stored(property(kind, values));
            let set = Operation::Set(fmri.to_owned(), group.to_owned(), name.to_owned(), value);
            make.into_iter().chain([set]).collect()
        });
        self.told(fmri, Some(group));
    }

    fn unset(&mut self, fmri: &str, path: &str) {
        let (group, name) = path.split_once('/').unwrap();
        self.commit(|repository| {
            let now = repository.group(fmri, group);
            let there = now.is_some_and(|now| now.properties.contains_key(name));
            let unset = || Operation::Unset(fmri.to_owned(), group.to_owned(), name.to_owned());
            there.then(unset).into_iter().collect()
        });
        self.told(fmri, Some(group));
    }

    fn add(&mut self, fmri: &str, groups: Groups) {
        let service = fmri.rsplit_once(':').map_or(fmri, |(service, _)| service).to_owned();
        self.commit(|repository| {
            let known = repository.groups(&service).is_ok();
            let service = (!known).then_some(Operation::Add(service));
            let add = service.into_iter().chain([Operation::Add(fmri.to_owned())]);
            add.chain(make_all(fmri, groups)).collect()
        });
        self.told(fmri, None);
        self.told(fmri, Some("general"));
    }

    fn depend(&mut self, fmri: &str, groups: Groups) {
        self.commit(|repository| {
            let now = repository.groups(fmri).unwrap_or_default();
            let old = now.into_iter().filter(|(_, group)| group.kind == "dependency");
            let remove = old.map(|(name, _)| Operation::RemoveGroup(fmri.to_owned(), name));
            remove.chain(make_all(fmri, groups)).collect()
        });
    }

    /// Closed and opened again for it: only a client behind the socket deletes what is open.
    fn delete(&mut self, fmri: &str) {
        self.host = None;
        let [lasting, volatile] = files(&self.folder());
        let mut repository = Repository::open(&lasting, &volatile).unwrap();
        repository.delete(fmri, &Caller::Owner).unwrap();
        self.host = Some(Host::new(repository).unwrap());
        self.told(fmri, None);
    }

    fn starved(
        &mut self,
        _fmri: &str,
        act: &mut dyn FnMut(&mut dyn Disk) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let starved = Starved::begin();
        let result = act(self);
        drop(starved);
        result
    }

    fn tear(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let aside = self.root.path().join("torn");
        fs::create_dir_all(&aside).unwrap();
        copy(NAMES[1], &self.folder(), &aside);
        self.torn = Some(aside);
        self.write(entries)
    }

    fn reopen(&mut self, reboot: bool) -> Result<(), String> {
        let before = self.all(reboot);
        let from = self.folder();
        self.copies += 1;
        let to = self.folder();
        fs::create_dir(&to).unwrap();
        copy(NAMES[0], &from, &to);
        let torn = mem::take(&mut self.torn);
        if !reboot {
            copy(NAMES[1], torn.as_deref().unwrap_or(&from), &to);
        }
        self.host = None;
        for folder in [Some(from), torn.clone()].into_iter().flatten() {
            fs::remove_dir_all(folder).unwrap();
        }
        self.host = Some(open(&to));
        self.feed.clear();
        // Half a commit has changed the lasting half alone.
        let after = self.all(reboot);
        let volatile: BTreeSet<&str> = VOLATILE.into_iter().filter(|_| torn.is_some()).collect();
        let lasting = |(fmri, (live, running, has)): (String, (Groups, Groups, bool))| {
            let keep = |groups: Groups| -> Groups {
                groups.into_iter().filter(|(name, _)| !volatile.contains(name.as_str())).collect()
            };
            (fmri, (keep(live), keep(running), has))
        };
        let before: All = before.into_iter().map(lasting).collect();
        let after: All = after.into_iter().map(lasting).collect();
        let lost = before
            .keys()
            .chain(after.keys())
            .find(|fmri| before.get(fmri.as_str()) != after.get(fmri.as_str()));
        lost.map_or(Ok(()), |fmri| Err(format!("{fmri} is not what was committed")))
    }
}

impl Store for Files {
    fn instances(&mut self) -> Result<Vec<String>, StoreError> {
        self.host().instances()
    }
    fn groups(&mut self, fmri: &str, view: View) -> Result<Option<Groups>, StoreError> {
        self.host().groups(fmri, view)
    }
    fn set(&mut self, fmri: &str, group: &str, writes: &[Write]) -> Result<(), StoreError> {
        self.host().set(fmri, group, writes)
    }
    fn write(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        self.host().write(entries)
    }
    fn set_overrides(&mut self, overrides: &[(String, Option<bool>)]) -> Result<(), StoreError> {
        self.host().set_overrides(overrides)
    }
    fn snapshot(&mut self, fmri: &str, name: &str) -> Result<(), StoreError> {
        self.host().snapshot(fmri, name)
    }
    fn has_snapshot(&mut self, fmri: &str, name: &str) -> Result<bool, StoreError> {
        self.host().has_snapshot(fmri, name)
    }
    fn finish_action(&mut self, fmri: &str, action: &str, value: &str) -> Result<(), StoreError> {
        self.host().finish_action(fmri, action, value)
    }
    fn changes(&mut self) -> Result<Vec<Change>, StoreError> {
        Ok(mem::take(&mut self.feed))
    }
}
