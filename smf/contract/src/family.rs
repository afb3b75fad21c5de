//! family - the children of this process, and the contracts each of them belongs to.
//!
//! For a maker that is the subreaper of all it starts, reaps every child itself and says so
//! ([`Family::reaped`]): then whoever belongs to a contract of its making is a child of this
//! process or comes of one, and a look at the children answers what would else take a look at
//! every process of the host.
//!
//! Law: a child's number is its own until it is reaped, so what was read of it once stays true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::cookie::{self, Known};
use crate::processes::{self, Pid, Process};

/// What is known of the children.
#[derive(Debug, Default)]
pub struct Family {
    /// Each with the contracts that its environment named when it was first seen.
    seen: BTreeMap<Pid, (Process, Vec<u64>)>,
}

impl Family {
    /// A child has been reaped: its number may be another's from now on.
    pub fn reaped(&mut self, pid: Pid) {
        self.seen.remove(&pid);
    }

    /// The contracts a child belongs to, outermost first, if it was ever looked at.
    #[must_use]
    pub fn contracts_of(&self, pid: Pid) -> Option<&[u64]> {
        self.seen.get(&pid).map(|(_, contracts)| contracts.as_slice())
    }

    /// The living children that belong to a contract.
    fn children(&mut self, id: u64, known: &Known) -> Option<Vec<Process>> {
        let sessions = sessions(known);
        let mut before = None;
        loop {
            let children = children_of("self")?;
            self.seen.retain(|pid, _| children.contains(pid));
            for pid in &children {
                if !self.seen.contains_key(pid) {
                    let Some(process) = processes::process(*pid) else { continue };
                    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                    self.seen.insert(*pid, (process, cookie::contracts(&environment)));
                }
            }
            let belong = |(process, contracts): &&(Process, Vec<u64>)| {
                contracts.contains(&id)
                    || known.contains(&(process.pid, process.started))
                    || sessions.contains(&process.session)
            };
            // As they are now: they may have ended, or made a session of their own, since.
            let now = self.seen.values().filter(belong).map(|(process, _)| process.pid);
            let living: Vec<Process> =
                now.filter_map(processes::process).filter(|process| !process.zombie).collect();
            // One that has ended a moment ago may have left children to this process meanwhile.
            if !living.is_empty() || before.as_ref() == Some(&children) {
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
            let children = children_of(&process.pid.to_string()).unwrap_or_default();
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

/// The children of all threads of a process; none where the kernel does not say.
fn children_of(process: &str) -> Option<BTreeSet<Pid>> {
    let mut children = BTreeSet::new();
    let mut told = false;
    for task in fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten() {
        // A thread that has ended meanwhile has handed its children on.
        let Ok(text) = fs::read_to_string(task.path().join("children")) else { continue };
        told = true;
        children.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<Pid>().ok()));
    }
    told.then_some(children)
}
