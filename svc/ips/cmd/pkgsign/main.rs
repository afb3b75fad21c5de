//! pkgsign(1) - adds signatures to packages of a repository, on disk or behind a depot.
//!
//! options.rs reads the arguments, sign.rs does it, package by package.

mod options;
mod sign;

use std::process::ExitCode;

use ips_cmd::{Failure, end};

use crate::options::{Request, parse};

const USAGE: &str = "\
Usage:
        pkgsign -s path_or_uri [-acikn] [--no-index] [--no-catalog]
            [--dkey ssl_key --dcert ssl_cert] (fmri|pattern) ...

Options:
        -a algorithm    The signature algorithm: rsa-sha256 (the default with a
                        key), rsa-sha384, rsa-sha512, sha256 (the default
                        without), sha384, sha512.

        -c cert         The file of the certificate that the key belongs to.

        -i cert         The file of a certificate between that one and a trust
                        anchor.  Can be specified multiple times.

        -k key          The file of the private key to sign with.

        -n              Perform a trial run that does not change the repository.

        -s path_or_uri  The path or URI of the repository.

        --dcert ssl_cert, --dkey ssl_key
                        The client SSL certificate and key file to show to the
                        repository.

        --no-catalog    Accepted; a signed package is always catalogued, since
                        clients refuse a manifest that the catalog does not
                        name.

        --no-index      Accepted; indexes are renewed by pkgrepo refresh.

        --help          Display a usage message.

Environment:
        PKG_REPO        The path or URI of the repository.
";

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    end("pkgsign", USAGE, run())
}

fn run() -> Result<(), Failure> {
    match parse(lexopt::Parser::from_env())? {
        Request::Help => {
            print!("{USAGE}");
            Ok(())
        }
        Request::Sign(options) => sign::sign(&options),
    }
}
