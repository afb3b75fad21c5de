//! read.rs - checked elements become services, instances and property groups.
//!
//! The mapping of each element is the one table that every SMF shares: a dependency is a group of
//! type dependency, a method a group of type method that its context's properties join, and so on.
//! Duplicate names are refused here, with the messages of svccfg.

use super::value::{self, PropertyType, Value};
use super::xml::{Element, Position};
use super::{
    Bundle, BundleError, Dependent, Entity, Group, Instance, Kind, Property, Service, Values,
    template,
};

/// Reads the root element.
pub(super) fn bundle(root: &Element) -> Result<Bundle, BundleError> {
    let kind = match root.attribute("type") {
        Some("profile") => Kind::Profile,
        Some("archive") => Kind::Archive,
        _ => Kind::Manifest,
    };
    let mut services = Vec::new();
    collect(root, kind, &mut services)?;
    Ok(Bundle { kind, name: text(root, "name"), services })
}

/// Services of this bundle and of those inside it.
fn collect(element: &Element, kind: Kind, into: &mut Vec<Service>) -> Result<(), BundleError> {
    for child in &element.children {
        match child.name.as_str() {
            "service" => {
                let service = service(child, kind)?;
                if into.iter().any(|other| other.name == service.name) {
                    let name = text(element, "name");
                    return invalid(
                        child.at,
                        format!("Multiple definitions for service {} in {name}", service.name),
                    );
                }
                into.push(service);
            }
            // What is included lies in another file, which a parser of text does not open.
            "xi:include" => match child.child("xi:fallback") {
                Some(fallback) => collect(fallback, kind, into)?,
                None => {
                    let text = "couldn't handle XInclude statements in document".to_owned();
                    return Err(BundleError::expected(child.at, text, "xi:fallback"));
                }
            },
            _ => collect(child, kind, into)?,
        }
    }
    Ok(())
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
                    "Multiple definitions of entity {} in service {}",
                    instance.name, service.name
                ),
            );
        }
        service.instances.push(instance);
    }
    Ok(service)
}

fn instance(element: &Element, service: &str, kind: Kind) -> Result<Instance, BundleError> {
    let name = text(element, "name");
    name_of(element, "instance")?;
    let fmri = format!("{service}:{name}");
    Ok(Instance {
        at: element.at,
        enabled: element.attribute("enabled").map(|value| value == "true"),
        entity: entity(element, &fmri, kind)?,
        name,
    })
}

fn entity(element: &Element, fmri: &str, kind: Kind) -> Result<Entity, BundleError> {
    let mut entity = Entity::default();
    for child in &element.children {
        let group = match child.name.as_str() {
            "single_instance" => {
                let value = one(child.at, "single_instance", PropertyType::Boolean, "true")?;
                general(child.at, value)
            }
            "restarter" => {
                let target = child.child("service_fmri").map(|e| text(e, "value"));
                let target = target.unwrap_or_default();
                general(child.at, one(child.at, "restarter", PropertyType::Fmri, &target)?)
            }
            "stability" => general(child.at, stability(child, "entity_stability")?),
            "dependency" => dependency(child, kind)?,
            "dependent" => {
                add_dependent(&mut entity, child, fmri, kind)?;
                continue;
            }
            "method_context" => {
                let properties = context(child)?;
                group(child.at, "method_context", Some("framework"), properties)
            }
            "exec_method" => method(child, kind)?,
            "notification_parameters" => notification(child)?,
            "property_group" => property_group(child, kind)?,
            "template" => {
                if kind == Kind::Profile {
                    return invalid(child.at, "a profile has no templates".into());
                }
                for group in template::groups(child)? {
                    add(&mut entity.groups, group, fmri)?;
                }
                continue;
            }
            // Instances are the caller's.
            _ => continue,
        };
        add(&mut entity.groups, group, fmri)?;
    }
    for dependent in &entity.dependents {
        if entity.groups.iter().any(|g| g.name == dependent.name && g.name != "dependents") {
            let name = &dependent.name;
            return invalid(
                dependent.at,
                format!("Property group and dependent of entity {fmri} have same name \"{name}\""),
            );
        }
    }
    Ok(entity)
}

/// Adds a group; one of the same name and type takes its properties up.
fn add(groups: &mut Vec<Group>, group: Group, fmri: &str) -> Result<(), BundleError> {
    let Some(there) = groups.iter_mut().find(|other| other.name == group.name) else {
        groups.push(group);
        return Ok(());
    };
    if there.kind.is_some() && group.kind.is_some() && there.kind != group.kind {
        return invalid(
            group.at,
            format!("Multiple definitions of property group {} in entity {fmri}", group.name),
        );
    }
    for property in group.properties {
        unique(&there.properties, &property, &there.name)?;
        there.properties.push(property);
    }
    Ok(())
}

fn unique(there: &[Property], property: &Property, group: &str) -> Result<(), BundleError> {
    if there.iter().any(|other| other.name == property.name) {
        let name = &property.name;
        return invalid(
            property.at,
            format!("Multiple definitions for property {name} in property group {group}"),
        );
    }
    Ok(())
}

fn general(at: Position, property: Property) -> Group {
    group(at, "general", Some("framework"), vec![property])
}

/// A group that is not to be deleted.
pub(super) fn group(
    at: Position,
    name: &str,
    kind: Option<&str>,
    properties: Vec<Property>,
) -> Group {
    let kind = kind.map(str::to_owned);
    Group { at, name: name.to_owned(), kind, delete: false, properties }
}

/// A property with these texts as values of this type.
pub(super) fn property<'a>(
    at: Position,
    name: &str,
    kind: PropertyType,
    values: impl IntoIterator<Item = &'a str>,
) -> Result<Property, BundleError> {
    let values = values.into_iter().map(|value| typed(at, kind, value));
    let values = Values::Typed(kind, values.collect::<Result<_, _>>()?);
    Ok(Property { at, name: name.to_owned(), overrides: false, values })
}

/// A property with one value.
pub(super) fn one(
    at: Position,
    name: &str,
    kind: PropertyType,
    value: &str,
) -> Result<Property, BundleError> {
    property(at, name, kind, [value])
}

fn typed(at: Position, kind: PropertyType, text: &str) -> Result<Value, BundleError> {
    Value::parse(kind, text).map_err(|_| {
        BundleError::invalid(at, format!("illegal value \"{text}\" for {kind} (Illegal character)"))
    })
}

fn text(element: &Element, attribute: &str) -> String {
    element.attribute(attribute).unwrap_or_default().to_owned()
}

fn invalid<T>(at: Position, text: String) -> Result<T, BundleError> {
    Err(BundleError::invalid(at, text))
}

/// The name attribute, which must be one component.
fn name_of(element: &Element, what: &str) -> Result<String, BundleError> {
    let name = text(element, "name");
    if !value::valid_name(&name) {
        return invalid(element.at, format!("{what} name \"{name}\" is not valid"));
    }
    Ok(name)
}

/// astring properties for those attributes that are there.
fn attributes(
    element: &Element,
    names: &[(&str, &str)],
    into: &mut Vec<Property>,
) -> Result<(), BundleError> {
    for (attribute, name) in names {
        if let Some(value) = element.attribute(attribute) {
            into.push(one(element.at, name, PropertyType::Astring, value)?);
        }
    }
    Ok(())
}

fn stability(element: &Element, name: &str) -> Result<Property, BundleError> {
    one(element.at, name, PropertyType::Astring, &text(element, "value"))
}

fn dependency(element: &Element, kind: Kind) -> Result<Group, BundleError> {
    let name = name_of(element, "dependency")?;
    let mut properties = Vec::new();
    let names = [("type", "type"), ("restart_on", "restart_on"), ("grouping", "grouping")];
    attributes(element, &names, &mut properties)?;
    let entities: Vec<_> = element.children("service_fmri").map(|e| text(e, "value")).collect();
    let entities = entities.iter().map(String::as_str);
    properties.push(property(element.at, "entities", PropertyType::Fmri, entities)?);
    inner(element, &name, kind, "stability", &mut properties)?;
    let mut group = group(element.at, &name, Some("dependency"), properties);
    group.delete = element.attribute("delete") == Some("true");
    Ok(group)
}

fn add_dependent(
    entity: &mut Entity,
    element: &Element,
    fmri: &str,
    kind: Kind,
) -> Result<(), BundleError> {
    let name = name_of(element, "dependent")?;
    if entity.dependents.iter().any(|other| other.name == name) {
        let message = format!("Multiple definitions of dependent {name} in entity {fmri}");
        return invalid(element.at, message);
    }
    let at = element.at;
    let target = element.child("service_fmri").map(|e| text(e, "value")).unwrap_or_default();
    let mut properties = Vec::new();
    let names = [("restart_on", "restart_on"), ("grouping", "grouping")];
    attributes(element, &names, &mut properties)?;
    properties.push(one(at, "type", PropertyType::Astring, "service")?);
    properties.push(one(at, "entities", PropertyType::Fmri, fmri)?);
    properties.push(one(at, "external", PropertyType::Boolean, "true")?);
    inner(element, &name, kind, "entity_stability", &mut properties)?;
    let delete = element.attribute("delete") == Some("true");
    let overrides = element.attribute("override") == Some("true");
    if !delete {
        let mut listed = one(at, &name, PropertyType::Fmri, &target)?;
        listed.overrides = overrides;
        let dependents = group(at, "dependents", Some("framework"), vec![listed]);
        add(&mut entity.groups, dependents, fmri)?;
    }
    let group = group(at, &name, Some("dependency"), properties);
    entity.dependents.push(Dependent { at, name, target, delete, overrides, group });
    Ok(())
}

fn method(element: &Element, kind: Kind) -> Result<Group, BundleError> {
    let name = name_of(element, "exec_method")?;
    let mut properties = Vec::new();
    attributes(element, &[("type", "type"), ("exec", "exec")], &mut properties)?;
    if let Some(timeout) = element.attribute("timeout_seconds") {
        // -1 is the old spelling of infinite.
        let timeout = if timeout == "-1" { "18446744073709551615" } else { timeout };
        properties.push(one(element.at, "timeout_seconds", PropertyType::Count, timeout)?);
    }
    if let Some(child) = element.child("method_context") {
        properties.extend(context(child)?);
    }
    inner(element, &name, kind, "stability", &mut properties)?;
    let mut group = group(element.at, &name, Some("method"), properties);
    group.delete = element.attribute("delete") == Some("true");
    Ok(group)
}

/// The properties of a method context, which join a method's group or make one of their own.
fn context(element: &Element) -> Result<Vec<Property>, BundleError> {
    let mut properties = Vec::new();
    let names = ["working_directory", "project", "resource_pool", "security_flags"];
    attributes(element, &names.map(|name| (name, name)), &mut properties)?;
    if let Some(credential) = element.child("method_credential") {
        properties.push(one(credential.at, "use_profile", PropertyType::Boolean, "false")?);
        let names = ["user", "group", "supp_groups", "privileges", "limit_privileges"];
        attributes(credential, &names.map(|name| (name, name)), &mut properties)?;
    }
    if let Some(profile) = element.child("method_profile") {
        properties.push(one(profile.at, "use_profile", PropertyType::Boolean, "true")?);
        attributes(profile, &[("name", "profile")], &mut properties)?;
    }
    if let Some(environment) = element.child("method_environment") {
        let variables = environment.children("envvar");
        let variables: Vec<_> =
            variables.map(|e| format!("{}={}", text(e, "name"), text(e, "value"))).collect();
        let values = variables.iter().map(String::as_str);
        let kind = PropertyType::Astring;
        properties.push(property(environment.at, "environment", kind, values)?);
    }
    Ok(properties)
}

fn notification(element: &Element) -> Result<Group, BundleError> {
    let event = element.child("event").map(|e| text(e, "value")).unwrap_or_default();
    let mut properties = Vec::new();
    for mechanism in element.children("type") {
        let name = text(mechanism, "name");
        let active = text(mechanism, "active");
        let active_name = format!("{name},active");
        properties.push(one(mechanism.at, &active_name, PropertyType::Boolean, &active)?);
        for child in &mechanism.children {
            let own = format!("{name},{}", text(child, "name"));
            let values: Vec<_> = match child.attribute("value") {
                Some(value) => vec![value],
                None => child.children.iter().filter_map(|node| node.attribute("value")).collect(),
            };
            properties.push(property(child.at, &own, PropertyType::Astring, values)?);
        }
    }
    Ok(group(element.at, &format!("{event},fmnotify"), Some("notify_params"), properties))
}

fn property_group(element: &Element, kind: Kind) -> Result<Group, BundleError> {
    let name = name_of(element, "property group")?;
    let mut properties = Vec::new();
    inner(element, &name, kind, "stability", &mut properties)?;
    let mut group = group(element.at, &name, element.attribute("type"), properties);
    group.delete = element.attribute("delete") == Some("true");
    Ok(group)
}

/// The stability, propval and property children of a group.
fn inner(
    element: &Element,
    name: &str,
    kind: Kind,
    stability_name: &str,
    into: &mut Vec<Property>,
) -> Result<(), BundleError> {
    for child in &element.children {
        let property = match child.name.as_str() {
            "stability" => stability(child, stability_name)?,
            "propval" => {
                let texts = vec![(child.at, text(child, "value"))];
                value_property(child, kind, texts)?
            }
            "property" => {
                let list = child.children.first();
                let nodes = list.map(|list| list.children.iter()).into_iter().flatten();
                let texts = nodes.map(|node| (node.at, text(node, "value"))).collect();
                value_property(child, kind, texts)?
            }
            _ => continue,
        };
        unique(into, &property, name)?;
        into.push(property);
    }
    Ok(())
}

fn value_property(
    element: &Element,
    kind: Kind,
    texts: Vec<(Position, String)>,
) -> Result<Property, BundleError> {
    let name = name_of(element, "property")?;
    let listed = element.children.first().and_then(|list| list.name.strip_suffix("_list"));
    if let (Some(declared), Some(list)) = (element.attribute("type"), listed) {
        if declared != list {
            let list_at = element.children[0].at;
            let found = format!("property \"{name}\" of type {declared} has a {list}_list");
            return Err(BundleError::expected(list_at, found, format!("{declared}_list")));
        }
    }
    let values = match element.attribute("type").or(listed) {
        None if kind == Kind::Profile => {
            Values::Untyped(texts.into_iter().map(|(_, text)| text).collect())
        }
        declared => {
            let declared = declared.unwrap_or_default();
            let Some(kind) = PropertyType::from_name(declared) else {
                return Err(BundleError::expected(
                    element.at,
                    format!("property \"{name}\" has the unknown type {declared}"),
                    "boolean, count, integer, time, astring, opaque, ustring, uri, fmri, host, \
                     hostname, net_address, net_address_v4, net_address_v6",
                ));
            };
            let values = texts.iter().map(|(at, text)| typed(*at, kind, text));
            Values::Typed(kind, values.collect::<Result<_, _>>()?)
        }
    };
    let overrides = element.attribute("override") == Some("true");
    Ok(Property { at: element.at, name, overrides, values })
}
