//! staging.rs - what a batch has written for one publisher and nobody sees yet.
//!
//! ```text
//! PUB/tmp/batch.PID.RANDOM/file/HH/HASH   payloads that were made or fetched
//!                          pkg/N          manifests, numbered
//!                          catalog/       the catalog to come
//! ```
//!
//! The folder is on the file system of its destination, so all that is left to do is to rename,
//! whole folders of payloads where the destination has none of that name.  Payloads of files that
//! are stored elsewhere are only noted, and linked into their places when the batch is committed.
//! The folder goes when the batch does; what a killed process left is removed by the next
//! writer, also by one that finds nothing to write.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use tempfile::TempDir;

use crate::apart::make_apart;
use crate::batch::locked;
use crate::durable::{self, Linked, Maker};
use crate::error::{PathError, at};
use crate::read::payload_paths;

/// Where a payload of a batch is.
#[derive(Debug, Clone)]
enum Place {
    /// In the batch's folder.
    Here,
    /// In a file that never changes.
    There(PathBuf),
}

/// The unpublished part of a batch.
pub(crate) struct Staging {
    folder: TempDir,
    publisher: PathBuf,
    /// The payloads put here; the folder is asked of nobody else.
    staged: Mutex<BTreeMap<String, Place>>,
    /// The folders that the publisher has payloads in, by their two hex digits.
    shards: BTreeSet<String>,
    /// A payload could not be written; who found it staged has to be told.
    broken: AtomicBool,
    maker: Maker,
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
        make_apart(&folder.path().join("file"), folder.path())?;
        durable::make_folder(&folder.path().join("pkg"))?;
        Ok(Staging {
            folder,
            publisher: publisher.to_path_buf(),
            staged: Mutex::default(),
            shards: names(&publisher.join("file"))?,
            broken: AtomicBool::new(false),
            maker: Maker::default(),
        })
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
        self.folder.path().join("file").join(&hash[..2]).join(hash)
    }

    /// Whether the payload was put here.
    pub(crate) fn has(&self, hash: &str) -> bool {
        locked(&self.staged).contains_key(hash)
    }

    /// Where the publisher has the payload already.
    pub(crate) fn held(&self, hash: &str) -> Option<PathBuf> {
        if !self.shards.contains(&hash[..2]) {
            return None;
        }
        payload_paths(&self.publisher, hash).into_iter().find(|path| path.is_file())
    }

    /// Whether all that was put here was written.
    pub(crate) fn is_whole(&self) -> bool {
        !self.broken.load(Ordering::Relaxed)
    }

    /// Puts a stored payload here.  Two packages may bring the same one at once: the first does it.
    pub(crate) fn put_bytes(&self, hash: &str, stored: &[u8]) -> Result<(), PathError> {
        if locked(&self.staged).insert(hash.to_string(), Place::Here).is_some() {
            return Ok(());
        }
        self.write(hash, stored).inspect_err(|_| self.broken.store(true, Ordering::Relaxed))
    }

    fn write(&self, hash: &str, stored: &[u8]) -> Result<(), PathError> {
        let path = self.payload(hash);
        match self.maker.write_new(&path, stored) {
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {
                durable::make_folder(path.parent().unwrap_or(&path))?;
                self.maker.write_new(&path, stored)
            }
            written => written,
        }
    }

    /// Notes that a payload is in the file `source`, which must stay and never change.
    pub(crate) fn put_file(&self, hash: &str, source: &Path) {
        let place = || Place::There(source.to_path_buf());
        locked(&self.staged).entry(hash.to_string()).or_insert_with(place);
    }

    /// Writes the manifest with this number.
    pub(crate) fn put_manifest(&self, number: usize, text: &str) -> Result<(), PathError> {
        self.maker.write_new(&self.manifest(number), text.as_bytes())
    }

    fn manifest(&self, number: usize) -> PathBuf {
        self.folder.path().join("pkg").join(number.to_string())
    }

    /// Links the payloads of other files into their places; what cannot be linked is copied here.
    pub(crate) fn link_payloads(&self) -> Result<(), PathError> {
        let mut shards: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
        for (hash, place) in locked(&self.staged).iter() {
            if let Place::There(source) = place {
                let shard = shards.entry(hash[..2].to_string()).or_default();
                shard.push((hash.clone(), source.clone()));
            }
        }
        let file = self.publisher.join("file");
        shards.into_par_iter().try_for_each(|(shard, payloads)| {
            let shard = file.join(shard);
            durable::make_folder(&shard)?;
            let mut folder = durable::LinkFolder::open(&shard)?;
            for (hash, source) in payloads {
                match folder.link(&source, &hash)? {
                    Linked::Yes => {}
                    Linked::Cannot => {
                        self.write(&hash, &fs::read(&source).map_err(at(&source))?)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Moves every payload that is here to its place; one that is there already stays.
    pub(crate) fn move_payloads(&self) -> Result<(), PathError> {
        let (here, there) = (self.folder.path().join("file"), self.publisher.join("file"));
        durable::make_folder(&there)?;
        names(&here)?.into_par_iter().try_for_each(|shard| {
            let (from, to) = (here.join(&shard), there.join(&shard));
            // Replaces an empty folder; one with payloads in it is refused.
            if fs::rename(&from, &to).is_ok() {
                return Ok(());
            }
            durable::make_folder(&to)?;
            for hash in names(&from)? {
                durable::rename_new(&from.join(&hash), &to.join(&hash))?;
            }
            Ok(())
        })
    }

    /// Moves the manifest with this number to its place.
    pub(crate) fn move_manifest(&self, number: usize, place: &Path) -> Result<(), PathError> {
        if let Some(parent) = place.parent() {
            durable::make_folder(parent)?;
        }
        fs::rename(self.manifest(number), place).map_err(at(place))
    }
}

/// What is in a folder; nothing where there is no folder.
fn names(folder: &Path) -> Result<BTreeSet<String>, PathError> {
    let mut names = BTreeSet::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(names),
        entries => entries.map_err(at(folder))?,
    };
    for entry in entries {
        names.extend(entry.map_err(at(folder))?.file_name().into_string());
    }
    Ok(names)
}

/// Removes what processes that are gone left in a publisher's `tmp`.
pub(crate) fn remove_leftovers(publisher: &Path) -> Result<(), PathError> {
    for path in leftovers(publisher)? {
        match fs::remove_dir_all(&path) {
            // An indexer and a publisher may both be at it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed.map_err(at(&path))?,
        }
    }
    Ok(())
}

/// Whether processes that are gone left anything there.
pub(crate) fn has_leftovers(publisher: &Path) -> Result<bool, PathError> {
    Ok(!leftovers(publisher)?.is_empty())
}

fn leftovers(publisher: &Path) -> Result<Vec<PathBuf>, PathError> {
    let tmp = publisher.join("tmp");
    let is_left = |name: &String| {
        let process = name.strip_prefix("batch.").and_then(|rest| rest.split('.').next());
        let process = process.and_then(|process| process.parse::<i32>().ok());
        process.is_some_and(|process| process > 0 && is_gone(process))
    };
    Ok(names(&tmp)?.iter().filter(|name| is_left(name)).map(|name| tmp.join(name)).collect())
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
        assert!(has_leftovers(publisher.path()).unwrap());
        remove_leftovers(publisher.path()).unwrap();
        assert!(!has_leftovers(publisher.path()).unwrap());
        assert!(!dead.exists() && alive.exists());
    }

    #[test]
    fn an_unreadable_payload_is_copied() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("source");
        for (mode, linked) in [(0o644, true), (0o600, false)] {
            let staging = Staging::new(place.path()).unwrap();
            fs::write(&source, "x").unwrap();
            fs::set_permissions(&source, fs::Permissions::from_mode(mode)).unwrap();
            let hash = format!("{mode:040}");
            staging.put_file(&hash, &source);
            staging.link_payloads().unwrap();
            staging.move_payloads().unwrap();
            let about = fs::metadata(&payload_paths(place.path(), &hash)[0]).unwrap();
            assert_eq!(about.nlink() == 2, linked, "{mode:o}");
            assert_eq!(about.mode() & 0o777, 0o644);
            fs::remove_file(&source).unwrap();
        }
    }

    #[test]
    fn what_is_there_stays() {
        let place = tempfile::tempdir().unwrap();
        let [one, other] = ["aa", "ab"].map(|head| format!("{head}{}", "0".repeat(38)));
        for (content, expected) in [("first", "first"), ("second", "first")] {
            let staging = Staging::new(place.path()).unwrap();
            assert_eq!(staging.held(&one).is_some(), content == "second");
            staging.put_bytes(&one, content.as_bytes()).unwrap();
            staging.put_bytes(&one, b"brought twice").unwrap();
            let source = place.path().join(content);
            fs::write(&source, content).unwrap();
            staging.put_file(&other, &source);
            staging.link_payloads().unwrap();
            staging.move_payloads().unwrap();
            for hash in [&one, &other] {
                let path = &payload_paths(place.path(), hash)[0];
                assert_eq!(fs::read_to_string(path).unwrap(), expected, "{hash}");
            }
        }
    }
}
