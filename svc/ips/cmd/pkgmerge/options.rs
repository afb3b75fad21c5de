//! options.rs - the arguments of pkgmerge.
//!
//! Every source has a value for every variant, and every combination of values has a source.

use std::collections::{BTreeMap, BTreeSet};

use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_cmd::transport::Identity;
use lexopt::prelude::*;

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// `--help`.
    Help,
    /// The work.
    Run(Options),
}

/// `-s`.
#[derive(Debug)]
pub struct Source {
    /// `variant.X` → value.
    pub variants: BTreeMap<String, String>,
    /// The repository.
    pub place: Place,
}

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// The sources, in order.
    pub sources: Vec<Source>,
    /// `-d`.
    pub destination: Place,
    /// `-p`; none = all.
    pub publishers: Vec<String>,
    /// `-n`.
    pub dry_run: bool,
    /// `--cert`, `--key`: what is shown to sources.
    pub identity: Identity,
    /// The patterns; those that begin with `!` exclude.
    pub patterns: Vec<String>,
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let (mut sources, mut publishers, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
    let (mut destination, mut dry_run) = (None, false);
    let mut identity = Identity::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('d') => destination = Some(parser.value()?.string()?),
            Short('n') => dry_run = true,
            Short('p') => publishers.push(parser.value()?.string()?),
            Long("cert") => identity.certificate = Some(parser.value()?.into()),
            Long("key") => identity.key = Some(parser.value()?.into()),
            Short('s') => sources.push(source(&parser.value()?.string()?)?),
            Short('?') | Long("help") => return Ok(Request::Help),
            Value(pattern) => patterns.push(pattern.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if sources.is_empty() {
        return Err(Failure::usage(
            "At least one variant name, value, and package source must be provided using -s.",
        ));
    }
    let missing = || Failure::usage("A destination package repository must be provided using -d.");
    let destination = Place::parse(&destination.ok_or_else(missing)?)?;
    complete(&sources)?;
    Ok(Request::Run(Options { sources, destination, publishers, dry_run, identity, patterns }))
}

/// `VARIANT=VALUE[,...],REPOSITORY`.
fn source(text: &str) -> Result<Source, Failure> {
    let wrong = || Failure::usage("-s option must specify variant=value,repo_uri");
    let (pairs, place) = text.rsplit_once(',').ok_or_else(wrong)?;
    let mut variants = BTreeMap::new();
    for pair in pairs.split(',') {
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        if value.contains('=') {
            return Err(wrong());
        }
        let name = name.strip_prefix("variant.").unwrap_or(name);
        variants.insert(format!("variant.{name}"), value.to_string());
    }
    Ok(Source { variants, place: Place::parse(place)? })
}

fn complete(sources: &[Source]) -> Result<(), Failure> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in sources.iter().flat_map(|source| &source.variants) {
        values.entry(name).or_default().insert(value);
    }
    for source in sources {
        let missing: Vec<&str> =
            values.keys().copied().filter(|name| !source.variants.contains_key(*name)).collect();
        if !missing.is_empty() {
            return Err(Failure::usage(format!(
                "Source {} missing values for variants: {}",
                source.place,
                missing.join(", ")
            )));
        }
    }
    let mut combinations: Vec<Vec<(&str, &str)>> = vec![Vec::new()];
    for (name, values) in &values {
        combinations = combinations
            .iter()
            .flat_map(|begun| {
                values.iter().map(move |value| [begun.as_slice(), &[(*name, *value)]].concat())
            })
            .collect();
    }
    for combination in combinations {
        let has = |source: &Source| {
            combination.iter().all(|(name, value)| source.variants[*name] == *value)
        };
        if !sources.iter().any(has) {
            let told: Vec<String> =
                combination.iter().map(|(name, value)| format!("{name}={value}")).collect();
            return Err(Failure::usage(format!(
                "No source was specified for variant combination {}.",
                told.join(" ")
            )));
        }
    }
    Ok(())
}
