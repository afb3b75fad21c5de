//! enable.rs - svcadm enable -r: what is required is enabled as well.
//!
//! The walk follows the restarter, require_all, and require_any where there is no choice.  Optional
//! and excluded services and files are left alone.  Each instance is enabled when the walk comes to
//! it, so what was enabled before something was found wrong stays enabled.

use std::collections::HashSet;

use smf_cmd::instance::{Dependency, Instance, MASTER_RESTARTER};
use smf_cmd::operand::{self, Entities, service_of};
use smf_cmd::repository::RepositoryError;

use crate::World;
use crate::order::{self, Wish};

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
        return match instances.contains(&fmri) {
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
    /// Said when the walk comes to it.
    Say {
        text: String,
        fails: bool,
    },
}

/// Enables an instance and all it requires.
pub fn recursively(world: &mut World, fmri: &str, wish: &Wish) -> Result<(), RepositoryError> {
    let (mut seen, mut active) = (HashSet::new(), HashSet::new());
    let mut left = vec![Step::Enter(fmri.to_owned())];
    while let Some(step) = left.pop() {
        match step {
            Step::Say { text, fails: true } => world.complain(&text),
            Step::Say { text, fails: false } => eprintln!("svcadm: {text}"),
            Step::Leave(member) => {
                active.remove(&member);
            }
            Step::Enter(member) if active.contains(&member) => {
                world.complain(&format!("{fmri}: Dependency cycle detected."));
                return Ok(());
            }
            Step::Enter(member) if !seen.insert(member.clone()) => {}
            Step::Enter(member) => {
                order::wish(world, &member, wish)?;
                let steps = match Instance::read(&mut world.repository, &member) {
                    Ok(instance) => required(&instance, &world.entities),
                    // Deleted, and that was said.
                    Err(RepositoryError::NotFound(_)) => Vec::new(),
                    Err(error) => return Err(error),
                };
                active.insert(member.clone());
                left.push(Step::Leave(member));
                left.extend(steps.into_iter().rev());
            }
        }
    }
    Ok(())
}

/// Where the walk goes from an instance, in order.
fn required(instance: &Instance, entities: &Entities) -> Vec<Step> {
    let mut steps = Vec::new();
    // The master restarter is enabled by being there.
    let fmri = &instance.fmri;
    match instance.general("restarter").filter(|restarter| *restarter != MASTER_RESTARTER) {
        None => {}
        Some(restarter) => steps.push(match target(restarter, entities) {
            Target::One(restarter) => Step::Enter(restarter),
            Target::Nothing(text) => Step::Say { text, fails: true },
            Target::Invalid => Step::Say {
                text: format!("Restarter FMRI for \"{fmri}\" is invalid."),
                fails: false,
            },
            Target::Several => {
                let text = "identifies a service with multiple instances.";
                Step::Say { text: format!("Restarter FMRI for \"{fmri}\" {text}"), fails: false }
            }
        }),
    }
    for dependency in instance.dependencies().iter().filter(|d| d.kind == "service") {
        match dependency.grouping.as_str() {
            "exclude_all" | "optional_all" => {}
            "require_any" if is_choice(dependency, entities, &mut steps) => {
                println!("{fmri} requires one of:");
                dependency.entities.iter().for_each(|entity| println!("  {entity}"));
            }
            "require_all" | "require_any" => {
                let of = |entity: &String| member(fmri, dependency, entity, entities);
                steps.extend(dependency.entities.iter().map(of));
            }
            other => {
                let name = &dependency.name;
                let text =
                    format!("Dependency \"{name}\" of \"{fmri}\" has unknown type \"{other}\".");
                steps.push(Step::Say { text, fails: false });
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
            Target::Nothing(text) => steps.push(Step::Say { text, fails: true }),
            Target::Invalid => {
                let text = format!("FMRI \"{entity}\" is invalid.");
                steps.push(Step::Say { text, fails: true });
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
        Target::Nothing(text) => Step::Say { text, fails: true },
        Target::Invalid => {
            let name = &dependency.name;
            let text =
                format!("\"{name}\" dependency of \"{fmri}\" has invalid FMRI \"{entity}\".");
            Step::Say { text, fails: false }
        }
        Target::Several => {
            let text = format!("{fmri} depends on {entity}, which has multiple instances.");
            Step::Say { text, fails: false }
        }
    }
}
