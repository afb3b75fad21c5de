//! reality.rs - all that outlives an engine, and the two seams through which an engine meets it.
//!
//! Every call through a seam may be the last thing an engine does: when the fuse has burnt down, the
//! call unwinds with [`Killed`], before its effect or after it, and nothing of the engine is left.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use smf_startd::config::MASTER;
use smf_startd::store::{Change, Entry, Groups, Store, StoreError, View, Write};
use smf_startd::sys::{Happened, Level, Spawn, Sys};

use crate::disk::Disk;
use crate::kernel::Kernel;
use crate::plan::Random;
use crate::rules::Rules;

/// What a SIGKILL unwinds with.
pub struct Killed;

pub struct Reality {
    pub now: Duration,
    /// How far the wall clock is off, in seconds.
    pub jump: i64,
    pub kernel: Kernel,
    pub disk: Box<dyn Disk>,
    pub files: BTreeSet<String>,
    /// Those before the last change.
    pub files_before: BTreeSet<String>,
    /// So many calls from now the engine is killed, after the effect or before.
    pub fuse: Option<(usize, bool)>,
    /// The repository takes nothing.
    pub full: bool,
    /// So many writes are refused.
    pub refuse: usize,
    pub rules: Rules,
    /// Instances that are configured so that a method of theirs must fail: `:kill` without a
    /// contract, or a stop that stops nothing within its time.
    pub unstoppable: BTreeSet<String>,
    /// Instances of a restarter that is not there: nobody runs them.
    pub delegated: BTreeSet<String>,
    pub trace: Vec<String>,
    pub tracing: bool,
    pub calls: u64,
    /// This call is the last one, and its effect happens.
    torn: bool,
    spawns: u64,
}

pub type Shared = Rc<RefCell<Reality>>;

impl Reality {
    pub fn new(seed: u64, disk: Box<dyn Disk>) -> Reality {
        Reality {
            now: Duration::from_secs(1),
            jump: 0,
            kernel: Kernel::new(seed),
            disk,
            files_before: BTreeSet::new(),
            files: BTreeSet::from(["/f1".to_owned()]),
            fuse: None,
            full: false,
            refuse: 0,
            rules: Rules::default(),
            unstoppable: BTreeSet::new(),
            delegated: BTreeSet::new(),
            trace: Vec::new(),
            tracing: false,
            calls: 0,
            torn: false,
            spawns: 0,
        }
    }

    /// A line of the story, when it is to be told.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.tracing {
            self.trace.push(format!("{:>9.3} {}", self.now.as_secs_f64(), what()));
        }
    }

    /// Whether this call is the last, and if so whether its effect still happens.
    fn burn(&mut self) -> Option<bool> {
        self.calls += 1;
        let (left, after) = self.fuse?;
        if left > 1 {
            self.fuse = Some((left - 1, after));
            return None;
        }
        (self.fuse, self.torn) = (None, after);
        Some(after)
    }

    /// Writes, if there is room.
    fn commit(
        &mut self,
        fmri: &str,
        mut act: impl FnMut(&mut dyn Disk) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let refused = self.full || self.refuse > 0;
        self.refuse = self.refuse.saturating_sub(1);
        if !refused {
            return act(self.disk.as_mut());
        }
        self.rules.disk_refused = true;
        self.disk.starved(fmri, &mut act)
    }

    /// Entries are written, or not; either way the engine goes on from them.
    fn written(
        &mut self,
        entries: &[Entry],
        taken: Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let passing = taken.as_ref().map_or_else(|error| error.passing, |()| true);
        for Entry { fmri, writes, snapshots, .. } in entries.iter().filter(|_| passing) {
            if taken.is_ok() && snapshots.contains(&"running") {
                self.configured(fmri);
            }
            self.recorded(fmri, writes);
        }
        taken
    }
}

fn call<T>(shared: &Shared, effect: impl FnOnce(&mut Reality) -> T) -> T {
    let mut reality = shared.borrow_mut();
    let last = reality.burn();
    if last == Some(false) {
        drop(reality);
        resume_unwind(Box::new(Killed));
    }
    let result = effect(&mut reality);
    reality.torn = false;
    drop(reality);
    if last == Some(true) {
        resume_unwind(Box::new(Killed));
    }
    result
}

/// The repository as an engine sees it.
pub struct Repository(pub Shared);

impl Store for Repository {
    fn instances(&mut self) -> Result<Vec<String>, StoreError> {
        call(&self.0, |reality| reality.disk.instances())
    }
    fn groups(&mut self, fmri: &str, view: View) -> Result<Option<Groups>, StoreError> {
        call(&self.0, |reality| {
            let groups = reality.disk.groups(fmri, view)?;
            match view {
                View::Running => groups.iter().for_each(|groups| reality.read(fmri, groups)),
                View::Live if fmri == MASTER => {
                    groups.iter().for_each(|groups| reality.reads_milestone(groups));
                }
                View::Live => {}
            }
            Ok(groups)
        })
    }
    fn set(&mut self, fmri: &str, group: &str, writes: &[Write]) -> Result<(), StoreError> {
        call(&self.0, |reality| {
            let taken = reality.commit(fmri, |disk| disk.set(fmri, group, writes));
            if group == "restarter" {
                reality.recorded(fmri, writes);
            }
            taken
        })
    }
    /// All or none; but the lasting file takes its part first, and between the two the engine may
    /// die.
    fn write(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let Some(first) = entries.first() else { return Ok(()) };
        call(&self.0, |reality| {
            // Where nothing can be written, no half of it is.
            let room = !reality.full && reality.refuse == 0;
            if std::mem::take(&mut reality.torn) && room {
                let taken = reality.disk.tear(entries);
                for entry in entries.iter().filter(|_| taken.is_ok()) {
                    if entry.snapshots.contains(&"running") {
                        reality.configured(&entry.fmri);
                    }
                }
            }
        });
        call(&self.0, |reality| {
            let there = reality.disk.instances()?;
            if let Some(gone) = entries.iter().find(|entry| !there.contains(&entry.fmri)) {
                let (fmri, cause) = (gone.fmri.clone(), "not found".to_owned());
                return Err(StoreError { fmri, what: "writing", cause, passing: false });
            }
            let outside = entries.iter().filter(|entry| entry.outside);
            let outside: Vec<_> = outside.map(|entry| (entry.fmri.clone(), Some(false))).collect();
            reality.overrides(&outside);
            let taken = reality.commit(&first.fmri, |disk| disk.write(entries));
            reality.written(entries, taken)
        })
    }
    fn set_overrides(&mut self, overrides: &[(String, Option<bool>)]) -> Result<(), StoreError> {
        call(&self.0, |reality| {
            let there = reality.disk.instances()?;
            if let Some((gone, _)) = overrides.iter().find(|(fmri, _)| !there.contains(fmri)) {
                let (fmri, cause) = (gone.clone(), "not found".to_owned());
                return Err(StoreError { fmri, what: "writing", cause, passing: false });
            }
            reality.overrides(overrides);
            reality.commit(MASTER, |disk| disk.set_overrides(overrides))
        })
    }
    fn snapshot(&mut self, fmri: &str, name: &str) -> Result<(), StoreError> {
        call(&self.0, |reality| {
            reality.commit(fmri, |disk| disk.snapshot(fmri, name))?;
            if name == "running" {
                reality.configured(fmri);
            }
            Ok(())
        })
    }
    fn has_snapshot(&mut self, fmri: &str, name: &str) -> Result<bool, StoreError> {
        call(&self.0, |reality| reality.disk.has_snapshot(fmri, name))
    }
    fn finish_action(&mut self, fmri: &str, action: &str, value: &str) -> Result<(), StoreError> {
        call(&self.0, |reality| {
            reality.commit(fmri, |disk| disk.finish_action(fmri, action, value))
        })
    }
    fn changes(&mut self) -> Result<Vec<Change>, StoreError> {
        call(&self.0, |reality| {
            reality.rules.tells_changes();
            reality.disk.changes()
        })
    }
}

/// The system as an engine sees it.
pub struct System(pub Shared);

impl Sys for System {
    fn now(&self) -> Duration {
        self.0.borrow().now
    }
    fn wall(&self) -> (i64, u32) {
        let reality = self.0.borrow();
        (1_700_000_000 + reality.jump + reality.now.as_secs() as i64, reality.now.subsec_nanos())
    }
    fn create(&mut self) -> Result<u64, String> {
        call(&self.0, |reality| Ok(reality.kernel.create("")))
    }
    fn spawn(&mut self, spawn: &Spawn) -> Result<i32, String> {
        call(&self.0, |reality| {
            reality.spawns += 1;
            let method = spawn.environment.iter().find(|(name, _)| name == "SMF_METHOD");
            reality.tries(&spawn.fmri, method.map_or("", |(_, value)| value));
            let (seed, spawns) = (reality.kernel.seed, reality.spawns);
            if !reality.kernel.benign && Random::of(seed, "spawn", spawns).one_in(60) {
                reality.rules.failed(&spawn.fmri);
                return Err("Resource temporarily unavailable".to_owned());
            }
            reality.about_to_spawn(spawn);
            let now = reality.now;
            let pid = reality.kernel.spawn(spawn, now);
            let (fmri, command, contract) = (&spawn.fmri, &spawn.command, spawn.contract);
            reality.tell(|| format!("{fmri}: {command} is {pid} in {contract}"));
            Ok(pid)
        })
    }
    fn adopt(&mut self, contract: u64) -> bool {
        call(&self.0, |reality| {
            let lives = reality.kernel.populated(contract);
            if lives {
                reality.kernel.held.insert(contract, true);
                let one = reality.kernel.contracts.get_mut(&contract);
                one.into_iter().for_each(|one| one.abandoned = false);
            }
            lives
        })
    }
    fn signal(&mut self, contract: u64, signal: i32) -> Result<(), String> {
        call(&self.0, |reality| {
            if !reality.kernel.held.contains_key(&contract) {
                return Ok(());
            }
            reality.tell(|| format!("signal {signal} to contract {contract}"));
            if signal == libc::SIGKILL {
                let of = reality.kernel.contracts.get(&contract).map(|one| one.fmri.clone());
                of.into_iter().for_each(|fmri| reality.rules.failed(&fmri));
            }
            let now = reality.now;
            reality.kernel.signal(contract, signal, now);
            Ok(())
        })
    }
    fn is_empty(&mut self, contract: u64) -> bool {
        call(&self.0, |reality| {
            let held = reality.kernel.held.get_mut(&contract);
            held.into_iter().for_each(|watched| *watched = true);
            !reality.kernel.held.contains_key(&contract) || !reality.kernel.populated(contract)
        })
    }
    fn abandon(&mut self, contract: u64) {
        self.release(contract);
        self.0.borrow_mut().kernel.keep_unused(contract);
    }
    fn release(&mut self, contract: u64) {
        call(&self.0, |reality| {
            if let Some(one) = reality.kernel.contracts.get_mut(&contract) {
                one.abandoned = true;
            }
            if reality.kernel.populated(contract) {
                if let Some(watched) = reality.kernel.held.get_mut(&contract) {
                    *watched = true;
                }
            } else {
                reality.kernel.let_go(contract);
            }
        });
    }
    fn discard_used(&mut self) {
        call(&self.0, |reality| reality.kernel.discard_used());
    }
    /// A moment passes while methods are started.
    fn meanwhile(&mut self) -> Vec<Happened> {
        call(&self.0, |reality| {
            if reality.kernel.telling {
                return Vec::new();
            }
            reality.pass(reality.now + Duration::from_millis(50));
            reality.kernel.take_told()
        })
    }
    fn exists(&self, path: &str) -> bool {
        self.0.borrow().files.contains(path)
    }
    fn log(&mut self, fmri: &str, message: &str) {
        call(&self.0, |reality| {
            if message == "Failing too quickly, throttling." {
                reality.throttles(fmri);
            }
            reality.tell(|| format!("{fmri}: [{message}]"));
        });
    }
    fn note(&mut self, _level: Level, message: &str) {
        call(&self.0, |reality| reality.tell(|| format!("svc.startd: {message}")));
    }
    fn syslog(&mut self, _message: &str) {}
    fn log_path(&self, fmri: &str) -> String {
        format!("/var/svc/log/{fmri}")
    }
    fn environment(&self) -> Vec<(String, String)> {
        vec![("PATH".to_owned(), "/usr/sbin:/usr/bin".to_owned())]
    }
}
