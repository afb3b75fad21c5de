//! long.rs - svcs -l: everything about an instance, one label per line.

use std::collections::HashMap;
use std::io::Write;

use smf_cmd::clock;
use smf_cmd::instance::{Depth, Instance};
use smf_cmd::operand;
use smf_cmd::repository::RepositoryError;
use smf_cmd::states::{self, State};
use smf_scf::import::merge::{Group, Property};

use crate::depend;
use crate::options::{Options, Zones};
use crate::processes::Processes;
use crate::template::Templates;
use crate::world::World;

/// Prints what the operands name, a blank line between two.
pub fn print(world: &mut World, options: &Options, out: &mut dyn Write) -> anyhow::Result<()> {
    let instances = world.chosen(&options.operands, Depth::Everything)?;
    let states = States::read(world, &instances)?;
    let processes = if options.processes { Processes::read() } else { Processes::default() };
    for (position, instance) in instances.iter().enumerate() {
        if position > 0 {
            writeln!(out)?;
        }
        print_one(world, instance, out)?;
        for dependency in instance.running.values().filter(|group| group.kind == "dependency") {
            print_dependency(&states, dependency, out)?;
        }
        for process in processes.of(instance.all_contracts()) {
            line(out, "process", &format!("{} {}", process.pid, process.arguments))?;
        }
        if options.verbose {
            application(world, instance, out)?;
        }
    }
    Ok(())
}

fn line(out: &mut dyn Write, label: &str, text: &str) -> std::io::Result<()> {
    writeln!(out, "{label:<13}{text}")
}

fn print_one(world: &World, instance: &Instance, out: &mut dyn Write) -> anyhow::Result<()> {
    line(out, "fmri", &instance.fmri)?;
    if let Some(name) = instance.common_name(&world.locale) {
        line(out, "name", name)?;
    }
    if world.zones != Zones::Own {
        line(out, "zone", "global")?;
    }
    if let Some(enabled) = instance.effectively_enabled() {
        let mark = if instance.is_temporary() { " (temporary)" } else { "" };
        line(out, "enabled", &format!("{enabled}{mark}"))?;
    }
    for name in ["state", "next_state"] {
        if let Some(state) = instance.live("restarter", name) {
            line(out, name, state)?;
        }
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
    Ok(())
}

fn print_dependency(states: &States, group: &Group, out: &mut dyn Write) -> std::io::Result<()> {
    let Some(entities) = group.properties.get("entities").filter(|p| p.kind == "fmri") else {
        return Ok(());
    };
    let word = |name: &str| group.properties.get(name).and_then(|p| p.values.first());
    let word = |name| word(name).map_or("?", String::as_str);
    let mut text = format!("{}/{}", word("grouping"), word("restart_on"));
    for entity in &entities.values {
        text.push_str(&format!(" {entity} ({})", states.of(entity)));
    }
    line(out, "dependency", &text)
}

/// The states of what dependencies name.
struct States {
    of_entity: HashMap<String, String>,
}

impl States {
    /// Asks for all of them at once.
    fn read(world: &mut World, instances: &[Instance]) -> Result<Self, RepositoryError> {
        let entities: Vec<String> = instances
            .iter()
            .flat_map(Instance::dependencies)
            .flat_map(|dependency| dependency.entities)
            .collect();
        let there = world.entities()?;
        let members: HashMap<String, Vec<String>> = entities
            .iter()
            .map(|entity| (entity.clone(), depend::members(entity, there)))
            .collect();
        let asked: Vec<String> = members.values().flatten().cloned().collect();
        let found = states::read(&mut world.repository, Some(&asked), None)?;
        let of =
            |state: &State| if state.state.is_empty() { "-".into() } else { state.state.clone() };
        let states: HashMap<&str, String> =
            found.iter().map(|one| (one.fmri.as_str(), of(one))).collect();
        let state = |entity: &String| match members.get(entity).map(Vec::as_slice) {
            _ if entity.starts_with("file:") => state_of_file(entity),
            _ if operand::valid(entity).is_none() => "invalid",
            None | Some([]) => "absent",
            Some([one]) => states.get(one.as_str()).map_or("absent", String::as_str),
            Some([_, ..]) => "multiple",
        };
        let all = entities.iter().map(|entity| (entity.clone(), state(entity).to_owned()));
        Ok(Self { of_entity: all.collect() })
    }

    fn of(&self, entity: &str) -> &str {
        self.of_entity.get(entity).map_or("-", String::as_str)
    }
}

fn state_of_file(fmri: &str) -> &'static str {
    let Some(path) = operand::file_path(fmri) else { return "invalid" };
    match path.metadata() {
        Ok(_) => "online",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "absent",
        Err(_) => "unknown",
    }
}

/// -v: the properties of the groups of type application, and what the templates say of them.
fn application(world: &mut World, instance: &Instance, out: &mut dyn Write) -> anyhow::Result<()> {
    let templates = Templates::of(world, instance)?;
    for (name, group) in instance.running.iter().filter(|(_, group)| group.kind == "application") {
        writeln!(out, "{name} ({})", group.kind)?;
        let pattern = templates.group(name, &group.kind);
        if let Some(text) = pattern.and_then(|pattern| pattern.description()) {
            writeln!(out, "  {text}")?;
        }
        for (property, value) in &group.properties {
            if pattern.is_some_and(|pattern| pattern.hides(property)) {
                continue;
            }
            writeln!(out, "{name}/{property} ({}) = {}", value.kind, values(value))?;
            if let Some(text) = pattern.and_then(|p| p.property_description(property)) {
                writeln!(out, "  {text}")?;
            }
        }
    }
    Ok(())
}

/// A value without quotes has a blank behind it.
fn values(property: &Property) -> String {
    let one = |value: &String| {
        if value.contains([' ', '\t', '\n', '"', '(', ')']) {
            format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            format!("{value} ")
        }
    };
    property.values.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_when_they_must_be() {
        for (given, expected) in [
            (&["80"][..], "80 "),
            (&["a b", "c"], "\"a b\"c "),
            (&["say \"x\\y\""], "\"say \\\"x\\\\y\\\"\""),
            (&["a\\b"], "a\\b "),
            (&["("], "\"(\""),
            (&[], ""),
        ] {
            let values_ = given.iter().map(|value| (*value).to_owned()).collect();
            let property = Property { kind: "astring".into(), values: values_ };
            assert_eq!(values(&property), expected, "{given:?}");
        }
    }
}
