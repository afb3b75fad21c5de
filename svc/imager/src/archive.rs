//! archive.rs - the boot archive of a populated root.
//!
//! The whole root goes into one UFS file system: owners, modes and devices from the table,
//! bytes from the files beside it.  Afterwards the image is read back and checked, because no
//! kernel checks an archive before it writes to it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_formats::{archive, iso, ufs};
use image_tree::{Entry, Kind, Tree};

use crate::manifest::Manifest;

/// A boot archive on disk.
pub struct Archive {
    /// The archive as a medium carries it: gzip, or as it is.
    pub stored: PathBuf,
    /// Its hash, of the bytes as they are uncompressed.
    pub hash: PathBuf,
    /// What the file system holds.
    pub written: ufs::Written,
}

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

/// Puts the file `path` with `text` into the root and its table.
pub fn add_file(tree: &mut Tree, root: &Path, path: &str, text: &str, time: i64) -> Result<()> {
    write_file(&root.join(path), text.as_bytes())?;
    let kind = Kind::File { size: text.len() as u64 };
    tree.insert(path, Entry { kind, mode: 0o444, uid: 0, gid: 0, mtime: time })?;
    Ok(())
}

/// Gives every row without a time of its own the image's.
pub fn set_times(tree: &mut Tree, time: i64) {
    let paths: Vec<String> = tree
        .iter()
        .filter(|(_, entry)| entry.mtime == 0 && !matches!(entry.kind, Kind::HardLink { .. }))
        .map(|(path, _)| path.to_string())
        .collect();
    for path in paths {
        if let Some(entry) = tree.get_mut(&path) {
            entry.mtime = time;
        }
    }
}

/// Refuses a root that could not boot: no kernel, no release.
pub fn check_root(tree: &Tree) -> Result<()> {
    for path in [iso::KERNEL, "etc/release"] {
        match tree.get(path).map(|entry| &entry.kind) {
            Some(Kind::File { .. }) => {}
            Some(_) => bail!("{path} is no regular file of the image"),
            None => bail!("{path} is not in the image: no package of the manifest delivers it"),
        }
    }
    Ok(())
}

/// Makes the archive of `root` in `work`.
pub fn make(
    tree: &Tree,
    root: &Path,
    work: &Path,
    manifest: &Manifest,
    time: i64,
) -> Result<Archive> {
    let plain = work.join("boot_archive.ufs");
    let content = |path: &str| -> std::io::Result<Box<dyn Read>> {
        Ok(Box::new(BufReader::new(File::open(root.join(path))?)))
    };
    let inodes = match manifest.nbpi {
        0 => ufs::Inodes::Content,
        bytes => ufs::Inodes::BytesPer(bytes),
    };
    let space = ufs::Space::Content { pad_mb: manifest.pad_mb };
    let time = u32::try_from(time).context("the time of the image")?;
    let named = || plain.display().to_string();
    let mut out = BufWriter::new(File::create(&plain).with_context(named)?);
    // The kernel's boot-time reader need not know holes.
    let options = ufs::Options { space, inodes, zeros: ufs::Zeros::Stored, time };
    let written = ufs::write(tree, &content, &options, &mut out).context("boot archive")?;
    drop(out);
    check(&plain)?;

    let bytes = std::fs::read(&plain).with_context(named)?;
    let hash = work.join("boot_archive.hash");
    write_file(&hash, archive::hash(bytes.as_slice())?.as_bytes())?;
    let stored = work.join("boot_archive");
    match manifest.gzip {
        Some(level) => write_file(&stored, &archive::gzip(&bytes, level))?,
        None => write_file(&stored, &bytes)?,
    }
    std::fs::remove_file(&plain).with_context(named)?;
    Ok(Archive { stored, hash, written })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: Kind, mtime: i64) -> Entry {
        Entry { kind, mode: 0o644, uid: 0, gid: 3, mtime }
    }

    #[test]
    fn the_archive_holds_the_root_and_its_hash_is_of_the_plain_bytes() {
        let scratch = tempfile::tempdir().unwrap();
        let (root, work) = (scratch.path().join("root"), scratch.path().join("work"));
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::create_dir(&work).unwrap();
        std::fs::write(root.join("etc/release"), "Sample\n").unwrap();
        let mut tree = Tree::new();
        tree.insert("etc", row(Kind::Directory, 0)).unwrap();
        tree.insert("etc/release", row(Kind::File { size: 7 }, 5)).unwrap();
        set_times(&mut tree, 9);
        add_file(&mut tree, &root, ".volsetid", "id\n", 9).unwrap();
        let mut manifest = Manifest::parse(
            "<distribution name=\"x\"><img_params><packages><pkg name=\"a\"/></packages></img_params></distribution>",
        )
        .unwrap();
        manifest.gzip = None;
        let made = make(&tree, &root, &work, &manifest, 9).unwrap();
        let bytes = std::fs::read(&made.stored).unwrap();
        let hash = std::fs::read_to_string(&made.hash).unwrap();
        assert_eq!(hash, archive::hash(bytes.as_slice()).unwrap());
        let mut image = ufs::Image::open(std::io::Cursor::new(bytes)).unwrap();
        assert_eq!(image.file("etc/release").unwrap(), b"Sample\n");
        assert_eq!(image.file(".volsetid").unwrap(), b"id\n");
        let read = image.tree().unwrap();
        assert_eq!(read.get("etc").unwrap().mtime, 9);
        assert_eq!(read.get("etc/release").unwrap().mtime, 5);

        manifest.gzip = Some(6);
        let again = make(&tree, &root, &work, &manifest, 9).unwrap();
        assert_eq!(std::fs::read(&again.stored).unwrap()[..2], [0x1f, 0x8b]);
        assert_eq!(std::fs::read_to_string(&again.hash).unwrap(), hash);
    }

    #[test]
    fn a_root_that_cannot_boot_is_refused() {
        let mut tree = Tree::new();
        let missing = check_root(&tree).unwrap_err().to_string();
        assert!(missing.contains(iso::KERNEL), "{missing}");
        tree.insert(iso::KERNEL, row(Kind::File { size: 1 }, 0)).unwrap();
        tree.insert("etc/release", row(Kind::Directory, 0)).unwrap();
        assert!(check_root(&tree).unwrap_err().to_string().contains("etc/release"));
        tree.insert("etc/release", row(Kind::File { size: 1 }, 0)).unwrap();
        check_root(&tree).unwrap();
    }
}
