//! orphans.rs - members that got away: detached, and with an environment of their own.
//!
//! Where contracts are cookies, such a process is known by its parent alone: having lost its own it
//! came to this process, the subreaper of what it starts.  When no contained program runs any more,
//! a child of this process that it did not start is such a one, and is ended.
//!
//! Law: only a process that is in a contract itself does this; a program that somebody started by
//! hand may have daemons (svc.startd) for children.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use smf_contract::processes::{self, Pid, Process};
use smf_contract::{reap_orphans, watch};

use crate::tree::CONTRACT;

/// What this process has started and not reaped.
#[derive(Debug)]
struct Started {
    pids: BTreeSet<Pid>,
    contained: usize,
}

static STARTED: Mutex<Started> = Mutex::new(Started { pids: BTreeSet::new(), contained: 0 });

/// How long one that was killed may take to go, in milliseconds.
const PATIENCE_MS: u16 = 30_000;

/// Generations of what got away: each makes orphans of the next.
const GENERATIONS: usize = 100;

fn started() -> MutexGuard<'static, Started> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a program and remembers it.
pub(crate) fn start(command: &mut Command, contained: bool) -> io::Result<Child> {
    // Held meanwhile: nobody takes the newborn for an orphan.
    let mut all = started();
    let child = command.spawn()?;
    all.pids.insert(child.id() as Pid);
    all.contained += usize::from(contained);
    Ok(child)
}

/// A program was reaped; the last contained one leaves no orphan.
pub(crate) fn ended(pid: Pid, contained: bool) {
    let mut all = started();
    all.pids.remove(&pid);
    if !contained {
        return;
    }
    all.contained -= 1;
    let inside = std::env::var_os(CONTRACT).is_some_and(|value| !value.is_empty());
    if inside && all.contained == 0 {
        sweep(&all.pids);
    }
}

fn sweep(mine: &BTreeSet<Pid>) {
    let me = std::process::id() as Pid;
    for _ in 0..GENERATIONS {
        let mut found = processes::all();
        found.retain(|one| one.parent == me && !one.zombie && !mine.contains(&one.pid));
        if found.is_empty() {
            break;
        }
        found.iter().for_each(end);
    }
    reap_orphans(&mine.iter().copied().collect::<Vec<Pid>>());
}

/// Kills one and waits until it is gone.
fn end(orphan: &Process) {
    let Ok(handle) = watch::open_process(orphan.pid) else { return };
    // A child that is not reaped keeps its number: it is still the one that was seen.
    let _gone = watch::signal_process(handle.as_fd(), libc::SIGKILL);
    let mut fds = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
    let _late = poll(&mut fds, PollTimeout::from(PATIENCE_MS));
}
