//! disk.rs - every call that changes a disk, and what is asked of one.
//!
//! Law: names are single components below a directory that is open, links are never followed: a
//! tree that scripts have filled leads nowhere else.  A test stands in the [`Calls`] seam and lets
//! any call fail, or dies there: from then on nothing changes any more.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags};

use crate::error::{PathError, at};

/// Stands before every call that changes something.
pub trait Calls: Send + Sync {
    /// Hears the call's name; an error is what the call then says, undone.
    ///
    /// # Errors
    /// Whatever is to be played.
    fn before(&self, call: &'static str) -> io::Result<()>;
}

/// The disk, as the store changes it.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    calls: Option<Arc<dyn Calls>>,
}

/// Flags of every open: nothing is followed, nothing inherited.
const SAFE: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_CLOEXEC);

impl Disk {
    pub(crate) fn new(calls: Option<Arc<dyn Calls>>) -> Disk {
        Disk { calls }
    }

    pub(crate) fn before(&self, call: &'static str) -> io::Result<()> {
        self.calls.as_ref().map_or(Ok(()), |calls| calls.before(call))
    }

    pub(crate) fn make_folder(&self, at: impl AsFd, name: &CStr, mode: u32) -> io::Result<()> {
        self.before("mkdir")?;
        Ok(nix::sys::stat::mkdirat(at, name, bits(mode))?)
    }

    pub(crate) fn remove_file(&self, at: impl AsFd, name: &CStr) -> io::Result<()> {
        self.before("unlink")?;
        Ok(nix::unistd::unlinkat(at, name, UnlinkatFlags::NoRemoveDir)?)
    }

    pub(crate) fn remove_folder(&self, at: impl AsFd, name: &CStr) -> io::Result<()> {
        self.before("rmdir")?;
        Ok(nix::unistd::unlinkat(at, name, UnlinkatFlags::RemoveDir)?)
    }

    pub(crate) fn rename(
        &self,
        from: (impl AsFd, &CStr),
        to: (impl AsFd, &CStr),
    ) -> io::Result<()> {
        self.before("rename")?;
        Ok(nix::fcntl::renameat(from.0, from.1, to.0, to.1)?)
    }

    pub(crate) fn link(&self, from: (impl AsFd, &CStr), to: (impl AsFd, &CStr)) -> io::Result<()> {
        self.before("link")?;
        Ok(nix::unistd::linkat(from.0, from.1, to.0, to.1, AtFlags::empty())?)
    }

    pub(crate) fn symlink(&self, target: &CStr, at: impl AsFd, name: &CStr) -> io::Result<()> {
        self.before("symlink")?;
        Ok(nix::unistd::symlinkat(target, at, name)?)
    }

    /// Makes a device, a pipe or a socket's name.
    pub(crate) fn make_node(
        &self,
        at: impl AsFd,
        name: &CStr,
        format: u32,
        device: u64,
    ) -> io::Result<()> {
        self.before("mknod")?;
        let kind = SFlag::from_bits_truncate(format);
        Ok(nix::sys::stat::mknodat(at, name, kind, bits(0o600), device)?)
    }

    pub(crate) fn create(&self, at: impl AsFd, name: &CStr, mode: u32) -> io::Result<File> {
        self.before("create")?;
        let flags = SAFE | OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        Ok(File::from(nix::fcntl::openat(at, name, flags, bits(mode))?))
    }

    pub(crate) fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.before("write")?;
        file.write_all_at(bytes, offset)
    }

    pub(crate) fn set_mode(&self, at: impl AsFd, name: &CStr, mode: u32) -> io::Result<()> {
        self.before("chmod")?;
        // Callers have looked: the name is no link.
        Ok(nix::sys::stat::fchmodat(at, name, bits(mode), FchmodatFlags::FollowSymlink)?)
    }

    pub(crate) fn set_owner(
        &self,
        at: impl AsFd,
        name: &CStr,
        uid: u32,
        gid: u32,
    ) -> io::Result<()> {
        self.before("chown")?;
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        Ok(nix::unistd::fchownat(at, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    pub(crate) fn set_time(&self, at: impl AsFd, name: &CStr, mtime: (i64, i64)) -> io::Result<()> {
        self.before("utimens")?;
        let time = TimeSpec::new(mtime.0, mtime.1);
        let flags = UtimensatFlags::NoFollowSymlink;
        Ok(nix::sys::stat::utimensat(at, name, &TimeSpec::UTIME_OMIT, &time, flags)?)
    }

    /// The same of an open file: no name is looked for.
    pub(crate) fn set_open_time(&self, file: &File, mtime: (i64, i64)) -> io::Result<()> {
        self.before("utimens")?;
        let time = TimeSpec::new(mtime.0, mtime.1);
        Ok(nix::sys::stat::futimens(file, &TimeSpec::UTIME_OMIT, &time)?)
    }

    /// Makes a file hold these bytes: written beside it and renamed.  The keeper syncs.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), PathError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = path.with_file_name(name);
        let written = || -> io::Result<()> {
            self.before("replace")?;
            let mut file = File::create(&beside)?;
            file.write_all(bytes)?;
            file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
            self.before("rename")?;
            std::fs::rename(&beside, path)
        };
        written().map_err(at(path))
    }

    /// Removes a file if it is there.
    pub(crate) fn discard(&self, path: &Path) -> Result<(), PathError> {
        self.before("unlink").map_err(at(path))?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Renames something by its path.
    pub(crate) fn move_path(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        self.before("rename").map_err(at(from))?;
        std::fs::rename(from, to).map_err(at(from))
    }

    /// Makes a directory unless it is there.
    pub(crate) fn ensure_folder(&self, path: &Path) -> Result<(), PathError> {
        if path.is_dir() {
            return Ok(());
        }
        self.before("mkdir").map_err(at(path))?;
        std::fs::create_dir_all(path).map_err(at(path))
    }
}

fn bits(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode)
}

/// Opens a directory below an open one.
pub(crate) fn open_folder(at: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = SAFE | OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    Ok(nix::fcntl::openat(at, name, flags, Mode::empty())?)
}

/// Opens a directory by its path.
pub(crate) fn open_path(path: &Path) -> Result<OwnedFd, PathError> {
    File::open(path).map(OwnedFd::from).map_err(at(path))
}

/// Opens a file below an open directory, to be read.
pub(crate) fn open_file(at: impl AsFd, name: &CStr) -> io::Result<File> {
    let flags = SAFE | OFlag::O_RDONLY | OFlag::O_NONBLOCK;
    Ok(File::from(nix::fcntl::openat(at, name, flags, Mode::empty())?))
}

/// What a name is, itself and not what it leads to.
pub(crate) fn look(at: impl AsFd, name: &CStr) -> io::Result<FileStat> {
    Ok(nix::sys::stat::fstatat(at, name, AtFlags::AT_SYMLINK_NOFOLLOW)?)
}

/// What a name is; `None` when there is none.
pub(crate) fn look_for(at: impl AsFd, name: &CStr) -> io::Result<Option<FileStat>> {
    match nix::sys::stat::fstatat(at, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// The text of a symbolic link.
pub(crate) fn target(at: impl AsFd, name: &CStr) -> io::Result<CString> {
    let text = nix::fcntl::readlinkat(at, name)?;
    CString::new(text.as_bytes()).map_err(io::Error::other)
}

/// The names in a directory, sorted.
pub(crate) fn names(folder: impl AsFd) -> io::Result<Vec<CString>> {
    // Not nix's: its readdir_r is another function on illumos than it takes it for.
    let open = rustix::fs::Dir::read_from(folder)?;
    let mut names = Vec::new();
    for entry in open {
        let name = entry?.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// A path for messages.
pub(crate) fn below(folder: &Path, name: &CStr) -> PathBuf {
    folder.join(OsStr::from_bytes(name.to_bytes()))
}

/// A name in an open directory, and the path of it for messages.
pub(crate) struct Spot<'a> {
    pub(crate) folder: &'a OwnedFd,
    pub(crate) name: &'a CStr,
    pub(crate) path: PathBuf,
}

impl<'a> Spot<'a> {
    pub(crate) fn new(folder: &'a OwnedFd, name: &'a CStr, above: &Path) -> Spot<'a> {
        Spot { folder, name, path: below(above, name) }
    }

    /// Says where an error was.
    pub(crate) fn wrong<E: Into<io::Error>>(&self) -> impl FnOnce(E) -> PathError + '_ {
        at(&self.path)
    }
}
