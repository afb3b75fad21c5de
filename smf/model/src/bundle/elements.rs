//! elements.rs - an element that stands for a property group becomes that group.
//!
//! The mapping of each element is the one table that every SMF shares: a dependency is a group of
//! type dependency, a method a group of type method that its context's properties join, and so on.

use super::read::unique;
use super::value::{self, PropertyType, Value};
use super::xml::{Element, Position};
use super::{BundleError, Dependent, Group, Kind, Property, Values};

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
    if !value::valid_name(name) {
        return invalid(at, format!("property name \"{name}\" is not valid"));
    }
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

/// An attribute, or nothing.
pub(super) fn text(element: &Element, attribute: &str) -> String {
    element.attribute(attribute).unwrap_or_default().to_owned()
}

/// The error that something is wrong here.
pub(super) fn invalid<T>(at: Position, text: String) -> Result<T, BundleError> {
    Err(BundleError::invalid(at, text))
}

/// The name attribute, which must be one component.
pub(super) fn name_of(element: &Element, what: &str) -> Result<String, BundleError> {
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

/// The property that a stability element stands for.
pub(super) fn stability(element: &Element, name: &str) -> Result<Property, BundleError> {
    one(element.at, name, PropertyType::Astring, &text(element, "value"))
}

/// The group of a dependency element.
pub(super) fn dependency(element: &Element, kind: Kind) -> Result<Group, BundleError> {
    let name = name_of(element, "dependency")?;
    let mut properties = Vec::new();
    let names = [("type", "type"), ("restart_on", "restart_on"), ("grouping", "grouping")];
    attributes(element, &names, &mut properties)?;
    let entities = element.children("service_fmri");
    let entities = entities.map(|e| typed(e.at, PropertyType::Fmri, &text(e, "value")));
    let values = Values::Typed(PropertyType::Fmri, entities.collect::<Result<_, _>>()?);
    let at = element.at;
    properties.push(Property { at, name: "entities".into(), overrides: false, values });
    inner(element, &name, kind, "stability", &mut properties)?;
    let mut group = group(element.at, &name, Some("dependency"), properties);
    group.delete = element.attribute("delete") == Some("true");
    Ok(group)
}

/// What a dependent element places on its target.
pub(super) fn dependent(
    element: &Element,
    fmri: &str,
    kind: Kind,
) -> Result<Dependent, BundleError> {
    let name = name_of(element, "dependent")?;
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
    let group = group(at, &name, Some("dependency"), properties);
    Ok(Dependent { at, name, target, delete, overrides, group })
}

/// The group of an exec_method element.
pub(super) fn method(element: &Element, kind: Kind) -> Result<Group, BundleError> {
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
pub(super) fn context(element: &Element) -> Result<Vec<Property>, BundleError> {
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

/// The group of a notification_parameters element.
pub(super) fn notification(element: &Element) -> Result<Group, BundleError> {
    let event = element.child("event").map(|e| text(e, "value")).unwrap_or_default();
    let group_name = format!("{event},fmnotify");
    if !value::valid_name(&group_name) {
        return invalid(element.at, format!("event \"{event}\" is not valid"));
    }
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
    Ok(group(element.at, &group_name, Some("notify_params"), properties))
}

/// The group of a property_group element.
pub(super) fn property_group(element: &Element, kind: Kind) -> Result<Group, BundleError> {
    let name = name_of(element, "property group")?;
    if element.attribute("type").is_some_and(|kind| !value::valid_name(kind)) {
        let kind = text(element, "type");
        return invalid(element.at, format!("property group type \"{kind}\" is not valid"));
    }
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
