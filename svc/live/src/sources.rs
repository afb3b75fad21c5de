//! sources.rs - boot_archive.gitstatus: from which commits a platform was made.
//!
//! ```text
//! {
//!   "live": { "branch": "master", "rev": "40 digits", "dirty": false },
//!   "illumos": { ... }, "illumos-extra": { ... }, "local/NAME": { ... }
//! }
//! ```
//!
//! Of the workspace and of what lies in its projects/; what is no git workspace is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use process::{Limits, Program};
use serde_json::{Map, Value, json};

const PATIENCE: Duration = Duration::from_secs(600);

/// The status of a live workspace's repositories.
///
/// # Errors
/// git is absent or refuses.
pub fn status(top: &Path) -> Result<String> {
    let mut all = Map::new();
    for (name, path) in repositories(top) {
        if path.join(".git").exists() {
            all.insert(name, one(&path)?);
        }
    }
    Ok(format!("{}\n", serde_json::to_string_pretty(&all)?))
}

fn repositories(top: &Path) -> Vec<(String, PathBuf)> {
    let mut found = vec![("live".to_owned(), top.to_path_buf())];
    let projects = top.join("projects");
    let mut below = |folder: &Path, prefix: &str| {
        let mut names: Vec<_> = fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
            .unwrap_or_default();
        names.sort();
        for name in names {
            found.push((format!("{prefix}{}", name.to_string_lossy()), folder.join(&name)));
        }
    };
    below(&projects, "");
    below(&projects.join("local"), "local/");
    found
}

fn one(path: &Path) -> Result<Value> {
    let branch = git(path, &["symbolic-ref", "--short", "-q", "HEAD"]).unwrap_or_default();
    let branch = if branch.is_empty() { "unknown".to_owned() } else { branch };
    // Before the first commit there is no revision.
    let rev = git(path, &["rev-parse", "--verify", "-q", "HEAD"]).unwrap_or_default();
    let dirty = !git(path, &["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Ok(json!({ "branch": branch, "rev": rev, "dirty": dirty }))
}

fn git(path: &Path, words: &[&str]) -> Result<String> {
    let said = Program::new("git")
        .args(["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C"])
        .arg(path)
        .args(words)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .output(&Limits::of(PATIENCE))
        .context("git")?;
    if !said.success() {
        bail!("git {} in {}: {}", words[0], path.display(), said.complaint());
    }
    Ok(said.text().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_and_others() {
        let scratch = tempfile::tempdir().unwrap();
        let gate = scratch.path().join("projects/illumos");
        fs::create_dir_all(&gate).unwrap();
        fs::create_dir_all(scratch.path().join("projects/other")).unwrap();
        git(&gate, &["init", "-q", "-b", "trunk"]).unwrap();
        let text = status(scratch.path()).unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(all, json!({"illumos": {"branch": "trunk", "rev": "", "dirty": false}}));
    }
}
