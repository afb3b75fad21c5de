//! repository.rs - entities, their groups and snapshots; a commit changes many of them or none.
//!
//! All of it is held in memory and read from there; the files are written first, and memory only
//! after they have taken a commit.
//!
//! Invariants: an instance has its service; a volatile group is in no snapshot; every name, type
//! and value is one that smf(7) allows; two groups of one generation hold the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smf_model::fmri::{is_instance, service_of};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Groups};
use smf_scf::protocol::{Composed, Expected, Query, Refusal};

use crate::authorization;
use crate::draft::{Draft, Entities, Finished, Step};
use crate::file::{self, File, Row, Upkeep};
use crate::load::{Loaded, load};
use crate::restore;
use crate::rights::Caller;
use crate::version::{self, Entity, Version};
use crate::view::View;

pub use crate::file::OpenError;

/// So many generations are reserved at once: the counter in the file is ahead of those in use.
const RESERVE: u64 = 1 << 16;

/// The tag of the backup before the first write of a boot, and what is noted once it is made.
const BOOT: &str = "boot";

/// What a commit changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The service or instance.
    pub entity: String,
    /// The group; none when the entity itself came or went.
    pub group: Option<String>,
}

/// What can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Writes {
    Everything,
    Nothing,
    /// What is volatile: the root is mounted read-only.  The two files.
    Volatile(PathBuf, PathBuf),
}

/// A repository.
#[derive(Debug)]
pub struct Repository {
    /// Behind a lock only because SQLite's connections are not for several threads at once.
    file: Mutex<File>,
    entities: Entities,
    /// Versions in the file that nothing refers to; removed with the next commit.
    garbage: Vec<u64>,
    /// The next generation.
    next: u64,
    /// The file knows that generations below this may be used.
    reserved: u64,
    writes: Writes,
    /// The lasting file, if backups are made of it.
    pub(crate) backed_up: Option<PathBuf>,
    /// The volatile file, while the backup before this boot's first write is still to be made.
    boot_backup: Option<PathBuf>,
}

impl Repository {
    /// Opens the two files for reading and writing, making what is missing.  A damaged file is set
    /// aside: the volatile one is begun anew, without the lasting one there is only the error.
    ///
    /// # Errors
    /// A file is damaged, of a newer version, or cannot be opened.
    pub fn open(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        if restore::is_set_aside(lasting).map_err(file::io(lasting))? {
            let (path, advice) = (lasting.to_path_buf(), restore::advice(lasting));
            return Err(OpenError::Gone { path, advice });
        }
        if file::is_read_only(lasting) {
            let file = File::open_read_only_root(lasting, volatile)?;
            let files = (lasting.to_path_buf(), volatile.to_path_buf());
            return Self::over(file, Writes::Volatile(files.0, files.1));
        }
        let open = || Self::over(File::open(lasting, volatile)?, Writes::Everything);
        let opened = match open() {
            Err(OpenError::Corrupt { path, reason }) => {
                let aside = restore::set_aside(&path).map_err(file::io(&path))?;
                let note = format!("{}, now {}: {reason}", path.display(), aside.display());
                // That it cannot be written down makes the damage no smaller.
                let _unwritten = restore::note(volatile, &note);
                if path == lasting {
                    let advice = restore::advice(lasting);
                    return Err(OpenError::SetAside { path, aside, reason, advice });
                }
                open()
            }
            other => other,
        };
        let mut repository = opened?;
        repository.backed_up = Some(lasting.to_path_buf());
        let stamped = repository.file().stamped(BOOT).map_err(file::sql(volatile))?;
        repository.boot_backup = (!stamped).then(|| volatile.to_path_buf());
        Ok(repository)
    }

    /// Opens what there is for reading.
    ///
    /// # Errors
    /// There is no repository, or it cannot be read.
    pub fn open_read_only(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        Self::over(File::open_read_only(lasting, volatile)?, Writes::Nothing)
    }

    /// Opens what there is for reading, and reads nothing yet: `Reading` fetches what is asked for.
    pub(crate) fn open_unread(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        let file = File::open_read_only(lasting, volatile)?;
        Ok(Self::holding(Loaded::default(), file, Writes::Nothing))
    }

    /// Holds these entities instead of those it held.
    pub(crate) fn hold(&mut self, entities: Entities) {
        self.entities = entities;
    }

    /// Opens one file for reading and writing, making it if need be: a repository of one's own,
    /// which nobody else opens meanwhile and whose volatile half ends with this.
    ///
    /// # Errors
    /// The file is damaged, of a newer version, or cannot be opened.
    pub fn open_private(lasting: &Path) -> Result<Self, OpenError> {
        Self::over(File::open_private(lasting)?, Writes::Everything)
    }

    fn over(file: File, writes: Writes) -> Result<Self, OpenError> {
        let loaded = load(&file)?;
        Ok(Self::holding(loaded, file, writes))
    }

    fn holding(loaded: Loaded, file: File, writes: Writes) -> Self {
        Self {
            file: Mutex::new(file),
            entities: loaded.entities,
            garbage: loaded.garbage,
            next: loaded.next,
            reserved: 0,
            writes,
            backed_up: None,
            boot_backup: None,
        }
    }

    /// Every service with its instances.
    #[must_use]
    pub fn entities(&self) -> BTreeMap<String, Vec<String>> {
        let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for fmri in self.entities.keys() {
            let instances = services.entry(service_of(fmri).to_owned()).or_default();
            if is_instance(fmri) {
                instances.push(fmri.clone());
            }
        }
        services
    }

    /// The instances of a service.
    pub(crate) fn instances_of(&self, service: &str) -> Vec<String> {
        let first = format!("{service}:");
        let from = self.entities.range(first.clone()..).map(|(fmri, _)| fmri);
        from.take_while(|fmri| fmri.starts_with(&first)).cloned().collect()
    }

    /// The live groups of an entity itself.
    ///
    /// # Errors
    /// There is no such entity.
    pub fn groups(&self, entity: &str) -> Result<Groups, Refusal> {
        self.some_groups(entity, |_, _| true)
    }

    /// Those of them whose name and type are wanted.
    ///
    /// # Errors
    /// There is no such entity.
    pub fn some_groups(
        &self,
        entity: &str,
        wanted: impl Fn(&str, &str) -> bool,
    ) -> Result<Groups, Refusal> {
        self.entity(entity).map(|entity| version::groups(&entity.level, wanted))
    }

    /// One live group of an entity itself, if it is there.
    #[must_use]
    pub fn group(&self, entity: &str, name: &str) -> Option<Group> {
        self.version(entity, name).map(|version| version.group())
    }

    /// What a live group is at: it differs after every change.  0 where there is none.
    #[must_use]
    pub fn generation(&self, entity: &str, name: &str) -> u64 {
        self.version(entity, name).map_or(0, |version| version.generation)
    }

    /// A snapshot: the groups of the instance, and those of its service.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn snapshot(
        &self,
        instance: &str,
        name: &str,
    ) -> Result<Option<(Groups, Groups)>, Refusal> {
        self.some_of_snapshot(instance, name, |_, _| true)
    }

    /// Those of a snapshot's groups whose name and type are wanted.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn some_of_snapshot(
        &self,
        instance: &str,
        name: &str,
        wanted: impl Fn(&str, &str) -> bool,
    ) -> Result<Option<(Groups, Groups)>, Refusal> {
        let groups = |snapshot: &version::Snapshot| {
            let of = |level| version::groups(level, &wanted);
            (of(&snapshot.own), of(&snapshot.service))
        };
        Ok(self.entity(instance)?.snapshot(name).map(groups))
    }

    /// Whether an instance has a snapshot of this name.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn has_snapshot(&self, instance: &str, name: &str) -> Result<bool, Refusal> {
        Ok(self.entity(instance)?.snapshot(name).is_some())
    }

    /// The names of the snapshots of an instance.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn snapshots(&self, instance: &str) -> Result<Vec<String>, Refusal> {
        let snapshots = &self.entity(instance)?.snapshots;
        Ok(snapshots.iter().map(|(name, _)| name.to_string()).collect())
    }

    /// Many instances, composed; those that are not there are left out.
    #[must_use]
    pub fn composed(&self, query: &Query) -> Vec<Composed> {
        self.seen_by(&Caller::Owner).composed(query)
    }

    /// The repository as a caller sees it.
    #[must_use]
    pub fn seen_by<'a>(&'a self, caller: &'a Caller) -> View<'a> {
        View::new(self, caller)
    }

    /// The names that a query is about, in their order; not all of them have to be there.
    pub(crate) fn instances(&self, query: &Query) -> BTreeSet<String> {
        let every = || self.entities.keys().filter(|fmri| is_instance(fmri)).cloned().collect();
        query.instances.as_ref().map_or_else(every, |some| some.iter().cloned().collect())
    }

    /// Removes a service with its instances, or an instance.
    ///
    /// # Errors
    /// There is no such entity, the caller may not, or the file cannot be written.
    pub fn delete(&mut self, entity: &str, caller: &Caller) -> Result<Vec<Change>, Refusal> {
        self.change(caller, |draft| draft.delete(entity))
    }

    /// Takes the lasting groups of an instance and its service back from a snapshot, after taking
    /// `previous`; general/enabled stays.
    ///
    /// # Errors
    /// There is no such snapshot, the caller may not, or the file cannot be written.
    pub fn revert(
        &mut self,
        instance: &str,
        name: &str,
        caller: &Caller,
    ) -> Result<Vec<Change>, Refusal> {
        self.change(caller, |draft| draft.revert(instance, name))
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
        self.change(caller, |draft| draft.remove_snapshot(instance, name))
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
        self.carry_out_upon(&[], operations, caller)
    }

    /// Carries out all operations, or none: none either when a group has changed since the caller
    /// read it.
    ///
    /// # Errors
    /// A group is at another generation, an operation is refused, or the file cannot be written.
    pub fn carry_out_upon(
        &mut self,
        expected: &[Expected],
        operations: &[Operation],
        caller: &Caller,
    ) -> Result<Vec<Change>, Refusal> {
        self.change(caller, |draft| {
            expected.iter().try_for_each(|expected| draft.expect(expected))?;
            operations.iter().try_for_each(|operation| draft.carry_out(operation))
        })
    }

    /// Carries out all steps, or none.
    ///
    /// # Errors
    /// One of them is refused, or the file cannot be written.
    pub fn take_steps(
        &mut self,
        steps: &[Step<'_>],
        caller: &Caller,
    ) -> Result<Vec<Change>, Refusal> {
        self.change(caller, |draft| steps.iter().try_for_each(|step| draft.step(step)))
    }

    pub(crate) fn every(&self) -> impl Iterator<Item = (&String, &Entity)> {
        self.entities.iter()
    }

    pub(crate) fn entity(&self, fmri: &str) -> Result<&Entity, Refusal> {
        self.entities.get(fmri).ok_or_else(|| Refusal::NotFound(fmri.to_owned()))
    }

    pub(crate) fn file(&self) -> MutexGuard<'_, File> {
        // SQLite takes back what a panic left half done.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn version(&self, entity: &str, name: &str) -> Option<&Arc<Version>> {
        version::find(&self.entities.get(entity)?.level, name)
    }

    /// Drafts, checks, writes, and only then takes over.
    fn change(
        &mut self,
        caller: &Caller,
        act: impl FnOnce(&mut Draft<'_>) -> Result<(), Refusal>,
    ) -> Result<Vec<Change>, Refusal> {
        self.become_writable();
        let mut draft = Draft::new(&self.entities, self.next);
        act(&mut draft)?;
        let (finished, next) = draft.finish();
        if !self.permits(&finished, caller) {
            return Err(Refusal::Denied);
        }
        let (rows, changes) = differences(&self.entities, &finished, self.next);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        match &self.writes {
            Writes::Everything => {}
            Writes::Volatile(..) if !rows.iter().any(Row::is_lasting) => {}
            Writes::Nothing | Writes::Volatile(..) => return Err(Refusal::ReadOnly),
        }
        let written = self.write(&rows, next);
        // Of two files one may have taken it all the same: these generations are not used again.
        self.next = next;
        written?;
        // Otherwise all that refers to lasting versions refers to the same ones.
        let lasting = rows.iter().any(Row::is_lasting);
        drop(rows);
        self.take_over(finished, lasting);
        Ok(changes.into_iter().collect())
    }

    /// Opens the lasting file for writing once its root is no longer read-only.
    fn become_writable(&mut self) {
        let Writes::Volatile(lasting, volatile) = &self.writes else { return };
        if file::is_read_only(lasting) {
            return;
        }
        // What cannot be opened yet is tried with the next commit.
        let Ok(mut opened) = Self::open(&lasting.clone(), &volatile.clone()) else { return };
        opened.next = opened.next.max(self.next);
        *self = opened;
    }

    fn write(&mut self, rows: &[Row<'_>], next: u64) -> Result<(), Refusal> {
        if !rows.iter().any(Row::is_lasting) {
            let upkeep = Upkeep { garbage: &[], reserved: None };
            return self.file().commit(rows, &upkeep).map_err(|error| file::refusal(&error));
        }
        self.back_up_once();
        let reserved = (next > self.reserved).then_some(next + RESERVE);
        let upkeep = Upkeep { garbage: &self.garbage, reserved };
        self.file().commit(rows, &upkeep).map_err(|error| file::refusal(&error))?;
        self.garbage.clear();
        self.reserved = reserved.unwrap_or(self.reserved);
        Ok(())
    }

    /// The backup before the first lasting write of a boot.  A write is not refused because there
    /// is none.
    fn back_up_once(&mut self) {
        let Some(volatile) = self.boot_backup.take() else { return };
        // Of a new repository there is nothing to keep.
        let made = if self.entities.is_empty() { Ok(None) } else { self.backup(BOOT) };
        let stamped = self.file().stamp(BOOT);
        let said = made.map(drop).map_err(|error| format!("{error}: no backup"));
        if let Err(text) = said.and(stamped.map_err(|error| error.to_string())) {
            let _unwritten = restore::note(&volatile, &text);
        }
    }

    fn take_over(&mut self, finished: Finished, lasting: bool) {
        let mut left: Vec<Arc<Version>> = Vec::new();
        for (fmri, entity) in finished {
            let was = match entity {
                Some(entity) => self.entities.insert(fmri, entity),
                None => self.entities.remove(&fmri),
            };
            if lasting {
                left.extend(was.iter().flat_map(Entity::references).cloned());
            }
        }
        left.sort_unstable_by_key(|version| version.generation);
        left.dedup_by(|one, other| Arc::ptr_eq(one, other));
        // Held by nothing but this list.
        left.retain(|version| Arc::strong_count(version) == 1);
        self.garbage.extend(left.iter().map(|version| version.generation));
    }

    /// Whether the caller may make these changes.
    fn permits(&self, finished: &Finished, caller: &Caller) -> bool {
        *caller == Caller::Owner
            || finished.iter().all(|(fmri, after)| match (self.entities.get(fmri), after) {
                (Some(before), Some(after)) => {
                    let snapshots = same_snapshots(before, after);
                    (snapshots || authorization::may_modify(caller))
                        && self.permits_groups(fmri, before, after, caller)
                }
                _ => authorization::may_modify(caller),
            })
    }

    fn permits_groups(&self, fmri: &str, before: &Entity, after: &Entity, caller: &Caller) -> bool {
        let none = Vec::new();
        let service = service_of(fmri);
        // A service has nothing below it.
        let below = self.entities.get(service).filter(|_| is_instance(fmri));
        let service = below.map_or(&none, |service| &service.level);
        let find = |level, name| version::find(level, name).map(Arc::as_ref);
        let names = before.level.iter().chain(&after.level).map(|version| version.name());
        let mut changed = names.filter(|name| {
            let (was, is) = (find(&before.level, name), find(&after.level, name));
            was.map(std::ptr::from_ref) != is.map(std::ptr::from_ref)
        });
        changed.all(|name| {
            let change = authorization::Change {
                name,
                of_instance: is_instance(fmri),
                before: find(&before.level, name),
                after: find(&after.level, name),
                service: find(service, name),
                general: [find(&before.level, "general"), find(service, "general")],
            };
            authorization::may_change(caller, &change)
        })
    }
}

fn same_snapshots(one: &Entity, other: &Entity) -> bool {
    let (one, other) = (&one.snapshots, &other.snapshots);
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| one.0 == other.0 && one.1.same(&other.1))
}

/// What is to be written, and what there is to tell.  Versions from `first` on are new.
fn differences<'a>(
    before: &Entities,
    after: &'a Finished,
    first: u64,
) -> (Vec<Row<'a>>, BTreeSet<Change>) {
    let mut rows = Vec::new();
    let mut changes = BTreeSet::new();
    let mut new: BTreeMap<u64, &Version> = BTreeMap::new();
    for (fmri, entity) in after {
        let was = before.get(fmri);
        let Some(is) = entity else {
            // One that was made and removed in the same commit was never there.
            if was.is_some() {
                rows.push(Row::NoEntity(fmri));
                changes.insert(Change { entity: fmri.clone(), group: None });
            }
            continue;
        };
        if was.is_none() {
            changes.insert(Change { entity: fmri.clone(), group: None });
        }
        groups_that_differ(fmri, was, is, &mut rows, &mut changes);
        snapshots_that_differ(fmri, was, is, &mut rows);
        let fresh = is.references().filter(|version| version.generation >= first);
        new.extend(fresh.map(|version| (version.generation, version.as_ref())));
    }
    rows.extend(new.into_values().map(Row::Version));
    (rows, changes)
}

fn groups_that_differ<'a>(
    fmri: &'a str,
    was: Option<&Entity>,
    is: &'a Entity,
    rows: &mut Vec<Row<'a>>,
    changes: &mut BTreeSet<Change>,
) {
    let none = Entity::default();
    let before = was.unwrap_or(&none);
    let mut tell = |version: &Version| {
        let group = Some(version.name().to_owned());
        changes.insert(Change { entity: fmri.to_owned(), group });
    };
    for version in &is.level {
        let same = |was: &&Arc<Version>| Arc::ptr_eq(was, version);
        if version::find(&before.level, version.name()).filter(same).is_none() {
            tell(version);
            if version.volatile {
                rows.push(Row::Volatile(fmri, version));
            }
        }
    }
    for version in &before.level {
        let now = version::find(&is.level, version.name());
        if now.is_none() {
            tell(version);
        }
        // A group that moves from one file to the other leaves the first.
        if version.volatile && now.is_none_or(|now| !now.volatile) {
            rows.push(Row::NoVolatile(fmri, version.name().to_owned()));
        }
    }
    let address = Arc::as_ptr;
    if was.is_none() || !is.lasting().map(address).eq(before.lasting().map(address)) {
        rows.push(Row::Entity(fmri, is));
    }
}

fn snapshots_that_differ<'a>(
    fmri: &'a str,
    was: Option<&Entity>,
    is: &'a Entity,
    rows: &mut Vec<Row<'a>>,
) {
    for (name, snapshot) in &is.snapshots {
        let before = was.and_then(|was| was.snapshot(name));
        if before.is_none_or(|before| !before.same(snapshot)) {
            rows.push(Row::Snapshot(fmri, name, snapshot));
        }
    }
    for (name, _) in was.into_iter().flat_map(|was| &was.snapshots) {
        if is.snapshot(name).is_none() {
            rows.push(Row::NoSnapshot(fmri, name.to_string()));
        }
    }
}
