//! pkgmogrify(1) - edits manifests by rules.
//!
//! In reading order: options.rs, lines.rs (files, includes, macros), rule.rs (what a `<transform>`
//! says), pattern.rs (its regular expressions), substitute.rs (`%(…)`), apply.rs (a rule on an
//! action), run.rs (all rules on all actions).  Input is read whole before anything is changed, so
//! a rule holds wherever it stands.

mod apply;
mod lines;
mod options;
mod pattern;
mod rule;
mod run;
mod substitute;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use ips_cmd::Failure;

use crate::options::{Options, Request, parse};
use crate::run::{Ended, Output, run};

const USAGE: &str = "\
Usage:
        pkgmogrify [-i] [-I includedir ...] [-D macro=value ...]
            [-O outputfile] [-P printfile] [inputfile ...]
";

fn main() -> ExitCode {
    match mogrify() {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            let status = failure.tell("pkgmogrify");
            if failure.is_usage() {
                eprint!("{USAGE}");
            }
            status
        }
    }
}

fn mogrify() -> Result<u8, Failure> {
    let options = match parse(lexopt::Parser::from_env())? {
        Request::Help => {
            print!("{USAGE}");
            return Ok(0);
        }
        Request::Run(options) => options,
    };
    let read = lines::read(&options)?;
    match run(&read)? {
        Ended::Done(output) => {
            write(&options, &output)?;
            Ok(0)
        }
        Ended::Early { status, message } => {
            if let Some(message) = message {
                eprintln!("{message}");
            }
            Ok(status)
        }
    }
}

/// What was printed goes first, so that it leads where both go to standard output.
fn write(options: &Options, output: &Output) -> Result<(), Failure> {
    put(options.print.as_deref(), &output.printed)?;
    put(options.output.as_deref(), &output.manifest)
}

fn put(path: Option<&Path>, text: &str) -> Result<(), Failure> {
    match path {
        Some(path) => std::fs::write(path, text)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display()))),
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
    }
}
