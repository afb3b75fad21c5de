//! batch.rs - a transaction of packages: gathered here, made visible by `commit`, or not at all.
//!
//! `publish` makes a package of a source manifest and the files it names, as pkgsend does.
//! `append` takes a package that is published elsewhere, bytes unchanged, as pkgrecv does.
//! Both may be called from many threads.  A batch that is dropped has changed nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ips_model::action::{Kind, NO_HASH, is_sha1};
use ips_model::catalog::{BASE, PartText};
use ips_model::configuration::Compression;
use ips_model::fmri::is_publisher;
use ips_model::pattern::glob_matches;
use ips_model::{Action, Fmri, Manifest, Timestamp, check};
use rayon::prelude::*;

use crate::durable;
use crate::error::{OpenError, PathError, ReadError, WriteError, at};
use crate::lanes;
use crate::payload::{Content, Stream, compress, describe};
use crate::repository::Repository;
use crate::staging::Staging;

/// A file that a payload is read from.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its length when it was found.
    pub size: usize,
}

/// Where `publish` finds files.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Proto areas, searched in order.
    pub folders: Vec<PathBuf>,
    /// Globs on file names: the time of the matching files is kept as `timestamp`.
    pub timestamps: Vec<String>,
}

impl Sources {
    /// The file an action's payload is read from.
    ///
    /// # Errors
    /// It is in none of the folders.
    pub fn find(&self, action: &Action) -> Result<PathBuf, WriteError> {
        let folders = self.folders.clone();
        let found = self.look(action).map(|found| found.path);
        found.map_err(|path| WriteError::PayloadMissing { paths: vec![path], folders })
    }

    /// Gives an action the time of its file, where the file's name asks for it.
    pub fn keep_time(&self, action: &mut Action, path: &Path) -> Result<(), WriteError> {
        let name = action.get("path").and_then(|path| path.rsplit('/').next());
        if name.is_some_and(|name| self.timestamps.iter().any(|glob| glob_matches(glob, name))) {
            let about = fs::metadata(path).map_err(at(path))?;
            let time = std::os::unix::fs::MetadataExt::mtime(&about);
            action.set("timestamp", vec![Timestamp::from_seconds(time).package()]);
        }
        Ok(())
    }

    /// For each action the file its payload is read from; all that are not there are told together.
    pub fn find_all(&self, manifest: &Manifest) -> Result<Vec<Option<Found>>, WriteError> {
        let mut paths = Vec::new();
        let mut found = Vec::new();
        for action in &manifest.actions {
            if !matches!(action.kind, Kind::File | Kind::License) {
                found.push(None);
                continue;
            }
            match self.look(action) {
                Ok(one) => found.push(Some(one)),
                Err(path) => paths.push(path),
            }
        }
        if paths.is_empty() {
            return Ok(found);
        }
        Err(WriteError::PayloadMissing { paths, folders: self.folders.clone() })
    }

    /// The file an action's payload is read from, or what was looked for in vain.
    fn look(&self, action: &Action) -> Result<Found, String> {
        let named = action.hash.as_deref().filter(|hash| *hash != NO_HASH);
        let path = named.or_else(|| action.get("path")).unwrap_or_default();
        let below = path.trim_start_matches('/');
        let places = self.folders.iter().map(|folder| folder.join(below));
        let itself = Path::new(path);
        let itself =
            (itself.is_absolute() || self.folders.is_empty()).then(|| itself.to_path_buf());
        let is_there = |path: PathBuf| {
            let about = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
            Some(Found { path, size: usize::try_from(about.len()).unwrap_or(usize::MAX) })
        };
        places.chain(itself).find_map(is_there).ok_or_else(|| format!("/{below}"))
    }
}

/// A payload as it is stored: gzip, named by the SHA-1 of its content.
#[derive(Debug, Clone)]
pub enum Stored {
    /// A file to link; it has to be there until the batch is committed, and must never change.
    Path(PathBuf),
    /// The bytes.
    Bytes(Vec<u8>),
}

/// What became of an appended package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is in the batch.
    Added,
    /// It is in the repository, or in the batch, with the same manifest.
    Held,
}

/// A package of a batch.
pub(crate) struct Pending {
    pub(crate) fmri: Fmri,
    /// What of the manifest the catalog is made of.
    pub(crate) manifest: Manifest,
    /// The manifest's bytes.
    pub(crate) text: String,
}

impl Pending {
    fn of(fmri: &Fmri, manifest: &Manifest, text: String) -> Pending {
        Pending { fmri: fmri.clone(), manifest: catalogued(manifest), text }
    }
}

/// What of a manifest the catalog is made of; files are many, and no part of it.
pub(crate) fn catalogued(manifest: &Manifest) -> Manifest {
    let named = |action: &&Action| matches!(action.kind, Kind::Set | Kind::Depend);
    Manifest { actions: manifest.actions.iter().filter(named).cloned().collect() }
}

/// A transaction.
pub struct Batch<'a> {
    pub(crate) repository: &'a Repository,
    compression: Compression,
    default_publisher: Option<String>,
    pub(crate) staging: Mutex<BTreeMap<String, Arc<Staging>>>,
    /// By FMRI.
    pub(crate) packages: Mutex<BTreeMap<String, Pending>>,
    /// Publisher → what its catalog held when first asked.
    held: Mutex<BTreeMap<String, Arc<PartText>>>,
    /// The names of the packages that are being published.
    claimed: Mutex<HashSet<String>>,
}

impl Repository {
    /// Begins a transaction.
    pub fn batch(&self) -> Result<Batch<'_>, OpenError> {
        let configuration = self.configuration()?;
        Ok(Batch {
            repository: self,
            compression: configuration.compression(),
            default_publisher: configuration.default_publisher().map(str::to_string),
            staging: Mutex::default(),
            packages: Mutex::default(),
            held: Mutex::default(),
            claimed: Mutex::default(),
        })
    }
}

/// Nothing in here is left half changed by a panic.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Batch<'_> {
    /// Publishes a source manifest; the FMRI it gets.
    ///
    /// Signatures are left out, `pkg.fmri` becomes the first line, and every file and licence
    /// gets its hash, sizes and content hashes.  A version without a time gets `stamp`; an FMRI
    /// without publisher belongs to the default one.
    pub fn publish(
        &self,
        manifest: &Manifest,
        sources: &Sources,
        stamp: Timestamp,
    ) -> Result<Fmri, WriteError> {
        let fmri = self.name(manifest, stamp)?;
        self.claim(&fmri)?;
        let mut manifest = manifest.with_fmri(&fmri);
        for action in &manifest.actions {
            check::action(action)?;
        }
        check::manifest(&manifest)?;
        let found = sources.find_all(&manifest)?;
        let staging = self.staging(complete(&fmri)?)?;
        self.store_all(&mut manifest, found, sources, &staging)?;
        let text = manifest.to_string();
        locked(&self.packages).insert(fmri.to_string(), Pending::of(&fmri, &manifest, text));
        Ok(fmri)
    }

    /// Publishes several packages side by side; for each what `publish` says of it, in order.
    pub fn publish_all(
        &self,
        manifests: &[Manifest],
        sources: &Sources,
        stamp: Timestamp,
    ) -> Vec<Result<Fmri, WriteError>> {
        manifests.par_iter().map(|manifest| self.publish(manifest, sources, stamp)).collect()
    }

    /// A name is taken once.
    fn claim(&self, fmri: &Fmri) -> Result<(), WriteError> {
        let exists = || WriteError::Exists(fmri.to_string());
        if self.held_signature(fmri)?.is_some() {
            return Err(exists());
        }
        locked(&self.claimed).insert(fmri.to_string()).then_some(()).ok_or_else(exists)
    }

    /// Appends a package published elsewhere.  `payload` is asked for each payload that is
    /// neither in the repository nor in the batch; what it gives is not looked into.
    pub fn append(
        &self,
        fmri: &Fmri,
        text: &str,
        payload: impl Fn(&str) -> io::Result<Stored>,
    ) -> Result<Appended, WriteError> {
        self.append_parsed(fmri, text, &parsed(fmri, text)?, payload)
    }

    /// The same for who has read the manifest already: `manifest` has to be what `text` says.
    pub fn append_parsed(
        &self,
        fmri: &Fmri,
        text: &str,
        manifest: &Manifest,
        payload: impl Fn(&str) -> io::Result<Stored>,
    ) -> Result<Appended, WriteError> {
        let publisher = complete(fmri)?;
        named(fmri, manifest)?;
        if let Some(held) = self.held_signature(fmri)? {
            let same = held == ips_model::digest::sha1_hex(text.as_bytes());
            let conflict = || WriteError::Conflict(fmri.to_string());
            return if same { Ok(Appended::Held) } else { Err(conflict()) };
        }
        self.bring_missing(fmri, manifest, &*self.staging(publisher)?, payload)?;
        let pending = Pending::of(fmri, manifest, text.to_string());
        locked(&self.packages).insert(fmri.to_string(), pending);
        Ok(Appended::Added)
    }

    /// Stages the payloads of a manifest that are neither in the repository nor in the batch.
    pub(crate) fn bring_missing(
        &self,
        fmri: &Fmri,
        manifest: &Manifest,
        staging: &Staging,
        payload: impl Fn(&str) -> io::Result<Stored>,
    ) -> Result<(), WriteError> {
        for hash in manifest.payload_hashes() {
            if staging.has(hash) || staging.held(hash).is_some() {
                continue;
            }
            let refused =
                |source| WriteError::Payload { fmri: fmri.to_string(), hash: hash.into(), source };
            put(staging, hash, payload(hash).map_err(refused)?)?;
        }
        Ok(())
    }

    /// Puts a payload into the batch before the package that needs it.
    pub fn bring(&self, publisher: &str, hash: &str, stored: Stored) -> Result<(), WriteError> {
        assert!(is_sha1(hash), "a payload's name was checked");
        put(&*self.staging(publisher)?, hash, stored)
    }

    /// Where the repository has a payload already.
    pub fn held(&self, publisher: &str, hash: &str) -> Option<PathBuf> {
        let staging = locked(&self.staging).get(publisher).cloned();
        match staging.filter(|_| is_sha1(hash)) {
            Some(staging) => staging.held(hash),
            None => self.repository.file_path(publisher, hash),
        }
    }

    /// Whether a payload still has to be brought: neither in the repository nor in the batch.
    pub fn lacks(&self, publisher: &str, hash: &str) -> bool {
        let staging = locked(&self.staging).get(publisher).cloned();
        match staging.filter(|_| is_sha1(hash)) {
            Some(staging) => !staging.has(hash) && staging.held(hash).is_none(),
            None => self.repository.file_path(publisher, hash).is_none(),
        }
    }

    /// Says that payloads of this publisher are about to come, which makes `lacks` cheap.
    pub fn expect(&self, publisher: &str) -> Result<(), WriteError> {
        self.staging(publisher).map(|_| ())
    }

    /// Whether the package is in the repository or in the batch already.
    pub fn holds(&self, fmri: &Fmri) -> Result<bool, WriteError> {
        Ok(self.held_signature(fmri)?.is_some())
    }

    /// The name a source manifest is published under.
    pub fn name(&self, manifest: &Manifest, stamp: Timestamp) -> Result<Fmri, WriteError> {
        let mut fmri = manifest.fmri()?;
        if fmri.publisher.is_none() {
            let absent = || WriteError::NoPublisher(fmri.to_string());
            let publisher = self.default_publisher.clone().ok_or_else(absent)?;
            fmri.publisher = Some(publisher);
        }
        let Some(version) = &mut fmri.version else {
            return Err(WriteError::NoVersion(fmri.to_string()));
        };
        version.timestamp.get_or_insert_with(|| stamp.package());
        if !version.is_strict() {
            return Err(WriteError::LeadingZero(fmri.to_string()));
        }
        complete(&fmri)?;
        Ok(fmri)
    }

    /// The signature of the manifest that the repository or the batch has for this FMRI.
    fn held_signature(&self, fmri: &Fmri) -> Result<Option<String>, WriteError> {
        let key = fmri.to_string();
        if let Some(pending) = locked(&self.packages).get(&key) {
            return Ok(Some(ips_model::digest::sha1_hex(pending.text.as_bytes())));
        }
        let publisher = complete(fmri)?;
        let base = self.base(publisher)?;
        let damaged = |source| ReadError::Catalog { path: BASE.into(), source };
        Ok(base.get(fmri).map_err(damaged)?.and_then(|entry| entry.signature))
    }

    /// The base part of a publisher's catalog as it was when first asked for.
    fn base(&self, publisher: &str) -> Result<Arc<PartText>, WriteError> {
        let mut held = locked(&self.held);
        if let Some(base) = held.get(publisher) {
            return Ok(Arc::clone(base));
        }
        let base = if self.repository.publisher_folder(publisher)?.join("catalog").is_dir() {
            self.repository.catalog_part(publisher, BASE)?
        } else {
            PartText::default()
        };
        let base = Arc::new(base);
        held.insert(publisher.to_string(), Arc::clone(&base));
        Ok(base)
    }

    pub(crate) fn staging(&self, publisher: &str) -> Result<Arc<Staging>, WriteError> {
        let mut open = locked(&self.staging);
        if let Some(staging) = open.get(publisher) {
            return Ok(Arc::clone(staging));
        }
        self.repository.changeable()?;
        let staging = Arc::new(Staging::new(&self.repository.publisher_folder(publisher)?)?);
        open.insert(publisher.to_string(), Arc::clone(&staging));
        Ok(staging)
    }

    /// Stores the payloads of a manifest and describes them in their actions.
    fn store_all(
        &self,
        manifest: &mut Manifest,
        found: Vec<Option<Found>>,
        sources: &Sources,
        staging: &Staging,
    ) -> Result<(), WriteError> {
        let named = found.into_iter().enumerate();
        let mut found: Vec<(usize, Found)> =
            named.filter_map(|(number, found)| Some((number, found?))).collect();
        // Digests of files that are about as long are made side by side.
        found.sort_by_key(|(_, found)| Reverse(found.size));
        let groups = lanes::groups(&found, |(_, found)| found.size);
        let stored = groups.into_par_iter().map(|group| self.store(group, staging));
        let stored = stored.collect::<Result<Vec<_>, WriteError>>()?;
        for ((number, found), (content, stream)) in found.iter().zip(stored.iter().flatten()) {
            let action = &mut manifest.actions[*number];
            describe(action, content, stream);
            sources.keep_time(action, &found.path)?;
        }
        Ok(())
    }

    /// Stores some files as payloads; what each is, and what is stored of it.
    fn store(
        &self,
        files: &[(usize, Found)],
        staging: &Staging,
    ) -> Result<Vec<(Content, Stream)>, WriteError> {
        let read = |(_, found): &(usize, Found)| {
            let mut bytes = Vec::new();
            durable::read_unseen(&found.path, Some(found.size), &mut bytes)
                .map_err(at(&found.path))?;
            Ok::<_, PathError>(bytes)
        };
        let bytes = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let contents = Content::of_all(&bytes);
        let mut stored = Vec::with_capacity(files.len());
        for (content, bytes) in contents.iter().zip(bytes) {
            stored.push(match staging.held(&content.sha1) {
                Some(held) => (fs::read(&held).map_err(at(&held))?, false),
                None => (compress(&bytes, self.compression), true),
            });
        }
        let streams = Stream::of_all(stored.iter().map(|(stored, _)| &stored[..]));
        for (content, (stored, _)) in contents.iter().zip(&stored).filter(|(_, one)| one.1) {
            staging.put_bytes(&content.sha1, stored)?;
        }
        Ok(contents.into_iter().zip(streams).collect())
    }
}

fn put(staging: &Staging, hash: &str, stored: Stored) -> Result<(), WriteError> {
    match stored {
        Stored::Path(path) => staging.put_file(hash, &path),
        Stored::Bytes(stored) => staging.put_bytes(hash, &stored)?,
    }
    Ok(())
}

/// A manifest that is to be, or is, stored under this name; it has to give itself the same one.
pub(crate) fn parsed(fmri: &Fmri, text: &str) -> Result<Manifest, WriteError> {
    let refused = |source| WriteError::Manifest { fmri: fmri.to_string(), source };
    let manifest = Manifest::parse(text).map_err(refused)?;
    named(fmri, &manifest)?;
    Ok(manifest)
}

fn named(fmri: &Fmri, manifest: &Manifest) -> Result<(), WriteError> {
    let named = manifest.fmri();
    let same = |named: &Fmri| named.name == fmri.name && named.version == fmri.version;
    if named.as_ref().is_ok_and(same) {
        return Ok(());
    }
    let named = named.map_or_else(|_| "no package".into(), |named| named.to_string());
    Err(WriteError::Misnamed(fmri.to_string(), named))
}

/// The publisher of an FMRI that has all its parts.
fn complete(fmri: &Fmri) -> Result<&str, WriteError> {
    let time = fmri.version.as_ref().and_then(|version| version.timestamp.as_ref());
    match (&fmri.publisher, time) {
        (Some(publisher), Some(_)) if is_publisher(publisher) => Ok(publisher),
        (_, _) => Err(WriteError::Incomplete(fmri.to_string())),
    }
}
