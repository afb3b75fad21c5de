//! events - what the system has told: how processes ended, which contracts are empty.

use crate::engine::{Activity, Engine};
use crate::state::{Method, Order};
use crate::store::Store;
use crate::sys::{Happened, Sys};

/// Whether a process died as one does that dumps core.  Whether it wrote one is for the limits and
/// the core pattern of the host to say: that it could not be kept makes the fault no smaller.
fn is_core(status: i32) -> bool {
    let of_its_own_doing = [
        libc::SIGQUIT,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGABRT,
        libc::SIGFPE,
        libc::SIGBUS,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGXCPU,
        libc::SIGXFSZ,
    ];
    libc::WCOREDUMP(status) || of_its_own_doing.contains(&libc::WTERMSIG(status))
}

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// The system has something to tell.
    pub fn happened(&mut self, happened: Happened) {
        self.all_happened([happened]);
    }

    /// The system has several things to tell, in this order: what follows from all of them is
    /// written at once.
    pub fn all_happened(&mut self, all: impl IntoIterator<Item = Happened>) {
        all.into_iter().for_each(|happened| self.happen(happened));
        self.settle();
    }

    pub(crate) fn happen(&mut self, happened: Happened) {
        match happened {
            Happened::Ended { pid, status } => {
                if let Some(fmri) = self.pids.remove(&pid) {
                    self.process_ended(&fmri, pid, status);
                }
            }
            Happened::MemberEnded { contract, status } => {
                if let Some(fmri) = self.contracts.get(&contract).cloned() {
                    self.member_ended(&fmri, contract, status);
                }
            }
            Happened::Emptied { contract } => match self.contracts.get(&contract).cloned() {
                Some(fmri) => self.emptied(&fmri, contract),
                // Nobody's any more.
                None => self.sys.abandon(contract),
            },
        }
    }

    fn process_ended(&mut self, fmri: &str, pid: i32, status: i32) {
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        if instance.child == Some(pid) {
            instance.child = None;
            self.give(fmri, Order::ChildEnded(status));
            return;
        }
        match instance.activity.clone() {
            Some(Activity::Running { pid: running, .. }) if running == pid => {
                self.method_ended(fmri, status);
            }
            Some(
                Activity::Running { .. }
                | Activity::Draining { .. }
                | Activity::Reviving { .. }
                | Activity::Throttled { .. },
            )
            | None => {}
        }
    }

    fn member_ended(&mut self, fmri: &str, contract: u64, status: i32) {
        let Some(instance) = self.instances.get(fmri) else { return };
        let stopping = match &instance.activity {
            Some(Activity::Running { method, .. }) => *method == Method::Stop,
            Some(Activity::Draining { .. } | Activity::Reviving { .. }) => true,
            Some(Activity::Throttled { .. }) | None => false,
        };
        if stopping || instance.contract != Some(contract) || !libc::WIFSIGNALED(status) {
            return;
        }
        let order =
            if is_core(status) { Order::DumpedCore(contract) } else { Order::Signalled(contract) };
        self.give(fmri, order);
    }

    fn emptied(&mut self, fmri: &str, contract: u64) {
        let Some(instance) = self.instances.get(fmri) else { return };
        match instance.activity.clone() {
            Some(Activity::Draining { contract: draining, stop, timed_out, deadline })
                if draining == contract =>
            {
                self.forget_timer(fmri, deadline);
                self.drained(fmri, stop, timed_out);
            }
            Some(Activity::Reviving { contract: reviving, starting }) if reviving == contract => {
                self.revived(fmri, contract, starting);
            }
            Some(
                Activity::Running { .. }
                | Activity::Draining { .. }
                | Activity::Reviving { .. }
                | Activity::Throttled { .. },
            )
            | None => {
                if instance.contract == Some(contract) {
                    self.give(fmri, Order::Emptied(contract));
                }
            }
        }
    }
}
