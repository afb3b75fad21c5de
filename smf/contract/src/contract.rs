//! contract - making, adopting, signalling and ending contracts.
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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cookie::Survey;
use crate::family::Family;
use crate::processes::{self, Pid, Process};
use crate::watch::{self, Watch};
use crate::{cgroup, cookie};

/// The variable that, when set to anything but nothing, keeps [`Contracts::open`] off cgroups.
pub const FORBID_CGROUP: &str = "LAMPLIGHTER_NO_CGROUP";

/// A look at the host counts for so long, and no longer than its turn.
#[cfg(target_os = "linux")]
const TURN_MAX: Duration = Duration::from_millis(200);

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

/// How contracts are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// As cgroups below this directory.
    Cgroup(PathBuf),
    /// As a cookie in the environment.
    Cookie,
}

/// A maker of contracts.
#[derive(Debug, Clone)]
pub struct Contracts {
    owner: String,
    way: Way,
    outer: String,
    /// For a maker that reaps all it starts.
    family: Option<Arc<Mutex<Family>>>,
    /// For the same: what one look at the host found, for all that it adopted.
    turn: Turn,
}

/// One look at the processes of the host and when it was taken, while it counts.
type Turn = Option<Arc<Mutex<Option<(Instant, Arc<Survey>)>>>>;

/// What many adoptions look at, looked at once: the groups and the processes of the host.
#[derive(Debug, Default)]
pub struct Surroundings {
    groups: OnceCell<BTreeMap<String, PathBuf>>,
    processes: OnceCell<Survey>,
}

impl Surroundings {
    fn group(&self, name: &str) -> Option<PathBuf> {
        let all = || cgroup::mount_point().map(|top| cgroup::all(&top)).unwrap_or_default();
        self.groups.get_or_init(all).get(name).cloned()
    }
}

impl Contracts {
    /// Chooses the way for this process.  `owner` (letters, digits) tells makers apart whose
    /// contracts may lie beside each other; a program that adopts must use the same one again.
    #[must_use]
    pub fn open(owner: &str) -> Contracts {
        let forbidden = std::env::var_os(FORBID_CGROUP).is_some_and(|value| !value.is_empty());
        let way = match cgroup::own_directory() {
            Some(dir) if !forbidden && cgroup::writable(&dir) => Way::Cgroup(dir),
            Some(_) | None => Way::Cookie,
        };
        let outer = std::env::var(cookie::NAME).unwrap_or_default();
        Contracts { owner: owner.to_owned(), way, outer, family: None, turn: None }
    }

    /// For a process that is the subreaper of all it starts, and tells of every child it reaps by
    /// [`Contracts::reaped`]: looks for members among its own children only.
    #[must_use]
    pub fn as_reaper(self) -> Contracts {
        Contracts { family: Some(Arc::default()), turn: Some(Arc::default()), ..self }
    }

    /// What was seen of the host so far counts no longer: to be called by a reaper whenever it has
    /// dealt with all that it knew of, before it waits for more.
    pub fn turned(&self) {
        forget(&self.turn);
    }

    /// A child of this process has been reaped.
    pub fn reaped(&self, pid: Pid) {
        if let Some(family) = &self.family {
            lock(family).reaped(pid);
        }
    }

    /// A maker of contracts inside of `outer`, the way its members would make them.
    #[must_use]
    pub fn below(owner: &str, outer: &Contract) -> Contracts {
        let way = outer.directory().map_or(Way::Cookie, |dir| Way::Cgroup(dir.to_path_buf()));
        let family = outer.family.clone();
        Contracts { owner: owner.to_owned(), way, outer: outer.value.clone(), family, turn: None }
    }

    /// The way that was chosen.
    #[must_use]
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// A new contract without members.
    ///
    /// # Errors
    /// The group cannot be made, or the process is out of descriptors.
    pub fn create(&self) -> Result<Contract, ContractError> {
        match &self.way {
            Way::Cookie => self.make(None),
            Way::Cgroup(base) => self.make(Some(base)),
        }
    }

    /// A new contract without members inside of a project: a group that an administrator may set
    /// limits on.  Where no group can be made for the project, the contract is as any other.
    ///
    /// # Errors
    /// As [`Contracts::create`].
    pub fn create_in(&self, project: &str) -> Result<Contract, ContractError> {
        match self.project(project) {
            Some(dir) => self.make(Some(&dir)),
            None => self.create(),
        }
    }

    /// Whether contracts of this project are inside of a group of its own.
    #[must_use]
    pub fn has_project(&self, project: &str) -> bool {
        self.project(project).is_some()
    }

    /// The group of a project, made if need be.
    fn project(&self, project: &str) -> Option<PathBuf> {
        let Way::Cgroup(base) = &self.way else { return None };
        let dir = base.join(cgroup::project(project)?);
        match std::fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => None,
            Ok(()) | Err(_) => Some(dir),
        }
    }

    fn make(&self, base: Option<&Path>) -> Result<Contract, ContractError> {
        loop {
            let id = random_id()?;
            let hold = match base {
                None => Hold::Cookie,
                Some(base) => {
                    let dir = base.join(cgroup::name(&self.owner, id));
                    match std::fs::create_dir(&dir) {
                        Ok(()) => Hold::Cgroup { dir, events: OnceCell::new() },
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                        Err(source) => {
                            return Err(ContractError { id, what: "making its cgroup", source });
                        }
                    }
                }
            };
            let mut contract = Contract::new(id, hold, cookie::value(&self.outer, id));
            contract.family.clone_from(&self.family);
            return Ok(contract);
        }
    }

    /// A contract made earlier, by this program or by one before it.  None when nothing lives in
    /// it any more (what was left of it is removed).
    ///
    /// # Errors
    /// Its group is there and cannot be opened.
    pub fn adopt(&self, id: u64) -> Result<Option<Contract>, ContractError> {
        self.adopt_among(id, &Surroundings::default())
    }

    /// The same, for many: `around` is one for all of them, and no older than the first.
    ///
    /// # Errors
    /// As [`Contracts::adopt`].
    pub fn adopt_among(
        &self,
        id: u64,
        around: &Surroundings,
    ) -> Result<Option<Contract>, ContractError> {
        let name = cgroup::name(&self.owner, id);
        let near = match &self.way {
            Way::Cgroup(base) => Hold::found(id, base.join(&name)).ok(),
            Way::Cookie => None,
        };
        // It may have been made from another group: look everywhere.
        let hold = match near {
            Some(hold) => hold,
            None => match around.group(&name) {
                Some(dir) => Hold::found(id, dir)?,
                None => Hold::Cookie,
            },
        };
        let mut contract = Contract::new(id, hold, cookie::value(&self.outer, id));
        contract.turn.clone_from(&self.turn);
        let empty = match &contract.hold {
            Hold::Cgroup { .. } => contract.is_empty()?,
            Hold::Cookie => {
                let survey = around.processes.get_or_init(Survey::take);
                contract.meet(&survey.members(id, &cookie::Known::new()))?
            }
        };
        if empty {
            contract.remove();
            return Ok(None);
        }
        Ok(Some(contract))
    }

    /// The contracts that the environment of a process names, outermost first; of a child that has
    /// ended only a maker that reaps knows, if it ever looked at it.
    #[must_use]
    pub fn contracts_of(&self, pid: Pid) -> Vec<u64> {
        let family = self.family.as_ref().map(|family| lock(family));
        let seen = family.and_then(|family| family.contracts_of(pid).map(<[u64]>::to_vec));
        let read = || std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        seen.unwrap_or_else(|| cookie::contracts(&read()))
    }

    /// The contract of this owner that a process is or, being a zombie, was a member of.  Only the
    /// cgroup way remembers; none in the cookie way.
    #[must_use]
    pub fn contract_of(&self, pid: Pid) -> Option<u64> {
        if self.way == Way::Cookie {
            return None;
        }
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        cgroup::group(&text)?
            .components()
            .find_map(|part| cgroup::id_of(&self.owner, part.as_os_str().to_str()?))
    }

    /// Removes the empty groups of this owner, except those of `keep`.
    pub fn sweep(&self, keep: &[u64]) {
        let Way::Cgroup(base) = &self.way else { return };
        let groups = cgroup::children(base);
        let inside = groups.iter().filter(|dir| cgroup::is_project(dir));
        let inside: Vec<PathBuf> = inside.flat_map(|dir| cgroup::children(dir)).collect();
        for dir in groups.into_iter().chain(inside) {
            let id = dir
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| cgroup::id_of(&self.owner, name));
            if id.is_some_and(|id| !keep.contains(&id)) {
                cgroup::remove(&dir);
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn random_bytes() -> io::Result<[u8; 8]> {
    let mut bytes = [0u8; 8];
    // SAFETY: room for eight bytes.
    let failed = unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(bytes) }
}

#[cfg(not(target_os = "linux"))]
fn random_bytes() -> io::Result<[u8; 8]> {
    let mut bytes = [0u8; 8];
    File::open("/dev/urandom")
        .and_then(|mut random| io::Read::read_exact(&mut random, &mut bytes))
        .map(|()| bytes)
}

/// Forty random bits: small enough to be typed, large enough never to meet.
fn random_id() -> Result<u64, ContractError> {
    let bytes = random_bytes().map_err(|source| ContractError {
        id: 0,
        what: "choosing a number",
        source,
    })?;
    Ok((u64::from_le_bytes(bytes) & 0xff_ffff_ffff).max(1))
}

#[derive(Debug)]
enum Hold {
    /// Its events are opened when somebody asks for the first time: of a contract that is done with
    /// as soon as its only process has ended nobody does.
    Cgroup {
        dir: PathBuf,
        events: OnceCell<File>,
    },
    Cookie,
}

impl Hold {
    /// Of a group that may be there.
    fn found(id: u64, dir: PathBuf) -> Result<Hold, ContractError> {
        let events = open_events(&dir).map_err(|source| ContractError {
            id,
            what: "opening its events",
            source,
        })?;
        Ok(Hold::Cgroup { dir, events: OnceCell::from(events) })
    }
}

fn open_events(dir: &Path) -> io::Result<File> {
    File::open(dir.join("cgroup.events"))
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
    hold: Hold,
    value: String,
    /// Cookie way: members seen, and whoever made a session that still has members.
    known: BTreeMap<(Pid, u64), Option<OwnedFd>>,
    /// Cookie way: whoever reaps the members, if that is this process.
    family: Option<Arc<Mutex<Family>>>,
    /// Cookie way, adopted: what its maker has seen in this turn.
    turn: Turn,
    /// Made with the first thing that is watched.
    watch: OnceCell<Watch>,
}

fn forget(turn: &Turn) {
    if let Some(turn) = turn {
        *turn.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The processes of the host: as they were seen before in this turn, or as they are now.
#[cfg(target_os = "linux")]
fn survey(turn: &Turn) -> Arc<Survey> {
    let Some(turn) = turn else { return Arc::new(Survey::take()) };
    let mut seen = turn.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, survey)) = seen.as_ref().filter(|(when, _)| when.elapsed() < TURN_MAX) {
        return survey.clone();
    }
    let survey = Arc::new(Survey::take());
    *seen = Some((Instant::now(), survey.clone()));
    survey
}

fn lock(family: &Mutex<Family>) -> MutexGuard<'_, Family> {
    // What was read of a child is whole or not there.
    family.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Contract {
    fn new(id: u64, hold: Hold, value: String) -> Contract {
        let (known, watch) = (BTreeMap::new(), OnceCell::new());
        Contract { id, hold, value, known, family: None, turn: None, watch }
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
            None => match open_events(dir) {
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
            Hold::Cookie => match processes::process(pid) {
                Some(process) => self.remember(&process),
                // No /proc of this kind (illumos): the number is all there is.
                None => {
                    self.known.insert((pid, 0), None);
                    Ok(())
                }
            },
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
        self.known.keys().any(|(known, _)| *known == pid)
    }

    /// The living members, those of contracts made by members included.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn members(&mut self) -> Result<Vec<Pid>, ContractError> {
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

    /// Takes over who was found, and forgets the dead; true when nobody was.
    fn meet(&mut self, found: &[Process]) -> Result<bool, ContractError> {
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
        match &self.hold {
            Hold::Cgroup { dir, events } => {
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
                self.search_anew()
            }
        }
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

    /// Removes its group if nothing is in it, not even the group of a member; whether that is done.
    /// Then it is empty, as far as the group tells.  In the cookie way nothing is done.
    #[must_use]
    pub fn remove_empty(&self) -> bool {
        match &self.hold {
            Hold::Cgroup { dir, .. } => std::fs::remove_dir(dir).is_ok(),
            Hold::Cookie => false,
        }
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
