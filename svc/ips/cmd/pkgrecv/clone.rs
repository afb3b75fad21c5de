//! clone.rs - `pkgrecv --clone`: publishers of a repository as exact copies of another's.

use ips_cmd::place::Place;
use ips_cmd::{Failure, clock, progress};
use ips_repository::Fault;

use crate::options::Cloning;
use crate::receive::destination;

/// Copies the publishers, one after the other, and verifies what is there then.
pub fn clone(options: &Cloning) -> Result<(), Failure> {
    let source = Place::parse(&options.source)?.source_as(&options.identity)?;
    let repository = destination(&options.destination)?;
    let known = repository.publishers()?;
    let named = |name: &str| options.publishers.iter().any(|one| one == name);
    let all = options.publishers.is_empty() || named("*") || named("all");
    let publishers: Vec<&str> = source
        .catalogs()
        .iter()
        .map(|catalog| catalog.publisher.as_str())
        .filter(|name| all || named(name))
        .collect();
    let is_offered = |name: &&String| publishers.contains(&name.as_str());
    let unknown: Vec<&str> = options
        .publishers
        .iter()
        .filter(|name| !matches!(name.as_str(), "*" | "all") && !is_offered(name))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        let told = format!("publishers not in the source repository: {}", unknown.join(", "));
        return Err(Failure::new(told));
    }
    let absent: Vec<&str> =
        publishers.iter().copied().filter(|name| !known.iter().any(|one| one == name)).collect();
    if options.publishers.is_empty() && !absent.is_empty() {
        return Err(Failure::new(format!(
            "publishers not in the destination repository: {}; name them with -p to have them added",
            absent.join(", ")
        )));
    }
    for publisher in publishers {
        println!("Processing packages for publisher {publisher} ...");
        if options.dry_run {
            continue;
        }
        let now = clock::publication()?;
        let received = progress::shown(|control| {
            ips_client::mirror(&source, &repository, publisher, now, control)
        });
        for fmri in received.map_err(Failure::new)?.packages {
            println!("Republish: {fmri} ... Done");
        }
    }
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
