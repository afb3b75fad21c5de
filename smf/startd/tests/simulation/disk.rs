//! disk.rs - the repository of a simulated world: what is committed outlives the engine.
//!
//! Two kinds: one in memory, quick enough for thousands of lives, and the real one of smf-configd on
//! files (files.rs), opened anew whenever the engine has died.  The memory kind has a lasting half and a
//! volatile half, as the files have; a reboot takes the volatile one.

use std::collections::BTreeMap;

use smf_startd::store::{Change, Entry, Group, Groups, Property, Store, StoreError, View, Write};

/// Groups that are gone after a reboot.
pub const VOLATILE: [&str; 4] = ["restarter", "restarter_actions", "general_ovr", "options_ovr"];
/// Groups that count at once.
const LIVE: [&str; 4] = ["general", "general_ovr", "restarter", "restarter_actions"];

/// What a client of the repository does, and what befalls its files.
pub trait Disk: Store {
    /// Sets a property; the engine is to be told.
    fn put(&mut self, fmri: &str, path: &str, kind: &str, values: &[&str]);
    /// Removes all values of a property, if it is there.
    fn unset(&mut self, fmri: &str, path: &str);
    /// Makes an instance with these groups, `general` last.
    fn add(&mut self, fmri: &str, groups: Groups);
    /// Replaces the dependencies of an instance.
    fn depend(&mut self, fmri: &str, groups: Groups);
    /// Removes an instance.
    fn delete(&mut self, fmri: &str);
    /// Does something while nothing can be written.
    fn starved(
        &mut self,
        fmri: &str,
        act: &mut dyn FnMut(&mut dyn Disk) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
    /// Writes entries as far as one that dies between the two files does.
    fn tear(&mut self, entries: &[Entry]) -> Result<(), StoreError>;
    /// The engine has died, and the machine with it if `reboot`.  What was lost is an error.
    fn reopen(&mut self, reboot: bool) -> Result<(), String>;
}

/// A property in its stored form.
pub fn property(kind: &str, values: &[&str]) -> Property {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Property { kind: kind.to_owned(), values }
}

/// The kind of a group, by its name.
pub fn kind_of(group: &str) -> &'static str {
    match group {
        "start" | "stop" | "refresh" => "method",
        _ if group.starts_with("dep") => "dependency",
        _ => "framework",
    }
}

#[derive(Debug, Default)]
pub struct Memory {
    lasting: BTreeMap<String, Groups>,
    volatile: BTreeMap<String, Groups>,
    snapshots: BTreeMap<(String, String), Groups>,
    feed: Vec<Change>,
}

impl Memory {
    fn half(&mut self, group: &str) -> &mut BTreeMap<String, Groups> {
        if VOLATILE.contains(&group) { &mut self.volatile } else { &mut self.lasting }
    }

    fn told(&mut self, fmri: &str, group: Option<&str>) {
        self.feed.push(Change { fmri: fmri.to_owned(), group: group.map(str::to_owned) });
    }

    fn there(&self, fmri: &str) -> Result<(), StoreError> {
        let gone = || StoreError {
            fmri: fmri.to_owned(),
            what: "looking",
            cause: "not found".to_owned(),
            passing: false,
        };
        self.lasting.get(fmri).map(drop).ok_or_else(gone)
    }
}

impl Disk for Memory {
    fn put(&mut self, fmri: &str, path: &str, kind: &str, values: &[&str]) {
        let Some((group, name)) = path.split_once('/') else { return };
        let groups = self.half(group).entry(fmri.to_owned()).or_default();
        let entry = groups.entry(group.to_owned()).or_default();
        kind_of(group).clone_into(&mut entry.kind);
        entry.properties.insert(name.to_owned(), property(kind, values));
        self.told(fmri, Some(group));
    }

    fn unset(&mut self, fmri: &str, path: &str) {
        let Some((group, name)) = path.split_once('/') else { return };
        let groups = self.half(group).get_mut(fmri);
        if let Some(group) = groups.and_then(|groups| groups.get_mut(group)) {
            group.properties.remove(name);
        }
        self.told(fmri, Some(group));
    }

    fn add(&mut self, fmri: &str, groups: Groups) {
        self.lasting.insert(fmri.to_owned(), groups);
        self.told(fmri, None);
        self.told(fmri, Some("general"));
    }

    fn depend(&mut self, fmri: &str, groups: Groups) {
        let Some(live) = self.lasting.get_mut(fmri) else { return };
        live.retain(|_, group| group.kind != "dependency");
        live.extend(groups);
    }

    fn delete(&mut self, fmri: &str) {
        self.lasting.remove(fmri);
        self.volatile.remove(fmri);
        self.snapshots.retain(|(of, _), _| of != fmri);
        self.told(fmri, None);
    }

    fn starved(
        &mut self,
        fmri: &str,
        _act: &mut dyn FnMut(&mut dyn Disk) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (fmri, cause) = (fmri.to_owned(), "full".to_owned());
        Err(StoreError { fmri, what: "writing", cause, passing: true })
    }

    fn tear(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        for Entry { fmri, snapshots, .. } in entries {
            snapshots.iter().try_for_each(|name| self.snapshot(fmri, name))?;
        }
        Ok(())
    }

    fn reopen(&mut self, reboot: bool) -> Result<(), String> {
        self.feed.clear();
        if reboot {
            self.volatile.clear();
        }
        Ok(())
    }
}

impl Store for Memory {
    fn instances(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(self.lasting.keys().cloned().collect())
    }

    fn groups(&mut self, fmri: &str, view: View) -> Result<Option<Groups>, StoreError> {
        let Some(lasting) = self.lasting.get(fmri) else { return Ok(None) };
        let volatile = self.volatile.get(fmri).into_iter().flatten();
        let running = self.snapshots.get(&(fmri.to_owned(), "running".to_owned()));
        let mut groups = match (view, running) {
            (View::Running, Some(running)) => {
                let live = lasting.iter().filter(|(name, _)| LIVE.contains(&name.as_str()));
                let then = running.iter().filter(|(name, _)| !LIVE.contains(&name.as_str()));
                then.chain(live).map(|(name, group)| (name.clone(), group.clone())).collect()
            }
            (View::Live, _) | (View::Running, None) => lasting.clone(),
        };
        groups.extend(volatile.map(|(name, group)| (name.clone(), group.clone())));
        Ok(Some(groups))
    }

    fn set(&mut self, fmri: &str, group: &str, writes: &[Write]) -> Result<(), StoreError> {
        self.there(fmri)?;
        let groups = self.half(group).entry(fmri.to_owned()).or_default();
        let empty = Group { kind: "framework".to_owned(), properties: BTreeMap::new() };
        let entry = groups.entry(group.to_owned()).or_insert(empty);
        for (name, kind, values) in writes {
            let value = Property { kind: (*kind).to_owned(), values: values.clone() };
            entry.properties.insert((*name).to_owned(), value);
        }
        Ok(())
    }

    fn snapshot(&mut self, fmri: &str, name: &str) -> Result<(), StoreError> {
        self.there(fmri)?;
        let groups = self.lasting.get(fmri).cloned().unwrap_or_default();
        self.snapshots.insert((fmri.to_owned(), name.to_owned()), groups);
        Ok(())
    }

    fn has_snapshot(&mut self, fmri: &str, name: &str) -> Result<bool, StoreError> {
        Ok(self.snapshots.contains_key(&(fmri.to_owned(), name.to_owned())))
    }

    fn finish_action(&mut self, fmri: &str, action: &str, value: &str) -> Result<(), StoreError> {
        self.there(fmri)?;
        let groups = self.volatile.get_mut(fmri);
        let group = groups.and_then(|groups| groups.get_mut("restarter_actions"));
        if let Some(property) = group.and_then(|group| group.properties.get_mut(action)) {
            if property.values.first().is_some_and(|now| now == value) {
                property.values.clear();
            }
        }
        Ok(())
    }

    fn changes(&mut self) -> Result<Vec<Change>, StoreError> {
        Ok(std::mem::take(&mut self.feed))
    }
}
