//! live-world - the sources of a live workspace are built into its proto area: what `gmake world`
//! runs.
//!
//! Status 0 done, 1 something failed, 2 usage, 128 + N ended by signal N.  The last line on standard error says what: the
//! step, the first error, the log.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;
use live_world::build::{Builder, Settings};
use live_world::clean::{Extent, clean};
use live_world::steps::{Step, due, named};
use live_world::update::{Updated, update};
use live_world::{Workspace, buildstamp};
use stage::watch::{Reason, Wish};

const USAGE: &str = "\
usage: live-world [-C DIR] [-j JOBS] [STEP]...
       live-world [-C DIR] --list | --clean | --clobber | --update
STEP: world (the default), illumos, extra, local, local-NAME, livesrc.
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Build,
    List,
    Clean(Extent),
    Update,
}

struct Options {
    top: PathBuf,
    jobs: Option<usize>,
    verb: Verb,
    steps: Vec<String>,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("live-world: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let wish = match Wish::new() {
        Ok(wish) => wish,
        Err(error) => return failed(&error.into()),
    };
    match (run(&options, &wish), wish.reason()) {
        (Ok(()), _) => ExitCode::SUCCESS,
        (Err(_), Some(Reason::Signal(signal))) => {
            eprintln!("live-world: stopped by {signal}; the same command goes on");
            ExitCode::from(128u8.wrapping_add(signal as u8))
        }
        (Err(error), _) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("live-world: {error:#}");
    ExitCode::FAILURE
}

fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options =
        Options { top: PathBuf::from("."), jobs: None, verb: Verb::Build, steps: Vec::new() };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('C') => options.top = parser.value()?.into(),
            Short('j') => options.jobs = Some(parser.value()?.parse()?),
            Long("list") => options.verb = Verb::List,
            Long("clean") => options.verb = Verb::Clean(Extent::World),
            Long("clobber") => options.verb = Verb::Clean(Extent::Everything),
            Long("update") => options.verb = Verb::Update,
            Long("help") | Short('h' | '?') => return Ok(None),
            Value(step) => options.steps.push(step.string()?),
            other => return Err(other.unexpected()),
        }
    }
    if options.verb != Verb::Build && !options.steps.is_empty() {
        return Err("a step is given only to be built".into());
    }
    Ok(Some(options))
}

fn run(options: &Options, wish: &Wish) -> Result<()> {
    let workspace = Workspace::at(&options.top)?;
    if options.verb == Verb::List {
        return list(&workspace);
    }
    let log = || workspace.path("log").display().to_string();
    let _held = match workspace.try_lock().with_context(log)? {
        Some(held) => held,
        None => {
            println!("another configure or world works here: waiting for it");
            workspace.lock().with_context(log)?
        }
    };
    // Signals are heard from here on: nothing interrupts the wait for a lock then.
    wish.hear_signals().context("signals")?;
    let path = std::env::var("PATH").unwrap_or_default();
    match options.verb {
        Verb::Build => build(&workspace, options, wish, path),
        Verb::Clean(extent) => {
            let wrong = clean(&workspace, extent, &path, wish.cancel());
            if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("\nlive-world: ")) }
        }
        Verb::Update => updated(&workspace, wish),
        Verb::List => Ok(()),
    }
}

fn steps(workspace: &Workspace) -> Result<Vec<Step>> {
    let locals = workspace.locals().context("projects/local")?;
    Ok(Step::all(&locals))
}

fn time(workspace: &Workspace, step: &Step) -> Option<std::time::SystemTime> {
    workspace.stamp(&step.name()).metadata().ok()?.modified().ok()
}

fn build(workspace: &Workspace, options: &Options, wish: &Wish, path: String) -> Result<()> {
    let all = steps(workspace)?;
    let mut wanted = Vec::new();
    let world = ["world".to_owned()];
    let names = if options.steps.is_empty() { &world[..] } else { &options.steps };
    for name in names {
        let those = named(&all, name);
        wanted.extend(those.with_context(|| format!("{name}: no step; --list shows them"))?);
    }
    let asked = std::env::var("BUILDSTAMP").ok();
    let stamp = buildstamp(&workspace.proto(), asked.as_deref())?;
    let jobs =
        options.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let settings = Settings { stamp, jobs: jobs.max(1), path, cancel: wish.cancel() };
    let builder = Builder::new(workspace, settings)?;
    for step in due(&all, &wanted, &|step| time(workspace, step)) {
        builder.build(&step, &mut |text| println!("{text}"))?;
    }
    Ok(())
}

fn list(workspace: &Workspace) -> Result<()> {
    let all = steps(workspace)?;
    let due = due(&all, &all, &|step| time(workspace, step));
    for step in &all {
        let state = if due.contains(step) { "due" } else { "built" };
        println!("{:<20} {state}", step.name());
    }
    Ok(())
}

fn updated(workspace: &Workspace, wish: &Wish) -> Result<()> {
    let mut failed = Vec::new();
    for (below, updated) in update(workspace, wish.cancel())? {
        match updated {
            Updated::NoClone => println!("{below}: not a clone"),
            Updated::Same => println!("{below}: nothing new"),
            Updated::Changed => println!("{below}: updated"),
            Updated::Failed(reason) => failed.push(format!("{below}: {reason}")),
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("\nlive-world: ")) }
}
