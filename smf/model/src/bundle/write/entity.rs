//! entity.rs - a service or an instance: its groups become elements, in the order of the document
//! type.

use std::collections::{BTreeMap, BTreeSet};

use super::dependency::{dependency, dependents};
use super::group::{Protected, is_read_protected, property_group, rest};
use super::method::{exec_method, method_context};
use super::template::{notification, template};
use super::xml::Node;
use super::{Contents, Targets, Warning, service_node};
use crate::bundle::dtd::STABILITY;
use crate::group::{Group, Groups};

/// What goes with every entity of a bundle.
pub(super) struct Exporter<'a> {
    pub targets: &'a Targets,
    pub protected: Protected,
    pub warnings: Vec<Warning>,
}

/// The children of an entity by their places.
#[derive(Default)]
struct Children {
    default_instance: Option<Node>,
    single_instance: Option<Node>,
    restarter: Option<Node>,
    dependencies: Vec<Node>,
    dependents: Vec<Node>,
    method_context: Option<Node>,
    methods: Vec<Node>,
    notifications: Vec<Node>,
    groups: Vec<Node>,
    instances: Vec<Node>,
    stability: Option<Node>,
    template: Option<Node>,
}

impl Children {
    fn in_order(self) -> Vec<Node> {
        let mut nodes: Vec<Node> = self.default_instance.into_iter().collect();
        nodes.extend(self.single_instance);
        nodes.extend(self.restarter);
        nodes.extend(self.dependencies);
        nodes.extend(self.dependents);
        nodes.extend(self.method_context);
        nodes.extend(self.methods);
        nodes.extend(self.notifications);
        nodes.extend(self.groups);
        nodes.extend(self.instances);
        nodes.extend(self.stability);
        nodes.extend(self.template);
        nodes
    }
}

/// Which of the two an entity is.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Service,
    Instance,
}

impl Exporter<'_> {
    /// A service element with everything in it.
    pub fn service(&mut self, service: &Contents) -> Node {
        let fmri = format!("svc:/{}", service.name);
        let none = Groups::new();
        let mut children = self.children(&fmri, Level::Service, &service.groups, &none);
        for (name, groups) in &service.instances {
            let own = format!("{fmri}:{name}");
            let enabled = self.enabled(&own, groups);
            let of = self.children(&own, Level::Instance, groups, &service.groups).in_order();
            if name == "default" && of.is_empty() {
                let node = Node::new("create_default_instance").with("enabled", enabled);
                children.default_instance = Some(node);
                continue;
            }
            let mut node = Node::new("instance").with("name", name).with("enabled", enabled);
            node.extend(of);
            children.instances.push(node);
        }
        let mut node = service_node(&service.name);
        node.extend(children.in_order());
        node
    }

    fn enabled(&mut self, fmri: &str, groups: &Groups) -> &'static str {
        match groups.get("general").filter(|general| !general.volatile) {
            None => self.warnings.push(Warning::Verbose(format!(
                "Instance {fmri} has no general property group; it will be marked disabled."
            ))),
            Some(general) if general.kind != "framework" => {
                self.warnings.push(Warning::Verbose(format!(
                    "Property group {fmri}/:properties/general is not of type framework; the \
                     instance will be marked disabled."
                )));
            }
            Some(general) if general.is_true("enabled") => return "true",
            Some(_) => {}
        }
        "false"
    }

    fn children(
        &mut self,
        fmri: &str,
        level: Level,
        groups: &Groups,
        inherited: &Groups,
    ) -> Children {
        let mut children = Children::default();
        let lasting: BTreeMap<_, _> = groups.iter().filter(|(_, group)| !group.volatile).collect();
        let mut of_template = Vec::new();
        if let Some((node, names)) = template(groups) {
            children.template = Some(node);
            of_template = names;
        }
        for (name, group) in lasting {
            if of_template.contains(&name.as_str()) {
                continue;
            }
            if !self.special(fmri, level, (name, group), &mut children) {
                let hidden =
                    is_read_protected(group) || inherited.get(name).is_some_and(is_read_protected);
                let protected = if hidden { self.protected } else { Protected::Shown };
                children.groups.push(property_group(name, group, protected));
            }
        }
        children
    }

    /// Writes a group that has an element of its own; whether it is one.
    fn special(
        &mut self,
        fmri: &str,
        level: Level,
        (name, group): (&str, &Group),
        children: &mut Children,
    ) -> bool {
        match (group.kind.as_str(), name) {
            // Some other bundle's dependent.
            ("dependency", _) if group.is_true("external") => true,
            ("dependency", _) => put(dependency(name, group), &mut children.dependencies),
            ("method", _) => put(exec_method(name, group), &mut children.methods),
            ("notify_params", _) => put(notification(name, group), &mut children.notifications),
            ("framework", "general") => {
                general(level, group, children);
                true
            }
            ("framework", "method_context") => {
                match method_context(group) {
                    Ok(node) => children.method_context = Some(node),
                    Err(node) => children.groups.push(node),
                }
                true
            }
            ("framework", "dependents") => {
                let (nodes, left) = dependents(fmri, group, self.targets, &mut self.warnings);
                children.dependents.extend(nodes);
                if !left.properties.is_empty() || group.properties.is_empty() {
                    children.groups.push(property_group(name, &left, Protected::Shown));
                }
                true
            }
            ("framework", "manifestfiles") => level == Level::Service,
            _ => false,
        }
    }
}

fn put(node: Option<Node>, into: &mut Vec<Node>) -> bool {
    let is_one = node.is_some();
    into.extend(node);
    is_one
}

/// The group general: what has an element, and a property_group of the rest.
fn general(level: Level, group: &Group, children: &mut Children) {
    let mut done = BTreeSet::new();
    if level == Level::Instance {
        done.insert("enabled");
    }
    if let Some(restarter) = group.single("restarter", "fmri") {
        let mut node = Node::new("restarter");
        node.extend([Node::new("service_fmri").with("value", restarter)]);
        children.restarter = Some(node);
        done.insert("restarter");
    }
    if level == Level::Service {
        if group.is_true("single_instance") {
            children.single_instance = Some(Node::new("single_instance"));
            done.insert("single_instance");
        }
        let stability = group.single("entity_stability", "astring");
        if let Some(value) = stability.filter(|value| STABILITY.contains(value)) {
            children.stability = Some(Node::new("stability").with("value", value));
            done.insert("entity_stability");
        }
    }
    let nodes = rest(group, "stability", &done, Protected::Shown);
    let empty = level == Level::Service && group.properties.is_empty();
    if !nodes.is_empty() || empty {
        let mut node =
            Node::new("property_group").with("name", "general").with("type", "framework");
        node.extend(nodes);
        children.groups.push(node);
    }
}
