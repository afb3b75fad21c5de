//! options.rs - the arguments of pkgrecv.

use std::path::PathBuf;

use ips_client::Versions;
use ips_cmd::Failure;
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
}

/// The options that say what is made.
#[derive(Debug, Default)]
struct Made {
    archive: bool,
    raw: bool,
    clone: bool,
    stored: bool,
    publishers: Vec<String>,
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
    let mut patterns = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('s') => sources.push(parser.value()?.string()?),
            Short('a') => made.archive = true,
            Short('k') => made.stored = true,
            Short('c') => cache = Some(PathBuf::from(parser.value()?)),
            Short('p') => made.publishers.push(parser.value()?.string()?),
            Long("raw") => made.raw = true,
            Long("clone") => made.clone = true,
            Short('d') => destination = Some(parser.value()?.string()?),
            Short('m') => versions = versions_of(&parser.value()?.string()?)?,
            Short('r') => recursive = true,
            Short('n') => dry_run = true,
            Short('v') => verbose = true,
            Long("newest") => newest = true,
            Short('h' | '?') | Long("help") => return Ok(Request::Help),
            Value(pattern) => patterns.push(pattern.string()?),
            other => {
                let message = Failure::from(other.unexpected()).message;
                return Err(Failure::usage(message.replace("illegal", "Illegal")));
            }
        }
    }
    let missing = |what: &str| Failure::usage(format!("a {what} must be provided"));
    if sources.is_empty() {
        sources.extend(place("PKG_SRC"));
    }
    if newest {
        let source = sources.pop().ok_or_else(|| missing("source repository"))?;
        return Ok(Request::Newest { source });
    }
    let form = made.form()?;
    let destination = destination.ok_or_else(|| missing("destination"))?;
    if sources.is_empty() {
        return Err(missing("source repository"));
    }
    if made.clone {
        let source = sources.pop().ok_or_else(|| missing("source repository"))?;
        let publishers = made.publishers;
        return Ok(Request::Clone(Cloning { source, destination, publishers, dry_run }));
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
        patterns,
    };
    Ok(Request::Receive(options))
}

fn versions_of(text: &str) -> Result<Versions, Failure> {
    match text {
        "all-timestamps" => Ok(Versions::All),
        "all-versions" => Ok(Versions::Each),
        "latest" => Ok(Versions::Newest),
        other => Err(Failure::usage(format!("Invalid match value {other}"))),
    }
}
