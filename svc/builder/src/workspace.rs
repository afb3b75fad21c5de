//! workspace.rs - the copy of a gate that is built, and the copy of what it leaves.
//!
//! A workspace is made anew for each build, so nothing of an earlier build is in a later one.
//! Files are copied, by reference where the file system can; never hard links, which a build that
//! writes in place would tear.  Modes and times are kept: make compares times.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stage::tree::{Entry, Kind};
use stage::{Failure, Tree};

/// Names the path an error is about.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Failure + '_ {
    |source| crate::fatal(stage::tree::TreeError { path: path.to_owned(), source })
}

/// Copies a tree that was scanned at `from` to `to`, which need not exist; `each` hears of every
/// path and may stop it.
pub fn copy(
    tree: &Tree,
    from: &Path,
    to: &Path,
    each: &mut dyn FnMut(u64, &Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(at(to))?;
    let mut closed: Vec<(PathBuf, u32)> = Vec::new();
    let mut parent = PathBuf::new();
    for (done, entry) in (0u64..).zip(&tree.entries) {
        each(done, &entry.path)?;
        let target = to.join(&entry.path);
        let above = entry.path.parent().unwrap_or(Path::new(""));
        if above != parent {
            fs::create_dir_all(to.join(above)).map_err(at(&target))?;
            parent = above.to_owned();
        }
        match &entry.kind {
            Kind::Directory => {
                fs::create_dir_all(&target).map_err(at(&target))?;
                closed.push((target, entry.mode));
            }
            Kind::Link(link) => std::os::unix::fs::symlink(link, &target).map_err(at(&target))?,
            Kind::File(_) => copy_file(entry, &from.join(&entry.path), &target)?,
        }
    }
    // Last and inmost first: a directory may forbid writing.
    for (path, mode) in closed.into_iter().rev() {
        fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(at(&path))?;
    }
    Ok(())
}

fn copy_file(entry: &Entry, from: &Path, to: &Path) -> Result<(), Failure> {
    let mut source = File::open(from).map_err(at(from))?;
    // What goes wrong from here on, a full disk first of all, is the copy's.
    let mut copy = File::create(to).map_err(at(to))?;
    io::copy(&mut source, &mut copy).map_err(at(to))?;
    drop(copy);
    // Writable for a moment, for the time; the mode is right even where copy left bits out.
    fs::set_permissions(to, Permissions::from_mode(entry.mode | 0o600)).map_err(at(to))?;
    let file = File::options().write(true).open(to).map_err(at(to))?;
    file.set_modified(time(entry.mtime)).map_err(at(to))?;
    fs::set_permissions(to, Permissions::from_mode(entry.mode)).map_err(at(to))
}

fn time(seconds: i64) -> SystemTime {
    let span = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH - span } else { UNIX_EPOCH + span }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stage::{Files, StatCache};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_copy_has_the_same_digest_and_times() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        fs::create_dir_all(from.join("sub/closed")).unwrap();
        fs::write(from.join("sub/closed/file"), "text").unwrap();
        fs::write(from.join("run"), "#!/bin/sh\n").unwrap();
        for (path, mode) in [("run", 0o4555), ("sub/closed/file", 0o400), ("sub/closed", 0o555)] {
            fs::set_permissions(from.join(path), Permissions::from_mode(mode)).unwrap();
        }
        let file = File::open(from.join("run")).unwrap();
        file.set_modified(time(1_000_000)).unwrap();
        std::os::unix::fs::symlink("nowhere", from.join("link")).unwrap();

        let mut cache = StatCache::open(&place.path().join("cache")).unwrap();
        let tree = cache.scan(&from, Files::All).unwrap();
        let mut seen = 0;
        copy(&tree, &from, &to, &mut |_, _| {
            seen += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, tree.entries.len());
        assert_eq!(cache.scan(&to, Files::All).unwrap().digest(), tree.digest());
        assert_eq!(fs::metadata(to.join("run")).unwrap().mtime(), 1_000_000);
        stage::output::remove_tree(&to).unwrap();
        assert!(!to.exists());
        fs::set_permissions(from.join("sub/closed"), Permissions::from_mode(0o755)).unwrap();
    }
}
