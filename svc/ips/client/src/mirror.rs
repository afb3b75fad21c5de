//! mirror.rs - a publisher of a repository made an exact copy of a source's.
//!
//! Three steps, each of which leaves a sound repository: what the source has not, or has otherwise,
//! is removed; what is missing is received; the source's catalog, update logs and all, takes the
//! place of the one that is there.

use std::collections::BTreeSet;

use ips_model::{Fmri, Timestamp};
use ips_repository::{ReadError, Repository, WriteError};

use crate::control::Control;
use crate::receive::{ReceiveError, ReceiveOptions, Received, receive};
use crate::source::Source;

/// Makes the copy; what came.
pub fn mirror(
    source: &Source,
    destination: &Repository,
    publisher: &str,
    now: Timestamp,
    control: &Control<'_>,
) -> Result<Received, ReceiveError> {
    let catalogs = source.catalogs().iter().filter(|catalog| catalog.publisher == publisher);
    let wanted: BTreeSet<(String, Option<String>)> = catalogs
        .flat_map(|catalog| catalog.base.entries())
        .map(|(fmri, entry)| (fmri.to_string(), entry.signature.clone()))
        .collect();
    let held = match destination.catalog(publisher) {
        Err(ReadError::NoPublisher(_)) => Vec::new(),
        catalog => catalog?.packages(),
    };
    let surplus: Vec<Fmri> = held
        .into_iter()
        .filter(|package| {
            let signature = Some(package.signature.clone());
            !wanted.contains(&(package.fmri.to_string(), signature))
        })
        .map(|package| package.fmri)
        .collect();
    if !surplus.is_empty() {
        destination.remove(publisher, &surplus, now)?;
    }
    let options =
        ReceiveOptions { from_publisher: Some(publisher.to_string()), ..ReceiveOptions::at(now) };
    let received = receive(&[source], destination, &[], &options, control)?;
    let files = source.catalog_files(publisher)?;
    let known = destination.publishers().map_err(WriteError::from)?;
    if !files.is_empty() && known.iter().any(|name| name == publisher) {
        destination.replace_catalog(publisher, &files)?;
    }
    Ok(received)
}
