//! notify.rs - svcs -n: who is told of what.
//!
//! ```text
//! <event>,fmnotify      a group of type notify_params: to-maintenance,fmnotify
//!   <type>,active       smtp,active = true
//!   <type>,<parameter>  smtp,to = root@localhost
//! ```
//!
//! Events of fault management first, then those of the whole system, then those of each instance.

use std::collections::BTreeMap;
use std::io::Write;

use smf_cmd::instance::{Depth, Instance};
use smf_scf::import::merge::{Group, Groups};

use crate::world::World;

/// Whose groups are the parameters of fault management.
const FAULTS: &str = "svc:/system/fm/notify-params:default";
/// Whose groups are the parameters of the whole system.
const SYSTEM: &str = "svc:/system/svc/global:default";

/// The classes of events that have names of their own.
const TAGS: [(&str, &str); 4] = [
    ("problem-diagnosed", "list.suspect"),
    ("problem-updated", "list.updated"),
    ("problem-repaired", "list.repaired"),
    ("problem-resolved", "list.resolved"),
];

/// The states in the order in which their transitions are told.
const STATES: [&str; 6] =
    ["uninitialized", "maintenance", "offline", "disabled", "online", "degraded"];

/// Prints all of it.
pub fn print(world: &mut World, operands: &[String], out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "Notification parameters for FMA Events")?;
    let special = [FAULTS.to_owned(), SYSTEM.to_owned()];
    for instance in Instance::of(&mut world.repository, &special, Depth::Everything)? {
        if instance.fmri == FAULTS {
            out.write_all(of_faults(&instance.running).as_bytes())?;
        } else if let Some(text) = of_transitions(&instance.running) {
            write!(out, "System wide notification parameters:\n{SYSTEM}:\n{text}")?;
        }
    }
    for instance in world.chosen(operands, Depth::Everything)? {
        if special.contains(&instance.fmri) {
            continue;
        }
        if let Some(text) = of_transitions(&instance.running) {
            write!(out, "{}:\n{text}", instance.fmri)?;
        }
    }
    Ok(())
}

fn parameters<'a>(groups: &'a Groups, event: &str) -> Option<&'a Group> {
    groups.get(&format!("{event},fmnotify")).filter(|group| group.kind == "notify_params")
}

fn of_faults(groups: &Groups) -> String {
    let mut text = String::new();
    for (tag, class) in TAGS {
        if let Some(group) = parameters(groups, class) {
            text.push_str(&event(tag, group));
        }
    }
    let others = groups.keys().filter_map(|name| name.strip_suffix(",fmnotify"));
    for class in others.filter(|class| class.starts_with("list.") || class.starts_with("ireport."))
    {
        let named = TAGS.iter().any(|(_, own)| *own == class);
        if let (false, Some(group)) = (named, parameters(groups, class)) {
            text.push_str(&event(class, group));
        }
    }
    text
}

/// The parameters of state transitions; none when there are none.
fn of_transitions(groups: &Groups) -> Option<String> {
    let names = ["to", "from"].into_iter().flat_map(|way| STATES.map(|s| format!("{way}-{s}")));
    let told: String = names
        .filter_map(|name| parameters(groups, &name).map(|group| event(&name, group)))
        .collect();
    (!told.is_empty()).then_some(told)
}

fn event(name: &str, group: &Group) -> String {
    let mut types: BTreeMap<&str, Vec<(&str, &[String])>> = BTreeMap::new();
    for (property, value) in &group.properties {
        if let Some((kind, parameter)) = property.split_once(',') {
            types.entry(kind).or_default().push((parameter, &value.values));
        }
    }
    if types.is_empty() {
        return String::new();
    }
    let mut text = format!("    Event: {name}\n");
    for (kind, parameters) in types {
        text.push_str(&format!("        Notification Type: {kind}\n"));
        let active = parameters.iter().find(|(parameter, _)| *parameter == "active");
        let active = active.and_then(|(_, values)| values.first()).map_or("true", String::as_str);
        text.push_str(&format!("            Active: {active}\n"));
        for (parameter, values) in parameters.iter().filter(|(name, _)| *name != "active") {
            text.push_str(&format!("            {parameter}:"));
            for value in *values {
                text.push_str(&format!(" {value}"));
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text
}
