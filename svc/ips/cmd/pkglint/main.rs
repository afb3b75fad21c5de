//! pkglint(1) - checks packages before they are published, by themselves and with others.
//!
//! In reading order: options.rs, rc.rs (pkglintrc), read.rs (manifests), images.rs (packages of
//! repositories, by a folder that remembers them), list.rs (`-L`).  The checks are
//! `ips_publish::lint`.  Status 0: nothing worse than a warning; 1: errors; 2: it could not be done.

mod images;
mod list;
mod options;
mod rc;
mod read;

use std::process::ExitCode;

use ips_cmd::Failure;
use ips_publish::lint::{Classification, Level, Setup, World, listed, run};

use crate::options::{Options, Request, USAGE, parse};

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    let done = match parse(lexopt::Parser::from_env()) {
        Ok(Request::Help(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Request::Run(options)) => lint(&options),
        Err(failure) => Err(failure),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) if failure.is_usage() => {
            eprint!("{USAGE}\npkglint: error: {}\n", failure.message);
            ExitCode::from(failure.status)
        }
        Err(failure) => {
            let status = failure.tell("pkglint");
            println!("Error: {}", failure.message);
            status
        }
    }
}

/// Whether nothing worse than a warning was found.
fn lint(options: &Options) -> Result<bool, Failure> {
    if !options.list {
        println!("Lint engine setup...");
    }
    let config = rc::read(options)?;
    if options.list {
        list::print(&config, options.verbose);
        return Ok(true);
    }
    if (!options.lint.is_empty() || !options.reference.is_empty()) && options.cache.is_none() {
        return Err(Failure::usage("Required -c option missing when using repositories."));
    }
    let mut out = |line: &str| eprintln!("{line}");
    let Some(local) = read::manifests(&options.manifests, &mut out) else {
        return Err(Failure::new("Fatal error in manifest - exiting."));
    };
    let mut world = World { local, ..World::default() };
    world.local.sort_by(|one, other| one.fmri.cmp(&other.fmri));
    images::add(options, &config, &mut world)?;
    let path = config.get("info_classification_path").unwrap_or_default();
    let text = std::fs::read_to_string(&path).ok();
    let least = match options.verbose {
        true => Level::Debug,
        false => config.level().map_err(Failure::argument)?,
    };
    let classification = Classification::of_file(&path, text.as_deref());
    let setup = Setup { config: &config, least, classification };
    println!("Starting lint run...");
    if options.verbose {
        println!("Total number of checks found: {}", listed(&config).0.len());
    }
    Ok(run(&world, &setup, &mut out))
}
