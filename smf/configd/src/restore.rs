//! restore.rs - a damaged repository is set aside, a backup takes its place.
//!
//! ```text
//! etc/svc/repository.db_corrupt_20260131_074500     found damaged when it was opened
//! etc/svc/repository.db_old_20260131_074500         what was there before a restore
//! etc/svc/volatile/db_errors                        what was found, in full
//! ```
//!
//! What must hold: nothing is thrown away, its log included; where a damaged file was set aside
//! nobody begins anew without being told to; a restore is whole or not done, for whoever kills it
//! at any instant.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use smf_scf::root;

use crate::backup::{Backup, backups, now};
use crate::file::{self, File, OpenError};
use crate::load::load;
use crate::repository::Repository;

/// What takes the place of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This file.
    Backup(PathBuf),
    /// One with nothing in it: what a new root has.
    Empty,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The repository is in use.
    #[error("svc.startd is running for {}; stop it first", .0.display())]
    Running(PathBuf),
    /// What was to be restored is no good repository.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// A file cannot be made or renamed.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Looks at a file as a whole: every page, and every group that it holds.
///
/// # Errors
/// It is damaged, of a newer version, or cannot be read.
pub fn check(path: &Path) -> Result<(), OpenError> {
    let file = File::open_read_only(path, Path::new(""))?;
    file::check(&file.connection, "main", path)?;
    load(&file).map(drop)
}

/// Puts a backup in the place of a root's repository; where what was there is now.
///
/// # Errors
/// svc.startd runs, the backup is damaged, or a file cannot be made or renamed.
pub fn restore(root: &Path, source: &Source) -> Result<Option<PathBuf>, RestoreError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RestoreError::Io { path, source }
    };
    // Held until it is done, so that no svc.startd comes up in between.
    let _lock = lock(root)?;
    let lasting = root.join(root::LASTING);
    let temporary = beside(&lasting, &format!("_new{}", std::process::id()));
    for leftover in [&temporary, &beside(&temporary, "-journal")] {
        remove(leftover).map_err(failed(leftover))?;
    }
    match source {
        Source::Backup(path) => {
            check(path)?;
            // A backup that was put there by hand may have a log beside it.
            let from = file::read_only(path)?;
            file::own(&temporary)?;
            let mut to = rusqlite::Connection::open(&temporary).map_err(file::sql(&temporary))?;
            file::copy_into(&from, &mut to, "main", &temporary)?;
            let mode = "PRAGMA journal_mode = DELETE";
            to.execute_batch(mode).map_err(file::sql(&temporary))?;
        }
        Source::Empty => drop(Repository::open_private(&temporary)?),
    }
    fs::File::open(&temporary).and_then(|file| file.sync_all()).map_err(failed(&temporary))?;
    let old = keep(&lasting, "old").map_err(failed(&lasting))?;
    fs::rename(&temporary, &lasting).map_err(failed(&lasting))?;
    let folder = lasting.parent().unwrap_or(root);
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
    Ok(old)
}

/// What svc.startd has while it runs.
fn lock(root: &Path) -> Result<Flock<fs::File>, RestoreError> {
    let folder = root.join(root::VOLATILE).with_file_name("");
    let path = folder.join("svc.startd.lock");
    let failed = |source| RestoreError::Io { path: path.clone(), source };
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&folder).map_err(failed)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        nix::errno::Errno::EWOULDBLOCK => RestoreError::Running(root.to_path_buf()),
        other => failed(other.into()),
    })
}

/// Gives a file, and its log, a second name that says when; none when there is no file.
///
/// The name of its own stays with the file until another file takes it.
fn keep(lasting: &Path, why: &str) -> io::Result<Option<PathBuf>> {
    if !lasting.exists() {
        return Ok(None);
    }
    let time = now();
    // Two within a second differ by a letter.
    let names =
        ["", "a", "b", "c", "d"].map(|letter| beside(lasting, &format!("_{why}_{time}{letter}")));
    let kept = names.into_iter().find(|name| !name.exists());
    let kept = kept.ok_or(io::Error::from(io::ErrorKind::AlreadyExists))?;
    fs::hard_link(lasting, &kept)?;
    rename(&beside(lasting, "-wal"), &beside(&kept, "-wal"))?;
    remove(&beside(lasting, "-shm"))?;
    Ok(Some(kept))
}

/// Sets a damaged file aside; where it is now.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = keep(path, "corrupt")?.ok_or(io::Error::from(io::ErrorKind::NotFound))?;
    fs::remove_file(path)?;
    Ok(aside)
}

/// Whether a damaged file was set aside and nothing has taken its place.
pub(crate) fn is_set_aside(lasting: &Path) -> io::Result<bool> {
    let Some((folder, name)) = lasting.parent().zip(lasting.file_name()) else { return Ok(false) };
    if lasting.exists() || !folder.exists() {
        return Ok(false);
    }
    let stem = format!("{}_corrupt_", name.to_string_lossy());
    for entry in fs::read_dir(folder)? {
        if entry?.file_name().to_string_lossy().starts_with(&stem) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What to do about a repository that is not there: in words, for whoever reads the error.
pub(crate) fn advice(lasting: &Path) -> String {
    let root = lasting.ancestors().nth(3).filter(|root| root.join(root::LASTING) == lasting);
    let command = match root {
        Some(root) if root != Path::new("/") => {
            format!("restore_repository -r {}", root.display())
        }
        Some(_) | None => "restore_repository".to_owned(),
    };
    let newest = newest_good(lasting);
    match newest {
        Some(backup) => format!(
            "the newest good backup is {}; to restore it: {command} {}",
            backup.path.display(),
            backup.name()
        ),
        None => format!("there is no good backup; to begin with an empty one: {command} -seed-"),
    }
}

/// The newest backup that is whole.
fn newest_good(lasting: &Path) -> Option<Backup> {
    let all = backups(lasting).ok()?;
    all.into_iter().rev().find(|backup| check(&backup.path).is_ok())
}

/// Adds to `db_errors`.
pub(crate) fn note(volatile: &Path, text: &str) -> io::Result<()> {
    let path = volatile.with_file_name("db_errors");
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let mut file = options.open(path)?;
    writeln!(file, "{}: {text}", now())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    absent_is_fine(fs::rename(from, to))
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
