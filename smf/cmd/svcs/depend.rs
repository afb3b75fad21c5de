//! depend.rs - svcs -d and -D: what an instance depends on, and what depends on it.
//!
//! Both read the running snapshots.  Exclusions are not dependencies to list.

use smf_cmd::instance::{Dependency, Depth, Instance};
use smf_cmd::operand::{self, Entities, Wanted, service_of};
use smf_cmd::repository::RepositoryError;

use crate::options::Options;
use crate::row::Row;
use crate::world::World;

/// The instances an entity of a dependency stands for.
pub fn members(entity: &str, entities: &Entities) -> Vec<String> {
    let Some(fmri) = operand::canonical(entity) else { return Vec::new() };
    if operand::is_instance(&fmri) {
        let there = operand::is_there(&fmri, entities);
        return if there { vec![fmri] } else { Vec::new() };
    }
    entities.get(&fmri).cloned().unwrap_or_default()
}

/// Dependencies that are no exclusions.
fn wanted(instance: &Instance) -> impl Iterator<Item = Dependency> {
    instance.dependencies().into_iter().filter(|dependency| dependency.grouping != "exclude_all")
}

/// What the operands depend on, each once.
pub fn dependencies(world: &mut World, options: &Options) -> Result<Vec<Row>, RepositoryError> {
    let chosen = world.chosen(&options.operands, Depth::Dependencies)?;
    let entities = world.entities()?;
    let mut found = Vec::new();
    // A file is nothing that could be listed, and no failure.
    let services = chosen.iter().flat_map(wanted).filter(|dependency| !dependency.is_path());
    for entity in services.flat_map(|dependency| dependency.entities) {
        for fmri in members(&entity, entities) {
            if !found.contains(&fmri) {
                found.push(fmri);
            }
        }
    }
    let states = crate::rows(world, options, Some(&found))?;
    Ok(states.into_iter().map(Row::of).collect())
}

/// What depends on what the operands name.
pub fn dependents(world: &mut World, options: &Options) -> Result<Vec<Row>, RepositoryError> {
    // A service is meant as a service here: only dependencies on the service count then.  An
    // instance is depended on by whoever depends on its service, too.
    let mut targets: Vec<String> = Vec::new();
    for name in &options.operands {
        match operand::find(name, Wanted::ServiceFirst, world.entities()?) {
            Ok(matched) => {
                for fmri in matched.fmris {
                    if operand::is_instance(&fmri) {
                        targets.push(service_of(&fmri).to_owned());
                    }
                    targets.push(fmri);
                }
            }
            Err(message) => world.complain(&message),
        }
    }
    let depends = |instance: &Instance| {
        let mut entities = wanted(instance).flat_map(|dependency| dependency.entities);
        entities.any(|e| operand::canonical(&e).is_some_and(|fmri| targets.contains(&fmri)))
    };
    let every = Instance::every(&mut world.repository, Depth::Dependencies)?;
    let found: Vec<String> = every.into_iter().filter(depends).map(|one| one.fmri).collect();
    let states = crate::rows(world, options, Some(&found))?;
    Ok(states.into_iter().map(Row::of).collect())
}
