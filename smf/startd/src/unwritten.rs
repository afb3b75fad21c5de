//! unwritten.rs - what the repository did not take, and when it is tried again.
//!
//! The engine goes on when the repository's file system is full; then `restarter` tells a state
//! that is no longer true, and a refresh has no snapshot.  What was refused for such a reason is
//! kept, of each property the newest value, and tried again every second until it is taken or the
//! instance is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::Engine;
use crate::store::{Store, StoreError, Write};
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
    /// A refresh whose snapshot could not be taken.
    refresh: bool,
    /// Actions that are done but still stand in the repository.
    actions: bool,
}

impl Unwritten {
    fn is_empty(&self) -> bool {
        self.properties.is_empty() && !self.first_snapshot && !self.refresh && !self.actions
    }

    fn writes(&self) -> Vec<Write> {
        let write = |(name, (kind, values)): (&&'static str, &(&'static str, Vec<String>))| {
            (*name, *kind, values.clone())
        };
        self.properties.iter().map(write).collect()
    }
}

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    FirstSnapshot,
    Refresh,
    Action,
}

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// Writes properties of the group `restarter`, with what was refused before.
    pub(crate) fn write(&mut self, fmri: &str, writes: Vec<Write>) {
        let mut later = self.unwritten.remove(fmri).unwrap_or_default();
        later.properties.extend(writes.into_iter().map(|(name, kind, all)| (name, (kind, all))));
        let written = self.store.set(fmri, "restarter", &later.writes());
        if !written.as_ref().is_err_and(|error| error.passing) {
            later.properties.clear();
        }
        self.noted(fmri, written);
        self.keep(fmri, later);
    }

    /// The result of something else that was to be written; true when it was.
    pub(crate) fn written(
        &mut self,
        fmri: &str,
        what: Refused,
        result: Result<(), StoreError>,
    ) -> bool {
        if result.as_ref().is_err_and(|error| error.passing) {
            let mut later = self.unwritten.remove(fmri).unwrap_or_default();
            match what {
                Refused::FirstSnapshot => later.first_snapshot = true,
                Refused::Refresh => later.refresh = true,
                Refused::Action => later.actions = true,
            }
            self.keep(fmri, later);
        }
        self.noted(fmri, result).is_some()
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
            // Silent this time: it was told of when it was refused first.
            let writes = later.writes();
            let set = |store: &mut S| store.set(&fmri, "restarter", &writes);
            if !writes.is_empty() && !is_refused(&set(&mut self.store)) {
                later.properties.clear();
            }
            if later.first_snapshot {
                later.first_snapshot = is_refused(&self.store.snapshot(&fmri, "running"));
            }
            let (refresh, actions) = (later.refresh, later.actions);
            (later.refresh, later.actions) = (false, false);
            self.keep(&fmri, later);
            if refresh {
                self.take_refresh(&fmri);
            }
            if actions {
                self.actions(&fmri);
            }
        }
    }
}

fn is_refused(result: &Result<(), StoreError>) -> bool {
    result.as_ref().is_err_and(|error| error.passing)
}
