//! newest.rs - the newest version of every package of some repositories, with its manifest.
//!
//! Of several publishers or repositories that have a package, the first one counts: the order in
//! which repositories are given, and in each the default publisher first.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ips_client::Source;
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

/// Their manifests, in their order; several are read at a time.
pub fn manifests(sources: &[Source], wanted: &[Newest]) -> Result<Vec<Manifest>, Failure> {
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
                    match sources[one.source].manifest(&one.fmri) {
                        Ok((_, manifest)) => hold(&read)[at] = Some(manifest),
                        Err(error) => {
                            // Nobody needs the others any more.
                            next.store(wanted.len(), Ordering::Relaxed);
                            hold(&failed).get_or_insert(Failure::new(error));
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

fn claim<'a>(next: &AtomicUsize, wanted: &'a [Newest]) -> Option<(usize, &'a Newest)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    wanted.get(at).map(|one| (at, one))
}

/// A worker that panicked leaves nothing half done.
fn hold<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
