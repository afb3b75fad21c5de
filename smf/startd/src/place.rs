//! place - where the engine of one `$SMF_ROOT` keeps its files, and that it is the only one.
//!
//! ```text
//! $SMF_ROOT/etc/svc/repository.db                 what is wanted
//! $SMF_ROOT/etc/svc/volatile/repository_door      the socket
//!                            svc_nonpersist.db    what is
//!                            boot                 the boot `svc_nonpersist.db` belongs to
//!                            svc.startd.pid       this process
//!                            svc.startd.lock      held while it lives, by the process it names
//! $SMF_ROOT/var/svc/log/                          logs
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use smf_scf::root;

/// Why the engine cannot have its place.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Another engine has it.
    #[error("{}: another svc.startd is running", .0.display())]
    Taken(PathBuf),
    /// A file or directory.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The files of one engine; the lock lives as long as this does.
#[derive(Debug)]
pub struct Place {
    root: PathBuf,
    _lock: Flock<File>,
}

impl Place {
    /// Makes the directories, takes the lock and discards what is of another boot.
    ///
    /// # Errors
    /// Another engine lives here, or a file cannot be made.
    pub fn take(root: &Path) -> Result<Place, PlaceError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| PlaceError::Io { path, source }
        };
        for (name, mode) in [("etc/svc/volatile", 0o755), ("var/svc/log", 0o755)] {
            let path = root.join(name);
            DirBuilder::new().recursive(true).mode(mode).create(&path).map_err(failed(&path))?;
        }
        let volatile = root.join("etc/svc/volatile");
        let path = volatile.join("svc.startd.lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(failed(&path))?;
        let lock = lock(file, &path).map_err(|errno| match errno {
            Errno::EWOULDBLOCK => PlaceError::Taken(root.to_path_buf()),
            other => PlaceError::Io { path, source: other.into() },
        })?;
        let place = Place { root: root.to_path_buf(), _lock: lock };
        place.discard_other_boots(&boot()).map_err(failed(&volatile))?;
        Ok(place)
    }

    /// States and contracts of another boot say nothing about this one.
    fn discard_other_boots(&self, boot: &str) -> io::Result<()> {
        let stamp = self.volatile("boot");
        if fs::read_to_string(&stamp).is_ok_and(|text| text == boot) {
            return Ok(());
        }
        for name in ["svc_nonpersist.db", "svc_nonpersist.db-wal", "svc_nonpersist.db-shm"] {
            match fs::remove_file(self.volatile(name)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        write_whole(&stamp, boot)
    }

    /// Writes the process number where others look for it.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_pid(&self) -> io::Result<()> {
        write_whole(&self.volatile("svc.startd.pid"), &format!("{}\n", std::process::id()))
    }

    /// The end: nobody is to look for this process any more.
    pub fn leave(self) {
        for name in ["svc.startd.pid", "repository_door"] {
            // Not there is as good as removed.
            let _absent = fs::remove_file(self.volatile(name));
        }
    }

    /// `$SMF_ROOT`
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration repository.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.root.join(root::LASTING)
    }

    /// A file that ends with the boot.
    #[must_use]
    pub fn volatile(&self, name: &str) -> PathBuf {
        self.root.join("etc/svc/volatile").join(name)
    }

    /// The socket of the repository.
    #[must_use]
    pub fn door(&self) -> PathBuf {
        self.root.join(root::DOOR)
    }

    /// Where the logs are.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("var/svc/log")
    }

    /// A name for this root that is the same for every engine of it, for the contracts.
    #[must_use]
    pub fn owner(&self) -> String {
        // FNV-1a: short, and stable from one build to the next.
        let path = fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        let hash = path
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("startd{hash:016x}")
    }
}

/// Takes the lock and writes into it who has it.  A holder that was killed has it until its last
/// thread is gone: that is waited for.
fn lock(file: File, path: &Path) -> Result<Flock<File>, Errno> {
    let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Err((file, Errno::EWOULDBLOCK)) if !holder_lives(path) => {
            Flock::lock(file, FlockArg::LockExclusive)
        }
        result => result,
    };
    let lock = lock.map_err(|(_, errno)| errno)?;
    let text = format!("{}\n", std::process::id());
    let written = lock.set_len(0).and_then(|()| lock.write_all_at(text.as_bytes(), 0));
    written.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    Ok(lock)
}

/// Whether the process that has the lock is more than a zombie.
fn holder_lives(lock: &Path) -> bool {
    // One that has not written its number yet is about to.
    let number = fs::read_to_string(lock).ok().and_then(|text| text.trim().parse().ok());
    let process = number.map(smf_contract::processes::process);
    process.is_none_or(|process| process.is_some_and(|process| !process.zombie))
}

/// What tells this boot from every other: the kernel's id, and when pid 1 began, because a
/// container may come and go within one boot of its host.
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let init = smf_contract::processes::process(1).map_or(0, |init| init.started);
    format!("{} {init}\n", id.trim())
}

/// Writes beside, renames.  Nothing is synced: what is lost with the power is of another boot.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension(format!("new{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_engine_for_a_root() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::take(root.path()).unwrap();
        assert!(matches!(Place::take(root.path()), Err(PlaceError::Taken(_))));
        place.write_pid().unwrap();
        assert!(place.volatile("svc.startd.pid").exists());
        place.leave();
        Place::take(root.path()).unwrap();
    }

    #[test]
    fn another_boot_is_discarded() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::take(root.path()).unwrap();
        let state = place.volatile("svc_nonpersist.db");
        fs::write(&state, "x").unwrap();
        place.discard_other_boots(&boot()).unwrap();
        assert!(state.exists());
        place.discard_other_boots("another").unwrap();
        assert!(!state.exists());
    }
}
