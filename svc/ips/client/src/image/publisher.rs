//! publisher.rs - a publisher of an image: an `[authority_PREFIX]` section of `pkg5.image`.

use std::collections::BTreeMap;

use ips_model::fmri::is_publisher;

use super::ini::Section;
use super::literal::{Literal, print_texts, texts};

/// How long a catalog is new enough, unless the repository says otherwise.
pub const REFRESH_SECONDS: u64 = 14_400;

/// Where a publisher's packages, or only their payloads, come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherUri {
    /// The URI, with a slash at its end.
    pub uri: String,
    /// A proxy to go through; `None`: none.
    pub proxy: Option<String>,
    /// Whether it is left out.
    pub disabled: bool,
}

impl PublisherUri {
    /// An enabled one without proxy.
    pub fn new(uri: &str) -> Self {
        Self { uri: uri.to_string(), proxy: None, disabled: false }
    }
}

/// The value of a publisher's property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

/// A publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// Its name.
    pub prefix: String,
    /// Another name.
    pub alias: Option<String>,
    /// Whether its packages are left out of every search.
    pub disabled: bool,
    /// Whether what was installed from it is only updated from it.
    pub sticky: bool,
    /// What the client tells its repositories about itself; empty: nothing.
    pub uuid: String,
    /// When the uuid was last made, as ctime() prints it.
    pub last_uuid: String,
    /// Repositories.
    pub origins: Vec<PublisherUri>,
    /// Further places of payloads.
    pub mirrors: Vec<PublisherUri>,
    /// Client key, an absolute path; empty: none.
    pub ssl_key: String,
    /// Client certificate; empty: none.
    pub ssl_cert: String,
    /// `signature-policy`, `signature-required-names` and others of the administrator's own.
    pub properties: BTreeMap<String, Value>,
    /// Hashes of CA certificates trusted for this publisher.
    pub approved_ca_certs: Vec<String>,
    /// Hashes of CA certificates that are not trusted for this publisher.
    pub revoked_ca_certs: Vec<String>,
    /// `repo.*`: what its repository says of itself, as stored.
    pub repository: BTreeMap<String, String>,
}

impl Publisher {
    /// One without origins.
    pub fn new(prefix: &str) -> Self {
        let repository = [
            ("collection_type", "core"),
            ("description", ""),
            ("legal_uris", "[]"),
            ("name", ""),
            ("refresh_seconds", "14400"),
            ("registered", "False"),
            ("registration_uri", ""),
            ("related_uris", "[]"),
            ("sort_policy", "priority"),
        ];
        let required = ("signature-required-names".to_string(), Value::List(Vec::new()));
        Self {
            prefix: prefix.to_string(),
            alias: None,
            disabled: false,
            sticky: true,
            uuid: String::new(),
            last_uuid: String::new(),
            origins: Vec::new(),
            mirrors: Vec::new(),
            ssl_key: String::new(),
            ssl_cert: String::new(),
            properties: [required].into(),
            approved_ca_certs: Vec::new(),
            revoked_ca_certs: Vec::new(),
            repository: repository.map(|(k, v)| (k.to_string(), v.to_string())).into(),
        }
    }

    /// Seconds after which its catalog is asked for again.
    pub fn refresh_seconds(&self) -> u64 {
        let stored = self.repository.get("refresh_seconds");
        stored.and_then(|text| text.parse().ok()).unwrap_or(REFRESH_SECONDS)
    }

    /// The origins that are not disabled.
    pub fn enabled_origins(&self) -> impl Iterator<Item = &PublisherUri> {
        self.origins.iter().filter(|origin| !origin.disabled)
    }

    /// Reads a section; `Err` says what is wrong with it.
    pub(super) fn read(section: &Section) -> Result<Self, String> {
        let text = |name: &str| present(section.get(name)).unwrap_or_default().to_string();
        let prefix = text("prefix");
        if !is_publisher(&prefix) {
            return Err(format!("'{prefix}' is not a publisher prefix"));
        }
        let list = |name: &str| -> Result<Vec<String>, String> {
            let value = present(section.get(name)).unwrap_or_default();
            texts(value).ok_or_else(|| format!("{name}: '{value}' is not a list"))
        };
        let uris = |names: &str, info: &str| -> Result<Vec<PublisherUri>, String> {
            let infos = infos(section.get(info).unwrap_or_default());
            let uris = list(names)?.into_iter().map(|uri| {
                let info = infos.iter().find(|info| info.get("uri") == Some(&uri));
                let said = |key: &str| info.and_then(|info| info.get(key));
                let proxy = said("proxy").filter(|proxy| !matches!(*proxy, "" | "None"));
                let disabled =
                    said("disabled").is_some_and(|text| text.eq_ignore_ascii_case("true"));
                PublisherUri { proxy: proxy.map(str::to_string), disabled, uri }
            });
            Ok(uris.collect())
        };
        let mut origins = uris("origins", "origin_info")?;
        // Images of long ago have one origin, in a property of its own.
        if origins.is_empty() {
            origins.extend(present(section.get("origin")).map(PublisherUri::new));
        }
        let mut publisher = Self {
            alias: present(section.get("alias")).map(str::to_string),
            disabled: truth(section.get("disabled"), false),
            sticky: truth(section.get("sticky"), true),
            uuid: text("uuid"),
            last_uuid: text("last_uuid"),
            origins,
            mirrors: uris("mirrors", "mirror_info")?,
            ssl_key: text("ssl_key"),
            ssl_cert: text("ssl_cert"),
            approved_ca_certs: list("approved_ca_certs")?,
            revoked_ca_certs: list("revoked_ca_certs")?,
            ..Self::new(&prefix)
        };
        for (name, value) in section.iter() {
            if let Some(name) = name.strip_prefix("property.") {
                let value = match texts(value).filter(|_| value.starts_with('[')) {
                    Some(list) => Value::List(list),
                    None => Value::Text(value.to_string()),
                };
                publisher.properties.insert(name.to_string(), value);
            } else if let Some(name) = name.strip_prefix("repo.") {
                publisher.repository.insert(name.to_string(), value.to_string());
            }
        }
        Ok(publisher)
    }

    /// Puts all of it into its section; what else stands there stays.
    pub(super) fn write(&self, section: &mut Section) {
        let truth = |value| if value { "True" } else { "False" };
        let plain = |uris: &[PublisherUri]| {
            print_texts(&uris.iter().map(|uri| uri.uri.clone()).collect::<Vec<_>>())
        };
        section.set("alias", self.alias.as_deref().unwrap_or_default());
        section.set("prefix", &self.prefix);
        section.set("disabled", truth(self.disabled));
        section.set("sticky", truth(self.sticky));
        section.set("uuid", &self.uuid);
        section.set("last_uuid", &self.last_uuid);
        section.set("mirrors", &plain(&self.mirrors));
        section.set("mirror_info", &print_infos(&self.mirrors));
        section.remove("origin");
        section.set("origins", &plain(&self.origins));
        section.set("origin_info", &print_infos(&self.origins));
        section.set("ssl_cert", &self.ssl_cert);
        section.set("ssl_key", &self.ssl_key);
        let stale: Vec<String> = section
            .iter()
            .filter_map(|(name, _)| name.strip_prefix("property."))
            .filter(|name| !self.properties.contains_key(*name))
            .map(|name| format!("property.{name}"))
            .collect();
        for name in stale {
            section.remove(&name);
        }
        for (name, value) in &self.properties {
            let value = match value {
                Value::Text(text) => text.clone(),
                Value::List(list) => print_texts(list),
            };
            section.set(&format!("property.{name}"), &value);
        }
        for name in ["intermediate_certs", "signing_ca_certs"] {
            if section.get(name).is_none() {
                section.set(name, "[]");
            }
        }
        section.set("approved_ca_certs", &print_texts(&self.approved_ca_certs));
        section.set("revoked_ca_certs", &print_texts(&self.revoked_ca_certs));
        for (name, value) in &self.repository {
            section.set(&format!("repo.{name}"), value);
        }
    }
}

fn present(value: Option<&str>) -> Option<&str> {
    value.filter(|text| !matches!(*text, "" | "None"))
}

pub(super) fn truth(value: Option<&str>, otherwise: bool) -> bool {
    match value {
        Some(text) if text.eq_ignore_ascii_case("true") => true,
        Some(text) if text.eq_ignore_ascii_case("false") => false,
        Some(_) | None => otherwise,
    }
}

fn infos(text: &str) -> Vec<Literal> {
    match Literal::parse(text) {
        Some(Literal::List(members)) => members,
        Some(_) | None => Vec::new(),
    }
}

fn print_infos(uris: &[PublisherUri]) -> String {
    let info = |uri: &PublisherUri| {
        let text = |text: &str| Literal::Text(text.to_string());
        Literal::Map(vec![
            ("uri".to_string(), text(&uri.uri)),
            ("proxy".to_string(), text(uri.proxy.as_deref().unwrap_or_default())),
            ("disabled".to_string(), text(if uri.disabled { "true" } else { "false" })),
        ])
    };
    Literal::List(uris.iter().map(info).collect()).print()
}
