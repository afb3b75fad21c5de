//! refresh.rs - the catalogs of an image's publishers, fetched anew where they have changed.
//!
//! ```text
//! publisher/PUB/origins/SHA1-OF-URI/   catalog.attrs and the parts, as the origin signs them
//! publisher/PUB/catalog/               links to those of the one origin; of several: one of all
//! publisher/PUB/last_refreshed         when that was; its mtime counts
//! ```
//!
//! Law: a catalog is taken over as a whole folder, and only when its parts have the signatures its
//! attributes say.  An origin that does not answer keeps the catalog that was fetched before.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ips_model::Timestamp;
use ips_model::catalog::{Attributes, BASE, DEPENDENCY, LogText, PartText, SUMMARY};
use ips_repository::{PathError, durable};
use rayon::prelude::*;

use super::apply::{apply, logs_between};
use super::manifests::origin_of;
use super::{Image, ImageLock, Publisher, PublisherUri, RecordError};
use crate::origin::OriginError;
use crate::source::{Source, SourceError, side_by_side};
use crate::transport::TransportError;

/// The parts an image keeps; summaries of other locales are not.
pub(super) const KEPT: [&str; 3] = [BASE, DEPENDENCY, SUMMARY];

/// How thorough a refresh is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Only publishers whose catalog is older than they say it may be.
    IfDue,
    /// Every publisher; update logs where they do.
    Now,
    /// Every publisher, the parts as a whole.
    Full,
}

/// What became of one of a publisher's origins.
#[derive(Debug)]
pub struct OriginFailure {
    /// The origin.
    pub uri: String,
    /// Why it gave no catalog.
    pub error: Box<OriginRefreshError>,
}

/// Why an origin gave no catalog.
#[derive(Debug, thiserror::Error)]
pub enum OriginRefreshError {
    /// Its URI makes no sense.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A key or certificate to speak to it with cannot be used.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// It could not be reached, or its catalog is damaged.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It has other publishers' packages only.
    #[error(
        "The repository at {uri} does not contain package data for {publisher}; only {known}.\n\nThis is either a result of invalid origin information being provided for publisher {publisher}, or because the wrong publisher name was provided when this publisher was added.\n"
    )]
    NoPublisher {
        /// The origin.
        uri: String,
        /// The publisher.
        publisher: String,
        /// Whom it has, joined by commas.
        known: String,
    },
    /// The catalog could not be kept.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What a refresh came to.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// Publishers that were looked at.
    pub total: usize,
    /// Publisher → its origins that failed, and how many it has.
    pub failed: Vec<(String, usize, Vec<OriginFailure>)>,
    /// Whether any catalog is another than before.
    pub changed: bool,
}

impl Refreshed {
    /// Publishers whose every origin answered.
    pub fn succeeded(&self) -> usize {
        self.total - self.failed.len()
    }

    /// Publishers of which some origins answered.
    pub fn partial(&self) -> usize {
        self.failed.iter().filter(|(_, origins, failed)| failed.len() < *origins).count()
    }
}

/// A fetched catalog: attributes and parts as text.
struct Fetched {
    files: BTreeMap<String, String>,
}

impl Image {
    /// Fetches the catalogs of these publishers (none: of all that are enabled), and makes the
    /// image's own anew when anything has changed.
    pub fn refresh(
        &mut self,
        lock: &ImageLock,
        publishers: &[String],
        how: Refresh,
        now: Timestamp,
    ) -> Result<Refreshed, RecordError> {
        let chosen: Vec<Publisher> = self
            .configuration()
            .publishers()
            .iter()
            .filter(|one| !one.disabled)
            .filter(|one| publishers.is_empty() || publishers.contains(&one.prefix))
            .filter(|one| how != Refresh::IfDue || self.is_due(one, now))
            .cloned()
            .collect();
        let mut refreshed = Refreshed { total: chosen.len(), ..Refreshed::default() };
        for publisher in &chosen {
            let (changed, failed) = self.refresh_publisher(publisher, how, now)?;
            refreshed.changed |= changed;
            if !failed.is_empty() {
                let origins = publisher.enabled_origins().count();
                refreshed.failed.push((publisher.prefix.clone(), origins, failed));
            }
        }
        if refreshed.changed || how == Refresh::Full {
            self.rebuild(lock, now)?;
        }
        Ok(refreshed)
    }

    /// Whether a publisher's catalog is older than the publisher says it may be.
    fn is_due(&self, publisher: &Publisher, now: Timestamp) -> bool {
        let Some(last) = self.last_refreshed(&publisher.prefix) else { return true };
        let age = now.seconds() - last;
        age < 0 || age.unsigned_abs() >= publisher.refresh_seconds()
    }

    /// When a publisher's catalog was last asked for, in seconds since 1970.
    pub fn last_refreshed(&self, publisher: &str) -> Option<i64> {
        let path = self.publisher_folder(publisher).join("last_refreshed");
        let modified = fs::metadata(path).ok()?.modified().ok()?;
        let since = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    }

    fn refresh_publisher(
        &self,
        publisher: &Publisher,
        how: Refresh,
        now: Timestamp,
    ) -> Result<(bool, Vec<OriginFailure>), RecordError> {
        let places: Vec<&PublisherUri> = publisher.enabled_origins().collect();
        let origins: Vec<String> = places.iter().map(|one| one.uri.clone()).collect();
        let fetch = |place: &&PublisherUri| {
            let fetched = self.refresh_origin(publisher, place, how);
            let uri = place.uri.clone();
            fetched.map_err(|error| OriginFailure { uri, error: Box::new(error) })
        };
        let results: Vec<Result<bool, OriginFailure>> = places.par_iter().map(fetch).collect();
        let mut changed = self.drop_stale_origins(publisher)?;
        let mut failed = Vec::new();
        for result in results {
            match result {
                Ok(new) => changed |= new,
                Err(failure) => failed.push(failure),
            }
        }
        let folder = self.publisher_folder(&publisher.prefix);
        durable::make_folder(&folder)?;
        self.link_catalog(publisher, &origins, now)?;
        if failed.len() < origins.len() || origins.is_empty() {
            let path = folder.join("last_refreshed");
            durable::replace(&path, format!("{}\n", now.package()).as_bytes())?;
            let since = Duration::from_secs(u64::try_from(now.seconds()).unwrap_or_default());
            let file = File::options().append(true).open(&path);
            let set = file.and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH + since));
            set.map_err(|source| PathError { path, source })?;
        }
        Ok((changed, failed))
    }

    /// Fetches one origin's catalog; whether it is another than before.
    fn refresh_origin(
        &self,
        publisher: &Publisher,
        place: &PublisherUri,
        how: Refresh,
    ) -> Result<bool, OriginRefreshError> {
        let transport = self.transport(publisher, place)?;
        let (publisher, uri) = (publisher.prefix.as_str(), place.uri.as_str());
        let source = Source::with_catalogs_by(&origin_of(uri)?, Vec::new(), &transport)?;
        let folder = self.origin_folder(publisher, uri);
        let kept = if how == Refresh::Full { None } else { kept(&folder) };
        let fetched = side_by_side(&[&source], || {
            match fetch(&source, publisher, kept.as_ref(), false) {
                // A publication between two files of the catalog, or a stale cache on the way.
                Err(SourceError::Catalog { .. }) => fetch(&source, publisher, None, true),
                other => other,
            }
        })?;
        let fetched = match fetched {
            Some(Found::Same) => return Ok(false),
            Some(Found::New(fetched)) => fetched,
            None => {
                let known = source.listed()?;
                if !known.iter().any(|name| name == publisher) {
                    let (uri, publisher) = (uri.to_string(), publisher.to_string());
                    let known = known.join(", ");
                    return Err(OriginRefreshError::NoPublisher { uri, publisher, known });
                }
                // A publisher without packages yet.
                Fetched { files: BTreeMap::new() }
            }
        };
        let before = files_of(&folder);
        if before.as_ref() == Some(&fetched.files) {
            return Ok(false);
        }
        self.keep_catalog(&folder, &fetched)?;
        Ok(true)
    }

    /// Puts a fetched catalog in the place of the one that is kept.
    fn keep_catalog(&self, folder: &Path, fetched: &Fetched) -> Result<(), PathError> {
        let parent = folder.parent().unwrap_or(folder);
        durable::make_folder(parent)?;
        durable::recover(folder)?;
        let new = folder.with_extension("new");
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(PathError { path: new, source: error });
            }
            Ok(()) | Err(_) => {}
        }
        durable::make_folder(&new)?;
        for (name, text) in &fetched.files {
            durable::write_new(&new.join(name), text.as_bytes())?;
        }
        self.flush(&new)?;
        durable::swap_folder(&new, folder)
    }

    /// Takes away what was fetched of a publisher, but the manifests of what is installed from it.
    pub fn forget_publisher(&self, _lock: &ImageLock, publisher: &str) -> Result<(), RecordError> {
        let folder = self.publisher_folder(publisher);
        for name in ["catalog", "origins", "certs", "last_refreshed"] {
            let path = folder.join(name);
            let gone =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match gone {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(PathError { path, source: error }.into());
                }
                Ok(()) | Err(_) => {}
            }
        }
        // Manifests in it keep it.
        let _ = fs::remove_dir(&folder);
        Ok(())
    }

    /// Takes away the catalogs of origins that the publisher has no more.
    fn drop_stale_origins(&self, publisher: &Publisher) -> Result<bool, RecordError> {
        let folder = self.publisher_folder(&publisher.prefix).join("origins");
        let current: Vec<PathBuf> = publisher
            .enabled_origins()
            .map(|one| self.origin_folder(&publisher.prefix, &one.uri))
            .collect();
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(false) };
        let mut dropped = false;
        for entry in entries {
            let path = entry.map_err(|source| PathError { path: folder.clone(), source })?.path();
            if !current.contains(&path) {
                fs::remove_dir_all(&path).map_err(|source| PathError { path, source })?;
                dropped = true;
            }
        }
        Ok(dropped)
    }

    /// The `catalog` folder as pkg5 reads it.
    fn link_catalog(
        &self,
        publisher: &Publisher,
        origins: &[String],
        now: Timestamp,
    ) -> Result<(), RecordError> {
        let folder = self.publisher_folder(&publisher.prefix);
        let (place, new) = (folder.join("catalog"), folder.join("catalog.new"));
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            |source| PathError { path, source }
        };
        durable::recover(&place)?;
        if new.exists() {
            fs::remove_dir_all(&new).map_err(failed(&new))?;
        }
        durable::make_folder(&new)?;
        let catalogs: Vec<(&String, PathBuf)> = origins
            .iter()
            .map(|uri| (uri, self.origin_folder(&publisher.prefix, uri)))
            .filter(|(_, folder)| folder.is_dir())
            .collect();
        if let [(_, origin)] = catalogs.as_slice() {
            let name = origin.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for file in ["catalog.attrs", BASE, DEPENDENCY, SUMMARY] {
                if origin.join(file).is_file() {
                    let link = new.join(file);
                    symlink(format!("../origins/{name}/{file}"), &link).map_err(failed(&link))?;
                }
            }
        } else {
            for (file, text) in super::rebuild::merged(&catalogs, &publisher.prefix, now)? {
                durable::write_new(&new.join(file), text.as_bytes())?;
            }
        }
        Ok(durable::swap_folder(&new, &place)?)
    }
}

enum Found {
    Same,
    New(Fetched),
}

/// What was fetched before; a folder that is damaged is as good as none.
fn kept(folder: &Path) -> Option<(Attributes, BTreeMap<String, PartText>)> {
    let mut files = files_of(folder)?;
    let attributes = Attributes::parse(files.get("catalog.attrs")?).ok()?;
    let mut parts = BTreeMap::new();
    for name in KEPT {
        if attributes.parts.contains_key(name) {
            let (part, _) = PartText::read(files.remove(name)?).ok()?;
            parts.insert(name.to_string(), part);
        }
    }
    Some((attributes, parts))
}

fn files_of(folder: &Path) -> Option<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, fs::read_to_string(entry.path()).ok()?);
    }
    Some(files)
}

/// An origin's catalog; `None`: the publisher has none there.
fn fetch(
    source: &Source,
    publisher: &str,
    kept: Option<&(Attributes, BTreeMap<String, PartText>)>,
    anew: bool,
) -> Result<Option<Found>, SourceError> {
    let Some(text) = source.catalog_file(publisher, "catalog.attrs", anew)? else {
        return source
            .synthesised_files(publisher)
            .map(|files| files.map(|files| Found::New(Fetched { files })));
    };
    let refused = |file: &str, reason: String| SourceError::Catalog {
        origin: source.origin().uri().to_string(),
        publisher: publisher.to_string(),
        file: file.to_string(),
        reason,
    };
    let attributes =
        Attributes::parse(&text).map_err(|error| refused("catalog.attrs", error.to_string()))?;
    if let Some((before, parts)) = kept {
        if before.created == attributes.created
            && before.last_modified == attributes.last_modified
            && before.parts == attributes.parts
        {
            return Ok(Some(Found::Same));
        }
        if let Some(files) = updated(source, publisher, (before, parts), &attributes)? {
            let mut files = files;
            files.insert("catalog.attrs".to_string(), text);
            return Ok(Some(Found::New(Fetched { files })));
        }
    }
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let wanted: Vec<&str> =
        KEPT.into_iter().filter(|name| attributes.parts.contains_key(*name)).collect();
    let part = |name: &&str| -> Result<(String, String), SourceError> {
        let text = source.catalog_file(publisher, name, anew)?;
        let text = text.ok_or_else(|| refused(name, "missing".to_string()))?;
        let (_, found) =
            PartText::read(text.clone()).map_err(|error| refused(name, error.to_string()))?;
        let signed = attributes.parts.get(*name).and_then(|part| part.signature.clone());
        if found.is_none() || signed != found {
            return Err(refused(name, "its signature is not the one of catalog.attrs".into()));
        }
        Ok((name.to_string(), text))
    };
    let parts: Result<Vec<(String, String)>, SourceError> = wanted.par_iter().map(part).collect();
    files.extend(parts?);
    files.insert("catalog.attrs".to_string(), text);
    Ok(Some(Found::New(Fetched { files })))
}

/// The kept parts with the origin's update logs applied; `None` where that does not lead to what
/// the attributes sign, and the parts have to be fetched.
fn updated(
    source: &Source,
    publisher: &str,
    (before, parts): (&Attributes, &BTreeMap<String, PartText>),
    now: &Attributes,
) -> Result<Option<BTreeMap<String, String>>, SourceError> {
    let Some(names) = logs_between(before, now) else { return Ok(None) };
    let mut logs = Vec::new();
    for name in names {
        let Some(text) = source.catalog_file(publisher, name, false)? else { return Ok(None) };
        let signed = now.updates.get(name).and_then(|log| log.signature.clone());
        match LogText::read(text) {
            Ok((log, found)) if found.is_some() && found == signed => logs.push(log),
            Ok(_) | Err(_) => return Ok(None),
        }
    }
    let mut parts = parts.clone();
    for name in KEPT.into_iter().filter(|name| now.parts.contains_key(*name)) {
        parts.entry(name.to_string()).or_default();
    }
    if !apply(&mut parts, &logs, publisher, before.last_modified) {
        return Ok(None);
    }
    let mut files = BTreeMap::new();
    for (name, part) in &parts {
        let signed = part.sign();
        let wanted = now.parts.get(name).and_then(|part| part.signature.as_deref());
        if wanted != Some(&signed.sha1) {
            return Ok(None);
        }
        files.insert(name.clone(), signed.text);
    }
    Ok(Some(files))
}
