//! pkgsend(1) - publishes packages to a repository, on disk or behind a depot.
//!
//! options.rs reads the arguments, manifests.rs the manifests, publish.rs publishes them;
//! transact.rs does it step by step.  bundle.rs reads directories and archives, generate.rs prints
//! what they deliver.

mod bundle;
mod generate;
mod manifests;
mod options;
mod publish;
mod svr4;
mod transact;

use std::process::ExitCode;

use ips_cmd::{Failure, end};

use crate::options::{Command, parse};

const USAGE: &str = "\
Usage:
        pkgsend [options] command [cmd_options] [operands]

Packager subcommands:
        pkgsend generate [-T pattern] [-u] [--target file] source ...
        pkgsend publish [-b bundle ...] [-d source ...] [-s repo_uri_or_path]
            [--key ssl_key --cert ssl_cert] [-T pattern]
            [--fmri-in-manifest] [--no-catalog] [manifest ...]

Transactions:
        pkgsend open [-en] fmri
        pkgsend append [-en] fmri
        pkgsend add action [payload] [attribute=value ...]
        pkgsend include [-d basedir] ... [manifest ...]
        pkgsend import [-T pattern] [--target file] bundle ...
        pkgsend close [-A] [--no-catalog] [-t transaction]
        pkgsend create-repository [--set-property section.property=value]
        pkgsend refresh-index

Options:
        -s repo_uri_or_path
                        the destination repository
        --help or -?    display usage message

Environment:
        PKG_REPO        The path or URI of the destination repository.
        PKG_TRANS_ID    The transaction, as printed by pkgsend open.
        PKG_CLIENT_CONNECT_TIMEOUT, PKG_CLIENT_LOWSPEED_TIMEOUT,
        PKG_CLIENT_MAX_TIMEOUT, PKG_CLIENT_MAX_REDIRECT
                        Patience with a depot; see pkgsend(1).
        SOURCE_DATE_EPOCH
                        The time, in seconds since 1970, of packages whose
                        version has none.
";

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    end("pkgsend", USAGE, run())
}

fn run() -> Result<(), Failure> {
    match parse(lexopt::Parser::from_env())? {
        Command::Help => {
            print!("{USAGE}");
            Ok(())
        }
        Command::Publish(options) => publish::publish(&options),
        Command::Generate(reading, bundles) => generate::generate(&reading, &bundles),
        Command::Open(place, fmri, told, opening) => transact::open(&place, &fmri, told, opening),
        Command::Add(place, id, words) => transact::add(&place, &id, &words),
        Command::Include(place, id, folders, files) => {
            transact::include(&place, &id, &folders, &files)
        }
        Command::Import(place, id, reading, bundles) => {
            transact::import(&place, &id, &reading, &bundles)
        }
        Command::Close(place, id, closing) => transact::close(&place, &id, closing),
        Command::Create(place, properties) => transact::create(place.directory()?, &properties),
        Command::RefreshIndex(target) => transact::refresh_index(&target),
    }
}
