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
    /// `-D`, `-I`, `-i`, `-v`.
    pub settings: Settings,
    /// `-O`: where the manifest goes; none = standard output.
    pub output: Option<PathBuf>,
    /// `-P`: where `print` goes; none = standard output.
    pub print: Option<PathBuf>,
    /// The input files, looked for as includes are; none, and `-`, = standard input.
    pub files: Vec<String>,
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('D') => {
                let text = parser.value()?.string()?;
                let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty())
                else {
                    return Err(Failure::new("macros must be of form name=value"));
                };
                // The last word counts: a gate says `-D i386_ONLY=#` for all and then `-D i386_ONLY=`.
                options.settings.macros.retain(|(known, _)| known != name);
                options.settings.macros.push((name.to_string(), value.to_string()));
            }
            Short('I') => options.settings.includes.push(PathBuf::from(parser.value()?)),
            Short('O') => options.output = Some(PathBuf::from(parser.value()?)),
            Short('P') => options.print = Some(PathBuf::from(parser.value()?)),
            Short('v') => options.settings.verbose = true,
            Short('i') => options.settings.keep_includes = true,
            Short('?') | Long("help") => return Ok(Request::Help),
            Value(name) => options.files.push(name.string()?),
            other => {
                let message = Failure::from(other.unexpected()).message;
                return Err(Failure::usage(
                    message.replace("illegal option", "illegal global option"),
                ));
            }
        }
    }
    Ok(Request::Run(options))
}
