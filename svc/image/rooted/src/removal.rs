//! removal.rs - a large tree removed from the disk by a few threads.
//!
//! Removing a file is mostly waiting (for the journal, for a disk that is told of free blocks), so
//! more than one thread is worth it even on one processor.
//!
//! Law: no symbolic link is followed.  Nothing may be made in the tree meanwhile.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::parallel;

const THREADS: usize = 2;

/// Removes a directory with everything in it, or a file.  Nothing there: nothing done.
pub fn remove(path: &Path) -> io::Result<()> {
    empty(path)?;
    let removed = match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes everything below a directory, which stays.  Nothing there: nothing done.
pub fn empty(top: &Path) -> io::Result<()> {
    match fs::symlink_metadata(top) {
        Ok(about) if about.is_dir() => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => return Ok(()),
    }
    let folders = folders(top)?;
    parallel::each(&folders, THREADS, || (), |folder, ()| remove_files(folder))?;
    // The top is the first; children come after their parents.
    folders[1..].iter().rev().try_for_each(fs::remove_dir)
}

/// A directory and all below it.
fn folders(top: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![top.to_path_buf()];
    let mut at = 0;
    while let Some(folder) = found.get(at).cloned() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.push(entry.path());
            }
        }
        at += 1;
    }
    Ok(found)
}

fn remove_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_below_goes_and_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        let (top, outside) = (scratch.path().join("top"), scratch.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        for number in 0..40 {
            let folder = top.join(format!("a{}/b{number}", number % 7));
            fs::create_dir_all(&folder).unwrap();
            for name in ["one", "two"] {
                fs::write(folder.join(name), "x").unwrap();
            }
            std::os::unix::fs::symlink(&outside, folder.join("link")).unwrap();
        }
        empty(&top).unwrap();
        assert_eq!(fs::read_dir(&top).unwrap().count(), 0);
        assert!(outside.join("kept").exists());
        empty(&top).unwrap();
        empty(&scratch.path().join("none")).unwrap();
        let link = scratch.path().join("link");
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        empty(&link).unwrap();
        assert!(outside.join("kept").exists());
    }
}
