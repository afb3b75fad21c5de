//! extract.rs - everything in an image, below a directory on disk.
//!
//! Directories come first, then files, then links; modes and times of directories last.  So nothing
//! is ever written through a link of the image.  Owners and devices need root; without it they are
//! in the table only.

use std::collections::BTreeMap;
use std::fs::{File, FileTimes, OpenOptions, Permissions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use image_formats::ufs::{Image, Node};
use image_tree::{Entry, Kind, Tree};
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::{geteuid, mkfifo};
use rustix::fs::makedev;

use crate::open;
use crate::options::Extract;

/// `ufs extract`.
pub fn extract(options: &Extract) -> Result<bool> {
    let image_named = || options.image.display().to_string();
    let mut image = open(&options.image)?;
    let tree = image.tree().with_context(image_named)?;
    let nodes = image.walk().with_context(image_named)?;
    empty(&options.directory)?;
    let mut out = Out { root: &options.directory, is_root: geteuid().is_root(), left_out: 0 };
    out.directories(&tree)?;
    out.files(&mut image, &tree, &nodes)?;
    out.others(&tree)?;
    out.finish(&tree)?;
    if let Some(path) = &options.table {
        let write = || -> std::io::Result<()> {
            let mut file = File::create(path)?;
            file.write_all(tree.to_string().as_bytes())?;
            file.sync_all()
        };
        write().with_context(|| path.display().to_string())?;
    }
    if out.left_out > 0 {
        eprintln!("ufs: {} devices were left out: they need root", out.left_out);
    }
    Ok(out.left_out == 0 || options.table.is_some())
}

fn empty(path: &Path) -> Result<()> {
    let named = || path.display().to_string();
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if std::fs::read_dir(path).with_context(named)?.next().is_some() {
                bail!("{} is not empty", path.display());
            }
            Ok(())
        }
        other => other.with_context(named),
    }
}

struct Out<'a> {
    root: &'a Path,
    is_root: bool,
    left_out: u32,
}

impl Out<'_> {
    fn directories(&self, tree: &Tree) -> Result<()> {
        for (path, entry) in tree.iter() {
            if entry.kind == Kind::Directory && !path.is_empty() {
                let to = self.root.join(path);
                std::fs::create_dir(&to).with_context(|| to.display().to_string())?;
            }
        }
        Ok(())
    }

    fn files(
        &self,
        image: &mut Image<File>,
        tree: &Tree,
        nodes: &BTreeMap<String, Node>,
    ) -> Result<()> {
        for (path, entry) in tree.iter() {
            let (Kind::File { size }, Some(node)) = (&entry.kind, nodes.get(path)) else {
                continue;
            };
            let to = self.root.join(path);
            let named = || to.display().to_string();
            let mut file =
                OpenOptions::new().write(true).create_new(true).open(&to).with_context(named)?;
            // What is a hole in the image is one on disk.
            let mut at = 0;
            image
                .runs(node, &mut |from, bytes| {
                    if from != at {
                        file.seek(SeekFrom::Start(from))?;
                    }
                    at = from + bytes.len() as u64;
                    file.write_all(bytes)
                })
                .with_context(named)?;
            file.set_len(*size).with_context(named)?;
            self.metadata(&to, entry)?;
            file.set_times(times(entry)).with_context(named)?;
        }
        Ok(())
    }

    /// Links, pipes, devices.
    fn others(&mut self, tree: &Tree) -> Result<()> {
        for (path, entry) in tree.iter() {
            let to = self.root.join(path);
            let named = || to.display().to_string();
            match &entry.kind {
                Kind::Directory | Kind::File { .. } | Kind::HardLink { .. } => continue,
                Kind::Symlink { target } => symlink(target, &to).with_context(named)?,
                Kind::Fifo => mkfifo(&to, Mode::S_IRUSR).with_context(named)?,
                Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } if !self.is_root => {
                    self.left_out += 1;
                    continue;
                }
                Kind::CharacterDevice { major, minor } => {
                    device(&to, SFlag::S_IFCHR, *major, *minor).with_context(named)?;
                }
                Kind::BlockDevice { major, minor } => {
                    device(&to, SFlag::S_IFBLK, *major, *minor).with_context(named)?;
                }
            }
            self.metadata(&to, entry)?;
        }
        for (path, entry) in tree.iter() {
            let Kind::HardLink { target } = &entry.kind else { continue };
            let (from, to) = (self.root.join(target), self.root.join(path));
            let is_device = tree.get(target).is_some_and(|entry| {
                matches!(entry.kind, Kind::CharacterDevice { .. } | Kind::BlockDevice { .. })
            });
            if is_device && !self.is_root {
                self.left_out += 1;
                continue;
            }
            std::fs::hard_link(&from, &to).with_context(|| to.display().to_string())?;
        }
        Ok(())
    }

    /// Owner, then mode: a change of owner takes set-id bits away.
    fn metadata(&self, path: &Path, entry: &Entry) -> Result<()> {
        let named = || path.display().to_string();
        if self.is_root {
            lchown(path, Some(entry.uid), Some(entry.gid)).with_context(named)?;
        }
        if !matches!(entry.kind, Kind::Symlink { .. }) {
            std::fs::set_permissions(path, Permissions::from_mode(entry.mode))
                .with_context(named)?;
        }
        Ok(())
    }

    /// Directories, children before parents: a parent may become one that nobody can enter.
    fn finish(&self, tree: &Tree) -> Result<()> {
        let all: Vec<_> = tree.iter().filter(|(_, entry)| entry.kind == Kind::Directory).collect();
        for (path, entry) in all.into_iter().rev() {
            let to = self.root.join(path);
            let named = || to.display().to_string();
            File::open(&to).and_then(|dir| dir.set_times(times(entry))).with_context(named)?;
            self.metadata(&to, entry)?;
        }
        Ok(())
    }
}

fn times(entry: &Entry) -> FileTimes {
    let seconds = Duration::from_secs(entry.mtime.unsigned_abs());
    let time = match entry.mtime {
        0.. => SystemTime::UNIX_EPOCH + seconds,
        _ => SystemTime::UNIX_EPOCH - seconds,
    };
    FileTimes::new().set_modified(time).set_accessed(time)
}

fn device(path: &Path, kind: SFlag, major: u32, minor: u32) -> nix::Result<()> {
    mknod(path, kind, Mode::S_IRUSR, makedev(major, minor))
}
