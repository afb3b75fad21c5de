//! state.rs - an image's catalogs, `state/known` and `state/installed`: catalog v1 without
//! signatures and update logs, every version of a package with its states.
//!
//! ```text
//! catalog.base.C   {"PUB":{"STEM":[{"signature-sha-1":…,"version":…,
//!                    "metadata":{"states":[0,2,7,13],"last-install":…,"last-update":…}},…]}}
//! ```
//!
//! The base part is read at once, the others when they are asked for: a list needs only the base.
//! Invariant: the versions of a stem ascend.  Not here: reading files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use ips_model::fmri::{Fmri, is_name, is_publisher};
use ips_model::{Timestamp, Version};
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The numbers packages' states have in files; they are never given to others.
pub mod states {
    /// In a publisher's catalog.
    pub const KNOWN: u8 = 0;
    /// Installed.
    pub const INSTALLED: u8 = 2;
    /// There is a newer version.
    pub const UPGRADABLE: u8 = 4;
    /// Comes from a catalog of version 0.
    pub const V0: u8 = 6;
    /// Comes from a catalog of version 1.
    pub const V1: u8 = 7;
    /// `pkg.obsolete=true`.
    pub const OBSOLETE: u8 = 8;
    /// `pkg.renamed=true`.
    pub const RENAMED: u8 = 9;
    /// Its actions are not understood.
    pub const UNSUPPORTED: u8 = 10;
    /// Frozen by the administrator.
    pub const FROZEN: u8 = 11;
    /// `pkg.legacy=true`.
    pub const LEGACY: u8 = 12;
    /// The user named it.
    pub const MANUAL: u8 = 13;
}

/// One version of a package.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The full version.
    pub version: Version,
    /// SHA-1 of its manifest.
    pub signature: Option<String>,
    /// What it is, see `states`; sorted, each once.
    pub states: Vec<u8>,
    /// When it (or an older version of it) was first installed.
    pub last_install: Option<Timestamp>,
    /// When this version took the place of another.
    pub last_update: Option<Timestamp>,
    /// What else is said of it, kept.
    pub others: BTreeMap<String, Value>,
}

impl Package {
    /// One that is in a catalog of version 1.
    pub fn new(version: Version, signature: Option<String>) -> Self {
        Self {
            version,
            signature,
            states: vec![states::KNOWN, states::V1],
            last_install: None,
            last_update: None,
            others: BTreeMap::new(),
        }
    }

    /// Whether it has a state.
    pub fn is(&self, state: u8) -> bool {
        self.states.contains(&state)
    }

    /// Gives it a state, or takes it.
    pub fn set(&mut self, state: u8, has: bool) {
        self.states.retain(|other| *other != state);
        if has {
            self.states.push(state);
            self.states.sort_unstable();
        }
    }
}

/// A text that is no state catalog.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StateError(#[from] serde_json::Error);

type Stems = BTreeMap<String, Vec<Package>>;

/// The base part of a state catalog.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateCatalog {
    publishers: BTreeMap<String, Stems>,
}

impl StateCatalog {
    /// Reads `catalog.base.C`.
    pub fn parse(text: &str) -> Result<Self, StateError> {
        Ok(serde_json::from_str(text)?)
    }

    /// The text of `catalog.base.C`, line feed included.
    pub fn print(&self) -> String {
        let stems = |stems: &'_ Stems| -> BTreeMap<String, Vec<Stored<'static>>> {
            let versions = |all: &[Package]| all.iter().map(Stored::of).collect();
            stems.iter().map(|(stem, all)| (stem.clone(), versions(all))).collect()
        };
        let publishers = self.publishers.iter().map(|(publisher, all)| (publisher, stems(all)));
        let publishers: BTreeMap<_, _> = publishers.collect();
        let mut text = serde_json::to_string(&publishers)
            .expect("maps with text keys and plain values are always JSON");
        text.push('\n');
        text
    }

    /// Every version of every package, by publisher, stem and version.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Package)> {
        self.publishers.iter().flat_map(|(publisher, stems)| {
            stems.iter().flat_map(move |(stem, versions)| {
                versions.iter().map(move |version| (publisher.as_str(), stem.as_str(), version))
            })
        })
    }

    /// The same as FMRIs.
    pub fn packages(&self) -> impl Iterator<Item = (Fmri, &Package)> {
        self.iter().map(|(publisher, stem, package)| (fmri_of(publisher, stem, package), package))
    }

    /// The publishers.
    pub fn publishers(&self) -> impl Iterator<Item = &str> {
        self.publishers.keys().map(String::as_str)
    }

    /// A publisher's versions of a stem, ascending.
    pub fn versions(&self, publisher: &str, stem: &str) -> &[Package] {
        let versions = self.publishers.get(publisher).and_then(|stems| stems.get(stem));
        versions.map(Vec::as_slice).unwrap_or_default()
    }

    /// The versions of a stem of every publisher.
    pub fn of_stem<'a>(&'a self, stem: &'a str) -> impl Iterator<Item = (&'a str, &'a Package)> {
        self.publishers.iter().flat_map(move |(publisher, stems)| {
            let versions = stems.get(stem).into_iter().flatten();
            versions.map(move |version| (publisher.as_str(), version))
        })
    }

    /// A package; BUILD tells versions apart that are equal.
    pub fn get(&self, fmri: &Fmri) -> Option<&Package> {
        let version = fmri.version.as_ref()?;
        let mut versions = self.versions(fmri.publisher.as_deref()?, &fmri.name).iter();
        versions.find(|package| package.version.is_written_as(version))
    }

    /// A package, to be changed.
    pub fn get_mut(&mut self, fmri: &Fmri) -> Option<&mut Package> {
        let version = fmri.version.as_ref()?;
        let stems = self.publishers.get_mut(fmri.publisher.as_deref()?)?;
        let mut versions = stems.get_mut(&fmri.name)?.iter_mut();
        versions.find(|package| package.version.is_written_as(version))
    }

    /// Puts a version in its place; of one that is there already it takes the place.
    pub fn insert(&mut self, publisher: &str, stem: &str, package: Package) {
        let stems = self.publishers.entry(publisher.to_string()).or_default();
        let versions = stems.entry(stem.to_string()).or_default();
        match versions.iter_mut().find(|other| other.version.is_written_as(&package.version)) {
            Some(other) => *other = package,
            None => {
                let at = versions.partition_point(|other| other.version <= package.version);
                versions.insert(at, package);
            }
        }
    }

    /// Puts all versions of a stem in their places, where there were none.
    pub(super) fn insert_all(&mut self, publisher: &str, stem: &str, mut all: Vec<Package>) {
        all.sort_by(|one, other| one.version.cmp(&other.version));
        let stems = self.publishers.entry(publisher.to_string()).or_default();
        stems.insert(stem.to_string(), all);
    }

    /// Takes a version out; a stem or publisher without versions goes too.
    pub fn remove(&mut self, fmri: &Fmri) -> Option<Package> {
        let publisher = fmri.publisher.as_deref()?;
        let version = fmri.version.as_ref()?;
        let stems = self.publishers.get_mut(publisher)?;
        let versions = stems.get_mut(&fmri.name)?;
        let at = versions.iter().position(|package| package.version.is_written_as(version))?;
        let package = versions.remove(at);
        if versions.is_empty() {
            stems.remove(&fmri.name);
        }
        if stems.is_empty() {
            self.publishers.remove(publisher);
        }
        Some(package)
    }

    /// Changes every version in place; its version stays what it is.
    pub fn each(&mut self, mut change: impl FnMut(&str, &str, &mut Package)) {
        for (publisher, stems) in &mut self.publishers {
            for (stem, versions) in stems {
                versions.iter_mut().for_each(|package| change(publisher, stem, package));
            }
        }
    }

    /// Stems and versions.
    pub fn counts(&self) -> (usize, usize) {
        let stems = self.publishers.values().flat_map(BTreeMap::values);
        stems.fold((0, 0), |(stems, versions), all| (stems + 1, versions + all.len()))
    }
}

fn fmri_of(publisher: &str, stem: &str, package: &Package) -> Fmri {
    Fmri {
        publisher: Some(publisher.to_string()),
        name: stem.to_string(),
        version: Some(package.version.clone()),
    }
}

/// A version as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    #[serde(rename = "signature-sha-1", skip_serializing_if = "Option::is_none", default)]
    signature: Option<Cow<'a, str>>,
    version: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata<'a>,
}

#[derive(Default, Serialize, Deserialize)]
struct Metadata<'a> {
    #[serde(default)]
    states: Vec<u8>,
    #[serde(rename = "last-install", skip_serializing_if = "Option::is_none", default)]
    last_install: Option<Cow<'a, str>>,
    #[serde(rename = "last-update", skip_serializing_if = "Option::is_none", default)]
    last_update: Option<Cow<'a, str>>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl Metadata<'_> {
    fn is_empty(&self) -> bool {
        self.states.is_empty() && self.others.is_empty()
    }
}

impl Stored<'static> {
    fn of(package: &Package) -> Self {
        let time = |time: Option<Timestamp>| time.map(|time| Cow::Owned(time.to_string()));
        Self {
            signature: package.signature.clone().map(Cow::Owned),
            version: Cow::Owned(package.version.to_string()),
            metadata: Metadata {
                states: package.states.clone(),
                last_install: time(package.last_install),
                last_update: time(package.last_update),
                others: package.others.clone(),
            },
        }
    }
}

impl Stored<'_> {
    fn package(self) -> Result<Package, String> {
        let version = Version::parse(&self.version).map_err(|error| error.to_string())?;
        let time = |text: Option<Cow<'_, str>>| {
            text.map(|text| Timestamp::parse(&text)).transpose().map_err(|error| error.to_string())
        };
        let mut states = self.metadata.states;
        states.sort_unstable();
        states.dedup();
        Ok(Package {
            version,
            signature: self.signature.map(Cow::into_owned),
            states,
            last_install: time(self.metadata.last_install)?,
            last_update: time(self.metadata.last_update)?,
            others: self.metadata.others,
        })
    }
}

impl<'de> Deserialize<'de> for StateCatalog {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Publishers)
    }
}

struct Publishers;

impl<'de> Visitor<'de> for Publishers {
    type Value = StateCatalog;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a catalog part")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StateCatalog, A::Error> {
        let mut catalog = StateCatalog::default();
        while let Some(publisher) = map.next_key::<String>()? {
            // Signatures and features are no publishers, and say nothing that is needed here.
            if publisher.starts_with('_') {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if !is_publisher(&publisher) {
                return Err(A::Error::custom(format!("publisher {publisher} is not valid")));
            }
            let stored = map.next_value::<BTreeMap<String, Vec<Stored<'de>>>>()?;
            let stems = catalog.publishers.entry(publisher).or_default();
            for (stem, versions) in stored {
                if !is_name(&stem) {
                    return Err(A::Error::custom(format!("package name {stem} is not valid")));
                }
                let versions = versions.into_iter().map(Stored::package);
                let mut versions: Vec<Package> =
                    versions.collect::<Result<_, _>>().map_err(A::Error::custom)?;
                versions.sort_by(|one, other| one.version.cmp(&other.version));
                stems.insert(stem, versions);
            }
        }
        Ok(catalog)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = concat!(
        r#"{"a.example":{"x":[{"signature-sha-1":"00","version":"1,5.11:20240102T030405Z","#,
        r#""metadata":{"states":[0,2,7,13],"last-install":"20261122T030450.000001Z","odd":1}},"#,
        r#"{"version":"2,5.11","metadata":{"states":[0,7]}}]}}"#,
        "\n"
    );

    #[test]
    fn what_is_read_is_written() {
        let catalog = StateCatalog::parse(TEXT).unwrap();
        assert_eq!(catalog.print(), TEXT);
        assert_eq!(catalog.counts(), (1, 2));
        let fmri = Fmri::parse("pkg://a.example/x@1:20240102T030405Z").unwrap();
        let package = catalog.get(&fmri).unwrap();
        assert!(package.is(states::MANUAL) && !package.is(states::OBSOLETE));
    }

    #[test]
    fn features_and_other_orders_are_read() {
        let text = r#"{"_FEATURE":["ooce:utf8"],"a":{"x":[{"version":"2","metadata":{"states":[7,0,7]}},
            {"version":"1,5.11"}]}}"#;
        let catalog = StateCatalog::parse(text).unwrap();
        let versions: Vec<String> =
            catalog.versions("a", "x").iter().map(|one| one.version.to_string()).collect();
        assert_eq!(versions, ["1,5.11", "2,5.11"]);
        assert_eq!(catalog.versions("a", "x")[1].states, [0, 7]);
    }

    #[test]
    fn versions_come_and_go() {
        let mut catalog = StateCatalog::parse(TEXT).unwrap();
        let version = |text: &str| Version::parse(text).unwrap();
        catalog.insert("b", "y", Package::new(version("1"), None));
        catalog.insert("a.example", "x", Package::new(version("1.5"), None));
        let all: Vec<String> = catalog.packages().map(|(fmri, _)| fmri.brief()).collect();
        assert_eq!(all, ["x@1", "x@1.5", "x@2", "y@1"]);
        for text in ["pkg://b/y@1", "pkg://a.example/x@1.5"] {
            assert!(catalog.remove(&Fmri::parse(text).unwrap()).is_some());
            assert!(catalog.remove(&Fmri::parse(text).unwrap()).is_none());
        }
        assert_eq!(catalog.print(), TEXT);
    }

    #[test]
    fn refused() {
        for bad in [
            "",
            "[]",
            "{",
            r#"{"../x":{}}"#,
            r#"{"a":{"../x":[]}}"#,
            r#"{"a":{"x":[{"version":"x"}]}}"#,
            r#"{"a":{"x":[{}]}}"#,
            r#"{"a":{"x":[{"version":"1","metadata":{"states":["x"]}}]}}"#,
            r#"{"a":{"x":[{"version":"1","metadata":{"last-install":"now"}}]}}"#,
        ] {
            assert!(StateCatalog::parse(bad).is_err(), "{bad}");
        }
    }
}
