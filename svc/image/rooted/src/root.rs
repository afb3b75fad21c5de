//! root.rs - a directory with its metadata table: what the steps of a build change.
//!
//! ```text
//! build_data/pkg_image/        files, owned by whoever builds
//! build_data/pkg_image.table   type, mode, owner and time of every path (image_tree)
//! ```
//!
//! Law: the table wins over the disk.  Nothing is written through a symbolic link: every parent
//! of a path is a directory, on the disk too.  A file is never changed in place, only replaced,
//! so other names of it (a checkpoint's, a hard link's) keep what they have.
//! Invariant: after [`Rooted::reconcile`] the table has a row for everything on the disk, and the
//! disk has everything in the table but devices.

mod copies;
mod reconcile;
mod ways;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::removal;
use image_tree::{Entry, Kind, TableError, Tree, check_path};

use copies::Copies;
pub use copies::Given;
pub use reconcile::Before;
pub use ways::Ways;

/// Why a path of a root cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RootedError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A parent that is no directory; a symbolic link would lead out of the root.
    #[error("{}: {above} is no directory of the image", root.display())]
    Led {
        /// The root.
        root: PathBuf,
        /// The parent.
        above: String,
    },
    /// A name or a line that a table refuses.
    #[error("{}: {source}", path.display())]
    Table {
        /// The table, or the root.
        path: PathBuf,
        /// Why.
        source: TableError,
    },
    /// A name on the disk that is no text.
    #[error("{}: the name is not UTF-8", .0.display())]
    Name(PathBuf),
}

type Result<T> = std::result::Result<T, RootedError>;

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> RootedError + '_ {
    |source| RootedError::Io { path: path.to_path_buf(), source }
}

/// Owner and mode of what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Owned {
    /// Of root:root.
    pub const fn root(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 0 }
    }

    /// Of root:sys, as most of /etc is.
    pub const fn sys(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 3 }
    }

    /// A row of it.
    pub fn entry(self, kind: Kind, mtime: i64) -> Entry {
        Entry { kind, mode: self.mode, uid: self.uid, gid: self.gid, mtime }
    }
}

/// A directory with its table.
#[derive(Debug)]
pub struct Rooted {
    dir: PathBuf,
    table: PathBuf,
    /// The table.
    pub tree: Tree,
    /// The time of what is made.
    time: i64,
}

impl Rooted {
    /// An empty one; what was there goes.
    pub fn create(dir: &Path, table: &Path, time: i64) -> Result<Self> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_at(dir)(error)),
            Ok(()) | Err(_) => fs::create_dir_all(dir).map_err(io_at(dir))?,
        }
        let mut tree = Tree::new();
        let top = Owned::root(0o755).entry(Kind::Directory, time);
        tree.insert("", top).map_err(|source| RootedError::Table { path: dir.into(), source })?;
        let rooted = Self { dir: dir.into(), table: table.into(), tree, time };
        rooted.save()?;
        Ok(rooted)
    }

    /// One that was saved.
    pub fn open(dir: &Path, table: &Path, time: i64) -> Result<Self> {
        let text = fs::read_to_string(table).map_err(io_at(table))?;
        let tree = Tree::parse(&text)
            .map_err(|source| RootedError::Table { path: table.into(), source })?;
        Ok(Self { dir: dir.into(), table: table.into(), tree, time })
    }

    /// One that somebody else filled.
    pub fn of(dir: &Path, table: &Path, tree: Tree, time: i64) -> Self {
        Self { dir: dir.into(), table: table.into(), tree, time }
    }

    /// Writes the table beside the directory.
    pub fn save(&self) -> Result<()> {
        let beside = self.table.with_extension("new");
        let write = || {
            fs::write(&beside, self.tree.to_string())?;
            fs::rename(&beside, &self.table)
        };
        write().map_err(io_at(&self.table))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The time that what is made gets.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// What the table says of a path.
    pub fn kind(&self, path: &str) -> Option<&Kind> {
        self.tree.get(path).map(|entry| &entry.kind)
    }

    /// Whether a path is a regular file, under its first name or another.
    pub fn is_file(&self, path: &str) -> bool {
        matches!(self.kind(path), Some(Kind::File { .. } | Kind::HardLink { .. }))
    }

    /// Whether a path is a directory.
    pub fn is_directory(&self, path: &str) -> bool {
        matches!(self.kind(path), Some(Kind::Directory))
    }

    /// A path on the disk whose parents are directories there.
    pub fn on_disk(&self, path: &str) -> Result<PathBuf> {
        let at = self.place(path)?;
        for (end, _) in path.match_indices('/') {
            let above = &path[..end];
            let about = fs::symlink_metadata(self.dir.join(above));
            if about.is_ok_and(|about| !about.is_dir()) {
                return Err(RootedError::Led { root: self.dir.clone(), above: above.into() });
            }
        }
        Ok(at)
    }

    /// Where a path would lie; the disk is not looked at.
    fn place(&self, path: &str) -> Result<PathBuf> {
        check_path(path).map_err(|source| RootedError::Table { path: self.dir.clone(), source })?;
        Ok(self.dir.join(path))
    }

    /// A regular file's bytes; `None`: there is none.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        if !self.is_file(path) {
            return Ok(None);
        }
        let at = self.on_disk(path)?;
        let about = fs::symlink_metadata(&at).map_err(io_at(&at))?;
        if !about.is_file() {
            return Err(RootedError::Led { root: self.dir.clone(), above: path.into() });
        }
        fs::read(&at).map(Some).map_err(io_at(&at))
    }

    /// A regular file's text.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        Ok(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The bytes behind a row, for a writer of an image.
    pub fn open_file(&self, path: &str) -> io::Result<Box<dyn Read>> {
        let at = self.on_disk(path).map_err(io::Error::other)?;
        Ok(Box::new(io::BufReader::new(fs::File::open(at)?)))
    }

    fn insert(&mut self, path: &str, entry: Entry) -> Result<()> {
        let dir = &self.dir;
        self.tree
            .insert(path, entry)
            .map_err(|source| RootedError::Table { path: dir.clone(), source })
    }

    /// Puts a file; one that is there keeps its owner and mode and loses its bytes.
    pub fn put(&mut self, path: &str, bytes: &[u8], owned: Owned) -> Result<()> {
        let to = self.make_way(path)?;
        let beside = to.with_file_name(format!(".{}.new", process_free_name(path)));
        let write = || {
            fs::write(&beside, bytes)?;
            fs::rename(&beside, &to)
        };
        write().map_err(io_at(&to))?;
        let kind = Kind::File { size: bytes.len() as u64 };
        let owned = match self.tree.get(path) {
            Some(Entry { kind: Kind::File { .. }, mode, uid, gid, .. }) => {
                Owned { mode: *mode, uid: *uid, gid: *gid }
            }
            Some(_) | None => owned,
        };
        let entry = owned.entry(kind, self.time);
        self.insert(path, entry)
    }

    /// Makes a directory and those above it; one that is there stays as it is.
    pub fn directory(&mut self, path: &str, owned: Owned) -> Result<()> {
        if self.is_directory(path) {
            return Ok(());
        }
        let to = self.make_way(path)?;
        match fs::create_dir(&to) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(io_at(&to)(error));
            }
            Ok(()) | Err(_) => {}
        }
        let entry = owned.entry(Kind::Directory, self.time);
        self.insert(path, entry)
    }

    /// Makes a symbolic link; what was there goes.
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.remove(path)?;
        let to = self.make_way(path)?;
        symlink(target, &to).map_err(io_at(&to))?;
        let kind = Kind::Symlink { target: target.to_string() };
        let entry = Owned::root(0o777).entry(kind, self.time);
        self.insert(path, entry)
    }

    /// The directories above a path, made where they are not; the path itself on the disk.
    fn make_way(&mut self, path: &str) -> Result<PathBuf> {
        let to = self.on_disk(path)?;
        for (end, _) in path.match_indices('/') {
            let above = &path[..end];
            match self.kind(above) {
                Some(Kind::Directory) => {}
                Some(_) => {
                    return Err(RootedError::Led { root: self.dir.clone(), above: above.into() });
                }
                None => {
                    let entry = Owned::sys(0o755).entry(Kind::Directory, self.time);
                    self.insert(above, entry)?;
                }
            }
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(io_at(parent))?;
        }
        Ok(to)
    }

    /// Takes a path away with all below it.  Nothing there: nothing done.
    pub fn remove(&mut self, path: &str) -> Result<()> {
        if self.tree.get(path).is_none() && self.tree.below(path).next().is_none() {
            return Ok(());
        }
        let below = format!("{path}/");
        self.retain(|one| one != path && !one.starts_with(&below))
    }

    /// Takes a directory away with all below it, by moving it to where `to` is; what is there goes.
    /// Where it cannot be moved it is removed.  Nothing there: nothing done.
    pub fn set_aside(&mut self, path: &str, to: &Path) -> Result<()> {
        if !self.is_directory(path) {
            return self.remove(path);
        }
        let at = self.on_disk(path)?;
        removal::remove(to).map_err(io_at(to))?;
        match fs::rename(&at, to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Another file system.
            Err(_) => removal::remove(&at).map_err(io_at(&at))?,
        }
        let gone: Vec<String> = self.tree.below(path).map(|(below, _)| below.to_string()).collect();
        let mut files = BTreeMap::new();
        for path in gone.into_iter().chain([path.to_string()]) {
            if let Some(entry @ Entry { kind: Kind::File { .. }, .. }) = self.tree.remove(&path) {
                files.insert(path, entry);
            }
        }
        self.promote(&files)
    }

    /// Takes away what `keep` does not want.  Directories that hold something stay, whatever it
    /// says.  Of a file's names that stay, the first becomes its first name.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) -> Result<()> {
        let mut gone: Vec<String> = self
            .tree
            .iter()
            .map(|(path, _)| path)
            .filter(|path| !path.is_empty() && !keep(path))
            .map(str::to_string)
            .collect();
        // Children first: a directory can go when it is empty.
        gone.reverse();
        let mut files = BTreeMap::new();
        for path in gone {
            if self.is_directory(&path) && self.tree.below(&path).next().is_some() {
                continue;
            }
            let Some(entry) = self.tree.remove(&path) else { continue };
            let at = self.on_disk(&path)?;
            let removed = match fs::symlink_metadata(&at) {
                Ok(about) if about.is_dir() => fs::remove_dir(&at),
                Ok(_) => fs::remove_file(&at),
                // A device has never been on the disk.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
            removed.map_err(io_at(&at))?;
            if let Kind::File { .. } = entry.kind {
                files.insert(path, entry);
            }
        }
        self.promote(&files)
    }

    /// Files whose first names are gone are called by their next names from now on.
    fn promote(&mut self, gone: &BTreeMap<String, Entry>) -> Result<()> {
        // One pass for all of them: a root has as many rows as files can go.
        let linked = |(path, entry): (&str, &Entry)| match &entry.kind {
            Kind::HardLink { target } => {
                gone.get_key_value(target).map(|(target, file)| (path.to_string(), target, file))
            }
            _ => None,
        };
        let names: Vec<_> = self.tree.iter().filter_map(linked).collect();
        let mut firsts: BTreeMap<&String, String> = BTreeMap::new();
        for (name, target, file) in names {
            let entry = match firsts.get(target) {
                None => file.clone(),
                Some(first) => {
                    let kind = Kind::HardLink { target: first.clone() };
                    Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 }
                }
            };
            self.insert(&name, entry)?;
            firsts.entry(target).or_insert(name);
        }
        Ok(())
    }

    /// Copies one row of another root, without what is below it; parents come with it.
    pub fn copy_from(&mut self, other: &Rooted, path: &str) -> Result<()> {
        let mut copies = Copies::of(None);
        self.copy_row(other, path, &mut copies)?;
        copies.make()
    }

    /// Copies rows so, in the order of their paths; the bytes of files by a few threads.  What lies
    /// at their paths in the donor and has the same bytes is moved from there.
    pub fn copy_all<'p>(
        &mut self,
        other: &Rooted,
        paths: impl Iterator<Item = &'p str>,
        donor: Option<Given<'_>>,
    ) -> Result<()> {
        let mut copies = Copies::of(donor);
        for path in paths {
            self.copy_row(other, path, &mut copies)?;
        }
        copies.make()
    }

    fn copy_row(&mut self, other: &Rooted, path: &str, copies: &mut Copies<'_>) -> Result<()> {
        let Some(entry) = other.tree.get(path) else { return Ok(()) };
        for (end, _) in path.match_indices('/') {
            let above = &path[..end];
            if let (None, Some(entry)) = (self.tree.get(above), other.tree.get(above)) {
                self.make_way(above)?;
                self.insert(above, entry.clone())?;
            }
        }
        let mut entry = entry.clone();
        let to = self.make_way(path)?;
        match &entry.kind {
            Kind::Directory => fs::create_dir_all(&to).map_err(io_at(&to))?,
            Kind::Symlink { target } => {
                let target = target.clone();
                self.remove(path)?;
                symlink(target, &to).map_err(io_at(&to))?;
            }
            Kind::File { .. } => copies.file(path, other.on_disk(path)?, to),
            Kind::HardLink { target } => {
                let target = target.clone();
                if self.is_file(&target) {
                    let first = self.on_disk(&target)?;
                    self.remove(path)?;
                    copies.link(first, to);
                } else {
                    // Its first name stays behind: it is a file of its own here.
                    copies.file(path, other.on_disk(path)?, to);
                    let first = other.tree.get(&target).cloned();
                    entry = first.unwrap_or(entry);
                }
            }
            Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } | Kind::Fifo => {}
        }
        self.insert(path, entry)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        let size = |entry: &Entry| match entry.kind {
            Kind::File { size } => size,
            _ => 0,
        };
        self.tree.iter().map(|(_, entry)| size(entry)).sum()
    }
}

/// A name for what lies beside a file until it is whole.
fn process_free_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooted(scratch: &Path, name: &str) -> Rooted {
        Rooted::create(&scratch.join(name), &scratch.join(format!("{name}.table")), 9).unwrap()
    }

    #[test]
    fn a_file_is_replaced_and_keeps_its_owner() {
        let scratch = tempfile::tempdir().unwrap();
        let mut root = rooted(scratch.path(), "r");
        root.put("etc/shadow", b"one", Owned { mode: 0o400, uid: 0, gid: 3 }).unwrap();
        let other = scratch.path().join("other-name");
        fs::hard_link(root.dir().join("etc/shadow"), &other).unwrap();
        root.put("etc/shadow", b"three", Owned::root(0o666)).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"one");
        let entry = root.tree.get("etc/shadow").unwrap();
        assert_eq!((entry.mode, entry.gid, &entry.kind), (0o400, 3, &Kind::File { size: 5 }));
        assert!(root.is_directory("etc"));
        root.save().unwrap();
        let again = Rooted::open(root.dir(), &scratch.path().join("r.table"), 9).unwrap();
        assert_eq!(again.tree, root.tree);
        assert_eq!(again.text("etc/shadow").unwrap().as_deref(), Some("three"));
        assert_eq!(again.text("etc/none").unwrap(), None);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let scratch = tempfile::tempdir().unwrap();
        let mut root = rooted(scratch.path(), "r");
        fs::create_dir(scratch.path().join("outside")).unwrap();
        root.link("etc", "../outside").unwrap();
        let error = root.put("etc/passwd", b"x", Owned::root(0o644)).unwrap_err().to_string();
        assert!(error.ends_with("etc is no directory of the image"), "{error}");
        assert!(root.directory("etc/x", Owned::root(0o755)).is_err());
        assert!(root.put("../x", b"x", Owned::root(0o644)).is_err());
        assert_eq!(fs::read_dir(scratch.path().join("outside")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_set_aside_is_whole_and_leaves_the_other_names_of_a_file() {
        let scratch = tempfile::tempdir().unwrap();
        let mut root = rooted(scratch.path(), "r");
        let aside = scratch.path().join("aside");
        for round in ["one", "two"] {
            root.put("a/b/file", round.as_bytes(), Owned::root(0o555)).unwrap();
            root.directory("c", Owned::root(0o755)).unwrap();
            root.remove("c/name").unwrap();
            fs::hard_link(root.dir().join("a/b/file"), root.dir().join("c/name")).unwrap();
            let kind = Kind::HardLink { target: "a/b/file".into() };
            root.insert("c/name", Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 }).unwrap();
            root.set_aside("a", &aside).unwrap();
            assert_eq!(fs::read_to_string(aside.join("b/file")).unwrap(), round);
            assert!(!root.dir().join("a").exists());
            let kept: Vec<&str> = root.tree.iter().map(|(path, _)| path).collect();
            assert_eq!(kept, ["", "c", "c/name"]);
            assert_eq!(root.text("c/name").unwrap().as_deref(), Some(round));
        }
        root.set_aside("none", &aside).unwrap();
        root.link("link", "c").unwrap();
        root.set_aside("link", &aside).unwrap();
        assert!(root.dir().join("c").exists() && root.kind("link").is_none());
    }

    #[test]
    fn what_goes_leaves_the_other_names_of_a_file() {
        let scratch = tempfile::tempdir().unwrap();
        let mut root = rooted(scratch.path(), "r");
        root.put("a/one", b"x", Owned::root(0o555)).unwrap();
        for name in ["b/two", "b/three"] {
            root.directory("b", Owned::root(0o755)).unwrap();
            fs::hard_link(root.dir().join("a/one"), root.dir().join(name)).unwrap();
            let kind = Kind::HardLink { target: "a/one".into() };
            root.insert(name, Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 }).unwrap();
        }
        let device = Kind::CharacterDevice { major: 13, minor: 2 };
        root.insert("a/null", Owned::root(0o666).entry(device, 9)).unwrap();
        let mut archive = rooted(scratch.path(), "archive");
        archive.copy_from(&root, "b/three").unwrap();
        assert_eq!(archive.tree.get("b/three"), root.tree.get("a/one"));
        root.remove("a").unwrap();
        assert!(!root.dir().join("a").exists());
        assert_eq!(root.kind("b/three"), Some(&Kind::File { size: 1 }));
        assert_eq!(root.kind("b/two"), Some(&Kind::HardLink { target: "b/three".into() }));
        let kept: Vec<&str> = root.tree.iter().map(|(path, _)| path).collect();
        assert_eq!(kept, ["", "b", "b/three", "b/two"]);
    }
}
