//! pkgmogrify(1) - edits manifests by rules.
//!
//! options.rs reads the arguments; the language of the rules is ips_client's `mogrify`.

mod options;

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use ips_client::mogrify::{self, Ended, Output};
use ips_cmd::{Failure, output};

use crate::options::{Options, Request, parse};

const USAGE: &str = "\
Usage:
        pkgmogrify [-vi] [-I includedir ...] [-D macro=value ...]
            [-O outputfile] [-P printfile] [inputfile ...]
";

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    match mogrify() {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            let status = failure.tell("pkgmogrify");
            if failure.is_usage() {
                print!("{USAGE}");
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
    let read = mogrify::read(&texts(&options)?, &options.settings).map_err(Failure::new)?;
    match mogrify::run(&read).map_err(Failure::new)? {
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

/// The input files, by name; standard input where none is named.
fn texts(options: &Options) -> Result<Vec<(String, String)>, Failure> {
    let stream = |name: &str| {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok((name.to_string(), text))
    };
    if options.files.is_empty() {
        return Ok(vec![stream("<stdin>")?]);
    }
    let read = |name: &String| {
        if name == "-" {
            return stream(name);
        }
        let told = |error| Failure::new(format!("Error processing input arguments: {error}"));
        let path = mogrify::find(name, &options.settings).map_err(told)?;
        Ok((path.display().to_string(), mogrify::text_of(&path).map_err(told)?))
    };
    options.files.iter().map(read).collect()
}

/// What was printed goes first, so that it leads where both go to standard output.
fn write(options: &Options, output: &Output) -> Result<(), Failure> {
    put(options.print.as_deref(), &output.printed, "extra data")?;
    put(options.output.as_deref(), &output.manifest, "output")
}

fn put(path: Option<&Path>, text: &str, what: &str) -> Result<(), Failure> {
    match path {
        Some(path) => output::replace(path, text).map_err(|error| {
            Failure::new(format!("Cannot write {what} {}: {error}", path.display()))
        }),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}
