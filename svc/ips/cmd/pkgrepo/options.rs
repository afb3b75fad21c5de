//! options.rs - the arguments of pkgrepo.
//!
//! `-s` stands before or after the subcommand; the others after it, mixed with operands.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ips_client::Source;
use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_cmd::table::Form;
use ips_cmd::transport::Identity;
use ips_model::fmri::is_publisher;
use lexopt::prelude::*;

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// `help`, `--help`.
    Help,
    /// `version`.
    Version,
    /// `create`.
    Create(Options),
    /// `add-publisher`.
    AddPublisher(Options),
    /// `info`.
    Info(Options),
    /// `list`.
    List(Options),
    /// `contents`.
    Contents(Options),
    /// `refresh`.
    Refresh(Options),
    /// `rebuild`.
    Rebuild(Options),
    /// `get`.
    Get(Options),
    /// `set`.
    Set(Options),
    /// `remove`.
    Remove(Options),
    /// `remove-publisher`.
    RemovePublisher(Options),
    /// `verify`.
    Verify(Options),
    /// `fix`.
    Fix(Options),
    /// `diff`.
    Diff(Options),
}

/// The arguments of a subcommand; what it does not know has its default.
#[derive(Debug, Default)]
pub struct Options {
    /// The subcommand, for messages.
    pub name: &'static str,
    /// `-s` as given; but for `diff` the last one counts.
    pub repositories: Vec<String>,
    /// `--key`, in the order of the repositories; one alone is for all.
    pub keys: Vec<PathBuf>,
    /// `--cert`, likewise.
    pub certificates: Vec<PathBuf>,
    /// `-F`.
    pub form: Form,
    /// `-H`: no heading.
    pub bare: bool,
    /// `-p`; none = all.
    pub publishers: Vec<String>,
    /// `-m`: manifests with every action (they have every action anyway).
    pub manifest: bool,
    /// `-t`: types of action.
    pub kinds: Vec<String>,
    /// `--no-catalog`.
    pub no_catalog: bool,
    /// `--no-index`.
    pub no_index: bool,
    /// `--version` of `create`.
    pub version: Option<String>,
    /// `-n`: nothing is changed.
    pub dry_run: bool,
    /// `-d` of `remove`: the day of publication, `YYYYMMDD`.
    pub day: Option<String>,
    /// `-d` of `verify`, `-v`, `-q`, `--strict`, `--parsable`.
    pub flags: BTreeSet<String>,
    /// `-i`: files that name dependencies to be passed over.
    pub ignored: Vec<PathBuf>,
    /// `--disable`: checks that are not made.
    pub disabled: Vec<String>,
    /// The operands.
    pub operands: Vec<String>,
}

/// A subcommand: its name, the options it knows beside `-s`, and what it makes of them.
type Subcommand = (&'static str, &'static [&'static str], fn(Options) -> Request);

const SUBCOMMANDS: [Subcommand; 14] = [
    ("create", &["version"], Request::Create),
    ("add-publisher", &[], Request::AddPublisher),
    ("info", &["F", "H", "p", "key", "cert"], Request::Info),
    ("list", &["F", "H", "p", "key", "cert"], Request::List),
    ("contents", &["m", "t", "key", "cert"], Request::Contents),
    ("refresh", &["p", "no-catalog", "no-index", "key", "cert"], Request::Refresh),
    ("rebuild", &["p", "no-catalog", "no-index", "key", "cert"], Request::Rebuild),
    ("get", &["F", "H", "p", "key", "cert"], Request::Get),
    ("set", &["p"], Request::Set),
    ("remove", &["n", "d", "p"], Request::Remove),
    ("remove-publisher", &["n", "synchronous"], Request::RemovePublisher),
    ("verify", &["d", "i", "p", "disable"], Request::Verify),
    ("fix", &["v", "p"], Request::Fix),
    ("diff", &["v", "q", "p", "strict", "parsable", "key", "cert"], Request::Diff),
];

impl Options {
    /// Where the repository is; `-s` is required.
    pub fn place(&self) -> Result<Place, Failure> {
        match self.repositories.last() {
            Some(text) => Place::parse(text),
            None => Err(Failure::usage("A package repository location must be provided using -s.")
                .of(self.name)),
        }
    }

    /// The same, which has to be in the file system.
    pub fn local_place(&self) -> Result<Place, Failure> {
        self.local(self.place()?)
    }

    /// Refuses a depot.
    pub fn local(&self, place: Place) -> Result<Place, Failure> {
        if !matches!(place, Place::Url(_)) {
            return Ok(place);
        }
        let told = "Network repositories are not currently supported for this operation.";
        Err(Failure::usage(told).of(self.name))
    }

    /// What is shown to the depot in that place among the repositories.
    pub fn identity(&self, at: usize) -> Identity {
        let of = |given: &[PathBuf]| match given {
            [one] => Some(one.clone()),
            several => several.get(at).cloned(),
        };
        Identity { certificate: of(&self.certificates), key: of(&self.keys) }
    }

    /// Opens the repository to take from it.
    pub fn source(&self) -> Result<Source, Failure> {
        self.place()?.source_as(&self.identity(0))
    }

    /// Whether a flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// Refuses operands, for subcommands that take none.
    pub fn no_operands(&self) -> Result<(), Failure> {
        if self.operands.is_empty() {
            return Ok(());
        }
        Err(Failure::usage("command does not take operands").of(self.name))
    }

    /// The publishers asked for that are there, in order; it is an error if there is none.
    pub fn among(&self, publishers: Vec<String>) -> Result<Vec<String>, Failure> {
        if let Some(bad) = self.publishers.iter().find(|name| !is_publisher(name)) {
            return Err(Failure::new(format!("Invalid publisher prefix '{bad}'")).of(self.name));
        }
        self.found(publishers.into_iter().filter(|name| self.wants(name)).collect())
    }

    /// What was found of the publishers asked for: of none of them is an error, which other forms
    /// than the plain one leave unsaid.
    pub fn found<T>(&self, found: Vec<T>) -> Result<Vec<T>, Failure> {
        if found.is_empty() && !self.publishers.is_empty() {
            return Err(self.unfound("no matching publishers found"));
        }
        Ok(found)
    }

    /// That nothing asked for is there.
    pub fn unfound(&self, told: &str) -> Failure {
        match self.form {
            Form::Aligned => Failure::new(told).of(self.name),
            Form::Tabs | Form::Json | Form::JsonIndented => Failure::silent(1),
        }
    }

    /// The status once it is done: 3 where a publisher asked for was not among the `found`.
    pub fn status(&self, found: &[String]) -> u8 {
        let all = self.publishers.iter().any(|name| name == "all");
        let missing = self.publishers.iter().any(|name| !found.contains(name));
        if missing && !all { 3 } else { 0 }
    }

    /// Whether a publisher is asked for.
    pub fn wants(&self, publisher: &str) -> bool {
        let all = |name: &String| name == "all" || name == publisher;
        self.publishers.is_empty() || self.publishers.iter().any(all)
    }
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let mut repositories = Vec::new();
    loop {
        match parser.next()? {
            None => return Err(Failure::usage("no subcommand specified")),
            Some(Short('s')) => repositories.push(parser.value()?.string()?),
            Some(Short('D') | Long("debug")) => drop(parser.value()?),
            Some(Short('?') | Long("help")) => return Ok(Request::Help),
            Some(Value(name)) => {
                let name = name.to_string_lossy().replace('_', "-");
                return match SUBCOMMANDS.iter().find(|(known, _, _)| *known == name) {
                    Some(subcommand) => arguments(parser, repositories, subcommand),
                    None if name == "help" => Ok(Request::Help),
                    None if name == "version" => Ok(Request::Version),
                    None => Err(Failure::usage(format!("unknown subcommand '{name}'"))),
                };
            }
            Some(other) => {
                let failure = Failure::from(other.unexpected());
                let message = failure.message.replace("illegal option", "illegal global option");
                return Err(Failure::usage(message));
            }
        }
    }
}

fn arguments(
    mut parser: lexopt::Parser,
    repositories: Vec<String>,
    (name, known, make): &Subcommand,
) -> Result<Request, Failure> {
    let mut options = Options { name, repositories, ..Options::default() };
    let told = |error: lexopt::Error| Failure::from(error).of(name);
    while let Some(argument) = parser.next().map_err(told)? {
        let option = match &argument {
            Short(letter) => letter.to_string(),
            Long(word) => (*word).to_string(),
            Value(operand) => {
                options.operands.push(operand.to_string_lossy().into_owned());
                continue;
            }
        };
        if matches!(option.as_str(), "?" | "help") {
            return Ok(Request::Help);
        }
        if option != "s" && !known.contains(&option.as_str()) {
            return Err(told(argument.unexpected()));
        }
        let mut value = || -> Result<String, Failure> {
            parser.value().and_then(ValueExt::string).map_err(told)
        };
        match option.as_str() {
            "s" => options.repositories.push(value()?),
            "F" => options.form = Form::parse(&value()?)?,
            "key" => options.keys.push(PathBuf::from(value()?)),
            "cert" => options.certificates.push(PathBuf::from(value()?)),
            "H" => options.bare = true,
            "p" => options.publishers.push(value()?),
            "m" => options.manifest = true,
            "t" => options.kinds.extend(value()?.split(',').map(str::to_string)),
            "no-catalog" => options.no_catalog = true,
            "no-index" => options.no_index = true,
            "version" => options.version = Some(value()?),
            "n" => options.dry_run = true,
            "d" if *name == "remove" => options.day = Some(value()?),
            "i" => options.ignored.push(PathBuf::from(value()?)),
            "disable" => options.disabled.push(value()?.to_lowercase()),
            "d" | "v" | "q" | "strict" | "parsable" => drop(options.flags.insert(option)),
            // Removing is done when the command is.
            _ => {}
        }
    }
    Ok(make(options))
}
