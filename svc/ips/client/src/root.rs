//! root.rs - writing below an image root, and nowhere else.
//!
//! Law: every path is checked (`image_tree::check_path`) and opened one component after the other
//! without following symbolic links, so neither a manifest's `..` nor a link some package laid
//! down leads out of the root.  What exists is replaced only where the caller says so.
//!
//! Files on disk stay readable and writable by the builder whatever the manifest's mode is, and
//! set-id bits are left to the metadata table.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use image_tree::check_path;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, UtimensatFlags, futimens, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

/// Why nothing could be written at a path.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The path could leave the root.
    #[error("path \"{path}\" is not a plain relative path")]
    Path {
        /// The path.
        path: String,
    },
    /// A component on the way is a link, or no directory.
    #[error("{path}: {component} is not a directory")]
    NotDirectory {
        /// The path.
        path: String,
        /// The offending leading part.
        component: String,
    },
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

/// An open image root.
#[derive(Debug)]
pub struct Root {
    pub(crate) fd: OwnedFd,
}

/// An open directory below the root.
#[derive(Debug)]
pub struct Directory {
    pub(crate) fd: OwnedFd,
    path: String,
}

pub(crate) const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

pub(crate) fn time(seconds: i64) -> TimeSpec {
    TimeSpec::new(seconds, 0)
}

impl Root {
    /// Opens an existing directory as root.
    pub fn open(path: &Path) -> Result<Self, RootError> {
        let failed = |source| RootError::Io { path: path.display().to_string(), source };
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self { fd: file.into() })
    }

    /// Opens a directory, making it and those above it where they are missing.
    pub fn directory(&self, path: &str) -> Result<Directory, RootError> {
        check_path(path).map_err(|_| RootError::Path { path: path.to_string() })?;
        let failed = |errno: Errno| RootError::Io { path: path.to_string(), source: errno.into() };
        let mut fd = self.fd.try_clone().map_err(|source| io_error(path, source))?;
        let mut walked = 0;
        for component in path.split('/').filter(|component| !component.is_empty()) {
            walked += component.len() + usize::from(walked > 0);
            let mode = Mode::from_bits_truncate(0o755);
            match mkdirat(fd.as_fd(), component, mode) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(failed(errno)),
            }
            fd =
                openat(fd.as_fd(), component, DIRECTORY, Mode::empty()).map_err(
                    |errno| match errno {
                        Errno::ELOOP | Errno::ENOTDIR => RootError::NotDirectory {
                            path: path.to_string(),
                            component: path[..walked].to_string(),
                        },
                        other => failed(other),
                    },
                )?;
        }
        Ok(Directory { fd, path: path.to_string() })
    }

    /// Splits a path, opens its directory and hands on both.
    pub fn parent<'a>(&self, path: &'a str) -> Result<(Directory, &'a str), RootError> {
        check_path(path).map_err(|_| RootError::Path { path: path.to_string() })?;
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() {
            return Err(RootError::Path { path: path.to_string() });
        }
        Ok((self.directory(parent)?, name))
    }

    /// The bytes of a regular file; `None` when there is none.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, RootError> {
        let (directory, name) = self.parent(path)?;
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let fd = match openat(directory.fd.as_fd(), name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(io_error(path, errno.into())),
        };
        let mut bytes = Vec::new();
        File::from(fd).read_to_end(&mut bytes).map_err(|source| io_error(path, source))?;
        Ok(Some(bytes))
    }

    /// A further name for a file that is there.
    pub fn hard_link(&self, target: &str, path: &str) -> Result<(), RootError> {
        let (from, old) = self.parent(target)?;
        let (to, new) = self.parent(path)?;
        linkat(from.fd.as_fd(), old, to.fd.as_fd(), new, AtFlags::empty())
            .map_err(|errno| io_error(path, errno.into()))
    }
}

/// The mode on the disk of a file whose action says `mode`.  The group and others get nothing to
/// write: the builder's umask is no part of an image.
pub(crate) fn staged_mode(mode: u32) -> u32 {
    (mode & 0o755) | 0o600
}

pub(crate) fn io_error(path: &str, source: io::Error) -> RootError {
    RootError::Io { path: path.to_string(), source }
}

impl Directory {
    pub(crate) fn at(fd: OwnedFd, path: &str) -> Self {
        Self { fd, path: path.to_string() }
    }

    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}/{name}", self.path) }
    }

    /// Makes a file that must not be there yet.
    pub fn create(&self, name: &str, bytes: &[u8], mode: u32, mtime: i64) -> Result<(), RootError> {
        let file = self.create_now(name, bytes, mode)?;
        futimens(file.as_fd(), &time(mtime), &time(mtime))
            .map_err(|errno| io_error(&self.path_of(name), errno.into()))
    }

    /// The same, as old as it is.
    pub fn create_now(&self, name: &str, bytes: &[u8], mode: u32) -> Result<File, RootError> {
        let failed = |source| io_error(&self.path_of(name), source);
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(staged_mode(mode) as nix::libc::mode_t);
        let fd =
            openat(self.fd.as_fd(), name, flags, mode).map_err(|errno| failed(errno.into()))?;
        let mut file = File::from(fd);
        file.write_all(bytes).map_err(failed)?;
        Ok(file)
    }

    /// Puts a file in the place of one that may be there: written beside and renamed.
    pub fn replace(
        &self,
        name: &str,
        bytes: &[u8],
        mode: u32,
        mtime: i64,
    ) -> Result<(), RootError> {
        let failed = |errno: Errno| io_error(&self.path_of(name), errno.into());
        let beside = format!(".{name}.new");
        match unlinkat(self.fd.as_fd(), beside.as_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(failed(errno)),
        }
        self.create(&beside, bytes, mode, mtime)?;
        nix::fcntl::renameat(self.fd.as_fd(), beside.as_str(), self.fd.as_fd(), name)
            .map_err(failed)
    }

    /// Makes a symbolic link that must not be there yet.
    pub fn symlink(&self, name: &str, target: &str, mtime: i64) -> Result<(), RootError> {
        let failed = |errno: Errno| io_error(&self.path_of(name), errno.into());
        symlinkat(target, self.fd.as_fd(), name).map_err(failed)?;
        let at = time(mtime);
        utimensat(self.fd.as_fd(), name, &at, &at, UtimensatFlags::NoFollowSymlink).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn links_and_dots_lead_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        let inside = tempfile::tempdir().unwrap();
        symlink(outside.path(), inside.path().join("out")).unwrap();
        fs::write(inside.path().join("file"), "").unwrap();
        let root = Root::open(inside.path()).unwrap();
        for path in ["out", "out/x", "file/x", "../x", "a/../../x", "/etc", "a//b"] {
            assert!(root.directory(path).is_err(), "{path}");
        }
        let error = root.directory("out/x/y").unwrap_err().to_string();
        assert_eq!(error, "out/x/y: out is not a directory");
        symlink("/etc/passwd", inside.path().join("p")).unwrap();
        assert!(root.read("p").is_err());
        assert!(root.parent("p").unwrap().0.create("p", b"", 0o644, 0).is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_written() {
        let inside = tempfile::tempdir().unwrap();
        let root = Root::open(inside.path()).unwrap();
        let directory = root.directory("usr/bin").unwrap();
        directory.create("pick", b"x", 0o4555, 1_700_000_000).unwrap();
        directory.symlink("link", "../../nowhere", 7).unwrap();
        root.hard_link("usr/bin/pick", "usr/other").unwrap();
        let data = fs::metadata(inside.path().join("usr/other")).unwrap();
        assert_eq!((data.mode() & 0o7777, data.mtime()), (0o755, 1_700_000_000));
        assert_eq!(data.nlink(), 2);
        assert!(directory.create("pick", b"y", 0o644, 0).is_err());
        directory.replace("pick", b"y", 0o400, 0).unwrap();
        assert_eq!(root.read("usr/bin/pick").unwrap().as_deref(), Some(&b"y"[..]));
        assert_eq!(root.read("usr/bin/none").unwrap(), None);
        let link = fs::symlink_metadata(inside.path().join("usr/bin/link")).unwrap();
        assert_eq!(link.mtime(), 7);
    }
}
