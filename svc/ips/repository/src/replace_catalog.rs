//! replace_catalog.rs - a catalog taken over from another repository, byte for byte.
//!
//! Law: it is taken over only when it is sound and names exactly the packages that are here, with
//! the manifests they have.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ips_model::catalog::is_part_name;
use ips_model::digest::sha1_hex;

use crate::catalog::{ATTRIBUTES, Catalog};
use crate::durable;
use crate::error::{PathError, WriteError, at};
use crate::lock::{Lock, Wait};
use crate::repository::Repository;
use crate::staging::{Staging, remove_leftovers};

impl Repository {
    /// Puts these files in the place of a publisher's catalog.
    pub fn replace_catalog(
        &self,
        publisher: &str,
        files: &[(String, Vec<u8>)],
    ) -> Result<(), WriteError> {
        let folder = self.changed_publisher(publisher)?;
        let catalog = folder.join("catalog");
        durable::make_folder(&folder.join("tmp"))?;
        let _lock = Lock::take(&folder, Wait::Block)?;
        remove_leftovers(&folder)?;
        durable::recover(&catalog)?;
        let staging = Staging::new(&folder)?;
        let place = staging.catalog();
        durable::make_folder(&place)?;
        for (name, bytes) in files.iter().filter(|(name, _)| is_known(name)) {
            durable::write_new(&place.join(name), bytes)?;
        }
        let new = Catalog::read(&place)?;
        for package in new.packages() {
            let path = self.manifest_path(&package.fmri)?;
            let bytes = fs::read(&path).map_err(at(&path))?;
            if sha1_hex(&bytes) != package.signature {
                return Err(WriteError::Conflict(package.fmri.to_string()));
            }
        }
        age(&new, &place)?;
        durable::sync_filesystem(staging.path())?;
        durable::swap_folder(&place, &catalog)?;
        durable::sync_folder(&folder)?;
        Ok(())
    }
}

fn is_known(name: &str) -> bool {
    name == ATTRIBUTES || is_part_name(name)
}

/// Gives each file the time its catalog names.
fn age(catalog: &Catalog, folder: &Path) -> Result<(), PathError> {
    let attributes = &catalog.attributes;
    let parts = attributes.parts.iter().chain(&attributes.updates);
    let times = parts.map(|(name, part)| (name.as_str(), part.last_modified));
    for (name, time) in times.chain([(ATTRIBUTES, attributes.last_modified)]) {
        let path = folder.join(name);
        let seconds = u64::try_from(time.seconds()).unwrap_or(0);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let file = fs::File::options().write(true).open(&path).map_err(at(&path))?;
        file.set_modified(time).map_err(at(&path))?;
    }
    Ok(())
}
