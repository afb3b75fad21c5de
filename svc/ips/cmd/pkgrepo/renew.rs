//! renew.rs - `pkgrepo refresh` and `pkgrepo rebuild`: catalogs, then search indexes.

use ips_cmd::{Failure, clock};
use ips_model::{Fmri, Timestamp};
use ips_repository::{Indexed, Repository, WriteError};

use crate::options::Options;

/// Adds packages that are missing from the catalogs and indexes.
pub fn refresh(options: &Options) -> Result<(), Failure> {
    renew(options, "refresh", Repository::refresh, Repository::refresh_index)
}

/// Makes the catalogs anew from the manifests, and the indexes.
pub fn rebuild(options: &Options) -> Result<(), Failure> {
    renew(options, "rebuild", Repository::rebuild, Repository::rebuild_index)
}

type Renew = fn(&Repository, &str, Timestamp) -> Result<Vec<Fmri>, WriteError>;
type Index = fn(&Repository, &str) -> Result<Indexed, WriteError>;

fn renew(options: &Options, what: &str, catalog: Renew, index: Index) -> Result<(), Failure> {
    let repository = options.place()?.open()?;
    let publishers: Vec<String> =
        repository.publishers()?.into_iter().filter(|name| options.wants(name)).collect();
    if publishers.is_empty() && !options.publishers.is_empty() {
        return Err(Failure::new("no matching publishers found").of(options.name));
    }
    println!("Initiating repository {what}.");
    for publisher in publishers {
        if !options.no_catalog {
            catalog(&repository, &publisher, clock::publication()?)?;
        }
        if !options.no_index {
            index(&repository, &publisher)?;
        }
    }
    Ok(())
}
