//! group.rs - a property group as a property_group element, and the parts that other elements
//! share with it.
//!
//! Any group can be written this way; the elements with a meaning of their own are tried first.

use std::collections::BTreeSet;

use super::xml::Node;
use crate::bundle::dtd::STABILITY;
use crate::group::{Group, Property};

/// Whether the values of a group are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protected {
    /// Values of groups that not everybody may read are left out.
    LeftOut,
    /// All values are written (`-a`).
    Shown,
}

/// Whether not everybody may read the values of a group: it names an authorization for that.
#[must_use]
pub fn is_read_protected(group: &Group) -> bool {
    let free = matches!(group.kind.as_str(), "framework" | "dependency" | "method");
    let named = group.properties.get("read_authorization");
    !free && named.is_some_and(|property| property.kind == "astring")
}

/// A property_group element.
pub(super) fn property_group(name: &str, group: &Group, protected: Protected) -> Node {
    let mut node = Node::new("property_group").with("name", name).with("type", &group.kind);
    node.extend(rest(group, "stability", &BTreeSet::new(), protected));
    node
}

/// The elements of those properties that have not been written otherwise: the stability, those
/// with one value, the others.
pub(super) fn rest(
    group: &Group,
    stability_name: &str,
    done: &BTreeSet<&str>,
    protected: Protected,
) -> Vec<Node> {
    let mut nodes = Vec::new();
    let stability = group.single(stability_name, "astring").filter(|s| STABILITY.contains(s));
    nodes.extend(stability.map(|value| Node::new("stability").with("value", value)));
    let left = |name: &str| !done.contains(name) && (name != stability_name || stability.is_none());
    let left = group.properties.iter().filter(|(name, _)| left(name));
    let left = left.map(|(name, property)| value_element(name, property, protected));
    let (propvals, properties): (Vec<_>, Vec<_>) = left.partition(|(single, _)| *single);
    nodes.extend(propvals.into_iter().chain(properties).map(|(_, node)| node));
    nodes
}

/// A propval or a property element; whether it is the former.
fn value_element(name: &str, property: &Property, protected: Protected) -> (bool, Node) {
    let node = |element: &str| Node::new(element).with("name", name).with("type", &property.kind);
    let values = match protected {
        Protected::Shown => property.values.as_slice(),
        Protected::LeftOut => &[],
    };
    match values {
        [] => (false, node("property")),
        [value] => (true, node("propval").with("value", value)),
        values => {
            let mut list = Node::new(format!("{}_list", property.kind));
            list.extend(values.iter().map(|value| Node::new("value_node").with("value", value)));
            let mut node = node("property");
            node.extend([list]);
            (false, node)
        }
    }
}
