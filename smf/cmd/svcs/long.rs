//! long.rs - svcs -l: everything about an instance, one label per line.

use std::io::Write;
use std::path::Path;

use smf_cmd::clock;
use smf_cmd::instance::Instance;
use smf_cmd::operand;

use crate::World;
use crate::processes;

/// Prints the instances, a blank line between them.
pub fn print(
    world: &mut World,
    instances: &[Instance],
    with_processes: bool,
    verbose: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    for (position, instance) in instances.iter().enumerate() {
        if position > 0 {
            writeln!(out)?;
        }
        print_one(world, instance, out)?;
        if with_processes {
            for process in processes::of(instance) {
                line(out, "process", &format!("{} {}", process.pid, process.arguments))?;
            }
        }
        if verbose {
            application(instance, out)?;
        }
    }
    Ok(())
}

fn line(out: &mut dyn Write, label: &str, text: &str) -> std::io::Result<()> {
    writeln!(out, "{label:<13}{text}")
}

fn print_one(world: &mut World, instance: &Instance, out: &mut dyn Write) -> anyhow::Result<()> {
    line(out, "fmri", &instance.fmri)?;
    if let Some(name) = instance.common_name() {
        line(out, "name", &name)?;
    }
    if let Some(enabled) = instance.effectively_enabled() {
        let temporary =
            instance.enabled_temporarily().is_some_and(|t| instance.enabled() != Some(t));
        let mark = if temporary { " (temporary)" } else { "" };
        line(out, "enabled", &format!("{enabled}{mark}"))?;
    }
    if let Some(state) = instance.state() {
        line(out, "state", state)?;
        line(out, "next_state", instance.next_state().unwrap_or("none"))?;
    }
    if let Some(then) = instance.state_seconds() {
        line(out, "state_time", &clock::date(then, &world.zone))?;
    }
    for name in ["alt_logfile", "logfile"] {
        if let Some(file) = instance.live("restarter", name) {
            line(out, name, file)?;
        }
    }
    line(out, "restarter", instance.restarter())?;
    if let Some(contracts) = instance.contracts() {
        let ids: String = contracts.iter().map(|id| format!("{id} ")).collect();
        line(out, "contract_id", &ids)?;
    }
    for dependency in instance.dependencies() {
        let mut text = format!("{}/{}", dependency.grouping, dependency.restart_on);
        for entity in &dependency.entities {
            text.push_str(&format!(" {entity} ({})", entity_state(world, entity)));
        }
        line(out, "dependency", &text)?;
    }
    Ok(())
}

/// The state of what a dependency names.
fn entity_state(world: &mut World, entity: &str) -> String {
    if let Some(path) = entity.strip_prefix("file:") {
        let path = path.strip_prefix("//localhost").or_else(|| path.strip_prefix("//"));
        let path = path.unwrap_or(&entity["file:".len()..]);
        return match Path::new(path).metadata() {
            Ok(_) => "online".into(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "absent".into(),
            Err(_) => "unknown".into(),
        };
    }
    if operand::canonical(entity).is_none() {
        return "invalid".into();
    }
    match crate::depend::members(entity, &world.entities).as_slice() {
        [] => "absent".into(),
        [one] => match Instance::read(&mut world.repository, one) {
            Ok(instance) => instance.state().unwrap_or("-").to_owned(),
            // Deleted since the list was read.
            Err(_) => "absent".into(),
        },
        [_, ..] => "multiple".into(),
    }
}

/// -v: the properties of the groups of type application.
fn application(instance: &Instance, out: &mut dyn Write) -> std::io::Result<()> {
    for (name, group) in &instance.running {
        if group.kind != "application" {
            continue;
        }
        writeln!(out, "{name} ({})", group.kind)?;
        for (property, value) in &group.properties {
            let values: String = value.values.iter().map(|value| quoted(value)).collect();
            writeln!(out, "  {name}/{property} ({}) = {values}", value.kind)?;
        }
    }
    Ok(())
}

fn quoted(value: &str) -> String {
    if value.contains([' ', '\t', '\n', '"', '(', ')']) {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        format!("{value} ")
    }
}
