//! lock.rs - one build in an area.
//!
//! `distro_const.lock` is held by flock(2) while the area is open, and says by whom and since
//! when.  What the process starts holds it, too: when the process is killed, its scripts may go on
//! for a while, and who finds a holder that is dead waits for them.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, FlockArg, fcntl};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::error::{OpenError, PathError, at};

/// What the file says.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    since: String,
}

const NAME: &str = "distro_const.lock";
/// How long a dead holder is waited for.
const DYING: Duration = Duration::from_secs(10);

impl Holder {
    fn is_dead(&self) -> bool {
        // 0 would be the asker's own group.
        let pid = i32::try_from(self.pid).ok().filter(|pid| *pid > 0);
        pid.is_some_and(|pid| nix::sys::signal::kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH))
    }
}

/// Held while it lives.
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of the area at `root`.
    pub(crate) fn take(root: &Path) -> Result<Lock, OpenError> {
        Self::take_within(root, DYING)
    }

    /// The same; what a dead process left behind may take so long to go.
    fn take_within(root: &Path, patience: Duration) -> Result<Lock, OpenError> {
        let path = root.join(NAME);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(at(&path))?;
        if !try_lock(&file).map_err(at(&path))? {
            let is_left = matches!(refusal(&mut file, root)?, OpenError::Left { .. });
            if !is_left || !lock_within(&file, patience).map_err(at(&path))? {
                // By now it may be somebody else who has it.
                return Err(refusal(&mut file, root)?);
            }
        }
        let since = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let holder = Holder { pid: std::process::id(), since };
        write(&mut file, &holder, &path)?;
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).map_err(at(&path))?;
        Ok(Lock { file })
    }
}

/// Why the area of a lock that somebody has cannot be opened.
fn refusal(file: &mut File, root: &Path) -> Result<OpenError, PathError> {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    read.map_err(at(&root.join(NAME)))?;
    // The holder may be about to write it.
    let holder = serde_json::from_str(&text);
    let holder = holder.unwrap_or(Holder { pid: 0, since: "just now".to_owned() });
    let (dead, area) = (holder.is_dead(), root.to_owned());
    let Holder { pid, since } = holder;
    Ok(if dead { OpenError::Left { area, pid } } else { OpenError::Held { area, pid, since } })
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
        // Also for what was started meanwhile.
        let _free = flock(&self.file, FlockArg::Unlock);
    }
}

/// Whether nobody else holds it: then it is held now.
fn try_lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockArg::LockExclusiveNonblock) {
        Ok(()) => Ok(true),
        Err(Errno::EWOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// The same as soon as nobody else does, but no later than that.
fn lock_within(file: &File, patience: Duration) -> io::Result<bool> {
    // The lock belongs to what is open, not to a descriptor of it.
    let other = file.try_clone()?;
    let (tell, told) = channel();
    std::thread::Builder::new().name("lock".to_owned()).spawn(move || {
        let locked = loop {
            match flock(&other, FlockArg::LockExclusive) {
                Err(Errno::EINTR) => {}
                locked => break locked,
            }
        };
        // Whoever gave up has nothing open any more: the lock goes with this descriptor.
        let _gave_up = tell.send(locked);
    })?;
    match told.recv_timeout(patience) {
        Ok(locked) => Ok(locked.map(|()| true)?),
        Err(_) => Ok(false),
    }
}

#[allow(deprecated)] // nix's Flock wants to own the file, which is also read and written here.
fn flock(file: &File, how: FlockArg) -> Result<(), Errno> {
    nix::fcntl::flock(file.as_raw_fd(), how)
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

    #[test]
    fn what_a_dead_holder_left_is_waited_for() {
        let area = tempfile::tempdir().unwrap();
        let path = area.path().join(NAME);
        // As a child has it that is about to become another program: the lock alone.
        let mut left = File::options().write(true).create_new(true).open(&path).unwrap();
        assert!(try_lock(&left).unwrap());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let dead = Holder { pid, since: "then".to_owned() };
        write(&mut left, &dead, &path).unwrap();
        let Err(OpenError::Left { pid: told, .. }) = Lock::take_within(area.path(), Duration::ZERO)
        else {
            panic!("taken twice");
        };
        assert_eq!(told, pid);
        let path = area.path().to_owned();
        let second = std::thread::spawn(move || {
            Lock::take_within(&path, Duration::from_secs(3_600)).map(drop)
        });
        drop(left);
        second.join().unwrap().unwrap();
    }
}
