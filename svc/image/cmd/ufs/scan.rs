//! scan.rs - a directory on disk as a metadata table.
//!
//! Of several names of one file the first by byte order is the file, the others are hard links.  No
//! symbolic link is followed.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use image_tree::{Entry, Kind, Tree};
use rustix::fs::{major, minor};

/// The table of what is below `root`, and of itself.
pub fn scan(root: &Path) -> Result<Tree> {
    let mut found = BTreeMap::new();
    let mut todo = vec![String::new()];
    while let Some(path) = todo.pop() {
        let here = root.join(&path);
        let named = || here.display().to_string();
        let about = here.symlink_metadata().with_context(named)?;
        if about.is_dir() {
            for entry in std::fs::read_dir(&here).with_context(named)? {
                let name = entry.with_context(named)?.file_name();
                let Some(name) = name.to_str() else {
                    bail!("{}: a name is not UTF-8: {}", here.display(), name.to_string_lossy());
                };
                todo.push(if path.is_empty() {
                    name.to_string()
                } else {
                    format!("{path}/{name}")
                });
            }
        } else if path.is_empty() {
            bail!("{} is no directory", here.display());
        }
        found.insert(path, about);
    }
    table(root, &found)
}

fn table(root: &Path, found: &BTreeMap<String, Metadata>) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut first: BTreeMap<(u64, u64), &str> = BTreeMap::new();
    for (path, about) in found {
        let file = (about.dev(), about.ino());
        let several = about.nlink() > 1 && !about.is_dir();
        let entry = match first.get(&file).filter(|_| several) {
            Some(target) => {
                let kind = Kind::HardLink { target: (*target).to_string() };
                Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 }
            }
            None => {
                first.insert(file, path);
                Entry {
                    kind: kind(&root.join(path), about)?,
                    mode: about.mode() & 0o7777,
                    uid: about.uid(),
                    gid: about.gid(),
                    mtime: about.mtime(),
                }
            }
        };
        tree.insert(path, entry)?;
    }
    Ok(tree)
}

fn kind(path: &Path, about: &Metadata) -> Result<Kind> {
    let kind = about.file_type();
    if kind.is_dir() {
        Ok(Kind::Directory)
    } else if kind.is_file() {
        Ok(Kind::File { size: about.len() })
    } else if kind.is_symlink() {
        let target = std::fs::read_link(path).with_context(|| path.display().to_string())?;
        match target.to_str() {
            Some(target) => Ok(Kind::Symlink { target: target.to_string() }),
            None => bail!("{}: where it points is not UTF-8", path.display()),
        }
    } else if kind.is_fifo() {
        Ok(Kind::Fifo)
    } else if kind.is_char_device() || kind.is_block_device() {
        let (major, minor) = (major(about.rdev()), minor(about.rdev()));
        Ok(if kind.is_char_device() {
            Kind::CharacterDevice { major, minor }
        } else {
            Kind::BlockDevice { major, minor }
        })
    } else {
        bail!("{} is a socket, or what else UFS images do not hold", path.display())
    }
}
