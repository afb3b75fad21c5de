//! update.rs - the newest sources: `git pull --ff-only` in the workspace and in each of its
//! projects; the stamp of one that changed goes, so that world builds it again.
//!
//! What is no clone stays as it is; local changes are never merged, and never lost.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use process::{Cancel, Limits, ProcessError, Program};

use crate::Workspace;
use crate::fetch::PASSED;
use crate::steps::Step;

/// What came of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Updated {
    /// It is no clone.
    NoClone,
    /// Nothing was new.
    Same,
    /// It changed.
    Changed,
    /// git refused.
    Failed(String),
}

/// Updates everything; what came of each, by its path in the workspace.
///
/// # Errors
/// A stamp cannot be removed.
pub fn update(workspace: &Workspace, cancel: &Cancel) -> io::Result<Vec<(String, Updated)>> {
    let mut all = vec![(".".to_owned(), Step::Livesrc)];
    all.push(("projects/illumos".to_owned(), Step::Illumos));
    all.push((format!("projects/{}", workspace.extra_name()), Step::Extra));
    for name in workspace.locals()? {
        all.push((format!("projects/local/{name}"), Step::Local(name)));
    }
    let mut done = Vec::new();
    for (below, step) in all {
        let path = workspace.path(&below);
        let updated =
            pull(&path, cancel).unwrap_or_else(|error| Updated::Failed(error.to_string()));
        if updated == Updated::Changed {
            match fs::remove_file(workspace.stamp(&step.name())) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        done.push((below, updated));
    }
    Ok(done)
}

fn git(path: &Path, words: &[&str]) -> Program {
    let program = Program::new("git").args(words).directory(path).pass(&PASSED);
    program.env("GIT_TERMINAL_PROMPT", "0")
}

fn pull(path: &Path, cancel: &Cancel) -> Result<Updated, ProcessError> {
    // A source inside of somebody else's clone is not a clone itself.
    let here: Option<PathBuf> = path.canonicalize().ok();
    let Some(here) = here.filter(|path| path.join(".git").exists()) else {
        return Ok(Updated::NoClone);
    };
    let limits = Limits::until(cancel);
    let head = || git(&here, &["rev-parse", "HEAD"]).output(&limits).map(|said| said.text());
    let before = head()?;
    let said = git(&here, &["pull", "--quiet", "--ff-only"]).output(&limits)?;
    if !said.success() {
        return Ok(Updated::Failed(said.complaint()));
    }
    Ok(if head()? == before { Updated::Same } else { Updated::Changed })
}
