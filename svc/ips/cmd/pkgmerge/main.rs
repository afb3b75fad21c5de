//! pkgmerge(1) - packages built for several variants become packages for all of them.
//!
//! options.rs reads the arguments, run.rs does it, publisher by publisher: a publisher whose
//! packages cannot be merged is told of at the end and keeps no other from it.

mod options;
mod run;

use std::process::ExitCode;

use ips_cmd::end;

use crate::options::{Request, parse};

const USAGE: &str = "\
Usage:
        pkgmerge [-n] -d dest_repo -s variant=value[,...],src_repo ...
            [-p publisher_prefix ... ] [--key ssl_key --cert ssl_cert]
            [pkg_fmri_pattern ...]

Options:
        -d dest_repo
                The filesystem path or URI of the target repository to publish
                the merged packages to.  The target repository must already
                exist; new repositories can be created using pkgrepo(1).

        -n
                Perform a trial run with no changes made to the target
                repository.

        -s variant=value,src_repo
                The variant name and value to use for packages from this source,
                followed by the filesystem path or URI of the source repository
                or package archive to retrieve packages from.  Multiple variants
                may be specified separated by commas.  The same variants must
                be named for all sources.  This option may be specified multiple
                times.

        -p publisher_prefix
                The name of the publisher we should merge packages from.  This
                option may be specified multiple times.  If no -p option is
                used, the default is to merge packages from all publishers in
                all source repositories.

        --cert ssl_cert
                A client SSL certificate file, shown to https sources.

        --key ssl_key
                The key of that certificate.

        --help or -?
                Displays a usage message.

";

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    let merged = match parse(lexopt::Parser::from_env()) {
        Ok(Request::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Request::Run(options)) => run::run(&options),
        Err(failure) => Err(failure),
    };
    match merged {
        Ok(failures) => {
            let all_well = if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            failures.iter().fold(all_well, |_, failure| failure.tell("pkgmerge"))
        }
        Err(failure) => end("pkgmerge", USAGE, Err(failure)),
    }
}
