//! tree.rs - the digest of a tree of files, one stat per file when nothing changed (seen.rs).

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::glob::Globs;
use crate::recipe::hex;
use crate::seen::{About, Seen};

const KIND: &str = "lamplighter-stat-cache 3";

/// A file of a tree that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct TreeError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> TreeError + '_ {
    |source| TreeError { path: path.to_owned(), source }
}

/// Which files of a tree are meant.
#[derive(Debug, Clone, Copy)]
pub enum Files<'a> {
    /// All but `.git`, with directories.
    All,
    /// Those with these relative paths; one that is not there any more is left out.
    Listed(&'a [PathBuf]),
    /// Those that match.
    Matching(&'a Globs),
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file with this digest.
    File(String),
    /// A symbolic link to this.
    Link(PathBuf),
}

/// One path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root; empty when the root is a file itself.
    pub path: PathBuf,
    /// What stands there.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since the epoch.
    pub mtime: i64,
}

/// A tree as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// In the order of paths.
    pub entries: Vec<Entry>,
}

impl Tree {
    /// SHA-256 over types, modes, paths, contents and targets; times do not count.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for entry in &self.entries {
            let (kind, content) = match &entry.kind {
                Kind::Directory => (b'd', &b""[..]),
                Kind::File(digest) => (b'f', digest.as_bytes()),
                Kind::Link(target) => (b'l', target.as_os_str().as_bytes()),
            };
            hash.update([kind]);
            hash.update(entry.mode.to_be_bytes());
            for bytes in [entry.path.as_os_str().as_bytes(), content] {
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
        }
        hex(&hash.finalize())
    }

    /// The newest mtime of a file or link, in seconds since the epoch.
    #[must_use]
    pub fn newest(&self) -> Option<i64> {
        let files = self.entries.iter().filter(|entry| entry.kind != Kind::Directory);
        files.map(|entry| entry.mtime).max()
    }
}

/// The digests of earlier reads.
#[derive(Debug)]
pub struct StatCache {
    before: Seen,
    now: HashMap<PathBuf, (About, String)>,
    read: u64,
}

impl StatCache {
    /// Opens the cache at a path; one that is not there or torn is empty.
    ///
    /// # Errors
    /// Its directory cannot be written.
    pub fn open(path: &Path) -> Result<StatCache, TreeError> {
        Ok(StatCache { before: Seen::open(path, KIND)?, now: HashMap::new(), read: 0 })
    }

    /// How many files were really read.
    #[must_use]
    pub fn files_read(&self) -> u64 {
        self.read
    }

    /// Reads a tree, or a single file.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn scan(&mut self, root: &Path, files: Files<'_>) -> Result<Tree, TreeError> {
        let mut entries = Vec::new();
        let metadata = fs::metadata(root).map_err(at(root))?;
        match files {
            _ if !metadata.is_dir() => {
                let root = fs::canonicalize(root).map_err(at(root))?;
                entries.extend(self.entry(&root, PathBuf::new())?);
            }
            Files::Listed(paths) => {
                for path in paths {
                    match self.entry(&root.join(path), path.clone()) {
                        Ok(entry) => entries.extend(entry),
                        Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Files::All | Files::Matching(_) => {
                self.walk(root, Path::new(""), files, &mut entries)?;
            }
        }
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Tree { entries })
    }

    fn walk(
        &mut self,
        root: &Path,
        below: &Path,
        files: Files<'_>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), TreeError> {
        let directory = root.join(below);
        for entry in fs::read_dir(&directory).map_err(at(&directory))? {
            let name = entry.map_err(at(&directory))?.file_name();
            if name == ".git" {
                continue;
            }
            let path = below.join(&name);
            let full = root.join(&path);
            let is_directory = fs::symlink_metadata(&full).map_err(at(&full))?.is_dir();
            let meant = match files {
                Files::Matching(globs) => !is_directory && globs.matches(&path.to_string_lossy()),
                Files::All | Files::Listed(_) => true,
            };
            if meant {
                entries.extend(self.entry(&full, path.clone())?);
            }
            if is_directory {
                self.walk(root, &path, files, entries)?;
            }
        }
        Ok(())
    }

    /// None for what is neither file nor directory nor link.
    fn entry(&mut self, full: &Path, path: PathBuf) -> Result<Option<Entry>, TreeError> {
        let metadata = fs::symlink_metadata(full).map_err(at(full))?;
        let kind = if metadata.is_dir() {
            Kind::Directory
        } else if metadata.is_symlink() {
            Kind::Link(fs::read_link(full).map_err(at(full))?)
        } else if metadata.is_file() {
            Kind::File(self.digest(full, &metadata)?)
        } else {
            return Ok(None);
        };
        Ok(Some(Entry { path, kind, mode: metadata.mode() & 0o7777, mtime: metadata.mtime() }))
    }

    fn digest(&mut self, full: &Path, metadata: &Metadata) -> Result<String, TreeError> {
        // A device may have another number after a reboot.
        let about = About { inode: (0, metadata.ino()), ..About::of(metadata) };
        let known = match self.now.get(full) {
            Some((seen, digest)) => (*seen == about).then_some(digest.as_str()),
            None => self.before.found(full, &about),
        };
        if let Some(digest) = known.filter(|_| self.before.is_settled(&about)) {
            let digest = digest.to_owned();
            self.now.insert(full.to_owned(), (about, digest.clone()));
            return Ok(digest);
        }
        self.read += 1;
        let mut hash = Sha256::new();
        let mut file = File::open(full).map_err(at(full))?;
        let mut buffer = vec![0u8; 128 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => hash.update(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(at(full)(source)),
            }
        }
        let digest = hex(&hash.finalize());
        self.now.insert(full.to_owned(), (about, digest.clone()));
        Ok(digest)
    }

    /// Keeps what was read in this run, for the next one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(self) -> Result<(), TreeError> {
        let now = self.now.iter();
        self.before.save(now.map(|(path, (about, digest))| (path.as_path(), about, digest.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    /// A tree whose files are an hour old; ctime cannot be set, so tests wait for the clock of
    /// the file system to move on by making files until it has.
    fn tree() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("tree");
        fs::create_dir_all(root.join("sub/empty")).unwrap();
        for (path, text) in [("a", "one"), ("sub/b", "two")] {
            fs::write(root.join(path), text).unwrap();
            let old = SystemTime::now() - Duration::from_secs(3600);
            File::options().write(true).open(root.join(path)).unwrap().set_modified(old).unwrap();
        }
        std::os::unix::fs::symlink("a", root.join("link")).unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        fs::write(root.join(".git/config"), "x").unwrap();
        let ctime = |path: &Path| {
            let found = fs::metadata(path).unwrap();
            (found.ctime(), found.ctime_nsec())
        };
        let born = ctime(&root.join("sub/b"));
        let probe = place.path().join("probe");
        loop {
            fs::write(&probe, "x").unwrap();
            if ctime(&probe) > born {
                return place;
            }
            fs::remove_file(&probe).unwrap();
        }
    }

    fn scan(place: &Path, files: Files<'_>) -> (Tree, u64) {
        let mut cache = StatCache::open(&place.join("cache")).unwrap();
        let tree = cache.scan(&place.join("tree"), files).unwrap();
        let read = cache.files_read();
        cache.save().unwrap();
        (tree, read)
    }

    #[test]
    fn read_once_and_again_when_changed() {
        let place = tree();
        let (first, read) = scan(place.path(), Files::All);
        assert_eq!(read, 2);
        let paths: Vec<_> = first.entries.iter().map(|e| e.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["a", "link", "sub", "sub/b", "sub/empty"]);
        let (second, read) = scan(place.path(), Files::All);
        assert_eq!((&second, read), (&first, 0));

        fs::write(place.path().join("tree/a"), "two").unwrap();
        let (third, read) = scan(place.path(), Files::All);
        assert_eq!(read, 1);
        assert_ne!(third.digest(), first.digest());
    }

    #[test]
    fn the_young_are_never_trusted() {
        let place = tree();
        let target = place.path().join("tree/a");
        let mut cache = StatCache::open(&place.path().join("cache")).unwrap();
        fs::write(&target, "new").unwrap();
        cache.scan(&place.path().join("tree"), Files::All).unwrap();
        cache.save().unwrap();
        let (_, read) = scan(place.path(), Files::All);
        assert_eq!(read, 1, "written after the cache was opened, so read again");
    }

    #[test]
    fn what_counts() {
        let place = tree();
        let before = scan(place.path(), Files::All).0.digest();
        let old = SystemTime::now() - Duration::from_secs(7200);
        let file = File::options().write(true).open(place.path().join("tree/a")).unwrap();
        file.set_modified(old).unwrap();
        assert_eq!(scan(place.path(), Files::All).0.digest(), before, "times do not count");
        fs::remove_dir(place.path().join("tree/sub/empty")).unwrap();
        assert_ne!(scan(place.path(), Files::All).0.digest(), before, "a directory counts");
    }

    #[test]
    fn parts_of_a_tree() {
        let place = tree();
        let globs = Globs::new(["sub/**"]);
        assert_eq!(scan(place.path(), Files::Matching(&globs)).0.entries.len(), 1);
        let listed = [PathBuf::from("a"), PathBuf::from("gone")];
        assert_eq!(scan(place.path(), Files::Listed(&listed)).0.entries.len(), 1);
        let mut cache = StatCache::open(&place.path().join("cache")).unwrap();
        let single = cache.scan(&place.path().join("tree/a"), Files::All).unwrap();
        assert_eq!(single.entries.len(), 1);
        assert!(cache.scan(&place.path().join("nowhere"), Files::All).is_err());
    }
}
