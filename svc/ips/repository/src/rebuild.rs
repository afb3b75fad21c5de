//! rebuild.rs - a catalog made from the manifests on disk.
//!
//! `refresh` adds the manifests the catalog does not know; `rebuild` makes a new catalog, with a
//! new `created` and without update logs, so that clients fetch it whole.  Neither waits for
//! another writer.

use std::fs;
use std::path::{Path, PathBuf};

use ips_model::quote::unquote;
use ips_model::{Fmri, Manifest, Timestamp};
use rayon::prelude::*;

use crate::batch::{catalogued, parsed};
use crate::catalog::CatalogEdit;
use crate::durable;
use crate::error::{PathError, WriteError, at};
use crate::lock::{Lock, Wait};
use crate::repository::Repository;
use crate::staging::{Staging, remove_leftovers};

impl Repository {
    /// Adds manifests that are missing from a publisher's catalog; those that came.
    pub fn refresh(&self, publisher: &str, now: Timestamp) -> Result<Vec<Fmri>, WriteError> {
        self.renew(publisher, |catalog| Ok(CatalogEdit::read(catalog, now)?))
    }

    /// Makes a publisher's catalog anew; all its packages.
    pub fn rebuild(&self, publisher: &str, now: Timestamp) -> Result<Vec<Fmri>, WriteError> {
        // A damaged catalog is what a rebuild is for; then its times are not known.
        let old = self.attributes(publisher).ok().flatten();
        self.renew(publisher, |_| Ok(CatalogEdit::instead_of(old.as_ref(), now)))
    }

    fn renew(
        &self,
        publisher: &str,
        edit: impl FnOnce(&Path) -> Result<CatalogEdit, WriteError>,
    ) -> Result<Vec<Fmri>, WriteError> {
        let folder = self.changed_publisher(publisher)?;
        let catalog = folder.join("catalog");
        for name in ["tmp", "pkg"] {
            durable::make_folder(&folder.join(name))?;
        }
        let _lock = Lock::take(&folder, Wait::Refuse)?;
        remove_leftovers(&folder)?;
        durable::recover(&catalog)?;
        let mut edit = edit(&catalog)?;
        let stored = stored(&folder.join("pkg"), publisher, |name, version| {
            !edit.names(publisher, name, version)
        })?;
        // What is written in another way may be there all the same.
        let mut missing = Vec::new();
        for fmri in stored {
            if edit.signature(&fmri)?.is_none() {
                missing.push(fmri);
            }
        }
        let read = |fmri: &Fmri| -> Result<(String, Manifest), WriteError> {
            let text = self.manifest_text(fmri)?;
            let manifest = catalogued(&parsed(fmri, &text)?);
            Ok((text, manifest))
        };
        let manifests: Vec<(String, Manifest)> =
            missing.par_iter().map(read).collect::<Result<_, _>>()?;
        for (fmri, (text, manifest)) in missing.iter().zip(&manifests) {
            edit.add(fmri, manifest, text)?;
        }
        if edit.is_unchanged() && edit.is_on_disk() {
            return Ok(missing);
        }
        let staging = Staging::new(&folder)?;
        edit.save(&catalog, &staging.catalog())?;
        durable::sync_filesystem(staging.path())?;
        durable::swap_folder(&staging.catalog(), &catalog)?;
        durable::sync_folder(&folder)?;
        Ok(missing)
    }
}

/// The packages whose manifests are in `pkg`; files with other names are no manifests.
pub(crate) fn stored_packages(pkg: &Path, publisher: &str) -> Result<Vec<Fmri>, PathError> {
    stored(pkg, publisher, |_, _| true)
}

/// Those of them whose name and version, as they are written, are wanted.
fn stored(
    pkg: &Path,
    publisher: &str,
    is_wanted: impl Fn(&str, &str) -> bool + Sync,
) -> Result<Vec<Fmri>, PathError> {
    let of_name = |(name, folder): &(String, PathBuf)| -> Result<Vec<Fmri>, PathError> {
        let Some(name) = unquote(name) else { return Ok(Vec::new()) };
        let mut packages = Vec::new();
        for (version, _) in entries(folder, Wanted::Anything)? {
            let wanted = unquote(&version).filter(|version| is_wanted(&name, version));
            packages.extend(wanted.and_then(|version| Fmri::of(publisher, &name, &version).ok()));
        }
        Ok(packages)
    };
    let names = entries(pkg, Wanted::Folders)?;
    let packages = names.par_iter().map(of_name).collect::<Result<Vec<_>, _>>()?;
    let mut packages: Vec<Fmri> = packages.into_iter().flatten().collect();
    packages.sort();
    Ok(packages)
}

/// What of a folder is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Folders,
    Anything,
}

fn entries(folder: &Path, wanted: Wanted) -> Result<Vec<(String, PathBuf)>, PathError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        // The entry itself tells what it is, unless it is a link.
        let is_folder = || -> std::io::Result<bool> {
            let kind = entry.file_type()?;
            Ok(kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()))
        };
        if wanted == Wanted::Folders && !is_folder().map_err(at(folder))? {
            continue;
        }
        if let Ok(name) = entry.file_name().into_string() {
            entries.push((name, entry.path()));
        }
    }
    Ok(entries)
}
