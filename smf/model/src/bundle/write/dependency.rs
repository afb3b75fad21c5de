//! dependency.rs - dependencies of an entity, and those it has placed on others.

use std::collections::BTreeSet;

use super::group::{Protected, rest};
use super::xml::Node;
use super::{Targets, Warning};
use crate::bundle::dtd::{GROUPINGS, RESTART_ON};
use crate::fmri::canonical;
use crate::group::{Group, Property};

/// A dependency element, if the group has what one needs.
pub(super) fn dependency(name: &str, group: &Group) -> Option<Node> {
    let kind = group.single("type", "astring").filter(|t| matches!(*t, "service" | "path"))?;
    let (grouping, restart_on) = conditions(group)?;
    let entities = group.properties.get("entities").filter(|p| p.kind == "fmri")?;
    let mut node = Node::new("dependency")
        .with("name", name)
        .with("grouping", grouping)
        .with("restart_on", restart_on)
        .with("type", kind);
    node.extend(entities.values.iter().map(|e| Node::new("service_fmri").with("value", e)));
    let done = BTreeSet::from(["grouping", "restart_on", "type", "entities"]);
    node.extend(rest(group, "stability", &done, Protected::Shown));
    Some(node)
}

fn conditions(group: &Group) -> Option<(&str, &str)> {
    let grouping = group.single("grouping", "astring").filter(|g| GROUPINGS.contains(g))?;
    let restart_on = group.single("restart_on", "astring").filter(|r| RESTART_ON.contains(r))?;
    Some((grouping, restart_on))
}

/// The dependent elements of an entity, and what of the group `dependents` they do not say.
pub(super) fn dependents(
    entity: &str,
    group: &Group,
    targets: &Targets,
    warnings: &mut Vec<Warning>,
) -> (Vec<Node>, Group) {
    let mut nodes = Vec::new();
    let mut left = Group { properties: std::collections::BTreeMap::new(), ..group.clone() };
    for (name, property) in &group.properties {
        match dependent(entity, name, property, targets, warnings) {
            Some(node) => nodes.push(node),
            None => {
                left.properties.insert(name.clone(), property.clone());
            }
        }
    }
    (nodes, left)
}

fn dependent(
    entity: &str,
    name: &str,
    property: &Property,
    targets: &Targets,
    warnings: &mut Vec<Warning>,
) -> Option<Node> {
    let written = property.single("fmri")?;
    let own = || format!("{entity}/:properties/dependents/{name}");
    let Some(target) = canonical(written) else {
        let text = format!("The value of {} does not specify a service or an instance.", own());
        warnings.push(Warning::Verbose(text));
        return None;
    };
    let Some(groups) = targets.get(&target) else {
        let text = format!("The entity specified by {} does not exist.", own());
        warnings.push(Warning::Verbose(text));
        return None;
    };
    let Some(group) = groups.get(name) else {
        let text = format!("Entity {written} is missing dependency property group {name}.");
        warnings.push(Warning::Always(text));
        return None;
    };
    if group.kind != "dependency" {
        let text = format!(
            "Property group {target}/:properties/{name} is not of expected type dependency."
        );
        warnings.push(Warning::Always(text));
        return None;
    }
    if !group.is_true("external") {
        warnings.push(Warning::Verbose(format!(
            "Dependent \"{name}\" cannot be exported properly because the \"external\" property of \
             the \"{name}\" dependency of {written} is not set to true."
        )));
        return None;
    }
    let (grouping, restart_on) = conditions(group)?;
    // It must be ours, or importing it would make another one of it.
    let is_ours = group.single("type", "astring") == Some("service")
        && group.single("entities", "fmri").and_then(canonical).as_deref() == Some(entity);
    if !is_ours {
        return None;
    }
    let mut node = Node::new("dependent")
        .with("name", name)
        .with("restart_on", restart_on)
        .with("grouping", grouping);
    node.extend([Node::new("service_fmri").with("value", written)]);
    let done = BTreeSet::from(["grouping", "restart_on", "type", "entities", "external"]);
    node.extend(rest(group, "entity_stability", &done, Protected::Shown));
    Some(node)
}
