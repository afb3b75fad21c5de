//! files.rs - what the site wrote beside the workspace: its version's prefix, branches, projects.
//!
//! | file | holds |
//! |---|---|
//! | configure-buildver | one line: what image names begin with |
//! | configure-branches | `name: branch` |
//! | configure-projects | `directory: branch: URL`, or `origin` for a clone that is there |
//!
//! Lines that begin with `#` and blank ones say nothing.

use std::fs;
use std::io;

use super::{About, Report};
use crate::Workspace;

/// Which branch a project should be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The project's name below projects; `.` is the workspace itself.
    pub project: String,
    /// The branch.
    pub branch: String,
    /// Where it is cloned from when it is not there.
    pub url: Option<String>,
}

/// A word that is part of a name on disk.
fn is_name(word: &str) -> bool {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "._-+/".contains(letter);
    let plain = |part: &str| !part.is_empty() && part != ".." && !part.starts_with('-');
    word.chars().all(good) && word.split('/').all(plain)
}

fn read(workspace: &Workspace, name: &str) -> io::Result<Option<String>> {
    match fs::read_to_string(workspace.path(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some),
    }
}

/// What image names begin with, of the text of configure-buildver.
fn prefix(text: &str) -> Result<Option<String>, String> {
    let line = text.lines().next().unwrap_or_default().trim();
    match line {
        "" => Ok(None),
        word if is_name(word) && !word.contains('/') => Ok(Some(word.to_owned())),
        word => Err(format!("configure-buildver: \"{word}\" cannot be part of a file name")),
    }
}

/// What image names begin with.
///
/// # Errors
/// The file cannot be read, or says nothing usable.
pub fn buildver(workspace: &Workspace) -> Result<Option<String>, String> {
    let text = read(workspace, "configure-buildver");
    let text = text.map_err(|error| format!("configure-buildver: {error}"))?;
    text.map_or(Ok(None), |text| prefix(&text))
}

/// Branches, of the text of one of the two files; what is wrong, line by line.
fn parse(file: &str, text: &str) -> (Vec<Branch>, Vec<String>) {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut parts = line.splitn(3, ": ").map(str::trim);
        let (project, branch) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let url = parts.next().filter(|url| *url != "origin").map(str::to_owned);
        let project = if project == "illumos-live" { "." } else { project };
        if (project != "." && !is_name(project)) || !is_name(branch) {
            wrong.push(format!("{file}: line {number}: \"{line}\": not \"name: branch\""));
            continue;
        }
        all.push(Branch { project: project.to_owned(), branch: branch.to_owned(), url });
    }
    (all, wrong)
}

/// The branches that both files name; those of the first that are in the second are the second's.
///
/// # Errors
/// Everything that is wrong with them.
pub fn branches(workspace: &Workspace) -> Result<Vec<Branch>, Vec<String>> {
    let (mut all, mut wrong): (Vec<Branch>, Vec<String>) = (Vec::new(), Vec::new());
    for file in ["configure-branches", "configure-projects"] {
        match read(workspace, file) {
            Ok(text) => {
                let (found, odd) = parse(file, &text.unwrap_or_default());
                all.retain(|one| found.iter().all(|other| other.project != one.project));
                all.extend(found);
                wrong.extend(odd);
            }
            Err(error) => wrong.push(format!("{file}: {error}")),
        }
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

/// What is wrong with these files, and what in site files should not be there.
pub fn check(about: &About<'_>, report: &mut Report) {
    for file in &about.site.files {
        report.good(format!("site: {}", file.display()));
    }
    match buildver(about.workspace) {
        Ok(None) => {}
        Ok(Some(prefix)) => report.good(format!("images are called platform-{prefix}-STAMP")),
        Err(text) => report.problem(text, "write letters, digits, '.', '_', '-' on its first line"),
    }
    match branches(about.workspace) {
        Ok(all) if all.is_empty() => {}
        Ok(all) => report.good(format!("branches: of {} projects", all.len())),
        Err(wrong) => {
            for text in wrong {
                report.problem(text, "write lines such as: illumos: master");
            }
        }
    }
    for (name, value) in about.site.set() {
        if has_credentials(value) {
            report.notice(format!("{name} holds a password: git's credential store is its place"));
        }
    }
}

/// `scheme://user:password@host`.
fn has_credentials(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ']).next().unwrap_or_default();
        authority.split_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for (text, want) in [
            ("", Ok(None)),
            ("\n", Ok(None)),
            ("release-1.0\nmore\n", Ok(Some("release-1.0".to_owned()))),
            ("../x\n", Err(())),
            ("a b\n", Err(())),
        ] {
            assert_eq!(prefix(text).map_err(drop), want, "{text:?}");
        }
    }

    #[test]
    fn branches_and_where_they_come_from() {
        let text = "# x\n\nillumos-live: develop\nillumos: master: https://h.example/x: y\nlocal/kvm: v1: origin\n";
        let (all, wrong) = parse("f", text);
        let said: Vec<_> =
            all.iter().map(|b| (b.project.as_str(), b.branch.as_str(), b.url.as_deref())).collect();
        assert_eq!(
            said,
            [
                (".", "develop", None),
                ("illumos", "master", Some("https://h.example/x: y")),
                ("local/kvm", "v1", None)
            ]
        );
        assert!(wrong.is_empty());
        for text in ["illumos", "../x: y", "x: -f", ": y", "x: y z"] {
            let (all, wrong) = parse("f", text);
            assert!(all.is_empty() && wrong.len() == 1, "{text}: {all:?}");
            assert!(wrong[0].starts_with("f: line 1: "), "{wrong:?}");
        }
    }

    #[test]
    fn passwords_are_seen() {
        for (text, want) in [
            ("https://me:secret@h.example/x", true),
            ("git clone https://me:secret@h.example/x y", true),
            ("https://me@h.example/x:y@z", false),
            ("git@h.example:x", false),
        ] {
            assert_eq!(has_credentials(text), want, "{text}");
        }
    }
}
