//! read.rs - checked elements become services, instances and their property groups.
//!
//! Duplicate names are refused here, with the messages of svccfg.

use std::collections::HashSet;

use super::elements::{
    self, dependency, dependent, group, invalid, method, name_of, notification, one,
    property_group, text,
};
use super::include::{self, Include, Open};
use super::value::{self, PropertyType};
use super::xml::{self, Element, Position};
use super::{
    Bundle, BundleError, Entity, Group, Instance, Kind, Property, Service, Validation, dtd,
    template,
};

/// Reads a document, and those it includes.
pub(super) fn bundle(
    text: &str,
    validation: Validation,
    open: &mut Open<'_>,
) -> Result<Bundle, BundleError> {
    let mut reader = Reader {
        kind: Kind::Manifest,
        validation,
        open,
        bases: Vec::new(),
        left: xml::SIZE_MAX,
        seen: HashSet::new(),
        services: Vec::new(),
    };
    let mut root = reader.document(text)?;
    reader.kind = match root.attribute("type") {
        Some("profile") => Kind::Profile,
        Some("archive") => Kind::Archive,
        _ => Kind::Manifest,
    };
    reader.check(&mut root)?;
    reader.collect(&root)?;
    Ok(Bundle { kind: reader.kind, name: elements::text(&root, "name"), services: reader.services })
}

struct Reader<'r, 'o> {
    kind: Kind,
    validation: Validation,
    open: &'r mut Open<'o>,
    /// The documents that are being read, the outermost without a name.
    bases: Vec<String>,
    /// So many bytes may still be read.
    left: usize,
    seen: HashSet<String>,
    services: Vec<Service>,
}

impl Reader<'_, '_> {
    fn document(&mut self, text: &str) -> Result<Element, BundleError> {
        let left = self.left.checked_sub(text.len());
        self.left = left.ok_or(BundleError::TooLarge { limit: self.left })?;
        let document = xml::document(text)?;
        if document.root.name != "service_bundle" {
            return Err(BundleError::NotABundle);
        }
        let profile = document.root.attribute("type") == Some("profile");
        match document.doctype.as_deref().map(super::system_identifier) {
            Some(Some(super::DTD)) => {}
            // Only manifests and archives are validated.
            None if profile || self.validation == Validation::None => {}
            None => return Err(BundleError::NoDtd),
            Some(_) if self.validation == Validation::None => {}
            Some(_) => return Err(BundleError::UnknownDtd),
        }
        Ok(document.root)
    }

    fn check(&self, root: &mut Element) -> Result<(), BundleError> {
        let strictness = match (self.kind, self.validation) {
            (Kind::Profile, _) | (_, Validation::None) => dtd::Strictness::Loose,
            (Kind::Manifest | Kind::Archive, Validation::Dtd) => dtd::Strictness::Full,
        };
        dtd::check(root, strictness)
    }

    /// Services of this bundle and of those inside it.
    fn collect(&mut self, element: &Element) -> Result<(), BundleError> {
        for child in &element.children {
            match child.name.as_str() {
                "service" => {
                    let service = service(child, self.kind)?;
                    if !self.seen.insert(service.name.clone()) {
                        let (name, bundle) = (&service.name, text(element, "name"));
                        return invalid(
                            child.at,
                            format!("Multiple definitions for service {name} in bundle {bundle}."),
                        );
                    }
                    self.services.push(service);
                }
                "xi:include" => self.include(child)?,
                _ => self.collect(child)?,
            }
        }
        Ok(())
    }

    fn include(&mut self, element: &Element) -> Result<(), BundleError> {
        let href = include::href(element)?;
        if self.bases.len() >= include::DEPTH_MAX {
            return Err(include::refused(element.at, "inclusions are nested too deeply"));
        }
        let base = self.bases.last().map(String::as_str);
        let included = match (self.open)(&Include { href, base }) {
            Ok(included) => included,
            Err(reason) => match element.child("xi:fallback") {
                Some(fallback) => return self.collect(fallback),
                None => return Err(include::refused(element.at, &reason)),
            },
        };
        let name = included.name.clone();
        self.bases.push(included.name);
        let read = self.document(&included.text).and_then(|mut root| {
            self.check(&mut root)?;
            self.collect(&root)
        });
        self.bases.pop();
        read.map_err(|source| BundleError::Included { name, source: Box::new(source) })
    }
}

fn service(element: &Element, kind: Kind) -> Result<Service, BundleError> {
    let name = text(element, "name");
    if !value::valid_service_name(&name) {
        return invalid(element.at, format!("service name \"{name}\" is not valid"));
    }
    let fmri = format!("svc:/{name}");
    let mut service = Service {
        at: element.at,
        entity: entity(element, &fmri, kind)?,
        instances: Vec::new(),
        name,
    };
    if let Some(default) = element.child("create_default_instance") {
        service.instances.push(Instance {
            at: default.at,
            name: "default".into(),
            enabled: Some(default.attribute("enabled") == Some("true")),
            entity: Entity::default(),
        });
    }
    for child in element.children("instance") {
        let instance = instance(child, &fmri, kind)?;
        if service.instances.iter().any(|other| other.name == instance.name) {
            return invalid(
                child.at,
                format!(
                    "Multiple definitions of entity {} in service {}.",
                    instance.name, service.name
                ),
            );
        }
        service.instances.push(instance);
    }
    Ok(service)
}

fn instance(element: &Element, service: &str, kind: Kind) -> Result<Instance, BundleError> {
    let name = name_of(element, "instance")?;
    let fmri = format!("{service}:{name}");
    let entity = entity(element, &fmri, kind)?;
    let enabled = element.attribute("enabled").map(|value| value == "true");
    // The attribute is that property already.
    let again = entity.group("general").and_then(|general| general.property("enabled"));
    if let (Some(again), Some(_)) = (again, enabled) {
        return invalid(again.at, multiple_properties("enabled", "general"));
    }
    Ok(Instance { at: element.at, enabled, entity, name })
}

fn entity(element: &Element, fmri: &str, kind: Kind) -> Result<Entity, BundleError> {
    let mut entity = Entity::default();
    for child in &element.children {
        child_of(&mut entity, child, fmri, kind)?;
    }
    for dependent in &entity.dependents {
        if entity.groups.iter().any(|g| g.name == dependent.name && g.name != "dependents") {
            let name = &dependent.name;
            return invalid(
                dependent.at,
                format!("Property group and dependent of entity {fmri} have same name \"{name}\"."),
            );
        }
    }
    Ok(entity)
}

/// What becomes of a group whose name there is already.
#[derive(Clone, Copy, PartialEq)]
enum Again {
    /// It joins the other, if both are of one type.
    Joins,
    /// It is refused.
    Refused,
}

fn child_of(
    entity: &mut Entity,
    child: &Element,
    fmri: &str,
    kind: Kind,
) -> Result<(), BundleError> {
    let (group, again) = match child.name.as_str() {
        "single_instance" => {
            let value = one(child.at, "single_instance", PropertyType::Boolean, "true")?;
            (general(child.at, value), Again::Joins)
        }
        "restarter" => {
            let target = child.child("service_fmri").map(|e| text(e, "value"));
            let target = target.unwrap_or_default();
            let value = one(child.at, "restarter", PropertyType::Fmri, &target)?;
            (general(child.at, value), Again::Joins)
        }
        "stability" => {
            (general(child.at, elements::stability(child, "entity_stability")?), Again::Joins)
        }
        "property_group" => (property_group(child, kind)?, Again::Joins),
        "dependent" => return add_dependent(entity, child, fmri, kind),
        "template" if kind == Kind::Profile => {
            return invalid(child.at, "a profile has no templates".into());
        }
        "template" => {
            let mut groups = template::groups(child)?.into_iter();
            return groups
                .try_for_each(|group| add(&mut entity.groups, group, fmri, Again::Refused));
        }
        "dependency" => (dependency(child, kind)?, Again::Refused),
        "method_context" => {
            let properties = elements::context(child)?;
            (group(child.at, "method_context", Some("framework"), properties), Again::Refused)
        }
        "exec_method" => (method(child, kind)?, Again::Refused),
        "notification_parameters" => (notification(child)?, Again::Refused),
        // Instances are the caller's.
        _ => return Ok(()),
    };
    add(&mut entity.groups, group, fmri, again)
}

fn add_dependent(
    entity: &mut Entity,
    element: &Element,
    fmri: &str,
    kind: Kind,
) -> Result<(), BundleError> {
    let dependent = dependent(element, fmri, kind)?;
    let name = &dependent.name;
    if entity.dependents.iter().any(|other| other.name == *name) {
        let message = format!("Multiple definitions of dependent {name} in entity {fmri}.");
        return invalid(element.at, message);
    }
    if !dependent.delete {
        let at = element.at;
        let mut listed = one(at, name, PropertyType::Fmri, &dependent.target)?;
        listed.overrides = dependent.overrides;
        let listed = group(at, "dependents", Some("framework"), vec![listed]);
        add(&mut entity.groups, listed, fmri, Again::Joins)?;
    }
    entity.dependents.push(dependent);
    Ok(())
}

/// Adds a group.
fn add(groups: &mut Vec<Group>, group: Group, fmri: &str, again: Again) -> Result<(), BundleError> {
    let Some(there) = groups.iter_mut().find(|other| other.name == group.name) else {
        groups.push(group);
        return Ok(());
    };
    let differ = there.kind.is_some() && group.kind.is_some() && there.kind != group.kind;
    if differ || again == Again::Refused {
        let name = &group.name;
        return invalid(
            group.at,
            format!("Multiple definitions of property group {name} in entity {fmri}."),
        );
    }
    there.kind = there.kind.take().or(group.kind);
    there.delete |= group.delete;
    for property in group.properties {
        unique(&there.properties, &property, &there.name)?;
        there.properties.push(property);
    }
    Ok(())
}

/// Refuses a property whose name there is already.
pub(super) fn unique(
    there: &[Property],
    property: &Property,
    group: &str,
) -> Result<(), BundleError> {
    if there.iter().any(|other| other.name == property.name) {
        return invalid(property.at, multiple_properties(&property.name, group));
    }
    Ok(())
}

fn multiple_properties(property: &str, group: &str) -> String {
    format!("Multiple definitions for property {property} in property group {group}.")
}

fn general(at: Position, property: Property) -> Group {
    group(at, "general", Some("framework"), vec![property])
}
