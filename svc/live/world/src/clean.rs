//! clean.rs - what world made goes: stamps first, so that nothing looks built that is being
//! removed; then what the sources made within themselves, by their own makefiles; then proto.
//!
//! A source whose makefile fails does not keep the others from being cleaned, and is told.

use std::fs;
use std::io;
use std::path::Path;

use process::{Cancel, Limits, Program};
use stage::output::remove_tree;

use crate::{Workspace, environment};

/// How much goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What world made.
    World,
    /// Images and logs as well.
    Everything,
}

/// Cleans; everything that could not be.
pub fn clean(workspace: &Workspace, extent: Extent, path: &str, cancel: &Cancel) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut told = |path: &Path, done: io::Result<()>| {
        wrong.extend(done.err().map(|error| format!("{}: {error}", path.display())));
    };
    told(workspace.top(), stamps(workspace));
    let mut failed = sources(workspace, path, cancel);
    let mut trees = vec!["proto"];
    if extent == Extent::Everything {
        trees.push("output");
        told(&workspace.path("log"), logs(workspace));
    }
    for tree in trees {
        let tree = workspace.path(tree);
        told(&tree, remove_tree(&tree));
    }
    wrong.append(&mut failed);
    wrong
}

fn stamps(workspace: &Workspace) -> io::Result<()> {
    for entry in fs::read_dir(workspace.top())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("0-") && name.ends_with("-stamp") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// All but the lock, which somebody holds.
fn logs(workspace: &Workspace) -> io::Result<()> {
    for entry in fs::read_dir(workspace.path("log"))? {
        let entry = entry?;
        if entry.file_name() != "lock" {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// `make clobber` in the gate, `make clean` everywhere else.
fn sources(workspace: &Workspace, path: &str, cancel: &Cancel) -> Vec<String> {
    let build = fs::read_to_string(workspace.path("build.env")).unwrap_or_default();
    let value = |name: &str| environment::value(&build, name);
    let make = value("GNUMAKE").unwrap_or("make");
    let gate_make = if value("GATE_IS_REAL").is_some() { "dmake" } else { make };
    let mut all = Vec::new();
    if value("ILLUMOS_PROTO").is_none() {
        all.push((workspace.illumos().join("usr/src"), gate_make, "clobber"));
    }
    all.push((workspace.path("projects").join(workspace.extra_name()), make, "clean"));
    for name in workspace.locals().unwrap_or_default() {
        all.push((workspace.path("projects/local").join(name), make, "clean"));
    }
    all.push((workspace.path("src"), make, "clean"));
    let mut wrong = Vec::new();
    for (place, make, target) in all {
        let Ok(place) = place.canonicalize() else { continue };
        if !place.join("Makefile").is_file() {
            continue;
        }
        let mut program = Program::new(make).arg(target).directory(&place).env("SRC", &place);
        for (name, value) in environment::surroundings(&build, &workspace.proto(), path) {
            program = program.env(name, value);
        }
        let reason = match program.output(&Limits::until(cancel)) {
            Ok(said) if said.success() => continue,
            Ok(said) => said.complaint(),
            Err(error) => error.to_string(),
        };
        wrong.push(format!("{}: {make} {target}: {reason}", place.display()));
    }
    wrong
}
