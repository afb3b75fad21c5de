//! commit.rs - a batch becomes visible.
//!
//! Per publisher, under its lock: payloads that are files elsewhere are linked into place,
//! manifests and the new catalog are written beside what is there; one flush; then payloads,
//! manifests and last the catalog are renamed into place.  A crash before the last rename leaves
//! files no catalog names; the same batch may be run again.  A crash after it leaves the batch's
//! folder, which the next commit removes even if it has nothing to write.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use ips_model::digest::sha1_hex;
use ips_model::{Fmri, Timestamp};

use crate::batch::{Batch, Pending, Stored, parsed};
use crate::catalog::CatalogEdit;
use crate::durable;
use crate::error::WriteError;
use crate::lock::{Lock, Wait};
use crate::staging::{Staging, has_leftovers, remove_leftovers};

/// Whether packages that come are named in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Catalogued {
    /// At once.
    Yes,
    /// By the next refresh.
    No,
}

impl Batch<'_> {
    /// Makes the packages visible, all of a publisher at once, with `now` as the time of the
    /// change; those that came, in order.
    ///
    /// Waits for another writer.  A package that this writer published meanwhile is skipped if
    /// it is the same, else nothing of its publisher is changed.
    pub fn commit(self, now: Timestamp) -> Result<Vec<Fmri>, WriteError> {
        self.publish_gathered(now, Catalogued::Yes)
    }

    /// The same; the catalog is left for a refresh to do.
    pub fn commit_uncatalogued(self, now: Timestamp) -> Result<Vec<Fmri>, WriteError> {
        self.publish_gathered(now, Catalogued::No)
    }

    /// The same; the catalog may be left for a refresh to do.
    pub(crate) fn publish_gathered(
        self,
        now: Timestamp,
        catalogued: Catalogued,
    ) -> Result<Vec<Fmri>, WriteError> {
        let packages = std::mem::take(&mut *crate::batch::locked(&self.packages));
        let mut by_publisher: BTreeMap<String, Vec<Pending>> = BTreeMap::new();
        for pending in packages.into_values() {
            let publisher = pending.fmri.publisher.clone().unwrap_or_default();
            by_publisher.entry(publisher).or_default().push(pending);
        }
        // First, so that an error of this is not one of a publication that was done.
        self.tidy(|publisher| !by_publisher.contains_key(publisher))?;
        let mut added = Vec::new();
        for (publisher, mut packages) in by_publisher {
            packages.sort_by(|one, other| one.fmri.cmp(&other.fmri));
            let staging = self.staging(&publisher)?;
            if !staging.is_whole() {
                return Err(WriteError::Broken);
            }
            added.extend(self.commit_one(&publisher, &packages, &staging, now, catalogued)?);
        }
        Ok(added)
    }

    /// Ends what a writer that was killed after its last rename left.  Doing the same again finds
    /// every package there and writes nothing, so this is for publishers that get no package.
    fn tidy(&self, is_unwritten: impl Fn(&String) -> bool) -> Result<(), WriteError> {
        for publisher in self.repository.publishers()?.into_iter().filter(is_unwritten) {
            let folder = self.repository.publisher_folder(&publisher)?;
            let catalog = folder.join("catalog");
            // Who has nothing to write needs no leave to write, unless there is something to end.
            let is_left = has_leftovers(&folder)? || durable::is_left(&catalog);
            if is_left {
                let _lock = Lock::take(&folder, Wait::Block)?;
                remove_leftovers(&folder)?;
                durable::recover(&catalog)?;
            }
        }
        Ok(())
    }

    fn commit_one(
        &self,
        publisher: &str,
        packages: &[Pending],
        staging: &Staging,
        now: Timestamp,
        catalogued: Catalogued,
    ) -> Result<Vec<Fmri>, WriteError> {
        let folder = self.repository.publisher_folder(publisher)?;
        let catalog = folder.join("catalog");
        let _lock = Lock::take(&folder, Wait::Block)?;
        remove_leftovers(&folder)?;
        durable::recover(&catalog)?;
        let mut edit = CatalogEdit::read(&catalog, now)?;
        let mut added = Vec::new();
        for (number, pending) in packages.iter().enumerate() {
            match edit.signature(&pending.fmri)? {
                Some(held) if held == sha1_hex(pending.text.as_bytes()) => continue,
                Some(_) => return Err(WriteError::Conflict(pending.fmri.to_string())),
                None => {}
            }
            staging.put_manifest(number, &pending.text)?;
            edit.add(&pending.fmri, &pending.manifest, &pending.text)?;
            added.push((number, pending.fmri.clone()));
        }
        if added.is_empty() {
            return Ok(Vec::new());
        }
        match catalogued {
            Catalogued::Yes => self.place(&folder, staging, Some(edit), &added)?,
            Catalogued::No => self.place(&folder, staging, None, &added)?,
        }
        Ok(added.into_iter().map(|(_, fmri)| fmri).collect())
    }

    /// Puts what is staged into its places, under the lock of the publisher's `folder`; last the
    /// catalog, if there is a new one.
    fn place(
        &self,
        folder: &Path,
        staging: &Staging,
        edit: Option<CatalogEdit>,
        manifests: &[(usize, Fmri)],
    ) -> Result<(), WriteError> {
        let catalog = folder.join("catalog");
        let renewed = edit.is_some();
        staging.link_payloads()?;
        if let Some(edit) = edit {
            edit.save(&catalog, &staging.catalog())?;
        }
        durable::sync_filesystem(staging.path())?;
        staging.move_payloads()?;
        for (number, fmri) in manifests {
            staging.move_manifest(*number, &self.repository.manifest_path(fmri)?)?;
        }
        if renewed {
            durable::swap_folder(&staging.catalog(), &catalog)?;
        }
        Ok(durable::sync_folder(folder)?)
    }

    /// Gives a published package a manifest that begins with the one it has: signatures were
    /// added.  Between the last two renames the catalog has the former manifest's digest; killed
    /// there, the same once more ends well.
    pub(crate) fn sign(
        self,
        fmri: &Fmri,
        text: &str,
        payload: impl Fn(&str) -> io::Result<Stored>,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let manifest = parsed(fmri, text)?;
        let publisher = fmri.publisher.clone().unwrap_or_default();
        let staging = self.staging(&publisher)?;
        self.bring_missing(fmri, &manifest, &staging, payload)?;
        let folder = self.repository.publisher_folder(&publisher)?;
        let _lock = Lock::take(&folder, Wait::Block)?;
        remove_leftovers(&folder)?;
        durable::recover(&folder.join("catalog"))?;
        let mut edit = CatalogEdit::read(&folder.join("catalog"), now)?;
        if !text.starts_with(&self.repository.manifest_text(fmri)?) {
            return Err(WriteError::Conflict(fmri.to_string()));
        }
        if !edit.remove(fmri)? {
            return Err(WriteError::NothingToAppendTo(fmri.to_string()));
        }
        edit.add(fmri, &manifest, text)?;
        staging.put_manifest(0, text)?;
        self.place(&folder, &staging, Some(edit), &[(0, fmri.clone())])
    }
}
