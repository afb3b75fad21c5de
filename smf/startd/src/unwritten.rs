//! unwritten.rs - what is to be written, what the repository did not take, and when that is tried
//! again.
//!
//! The engine goes on when the repository's file system is full; then `restarter` tells a state
//! that is no longer true, and a refresh has no snapshot.  What was refused for such a reason is
//! kept, of each property the newest value, and tried again every second until it is taken or the
//! instance is gone.  That one is outside of the milestone is written with its first state: by that
//! an engine that comes after this one tells that it has been decided about.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::engine::Engine;
use crate::store::{Entry, Finished, Store, StoreError, Write};
use crate::sys::Sys;

/// How soon a refused write is tried again.
const PACE: Duration = Duration::from_secs(1);

/// What is still to be written of one instance.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    /// Of the group `restarter`.
    properties: BTreeMap<&'static str, (&'static str, Vec<String>)>,
    /// The snapshot of one that has none yet.
    first_snapshot: bool,
    /// Actions that are done but still stand in the repository.
    finished: Vec<Finished>,
    /// There is a refresh whose snapshot could not be taken.
    actions: bool,
    /// It is outside of the milestone.
    outside: bool,
    /// It is to be disabled until the next boot, because its start method asked for it.
    disabled: bool,
}

impl Unwritten {
    fn is_empty(&self) -> bool {
        let properties = self.properties.is_empty() && self.finished.is_empty();
        properties && !self.first_snapshot && !self.actions && !self.outside && !self.disabled
    }

    /// Whether its first snapshot is still to be taken.
    pub(crate) fn has_first_snapshot(&self) -> bool {
        self.first_snapshot
    }

    /// What goes into the volatile half of the repository, taken from here.
    fn take_entry(&mut self, fmri: &str) -> Entry {
        let properties = std::mem::take(&mut self.properties).into_iter();
        let writes = properties.map(|(name, (kind, values))| (name, kind, values)).collect();
        let finished = std::mem::take(&mut self.finished);
        let outside = std::mem::take(&mut self.outside);
        Entry { fmri: fmri.to_owned(), writes, finished, outside, ..Entry::default() }
    }

    /// What was taken from here, or something newer, was refused.
    fn take_back(&mut self, entry: Entry) {
        let writes = entry.writes.into_iter();
        self.properties.extend(writes.map(|(name, kind, values)| (name, (kind, values))));
        self.finished.extend(entry.finished);
        self.outside |= entry.outside;
    }
}

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// Writes properties of the group `restarter` with the next [`Engine::flush`].
    pub(crate) fn write(&mut self, fmri: &str, writes: Vec<Write>) {
        self.due.push(Entry { fmri: fmri.to_owned(), writes, ..Entry::default() });
    }

    /// Takes a snapshot with the next [`Engine::flush`].
    pub(crate) fn take(&mut self, fmri: &str, snapshot: &'static str) {
        let (fmri, snapshots) = (fmri.to_owned(), vec![snapshot]);
        self.due.push(Entry { fmri, snapshots, ..Entry::default() });
    }

    /// Writes what is due, with what was refused of the same instances before: one commit for all
    /// that happened in one turn.  To be called before anything happens that the next engine must
    /// know of, should this one die: before a process is made, and before waiting.
    pub(crate) fn flush(&mut self) {
        let due = std::mem::take(&mut self.due);
        let Some(first) = due.first().map(|entry| entry.fmri.clone()) else { return };
        let mut entries = Vec::with_capacity(due.len());
        for fmri in due.iter().map(|entry| &entry.fmri).collect::<BTreeSet<_>>() {
            let outside = self.is_still_outside(fmri);
            let Some(older) = self.unwritten.get_mut(fmri) else { continue };
            older.outside = outside;
            entries.push(older.take_entry(fmri));
        }
        entries.extend(due);
        self.sys.told();
        match self.store.write(&entries) {
            Ok(()) => {}
            Err(error) if error.passing => {
                self.noted::<(), _>(&first, Err(error));
                entries.into_iter().for_each(|entry| self.refused(entry));
            }
            // Somebody is gone, and the others are not to suffer from it.
            Err(_) => {
                for entry in entries {
                    let written = self.store.write(std::slice::from_ref(&entry));
                    let passing = is_refused(&written);
                    self.noted(&entry.fmri, written);
                    if passing {
                        self.refused(entry);
                    }
                }
            }
        }
        self.unwritten.retain(|_, later| !later.is_empty());
    }

    /// Whether that is still to be written.
    fn is_still_outside(&self, fmri: &str) -> bool {
        self.unwritten.get(fmri).is_some_and(|later| later.outside) && self.is_outside(fmri)
    }

    fn refused(&mut self, entry: Entry) {
        // It may say that a contract is held no longer.
        self.sys.discard_used();
        let mut later = self.unwritten.remove(&entry.fmri).unwrap_or_default();
        later.first_snapshot |= entry.snapshots.contains(&"running");
        let fmri = entry.fmri.clone();
        later.take_back(entry);
        self.keep(&fmri, later);
    }

    /// What these actions order cannot be done now, and is tried again.
    pub(crate) fn act_again(&mut self, fmri: &str, actions: &[Finished]) {
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        instance.acted.retain(|acted| !actions.contains(acted));
        let mut later = self.unwritten.remove(fmri).unwrap_or_default();
        later.actions = true;
        self.keep(fmri, later);
    }

    /// That it is outside of the milestone is written later.
    pub(crate) fn stay_outside_again(&mut self, fmri: &str) {
        let mut later = self.unwritten.remove(fmri).unwrap_or_default();
        later.outside = true;
        self.keep(fmri, later);
    }

    /// It is disabled until the next boot with the next attempt.
    pub(crate) fn disable_again(&mut self, fmri: &str) {
        let mut later = self.unwritten.remove(fmri).unwrap_or_default();
        later.disabled = true;
        self.keep(fmri, later);
    }

    /// It is not, after all: somebody has enabled it, or it was started anew.
    pub(crate) fn disable_no_more(&mut self, fmri: &str) {
        if let Some(mut later) = self.unwritten.remove(fmri) {
            later.disabled = false;
            self.keep(fmri, later);
        }
    }

    /// The milestone is gone to with the next attempt.
    pub(crate) fn go_again(&mut self) {
        self.going = true;
        let when = self.sys.now() + PACE;
        self.again.get_or_insert(when);
    }

    fn keep(&mut self, fmri: &str, later: Unwritten) {
        if !later.is_empty() {
            self.unwritten.insert(fmri.to_owned(), later);
            let when = self.sys.now() + PACE;
            self.again.get_or_insert(when);
        }
    }

    /// Tries again what was refused, once it is time.
    pub(crate) fn write_again(&mut self) {
        if self.again.is_none_or(|when| when > self.sys.now()) {
            return;
        }
        self.again = None;
        for (fmri, mut later) in std::mem::take(&mut self.unwritten) {
            if !self.instances.contains_key(&fmri) {
                continue;
            }
            later.outside = later.outside && self.is_outside(&fmri);
            if later.outside {
                // Something may have enabled it meanwhile.
                self.set_enabled(&fmri, false);
            }
            // Silent this time: it was told of when it was refused first.
            let entry = later.take_entry(&fmri);
            let nothing = entry.writes.is_empty() && entry.finished.is_empty() && !entry.outside;
            if !nothing && is_refused(&self.store.write(std::slice::from_ref(&entry))) {
                later.take_back(entry);
            }
            if later.first_snapshot {
                later.first_snapshot = is_refused(&self.store.snapshot(&fmri, "running"));
            }
            let actions = std::mem::take(&mut later.actions);
            let disabled = std::mem::take(&mut later.disabled);
            self.keep(&fmri, later);
            if disabled {
                self.disable_until_boot(&fmri);
            }
            if actions {
                self.actions(&fmri);
            }
        }
        if std::mem::take(&mut self.going) {
            self.options();
        }
    }
}

fn is_refused(result: &Result<(), StoreError>) -> bool {
    result.as_ref().is_err_and(|error| error.passing)
}
