//! options.rs - the arguments of pkgsend.
//!
//! `-s` stands before or after the subcommand; `PKG_REPO` is what it is without.

use std::path::PathBuf;

use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_cmd::transport::Identity;
use lexopt::prelude::*;

use crate::bundle::Reading;
use crate::transact::{Closing, Opening, Told};

/// What is asked for.
#[derive(Debug)]
pub enum Command {
    /// `--help`.
    Help,
    /// `publish`.
    Publish(Options),
    /// `generate`.
    Generate(Reading, Vec<PathBuf>),
    /// `open`, `append`: of a new package, or of one that is published.
    Open(Target, String, Told, Opening),
    /// `add`: the transaction and the words of the action.
    Add(Target, String, Vec<String>),
    /// `include`: the transaction, proto areas, manifests.
    Include(Target, String, Vec<PathBuf>, Vec<PathBuf>),
    /// `import`: the transaction and bundles.
    Import(Target, String, Reading, Vec<PathBuf>),
    /// `close`: the transaction, and what becomes of it.
    Close(Target, String, Closing),
    /// `create-repository`: section, property, value.
    Create(Place, Vec<(String, String, String)>),
    /// `refresh-index`: the search indexes take in what came.
    RefreshIndex(Target),
}

/// Where to publish.
#[derive(Debug)]
pub struct Target {
    /// The repository.
    pub place: Place,
    /// `--cert`, `--key`.
    pub identity: Identity,
}

/// The arguments of `publish`.
#[derive(Debug)]
pub struct Options {
    /// The destination.
    pub target: Target,
    /// It is `null:`: packages are made and come nowhere.
    pub nowhere: bool,
    /// `-D allow-timestamp`: the time in a version counts; else the package gets the time of its
    /// publication.
    pub timed: bool,
    /// Not with `--no-catalog`.
    pub catalogued: bool,
    /// `-d`: proto areas, in order.
    pub folders: Vec<PathBuf>,
    /// `-b`: bundles, looked into after the proto areas.
    pub bundles: Vec<PathBuf>,
    /// `-T`: globs of files whose times are kept.
    pub timestamps: Vec<String>,
    /// `--fmri-in-manifest`: every manifest is a package of its own.
    pub each_its_own: bool,
    /// The manifests; none = standard input.
    pub manifests: Vec<PathBuf>,
}

/// Every option a subcommand may have, and the operands.
#[derive(Debug, Default)]
struct Given {
    place: Option<String>,
    timed: bool,
    folders: Vec<PathBuf>,
    bundles: Vec<PathBuf>,
    reading: Reading,
    each_its_own: bool,
    letters: Vec<char>,
    transaction: Option<String>,
    identity: Identity,
    uncatalogued: bool,
    properties: Vec<String>,
    operands: Vec<std::ffi::OsString>,
}

/// A subcommand and the options it knows beside `-s`.
const SUBCOMMANDS: [(&str, &[&str]); 10] = [
    ("publish", &["b", "d", "T", "fmri-in-manifest", "no-catalog", "no-index", "key", "cert"]),
    ("generate", &["T", "u", "target"]),
    ("open", &["e", "n", "key", "cert"]),
    ("append", &["e", "n", "key", "cert"]),
    ("add", &[]),
    ("include", &["d", "T", "key", "cert"]),
    ("import", &["T", "target", "key", "cert"]),
    ("close", &["A", "t", "no-catalog", "no-index", "key", "cert"]),
    ("create-repository", &["set-property"]),
    ("refresh-index", &["key", "cert"]),
];

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Command, Failure> {
    let mut place = std::env::var("PKG_REPO").ok().filter(|place| !place.is_empty());
    let mut timed = false;
    loop {
        match parser.next()? {
            None => return Err(Failure::usage("")),
            Some(Short('s')) => place = Some(parser.value()?.string()?),
            Some(Short('D') | Long("debug")) => timed |= debug(&parser.value()?.string()?)?,
            Some(Short('?') | Long("help")) => return Ok(Command::Help),
            Some(Value(name)) => {
                let name = name.to_string_lossy();
                let known = SUBCOMMANDS.iter().find(|(known, _)| *known == name);
                return match known {
                    Some((name, options)) => {
                        let given = Given { place, timed, ..Given::default() };
                        subcommand(parser, given, name, options)
                    }
                    None if name == "help" => Ok(Command::Help),
                    None => Err(Failure::usage(format!("unknown subcommand '{name}'"))),
                };
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

/// Whether a switch of `-D` lets the time in a version count; others have nothing to switch here.
fn debug(switch: &str) -> Result<bool, Failure> {
    match switch {
        "allow-timestamp" => Ok(true),
        other if other.contains('=') => Ok(false),
        other => {
            let told = format!("-D takes argument of form name=value, not {other}");
            Err(Failure::usage(told))
        }
    }
}

fn subcommand(
    mut parser: lexopt::Parser,
    mut given: Given,
    name: &'static str,
    known: &[&str],
) -> Result<Command, Failure> {
    // The words of an action are its own, whatever they look like.
    if name == "add" {
        given.operands = parser.raw_args()?.collect();
    }
    while let Some(argument) = parser.next()? {
        let option = match &argument {
            Short(letter) => letter.to_string(),
            Long(word) => (*word).to_string(),
            Value(operand) => {
                given.operands.push(operand.clone());
                continue;
            }
        };
        if matches!(option.as_str(), "?" | "help") {
            return Ok(Command::Help);
        }
        if option != "s" && !known.contains(&option.as_str()) {
            let told = Failure::from(argument.unexpected()).message;
            return Err(Failure::usage(told.replace("illegal", &format!("illegal {name}"))));
        }
        match option.as_str() {
            "s" => given.place = Some(parser.value()?.string()?),
            "d" => given.folders.push(PathBuf::from(parser.value()?)),
            "b" => given.bundles.push(PathBuf::from(parser.value()?)),
            "T" => given.reading.timestamps.push(parser.value()?.string()?),
            "target" => given.reading.targets.push(parser.value()?.string()?),
            "u" => given.reading.owners = true,
            "fmri-in-manifest" => given.each_its_own = true,
            "t" => given.transaction = Some(parser.value()?.string()?),
            "set-property" => given.properties.push(parser.value()?.string()?),
            "key" => given.identity.key = Some(PathBuf::from(parser.value()?)),
            "cert" => given.identity.certificate = Some(PathBuf::from(parser.value()?)),
            "no-catalog" => given.uncatalogued = true,
            "e" | "n" | "A" => given.letters.extend(option.chars()),
            // The indexes are renewed by refresh-index and by pkgrepo refresh.
            _ => {}
        }
    }
    if name == "refresh-index" && !given.operands.is_empty() {
        return Err(Failure::usage("command does not take operands").of(name));
    }
    command(name, given)
}

fn command(name: &'static str, given: Given) -> Result<Command, Failure> {
    let paths = |operands: &[std::ffi::OsString]| operands.iter().map(PathBuf::from).collect();
    let words = || -> Vec<String> {
        given.operands.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    };
    let place = || -> Result<Place, Failure> {
        let missing = "A destination package repository must be provided using -s.";
        Place::parse(given.place.as_deref().ok_or_else(|| Failure::usage(missing).of(name))?)
    };
    let target = || Ok::<_, Failure>(Target { place: place()?, identity: given.identity.clone() });
    let some = || match given.operands.is_empty() {
        true => Err(Failure::usage("No arguments specified for subcommand.").of(name)),
        false => Ok(()),
    };
    let transaction = || {
        let named = std::env::var("PKG_TRANS_ID").ok().filter(|id| !id.is_empty());
        let missing = match name {
            "close" => "No transaction ID specified using -t or in $PKG_TRANS_ID.",
            _ => "No transaction ID specified in $PKG_TRANS_ID",
        };
        given.transaction.clone().or(named).ok_or_else(|| Failure::usage(missing).of(name))
    };
    let has = |letter| given.letters.contains(&letter);
    Ok(match name {
        "generate" => {
            some()?;
            Command::Generate(given.reading, paths(&given.operands))
        }
        "open" | "append" => {
            let told = told(has('e'), has('n')).map_err(|failure| failure.of(name))?;
            let [fmri] = words().try_into().map_err(|_: Vec<String>| {
                Failure::usage(format!("{name} requires one package name")).of(name)
            })?;
            let opening = if name == "append" { Opening::Published } else { Opening::New };
            Command::Open(target()?, fmri, told, opening)
        }
        "add" => {
            let id = transaction()?;
            some()?;
            Command::Add(target()?, id, words())
        }
        "include" => {
            let files = paths(&given.operands);
            Command::Include(target()?, transaction()?, given.folders.clone(), files)
        }
        "import" => {
            some()?;
            let (target, id) = (target()?, transaction()?);
            Command::Import(target, id, given.reading, paths(&given.operands))
        }
        "close" => {
            let closing = match (has('A'), given.uncatalogued) {
                (true, _) => Closing::Abandon,
                (false, true) => Closing::Uncatalogued,
                (false, false) => Closing::Publish,
            };
            Command::Close(target()?, transaction()?, closing)
        }
        "create-repository" => Command::Create(place()?, properties(&given.properties)?),
        "refresh-index" => Command::RefreshIndex(target()?),
        _ => Command::Publish(publication(target()?, given)),
    })
}

fn publication(target: Target, given: Given) -> Options {
    Options {
        target,
        nowhere: given.place.as_deref().is_some_and(|place| place.starts_with("null:")),
        timed: given.timed,
        catalogued: !given.uncatalogued,
        folders: given.folders,
        bundles: given.bundles,
        timestamps: given.reading.timestamps,
        each_its_own: given.each_its_own,
        manifests: given.operands.iter().map(PathBuf::from).collect(),
    }
}

/// How `open` tells the id: `-e` (for eval) or `-n`.
fn told(for_eval: bool, plain: bool) -> Result<Told, Failure> {
    match (for_eval, plain) {
        (true, true) => Err(Failure::usage("only -e or -n may be specified")),
        (false, true) => Ok(Told::Plain),
        (_, false) => Ok(Told::ForEval),
    }
}

/// `SECTION.PROPERTY=VALUE`.
fn properties(given: &[String]) -> Result<Vec<(String, String, String)>, Failure> {
    let one = |text: &String| {
        let (name, value) = text.split_once('=')?;
        let (section, property) = name.split_once('.')?;
        Some((section.to_string(), property.to_string(), value.to_string()))
    };
    let wrong = || {
        Failure::usage("property arguments must be of the form '<section.property>=<value>'.")
            .of("create-repository")
    };
    given.iter().map(|text| one(text).ok_or_else(wrong)).collect()
}
