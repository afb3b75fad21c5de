//! proto.rs - files of proto areas: the payload of an action, and every service bundle.

use std::fs;
use std::path::{Path, PathBuf};

use ips_cmd::Failure;
use ips_model::action::{Action, NO_HASH};
use ips_publish::depend::smf::{LOCATIONS, Services, parse};

/// A payload that was found.
pub struct Found {
    /// Where.
    pub local: String,
    /// The proto area it is in.
    pub proto: String,
}

/// The name a payload is looked for by: the path after the type, or where it is delivered.
fn sought(action: &Action) -> &str {
    let path = action.get("path").unwrap_or_default();
    action.hash.as_deref().filter(|hash| *hash != NO_HASH).unwrap_or(path)
}

/// Looks for an action's payload in every area, in order.
pub fn find(action: &Action, protos: &[PathBuf]) -> Option<Found> {
    let name = sought(action).trim_start_matches('/');
    let found = protos.iter().find(|proto| proto.join(name).exists())?;
    let local = found.join(name).display().to_string();
    Some(Found { local, proto: found.display().to_string() })
}

/// That it is nowhere, as pkg5 tells it.
pub fn missing(action: &Action, protos: &[PathBuf]) -> String {
    let path = action.get("path").unwrap_or_default();
    let what = match action.hash.as_deref() {
        None | Some(NO_HASH) => format!("'{path}'"),
        Some(hash) => format!("'{hash}' needed for '{path}'"),
    };
    let mut folders: Vec<String> =
        protos.iter().map(|proto| format!("\t{}", proto.display())).collect();
    folders.sort();
    format!(
        "Couldn't find {what} in any of the specified search directories:\n{}",
        folders.join("\n")
    )
}

/// The services of every bundle below `root` and below the areas; what is in the first area has
/// the last word.
pub fn services(root: &Path, protos: &[PathBuf]) -> Result<Services, Failure> {
    let mut services = Services::default();
    for top in std::iter::once(root).chain(protos.iter().rev().map(PathBuf::as_path)) {
        for location in LOCATIONS {
            bundles(top, &top.join(location), &mut services)?;
        }
    }
    Ok(services)
}

fn bundles(top: &Path, folder: &Path, services: &mut Services) -> Result<(), Failure> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        paths.push((entry.path(), entry.file_type()?));
    }
    paths.sort_by(|one, other| one.0.cmp(&other.0));
    for (path, kind) in paths {
        if kind.is_dir() {
            bundles(top, &path, services)?;
            continue;
        }
        // What cannot be read, or is none, delivers no service.
        let Some(bundle) = fs::read(&path).ok().and_then(|bytes| parse(&bytes)) else { continue };
        let delivered = path.strip_prefix(top).unwrap_or(&path).display().to_string();
        services.add(&bundle, &delivered);
    }
    Ok(())
}
