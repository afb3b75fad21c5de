//! write - what a repository holds becomes a service bundle: `export`, `archive`, `extract`.
//!
//! Reading order: `group` (any property group), `dependency`, `method`, `template` (those with
//! elements of their own), `entity` (a service or an instance in the order of the document type),
//! `xml` (how it is printed).
//!
//! What must hold: importing what `export` wrote gives the groups it was written from.  So an
//! element with a meaning of its own is used only for a group that the reader would make of it;
//! every other group becomes a property_group.  Left out, because they are not the service's own:
//! volatile groups, dependencies that others placed on it, and the record of its manifest files.
//! An instance without general/enabled is written as disabled: the document type has no other way.

use std::collections::BTreeMap;

use crate::group::{Group, Groups};
use xml::Node;

mod dependency;
mod entity;
mod group;
mod method;
mod template;
mod xml;

pub use group::{Protected, is_read_protected};

/// A service with its instances, all groups live.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The service's name: `application/merger`.
    pub name: String,
    /// Its own groups.
    pub groups: Groups,
    /// The groups of each instance, by name.
    pub instances: BTreeMap<String, Groups>,
}

/// The live groups of the entities that dependents have been placed on, by canonical FMRI.
pub type Targets = BTreeMap<String, Groups>;

/// Something that could not be written as what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Is said always.
    Always(String),
    /// Is said with `-v`.
    Verbose(String),
}

/// A bundle, and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The bundle.
    pub text: String,
    /// In order.
    pub warnings: Vec<Warning>,
}

/// The service that stands for scripts that are no services; no archive has it.
const LEGACY: &str = "smf/legacy_run";

/// The entities whose groups `export` and `archive` ask for: where this service and its instances
/// have dependents.
#[must_use]
pub fn targets(service: &Contents) -> Vec<String> {
    let levels = std::iter::once(&service.groups).chain(service.instances.values());
    let dependents = levels.filter_map(|groups| groups.get("dependents"));
    let values = dependents.flat_map(|group: &Group| group.properties.values());
    let mut names: Vec<_> =
        values.flat_map(|p| &p.values).filter_map(|v| crate::fmri::canonical(v)).collect();
    names.sort();
    names.dedup();
    names
}

/// `svccfg export`: a manifest of one service.
#[must_use]
pub fn export(service: &Contents, targets: &Targets, protected: Protected) -> Written {
    let root = Node::new("service_bundle").with("type", "manifest").with("name", "export");
    bundle(root, &[service], targets, protected)
}

/// `svccfg archive`: all services.
#[must_use]
pub fn archive(services: &[Contents], targets: &Targets, protected: Protected) -> Written {
    let root = Node::new("service_bundle").with("type", "archive").with("name", "none");
    let services: Vec<_> = services.iter().filter(|service| service.name != LEGACY).collect();
    bundle(root, &services, targets, protected)
}

fn bundle(
    mut root: Node,
    services: &[&Contents],
    targets: &Targets,
    protected: Protected,
) -> Written {
    let mut exporter = entity::Exporter { targets, protected, warnings: Vec::new() };
    for service in services {
        root.extend([exporter.service(service)]);
    }
    Written { text: xml::document(&root), warnings: exporter.warnings }
}

/// `svccfg extract`: a profile that enables and disables what is enabled and disabled.
#[must_use]
pub fn extract(services: &[Contents]) -> Written {
    let mut root = Node::new("service_bundle").with("type", "profile").with("name", "extract");
    let mut warnings = Vec::new();
    for service in services {
        let mut node = service_node(&service.name);
        let mut any = false;
        for (name, groups) in &service.instances {
            let Some(general) = groups.get("general") else {
                let fmri = format!("svc:/{}:{name}", service.name);
                let text = format!("Instance {fmri} has no \"general\" property group.");
                warnings.push(Warning::Verbose(text));
                continue;
            };
            if let Some(enabled) = general.single("enabled", "boolean") {
                node.extend([Node::new("instance").with("name", name).with("enabled", enabled)]);
                any = true;
            }
        }
        if any {
            root.extend([node]);
        }
    }
    Written { text: xml::document(&root), warnings }
}

/// A service element without children; its version is not kept, and its type neither.
fn service_node(name: &str) -> Node {
    Node::new("service").with("name", name).with("type", "service").with("version", "0")
}
