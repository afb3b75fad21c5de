//! family - the children of this process, and the contracts each of them belongs to.
//!
//! For a maker that is the subreaper of all it starts, reaps every child itself and says so
//! ([`Family::reaped`]): then whoever belongs to a contract of its making is a child of this
//! process or comes of one, and a look at the children answers what would else take a look at
//! every process of the host.
//!
//! Law: a child's number is its own until it is reaped, so what was read of it once stays true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::cookie::{self, Known};
use crate::processes::{self, Pid, Process};

/// What is known of the children.
#[derive(Debug, Default)]
pub struct Family {
    /// Each with the contracts that its environment named when it was first seen.
    seen: BTreeMap<Pid, (Process, Vec<u64>)>,
    /// Those that were started here, and in which contracts.  Their environment is not read: until
    /// they execute it may be that of this process.
    born: BTreeMap<Pid, Vec<u64>>,
    /// One look at all of them; none once another has been reaped.
    look: Option<Look>,
    /// The children of the first thread, to be read again and again.
    list: Option<File>,
    /// Some were started by another thread.
    threads: bool,
}

/// Whose children there were at one moment.
#[derive(Debug, Default)]
struct Look {
    contracts: BTreeSet<u64>,
    sessions: BTreeSet<Pid>,
    pids: BTreeSet<Pid>,
}

impl Family {
    /// A child was started in these contracts, outermost first, by this thread.
    pub fn started(&mut self, pid: Pid, contracts: Vec<u64>) {
        self.threads |= !is_first_thread();
        self.born.insert(pid, contracts);
    }

    /// Whether this child was started in that contract and has not been reaped.
    #[must_use]
    pub fn bore(&self, pid: Pid, id: u64) -> bool {
        self.born.get(&pid).is_some_and(|contracts| contracts.contains(&id))
    }

    /// A child has been reaped: its number may be another's from now on.
    pub fn reaped(&mut self, pid: Pid) {
        self.seen.remove(&pid);
        self.born.remove(&pid);
        self.look = None;
    }

    /// Whether nobody belongs to a contract: none of the children does, so nothing that comes of
    /// them.  That was so when the children were looked at after one was reaped last, and a contract
    /// whose own children were reaped by then stays empty.  False if that cannot be told so simply.
    pub fn has_none(&mut self, id: u64, known: &Known) -> bool {
        if self.look.is_none() {
            self.look = self.take_look();
        }
        let Some(look) = &self.look else { return false };
        let one = |(pid, _): &(Pid, u64)| look.pids.contains(pid) || look.sessions.contains(pid);
        !look.contracts.contains(&id)
            && !self.born.values().any(|of| of.contains(&id))
            && !known.iter().any(one)
    }

    fn take_look(&mut self) -> Option<Look> {
        let mut pids = self.list()?;
        // Whoever was met may have ended before, and left a child of his that was not on the list.
        while self.meet(&pids) {
            pids = self.list()?;
        }
        let (mut contracts, mut sessions) = (BTreeSet::new(), BTreeSet::new());
        for pid in &pids {
            contracts.extend(self.born.get(pid).into_iter().flatten());
            if let Some((process, of)) = self.seen.get(pid) {
                contracts.extend(of);
                sessions.insert(process.session);
            }
        }
        Some(Look { contracts, sessions, pids })
    }

    /// All children, zombies included.  Whoever loses his parent becomes a child of the first
    /// thread.
    fn list(&mut self) -> Option<BTreeSet<Pid>> {
        if self.threads {
            return processes::children_of("self");
        }
        if self.list.is_none() {
            let me = std::process::id();
            self.list = Some(File::open(format!("/proc/self/task/{me}/children")).ok()?);
        }
        let mut text = Vec::new();
        let list = self.list.as_ref()?;
        loop {
            let from = text.len();
            text.resize(from + 4096, 0);
            let length = list.read_at(&mut text[from..], from as u64).ok()?;
            text.truncate(from + length);
            if length == 0 {
                break;
            }
        }
        Some(processes::numbers(&String::from_utf8_lossy(&text)))
    }

    /// Looks at the children that were not seen before, and forgets who is none any more; true when
    /// there were such.
    fn meet(&mut self, children: &BTreeSet<Pid>) -> bool {
        self.seen.retain(|pid, _| children.contains(pid));
        let known = self.seen.len();
        for pid in children.iter().filter(|pid| !self.born.contains_key(*pid)) {
            if !self.seen.contains_key(pid) {
                let Some((process, environment)) = processes::with_environment(*pid) else {
                    continue;
                };
                self.seen.insert(*pid, (process, cookie::contracts(&environment)));
            }
        }
        self.seen.len() > known
    }

    /// The contracts a child belongs to, outermost first, if it was started here or ever looked at.
    #[must_use]
    pub fn contracts_of(&self, pid: Pid) -> Option<&[u64]> {
        let born = self.born.get(&pid).map(Vec::as_slice);
        born.or_else(|| self.seen.get(&pid).map(|(_, contracts)| contracts.as_slice()))
    }

    /// The living children that belong to a contract.
    fn children(&mut self, id: u64, known: &Known) -> Option<Vec<Process>> {
        let sessions = sessions(known);
        let mut before = None;
        loop {
            let children = self.list()?;
            let new = self.meet(&children);
            let belong = |(process, contracts): &&(Process, Vec<u64>)| {
                contracts.contains(&id)
                    || known.contains(&(process.pid, process.started))
                    || sessions.contains(&process.session)
            };
            // As they are now: they may have ended, or made a session of their own, since.
            let now = self.seen.values().filter(belong).map(|(process, _)| process.pid);
            let own = self.born.iter().filter(|(_, of)| of.contains(&id)).map(|(pid, _)| *pid);
            let now = now.chain(own);
            let living: Vec<Process> =
                now.filter_map(processes::process).filter(|process| !process.zombie).collect();
            // One that has ended a moment ago may have left children to this process meanwhile.
            if !living.is_empty() || (!new && before.as_ref() == Some(&children)) {
                return Some(living);
            }
            before = Some(children);
        }
    }

    /// The living members of a contract: children that belong to it, and all that comes of them.
    /// None where the kernel does not list children.
    pub fn members(&mut self, id: u64, known: &Known) -> Option<Vec<Process>> {
        let mut found: BTreeMap<Pid, Process> = BTreeMap::new();
        let mut rest = self.children(id, known)?;
        while let Some(process) = rest.pop() {
            if process.zombie || found.insert(process.pid, process).is_some() {
                continue;
            }
            let children = processes::children_of(&process.pid.to_string()).unwrap_or_default();
            rest.extend(children.into_iter().filter_map(processes::process));
        }
        Some(found.into_values().collect())
    }
}

/// The sessions that known members made; a number that is another process's by now made none.
fn sessions(known: &Known) -> BTreeSet<Pid> {
    let own = |(pid, started): &&(Pid, u64)| {
        processes::process(*pid).is_none_or(|process| process.started == *started)
    };
    known.iter().filter(own).map(|(pid, _)| *pid).collect()
}

#[cfg(target_os = "linux")]
fn is_first_thread() -> bool {
    // SAFETY: no arguments.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) };
    thread == libc::c_long::from(std::process::id())
}

#[cfg(not(target_os = "linux"))]
fn is_first_thread() -> bool {
    false
}
