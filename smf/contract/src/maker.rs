//! maker - making and adopting contracts.

use std::cell::OnceCell;
use std::collections::BTreeMap;
#[cfg(not(target_os = "linux"))]
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::contract::{Contract, ContractError, Hold};
use crate::cookie::Survey;
use crate::family::Family;
use crate::idle::{Group, Idle};
use crate::processes::{self, Pid};
use crate::{cgroup, cookie};

/// The variable that, when set to anything but nothing, keeps [`Contracts::open`] off cgroups.
pub const FORBID_CGROUP: &str = "LAMPLIGHTER_NO_CGROUP";

/// A look at the host counts for so long, and no longer than its turn.
#[cfg(target_os = "linux")]
const TURN_MAX: std::time::Duration = std::time::Duration::from_millis(200);

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
    /// For the same: groups to be used again.
    idle: Option<Arc<Mutex<Idle>>>,
}

/// One look at the processes of the host and when it was taken, while it counts.
pub(crate) type Turn = Option<Arc<Mutex<Option<(Instant, Arc<Survey>)>>>>;

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
        Contracts { owner: owner.to_owned(), way, outer, family: None, turn: None, idle: None }
    }

    /// For a process that is the subreaper of all it starts, and tells of every child it reaps by
    /// [`Contracts::reaped`]: looks for members among its own children only.
    #[must_use]
    pub fn as_reaper(self) -> Contracts {
        Contracts {
            family: Some(Arc::default()),
            turn: Some(Arc::default()),
            idle: Some(Arc::default()),
            ..self
        }
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

    /// All children of this process that had ended have been reaped.
    pub fn all_reaped(&self) {
        if let Some(idle) = &self.idle {
            lock(idle).all_reaped();
        }
    }

    /// No group that is kept is to be used again: somebody has the number of its contract written
    /// down.
    pub fn forget_idle(&self) {
        if let Some(idle) = &self.idle {
            lock(idle).clear();
        }
    }

    /// Lets go of a contract that is empty as far as its group tells; one that is not, or has no
    /// group, comes back.
    #[must_use]
    pub fn remove_empty(&self, contract: Contract) -> Option<Contract> {
        contract.remove_empty()
    }

    /// The same for one whose number nobody has written down: its group may be used again.
    #[must_use]
    pub fn keep_empty(&self, contract: Contract) -> Option<Contract> {
        if let Some(idle) = &self.idle {
            let mut idle = lock(idle);
            if idle.has_room() && contract.is_idle(&self.way) {
                contract.into_group().into_iter().for_each(|group| idle.keep(group));
                return None;
            }
        }
        contract.remove_empty()
    }

    fn hold(&self, group: Group) -> Contract {
        let (id, hold) = (group.id, Hold::of(group));
        let mut contract = Contract::new(id, hold, cookie::value(&self.outer, id));
        contract.family.clone_from(&self.family);
        contract.unhurt = true;
        contract
    }

    /// A maker of contracts inside of `outer`, the way its members would make them.
    #[must_use]
    pub fn below(owner: &str, outer: &Contract) -> Contracts {
        let way = outer.directory().map_or(Way::Cookie, |dir| Way::Cgroup(dir.to_path_buf()));
        let family = outer.family.clone();
        let (owner, outer) = (owner.to_owned(), outer.value.clone());
        Contracts { owner, way, outer, family, turn: None, idle: None }
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
            Way::Cgroup(base) => {
                let kept = self.idle.as_ref().and_then(|idle| lock(idle).take());
                kept.map_or_else(|| self.make(Some(base)), |group| Ok(self.hold(group)))
            }
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
                        Ok(()) => Hold::new(dir),
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                        Err(source) => {
                            return Err(ContractError { id, what: "making its cgroup", source });
                        }
                    }
                }
            };
            let mut contract = Contract::new(id, hold, cookie::value(&self.outer, id));
            contract.family.clone_from(&self.family);
            contract.unhurt = true;
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
        let read = || processes::with_environment(pid).map(|(_, environment)| environment);
        seen.unwrap_or_else(|| cookie::contracts(&read().unwrap_or_default()))
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
            let kept = |id| self.idle.as_ref().is_some_and(|idle| lock(idle).has(id));
            if id.is_some_and(|id| !keep.contains(&id) && !kept(id)) {
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

pub(crate) fn forget(turn: &Turn) {
    if let Some(turn) = turn {
        *turn.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The processes of the host: as they were seen before in this turn, or as they are now.
#[cfg(target_os = "linux")]
pub(crate) fn survey(turn: &Turn) -> Arc<Survey> {
    let Some(turn) = turn else { return Arc::new(Survey::take()) };
    let mut seen = turn.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, survey)) = seen.as_ref().filter(|(when, _)| when.elapsed() < TURN_MAX) {
        return survey.clone();
    }
    let survey = Arc::new(Survey::take());
    *seen = Some((Instant::now(), survey.clone()));
    survey
}

pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // What was read of a child is whole or not there; a group is kept or not.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
