//! catalog.rs - a publisher's catalog: read as one set, changed in memory, written as one set.
//!
//! Invariants: every part read has the signature `catalog.attrs` gives for it; the time of a
//! change is later than that of every change before it, whatever the caller's clock says; update
//! logs tell every change since `created` or, after a rebuild, since the rebuild.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ips_model::catalog::{
    Attributes, BASE, Entry, LogEntry, LogText, Operation, Part, PartAttributes, PartText, split,
};
use ips_model::digest::sha1_hex;
use ips_model::json::{Signed, SignedError};
use ips_model::{Fmri, Manifest, Timestamp};
use rayon::prelude::*;

use crate::durable;
use crate::error::{PathError, ReadError, at};

/// The file that lists the others.
pub(crate) const ATTRIBUTES: &str = "catalog.attrs";
/// A reader that meets a swap of the folder begins again; a writer cannot swap as fast as this.
const ATTEMPTS: usize = 5;

/// Reads what another writer may be exchanging meanwhile.
fn attempts<T>(read: impl Fn() -> Result<T, ReadError>) -> Result<T, ReadError> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match read() {
            Ok(read) => return Ok(read),
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("an attempt was made"))
}

fn attributes(folder: &Path) -> Result<Attributes, ReadError> {
    let path = folder.join(ATTRIBUTES);
    Attributes::parse(&text(&path)?).map_err(|source| ReadError::Catalog { path, source })
}

/// One part of the catalog in `folder`; an empty one where the catalog has none of this name.
pub(crate) fn part_text(folder: &Path, name: &str) -> Result<PartText, ReadError> {
    attempts(|| listed_part(folder, name, &attributes(folder)?))
}

/// The same, where the attributes have been read.
fn listed_part(folder: &Path, name: &str, listed: &Attributes) -> Result<PartText, ReadError> {
    let Some(listed) = listed.parts.get(name) else { return Ok(PartText::default()) };
    let path = folder.join(name);
    let damaged = |source| ReadError::Catalog { path: path.clone(), source };
    let (part, signature) = PartText::read(text(&path)?).map_err(damaged)?;
    if let Some(stored) = &listed.signature {
        let actual = signature.unwrap_or_else(|| part.sign().sha1);
        if actual != *stored {
            return Err(damaged(SignedError::Signature { stored: stored.clone(), actual }));
        }
    }
    Ok(part)
}

/// A package of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Publisher, name and full version.
    pub fmri: Fmri,
    /// SHA-1 of the manifest's bytes.
    pub signature: String,
}

/// A catalog: the attributes and all parts.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// `catalog.attrs`.
    pub attributes: Attributes,
    parts: BTreeMap<String, Part>,
}

impl Catalog {
    /// Reads the catalog in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Catalog, ReadError> {
        attempts(|| Catalog::attempt(folder))
    }

    fn attempt(folder: &Path) -> Result<Catalog, ReadError> {
        let attributes = attributes(folder)?;
        let read = |(name, listed): (&String, &PartAttributes)| {
            let path = folder.join(name);
            let damaged = |source| ReadError::Catalog { path: path.clone(), source };
            let text = text(&path)?;
            let (part, signature) = Part::parse_signed(&text).map_err(damaged)?;
            // Parsing has checked the part against its own signature; it has to be this one.
            if let Some(stored) = listed.signature.clone() {
                if signature.as_ref() != Some(&stored) {
                    let actual = signature.unwrap_or_else(|| part.sign().sha1);
                    if actual != stored {
                        return Err(damaged(SignedError::Signature { stored, actual }));
                    }
                }
            }
            Ok((name.clone(), part))
        };
        let parts = attributes.parts.par_iter().map(read).collect::<Result<_, ReadError>>()?;
        Ok(Catalog { attributes, parts })
    }

    /// Of a publisher that has none yet.
    pub(crate) fn empty() -> Catalog {
        let attributes = Attributes::new(Timestamp::from_seconds(0));
        Catalog { attributes, parts: BTreeMap::new() }
    }

    /// A part by its file name (`ips_model::catalog::{BASE, DEPENDENCY, SUMMARY}`).
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.get(name)
    }

    /// Every package, by name and ascending version.
    pub fn packages(&self) -> Vec<Package> {
        let Some(base) = self.parts.get(BASE) else { return Vec::new() };
        let package = |(fmri, entry): (Fmri, &Entry)| {
            Some(Package { fmri, signature: entry.signature.clone()? })
        };
        base.entries().filter_map(package).collect()
    }

    /// The SHA-1 of a package's manifest, where the package is here.
    pub fn signature(&self, fmri: &Fmri) -> Option<&str> {
        self.parts.get(BASE)?.get(fmri)?.signature.as_deref()
    }
}

fn text(path: &Path) -> Result<String, PathError> {
    fs::read_to_string(path).map_err(at(path))
}

/// Whether a change is told to clients that have the former catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logged {
    /// In the update log of its hour.
    Yes,
    /// Not at all: `created` is new, so they fetch all of it.
    No,
}

/// A catalog being changed.  Parts are read when something is looked for in them.
pub(crate) struct CatalogEdit {
    /// Where it is; nowhere yet.
    folder: Option<PathBuf>,
    attributes: Attributes,
    parts: BTreeMap<String, PartText>,
    logs: BTreeMap<String, LogText>,
    /// Parts and logs that have to be written.
    touched: BTreeSet<String>,
    now: Timestamp,
    logged: Logged,
}

impl CatalogEdit {
    /// An empty catalog made at `now`.
    pub(crate) fn new(now: Timestamp) -> CatalogEdit {
        CatalogEdit {
            folder: None,
            attributes: Attributes::new(now),
            parts: BTreeMap::new(),
            logs: BTreeMap::new(),
            touched: BTreeSet::new(),
            now,
            logged: Logged::Yes,
        }
    }

    /// An empty catalog in place of another: later than it, and without logs.
    pub(crate) fn instead_of(old: Option<&Attributes>, now: Timestamp) -> CatalogEdit {
        let now = old.map_or(now, |old| now.max(old.last_modified.next()));
        CatalogEdit { logged: Logged::No, ..CatalogEdit::new(now) }
    }

    /// The catalog in `folder`, or an empty one where there is none.  The caller keeps other
    /// writers from it.
    pub(crate) fn read(folder: &Path, now: Timestamp) -> Result<CatalogEdit, ReadError> {
        if !folder.join(ATTRIBUTES).exists() {
            return Ok(CatalogEdit::new(now));
        }
        let attributes = attributes(folder)?;
        let now = now.max(attributes.last_modified.next());
        let mut edit =
            CatalogEdit { folder: Some(folder.to_path_buf()), attributes, ..CatalogEdit::new(now) };
        edit.part(BASE)?;
        Ok(edit)
    }

    /// A part, read when it is first asked for.
    fn part(&mut self, name: &str) -> Result<&mut PartText, ReadError> {
        if !self.parts.contains_key(name) {
            let part = match &self.folder {
                Some(folder) => listed_part(folder, name, &self.attributes)?,
                None => PartText::default(),
            };
            self.parts.insert(name.to_string(), part);
        }
        Ok(self.parts.entry(name.to_string()).or_default())
    }

    /// The log of the present hour, read when it is first written to.
    fn log(&mut self, name: &str) -> Result<&mut LogText, ReadError> {
        let before = self.folder.as_ref().filter(|_| self.attributes.updates.contains_key(name));
        if let Some(folder) = before.filter(|_| !self.logs.contains_key(name)) {
            let path = folder.join(name);
            let (log, _) = LogText::read(text(&path)?)
                .map_err(|source| ReadError::Catalog { path, source })?;
            self.logs.insert(name.to_string(), log);
        }
        Ok(self.logs.entry(name.to_string()).or_default())
    }

    /// The SHA-1 of a package's manifest, where the package is here.
    pub(crate) fn signature(&self, fmri: &Fmri) -> Result<Option<String>, ReadError> {
        let Some(base) = self.parts.get(BASE) else { return Ok(None) };
        let entry = base.get(fmri).map_err(|source| self.damaged(BASE, source))?;
        Ok(entry.and_then(|entry| entry.signature))
    }

    /// Whether a package is here under just this spelling of its version.
    pub(crate) fn names(&self, publisher: &str, stem: &str, version: &str) -> bool {
        let base = self.parts.get(BASE);
        base.is_some_and(|base| base.names(publisher, stem, version))
    }

    fn damaged(&self, name: &str, source: SignedError) -> ReadError {
        let path = self.folder.as_ref().map(|folder| folder.join(name));
        ReadError::Catalog { path: path.unwrap_or_else(|| PathBuf::from(name)), source }
    }

    /// Adds a package whose manifest's bytes are `text`.
    pub(crate) fn add(
        &mut self,
        fmri: &Fmri,
        manifest: &Manifest,
        text: &str,
    ) -> Result<(), ReadError> {
        let publisher = fmri.publisher.as_deref().expect("a catalogued package has a publisher");
        let version = fmri.version.clone().expect("a catalogued package has a version");
        let signature = Some(sha1_hex(text.as_bytes()));
        let base = Entry { version: version.clone(), signature, actions: Vec::new() };
        let mut entries = BTreeMap::from([(BASE.to_string(), base)]);
        for (part, actions) in split(manifest) {
            entries.insert(part, Entry { version: version.clone(), signature: None, actions });
        }
        for (name, entry) in &entries {
            let put = self.part(name)?.insert(publisher, &fmri.name, entry.clone());
            put.map_err(|source| self.damaged(name, source))?;
        }
        self.tell(Operation::Add, fmri, entries)
    }

    /// Takes a package out; whether it was there.
    pub(crate) fn remove(&mut self, fmri: &Fmri) -> Result<bool, ReadError> {
        let publisher = fmri.publisher.as_deref().expect("a catalogued package has a publisher");
        let version = fmri.version.as_ref().expect("a catalogued package has a version");
        let mut entries = BTreeMap::new();
        let names: BTreeSet<String> =
            self.attributes.parts.keys().chain(self.parts.keys()).cloned().collect();
        for name in names {
            let taken = self.part(&name)?.remove(publisher, &fmri.name, version);
            if let Some(entry) = taken.map_err(|source| self.damaged(&name, source))? {
                entries.insert(name, entry);
            }
        }
        let was_here = !entries.is_empty();
        self.tell(Operation::Remove, fmri, entries)?;
        Ok(was_here)
    }

    /// Marks the parts as changed and tells the logs.
    fn tell(
        &mut self,
        operation: Operation,
        fmri: &Fmri,
        entries: BTreeMap<String, Entry>,
    ) -> Result<(), ReadError> {
        let publisher = fmri.publisher.as_deref().expect("a catalogued package has a publisher");
        let version = fmri.version.clone().expect("a catalogued package has a version");
        // Each locale has its own log; the parts of locale C share one.
        let mut told: BTreeMap<String, BTreeMap<String, Entry>> = BTreeMap::new();
        for (name, entry) in entries {
            self.touched.insert(name.clone());
            let locale = name.splitn(3, '.').nth(2).unwrap_or("C");
            let log = format!("update.{}.{locale}", self.now.hour());
            told.entry(log).or_default().insert(name, entry);
        }
        if self.logged == Logged::No {
            return Ok(());
        }
        for (name, parts) in told {
            let entry = LogEntry { time: self.now, operation, version: version.clone(), parts };
            let put = self.log(&name)?.push(publisher, &fmri.name, entry);
            put.map_err(|source| self.damaged(&name, source))?;
            self.touched.insert(name);
        }
        Ok(())
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.touched.is_empty()
    }

    /// Whether this began as the catalog that is there.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.folder.is_some()
    }

    /// Writes the whole set to the new folder `to`; what did not change is linked from `from`.
    pub(crate) fn save(mut self, from: &Path, to: &Path) -> Result<(), PathError> {
        durable::make_folder(to)?;
        let attributes = &mut self.attributes;
        for name in attributes.parts.keys().chain(attributes.updates.keys()) {
            if !self.touched.contains(name) {
                durable::link(&from.join(name), &to.join(name))?;
            }
        }
        let (now, touched) = (self.now, &self.touched);
        let written = |signed: Signed, name: &String| {
            write_at(&to.join(name), &signed, now)?;
            let place = PartAttributes { last_modified: now, signature: Some(signed.sha1) };
            Ok((name.clone(), place))
        };
        let parts = self.parts.par_iter().filter(|(name, _)| touched.contains(*name));
        let parts: Vec<_> = parts
            .map(|(name, part)| written(part.sign(), name))
            .collect::<Result<_, PathError>>()?;
        let logs = self.logs.par_iter().filter(|(name, _)| touched.contains(*name));
        let logs: Vec<_> =
            logs.map(|(name, log)| written(log.sign(), name)).collect::<Result<_, PathError>>()?;
        attributes.parts.extend(parts);
        attributes.updates.extend(logs);
        if let Some(base) = self.parts.get(BASE) {
            (attributes.packages, attributes.versions) = base.counts();
        }
        attributes.last_modified = now;
        write_at(&to.join(ATTRIBUTES), &attributes.sign(), now)
    }
}

/// A file whose time is that of its content in whole seconds; HTTP's Last-Modified follows.
fn write_at(path: &Path, signed: &Signed, time: Timestamp) -> Result<(), PathError> {
    durable::write_new(path, signed.text.as_bytes())?;
    let seconds = u64::try_from(time.seconds()).unwrap_or(0);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let file = fs::File::options().write(true).open(path).map_err(at(path))?;
    file.set_times(FileTimes::new().set_modified(time)).map_err(at(path))
}
