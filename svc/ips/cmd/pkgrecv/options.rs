//! options.rs - the arguments of pkgrecv.

use std::path::PathBuf;

use ips_client::Versions;
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
#[derive(Debug)]
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
    /// `--mog-file`: rules that packages go through on their way.
    pub rules: Vec<PathBuf>,
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
        if self.clone && (self.archive || self.raw) {
            return Err(Failure::usage("--clone can not be used with -a or --raw"));
        }
        if self.clone && !self.rules.is_empty() {
            return Err(Failure::usage("--mog-file can not be used with --clone"));
        }
        if (self.archive || self.raw) && !self.rules.is_empty() {
            return Err(Failure::usage("--mog-file can only be used when republishing packages"));
        }
        if !self.publishers.is_empty() && !self.clone {
            return Err(Failure::usage("-p is only valid with --clone"));
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
    let missing = |what: &str| Failure::usage(format!("a {what} must be provided"));
    if sources.is_empty() {
        sources.extend(place("PKG_SRC"));
    }
    let missing_source = || missing("source repository");
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
    if sources.is_empty() {
        return Err(missing_source());
    }
    if patterns.is_empty() {
        return Err(Failure::usage("must specify at least one pkgfmri"));
    }
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
        identity,
        identity_there,
        patterns,
    };
    Ok(Request::Receive(options))
}

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
        other => Err(Failure::usage(format!("Invalid match value {other}"))),
    }
}
