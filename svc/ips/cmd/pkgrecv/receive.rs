//! receive.rs - what pkgrecv does: lists the newest packages, or copies what the patterns mean.
//!
//! The source may be a directory or a depot; the destination is a repository on disk, and gets
//! all of it at once or nothing.

use std::collections::BTreeMap;

use ips_client::{ReceiveOptions, Source};
use ips_cmd::place::Place;
use ips_cmd::{Failure, clock, patterns, progress};
use ips_model::{Fmri, Pattern};
use ips_repository::{OpenError, Repository};

use crate::options::Options;
use crate::trial::trial;

fn open(text: &str) -> Result<Source, Failure> {
    Place::parse(text)?.source()
}

fn destination(text: &str) -> Result<Repository, Failure> {
    let place = Place::parse(text)?;
    Repository::open(place.directory()?).map_err(|error| match error {
        OpenError::Missing(_) => {
            Failure::new(format!("{error}\n\nTo create a repository, use the pkgrepo command."))
        }
        OpenError::Configuration { .. } | OpenError::Path(_) => Failure::new(error),
    })
}

/// Prints the newest version of each package, the default publisher's first.
pub fn newest(source: &str) -> Result<(), Failure> {
    for catalog in open(source)?.catalogs() {
        let entries = catalog.base.entries();
        // Ascending by version, so the last of a name stays.
        let newest: BTreeMap<String, Fmri> =
            entries.map(|(fmri, _)| (fmri.name.clone(), fmri)).collect();
        for fmri in newest.values() {
            println!("{}", fmri.without_build());
        }
    }
    Ok(())
}

/// Copies; status 1 where no pattern meant a package, 3 where some did.
pub fn receive(options: &Options) -> Result<(), Failure> {
    let source = open(&options.source)?;
    let wanted = patterns::parse(&options.patterns)?;
    let repository = destination(&options.destination)?;
    let all = source.packages();
    let (meant, unmatched): (Vec<Pattern>, Vec<Pattern>) =
        wanted.into_iter().partition(|pattern| !pattern.select(&all).is_empty());
    let some = !meant.is_empty();
    if some && options.dry_run {
        trial(&source, &repository, &meant, options)?;
    } else if some {
        copy(&source, &repository, &meant, options)?;
    }
    if unmatched.is_empty() {
        return Ok(());
    }
    let texts: Vec<&str> = unmatched.iter().map(Pattern::as_str).collect();
    let message = patterns::unmatched(&texts);
    Err(if some { Failure::partial(message) } else { Failure::new(message) })
}

/// Which packages are meant, and when.
pub fn options(options: &Options) -> Result<ReceiveOptions, Failure> {
    Ok(ReceiveOptions {
        versions: options.versions,
        recursive: options.recursive,
        ..ReceiveOptions::at(clock::publication()?)
    })
}

fn copy(
    source: &Source,
    repository: &Repository,
    meant: &[Pattern],
    options: &Options,
) -> Result<(), Failure> {
    let receiving = self::options(options)?;
    let received = progress::shown(|control| {
        ips_client::receive(&[source], repository, meant, &receiving, control)
    });
    let received = received.map_err(Failure::new)?;
    for fmri in &received.packages {
        println!("Republish: {fmri} ... Done");
    }
    if options.verbose {
        for fmri in &received.held {
            println!("Held: {fmri}");
        }
    }
    Ok(())
}
