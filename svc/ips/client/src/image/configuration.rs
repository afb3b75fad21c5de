//! configuration.rs - `pkg5.image`: what kind of image it is and what its administrator wants.
//!
//! The file is kept as sections, so what this program does not know survives a change; the
//! functions here read and write the parts that mean something.  Publishers come in search order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ips_model::quote::{quote, unquote};

use super::ini::{Ini, IniError, Section};
use super::literal::{print_texts, texts};
use super::publisher::Publisher;
use crate::conditions::Conditions;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// It is no such file.
    #[error(transparent)]
    Ini(#[from] IniError),
    /// It does not say the image's version.
    #[error("[image] version is missing or no number")]
    Version,
    /// A publisher's section makes no sense.
    #[error("[{section}] {reason}")]
    Publisher {
        /// The section.
        section: String,
        /// What is wrong.
        reason: String,
    },
    /// A list is none.
    #[error("[property] {name}: '{value}' is not a list")]
    List {
        /// The property.
        name: String,
        /// Its value.
        value: String,
    },
}

/// What a property of an image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Any text.
    Text,
    /// A list of texts.
    List,
    /// True or False.
    Truth,
    /// A number, 0 or more.
    Number,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// How the sections of images that hang on this one begin.
const CHILD: &str = "linked_";

/// The value that means "whatever the default is"; such properties are not stored.
pub const DEFAULT: &str = "DEFAULT";

/// What `signature-policy` may say.
pub const POLICIES: [&str; 4] = ["ignore", "require-names", "require-signatures", "verify"];

/// The properties every image has, in the order a new image stores them: name, sort, default.
pub const PROPERTIES: [(&str, Sort, &str); 21] = [
    ("preferred-authority", Sort::Text, ""),
    ("publisher-search-order", Sort::List, "[]"),
    (
        "be-policy",
        Sort::OneOf(&["default", "always-new", "create-backup", "when-required"]),
        "default",
    ),
    ("content-update-policy", Sort::OneOf(&["default", "always", "when-required"]), "default"),
    ("flush-content-cache-on-success", Sort::Truth, "True"),
    ("mirror-discovery", Sort::Truth, "False"),
    ("send-uuid", Sort::Truth, "True"),
    ("signature-policy", Sort::OneOf(&POLICIES), "verify"),
    ("use-system-repo", Sort::Truth, "False"),
    ("ca-path", Sort::Text, "/etc/ssl/certs"),
    ("trust-anchor-directory", Sort::Text, "etc/ssl/pkg"),
    ("signature-required-names", Sort::List, "[]"),
    ("check-certificate-revocation", Sort::Text, "False"),
    ("dehydrated", Sort::List, "[]"),
    ("exclude-patterns", Sort::List, "[]"),
    ("exclude-policy", Sort::OneOf(&["ignore", "warn", "reject"]), "warn"),
    ("key-files", Sort::List, "[]"),
    ("default-recurse", Sort::Truth, "False"),
    ("recursion-concurrency", Sort::Number, "1"),
    ("auto-be-name", Sort::Text, "omnios-r%r"),
    ("temp-be-activation", Sort::Truth, "False"),
];

/// Properties that are not stored while they have their default.
const UNSTORED: [&str; 2] = ["signature-policy", "trust-anchor-directory"];

/// What is set for a mediator, each with who said so: `site`, `vendor`, `system` or `local`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediatorSetting {
    /// `mediator-version`.
    pub version: Option<String>,
    /// Who said the version.
    pub version_source: Option<String>,
    /// Name of the implementation, without its version.
    pub implementation: Option<String>,
    /// The implementation's version.
    pub implementation_version: Option<String>,
    /// Who said the implementation.
    pub implementation_source: Option<String>,
}

/// An image's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    ini: Ini,
    /// The publishers, parsed when the file was read and kept in step with it.
    publishers: Vec<Publisher>,
}

impl Configuration {
    /// Of a new image of format 4 with these `variant.X`.
    pub fn new(variants: &BTreeMap<String, String>) -> Self {
        let mut ini = Ini::default();
        ini.section_mut("image").set("version", "4");
        for (name, _, default) in PROPERTIES {
            if !UNSTORED.contains(&name) {
                ini.section_mut("property").set(name, default);
            }
        }
        for (name, value) in variants {
            ini.section_mut("variant").set(&quote(name), value);
        }
        ini.section_mut("CONFIGURATION").set("version", "3");
        Self { ini, publishers: Vec::new() }
    }

    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, ConfigurationError> {
        let ini = Ini::parse(text)?;
        let version = ini.get("image", "version").and_then(|text| text.parse::<u32>().ok());
        if version.is_none() {
            return Err(ConfigurationError::Version);
        }
        let mut publishers = Vec::new();
        for name in ini.names().filter(|name| name.starts_with("authority_")) {
            let refused =
                |reason| ConfigurationError::Publisher { section: name.to_string(), reason };
            if let Some(section) = ini.section(name) {
                publishers.push(Publisher::read(section).map_err(refused)?);
            }
        }
        let mut configuration = Self { ini, publishers };
        let order = configuration.list("publisher-search-order")?;
        configuration.publishers.sort_by_key(|publisher| {
            let place = order.iter().position(|name| *name == publisher.prefix);
            (place.unwrap_or(usize::MAX), publisher.prefix.clone())
        });
        Ok(configuration)
    }

    /// The image's format.
    pub fn version(&self) -> u32 {
        self.ini.get("image", "version").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Every publisher, in search order.
    pub fn publishers(&self) -> &[Publisher] {
        &self.publishers
    }

    /// A publisher by prefix or alias.
    pub fn publisher(&self, name: &str) -> Option<&Publisher> {
        let by = |publisher: &&Publisher| {
            publisher.prefix == name || publisher.alias.as_deref() == Some(name)
        };
        self.publishers.iter().find(by)
    }

    /// Puts a publisher in place of the one with its prefix, or last in the search order.
    pub fn set_publisher(&mut self, publisher: Publisher) {
        publisher.write(self.ini.section_mut(&format!("authority_{}", publisher.prefix)));
        match self.publishers.iter_mut().find(|other| other.prefix == publisher.prefix) {
            Some(other) => *other = publisher,
            None => self.publishers.push(publisher),
        }
        self.store_order();
    }

    /// Takes a publisher out; whether it was there.
    pub fn remove_publisher(&mut self, prefix: &str) -> bool {
        let before = self.publishers.len();
        self.publishers.retain(|publisher| publisher.prefix != prefix);
        self.ini.remove(&format!("authority_{prefix}"));
        self.store_order();
        self.publishers.len() != before
    }

    /// Moves a publisher to a place in the search order, counted without it from 0.
    pub fn move_publisher(&mut self, prefix: &str, to: usize) {
        if let Some(at) = self.publishers.iter().position(|other| other.prefix == prefix) {
            let publisher = self.publishers.remove(at);
            self.publishers.insert(to.min(self.publishers.len()), publisher);
            self.store_order();
        }
    }

    fn store_order(&mut self) {
        let order: Vec<String> = self.publishers.iter().map(|one| one.prefix.clone()).collect();
        self.ini.section_mut("property").set("publisher-search-order", &print_texts(&order));
    }

    /// Every property with its value, stored or default, sorted by name.
    pub fn properties(&self) -> BTreeMap<String, String> {
        let defaults = PROPERTIES.map(|(name, _, default)| (name.to_string(), default.to_string()));
        let mut all: BTreeMap<String, String> = defaults.into();
        for (name, value) in self.ini.section("property").into_iter().flat_map(Section::iter) {
            if value != DEFAULT {
                all.insert(name.to_string(), value.to_string());
            }
        }
        all
    }

    /// A property's value, stored or default.
    pub fn property(&self, name: &str) -> Option<&str> {
        let default = PROPERTIES.iter().find(|(other, _, _)| *other == name);
        let stored = self.ini.get("property", name).filter(|value| *value != DEFAULT);
        stored.or(default.map(|(_, _, default)| *default))
    }

    /// A property that is True or False.
    pub fn truth(&self, name: &str) -> bool {
        super::publisher::truth(self.property(name), false)
    }

    /// A property that is a list.
    pub fn list(&self, name: &str) -> Result<Vec<String>, ConfigurationError> {
        let value = self.property(name).unwrap_or_default();
        let refused =
            || ConfigurationError::List { name: name.to_string(), value: value.to_string() };
        texts(value).ok_or_else(refused)
    }

    /// Stores a property as it is given; `check_property` says whether it may be.
    pub fn set_property(&mut self, name: &str, value: &str) {
        let section = self.ini.section_mut("property");
        if UNSTORED.contains(&name) && value == DEFAULT {
            section.remove(name);
        } else {
            section.set(name, value);
        }
    }

    /// Takes a property out; one that every image has gets its default.  Whether it was there.
    pub fn unset_property(&mut self, name: &str) -> bool {
        let default = PROPERTIES.iter().find(|(other, _, _)| *other == name);
        match default {
            Some((_, _, default)) if !UNSTORED.contains(&name) => {
                self.ini.section_mut("property").set(name, default);
                true
            }
            Some(_) => {
                self.ini.section_mut("property").remove(name);
                true
            }
            None => self.ini.section_mut("property").remove(name),
        }
    }

    /// `variant.X` → value.
    pub fn variants(&self) -> BTreeMap<String, String> {
        self.tags("variant")
    }

    /// Sets `variant.X`.
    pub fn set_variant(&mut self, name: &str, value: &str) {
        self.ini.section_mut("variant").set(&quote(name), value);
    }

    /// `facet.X` (perhaps with `*`) → wanted or not; what the administrator set here.
    pub fn facets(&self) -> BTreeMap<String, bool> {
        self.switches("facet")
    }

    /// The facets a parent image has set.
    pub fn inherited_facets(&self) -> BTreeMap<String, bool> {
        self.switches("inherited_facet")
    }

    /// Replaces the facets a parent image has set.
    pub fn set_inherited_facets(&mut self, facets: &BTreeMap<String, bool>) {
        self.ini.remove("inherited_facet");
        for (name, is) in facets {
            let section = self.ini.section_mut("inherited_facet");
            section.set(&quote(name), if *is { "True" } else { "False" });
        }
    }

    /// The images that hang on this one: name, path, whether changes are meant for them, too.
    pub fn children(&self) -> Vec<(String, String, bool)> {
        let names = self.ini.names().filter(|name| name.starts_with(CHILD));
        let child = |section: &str| {
            let get = |name: &str| self.ini.get(section, name).map(str::to_string);
            let recurse = get("li-recurse").is_none_or(|text| !text.eq_ignore_ascii_case("false"));
            Some((get("li-name")?, get("li-path")?, recurse))
        };
        names.filter_map(child).collect()
    }

    /// Adds or changes an image that hangs on this one (path, whether changes are meant for it), or
    /// takes it out.
    pub fn set_child(&mut self, name: &str, child: Option<(&str, bool)>) {
        let section = format!("{CHILD}{name}");
        let Some((path, recurse)) = child else {
            self.ini.remove(&section);
            return;
        };
        let section = self.ini.section_mut(&section);
        section.set("li-name", name);
        section.set("li-path", path);
        section.set("li-recurse", if recurse { "True" } else { "False" });
    }

    /// Sets `facet.X`; `None` takes it back.
    pub fn set_facet(&mut self, name: &str, value: Option<bool>) {
        let section = self.ini.section_mut("facet");
        match value {
            Some(true) => section.set(&quote(name), "True"),
            Some(false) => section.set(&quote(name), "False"),
            None => drop(section.remove(&quote(name))),
        }
        if section.is_empty() {
            self.ini.remove("facet");
        }
    }

    /// The variants and facets as conditions on actions.
    pub fn conditions(&self) -> Conditions {
        let mut facets = self.facets();
        facets.extend(self.inherited_facets());
        Conditions { variants: self.variants(), facets, dehydrated: self.dehydrated() }
    }

    /// The publishers that are dehydrated.
    pub fn dehydrated(&self) -> BTreeSet<String> {
        // A list that makes no sense is told of where the property is asked for.
        self.list("dehydrated").unwrap_or_default().into_iter().collect()
    }

    /// Mediator → what is set for it.
    pub fn mediators(&self) -> BTreeMap<String, MediatorSetting> {
        let mut mediators: BTreeMap<String, MediatorSetting> = BTreeMap::new();
        for (name, value) in self.ini.section("mediators").into_iter().flat_map(Section::iter) {
            let Some((mediator, what)) = name.rsplit_once('.') else { continue };
            if value.is_empty() {
                continue;
            }
            let setting = mediators.entry(mediator.to_string()).or_default();
            let value = Some(value.to_string());
            match what {
                "version" => setting.version = value,
                "version-source" => setting.version_source = value,
                "implementation" => setting.implementation = value,
                "implementation-version" => setting.implementation_version = value,
                "implementation-source" => setting.implementation_source = value,
                _ => {}
            }
        }
        mediators
    }

    /// Replaces what is set for all mediators.
    pub fn set_mediators(&mut self, mediators: &BTreeMap<String, MediatorSetting>) {
        let mut section = Section::default();
        for (mediator, setting) in mediators {
            for (what, value) in [
                ("version", &setting.version),
                ("version-source", &setting.version_source),
                ("implementation", &setting.implementation),
                ("implementation-version", &setting.implementation_version),
                ("implementation-source", &setting.implementation_source),
            ] {
                if let Some(value) = value {
                    section.set(&format!("{mediator}.{what}"), value);
                }
            }
        }
        if section.is_empty() {
            self.ini.remove("mediators");
        } else {
            *self.ini.section_mut("mediators") = section;
        }
    }

    fn tags(&self, section: &str) -> BTreeMap<String, String> {
        let tags = self.ini.section(section).into_iter().flat_map(Section::iter);
        // What is not percent-encoded as it should be stands for itself.
        let plain = |name: &str| unquote(name).unwrap_or_else(|| name.to_string());
        tags.map(|(name, value)| (plain(name), value.to_string())).collect()
    }

    fn switches(&self, section: &str) -> BTreeMap<String, bool> {
        let on = |value: &str| value.eq_ignore_ascii_case("true");
        self.tags(section).into_iter().map(|(name, value)| (name, on(&value))).collect()
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ini.fmt(to)
    }
}
