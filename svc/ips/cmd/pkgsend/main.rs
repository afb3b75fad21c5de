//! pkgsend(1) - publishes packages to a file repository.
//!
//! options.rs reads the arguments, manifests.rs the manifests, publish.rs does it.

mod manifests;
mod options;
mod publish;

use std::process::ExitCode;

use ips_cmd::Failure;

use crate::options::{Command, parse};

const USAGE: &str = "\
Usage:
        pkgsend [options] command [cmd_options] [operands]

Packager subcommands:
        pkgsend publish [-d source ...] [-s repo_uri_or_path]
            [-T pattern] [--fmri-in-manifest] [--no-catalog]
            [manifest ...]

Options:
        -s repo_uri_or_path
                        the destination repository
        --help or -?    display usage message

Environment:
        PKG_REPO        The path or URI of the destination repository.
        SOURCE_DATE_EPOCH
                        The time, in seconds since 1970, of packages whose
                        version has none.
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.is_usage() {
                print!("{USAGE}");
                if failure.message.is_empty() {
                    return ExitCode::from(failure.status);
                }
            }
            failure.tell("pkgsend")
        }
    }
}

fn run() -> Result<(), Failure> {
    match parse(lexopt::Parser::from_env())? {
        Command::Help => {
            print!("{USAGE}");
            Ok(())
        }
        Command::Publish(options) => publish::publish(&options),
    }
}
