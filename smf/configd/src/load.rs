//! load.rs - what the files hold, as it is held in memory.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use smf_scf::packed;

use crate::file::{File, OpenError, corrupt, sql};
use crate::version::{Entity, Level, Snapshot, Version};

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub entities: BTreeMap<String, Entity>,
    /// Versions in the file that nothing refers to.
    pub garbage: Vec<u64>,
    /// No generation up to here is free.
    pub next: u64,
}

impl Loaded {
    /// Whether both hold the same entities, groups and snapshots, at whatever generations.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let levels = |one: &[Arc<Version>], other: &[Arc<Version>]| {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same(other))
        };
        let snapshots = |one: &(Arc<str>, Snapshot), other: &(Arc<str>, Snapshot)| {
            one.0 == other.0
                && levels(&one.1.own, &other.1.own)
                && levels(&one.1.service, &other.1.service)
        };
        let entities = |one: &Entity, other: &Entity| {
            levels(&one.level, &other.level)
                && one.snapshots.len() == other.snapshots.len()
                && one.snapshots.iter().zip(&other.snapshots).all(|(a, b)| snapshots(a, b))
        };
        let both = || self.entities.iter().zip(&other.entities);
        self.entities.len() == other.entities.len()
            && both().all(|(one, other)| one.0 == other.0 && entities(one.1, other.1))
    }
}

/// Versions by generation.
type Versions = HashMap<i64, Arc<Version>>;

pub(crate) fn load(file: &File) -> Result<Loaded, OpenError> {
    let path = &file.path;
    let versions = versions(file, path)?;
    let mut loaded = Loaded { next: counter(file, path)?, ..Loaded::default() };
    entities(file, path, &versions, &mut loaded.entities)?;
    if let Some(path) = &file.volatile {
        volatile(file, path, &mut loaded)?;
    }
    snapshots(file, path, &versions, &mut loaded.entities)?;
    for (_, version) in versions {
        loaded.next = loaded.next.max(version.generation + 1);
        // Nobody but this map has it.
        if Arc::strong_count(&version) == 1 {
            loaded.garbage.push(version.generation);
        }
    }
    Ok(loaded)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn counter(file: &File, path: &Path) -> Result<u64, OpenError> {
    let query = "SELECT next FROM counter";
    let next = file.connection.query_row(query, [], |row| row.get(0)).map_err(sql(path))?;
    Ok(unsigned(next))
}

/// A version as its row gives it, if it is text that can be read back.
fn checked(
    path: &Path,
    generation: i64,
    (name, kind, properties): (&str, &str, &str),
    volatile: bool,
) -> Result<Arc<Version>, OpenError> {
    let unreadable = packed::lines(properties).any(|(_, rest)| packed::property(rest).is_none());
    // A name that fits nowhere would be cut where the version keeps its length.
    if unreadable || name.len() > 255 || kind.len() > 255 {
        return Err(corrupt(path, format!("group {name} at generation {generation}")));
    }
    Ok(Arc::new(Version::new(unsigned(generation), name, kind, volatile, properties)))
}

fn versions(file: &File, path: &Path) -> Result<Versions, OpenError> {
    let query = "SELECT id, name, kind, properties FROM generation";
    let mut statement = file.connection.prepare(query).map_err(sql(path))?;
    let mut rows = statement.query([]).map_err(sql(path))?;
    let mut versions = Versions::new();
    while let Some(row) = rows.next().map_err(sql(path))? {
        let text = |at| row.get_ref(at).and_then(|value| Ok(value.as_str()?)).map_err(sql(path));
        let id = row.get(0).map_err(sql(path))?;
        versions.insert(id, checked(path, id, (text(1)?, text(2)?, text(3)?), false)?);
    }
    Ok(versions)
}

/// The versions that a text of numbers names.
fn level(text: &str, versions: &Versions, path: &Path) -> Result<Level, OpenError> {
    let version = |number: &str| {
        let found = number.parse().ok().and_then(|id| versions.get(&id)).cloned();
        found.ok_or_else(|| corrupt(path, format!("no generation {number}")))
    };
    text.split_ascii_whitespace().map(version).collect()
}

fn entities(
    file: &File,
    path: &Path,
    versions: &Versions,
    entities: &mut BTreeMap<String, Entity>,
) -> Result<(), OpenError> {
    let query = "SELECT fmri, versions FROM entity";
    let mut statement = file.connection.prepare(query).map_err(sql(path))?;
    let mut rows = statement.query([]).map_err(sql(path))?;
    while let Some(row) = rows.next().map_err(sql(path))? {
        let text: String = row.get(1).map_err(sql(path))?;
        let mut level = level(&text, versions, path)?;
        level.sort_by(|one, other| one.name().cmp(other.name()));
        let fmri = row.get(0).map_err(sql(path))?;
        entities.insert(fmri, Entity { level, ..Entity::default() });
    }
    Ok(())
}

fn volatile(file: &File, path: &Path, loaded: &mut Loaded) -> Result<(), OpenError> {
    let query = "SELECT entity, name, kind, generation, properties FROM volatile.property_group";
    let mut statement = file.connection.prepare(query).map_err(sql(path))?;
    let mut rows = statement.query([]).map_err(sql(path))?;
    while let Some(row) = rows.next().map_err(sql(path))? {
        let text = |at| row.get_ref(at).and_then(|value| Ok(value.as_str()?)).map_err(sql(path));
        let generation: i64 = row.get(3).map_err(sql(path))?;
        loaded.next = loaded.next.max(unsigned(generation) + 1);
        // What the volatile file says of entities that are gone is not taken over.
        let Some(entity) = loaded.entities.get_mut(text(0)?) else { continue };
        let version = checked(path, generation, (text(1)?, text(2)?, text(4)?), true)?;
        if let Err(at) = entity.level.binary_search_by(|own| own.name().cmp(version.name())) {
            entity.level.insert(at, version);
        }
    }
    for entity in loaded.entities.values_mut() {
        entity.level.shrink_to_fit();
    }
    Ok(())
}

fn snapshots(
    file: &File,
    path: &Path,
    versions: &Versions,
    entities: &mut BTreeMap<String, Entity>,
) -> Result<(), OpenError> {
    let query = "SELECT instance, name, own, service FROM snapshot ORDER BY instance, name";
    let mut statement = file.connection.prepare(query).map_err(sql(path))?;
    let mut rows = statement.query([]).map_err(sql(path))?;
    // Snapshots of an instance, and of its neighbours, are mostly of the same levels.
    let mut shared: HashMap<String, Arc<[Arc<Version>]>> = HashMap::new();
    let mut names: HashMap<String, Arc<str>> = HashMap::new();
    while let Some(row) = rows.next().map_err(sql(path))? {
        let mut level = |at| -> Result<Arc<[Arc<Version>]>, OpenError> {
            let text: String = row.get(at).map_err(sql(path))?;
            if let Some(known) = shared.get(&text) {
                return Ok(known.clone());
            }
            let level: Arc<[Arc<Version>]> = level(&text, versions, path)?.into();
            shared.insert(text, level.clone());
            Ok(level)
        };
        let snapshot = Snapshot { own: level(2)?, service: level(3)? };
        let (instance, name): (String, String) =
            (row.get(0).map_err(sql(path))?, row.get(1).map_err(sql(path))?);
        let name = names.entry(name).or_insert_with_key(|name| name.as_str().into()).clone();
        if let Some(entity) = entities.get_mut(&instance) {
            entity.snapshots.push((name, snapshot));
        }
    }
    Ok(())
}
