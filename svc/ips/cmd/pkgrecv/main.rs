//! pkgrecv(1) - copies packages from one repository into another.
//!
//! options.rs reads the arguments, receive.rs does it (raw.rs as folders of files), told.rs says
//! what came and trial.rs what would; clone.rs makes exact copies.

mod clone;
mod options;
mod raw;
mod receive;
mod told;
mod trial;

use std::process::ExitCode;

use ips_cmd::{Failure, end};

use crate::options::{Request, parse};

const USAGE: &str = "\
Usage:
        pkgrecv [-aknrv] [-s src_uri ...] [-d (path|dest_uri)] [-c cache_dir]
            [-m match] [--raw] [--mog-file file ...]
            [--key src_key --cert src_cert]
            [--dkey dest_key --dcert dest_cert] (fmri|pattern) ...
        pkgrecv [-s src_repo_uri] [--key src_key --cert src_cert] --newest
        pkgrecv [-n] [-s src_repo_uri] [-d path] [-p publisher ...]
            [--key src_key --cert src_cert] --clone

Options:
        -a              Store the retrieved package data in a pkg(7) archive
                        at the location specified by -d.  The file may not
                        already exist.

        -c cache_dir    The path to a directory that will be used to cache
                        content downloaded from depots; a download that was
                        interrupted goes on from there.

        -d path_or_uri  The filesystem path or URI of the target repository or
                        depot to republish packages to.  The target must
                        already exist.  New repositories can be created using
                        pkgrepo(1).

        -k              Keep the retrieved package content compressed, ignored
                        when republishing.

        -m match        Controls matching behaviour using the following values:
                            all-timestamps (default)
                                includes all matching timestamps (implies
                                all-versions)
                            all-versions
                                includes all matching versions
                            latest
                                includes only the latest version of each package

        -n              Perform a trial run with no changes made.

        -p publisher    Only clone the given publisher.  Can be specified
                        multiple times.  Only valid with --clone.

        -r              Recursively evaluates all dependencies for the provided
                        list of packages and adds them to the list.

        -s src_uri      The path or URI of the package repository or archive to
                        receive package data from.  Can be specified multiple
                        times.

        -v              Display verbose output.

        --clone         Make an exact copy of the source repository.  Publishers
                        that the destination lacks have to be named with -p.
                        Packages in the destination repository which are not in
                        the source will be removed.

        --cert src_cert, --key src_key
                        The client SSL certificate and key file to show to the
                        source.

        --dcert dest_cert, --dkey dest_key
                        The client SSL certificate and key file to show to the
                        destination.

        --mog-file file Apply the rules in this file, in the language of
                        pkgmogrify(1), to each package.  Signatures are left
                        out.  Can be specified multiple times.

        --raw           Retrieve and store the raw package data in a set of
                        directory structures by stem and version at the location
                        specified by -d.

        --newest        List the most recent versions of the packages available
                        from the specified repository and exit.

Environment:
        PKG_DEST        The path or URI of the destination repository.
        PKG_SRC         The path or URI of the source repository.
        PKG_CLIENT_CONNECT_TIMEOUT, PKG_CLIENT_LOWSPEED_TIMEOUT,
        PKG_CLIENT_MAX_TIMEOUT, PKG_CLIENT_MAX_REDIRECT
                        Patience with a depot; see pkgrecv(1).
";

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    end("pkgrecv", USAGE, run())
}

fn run() -> Result<(), Failure> {
    match parse(lexopt::Parser::from_env())? {
        Request::Help => {
            print!("{USAGE}");
            Ok(())
        }
        Request::Newest { source, identity } => receive::newest(&source, &identity),
        Request::Receive(options) => receive::receive(&options),
        Request::Clone(options) => clone::clone(&options),
    }
}
