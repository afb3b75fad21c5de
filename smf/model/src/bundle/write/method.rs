//! method.rs - methods and what they run in.

use std::collections::BTreeSet;

use super::group::{Protected, property_group, rest};
use super::xml::Node;
use crate::group::{Group, Property};

const ATTRIBUTES: [&str; 4] = ["security_flags", "working_directory", "project", "resource_pool"];
const CREDENTIAL: [&str; 5] = ["user", "group", "supp_groups", "privileges", "limit_privileges"];

/// An exec_method element, if the group has what one needs.
pub(super) fn exec_method(name: &str, group: &Group) -> Option<Node> {
    let kind = group.single("type", "astring").filter(|t| matches!(*t, "method" | "monitor"))?;
    let exec = group.single("exec", "astring")?;
    let timeout = group.single("timeout_seconds", "count")?;
    let mut node = Node::new("exec_method")
        .with("name", name)
        .with("type", kind)
        .with("exec", exec)
        .with("timeout_seconds", timeout);
    let mut done: BTreeSet<&str> = ["type", "exec", "timeout_seconds"].into();
    let (context, of_context) = context(group);
    if !of_context.is_empty() {
        node.extend([context]);
        done.extend(of_context);
    }
    node.extend(rest(group, "stability", &done, Protected::Shown));
    Some(node)
}

/// The method_context group of an entity: such an element when it says all, else a property_group.
pub(super) fn method_context(group: &Group) -> Result<Node, Node> {
    let (context, done) = context(group);
    if done.len() == group.properties.len() {
        return Ok(context);
    }
    Err(property_group("method_context", group, Protected::Shown))
}

/// A method_context element, and the names of the properties it says.
fn context(group: &Group) -> (Node, BTreeSet<&'static str>) {
    let mut node = Node::new("method_context");
    let mut done = BTreeSet::new();
    for name in ATTRIBUTES {
        if let Some(value) = group.single(name, "astring") {
            node.set(name, value);
            done.insert(name);
        }
    }
    let uses_profile = group.single("use_profile", "boolean");
    match (uses_profile, group.single("profile", "astring"), group.single("user", "astring")) {
        (Some("true"), Some(profile), _) => {
            node.extend([Node::new("method_profile").with("name", profile)]);
            done.extend(["use_profile", "profile"]);
        }
        (Some("false"), _, Some(_)) => {
            let mut credential = Node::new("method_credential");
            for name in CREDENTIAL {
                if let Some(value) = group.single(name, "astring") {
                    credential.set(name, value);
                    done.insert(name);
                }
            }
            node.extend([credential]);
            done.insert("use_profile");
        }
        _ => {}
    }
    if let Some(environment) = group.properties.get("environment").and_then(environment) {
        node.extend([environment]);
        done.insert("environment");
    }
    (node, done)
}

/// A method_environment element, if every value is a variable.
fn environment(property: &Property) -> Option<Node> {
    if property.kind != "astring" || property.values.is_empty() {
        return None;
    }
    let mut node = Node::new("method_environment");
    for value in &property.values {
        let (name, value) = value.split_once('=').filter(|(name, _)| !name.is_empty())?;
        node.extend([Node::new("envvar").with("name", name).with("value", value)]);
    }
    Some(node)
}
