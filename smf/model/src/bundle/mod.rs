//! bundle - service bundles, the XML in which services are delivered.
//!
//! Reading order: `encoding` (bytes → text), `xml` (text → elements with places), `dtd` (what may
//! stand where), `read` (elements → the values below), `elements` and `template` (an element → a
//! property group), `include` (bundles in other files), `write` (the way back, from the groups of a
//! repository).
//!
//! What must hold: a `Bundle` is complete and consistent by itself.  Every element has been mapped
//! to property groups, every value has been parsed as its type, no name is defined twice, and every
//! error found on the way names its line, its column, and what was expected there.  What a bundle
//! does to a repository is decided in smf-scf (import), not here.

use thiserror::Error;

use value::{PropertyType, Value};

use crate::group::{self, Groups};

mod dtd;
mod elements;
mod encoding;
mod include;
mod read;
pub(crate) mod template;
pub mod value;
pub mod write;
mod xml;

pub use encoding::decode;
pub use include::{Include, Included, Open};
pub use xml::{Position, SIZE_MAX};

/// The system identifier every manifest must name.
pub const DTD: &str = "/usr/share/lib/xml/dtd/service_bundle.dtd.1";

/// What a bundle is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Delivers services; merged with what is there.
    Manifest,
    /// Sets properties of services that are there.
    Profile,
    /// Everything a repository held.
    Archive,
}

/// A service bundle, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// What it is for.
    pub kind: Kind,
    /// Its name attribute; nothing depends on it.
    pub name: String,
    /// The services, nested bundles included, in order.
    pub services: Vec<Service>,
}

/// One service and its instances.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Where it stands.
    pub at: Position,
    /// Its name: `application/merger`.
    pub name: String,
    /// The property groups of the service itself.
    pub entity: Entity,
    /// Its instances in order; the default instance comes first.
    pub instances: Vec<Instance>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Where it stands.
    pub at: Position,
    /// Its name: `default`.
    pub name: String,
    /// general/enabled; a profile may be silent about it.
    pub enabled: Option<bool>,
    /// The property groups; general never holds `enabled` here.
    pub entity: Entity,
}

/// What services and instances have in common.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entity {
    /// Property groups in order.  `dependents` is among them, when there are any.
    pub groups: Vec<Group>,
    /// What is to be created on other entities.
    pub dependents: Vec<Dependent>,
}

impl Instance {
    /// The groups as a repository holds them, with general/enabled where the bundle says it.
    #[must_use]
    pub fn held(&self) -> Groups {
        let mut groups = self.entity.held();
        if let Some(enabled) = self.enabled {
            let general = groups.entry("general".into()).or_insert_with(|| group::Group {
                kind: "framework".into(),
                ..group::Group::default()
            });
            let enabled = group::Property::one("boolean", enabled.to_string());
            general.properties.insert("enabled".into(), enabled);
        }
        groups
    }
}

impl Entity {
    /// The groups as a repository holds them; what is to be deleted is left out.
    #[must_use]
    pub fn held(&self) -> Groups {
        let kept = self.groups.iter().filter(|group| !group.delete);
        kept.map(|group| (group.name.clone(), group.held())).collect()
    }

    /// The property group with this name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }
}

/// A property group.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Where it stands.
    pub at: Position,
    /// Its name.
    pub name: String,
    /// Its type; only a profile may leave it out.
    pub kind: Option<String>,
    /// delete='true': the group is to be removed.
    pub delete: bool,
    /// Its properties, in order.
    pub properties: Vec<Property>,
}

impl Group {
    /// The group as a repository holds it.
    #[must_use]
    pub fn held(&self) -> group::Group {
        let properties = self.properties.iter().map(|p| (p.name.clone(), p.held()));
        group::Group {
            kind: self.kind.clone().unwrap_or_default(),
            volatile: false,
            properties: properties.collect(),
        }
    }

    /// The property with this name.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }
}

/// A property with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Where it stands.
    pub at: Position,
    /// Its name.
    pub name: String,
    /// override='true': wins over what an administrator set.
    pub overrides: bool,
    /// Its values.
    pub values: Values,
}

impl Property {
    /// The property as a repository holds it.  One without a type, which only a profile has, is
    /// taken for text: who applies a profile looks the type up first.
    #[must_use]
    pub fn held(&self) -> group::Property {
        match &self.values {
            Values::Typed(kind, values) => group::Property {
                kind: kind.to_string(),
                values: values.iter().map(ToString::to_string).collect(),
            },
            Values::Untyped(values) => {
                group::Property { kind: "astring".into(), values: values.clone() }
            }
        }
    }
}

/// The values of a property.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Of a known type; there may be none.
    Typed(PropertyType, Vec<Value>),
    /// Only in a profile: the type is the one the repository has.
    Untyped(Vec<String>),
}

/// A dependency that is placed on another entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependent {
    /// Where it stands.
    pub at: Position,
    /// The name of the group on the target.
    pub name: String,
    /// FMRI of the target as written.
    pub target: String,
    /// delete='true': is to be removed.
    pub delete: bool,
    /// override='true'.
    pub overrides: bool,
    /// The group to be created on the target.
    pub group: Group,
}

/// What is wrong with a bundle.
#[derive(Debug, Error)]
pub enum BundleError {
    /// Larger than anything that is read.
    #[error("document has more than {limit} bytes")]
    TooLarge {
        /// Bytes it may have.
        limit: usize,
    },
    /// There is no root element.
    #[error("document is empty")]
    Empty,
    /// There is no document type.
    #[error("document has no DTD")]
    NoDtd,
    /// The document type is another one.
    #[error("document DTD unknown; not service bundle?")]
    UnknownDtd,
    /// The root element is another one.
    #[error("document is not a service bundle")]
    NotABundle,
    /// The document type declares things itself.
    #[error("line {}, column {}: document type has an internal subset", at.line, at.column)]
    InternalSubset {
        /// Where.
        at: Position,
    },
    /// It is not XML.
    #[error("line {}, column {}: {text}", at.line, at.column)]
    Malformed {
        /// Where.
        at: Position,
        /// What the parser says.
        text: String,
    },
    /// It is XML, but not a bundle.
    #[error("line {}, column {}: {text}{}", at.line, at.column, expectation(expected.as_deref()))]
    Invalid {
        /// Where.
        at: Position,
        /// What is wrong.
        text: String,
        /// What was expected there, where that can be said.
        expected: Option<String>,
    },
    /// It is not what the document type asks for.
    #[error("line {}, column {}: {text}{}", at.line, at.column, expectation(expected.as_deref()))]
    NotValid {
        /// Where.
        at: Position,
        /// What is wrong.
        text: String,
        /// What was expected there, where that can be said.
        expected: Option<String>,
    },
    /// Something is wrong in a document that is included.
    #[error("{name}: {source}")]
    Included {
        /// The document.
        name: String,
        /// What is wrong in it.
        source: Box<BundleError>,
    },
}

fn expectation(expected: Option<&str>) -> String {
    expected.map(|expected| format!(", expected {expected}")).unwrap_or_default()
}

impl BundleError {
    /// What svccfg says besides, of the document as a whole.
    #[must_use]
    pub fn summary(&self) -> Option<&'static str> {
        match self {
            Self::Malformed { .. } | Self::InternalSubset { .. } => Some("couldn't parse document"),
            Self::NotValid { .. } => Some("Document is not valid."),
            Self::Included { source, .. } => source.summary(),
            Self::TooLarge { .. }
            | Self::Empty
            | Self::NoDtd
            | Self::UnknownDtd
            | Self::NotABundle
            | Self::Invalid { .. } => None,
        }
    }

    fn malformed(at: Position, text: impl ToString) -> Self {
        Self::Malformed { at, text: text.to_string() }
    }

    fn invalid(at: Position, text: String) -> Self {
        Self::Invalid { at, text, expected: None }
    }

    /// The document type asks for something else.
    fn not_valid(at: Position, text: String, expected: impl Into<String>) -> Self {
        Self::NotValid { at, text, expected: Some(expected.into()) }
    }

    fn expected(at: Position, text: String, expected: impl Into<String>) -> Self {
        Self::Invalid { at, text, expected: Some(expected.into()) }
    }
}

/// How much of the document type is held against a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// All of it, unless it is a profile.
    Dtd,
    /// That there are no unknown elements, attributes and values ($SVCCFG_NOVALIDATE).
    None,
}

/// Reads a bundle from its text.  What it includes is taken for absent.
///
/// # Errors
/// Whatever is wrong first, with its place.
pub fn parse(text: &str) -> Result<Bundle, BundleError> {
    parse_with(text, Validation::Dtd, &mut |_| Err("nothing is opened here".into()))
}

/// Reads a bundle from its text, and what it includes by way of `open`.
///
/// # Errors
/// Whatever is wrong first, with its place.
pub fn parse_with(
    text: &str,
    validation: Validation,
    open: &mut Open<'_>,
) -> Result<Bundle, BundleError> {
    read::bundle(text, validation, open)
}

/// The system identifier in `service_bundle SYSTEM "..."`.
fn system_identifier(doctype: &str) -> Option<&str> {
    let rest = doctype.trim_start().split_once("SYSTEM")?.1.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest[1..].split_once(quote).map(|(identifier, _)| identifier)
}
