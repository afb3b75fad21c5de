//! dtd.rs - the document type of a service bundle as one table, and the check against it.
//!
//! The table says the same as smf/cmd/share/service_bundle.dtd.1: for each element its attributes
//! (required, implied, with a default, or out of a list) and its children in their order.
//! What must hold: after `check` every required attribute is there, every default is filled in,
//! every enumeration holds one of its values, and the children come in the order of the table;
//! the rest of the reader relies on it.
//!
//! Profiles are looser, as in the real svccfg, which does not validate them: what the table marks
//! with `Loose` may be missing there, and the order is free.

use super::BundleError;
use super::xml::Element;

/// Whether an attribute must be there.
#[derive(Clone, Copy, PartialEq)]
enum Presence {
    /// Must be there.
    Required,
    /// Must be there in a manifest; a profile may leave it out.
    Loose,
    /// May be missing.
    Implied,
    /// Has this value when missing.
    Default(&'static str),
}
use Presence::{Default, Implied, Loose, Required};

/// One attribute: name, presence, permitted values (any, if none are listed).
type Attribute = (&'static str, Presence, &'static [&'static str]);

/// How often a child may come.
#[derive(Clone, Copy, PartialEq)]
enum Occurs {
    One,
    Optional,
    Any,
    AtLeastOne,
}
use Occurs::{Any, AtLeastOne, One, Optional};

/// One place in the order of children: any of these names, so many times.
type Particle = (&'static [&'static str], Occurs);

struct Rule {
    element: &'static str,
    attributes: &'static [Attribute],
    children: &'static [Particle],
    /// Text is permitted.
    text: bool,
}

const fn rule(
    element: &'static str,
    attributes: &'static [Attribute],
    children: &'static [Particle],
) -> Rule {
    Rule { element, attributes, children, text: false }
}

const ANY: &[&str] = &[];
const BOOLEAN: &[&str] = &["true", "false"];
pub(super) const GROUPINGS: &[&str] =
    &["require_all", "require_any", "exclude_all", "optional_all"];
pub(super) const RESTART_ON: &[&str] = &["error", "restart", "refresh", "none"];
pub(super) const STABILITY: &[&str] =
    &["Standard", "Stable", "Evolving", "Unstable", "External", "Obsolete"];
const PROPERTIES: Particle = (&["propval", "property"], Any);
const NAME: Attribute = ("name", Required, ANY);
const DELETE: Attribute = ("delete", Default("false"), BOOLEAN);
const OVERRIDE: Attribute = ("override", Default("false"), BOOLEAN);
const TYPE: Attribute = ("type", Loose, ANY);
const VALUE: Attribute = ("value", Required, ANY);
const LISTS: &[&str] = &[
    "boolean_list",
    "count_list",
    "integer_list",
    "time_list",
    "astring_list",
    "opaque_list",
    "ustring_list",
    "uri_list",
    "fmri_list",
    "host_list",
    "hostname_list",
    "net_address_list",
    "net_address_v4_list",
    "net_address_v6_list",
];

static RULES: &[Rule] = &[
    // The alternatives of the root are kept apart by `check_kinds`.
    rule(
        "service_bundle",
        &[("type", Required, &["manifest", "profile", "archive"]), NAME],
        &[(&["service_bundle", "service", "xi:include"], Any)],
    ),
    rule(
        "service",
        &[NAME, ("version", Loose, ANY), ("type", Loose, &["service", "restarter", "milestone"])],
        &[
            (&["create_default_instance"], Optional),
            (&["single_instance"], Optional),
            (&["restarter"], Optional),
            (&["dependency"], Any),
            (&["dependent"], Any),
            (&["method_context"], Optional),
            (&["exec_method"], Any),
            (&["notification_parameters"], Any),
            (&["property_group"], Any),
            (&["instance"], Any),
            (&["stability"], Optional),
            (&["template"], Optional),
        ],
    ),
    rule(
        "instance",
        &[NAME, ("enabled", Loose, BOOLEAN)],
        &[
            (&["restarter"], Optional),
            (&["dependency"], Any),
            (&["dependent"], Any),
            (&["method_context"], Optional),
            (&["exec_method"], Any),
            (&["notification_parameters"], Any),
            (&["property_group"], Any),
            (&["template"], Optional),
        ],
    ),
    rule("create_default_instance", &[("enabled", Required, BOOLEAN)], &[]),
    rule("single_instance", &[], &[]),
    rule("restarter", &[], &[(&["service_fmri"], One)]),
    rule("service_fmri", &[VALUE], &[]),
    rule(
        "dependency",
        &[
            NAME,
            ("grouping", Loose, GROUPINGS),
            ("restart_on", Loose, RESTART_ON),
            ("type", Loose, &["service", "path"]),
            DELETE,
        ],
        &[(&["service_fmri"], Any), (&["stability"], Optional), PROPERTIES],
    ),
    rule(
        "dependent",
        &[
            NAME,
            ("grouping", Loose, GROUPINGS),
            ("restart_on", Loose, RESTART_ON),
            DELETE,
            OVERRIDE,
        ],
        &[(&["service_fmri"], One), (&["stability"], Optional), PROPERTIES],
    ),
    rule(
        "exec_method",
        &[
            ("type", Loose, &["method", "monitor"]),
            NAME,
            ("exec", Loose, ANY),
            ("timeout_seconds", Loose, ANY),
            DELETE,
        ],
        &[(&["method_context"], Optional), (&["stability"], Optional), PROPERTIES],
    ),
    rule(
        "method_context",
        &[
            ("security_flags", Implied, ANY),
            ("working_directory", Implied, ANY),
            ("project", Implied, ANY),
            ("resource_pool", Implied, ANY),
        ],
        &[
            (&["method_profile", "method_credential"], Optional),
            (&["method_environment"], Optional),
        ],
    ),
    rule(
        "method_credential",
        &[
            ("user", Required, ANY),
            ("group", Implied, ANY),
            ("supp_groups", Implied, ANY),
            ("privileges", Implied, ANY),
            ("limit_privileges", Implied, ANY),
        ],
        &[],
    ),
    rule("method_profile", &[NAME], &[]),
    rule("method_environment", &[], &[(&["envvar"], AtLeastOne)]),
    rule("envvar", &[NAME, VALUE], &[]),
    rule("property_group", &[NAME, TYPE, DELETE], &[(&["stability"], Optional), PROPERTIES]),
    rule("propval", &[NAME, TYPE, VALUE, OVERRIDE], &[]),
    rule("property", &[NAME, TYPE, OVERRIDE], &[(LISTS, Optional)]),
    rule("value_node", &[VALUE], &[]),
    rule("stability", &[("value", Required, STABILITY)], &[]),
    rule(
        "template",
        &[],
        &[
            (&["common_name"], One),
            (&["description"], Optional),
            (&["documentation"], Optional),
            (&["pg_pattern"], Any),
        ],
    ),
    rule("common_name", &[], &[(&["loctext"], AtLeastOne)]),
    rule("description", &[], &[(&["loctext"], AtLeastOne)]),
    rule("units", &[], &[(&["loctext"], AtLeastOne)]),
    Rule {
        element: "loctext",
        attributes: &[("xml:lang", Required, ANY)],
        children: &[],
        text: true,
    },
    rule("documentation", &[], &[(&["manpage", "doc_link"], Any)]),
    rule(
        "manpage",
        &[
            ("title", Required, ANY),
            ("section", Required, ANY),
            ("manpath", Default(":default"), ANY),
        ],
        &[],
    ),
    rule("doc_link", &[NAME, ("uri", Required, ANY)], &[]),
    rule(
        "pg_pattern",
        &[
            ("name", Default(""), ANY),
            ("type", Default(""), ANY),
            ("required", Default("false"), BOOLEAN),
            ("target", Default("this"), &["this", "instance", "delegate", "all"]),
        ],
        &[(&["common_name"], Optional), (&["description"], Optional), (&["prop_pattern"], Any)],
    ),
    rule(
        "prop_pattern",
        &[NAME, ("type", Implied, ANY), ("required", Default("false"), BOOLEAN)],
        &[
            (&["common_name"], Optional),
            (&["description"], Optional),
            (&["units"], Optional),
            (&["visibility"], Optional),
            (&["cardinality"], Optional),
            (&["internal_separators"], Optional),
            (&["values"], Optional),
            (&["constraints"], Optional),
            (&["choices"], Optional),
        ],
    ),
    rule("visibility", &[("value", Required, &["hidden", "readonly", "readwrite"])], &[]),
    rule(
        "cardinality",
        &[("min", Default("0"), ANY), ("max", Default("18446744073709551615"), ANY)],
        &[],
    ),
    Rule { element: "internal_separators", attributes: &[], children: &[], text: true },
    rule("values", &[], &[(&["value"], AtLeastOne)]),
    rule("value", &[NAME], &[(&["common_name"], Optional), (&["description"], Optional)]),
    rule("constraints", &[], &[(&["value"], Any), (&["range"], Any)]),
    rule("range", &[("min", Required, ANY), ("max", Required, ANY)], &[]),
    rule("choices", &[], &[(&["value"], Any), (&["range"], Any), (&["include_values"], Any)]),
    rule("include_values", &[("type", Required, &["constraints", "values"])], &[]),
    rule("notification_parameters", &[], &[(&["event"], One), (&["type"], AtLeastOne)]),
    rule("event", &[VALUE], &[]),
    rule(
        "type",
        &[NAME, ("active", Default("true"), BOOLEAN)],
        &[(&["parameter", "paramval"], Any)],
    ),
    rule("parameter", &[NAME], &[(&["value_node"], Any)]),
    rule("paramval", &[NAME, VALUE], &[]),
    rule(
        "xi:include",
        &[
            ("href", Required, ANY),
            ("parse", Default("xml"), &["xml", "text"]),
            ("xpointer", Implied, ANY),
        ],
        &[(&["xi:fallback"], Optional)],
    ),
    rule("xi:fallback", &[], &[(&["service_bundle", "service"], Any)]),
];

/// The children of every `<type>_list`.
const LIST: Rule = rule("list", &[], &[(&["value_node"], AtLeastOne)]);

fn rule_of(name: &str) -> Option<&'static Rule> {
    if LISTS.contains(&name) {
        return Some(&LIST);
    }
    RULES.iter().find(|rule| rule.element == name)
}

/// How much of the table is held against a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// All of it.
    Full,
    /// Elements, attributes and values must be known; their order is free.
    Loose,
}

/// Holds the element and all below it to the table, and fills in the defaults.
pub(super) fn check(element: &mut Element, strictness: Strictness) -> Result<(), BundleError> {
    let Some(rule) = rule_of(&element.name) else {
        let text = format!("unknown element {}", element.name);
        return Err(BundleError::NotValid { at: element.at, text, expected: None });
    };
    check_attributes(element, rule, strictness)?;
    match strictness {
        Strictness::Full => check_order(element, rule)?,
        Strictness::Loose => check_names(element, rule)?,
    }
    if !rule.text && !element.text.trim().is_empty() {
        let text = format!("element {} holds text", element.name);
        return Err(BundleError::not_valid(element.at, text, describe(rule.children)));
    }
    element.children.iter_mut().try_for_each(|child| check(child, strictness))
}

/// Holds an attribute's name and value to the table.
fn check_attribute(
    element: &Element,
    rule: &'static Rule,
    (name, value): (&str, &str),
) -> Result<(), BundleError> {
    if name.starts_with("xmlns") || name == "xml:base" {
        return Ok(());
    }
    let Some((_, _, values)) = rule.attributes.iter().find(|(n, _, _)| *n == name) else {
        let names: Vec<_> = rule.attributes.iter().map(|(n, _, _)| *n).collect();
        let text = format!("element {} has no attribute {name}", element.name);
        return Err(BundleError::not_valid(element.at, text, names.join(", ")));
    };
    if !values.is_empty() && !values.contains(&value) {
        let text = format!("attribute {name} of {} is \"{value}\"", element.name);
        return Err(BundleError::not_valid(element.at, text, values.join(", ")));
    }
    Ok(())
}

fn check_attributes(
    element: &mut Element,
    rule: &'static Rule,
    strictness: Strictness,
) -> Result<(), BundleError> {
    for (name, value) in &element.attributes {
        check_attribute(element, rule, (name, value))?;
    }
    for (name, presence, _) in rule.attributes {
        if element.attribute(name).is_some() {
            continue;
        }
        match presence {
            Required => return Err(missing(element, name)),
            Loose if strictness == Strictness::Full => return Err(missing(element, name)),
            Loose | Implied => {}
            Default(value) => element.attributes.push(((*name).into(), (*value).into())),
        }
    }
    Ok(())
}

fn missing(element: &Element, name: &str) -> BundleError {
    let text = format!("element {} has no {name}", element.name);
    BundleError::not_valid(element.at, text, format!("attribute {name}"))
}

/// The children may stand in any order, each as often as it likes.
fn check_names(element: &Element, rule: &'static Rule) -> Result<(), BundleError> {
    let known = |child: &&Element| {
        let mut names = rule.children.iter().flat_map(|(names, _)| *names);
        names.any(|name| *name == child.name)
    };
    match element.children.iter().find(|child| !known(child)) {
        None => Ok(()),
        Some(child) => Err(misplaced(child, element, rule.children)),
    }
}

/// A child that is none of those that may come (any more).
fn misplaced(child: &Element, element: &Element, expected: &[Particle]) -> BundleError {
    let text = format!("element {} does not belong here in {}", child.name, element.name);
    BundleError::not_valid(child.at, text, describe(expected))
}

fn check_order(element: &Element, rule: &'static Rule) -> Result<(), BundleError> {
    let mut children = element.children.iter().peekable();
    let mut rest = rule.children;
    for (position, (names, occurs)) in rule.children.iter().enumerate() {
        let mut count = 0;
        while children.peek().is_some_and(|child| names.contains(&child.name.as_str())) {
            if matches!(occurs, One | Optional) && count == 1 {
                break;
            }
            children.next();
            count += 1;
            let again = matches!(occurs, Any | AtLeastOne);
            rest = &rule.children[if again { position } else { position + 1 }..];
        }
        if count == 0 && matches!(occurs, One | AtLeastOne) {
            let at = children.peek().map_or(element.at, |child| child.at);
            let found = children.peek().map_or("its end".to_owned(), |child| child.name.clone());
            let text = format!("element {} has {found}", element.name);
            return Err(BundleError::not_valid(at, text, describe(&rule.children[position..])));
        }
    }
    if let Some(child) = children.next() {
        return Err(misplaced(child, element, rest));
    }
    check_kinds(element)
}

/// A bundle holds bundles, or services, or inclusions: not a mixture.
fn check_kinds(element: &Element) -> Result<(), BundleError> {
    if element.name != "service_bundle" {
        return Ok(());
    }
    let Some(first) = element.children.first() else { return Ok(()) };
    match element.children.iter().find(|child| child.name != first.name) {
        Some(other) => {
            let text = format!("element {} among {} elements", other.name, first.name);
            Err(BundleError::not_valid(other.at, text, first.name.clone()))
        }
        None => Ok(()),
    }
}

/// The children of a rule the way a document type writes them.
fn describe(children: &[Particle]) -> String {
    if children.is_empty() {
        return "nothing".into();
    }
    let particle = |(names, occurs): &Particle| {
        let names =
            if names.len() > 1 { format!("({})", names.join(" | ")) } else { names[0].into() };
        let mark = match occurs {
            One => "",
            Optional => "?",
            Any => "*",
            AtLeastOne => "+",
        };
        format!("{names}{mark}")
    };
    children.iter().map(particle).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::xml;

    fn checked(text: &str, strictness: Strictness) -> Result<(), String> {
        let mut document = xml::document(text).unwrap();
        check(&mut document.root, strictness).map_err(|error| error.to_string())
    }

    #[test]
    fn every_child_named_has_a_rule() {
        for rule in RULES {
            for name in rule.children.iter().flat_map(|(names, _)| *names) {
                assert!(rule_of(name).is_some(), "{name} in {}", rule.element);
            }
        }
    }

    #[test]
    fn what_the_document_type_refuses() {
        for (text, expected) in [
            ("<servic/>", "line 1, column 1: unknown element servic"),
            ("<service_bundle type='manifest'/>", "expected attribute name"),
            ("<service_bundle type='x' name='n'/>", "expected manifest, profile, archive"),
            ("<service_bundle type='manifest' name='n' z='1'/>", "has no attribute z"),
            (
                "<instance name='a' enabled='true'>\n <template><common_name><loctext xml:lang='C'>x\
                 </loctext></common_name></template>\n <restarter/></instance>",
                "line 3, column 2: element restarter does not belong here in instance",
            ),
            ("<restarter/>", "element restarter has its end, expected service_fmri"),
            ("<stability value='Good'/>", "expected Standard, Stable"),
            ("<single_instance>x</single_instance>", "holds text, expected nothing"),
            ("<method_environment/>", "expected envvar+"),
            (
                "<service_bundle type='manifest' name='n'>\n<service name='a' version='1' \
                 type='service'/>\n<service_bundle type='manifest' name='m'/></service_bundle>",
                "line 3, column 1: element service_bundle among service elements",
            ),
        ] {
            let error = checked(text, Strictness::Full).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_profile_may_leave_types_out() {
        let text = "<property_group name='p'><propval name='a' value='1'/></property_group>";
        assert!(checked(text, Strictness::Full).is_err());
        assert_eq!(checked(text, Strictness::Loose), Ok(()));
    }

    /// What an element of the table looks like in a document type.
    fn content(rule: &Rule) -> String {
        match (rule.text, rule.children) {
            (true, _) => "(#PCDATA)".into(),
            (false, []) => "EMPTY".into(),
            (false, [(names, _)]) if names.len() > 1 => describe(rule.children),
            (false, children) => format!("({})", describe(children)),
        }
    }

    /// The declarations of one kind in the document type: name and rest, with single blanks.
    fn declarations<'a>(text: &'a str, kind: &'a str) -> impl Iterator<Item = (String, String)> {
        text.split("<!").filter_map(move |text| {
            let text = text.strip_prefix(kind)?.split('>').next()?;
            let words: Vec<_> = text.split_whitespace().collect();
            let (name, rest) = words.split_first()?;
            Some(((*name).to_owned(), rest.join(" ")))
        })
    }

    #[test]
    fn the_document_type_says_the_same() {
        let text = include_str!("../../../cmd/share/service_bundle.dtd.1");
        let elements: std::collections::BTreeMap<_, _> = declarations(text, "ELEMENT").collect();
        let attributes: std::collections::BTreeMap<_, _> = declarations(text, "ATTLIST").collect();
        assert_eq!(elements.len(), RULES.len() + LISTS.len());
        for list in LISTS {
            assert_eq!(elements[*list], "(value_node+)", "{list}");
        }
        for rule in RULES {
            // The alternatives of the root are not a sequence: `check_kinds`.
            if rule.element != "service_bundle" {
                assert_eq!(elements[rule.element], content(rule), "{}", rule.element);
            }
            let declared = attributes.get(rule.element).map_or("", String::as_str);
            for (name, presence, values) in rule.attributes {
                let kind = match *values {
                    [] => "CDATA".to_owned(),
                    values => format!("({})", values.join(" | ")),
                };
                let presence = match presence {
                    Required | Loose => "#REQUIRED".to_owned(),
                    Implied => "#IMPLIED".to_owned(),
                    Default(value) => format!("\"{value}\""),
                };
                let declaration = format!("{name} {kind} {presence}");
                assert!(declared.contains(&declaration), "{}: {declaration}", rule.element);
            }
        }
    }
}
