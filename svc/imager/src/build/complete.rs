//! complete.rs - whether everything a build would make is there already.
//!
//! ```text
//! AREA/.complete     {"id": of the last state, "media": [{"name", "size", "modified"}]}
//! ```
//!
//! Written last, removed before the first step of another build.  A medium that somebody changed
//! or took away makes it void.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image_checkpoint::Id;
use serde::{Deserialize, Serialize};

use super::media::{self, Medium};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    id: String,
    media: Vec<Medium>,
}

fn record(area: &Path) -> PathBuf {
    area.join(".complete")
}

/// Whether the state `id` was reached and its media are as they were made.
pub fn is_there(area: &Path, folder: &Path, id: &Id) -> Result<bool> {
    let path = record(area);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    // A record of another form is one of nothing.
    let Ok(record) = serde_json::from_slice::<Record>(&text) else { return Ok(false) };
    Ok(record.id == id.as_str() && record.media == media::list(folder)?)
}

/// From now on it is not.
pub fn forget(area: &Path) -> Result<()> {
    let path = record(area);
    image_rooted::removal::remove(&path).with_context(|| path.display().to_string())
}

/// From now on it is.
pub fn keep(area: &Path, folder: &Path, id: &Id) -> Result<()> {
    let record_of = Record { id: id.as_str().to_string(), media: media::list(folder)? };
    image_rooted::archive::write_file(&record(area), &serde_json::to_vec_pretty(&record_of)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_medium_that_is_touched_makes_it_void() {
        let scratch = tempfile::tempdir().unwrap();
        let (area, folder) = (scratch.path(), scratch.path().join("media"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("x.iso"), "one").unwrap();
        let [id, other] = ["a", "b"].map(|text| Id::new(&text.repeat(64)).unwrap());
        assert!(!is_there(area, &folder, &id).unwrap());
        keep(area, &folder, &id).unwrap();
        assert!(is_there(area, &folder, &id).unwrap());
        assert!(!is_there(area, &folder, &other).unwrap());
        std::fs::write(folder.join("x.iso"), "other").unwrap();
        assert!(!is_there(area, &folder, &id).unwrap());
        keep(area, &folder, &id).unwrap();
        forget(area).unwrap();
        assert!(!is_there(area, &folder, &id).unwrap());
        forget(area).unwrap();
    }
}
