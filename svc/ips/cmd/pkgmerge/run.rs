//! run.rs - what pkgmerge does.
//!
//! A depot gets a publisher's packages one by one, once all of them are merged.

use ips_client::{Depot, MergeError, MergeOptions, MergeSource, Origin, ReceiveOptions, Source};
use ips_cmd::{Failure, clock, patterns, progress};
use ips_model::{Fmri, Timestamp};
use ips_repository::Repository;

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
    let destination = Destination::open(options)?;
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
            ips_client::merge(&sources, &destination.repository, publisher, &merging, control)
        });
        let merged = merged.map_err(|error| told(&error));
        let handed_over = merged.and_then(|merged| {
            if !options.dry_run {
                destination.hand_over(publisher, &merged.packages, merging.now)?;
            }
            Ok(merged.packages)
        });
        match handed_over {
            Ok(packages) => {
                for fmri in &packages {
                    let done = if options.dry_run { "" } else { " Done" };
                    println!(" Startup: Republish: {} ...{done}", fmri.without_publisher());
                }
            }
            Err(failure) => failures.push(failure),
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

/// Where merged packages go: a repository, or a depot by way of a repository of its own.
struct Destination {
    repository: Repository,
    depot: Option<Handing>,
}

/// A depot and what it has; the folder is gone with it.
struct Handing {
    depot: Depot,
    known: Source,
    folder: tempfile::TempDir,
}

impl Destination {
    fn open(options: &Options) -> Result<Destination, Failure> {
        let Some(depot) = options.destination.depot(&options.identity)? else {
            return Ok(Destination { repository: options.destination.open()?, depot: None });
        };
        let known = options.destination.source_as(&options.identity)?;
        let folder = tempfile::Builder::new().prefix("pkgmerge-").tempdir()?;
        let repository = Repository::create(&folder.path().join("repository"))?;
        Ok(Destination { repository, depot: Some(Handing { depot, known, folder }) })
    }

    /// Takes a publisher's packages to the depot, if it is one and has none of them.
    fn hand_over(&self, publisher: &str, all: &[Fmri], now: Timestamp) -> Result<(), Failure> {
        let Some(Handing { depot, known, folder }) = &self.depot else { return Ok(()) };
        if let Some(held) = all.iter().find(|fmri| known.has(fmri)) {
            return Err(told(&MergeError::Exists(held.to_string())));
        }
        let place = folder.path().join("repository");
        let merged = Source::open(&Origin::directory(&place)).map_err(Failure::new)?;
        let receiving = ReceiveOptions {
            from_publisher: Some(publisher.to_string()),
            ..ReceiveOptions::at(now)
        };
        let everything = patterns::parse(&["*".to_string()])?;
        let sent = progress::shown(|control| {
            ips_client::republish(&[&merged], depot, known, &everything, &receiving, control)
        });
        sent.map(drop).map_err(Failure::new)
    }
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
