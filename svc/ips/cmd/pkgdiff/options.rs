//! options.rs - the arguments of pkgdiff.

use std::collections::{BTreeMap, BTreeSet};

use ips_cmd::Failure;
use ips_model::Kind;
use lexopt::prelude::*;

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// `--help`.
    Help,
    /// The work.
    Run(Options),
}

/// The arguments.
#[derive(Debug, Default)]
pub struct Options {
    /// `-i`: attributes whose differences do not count.
    pub ignored: BTreeSet<String>,
    /// `-o`: the only attributes whose differences count.
    pub only: BTreeSet<String>,
    /// `-t`: types of action; none = all.
    pub kinds: Vec<Kind>,
    /// `-v`: variant → the value it has.
    pub variants: BTreeMap<String, String>,
    /// The two manifests; `-` is standard input.
    pub files: Vec<String>,
}

impl Options {
    /// Whether actions of this type are compared.
    pub fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether a difference in this attribute counts.
    pub fn counts(&self, attribute: &str) -> bool {
        if self.only.is_empty() {
            !self.ignored.contains(attribute)
        } else {
            self.only.contains(attribute)
        }
    }
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('i') => ignore(&mut options, parser.value()?.string()?),
            Short('o') => drop(options.only.insert(parser.value()?.string()?)),
            Short('t') => kinds(&mut options, &parser.value()?.string()?)?,
            // Signatures of ELF files are of no account in any comparison here.
            Short('u') => {}
            Short('v') => variant(&mut options, &parser.value()?.string()?)?,
            Short('?') | Long("help") => return Ok(Request::Help),
            Value(path) => options.files.push(path.string()?),
            other => {
                let message = Failure::from(other.unexpected()).message;
                return Err(Failure::usage(
                    message.replace("illegal option", "illegal global option"),
                ));
            }
        }
    }
    if options.files.len() != 2 {
        return Err(Failure::usage("two manifest arguments are required"));
    }
    if options.files.iter().all(|path| path == "-") {
        return Err(Failure::usage("only one manifest argument can be stdin"));
    }
    if !options.ignored.is_empty() && !options.only.is_empty() {
        return Err(Failure::usage("-i and -o options may not be used at the same time."));
    }
    Ok(Request::Run(options))
}

/// What depends on the content goes with its hash, what depends on the hash with its size.
fn ignore(options: &mut Options, name: String) {
    let also: &[&str] = match name.as_str() {
        "hash" => &["chash", "pkg.content-hash", "elfhash"],
        "size" => &["pkg.csize", "pkg.size"],
        _ => &[],
    };
    options.ignored.extend(also.iter().map(|name| (*name).to_string()));
    options.ignored.extend(["timestamp".to_string(), name]);
}

fn kinds(options: &mut Options, list: &str) -> Result<(), Failure> {
    let mut unknown = Vec::new();
    for name in list.split(',') {
        match Kind::from_name(name) {
            Some(kind) => options.kinds.push(kind),
            None => unknown.push(name),
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!("unknown action types: {}", unknown.join(", "))))
}

fn variant(options: &mut Options, text: &str) -> Result<(), Failure> {
    let wrong = || Failure::usage(format!("variant option incorrect {text}"));
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    if value.contains('=') {
        return Err(wrong());
    }
    let name = match name.starts_with("variant.") {
        true => name.to_string(),
        false => format!("variant.{name}"),
    };
    match options.variants.insert(name, value.to_string()) {
        Some(other) if other != value => {
            Err(Failure::usage("For any variant, only one value may be specified."))
        }
        Some(_) | None => Ok(()),
    }
}
