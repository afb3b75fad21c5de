//! renew.rs - `pkgrepo refresh` and `pkgrepo rebuild`.

use ips_cmd::{Failure, clock};
use ips_model::{Fmri, Timestamp};
use ips_repository::{Repository, WriteError};

use crate::options::Options;

/// Adds packages that are missing from the catalogs.
pub fn refresh(options: &Options) -> Result<(), Failure> {
    renew(options, "refresh", Repository::refresh)
}

/// Makes the catalogs anew from the manifests.
pub fn rebuild(options: &Options) -> Result<(), Failure> {
    renew(options, "rebuild", Repository::rebuild)
}

type Renew = fn(&Repository, &str, Timestamp) -> Result<Vec<Fmri>, WriteError>;

fn renew(options: &Options, what: &str, one: Renew) -> Result<(), Failure> {
    let repository = options.place()?.open()?;
    let publishers: Vec<String> =
        repository.publishers()?.into_iter().filter(|name| options.wants(name)).collect();
    if publishers.is_empty() && !options.publishers.is_empty() {
        return Err(Failure::new("no matching publishers found").of(options.name));
    }
    println!("Initiating repository {what}.");
    if options.no_catalog {
        return Ok(());
    }
    for publisher in publishers {
        one(&repository, &publisher, clock::publication()?)?;
    }
    Ok(())
}
