//! oracle.rs - what the states of a settled world must be, from its configuration alone.
//!
//! Written from the tables of the manual pages smf(7) and svc.startd(8), not from the engine: values
//! are -1 (never without the administrator), 0 (not now), 1 (satisfied), as the tables have them.

use std::collections::{BTreeMap, BTreeSet};

use smf_startd::state::State;

use crate::plan::Need;

/// A managed instance as the world has it.
#[derive(Debug, Clone)]
pub struct Known {
    pub state: State,
    pub enabled: bool,
    pub needs: Vec<Need>,
}

/// The world, as dependencies see it.
#[derive(Debug, Default)]
pub struct View {
    pub instances: BTreeMap<String, Known>,
    pub files: BTreeSet<String>,
    /// Who runs and is not enabled is being disabled, and has the value -1.
    pub disabling: bool,
}

impl View {
    /// As if nobody were to be enabled whom the engine has told to be disabled.
    pub fn without_disabled(&mut self) {
        for known in self.instances.values_mut() {
            known.enabled &= known.state != State::Disabled;
        }
    }

    /// As if those who wait for files, but for this one, had not heard of any.
    pub fn without_files(&mut self, fmri: &str) {
        let names_file = |need: &Need| need.entities.iter().any(|on| on.starts_with("file:"));
        for (name, known) in &mut self.instances {
            let waits = known.state == State::Offline && known.needs.iter().any(names_file);
            if waits && name != fmri {
                known.state = State::Maintenance;
            }
        }
    }

    /// The value of one group for an instance.
    pub fn group(&self, need: &Need) -> i32 {
        self.value(need, false, &mut Vec::new())
    }

    /// Whether all its groups are satisfied.
    pub fn satisfied(&self, fmri: &str) -> bool {
        let Some(known) = self.instances.get(fmri) else { return false };
        known.needs.iter().all(|need| self.group(need) == 1)
    }

    /// The instances an entity stands for.
    pub fn meant<'a>(&'a self, entity: &'a str) -> Vec<&'a str> {
        if entity["svc:/".len()..].contains(':') {
            return vec![entity];
        }
        let prefix = format!("{entity}:");
        let all = self.instances.keys().map(String::as_str);
        all.filter(|fmri| fmri.starts_with(&prefix)).collect()
    }

    /// Whether what an instance depends on leads back to it, exclusions not followed.
    pub fn cyclic(&self, fmri: &str) -> bool {
        let mut seen = Vec::new();
        let mut rest = vec![fmri.to_owned()];
        while let Some(next) = rest.pop() {
            let needs = self.instances.get(&next).map_or(&[][..], |known| &known.needs);
            for need in needs.iter().filter(|need| need.grouping != "exclude_all") {
                let named = need.entities.iter().filter(|entity| !entity.starts_with("file:"));
                for other in named.flat_map(|entity| self.meant(entity)) {
                    if other == fmri {
                        return true;
                    }
                    if !seen.contains(&other.to_owned()) {
                        seen.push(other.to_owned());
                        rest.push(other.to_owned());
                    }
                }
            }
        }
        false
    }

    fn value(&self, need: &Need, ever: bool, path: &mut Vec<String>) -> i32 {
        let mut of = Vec::new();
        for entity in &need.entities {
            let file = entity.strip_prefix("file:").map(|path| self.files.contains(path));
            of.push(match (need.grouping, file) {
                ("exclude_all", Some(there)) => {
                    if there {
                        -1
                    } else {
                        1
                    }
                }
                (_, Some(there)) => {
                    if there {
                        1
                    } else {
                        -1
                    }
                }
                ("exclude_all", None) => {
                    let all = self.meant(entity);
                    all.into_iter().map(|fmri| self.excluded(fmri)).min().unwrap_or(1)
                }
                ("optional_all", None) => {
                    let all = self.meant(entity);
                    all.into_iter().map(|fmri| self.optional(fmri, path)).min().unwrap_or(1)
                }
                (_, None) => {
                    let all = self.meant(entity);
                    all.into_iter().map(|fmri| self.instance(fmri, ever, path)).max().unwrap_or(-1)
                }
            });
        }
        let result = if need.grouping == "require_any" { of.iter().max() } else { of.iter().min() };
        result.copied().unwrap_or(1)
    }

    fn instance(&self, fmri: &str, ever: bool, path: &mut Vec<String>) -> i32 {
        let Some(known) = self.instances.get(fmri) else { return -1 };
        match known.state {
            State::Online | State::Degraded if self.disabling && !known.enabled => -1,
            State::Online | State::Degraded => 1,
            State::Maintenance => -1,
            State::Disabled if ever && !known.enabled => -1,
            State::Offline if ever => {
                if path.iter().any(|on| on == fmri) {
                    return 0;
                }
                path.push(fmri.to_owned());
                let own = known.needs.iter().map(|need| self.value(need, true, path)).min();
                path.pop();
                if own == Some(-1) { -1 } else { 0 }
            }
            State::Disabled | State::Offline | State::Uninitialized | State::None => 0,
        }
    }

    fn optional(&self, fmri: &str, path: &mut Vec<String>) -> i32 {
        let Some(known) = self.instances.get(fmri) else { return 1 };
        match known.state {
            State::Maintenance | State::Online | State::Degraded => 1,
            State::Offline | State::Disabled if self.instance(fmri, true, path) == -1 => 1,
            State::Offline | State::Disabled | State::Uninitialized | State::None => 0,
        }
    }

    fn excluded(&self, fmri: &str) -> i32 {
        match self.instances.get(fmri).map(|known| known.state) {
            None | Some(State::Disabled | State::Maintenance) => 1,
            Some(State::Online | State::Degraded) => -1,
            Some(State::Offline | State::Uninitialized | State::None) => 0,
        }
    }
}
