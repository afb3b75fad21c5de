//! kernel.rs - processes and contracts, simulated.
//!
//! A process has one fate: when it ends and how, unless a signal comes first.  The fate of a method
//! follows from the seed, the instance and how often it has run.  Everything ends sometime except a
//! daemon that means well, so a world left alone comes to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smf_startd::sys::{Happened, Spawn};

use crate::plan::Random;

/// When it ends on its own, with which wait status.
type Fate = Option<(Duration, i32)>;

#[derive(Debug, Clone)]
pub struct Process {
    pub fmri: String,
    pub contract: u64,
    /// `start`, `stop` or `refresh`; none = something a method left.
    pub method: Option<String>,
    /// The engine that started it, or whose method did.
    pub engine: u64,
    fate: Fate,
    /// SIGTERM does nothing to it.
    stubborn: bool,
    /// Daemons it leaves when it ends well: their fates.
    leaves: Vec<Fate>,
    /// Ending well, it takes down the service: at once, or a while later.
    takes_down: Option<Duration>,
    pub killed: bool,
}

#[derive(Debug, Clone)]
pub struct ContractOf {
    pub fmri: String,
    /// The engine let go of it, knowing what it did; or it was the disk's fault that it is lost.
    pub abandoned: bool,
    pub primary: bool,
}

#[derive(Debug, Default)]
pub struct Kernel {
    pub seed: u64,
    /// Methods do what they should.
    pub benign: bool,
    pub processes: BTreeMap<i32, Process>,
    pub contracts: BTreeMap<u64, ContractOf>,
    /// Held by the engine that lives, and whether it is to be told of the end.
    pub held: BTreeMap<u64, bool>,
    /// What the engine is still to be told.
    pub told: Vec<Happened>,
    runs: BTreeMap<String, u64>,
    /// The contract of the last start of each instance.
    starts: BTreeMap<String, u64>,
    last_pid: i32,
    last_contract: u64,
    pub engine: u64,
    pub wait_services: BTreeSet<String>,
    pub transient_services: BTreeSet<String>,
    /// Contracts that were let go of empty; those in front have rested, as the real ones do.
    idle: Vec<u64>,
    rested: usize,
    /// The world has taken what is to be told and not told all of it.
    pub telling: bool,
}

/// What is behind the name of an instance that is gone.
const DELETED: &str = " (deleted)";

const LONG: Duration = Duration::from_secs(5_000);

impl Kernel {
    pub fn new(seed: u64) -> Kernel {
        Kernel { seed, ..Kernel::default() }
    }

    pub fn create(&mut self, fmri_to_come: &str) -> u64 {
        let id = self.idle_contract().unwrap_or_else(|| {
            self.last_contract += 1;
            self.last_contract
        });
        let fmri = fmri_to_come.to_owned();
        self.contracts.insert(id, ContractOf { fmri, abandoned: false, primary: false });
        self.held.insert(id, false);
        id
    }

    /// One that is used again: nothing that was its own is left, nor still to be told.
    fn idle_contract(&mut self) -> Option<u64> {
        if self.rested == 0 {
            return None;
        }
        self.rested -= 1;
        let id = self.idle.remove(0);
        self.starts.retain(|_, contract| *contract != id);
        Some(id)
    }

    /// The engine lets go of one that is empty.
    pub fn let_go(&mut self, contract: u64) {
        if self.held.remove(&contract).is_some() {
            self.idle.push(contract);
        }
    }

    /// This one is not used again.
    pub fn keep_unused(&mut self, contract: u64) {
        self.idle.retain(|idle| *idle != contract);
        self.rested = self.rested.min(self.idle.len());
    }

    pub fn discard_used(&mut self) {
        self.idle.clear();
        self.rested = 0;
    }

    /// What is to be told, all that was known before it being told already.
    pub fn take_told(&mut self) -> Vec<Happened> {
        self.rested = self.idle.len();
        let mut told = std::mem::take(&mut self.told);
        told.sort_by_key(|one| matches!(one, Happened::Emptied { .. }));
        told
    }

    pub fn members(&self, contract: u64) -> impl Iterator<Item = (&i32, &Process)> {
        self.processes.iter().filter(move |(_, process)| process.contract == contract)
    }

    pub fn populated(&self, contract: u64) -> bool {
        self.members(contract).next().is_some()
    }

    pub fn spawn(&mut self, spawn: &Spawn, now: Duration) -> i32 {
        let method = spawn.environment.iter().find(|(name, _)| name == "SMF_METHOD");
        let method = method.map(|(_, value)| value.clone()).unwrap_or_default();
        self.last_pid += 1;
        let pid = self.last_pid;
        let run = self.runs.entry(spawn.fmri.clone()).or_default();
        *run += 1;
        let mut random = Random::of(self.seed, &spawn.fmri, *run);
        let mut process = Process {
            fmri: spawn.fmri.clone(),
            contract: spawn.contract,
            method: Some(method.clone()),
            engine: self.engine,
            fate: None,
            stubborn: !self.benign && random.one_in(8),
            leaves: Vec::new(),
            takes_down: None,
            killed: false,
        };
        let soon = now + Duration::from_millis(random.below(3_000) as u64);
        match method.as_str() {
            "start" => self.fate_of_start(&mut process, now, &mut random),
            "stop" => self.fate_of_stop(&mut process, soon, &mut random),
            _ => process.fate = self.fate_of_method(soon, &mut random),
        }
        if let Some(contract) = self.contracts.get_mut(&spawn.contract) {
            contract.fmri.clone_from(&spawn.fmri);
            contract.primary = method == "start";
        }
        if method == "start" {
            self.starts.insert(spawn.fmri.clone(), spawn.contract);
        }
        self.processes.insert(pid, process);
        pid
    }

    /// Any method: mostly it ends well.
    fn fate_of_method(&self, soon: Duration, random: &mut Random) -> Fate {
        if self.benign {
            return Some((soon, 0));
        }
        Some(match random.below(16) {
            0 => (soon, 1 << 8),
            1 => (soon, random.pick(&[94, 95, 96, 97, 97, 99, 100, 101]) << 8),
            2 => (soon, random.pick(&[9, 15, 11 | 0x80])),
            3 => (soon + LONG, 0),
            _ => (soon, 0),
        })
    }

    fn fate_of_start(&self, process: &mut Process, now: Duration, random: &mut Random) {
        let wait = Duration::from_millis(random.below(3_000) as u64);
        let soon = now + wait;
        let later = soon + Duration::from_secs(random.below(2_000) as u64);
        let end = random.pick(&[0, 0, 1 << 8, 2 << 8, 96 << 8, 9, 11 | 0x80]);
        let mortal = !self.benign && random.one_in(4);
        let life = mortal.then_some((later, end));
        if self.wait_services.contains(&process.fmri) {
            // Some fail at once whenever they are started, for ever.
            let hasty = Random::of(self.seed, &process.fmri, 0).one_in(5);
            process.fate = match random.below(6) {
                _ if hasty && !self.benign => Some((now + wait / 5, 1 << 8)),
                0 if !self.benign => Some((soon, end)),
                _ => life,
            };
            return;
        }
        process.fate = self.fate_of_method(soon, random);
        if self.transient_services.contains(&process.fmri) {
            // Some leave what they should not.
            if !self.benign && random.one_in(10) {
                process.leaves.push(Some((later, 0)));
            }
        } else if self.benign || !random.one_in(12) {
            process.leaves.push(life);
            if random.one_in(3) {
                process.leaves.push(mortal.then_some((later + Duration::from_secs(1), end)));
            }
        }
    }

    fn fate_of_stop(&self, process: &mut Process, soon: Duration, random: &mut Random) {
        process.fate = self.fate_of_method(soon, random);
        process.takes_down = Some(match random.below(6) {
            0 if !self.benign => LONG,
            1 | 2 if !self.benign => Duration::from_secs(random.below(20) as u64),
            _ => Duration::ZERO,
        });
    }

    pub fn signal(&mut self, contract: u64, signal: i32, now: Duration) {
        let benign = self.benign;
        for process in self.processes.values_mut().filter(|one| one.contract == contract) {
            let (when, status) = match signal {
                libc::SIGKILL => {
                    process.killed = true;
                    (now + Duration::from_millis(1), libc::SIGKILL)
                }
                // Whoever reads his configuration again at SIGHUP does not end of it.
                libc::SIGHUP => continue,
                _ if process.stubborn && !benign => (now + LONG, signal),
                _ => (now + Duration::from_millis(20), signal),
            };
            if process.fate.is_none_or(|(fate, _)| fate > when) {
                process.fate = Some((when, status));
                process.leaves.clear();
            }
        }
    }

    /// When the next thing happens.
    pub fn next(&self) -> Option<Duration> {
        self.processes.values().filter_map(|process| process.fate).map(|(when, _)| when).min()
    }

    /// The first process whose time has come ends; returns what happened.
    pub fn pass(&mut self, now: Duration) -> Option<String> {
        let due = self.processes.iter().filter_map(|(pid, process)| {
            let (when, status) = process.fate?;
            (when <= now).then_some((when, *pid, status))
        });
        let (_, pid, status) = due.min()?;
        let process = self.processes.remove(&pid)?;
        let contract = process.contract;
        let told = process.engine == self.engine;
        // Who has been killed leaves nobody, even if he would have ended by himself.
        if status == 0 && !process.killed {
            for fate in &process.leaves {
                self.last_pid += 1;
                // The fate was drawn from the time of the start: it may be overdue.
                let daemon = Process {
                    method: None,
                    fate: *fate,
                    leaves: Vec::new(),
                    takes_down: None,
                    ..process.clone()
                };
                self.processes.insert(self.last_pid, daemon);
            }
        }
        if let (Some(after), Some(start)) = (process.takes_down, self.starts.get(&process.fmri)) {
            let start = *start;
            self.take_down(start, now + after);
            if after.is_zero() {
                self.empty_out(start);
            }
        }
        if told {
            self.told.push(match process.method {
                Some(_) => Happened::Ended { pid, status },
                None => Happened::MemberEnded { contract, status },
            });
        }
        self.tell_empty(contract);
        let what = process.method.as_deref().unwrap_or("daemon");
        Some(format!("{}: {what} {pid} in {contract} ends with {status:#x}", process.fmri))
    }

    /// The daemons of a service are made to end, and do.
    fn take_down(&mut self, contract: u64, when: Duration) {
        let daemons = self.processes.values_mut().filter(|one| one.contract == contract);
        for process in daemons {
            process.fate = Some((when, libc::SIGTERM));
            process.leaves.clear();
        }
    }

    /// Those that a stop method waited for are gone before it is.
    fn empty_out(&mut self, contract: u64) {
        let gone: Vec<i32> = self.members(contract).map(|(pid, _)| *pid).collect();
        for pid in gone {
            let Some(process) = self.processes.remove(&pid) else { continue };
            if process.engine == self.engine {
                self.told.push(match process.method {
                    Some(_) => Happened::Ended { pid, status: libc::SIGTERM },
                    None => Happened::MemberEnded { contract, status: libc::SIGTERM },
                });
            }
        }
        self.tell_empty(contract);
    }

    fn tell_empty(&mut self, contract: u64) {
        if self.populated(contract) {
            return;
        }
        if self.held.get(&contract) == Some(&true) {
            if self.contracts.get(&contract).is_some_and(|one| one.abandoned) {
                self.held.remove(&contract);
            } else {
                self.told.push(Happened::Emptied { contract });
                // The kernel may well say it twice.
                if contract % 5 == 0 {
                    self.told.push(Happened::Emptied { contract });
                }
            }
        }
    }

    /// The engine is gone: nobody holds anything, nothing can be told.
    pub fn bereave(&mut self) {
        self.engine += 1;
        self.held.clear();
        self.told.clear();
        self.telling = false;
        self.discard_used();
        // Nothing tells the next engine of an instance that is gone.
        let disowned = self.processes.values().filter(|one| one.fmri.ends_with(DELETED));
        for contract in disowned.map(|one| one.contract) {
            if let Some(one) = self.contracts.get_mut(&contract) {
                one.abandoned = true;
            }
        }
    }

    pub fn reboot(&mut self) {
        self.processes.clear();
        self.contracts.clear();
        self.bereave();
    }

    /// What an instance has that is deleted is nobody's from now on.
    pub fn disown(&mut self, fmri: &str) {
        self.starts.remove(fmri);
        for process in self.processes.values_mut().filter(|process| process.fmri == fmri) {
            process.fmri = format!("{fmri}{DELETED}");
        }
    }
}
