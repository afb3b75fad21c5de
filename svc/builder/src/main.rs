//! builder - a gate becomes packages: the start method of svc:/application/builder.
//!
//! Reading order: `gate` (a source workspace: its files and their time), `earlier` (the proto
//! areas of earlier gates), `workspace` (the copy that is built), `command` (running the build),
//! `packages` (the repository that comes of it) and `stamps` (one FMRI, one content); `directory` is
//! the whole road for a workspace, `published` that for a gate that is a repository.
//!
//! Invariant: what was built is only seen whole: repository, proto area and stamp in one output.

mod command;
mod directory;
mod earlier;
mod gate;
mod packages;
mod published;
mod stamps;
mod workspace;

use std::process::ExitCode;

use stage::{Failure, Stage};

fn main() -> ExitCode {
    stage::run("builder", work)
}

fn work(stage: &Stage) -> Result<(), Failure> {
    let gate = stage.properties().required("build/gate")?;
    let is_uri = ["file:", "http:", "https:"].iter().any(|scheme| gate.starts_with(scheme));
    if is_uri {
        published::build(stage, gate)?
    } else {
        directory::build(stage, gate)?
    }
    if let Some(depot) = stage.properties().text("build/depot")? {
        stage.refresh_depot(depot);
    }
    Ok(())
}

/// How many outputs are kept.
fn keep(stage: &Stage) -> Result<u64, Failure> {
    Ok(stage.properties().count("build/keep", 3)?)
}

/// A library's error as this stage's failure.
fn fatal(error: impl std::error::Error + 'static) -> Failure {
    Failure::of(&error)
}
