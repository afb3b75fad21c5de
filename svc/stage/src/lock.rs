//! lock.rs - one worker per stage.
//!
//! `lock` in the stage's directory is held by flock(2) for as long as the worker lives and names
//! it: `{"pid":..,"started":..,"contract":".."}`; a worker that ends in order empties it.  A
//! newcomer was started because SMF no longer counts on the one named: svc.startd died and began
//! again, or the worker was killed.  It ends what is left of that worker, the tools a killed one
//! could not end among it, then holds the lock itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, FlockArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use process::Cancel;
use process::tree::Worker;

/// How long a holder may take to end its tools by itself.
const GRACE: Duration = Duration::from_secs(15);

/// The lock; the worker owns the stage's directory for as long as this lives.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock, from its holder when there is one.
    ///
    /// # Errors
    /// The file cannot be written or locked, the holder cannot be ended, or `cancel` was set
    /// while others held the lock.
    pub fn take(path: &Path, cancel: &Cancel) -> io::Result<Lock> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path)?;
        let is_free = try_exclusive(&file)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        if let Some(former) = parse(&text) {
            former.end(GRACE).map_err(io::Error::other)?;
        }
        if !is_free {
            // Free as soon as the holder's last descriptor is; or taken by another newcomer.
            await_exclusive(&file, cancel)?;
        }
        let me = Worker::me();
        file.set_len(0)?;
        file.rewind()?;
        let text = serde_json::json!({
            "pid": me.pid, "started": me.started, "contract": me.contract
        });
        writeln!(file, "{text}")?;
        Ok(Lock { file })
    }

    /// Has programs that are started from now on hold it, too, for as long as they run after this
    /// process was killed: a newcomer waits for them instead of working beside them.
    ///
    /// # Errors
    /// What the system says.
    pub fn hand_on(&self) -> io::Result<()> {
        fcntl(&self.file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(())
    }
}

/// Whether somebody holds a lock, whoever it is.
///
/// # Errors
/// The file cannot be opened or locked; not if it is not there.
pub fn is_held(path: &Path) -> io::Result<bool> {
    match Rest::hold(path) {
        Ok(rest) => Ok(rest.is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Who holds a lock and lives; for who waits for others instead of ending them.
///
/// # Errors
/// The file cannot be read; not if it is not there.
pub fn holder(path: &Path) -> io::Result<Option<Worker>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(parse(&text).filter(Worker::is_alive)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A stage at rest: while this lives a newcomer waits.
#[derive(Debug)]
pub struct Rest {
    _held: File,
}

impl Rest {
    /// Holds the rest of the stage whose lock this is; `None` while it works.  Nobody is ended.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub fn hold(path: &Path) -> io::Result<Option<Rest>> {
        let file = File::open(path)?;
        match flock(&file, FlockArg::LockSharedNonblock) {
            Ok(()) => Ok(Some(Rest { _held: file })),
            Err(Errno::EWOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A name that stays costs the next worker a search, no more.
        let _emptied = self.file.set_len(0);
        // Also for whoever it was handed on to.
        let _free = flock(&self.file, FlockArg::Unlock);
    }
}

fn parse(text: &str) -> Option<Worker> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(Worker {
        pid: value.get("pid")?.as_i64()?.try_into().ok()?,
        started: value.get("started")?.as_u64()?,
        contract: value.get("contract")?.as_str()?.to_owned(),
    })
}

#[allow(deprecated)] // nix's Flock wants to own the file, which is also read and written here.
fn flock(file: &File, how: FlockArg) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    loop {
        match nix::fcntl::flock(file.as_raw_fd(), how) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Waits for the lock, or for the wish to stop.
fn await_exclusive(file: &File, cancel: &Cancel) -> io::Result<()> {
    let (done, doing) = UnixStream::pair()?;
    // The lock belongs to what is open, not to a descriptor of it.
    let other = file.try_clone()?;
    let waiter = std::thread::Builder::new().spawn(move || {
        let locked = flock(&other, FlockArg::LockExclusive);
        drop(doing);
        locked
    })?;
    let mut fds = [
        PollFd::new(done.as_fd(), PollFlags::POLLIN),
        PollFd::new(cancel.descriptor(), PollFlags::POLLIN),
    ];
    while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
        if errno != Errno::EINTR {
            return Err(errno.into());
        }
    }
    if cancel.is_set() {
        return Err(io::Error::other("held by another worker"));
    }
    Ok(waiter.join().expect("the waiter does not panic")?)
}

/// Whether nobody else holds the file: then it is held now.
///
/// # Errors
/// It cannot be locked at all.
pub(crate) fn try_exclusive(file: &File) -> io::Result<bool> {
    match flock(file, FlockArg::LockExclusiveNonblock) {
        Ok(()) => Ok(true),
        Err(Errno::EWOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Holds a file together with others who read.
pub(crate) fn shared(file: &File) -> io::Result<()> {
    Ok(flock(file, FlockArg::LockShared)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_holder_started_is_waited_for() {
        use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        assert!(!is_held(&path).unwrap());
        let start = || {
            let mut cat = std::process::Command::new("cat");
            cat.stdin(std::process::Stdio::piped()).spawn().unwrap()
        };
        let lock = Lock::take(&path, &Cancel::new().unwrap()).unwrap();
        lock.hand_on().unwrap();
        let mut child = start();
        // SAFETY: it is closed here, as a kill would, and nowhere else.
        drop(unsafe { OwnedFd::from_raw_fd(lock.file.as_raw_fd()) });
        std::mem::forget(lock);
        assert!(is_held(&path).unwrap());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!is_held(&path).unwrap());
        // One that is given back in order is free, whoever has it.
        let lock = Lock::take(&path, &Cancel::new().unwrap()).unwrap();
        lock.hand_on().unwrap();
        let mut child = start();
        drop(lock);
        assert!(!is_held(&path).unwrap());
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_lock_names_its_holder() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        std::fs::write(&path, "noise that is longer than what follows it, by far, in any case\n\n")
            .unwrap();
        let lock = Lock::take(&path, &Cancel::new().unwrap()).unwrap();
        assert_eq!(parse(&std::fs::read_to_string(&path).unwrap()), Some(Worker::me()));
        assert!(!try_exclusive(&File::open(&path).unwrap()).unwrap());
        assert!(Rest::hold(&path).unwrap().is_none());
        drop(lock);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        let rest = Rest::hold(&path).unwrap().unwrap();
        assert!(!try_exclusive(&File::open(&path).unwrap()).unwrap());
        drop(rest);
        assert!(try_exclusive(&File::open(&path).unwrap()).unwrap());
    }

    #[test]
    fn waiting_ends_with_the_wish_to_stop() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        std::fs::write(&path, "a holder that cannot be read\n").unwrap();
        let held = File::open(&path).unwrap();
        assert!(try_exclusive(&held).unwrap());
        let cancel = Cancel::new().unwrap();
        cancel.set();
        let error = Lock::take(&path, &cancel).unwrap_err().to_string();
        assert_eq!(error, "held by another worker");
        // And without the wish it is taken as soon as it is free.
        let cancel = Cancel::new().unwrap();
        let newcomer = std::thread::spawn(move || Lock::take(&path, &cancel).unwrap());
        drop(held);
        newcomer.join().unwrap();
    }

    #[test]
    fn readers_share() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("stamp");
        std::fs::write(&path, "").unwrap();
        let (one, two) = (File::open(&path).unwrap(), File::open(&path).unwrap());
        shared(&one).unwrap();
        shared(&two).unwrap();
        assert!(!try_exclusive(&File::open(&path).unwrap()).unwrap());
    }
}
