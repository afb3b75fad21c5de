//! renew.rs - `pkgrepo refresh` and `pkgrepo rebuild`: catalogs, then search indexes.
//!
//! A depot is told to do it, and does it in its own time.

use ips_cmd::{Failure, clock};
use ips_model::{Fmri, Timestamp};
use ips_repository::{Indexed, Repository, WriteError};

use crate::options::Options;

/// Adds packages that are missing from the catalogs and indexes.
pub fn refresh(options: &Options) -> Result<u8, Failure> {
    renew(options, "refresh", Repository::refresh, Repository::refresh_index)
}

/// Makes the catalogs anew from the manifests, and the indexes.
pub fn rebuild(options: &Options) -> Result<u8, Failure> {
    renew(options, "rebuild", Repository::rebuild, Repository::rebuild_index)
}

type Renew = fn(&Repository, &str, Timestamp) -> Result<Vec<Fmri>, WriteError>;
type Index = fn(&Repository, &str) -> Result<Indexed, WriteError>;

fn renew(options: &Options, what: &str, catalog: Renew, index: Index) -> Result<u8, Failure> {
    options.no_operands()?;
    if options.no_catalog && options.no_index {
        return Ok(0);
    }
    let place = options.place()?;
    if let Some(depot) = place.depot(&options.identity(0))? {
        let publishers = options.among(depot.publishers().map_err(Failure::new)?)?;
        println!("Initiating repository {what}.");
        let task = match (options.no_catalog, options.no_index) {
            (false, true) => format!("{what}-packages"),
            (true, _) => format!("{what}-indexes"),
            (false, false) => what.to_string(),
        };
        for publisher in &publishers {
            depot.administer(publisher, &task).map_err(Failure::new)?;
        }
        return Ok(options.status(&publishers));
    }
    let repository = place.open()?;
    let publishers = options.among(repository.publishers()?)?;
    println!("Initiating repository {what}.");
    for publisher in &publishers {
        if !options.no_catalog {
            catalog(&repository, publisher, clock::publication()?)?;
        }
        if !options.no_index {
            index(&repository, publisher)?;
        }
    }
    Ok(options.status(&publishers))
}
