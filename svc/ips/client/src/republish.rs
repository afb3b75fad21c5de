//! republish.rs - packages of some sources to a depot, byte for byte.
//!
//! Law: what the depot has is neither read nor sent.  A package becomes known when all of it is
//! there; killed before the refresh at the end, the packages that were closed are known after the
//! next one.  One that fails is abandoned, and the rest of them with it.

use std::time::{Duration, Instant};

use ips_model::{Fmri, Kind, Pattern};
use ips_repository::Stored;
use rayon::prelude::*;

use crate::control::{Control, Phase};
use crate::publish_http::{Depot, DepotError};
use crate::receive::{ReceiveError, ReceiveOptions};
use crate::select::Offers;
use crate::source::{Source, SourceError, waiting};

/// How long a depot may take for a refresh, and how soon it is looked at first.
const LONGEST: Duration = Duration::from_secs(300);
const SHORTEST: Duration = Duration::from_millis(20);

/// Sends the packages that the patterns mean; those that came, in order.  `known` is what the depot
/// has.
pub fn republish(
    sources: &[&Source],
    depot: &Depot,
    known: &Source,
    patterns: &[Pattern],
    options: &ReceiveOptions,
    control: &Control<'_>,
) -> Result<Vec<Fmri>, ReceiveError> {
    let offers = Offers::of(sources, options.from_publisher.as_deref())?;
    let chosen = offers.select(patterns, options)?;
    let lacking: Vec<Fmri> = chosen.into_iter().filter(|fmri| !known.has(fmri)).collect();
    let done = std::sync::atomic::AtomicU64::new(0);
    let total = lacking.len() as u64;
    let one = |fmri: &Fmri| -> Result<(), ReceiveError> {
        if control.is_cancelled() {
            return Err(ReceiveError::Cancelled);
        }
        if let Some(offer) = offers.get(fmri) {
            package(offer.source, depot, fmri)?;
        }
        control.count(Phase::Packages, &done, total, &fmri.name);
        Ok(())
    };
    waiting(|| lacking.par_iter().try_for_each(one))?;
    if !lacking.is_empty() {
        depot.refresh()?;
        catalogued(known, &lacking)?;
    }
    Ok(lacking)
}

/// A depot answers an order before it has done it, and says nothing when it has: it is looked at
/// until it names the packages.
fn catalogued(known: &Source, packages: &[Fmri]) -> Result<(), ReceiveError> {
    let begun = Instant::now();
    let mut pause = SHORTEST;
    loop {
        let now = known.again()?;
        if packages.iter().all(|fmri| now.has(fmri)) {
            return Ok(());
        }
        if begun.elapsed() > LONGEST {
            let told = "what was sent is not in the depot's catalog yet; its next refresh adds it";
            return Err(DepotError::Refused(told.to_string()).into());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

fn package(source: &Source, depot: &Depot, fmri: &Fmri) -> Result<(), ReceiveError> {
    let (text, manifest) = source.manifest(fmri)?;
    let publisher = fmri.publisher.as_deref().unwrap_or_default();
    let id = depot.begin(&fmri.to_string())?;
    let send = |hash: &&str| -> Result<(), ReceiveError> {
        if depot.held(publisher, hash)?.is_some() {
            return Ok(());
        }
        let means = |action: &&ips_model::Action| action.payload_hash() == Some(hash);
        let stored = match manifest.actions.iter().find(means) {
            Some(action) if action.kind != Kind::Signature => source.offered(fmri, action)?.0,
            Some(_) | None => Stored::Bytes(source.named_payload(fmri, hash)?),
        };
        let bytes = match stored {
            Stored::Bytes(bytes) => bytes,
            Stored::Path(path) => {
                std::fs::read(&path).map_err(|source| SourceError::File { path, source })?
            }
        };
        Ok(depot.add_file(&id, hash, &bytes)?)
    };
    let sent = manifest.payload_hashes().par_iter().try_for_each(send).and_then(|()| {
        depot.add_manifest(&id, &text)?;
        depot.close(&id, false)?;
        Ok(())
    });
    if sent.is_err() {
        // It is of no use to anybody; that it cannot be forgotten is not what went wrong.
        let _ = depot.abandon(&id);
    }
    sent
}

impl From<DepotError> for ReceiveError {
    fn from(error: DepotError) -> Self {
        Self::Depot(Box::new(error))
    }
}
