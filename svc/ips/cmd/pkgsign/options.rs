//! options.rs - the arguments of pkgsign.

use std::path::PathBuf;

use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_cmd::transport::Identity;
use ips_model::signature::Algorithm;
use lexopt::prelude::*;

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// `--help`.
    Help,
    /// The work.
    Sign(Options),
}

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// `-s`.
    pub place: Place,
    /// `--dcert`, `--dkey`.
    pub identity: Identity,
    /// `-a`.
    pub algorithm: Algorithm,
    /// `-k` and `-c`.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// `-i`.
    pub chain: Vec<PathBuf>,
    /// `-n`.
    pub dry_run: bool,
    /// The patterns; there is one at least.
    pub patterns: Vec<String>,
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let mut place = std::env::var("PKG_REPO").ok().filter(|place| !place.is_empty());
    let (mut algorithm, mut key, mut certificate) = (None, None, None);
    let (mut chain, mut patterns) = (Vec::new(), Vec::new());
    let (mut dry_run, mut identity) = (false, Identity::default());
    while let Some(argument) = parser.next()? {
        match argument {
            Short('a') => algorithm = Some(parser.value()?.string()?),
            Short('c') => certificate = Some(file(parser.value()?, "certificate")?),
            Short('i') => chain.push(file(parser.value()?, "certificate")?),
            Short('k') => key = Some(file(parser.value()?, "key file")?),
            Short('n') => dry_run = true,
            Short('s') => place = Some(parser.value()?.string()?),
            Long("no-index" | "no-catalog") => {}
            // Debugging switches of pkg5 have nothing to switch.
            Short('D') => drop(parser.value()?),
            Long("dkey") => identity.key = Some(PathBuf::from(parser.value()?)),
            Long("dcert") => identity.certificate = Some(PathBuf::from(parser.value()?)),
            Short('?') | Long("help") => return Ok(Request::Help),
            Value(pattern) => patterns.push(pattern.string()?),
            Short(option) => return Err(illegal(&option.to_string())),
            Long(option) => return Err(illegal(option)),
        }
    }
    let place = place.ok_or_else(|| Failure::usage("a repository must be provided"))?;
    let pair = match (key, certificate) {
        (Some(key), Some(certificate)) => Some((key, certificate)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(Failure::usage(
                "If a key is given to sign with, its associated certificate must be given.",
            ));
        }
        (None, Some(_)) => {
            return Err(Failure::usage(
                "If a certificate is given, its associated key must be given.",
            ));
        }
    };
    if !chain.is_empty() && pair.is_none() {
        return Err(Failure::usage(
            "Intermediate certificates are only valid if a key and certificate are also provided.",
        ));
    }
    if patterns.is_empty() {
        return Err(Failure::usage("At least one fmri or pattern must be provided to sign."));
    }
    let algorithm = algorithm_of(algorithm, pair.is_some())?;
    let place = Place::parse(&place)?;
    Ok(Request::Sign(Options { place, identity, algorithm, pair, chain, dry_run, patterns }))
}

fn illegal(option: &str) -> Failure {
    Failure::usage(format!("illegal global option -- {option}"))
}

/// The path of a file that has to be there.
fn file(given: std::ffi::OsString, what: &str) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(PathBuf::from(given))?;
    if path.is_file() {
        return Ok(path);
    }
    let told = format!("{} was expected to be a {what} but isn't a file.", path.display());
    Err(Failure::usage(told))
}

/// An algorithm with `rsa` needs a key, one without can have none.
fn algorithm_of(given: Option<String>, with_key: bool) -> Result<Algorithm, Failure> {
    let usual = if with_key { "rsa-sha256" } else { "sha256" };
    let name = given.unwrap_or_else(|| usual.to_string());
    let unknown = || Failure::usage(format!("{name} is not a recognized signature algorithm."));
    let algorithm = Algorithm::parse(&name).ok_or_else(unknown)?;
    match algorithm {
        Algorithm::Rsa(_) if !with_key => Err(Failure::usage(format!(
            "Using {name} as the signature algorithm requires that a key and certificate pair be presented using the -k and -c options."
        ))),
        Algorithm::Digest(_) if with_key => Err(Failure::usage(format!(
            "The {name} hash algorithm does not use a key or certificate.  Do not use the -k or -c options with this algorithm."
        ))),
        Algorithm::Rsa(_) | Algorithm::Digest(_) => Ok(algorithm),
    }
}
