//! pkgdiff(1) - what is different between two manifests.
//!
//! In reading order: options.rs, variants.rs (one variant's view of a manifest), compare.rs (which
//! actions differ), report.rs (how it is told).  Status 0: nothing; 1: something; 3: no comparison.

mod compare;
mod options;
mod report;
mod variants;

use std::process::ExitCode;

use ips_cmd::Failure;
use ips_model::Manifest;

use crate::compare::differences;
use crate::options::{Request, parse};

const USAGE: &str = "\
Usage:
        pkgdiff [-i attribute]... [-o attribute]...
            [-t action_name[,action_name]...]...
            [-v name=value]... (file1 | -) (file2 | -)
";

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    match run() {
        Ok(text) => {
            print!("{text}");
            if text.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => {
            let status = failure.tell("pkgdiff");
            if failure.is_usage() {
                print!("{USAGE}");
            }
            status
        }
    }
}

fn run() -> Result<String, Failure> {
    let options = match parse(lexopt::Parser::from_env())? {
        Request::Help => {
            print!("{USAGE}");
            return Ok(String::new());
        }
        Request::Run(options) => options,
    };
    let [mut old, mut new] = [read(&options.files[0])?, read(&options.files[1])?];
    for (path, manifest) in options.files.iter().zip([&mut old, &mut new]) {
        manifest.actions.retain(|action| options.wants(action.kind));
        for (variant, value) in &options.variants {
            variants::restrict(manifest, path, variant, value)?;
        }
    }
    variants::agree(&old, &new)?;
    Ok(report::text(&differences(&old, &new), &options))
}

fn read(path: &str) -> Result<Manifest, Failure> {
    let text = match path {
        "-" => std::io::read_to_string(std::io::stdin()),
        path => std::fs::read_to_string(path),
    };
    let text = text.map_err(|error| Failure::partial(format!("{path}: {error}")))?;
    Manifest::parse(&text)
        .map_err(|error| Failure::partial(format!("Action error in file {path}: {error}")))
}
