//! orders - what an order does to an instance that is not busy.
//!
//! One function per order that does anything.  An order that means nothing in the present state is
//! dropped without a word: the sender could not know.

use crate::engine::{Activity, Engine, Stop};
use crate::graph::Descent;
use crate::methods::Attempt;
use crate::propagate;
use crate::state::{Method, Model, Order, Severity, State};
use crate::store::{Store, Write};
use crate::sys::{Level, Sys};

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// Carries out one order.
    pub(crate) fn carry_out(&mut self, fmri: &str, order: Order) {
        let Some(instance) = self.instances.get(fmri) else { return };
        let running = instance.state.is_running();
        match order {
            Order::Enable => self.enable(fmri),
            Order::Disable => self.disable(fmri),
            Order::AdminDisable => self.admin_disable(fmri),
            Order::Start => self.start(fmri),
            Order::Stop if running => self.stop_for_dependency(fmri),
            Order::StopReset if running => {
                self.forget_stamps(fmri);
                self.stop_for_dependency(fmri);
            }
            Order::TakeDown if running => {
                let stop = Stop { to: State::Offline, aux: "none", severity: Severity::Restart };
                self.stop(fmri, "Stopping because service disabled.", stop);
            }
            Order::Refresh => self.refresh(fmri),
            Order::Restart if running => self.restart(fmri),
            Order::Maintain(aux) => self.maintain(fmri, aux),
            Order::Misconfigured(aux) => self.maintain(fmri, aux),
            Order::MaintainImmediate(aux) => self.maintain_immediate(fmri, aux),
            Order::Clear => self.clear(fmri),
            Order::Degrade(aux) => self.degrade(fmri, aux),
            Order::Restore => self.restore(fmri),
            Order::Dump if running => self.dump(fmri),
            Order::ResumeStop(to) if running => self.resume_stop(fmri, to),
            Order::ResumeRefresh if running => self.attempt(Attempt::refresh(fmri)),
            Order::Emptied(contract) => self.contract_event(fmri, contract, Event::Empty),
            Order::DumpedCore(contract) => self.contract_event(fmri, contract, Event::Core),
            Order::Signalled(contract) => self.contract_event(fmri, contract, Event::Signal),
            Order::ChildEnded(status) if running => self.child_ended(fmri, status),
            Order::Stop
            | Order::StopReset
            | Order::TakeDown
            | Order::Restart
            | Order::Dump
            | Order::ResumeStop(_)
            | Order::ResumeRefresh
            | Order::ChildEnded(_) => {
                let state = instance.state;
                let what = format!("{fmri}: {order:?} means nothing in state {state}");
                self.sys.note(Level::Debug, &what);
            }
        }
    }

    /// Changes the recorded reason.
    pub(crate) fn because(&mut self, fmri: &str, aux: &str) {
        if let Some(instance) = self.instances.get_mut(fmri) {
            aux.clone_into(&mut instance.aux);
        }
    }

    pub(crate) fn forget_stamps(&mut self, fmri: &str) {
        if let Some(instance) = self.instances.get_mut(fmri) {
            instance.stamps.clear();
        }
    }

    fn enable(&mut self, fmri: &str) {
        let Some(instance) = self.instances.get(fmri) else { return };
        let aux = match (instance.state, instance.aux.as_str()) {
            (State::Uninitialized, "clear_request") => "clear_request",
            (State::Uninitialized, _) => "per_configuration",
            (State::Disabled, _) => "enable_request",
            (
                State::None | State::Offline | State::Online | State::Degraded | State::Maintenance,
                _,
            ) => return,
        };
        self.sys.log(fmri, "Enabled.");
        self.because(fmri, aux);
        self.enter(fmri, State::Offline, Severity::None, Vec::new());
    }

    fn disable(&mut self, fmri: &str) {
        let Some(instance) = self.instances.get(fmri) else { return };
        let aux = match (instance.state, instance.aux.as_str()) {
            (State::Uninitialized, "disable_request") => "disable_request",
            (State::Uninitialized, _) => "per_configuration",
            (State::Offline, _) => "disable_request",
            (State::Online | State::Degraded, _) => {
                let (to, aux) = (State::Disabled, "disable_request");
                let stop = Stop { to, aux, severity: Severity::Restart };
                self.stop(fmri, "Stopping because service disabled.", stop);
                return;
            }
            (State::None | State::Disabled | State::Maintenance, _) => return,
        };
        self.sys.log(fmri, "Disabled.");
        self.because(fmri, aux);
        self.enter(fmri, State::Disabled, Severity::None, Vec::new());
    }

    fn admin_disable(&mut self, fmri: &str) {
        let in_maintenance =
            self.instances.get(fmri).is_some_and(|one| one.state == State::Maintenance);
        // The administrator may have changed his mind while the order waited.  Not so where the
        // method took his word for it and failed: from there the way up is through the disable.
        if !in_maintenance && self.graph.node(fmri).is_none_or(|node| node.enabled) {
            self.stay(fmri);
            return;
        }
        self.forget_stamps(fmri);
        if in_maintenance {
            self.sys.log(fmri, "Leaving maintenance because disable requested.");
            self.leave_maintenance(fmri, "disable_request");
        } else {
            self.disable(fmri);
        }
    }

    /// It does not go down after all; those who made way for it may come back.
    fn stay(&mut self, fmri: &str) {
        self.graph.flag(fmri, Descent::None);
        self.reconsider(fmri);
        self.descend();
    }

    fn leave_maintenance(&mut self, fmri: &str, aux: &'static str) {
        self.because(fmri, aux);
        let sound = self.read_dependencies(fmri);
        // What runs in it still is nobody's from now on.
        let writes = self.abandon_contract(fmri);
        self.enter(fmri, State::Uninitialized, Severity::None, writes);
        // What was wrong with its configuration may be wrong still.
        if let Err(aux) = sound {
            self.give(fmri, Order::Misconfigured(aux));
        }
    }

    /// Lets go of the primary contract; returns what to record about it.
    pub(crate) fn abandon_contract(&mut self, fmri: &str) -> Vec<Write> {
        let contract = self.instances.get_mut(fmri).and_then(|one| one.contract.take());
        if let Some(contract) = contract {
            self.contracts.remove(&contract);
            self.sys.release(contract);
        }
        vec![("contract", "count", Vec::new())]
    }

    fn start(&mut self, fmri: &str) {
        // What it stands on may have gone while the order waited; when it comes back, so does the
        // order.
        let sys = &self.sys;
        let may = propagate::startable(&self.graph, fmri, &|path| sys.exists(path)).is_some();
        if may && !self.ending {
            let aux = match self.instances.get_mut(fmri) {
                Some(one) if one.aux == "clear_request" => "clear_request",
                Some(one) => std::mem::replace(&mut one.start_aux, "dependencies_satisfied"),
                None => return,
            };
            self.because(fmri, aux);
            self.attempt(Attempt::start(fmri));
        }
    }

    fn stop_for_dependency(&mut self, fmri: &str) {
        let aux = "dependency_activity";
        let stop = Stop { to: State::Offline, aux, severity: Severity::Restart };
        self.stop(fmri, "Stopping because dependency activity requires stop.", stop);
    }

    fn restart(&mut self, fmri: &str) {
        self.forget_stamps(fmri);
        if let Some(instance) = self.instances.get_mut(fmri) {
            instance.start_aux = "restart_request";
        }
        let aux = "restart_request";
        let stop = Stop { to: State::Offline, aux, severity: Severity::Restart };
        self.stop(fmri, "Stopping because service restarting.", stop);
    }

    /// What runs goes on; only what is told of it changes.
    fn degrade(&mut self, fmri: &str, aux: &'static str) {
        if self.state(fmri) == Some(State::Online) {
            self.sys.log(fmri, &format!("Degraded due to {aux}."));
            self.because(fmri, aux);
            self.enter(fmri, State::Degraded, Severity::None, Vec::new());
        }
    }

    fn restore(&mut self, fmri: &str) {
        if self.state(fmri) == Some(State::Degraded) {
            self.sys.log(fmri, "Leaving degraded state because clear requested.");
            self.because(fmri, "clear_request");
            self.enter(fmri, State::Online, Severity::None, Vec::new());
        }
    }

    /// The restart follows from the cores, if there are any.
    fn dump(&mut self, fmri: &str) {
        if let Some(contract) = self.instances.get(fmri).and_then(|instance| instance.contract) {
            let sent = self.sys.signal(contract, libc::SIGABRT);
            self.noted(fmri, sent);
        }
    }

    fn refresh(&mut self, fmri: &str) {
        self.sys.log(fmri, "Rereading configuration.");
        if self.instances.get(fmri).is_some_and(|one| one.state.is_running()) {
            self.attempt(Attempt::refresh(fmri));
        }
    }

    fn maintain(&mut self, fmri: &str, aux: &'static str) {
        let Some(instance) = self.instances.get(fmri) else { return };
        if instance.state == State::Maintenance {
            return;
        }
        let message = format!("Stopping for maintenance due to {aux}.");
        let stop = Stop { to: State::Maintenance, aux, severity: Severity::Restart };
        if instance.state.is_running() {
            let name = fmri.trim_start_matches("svc:/");
            let what = "transitioned to maintenance by request (see 'svcs -xv' for details)";
            let what = format!("{name} {what}");
            self.sys.note(Level::Notice, &what);
            self.sys.syslog(&what);
            self.stop(fmri, &message, stop);
        } else {
            self.sys.log(fmri, &message);
            self.because(fmri, aux);
            let writes = self.abandon_contract(fmri);
            self.enter(fmri, State::Maintenance, Severity::Restart, writes);
        }
    }

    fn maintain_immediate(&mut self, fmri: &str, aux: &'static str) {
        self.sys.log(fmri, &format!("Stopping for maintenance due to {aux}."));
        self.because(fmri, aux);
        let writes = self.abandon_contract(fmri);
        self.enter(fmri, State::Maintenance, Severity::Restart, writes);
    }

    fn clear(&mut self, fmri: &str) {
        let in_maintenance =
            self.instances.get(fmri).is_some_and(|one| one.state == State::Maintenance);
        if !in_maintenance {
            return;
        }
        self.sys.log(fmri, "Leaving maintenance because clear requested.");
        self.forget_stamps(fmri);
        self.because(fmri, "clear_request");
        self.leave_maintenance(fmri, "clear_request");
    }

    fn resume_stop(&mut self, fmri: &str, to: State) {
        let aux = match to {
            State::Disabled => "disable_request",
            State::Maintenance => "administrative_request",
            State::None
            | State::Uninitialized
            | State::Offline
            | State::Online
            | State::Degraded => "dependency_activity",
        };
        // Why it is stopped is recorded, and with it how bad that is for those who depend on it.
        let recorded = self.instances.get(fmri).map(|one| one.aux.as_str());
        let severity = match recorded {
            Some("ct_ev_core" | "ct_ev_signal") => Severity::Error,
            Some(_) | None => Severity::Restart,
        };
        self.attempt(Attempt::stop(fmri, Stop { to, aux, severity }));
    }

    fn stop(&mut self, fmri: &str, message: &str, stop: Stop) {
        self.sys.log(fmri, message);
        self.because(fmri, stop.aux);
        self.attempt(Attempt::stop(fmri, stop));
    }

    fn contract_event(&mut self, fmri: &str, contract: u64, event: Event) {
        let Some(instance) = self.instances.get(fmri) else { return };
        if instance.contract != Some(contract) || !instance.state.is_running() {
            return;
        }
        let watching = self.watching(fmri);
        if watching.model == Model::Wait {
            // Taken over from an engine that died, its child is no child of ours.
            let orphan = self.instances.get(fmri).is_some_and(|one| one.child.is_none());
            if event == Event::Empty && orphan {
                self.child_ended(fmri, 0);
            }
            return;
        }
        let (wanted, message, aux, severity) = match event {
            Event::Empty => (
                watching.empty,
                "Stopping because all processes in service exited.",
                "ct_ev_exit",
                Severity::Restart,
            ),
            Event::Core => (
                watching.core,
                "Stopping because process dumped core.",
                "ct_ev_core",
                Severity::Error,
            ),
            Event::Signal => (
                watching.signal,
                "Stopping because process received fatal signal from outside the service.",
                "ct_ev_signal",
                Severity::Error,
            ),
        };
        if wanted {
            self.stop(fmri, message, Stop { to: State::Offline, aux, severity });
        }
    }

    /// The child of a wait service ended: no stop method, and up again.
    fn child_ended(&mut self, fmri: &str, status: i32) {
        let watching = self.watching(fmri);
        // Killed, or dumped core: that counts as status 0.
        let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 0 };
        let Some(instance) = self.instances.get_mut(fmri) else { return };
        let mut too_quick = false;
        if matches!(code, 0 | 96) {
            instance.faults = 0;
            instance.stamps.clear();
        } else {
            instance.faults += 1;
            too_quick = crate::outcomes::too_quick(&instance.stamps, &watching);
        }
        let (message, aux, to, severity) = match code {
            0 => (
                "Stopping because all processes in service exited.",
                "ct_ev_exit",
                State::Offline,
                Severity::Restart,
            ),
            96 => (
                "Stopping because service exited with a configuration error.",
                "method_failed",
                State::Maintenance,
                Severity::Error,
            ),
            _ => (
                "Stopping because service exited with an error.",
                "ct_ev_exit",
                State::Offline,
                Severity::Error,
            ),
        };
        self.sys.log(fmri, message);
        self.because(fmri, aux);
        let writes = self.abandon_contract(fmri);
        self.enter(fmri, to, severity, writes);
        if too_quick {
            self.sys.log(fmri, "Failing too quickly, throttling.");
            let until = self.sys.now() + std::time::Duration::from_secs(1);
            if let Some(instance) = self.instances.get_mut(fmri) {
                instance.activity = Some(Activity::Throttled { until });
            }
            self.set_timer(fmri, Some(until));
        }
    }

    /// Runs a method for an instance; see methods.rs.
    fn attempt(&mut self, attempt: Attempt) {
        debug_assert!(matches!(attempt.method, Method::Start | Method::Stop | Method::Refresh));
        self.run_method(&attempt);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Empty,
    Core,
    Signal,
}
