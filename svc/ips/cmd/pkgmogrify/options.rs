//! options.rs - the arguments of pkgmogrify.

use std::path::PathBuf;

use ips_client::mogrify::Settings;
use ips_cmd::Failure;
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
    /// `-D`, `-I`, `-i`.
    pub settings: Settings,
    /// `-O`: where the manifest goes; none = standard output.
    pub output: Option<PathBuf>,
    /// `-P`: where `print` goes; none = standard output.
    pub print: Option<PathBuf>,
    /// The input files; none = standard input.
    pub files: Vec<PathBuf>,
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('D') => {
                let text = parser.value()?.string()?;
                let Some((name, value)) = text.split_once('=') else {
                    return Err(Failure::usage(format!(
                        "macro definition '{text}' is not of the form name=value"
                    )));
                };
                options.settings.macros.push((name.to_string(), value.to_string()));
            }
            Short('I') => options.settings.includes.push(PathBuf::from(parser.value()?)),
            Short('O') => options.output = Some(PathBuf::from(parser.value()?)),
            Short('P') => options.print = Some(PathBuf::from(parser.value()?)),
            Short('i') => options.settings.keep_includes = true,
            Short('?') | Long("help") => return Ok(Request::Help),
            Value(path) => options.files.push(PathBuf::from(path)),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Request::Run(options))
}
