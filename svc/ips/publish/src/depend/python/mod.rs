//! python - the modules that a Python file imports, and where they may be.
//!
//! Which Python: the folder says it (usr/lib/python3.9/...), else `#!` of an executable file.  No
//! Python is run: `imports` reads the import statements wherever they stand, `modules` knows where
//! that version looks.  What is built into the interpreter is no dependency.

pub mod imports;
mod modules;

use std::collections::BTreeSet;

use super::elf::{Found, with_default};
use super::file::below;
use super::{DependError, Need, Payload};
use crate::paths::dirname;
use crate::variants::Template;
use imports::Import;
use modules::{Module, Python};

/// The needs of a Python file; `run_by` is its first line, where it is delivered executable.
pub(super) fn needs(
    payload: Payload<'_>,
    package: &Template,
    run_by: Option<&str>,
    run_paths: &[String],
) -> Found {
    let (installed, file) = (payload.path().to_string(), payload.local.to_string());
    let mut errors = Vec::new();
    let by_path = Python::of_path(&installed);
    let by_line = run_by.and_then(Python::of_line);
    if let (Some(suggested), Some(declared)) = (by_path, by_line) {
        if suggested != declared {
            let (suggested, declared) = (suggested.to_string(), declared.to_string());
            let (installed, file) = (installed.clone(), file.clone());
            errors.push(DependError::PythonMismatch { installed, declared, suggested, file });
        }
    }
    let Some(python) = by_path.or(by_line) else {
        if run_by.is_some() {
            errors.push(DependError::PythonUnspecified { installed, file });
        }
        return (Vec::new(), errors);
    };
    let read = match imports::imports(&String::from_utf8_lossy(payload.bytes)) {
        Ok(read) => read,
        Err(error) => {
            let (line, column, reason) = (error.line, error.column, error.reason.to_string());
            errors.push(DependError::PythonSyntax { installed, file, line, column, reason });
            return (Vec::new(), errors);
        }
    };
    let mut searched = python.path();
    searched.push(dirname(&installed).to_string());
    let searched = match with_default(searched, run_paths) {
        Ok(searched) => searched,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let mut wanted = BTreeSet::new();
    for import in &read {
        match import {
            Import::Module(name) => wanted.extend(python.modules(name, &searched)),
            Import::Relative { level, name } => {
                match modules::relative(dirname(&installed), *level, name) {
                    Some(modules) => wanted.extend(modules),
                    None => {
                        let name = format!("{}{name}", ".".repeat(*level));
                        errors.push(DependError::PythonMissing { name, file: file.clone() });
                    }
                }
            }
        }
    }
    let need = |module: &Module| {
        let folders = module.folders.iter().map(|folder| below(folder, payload.proto)).collect();
        Need::new("python", payload.action, package, python.files(module), folders)
    };
    (wanted.iter().map(need).collect(), errors)
}
