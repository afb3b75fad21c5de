//! enable.rs - svcadm enable, and -r: what is required is enabled as well.
//!
//! The walk follows require_all, and require_any where there is no choice.  Optional and excluded
//! services and files are left alone.

use smf_cmd::instance::{Dependency, Instance};
use smf_cmd::operand::{self, service_of};

use crate::World;
use crate::order::{OrderError, Wish, wish};

/// Enables an instance.
pub fn enable(
    world: &mut World,
    fmri: &str,
    recursive: bool,
    temporary: bool,
) -> Result<(), OrderError> {
    if !recursive {
        return wish(world, fmri, Wish::Enabled, temporary);
    }
    let mut order = Vec::new();
    collect(world, fmri, &mut Vec::new(), &mut order)?;
    order.iter().try_for_each(|fmri| wish(world, fmri, Wish::Enabled, temporary))
}

/// The instance and all it requires, itself first.
fn collect(
    world: &mut World,
    fmri: &str,
    path: &mut Vec<String>,
    order: &mut Vec<String>,
) -> Result<(), OrderError> {
    if path.iter().any(|before| before == fmri) {
        return Err(OrderError::Refused(format!("{fmri}: Dependency cycle detected.")));
    }
    if order.iter().any(|before| before == fmri) {
        return Ok(());
    }
    order.push(fmri.to_owned());
    path.push(fmri.to_owned());
    let instance = Instance::read(&mut world.repository, fmri)?;
    let restarter = instance.restarter().to_owned();
    // The master restarter is enabled by being there.
    if restarter != "svc:/system/svc/restarter:default" {
        collect(world, &restarter, path, order)?;
    }
    for dependency in instance.dependencies().iter().filter(|dependency| !dependency.path) {
        for member in required(world, fmri, dependency)? {
            collect(world, &member, path, order)?;
        }
    }
    path.pop();
    Ok(())
}

fn required(world: &World, fmri: &str, dependency: &Dependency) -> Result<Vec<String>, OrderError> {
    let mut members = Vec::new();
    for entity in &dependency.entities {
        let Some(name) = operand::canonical(entity) else { continue };
        if operand::is_instance(&name) {
            let there = world.entities.get(service_of(&name));
            members.extend(there.and_then(|all| all.contains(&name).then_some(name)));
            continue;
        }
        match world.entities.get(&name).map_or(&[][..], Vec::as_slice) {
            [] => {}
            [one] => members.push(one.clone()),
            several @ [_, ..] => {
                if dependency.grouping == "require_all" {
                    let text = format!("{fmri} depends on {name}, which has multiple instances.");
                    return Err(OrderError::Refused(text));
                }
                members.extend(several.iter().cloned());
            }
        }
    }
    match dependency.grouping.as_str() {
        "require_all" => Ok(members),
        "require_any" if members.len() <= 1 => Ok(members),
        "require_any" => {
            println!("{fmri} requires one of:");
            for member in &members {
                println!("  {member}");
            }
            Ok(Vec::new())
        }
        _ => Ok(Vec::new()),
    }
}
