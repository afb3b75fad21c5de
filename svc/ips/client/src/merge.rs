//! merge.rs - packages of several sources, each built for its variants, as packages for all.
//!
//! Law: the packages of a publisher become visible together, or none of them does.  A publisher
//! that cannot be merged keeps no other from it.  Payloads go over as they are stored, from the
//! first source that has them; what the destination has already stays, and the manifests say what
//! is stored there.
//!
//! Not here: how manifests become one (ips_model::merge), which belong together (builds).

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use ips_model::action::Action;
use ips_model::merge::Build;
use ips_model::{Fmri, Manifest, Pattern, Timestamp};
use ips_repository::{Batch, OpenError, PathError, Repository, Stored, Stream, WriteError, unpack};
use rayon::prelude::*;

use crate::builds::{BuildsError, builds};
use crate::control::{Control, Phase};
use crate::source::{Source, SourceError, side_by_side};

/// Why a publisher's packages were not merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Which packages belong together is not clear.
    #[error(transparent)]
    Builds(#[from] BuildsError),
    /// Builds that are not one package.
    #[error(transparent)]
    Manifests(#[from] ips_model::merge::MergeError),
    /// The destination has the package.
    #[error("The specified FMRI, '{0}', already exists or has been restricted.")]
    Exists(String),
    /// A source did not give what it should.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The destination cannot be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The destination is no repository.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The destination did not take it.
    #[error(transparent)]
    Write(Box<WriteError>),
    /// The caller wanted the end.
    #[error("cancelled")]
    Cancelled,
}

impl From<WriteError> for MergeError {
    fn from(error: WriteError) -> Self {
        Self::Write(Box::new(error))
    }
}

/// A source and what its packages were built for.
#[derive(Debug, Clone)]
pub struct MergeSource<'a> {
    /// The source.
    pub source: &'a Source,
    /// `variant.X` → value; every source has the same variants.
    pub variants: BTreeMap<String, String>,
}

/// What is merged.
#[derive(Debug, Clone)]
pub struct MergeOptions {
    /// The packages; none = all.
    pub include: Vec<Pattern>,
    /// Those of them that are left out.
    pub exclude: Vec<Pattern>,
    /// Only look what would come.
    pub dry_run: bool,
    /// The time of the destination's change.
    pub now: Timestamp,
}

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The packages, in order.
    pub packages: Vec<Fmri>,
}

/// A package on its way.
struct Package {
    fmri: Fmri,
    manifest: Manifest,
    /// Payload → where it is: the number of the source, the package there, the action.
    payloads: BTreeMap<String, (usize, Fmri, Action)>,
}

/// What is stored of a payload, as its actions tell it.
#[derive(Debug, Clone)]
struct Facts {
    size: String,
    file: String,
    stream: Stream,
}

/// Merges the packages of one publisher; those that came, or with `dry_run` would come, in order.
pub fn merge(
    sources: &[MergeSource<'_>],
    destination: &Repository,
    publisher: &str,
    options: &MergeOptions,
    control: &Control<'_>,
) -> Result<Merged, MergeError> {
    let opened: Vec<&Source> = sources.iter().map(|source| source.source).collect();
    let builds = builds(&opened, publisher, &options.include, &options.exclude)?;
    let batch = destination.batch()?;
    side_by_side(&opened, || {
        let packages: Vec<Package> = builds
            .par_iter()
            .map(|(_, builds)| package(sources, builds, &batch, control))
            .collect::<Result<_, _>>()?;
        if options.dry_run {
            let packages = packages.into_iter().map(|package| package.fmri).collect();
            return Ok(Merged { packages });
        }
        let facts = bring(sources, publisher, &batch, &packages, control)?;
        packages.into_par_iter().try_for_each(|mut package| -> Result<(), MergeError> {
            for action in &mut package.manifest.actions {
                restate(action, &facts);
            }
            let text = package.manifest.to_string();
            batch.append_parsed(&package.fmri, &text, &package.manifest, |hash| {
                Err(std::io::Error::other(format!("payload {hash} is in no source")))
            })?;
            Ok(())
        })?;
        Ok(Merged { packages: batch.commit(options.now)? })
    })
}

/// Merges the builds of one package.
fn package(
    sources: &[MergeSource<'_>],
    builds: &[(usize, Fmri)],
    batch: &Batch<'_>,
    control: &Control<'_>,
) -> Result<Package, MergeError> {
    if control.is_cancelled() {
        return Err(MergeError::Cancelled);
    }
    let mut payloads = BTreeMap::new();
    let mut read = Vec::new();
    for (number, fmri) in builds {
        let (_, manifest) = sources[*number].source.manifest(fmri)?;
        for action in &manifest.actions {
            if let Some(hash) = action.payload_hash() {
                let place = || (*number, fmri.clone(), action.clone());
                payloads.entry(hash.to_string()).or_insert_with(place);
            }
        }
        let variants = sources[*number].variants.clone();
        read.push(Build { fmri: fmri.clone(), variants, manifest });
    }
    let (fmri, manifest) = ips_model::merge::merge(read)?;
    if batch.holds(&fmri)? {
        return Err(MergeError::Exists(fmri.to_string()));
    }
    let needed = manifest.payload_hashes();
    payloads.retain(|hash, _| needed.binary_search(&hash.as_str()).is_ok());
    Ok(Package { fmri, manifest, payloads })
}

/// Brings every payload that the destination lacks; what is stored of each.
fn bring(
    sources: &[MergeSource<'_>],
    publisher: &str,
    batch: &Batch<'_>,
    packages: &[Package],
    control: &Control<'_>,
) -> Result<BTreeMap<String, Facts>, MergeError> {
    // Of one payload in several packages the first decides, so that the outcome is always one.
    let mut places: BTreeMap<&str, &(usize, Fmri, Action)> = BTreeMap::new();
    for package in packages {
        for (hash, place) in &package.payloads {
            places.entry(hash).or_insert(place);
        }
    }
    let bringer = Bringer {
        sources,
        publisher,
        batch,
        control,
        done: AtomicU64::new(0),
        total: places.len() as u64,
    };
    batch.expect(publisher)?;
    let places: Vec<Named<'_>> = places.into_iter().collect();
    let size = |(_, (_, _, action)): &Named<'_>| {
        action.get("pkg.csize").and_then(|size| size.parse().ok()).unwrap_or(0)
    };
    let groups = ips_repository::groups(&places, size);
    let brought = groups.into_par_iter().map(|group| bringer.bring(group));
    let brought = brought.collect::<Result<Vec<_>, MergeError>>()?;
    Ok(brought.into_iter().flatten().collect())
}

/// A payload's name and where it is.
type Named<'a> = (&'a str, &'a (usize, Fmri, Action));

struct Bringer<'a> {
    sources: &'a [MergeSource<'a>],
    publisher: &'a str,
    batch: &'a Batch<'a>,
    control: &'a Control<'a>,
    done: AtomicU64,
    total: u64,
}

impl Bringer<'_> {
    /// Brings some payloads; what is stored of each.
    fn bring(&self, group: &[Named<'_>]) -> Result<Vec<(String, Facts)>, MergeError> {
        if self.control.is_cancelled() {
            return Err(MergeError::Cancelled);
        }
        let mut brought = Vec::with_capacity(group.len());
        let mut lacking: BTreeMap<usize, Vec<&Named<'_>>> = BTreeMap::new();
        for named in group {
            let (hash, (number, fmri, action)) = named;
            match self.batch.held(self.publisher, hash) {
                Some(path) => {
                    let stored = fs::read(&path).map_err(|source| PathError { path, source })?;
                    let stream = Some(Stream::of(&stored));
                    let facts = facts(self.sources[*number].source, fmri, action, stream, &stored)?;
                    brought.push((hash.to_string(), facts));
                }
                None => lacking.entry(*number).or_default().push(named),
            }
        }
        for (number, named) in lacking {
            let source = self.sources[number].source;
            let wanted: Vec<(&Fmri, &Action)> =
                named.iter().map(|(_, (_, fmri, action))| (fmri, action)).collect();
            for ((hash, (_, fmri, action)), (stored, _)) in
                named.into_iter().zip(source.offered_all(&wanted)?)
            {
                let facts = match (told(action), &stored) {
                    (Some(facts), _) => facts,
                    (None, Stored::Bytes(bytes)) => facts(source, fmri, action, None, bytes)?,
                    (None, Stored::Path(path)) => {
                        let failed = |source| PathError { path: path.clone(), source };
                        facts(source, fmri, action, None, &fs::read(path).map_err(failed)?)?
                    }
                };
                self.batch.bring(self.publisher, hash, stored)?;
                brought.push((hash.to_string(), facts));
            }
        }
        let counted = self.done.fetch_add(group.len() as u64, Ordering::Relaxed);
        self.control.say(Phase::Packages, counted + group.len() as u64, self.total, "");
        Ok(brought)
    }
}

/// What a verified action says of its payload, if it says all of it.
fn told(action: &Action) -> Option<Facts> {
    let hash =
        |kind| action.content_hash(kind).filter(|(algorithm, _)| *algorithm == "sha512t_256");
    let stream = Stream {
        sha1: action.get("chash")?.to_string(),
        sha512_256: hash("gzip")?.1.to_string(),
        size: action.get("pkg.csize")?.parse().ok()?,
    };
    let (size, file) = (action.get("pkg.size")?.to_string(), hash("file")?.1.to_string());
    Some(Facts { size, file, stream })
}

/// What is not told is found out.
fn facts(
    source: &Source,
    fmri: &Fmri,
    action: &Action,
    stream: Option<Stream>,
    stored: &[u8],
) -> Result<Facts, MergeError> {
    let stream = stream.unwrap_or_else(|| Stream::of(stored));
    let file = action.content_hash("file").filter(|(algorithm, _)| *algorithm == "sha512t_256");
    if let (Some((_, file)), Some(size)) = (file, action.get("pkg.size")) {
        return Ok(Facts { size: size.to_string(), file: file.to_string(), stream });
    }
    let unpacked = unpack(stored).map_err(|_| source.damaged(fmri, action))?;
    Ok(Facts { size: unpacked.size.to_string(), file: unpacked.sha512_256, stream })
}

/// Says of a payload what is stored.  The digest of ELF sections goes, as in pkg5: a merged
/// package is published anew, and of an action that has ELF attributes they are not made again.
fn restate(action: &mut Action, facts: &BTreeMap<String, Facts>) {
    let Some(facts) = action.payload_hash().and_then(|hash| facts.get(hash)) else { return };
    action.set("chash", vec![facts.stream.sha1.clone()]);
    action.set("pkg.csize", vec![facts.stream.size.to_string()]);
    action.set("pkg.size", vec![facts.size.clone()]);
    let hashes = [
        format!("file:sha512t_256:{}", facts.file),
        format!("gzip:sha512t_256:{}", facts.stream.sha512_256),
    ];
    action.set("pkg.content-hash", hashes.to_vec());
}
