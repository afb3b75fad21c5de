//! depend.rs - svcs -d and -D: what an instance depends on, and what depends on it.
//!
//! Both read the running snapshots.  Exclusions are not dependencies to list.

use smf_cmd::instance::Instance;
use smf_cmd::operand::{self, Entities, Wanted, service_of};
use smf_cmd::repository::RepositoryError;

use crate::World;

/// The instances an entity of a dependency stands for.
pub fn members(entity: &str, entities: &Entities) -> Vec<String> {
    let Some(fmri) = operand::canonical(entity) else { return Vec::new() };
    if operand::is_instance(&fmri) {
        let there = entities.get(service_of(&fmri)).is_some_and(|all| all.contains(&fmri));
        return if there { vec![fmri] } else { Vec::new() };
    }
    entities.get(&fmri).cloned().unwrap_or_default()
}

/// What these instances depend on, each once.
pub fn dependencies(
    world: &mut World,
    instances: &[Instance],
) -> Result<Vec<Instance>, RepositoryError> {
    let mut found: Vec<String> = Vec::new();
    for dependency in instances.iter().flat_map(Instance::dependencies) {
        if dependency.grouping == "exclude_all" {
            continue;
        }
        // A file is not listed, but counts as a failure unless a service follows.
        world.failed |= dependency.path && !dependency.entities.is_empty();
        for fmri in dependency.entities.iter().flat_map(|entity| members(entity, &world.entities)) {
            world.failed &= dependency.path;
            if !found.contains(&fmri) {
                found.push(fmri);
            }
        }
    }
    world.read(found.iter())
}

/// What depends on what the operands name.
pub fn dependents(
    world: &mut World,
    operands: &[String],
) -> Result<Vec<Instance>, RepositoryError> {
    // A service is meant as a service here: only dependencies on the service count then.
    let mut targets: Vec<String> = Vec::new();
    for operand in operands {
        let found = operand::find(operand, Wanted::Services, &world.entities)
            .or_else(|_| operand::find(operand, Wanted::Instances, &world.entities));
        match found {
            Ok(matched) => {
                for fmri in matched.fmris {
                    if operand::is_instance(&fmri) {
                        targets.push(service_of(&fmri).to_owned());
                    }
                    targets.push(fmri);
                }
            }
            Err(_) => {
                eprintln!("svcs: {}", operand::no_match(operand, Wanted::Either));
                world.failed = true;
            }
        }
    }
    let every = world.every()?;
    let depends = |instance: &Instance| {
        let dependencies = instance.dependencies();
        let wanted = dependencies.iter().filter(|d| !d.path && d.grouping != "exclude_all");
        let mut entities = wanted.flat_map(|d| d.entities.iter());
        entities.any(|e| operand::canonical(e).is_some_and(|fmri| targets.contains(&fmri)))
    };
    Ok(every.into_iter().filter(depends).collect())
}
