//! contract - signalling, watching and ending one contract.
//!
//! Invariant: a contract that reports itself empty stays empty, unless its maker starts another
//! process in it.  A contract that is dropped without [`Contract::remove`] leaves its processes
//! alone and can be adopted by its number, also by a later program.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::family::Family;
use crate::idle::Group;
#[cfg(target_os = "linux")]
use crate::maker::survey;
use crate::maker::{Turn, Way, forget, lock};
use crate::processes::{self, Pid, Process};
use crate::watch::{self, Watch};
use crate::{cgroup, cookie};

/// So often new members are looked for while the old ones are killed.
const ROUNDS_MAX: usize = 64;

/// What stopped work on a contract.
#[derive(Debug, thiserror::Error)]
#[error("contract {id}: {what}")]
pub struct ContractError {
    /// The contract.
    pub id: u64,
    /// What was being done.
    pub what: &'static str,
    /// What the system said.
    pub source: io::Error,
}

#[derive(Debug)]
pub(crate) enum Hold {
    /// Its directory and its events are opened when somebody asks for the first time: of a contract
    /// that is done with as soon as its only process has ended few do.
    Cgroup {
        dir: PathBuf,
        door: OnceCell<File>,
        events: OnceCell<File>,
    },
    Cookie,
}

impl Hold {
    pub fn new(dir: PathBuf) -> Hold {
        Hold::Cgroup { dir, door: OnceCell::new(), events: OnceCell::new() }
    }

    /// Of a group that may be there.
    pub fn found(id: u64, dir: PathBuf) -> Result<Hold, ContractError> {
        let events = cgroup::open_events(&dir).map_err(|source| ContractError {
            id,
            what: "opening its events",
            source,
        })?;
        Ok(Hold::Cgroup { dir, door: OnceCell::new(), events: OnceCell::from(events) })
    }

    /// Of a group that was kept.
    pub fn of(group: Group) -> Hold {
        let Group { dir, door, events, .. } = group;
        Hold::Cgroup { dir, door: OnceCell::from(door), events: OnceCell::from(events) }
    }
}

/// What a child does between fork and exec to become a member.  Async-signal-safe.
#[derive(Debug)]
pub struct Entrance {
    procs: Option<File>,
}

impl Entrance {
    /// Moves the calling process in.  In the cookie way the environment does it all.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn enter(&self) -> io::Result<()> {
        match &self.procs {
            Some(procs) => (&mut &*procs).write_all(b"0"),
            None => Ok(()),
        }
    }
}

/// A process contract.
#[derive(Debug)]
pub struct Contract {
    id: u64,
    pub(crate) hold: Hold,
    pub(crate) value: String,
    /// Cookie way: the child that was started last, while nobody has looked at it.
    fresh: Option<Pid>,
    /// Cookie way: members seen, and whoever made a session that still has members.
    known: BTreeMap<(Pid, u64), Option<OwnedFd>>,
    /// Cookie way: whoever reaps the members, if that is this process.
    pub(crate) family: Option<Arc<Mutex<Family>>>,
    /// Cookie way, adopted: what its maker has seen in this turn.
    pub(crate) turn: Turn,
    /// Made with the first thing that is watched.
    watch: OnceCell<Watch>,
    /// Its group was made by this process and has not been killed.  Newer Linux
    /// kills at birth who is born into a group that was killed more often than its maker's.
    pub(crate) unhurt: bool,
}

impl Contract {
    pub(crate) fn new(id: u64, hold: Hold, value: String) -> Contract {
        let (known, watch) = (BTreeMap::new(), OnceCell::new());
        let (fresh, family, turn, unhurt) = (None, None, None, false);
        Contract { id, hold, value, fresh, known, family, turn, watch, unhurt }
    }

    fn watch(&self) -> Result<&Watch, ContractError> {
        if let Some(watch) = self.watch.get() {
            return Ok(watch);
        }
        let made = Watch::new().map_err(self.error("watching it"))?;
        Ok(self.watch.get_or_init(|| made))
    }

    /// The events of its group, watched from now on; none when the group is gone.
    fn events<'a>(
        &'a self,
        dir: &Path,
        events: &'a OnceCell<File>,
    ) -> Result<Option<&'a File>, ContractError> {
        let open = match events.get() {
            Some(open) if self.watch.get().is_some() => return Ok(Some(open)),
            Some(open) => open,
            None => match cgroup::open_events(dir) {
                Ok(opened) => events.get_or_init(|| opened),
                Err(error) if cgroup::gone(&error) => return Ok(None),
                Err(source) => return Err(self.error("opening its events")(source)),
            },
        };
        self.watch()?.add_events(open).map_err(self.error("watching it"))?;
        Ok(Some(open))
    }

    fn error(&self, what: &'static str) -> impl FnOnce(io::Error) -> ContractError + use<> {
        let id = self.id;
        move |source| ContractError { id, what, source }
    }

    /// Its number: unique on this host, at most forty bits.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The variable every process started in the contract must have, in either way.
    #[must_use]
    pub fn environment(&self) -> (&'static str, &str) {
        (cookie::NAME, &self.value)
    }

    /// The directory of its cgroup, for `CLONE_INTO_CGROUP` and for tools that look.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match &self.hold {
            Hold::Cgroup { dir, .. } => Some(dir),
            Hold::Cookie => None,
        }
    }

    /// The same, open, for `CLONE_INTO_CGROUP`; none where there is none.
    ///
    /// # Errors
    /// The group is gone.
    pub fn door(&self) -> Result<Option<BorrowedFd<'_>>, ContractError> {
        let Hold::Cgroup { dir, door, .. } = &self.hold else { return Ok(None) };
        if let Some(open) = door.get() {
            return Ok(Some(open.as_fd()));
        }
        let opened = File::open(dir).map_err(self.error("opening its group"))?;
        Ok(Some(door.get_or_init(|| opened).as_fd()))
    }

    /// What a new child calls between fork and exec.
    ///
    /// # Errors
    /// The group is gone or may not be written.
    pub fn entrance(&self) -> Result<Entrance, ContractError> {
        let procs = match &self.hold {
            Hold::Cookie => None,
            Hold::Cgroup { dir, .. } => Some(
                OpenOptions::new()
                    .write(true)
                    .open(dir.join("cgroup.procs"))
                    .map_err(self.error("opening its entrance"))?,
            ),
        };
        Ok(Entrance { procs })
    }

    /// Tells of a child that was started in the contract.  Call it before the child is reaped.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn started(&mut self, pid: Pid) -> Result<(), ContractError> {
        match &self.hold {
            Hold::Cgroup { .. } => Ok(()),
            Hold::Cookie => {
                self.acquaint()?;
                self.fresh = Some(pid);
                match &self.family {
                    // Most are reaped before anybody asks.
                    Some(family) => {
                        lock(family).started(pid, cookie::named(&self.value));
                        Ok(())
                    }
                    None => self.acquaint(),
                }
            }
        }
    }

    /// Looks at the child that was started last, if nobody has.
    fn acquaint(&mut self) -> Result<(), ContractError> {
        let Some(pid) = self.fresh.take() else { return Ok(()) };
        // Once it is reaped its number may be another's: what is known is whose session it made.
        let lives = self.family.as_ref().is_none_or(|family| lock(family).bore(pid, self.id));
        match processes::process(pid).filter(|_| lives) {
            Some(process) => self.remember(&process),
            // Or no /proc of this kind (illumos): the number is all there is.
            None => {
                self.known.insert((pid, 0), None);
                Ok(())
            }
        }
    }

    fn remember(&mut self, process: &Process) -> Result<(), ContractError> {
        let key = (process.pid, process.started);
        if self.known.get(&key).is_some_and(Option::is_some) {
            return Ok(());
        }
        let handle = match watch::open_process(process.pid) {
            Ok(handle) => Some(handle),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::EINVAL)) => None,
            Err(source) => return Err(self.error("watching a member")(source)),
        };
        // Opened after it was seen: that it is still the same process must be seen again.
        let same =
            processes::process(process.pid).is_some_and(|now| now.started == process.started);
        let handle = handle.filter(|_| same);
        if let Some(handle) = &handle {
            self.watch()?.add_process(handle).map_err(self.error("watching a member"))?;
        }
        self.known.insert(key, handle);
        Ok(())
    }

    /// Whether this process is known to be, or to have been, a member.  In the cgroup way only
    /// [`Contracts::contract_of`] knows.
    #[must_use]
    pub fn knows(&self, pid: Pid) -> bool {
        self.fresh == Some(pid) || self.known.keys().any(|(known, _)| *known == pid)
    }

    /// The living members, those of contracts made by members included.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn members(&mut self) -> Result<Vec<Pid>, ContractError> {
        self.acquaint()?;
        match &self.hold {
            Hold::Cgroup { dir, .. } => {
                cgroup::members(dir).map_err(self.error("reading its members"))
            }
            Hold::Cookie => self.search(),
        }
    }

    #[cfg(target_os = "linux")]
    fn search(&mut self) -> Result<Vec<Pid>, ContractError> {
        let found = self.look()?;
        Ok(found.iter().map(|process| process.pid).collect())
    }

    #[cfg(target_os = "linux")]
    fn look(&mut self) -> Result<Vec<Process>, ContractError> {
        let found = self.seen();
        for process in &found {
            self.remember(process)?;
        }
        Ok(found)
    }

    #[cfg(target_os = "linux")]
    fn seen(&self) -> Vec<Process> {
        let known = self.known.keys().copied().collect();
        let family = self.family.as_ref().map(|family| lock(family));
        let found = family.and_then(|mut family| family.members(self.id, &known));
        found.unwrap_or_else(|| survey(&self.turn).members(self.id, &known))
    }

    /// Searches, and forgets the dead.  Only this may: with a member's descriptor goes the event
    /// of its end, which must be told before it is forgotten.
    #[cfg(target_os = "linux")]
    fn search_anew(&mut self) -> Result<bool, ContractError> {
        let found = self.seen();
        self.meet(&found)
    }

    /// Whether the last look at the children of this process showed none that belongs to it, all of
    /// its own that were known having been reaped before.
    fn nobody(&self) -> bool {
        let known = self.known.keys().copied().collect();
        let family = self.family.as_ref().map(|family| lock(family));
        family.is_some_and(|mut family| family.has_none(self.id, &known))
    }

    /// Takes over who was found, and forgets the dead; true when nobody was.
    pub(crate) fn meet(&mut self, found: &[Process]) -> Result<bool, ContractError> {
        for process in found {
            self.remember(process)?;
        }
        self.known.retain(|(pid, started), _| {
            found.iter().any(|process| {
                process.session == *pid || (process.pid == *pid && process.started == *started)
            })
        });
        Ok(found.is_empty())
    }

    #[cfg(not(target_os = "linux"))]
    fn search_anew(&mut self) -> Result<bool, ContractError> {
        Ok(self.search()?.is_empty())
    }

    /// Without Linux's /proc: the children that were started here and still exist.
    #[cfg(not(target_os = "linux"))]
    fn search(&mut self) -> Result<Vec<Pid>, ContractError> {
        // SAFETY: kill with signal 0 only asks whether the process exists.
        self.known.retain(|(pid, _), _| unsafe { libc::kill(*pid, 0) } == 0);
        Ok(self.known.keys().map(|(pid, _)| *pid).collect())
    }

    /// Whether no process lives in it.  Also sets the watch for the next change.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn is_empty(&mut self) -> Result<bool, ContractError> {
        self.acquaint()?;
        if let (Some(_), Hold::Cgroup { door, .. }) = (self.watch.get(), &mut self.hold) {
            // Whoever waits for it is not about to start anything in it.
            door.take();
        }
        match &self.hold {
            Hold::Cgroup { dir, events, .. } => {
                let Some(events) = self.events(dir, events)? else { return Ok(true) };
                let mut text = [0u8; 128];
                match events.read_at(&mut text, 0) {
                    Ok(length) => Ok(!cgroup::populated(&String::from_utf8_lossy(&text[..length]))),
                    Err(error) if cgroup::gone(&error) => Ok(true),
                    Err(source) => Err(self.error("reading its events")(source)),
                }
            }
            Hold::Cookie => {
                // The dead stay known until a search finds nobody in a session of theirs.
                for handle in self.known.values_mut() {
                    if handle.as_ref().is_some_and(|fd| ended(fd.as_fd())) {
                        *handle = None;
                    }
                }
                // One known member alive answers the question without a search.  Where nobody was
                // found, at whatever moment, nobody will be.
                if self.known.values().any(Option::is_some) {
                    return Ok(false);
                }
                if self.nobody() {
                    self.known.clear();
                    return Ok(true);
                }
                self.search_anew()
            }
        }
    }

    /// Whether a control group holds it: to ask whether it is empty costs next to nothing then, and
    /// changes nothing.
    #[must_use]
    pub fn is_group(&self) -> bool {
        matches!(self.hold, Hold::Cgroup { .. })
    }

    /// Whether [`Contract::event`] tells when that should be asked again.  If not, those who were
    /// found have ended since, and a later look finds out what they left behind.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        match &self.hold {
            Hold::Cgroup { .. } => true,
            Hold::Cookie => self.known.values().any(Option::is_some),
        }
    }

    /// A descriptor that is readable when [`Contract::is_empty`] should be asked again.  None where
    /// the kernel offers none: then ask when a child ends.  Before that was asked there is none either.
    #[must_use]
    pub fn event(&self) -> Option<BorrowedFd<'_>> {
        self.watch.get().and_then(Watch::descriptor)
    }

    /// Sends a signal to every member; returns how many got it.
    ///
    /// # Errors
    /// The group cannot be read.  A member that may not be signalled is not an error.
    pub fn signal(&mut self, signal: i32) -> Result<usize, ContractError> {
        let members = self.members()?;
        Ok(members.into_iter().filter(|pid| self.signal_member(*pid, signal)).count())
    }

    fn signal_member(&self, pid: Pid, signal: i32) -> bool {
        let handle = match watch::open_process(pid) {
            Ok(handle) => handle,
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
                // SAFETY: kill takes two integers; the member was seen a moment ago.
                return unsafe { libc::kill(pid, signal) } == 0;
            }
            Err(_) => return false,
        };
        // The number may have gone to another process since it was listed.
        let still = match &self.hold {
            Hold::Cgroup { dir, .. } => std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
                .is_ok_and(|text| cgroup::is_within(&text, dir)),
            Hold::Cookie => processes::process(pid)
                .is_some_and(|now| self.known.contains_key(&(now.pid, now.started))),
        };
        still && watch::signal_process(handle.as_fd(), signal).is_ok()
    }

    /// Sends SIGKILL until no member is left that has not got it.  They may take a moment to end:
    /// [`Contract::wait_empty`] waits for that.  Members that make others faster than they can be
    /// found are not run after for ever: without cgroups it may take another call.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn kill(&mut self) -> Result<(), ContractError> {
        self.unhurt = false;
        if let Hold::Cgroup { dir, .. } = &self.hold {
            if std::fs::write(dir.join("cgroup.kill"), "1").is_ok() {
                return Ok(());
            }
        }
        let mut done = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            // Who was made since the last look is to be seen.
            forget(&self.turn);
            let mut members = self.members()?;
            members.retain(|pid| !done.contains(pid));
            if members.is_empty() {
                break;
            }
            for pid in members {
                self.signal_member(pid, libc::SIGKILL);
                done.insert(pid);
            }
        }
        Ok(())
    }

    /// Waits until it is empty; false when `timeout` came first.
    ///
    /// # Errors
    /// The group cannot be read, or waiting failed.
    pub fn wait_empty(&mut self, timeout: Option<Duration>) -> Result<bool, ContractError> {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        while !self.is_empty()? {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(false);
            }
            self.wait_event(left)?;
        }
        Ok(true)
    }

    fn wait_event(&self, left: Option<Duration>) -> Result<(), ContractError> {
        // Where there is nothing to wait for, looking now and then is all that can be done.
        let step = if self.event().is_some() { None } else { Some(Duration::from_millis(100)) };
        let timeout = match (left, step) {
            (Some(left), Some(step)) => Some(left.min(step)),
            (left, step) => left.or(step),
        };
        let timeout = timeout.map_or(PollTimeout::NONE, |timeout| {
            // Rounded up, so that the last wait does not spin.
            PollTimeout::try_from(timeout + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let mut fds: Vec<PollFd<'_>> =
            self.event().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).into_iter().collect();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(self.error("waiting for it to become empty")(errno.into())),
        }
    }

    /// Removes its group if nothing is in it, not even the group of a member; else, and in the
    /// cookie way, it comes back.
    pub(crate) fn remove_empty(self) -> Option<Contract> {
        let removed = match &self.hold {
            Hold::Cgroup { dir, .. } => std::fs::remove_dir(dir).is_ok(),
            Hold::Cookie => false,
        };
        (!removed).then_some(self)
    }

    /// Whether its group lies where those without a project do, and can be used again.
    pub(crate) fn is_idle(&self, way: &Way) -> bool {
        let (Way::Cgroup(base), Hold::Cgroup { dir, events, .. }) = (way, &self.hold) else {
            return false;
        };
        if events.get().is_none() {
            // What cannot be opened is not used again.
            let _gone = cgroup::open_events(dir).map(|open| events.get_or_init(|| open));
        }
        let (Some(events), Ok(Some(door))) = (events.get(), self.door()) else { return false };
        self.unhurt && dir.parent() == Some(base) && cgroup::is_idle(events, door).unwrap_or(false)
    }

    /// Its group, if it was found to be idle.
    pub(crate) fn into_group(self) -> Option<Group> {
        let Hold::Cgroup { dir, door, events } = self.hold else { return None };
        Some(Group { id: self.id, dir, door: door.into_inner()?, events: events.into_inner()? })
    }

    /// Lets go of it: an empty group is removed, processes that still live are left alone.
    pub fn remove(self) {
        if let Hold::Cgroup { dir, .. } = &self.hold {
            cgroup::remove(dir);
        }
    }
}

/// Whether the process behind a descriptor has ended.
fn ended(process: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(process, PollFlags::POLLIN)];
    matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..))
}
