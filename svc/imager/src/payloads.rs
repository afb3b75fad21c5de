//! payloads.rs - what packages delivered into an image, for the next one.
//!
//! ```text
//! build_data/payloads     a line of each file whose content is as it was delivered: HASH PATH
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes hashes by path.
pub fn write(path: &Path, payloads: &BTreeMap<String, String>) -> Result<()> {
    let mut text = String::new();
    for (path, hash) in payloads.iter().filter(|(path, _)| !path.contains('\n')) {
        writeln!(text, "{hash} {path}")?;
    }
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

/// Reads them; `None`: no image was filled.
pub fn read(path: &Path) -> Result<Option<HashMap<String, String>>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let line = |line: &str| line.split_once(' ').map(|(hash, path)| (path.into(), hash.into()));
    Ok(Some(text.lines().filter_map(line).collect()))
}
