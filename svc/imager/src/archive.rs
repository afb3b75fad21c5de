//! archive.rs - files that matter, and the check of a boot archive.
//!
//! An archive is read back before it is used, because no kernel checks one before it writes to it.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use image_formats::ufs;

/// Writes a file that matters: beside, synced, renamed.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().with_context(|| path.display().to_string())
}

/// Reads a file system back and looks for inconsistencies.
pub fn check(plain: &Path) -> Result<()> {
    let named = || plain.display().to_string();
    let mut image = ufs::Image::open(File::open(plain).with_context(named)?).with_context(named)?;
    let faults = ufs::check(&mut image).with_context(named)?;
    if let Some(first) = faults.first() {
        bail!("{}: {} inconsistencies, the first: {first}", plain.display(), faults.len());
    }
    Ok(())
}
