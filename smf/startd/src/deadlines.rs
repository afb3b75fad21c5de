//! deadlines - what has taken too long, and the end of the engine.

use std::time::Duration;

use crate::config::Restarter;
use crate::engine::{Activity, Engine, Instance};
use crate::propagate;
use crate::state::Method;
use crate::store::Store;
use crate::sys::Sys;

/// How soon what did not go is killed once more.
const KILL_PACE: Duration = Duration::from_secs(1);

/// How long a start method may take to go when the engine ends.
const END_GRACE: Duration = Duration::from_secs(10);

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// How long until [`Engine::tick`] is to be called.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        let timer = self.timers.first().map(|(when, _)| *when);
        let first = timer.into_iter().chain(self.again).min();
        first.map(|when| when.saturating_sub(self.sys.now()))
    }

    /// Time has passed.
    pub fn tick(&mut self) {
        let now = self.sys.now();
        while let Some((when, fmri)) = self.timers.pop_first() {
            if when > now {
                self.timers.insert((when, fmri));
                break;
            }
            self.timed_out(&fmri, now);
        }
        self.write_again();
        self.settle();
    }

    fn timed_out(&mut self, fmri: &str, now: Duration) {
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        let due = |deadline: &Option<Duration>| deadline.is_some_and(|deadline| deadline <= now);
        let late = match &mut instance.activity {
            Some(
                Activity::Running { contract, deadline, timed_out, .. }
                | Activity::Draining { contract, deadline, timed_out, .. },
            ) if due(deadline) => {
                // Again and again, until nothing of it is left: what makes processes faster than
                // they are found gets away now and then.
                let again = now + KILL_PACE;
                *deadline = Some(again);
                (*contract, again, std::mem::replace(timed_out, true))
            }
            Some(Activity::Throttled { until }) if *until <= now => {
                self.idle(fmri);
                self.start_if_ready(fmri);
                return;
            }
            Some(
                Activity::Running { .. }
                | Activity::Draining { .. }
                | Activity::Reviving { .. }
                | Activity::Throttled { .. },
            )
            | None => return,
        };
        let (late, again, told) = late;
        self.set_timer(fmri, Some(again));
        if !told {
            let what = format!("Method or service exit timed out.  Killing contract {late}.");
            self.sys.log(fmri, &what);
        }
        let killed = self.sys.signal(late, libc::SIGKILL);
        self.noted(fmri, killed);
    }

    /// What had this deadline is over: nobody is to be woken for it.
    pub(crate) fn forget_timer(&mut self, fmri: &str, when: Option<Duration>) {
        if let Some(when) = when {
            self.timers.remove(&(when, fmri.to_owned()));
        }
    }

    /// Sets a deadline for what an instance is busy with.
    pub(crate) fn set_timer(&mut self, fmri: &str, when: Option<Duration>) {
        if let Some(when) = when {
            self.timers.insert((when, fmri.to_owned()));
        }
    }

    /// The engine is to end: everything goes down, dependents first, staying enabled.
    pub fn end(&mut self) {
        if self.ending {
            return;
        }
        self.ending = true;
        let deadline = self.sys.now() + END_GRACE;
        let starting: Vec<(String, u64)> = self
            .instances
            .iter()
            .filter_map(|(fmri, instance)| match &instance.activity {
                Some(Activity::Running { method: Method::Start, contract, .. }) => {
                    Some((fmri.clone(), *contract))
                }
                Some(
                    Activity::Running { .. }
                    | Activity::Draining { .. }
                    | Activity::Reviving { .. }
                    | Activity::Throttled { .. },
                )
                | None => None,
            })
            .collect();
        for (fmri, contract) in starting {
            let ended = self.sys.signal(contract, libc::SIGTERM);
            self.noted(&fmri, ended);
            if let Some(Instance {
                activity: Some(Activity::Running { deadline: at, .. }), ..
            }) = self.instances.get_mut(&fmri)
            {
                *at = Some(at.map_or(deadline, |at| at.min(deadline)));
            }
            self.set_timer(&fmri, Some(deadline));
        }
        let orders = propagate::take_down(&mut self.graph);
        self.give_all(orders);
        self.settle();
    }

    /// Whether it was told to end.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Whether nothing runs any more.
    #[must_use]
    pub fn ended(&self) -> bool {
        let busy = |instance: &Instance| match instance.activity {
            Some(Activity::Throttled { .. }) | None => instance.state.is_running(),
            Some(
                Activity::Running { .. } | Activity::Draining { .. } | Activity::Reviving { .. },
            ) => true,
        };
        let busy = |instance: &Instance| {
            busy(instance) && !matches!(instance.restarter, Restarter::Delegate(_))
        };
        self.ending && !self.instances.values().any(busy)
    }
}
