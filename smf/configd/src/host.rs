//! host.rs - a repository that a restarter and its clients share.
//!
//! One lock holds the repository; whoever changes it tells those who wait.  Changes by clients are
//! kept for the restarter, and one byte in a pipe says that there are some; what the restarter
//! itself writes is told to clients only.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smf_scf::import::Operation;
use smf_scf::protocol::{Expected, Refusal};

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
struct State {
    repository: Repository,
    mark: u64,
    /// Changes by clients that the restarter has not seen yet.
    feed: Vec<Change>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    moved: Condvar,
    bell: UnixStream,
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
        let state = Mutex::new(State { repository, mark: 1, feed: Vec::new() });
        let shared = Arc::new(Shared { state, moved: Condvar::new(), bell });
        Ok(Self { shared, ear: Arc::new(ear) })
    }

    /// Serves clients behind a socket from now on, in threads of its own.  What users hold is
    /// read below `root`.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn serve(&self, socket: &Path, root: &Path) -> Result<(), ServeError> {
        server::serve(self.clone(), socket, root)
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
        std::mem::take(&mut self.lock().feed)
    }

    /// Reads.
    pub fn read<T>(&self, look: impl FnOnce(&Repository) -> T) -> T {
        look(&self.lock().repository)
    }

    /// The restarter's own commit: of what it decides on by what there is, with nobody in between.
    ///
    /// # Errors
    /// An operation is refused; nothing is done.
    pub fn update(
        &self,
        decide: impl FnOnce(&Repository) -> Vec<Operation>,
    ) -> Result<(), Refusal> {
        let mut state = self.lock();
        let operations = decide(&state.repository);
        let changes = state.repository.carry_out(&operations, &Caller::Owner)?;
        self.moved(&mut state, &changes);
        Ok(())
    }

    /// A client's commit.
    pub(crate) fn by_client(
        &self,
        act: impl FnOnce(&mut Repository) -> Result<Vec<Change>, Refusal>,
    ) -> Result<(), Refusal> {
        let mut state = self.lock();
        let changes = act(&mut state.repository)?;
        self.moved(&mut state, &changes);
        if !changes.is_empty() {
            state.feed.extend(changes);
            // A full pipe rings already.
            let _rings = (&self.shared.bell).write(b"!");
        }
        Ok(())
    }

    /// How far changes have come.
    pub(crate) fn mark(&self) -> u64 {
        self.lock().mark
    }

    /// Sleeps until changes have come further than `since`, or for this long.
    pub(crate) fn wait(&self, since: u64, longest: Duration) -> u64 {
        let until = Instant::now() + longest;
        let mut state = self.lock();
        while state.mark <= since {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.shared.moved.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.mark
    }

    /// Sleeps until a group is at another generation than this, or for this long.
    pub(crate) fn wait_group(&self, known: &Expected, longest: Duration) -> u64 {
        let until = Instant::now() + longest;
        let mut state = self.lock();
        loop {
            let now = state.repository.generation(&known.entity, &known.group);
            let left = until.saturating_duration_since(Instant::now());
            if now != known.generation || left.is_zero() {
                return now;
            }
            let woken = self.shared.moved.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn moved(&self, state: &mut State, changes: &[Change]) {
        if !changes.is_empty() {
            state.mark += 1;
            self.shared.moved.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A commit changes memory only after the file took it, so a panic elsewhere tears nothing.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
