//! inputs.rs - the digest of all that makes a platform what it is: equal digests, equal platforms.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use live_manifest::Manifest;
use stage::Recipe;

use crate::build::Request;
use crate::digests::{ByPath, hex};
use crate::gather::Gathered;

/// The platform's folder.
#[must_use]
pub fn name(request: &Request) -> String {
    let version = request.version.as_ref().map(|version| format!("{version}-"));
    format!("platform-{}{}", version.unwrap_or_default(), request.stamp)
}

/// What makes a platform what it is, but for the files.  It is taken before anything is made: what
/// changes meanwhile is not in the platform.
///
/// # Errors
/// A script cannot be read.
pub fn recipe(
    request: &Request,
    manifest: &Manifest,
    scripts: &[PathBuf],
    commits: &str,
) -> Result<Recipe> {
    let mut recipe = Recipe::default();
    recipe.add("version", stage::VERSION);
    recipe.add("name", name(request));
    recipe.add("time", request.time.to_string());
    recipe
        .add("form", format!("{:?} {:?} {}", request.form, request.media.kinds(), request.pad_mb));
    recipe.add("commits", stage::recipe::sha256(commits.as_bytes()));
    let password = request.password.as_deref().unwrap_or("");
    recipe.add("password", stage::recipe::sha256(password.as_bytes()));
    recipe.add("second", request.second.clone());
    for script in scripts {
        let bytes = fs::read(script).with_context(|| script.display().to_string())?;
        recipe.add(format!("script/{}", script.display()), stage::recipe::sha256(&bytes));
    }
    recipe.add("manifest", stage::recipe::sha256(manifest.to_string().as_bytes()));
    Ok(recipe)
}

/// The digest of all that makes a platform what it is.
#[must_use]
pub fn digest(recipe: &Recipe, gathered: &Gathered, digests: &ByPath<'_>) -> String {
    let mut recipe = recipe.clone();
    let mut files = String::with_capacity(gathered.files.len() * 128);
    for (path, source) in &gathered.files {
        files.push_str(path);
        files.push(' ');
        files.push_str(&hex(&digests[source.path.as_os_str()].sha256));
        files.push('\n');
    }
    recipe.add("files", stage::recipe::sha256(files.as_bytes()));
    recipe.digest()
}
