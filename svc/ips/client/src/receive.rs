//! receive.rs - packages of some repositories into another: verified, incremental, whole.
//!
//! Law: a package arrives byte for byte (unless another publisher is asked for), its manifest held
//! to the source's catalog and every payload to its manifest.  What the destination has is neither
//! read nor fetched.  Everything becomes visible at once, at the end; an error or a cancel leaves
//! the destination as it was.
//!
//! Payloads of a repository on disk are linked, not copied: stored payloads never change.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ips_model::action::{Action, Kind};
use ips_model::fmri::is_publisher;
use ips_model::{Fmri, Manifest, Pattern, Timestamp, check};
use ips_repository::{
    Appended, Batch, Catalog, OpenError, ReadError, Repository, Stored, WriteError,
};
use rayon::prelude::*;

use crate::control::{Control, Phase};
use crate::mogrify::{MogrifyError, Transforms};
use crate::select::{Offer, Offers};
use crate::source::{Source, SourceError, side_by_side};

/// How much of one package is held in memory so that it is fetched in parallel.
const AHEAD: u64 = 256 << 20;

/// Why nothing was received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// No source has this publisher.
    #[error("publisher {publisher} is not in {origins}")]
    NoPublisher {
        /// The publisher.
        publisher: String,
        /// The sources.
        origins: String,
    },
    /// No package of the sources matches.
    #[error("no package in {origins} matches {pattern}")]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// The sources.
        origins: String,
    },
    /// A prefix that is none.
    #[error("publisher prefix '{0}' is not valid")]
    Publisher(String),
    /// Two sources have one name for two packages.
    #[error("{fmri}: {one} and {other} disagree about its contents")]
    Differ {
        /// The package.
        fmri: String,
        /// A source.
        one: String,
        /// Another.
        other: String,
    },
    /// A source did not give what it should.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The destination is no repository.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The destination cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The destination did not take it.
    #[error(transparent)]
    Write(Box<WriteError>),
    /// A rule does not go with a package.
    #[error(transparent)]
    Transform(#[from] MogrifyError),
    /// The depot did not take it.
    #[error(transparent)]
    Depot(Box<crate::publish_http::DepotError>),
    /// The caller wanted the end.
    #[error("cancelled")]
    Cancelled,
}

impl From<WriteError> for ReceiveError {
    fn from(error: WriteError) -> Self {
        Self::Write(Box::new(error))
    }
}

/// Which versions of a package are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Every one (pkgrecv's all-timestamps).
    All,
    /// Of every version the newest publication (all-versions).
    Each,
    /// Of every stem the newest version (latest).
    Newest,
}

/// What is received, and as what.
#[derive(Debug, Clone)]
pub struct ReceiveOptions {
    /// Which versions.
    pub versions: Versions,
    /// Also what the packages name in their dependencies, from the same sources.
    pub recursive: bool,
    /// Make them packages of this publisher: their names, and where dependencies name a
    /// publisher.  Signatures, which no longer hold, are left out.
    pub publisher: Option<String>,
    /// Only packages of this publisher.
    pub from_publisher: Option<String>,
    /// Rules that packages go through on their way; signatures do not survive them.
    pub transforms: Transforms,
    /// The time of the destination's change.
    pub now: Timestamp,
}

impl ReceiveOptions {
    /// Every version, publishers kept, nothing but what the patterns mean.
    pub fn at(now: Timestamp) -> Self {
        Self {
            versions: Versions::All,
            recursive: false,
            publisher: None,
            from_publisher: None,
            transforms: Transforms::default(),
            now,
        }
    }
}

/// What was received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// The packages that came, by the names they have in the destination, in order.
    pub packages: Vec<Fmri>,
    /// Those that were there before.
    pub held: Vec<Fmri>,
    /// Bytes of payloads that were brought.
    pub bytes: u64,
}

/// The packages that [`receive`] would bring or find there, by the names their sources have for
/// them, in order.
///
/// # Errors
/// A pattern means nothing, or sources disagree.
pub fn chosen(
    sources: &[&Source],
    patterns: &[Pattern],
    options: &ReceiveOptions,
) -> Result<Vec<Fmri>, ReceiveError> {
    Offers::of(sources, options.from_publisher.as_deref())?.select(patterns, options)
}

/// Receives the packages that the patterns mean; without pattern, all.
pub fn receive(
    sources: &[&Source],
    destination: &Repository,
    patterns: &[Pattern],
    options: &ReceiveOptions,
    control: &Control<'_>,
) -> Result<Received, ReceiveError> {
    if let Some(publisher) = options.publisher.as_ref().filter(|name| !is_publisher(name)) {
        return Err(ReceiveError::Publisher(publisher.clone()));
    }
    let offers = Offers::of(sources, options.from_publisher.as_deref())?;
    let chosen = offers.select(patterns, options)?;
    let batch = destination.batch()?;
    let catalogs = catalogs(destination, &chosen)?;
    let work = Work {
        batch: &batch,
        publisher: options.publisher.as_deref(),
        transforms: &options.transforms,
        control,
        catalogs,
        held: Mutex::default(),
        bytes: AtomicU64::new(0),
    };
    let (done, total) = (AtomicU64::new(0), chosen.len() as u64);
    let bring = |fmri: &Fmri| -> Result<(), ReceiveError> {
        if control.is_cancelled() {
            return Err(ReceiveError::Cancelled);
        }
        if let Some(offer) = offers.get(fmri) {
            work.package(fmri, offer)?;
        }
        control.count(Phase::Packages, &done, total, &fmri.name);
        Ok(())
    };
    side_by_side(sources, || chosen.par_iter().try_for_each(bring))?;
    let mut held = work.held.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    held.sort();
    let bytes = work.bytes.into_inner();
    let packages = batch.commit(options.now)?;
    control.say(Phase::Packages, total, total, "");
    Ok(Received { packages, held, bytes })
}

/// What the destination has of the publishers in question.
fn catalogs(
    destination: &Repository,
    chosen: &[Fmri],
) -> Result<BTreeMap<String, Catalog>, ReadError> {
    let mut names: Vec<&String> = chosen.iter().filter_map(|f| f.publisher.as_ref()).collect();
    names.dedup();
    let mut catalogs = BTreeMap::new();
    for name in names {
        match destination.catalog(name) {
            // The publisher comes with its first package.
            Err(ReadError::NoPublisher(_)) => {}
            read => {
                catalogs.insert(name.clone(), read?);
            }
        }
    }
    Ok(catalogs)
}

struct Work<'a> {
    batch: &'a Batch<'a>,
    publisher: Option<&'a str>,
    transforms: &'a Transforms,
    control: &'a Control<'a>,
    catalogs: BTreeMap<String, Catalog>,
    held: Mutex<Vec<Fmri>>,
    bytes: AtomicU64,
}

impl Work<'_> {
    fn package(&self, fmri: &Fmri, offer: Offer<'_>) -> Result<(), ReceiveError> {
        let as_it_is = self.publisher.is_none() && self.transforms.is_empty();
        if as_it_is && self.has(fmri, offer.signature)? {
            self.hold(fmri.clone());
            return Ok(());
        }
        let (text, manifest) = offer.source.manifest(fmri)?;
        let (name, text, manifest) = match as_it_is {
            true => (fmri.clone(), text, manifest),
            false => match self.changed(fmri, manifest)? {
                Some((name, manifest)) => (name, manifest.to_string(), manifest),
                None => return Ok(()),
            },
        };
        let package = Package::of(fmri, &manifest, offer.source);
        let payloads = self.payloads(&package, &name)?;
        let fetch = |hash: &str| {
            let ahead = locked(&payloads).remove(hash);
            ahead.map_or_else(|| self.fetch(&package, hash), Ok).map_err(io::Error::other)
        };
        let appended = self.batch.append_parsed(&name, &text, &manifest, fetch)?;
        if appended == Appended::Held {
            self.hold(name);
        }
        Ok(())
    }

    /// The package as another publisher's, and after the rules; none where those drop it.
    fn changed(
        &self,
        fmri: &Fmri,
        manifest: Manifest,
    ) -> Result<Option<(Fmri, Manifest)>, ReceiveError> {
        let (mut name, mut manifest) = match self.publisher {
            None => (fmri.clone(), manifest),
            Some(publisher) => {
                (fmri.with_publisher(publisher), rewritten(&manifest, fmri, publisher))
            }
        };
        if !self.transforms.is_empty() {
            let label = name.to_string();
            let Some(changed) = self.transforms.apply(&label, &manifest.with_fmri(&name))? else {
                return Ok(None);
            };
            let refused = |error: String| MogrifyError(format!("{label}: {error}"));
            name = changed.fmri().map_err(|error| refused(error.to_string()))?;
            for action in &changed.actions {
                check::action(action).map_err(|error| refused(error.to_string()))?;
            }
            manifest = changed.with_fmri(&name);
            check::manifest(&manifest).map_err(|error| refused(error.to_string()))?;
        }
        Ok(Some((name, manifest)))
    }

    /// Whether the destination has it; it is an error if it has another package of this name.
    fn has(&self, fmri: &Fmri, signature: &str) -> Result<bool, ReceiveError> {
        let catalog = fmri.publisher.as_ref().and_then(|name| self.catalogs.get(name));
        match catalog.and_then(|catalog| catalog.signature(fmri)) {
            None => Ok(false),
            Some(same) if same == signature => Ok(true),
            Some(_) => Err(WriteError::Conflict(fmri.to_string()).into()),
        }
    }

    fn hold(&self, fmri: Fmri) {
        locked(&self.held).push(fmri);
    }

    /// Fetches the payloads that the destination lacks side by side, if that is not too much.
    fn payloads(
        &self,
        package: &Package<'_>,
        name: &Fmri,
    ) -> Result<Mutex<HashMap<String, Stored>>, ReceiveError> {
        let sizes = package.manifest.actions.iter().filter_map(|action| action.get("pkg.csize"));
        let size: u64 = sizes.filter_map(|size| size.parse::<u64>().ok()).sum();
        if package.source.origin().is_remote() && size > AHEAD {
            return Ok(Mutex::default());
        }
        let publisher = name.publisher.as_deref().unwrap_or_default();
        self.batch.expect(publisher)?;
        let hashes = package.manifest.payload_hashes();
        let lacking: Vec<&str> =
            hashes.into_iter().filter(|hash| self.batch.lacks(publisher, hash)).collect();
        let groups = ips_repository::groups(&lacking, |hash| package.stored_size(hash));
        let fetched = groups.into_par_iter().map(|group| {
            if self.control.is_cancelled() {
                return Err(ReceiveError::Cancelled);
            }
            Ok(self.fetch_all(package, group)?)
        });
        let fetched = fetched.collect::<Result<Vec<_>, ReceiveError>>()?;
        Ok(Mutex::new(fetched.into_iter().flatten().collect()))
    }

    /// Fetches some payloads, those that actions describe together.
    fn fetch_all(
        &self,
        package: &Package<'_>,
        hashes: &[&str],
    ) -> Result<Vec<(String, Stored)>, SourceError> {
        let described = |hash: &str| {
            package.actions.get(hash).copied().filter(|action| action.kind != Kind::Signature)
        };
        let (told, bare): (Vec<&str>, Vec<&str>) =
            hashes.iter().partition(|hash| described(hash).is_some());
        let wanted: Vec<(&Fmri, &Action)> =
            told.iter().filter_map(|hash| Some((package.fmri, described(hash)?))).collect();
        let mut fetched = Vec::with_capacity(hashes.len());
        for (hash, (stored, size)) in told.into_iter().zip(package.source.offered_all(&wanted)?) {
            self.bytes.fetch_add(size, Ordering::Relaxed);
            fetched.push((hash.to_string(), stored));
        }
        for hash in bare {
            fetched.push((hash.to_string(), self.fetch(package, hash)?));
        }
        Ok(fetched)
    }

    fn fetch(&self, package: &Package<'_>, hash: &str) -> Result<Stored, SourceError> {
        let (fmri, source) = (package.fmri, package.source);
        let (stored, size) = match package.actions.get(hash) {
            Some(action) if action.kind != Kind::Signature => source.offered(fmri, action)?,
            Some(_) | None => {
                let bytes = source.named_payload(fmri, hash)?;
                let size = bytes.len() as u64;
                (source.payload_path(fmri, hash).map_or(Stored::Bytes(bytes), Stored::Path), size)
            }
        };
        self.bytes.fetch_add(size, Ordering::Relaxed);
        Ok(stored)
    }
}

/// A package where it comes from.
struct Package<'a> {
    fmri: &'a Fmri,
    manifest: &'a Manifest,
    source: &'a Source,
    /// Payload → the first action that has it.
    actions: HashMap<&'a str, &'a Action>,
}

impl<'a> Package<'a> {
    fn of(fmri: &'a Fmri, manifest: &'a Manifest, source: &'a Source) -> Self {
        let mut actions = HashMap::new();
        for action in &manifest.actions {
            if let Some(hash) = action.payload_hash() {
                actions.entry(hash).or_insert(action);
            }
        }
        Self { fmri, manifest, source, actions }
    }

    /// How long a stored payload is, as its action says.
    fn stored_size(&self, hash: &str) -> usize {
        let size = self.actions.get(hash).and_then(|action| action.get("pkg.csize"));
        size.and_then(|size| size.parse().ok()).unwrap_or(0)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The same package as another publisher's.
fn rewritten(manifest: &Manifest, fmri: &Fmri, publisher: &str) -> Manifest {
    let mut manifest = manifest.with_fmri(&fmri.with_publisher(publisher));
    let depends = manifest.actions.iter_mut().filter(|action| action.kind == Kind::Depend);
    for action in depends {
        for attribute in ["fmri", "predicate"] {
            let renamed = action.values(attribute).iter().map(|text| match Fmri::parse(text) {
                Ok(target) if target.publisher.is_some() => renamed(text, publisher),
                Ok(_) | Err(_) => text.clone(),
            });
            let renamed = renamed.collect();
            action.set(attribute, renamed);
        }
    }
    manifest
}

/// `pkg://OLD/NAME@VERSION` with another publisher; the rest stays as it is written.
fn renamed(text: &str, publisher: &str) -> String {
    let rest = text.strip_prefix("pkg:").unwrap_or(text);
    let rest = rest.strip_prefix("//").and_then(|rest| rest.split_once('/'));
    rest.map_or_else(|| text.to_string(), |(_, name)| format!("pkg://{publisher}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_publisher() {
        let manifest = Manifest::parse(
            "set name=pkg.fmri value=pkg://a/x@1,5.11:20240101T000000Z\n\
             depend fmri=pkg://a/y@1 type=require\n\
             depend fmri=pkg:/z@1 fmri=//b/w type=require-any\n\
             signature algorithm=sha256 value=00\n",
        )
        .unwrap();
        let fmri = manifest.fmri().unwrap();
        assert_eq!(
            rewritten(&manifest, &fmri, "new").to_string(),
            "set name=pkg.fmri value=pkg://new/x@1,5.11:20240101T000000Z\n\
             depend fmri=pkg://new/y@1 type=require\n\
             depend fmri=pkg:/z@1 fmri=pkg://new/w type=require-any\n"
        );
    }
}
