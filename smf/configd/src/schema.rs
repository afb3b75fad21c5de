//! schema.rs - what the tables of the two files are, and how each version becomes the next.
//!
//! ```text
//! main       entity        a service or an instance, and the versions its lasting groups are at
//!            generation    a version of a group; never changed, removed when nothing refers to it
//!            snapshot      the versions an instance and its service were at
//!            counter       generations below this may have been used
//! volatile   property_group   the groups that end with the boot, whole, with room to change in place
//!            stamp            what was done once in this boot
//! ```
//!
//! Versions are numbers with blanks between them; properties are text (packed.rs of smf-scf).

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, params};
use smf_scf::import::merge::{Groups, Property};
use smf_scf::packed;

use crate::file::{OpenError, corrupt, sql};

/// From one version to the next: tables to make, then what fills them.
struct Step {
    tables: &'static str,
    fill: fn(&Connection) -> Result<(), StepError>,
}

/// What a step may meet.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error(transparent)]
    Text(#[from] serde_json::Error),
}

/// Of the lasting file: each entry leads from the version that is its index to the next.  Only
/// ever appended to.
const LASTING: &[Step] = &[
    Step {
        tables: "
            CREATE TABLE entity (fmri TEXT PRIMARY KEY) WITHOUT ROWID;
            CREATE TABLE property_group (
                entity TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
                properties TEXT NOT NULL, PRIMARY KEY (entity, name)) WITHOUT ROWID;
            CREATE TABLE snapshot (
                entity TEXT NOT NULL, name TEXT NOT NULL, own TEXT NOT NULL,
                service TEXT NOT NULL, PRIMARY KEY (entity, name)) WITHOUT ROWID;",
        fill: |_| Ok(()),
    },
    Step {
        tables: "
            ALTER TABLE entity RENAME TO entity_1;
            ALTER TABLE snapshot RENAME TO snapshot_1;
            CREATE TABLE entity (fmri TEXT PRIMARY KEY, versions TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE generation (
                id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL,
                properties TEXT NOT NULL);
            CREATE TABLE snapshot (
                instance TEXT NOT NULL, name TEXT NOT NULL, own TEXT NOT NULL,
                service TEXT NOT NULL, PRIMARY KEY (instance, name)) WITHOUT ROWID;
            CREATE TABLE counter (next INTEGER NOT NULL);",
        fill: share_versions,
    },
];

/// Of the volatile file, the same.
const VOLATILE: &[Step] = &[
    Step {
        // Its first version bore no number.
        tables: "
            CREATE TABLE IF NOT EXISTS volatile.property_group (
                entity TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
                properties TEXT NOT NULL, PRIMARY KEY (entity, name)) WITHOUT ROWID;",
        fill: |_| Ok(()),
    },
    Step {
        tables: "
            ALTER TABLE volatile.property_group RENAME TO property_group_1;
            CREATE TABLE volatile.property_group (
                entity TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
                generation INTEGER NOT NULL, properties TEXT NOT NULL,
                PRIMARY KEY (entity, name)) WITHOUT ROWID;
            CREATE TABLE volatile.stamp (name TEXT PRIMARY KEY) WITHOUT ROWID;",
        fill: number_volatile,
    },
    Step {
        // How much comes with the next write of a group (file.rs).
        tables: "ALTER TABLE volatile.property_group ADD COLUMN room BLOB;",
        fill: |_| Ok(()),
    },
];

/// Brings the file that is `main` or `volatile` to the newest version.
pub(crate) fn upgrade(
    connection: &mut Connection,
    file: &'static str,
    path: &Path,
) -> Result<(), OpenError> {
    let steps = steps(file);
    let (found, known) = (version(connection, file, path)?, steps.len());
    if found > known {
        return Err(OpenError::Newer { path: path.to_path_buf(), found, known });
    }
    if found == known {
        return Ok(());
    }
    refuse_foreign(connection, file, path)?;
    let transaction = connection.transaction().map_err(sql(path))?;
    for step in &steps[found..] {
        transaction.execute_batch(step.tables).map_err(sql(path))?;
        (step.fill)(&transaction).map_err(|error| match error {
            StepError::Sql(error) => sql(path)(error),
            StepError::Text(error) => corrupt(path, error.to_string()),
        })?;
    }
    transaction
        .execute_batch(&format!("PRAGMA {file}.user_version = {known}"))
        .map_err(sql(path))?;
    transaction.commit().map_err(sql(path))
}

/// A database without a number that holds something is somebody else's, and stays as it is.
pub(crate) fn refuse_foreign(
    connection: &Connection,
    file: &'static str,
    path: &Path,
) -> Result<(), OpenError> {
    if version(connection, file, path)? != 0 {
        return Ok(());
    }
    // The volatile file's first version bore no number.
    let own = if file == "volatile" { "property_group" } else { "" };
    let query = format!("SELECT count(*) FROM {file}.sqlite_master WHERE tbl_name <> ?");
    let others: i64 = connection.query_row(&query, [own], |row| row.get(0)).map_err(sql(path))?;
    if others == 0 { Ok(()) } else { Err(OpenError::Foreign(path.to_path_buf())) }
}

/// Whether the file has the newest version.
pub(crate) fn is_newest(
    connection: &Connection,
    file: &'static str,
    path: &Path,
) -> Result<bool, OpenError> {
    Ok(version(connection, file, path)? == steps(file).len())
}

fn steps(file: &str) -> &'static [Step] {
    match file {
        "volatile" => VOLATILE,
        _ => LASTING,
    }
}

fn version(connection: &Connection, file: &str, path: &Path) -> Result<usize, OpenError> {
    let query = format!("PRAGMA {file}.user_version");
    let found: i64 = connection.query_row(&query, [], |row| row.get(0)).map_err(sql(path))?;
    Ok(usize::try_from(found).unwrap_or(usize::MAX))
}

/// Version 1 held whole groups as JSON, once more in each snapshot.
fn share_versions(connection: &Connection) -> Result<(), StepError> {
    let mut versions: HashMap<(String, String, String), i64> = HashMap::new();
    let mut insert =
        connection.prepare("INSERT INTO generation (name, kind, properties) VALUES (?, ?, ?)")?;
    let mut version = |name: &str, kind: &str, properties: String| -> Result<i64, StepError> {
        let key = (name.to_owned(), kind.to_owned(), properties);
        if let Some(id) = versions.get(&key) {
            return Ok(*id);
        }
        let id = insert.insert(params![key.0, key.1, key.2])?;
        versions.insert(key, id);
        Ok(id)
    };
    let mut levels: HashMap<String, String> = HashMap::new();
    let query = "SELECT entity, name, kind, properties FROM property_group ORDER BY entity, name";
    let mut groups = connection.prepare(query)?;
    let mut rows = groups.query([])?;
    while let Some(row) = rows.next()? {
        let (entity, name, kind): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let properties = repacked(&row.get::<_, String>(3)?)?;
        let id = version(&name, &kind, properties)?;
        push(levels.entry(entity).or_default(), id);
    }
    let mut insert_entity = connection.prepare("INSERT INTO entity VALUES (?, ?)")?;
    let mut entities = connection.prepare("SELECT fmri FROM entity_1")?;
    for fmri in entities.query_map([], |row| row.get::<_, String>(0))? {
        let fmri = fmri?;
        let level = levels.remove(&fmri).unwrap_or_default();
        insert_entity.execute(params![fmri, level])?;
    }
    let mut insert_snapshot = connection.prepare("INSERT INTO snapshot VALUES (?, ?, ?, ?)")?;
    let mut snapshots = connection.prepare("SELECT entity, name, own, service FROM snapshot_1")?;
    let mut rows = snapshots.query([])?;
    while let Some(row) = rows.next()? {
        let mut level = |column: usize| -> Result<String, StepError> {
            let groups: Groups = serde_json::from_str(&row.get::<_, String>(column)?)?;
            let mut level = String::new();
            for (name, group) in &groups {
                push(&mut level, version(name, &group.kind, packed::pack(&group.properties))?);
            }
            Ok(level)
        };
        let (own, service) = (level(2)?, level(3)?);
        let (instance, name): (String, String) = (row.get(0)?, row.get(1)?);
        insert_snapshot.execute(params![instance, name, own, service])?;
    }
    connection
        .execute("INSERT INTO counter SELECT coalesce(max(id), 0) + 1 FROM generation", [])?;
    Ok(connection
        .execute_batch("DROP TABLE property_group; DROP TABLE snapshot_1; DROP TABLE entity_1")?)
}

fn number_volatile(connection: &Connection) -> Result<(), StepError> {
    let query = "SELECT entity, name, kind, properties FROM volatile.property_group_1";
    let mut insert =
        connection.prepare("INSERT INTO volatile.property_group VALUES (?, ?, ?, ?, ?)")?;
    let mut groups = connection.prepare(query)?;
    let mut rows = groups.query([])?;
    let mut generation: i64 = connection.query_row("SELECT next FROM counter", [], |r| r.get(0))?;
    while let Some(row) = rows.next()? {
        let (entity, name, kind): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let properties = repacked(&row.get::<_, String>(3)?)?;
        insert.execute(params![entity, name, kind, generation, properties])?;
        generation += 1;
    }
    Ok(connection.execute_batch("DROP TABLE volatile.property_group_1")?)
}

fn repacked(text: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str::<std::collections::BTreeMap<String, Property>>(text)
        .map(|properties| packed::pack(&properties))
}

fn push(level: &mut String, id: i64) {
    if !level.is_empty() {
        level.push(' ');
    }
    level.push_str(&id.to_string());
}
