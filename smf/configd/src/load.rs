//! load.rs - what the files hold, as it is held in memory: all of it, or the part a reader needs.
//!
//! A few entities are looked up by their names; of many, all rows are gone through, and what is not
//! wanted of them is left where it is.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use smf_scf::packed;

use crate::draft::Entities;
use crate::file::{File, OpenError, corrupt, sql};
use crate::version::{Entity, Level, Snapshot, Version};

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub entities: Entities,
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

/// What is loaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    /// Only these services and instances.
    pub entities: Option<Vec<String>>,
    /// Only the groups of these names and of these types.
    pub groups: Option<(Vec<String>, Vec<String>)>,
    pub snapshots: Taken,
}

/// Which snapshots.
#[derive(Debug, Clone, Default)]
pub(crate) enum Taken {
    #[default]
    All,
    Named(String),
    None,
}

/// Versions by generation.
type Versions = HashMap<i64, Arc<Version>>;

/// An entity and the numbers of its versions, or an instance, a snapshot's name and those of both
/// levels: as they are written.
struct Written {
    entities: Vec<[String; 2]>,
    snapshots: Vec<[String; 4]>,
}

pub(crate) fn load(file: &File) -> Result<Loaded, OpenError> {
    let mut loaded = load_part(file, &Part::default())?;
    loaded.next = loaded.next.max(counter(file)?);
    Ok(loaded)
}

/// Loads a part.  What is said of generations is true only of the whole.
pub(crate) fn load_part(file: &File, part: &Part) -> Result<Loaded, OpenError> {
    let written = written(file, part)?;
    let versions = match &part.entities {
        Some(_) => versions_of(file, &written)?,
        None => versions(file, part)?,
    };
    // Of a part, not every number is one of a version that was loaded.
    let whole = part.groups.is_none();
    let mut loaded = Loaded::default();
    for [fmri, numbers] in written.entities {
        let mut level = level(&numbers, &versions, whole, &file.path)?;
        level.sort_by(|one, other| one.name().cmp(other.name()));
        loaded.entities.insert(fmri, Entity { level, ..Entity::default() });
    }
    if file.volatile.is_some() {
        volatile(file, part, &mut loaded)?;
    }
    snapshots(file, written.snapshots, (&versions, whole), &mut loaded.entities)?;
    for (_, version) in versions {
        loaded.next = loaded.next.max(version.generation + 1);
        // Nobody but this map has it.
        if Arc::strong_count(&version) == 1 {
            loaded.garbage.push(version.generation);
        }
    }
    Ok(loaded)
}

/// The names of all entities, in their order.
pub(crate) fn names(file: &File) -> Result<Vec<String>, OpenError> {
    let mut found = Vec::new();
    each(file, &file.path, "SELECT fmri FROM entity", &[], |row| {
        found.push(row.get(0)?);
        Ok(())
    })?;
    Ok(found)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn counter(file: &File) -> Result<u64, OpenError> {
    let next = file.connection.query_row("SELECT next FROM counter", [], |row| row.get(0));
    next.map(unsigned).map_err(sql(&file.path))
}

/// Goes through the rows of a query.
fn each(
    file: &File,
    path: &Path,
    query: &str,
    values: &[Value],
    mut take: impl FnMut(&Row<'_>) -> Result<(), rusqlite::Error>,
) -> Result<(), OpenError> {
    let mut statement = file.connection.prepare_cached(query).map_err(sql(path))?;
    let mut rows = statement.query(params_from_iter(values)).map_err(sql(path))?;
    while let Some(row) = rows.next().map_err(sql(path))? {
        take(row).map_err(sql(path))?;
    }
    Ok(())
}

/// Goes through the rows of the entities that are wanted, of a table where `key` names one.
fn each_of(
    file: &File,
    path: &Path,
    part: &Part,
    (query, key): (&str, &str),
    (also, values): (&str, &[Value]),
    mut take: impl FnMut(&Row<'_>) -> Result<(), rusqlite::Error>,
) -> Result<(), OpenError> {
    let Some(some) = &part.entities else {
        return each(file, path, &format!("{query} WHERE {also}"), values, take);
    };
    let query = format!("{query} WHERE {key} = ? AND {also}");
    for fmri in some {
        let values: Vec<Value> =
            [fmri.clone().into()].into_iter().chain(values.iter().cloned()).collect();
        each(file, path, &query, &values, &mut take)?;
    }
    Ok(())
}

fn written(file: &File, part: &Part) -> Result<Written, OpenError> {
    let (mut entities, mut snapshots) = (Vec::new(), Vec::new());
    let every = ("TRUE", &[][..]);
    let query = ("SELECT fmri, versions FROM entity", "fmri");
    each_of(file, &file.path, part, query, every, |row| {
        entities.push([row.get(0)?, row.get(1)?]);
        Ok(())
    })?;
    let named: Vec<Value>;
    let also = match &part.snapshots {
        Taken::None => return Ok(Written { entities, snapshots }),
        Taken::All => every,
        Taken::Named(name) => {
            named = vec![name.clone().into()];
            ("name = ?", &named[..])
        }
    };
    let query = ("SELECT instance, name, own, service FROM snapshot", "instance");
    each_of(file, &file.path, part, query, also, |row| {
        snapshots.push([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]);
        Ok(())
    })?;
    // Those of an instance in the order of their names.
    snapshots.sort_unstable_by(|one, other| (&one[0], &one[1]).cmp(&(&other[0], &other[1])));
    Ok(Written { entities, snapshots })
}

/// A version as its row gives it, if it is text that can be read back.
fn checked(
    path: &Path,
    generation: i64,
    (name, kind, properties): (&str, &str, &str),
    volatile: bool,
) -> Result<Arc<Version>, OpenError> {
    let unreadable = packed::lines(properties).any(|(_, rest)| !packed::is_property(rest));
    // A name that fits nowhere would be cut where the version keeps its length.
    if unreadable || name.len() > 255 || kind.len() > 255 {
        return Err(corrupt(path, format!("group {name} at generation {generation}")));
    }
    Ok(Arc::new(Version::new(unsigned(generation), name, kind, volatile, properties)))
}

/// The condition that a group is wanted.
fn wanted(file: &File, part: &Part) -> (String, Vec<Value>) {
    let Some((names, kinds)) = &part.groups else { return ("TRUE".into(), Vec::new()) };
    let marks = |some: &[String]| vec!["?"; some.len()].join(", ");
    let mut condition = format!("(name IN ({})", marks(names));
    let mut values: Vec<Value> = names.iter().cloned().map(Value::from).collect();
    // By its name: what is laid over it, or lies below, may be of another type.
    let volatile = file.volatile.as_ref().map(|_| "volatile.property_group");
    for table in ["generation"].into_iter().chain(volatile).filter(|_| !kinds.is_empty()) {
        condition +=
            &format!(" OR name IN (SELECT name FROM {table} WHERE kind IN ({}))", marks(kinds));
        values.extend(kinds.iter().cloned().map(Value::from));
    }
    (condition + ")", values)
}

/// The versions that are wanted, of all there are.
fn versions(file: &File, part: &Part) -> Result<Versions, OpenError> {
    let (condition, values) = wanted(file, part);
    let query = format!("SELECT id, name, kind, properties FROM generation WHERE {condition}");
    let mut found = Vec::new();
    each(file, &file.path, &query, &values, |row| {
        let text = |at| row.get_ref(at).and_then(|value| Ok(value.as_str()?));
        let id = row.get(0)?;
        found.push(checked(&file.path, id, (text(1)?, text(2)?, text(3)?), false).map(|v| (id, v)));
        Ok(())
    })?;
    found.into_iter().collect()
}

/// The versions that a few entities and their snapshots are at.
fn versions_of(file: &File, written: &Written) -> Result<Versions, OpenError> {
    let levels = written.entities.iter().map(|[_, level]| level);
    let then = written.snapshots.iter().flat_map(|[_, _, own, service]| [own, service]);
    let mut versions = Versions::new();
    let query = "SELECT name, kind, properties FROM generation WHERE id = ?";
    for number in levels.chain(then).flat_map(|level| level.split_ascii_whitespace()) {
        // What is no number is found out when the level is made.
        let Ok(id) = number.parse::<i64>() else { continue };
        if versions.contains_key(&id) {
            continue;
        }
        let mut found = None;
        each(file, &file.path, query, &[id.into()], |row| {
            let text = |at| row.get_ref(at).and_then(|value| Ok(value.as_str()?));
            found = Some(checked(&file.path, id, (text(0)?, text(1)?, text(2)?), false));
            Ok(())
        })?;
        versions.extend(found.transpose()?.map(|version| (id, version)));
    }
    Ok(versions)
}

/// The versions that a text of numbers names.
fn level(text: &str, versions: &Versions, whole: bool, path: &Path) -> Result<Level, OpenError> {
    let version = |number: &str| {
        let found = number.parse().ok().and_then(|id| versions.get(&id)).cloned();
        match found {
            None if whole => Some(Err(corrupt(path, format!("no generation {number}")))),
            found => found.map(Ok),
        }
    };
    text.split_ascii_whitespace().filter_map(version).collect()
}

fn volatile(file: &File, part: &Part, loaded: &mut Loaded) -> Result<(), OpenError> {
    let path = file.volatile.as_deref().unwrap_or(&file.path);
    let query = "SELECT entity, name, kind, generation, properties FROM volatile.property_group";
    let (condition, values) = wanted(file, part);
    let mut damaged = None;
    each_of(file, path, part, (query, "entity"), (&condition, &values), |row| {
        let text = |at| row.get_ref(at).and_then(|value| Ok(value.as_str()?));
        let generation: i64 = row.get(3)?;
        loaded.next = loaded.next.max(unsigned(generation) + 1);
        // What the volatile file says of entities that are gone is not taken over.
        let Some(entity) = loaded.entities.get_mut(text(0)?) else { return Ok(()) };
        match checked(path, generation, (text(1)?, text(2)?, text(4)?), true) {
            Ok(version) => {
                let at = entity.level.binary_search_by(|own| own.name().cmp(version.name()));
                if let Err(at) = at {
                    entity.level.insert(at, version);
                }
            }
            Err(error) => damaged = damaged.take().or(Some(error)),
        }
        Ok(())
    })?;
    for entity in loaded.entities.values_mut() {
        entity.level.shrink_to_fit();
    }
    damaged.map_or(Ok(()), Err)
}

fn snapshots(
    file: &File,
    written: Vec<[String; 4]>,
    (versions, whole): (&Versions, bool),
    entities: &mut Entities,
) -> Result<(), OpenError> {
    // Snapshots of an instance, and of its neighbours, are mostly of the same levels.
    let mut shared: HashMap<String, Arc<[Arc<Version>]>> = HashMap::new();
    let mut names: HashMap<String, Arc<str>> = HashMap::new();
    for [instance, name, own, service] in written {
        let mut level = |text: String| -> Result<Arc<[Arc<Version>]>, OpenError> {
            if let Some(known) = shared.get(&text) {
                return Ok(known.clone());
            }
            let level: Arc<[Arc<Version>]> = level(&text, versions, whole, &file.path)?.into();
            shared.insert(text, level.clone());
            Ok(level)
        };
        let snapshot = Snapshot { own: level(own)?, service: level(service)? };
        let name = names.entry(name).or_insert_with_key(|name| name.as_str().into()).clone();
        if let Some(entity) = entities.get_mut(&instance) {
            entity.snapshots.push((name, snapshot));
        }
    }
    Ok(())
}
