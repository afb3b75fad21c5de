//! archive.rs - files that matter, and a boot archive: written, checked, packed.
//!
//! An archive is read back before it is used, because no kernel checks one before it writes to it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use image_formats::content::Content;
use image_formats::{archive, ufs};
use image_tree::Tree;

use crate::kept::Kept;

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

/// Writes a table with its files as a file system, anew, and checks it.
pub fn write(
    tree: &Tree,
    content: &dyn Content,
    (space, inodes): (ufs::Space, ufs::Inodes),
    time: i64,
    plain: &Path,
) -> Result<ufs::Written> {
    let time = u32::try_from(time).context("the time of the image")?;
    let named = || plain.display().to_string();
    let mut out = BufWriter::new(File::create(plain).with_context(named)?);
    let options = ufs::Options { space, inodes, time, zeros: ufs::Zeros::Stored };
    let written = ufs::write(tree, content, &options, &mut out).context("boot archive")?;
    out.flush().with_context(named)?;
    check(plain)?;
    Ok(written)
}

/// Packs a plain archive by gzip, or not at all, to its place by a new file; gives the text of its
/// hash, which is of the bytes as they are unpacked.  The plain one goes.  Pieces of the last one of
/// its name are taken from `kept`, and its own are kept there.
pub fn pack(plain: &Path, level: Option<u8>, kept: Kept, to: &Path) -> Result<String> {
    let named = || to.display().to_string();
    let mut from = File::open(plain).with_context(|| plain.display().to_string())?;
    let Some(level) = level else {
        let hash = archive::hash(&mut from).with_context(named)?;
        std::fs::rename(plain, to).with_context(named)?;
        return Ok(hash);
    };
    let beside = to.with_extension("new");
    let mut out = BufWriter::new(File::create(&beside).with_context(named)?);
    let packed = archive::pack_after(Some(&kept), &mut from, level, &mut out);
    let (packed, pieces) = packed.with_context(named)?;
    out.flush().with_context(named)?;
    drop(out);
    kept.replace(&beside, &pieces)?;
    std::fs::rename(&beside, to).with_context(named)?;
    std::fs::remove_file(plain).with_context(|| plain.display().to_string())?;
    Ok(packed.hash)
}
