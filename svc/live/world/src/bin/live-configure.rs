//! live-configure - a live workspace is looked at, and made ready to build: what `./configure` runs.
//!
//! Standard output: what is well, and what is worth knowing.  Standard error: everything that is
//! wrong, each with what mends it.  Status 0 ready, 1 something is wrong, 2 usage.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use lexopt::prelude::*;
use live_world::Workspace;
use live_world::check::{About, Report};
use live_world::configure::{Depth, configure};
use live_world::host::Host;
use live_world::site::{Site, VARIABLES};
use stage::watch::Wish;

const USAGE: &str = "\
usage: configure [--check]
  --check     look, and change nothing
  -C DIR      the workspace; without, where configure was started
  -h, --help  this, and what configure.* files may set
";

struct Options {
    top: PathBuf,
    depth: Depth,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", help());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("configure: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("configure: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let lines = VARIABLES.iter().map(|(name, what)| format!("  {name:<27} {what}\n"));
    format!("{USAGE}\nconfigure.* files are sh, and may set:\n{}", lines.collect::<String>())
}

fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options { top: PathBuf::from("."), depth: Depth::Whole };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("check") => options.depth = Depth::Check,
            Short('C') => options.top = parser.value()?.into(),
            Long("help") | Short('h' | '?') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

/// PREFIX/lib/lamplighter/live-configure, unless the environment knows better.
fn prefix() -> Result<PathBuf> {
    let set = std::env::var_os("LAMPLIGHTER_PREFIX").filter(|set: &OsString| !set.is_empty());
    if let Some(set) = set {
        return Ok(PathBuf::from(set));
    }
    let program = std::env::current_exe().context("the path of this program")?;
    let prefix = program.ancestors().nth(3).unwrap_or(Path::new("/"));
    Ok(prefix.to_owned())
}

fn run(options: &Options) -> Result<ExitCode> {
    let workspace = Workspace::at(&options.top)?;
    let prefix = prefix()?;
    let host = Host::here(&std::env::var("PATH").unwrap_or_default());
    let wish = Wish::new().context("a wish to stop")?;
    wish.hear_signals().context("signals")?;
    // A site file that fails is one of the problems, and hides none of the others.
    let (site, failed) = match Site::read(workspace.top(), &prefix) {
        Ok(site) => (site, None),
        Err(error) => (Site::default(), Some(error.to_string())),
    };
    let depth = if failed.is_some() { Depth::Check } else { options.depth };
    let about = About { workspace: &workspace, host: &host, site: &site };
    let say = &mut |text: &str| println!("{text} ...");
    let mut report = configure(&about, &prefix, depth, wish.cancel(), say)?;
    if let Some(error) = failed {
        report.problem(error, "mend that file; what it should have set is missing above");
    }
    Ok(tell(&report, options.depth))
}

fn tell(report: &Report, depth: Depth) -> ExitCode {
    report.good.iter().for_each(|line| println!("ok      {line}"));
    report.notices.iter().for_each(|line| println!("note    {line}"));
    for problem in &report.problems {
        eprintln!("WRONG   {}\n  mend: {}", problem.what, problem.mend);
    }
    match (report.problems.len(), depth) {
        (0, Depth::Check) => println!("configure: nothing is wrong"),
        (0, Depth::Whole) => println!("configure: done; next: gmake world"),
        (count, _) => {
            let things = if count == 1 { "thing is" } else { "things are" };
            eprintln!("configure: {count} {things} wrong; nothing was written");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
