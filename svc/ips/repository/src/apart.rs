//! apart.rs - a folder for many new files, away from where others were removed.
//!
//! An ext4 without a journal leaves inodes that became free alone for minutes, and looks at all of
//! them in a group of blocks again for each file that is made there: beside a repository that was
//! just removed, an installation takes four times as long in the system.  A folder made below one
//! that is marked as the top of unrelated ones (chattr(1), `T`) gets a group of its own instead,
//! which its name decides; the files in it are made where it is, and stay there when they are
//! moved.  So it is made under a name that nobody had before.
//!
//! Law: only where things lie on the disk depends on the mark, never whether they are made.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::durable;
use crate::error::{PathError, at};

/// Of the names of folders that are not in their places yet.
const PREFIX: &str = "apart.";

/// Makes a folder for many files that are made now and moved away later; one that is there already
/// is as good.  It comes out of `by`, a folder of the same file system for what is temporary, in
/// which nobody else does this at the same time.
pub fn make_apart(path: &Path, by: &Path) -> Result<(), PathError> {
    if path.is_dir() {
        return Ok(());
    }
    durable::make_folder(by)?;
    remove_left(by)?;
    let Some(mark) = Mark::set(by) else { return durable::make_folder(path) };
    let new = tempfile::Builder::new().prefix(PREFIX).tempdir_in(by).map_err(at(by))?;
    drop(mark);
    fs::set_permissions(new.path(), Permissions::from_mode(0o755)).map_err(at(new.path()))?;
    if let Some(parent) = path.parent() {
        durable::make_folder(parent)?;
    }
    fs::rename(new.path(), path).map_err(at(path))?;
    // It is there no more.
    let _moved = new.keep();
    Ok(())
}

/// Removes what a killed process has left: a folder that was not moved yet, so nothing is in it.
fn remove_left(by: &Path) -> Result<(), PathError> {
    for entry in fs::read_dir(by).map_err(at(by))? {
        let path = entry.map_err(at(by))?.path();
        let name = path.file_name().unwrap_or_default();
        if name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            // What has anything in it is somebody else's, and in nobody's way.
            let _ = fs::remove_dir(&path);
        }
    }
    Ok(())
}

/// A folder that is marked; the mark goes with this.
#[cfg(target_os = "linux")]
struct Mark {
    folder: std::fs::File,
    before: rustix::fs::IFlags,
}

#[cfg(target_os = "linux")]
impl Mark {
    /// `None`: the file system knows no such mark.  One that a killed process left goes with this.
    fn set(folder: &Path) -> Option<Mark> {
        use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
        let folder = std::fs::File::open(folder).ok()?;
        let before = ioctl_getflags(&folder).ok()? - IFlags::TOPDIR;
        ioctl_setflags(&folder, before | IFlags::TOPDIR).ok()?;
        Some(Mark { folder, before })
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mark {
    fn drop(&mut self) {
        // One that stays harms nobody.
        let _ = rustix::fs::ioctl_setflags(&self.folder, self.before);
    }
}

#[cfg(not(target_os = "linux"))]
struct Mark;

#[cfg(not(target_os = "linux"))]
impl Mark {
    fn set(_: &Path) -> Option<Mark> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_with_those_above_and_nothing_is_left_of_the_mark() {
        let place = tempfile::tempdir().unwrap();
        let (path, by) = (place.path().join("cache/stage"), place.path().join("cache/tmp"));
        // A killed process has left both.
        fs::create_dir_all(by.join("apart.left")).unwrap();
        #[cfg(target_os = "linux")]
        std::mem::forget(Mark::set(&by));
        for _ in ["made", "there"] {
            make_apart(&path, &by).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o755);
            assert_eq!(fs::read_dir(&by).unwrap().count(), 0);
            assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
            #[cfg(target_os = "linux")]
            for folder in [&by, &path] {
                let folder = std::fs::File::open(folder).unwrap();
                let flags = rustix::fs::ioctl_getflags(&folder);
                assert!(!flags.is_ok_and(|flags| flags.contains(rustix::fs::IFlags::TOPDIR)));
            }
        }
        fs::write(place.path().join("file"), "").unwrap();
        assert!(make_apart(&place.path().join("file/x"), &by).is_err());
        assert_eq!(fs::read_dir(&by).unwrap().count(), 0);
    }
}
