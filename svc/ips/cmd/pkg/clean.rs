//! clean.rs - `pkg clean`: what was fetched and is kept only to be at hand goes.
//!
//! This client keeps nothing of the kind once a change is done; pkg5 does, and one that died on the
//! way to a change leaves what it had fetched.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use ips_cmd::Failure;

use crate::call::Call;
use crate::session::Session;

/// Below `var/pkg`.
const KEPT: [&str; 3] = ["cache/publisher", "cache/stage", "cache/tmp"];

/// Removes it.
pub fn clean(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["v*"])?;
    // Whoever has the image locked may need what lies there; what was begun is ended first.
    let session = Session::begin(call, "clean")?;
    for name in KEPT {
        empty(&session.image.metadata().join(name), given.has("v"))?;
    }
    Ok(0)
}

fn empty(folder: &Path, told: bool) -> Result<(), Failure> {
    let failed =
        |path: &Path, error: &std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(folder, &error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| failed(folder, &error))?;
        let path = entry.path();
        if told {
            println!("{}", path.display());
        }
        let is_folder = entry.file_type().map_err(|error| failed(&path, &error))?.is_dir();
        let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}
