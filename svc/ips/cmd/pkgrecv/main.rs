//! pkgrecv(1) - copies packages from one repository into another.
//!
//! options.rs reads the arguments, receive.rs does it, trial.rs tells what it would do.

mod options;
mod receive;
mod trial;

use std::process::ExitCode;

use ips_cmd::Failure;

use crate::options::{Request, parse};

const USAGE: &str = "\
Usage:
        pkgrecv [-nrv] [-s src_uri] [-d (path|dest_uri)] [-m match]
            (fmri|pattern) ...
        pkgrecv [-s src_repo_uri] --newest

Options:
        -d path_or_uri  The filesystem path or file:// URI of the target
                        repository to republish packages to.  The target must
                        already exist.  New repositories can be created using
                        pkgrepo(1).

        -m match        Controls matching behaviour using the following values:
                            all-timestamps (default)
                                includes all matching timestamps (implies
                                all-versions)
                            all-versions
                                includes all matching versions
                            latest
                                includes only the latest version of each package

        -n              Perform a trial run with no changes made.

        -r              Recursively evaluates all dependencies for the provided
                        list of packages and adds them to the list.

        -s src_uri      The path or URI of the package repository to receive
                        package data from.

        -v              Display verbose output.

        --newest        List the most recent versions of the packages available
                        from the specified repository and exit.

Environment:
        PKG_DEST        The path or URI of the destination repository.
        PKG_SRC         The path or URI of the source repository.
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.is_usage() {
                print!("{USAGE}");
            }
            failure.tell("pkgrecv")
        }
    }
}

fn run() -> Result<(), Failure> {
    match parse(lexopt::Parser::from_env())? {
        Request::Help => {
            print!("{USAGE}");
            Ok(())
        }
        Request::Newest { source } => receive::newest(&source),
        Request::Receive(options) => receive::receive(&options),
    }
}
