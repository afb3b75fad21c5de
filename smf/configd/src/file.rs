//! file.rs - the two files of a repository, and all SQL there is.
//!
//! ```text
//! repository.db        main       what is wanted: survives everything
//! svc_nonpersist.db    volatile   what is: the groups marked volatile; discarded with the boot
//! ```
//!
//! Both have a table `property_group`, whose properties are JSON: a group is read and written
//! whole.  Write-ahead logs make a commit whole for whoever kills the process at any instant; a
//! commit of groups in both files reaches the lasting one first.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};
use smf_scf::import::merge::{Group, Groups};

/// Each entry leads from the version that is its index to the next.  Only ever appended to.
const SCHEMA: &[&str] = &["
    CREATE TABLE entity (fmri TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE property_group (
        entity TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, properties TEXT NOT NULL,
        PRIMARY KEY (entity, name)) WITHOUT ROWID;
    CREATE TABLE snapshot (
        entity TEXT NOT NULL, name TEXT NOT NULL, own TEXT NOT NULL, service TEXT NOT NULL,
        PRIMARY KEY (entity, name)) WITHOUT ROWID;
"];

/// The volatile file is made anew with each boot, so it has one version.
const VOLATILE: &str = "
    CREATE TABLE IF NOT EXISTS volatile.property_group (
        entity TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, properties TEXT NOT NULL,
        PRIMARY KEY (entity, name)) WITHOUT ROWID;
";

/// Why a repository cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("{}: no such repository", .0.display())]
    Absent(PathBuf),
    /// A file is damaged.
    #[error(
        "{}: the repository is damaged ({reason}); set the file aside to start with an empty one",
        path.display()
    )]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A file was made by a newer program.
    #[error("{}: written by a newer version ({found}, this one knows {known})", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest this program knows.
        known: usize,
    },
    /// SQLite cannot open or read a file.
    #[error("{}", path.display())]
    Sql {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// One row to change.
#[derive(Debug)]
pub(crate) enum Row<'a> {
    Entity(&'a str),
    NoEntity(&'a str),
    Group(&'a str, &'a str, &'a Group),
    /// Entity, name, whether it was a volatile one.
    NoGroup(&'a str, &'a str, bool),
    Snapshot(&'a str, &'a str, &'a (Groups, Groups)),
    NoSnapshot(&'a str, &'a str),
}

/// A snapshot as it is read: entity, name, groups of the instance, groups of the service.
pub(crate) type Snapshot = (String, String, Groups, Groups);

/// All that the files hold.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub entities: Vec<String>,
    pub groups: Vec<(String, String, Group)>,
    pub snapshots: Vec<Snapshot>,
}

/// The files, open.
#[derive(Debug)]
pub(crate) struct File {
    connection: Connection,
}

impl File {
    /// Opens both for writing, makes what is missing.
    pub(crate) fn open(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        let mut connection = Connection::open(lasting).map_err(sql(lasting))?;
        settle(&connection, "main", "NORMAL").map_err(sql(lasting))?;
        check(&connection, "main", lasting)?;
        upgrade(&mut connection, lasting)?;
        attach(&connection, volatile)?;
        settle(&connection, "volatile", "OFF").map_err(sql(volatile))?;
        check(&connection, "volatile", volatile)?;
        connection.execute_batch(VOLATILE).map_err(sql(volatile))?;
        Ok(Self { connection })
    }

    /// Opens what there is for reading.
    pub(crate) fn open_read_only(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        if !lasting.exists() {
            return Err(OpenError::Absent(lasting.to_path_buf()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(lasting, flags).map_err(sql(lasting))?;
        if volatile.exists() {
            attach(&connection, volatile)?;
        } else {
            connection.execute_batch("ATTACH ':memory:' AS volatile").map_err(sql(volatile))?;
            connection.execute_batch(VOLATILE).map_err(sql(volatile))?;
        }
        Ok(Self { connection })
    }

    /// Reads everything.
    pub(crate) fn contents(&self, lasting: &Path) -> Result<Contents, OpenError> {
        let mut contents = Contents::default();
        let mut entities =
            self.connection.prepare("SELECT fmri FROM entity").map_err(sql(lasting))?;
        let rows = entities.query_map([], |row| row.get(0)).map_err(sql(lasting))?;
        for row in rows {
            contents.entities.push(row.map_err(sql(lasting))?);
        }
        for (file, volatile) in [("main", false), ("volatile", true)] {
            let query = format!("SELECT entity, name, kind, properties FROM {file}.property_group");
            let mut groups = self.connection.prepare(&query).map_err(sql(lasting))?;
            let rows = groups
                .query_map([], |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, String>(3)?,
                    ))
                })
                .map_err(sql(lasting))?;
            for row in rows {
                let (entity, name, kind, text) = row.map_err(sql(lasting))?;
                let properties = json(lasting, &text)?;
                contents.groups.push((entity, name, Group { kind, volatile, properties }));
            }
        }
        let query = "SELECT entity, name, own, service FROM snapshot";
        let mut snapshots = self.connection.prepare(query).map_err(sql(lasting))?;
        let rows = snapshots
            .query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
            })
            .map_err(sql(lasting))?;
        for row in rows {
            let (entity, name, own, service) = row.map_err(sql(lasting))?;
            contents.snapshots.push((entity, name, json(lasting, &own)?, json(lasting, &service)?));
        }
        Ok(contents)
    }

    /// Writes all rows, or none.
    pub(crate) fn commit(&mut self, rows: &[Row<'_>]) -> Result<(), rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        for row in rows {
            write(&transaction, row)?;
        }
        transaction.commit()
    }
}

fn text<T: serde::Serialize>(groups: &T) -> String {
    serde_json::to_string(groups).expect("groups are maps of strings, which JSON can hold")
}

fn write(connection: &Connection, row: &Row<'_>) -> Result<(), rusqlite::Error> {
    match row {
        Row::Entity(fmri) => {
            let mut insert = connection.prepare_cached("INSERT INTO entity VALUES (?)")?;
            insert.execute([fmri])?;
        }
        Row::NoEntity(fmri) => {
            for statement in [
                "DELETE FROM entity WHERE fmri = ?",
                "DELETE FROM main.property_group WHERE entity = ?",
                "DELETE FROM volatile.property_group WHERE entity = ?",
                "DELETE FROM snapshot WHERE entity = ?",
            ] {
                connection.prepare_cached(statement)?.execute([fmri])?;
            }
        }
        Row::Group(entity, name, group) => {
            let statement = match group.volatile {
                false => "INSERT OR REPLACE INTO main.property_group VALUES (?, ?, ?, ?)",
                true => "INSERT OR REPLACE INTO volatile.property_group VALUES (?, ?, ?, ?)",
            };
            let properties = text(&group.properties);
            let mut insert = connection.prepare_cached(statement)?;
            insert.execute(params![entity, name, group.kind, properties])?;
        }
        Row::NoGroup(entity, name, volatile) => {
            let statement = match volatile {
                false => "DELETE FROM main.property_group WHERE entity = ? AND name = ?",
                true => "DELETE FROM volatile.property_group WHERE entity = ? AND name = ?",
            };
            connection.prepare_cached(statement)?.execute([entity, name])?;
        }
        Row::Snapshot(entity, name, (own, service)) => {
            let statement = "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?)";
            let mut insert = connection.prepare_cached(statement)?;
            insert.execute(params![entity, name, text(own), text(service)])?;
        }
        Row::NoSnapshot(entity, name) => {
            let statement = "DELETE FROM snapshot WHERE entity = ? AND name = ?";
            connection.prepare_cached(statement)?.execute([entity, name])?;
        }
    }
    Ok(())
}

fn sql(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError + '_ {
    move |source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            OpenError::Corrupt { path: path.to_path_buf(), reason: source.to_string() }
        }
        Some(_) | None => OpenError::Sql { path: path.to_path_buf(), source },
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, OpenError> {
    serde_json::from_str(text)
        .map_err(|error| OpenError::Corrupt { path: path.to_path_buf(), reason: error.to_string() })
}

fn attach(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let name = path.to_string_lossy();
    connection.execute("ATTACH ? AS volatile", [name]).map(drop).map_err(sql(path))
}

fn settle(connection: &Connection, file: &str, synchronous: &str) -> Result<(), rusqlite::Error> {
    // What a checkpoint leaves of the log stays in place, to be written over.
    connection.query_row(&format!("PRAGMA {file}.journal_mode = WAL"), [], |_| Ok(()))?;
    connection.execute_batch(&format!("PRAGMA {file}.synchronous = {synchronous}"))
}

fn check(connection: &Connection, file: &str, path: &Path) -> Result<(), OpenError> {
    let query = format!("PRAGMA {file}.quick_check(1)");
    let found: String = connection.query_row(&query, [], |row| row.get(0)).map_err(sql(path))?;
    if found == "ok" {
        return Ok(());
    }
    Err(OpenError::Corrupt { path: path.to_path_buf(), reason: found })
}

fn upgrade(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let found: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sql(path))?;
    let known = SCHEMA.len();
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    if found > known {
        return Err(OpenError::Newer { path: path.to_path_buf(), found, known });
    }
    if found == known {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(sql(path))?;
    for step in &SCHEMA[found..] {
        transaction.execute_batch(step).map_err(sql(path))?;
    }
    transaction.execute_batch(&format!("PRAGMA user_version = {known}")).map_err(sql(path))?;
    transaction.commit().map_err(sql(path))
}
