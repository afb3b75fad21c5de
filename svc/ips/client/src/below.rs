//! below.rs - looking at, moving and removing what lies below an image root.
//!
//! The same law as root.rs: no component is followed that is a symbolic link.  Looking makes
//! nothing; removing what is not there is no error, so that what was begun can be done again.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use image_tree::check_path;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, fchmodat, fstatat, utimensat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat};

use crate::execute::steps::Owned;
use crate::root::{DIRECTORY, Directory, Root, RootError, io_error, time};

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lies {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Something else.
    Other,
}

/// What a look at a path tells.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// What it is.
    pub lies: Lies,
    /// Permission and set-id bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Which file it is on its file system.
    pub identity: (u64, u64),
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
fn look_of(data: &FileStat) -> Look {
    let lies = match SFlag::from_bits_truncate(data.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => Lies::File,
        SFlag::S_IFDIR => Lies::Directory,
        SFlag::S_IFLNK => Lies::Link,
        _ => Lies::Other,
    };
    Look {
        lies,
        mode: u32::from(data.st_mode) & 0o7777,
        uid: data.st_uid,
        gid: data.st_gid,
        size: u64::try_from(data.st_size).unwrap_or(0),
        mtime: data.st_mtime as i64,
        identity: (data.st_dev as u64, data.st_ino as u64),
    }
}

impl Root {
    /// Opens a directory if it is there; nothing is made.
    pub fn existing(&self, path: &str) -> Result<Option<Directory>, RootError> {
        check_path(path).map_err(|_| RootError::Path { path: path.to_string() })?;
        let mut fd: OwnedFd = self.fd.try_clone().map_err(|source| io_error(path, source))?;
        for component in path.split('/').filter(|component| !component.is_empty()) {
            fd = match openat(fd.as_fd(), component, DIRECTORY, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
                Err(errno) => return Err(io_error(path, errno.into())),
            };
        }
        Ok(Some(Directory::at(fd, path)))
    }

    fn existing_parent<'a>(
        &self,
        path: &'a str,
    ) -> Result<Option<(Directory, &'a str)>, RootError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() || name == ".." || name == "." {
            return Err(RootError::Path { path: path.to_string() });
        }
        Ok(self.existing(parent)?.map(|directory| (directory, name)))
    }

    /// What lies at a path; `None`: nothing, or something on the way is no directory.
    pub fn look(&self, path: &str) -> Result<Option<Look>, RootError> {
        match self.existing_parent(path)? {
            Some((directory, name)) => directory.look(name),
            None => Ok(None),
        }
    }

    /// The leading part of a path that is there and no directory, which bars the way.
    pub fn barred(&self, path: &str) -> Result<Option<String>, RootError> {
        let mut fd: OwnedFd = self.fd.try_clone().map_err(|source| io_error(path, source))?;
        let mut walked = 0;
        for component in path.split('/') {
            walked += component.len() + usize::from(walked > 0);
            fd = match openat(fd.as_fd(), component, DIRECTORY, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::ENOENT) => return Ok(None),
                Err(Errno::ENOTDIR | Errno::ELOOP) => return Ok(Some(path[..walked].to_string())),
                Err(errno) => return Err(io_error(path, errno.into())),
            };
        }
        Ok(None)
    }

    /// The bytes of a regular file; `None` when there is none.  Unlike `read`, makes nothing.
    pub fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, RootError> {
        let Some((directory, name)) = self.existing_parent(path)? else { return Ok(None) };
        match directory.look(name)? {
            Some(look) if look.lies == Lies::File => directory.bytes(name).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// The text of a symbolic link; `None` where there is none.
    pub fn target(&self, path: &str) -> Result<Option<String>, RootError> {
        let Some((directory, name)) = self.existing_parent(path)? else { return Ok(None) };
        directory.target(name)
    }

    /// Removes a file or link; whatever else lies there stays.
    pub fn unlink(&self, path: &str) -> Result<(), RootError> {
        match self.existing_parent(path)? {
            Some((directory, name)) => directory.unlink(name),
            None => Ok(()),
        }
    }

    /// Removes a directory that is empty; false: it is not, or is none.
    pub fn rmdir(&self, path: &str) -> Result<bool, RootError> {
        let Some((directory, name)) = self.existing_parent(path)? else { return Ok(true) };
        match unlinkat(directory.fd.as_fd(), name, UnlinkatFlags::RemoveDir) {
            // What is mounted there, or is no directory, is somebody else's.
            Ok(()) | Err(Errno::ENOENT | Errno::EBUSY | Errno::ENOTDIR) => Ok(true),
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
            Err(errno) => Err(io_error(path, errno.into())),
        }
    }

    /// Moves whatever lies at a path; false: nothing does.
    pub fn rename(&self, from: &str, to: &str) -> Result<bool, RootError> {
        let Some((old, old_name)) = self.existing_parent(from)? else { return Ok(false) };
        if old.look(old_name)?.is_none() {
            return Ok(false);
        }
        let (new, new_name) = self.parent(to)?;
        renameat(old.fd.as_fd(), old_name, new.fd.as_fd(), new_name)
            .map_err(|errno| io_error(from, errno.into()))?;
        Ok(true)
    }
}

impl Directory {
    /// What lies in it under a name.
    pub fn look(&self, name: &str) -> Result<Option<Look>, RootError> {
        match fstatat(self.fd.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(data) => Ok(Some(look_of(&data))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(io_error(&self.path_of(name), errno.into())),
        }
    }

    /// The text of a symbolic link; `None` where there is none.
    pub fn target(&self, name: &str) -> Result<Option<String>, RootError> {
        match nix::fcntl::readlinkat(self.fd.as_fd(), name) {
            Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
            Err(Errno::ENOENT | Errno::EINVAL) => Ok(None),
            Err(errno) => Err(io_error(&self.path_of(name), errno.into())),
        }
    }

    /// The bytes of a regular file.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, RootError> {
        let mut bytes = Vec::new();
        self.bytes_onto(name, &mut bytes)?;
        Ok(bytes)
    }

    /// Adds the bytes of a regular file to others.
    pub fn bytes_onto(&self, name: &str, onto: &mut Vec<u8>) -> Result<(), RootError> {
        let failed = |source| io_error(&self.path_of(name), source);
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let fd = openat(self.fd.as_fd(), name, flags, Mode::empty())
            .map_err(|errno| failed(errno.into()))?;
        File::from(fd).read_to_end(onto).map_err(failed)?;
        Ok(())
    }

    /// Removes a file or link; whatever else lies there stays.
    pub fn unlink(&self, name: &str) -> Result<(), RootError> {
        match unlinkat(self.fd.as_fd(), name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT | Errno::EISDIR | Errno::ENOTDIR) => Ok(()),
            // Some systems say EPERM of a directory.
            Err(Errno::EPERM) if self.look(name)?.is_some_and(|l| l.lies == Lies::Directory) => {
                Ok(())
            }
            Err(errno) => Err(io_error(&self.path_of(name), errno.into())),
        }
    }

    /// The names in it that are text, and of others what comes near.
    pub fn names(&self) -> Result<Vec<String>, RootError> {
        let names = self.all_names()?;
        Ok(names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
    }

    /// The names in it.
    pub(crate) fn all_names(&self) -> Result<Vec<OsString>, RootError> {
        let failed = |errno: rustix::io::Errno| io_error(&self.path_of(""), errno.into());
        // Not nix's: its readdir_r is another function on illumos than it takes it for.
        let open = rustix::fs::Dir::read_from(self.fd.as_fd()).map_err(failed)?;
        let mut names = Vec::new();
        for entry in open {
            let entry = entry.map_err(failed)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Takes a file from another directory, in place of what is here; false: it is not there.
    pub fn take(&self, from: &Directory, old: &str, name: &str) -> Result<bool, RootError> {
        let failed = |errno: Errno| io_error(&self.path_of(name), errno.into());
        match renameat(from.fd.as_fd(), old, self.fd.as_fd(), name) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(Errno::EXDEV) => {
                let Some(look) = from.look(old)? else { return Ok(false) };
                self.replace(name, &from.bytes(old)?, look.mode, look.mtime)?;
                from.unlink(old)?;
                Ok(true)
            }
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Makes a symbolic link in place of the file or link that is here.
    pub fn replace_symlink(&self, name: &str, target: &str) -> Result<(), RootError> {
        let failed = |errno: Errno| io_error(&self.path_of(name), errno.into());
        match symlinkat(target, self.fd.as_fd(), name) {
            Ok(()) => return Ok(()),
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let beside = format!(".{name}.new");
        self.unlink(&beside)?;
        symlinkat(target, self.fd.as_fd(), beside.as_str()).map_err(failed)?;
        renameat(self.fd.as_fd(), beside.as_str(), self.fd.as_fd(), name).map_err(failed)
    }

    /// Makes a further name, in place of the file or link that is here, of a file elsewhere.
    pub fn replace_link(&self, name: &str, of: &Directory, old: &str) -> Result<(), RootError> {
        let failed = |errno: Errno| io_error(&self.path_of(name), errno.into());
        let (here, there) = (self.look(name)?, of.look(old)?);
        if let (Some(here), Some(there)) = (here, there) {
            if here.identity == there.identity {
                return Ok(());
            }
        }
        let beside = format!(".{name}.new");
        self.unlink(&beside)?;
        linkat(of.fd.as_fd(), old, self.fd.as_fd(), beside.as_str(), AtFlags::empty())
            .map_err(failed)?;
        renameat(self.fd.as_fd(), beside.as_str(), self.fd.as_fd(), name).map_err(failed)
    }

    /// Gives a file or directory its owner and mode.  Set-id bits go with the owner, so the mode is
    /// set last.  Without privilege it stays with whoever lays it down, as with the original.
    pub fn own(&self, name: &str, mode: u32, uid: u32, gid: u32) -> Result<(), RootError> {
        self.chown(name, uid, gid)?;
        self.mode(name, mode)
    }

    /// The same for a file that was looked at just now and is nobody else's to change: what it has
    /// already is left alone.
    pub fn own_seen(&self, name: &str, look: Look, owned: Owned) -> Result<(), RootError> {
        let Owned { mode, uid, gid } = owned;
        let mut mode_is = look.mode;
        if (look.uid, look.gid) != (uid, gid) {
            self.chown(name, uid, gid)?;
            // The set-id bits went with the owner.
            mode_is &= 0o1777;
        }
        match look.lies {
            Lies::File | Lies::Directory if mode_is != mode => self.chmod(name, mode),
            _ => Ok(()),
        }
    }

    fn chown(&self, name: &str, uid: u32, gid: u32) -> Result<(), RootError> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        match fchownat(self.fd.as_fd(), name, Some(uid), Some(gid), flags) {
            Ok(()) | Err(Errno::EPERM) => Ok(()),
            Err(errno) => Err(io_error(&self.path_of(name), errno.into())),
        }
    }

    /// Gives a file or directory its mode.
    pub fn mode(&self, name: &str, mode: u32) -> Result<(), RootError> {
        // No link is followed: what lies here was looked at as a file or directory.
        match self.look(name)? {
            Some(look) if matches!(look.lies, Lies::File | Lies::Directory) => {
                self.chmod(name, mode)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn chmod(&self, name: &str, mode: u32) -> Result<(), RootError> {
        let mode = Mode::from_bits_truncate(mode as nix::libc::mode_t);
        let flags = nix::sys::stat::FchmodatFlags::FollowSymlink;
        fchmodat(self.fd.as_fd(), name, mode, flags)
            .map_err(|errno| io_error(&self.path_of(name), errno.into()))
    }

    /// Gives a file its time.
    pub fn date(&self, name: &str, seconds: i64) -> Result<(), RootError> {
        let at = time(seconds);
        utimensat(self.fd.as_fd(), name, &at, &at, UtimensatFlags::NoFollowSymlink)
            .map_err(|errno| io_error(&self.path_of(name), errno.into()))
    }
}
