//! resolve.rs - `pkgdepend resolve`: dependencies on files become dependencies on packages.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use ips_cmd::Failure;
use ips_model::quote::unquote;
use ips_model::{Manifest, check};
use ips_publish::resolve::{Resolved, Subject, pruned, resolve};
use ips_publish::source;

use crate::options::Resolve;
use crate::reference;
use crate::write;

/// Does it.
pub fn run(options: &Resolve) -> Result<ExitCode, Failure> {
    let mut faults = Vec::new();
    let mut texts = Vec::new();
    let mut subjects = Vec::new();
    for path in &options.manifests {
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        subjects.push(subject(path, &text, &mut faults));
        texts.push(text);
    }
    let reference = reference::read(options)?;
    let mut resolved = resolve(&subjects, &reference.installed).map_err(Failure::new)?;
    if !options.verbose {
        for actions in &mut resolved.dependencies {
            *actions = pruned(actions);
        }
    }
    resolved.unused.extend(reference.unmatched);
    let mut status = write::all(options, &texts, &resolved);
    external(options, &resolved);
    let errors = resolved.errors.iter().map(ToString::to_string);
    for error in faults.into_iter().chain(errors) {
        eprintln!("{error}");
        status = false;
    }
    for warning in &resolved.warnings {
        eprintln!("{warning}");
    }
    Ok(if status { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn subject(path: &Path, text: &str, faults: &mut Vec<String>) -> Subject {
    let (actions, refused) = source::actions(text);
    faults.extend(refused.iter().map(ToString::to_string));
    let mut manifest = Manifest::default();
    for action in actions {
        match check::action(&action) {
            Ok(()) => manifest.actions.push(action),
            Err(error) => faults.push(error.to_string()),
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = unquote(&name).unwrap_or_else(|| name.to_string());
    Subject { path: path.display().to_string(), name, manifest }
}

/// `-E`: which packages were used, or were there for nothing.
fn external(options: &Resolve, resolved: &Resolved) {
    if !options.external {
        return;
    }
    let (told, names) = if options.patterns.is_empty() {
        ("\nThe following fmris had dependencies resolve to them:", &resolved.external)
    } else {
        (
            "\nThe following fmris matched a pattern in a constraint file but were not used in\ndependency resolution:",
            &resolved.unused,
        )
    };
    if !names.is_empty() {
        println!("{told}");
    }
    for name in names {
        println!("\t{name}");
    }
}
