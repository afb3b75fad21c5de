//! file.rs - the two files of a repository: opening them, and what a commit writes.
//!
//! ```text
//! repository.db        main       what is wanted: survives everything
//! svc_nonpersist.db    volatile   what is: the groups marked volatile; discarded with the boot
//! ```
//!
//! Write-ahead logs make a commit whole for whoever kills the process at any instant; a commit of
//! groups in both files reaches the lasting one first.  Both files are for their owner's eyes
//! alone: values that only some may read are in them, and everybody else asks the server.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use smf_scf::protocol::Refusal;

use crate::schema;
use crate::version::{Entity, Snapshot, Version};

/// Why a repository cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("{}: no such repository", .0.display())]
    Absent(PathBuf),
    /// A database of somebody else.
    #[error("{}: not a repository", .0.display())]
    Foreign(PathBuf),
    /// A file is damaged.
    #[error("{}: the repository is damaged ({reason})", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A file was damaged and is set aside; the error says what to do.
    #[error(
        "{}: the repository is damaged ({reason}) and is now {}; {advice}",
        path.display(), aside.display()
    )]
    SetAside {
        /// Where it was.
        path: PathBuf,
        /// Where it is.
        aside: PathBuf,
        /// What was found.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// A damaged file was set aside earlier, and nothing has taken its place.
    #[error("{}: the repository was damaged and is set aside; {advice}", path.display())]
    Gone {
        /// Where it was.
        path: PathBuf,
        /// What to do.
        advice: String,
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
    /// A file cannot be made or reached.
    #[error("{}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One row to change.
#[derive(Debug)]
pub(crate) enum Row<'a> {
    /// The lasting groups of an entity.
    Entity(&'a str, &'a Entity),
    NoEntity(&'a str),
    Version(&'a Version),
    Volatile(&'a str, &'a Version),
    NoVolatile(&'a str, String),
    Snapshot(&'a str, &'a str, &'a Snapshot),
    NoSnapshot(&'a str, String),
}

impl Row<'_> {
    pub(crate) fn is_lasting(&self) -> bool {
        !matches!(self, Row::Volatile(..) | Row::NoVolatile(..))
    }
}

/// What else a commit writes into the lasting file, if it writes there at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upkeep<'a> {
    /// Versions that nothing refers to.
    pub garbage: &'a [u64],
    /// Generations below this may be used up.
    pub reserved: Option<u64>,
}

/// The files, open.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) connection: Connection,
    /// The lasting one.
    pub(crate) path: PathBuf,
    /// The volatile one, for messages; none for one that is read without there being one.
    pub(crate) volatile: Option<PathBuf>,
}

impl File {
    /// Opens both for writing, makes what is missing.
    pub(crate) fn open(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        own(lasting)?;
        own(volatile)?;
        let mut connection = Connection::open(lasting).map_err(sql(lasting))?;
        settle(&connection, "main", "NORMAL").map_err(sql(lasting))?;
        check(&connection, "main", lasting)?;
        schema::upgrade(&mut connection, "main", lasting)?;
        attach(&connection, volatile)?;
        // To begin its log is a write already.
        let unsynced = connection.execute_batch("PRAGMA volatile.synchronous = OFF");
        unsynced.map_err(sql(volatile))?;
        settle(&connection, "volatile", "OFF").map_err(sql(volatile))?;
        check(&connection, "volatile", volatile)?;
        schema::upgrade(&mut connection, "volatile", volatile)?;
        Ok(Self { connection, path: lasting.to_path_buf(), volatile: Some(volatile.to_path_buf()) })
    }

    /// Opens the lasting file for reading, where that is all there is to be had (a root that is
    /// still mounted read-only), and the volatile one for writing.
    ///
    /// What is opened is a copy in the volatile directory: a log beside a file needs a directory
    /// that can be written, even to be read.
    pub(crate) fn open_read_only_root(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        let copy = volatile.with_file_name("repository_readonly.db");
        for (suffix, needed) in [("", true), ("-wal", false), ("-shm", false)] {
            let with = |path: &Path| {
                let mut name = path.as_os_str().to_owned();
                name.push(suffix);
                PathBuf::from(name)
            };
            let (from, to) = (with(lasting), with(&copy));
            let copied = match std::fs::remove_file(&to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                // The index of the log is made anew, not copied.
                Ok(()) | Err(_) if suffix == "-shm" || !(needed || from.exists()) => Ok(()),
                Ok(()) | Err(_) => std::fs::copy(&from, &to).map(drop),
            };
            copied.map_err(io(&to))?;
        }
        let file = Self::open(&copy, volatile)?;
        Ok(Self { path: lasting.to_path_buf(), ..file })
    }

    /// Opens one file for writing and locks it; the volatile groups are in memory.
    pub(crate) fn open_private(path: &Path) -> Result<Self, OpenError> {
        make(path)?;
        let mut connection = Connection::open(path).map_err(sql(path))?;
        // What was named by mistake is left as it is.
        schema::refuse_foreign(&connection, "main", path)?;
        own(path)?;
        // No log beside it: it is to be carried away as one file.
        let alone = "PRAGMA main.locking_mode = EXCLUSIVE; PRAGMA main.journal_mode = DELETE";
        connection.execute_batch(alone).map_err(sql(path))?;
        check(&connection, "main", path)?;
        schema::upgrade(&mut connection, "main", path)?;
        attach(&connection, Path::new(":memory:"))?;
        schema::upgrade(&mut connection, "volatile", path)?;
        Ok(Self { connection, path: path.to_path_buf(), volatile: Some(path.to_path_buf()) })
    }

    /// Opens what there is for reading.  A file of an older version is read from a copy in memory.
    pub(crate) fn open_read_only(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        let connection = read_only(lasting)?;
        if schema::is_newest(&connection, "main", lasting)? {
            if !volatile.exists() {
                return Ok(Self { connection, path: lasting.to_path_buf(), volatile: None });
            }
            attach(&connection, volatile)?;
            if schema::is_newest(&connection, "volatile", volatile)? {
                return Ok(Self {
                    connection,
                    path: lasting.to_path_buf(),
                    volatile: Some(volatile.to_path_buf()),
                });
            }
        }
        let mut connection = copy_of(&connection, lasting)?;
        schema::upgrade(&mut connection, "main", lasting)?;
        attach(&connection, Path::new(":memory:"))?;
        if volatile.exists() {
            copy_into(&read_only(volatile)?, &mut connection, "volatile", volatile)?;
        }
        schema::upgrade(&mut connection, "volatile", volatile)?;
        Ok(Self { connection, path: lasting.to_path_buf(), volatile: Some(volatile.to_path_buf()) })
    }

    /// Writes all rows, or none.
    pub(crate) fn commit(
        &mut self,
        rows: &[Row<'_>],
        upkeep: &Upkeep<'_>,
    ) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        let written = write_rows(&self.connection, rows, upkeep)
            .and_then(|()| self.connection.prepare_cached("COMMIT")?.execute([]).map(drop));
        if written.is_err() && !self.connection.is_autocommit() {
            // What cannot be taken back now is when the next one begins, and that one is refused.
            let _refused = self.connection.execute_batch("ROLLBACK");
        }
        written
    }
}

impl File {
    /// Brings what is in the logs into the files and empties the logs: who opens the files next has
    /// nothing to go through.
    pub(crate) fn settle(&self) -> Result<(), rusqlite::Error> {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.query_row(checkpoint, [], |_| Ok(()))
    }

    /// Whether something was done in this boot.
    pub(crate) fn stamped(&self, what: &str) -> Result<bool, rusqlite::Error> {
        let query = "SELECT count(*) FROM volatile.stamp WHERE name = ?";
        self.connection.query_row(query, [what], |row| row.get(0))
    }

    /// Notes that something was done in this boot.
    pub(crate) fn stamp(&self, what: &str) -> Result<(), rusqlite::Error> {
        self.connection.execute("INSERT OR IGNORE INTO volatile.stamp VALUES (?)", [what]).map(drop)
    }
}

/// What a client is told of a commit that was not taken.
pub(crate) fn refusal(error: &rusqlite::Error) -> Refusal {
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly) => Refusal::ReadOnly,
        Some(ErrorCode::DiskFull) => Refusal::Failed("the repository's file system is full".into()),
        Some(_) | None => Refusal::Failed(error.to_string()),
    }
}

fn write_rows(
    connection: &Connection,
    rows: &[Row<'_>],
    upkeep: &Upkeep<'_>,
) -> Result<(), rusqlite::Error> {
    rows.iter().try_for_each(|row| write(connection, row))?;
    for generation in upkeep.garbage {
        connection
            .prepare_cached("DELETE FROM generation WHERE id = ?")?
            .execute([signed(*generation)])?;
    }
    if let Some(next) = upkeep.reserved {
        connection.execute("UPDATE counter SET next = ?", [signed(next)])?;
    }
    Ok(())
}

fn write(connection: &Connection, row: &Row<'_>) -> Result<(), rusqlite::Error> {
    match row {
        Row::Entity(fmri, entity) => {
            let mut insert =
                connection.prepare_cached("INSERT OR REPLACE INTO entity VALUES (?, ?)")?;
            insert.execute(params![fmri, numbers(entity.lasting().map(AsRef::as_ref))])?;
        }
        Row::NoEntity(fmri) => {
            for statement in [
                "DELETE FROM entity WHERE fmri = ?",
                "DELETE FROM volatile.property_group WHERE entity = ?",
                "DELETE FROM snapshot WHERE instance = ?",
            ] {
                connection.prepare_cached(statement)?.execute([fmri])?;
            }
        }
        Row::Version(version) => {
            let statement = "INSERT INTO generation VALUES (?, ?, ?, ?)";
            connection.prepare_cached(statement)?.execute(params![
                signed(version.generation),
                version.name(),
                version.kind(),
                version.properties()
            ])?;
        }
        Row::Volatile(fmri, version) => {
            let statement = "INSERT OR REPLACE INTO volatile.property_group \
                             VALUES (?, ?, ?, ?, ?, zeroblob(?))";
            connection.prepare_cached(statement)?.execute(params![
                fmri,
                version.name(),
                version.kind(),
                signed(version.generation),
                version.properties(),
                room(version.generation, version.properties().len())
            ])?;
        }
        Row::NoVolatile(fmri, name) => {
            let statement = "DELETE FROM volatile.property_group WHERE entity = ? AND name = ?";
            connection.prepare_cached(statement)?.execute(params![fmri, name])?;
        }
        Row::Snapshot(fmri, name, snapshot) => {
            let own = numbers(snapshot.own.iter().map(AsRef::as_ref));
            let service = numbers(snapshot.service.iter().map(AsRef::as_ref));
            let statement = "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?)";
            connection.prepare_cached(statement)?.execute(params![fmri, name, own, service])?;
        }
        Row::NoSnapshot(fmri, name) => {
            let statement = "DELETE FROM snapshot WHERE instance = ? AND name = ?";
            connection.prepare_cached(statement)?.execute(params![fmri, name])?;
        }
    }
    Ok(())
}

/// A volatile group is written again and again, a little longer or shorter each time.  SQLite writes
/// a row over the one it takes the place of where both are of one length, and otherwise moves its
/// neighbours, perhaps to other pages: so the lengths are made equal, in steps that leave room for
/// what svc.startd tells of an instance.  Of a row of one or two steps nothing needs a page of its own.
const STEP: usize = 448;

/// Below this the length itself would be written more shortly.
const LEAST_ROOM: usize = 64;

/// So many bytes are added to a row of a volatile group.
fn room(generation: u64, properties: usize) -> i64 {
    // As SQLite stores a number.
    let number = [8, 16, 24, 32, 48].iter().position(|bits| generation < 1 << (bits - 1));
    let number = number.map_or(8, |at| [1, 2, 3, 4, 6][at]);
    let length = number + properties + LEAST_ROOM;
    i64::try_from(LEAST_ROOM + length.next_multiple_of(STEP) - length).unwrap_or(0)
}

fn numbers<'a>(versions: impl Iterator<Item = &'a Version>) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for version in versions {
        let blank = if text.is_empty() { "" } else { " " };
        // Writing into a string fails never.
        let _always = write!(text, "{blank}{}", version.generation);
    }
    text
}

/// SQLite's numbers have a sign; generations come nowhere near it.
fn signed(generation: u64) -> i64 {
    i64::try_from(generation).unwrap_or(i64::MAX)
}

pub(crate) fn sql(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError + '_ {
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            corrupt(path, source.to_string())
        }
        Some(_) | None => OpenError::Sql { path: path.to_path_buf(), source },
    }
}

pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> OpenError + '_ {
    move |source| OpenError::Io { path: path.to_path_buf(), source }
}

pub(crate) fn corrupt(path: &Path, reason: String) -> OpenError {
    OpenError::Corrupt { path: path.to_path_buf(), reason }
}

/// Whether a lasting file that is there cannot be written, nor anything beside it.
pub(crate) fn is_read_only(lasting: &Path) -> bool {
    use nix::unistd::{AccessFlags, access};
    let folder = lasting.parent().unwrap_or(Path::new("."));
    let refused = |path: &Path| {
        use nix::errno::Errno::{EACCES, EROFS};
        matches!(access(path, AccessFlags::W_OK), Err(EROFS | EACCES))
    };
    lasting.exists() && (refused(lasting) || refused(folder))
}

/// What others may do with the files: nothing.
const MODE: u32 = 0o600;

/// Makes a file that is not there.
fn make(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE);
    options.custom_flags(libc::O_NOFOLLOW).open(path).map(drop).map_err(io(path))
}

/// Makes a file that is not there, and takes from others what they may.
pub(crate) fn own(path: &Path) -> Result<(), OpenError> {
    let failed = io(path);
    make(path)?;
    for log in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(log);
        match std::fs::metadata(&name) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                std::fs::set_permissions(&name, Permissions::from_mode(MODE)).map_err(&failed)?;
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

pub(crate) fn read_only(path: &Path) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Absent(path.to_path_buf()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(sql(path))
}

/// All of a file, in memory.
fn copy_of(connection: &Connection, path: &Path) -> Result<Connection, OpenError> {
    let mut copy = Connection::open_in_memory().map_err(sql(path))?;
    copy_into(connection, &mut copy, "main", path)?;
    Ok(copy)
}

pub(crate) fn copy_into(
    from: &Connection,
    to: &mut Connection,
    name: &str,
    path: &Path,
) -> Result<(), OpenError> {
    let copying = rusqlite::backup::Backup::new_with_names(from, "main", to, name);
    copying.and_then(|copying| copying.step(-1)).map(drop).map_err(sql(path))
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

/// Looks at all of a file.  With ten thousand instances that takes 15 ms, no longer than the quick
/// check, which leaves the indexes out: there are none beside the tables.
pub(crate) fn check(connection: &Connection, file: &str, path: &Path) -> Result<(), OpenError> {
    let pragma = format!("PRAGMA {file}.integrity_check");
    let mut statement = connection.prepare(&pragma).map_err(sql(path))?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(sql(path))?;
    let found: Vec<String> = rows.collect::<Result<_, _>>().map_err(sql(path))?;
    if found == ["ok"] { Ok(()) } else { Err(corrupt(path, found.join("; "))) }
}
