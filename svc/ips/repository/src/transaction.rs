//! transaction.rs - a package published step by step, by processes that know it by its name.
//!
//! ```text
//! PUB/trans/SECONDS_QUOTED-FMRI/manifest   the actions so far, the first of them the name
//!                              /HASH       their payloads, as they will be stored
//!                              /append     there when signatures are added to what is published
//!                              /.tmp*      what is just being received
//! ```
//!
//! Nothing of it is visible until it is closed; then it is a batch of one.  One that is never
//! closed stays, as in pkg5.  Nothing here is synced: closing syncs all of it.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ips_model::action::is_sha1;
use ips_model::configuration::Compression;
use ips_model::{Action, Fmri, Kind, Manifest, Timestamp, check, quote};
use tempfile::NamedTempFile;

use crate::batch::{Stored, parsed};
use crate::commit::Catalogued;
use crate::durable;
use crate::error::{PathError, WriteError, at};
use crate::intake::{Bytes, take_in};
use crate::payload::{Stream, describe, stored_form, unpack_file};
use crate::repository::Repository;

/// How many of one package may be opened in one second.
const SECONDS_TRIED: i64 = 1_000;

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
        let (fmri, held) = self.named(fmri, stamp)?;
        if held {
            return Err(WriteError::Exists(fmri.to_string()));
        }
        let first = Action::set_of("pkg.fmri", &fmri.to_string());
        self.begin(fmri, stamp, &format!("{first}\n"))
    }

    /// Opens a transaction that adds signatures to a published package, named in full.
    pub fn append_transaction(
        &self,
        fmri: &str,
        stamp: Timestamp,
    ) -> Result<Transaction<'_>, WriteError> {
        let (fmri, held) = self.named(fmri, stamp)?;
        if !held {
            return Err(WriteError::NothingToAppendTo(fmri.to_string()));
        }
        let text = self.manifest_text(&fmri)?;
        let transaction = self.begin(fmri, stamp, &text)?;
        durable::write_new(&transaction.mark(), b"")?;
        Ok(transaction)
    }

    /// The full name of a package, and whether it is here.
    fn named(&self, fmri: &str, stamp: Timestamp) -> Result<(Fmri, bool), WriteError> {
        let batch = self.batch()?;
        let name = Action::set_of("pkg.fmri", fmri);
        let fmri = batch.name(&Manifest { actions: vec![name] }, stamp)?;
        let held = batch.holds(&fmri)?;
        Ok((fmri, held))
    }

    fn begin(
        &self,
        fmri: Fmri,
        stamp: Timestamp,
        manifest: &str,
    ) -> Result<Transaction<'_>, WriteError> {
        let publisher = fmri.publisher.as_deref().unwrap_or_default();
        self.changeable()?;
        let trans = self.publisher_folder(publisher)?.join("trans");
        durable::make_folder(&trans)?;
        let (id, folder) = folder_for(&fmri, stamp, &trans)?;
        durable::write_new(&folder.join("manifest"), manifest.as_bytes())?;
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

    /// What is, or on `add` will be, stored of this content.
    pub fn stream_of(&self, content: &[u8]) -> Result<Stream, WriteError> {
        let held = self.held(&ips_model::digest::sha1_hex(content));
        let (stream, _) =
            stored_form(held.as_deref(), content, self.compression).map_err(at(&self.folder))?;
        Ok(stream)
    }

    /// An empty file for what is being received; it goes with its owner unless it is handed back.
    pub fn receive(&self) -> Result<NamedTempFile, WriteError> {
        Ok(readable_in(&self.folder).map_err(at(&self.folder))?)
    }

    /// Adds an action, and what is in the file `payload`.
    pub fn add(&self, action: Action, payload: Option<&Path>) -> Result<(), WriteError> {
        let bytes = payload.map(|path| Bytes::read(path).map_err(at(path))).transpose()?;
        self.add_bytes(action, bytes)
    }

    /// Adds an action whose payload was received.
    pub fn add_received(&self, action: Action, payload: NamedTempFile) -> Result<(), WriteError> {
        let bytes = Bytes::map(payload.path()).map_err(at(payload.path()))?;
        self.add_bytes(action, Some(bytes))
    }

    fn add_bytes(&self, mut action: Action, payload: Option<Bytes>) -> Result<(), WriteError> {
        check::action(&action)?;
        if self.is_appended() && action.kind != Kind::Signature {
            return Err(WriteError::NotASignature);
        }
        if let Some(bytes) = payload.filter(|_| action.kind.has_payload()) {
            let taken = take_in(&bytes, &self.folder, |hash| self.held(hash), self.compression)?;
            if let Some(stored) = taken.stored {
                self.keep(&taken.content.sha1, stored)?;
            }
            describe(&mut action, &taken.content, &taken.stream);
        }
        let manifest = self.folder.join("manifest");
        let mut file = fs::File::options().append(true).open(&manifest).map_err(at(&manifest))?;
        // One write: a line is there whole or not at all.
        file.write_all(format!("{action}\n").as_bytes()).map_err(at(&manifest))?;
        Ok(())
    }

    /// Keeps content that was received, for a manifest that names it by its SHA-1.
    pub fn add_content(&self, content: NamedTempFile) -> Result<(), WriteError> {
        let bytes = Bytes::map(content.path()).map_err(at(content.path()))?;
        let taken = take_in(&bytes, &self.folder, |hash| self.held(hash), self.compression)?;
        taken.stored.map_or(Ok(()), |stored| self.keep(&taken.content.sha1, stored))
    }

    /// Keeps a payload that was received in its stored form.  It has to be what its name says.
    pub fn add_stored(&self, hash: &str, stored: NamedTempFile) -> Result<(), WriteError> {
        if !is_sha1(hash) || !unpack_file(stored.path()).is_ok_and(|found| found.sha1 == hash) {
            return Err(WriteError::Misnomer(hash.to_string()));
        }
        if self.held(hash).is_some() {
            return Ok(());
        }
        self.keep(hash, stored)
    }

    /// Replaces all actions by those of a manifest that names this package.
    pub fn set_manifest(&self, text: &str) -> Result<(), WriteError> {
        if self.is_appended() {
            return Err(WriteError::NotASignature);
        }
        parsed(&self.fmri, text)?;
        let mut beside = self.receive()?;
        beside.write_all(text.as_bytes()).map_err(at(&self.folder))?;
        self.keep("manifest", beside)
    }

    fn keep(&self, name: &str, file: NamedTempFile) -> Result<(), WriteError> {
        let place = self.folder.join(name);
        file.as_file().set_permissions(Permissions::from_mode(0o644)).map_err(at(&place))?;
        file.persist(&place).map_err(|error| error.error).map_err(at(&place))?;
        Ok(())
    }

    fn held(&self, hash: &str) -> Option<PathBuf> {
        // What came before in its stored form is what an action that names it is about.
        let own = Some(self.folder.join(hash)).filter(|path| path.is_file());
        let publisher = self.fmri.publisher.as_deref().unwrap_or_default();
        own.or_else(|| self.repository.file_path(publisher, hash))
    }

    fn mark(&self) -> PathBuf {
        self.folder.join("append")
    }

    fn is_appended(&self) -> bool {
        self.mark().exists()
    }

    /// Publishes the package.
    pub fn close(self, now: Timestamp) -> Result<Fmri, WriteError> {
        self.publish(now, Catalogued::Yes)
    }

    /// Publishes the package and leaves the catalog as it is; a refresh takes the package in.
    pub fn close_uncatalogued(self, now: Timestamp) -> Result<Fmri, WriteError> {
        self.publish(now, Catalogued::No)
    }

    fn publish(self, now: Timestamp, catalogued: Catalogued) -> Result<Fmri, WriteError> {
        let path = self.folder.join("manifest");
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        check::manifest(&parsed(&self.fmri, &text)?)?;
        let batch = self.repository.batch()?;
        let payload = |hash: &str| {
            let path = self.folder.join(hash);
            fs::metadata(&path).map(|_| Stored::Path(path))
        };
        if self.is_appended() {
            batch.sign(&self.fmri, &text, payload, now)?;
        } else {
            if batch.holds(&self.fmri)? {
                return Err(WriteError::Exists(self.fmri.to_string()));
            }
            batch.append(&self.fmri, &text, payload)?;
            if batch.publish_gathered(now, catalogued)?.is_empty() {
                // Somebody else published the very same while this one got ready.
                return Err(WriteError::Exists(self.fmri.to_string()));
            }
        }
        // The package is published; what may be left of its folder harms nobody, as in pkg5.
        let _left = self.discard();
        Ok(self.fmri)
    }

    /// Forgets it.
    pub fn abandon(self) -> Result<(), WriteError> {
        Ok(self.discard()?)
    }

    fn discard(&self) -> Result<(), PathError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&self.folder)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Makes a transaction's folder.  One that was opened in the same second, perhaps by a process that
/// is gone, has that second in its id; this one then gets the next.
fn folder_for(
    fmri: &Fmri,
    stamp: Timestamp,
    trans: &Path,
) -> Result<(String, PathBuf), WriteError> {
    for later in 0..SECONDS_TRIED {
        let id = format!("{}_{}", stamp.seconds() + later, quote::quote(&fmri.to_string()));
        let folder = trans.join(&id);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made.map_err(at(&folder))?;
                return Ok((id, folder));
            }
        }
    }
    Err(WriteError::AlreadyOpen(fmri.to_string()))
}

/// A new file that everybody may read, so that one which a killed process leaves is no finding.
pub(crate) fn readable_in(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder)
}
