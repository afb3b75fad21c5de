//! enable.rs - svcadm enable -r: what is required is enabled as well.
//!
//! The walk follows the restarter, require_all, and require_any where there is no choice.  Optional
//! and excluded services and files are left alone.  What the walk came to before something was
//! found wrong is enabled all the same.

use std::collections::{HashMap, HashSet};

use smf_cmd::instance::{Dependency, Depth, Instance, MASTER_RESTARTER};
use smf_cmd::operand::{self, Entities, service_of};
use smf_cmd::repository::RepositoryError;

use crate::World;
use crate::misconfigured;
use crate::order::{self, Deed, Told, Wish};

/// What an FMRI of a dependency comes to.
enum Target {
    /// An instance, or the only one of a service.
    One(String),
    Several,
    /// Nothing that can be enabled; why not.
    Nothing(String),
    Invalid,
}

fn target(entity: &str, entities: &Entities) -> Target {
    if entity.starts_with("lrc:") {
        return Target::Nothing(format!("FMRI \"{entity}\" is a legacy service."));
    }
    let Some(fmri) = operand::valid(entity) else { return Target::Invalid };
    let instances = entities.get(service_of(&fmri)).map_or(&[][..], Vec::as_slice);
    if operand::is_instance(&fmri) {
        return match operand::is_there(&fmri, entities) {
            true => Target::One(fmri),
            false => Target::Nothing(format!("No such instance \"{fmri}\".")),
        };
    }
    match instances {
        [one] => Target::One(one.clone()),
        [_, ..] => Target::Several,
        [] if entities.contains_key(&fmri) => {
            Target::Nothing(format!("Service \"{fmri}\" has no instances."))
        }
        [] => Target::Nothing(format!("No such service \"{fmri}\".")),
    }
}

/// A step of the walk.
enum Step {
    Enter(String),
    Leave(String),
    /// Done when the walk comes to it.
    Do(Deed<'static>),
}

impl Step {
    fn say(text: String, fails: bool) -> Self {
        Step::Do(Deed::Say { text, fails })
    }
}

/// Enables instances and all they require, each once.
pub fn recursively(
    world: &mut World,
    fmris: &[String],
    wish: &Wish,
) -> Result<(), RepositoryError> {
    let entities = &world.entities;
    let known =
        Instance::within_reach(&mut world.repository, fmris, Depth::Requirements, |instance| {
            let enters = |step| match step {
                Step::Enter(fmri) => Some(fmri),
                Step::Leave(_) | Step::Do(_) => None,
            };
            required(instance, entities).into_iter().filter_map(enters).collect()
        })?;
    let mut walk = Walk { known, entities, wish, seen: HashSet::new(), deeds: Vec::new() };
    fmris.iter().for_each(|fmri| walk.from(fmri));
    let deeds = walk.deeds;
    order::carry_out(world, &deeds)
}

/// What is to be done is found out first, and then done many at a time.
struct Walk<'e, 'w> {
    known: HashMap<String, Instance>,
    entities: &'e Entities,
    wish: &'w Wish,
    seen: HashSet<String>,
    deeds: Vec<Deed<'w>>,
}

impl Walk<'_, '_> {
    fn from(&mut self, fmri: &str) {
        let mut active = HashSet::new();
        let mut left = vec![Step::Enter(fmri.to_owned())];
        while let Some(step) = left.pop() {
            match step {
                Step::Do(deed) => self.deeds.push(deed),
                Step::Leave(member) => {
                    active.remove(&member);
                }
                Step::Enter(member) if active.contains(&member) => {
                    let text = format!("{fmri}: Dependency cycle detected.");
                    self.deeds.push(Deed::Say { text, fails: true });
                    return;
                }
                Step::Enter(member) if !self.seen.insert(member.clone()) => {}
                Step::Enter(member) => {
                    self.deeds.push(Deed::Tell(member.clone(), Told::Wish(self.wish)));
                    // One that is gone is found to be so when it is told.
                    let found = self.known.get(&member);
                    let steps = found.map(|one| required(one, self.entities)).unwrap_or_default();
                    active.insert(member.clone());
                    left.push(Step::Leave(member));
                    left.extend(steps.into_iter().rev());
                }
            }
        }
    }
}

/// Where the walk goes from an instance, in order.
fn required(instance: &Instance, entities: &Entities) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(text) = misconfigured::restarter(instance) {
        return vec![Step::say(text, false)];
    }
    // The master restarter is enabled by being there.
    let fmri = &instance.fmri;
    match instance.general("restarter").filter(|restarter| *restarter != MASTER_RESTARTER) {
        None => {}
        Some(restarter) => steps.push(match target(restarter, entities) {
            Target::One(restarter) => Step::Enter(restarter),
            Target::Nothing(text) => Step::say(text, true),
            Target::Invalid => {
                Step::say(format!("Restarter FMRI for \"{fmri}\" is invalid."), false)
            }
            Target::Several => {
                let text = "identifies a service with multiple instances.";
                Step::say(format!("Restarter FMRI for \"{fmri}\" {text}"), false)
            }
        }),
    }
    for dependency in &instance.dependencies() {
        let group = instance.running.get(&dependency.name);
        if let Some(text) =
            group.and_then(|group| misconfigured::dependency(fmri, &dependency.name, group))
        {
            steps.push(Step::say(text, false));
            continue;
        }
        if dependency.kind != "service" {
            continue;
        }
        match dependency.grouping.as_str() {
            "exclude_all" | "optional_all" => {}
            "require_any" if is_choice(dependency, entities, &mut steps) => {
                let show = |text| Step::Do(Deed::Show(text));
                steps.push(show(format!("{fmri} requires one of:")));
                steps.extend(dependency.entities.iter().map(|one| show(format!("  {one}"))));
            }
            "require_all" | "require_any" => {
                let of = |entity: &String| member(fmri, dependency, entity, entities);
                steps.extend(dependency.entities.iter().map(of));
            }
            other => {
                let name = &dependency.name;
                let text =
                    format!("Dependency \"{name}\" of \"{fmri}\" has unknown type \"{other}\".");
                steps.push(Step::say(text, false));
            }
        }
    }
    steps
}

/// Whether more than one instance would do; what cannot be counted is said.
fn is_choice(dependency: &Dependency, entities: &Entities, steps: &mut Vec<Step>) -> bool {
    let mut count = 0;
    for entity in &dependency.entities {
        match target(entity, entities) {
            Target::One(_) => count += 1,
            Target::Several => count = 2,
            Target::Nothing(text) => steps.push(Step::say(text, true)),
            Target::Invalid => {
                let text = format!("FMRI \"{entity}\" is invalid.");
                steps.push(Step::say(text, true));
            }
        }
        if count > 1 {
            return true;
        }
    }
    false
}

fn member(fmri: &str, dependency: &Dependency, entity: &str, entities: &Entities) -> Step {
    match target(entity, entities) {
        Target::One(fmri) => Step::Enter(fmri),
        Target::Nothing(text) => Step::say(text, true),
        Target::Invalid => {
            let name = &dependency.name;
            let text =
                format!("\"{name}\" dependency of \"{fmri}\" has invalid FMRI \"{entity}\".");
            Step::say(text, false)
        }
        Target::Several => {
            let text = format!("{fmri} depends on {entity}, which has multiple instances.");
            Step::say(text, false)
        }
    }
}
