//! transaction.rs - a package published step by step, by processes that know it by its name.
//!
//! ```text
//! PUB/trans/SECONDS_QUOTED-FMRI/manifest   the actions so far, the first of them the name
//!                              /HASH       their payloads, as they will be stored
//! ```
//!
//! Nothing of it is visible until it is closed; then it is a batch of one.  One that is never
//! closed stays, as in pkg5.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use ips_model::configuration::Compression;
use ips_model::{Action, Fmri, Kind, Manifest, Timestamp, check, quote};

use crate::batch::{Stored, parsed};
use crate::durable;
use crate::error::{WriteError, at};
use crate::payload::{Content, describe, stored_form};
use crate::repository::Repository;

/// An open transaction.
#[derive(Debug)]
pub struct Transaction<'a> {
    repository: &'a Repository,
    compression: Compression,
    folder: PathBuf,
    id: String,
    fmri: Fmri,
}

impl Repository {
    /// Opens a transaction for a package; a version without a time gets `stamp`.
    pub fn open_transaction(
        &self,
        fmri: &str,
        stamp: Timestamp,
    ) -> Result<Transaction<'_>, WriteError> {
        let batch = self.batch()?;
        let name = Action::set_of("pkg.fmri", fmri);
        let fmri = batch.name(&Manifest { actions: vec![name] }, stamp)?;
        if batch.holds(&fmri)? {
            return Err(WriteError::Exists(fmri.to_string()));
        }
        let id = format!("{}_{}", stamp.seconds(), quote::quote(&fmri.to_string()));
        let publisher = fmri.publisher.as_deref().unwrap_or_default();
        let trans = self.publisher_folder(publisher)?.join("trans");
        durable::make_folder(&trans)?;
        let folder = trans.join(&id);
        fs::create_dir(&folder).map_err(at(&folder))?;
        let first = Action::set_of("pkg.fmri", &fmri.to_string());
        durable::write_new(&folder.join("manifest"), format!("{first}\n").as_bytes())?;
        let compression = self.configuration()?.compression();
        Ok(Transaction { repository: self, compression, folder, id, fmri })
    }

    /// An open transaction by its id, whatever publisher it is of.
    pub fn transaction(&self, id: &str) -> Result<Transaction<'_>, WriteError> {
        let absent = || WriteError::NoTransaction(id.to_string());
        // The id is one component of a path: it says whose it is.
        let (_, quoted) = id.split_once('_').ok_or_else(absent)?;
        let name = quote::unquote(quoted).ok_or_else(absent)?;
        let fmri = Fmri::parse(&name).map_err(|_| absent())?;
        let publisher = fmri.publisher.clone().ok_or_else(absent)?;
        let folder = self.publisher_folder(&publisher)?.join("trans").join(id);
        if id.contains('/') || !folder.join("manifest").is_file() {
            return Err(absent());
        }
        let compression = self.configuration()?.compression();
        Ok(Transaction { repository: self, compression, folder, id: id.to_string(), fmri })
    }
}

impl Transaction<'_> {
    /// What it is found by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Adds an action, and what is in the file `payload`.
    pub fn add(&self, mut action: Action, payload: Option<&Path>) -> Result<(), WriteError> {
        check::action(&action)?;
        if let Some(path) = payload.filter(|_| matches!(action.kind, Kind::File | Kind::License)) {
            let bytes = fs::read(path).map_err(at(path))?;
            let content = Content::of(&bytes);
            let publisher = self.fmri.publisher.as_deref().unwrap_or_default();
            let held = self.repository.file_path(publisher, &content.sha1);
            let (stream, stored) =
                stored_form(held.as_deref(), &bytes, self.compression).map_err(at(path))?;
            let place = self.folder.join(&content.sha1);
            if let Some(stored) = stored {
                durable::replace(&place, &stored)?;
            }
            describe(&mut action, &content, &stream);
        }
        let manifest = self.folder.join("manifest");
        let mut file = fs::File::options().append(true).open(&manifest).map_err(at(&manifest))?;
        // One write: a line is there whole or not at all.
        file.write_all(format!("{action}\n").as_bytes()).map_err(at(&manifest))?;
        Ok(())
    }

    /// Publishes the package.
    pub fn close(self, now: Timestamp) -> Result<Fmri, WriteError> {
        let path = self.folder.join("manifest");
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        check::manifest(&parsed(&self.fmri, &text)?)?;
        let batch = self.repository.batch()?;
        if batch.holds(&self.fmri)? {
            return Err(WriteError::Exists(self.fmri.to_string()));
        }
        let payload = |hash: &str| fs::read(self.folder.join(hash)).map(Stored::Bytes);
        batch.append(&self.fmri, &text, payload)?;
        batch.commit(now)?;
        self.discard()?;
        Ok(self.fmri)
    }

    /// Forgets it.
    pub fn abandon(self) -> Result<(), WriteError> {
        self.discard()
    }

    fn discard(&self) -> Result<(), WriteError> {
        Ok(fs::remove_dir_all(&self.folder).map_err(at(&self.folder))?)
    }
}
