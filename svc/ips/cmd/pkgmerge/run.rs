//! run.rs - what pkgmerge does.

use ips_client::{MergeError, MergeOptions, MergeSource, Source};
use ips_cmd::{Failure, clock, patterns, progress};

use crate::options::Options;

/// Merges; the failure of each publisher that was not merged.
pub fn run(options: &Options) -> Result<Vec<Failure>, Failure> {
    let (exclude, include): (Vec<&String>, Vec<&String>) =
        options.patterns.iter().partition(|pattern| pattern.starts_with('!'));
    let exclude: Vec<String> = exclude.iter().map(|pattern| pattern[1..].to_string()).collect();
    let include: Vec<String> = include.into_iter().cloned().collect();
    let merging = MergeOptions {
        include: patterns::parse(&include)?,
        exclude: patterns::parse(&exclude)?,
        dry_run: options.dry_run,
        now: clock::publication()?,
    };
    let open = |source: &crate::options::Source| source.place.source_as(&options.identity);
    let opened: Vec<Source> = options.sources.iter().map(open).collect::<Result<_, _>>()?;
    let sources: Vec<MergeSource<'_>> = opened
        .iter()
        .zip(&options.sources)
        .map(|(source, given)| MergeSource { source, variants: given.variants.clone() })
        .collect();
    let destination = options.destination.open()?;
    let known = publishers(&opened);
    let wanted = |name: &String| options.publishers.is_empty() || options.publishers.contains(name);
    if !known.iter().any(wanted) && !options.publishers.is_empty() {
        return Err(Failure::new(
            "no publishers from source repositories match the given -p options.",
        ));
    }
    let mut failures = Vec::new();
    for publisher in known.iter().filter(|name| wanted(name)) {
        let merged = progress::shown(|control| {
            ips_client::merge(&sources, &destination, publisher, &merging, control)
        });
        match merged {
            Ok(merged) => {
                for fmri in &merged.packages {
                    let done = if options.dry_run { "" } else { " Done" };
                    println!(" Startup: Republish: {} ...{done}", fmri.without_publisher());
                }
            }
            Err(error) => failures.push(told(&error)),
        }
    }
    let unknown: Vec<&str> = options
        .publishers
        .iter()
        .filter(|name| !known.contains(name))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        failures.push(Failure::new(format!(
            "the following publishers were not found in source repositories: {}",
            unknown.join(" ")
        )));
    }
    Ok(failures)
}

/// Every publisher of the sources, in the order they are met.
fn publishers(sources: &[Source]) -> Vec<String> {
    let mut publishers: Vec<String> = Vec::new();
    for catalog in sources.iter().flat_map(Source::catalogs) {
        if !publishers.contains(&catalog.publisher) {
            publishers.push(catalog.publisher.clone());
        }
    }
    publishers
}

/// The message of a publisher that was not merged: with pkg5's step where a package is there.
fn told(error: &MergeError) -> Failure {
    match error {
        MergeError::Exists(_) => {
            Failure::new(format!("'open' failed; unable to initiate transaction:\n{error}"))
        }
        _ => Failure::new(error),
    }
}
