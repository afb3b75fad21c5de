//! findings.rs - what `verify` and `fix` have to say of damage, as blocks of labelled lines.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ips_cmd::Failure;
use ips_model::{Fmri, Pattern};
use ips_repository::{Fault, Finding, Unresolved};

/// Dependencies that are passed over wherever a repository is verified.
const IGNORED: &str = "/usr/share/pkg/ignored_deps";

fn block(kind: &str, message: &str, lines: &[(&str, String)]) -> String {
    let mut text = format!("{kind:>16}: {message}\n");
    for (label, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{label:>16}: {value}\n"));
    }
    text.push_str("\n\n");
    text
}

/// What is said of a finding.
pub fn told(finding: &Finding) -> String {
    let package = finding.package.as_ref().map(ToString::to_string).unwrap_or_default();
    let place = finding.place.display().to_string();
    let path = finding.path.clone().unwrap_or_default();
    let file = |message: &str, more: &[(&str, String)]| {
        let mut lines = vec![("Package", package.clone()), ("Repository path", place.clone())];
        lines.extend(more.iter().cloned());
        block("ERROR", message, &lines)
    };
    match &finding.fault {
        Fault::NoFile { hash } => file(&format!("Missing file: {hash}"), &[("Path", path)]),
        Fault::Gzip => file("Corrupted gzip file.", &[("Path", path)]),
        Fault::Hash { expected, actual } => file(
            &format!("Invalid file hash: {expected}"),
            &[("Computed hash", actual.clone()), ("Path", path)],
        ),
        Fault::Unreadable(why) => file(&format!("Verification failure: {why}"), &[]),
        Fault::NoManifest => file("Missing manifest.", &[]),
        Fault::Signature(why) => file("Bad signature.", &[("Detail", why.clone())]),
        Fault::Manifest(why) => {
            let lines = [("Repository path", place), ("Detail", why.clone())];
            block("ERROR", "Corrupt manifest.", &lines)
        }
        Fault::Stray(why) => {
            let lines = [("Repository path", place), ("Detail", why.clone())];
            block("ERROR", "Bad manifest.", &lines)
        }
        Fault::Restricted => {
            let why = "Some repository content or a folder leading to it is not world-readable.\n\
                Whoever serves the repository as another user cannot read it.\n\
                Only the first such path is shown.";
            let lines = [("Path", place), ("Detail", format!("\n{why}"))];
            block("WARNING", "Restrictive permissions.", &lines)
        }
    }
}

/// What is said of a dependency.
pub fn told_of_dependency(unresolved: &Unresolved) -> String {
    let lines = [
        ("Package", unresolved.package.to_string()),
        ("Dependency", unresolved.target.clone()),
        ("Dependency type", unresolved.kind.clone()),
    ];
    block("ERROR", "Missing dependency.", &lines)
}

/// The dependencies that files say are to be passed over: a pattern a line, `#` begins a comment.
pub fn ignored(files: &[PathBuf]) -> Result<Vec<Pattern>, Failure> {
    let mut files: BTreeSet<PathBuf> = files.iter().cloned().collect();
    if let Ok(entries) = std::fs::read_dir(Path::new(IGNORED)) {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    let mut patterns = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        for line in lines.filter(|line| !line.is_empty()) {
            patterns.push(Pattern::parse(line).map_err(Failure::new)?);
        }
    }
    Ok(patterns)
}

/// Whether a dependency is one of those.
pub fn is_ignored(unresolved: &Unresolved, patterns: &[Pattern]) -> bool {
    let target = Fmri::parse(&unresolved.target);
    target.is_ok_and(|target| patterns.iter().any(|pattern| pattern.matches(&target)))
}
