//! backup.rs - copies of the lasting file, made while it is in use.
//!
//! ```text
//! etc/svc/repository-boot-20260131_074500       one of at most four that bear this tag
//! etc/svc/repository-boot                       link to the newest of them
//! etc/svc/repository-tmpNNN                     one that is being made
//! ```
//!
//! What must hold: a name with a time leads to a whole copy, for whoever kills the process at any
//! instant; a copy is a file of its own, with no log beside it; two copies of one tag that follow
//! each other differ in what they hold.

use std::fs::{self, File as Descriptor};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};
use rusqlite::Connection;

use crate::file::{self, File, OpenError};
use crate::load::load;
use crate::repository::Repository;
use crate::restore::remove;

/// So many of a tag are kept.
const KEPT: usize = 4;

/// What every backup's name begins with.
const STEM: &str = "repository-";

/// The form of the times in names.
const TIME: &str = "%Y%m%d_%H%M%S";

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// What cannot stand in the name of a file, or would be taken for something else.
    #[error("\"{0}\": not a name for backups")]
    Tag(String),
    /// A repository of one's own or one opened for reading has none.
    #[error("{}: no backups are made of it", .0.display())]
    Private(PathBuf),
    /// The copy, or the backup before it, cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be made.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A backup that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// When it was made, local time: `YYYYMMDD_HHMMSS`.
    pub time: String,
    /// `boot`, `manifest_import` or another name.
    pub tag: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Backup {
    /// What it is called in a list: tag and time.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.tag, self.time)
    }

    fn of(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix(STEM)?;
        let (tag, time) = name.rsplit_once('-')?;
        let digits = |text: &str, length| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let (day, hour) = time.split_once('_')?;
        let good = !tag.is_empty() && digits(day, 8) && digits(hour, 6);
        let (time, tag) = (time.to_owned(), tag.to_owned());
        good.then_some(Self { time, tag, path })
    }
}

/// The backups beside a repository's file, the oldest first.
///
/// # Errors
/// The directory cannot be read.
pub fn backups(repository: &Path) -> io::Result<Vec<Backup>> {
    let folder = repository.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        found.extend(Backup::of(entry?.path()));
    }
    found.sort_by(|one, other| (&one.time, &one.tag).cmp(&(&other.time, &other.tag)));
    Ok(found)
}

/// The time, as names have it.
pub(crate) fn now() -> String {
    Timestamp::now().to_zoned(TimeZone::system()).strftime(TIME).to_string()
}

impl Repository {
    /// Makes a backup of the lasting half; none when the last one of this tag holds the same.
    ///
    /// # Errors
    /// The tag is no name, or a file cannot be made or read.
    pub fn backup(&self, tag: &str) -> Result<Option<PathBuf>, BackupError> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if tag.is_empty() || tag.len() > 64 || tag == "tmp" || !tag.bytes().all(letter) {
            return Err(BackupError::Tag(tag.to_owned()));
        }
        let Some(lasting) = &self.backed_up else {
            return Err(BackupError::Private(self.file().path.clone()));
        };
        make(&self.file(), lasting, tag)
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> BackupError + '_ {
    move |source| BackupError::Io { path: path.to_path_buf(), source }
}

fn make(file: &File, lasting: &Path, tag: &str) -> Result<Option<PathBuf>, BackupError> {
    let folder = lasting.parent().unwrap_or(Path::new("."));
    let temporary = folder.join(format!("{STEM}tmp{}", std::process::id()));
    // One that an earlier process of this number left half made.
    remove(&temporary).map_err(failed(&temporary))?;
    let made = copy(&file.connection, &temporary).and_then(|()| {
        let all = backups(lasting).map_err(failed(folder))?;
        let of_tag: Vec<Backup> = all.into_iter().filter(|backup| backup.tag == tag).collect();
        let last = of_tag.last();
        // A last one that cannot be read is as good as none.
        if last.is_some_and(|last| same(&temporary, &last.path).unwrap_or(false)) {
            return Ok(None);
        }
        let path = put(&temporary, folder, tag, last)?;
        let link = folder.join(format!("{STEM}{tag}"));
        point(&link, &path).map_err(failed(&link))?;
        for old in &of_tag[..(of_tag.len() + 1).saturating_sub(KEPT)] {
            remove(&old.path).map_err(failed(&old.path))?;
        }
        Descriptor::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
        Ok(Some(path))
    });
    // Gone already where the backup was made.
    let cleared = remove(&temporary).map_err(failed(&temporary));
    made.and_then(|made| cleared.map(|()| made))
}

/// Copies the lasting half as it is at this moment, onto the disk.
fn copy(from: &Connection, to: &Path) -> Result<(), BackupError> {
    file::own(to)?;
    let mut connection = Connection::open(to).map_err(file::sql(to))?;
    file::copy_into(from, &mut connection, "main", to)?;
    // The copy says of itself that it has a log, as its original does.
    connection.execute_batch("PRAGMA journal_mode = DELETE").map_err(file::sql(to))?;
    drop(connection);
    Descriptor::open(to).and_then(|copy| copy.sync_all()).map_err(failed(to))
}

/// Whether two files hold the same.
fn same(one: &Path, other: &Path) -> Result<bool, OpenError> {
    let none = Path::new("");
    let contents = |path: &Path| load(&File::open_read_only(path, none)?);
    Ok(contents(one)?.same(&contents(other)?))
}

/// Gives a copy the name that says when it was made: after the last one of its tag, whatever the
/// clock says.
fn put(
    temporary: &Path,
    folder: &Path,
    tag: &str,
    last: Option<&Backup>,
) -> Result<PathBuf, BackupError> {
    let clock = now();
    let later = last.filter(|last| last.time >= clock).and_then(|last| a_second_after(&last.time));
    let path = folder.join(format!("{STEM}{tag}-{}", later.unwrap_or(clock)));
    fs::hard_link(temporary, &path).map_err(failed(&path))?;
    Ok(path)
}

fn a_second_after(time: &str) -> Option<String> {
    let then = jiff::civil::DateTime::strptime(TIME, time).ok()?;
    let later = then.checked_add(jiff::SignedDuration::from_secs(1)).ok()?;
    Some(later.strftime(TIME).to_string())
}

/// Lets a link lead to a backup beside it.
fn point(link: &Path, to: &Path) -> io::Result<()> {
    let beside = link.with_file_name(format!("{STEM}tmp{}-link", std::process::id()));
    remove(&beside)?;
    symlink(to.file_name().unwrap_or_default(), &beside)?;
    fs::rename(&beside, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_backups() {
        for (name, want) in [
            ("repository-boot-20260131_074500", Some(("boot", "20260131_074500"))),
            ("repository-my-own-20260131_074500", Some(("my-own", "20260131_074500"))),
            ("repository-boot", None),
            ("repository-tmp123", None),
            ("repository--20260131_074500", None),
            ("repository-boot-20260131_07450", None),
            ("repository.db", None),
        ] {
            let backup = Backup::of(Path::new("/etc/svc").join(name));
            let got = backup.as_ref().map(|backup| (&*backup.tag, &*backup.time));
            assert_eq!(got, want, "{name}");
        }
    }
}
