//! newest.rs - the newest version of every package of some repositories, with its manifest.
//!
//! Of several publishers or repositories that have a package, the first one counts: the order in
//! which repositories are given, and in each the default publisher first.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ips_client::Source;
use ips_model::action::is_sha1;
use ips_model::digest::sha1_hex;
use ips_model::{Fmri, Manifest};

use crate::Failure;

/// How many manifests are asked for at a time of what is reached by a network.
const REQUESTS: usize = 16;

/// A package and where it is.
#[derive(Debug, Clone)]
pub struct Newest {
    /// Its name.
    pub fmri: Fmri,
    /// Which of the repositories has it.
    pub source: usize,
}

/// The newest versions that `suits` lets through, by stem.
pub fn newest(sources: &[Source], suits: impl Fn(&Fmri) -> bool) -> Vec<Newest> {
    let mut found: BTreeMap<String, Newest> = BTreeMap::new();
    for (source, opened) in sources.iter().enumerate() {
        for catalog in opened.catalogs() {
            let mut own: BTreeMap<String, Fmri> = BTreeMap::new();
            for (fmri, _) in catalog.base.entries().filter(|(fmri, _)| suits(fmri)) {
                match own.get(&fmri.name) {
                    Some(known) if known.version >= fmri.version => {}
                    Some(_) | None => drop(own.insert(fmri.name.clone(), fmri)),
                }
            }
            for (name, fmri) in own {
                found.entry(name).or_insert(Newest { fmri, source });
            }
        }
    }
    found.into_values().collect()
}

/// Their manifests, in their order; several are read at a time.  What comes by a network is kept in
/// `cache` under the digest that the catalog has of it, and looked for there first.
pub fn manifests(
    sources: &[Source],
    wanted: &[Newest],
    cache: Option<&Path>,
) -> Result<Vec<Manifest>, Failure> {
    if let Some(cache) = cache {
        fs::create_dir_all(cache)?;
    }
    let remote = sources.iter().any(|source| source.origin().is_remote());
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let workers = if remote { REQUESTS } else { processors }.min(wanted.len().max(1));
    let next = AtomicUsize::new(0);
    let read = Mutex::new(vec![None; wanted.len()]);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((at, one)) = claim(&next, wanted) {
                    match manifest(&sources[one.source], &one.fmri, cache) {
                        Ok(manifest) => hold(&read)[at] = Some(manifest),
                        Err(error) => {
                            // Nobody needs the others any more.
                            next.store(wanted.len(), Ordering::Relaxed);
                            hold(&failed).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    match hold(&failed).take() {
        Some(failure) => Err(failure),
        None => Ok(hold(&read).drain(..).flatten().collect()),
    }
}

fn manifest(source: &Source, fmri: &Fmri, cache: Option<&Path>) -> Result<Manifest, Failure> {
    let digest = || source.catalogs().iter().find_map(|catalog| catalog.base.get(fmri));
    let digest = digest().and_then(|entry| entry.signature.as_deref());
    let kept = cache.filter(|_| source.origin().is_remote()).zip(digest);
    let Some((cache, digest)) = kept.filter(|(_, digest)| is_sha1(digest)) else {
        return Ok(source.manifest(fmri).map_err(Failure::new)?.1);
    };
    let place = cache.join(digest);
    // What was kept half, or changed since, is fetched again.
    let text = fs::read_to_string(&place).ok().filter(|text| sha1_hex(text.as_bytes()) == digest);
    if let Some(manifest) = text.and_then(|text| Manifest::parse(&text).ok()) {
        return Ok(manifest);
    }
    let (text, manifest) = source.manifest(fmri).map_err(Failure::new)?;
    let mut beside = tempfile::NamedTempFile::new_in(cache)?;
    beside.write_all(text.as_bytes())?;
    beside.persist(&place).map_err(|error| Failure::new(error.error))?;
    Ok(manifest)
}

fn claim<'a>(next: &AtomicUsize, wanted: &'a [Newest]) -> Option<(usize, &'a Newest)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    wanted.get(at).map(|one| (at, one))
}

/// A worker that panicked leaves nothing half done.
fn hold<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
