//! orders.rs - what an administrator types, as the writes into the repository that it comes to.

use std::collections::BTreeMap;

use smf_startd::config::MASTER;
use smf_startd::store::{Group, Groups, View as Which};

use crate::disk::{kind_of, property};
use crate::plan::{Need, Order, Service};
use crate::reality::Reality;
use crate::rules;

impl Reality {
    /// Gives an order as svcadm and svccfg do.
    pub fn order(&mut self, order: &Order, stamp: u64) {
        // A full repository takes no orders either.
        if self.full {
            return;
        }
        self.tell(|| format!("order: {order:?}"));
        match order {
            Order::Enable(fmri) => self.enable(fmri, "true"),
            Order::Disable(fmri) => self.enable(fmri, "false"),
            Order::EnableForNow(fmri) => self.enable_for_now(fmri, "true"),
            Order::DisableForNow(fmri) => self.enable_for_now(fmri, "false"),
            Order::Restart(fmri) => self.action(fmri, "restart", stamp),
            Order::Refresh(fmri) => self.action(fmri, "refresh", stamp),
            Order::Clear(fmri) => self.action(fmri, "maint_off", stamp),
            Order::Mark(fmri) => {
                self.rules.marked(fmri);
                self.action(fmri, "maint_on", stamp);
            }
            Order::MarkImmediate(fmri) => {
                self.rules.marked(fmri);
                self.action(fmri, "maint_on_immediate", stamp);
            }
            Order::MarkForNow(fmri) => {
                self.rules.marked(fmri);
                self.action(fmri, "maint_on_temporary", stamp);
            }
            Order::MarkImmediateForNow(fmri) => {
                self.rules.marked(fmri);
                self.action(fmri, "maint_on_immtemp", stamp);
            }
            Order::Degrade(fmri) => self.action(fmri, "degraded", stamp),
            Order::Restore(fmri) => self.action(fmri, "restore", stamp),
            Order::Milestone(name) => {
                self.disk.put(MASTER, "options_ovr/milestone", "astring", &[name]);
                let live = self.disk.groups(MASTER, Which::Live).ok().flatten().unwrap_or_default();
                let reached = live.get("restarter").and_then(|group| group.first("milestone"));
                // Where it is already, the engine goes nowhere.
                self.rules.milestone(*name == "none" && reached != Some("none"));
            }
            Order::Delete(fmri) if self.there(fmri) => {
                self.disk.delete(fmri);
                self.kernel.disown(fmri);
                self.rules.deleted(fmri);
            }
            Order::Add(service) if !self.there(service.fmri) => self.add(service),
            Order::Depend(fmri, needs) if self.there(fmri) => {
                self.disk.depend(fmri, dependencies(needs));
                self.action(fmri, "refresh", stamp);
            }
            Order::Delete(_) | Order::Add(_) | Order::Depend(..) => {}
            Order::Touch(file) => self.touch(file, stamp),
        }
    }

    fn there(&mut self, fmri: &str) -> bool {
        self.disk.groups(fmri, Which::Live).ok().flatten().is_some()
    }

    fn enable(&mut self, fmri: &str, word: &str) {
        self.rules.restraint.interfere(fmri);
        self.rules.of(fmri).outside = false;
        if self.there(fmri) {
            self.disk.put(fmri, "general/enabled", "boolean", &[word]);
            self.disk.unset(fmri, "general_ovr/enabled");
        }
    }

    fn enable_for_now(&mut self, fmri: &str, word: &str) {
        self.rules.restraint.interfere(fmri);
        self.rules.of(fmri).outside = false;
        if self.there(fmri) {
            self.disk.put(fmri, "general_ovr/enabled", "boolean", &[word]);
        }
    }

    pub fn action(&mut self, fmri: &str, action: &str, stamp: u64) {
        self.rules.restraint.interfere(fmri);
        if self.there(fmri) {
            let path = format!("restarter_actions/{action}");
            if !self.delegated.contains(fmri) {
                self.rules.of(fmri).order(action);
            }
            self.disk.put(fmri, &path, "integer", &[&stamp.to_string()]);
        }
    }

    fn touch(&mut self, file: &str, stamp: u64) {
        self.files_before.clone_from(&self.files);
        if !self.files.remove(file) {
            self.files.insert(file.to_owned());
        }
        let entity = format!("file:{file}");
        for fmri in self.disk.instances().unwrap_or_default() {
            let groups = self.disk.groups(&fmri, Which::Live).ok().flatten();
            let needs = rules::needs(&groups.unwrap_or_default());
            if needs.iter().any(|need| need.entities.contains(&entity)) {
                self.action(&fmri, "refresh", stamp);
            }
        }
    }

    /// The instance that the engine itself is.
    pub fn appear(&mut self) {
        let put = |group: &str, name: &str, kind: &str, value: &str| {
            let properties = BTreeMap::from([(name.to_owned(), property(kind, &[value]))]);
            (group.to_owned(), Group { kind: kind_of(group).to_owned(), properties })
        };
        let groups = Groups::from([
            put("start", "exec", "astring", ":true"),
            put("stop", "exec", "astring", ":true"),
            put("startd", "duration", "astring", "transient"),
            put("general", "enabled", "boolean", "true"),
        ]);
        self.disk.add(MASTER, groups);
    }

    /// An instance is made, as svccfg import does.
    pub fn add(&mut self, service: &Service) {
        let mut groups = dependencies(&service.needs);
        let mut put = |group: &str, name: &str, kind: &str, value: &str| {
            let entry = groups.entry(group.to_owned()).or_default();
            kind_of(group).clone_into(&mut entry.kind);
            entry.properties.insert(name.to_owned(), property(kind, &[value]));
        };
        put("startd", "duration", "astring", service.model);
        put("startd", "ignore_error", "astring", service.ignore);
        put("startd", "timeout_retry", "boolean", if service.retry { "true" } else { "false" });
        if service.delegated {
            put("general", "restarter", "fmri", "svc:/r:x");
        }
        self.delegated.remove(service.fmri);
        if service.delegated {
            self.delegated.insert(service.fmri.to_owned());
        }
        let methods =
            [("start", Some(service.start)), ("stop", service.stop), ("refresh", service.refresh)];
        for (method, exec) in methods {
            if let Some(exec) = exec {
                put(method, "exec", "astring", exec);
                put(method, "timeout_seconds", "count", service.timeout);
            }
        }
        put("start", "restart_on", "astring", service.restart_on);
        put("general", "enabled", "boolean", if service.enabled { "true" } else { "false" });
        for (names, model) in [
            (&mut self.kernel.wait_services, "child"),
            (&mut self.kernel.transient_services, "transient"),
        ] {
            names.remove(service.fmri);
            if service.model == model {
                names.insert(service.fmri.to_owned());
            }
        }
        let kills = [service.stop, service.refresh].into_iter().flatten();
        let kills = kills.into_iter().any(|exec| exec.starts_with(":kill"));
        let without = service.model == "transient" || service.start == ":true";
        self.unstoppable.remove(service.fmri);
        if (kills && without) || (service.stop == Some(":true") && !without) {
            self.unstoppable.insert(service.fmri.to_owned());
        }
        self.disk.add(service.fmri, groups);
    }
}

/// Dependencies as property groups.
fn dependencies(needs: &[Need]) -> Groups {
    let group = |(number, need): (usize, &Need)| {
        let paths = need.entities.iter().any(|entity| entity.starts_with("file:"));
        let entities: Vec<&str> = need.entities.iter().map(String::as_str).collect();
        let properties = BTreeMap::from([
            ("grouping".to_owned(), property("astring", &[need.grouping])),
            ("restart_on".to_owned(), property("astring", &[need.level])),
            ("type".to_owned(), property("astring", &[if paths { "path" } else { "service" }])),
            ("entities".to_owned(), property("fmri", &entities)),
        ]);
        (format!("dep{number}"), Group { kind: "dependency".to_owned(), properties })
    };
    needs.iter().enumerate().map(group).collect()
}
