//! actions - what the administrator orders by a property of `restarter_actions`.
//!
//! The name of the property is the action, its value the time it was ordered.  An action that was
//! acted upon loses its value, unless a newer order has come meanwhile.  That is written in one
//! commit with what the action led to: should the engine die before, the next one finds the action
//! and acts; should it die after, the next one goes on from what is recorded.  Until then the action
//! is remembered, so that nothing is done twice.

use crate::config;
use crate::engine::Engine;
use crate::state::Order;
use crate::store::{Entry, Finished, Group, Store};
use crate::sys::Sys;

/// What may be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Maintain,
    MaintainImmediate,
    Clear,
    Degrade,
    Restore,
    Refresh,
    Restart,
}

/// By the name of the property.  No state outlives the boot, so temporary maintenance is
/// maintenance; and to be degraded stops nothing, so it is immediate in any case.
const ACTIONS: [(&str, Action); 10] = [
    ("maint_on", Action::Maintain),
    ("maint_on_temporary", Action::Maintain),
    ("maint_on_immediate", Action::MaintainImmediate),
    ("maint_on_immtemp", Action::MaintainImmediate),
    ("maint_off", Action::Clear),
    ("degraded", Action::Degrade),
    ("degrade_immediate", Action::Degrade),
    ("restore", Action::Restore),
    ("refresh", Action::Refresh),
    ("restart", Action::Restart),
];

/// What is beside a restart that dumps core.
const DUMP: &str = "do_dump";

/// An order that has not been acted upon: whether it can wait for others, its time, ...
type Pending<'a> = (bool, i64, &'static str, Action, &'a str);

/// What is ordered, in the order it is to be done: maintenance first, the others by time.
fn pending(group: &Group) -> Vec<Pending<'_>> {
    let mut pending: Vec<Pending<'_>> = ACTIONS
        .into_iter()
        .filter_map(|(name, action)| {
            let value = group.first(name)?;
            let later = !matches!(action, Action::Maintain | Action::MaintainImmediate);
            Some((later, value.parse().unwrap_or(0), name, action, value))
        })
        .collect();
    pending.sort_unstable();
    pending
}

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// Acts on what is in `restarter_actions`.
    pub(crate) fn actions(&mut self, fmri: &str) {
        if !self.instances.contains_key(fmri) {
            return;
        }
        let group = self.store.group(fmri, "restarter_actions");
        let Some(group) = self.noted(fmri, group).flatten() else { return };
        if let Some(instance) = self.instances.get_mut(fmri) {
            instance.acted.retain(|(name, value)| group.first(name) == Some(value));
        }
        for (_, _, name, action, value) in pending(&group) {
            let Some(instance) = self.instances.get_mut(fmri) else { return };
            let mut by = vec![(name, value.to_owned())];
            if !instance.acted.insert((name, value.to_owned())) {
                continue;
            }
            if let Some(dump) = group.first(DUMP).filter(|_| action == Action::Restart) {
                by.push((DUMP, dump.to_owned()));
            }
            self.act(fmri, action, &group, by);
        }
    }

    /// What was ordered by these actions is done, or never will be.
    pub(crate) fn finish(&mut self, fmri: &str, finished: Vec<Finished>) {
        if !finished.is_empty() {
            self.due.push(Entry { fmri: fmri.to_owned(), finished, ..Entry::default() });
        }
    }

    fn act(&mut self, fmri: &str, action: Action, group: &Group, by: Vec<Finished>) {
        let tty = group.first("auxiliary_tty").is_some_and(config::is_true);
        let aux = if tty { "administrative_request" } else { "service_request" };
        let order = match action {
            Action::Maintain => Order::Maintain(aux),
            Action::MaintainImmediate => Order::MaintainImmediate(aux),
            Action::Clear => Order::Clear,
            Action::Degrade => Order::Degrade(aux),
            Action::Restore => Order::Restore,
            Action::Refresh => return self.take_refresh(fmri, by),
            // The restart follows from the cores.
            Action::Restart if self.dumps(fmri, &by) => Order::Dump,
            Action::Restart => Order::Restart,
        };
        if matches!(action, Action::Maintain | Action::MaintainImmediate | Action::Degrade) && !tty
        {
            // Who asked, for whoever explains it.
            let who = group.first("auxiliary_fmri").map(str::to_owned).into_iter().collect();
            self.write(fmri, vec![("auxiliary_fmri", "astring", who)]);
        }
        self.give_by(fmri, order, by);
    }

    /// Whether a restart is one by dumping core.  One that waits has taken the word for itself.
    fn dumps(&mut self, fmri: &str, by: &[Finished]) -> bool {
        let dump = by.iter().find(|(name, _)| *name == DUMP);
        let instance = self.instances.get_mut(fmri);
        instance.zip(dump).is_some_and(|(instance, dump)| instance.acted.insert(dump.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::group;

    #[test]
    fn maintenance_first_then_by_time() {
        let ordered = [
            ("restart", "integer", "5"),
            ("refresh", "integer", "3"),
            ("maint_on_immtemp", "integer", "9"),
            ("do_dump", "integer", "4"),
            ("restore", "integer", ""),
        ];
        let group = group("framework", &ordered);
        let names: Vec<&str> = pending(&group).into_iter().map(|(_, _, name, _, _)| name).collect();
        assert_eq!(names, ["maint_on_immtemp", "refresh", "restart"]);
    }
}
