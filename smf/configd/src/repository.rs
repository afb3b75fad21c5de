//! repository.rs - entities, their groups and snapshots; a commit changes many of them or none.
//!
//! All of it is held in memory and read from there; the files are written first, and memory only
//! after they have taken a commit.
//!
//! Invariants: an instance has its service; a volatile group is in no snapshot; every name, type
//! and value is one that smf(7) allows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use smf_model::bundle::value::{PropertyType, Value, valid_name, valid_service_name};
use smf_model::fmri::{is_instance, service_of};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Groups, Property};
use smf_scf::protocol::{Choice, Composed, Query, Refusal};

use crate::authorization;
pub use crate::file::OpenError;
use crate::file::{Contents, File, Row};
use crate::rights::Caller;

/// What a commit changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The service or instance.
    pub entity: String,
    /// The group; none when the entity itself came or went.
    pub group: Option<String>,
}

/// A service or an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entity {
    groups: Groups,
    snapshots: BTreeMap<String, (Groups, Groups)>,
}

/// Entities as a commit leaves them; none = removed.
type Draft = BTreeMap<String, Option<Entity>>;

/// A repository.
#[derive(Debug)]
pub struct Repository {
    file: File,
    entities: BTreeMap<String, Entity>,
    writable: bool,
}

impl Repository {
    /// Opens the two files for reading and writing, making what is missing.
    ///
    /// # Errors
    /// A file is damaged, of a newer version, or cannot be opened.
    pub fn open(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        let file = File::open(lasting, volatile)?;
        let entities = arrange(file.contents(lasting)?);
        Ok(Self { file, entities, writable: true })
    }

    /// Opens what there is for reading.
    ///
    /// # Errors
    /// There is no repository, or it cannot be read.
    pub fn open_read_only(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        let file = File::open_read_only(lasting, volatile)?;
        let entities = arrange(file.contents(lasting)?);
        Ok(Self { file, entities, writable: false })
    }

    /// Opens one file for reading and writing, making it if need be: a repository of one's own,
    /// whose volatile half ends with it.
    ///
    /// # Errors
    /// The file is damaged, of a newer version, or cannot be opened.
    pub fn open_private(lasting: &Path) -> Result<Self, OpenError> {
        Self::open(lasting, Path::new(":memory:"))
    }

    /// Every service with its instances.
    #[must_use]
    pub fn entities(&self) -> BTreeMap<String, Vec<String>> {
        let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for fmri in self.entities.keys() {
            let instances = services.entry(service_of(fmri).to_owned()).or_default();
            if service_of(fmri) != fmri {
                instances.push(fmri.clone());
            }
        }
        services
    }

    /// The live groups of an entity itself.
    ///
    /// # Errors
    /// There is no such entity.
    pub fn groups(&self, entity: &str) -> Result<&Groups, Refusal> {
        self.entity(entity).map(|entity| &entity.groups)
    }

    /// A snapshot: the groups of the instance, and those of its service.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn snapshot(
        &self,
        instance: &str,
        name: &str,
    ) -> Result<Option<&(Groups, Groups)>, Refusal> {
        Ok(self.entity(instance)?.snapshots.get(name))
    }

    /// The names of the snapshots of an instance.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn snapshots(&self, instance: &str) -> Result<Vec<String>, Refusal> {
        Ok(self.entity(instance)?.snapshots.keys().cloned().collect())
    }

    /// Removes a service with its instances, or an instance.
    ///
    /// # Errors
    /// There is no such entity, the caller may not, or the file cannot be written.
    pub fn delete(&mut self, entity: &str, caller: &Caller) -> Result<Vec<Change>, Refusal> {
        self.entity(entity)?;
        let below = format!("{entity}:");
        let of = |fmri: &&String| *fmri == entity || fmri.starts_with(&below);
        let draft = self.entities.keys().filter(of).map(|fmri| (fmri.clone(), None)).collect();
        self.commit(draft, caller)
    }

    /// Carries out all operations, or none.
    ///
    /// # Errors
    /// One of them is refused, or the file cannot be written.
    pub fn carry_out(
        &mut self,
        operations: &[Operation],
        caller: &Caller,
    ) -> Result<Vec<Change>, Refusal> {
        let mut draft = Draft::new();
        for operation in operations {
            self.draft(operation, &mut draft)?;
        }
        self.commit(draft, caller)
    }

    /// Many instances, composed; those that are not there are left out.
    #[must_use]
    pub fn composed(&self, query: &Query) -> Vec<Composed> {
        let every = || self.entities.keys().filter(|fmri| is_instance(fmri)).cloned().collect();
        let fmris: BTreeSet<String> =
            query.instances.as_ref().map_or_else(every, |some| some.iter().cloned().collect());
        let none = Groups::new();
        let compose = |fmri: String| {
            let own = self.entities.get(&fmri).filter(|_| is_instance(&fmri))?;
            let service = self.entities.get(service_of(&fmri)).map_or(&none, |s| &s.groups);
            let running = own.snapshots.get("running").map(|(own, service)| [own, service]);
            Some(Composed {
                live: chosen([&own.groups, service], &query.live),
                running: chosen(running.unwrap_or([&own.groups, service]), &query.running),
                instance: fmri,
            })
        };
        fmris.into_iter().filter_map(compose).collect()
    }

    /// Takes the lasting groups of an instance and its service back from a snapshot.
    ///
    /// # Errors
    /// There is no such snapshot, the caller may not, or the file cannot be written.
    pub fn revert(
        &mut self,
        instance: &str,
        name: &str,
        caller: &Caller,
    ) -> Result<Vec<Change>, Refusal> {
        let snapshot = self.entity(instance)?.snapshots.get(name);
        let (own, service) = snapshot.ok_or_else(|| Refusal::NotFound(name.to_owned()))?.clone();
        let mut draft = Draft::new();
        self.draft(&Operation::Take(instance.to_owned(), "previous".to_owned()), &mut draft)?;
        for (fmri, then) in [(instance, own), (service_of(instance), service)] {
            let groups = &mut self.drafted(fmri, &mut draft)?.groups;
            let enabled = groups.get("general").and_then(|g| g.properties.get("enabled")).cloned();
            let kind = groups.get("general").map(|group| group.kind.clone());
            groups.retain(|_, group| group.volatile);
            groups.extend(then);
            if let Some((enabled, kind)) = enabled.zip(kind) {
                let general = groups.entry("general".to_owned()).or_default();
                general.kind = kind;
                general.properties.insert("enabled".to_owned(), enabled);
            }
        }
        self.commit(draft, caller)
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// There is no such snapshot, the caller may not, or the file cannot be written.
    pub fn remove_snapshot(
        &mut self,
        instance: &str,
        name: &str,
        caller: &Caller,
    ) -> Result<Vec<Change>, Refusal> {
        let mut draft = Draft::new();
        let snapshots = &mut self.drafted(instance, &mut draft)?.snapshots;
        snapshots.remove(name).ok_or_else(|| Refusal::NotFound(name.to_owned()))?;
        self.commit(draft, caller)
    }

    fn entity(&self, fmri: &str) -> Result<&Entity, Refusal> {
        self.entities.get(fmri).ok_or_else(|| Refusal::NotFound(fmri.to_owned()))
    }

    /// An entity as the draft has it so far, to be changed.
    fn drafted<'d>(&self, fmri: &str, draft: &'d mut Draft) -> Result<&'d mut Entity, Refusal> {
        let absent = || Refusal::NotFound(fmri.to_owned());
        if !draft.contains_key(fmri) {
            draft.insert(fmri.to_owned(), Some(self.entity(fmri)?.clone()));
        }
        draft.get_mut(fmri).and_then(Option::as_mut).ok_or_else(absent)
    }

    fn draft(&self, operation: &Operation, draft: &mut Draft) -> Result<(), Refusal> {
        match operation {
            Operation::Add(fmri) => self.add(fmri, draft)?,
            Operation::AddGroup(fmri, name, group) => {
                check_group(name, group)?;
                let groups = &mut self.drafted(fmri, draft)?.groups;
                if groups.contains_key(name) {
                    return Err(Refusal::Exists(format!("{fmri}/:properties/{name}")));
                }
                groups.insert(name.clone(), group.clone());
            }
            Operation::RemoveGroup(fmri, name) => {
                let groups = &mut self.drafted(fmri, draft)?.groups;
                groups.remove(name).ok_or_else(|| absent(fmri, name))?;
            }
            Operation::Set(fmri, group, name, value) => {
                check_property(name, value)?;
                let groups = &mut self.drafted(fmri, draft)?.groups;
                let group = groups.get_mut(group).ok_or_else(|| absent(fmri, group))?;
                group.properties.insert(name.clone(), value.clone());
            }
            Operation::Unset(fmri, group, name) => {
                let whole = format!("{group}/{name}");
                let groups = &mut self.drafted(fmri, draft)?.groups;
                let group = groups.get_mut(group).ok_or_else(|| absent(fmri, group))?;
                group.properties.remove(name).ok_or_else(|| absent(fmri, &whole))?;
            }
            Operation::Take(fmri, name) => {
                let lasting = |entity: &Entity| lasting(&entity.groups);
                let service = lasting(self.drafted(service_of(fmri), draft)?);
                let instance = self.drafted(fmri, draft)?;
                let own = lasting(instance);
                instance.snapshots.insert(name.clone(), (own, service));
            }
            Operation::Record { instance, name, own, service } => {
                let snapshots = &mut self.drafted(instance, draft)?.snapshots;
                snapshots.insert(name.clone(), (own.clone(), service.clone()));
            }
        }
        Ok(())
    }

    fn add(&self, fmri: &str, draft: &mut Draft) -> Result<(), Refusal> {
        check_fmri(fmri)?;
        if self.drafted(fmri, draft).is_ok() {
            return Err(Refusal::Exists(fmri.to_owned()));
        }
        let service = service_of(fmri);
        if service != fmri {
            self.drafted(service, draft)?;
        }
        draft.insert(fmri.to_owned(), Some(Entity::default()));
        Ok(())
    }

    /// Whether the caller may make these changes.
    fn permits(&self, draft: &Draft, caller: &Caller) -> bool {
        let none = Groups::new();
        draft.iter().all(|(fmri, after)| {
            let (Some(before), Some(after)) = (self.entities.get(fmri), after) else {
                return authorization::may_modify(caller);
            };
            let service = self.entities.get(service_of(fmri)).map_or(&none, |s| &s.groups);
            let change =
                authorization::Change { before: &before.groups, after: &after.groups, service };
            let snapshots =
                before.snapshots == after.snapshots || authorization::may_modify(caller);
            snapshots && authorization::may_change(caller, &change)
        })
    }

    /// Writes what a draft changes, then takes it over.
    fn commit(&mut self, draft: Draft, caller: &Caller) -> Result<Vec<Change>, Refusal> {
        if !self.permits(&draft, caller) {
            return Err(Refusal::Denied);
        }
        let (rows, changes) = differences(&self.entities, &draft);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        if !self.writable {
            return Err(Refusal::ReadOnly);
        }
        self.file.commit(&rows).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ReadOnly) => Refusal::ReadOnly,
            Some(rusqlite::ErrorCode::DiskFull) => {
                Refusal::Failed("the repository's file system is full".into())
            }
            Some(_) | None => Refusal::Failed(error.to_string()),
        })?;
        drop(rows);
        for (fmri, entity) in draft {
            match entity {
                Some(entity) => self.entities.insert(fmri, entity),
                None => self.entities.remove(&fmri),
            };
        }
        Ok(changes.into_iter().collect())
    }
}

/// The chosen part of two levels, the upper hiding the lower property by property.
fn chosen(levels: [&Groups; 2], choice: &Choice) -> Groups {
    let mut composed = Groups::new();
    for (name, group) in levels.into_iter().flatten() {
        let takes = |property: &&String| choice.takes(name, &group.kind, property);
        let any = choice.takes(name, &group.kind, "");
        if !any && !group.properties.keys().any(|property| takes(&property)) {
            continue;
        }
        let into = composed.entry(name.clone()).or_insert_with(|| Group {
            kind: group.kind.clone(),
            volatile: group.volatile,
            properties: BTreeMap::new(),
        });
        for (property, value) in group.properties.iter().filter(|(property, _)| takes(property)) {
            into.properties.entry(property.clone()).or_insert_with(|| value.clone());
        }
    }
    composed
}

/// The groups that a snapshot takes.
fn lasting(groups: &Groups) -> Groups {
    let kept = groups.iter().filter(|(_, group)| !group.volatile);
    kept.map(|(name, group)| (name.clone(), group.clone())).collect()
}

/// What is to be written, and what there is to tell.
fn differences<'a>(
    before: &'a BTreeMap<String, Entity>,
    draft: &'a Draft,
) -> (Vec<Row<'a>>, BTreeSet<Change>) {
    let mut rows = Vec::new();
    let mut changes = BTreeSet::new();
    for (fmri, entity) in draft {
        let was = before.get(fmri);
        let mut tell = |group: Option<&String>| {
            changes.insert(Change { entity: fmri.clone(), group: group.cloned() });
        };
        let Some(is) = entity else {
            rows.push(Row::NoEntity(fmri));
            tell(None);
            continue;
        };
        if was.is_none() {
            rows.push(Row::Entity(fmri));
            tell(None);
        }
        for (name, group) in was.into_iter().flat_map(|was| &was.groups) {
            // A group that moves from one file to the other leaves the first.
            if is.groups.get(name).is_none_or(|now| now.volatile != group.volatile) {
                rows.push(Row::NoGroup(fmri, name, group.volatile));
                tell(Some(name));
            }
        }
        for (name, group) in &is.groups {
            if was.and_then(|was| was.groups.get(name)) != Some(group) {
                rows.push(Row::Group(fmri, name, group));
                tell(Some(name));
            }
        }
        for name in was.into_iter().flat_map(|was| was.snapshots.keys()) {
            if !is.snapshots.contains_key(name) {
                rows.push(Row::NoSnapshot(fmri, name));
            }
        }
        for (name, snapshot) in &is.snapshots {
            if was.and_then(|was| was.snapshots.get(name)) != Some(snapshot) {
                rows.push(Row::Snapshot(fmri, name, snapshot));
            }
        }
    }
    (rows, changes)
}

fn arrange(contents: Contents) -> BTreeMap<String, Entity> {
    let mut entities: BTreeMap<String, Entity> = BTreeMap::new();
    for fmri in contents.entities {
        entities.insert(fmri, Entity::default());
    }
    // What the volatile file says of entities that are gone is not taken over.
    for (fmri, name, group) in contents.groups {
        if let Some(entity) = entities.get_mut(&fmri) {
            entity.groups.insert(name, group);
        }
    }
    for (fmri, name, own, service) in contents.snapshots {
        if let Some(entity) = entities.get_mut(&fmri) {
            entity.snapshots.insert(name, (own, service));
        }
    }
    entities
}

fn absent(fmri: &str, what: &str) -> Refusal {
    Refusal::NotFound(format!("{fmri}/:properties/{what}"))
}

fn check_fmri(fmri: &str) -> Result<(), Refusal> {
    let service = service_of(fmri);
    let name = service.strip_prefix("svc:/").filter(|name| valid_service_name(name));
    let instance = fmri.get(service.len() + 1..);
    if name.is_some() && instance.is_none_or(valid_name) {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("{fmri}: not the name of a service or an instance")))
}

fn check_group(name: &str, group: &Group) -> Result<(), Refusal> {
    for text in [name, &group.kind] {
        if !valid_name(text) {
            return Err(Refusal::Invalid(format!("\"{text}\": not a name")));
        }
    }
    group.properties.iter().try_for_each(|(name, value)| check_property(name, value))
}

fn check_property(name: &str, property: &Property) -> Result<(), Refusal> {
    if !valid_name(name) {
        return Err(Refusal::Invalid(format!("\"{name}\": not a name")));
    }
    let Some(kind) = PropertyType::from_name(&property.kind) else {
        return Err(Refusal::Invalid(format!("\"{}\": not a type", property.kind)));
    };
    for value in &property.values {
        if Value::parse(kind, value).is_err() {
            return Err(Refusal::Invalid(format!("\"{value}\": not a value of type {kind}")));
        }
    }
    Ok(())
}
