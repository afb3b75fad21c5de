//! template.rs - the elements of a template, and notification parameters.
//!
//! Patterns stay property groups, as svccfg writes them: their group names say what they apply to.

use std::collections::BTreeMap;

use super::xml::Node;
use crate::bundle::template::{doc_link_group, manpage_group};
use crate::group::{Group, Groups};

/// The template element of an entity, and the names of the groups it says.  Without a common name
/// there is none: the document type asks for one.
pub(super) fn template(groups: &Groups) -> Option<(Node, Vec<&str>)> {
    let localised = |name: &'static str, element: &str| {
        groups.get(name).and_then(|group| Some((name, loctexts(element, group)?)))
    };
    let common_name = localised("tm_common_name", "common_name")?;
    let mut names = Vec::new();
    let mut node = Node::new("template");
    let texts = [Some(common_name), localised("tm_description", "description")];
    for (name, element) in texts.into_iter().flatten() {
        names.push(name);
        node.extend([element]);
    }
    let pages = groups.iter().filter(|(_, group)| group.kind == "template");
    let pages: Vec<_> =
        pages.filter_map(|(name, group)| Some((name, page(name, group)?))).collect();
    if !pages.is_empty() {
        let mut documentation = Node::new("documentation");
        for (name, page) in pages {
            names.push(name);
            documentation.extend([page]);
        }
        node.extend([documentation]);
    }
    Some((node, names))
}

/// A common_name or description element, if the group holds nothing but texts.
fn loctexts(element: &str, group: &Group) -> Option<Node> {
    if group.kind != "template" || group.properties.is_empty() {
        return None;
    }
    let mut node = Node::new(element);
    for (locale, property) in &group.properties {
        // The reader trims what it finds.
        let text = property.single("ustring").filter(|text| text.trim() == *text)?;
        let plain = locale.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain {
            return None;
        }
        node.extend([Node::new("loctext").with("xml:lang", locale).around(text)]);
    }
    Some(node)
}

/// A manpage or doc_link element, if the group is exactly one.
fn page(name: &str, group: &Group) -> Option<Node> {
    let count = group.properties.len();
    let text = |property| group.single(property, "astring");
    if let (Some(title), Some(section), Some(manpath), 3) =
        (text("title"), text("section"), text("manpath"), count)
    {
        let mut node = Node::new("manpage").with("title", title).with("section", section);
        if manpath != ":default" {
            node.set("manpath", manpath);
        }
        return (manpage_group(title, section) == name).then_some(node);
    }
    let (link, uri) = (text("name")?, group.single("uri", "uri")?);
    let node = Node::new("doc_link").with("name", link).with("uri", uri);
    (count == 2 && doc_link_group(link) == name).then_some(node)
}

/// A notification_parameters element, if the group is one.
pub(super) fn notification(name: &str, group: &Group) -> Option<Node> {
    let event = name.strip_suffix(",fmnotify")?;
    let mut mechanisms: BTreeMap<&str, (Option<&str>, Vec<Node>)> = BTreeMap::new();
    for (name, property) in &group.properties {
        let (mechanism, parameter) = name.split_once(',')?;
        let entry = mechanisms.entry(mechanism).or_default();
        if parameter == "active" {
            entry.0 = Some(property.single("boolean")?);
            continue;
        }
        if property.kind != "astring" {
            return None;
        }
        entry.1.push(match property.values.as_slice() {
            [value] => Node::new("paramval").with("name", parameter).with("value", value),
            values => {
                let mut node = Node::new("parameter").with("name", parameter);
                node.extend(values.iter().map(|v| Node::new("value_node").with("value", v)));
                node
            }
        });
    }
    let mut node = Node::new("notification_parameters");
    node.extend([Node::new("event").with("value", event)]);
    for (mechanism, (active, parameters)) in &mechanisms {
        let mut of_type = Node::new("type").with("name", *mechanism).with("active", (*active)?);
        of_type.extend(parameters.iter().cloned());
        node.extend([of_type]);
    }
    (!mechanisms.is_empty()).then_some(node)
}
