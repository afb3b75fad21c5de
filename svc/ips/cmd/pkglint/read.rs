//! read.rs - the manifests that are named; what cannot be read is told of all of them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ips_model::manifest::{NameError, logical_lines};
use ips_model::{Fmri, Manifest};
use ips_publish::lint::{Level, Package, line};

/// Reads them; none where one cannot be read.
pub fn manifests(paths: &[PathBuf], out: &mut dyn FnMut(&str)) -> Option<Vec<Package>> {
    let mut packages = Vec::new();
    let mut fine = true;
    for path in paths {
        match manifest(path) {
            Ok(package) => packages.push(package),
            Err((id, text)) => {
                out(&line(Level::Critical, id, &text));
                fine = false;
            }
        }
    }
    fine.then_some(packages)
}

fn manifest(path: &Path) -> Result<Package, (&'static str, String)> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|error| {
        let reason = match error.kind() {
            ErrorKind::NotFound => format!("[Errno 2] No such file or directory: '{shown}'"),
            _ => error.to_string(),
        };
        ("lint.manifest001", format!("Unable to read manifest file {shown}: {reason}"))
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let reason = error.utf8_error();
        let text = format!("Invalid file {shown}: manifest not encoded in UTF-8: {reason}");
        ("lint.manifest002", text)
    })?;
    let (text, unknown) = without_unknown(&text);
    let manifest = Manifest::parse(&text).map_err(|errors| {
        let first = errors.0.into_iter().next();
        let (at, reason) =
            first.map_or((0, String::new()), |one| (one.line, one.source.to_string()));
        ("lint.manifest002", format!("Error in {shown} line: {at}: {reason} "))
    })?;
    if matches!(manifest.fmri(), Ok(Fmri { version: None, .. })) {
        let text = format!("Error in file {shown}: pkg.fmri does not include a version string");
        return Err(("lint.manifest003", text));
    }
    Package::new(manifest, unknown).map_err(|error| match error {
        NameError::Missing => {
            ("lint.manifest003", format!("Manifest {shown} does not declare fmri."))
        }
        NameError::Illegal(error) => {
            ("lint.manifest002", format!("Error in file {shown}: {error}"))
        }
    })
}

/// Actions of type `unknown` are a finding, not an error: they become comments, and are counted.
fn without_unknown(text: &str) -> (String, usize) {
    let is_unknown = |line: &str| line.split_whitespace().next() == Some("unknown");
    let unknown = logical_lines(text).iter().filter(|line| is_unknown(&line.text)).count();
    if unknown == 0 {
        return (text.to_string(), 0);
    }
    let mut kept = String::new();
    let mut within = false;
    for line in text.lines() {
        let starts = !within && is_unknown(line);
        let gone = starts || within;
        within = gone && line.ends_with('\\');
        kept.push_str(if gone { "#" } else { line });
        kept.push('\n');
    }
    (kept, unknown)
}
