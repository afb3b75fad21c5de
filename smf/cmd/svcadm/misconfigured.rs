//! misconfigured.rs - what enable -r cannot follow, in the words of the original.

use smf_cmd::instance::Instance;
use smf_scf::import::merge::{Group, Property};

/// Whether it can be read as a string.
fn is_string(property: &Property) -> bool {
    !matches!(property.kind.as_str(), "boolean" | "count" | "integer" | "time" | "opaque")
}

/// What is wrong with a property that should be one string.
fn no_string(property: &Property) -> Option<&'static str> {
    match property.values.len() {
        1 if is_string(property) => None,
        1 => Some("is not of astring type"),
        _ => Some("is not single-valued"),
    }
}

/// What is wrong with what names the restarter of an instance.
pub fn restarter(instance: &Instance) -> Option<String> {
    let property = instance.live.get("general")?.properties.get("restarter")?;
    let wrong = no_string(property)?;
    let fmri = &instance.fmri;
    Some(format!("\"{fmri}\" is misconfigured (\"general/restarter\" property {wrong})."))
}

/// What is wrong with a dependency on services that would have to be followed.
pub fn dependency(fmri: &str, name: &str, group: &Group) -> Option<String> {
    let lacks = |property: &str| {
        format!(
            "\"{fmri}\" is misconfigured (\"{name}\" dependency lacks \"{property}\" property.)"
        )
    };
    let string = |property: &str| match group.properties.get(property) {
        None => Err(lacks(property)),
        Some(found) => match no_string(found) {
            None => Ok(found.values.first().map_or("", String::as_str)),
            Some(wrong) => Err(format!(
                "\"{fmri}\" is misconfigured (\"{name}/{property}\" property {wrong}.)"
            )),
        },
    };
    let followed = string("type").and_then(|kind| match kind {
        "service" => string("grouping").map(|grouping| grouping.starts_with("require_")),
        _ => Ok(false),
    });
    match (followed, group.properties.get("entities")) {
        (Err(text), _) => Some(text),
        (Ok(true), None) => Some(lacks("entities")),
        (Ok(true), Some(entities)) if entities.kind != "fmri" => Some(format!(
            "\"{fmri}\" is misconfigured (property \"{name}/entities\" is not of fmri type)."
        )),
        (Ok(_), _) => None,
    }
}
