//! catalog.rs - a publisher's catalog: read as one set, changed in memory, written as one set.
//!
//! Invariants: every part read has the signature `catalog.attrs` gives for it; the time of a
//! change is later than that of every change before it, whatever the caller's clock says; update
//! logs tell every change since `created` or, after a rebuild, since the rebuild.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use ips_model::catalog::{
    Attributes, BASE, Entry, Log, LogEntry, Operation, Part, PartAttributes, split,
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
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Catalog::attempt(folder) {
                Ok(catalog) => return Ok(catalog),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("an attempt was made"))
    }

    fn attempt(folder: &Path) -> Result<Catalog, ReadError> {
        let attributes = Attributes::parse(&text(&folder.join(ATTRIBUTES))?)
            .map_err(|source| ReadError::Catalog { path: folder.join(ATTRIBUTES), source })?;
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

/// A catalog being changed.
pub(crate) struct CatalogEdit {
    attributes: Attributes,
    parts: BTreeMap<String, Part>,
    logs: BTreeMap<String, Log>,
    /// Parts and logs that have to be written.
    touched: BTreeSet<String>,
    now: Timestamp,
    logged: Logged,
    on_disk: bool,
}

impl CatalogEdit {
    /// An empty catalog made at `now`.
    pub(crate) fn new(now: Timestamp) -> CatalogEdit {
        CatalogEdit {
            attributes: Attributes::new(now),
            parts: BTreeMap::new(),
            logs: BTreeMap::new(),
            touched: BTreeSet::new(),
            now,
            logged: Logged::Yes,
            on_disk: false,
        }
    }

    /// An empty catalog in place of another: later than it, and without logs.
    pub(crate) fn instead_of(old: Option<&Attributes>, now: Timestamp) -> CatalogEdit {
        let now = old.map_or(now, |old| now.max(old.last_modified.next()));
        CatalogEdit { logged: Logged::No, ..CatalogEdit::new(now) }
    }

    /// The catalog in `folder`, or an empty one where there is none.
    pub(crate) fn read(folder: &Path, now: Timestamp) -> Result<CatalogEdit, ReadError> {
        if !folder.join(ATTRIBUTES).exists() {
            return Ok(CatalogEdit::new(now));
        }
        let Catalog { attributes, parts } = Catalog::read(folder)?;
        let now = now.max(attributes.last_modified.next());
        let mut logs = BTreeMap::new();
        let hour = format!("update.{}.", now.hour());
        for name in attributes.updates.keys().filter(|name| name.starts_with(&hour)) {
            let path = folder.join(name);
            let log =
                Log::parse(&text(&path)?).map_err(|source| ReadError::Catalog { path, source })?;
            logs.insert(name.clone(), log);
        }
        Ok(CatalogEdit {
            attributes,
            parts,
            logs,
            touched: BTreeSet::new(),
            now,
            logged: Logged::Yes,
            on_disk: true,
        })
    }

    /// The SHA-1 of a package's manifest, where the package is here.
    pub(crate) fn signature(&self, fmri: &Fmri) -> Option<&str> {
        self.parts.get(BASE)?.get(fmri)?.signature.as_deref()
    }

    /// Adds a package whose manifest's bytes are `text`.
    pub(crate) fn add(&mut self, fmri: &Fmri, manifest: &Manifest, text: &str) {
        let publisher = fmri.publisher.as_deref().expect("a catalogued package has a publisher");
        let version = fmri.version.clone().expect("a catalogued package has a version");
        let signature = Some(sha1_hex(text.as_bytes()));
        let base = Entry { version: version.clone(), signature, actions: Vec::new() };
        let mut entries = BTreeMap::from([(BASE.to_string(), base)]);
        for (part, actions) in split(manifest) {
            entries.insert(part, Entry { version: version.clone(), signature: None, actions });
        }
        for (name, entry) in &entries {
            let part = self.parts.entry(name.clone()).or_default();
            part.insert(publisher, &fmri.name, entry.clone());
        }
        self.log(Operation::Add, fmri, entries);
    }

    /// Takes a package out; whether it was there.
    pub(crate) fn remove(&mut self, fmri: &Fmri) -> bool {
        let publisher = fmri.publisher.as_deref().expect("a catalogued package has a publisher");
        let version = fmri.version.as_ref().expect("a catalogued package has a version");
        let version = version.to_string();
        let mut entries = BTreeMap::new();
        for (name, part) in &mut self.parts {
            if let Some(entry) = part.remove(publisher, &fmri.name, &version) {
                entries.insert(name.clone(), entry);
            }
        }
        let was_here = !entries.is_empty();
        self.log(Operation::Remove, fmri, entries);
        was_here
    }

    /// Marks the parts as changed and tells the logs.
    fn log(&mut self, operation: Operation, fmri: &Fmri, entries: BTreeMap<String, Entry>) {
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
            return;
        }
        for (name, parts) in told {
            let entry = LogEntry { time: self.now, operation, version: version.clone(), parts };
            self.logs.entry(name.clone()).or_default().push(publisher, &fmri.name, entry);
            self.touched.insert(name);
        }
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.touched.is_empty()
    }

    /// Whether this began as the catalog that is there.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.on_disk
    }

    /// Writes the whole set to the new folder `to`; what did not change is linked from `from`.
    pub(crate) fn save(mut self, from: &Path, to: &Path) -> Result<(), PathError> {
        durable::make_folder(to)?;
        for (name, part) in &self.parts {
            let place = self.attributes.parts.get(name).cloned();
            let place = self.save_one(name, place, || part.sign(), from, to)?;
            self.attributes.parts.insert(name.clone(), place);
        }
        let empty = Log::default();
        let names: BTreeSet<&String> =
            self.attributes.updates.keys().chain(self.logs.keys()).collect();
        let mut updates = BTreeMap::new();
        for name in names {
            let place = self.attributes.updates.get(name).cloned();
            let log = self.logs.get(name).unwrap_or(&empty);
            updates.insert(name.clone(), self.save_one(name, place, || log.sign(), from, to)?);
        }
        self.attributes.updates = updates;
        if let Some(base) = self.parts.get(BASE) {
            (self.attributes.packages, self.attributes.versions) = base.counts();
        }
        self.attributes.last_modified = self.now;
        write_at(&to.join(ATTRIBUTES), &self.attributes.sign(), self.now)
    }

    /// Writes a part or log if it was touched, links it if not; what `catalog.attrs` says of it.
    fn save_one(
        &self,
        name: &str,
        place: Option<PartAttributes>,
        sign: impl FnOnce() -> Signed,
        from: &Path,
        to: &Path,
    ) -> Result<PartAttributes, PathError> {
        if let Some(place) = place.filter(|_| !self.touched.contains(name)) {
            durable::link(&from.join(name), &to.join(name))?;
            return Ok(place);
        }
        let signed = sign();
        write_at(&to.join(name), &signed, self.now)?;
        Ok(PartAttributes { last_modified: self.now, signature: Some(signed.sha1) })
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
