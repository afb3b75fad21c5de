//! options.rs - the arguments of pkgsend.

use std::path::PathBuf;

use ips_cmd::Failure;
use ips_cmd::place::Place;
use lexopt::prelude::*;

/// What is asked for.
#[derive(Debug)]
pub enum Command {
    /// `--help`.
    Help,
    /// `publish`.
    Publish(Options),
}

/// The arguments of `publish`.
#[derive(Debug)]
pub struct Options {
    /// The destination.
    pub repository: Place,
    /// `-d`: proto areas, in order.
    pub folders: Vec<PathBuf>,
    /// `-T`: globs of files whose times are kept.
    pub timestamps: Vec<String>,
    /// `--fmri-in-manifest`: every manifest is a package of its own.
    pub each_its_own: bool,
    /// The manifests; none = standard input.
    pub manifests: Vec<PathBuf>,
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Command, Failure> {
    let mut repository = std::env::var("PKG_REPO").ok().filter(|place| !place.is_empty());
    loop {
        match parser.next()? {
            None => return Err(Failure::usage("")),
            Some(Short('s')) => repository = Some(parser.value()?.string()?),
            // `-D allow-timestamp` of pkg5: the time in a version always counts here.
            Some(Short('D')) => drop(parser.value()?),
            Some(Short('?') | Long("help")) => return Ok(Command::Help),
            Some(Value(name)) if name == "publish" => return publish(parser, repository),
            Some(Value(name)) => {
                let name = name.to_string_lossy();
                return Err(Failure::usage(format!("unknown subcommand '{name}'")));
            }
            Some(Short(option)) => {
                return Err(Failure::usage(format!("illegal global option -- {option}")));
            }
            Some(Long(option)) => {
                return Err(Failure::usage(format!("illegal global option -- {option}")));
            }
        }
    }
}

fn publish(mut parser: lexopt::Parser, repository: Option<String>) -> Result<Command, Failure> {
    let mut place = repository;
    let (mut folders, mut timestamps, mut manifests) = (Vec::new(), Vec::new(), Vec::new());
    let mut each_its_own = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('s') => place = Some(parser.value()?.string()?),
            Short('d') => folders.push(PathBuf::from(parser.value()?)),
            Short('T') => timestamps.push(parser.value()?.string()?),
            Long("fmri-in-manifest") => each_its_own = true,
            // The catalog is part of the publication; there is nothing to leave out.
            Long("no-catalog") => {}
            Short('?') | Long("help") => return Ok(Command::Help),
            Value(path) => manifests.push(PathBuf::from(path)),
            other => return Err(Failure::from(other.unexpected()).of("publish")),
        }
    }
    let missing = || Failure::usage("A destination package repository must be provided using -s.");
    let repository = Place::parse(&place.ok_or_else(|| missing().of("publish"))?)?;
    Ok(Command::Publish(Options { repository, folders, timestamps, each_its_own, manifests }))
}
