//! pkgdepend(1) - what delivered files need, and the packages that meet it.
//!
//! In reading order: options.rs, generate.rs with proto.rs (files of proto areas), resolve.rs with
//! reference.rs (packages that are there already) and write.rs.  What follows from the texts is
//! decided in `ips_publish`.  Status 0: done; 1: something is missing; 2: the arguments are wrong.

mod generate;
mod options;
mod proto;
mod reference;
mod resolve;
mod write;

use std::process::ExitCode;

use ips_cmd::Failure;

use crate::options::{Request, parse};

const USAGE: &str = "\
Usage:
        pkgdepend [options] command [cmd_options] [operands]

Subcommands:
        pkgdepend generate [-IMm] -d dir [-d dir] [-D name=value] [-k path]
            manifest_file
        pkgdepend resolve [-EmoSv] [-d output_dir]
            [-e external_package_file]... [-g repository]... [-s suffix]
            manifest_file ...

Options:
        -R dir
        --help or -?
Environment:
        PKG_IMAGE
";

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    match run() {
        Ok(status) => status,
        Err(failure) => {
            let status = failure.tell("pkgdepend");
            if failure.is_usage() {
                eprint!("{USAGE}");
            }
            status
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    match parse(lexopt::Parser::from_env())? {
        Request::Help => {
            eprint!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        Request::Nothing => {
            eprint!("{USAGE}");
            Ok(ExitCode::from(2))
        }
        Request::Generate(options) => generate::run(&options),
        Request::Resolve(options) => resolve::run(&options),
    }
}
