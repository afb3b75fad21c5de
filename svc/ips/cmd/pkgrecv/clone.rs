//! clone.rs - `pkgrecv --clone`: publishers of a repository as exact copies of another's.

use std::collections::BTreeSet;

use ips_client::Source;
use ips_cmd::place::Place;
use ips_cmd::{Failure, clock, progress};
use ips_model::Fmri;
use ips_repository::{Fault, ReadError, Repository};

use crate::options::Cloning;
use crate::receive::destination;

/// Copies the publishers, one after the other, and verifies what is there if anything changed.
pub fn clone(options: &Cloning) -> Result<(), Failure> {
    let source = Place::parse(&options.source)?.source_as(&options.identity)?;
    let place = Place::parse(&options.destination)?;
    if matches!(place, Place::Url(_)) {
        return Err(Failure::new("Destination clone repository must be filesystem-based."));
    }
    let repository = destination(&options.destination)?;
    let publishers = publishers(options, &source, &repository.publishers()?)?;
    let mut changed = false;
    for publisher in publishers {
        println!("Processing packages for publisher {publisher} ...");
        changed |= told(&source, &repository, publisher, options)?;
        if options.dry_run {
            continue;
        }
        let now = clock::publication()?;
        let received = progress::shown(|control| {
            ips_client::mirror(&source, &repository, publisher, now, control)
        });
        received.map_err(Failure::new)?;
    }
    match changed && !options.dry_run {
        true => verified(&repository),
        false => Ok(()),
    }
}

/// The publishers to copy; all those named have to be in the source, and without names all of the
/// source in the destination.
fn publishers<'a>(
    options: &Cloning,
    source: &'a Source,
    known: &[String],
) -> Result<Vec<&'a str>, Failure> {
    let offered: Vec<&str> =
        source.catalogs().iter().map(|catalog| catalog.publisher.as_str()).collect();
    let is_all = |name: &str| matches!(name, "*" | "all");
    for name in options.publishers.iter().filter(|name| !is_all(name)) {
        if !offered.contains(&name.as_str()) {
            return Err(Failure::new(format!(
                "The publisher {name} does not exist in the source repository."
            )));
        }
    }
    let named = |name: &&str| options.publishers.iter().any(|one| one == name || is_all(one));
    let absent = |name: &&str| !known.iter().any(|one| one == name);
    if options.publishers.is_empty() {
        let lines: String =
            offered.iter().copied().filter(absent).map(|name| format!("\n    {name}\n")).collect();
        if !lines.is_empty() {
            return Err(Failure::new(format!(
                "\nThe following publishers are present in the source repository but not in the target repository.\nPlease use -p to specify which publishers need to be cloned or -p '*' to clone all publishers.{lines}"
            )));
        }
        return Ok(offered);
    }
    let chosen: Vec<&str> = offered.into_iter().filter(named).collect();
    for name in chosen.iter().copied().filter(absent) {
        let trial = if options.dry_run { " (dry-run)" } else { "" };
        println!("Adding publisher {name}{trial} ...");
    }
    Ok(chosen)
}

/// Tells what leaves and what comes; whether anything does.
fn told(
    source: &Source,
    repository: &Repository,
    publisher: &str,
    options: &Cloning,
) -> Result<bool, Failure> {
    let catalogs = source.catalogs().iter().filter(|catalog| catalog.publisher == publisher);
    let wanted: BTreeSet<String> = catalogs
        .flat_map(|catalog| catalog.base.entries())
        .map(|(fmri, _)| fmri.to_string())
        .collect();
    let held: Vec<Fmri> = match repository.catalog(publisher) {
        Err(ReadError::NoPublisher(_)) => Vec::new(),
        catalog => catalog?.packages().into_iter().map(|package| package.fmri).collect(),
    };
    let surplus: Vec<&Fmri> =
        held.iter().filter(|fmri| !wanted.contains(&fmri.to_string())).collect();
    if !surplus.is_empty() {
        println!("Packages to remove:");
        for fmri in &surplus {
            let nameless = Fmri { publisher: None, ..(*fmri).clone() };
            println!("    {}", nameless.without_build());
        }
        if !options.dry_run {
            println!("Removing packages ...");
        }
    }
    let held: BTreeSet<String> = held.iter().map(ToString::to_string).collect();
    match wanted.difference(&held).count() {
        0 => println!("No packages to add."),
        number => println!("Retrieving and evaluating {number} package(s)..."),
    }
    Ok(wanted != held)
}

/// What is there has to be sound.
fn verified(repository: &Repository) -> Result<(), Failure> {
    println!("\n\nVerifying repository contents.\nInitiating repository verification.");
    let mut damaged = 0;
    for publisher in repository.publishers()? {
        let findings = repository.verify(&publisher)?.findings;
        damaged += findings.iter().filter(|one| one.fault != Fault::Restricted).count();
    }
    if damaged == 0 {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{damaged} errors in the destination repository; pkgrepo verify tells them"
    )))
}
