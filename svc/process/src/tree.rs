//! tree.rs - ending what an earlier program left alive.
//!
//! A program is named by its number and start time together; what it started is found by the
//! contract it ran in: every member carries its cookie, in the cgroup way too.

use std::time::Duration;

use smf_contract::processes::{self, Pid};
use smf_contract::{ContractError, Contracts};

/// The variable that names the contracts a process is in, outermost first: `:12:57:`.
pub const CONTRACT: &str = "LAMPLIGHTER_CONTRACT";

/// A process as another program can name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its number.
    pub pid: Pid,
    /// When it started, in clock ticks since the boot; 0 where that is not known.
    pub started: u64,
    /// Its [`CONTRACT`]; empty when it ran in none.
    pub contract: String,
}

impl Worker {
    /// This process.
    #[must_use]
    pub fn me() -> Worker {
        let pid = std::process::id() as Pid;
        let started = processes::process(pid).map_or(0, |process| process.started);
        Worker { pid, started, contract: std::env::var(CONTRACT).unwrap_or_default() }
    }

    /// Whether the process itself is alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        processes::process(self.pid).is_some_and(|now| now.started == self.started && !now.zombie)
    }

    /// The innermost contract that this process is not in itself.
    fn foreign_contract(&self) -> Option<u64> {
        let mine = std::env::var(CONTRACT).unwrap_or_default();
        let id = self.contract.split(':').rfind(|part| !part.is_empty())?;
        let shared = mine.split(':').any(|part| part == id);
        if shared { None } else { id.parse().ok() }
    }

    /// Ends the process and its tree: SIGTERM, `grace` to obey, SIGKILL.  What is gone is gone.
    ///
    /// # Errors
    /// Its contract cannot be read.
    pub fn end(&self, grace: Duration) -> Result<(), ContractError> {
        if let Some(id) = self.foreign_contract() {
            let Some(mut contract) = Contracts::open("worker").adopt(id)? else { return Ok(()) };
            contract.signal(libc::SIGTERM)?;
            if !contract.wait_empty(Some(grace))? {
                contract.kill()?;
                contract.wait_empty(Some(Duration::from_secs(30)))?;
            }
            return Ok(());
        }
        if self.is_alive() && self.pid != std::process::id() as Pid {
            self.end_alone(grace)?;
        }
        Ok(())
    }

    /// A worker outside of any contract: it ends its own tools when it is asked to.
    fn end_alone(&self, grace: Duration) -> Result<(), ContractError> {
        let mut contract = Contracts::open("worker").create()?;
        contract.started(self.pid)?;
        for signal in [libc::SIGTERM, libc::SIGKILL] {
            if self.is_alive() {
                // SAFETY: two integers; the process was seen to be the named one a moment ago.
                unsafe { libc::kill(self.pid, signal) };
            }
            let patience = if signal == libc::SIGTERM { grace } else { Duration::from_secs(30) };
            if self.gone_within(patience) {
                break;
            }
        }
        contract.remove();
        Ok(())
    }

    /// Waits for its end, by its descriptor where the kernel has one.
    fn gone_within(&self, patience: Duration) -> bool {
        use std::os::fd::AsFd;
        let Ok(handle) = smf_contract::watch::open_process(self.pid) else {
            return !self.is_alive();
        };
        if !self.is_alive() {
            return true;
        }
        let mut fds = [nix::poll::PollFd::new(handle.as_fd(), nix::poll::PollFlags::POLLIN)];
        let timeout = nix::poll::PollTimeout::try_from(patience);
        let timeout = timeout.unwrap_or(nix::poll::PollTimeout::MAX);
        matches!(nix::poll::poll(&mut fds, timeout), Ok(1..))
    }
}
