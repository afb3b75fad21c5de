//! store - the seam between the engine and the configuration repository.
//!
//! The engine reads property groups whole and composed, and writes the volatile group `restarter`.
//! Names: an instance is its canonical FMRI (`svc:/a/b:default`), values are in their stored form.

use std::collections::BTreeMap;

/// A property: its type and its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Property {
    /// Type name: `astring`, `count`, ...
    pub kind: String,
    /// Values in order; none is allowed.
    pub values: Vec<String>,
}

/// A property group, composed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Type name: `framework`, `method`, `dependency`, ...
    pub kind: String,
    /// The properties by name.
    pub properties: BTreeMap<String, Property>,
}

impl Group {
    /// The first value of a property.
    #[must_use]
    pub fn first(&self, property: &str) -> Option<&str> {
        self.properties.get(property)?.values.first().map(String::as_str)
    }
}

/// All groups of an instance by name.
pub type Groups = BTreeMap<String, Group>;

/// Which values to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The running snapshot; the live values where there is no such snapshot.
    Running,
    /// What is in the repository now.
    Live,
}

/// Something changed in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The instance.
    pub fmri: String,
    /// The group; none when the instance itself came or went.
    pub group: Option<String>,
}

/// A property to write: name, type, values.
pub type Write = (&'static str, &'static str, Vec<String>);

/// An action of `restarter_actions` that was acted upon: its name, and the value it had.
pub type Finished = (&'static str, String);

/// What is to be written of one instance: properties of its group `restarter`, snapshots, which
/// actions are done, and that it is outside of the milestone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The instance.
    pub fmri: String,
    /// What the properties are set to.
    pub writes: Vec<Write>,
    /// The names of the snapshots to take.
    pub snapshots: Vec<&'static str>,
    /// The actions that lose their values, as [`Store::finish_action`] takes them.
    pub finished: Vec<Finished>,
    /// `general_ovr/enabled` is false from now on.
    pub outside: bool,
}

/// What the store could not do.
#[derive(Debug, thiserror::Error)]
#[error("{fmri}: {what}: {cause}")]
pub struct StoreError {
    /// The entity.
    pub fmri: String,
    /// What was being done.
    pub what: &'static str,
    /// Why not.
    pub cause: String,
    /// Whether it may be done later: the repository cannot be written at the moment.
    pub passing: bool,
}

/// The configuration repository, as the engine needs it.
pub trait Store {
    /// Every instance there is.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn instances(&mut self) -> Result<Vec<String>, StoreError>;

    /// The composed groups of an instance (or of a service, live, if `fmri` names one); none when
    /// it does not exist.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn groups(&mut self, fmri: &str, view: View) -> Result<Option<Groups>, StoreError>;

    /// Those of them whose name and type are wanted: most of what is asked is about few.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn some_groups(
        &mut self,
        fmri: &str,
        view: View,
        wanted: &dyn Fn(&str, &str) -> bool,
    ) -> Result<Option<Groups>, StoreError> {
        let mut all = self.groups(fmri, view)?;
        if let Some(all) = &mut all {
            all.retain(|name, group| wanted(name, &group.kind));
        }
        Ok(all)
    }

    /// One live group of the instance itself.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn group(&mut self, fmri: &str, group: &str) -> Result<Option<Group>, StoreError> {
        Ok(self.groups(fmri, View::Live)?.and_then(|mut groups| groups.remove(group)))
    }

    /// Sets properties of a volatile framework group, making it if need be.  Properties not named
    /// stay.
    ///
    /// # Errors
    /// The instance is gone or the repository cannot be written.
    fn set(&mut self, fmri: &str, group: &str, writes: &[Write]) -> Result<(), StoreError>;

    /// Sets (or, with none, removes) the temporary override `general_ovr/enabled` of many
    /// instances, in one commit where the repository can.
    ///
    /// # Errors
    /// The repository cannot be written.
    fn set_overrides(&mut self, overrides: &[(String, Option<bool>)]) -> Result<(), StoreError> {
        overrides.iter().try_for_each(|(fmri, enabled)| {
            let values = enabled.iter().map(bool::to_string).collect();
            self.set(fmri, "general_ovr", &[("enabled", "boolean", values)])
        })
    }

    /// Writes entries in their order, as one commit where the store can: all or none of them.
    ///
    /// # Errors
    /// An instance is gone or the repository cannot be written.
    fn write(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        for Entry { fmri, writes, snapshots, finished, outside } in entries {
            if *outside {
                self.set_overrides(&[(fmri.clone(), Some(false))])?;
            }
            if !writes.is_empty() {
                self.set(fmri, "restarter", writes)?;
            }
            for name in snapshots {
                self.snapshot(fmri, name)?;
            }
            for (action, value) in finished {
                self.finish_action(fmri, action, value)?;
            }
        }
        Ok(())
    }

    /// Takes a snapshot, replacing one of that name.
    ///
    /// # Errors
    /// The instance is gone or the repository cannot be written.
    fn snapshot(&mut self, fmri: &str, name: &str) -> Result<(), StoreError>;

    /// Whether the instance has a snapshot of that name.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn has_snapshot(&mut self, fmri: &str, name: &str) -> Result<bool, StoreError>;

    /// Removes the value of a `restarter_actions` property unless it is newer than `value`.
    ///
    /// # Errors
    /// The repository cannot be written.
    fn finish_action(&mut self, fmri: &str, action: &str, value: &str) -> Result<(), StoreError>;

    /// What changed since the last call.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn changes(&mut self) -> Result<Vec<Change>, StoreError>;
}
