//! pkgrepo(1) - makes, describes and repairs package repositories.
//!
//! options.rs reads the arguments; then a file for each subcommand.

mod add_publisher;
mod contents;
mod create;
mod diff;
mod findings;
mod fix;
mod get;
mod info;
mod list;
mod options;
mod remove;
mod remove_publisher;
mod renew;
mod set;
mod verify;

use std::process::ExitCode;

use ips_cmd::Failure;

use crate::options::{Request, parse};

const USAGE: &str = "\
Usage:
        pkgrepo [options] command [cmd_options] [operands]

Subcommands:
     pkgrepo create [--version ver] uri_or_path

     pkgrepo add-publisher -s repo_uri_or_path publisher ...

     pkgrepo remove-publisher [-n] [--synchronous] -s repo_uri_or_path
         publisher ...

     pkgrepo get [-F format] [-H] [-p publisher ...] -s repo_uri_or_path
         [--key ssl_key ... --cert ssl_cert ...] [section/property ...]

     pkgrepo info [-F format] [-H] [-p publisher ...] -s repo_uri_or_path
         [--key ssl_key ... --cert ssl_cert ...]

     pkgrepo list [-F format] [-H] [-p publisher ...] -s repo_uri_or_path
         [--key ssl_key ... --cert ssl_cert ...] [pkg_fmri_pattern ...]

     pkgrepo contents [-m] [-t action_type ...] -s repo_uri_or_path
         [--key ssl_key ... --cert ssl_cert ...] [pkg_fmri_pattern ...]

     pkgrepo rebuild [-p publisher ...] -s repo_uri_or_path
         [--key ssl_key ... --cert ssl_cert ...] [--no-catalog] [--no-index]

     pkgrepo refresh [-p publisher ...] -s repo_uri_or_path
         [--key ssl_key ... --cert ssl_cert ...] [--no-catalog] [--no-index]

     pkgrepo remove [-n] [-p publisher ...] [-d YYYYMMDD] -s repo_uri_or_path
         pkg_fmri_pattern ...

     pkgrepo set [-p publisher ...] -s repo_uri_or_path
         section/property=[value] ... or
         section/property=([value]) ...

     pkgrepo verify [-d] [-p publisher ...] [-i ignored_dep_file ...]
         [--disable verification ...] -s repo_uri_or_path

     pkgrepo fix [-v] [-p publisher ...] -s repo_uri_or_path

     pkgrepo diff [-vq] [--strict] [--parsable] [-p publisher ...]
         -s first_repo_uri_or_path [--key ssl_key ... --cert ssl_cert ...]
         -s second_repo_uri_or_path [--key ssl_key ... --cert ssl_cert ...]

     pkgrepo help
     pkgrepo version

Options:
        -s repo_uri_or_path
                A URI or filesystem path representing the location of a
                package repository.
        --help or -?
                Displays a usage message.
";

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    match run() {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            let status = failure.tell("pkgrepo");
            if failure.is_usage() {
                eprintln!("Try `pkgrepo --help or -?' for more information.");
            }
            status
        }
    }
}

/// Does it; the exit status of a subcommand that says all there is to say itself.
fn run() -> Result<u8, Failure> {
    match parse(lexopt::Parser::from_env())? {
        Request::Help => print!("{USAGE}"),
        Request::Version => println!("{}", env!("CARGO_PKG_VERSION")),
        Request::Create(options) => create::create(&options)?,
        Request::AddPublisher(options) => add_publisher::add_publisher(&options)?,
        Request::Info(options) => return info::info(&options),
        Request::List(options) => list::list(&options)?,
        Request::Contents(options) => contents::contents(&options)?,
        Request::Refresh(options) => return renew::refresh(&options),
        Request::Rebuild(options) => return renew::rebuild(&options),
        Request::Get(options) => return get::get(&options),
        Request::Set(options) => set::set(&options)?,
        Request::Remove(options) => remove::remove(&options)?,
        Request::RemovePublisher(options) => remove_publisher::remove_publisher(&options)?,
        Request::Verify(options) => return verify::verify(&options),
        Request::Fix(options) => return fix::fix(&options),
        Request::Diff(options) => return diff::diff(&options),
    }
    Ok(0)
}
