//! opening.rs - files of the repository, opened so that no link leads out of it.
//!
//! The repository itself may lie behind links; below it a link may only lead to what is below it
//! too.  Linux checks this while it walks the path; elsewhere the folder is resolved first and
//! the last part may be no link at all.  A pipe in the place of a file does not hold up anybody.
//!
//! A path without any link is walked once.  Whether the way to the repository has one is a guess
//! (`Root`) that only costs time where it is wrong.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The folder that files are opened below.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    /// No part of its path was a link when last looked at.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    is_plain: bool,
}

impl Root {
    /// The folder at an absolute path.
    pub fn of(path: &Path) -> Self {
        let is_plain = path.canonicalize().is_ok_and(|real| real == path);
        Self { path: path.to_path_buf(), is_plain }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the regular file at `path`, which begins with the folder's, and looks at it.
    pub fn open(&self, path: &Path) -> io::Result<(File, Metadata)> {
        let below = path.strip_prefix(&self.path).map_err(|_| io::ErrorKind::NotFound)?;
        let file = match self.below(path, below) {
            // A kernel, or a sandbox, that does not know the call.
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => resolved(&self.path, below),
            opened => opened,
        }?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok((file, about))
    }

    #[cfg(target_os = "linux")]
    fn below(&self, path: &Path, below: &Path) -> io::Result<File> {
        use nix::errno::Errno;
        use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
        use std::path::Component;
        let how = OpenHow::new().flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK);
        let mut parts = below.components();
        if self.is_plain && parts.all(|part| matches!(part, Component::Normal(_))) {
            match openat2(AT_FDCWD, path, how.resolve(ResolveFlag::RESOLVE_NO_SYMLINKS)) {
                // A link after all; it may lead to what is below.
                Err(Errno::ELOOP) => {}
                opened => return Ok(File::from(opened?)),
            }
        }
        let folder = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(&self.path)?;
        Ok(File::from(openat2(&folder, below, how.resolve(ResolveFlag::RESOLVE_BENEATH))?))
    }

    #[cfg(not(target_os = "linux"))]
    fn below(&self, _: &Path, _: &Path) -> io::Result<File> {
        Err(io::Error::from_raw_os_error(libc::ENOSYS))
    }
}

fn resolved(root: &Path, below: &Path) -> io::Result<File> {
    let path = root.join(below);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let parent = parent.canonicalize()?;
    if !parent.starts_with(root.canonicalize()?) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags).open(parent.join(name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().join("real");
        fs::create_dir_all(real.join("file/ab")).unwrap();
        fs::write(real.join("file/ab/x"), "inside").unwrap();
        fs::write(place.path().join("secret"), "outside").unwrap();
        let root = place.path().join("root");
        symlink("real", &root).unwrap();
        symlink("../../../secret", real.join("file/ab/out")).unwrap();
        symlink(place.path().join("secret"), real.join("file/ab/absolute")).unwrap();
        symlink("../..", real.join("file/up")).unwrap();
        symlink("ab/x", real.join("file/inside")).unwrap();
        nix::unistd::mkfifo(&real.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        for (below, opens) in [
            ("file/ab/x", true),
            ("file/ab/out", false),
            ("file/ab/absolute", false),
            ("file/up/secret", false),
            ("file/ab", false),
            ("pipe", false),
            ("none", false),
            ("../secret", false),
        ] {
            for root in [&root, &real] {
                for is_plain in [true, false] {
                    let root = Root { path: root.clone(), is_plain };
                    let opened = root.open(&root.path.join(below));
                    assert_eq!(opened.is_ok(), opens, "{below} below {root:?}");
                }
            }
            let other = resolved(&root, Path::new(below)).and_then(|file| file.metadata());
            let other = other.is_ok_and(|about| about.is_file());
            assert_eq!(other, opens, "{below}, the other way");
        }
        let real = real.canonicalize().unwrap();
        let inside = Root::of(&real).open(&real.join("file/inside"));
        assert_eq!(inside.unwrap().1.len(), 6, "a link to what is below");
        for (root, is_plain) in [(root, false), (real, true)] {
            let root = Root::of(&root);
            assert_eq!(root.is_plain, is_plain);
            assert!(root.open(&place.path().join("secret")).is_err());
        }
    }
}
