//! options.rs - the arguments of pkgrecv.

use std::path::PathBuf;

use ips_client::Versions;
use ips_client::mogrify::Transforms;
use ips_cmd::Failure;
use ips_cmd::transport::Identity;
use lexopt::prelude::*;

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// `-h`, `--help`.
    Help,
    /// `--newest`.
    Newest {
        /// The source.
        source: String,
        /// `--cert`, `--key`.
        identity: Identity,
    },
    /// The copying.
    Receive(Options),
    /// `--clone`.
    Clone(Cloning),
}

/// The arguments of copying.
#[derive(Debug, Clone)]
pub struct Options {
    /// `-s`; a package that several have is taken from the first.
    pub sources: Vec<String>,
    /// `-d`.
    pub destination: String,
    /// What the destination is.
    pub form: Form,
    /// `-c`: where what was fetched from depots is kept.
    pub cache: Option<PathBuf>,
    /// `-m`.
    pub versions: Versions,
    /// `-r`.
    pub recursive: bool,
    /// `-n`.
    pub dry_run: bool,
    /// `-v`.
    pub verbose: bool,
    /// `--mog-file`: files of rules that packages go through on their way.
    pub rules: Vec<PathBuf>,
    /// The rules, once they are read.
    pub transforms: Transforms,
    /// `--cert`, `--key`: what is shown to sources.
    pub identity: Identity,
    /// `--dcert`, `--dkey`: what is shown to the destination.
    pub identity_there: Identity,
    /// The patterns; there is one at least.
    pub patterns: Vec<String>,
}

/// What is made of the packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Packages of a repository.
    Repository,
    /// `-a`: an archive.
    Archive,
    /// `--raw`: folders of files.
    Raw,
    /// `--raw -k`: folders of files as they are stored.
    RawStored,
}

/// The arguments of `--clone`.
#[derive(Debug)]
pub struct Cloning {
    /// `-s`.
    pub source: String,
    /// `-d`.
    pub destination: String,
    /// `-p`; none = all, and all of them have to be there.
    pub publishers: Vec<String>,
    /// `-n`.
    pub dry_run: bool,
    /// `--cert`, `--key`.
    pub identity: Identity,
}

/// The options that say what is made.
#[derive(Debug, Default)]
struct Made {
    archive: bool,
    raw: bool,
    clone: bool,
    stored: bool,
    publishers: Vec<String>,
    rules: Vec<PathBuf>,
}

impl Made {
    /// The form; some options exclude each other.
    fn form(&self) -> Result<Form, Failure> {
        if self.archive && self.raw {
            return Err(Failure::usage("-a and --raw may not be used together"));
        }
        for (given, message) in [
            (self.clone && self.raw, "--clone can not be used with --raw.\n"),
            (self.clone && self.archive, "--clone can not be used with -a.\n"),
            (!self.publishers.is_empty() && !self.clone, "-p can only be used with --clone.\n"),
            (self.clone && !self.rules.is_empty(), "--mog-file can not be used with --clone.\n"),
        ] {
            if given {
                return Err(Failure::usage(message));
            }
        }
        Ok(match (self.archive, self.raw, self.stored) {
            (true, _, _) => Form::Archive,
            (false, true, false) => Form::Raw,
            (false, true, true) => Form::RawStored,
            (false, false, _) => Form::Repository,
        })
    }
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let place = |name: &str| std::env::var(name).ok().filter(|place| !place.is_empty());
    let (mut sources, mut destination) = (Vec::new(), place("PKG_DEST"));
    let (mut made, mut cache) = (Made::default(), None);
    let mut versions = Versions::All;
    let (mut recursive, mut dry_run, mut verbose, mut newest) = (false, false, false, false);
    let (mut identity, mut identity_there) = (Identity::default(), Identity::default());
    let mut patterns = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('s') => sources.push(parser.value()?.string()?),
            Short('a') => made.archive = true,
            Short('k') => made.stored = true,
            Short('c') => cache = path(parser.value()?),
            Short('p') => made.publishers.push(parser.value()?.string()?),
            Long("raw") => made.raw = true,
            Long("clone") => made.clone = true,
            Short('d') => destination = Some(parser.value()?.string()?),
            Short('m') => versions = versions_of(&parser.value()?.string()?)?,
            Short('r') => recursive = true,
            Short('n') => dry_run = true,
            Short('v') => verbose = true,
            Long("newest") => newest = true,
            // Debugging switches of pkg5 have nothing to switch.
            Short('D') | Long("debug") => drop(parser.value()?),
            Long("mog-file") => made.rules.push(PathBuf::from(parser.value()?)),
            Long("key") => identity.key = path(parser.value()?),
            Long("cert") => identity.certificate = path(parser.value()?),
            Long("dkey") => identity_there.key = path(parser.value()?),
            Long("dcert") => identity_there.certificate = path(parser.value()?),
            Short('h' | '?') | Long("help") => return Ok(Request::Help),
            Value(pattern) => patterns.push(pattern.string()?),
            other => return Err(illegal(other)),
        }
    }
    if sources.is_empty() {
        sources.extend(place("PKG_SRC"));
    }
    let missing_source = || missing("source repository");
    if made.clone {
        check_clone(newest, cache.is_some(), !patterns.is_empty())?;
    }
    if newest && !patterns.is_empty() {
        return Err(Failure::usage("--newest takes no options"));
    }
    if newest {
        return Ok(Request::Newest { source: sources.pop().ok_or_else(missing_source)?, identity });
    }
    let form = made.form()?;
    let destination = destination.ok_or_else(|| missing("destination"))?;
    if made.clone {
        let (source, publishers) = (sources.pop().ok_or_else(missing_source)?, made.publishers);
        let cloning = Cloning { source, destination, publishers, dry_run, identity };
        return Ok(Request::Clone(cloning));
    }
    check_copy(&sources, &patterns)?;
    let options = Options {
        sources,
        destination,
        form,
        cache,
        versions,
        recursive,
        dry_run,
        verbose,
        rules: made.rules,
        transforms: Transforms::default(),
        identity,
        identity_there,
        patterns,
    };
    Ok(Request::Receive(options))
}

fn missing(what: &str) -> Failure {
    Failure::usage(format!("a {what} must be provided"))
}

/// What is copied has to be said.
fn check_copy(sources: &[String], patterns: &[String]) -> Result<(), Failure> {
    match (sources, patterns) {
        ([], _) => Err(missing("source repository")),
        (_, []) => Err(Failure::usage("must specify at least one pkgfmri")),
        _ => Ok(()),
    }
}

/// A clone is the whole repository and needs nothing beside it.
fn check_clone(newest: bool, cache: bool, patterns: bool) -> Result<(), Failure> {
    for (given, message) in [
        (newest, "--clone can not be used with --newest.\n"),
        (cache, CLONE_CACHE),
        (patterns, "--clone does not support FMRI patterns"),
    ] {
        if given {
            return Err(Failure::usage(message));
        }
    }
    Ok(())
}

const CLONE_CACHE: &str = "--clone can not be used with -c.
Content will be downloaded directly to the destination repository and re-downloading after a pkgrecv failure will not be required.";

fn illegal(argument: lexopt::Arg<'_>) -> Failure {
    let message = Failure::from(argument.unexpected()).message;
    Failure::usage(message.replace("illegal", "Illegal"))
}

fn path(given: std::ffi::OsString) -> Option<PathBuf> {
    Some(PathBuf::from(given))
}

fn versions_of(text: &str) -> Result<Versions, Failure> {
    match text {
        "all-timestamps" => Ok(Versions::All),
        "all-versions" => Ok(Versions::Each),
        "latest" => Ok(Versions::Newest),
        other => Err(Failure::usage(format!("Illegal option value -- {other}"))),
    }
}
