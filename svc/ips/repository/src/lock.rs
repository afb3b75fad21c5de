//! lock.rs - one writer at a time in a publisher's folder.
//!
//! `tmp/lock` is locked with an fcntl record lock over the whole file, the kind pkg5 takes, so
//! the two exclude each other.  Such a lock belongs to the process: threads of one process are
//! kept apart by a mutex.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{WriteError, at};

static THIS_PROCESS: Mutex<()> = Mutex::new(());
/// An index may be made while a package is published; two indexes of one process are not.
static INDEXING: Mutex<()> = Mutex::new(());

/// Whether to wait for another writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until it is done: adding a package.
    Block,
    /// Not at all: refresh and rebuild.
    Refuse,
}

/// The lock, held; dropping it lets go.
pub(crate) struct Lock {
    file: File,
    _process: MutexGuard<'static, ()>,
}

impl Lock {
    /// Locks `PUBLISHER/tmp/lock`; the folder has to be there.
    pub(crate) fn take(publisher: &Path, wait: Wait) -> Result<Lock, WriteError> {
        let path: PathBuf = publisher.join("tmp/lock");
        let process = THIS_PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = open(&path)?;
        if !record_lock(&file, wait).map_err(at(&path))? {
            return Err(WriteError::Locked(holder(&file)));
        }
        file.set_len(0).map_err(at(&path))?;
        write!(file, "{}\n{}\n", std::process::id(), host()).map_err(at(&path))?;
        Ok(Lock { file, _process: process })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The text in it is for people; the lock itself goes with the descriptor.
        let _ = self.file.set_len(0);
    }
}

/// A lock on a file that is replaced together with its folder, held; dropping it lets go.
pub(crate) struct FileLock {
    _file: File,
    _process: MutexGuard<'static, ()>,
}

impl FileLock {
    /// Locks the file that is at `path` when the lock is had.
    pub(crate) fn take(path: &Path, wait: Wait) -> Result<FileLock, WriteError> {
        let process = INDEXING.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let file = open(path)?;
            if !record_lock(&file, wait).map_err(at(path))? {
                return Err(WriteError::Locked(holder(&file)));
            }
            // Who held it before may have put another folder, with another file, in its place.
            let own = file.metadata().map_err(at(path))?;
            if std::fs::metadata(path).is_ok_and(|about| about.ino() == own.ino()) {
                return Ok(FileLock { _file: file, _process: process });
            }
        }
    }
}

/// This machine's name.
fn host() -> String {
    nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned()
}

/// Who holds the lock, as the file has it: process and host.
fn holder(file: &File) -> Option<(u32, String)> {
    let mut text = String::new();
    file.take(1024).read_to_string(&mut text).ok()?;
    let (process, host) = text.split_once('\n')?;
    Some((process.trim().parse().ok()?, host.trim().to_string()))
}

fn open(path: &Path) -> Result<File, WriteError> {
    let file = File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(at(path))?;
    Ok(file)
}

/// Locks a whole file as pkg5 does; whether the lock was had.
pub fn record_lock(file: &File, wait: Wait) -> io::Result<bool> {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    // SAFETY: flock is plain data for which all zeros is a value: whole file, from its start.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    whole.l_type = libc::F_WRLCK as libc::c_short;
    whole.l_whence = libc::SEEK_SET as libc::c_short;
    loop {
        let asked = match wait {
            Wait::Block => fcntl(file, FcntlArg::F_SETLKW(&whole)),
            Wait::Refuse => fcntl(file, FcntlArg::F_SETLK(&whole)),
        };
        match asked {
            Ok(_) => return Ok(true),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_stays_and_is_empty_afterwards() {
        let publisher = tempfile::tempdir().unwrap();
        std::fs::create_dir(publisher.path().join("tmp")).unwrap();
        for _ in 0..2 {
            let lock = Lock::take(publisher.path(), Wait::Refuse).unwrap();
            let path = publisher.path().join("tmp/lock");
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("{}\n{}\n", std::process::id(), host()));
            let file = File::open(&path).unwrap();
            assert_eq!(holder(&file), Some((std::process::id(), host())));
            drop(lock);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        }
    }
}
