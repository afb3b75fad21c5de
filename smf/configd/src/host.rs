//! host.rs - a repository that a restarter and its clients share.
//!
//! Any number read the repository, or one writes; a writer goes before those who come to read after
//! it.  Whoever changes it tells those who wait.  Changes by clients are
//! kept for the restarter, and one byte in a pipe says that there are some; what the restarter
//! itself writes is told to clients only.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use smf_scf::import::Operation;
use smf_scf::protocol::{Expected, Refusal};

use crate::clients::Limits;
use crate::draft::Step;
use crate::repository::{Change, Repository};
use crate::rights::Caller;
use crate::server;

/// Why the repository cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket.
    #[error("{}", path.display())]
    Socket {
        /// Where it was to be.
        path: std::path::PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[derive(Debug)]
struct Shared {
    repository: RwLock<Repository>,
    /// How far changes have come.  Taken after the repository's lock, never before it.
    mark: Mutex<Mark>,
    moved: Condvar,
    /// Changes by clients that the restarter has not seen yet.
    feed: Mutex<Vec<Change>>,
    bell: UnixStream,
}

#[derive(Debug)]
struct Mark {
    at: u64,
    /// So many threads sleep until it moves: mostly none, and then nobody has to be woken.
    sleepers: usize,
}

/// A shared repository; clones are the same one.
#[derive(Debug, Clone)]
pub struct Host {
    shared: Arc<Shared>,
    ear: Arc<UnixStream>,
}

impl Host {
    /// Takes a repository to share.
    ///
    /// # Errors
    /// No pipe can be made.
    pub fn new(repository: Repository) -> io::Result<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        // Ahead of those that an earlier server gave out: who waits since one of them wakes.
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(begun.as_micros()).unwrap_or(1);
        let mark = Mutex::new(Mark { at, sleepers: 0 });
        let shared = Shared {
            repository: RwLock::new(repository),
            mark,
            moved: Condvar::new(),
            feed: Mutex::default(),
            bell,
        };
        Ok(Self { shared: Arc::new(shared), ear: Arc::new(ear) })
    }

    /// Serves clients behind a socket from now on, in threads of its own.  What users hold is
    /// read below `root`.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn serve(&self, socket: &Path, root: &Path) -> Result<(), ServeError> {
        self.serve_within(Limits::default(), socket, root)
    }

    /// The same, with limits for clients.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn serve_within(
        &self,
        limits: Limits,
        socket: &Path,
        root: &Path,
    ) -> Result<(), ServeError> {
        server::serve(self.clone(), socket, root, limits)
            .map_err(|source| ServeError::Socket { path: socket.to_path_buf(), source })
    }

    /// Readable when clients have changed something.
    #[must_use]
    pub fn ear(&self) -> BorrowedFd<'_> {
        self.ear.as_fd()
    }

    /// What clients have changed since the last call.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let mut bytes = [0; 64];
        // Emptied before the feed is taken: a change that comes between rings again.
        while matches!((&*self.ear).read(&mut bytes), Ok(1..)) {}
        std::mem::take(&mut *hold(&self.shared.feed))
    }

    /// Reads.
    pub fn read<T>(&self, look: impl FnOnce(&Repository) -> T) -> T {
        look(&self.shared.repository.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Brings the files into the form that is quickest to read, for those who read them once nobody
    /// serves.  Where that cannot be, they are whole all the same.
    pub fn settle(&self) {
        let _left_as_it_is = self.read(|repository| repository.file().settle());
    }

    /// The restarter's own commit: of what it decides on by what there is, with nobody in between.
    ///
    /// # Errors
    /// An operation is refused; nothing is done.
    pub fn update(
        &self,
        decide: impl FnOnce(&Repository) -> Vec<Operation>,
    ) -> Result<(), Refusal> {
        self.update_by_steps(|repository| {
            decide(repository).into_iter().map(Step::Operation).collect()
        })
    }

    /// The same in steps of either kind.
    ///
    /// # Errors
    /// A step is refused; nothing is done.
    pub fn update_by_steps<'a>(
        &self,
        decide: impl FnOnce(&Repository) -> Vec<Step<'a>>,
    ) -> Result<(), Refusal> {
        let mut repository = self.write();
        let steps = decide(&repository);
        let changes = repository.take_steps(&steps, &Caller::Owner)?;
        self.moved(&changes);
        Ok(())
    }

    /// A client's commit.
    pub(crate) fn by_client(
        &self,
        act: impl FnOnce(&mut Repository) -> Result<Vec<Change>, Refusal>,
    ) -> Result<(), Refusal> {
        let mut repository = self.write();
        let changes = act(&mut repository)?;
        self.moved(&changes);
        if !changes.is_empty() {
            // Within the repository's lock, so that the feed has the order of the commits.
            hold(&self.shared.feed).extend(changes);
            // A full pipe rings already.
            let _rings = (&self.shared.bell).write(b"!");
        }
        Ok(())
    }

    /// How far changes have come.
    pub(crate) fn mark(&self) -> u64 {
        hold(&self.shared.mark).at
    }

    /// Sleeps until changes have come further than `since`, or for this long.
    pub(crate) fn wait(&self, since: u64, longest: Duration) -> u64 {
        let until = Instant::now() + longest;
        let mut mark = hold(&self.shared.mark);
        while mark.at <= since {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            mark.sleepers += 1;
            let woken = self.shared.moved.wait_timeout(mark, left);
            mark = woken.unwrap_or_else(PoisonError::into_inner).0;
            mark.sleepers -= 1;
        }
        mark.at
    }

    /// Sleeps until a group is at another generation than this, or for this long.
    pub(crate) fn wait_group(&self, known: &Expected, longest: Duration) -> u64 {
        let until = Instant::now() + longest;
        loop {
            // Before the look: a change after it is further than this.
            let mark = self.mark();
            let now = self.read(|repository| repository.generation(&known.entity, &known.group));
            let left = until.saturating_duration_since(Instant::now());
            if now != known.generation || left.is_zero() {
                return now;
            }
            self.wait(mark, left);
        }
    }

    fn moved(&self, changes: &[Change]) {
        if !changes.is_empty() {
            let mut mark = hold(&self.shared.mark);
            mark.at += 1;
            if mark.sleepers > 0 {
                self.shared.moved.notify_all();
            }
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Repository> {
        // A commit changes memory only after the file took it, so a panic elsewhere tears nothing.
        self.shared.repository.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
