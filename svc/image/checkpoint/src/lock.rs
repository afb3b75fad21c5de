//! lock.rs - one build in an area.
//!
//! `distro_const.lock` is held by flock(2) while the area is open, and says by whom and since
//! when; the kernel lets go of it when the process dies.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::FlockArg;
use serde::{Deserialize, Serialize};

use crate::error::{OpenError, PathError, at};

/// What the file says.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    since: String,
}

/// Held while it lives.
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of the area at `root`.
    pub(crate) fn take(root: &Path) -> Result<Lock, OpenError> {
        let path = root.join("distro_const.lock");
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(at(&path))?;
        match try_lock(&file) {
            Ok(()) => {}
            Err(Errno::EWOULDBLOCK) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(at(&path))?;
                // The holder may be about to write it.
                let holder = serde_json::from_str(&text);
                let Holder { pid, since } =
                    holder.unwrap_or(Holder { pid: 0, since: "just now".to_owned() });
                return Err(OpenError::Held { area: root.to_owned(), pid, since });
            }
            Err(errno) => return Err(at(&path)(errno).into()),
        }
        let since = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let holder = Holder { pid: std::process::id(), since };
        write(&mut file, &holder, &path)?;
        Ok(Lock { file })
    }
}

fn write(file: &mut File, holder: &Holder, path: &Path) -> Result<(), PathError> {
    let mut write = || {
        file.set_len(0)?;
        file.rewind()?;
        let text = serde_json::to_string(holder)?;
        writeln!(file, "{text}")
    };
    write().map_err(at(path))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only a message would be wrong if it stayed.
        let _emptied = self.file.set_len(0);
    }
}

#[allow(deprecated)] // nix's Flock wants to own the file, which is also read and written here.
fn try_lock(file: &File) -> Result<(), Errno> {
    nix::fcntl::flock(file.as_raw_fd(), FlockArg::LockExclusiveNonblock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_hears_of_the_first() {
        let area = tempfile::tempdir().unwrap();
        let first = Lock::take(area.path()).unwrap();
        let Err(OpenError::Held { area: path, pid, since }) = Lock::take(area.path()) else {
            panic!("taken twice");
        };
        assert_eq!((path.as_path(), pid), (area.path(), std::process::id()));
        assert!(since.ends_with('Z'), "{since}");
        drop(first);
        Lock::take(area.path()).unwrap();
    }
}
