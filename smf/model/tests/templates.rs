//! Patterns against configurations: a bundle and what svccfg says to it, in tests/templates.

use std::path::{Path, PathBuf};

use smf_model::bundle::{self, Bundle};
use smf_model::group::{Group, Groups, Property};
use smf_model::template::describe::{self, Detail, Wish};
use smf_model::template::{
    Levels, Mode, Owner, Style, Templates, builtin, validate, validate_bundle,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates")
}

fn read(path: &Path) -> Bundle {
    let text = std::fs::read_to_string(path).expect("the case is there");
    bundle::parse(&text).expect("the case is a bundle")
}

fn complaints(bundle: &Bundle) -> String {
    let errors = validate_bundle(bundle, &|_| None);
    let line = |error: &smf_model::template::TemplateError| {
        let prefix = if error.is_fatal() { "" } else { "Warning: " };
        error.text(prefix, Style::OneLine) + "\n"
    };
    errors.iter().map(line).collect()
}

/// Every `<case>.xml` is validated; `<case>.txt` is what there is to say.
#[test]
fn bundles_are_held_to_their_patterns() {
    let mut cases = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap();
            assert_eq!(complaints(&read(&path)), expected, "{}", path.display());
            cases += 1;
        }
    }
    assert!(cases >= 4, "{cases} cases");
}

fn bundles(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).expect("the bundles are there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(bundles(&path));
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_shipped_bundles_have_nothing_to_explain() {
    let found = bundles(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests"));
    assert!(found.len() > 10, "{found:?}");
    for path in found {
        assert_eq!(complaints(&read(&path)), "", "{}", path.display());
    }
}

#[test]
fn errors_are_laid_out_for_people_too() {
    let errors = validate_bundle(&read(&folder().join("missing.xml")), &|_| None);
    assert_eq!(
        errors[0].text("Warning: ", Style::Human),
        "Warning: Required property missing:\n\tFMRI=\"svc:/ab/cd:default\"\n\tProperty \
         group=\"config\"\n\tName of missing property=\"port\"\n\tTemplate \
         source=\"svc:/ab/cd\"\n\tpg_pattern name=\"config\"\n\tpg_pattern \
         type=\"application\"\n\tprop_pattern name=\"port\"\n\tprop_pattern type=\"count\""
    );
}

fn group(kind: &str, properties: &[(&str, &str, &str)]) -> Group {
    let properties = properties.iter();
    let properties = properties.map(|(name, kind, v)| ((*name).into(), Property::one(kind, *v)));
    Group { kind: kind.into(), volatile: false, properties: properties.collect() }
}

#[test]
fn a_running_instance_is_looked_at_with_all_its_levels() {
    let method = group(
        "method",
        &[
            ("exec", "astring", "x"),
            ("type", "astring", "method"),
            ("timeout_seconds", "count", "0"),
        ],
    );
    let service: Groups = [
        ("general".into(), group("framework", &[])),
        ("start".into(), method.clone()),
        ("stop".into(), method),
    ]
    .into();
    let own: Groups = [
        ("general".into(), group("framework", &[("enabled", "boolean", "true")])),
        ("startd".into(), group("framework", &[("duration", "astring", "forever")])),
        (
            "fs".into(),
            group(
                "dependency",
                &[
                    ("entities", "fmri", "svc:/a/b"),
                    ("grouping", "astring", "require_all"),
                    ("restart_on", "astring", "none"),
                    ("type", "astring", "service"),
                ],
            ),
        ),
    ]
    .into();
    let levels = Levels {
        service: ("svc:/ab/cd", &service),
        instance: Some(("svc:/ab/cd:default", &own)),
        restarter: None,
        global: None,
    };
    let texts: Vec<_> = validate(&levels, Mode::Running)
        .iter()
        .map(|error| error.text("", Style::OneLine))
        .collect();
    assert_eq!(
        texts,
        ["Property has illegal value: FMRI=\"svc:/ab/cd:default\"; Property group=\"startd\"; \
          Property name=\"duration\"; Illegal value=\"forever\"; Template \
          source=\"svc:/system/svc/restarter:default\"; pg_pattern name=\"startd\"; pg_pattern \
          type=\"framework\"; prop_pattern name=\"duration\"; prop_pattern type=\"astring\""]
    );
}

#[test]
fn a_pattern_gives_a_property_its_type() {
    let none = Groups::new();
    let levels =
        Levels { service: ("svc:/ab/cd", &none), instance: None, restarter: None, global: None };
    let templates = Templates::of(&levels);
    for (group, kind, property, expected) in [
        ("startd", "framework", "duration", Some("astring")),
        ("general", "framework", "enabled", Some("boolean")),
        ("anything", "dependency", "entities", Some("fmri")),
        ("anything", "application", "entities", None),
        ("startd", "framework", "colour", None),
    ] {
        let kind = templates.property_type(group, kind, property).map(|kind| kind.to_string());
        assert_eq!(kind.as_deref(), expected, "{group}/{property}");
    }
}

#[test]
fn a_restarter_of_its_own_brings_its_own_patterns() {
    let bundle = read(&folder().join("delegated.xml"));
    let restarter = bundle.services.iter().find(|service| service.name == "ab/restarter").unwrap();
    let owner = Owner::new("svc:/ab/restarter:default", restarter.entity.held());
    let find = |fmri: &str| match fmri {
        builtin::GLOBAL => None,
        other => (other == owner.fmri()).then(|| owner.clone()),
    };
    let delegated = validate_bundle(&bundle, &find);
    let delegated: Vec<_> =
        delegated.iter().filter(|error| error.fmri == "svc:/ab/cd:default").collect();
    let [error] = delegated.as_slice() else { panic!("{delegated:?}") };
    assert_eq!(error.source, "svc:/ab/restarter:default");
    assert!(error.text("", Style::OneLine).starts_with("Required property group missing"));
}

#[test]
fn descriptions_are_those_of_describe() {
    let bundle = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles/everything.xml"));
    let service = &bundle.services[0];
    let groups = service.entity.held();
    let levels = Levels {
        service: ("svc:/application/every/thing", &groups),
        instance: None,
        restarter: None,
        global: None,
    };
    let templates = Templates::of(&levels);
    let config = &groups["config"];
    let pattern = templates.group("config", "application").unwrap();
    let port = templates.property(pattern, "port").unwrap();
    let mut text = String::new();
    for (title, detail, locale) in [("brief", Detail::Brief, "de_AT"), ("full", Detail::Full, "C")]
    {
        let wish = Wish { detail, locale };
        text += &format!("== {title}\n{}config\n", describe::entity(&groups, wish));
        text += &describe::group(Some(pattern), config, wish);
        text += "config/port\n";
        text += &describe::property(port, &config.properties["port"], wish);
        text += "== templates\n";
        text += &describe::templates(&templates, &|name| name.starts_with("config"), wish);
        text += "== one property\n";
        text += &describe::templates(&templates, &|name| name == "startd/need_session", wish);
    }
    let path = folder().join("describe.out");
    assert_eq!(text, std::fs::read_to_string(path).unwrap());
}
