//! lock.rs - one client at a time changes an image.
//!
//! `lock` in the image's metadata is held by an fcntl record lock, the kind pkg5 takes, so the two
//! exclude each other.  It says who holds it: process id, client and host, a line each; it is
//! empty when nobody does.  Such a lock belongs to the process, so who holds one is also kept here.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ips_repository::{Wait, record_lock};

static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Why an image is not locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another client holds it.
    #[error("{}", held_text(pid, client, host))]
    Held {
        /// Its process, as far as known.
        pid: String,
        /// Its program.
        client: String,
        /// Its host.
        host: String,
    },
    /// The file could not be opened or locked.
    #[error("{}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn held_text(pid: &str, client: &str, host: &str) -> String {
    let head = "The image cannot be modified as it is currently in use by another package client";
    match (pid.is_empty(), client.is_empty(), host.is_empty()) {
        (true, ..) => format!("{head}."),
        (false, false, false) => format!("{head}: {client} on {host}, pid {pid}."),
        (false, false, true) => format!("{head}: {client} on an unknown host, pid {pid}."),
        (false, true, _) => format!("{head}: pid {pid} on {host}."),
    }
}

/// The lock of an image, held; dropping it lets go.
#[derive(Debug)]
pub struct ImageLock {
    path: PathBuf,
    file: File,
}

impl ImageLock {
    /// Locks `lock` in a folder, or says who holds it.
    pub(super) fn take(folder: &Path, client: &str) -> Result<Self, LockError> {
        let path = folder.join("lock");
        let failed = |source| LockError::Io { path: path.clone(), source };
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        if held.contains(&path) {
            let pid = std::process::id().to_string();
            return Err(LockError::Held { pid, client: client.to_string(), host });
        }
        let mut file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o644)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(failed)?;
        if !record_lock(&file, Wait::Refuse).map_err(failed)? {
            let mut text = String::new();
            file.rewind().and_then(|()| file.read_to_string(&mut text)).map_err(failed)?;
            let mut lines = text.lines().map(str::to_string);
            let mut next = || lines.next().unwrap_or_default();
            return Err(LockError::Held { pid: next(), client: next(), host: next() });
        }
        file.set_len(0).map_err(failed)?;
        write!(file, "{}\n{client}\n{host}\n", std::process::id()).map_err(failed)?;
        held.insert(path.clone());
        Ok(Self { path, file })
    }
}

impl Drop for ImageLock {
    fn drop(&mut self) {
        // The text in it is for people; the lock itself goes with the descriptor.
        let _ = self.file.set_len(0);
        HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let read = || std::fs::read_to_string(folder.path().join("lock")).unwrap();
        let lock = ImageLock::take(folder.path(), "pkg").unwrap();
        assert!(read().starts_with(&format!("{}\npkg\n", std::process::id())));
        let error = ImageLock::take(folder.path(), "pkg").unwrap_err().to_string();
        assert!(error.contains("in use by another package client: pkg on "), "{error}");
        drop(lock);
        assert_eq!(read(), "");
        assert!(ImageLock::take(folder.path(), "pkg").is_ok());
    }
}
