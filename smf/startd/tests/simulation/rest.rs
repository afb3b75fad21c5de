//! rest.rs - what must be true of a world at rest: states follow from the configuration, what is
//! told is what is, and nothing lives that should not.

use smf_startd::config::MASTER;
use smf_startd::state::State;
use smf_startd::store::View as Which;

use crate::oracle::View;
use crate::reality::Reality;
use crate::rules;
use crate::world::World;

impl World {
    /// What holds when nothing is under way.
    pub fn at_rest(&mut self) -> Result<(), String> {
        self.shared.borrow().rules.owed()?;
        self.milestone()?;
        let view = self.shared.borrow_mut().view();
        let instances = self.shared.borrow_mut().disk.instances().unwrap_or_default();
        for fmri in instances {
            let engine = self.engine.as_ref().ok_or("there is no engine")?;
            let live = self.shared.borrow_mut().disk.groups(&fmri, Which::Live);
            let live = live.ok().flatten().unwrap_or_default();
            if rules::enabled(&live).is_none() {
                continue;
            }
            let outside = self.shared.borrow().rules.seen.get(&fmri).is_some_and(|one| one.outside);
            if outside && rules::enabled(&live) == Some(true) {
                return Err(format!("{fmri} is in no milestone and is to run"));
            }
            let Some(state) = engine.state(&fmri) else {
                return Err(format!("{fmri} is not managed"));
            };
            let told = |name: &str| live.get("restarter").and_then(|group| group.first(name));
            if told("state") != Some(state.name()) || told("next_state") != Some("none") {
                let (now, next) = (told("state"), told("next_state"));
                return Err(format!("{fmri} is {state}, the repository says {now:?} {next:?}"));
            }
            self.right(&view, &fmri, state).map_err(|why| format!("{fmri} is {state}: {why}"))?;
            self.processes(&fmri, state)?;
        }
        Ok(())
    }

    /// The engine went where it was told to go.
    fn milestone(&self) -> Result<(), String> {
        let live = self.shared.borrow_mut().disk.groups(MASTER, Which::Live).ok().flatten();
        let live = live.unwrap_or_default();
        let told = |group: &str| live.get(group).and_then(|group| group.first("milestone"));
        let reality = self.shared.borrow();
        let major = reality.rules.restraint.milestone();
        let named = told("options_ovr").filter(|name| matches!(*name, "all" | "none"));
        let (wanted, reached) = (named.or(major), told("restarter").unwrap_or("all"));
        match wanted.filter(|wanted| *wanted != reached) {
            None => Ok(()),
            Some(wanted) => Err(format!("milestone {wanted} was ordered, reached is {reached}")),
        }
    }

    fn right(&self, view: &View, fmri: &str, state: State) -> Result<(), String> {
        let reality = self.shared.borrow();
        let Some(seen) = reality.rules.seen.get(fmri) else { return Err("never seen".into()) };
        let known = view.instances.get(fmri).ok_or("unknown")?;
        match (state, known.enabled) {
            (State::Disabled, false) => Ok(()),
            (State::Offline, true) if view.satisfied(fmri) => {
                Err(format!("all its dependencies are satisfied: {:?}", known.needs))
            }
            (State::Offline, true) => Ok(()),
            (State::Online | State::Degraded, true) => {
                let wrong = known.needs.iter().find(|need| {
                    let files = need.entities.iter().any(|entity| entity.starts_with("file:"));
                    let strict = match need.grouping {
                        "require_all" | "require_any" => {
                            matches!(need.level, "restart" | "refresh")
                        }
                        grouping => grouping == "exclude_all",
                    };
                    // One that is excluded and has no state yet stops nobody.
                    let stateless = need.entities.iter().any(|entity| {
                        let meant = view.meant(entity).into_iter();
                        meant
                            .filter_map(|fmri| view.instances.get(fmri))
                            .any(|one| one.state == State::Uninitialized)
                    });
                    let stateless = need.grouping == "exclude_all" && !files && stateless;
                    strict && !files && !stateless && !seen.changed && view.group(need) != 1
                });
                wrong.map_or(Ok(()), |need| Err(format!("{need:?} is not satisfied")))
            }
            (State::Maintenance, _) => self.justified(&reality, fmri),
            (State::Disabled | State::Offline | State::Online | State::Degraded, enabled) => {
                Err(format!("enabled is {enabled}"))
            }
            (State::Uninitialized, _) if reality.delegated.contains(fmri) => Ok(()),
            (State::None | State::Uninitialized, _) => Err("no state to rest in".to_owned()),
        }
    }

    /// In maintenance only for a reason that there was.
    fn justified(&self, reality: &Reality, fmri: &str) -> Result<(), String> {
        let seen = reality.rules.seen.get(fmri).ok_or("never seen")?;
        let can = reality.unstoppable.contains(fmri);
        let reason = match seen.aux.as_str() {
            // What the disk did not take is done again by the next engine.
            _ if reality.rules.disk_refused => true,
            "method_failed" => seen.failures > 0 || can,
            "fault_threshold_reached" => seen.failures > 0,
            // The fifth is stamped and not run; one that could not be spawned is stamped too.
            "restarting_too_quickly" => seen.starts + seen.failures >= 4,
            "administrative_request" | "service_request" => seen.marks > 0,
            // There was one when it was found (rules.rs), and it stays until it is cleared.
            "dependency_cycle" => true,
            _ => false,
        };
        let known = format!("{} failures, {} starts", seen.failures, seen.starts);
        if reason { Ok(()) } else { Err(format!("no reason to be: {} ({known})", seen.aux)) }
    }

    fn processes(&self, fmri: &str, state: State) -> Result<(), String> {
        let reality = self.shared.borrow();
        let living = reality.kernel.processes.values().find(|process| {
            let one = reality.kernel.contracts.get(&process.contract);
            process.fmri == fmri && one.is_some_and(|one| !one.abandoned)
        });
        match (state, living) {
            (State::Disabled | State::Offline, Some(process)) => {
                Err(format!("{fmri} is {state} and has a process in {}", process.contract))
            }
            (_, Some(process)) if process.method.is_some() => {
                let child = reality.kernel.wait_services.contains(fmri);
                if child { Ok(()) } else { Err(format!("{fmri}: a method lives")) }
            }
            (_, Some(_) | None) => Ok(()),
        }
    }

    /// The administrator clears what is in maintenance.
    pub fn repair(&mut self) -> Result<(), String> {
        let seen: Vec<String> = self.shared.borrow().rules.seen.keys().cloned().collect();
        for fmri in seen {
            let state = self.engine.as_ref().and_then(|engine| engine.state(&fmri));
            if state == Some(State::Maintenance) {
                self.stamp += 1;
                let stamp = self.stamp.to_string();
                let path = "restarter_actions/maint_off";
                self.shared.borrow_mut().disk.put(&fmri, path, "integer", &[&stamp]);
            }
        }
        self.turn()
    }

    /// Cleared, and with methods that work, only what cannot be is in maintenance.
    pub fn repaired(&mut self) -> Result<(), String> {
        let reality = self.shared.borrow();
        for (fmri, seen) in &reality.rules.seen {
            // The starts before count as well, where it was not this one that was cleared.
            let starts = seen.aux == "restarting_too_quickly";
            let excused =
                starts || seen.aux == "dependency_cycle" || reality.unstoppable.contains(fmri);
            if seen.state == State::Maintenance && !excused {
                return Err(format!("{fmri} is in maintenance again: {}", seen.aux));
            }
        }
        Ok(())
    }
}
