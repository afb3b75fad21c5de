//! machine - the real system.
//!
//! Holds the contracts, starts methods, reaps children, writes logs.  Every child of this process
//! is reaped here, orphans of methods included, because it is their subreaper.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use smf_contract::{Contract, ContractError, Contracts, Surroundings};

use super::child::{self, Birth, Nursery};
use super::identity::{Identity, identify};
use super::poller::Poller;
use super::syslog::Syslog;
use super::{Context, Happened, Level, Logging, Spawn, Sys, Unfit, log};

/// So many logs are open at once.
const OPEN_LOGS: usize = 64;

/// So long a log stays open: most methods have ended by then.  Afterwards it may have been moved
/// away.
const LOG_OPEN: Duration = Duration::from_millis(100);

/// The real system.
pub struct Machine {
    contracts: Contracts,
    held: BTreeMap<u64, Held>,
    poller: Poller,
    /// Methods that have not been reaped yet, and their contracts.
    methods: BTreeMap<i32, u64>,
    logs: PathBuf,
    notes: File,
    null: File,
    nursery: Nursery,
    /// Logs written to lately, and when they were opened.
    open_logs: BTreeMap<String, (File, Instant)>,
    /// Lines still to be written, by instance.  They are written before what they tell of is to be
    /// seen elsewhere, before anything happens that may lead to another line in the same log, and
    /// before waiting.
    lines: BTreeMap<String, String>,
    /// The second that was told last, and how.
    told: (u64, String),
    environment: Vec<(String, String)>,
    began: Instant,
    syslog: Syslog,
    has_more: bool,
    /// How many descriptors a method may have; this process takes as many as it can get.
    descriptors: Option<libc::rlimit>,
    umask: u32,
    logging: Logging,
    /// Below which rights profiles are looked for.
    root: PathBuf,
    /// Of the methods that are about to be started, by their contracts.
    prepared: BTreeMap<u64, Identity>,
    /// While many contracts are taken over.
    surroundings: Option<Surroundings>,
    /// Contracts to be looked at once more, with no event to wait for.
    unwatched: BTreeSet<u64>,
    /// Contracts of which a member was reaped, and nobody has been seen in them since.
    reaped: BTreeSet<u64>,
    /// Contracts that are empty, whose last member is still to be reaped.
    ending: BTreeSet<u64>,
    /// Contracts that were released: they are looked at when there is nothing better to do.
    released: Vec<u64>,
    /// Children that were reaped since signals were last read, and their contracts: one may have
    /// sent a signal before it ended.
    gone: BTreeMap<i32, u64>,
}

/// More ended children than this are reaped in turns.
const REAPED_AT_ONCE: usize = 256;

struct Held {
    contract: Contract,
    watched: bool,
    abandoned: bool,
}

impl Machine {
    /// A system whose logs are in `logs` and whose methods get `environment`.
    ///
    /// # Errors
    /// A file cannot be opened, or this cannot become the subreaper of its children.
    pub fn new(
        owner: &str,
        logs: &Path,
        environment: Vec<(String, String)>,
    ) -> io::Result<Machine> {
        smf_contract::become_subreaper()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        Ok(Machine {
            nursery: Nursery::new(&null)?,
            open_logs: BTreeMap::new(),
            lines: BTreeMap::new(),
            told: (0, String::new()),
            contracts: Contracts::open(owner).as_reaper(),
            held: BTreeMap::new(),
            poller: Poller::new()?,
            methods: BTreeMap::new(),
            logs: logs.to_path_buf(),
            notes: log::open(&logs.join("svc.startd.log"))?,
            null,
            environment,
            began: Instant::now(),
            syslog: Syslog::default(),
            has_more: false,
            descriptors: raise_descriptors(),
            umask: 0o022,
            logging: Logging::default(),
            root: PathBuf::from("/"),
            prepared: BTreeMap::new(),
            surroundings: None,
            unwatched: BTreeSet::new(),
            reaped: BTreeSet::new(),
            ending: BTreeSet::new(),
            released: Vec::new(),
            gone: BTreeMap::new(),
        })
    }

    /// Where rights profiles are, if not below /.
    pub fn set_root(&mut self, root: &Path) {
        self.root = root.to_path_buf();
    }

    /// The file mode mask of methods, where it is another one than 022.
    pub fn set_umask(&mut self, umask: u32) {
        self.umask = umask;
    }

    /// Readable when [`Machine::emptied`] has something to tell.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.poller.descriptor()
    }

    /// Removes what no instance holds any more of contracts made by an engine before this one.
    pub fn sweep(&self, keep: &[u64]) {
        self.contracts.sweep(keep);
    }

    /// Whether [`Machine::reap`] or [`Machine::emptied`] left some for the next time.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_more || !self.unwatched.is_empty()
    }

    /// Reaps the children that have ended, some at a time: a service that makes processes faster
    /// than they can be reaped must not keep the engine from everything else.
    pub fn reap(&mut self) -> Vec<Happened> {
        let mut happened = Vec::new();
        self.has_more = false;
        while let Some(pid) = ended_child() {
            if happened.len() == REAPED_AT_ONCE {
                self.has_more = true;
                break;
            }
            let method = self.methods.remove(&pid);
            // While it is a zombie its group can still be read.
            let contract = if method.is_some() { None } else { self.contract_of(pid) };
            let mut status = 0;
            // SAFETY: waitpid on a child of this process, with room for its status.
            if unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } != pid {
                break;
            }
            self.contracts.reaped(pid);
            if let Some(id) = contract.or(method) {
                self.gone.insert(pid, id);
                self.lost(id);
            }
            happened.push(match contract {
                Some(contract) => Happened::MemberEnded { contract, status },
                None => Happened::Ended { pid, status },
            });
        }
        if !self.has_more {
            self.contracts.all_reaped();
        }
        if self.poller.descriptor().is_none() {
            happened.extend(self.look_at(self.watched()));
        }
        happened
    }

    /// A member of a contract was reaped.
    fn lost(&mut self, id: u64) {
        if self.ending.remove(&id) {
            self.unwatched.insert(id);
        }
        let Some(held) = self.held.get_mut(&id) else { return };
        if held.watched && held.contract.is_group() {
            match held.contract.is_empty() {
                Ok(false) => return,
                // The event has been read with it.
                Ok(true) | Err(_) => drop(self.unwatched.insert(id)),
            }
        }
        self.reaped.insert(id);
    }

    /// Whether a child that has left a contract, perhaps as the last one, is still to be reaped.  A
    /// process leaves its group before its parent can know how it ended, and how the last one ended
    /// decides what follows.
    fn is_ending(&self, id: u64) -> bool {
        let Some(held) = self.held.get(&id) else { return false };
        let children = smf_contract::processes::children_of("self").unwrap_or_default();
        let member = |pid: &i32| match self.methods.get(pid) {
            Some(contract) => *contract == id,
            None => held.contract.knows(*pid) || self.contract_of(*pid) == Some(id),
        };
        let left = |pid: &i32| {
            let zombie = || smf_contract::processes::process(*pid).is_some_and(|p| p.zombie);
            held.contract.is_group() || zombie()
        };
        children.iter().any(|pid| member(pid) && left(pid))
    }

    fn watched(&self) -> Vec<u64> {
        let watched = self.held.iter().filter(|(_, held)| held.watched);
        watched.map(|(id, _)| *id).collect()
    }

    /// The contract of a process that has this one for a parent, or had until it was reaped a
    /// moment ago.
    #[must_use]
    pub fn contract_of_child(&self, pid: i32) -> Option<u64> {
        if let Some(id) = self.gone.get(&pid) {
            return Some(*id);
        }
        let me = std::process::id();
        let process = smf_contract::processes::process(pid)?;
        (u32::try_from(process.parent) == Ok(me)).then(|| self.contract_of(pid))?
    }

    /// Signals have been read: nobody who was reaped before has sent one that is still to be read.
    pub fn signals_read(&mut self) {
        self.gone.clear();
    }

    /// The contract that a process belongs to, or, ended and not reaped yet, belonged to.
    #[must_use]
    pub fn contract_of(&self, pid: i32) -> Option<u64> {
        let by_group = self.contracts.contract_of(pid);
        let named = self.contracts.contracts_of(pid);
        let by_name = || named.into_iter().find(|id| self.held.contains_key(id));
        by_group.or_else(by_name).or_else(|| {
            let found = self.held.iter().find(|(_, held)| held.contract.knows(pid));
            found.map(|(id, _)| *id)
        })
    }

    /// The contracts that have become empty.
    pub fn emptied(&mut self) -> Vec<Happened> {
        match self.poller.ready() {
            Ok(mut ready) => {
                let again = std::mem::take(&mut self.unwatched);
                ready.extend(again);
                ready.sort_unstable();
                ready.dedup();
                self.look_at(ready)
            }
            Err(error) => {
                self.note(Level::Error, &format!("polling contracts: {error}"));
                Vec::new()
            }
        }
    }

    fn look_at(&mut self, ids: Vec<u64>) -> Vec<Happened> {
        let mut happened = Vec::new();
        for id in ids {
            // Where no group holds it, who has ended is forgotten with the next question.
            let unheard = !self.reaped.contains(&id);
            let group = self.held.get(&id).is_none_or(|held| held.contract.is_group());
            if unheard && !group && self.is_ending(id) {
                self.ending.insert(id);
                continue;
            }
            let Some(held) = self.held.get_mut(&id) else { continue };
            match held.contract.is_empty() {
                Ok(false) => {
                    self.reaped.remove(&id);
                    if !held.contract.is_watched() {
                        self.unwatched.insert(id);
                    }
                }
                Ok(true) if held.abandoned => self.forget(id),
                Ok(true) if unheard && group && self.is_ending(id) => {
                    self.ending.insert(id);
                }
                Ok(true) => happened.push(Happened::Emptied { contract: id }),
                Err(error) => self.note(Level::Error, &error.to_string()),
            }
        }
        happened
    }

    fn forget(&mut self, id: u64) {
        self.unwatched.remove(&id);
        self.reaped.remove(&id);
        self.ending.remove(&id);
        if let Some(held) = self.held.remove(&id) {
            held.contract.remove();
        }
    }

    /// Lets go of those that were released since the last time.
    fn part_with_released(&mut self, let_go: fn(&Contracts, Contract) -> Option<Contract>) {
        for id in std::mem::take(&mut self.released) {
            self.part_with(id, let_go);
        }
    }

    /// Lets go of a contract: most are of one process that has ended, and nobody has to be asked.
    fn part_with(&mut self, id: u64, let_go: fn(&Contracts, Contract) -> Option<Contract>) {
        self.prepared.remove(&id);
        self.reaped.remove(&id);
        self.ending.remove(&id);
        let Some(held) = self.held.remove(&id) else { return };
        let watched = held.watched;
        let Some(contract) = let_go(&self.contracts, held.contract) else {
            self.unwatched.remove(&id);
            return;
        };
        self.held.insert(id, Held { contract, watched, abandoned: true });
        if self.is_empty(id) {
            self.forget(id);
        }
    }

    /// Writes the lines of an instance.
    fn write_lines(&mut self, fmri: &str, lines: &str) {
        if let Err(error) = self.opened(fmri).and_then(|log| log.write_all(lines.as_bytes())) {
            self.note(Level::Error, &format!("{fmri}: log: {error}"));
        }
    }

    /// Writes the lines of all.
    fn write_all_lines(&mut self) {
        while let Some((fmri, lines)) = self.lines.pop_first() {
            self.write_lines(&fmri, &lines);
        }
    }

    /// Now, as logs have it.
    fn stamp(&mut self) -> &str {
        let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if self.told.0 != second || self.told.1.is_empty() {
            self.told = (second, log::stamp());
        }
        &self.told.1
    }

    /// Nothing may be written for a while.
    fn close_old_logs(&mut self) {
        self.open_logs.retain(|_, (_, since)| since.elapsed() < LOG_OPEN);
    }

    /// All that was known has been dealt with: what was seen of the host meanwhile is of the past.
    pub fn turned(&mut self) {
        self.write_all_lines();
        self.close_old_logs();
        self.part_with_released(Contracts::keep_empty);
        self.contracts.turned();
    }

    /// The log of an instance.
    fn opened(&mut self, fmri: &str) -> io::Result<&mut File> {
        use std::collections::btree_map::Entry;
        if self.open_logs.len() >= OPEN_LOGS && !self.open_logs.contains_key(fmri) {
            self.open_logs.clear();
        }
        let open = || log::open(&self.logs.join(log::log_name(fmri)));
        let (log, since) = match self.open_logs.entry(fmri.to_owned()) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(new) => new.insert((open()?, Instant::now())),
        };
        if since.elapsed() > LOG_OPEN {
            (*log, *since) = (open()?, Instant::now());
        }
        Ok(log)
    }

    fn birth(&mut self, spawn: &Spawn) -> Result<i32, String> {
        let text = |error: io::Error| error.to_string();
        let identity = match self.prepared.remove(&spawn.contract) {
            Some(identity) => identity,
            None => self.identity(spawn).map_err(|unfit| unfit.to_string())?,
        };
        let held = self.held.get(&spawn.contract).ok_or("no such contract")?;
        let (name, value) = held.contract.environment();
        let mut environment = Vec::with_capacity(spawn.environment.len() + 2);
        environment.push(c_string(&[name, "=", value])?);
        for (name, value) in &spawn.environment {
            environment.push(c_string(&[name, "=", value])?);
        }
        if !spawn.environment.iter().any(|(name, _)| name == "PWD") {
            // As the shell has it.
            environment.push(c_string(&["PWD=", &identity.directory])?);
        }
        let birth = Birth {
            script: c_string(&["exec ", &spawn.command])?,
            words: child::words(&spawn.command),
            environment,
            credential: identity.credential,
            capabilities: identity.capabilities,
            directory: c_string(&[&identity.directory])?,
            fixed_addresses: identity.fixed_addresses,
            umask: self.umask,
            descriptors: self.descriptors,
            stamp: self.stamp().to_owned(),
        };
        if let Some(lines) = self.lines.remove(&spawn.fmri) {
            self.write_lines(&spawn.fmri, &lines);
        }
        if let Err(error) = self.opened(&spawn.fmri) {
            // Better unheard than not done.
            self.note(Level::Error, &format!("{}: log: {error}", spawn.fmri));
        }
        let log = self.open_logs.get(&spawn.fmri).map_or(&self.null, |(log, _)| log);
        let held = self.held.get(&spawn.contract).ok_or("no such contract")?;
        let cgroup = held.contract.door().map_err(|error| error.to_string())?;
        let entrance = || held.contract.entrance().map_err(|error| error.source);
        self.nursery.start(birth, log.as_fd(), cgroup, entrance).map_err(text)
    }

    fn identity(&self, spawn: &Spawn) -> Result<Identity, Unfit> {
        let program = spawn.command.split_whitespace().next().unwrap_or_default();
        identify(&spawn.context, &self.root, program)
    }

    fn hold(&mut self, made: Result<Contract, ContractError>) -> Result<u64, String> {
        let contract = made.map_err(|error| error.to_string())?;
        let id = contract.id();
        self.held.insert(id, Held { contract, watched: false, abandoned: false });
        Ok(id)
    }
}

impl Sys for Machine {
    fn told(&mut self) {
        self.write_all_lines();
    }

    fn meanwhile(&mut self) -> Vec<Happened> {
        self.part_with_released(Contracts::keep_empty);
        let mut happened = self.reap();
        happened.extend(self.emptied());
        happened
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wall(&self) -> (i64, u32) {
        // A clock before the epoch is a clock that was never set.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (i64::try_from(now.as_secs()).unwrap_or(i64::MAX), now.subsec_nanos())
    }

    fn create(&mut self) -> Result<u64, String> {
        let made = self.contracts.create();
        self.hold(made)
    }

    fn create_for(&mut self, context: &Context) -> Result<u64, String> {
        let made = match &context.project {
            Some(project) => self.contracts.create_in(project),
            None => self.contracts.create(),
        };
        self.hold(made)
    }

    fn prepare(&mut self, spawn: &Spawn) -> Result<Vec<String>, Unfit> {
        let mut identity = self.identity(spawn)?;
        let mut lines = std::mem::take(&mut identity.lines);
        if let Some(project) = &spawn.context.project {
            if !self.contracts.has_project(project) {
                let why = "no control group can be made for it here";
                lines.push(format!("Project \"{project}\" ignored: {why}."));
            }
        }
        self.prepared.insert(spawn.contract, identity);
        Ok(lines)
    }

    fn spawn(&mut self, spawn: &Spawn) -> Result<i32, String> {
        let pid = self.birth(spawn)?;
        self.methods.insert(pid, spawn.contract);
        if let Some(held) = self.held.get_mut(&spawn.contract) {
            if let Err(error) = held.contract.started(pid) {
                self.note(Level::Error, &error.to_string());
            }
        }
        Ok(pid)
    }

    fn adoptions(&mut self, ahead: bool) {
        self.surroundings = ahead.then(Surroundings::default);
    }

    fn adopt(&mut self, contract: u64) -> bool {
        let adopted = match &self.surroundings {
            Some(around) => self.contracts.adopt_among(contract, around),
            None => self.contracts.adopt(contract),
        };
        match adopted {
            Ok(Some(adopted)) => {
                let held = Held { contract: adopted, watched: false, abandoned: false };
                self.held.insert(contract, held);
                !self.is_empty(contract)
            }
            Ok(None) => false,
            Err(error) => {
                self.note(Level::Error, &error.to_string());
                false
            }
        }
    }

    fn signal(&mut self, contract: u64, signal: i32) -> Result<(), String> {
        // Whoever gets it may have something to say.
        self.write_all_lines();
        let Some(held) = self.held.get_mut(&contract) else { return Ok(()) };
        let sent = if signal == libc::SIGKILL {
            held.contract.kill()
        } else {
            held.contract.signal(signal).map(drop)
        };
        sent.map_err(|error| error.to_string())
    }

    fn is_empty(&mut self, contract: u64) -> bool {
        let Some(held) = self.held.get_mut(&contract) else { return true };
        // Asked once before there is anything to be watched, and once after it is.
        if !held.watched && matches!(held.contract.is_empty(), Ok(false)) {
            held.watched = true;
            let watched = match held.contract.event() {
                Some(event) => self.poller.watch(contract, event),
                None => Ok(()),
            };
            if let Err(error) = watched {
                self.note(Level::Error, &format!("contract {contract}: watching it: {error}"));
            }
        }
        let Some(held) = self.held.get_mut(&contract) else { return true };
        match held.contract.is_empty() {
            Ok(true) => true,
            Ok(false) => {
                if !held.contract.is_watched() {
                    self.unwatched.insert(contract);
                }
                self.reaped.remove(&contract);
                false
            }
            Err(error) => {
                self.note(Level::Error, &error.to_string());
                false
            }
        }
    }

    fn abandon(&mut self, contract: u64) {
        self.part_with(contract, Contracts::remove_empty);
    }

    fn release(&mut self, contract: u64) {
        self.released.push(contract);
    }

    fn discard_used(&mut self) {
        self.part_with_released(Contracts::remove_empty);
        self.contracts.forget_idle();
    }

    fn exists(&self, path: &str) -> bool {
        Path::new(path).exists()
    }

    fn lacks(&self, program: &str) -> bool {
        !Path::new(program).exists()
    }

    fn rotate(&mut self, fmri: &str) {
        // It is about to be written to, and so to be opened; most are far from large.
        let length = self.opened(fmri).and_then(|log| log.metadata());
        if length.is_ok_and(|about| about.len() <= log::LARGEST) {
            return;
        }
        match log::rotate(&self.logs.join(log::log_name(fmri)), log::LARGEST) {
            Ok(false) => {}
            Ok(true) => drop(self.open_logs.remove(fmri)),
            Err(error) => self.note(Level::Error, &format!("{fmri}: log: {error}")),
        }
    }

    fn log(&mut self, fmri: &str, message: &str) {
        let line = log::line(self.stamp(), message);
        match self.lines.get_mut(fmri) {
            Some(lines) => lines.push_str(&line),
            None => drop(self.lines.insert(fmri.to_owned(), line)),
        }
    }

    fn set_logging(&mut self, logging: Logging) {
        self.logging = logging;
    }

    fn note(&mut self, level: Level, message: &str) {
        if level == Level::Debug && self.logging != Logging::Debug {
            return;
        }
        if level == Level::Error {
            self.syslog.tell(message);
        }
        let line = log::note(self.stamp(), level, message);
        let path = self.logs.join("svc.startd.log");
        // Nobody else writes here, so it may begin anew at any line; where it cannot, it grows on.
        if self.notes.metadata().is_ok_and(|about| about.len() > log::LARGEST) {
            let anew = log::rotate(&path, log::LARGEST).and_then(|_| log::open(&path));
            if let Ok(anew) = anew {
                self.notes = anew;
            }
        }
        // There is no place left to tell that the log cannot be written.
        let _untold = self.notes.write_all(line.as_bytes());
    }

    fn syslog(&mut self, message: &str) {
        self.syslog.tell(message);
    }

    fn log_path(&self, fmri: &str) -> String {
        self.logs.join(log::log_name(fmri)).to_string_lossy().into_owned()
    }

    fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }
}

/// Takes as many descriptors as the system gives: every contract is one.  Returns what was, for
/// the methods.
fn raise_descriptors() -> Option<libc::rlimit> {
    let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a structure of the right kind that lives through both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut before) != 0 {
            return None;
        }
        let most = libc::rlimit { rlim_cur: before.rlim_max, rlim_max: before.rlim_max };
        (libc::setrlimit(libc::RLIMIT_NOFILE, &raw const most) == 0).then_some(before)
    }
}

/// A child that has ended and is not reaped yet.
fn ended_child() -> Option<i32> {
    // SAFETY: all zero is a valid siginfo_t; waitid fills it and leaves the child waitable.
    unsafe {
        let mut found: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        let done = libc::waitid(libc::P_ALL, 0, &raw mut found, flags);
        let pid = found.si_pid();
        (done == 0 && pid != 0).then_some(pid)
    }
}

/// Some texts as one.
fn c_string(parts: &[&str]) -> Result<CString, String> {
    let mut text = Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + 1);
    parts.iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
    CString::new(text).map_err(|_| format!("\"{}\" has a NUL in it", parts.concat().escape_debug()))
}
