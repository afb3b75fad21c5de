//! options.rs - the arguments of pkglint.

use std::path::PathBuf;

use ips_cmd::Failure;
use lexopt::prelude::*;

/// How it is called.
pub const USAGE: &str = "\
Usage: 
        pkglint [-b build_no] [-c cache_dir] [-f file]
            [-l uri ...] [-p regexp] [-r uri ...] [-v]
            [-e extension_path ...] manifest ...
        pkglint -L
";

const HELP: &str = "
Options:
  -h, --help  show this help message and exit
  -b build_no        build to use from lint and reference repositories
  -c dir             directory to use as a repository cache
  -f file            specify an alternative pkglintrc file
  -l uri             lint repository URI
  -L                 list checks configured for this session and exit
  -p regexp          pattern to match FMRIs in lint URI
  -r uri             reference repository URI
  -v                 produce verbose output, overriding settings in pkglintrc
  -e extension_path  extra paths to search for extensions
";

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// `--help`: the text.
    Help(String),
    /// The work.
    Run(Options),
}

/// The arguments.
#[derive(Debug, Default)]
pub struct Options {
    /// `-b`: no package of a later build.
    pub build: Option<String>,
    /// `-c`: where repositories are remembered.
    pub cache: Option<PathBuf>,
    /// `-f`: the pkglintrc.
    pub config: Option<PathBuf>,
    /// `-l`: repositories that are checked.
    pub lint: Vec<String>,
    /// `-L`: list the checks.
    pub list: bool,
    /// `-p`: which packages of the lint repositories.
    pub pattern: Option<String>,
    /// `-r`: repositories that are checked with.
    pub reference: Vec<String>,
    /// `-v`: tell everything.
    pub verbose: bool,
    /// The manifests.
    pub manifests: Vec<PathBuf>,
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let mut options = Options::default();
    while let Some(argument) = parser.next().map_err(told)? {
        match argument {
            Short('b') => options.build = Some(text(&mut parser)?),
            Short('c') => options.cache = Some(PathBuf::from(text(&mut parser)?)),
            Short('f') => options.config = Some(PathBuf::from(text(&mut parser)?)),
            Short('l') => options.lint.push(text(&mut parser)?),
            Short('L') => options.list = true,
            Short('p') => options.pattern = Some(text(&mut parser)?),
            Short('r') => options.reference.push(text(&mut parser)?),
            Short('v') => options.verbose = true,
            // Where extensions in Python would be; one that pkglintrc names is refused there.
            Short('e') => drop(text(&mut parser)?),
            Short('h') | Long("help") => return Ok(Request::Help(format!("{USAGE}{HELP}"))),
            Value(path) => options.manifests.push(PathBuf::from(path)),
            other => return Err(told(other.unexpected())),
        }
    }
    if options.cache.is_none() && !options.list && options.manifests.is_empty() {
        let message = "Required -c option missing, no local manifests provided.";
        return Err(Failure::usage(message));
    }
    Ok(Request::Run(options))
}

fn text(parser: &mut lexopt::Parser) -> Result<String, Failure> {
    parser.value().and_then(|value| value.string()).map_err(told)
}

fn told(error: lexopt::Error) -> Failure {
    Failure::usage(match error {
        lexopt::Error::UnexpectedOption(option) => format!("no such option: {option}"),
        lexopt::Error::MissingValue { option: Some(option) } => {
            format!("{option} option requires 1 argument")
        }
        error => error.to_string(),
    })
}
