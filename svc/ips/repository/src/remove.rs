//! remove.rs - packages and publishers leave a repository.
//!
//! A package leaves the catalog first, told to clients by the update log; then its manifest goes,
//! then the payloads that no other package of the publisher has.  A crash on the way leaves
//! manifests that `refresh` would bring back, or payloads that nobody names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ips_model::{Fmri, Manifest, Timestamp};
use rayon::prelude::*;

use crate::catalog::CatalogEdit;
use crate::durable;
use crate::error::{PathError, WriteError, at};
use crate::lock::{Lock, Wait};
use crate::read::payload_paths;
use crate::rebuild::stored_packages;
use crate::repository::Repository;
use crate::staging::{Staging, remove_leftovers};

impl Repository {
    /// Removes packages of a publisher, all at once.  Does not wait for another writer.
    pub fn remove(
        &self,
        publisher: &str,
        packages: &[Fmri],
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let folder = self.changed_publisher(publisher)?;
        let catalog = folder.join("catalog");
        durable::make_folder(&folder.join("tmp"))?;
        let _lock = Lock::take(&folder, Wait::Refuse)?;
        remove_leftovers(&folder)?;
        durable::recover(&catalog)?;
        // The search index knows packages that will not be there.
        remove_folder(&folder.join("index"))?;
        let mut edit = CatalogEdit::read(&catalog, now)?;
        for fmri in packages {
            edit.remove(fmri)?;
        }
        if !edit.is_unchanged() {
            let staging = Staging::new(&folder)?;
            edit.save(&catalog, &staging.catalog())?;
            durable::sync_filesystem(staging.path())?;
            durable::swap_folder(&staging.catalog(), &catalog)?;
            durable::sync_folder(&folder)?;
        }
        self.remove_files(publisher, &folder, packages)
    }

    fn remove_files(
        &self,
        publisher: &str,
        folder: &Path,
        packages: &[Fmri],
    ) -> Result<(), WriteError> {
        let mut unneeded: BTreeSet<String> = BTreeSet::new();
        for fmri in packages {
            unneeded.extend(self.payloads_of(fmri)?);
        }
        let gone: BTreeSet<String> = packages.iter().map(ToString::to_string).collect();
        if !unneeded.is_empty() {
            let pkg = folder.join("pkg");
            let stored = if pkg.is_dir() { stored_packages(&pkg, publisher)? } else { Vec::new() };
            let needed: Vec<BTreeSet<String>> = stored
                .par_iter()
                .filter(|fmri| !gone.contains(&fmri.to_string()))
                .map(|fmri| self.payloads_of(fmri))
                .collect::<Result<_, _>>()?;
            for hash in needed.iter().flatten() {
                unneeded.remove(hash);
            }
        }
        for fmri in packages {
            remove_file(&self.manifest_path(fmri)?)?;
        }
        for hash in &unneeded {
            for path in payload_paths(folder, hash) {
                remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// The payloads of a stored manifest; none where it is missing or damaged.
    fn payloads_of(&self, fmri: &Fmri) -> Result<BTreeSet<String>, WriteError> {
        let path = self.manifest_path(fmri)?;
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeSet::new());
            }
            Err(error) => return Err(at(&path)(error).into()),
        };
        let manifest = Manifest::parse(&String::from_utf8_lossy(&bytes)).unwrap_or_default();
        Ok(manifest.payload_hashes().into_iter().map(str::to_string).collect())
    }

    /// Removes publishers with all they have.  If the default one is among them, the only one
    /// left becomes the default, and with several there is none; the new default is returned.
    pub fn remove_publishers(&self, names: &[String]) -> Result<Option<String>, WriteError> {
        for name in names {
            let folder = self.changed_publisher(name)?;
            durable::make_folder(&folder.join("tmp"))?;
            let lock = Lock::take(&folder, Wait::Refuse)?;
            // Out of sight in one step; only then file by file.
            let aside = tempfile::Builder::new()
                .prefix(".removed.")
                .tempdir_in(self.root())
                .map_err(at(self.root()))?;
            fs::rename(&folder, aside.path().join(name)).map_err(at(&folder))?;
            drop(lock);
            aside.close().map_err(at(self.root()))?;
        }
        let default = self.default_publisher()?;
        if default.is_none_or(|default| !names.contains(&default)) {
            return self.default_publisher().map_err(WriteError::from);
        }
        let left = self.publishers()?;
        let only = if let [only] = left.as_slice() { only.as_str() } else { "" };
        self.set_default_publisher(only)?;
        Ok(Some(only.to_string()).filter(|name| !name.is_empty()))
    }
}

/// Removes a file, if it is there, and its folder, if that is empty then.
fn remove_file(path: &Path) -> Result<(), PathError> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at(path)(error)),
    }
    let Some(folder) = path.parent() else { return Ok(()) };
    match fs::remove_dir(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(()),
        Err(error) => Err(at(folder)(error)),
    }
}

fn remove_folder(path: &Path) -> Result<(), PathError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
