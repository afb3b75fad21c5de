//! options.rs - the arguments of pkgrecv.

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
}

/// The arguments of copying.
#[derive(Debug)]
pub struct Options {
    /// `-s`.
    pub source: String,
    /// `-d`.
    pub destination: String,
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

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let place = |name: &str| std::env::var(name).ok().filter(|place| !place.is_empty());
    let (mut source, mut destination) = (place("PKG_SRC"), place("PKG_DEST"));
    let mut versions = Versions::All;
    let (mut recursive, mut dry_run, mut verbose, mut newest) = (false, false, false, false);
    let mut patterns = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('s') => source = Some(parser.value()?.string()?),
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
    if newest {
        let source = source.ok_or_else(|| missing("source repository"))?;
        return Ok(Request::Newest { source });
    }
    let destination = destination.ok_or_else(|| missing("destination"))?;
    let source = source.ok_or_else(|| missing("source repository"))?;
    if patterns.is_empty() {
        return Err(Failure::usage("must specify at least one pkgfmri"));
    }
    let options = Options { source, destination, versions, recursive, dry_run, verbose, patterns };
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
