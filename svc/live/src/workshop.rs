//! workshop.rs - the part of an image that steps read and change, laid out on the disk.
//!
//! Without scripts that is a few files of /etc, the services and their profiles; everything else
//! stays where it was found.  Scripts of the user see the whole image, a copy of it: what they do to it
//! does not reach the proto areas.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use image_rooted::{Owned, Rooted, parallel};
use image_tree::{Kind, Tree};

use crate::digests::changed;
use crate::gather::Gathered;
use crate::image::{Body, Image};
use crate::places::Taken;
use stage::seen::About;

const THREADS: usize = 2;

/// Files that the steps of every build read or change.
const FILES: [&str; 10] = [
    "etc/passwd",
    "etc/group",
    "etc/shadow",
    "etc/motd",
    "etc/issue",
    "etc/security/policy.conf",
    "etc/security/crypt.conf",
    "etc/mnttab",
    "var/log/syslog",
    "var/adm/wtmpx",
];
/// Directories of which they read all.
const FOLDERS: [&str; 3] = ["lib/svc", "var/svc", "etc/svc"];

/// How much of the image lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What the steps read.
    Part,
    /// All of it, for scripts.
    Whole,
}

/// A part of an image on the disk.
pub struct Workshop {
    /// The part, with its table.
    pub root: Rooted,
    extent: Extent,
    /// What was made here, whatever the sources say.
    made: BTreeSet<String>,
}

fn is_wanted(path: &str) -> bool {
    let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    FILES.contains(&path) || FOLDERS.iter().any(|folder| below(folder))
}

impl Workshop {
    /// Lays it out in an empty directory.
    ///
    /// # Errors
    /// A file cannot be copied.
    pub fn open(dir: &Path, gathered: &Gathered, extent: Extent, time: i64) -> Result<Workshop> {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let mut tree = Tree::new();
        for (path, entry) in gathered.tree.iter() {
            let kept = match (&entry.kind, extent) {
                (_, Extent::Whole) | (Kind::Directory, Extent::Part) => true,
                (Kind::File { .. } | Kind::Symlink { .. }, Extent::Part) => is_wanted(path),
                (_, Extent::Part) => false,
            };
            if kept {
                tree.insert(path, entry.clone())?;
            }
        }
        let root = Rooted::of(dir, &dir.with_extension("table"), tree, time);
        lay_out(&root, &gathered.files, extent)?;
        Ok(Workshop { root, extent, made: BTreeSet::new() })
    }

    /// Puts a file of the build's own; one that is there keeps its owner and mode.
    ///
    /// # Errors
    /// It cannot be written, or a link is in the way.
    pub fn put(&mut self, path: &str, bytes: &[u8], owned: Owned) -> Result<()> {
        self.root.put(path, bytes, owned)?;
        self.made.insert(path.to_owned());
        Ok(())
    }

    /// Changes the root by other means, which changes this path.
    ///
    /// # Errors
    /// Those of the change.
    pub fn change<T>(
        &mut self,
        path: &str,
        change: impl FnOnce(&mut Rooted) -> Result<T>,
    ) -> Result<T> {
        self.made.insert(path.to_owned());
        change(&mut self.root)
    }

    /// What somebody else has made here.
    pub fn made_by_others(&mut self, paths: impl Iterator<Item = String>) {
        self.made.extend(paths);
    }

    /// The image as it is now: the sources', and what was made here.
    ///
    /// # Errors
    /// A file that was made cannot be read.
    pub fn image(&self, gathered: &Gathered) -> Result<Image> {
        let mut tree = match self.extent {
            Extent::Whole => Tree::new(),
            Extent::Part => gathered.tree.clone(),
        };
        for (path, entry) in self.root.tree.iter() {
            tree.insert(path, entry.clone())?;
        }
        let mut bodies = BTreeMap::new();
        for (path, entry) in tree.iter() {
            if !matches!(entry.kind, Kind::File { .. }) {
                continue;
            }
            let source = gathered.files.get(path).filter(|_| !self.made.contains(path));
            let body = match source {
                Some(taken) => Body { path: taken.path.clone(), about: taken.about },
                None => self.body(path)?,
            };
            bodies.insert(path.to_owned(), body);
        }
        Ok(Image { tree, bodies, listing: None })
    }

    /// A file that lies here.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn body(&self, path: &str) -> Result<Body> {
        let at = self.root.on_disk(path)?;
        let about = fs::symlink_metadata(&at).with_context(|| at.display().to_string())?;
        Ok(Body { path: at, about: About::of(&about) })
    }
}

/// Makes the directories, links and copies of a root's rows.
fn lay_out(root: &Rooted, files: &BTreeMap<String, Taken>, extent: Extent) -> Result<()> {
    let at = |path: &str| root.dir().join(path);
    let made = |path: &str, done: std::io::Result<()>| {
        done.with_context(|| at(path).display().to_string())
    };
    let mut copies = Vec::new();
    for (path, entry) in root.tree.iter() {
        match &entry.kind {
            Kind::Directory
                if extent == Extent::Part && !FOLDERS.contains(&path) && !is_wanted(path) => {}
            Kind::Directory => made(path, fs::create_dir_all(at(path)))?,
            Kind::File { .. } => copies.extend(files.get(path).map(|source| (path, source))),
            Kind::Symlink { target } => {
                above(&at(path))?;
                made(path, std::os::unix::fs::symlink(target, at(path)))?;
            }
            Kind::HardLink { .. }
            | Kind::CharacterDevice { .. }
            | Kind::BlockDevice { .. }
            | Kind::Fifo => {}
        }
    }
    copy_all(root.dir(), &copies)?;
    for (path, entry) in root.tree.iter() {
        if let Kind::HardLink { target } = &entry.kind {
            made(path, fs::hard_link(at(target), at(path)))?;
        }
    }
    Ok(())
}

fn above(path: &Path) -> Result<()> {
    let Some(above) = path.parent() else { return Ok(()) };
    fs::create_dir_all(above).with_context(|| above.display().to_string())
}

/// Copies files, by a few threads.
fn copy_all(dir: &Path, files: &[(&str, &Taken)]) -> Result<()> {
    parallel::each(
        files,
        THREADS,
        || (),
        |(path, source), ()| {
            let (from, to) = (&source.path, dir.join(path));
            above(&to)?;
            let named = || format!("{} to {}", from.display(), to.display());
            let copied = fs::copy(from, &to).with_context(named)?;
            if copied != source.about.size {
                return Err(changed()).with_context(|| from.display().to_string());
            }
            Ok(())
        },
    )?;
    Ok(())
}
