//! staging.rs - what a batch has written for one publisher and nobody sees yet.
//!
//! ```text
//! PUB/tmp/batch.PID.RANDOM/file/HASH   payloads
//!                          pkg/N       manifests, numbered
//!                          catalog/    the catalog to come
//! ```
//!
//! The folder is on the file system of its destination, so all that is left to do is to rename.
//! It goes when the batch does; what a killed process left is removed by the next writer.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::TempDir;

use crate::batch::locked;
use crate::durable;
use crate::error::{PathError, at};
use crate::read::payload_paths;

/// The unpublished part of a batch.
pub(crate) struct Staging {
    folder: TempDir,
    publisher: PathBuf,
    /// The payloads put here; the folder is asked of nobody else.
    staged: Mutex<BTreeSet<String>>,
}

impl Staging {
    /// Makes the folder, and the publisher's `tmp` where it is new.
    pub(crate) fn new(publisher: &Path) -> Result<Staging, PathError> {
        let tmp = publisher.join("tmp");
        durable::make_folder(&tmp)?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("batch.{}.", std::process::id()))
            .tempdir_in(&tmp)
            .map_err(at(&tmp))?;
        for name in ["file", "pkg"] {
            durable::make_folder(&folder.path().join(name))?;
        }
        Ok(Staging { folder, publisher: publisher.to_path_buf(), staged: Mutex::default() })
    }

    /// Where the catalog to come is written.
    pub(crate) fn catalog(&self) -> PathBuf {
        self.folder.path().join("catalog")
    }

    /// The folder, for the flush before publication.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn payload(&self, hash: &str) -> PathBuf {
        self.folder.path().join("file").join(hash)
    }

    /// Whether the payload was put here.
    pub(crate) fn has(&self, hash: &str) -> bool {
        locked(&self.staged).contains(hash)
    }

    /// Puts a stored payload here.
    pub(crate) fn put_bytes(&self, hash: &str, stored: &[u8]) -> Result<(), PathError> {
        // Two packages may bring the same payload at once; a rename lets either win whole.
        let folder = self.folder.path();
        let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(at(folder))?;
        std::io::Write::write_all(&mut beside, stored).map_err(at(folder))?;
        let readable = Permissions::from_mode(0o644);
        beside.as_file().set_permissions(readable).map_err(at(folder))?;
        beside.persist(self.payload(hash)).map_err(|error| error.error).map_err(at(folder))?;
        locked(&self.staged).insert(hash.to_string());
        Ok(())
    }

    /// Puts a stored payload here by a hard link; by a copy where there can be none.
    pub(crate) fn put_file(&self, hash: &str, source: &Path) -> Result<(), PathError> {
        let about = fs::symlink_metadata(source).map_err(at(source))?;
        // A link shares the mode; a payload has to be readable by the depot.
        if about.is_file() && about.mode() & 0o444 == 0o444 {
            match fs::hard_link(source, self.payload(hash)) {
                // Another file system, or a file one may not link: copied below.
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {}
                Ok(()) | Err(_) => {
                    locked(&self.staged).insert(hash.to_string());
                    return Ok(());
                }
            }
        }
        let stored = fs::read(source).map_err(at(source))?;
        self.put_bytes(hash, &stored)
    }

    /// Writes the manifest with this number.
    pub(crate) fn put_manifest(&self, number: usize, text: &str) -> Result<(), PathError> {
        durable::write_new(&self.manifest(number), text.as_bytes())
    }

    fn manifest(&self, number: usize) -> PathBuf {
        self.folder.path().join("pkg").join(number.to_string())
    }

    /// Moves every payload to its place; one that is there already stays.
    pub(crate) fn move_payloads(&self) -> Result<(), PathError> {
        let folder = self.folder.path().join("file");
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let entry = entry.map_err(at(&folder))?;
            let name = entry.file_name();
            let hash = name.to_str().expect("a staged payload is named by its hash");
            let [place, _] = payload_paths(&self.publisher, hash);
            if place.exists() {
                continue;
            }
            if let Some(parent) = place.parent() {
                durable::make_folder(parent)?;
            }
            fs::rename(entry.path(), &place).map_err(at(&place))?;
        }
        Ok(())
    }

    /// Moves the manifest with this number to its place.
    pub(crate) fn move_manifest(&self, number: usize, place: &Path) -> Result<(), PathError> {
        if let Some(parent) = place.parent() {
            durable::make_folder(parent)?;
        }
        fs::rename(self.manifest(number), place).map_err(at(place))
    }
}

/// Removes what processes that are gone left in a publisher's `tmp`.
pub(crate) fn remove_leftovers(publisher: &Path) -> Result<(), PathError> {
    let tmp = publisher.join("tmp");
    for entry in fs::read_dir(&tmp).map_err(at(&tmp))? {
        let entry = entry.map_err(at(&tmp))?;
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix("batch."));
        let Some(process) = process.and_then(|rest| rest.split('.').next()) else { continue };
        let Ok(process) = process.parse::<i32>() else { continue };
        if process > 0 && is_gone(process) {
            match fs::remove_dir_all(entry.path()) {
                // An indexer and a publisher may both be at it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.map_err(at(&entry.path()))?,
            }
        }
    }
    Ok(())
}

fn is_gone(process: i32) -> bool {
    use nix::errno::Errno;
    use nix::sys::signal::kill;
    kill(nix::unistd::Pid::from_raw(process), None) == Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_ends_leaves_nothing() {
        let publisher = tempfile::tempdir().unwrap();
        let staging = Staging::new(publisher.path()).unwrap();
        staging.put_bytes(&"a".repeat(40), b"x").unwrap();
        drop(staging);
        let left = fs::read_dir(publisher.path().join("tmp")).unwrap().count();
        assert_eq!(left, 0);
    }

    #[test]
    fn leftovers_of_the_dead_are_removed() {
        let publisher = tempfile::tempdir().unwrap();
        // A process that has ended and been waited for.
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let dead = publisher.path().join(format!("tmp/batch.{}.x", child.id()));
        let alive = publisher.path().join(format!("tmp/batch.{}.x", std::process::id()));
        for folder in [&dead, &alive] {
            fs::create_dir_all(folder).unwrap();
        }
        remove_leftovers(publisher.path()).unwrap();
        assert!(!dead.exists() && alive.exists());
    }

    #[test]
    fn an_unreadable_payload_is_copied() {
        let publisher = tempfile::tempdir().unwrap();
        let staging = Staging::new(publisher.path()).unwrap();
        let source = publisher.path().join("source");
        for (mode, linked) in [(0o644, true), (0o600, false)] {
            fs::write(&source, "x").unwrap();
            fs::set_permissions(&source, Permissions::from_mode(mode)).unwrap();
            let hash = format!("{mode:040}");
            staging.put_file(&hash, &source).unwrap();
            let about = fs::metadata(staging.payload(&hash)).unwrap();
            assert_eq!(about.nlink() == 2, linked, "{mode:o}");
            assert_eq!(about.mode() & 0o777, 0o644);
            fs::remove_file(&source).unwrap();
        }
    }
}
