//! pkgrepo(1) - makes, describes and repairs package repositories.
//!
//! options.rs reads the arguments; then a file for each subcommand.

mod add_publisher;
mod contents;
mod create;
mod get;
mod info;
mod list;
mod options;
mod renew;
mod set;

use std::process::ExitCode;

use ips_cmd::Failure;

use crate::options::{Request, parse};

const USAGE: &str = "\
Usage:
        pkgrepo [options] command [cmd_options] [operands]

Subcommands:
     pkgrepo create uri_or_path

     pkgrepo add-publisher -s repo_uri_or_path publisher ...

     pkgrepo get [-F format] [-H] [-p publisher ...] -s repo_uri_or_path
         [section/property ...]

     pkgrepo info [-F format] [-H] [-p publisher ...] -s repo_uri_or_path

     pkgrepo list [-F format] [-H] [-p publisher ...] -s repo_uri_or_path
         [pkg_fmri_pattern ...]

     pkgrepo contents [-m] [-t action_type ...] -s repo_uri_or_path
         [pkg_fmri_pattern ...]

     pkgrepo rebuild [-p publisher ...] -s repo_uri_or_path
         [--no-catalog] [--no-index]

     pkgrepo refresh [-p publisher ...] -s repo_uri_or_path
         [--no-catalog] [--no-index]

     pkgrepo set [-p publisher] -s repo_uri_or_path
         section/property=[value] ... or
         section/property=([value]) ...

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
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let status = failure.tell("pkgrepo");
            if failure.is_usage() {
                eprintln!("Try `pkgrepo --help or -?' for more information.");
            }
            status
        }
    }
}

fn run() -> Result<(), Failure> {
    match parse(lexopt::Parser::from_env())? {
        Request::Help => print!("{USAGE}"),
        Request::Version => println!("{}", env!("CARGO_PKG_VERSION")),
        Request::Create(options) => create::create(&options)?,
        Request::AddPublisher(options) => add_publisher::add_publisher(&options)?,
        Request::Info(options) => info::info(&options)?,
        Request::List(options) => list::list(&options)?,
        Request::Contents(options) => contents::contents(&options)?,
        Request::Refresh(options) => renew::refresh(&options)?,
        Request::Rebuild(options) => renew::rebuild(&options)?,
        Request::Get(options) => get::get(&options)?,
        Request::Set(options) => set::set(&options)?,
    }
    Ok(())
}
