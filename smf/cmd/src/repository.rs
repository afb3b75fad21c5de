//! repository.rs - the configuration repository as the commands see it.
//!
//! Services and instances are canonical FMRIs, values are in printed form, and everything read is
//! one level: composition is `instance`'s.  What lies behind is a `Backend`: the server that
//! svc.startd hosts, or, for reading only, the repository's file.
//!
//! What must hold: `carry_out` does all of its operations or none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use smf_scf::import::held::Found;
use smf_scf::import::merge::{Groups, Property};
use smf_scf::import::{Operation, Source};
use smf_scf::protocol::{Choice, Columns, Composed, Expected, Query};

use crate::operand::Entities;

/// What the repository refused or could not do.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// An entity, group or property is not there.
    #[error("{0}: not found")]
    NotFound(String),
    /// An entity or a group is there already.
    #[error("{0}: already exists")]
    Exists(String),
    /// The caller may not.
    #[error("permission denied")]
    Denied,
    /// The repository is served read-only.
    #[error("repository is read-only")]
    ReadOnly,
    /// A group has changed since it was read: to be read and decided again.
    #[error("{0}: changed meanwhile")]
    Outdated(String),
    /// A name, a type or a value that no repository takes.
    #[error("{0}")]
    Invalid(String),
    /// Nobody answers.
    #[error("Could not bind to repository server: repository server unavailable.  Exiting.")]
    NoServer,
    /// Anything else, in the server's words.
    #[error("{0}")]
    Other(String),
}

type Answer<T> = Result<T, RepositoryError>;

/// How far the changes of a repository had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(pub u64);

/// What serves a repository.  All names are canonical FMRIs.
pub trait Backend {
    /// Every service with its instances.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn entities(&mut self) -> Answer<Entities>;
    /// The live groups of an entity itself.
    ///
    /// # Errors
    /// There is no such entity.
    fn groups(&mut self, entity: &str) -> Answer<Groups>;
    /// Of many entities, this of their own live groups; those that are not there are left out.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn own(&mut self, entities: &[String], choice: &Choice) -> Answer<Vec<(String, Groups)>>;
    /// A snapshot: the groups of the instance, and those of its service.
    ///
    /// # Errors
    /// There is no such instance.
    fn snapshot(&mut self, instance: &str, name: &str) -> Answer<Option<(Groups, Groups)>>;
    /// The names of the snapshots of an instance.
    ///
    /// # Errors
    /// There is no such instance.
    fn snapshots(&mut self, instance: &str) -> Answer<Vec<String>>;
    /// The groups of an entity whose values the caller may not read: they come without values.
    ///
    /// # Errors
    /// There is no such entity.
    fn hidden(&mut self, entity: &str) -> Answer<Vec<String>>;
    /// What a live group is at: it differs after every change; 0 where there is no such group.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn generation(&mut self, entity: &str, group: &str) -> Answer<u64>;
    /// Carries out all operations, or none: none either (`Outdated`) when a group is at another
    /// generation than the caller read.
    ///
    /// # Errors
    /// A group has changed, or an operation is refused.
    fn carry_out_upon(&mut self, expected: &[Expected], operations: &[Operation]) -> Answer<()>;
    /// Sleeps until a live group is at another generation, or for this long at most; what it is at.
    ///
    /// # Errors
    /// The server is gone.
    fn wait_group(&mut self, known: &Expected, longest: Option<Duration>) -> Answer<u64>;
    /// Many instances at once, composed: one question for all of them.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn composed(&mut self, query: &Query) -> Answer<Vec<Composed>>;
    /// A few properties of many instances: rows of `smf_scf::table`.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn table(&mut self, columns: &Columns) -> Answer<Vec<String>>;
    /// Services with all that an import looks at; those that are not there are left out.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn found(&mut self, services: &[String]) -> Answer<Vec<Found>>;
    /// Takes the lasting groups of an instance and its service back from a snapshot, after taking
    /// `previous`; general/enabled stays.
    ///
    /// # Errors
    /// There is no such snapshot, or the repository refuses.
    fn revert(&mut self, instance: &str, name: &str) -> Answer<()>;
    /// Removes a snapshot.
    ///
    /// # Errors
    /// There is no such snapshot, or the repository refuses.
    fn remove_snapshot(&mut self, instance: &str, name: &str) -> Answer<()>;
    /// Removes a service with its instances, or an instance.
    ///
    /// # Errors
    /// There is no such entity, or the repository refuses.
    fn delete(&mut self, entity: &str) -> Answer<()>;
    /// Carries out all operations, or none.
    ///
    /// # Errors
    /// One of them is refused.
    fn carry_out(&mut self, operations: &[Operation]) -> Answer<()>;
    /// Makes a backup under this name; where it is, none when the last one holds the same.
    ///
    /// # Errors
    /// The name cannot be one, or the repository refuses.
    fn back_up(&mut self, name: &str) -> Answer<Option<PathBuf>>;
    /// How far changes have come.
    ///
    /// # Errors
    /// The server is gone.
    fn mark(&mut self) -> Answer<Mark>;
    /// Sleeps until something has changed since the mark, or for this long at most.
    ///
    /// # Errors
    /// The server is gone.
    fn wait_since(&mut self, mark: Mark, longest: Option<Duration>) -> Answer<()>;
}

/// A repository that answers.
pub struct Repository {
    backend: Box<dyn Backend>,
}

impl Repository {
    /// On top of what serves it.
    #[must_use]
    pub fn new(backend: Box<dyn Backend>) -> Self {
        Self { backend }
    }

    /// For reading: the server, or the file where no server runs.
    ///
    /// # Errors
    /// There is neither.
    pub fn open() -> Answer<Self> {
        crate::backend::open().map(Self::new)
    }

    /// For reading and writing: the server.
    ///
    /// # Errors
    /// No server answers.
    pub fn open_live() -> Answer<Self> {
        crate::backend::open_live().map(Self::new)
    }

    /// A repository of one's own in one file, which is made if need be (`SVCCFG_REPOSITORY`, svccfg
    /// repository): nobody else serves it, and its volatile groups end with this.
    ///
    /// # Errors
    /// The file cannot be opened, or is no repository.
    pub fn open_private(file: &Path) -> Answer<Self> {
        crate::backend::open_private(file).map(Self::new)
    }

    /// Every service with its instances.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn entities(&mut self) -> Answer<Entities> {
        self.backend.entities()
    }

    /// The live groups of an entity itself.
    ///
    /// # Errors
    /// There is no such entity.
    pub fn groups(&mut self, entity: &str) -> Answer<Groups> {
        self.backend.groups(entity)
    }

    /// Of many entities, this of their own live groups; those that are not there are left out.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn own(&mut self, entities: &[String], choice: &Choice) -> Answer<Vec<(String, Groups)>> {
        self.backend.own(entities, choice)
    }

    /// A snapshot: the groups of the instance, and those of its service.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn snapshot(&mut self, instance: &str, name: &str) -> Answer<Option<(Groups, Groups)>> {
        self.backend.snapshot(instance, name)
    }

    /// The names of the snapshots of an instance.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn snapshots(&mut self, instance: &str) -> Answer<Vec<String>> {
        self.backend.snapshots(instance)
    }

    /// The groups of an entity whose values the caller may not read: they come without values.
    ///
    /// # Errors
    /// There is no such entity.
    pub fn hidden(&mut self, entity: &str) -> Answer<Vec<String>> {
        self.backend.hidden(entity)
    }

    /// What a live group is at: it differs after every change; 0 where there is no such group.
    /// Asked before the group is read, it is what a later `carry_out_upon` expects.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn generation(&mut self, entity: &str, group: &str) -> Answer<Expected> {
        let generation = self.backend.generation(entity, group)?;
        Ok(Expected { entity: entity.to_owned(), group: group.to_owned(), generation })
    }

    /// Carries out all operations, or none: none either (`Outdated`) when a group is at another
    /// generation than the caller read.
    ///
    /// # Errors
    /// A group has changed, or an operation is refused.
    pub fn carry_out_upon(
        &mut self,
        expected: &[Expected],
        operations: &[Operation],
    ) -> Answer<()> {
        self.backend.carry_out_upon(expected, operations)
    }

    /// Many instances at once, composed: one question for all of them.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn composed(&mut self, query: &Query) -> Answer<Vec<Composed>> {
        self.backend.composed(query)
    }

    /// A few properties of many instances: rows of `smf_scf::table`.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn table(&mut self, columns: &Columns) -> Answer<Vec<String>> {
        self.backend.table(columns)
    }

    /// Takes the lasting groups of an instance and its service back from a snapshot, after taking
    /// `previous`; general/enabled stays.
    ///
    /// # Errors
    /// There is no such snapshot, or the repository refuses.
    pub fn revert(&mut self, instance: &str, name: &str) -> Answer<()> {
        self.backend.revert(instance, name)
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// There is no such snapshot, or the repository refuses.
    pub fn remove_snapshot(&mut self, instance: &str, name: &str) -> Answer<()> {
        self.backend.remove_snapshot(instance, name)
    }

    /// Makes a service or an instance.
    ///
    /// # Errors
    /// It exists, or the repository refuses.
    pub fn add(&mut self, entity: &str) -> Answer<()> {
        self.backend.carry_out(&[Operation::Add(entity.to_owned())])
    }

    /// Removes a service with its instances, or an instance.
    ///
    /// # Errors
    /// There is no such entity, or the repository refuses.
    pub fn delete(&mut self, entity: &str) -> Answer<()> {
        self.backend.delete(entity)
    }

    /// Makes an empty property group.
    ///
    /// # Errors
    /// It exists, or the repository refuses.
    pub fn add_group(
        &mut self,
        entity: &str,
        name: &str,
        kind: &str,
        volatile: bool,
    ) -> Answer<()> {
        let group = smf_scf::import::merge::Group {
            kind: kind.to_owned(),
            volatile,
            ..smf_scf::import::merge::Group::default()
        };
        let add = Operation::AddGroup(entity.to_owned(), name.to_owned(), group);
        self.backend.carry_out(&[add])
    }

    /// Removes a property group.
    ///
    /// # Errors
    /// There is no such group, or the repository refuses.
    pub fn delete_group(&mut self, entity: &str, name: &str) -> Answer<()> {
        self.backend.carry_out(&[Operation::RemoveGroup(entity.to_owned(), name.to_owned())])
    }

    /// Sets a property of a group, making the property if need be.
    ///
    /// # Errors
    /// There is no such group, or the repository refuses.
    pub fn set(&mut self, entity: &str, group: &str, name: &str, value: &Property) -> Answer<()> {
        let (entity, group, name) = (entity.to_owned(), group.to_owned(), name.to_owned());
        self.backend.carry_out(&[Operation::Set(entity, group, name, value.clone())])
    }

    /// Removes a property of a group.
    ///
    /// # Errors
    /// There is no such property, or the repository refuses.
    pub fn unset(&mut self, entity: &str, group: &str, name: &str) -> Answer<()> {
        let unset = Operation::Unset(entity.to_owned(), group.to_owned(), name.to_owned());
        self.backend.carry_out(&[unset])
    }

    /// Carries out all operations, or none.
    ///
    /// # Errors
    /// One of them is refused.
    pub fn carry_out(&mut self, operations: &[Operation]) -> Answer<()> {
        self.backend.carry_out(operations)
    }

    /// Orders the restarter to take an instance as it is configured.
    ///
    /// # Errors
    /// There is no such instance, or the repository refuses.
    pub fn refresh(&mut self, instance: &str) -> Answer<()> {
        self.order(instance, "refresh")
    }

    /// Stores an order for the restarter: a property of restarter_actions, valued by the time.
    ///
    /// # Errors
    /// There is no such instance, or the repository refuses.
    pub fn order(&mut self, instance: &str, action: &str) -> Answer<()> {
        if !self.groups(instance)?.contains_key("restarter_actions") {
            match self.add_group(instance, "restarter_actions", "framework", true) {
                // Somebody else was faster.
                Ok(()) | Err(RepositoryError::Exists(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let time = crate::clock::monotonic_ns().to_string();
        let value = Property { kind: "integer".into(), values: vec![time] };
        self.set(instance, "restarter_actions", action, &value)
    }

    /// Makes a backup under this name (`svcadm _smf_backup`, and `manifest_import` after an
    /// import at boot); where it is, none when the last one of that name holds the same.
    ///
    /// # Errors
    /// The name cannot be one, or the repository refuses.
    pub fn back_up(&mut self, name: &str) -> Answer<Option<PathBuf>> {
        self.backend.back_up(name)
    }

    /// How far changes have come.
    ///
    /// # Errors
    /// The server is gone.
    pub fn mark(&mut self) -> Answer<Mark> {
        self.backend.mark()
    }

    /// Sleeps until something has changed since the mark, or for this long at most.
    ///
    /// # Errors
    /// The server is gone.
    pub fn wait_since(&mut self, mark: Mark, longest: Duration) -> Answer<()> {
        self.backend.wait_since(mark, Some(longest))
    }

    /// Sleeps until a group is no longer at this generation, or for this long; true if it is not.
    ///
    /// # Errors
    /// The server is gone.
    pub fn wait_group(&mut self, known: &Expected, longest: Option<Duration>) -> Answer<bool> {
        Ok(self.backend.wait_group(known, longest)? != known.generation)
    }

    /// Sleeps until a group of an entity has changed.
    ///
    /// # Errors
    /// The entity or the server is gone.
    pub fn wait_for_change(&mut self, entity: &str, group: &str) -> Answer<()> {
        let known = self.generation(entity, group)?;
        self.backend.wait_group(&known, None).map(drop)
    }
}

impl Source for Repository {
    type Error = RepositoryError;

    fn has_service(&mut self, service: &str) -> Answer<bool> {
        Ok(self.entities()?.contains_key(service))
    }

    fn instances(&mut self, service: &str) -> Answer<Vec<String>> {
        Ok(self.entities()?.remove(service).unwrap_or_default())
    }

    fn live(&mut self, entity: &str) -> Answer<Groups> {
        match self.groups(entity) {
            Err(RepositoryError::NotFound(_)) => Ok(Groups::new()),
            other => other,
        }
    }

    fn snapshot(&mut self, instance: &str, name: &str) -> Answer<Option<(Groups, Groups)>> {
        self.backend.snapshot(instance, name)
    }

    fn found(&mut self, services: &[String]) -> Answer<Vec<Found>> {
        self.backend.found(services)
    }
}
