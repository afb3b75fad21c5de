//! The bundle reader against whole bundles: everything.xml holds each element at least once.

use smf_model::bundle::{self, Bundle, Entity, Values};

/// A bundle as text: one line per group and property, the way svcprop would say it.
fn printed(bundle: &Bundle) -> String {
    let mut text = String::new();
    for service in &bundle.services {
        print_entity(&mut text, &service.name, &service.entity);
        for instance in &service.instances {
            let name = format!("{}:{}", service.name, instance.name);
            text += &format!("{name} enabled={:?}\n", instance.enabled);
            print_entity(&mut text, &name, &instance.entity);
        }
    }
    text
}

fn print_entity(text: &mut String, name: &str, entity: &Entity) {
    for group in &entity.groups {
        let kind = group.kind.as_deref().unwrap_or("?");
        let delete = if group.delete { " delete" } else { "" };
        *text += &format!("{name} {} {kind}{delete}\n", group.name);
        for property in &group.properties {
            let (kind, values) = match &property.values {
                Values::Typed(kind, values) => {
                    (kind.to_string(), values.iter().map(ToString::to_string).collect())
                }
                Values::Untyped(values) => ("?".to_owned(), values.clone()),
            };
            let mark = if property.overrides { " override" } else { "" };
            *text += &format!("  {} {kind} {values:?}{mark}\n", property.name);
        }
    }
    for dependent in &entity.dependents {
        *text += &format!("{name} -> {} {}\n", dependent.target, dependent.name);
        let count = dependent.group.properties.len();
        *text += &format!("  {count} properties\n");
    }
}

#[test]
fn everything_is_read() {
    let bundle = bundle::parse(include_str!("bundles/everything.xml")).unwrap();
    assert_eq!(printed(&bundle), include_str!("bundles/everything.txt"));
}

#[test]
fn a_profile_is_read() {
    let bundle = bundle::parse(include_str!("bundles/profile.xml")).unwrap();
    assert_eq!(
        printed(&bundle),
        "application/every/thing config ?\n  port ? [\"9000\"]\n\
         application/every/thing old ? delete\n\
         application/every/thing:other enabled=Some(false)\n"
    );
}

const HEAD: &str = "<?xml version='1.0'?>\n<!DOCTYPE service_bundle SYSTEM \
     '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>\n<service_bundle type='manifest' name='n'>\n\
     <service name='a/b' version='1' type='service'>\n";
const TAIL: &str = "\n</service></service_bundle>\n";

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (inside, expected) in [
        (
            "<property_group name='p' type='application'>\n <propval name='x' type='count' \
             value='abc'/></property_group>",
            "line 6, column 2: illegal value \"abc\" for count (Illegal character)",
        ),
        (
            "<property_group name='p' type='application'>\n <propval name='x' type='number' \
             value='1'/></property_group>",
            "line 6, column 2: property \"x\" has the unknown type number, expected boolean, count",
        ),
        (
            "<property_group name='p' type='application'/>\n<property_group name='p' type='other'/>",
            "line 6, column 1: Multiple definitions of property group p in entity svc:/a/b",
        ),
        (
            "<property_group name='p' type='t'><propval name='x' type='count' value='1'/>\n<propval \
             name='x' type='count' value='1'/></property_group>",
            "line 6, column 1: Multiple definitions for property x in property group p",
        ),
        (
            "<create_default_instance enabled='false'/>\n<instance name='default' enabled='true'/>",
            "line 6, column 1: Multiple definitions of entity default in service a/b",
        ),
        (
            "<property_group name='p' type='t'><property name='x' type='count'><astring_list>\
             <value_node value='1'/></astring_list></property></property_group>",
            "property \"x\" of type count has a astring_list, expected count_list",
        ),
        (
            "<dependent name='p' grouping='require_all' restart_on='none'><service_fmri \
             value='svc:/c/d'/></dependent>\n<property_group name='p' type='t'/>",
            "Property group and dependent of entity svc:/a/b have same name \"p\"",
        ),
        (
            "<exec_method type='method' name='start' exec='x'/>",
            "line 5, column 1: element exec_method has no timeout_seconds, expected attribute \
             timeout_seconds",
        ),
        (
            "<instance name='a.b' enabled='true'/>",
            "line 5, column 1: instance name \"a.b\" is not valid",
        ),
        (
            "<dependency name='d' grouping='all' restart_on='none' type='service'/>",
            "attribute grouping of dependency is \"all\", expected require_all, require_any",
        ),
    ] {
        let error = bundle::parse(&format!("{HEAD}{inside}{TAIL}")).unwrap_err().to_string();
        assert!(error.starts_with(expected) || error.contains(expected), "{inside}\n{error}");
    }
}

#[test]
fn the_document_type_is_held_to() {
    for (text, expected) in [
        ("<service_bundle type='manifest' name='n'/>", "document has no DTD"),
        (
            "<!DOCTYPE service_bundle SYSTEM 'other.dtd'><service_bundle type='manifest' name='n'/>",
            "document DTD unknown; not service bundle?",
        ),
        ("<html/>", "document is not a service bundle"),
        ("<!-- nothing -->", "document is empty"),
        (
            "<!DOCTYPE service_bundle [<!ENTITY a 'b'>]><service_bundle/>",
            "line 1, column 1: document type has an internal subset",
        ),
    ] {
        assert_eq!(bundle::parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}
