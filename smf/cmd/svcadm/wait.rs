//! wait.rs - svcadm -s: waiting for what becomes of an order.
//!
//! Each wait sleeps until the restarter's group changes.  An order can also be undone or become
//! hopeless by what happens to others, which changes no property of this instance; so every three
//! seconds at the latest everything is looked at again, as the original does.

use std::time::Duration;

use smf_cmd::instance::{Dependency, Instance};
use smf_cmd::operand::{self, service_of};
use smf_cmd::repository::RepositoryError;

use crate::World;

/// The longest sleep between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// The instance did not get there.
const UNREACHED: u8 = 3;
/// Dependencies or the restarter keep it from getting there.
const HOPELESS: u8 = 4;

/// Worse of two: 3 counts more than 4.
fn worse(a: u8, b: u8) -> u8 {
    match (a, b) {
        (UNREACHED, _) | (_, UNREACHED) => UNREACHED,
        _ => a.max(b),
    }
}

/// Waits until each instance is online or degraded, or never will be.
pub fn enabled(world: &mut World, fmris: &[String]) -> Result<u8, RepositoryError> {
    let mut status = 0;
    for fmri in fmris {
        let ended = wait(world, fmri, |world, instance| {
            let fmri = &instance.fmri;
            if instance.runs() {
                return Ok(Some(0));
            }
            if instance.state() == Some("maintenance") && instance.next_state().is_none() {
                eprintln!("svcadm: Instance \"{fmri}\" is in maintenance state.");
                return Ok(Some(UNREACHED));
            }
            if instance.effectively_enabled() == Some(false) {
                eprintln!("svcadm: Instance \"{fmri}\" has been disabled by another entity.");
                return Ok(Some(UNREACHED));
            }
            if !satisfiable(world, instance, &mut Vec::new())? {
                eprintln!("svcadm: Instance \"{fmri}\" has unsatisfied dependencies.");
                return Ok(Some(HOPELESS));
            }
            Ok(None)
        })?;
        status = worse(status, ended);
    }
    Ok(status)
}

/// Waits until each instance is disabled.
pub fn disabled(world: &mut World, fmris: &[String]) -> Result<u8, RepositoryError> {
    let mut status = 0;
    for fmri in fmris {
        let ended = wait(world, fmri, |world, instance| {
            if instance.state() == Some("disabled") && instance.next_state().is_none() {
                return Ok(Some(0));
            }
            if instance.effectively_enabled() == Some(true) {
                let fmri = &instance.fmri;
                eprintln!("svcadm: Instance \"{fmri}\" has been enabled by another entity.");
                return Ok(Some(UNREACHED));
            }
            let restarter = instance.restarter();
            if restarter != "svc:/system/svc/restarter:default" {
                let there = read(world, restarter)?;
                if !there.is_some_and(|restarter| restarter.runs()) {
                    let fmri = &instance.fmri;
                    eprintln!("svcadm: Restarter for instance \"{fmri}\" is unavailable.");
                    return Ok(Some(HOPELESS));
                }
            }
            Ok(None)
        })?;
        status = worse(status, ended);
    }
    Ok(status)
}

fn read(world: &mut World, fmri: &str) -> Result<Option<Instance>, RepositoryError> {
    match Instance::read(&mut world.repository, fmri) {
        Ok(instance) => Ok(Some(instance)),
        Err(RepositoryError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn wait(
    world: &mut World,
    fmri: &str,
    mut look: impl FnMut(&mut World, &Instance) -> Result<Option<u8>, RepositoryError>,
) -> Result<u8, RepositoryError> {
    loop {
        // Taken before the look, so that a change in between is not slept through.
        let mark = world.repository.mark()?;
        let Some(instance) = read(world, fmri)? else {
            eprintln!("svcadm: Instance \"{fmri}\" has been deleted.");
            return Ok(UNREACHED);
        };
        if let Some(status) = look(world, &instance)? {
            return Ok(status);
        }
        world.repository.wait_since(mark, LOOK_AGAIN)?;
    }
}

/// Whether the dependencies of an instance can be met at all, as things are configured.
fn satisfiable(
    world: &mut World,
    instance: &Instance,
    path: &mut Vec<String>,
) -> Result<bool, RepositoryError> {
    if path.contains(&instance.fmri) {
        return Ok(true);
    }
    path.push(instance.fmri.clone());
    for dependency in instance.dependencies() {
        if !dependency.path && !dependency_satisfiable(world, &dependency, path)? {
            return Ok(false);
        }
    }
    path.pop();
    Ok(true)
}

fn dependency_satisfiable(
    world: &mut World,
    dependency: &Dependency,
    path: &mut Vec<String>,
) -> Result<bool, RepositoryError> {
    let mut any = dependency.entities.is_empty();
    for entity in &dependency.entities {
        let Some(name) = operand::canonical(entity) else { return Ok(false) };
        let members = if operand::is_instance(&name) {
            let there = world.entities.get(service_of(&name)).is_some_and(|a| a.contains(&name));
            if there { Some(vec![name]) } else { None }
        } else {
            world.entities.get(&name).cloned()
        };
        // What is not there is no obstacle, but for an exclusion.
        let Some(members) = members else {
            if dependency.grouping == "exclude_all" {
                return Ok(false);
            }
            any = true;
            continue;
        };
        let mut good = false;
        let mut running = false;
        for member in members {
            let Some(member) = read(world, &member)? else { continue };
            running |= member.runs();
            good |= can_run(world, &member, path)?;
        }
        match dependency.grouping.as_str() {
            "require_all" if !good => return Ok(false),
            "exclude_all" if running => return Ok(false),
            _ => any |= good,
        }
    }
    Ok(dependency.grouping != "require_any" || any)
}

fn can_run(
    world: &mut World,
    member: &Instance,
    path: &mut Vec<String>,
) -> Result<bool, RepositoryError> {
    if member.runs() {
        return Ok(true);
    }
    if member.effectively_enabled() != Some(true) || member.state() == Some("maintenance") {
        return Ok(false);
    }
    satisfiable(world, member, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_beats_four() {
        for (a, b, expected) in [(0, 0, 0), (0, 4, 4), (4, 3, 3), (3, 4, 3), (3, 0, 3)] {
            assert_eq!(worse(a, b), expected);
        }
    }
}
