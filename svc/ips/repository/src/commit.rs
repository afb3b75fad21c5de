//! commit.rs - a batch becomes visible.
//!
//! Per publisher, under its lock: manifests and the new catalog are written beside what is
//! there; one flush; then payloads, manifests and last the catalog are renamed into place.  A
//! crash before the last rename leaves files no catalog names; the same batch may be run again.

use std::collections::BTreeMap;

use ips_model::digest::sha1_hex;
use ips_model::{Fmri, Timestamp};

use crate::batch::{Batch, Pending};
use crate::catalog::CatalogEdit;
use crate::durable;
use crate::error::WriteError;
use crate::lock::{Lock, Wait};
use crate::staging::{Staging, remove_leftovers};

impl Batch<'_> {
    /// Makes the packages visible, all of a publisher at once, with `now` as the time of the
    /// change; those that came, in order.
    ///
    /// Waits for another writer.  A package that this writer published meanwhile is skipped if
    /// it is the same, else nothing of its publisher is changed.
    pub fn commit(self, now: Timestamp) -> Result<Vec<Fmri>, WriteError> {
        let packages = std::mem::take(&mut *crate::batch::locked(&self.packages));
        let mut by_publisher: BTreeMap<String, Vec<Pending>> = BTreeMap::new();
        for pending in packages.into_values() {
            let publisher = pending.fmri.publisher.clone().unwrap_or_default();
            by_publisher.entry(publisher).or_default().push(pending);
        }
        let mut added = Vec::new();
        for (publisher, mut packages) in by_publisher {
            packages.sort_by(|one, other| one.fmri.cmp(&other.fmri));
            let staging = self.staging(&publisher)?;
            added.extend(self.commit_one(&publisher, &packages, &staging, now)?);
        }
        Ok(added)
    }

    fn commit_one(
        &self,
        publisher: &str,
        packages: &[Pending],
        staging: &Staging,
        now: Timestamp,
    ) -> Result<Vec<Fmri>, WriteError> {
        let folder = self.repository.publisher_folder(publisher)?;
        let catalog = folder.join("catalog");
        let _lock = Lock::take(&folder, Wait::Block)?;
        remove_leftovers(&folder)?;
        durable::recover(&catalog)?;
        let mut edit = CatalogEdit::read(&catalog, now)?;
        let mut added = Vec::new();
        for (number, pending) in packages.iter().enumerate() {
            match edit.signature(&pending.fmri) {
                Some(held) if held == sha1_hex(pending.text.as_bytes()) => continue,
                Some(_) => return Err(WriteError::Conflict(pending.fmri.to_string())),
                None => {}
            }
            staging.put_manifest(number, &pending.text)?;
            edit.add(&pending.fmri, &pending.manifest, &pending.text);
            added.push((number, pending.fmri.clone()));
        }
        if edit.is_unchanged() {
            return Ok(Vec::new());
        }
        edit.save(&catalog, &staging.catalog())?;
        durable::sync_filesystem(staging.path())?;
        staging.move_payloads()?;
        for (number, fmri) in &added {
            staging.move_manifest(*number, &self.repository.manifest_path(fmri)?)?;
        }
        durable::swap_folder(&staging.catalog(), &catalog)?;
        durable::sync_folder(&folder)?;
        Ok(added.into_iter().map(|(_, fmri)| fmri).collect())
    }
}
