//! The bundle reader against whole bundles: everything.xml holds each element at least once.

use std::path::Path;

use smf_model::bundle::{self, Bundle, Entity, Included, Validation, Values};

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

/// Every `tests/wrong/<case>.xml` is refused with what `<case>.txt` says.
#[test]
fn what_is_wrong_is_named_with_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        let error = bundle::parse(&std::fs::read_to_string(&path).unwrap()).unwrap_err();
        let mut said = format!("{error}\n");
        if let Some(summary) = error.summary() {
            said += &format!("{summary}\n");
        }
        assert_eq!(said, expected, "{}", path.display());
        cases += 1;
    }
    assert!(cases > 25, "{cases} cases");
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

const MANIFEST: &str = "<!DOCTYPE service_bundle SYSTEM \
     '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>\n<service_bundle type='manifest' name='n'>\n";

/// A folder of documents that include each other.
fn open(name: &str) -> Result<Included, String> {
    let service = |name: &str| format!("<service name='{name}' version='1' type='service'/>");
    let inside = match name {
        "/d/one.xml" => service("ab/one"),
        "/d/two.xml" => "<xi:include href='sub/three.xml'/>".to_owned(),
        "/d/sub/three.xml" => service("ab/three"),
        "/d/circle.xml" => "<xi:include href='circle.xml'/>".to_owned(),
        "/d/wrong.xml" => "<service name='ab/wrong' version='1'/>".to_owned(),
        other => return Err(format!("{other}: No such file or directory")),
    };
    let text = format!("{MANIFEST}{inside}</service_bundle>");
    Ok(Included { name: name.to_owned(), text })
}

#[test]
fn bundles_are_included() {
    for (inside, expected) in [
        ("<xi:include href='/d/one.xml'/>", "ab/one"),
        (
            "<xi:include href='file:///d/one.xml'/><xi:include href='/d/two.xml'/>",
            "ab/one ab/three",
        ),
        (
            "<xi:include href='/none.xml'><xi:fallback><service name='ab/in' version='1' \
             type='service'/></xi:fallback></xi:include>",
            "ab/in",
        ),
        ("<xi:include href='/none.xml'><xi:fallback/></xi:include>", ""),
        (
            "<xi:include href='/none.xml'/>",
            "line 3, column 1: couldn't handle XInclude statements in document: /none.xml: No such \
             file or directory, expected xi:fallback",
        ),
        (
            "<xi:include href='/d/wrong.xml'><xi:fallback/></xi:include>",
            "/d/wrong.xml: line 3, column 1: element service has no type, expected attribute type",
        ),
        (
            "<xi:include href='/d/one.xml'/>\n<xi:include href='/d/one.xml'/>",
            "/d/one.xml: line 3, column 1: Multiple definitions for service ab/one in bundle n.",
        ),
        (
            "<xi:include href='/d/one.xml' parse='text'/>",
            "line 3, column 1: couldn't handle XInclude statements in document: text is not included",
        ),
        (
            "<xi:include href='/d/one.xml#x'/>",
            "line 3, column 1: couldn't handle XInclude statements in document: parts of documents \
             are not included",
        ),
    ] {
        let text = format!("{MANIFEST}{inside}</service_bundle>");
        let read = bundle::parse_with(&text, Validation::Dtd, &mut |include| open(&include.path()));
        let said = match read {
            Ok(bundle) => {
                let names: Vec<_> = bundle.services.into_iter().map(|s| s.name).collect();
                names.join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected, "{inside}");
    }
}

#[test]
fn a_circle_of_inclusions_ends() {
    let text = format!("{MANIFEST}<xi:include href='/d/circle.xml'/></service_bundle>");
    let read = bundle::parse_with(&text, Validation::Dtd, &mut |include| open(&include.path()));
    let error = read.unwrap_err().to_string();
    assert!(error.ends_with("inclusions are nested too deeply, expected xi:fallback"), "{error}");
}

#[test]
fn what_is_not_validated_may_be_out_of_order() {
    let text = "<service_bundle type='manifest' name='n'><service name='a/b' version='1' \
                type='service'><property_group name='p' type='t'/><dependency name='d' \
                grouping='require_all' restart_on='none' type='service'/></service></service_bundle>";
    assert_eq!(bundle::parse(text).unwrap_err().to_string(), "document has no DTD");
    let read = bundle::parse_with(text, Validation::None, &mut |_| Err(String::new())).unwrap();
    assert_eq!(read.services[0].entity.groups.len(), 2);
    let profile = text.replace("'manifest'", "'profile'");
    let profile = bundle::parse(&profile).unwrap();
    assert_eq!(profile.services[0].entity.held(), read.services[0].entity.held());
}
