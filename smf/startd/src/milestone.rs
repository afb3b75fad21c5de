//! milestone - how much of the system is to run (svcadm milestone, boot -m).
//!
//! `options_ovr/milestone` of the master restarter (until the next boot) or `options/milestone`
//! names it: `all`, `none`, or an instance, which runs with all it depends on.  Whoever is not part
//! of it gets a temporary disable, and whoever is loses his: so every change of the milestone ends
//! the temporary orders an administrator gave.
//!
//! The milestone that was reached is written down (`restarter/milestone` of the master restarter),
//! so that an engine that only came back does not end what was ordered since.

use std::collections::BTreeSet;

use crate::config::{self, MASTER};
use crate::engine::Engine;
use crate::propagate;
use crate::store::{Groups, Store, View};
use crate::sys::{Level, Logging, Sys};

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Milestone {
    /// Whatever is enabled.
    All,
    /// Nothing but the master restarter.
    None,
    /// An instance and what it depends on.
    Major(String),
}

impl Milestone {
    /// Reads a name as boot -m and as svcadm milestone give it.
    pub(crate) fn parse(name: &str) -> Milestone {
        let short = match name {
            "all" | "" => return Milestone::All,
            "none" => return Milestone::None,
            "single-user" | "su" | "s" | "S" => "single-user",
            "multi-user" | "mu" => "multi-user",
            "multi-user-server" | "mus" => "multi-user-server",
            fmri => return Milestone::Major(fmri.to_owned()),
        };
        Milestone::Major(format!("svc:/milestone/{short}:default"))
    }

    /// The name in the repository.
    fn name(&self) -> &str {
        match self {
            Milestone::All => "all",
            Milestone::None => "none",
            Milestone::Major(fmri) => fmri,
        }
    }
}

fn first<'a>(groups: &'a Groups, group: &str) -> Option<&'a str> {
    groups.get(group)?.first("milestone")
}

impl<S: Store, Y: Sys> Engine<S, Y> {
    /// The milestone this boot is to go to, whatever the repository says; before
    /// [`Engine::begin`].
    pub fn boot_to(&mut self, milestone: &str) {
        self.booting = Some(milestone.to_owned());
    }

    /// Takes the milestone of this boot over; what is new counts as outside of it at once.
    pub(crate) fn begin_milestone(&mut self) {
        if let Some(booting) = self.booting.take() {
            let name = Milestone::parse(&booting).name().to_owned();
            let asked = [("milestone", "astring", vec![name])];
            let written = self.store.set(MASTER, "options_ovr", &asked);
            self.noted(MASTER, written);
        }
        let groups = self.of_master();
        let named = first(&groups, "options_ovr").or_else(|| first(&groups, "options"));
        if let Some(name) = named.filter(|_| first(&groups, "restarter").is_none()) {
            let name = Milestone::parse(name).name().to_owned();
            self.sys.note(Level::Notice, &format!("Booting to milestone \"{name}\"."));
        }
    }

    /// The options of the master restarter: how much is logged, and the milestone.
    pub(crate) fn options(&mut self) {
        let groups = self.of_master();
        let word = groups.get("options").and_then(|options| options.first("logging"));
        if let Some(logging) = word.and_then(Logging::parse) {
            self.sys.set_logging(logging);
        }
        self.reach_milestone(&groups);
    }

    fn of_master(&mut self) -> Groups {
        let groups = self.store.groups(MASTER, View::Live);
        self.noted(MASTER, groups).flatten().unwrap_or_default()
    }

    /// Goes to the milestone that the repository names, if it is another one than before.
    fn reach_milestone(&mut self, groups: &Groups) {
        let named = first(groups, "options_ovr").or_else(|| first(groups, "options"));
        let wanted = Milestone::parse(named.unwrap_or("all"));
        let reached = first(groups, "restarter").unwrap_or("all").to_owned();
        if let Milestone::Major(fmri) = &wanted {
            if self.graph.node(fmri).is_none() {
                let what = format!("milestone \"{fmri}\" does not exist; nothing is changed");
                self.sys.note(Level::Error, &what);
                return;
            }
        }
        self.milestone = wanted;
        if self.milestone.name() != reached && self.go() {
            let done = vec![self.milestone.name().to_owned()];
            self.write(MASTER, vec![("milestone", "astring", done)]);
        }
    }

    /// Who runs; none = everybody.
    fn insiders(&self) -> Option<BTreeSet<String>> {
        let mut inside = match &self.milestone {
            Milestone::All => return None,
            Milestone::None => BTreeSet::new(),
            Milestone::Major(fmri) => self.graph.subgraph(fmri),
        };
        inside.insert(MASTER.to_owned());
        Some(inside)
    }

    /// Whether it is no part of the milestone.
    pub(crate) fn is_outside(&self, fmri: &str) -> bool {
        self.insiders().is_some_and(|inside| !inside.contains(fmri))
    }

    /// Overrides what is enabled; false when the repository does not take it, and it is tried again.
    fn go(&mut self) -> bool {
        let inside = self.insiders();
        let is_inside = |fmri: &String| inside.as_ref().is_none_or(|all| all.contains(fmri));
        let every: Vec<String> = self.instances.keys().cloned().collect();
        let mut overrides: Vec<(String, Option<bool>)> = every
            .into_iter()
            .map(|f| {
                let stays = is_inside(&f);
                (f, (!stays).then_some(false))
            })
            .collect();
        let mut complete = true;
        match self.store.set_overrides(&overrides) {
            Ok(()) => {}
            Err(error) if error.passing => {
                self.noted::<(), _>(MASTER, Err(error));
                self.go_again();
                return false;
            }
            // Somebody is gone, and the others are to go all the same: what is written counts, and the
            // rest is tried again.
            Err(_) => overrides.retain(|one| {
                let written = self.store.set_overrides(std::slice::from_ref(one));
                complete &= !written.as_ref().is_err_and(|error| error.passing);
                self.noted(MASTER, written).is_some()
            }),
        }
        let mut leaving = Vec::new();
        for (fmri, enabled) in overrides {
            if enabled == Some(false) {
                leaving.push(fmri);
                continue;
            }
            let is_general = |name: &str, _: &str| matches!(name, "general" | "general_ovr");
            let live = self.store.some_groups(&fmri, View::Live, &is_general);
            let live = self.noted(&fmri, live).flatten().unwrap_or_default();
            let before = self.graph.node(&fmri).map(|node| node.enabled);
            let now = config::enabled(&live);
            if let Some(now) = now.filter(|now| Some(*now) != before) {
                self.set_enabled(&fmri, now);
            }
        }
        let orders = propagate::leave(&mut self.graph, &leaving);
        self.give_all(orders);
        if !complete {
            self.go_again();
        }
        complete
    }

    /// An instance that comes while the system is in a milestone it is no part of does not run.
    pub(crate) fn stay_outside(&mut self, fmri: &str) {
        if !self.is_outside(fmri) {
            return;
        }
        let written = self.store.set_overrides(&[(fmri.to_owned(), Some(false))]);
        let later = written.as_ref().is_err_and(|error| error.passing);
        if self.noted(fmri, written).is_some() || later {
            if let Some(node) = self.graph.node_mut(fmri) {
                node.enabled = false;
            }
        }
        if later {
            self.stay_outside_again(fmri);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (given, want) in [
            ("all", "all"),
            ("", "all"),
            ("none", "none"),
            ("su", "svc:/milestone/single-user:default"),
            ("multi-user", "svc:/milestone/multi-user:default"),
            ("mus", "svc:/milestone/multi-user-server:default"),
            ("svc:/milestone/network:default", "svc:/milestone/network:default"),
        ] {
            assert_eq!(want, Milestone::parse(given).name(), "{given}");
        }
    }
}
