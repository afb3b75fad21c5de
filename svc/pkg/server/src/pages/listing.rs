//! listing.rs - what pages say of all packages of a publisher, kept in memory.
//!
//! Read from the catalog when first asked and whenever that changes; the depot's other work needs
//! none of it, so a depot that no browser visits has none.

use std::path::Path;
use std::sync::Arc;

use ips_model::catalog::{DEPENDENCY, Entry, SUMMARY};
use ips_model::{Action, Version};
use ips_repository::{ReadError, Repository};

use crate::kept::{Kept, Stamp};
use crate::view::View;

/// What became of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may be installed.
    Current,
    /// It is no longer.
    Obsolete,
    /// It has another name now.
    Renamed,
}

/// A package of a listing.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its versions, newest first.
    pub versions: Vec<Version>,
    /// What the newest says it is.
    pub summary: String,
    /// What became of the newest.
    pub state: State,
}

impl Package {
    /// The newest version.
    pub fn newest(&self) -> &Version {
        &self.versions[0]
    }

    /// The version that is written so, in full or as it is shown.
    pub fn version(&self, text: &str) -> Option<&Version> {
        self.versions.iter().find(|own| own.to_string() == text || own.without_build() == text)
    }
}

/// The packages of a publisher, by name.
#[derive(Debug)]
pub struct Listing {
    /// Each has a version.
    pub packages: Vec<Package>,
}

impl Listing {
    /// A package by its name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        let at = self.packages.binary_search_by(|own| own.name.as_str().cmp(name)).ok()?;
        Some(&self.packages[at])
    }
}

/// The listings of all publishers, as far as they were asked for.
#[derive(Default)]
pub struct Listings(Kept<(Listing, Option<Stamp>)>);

impl Listings {
    /// A publisher's listing.
    pub fn of(
        &self,
        view: &View,
        publisher: &str,
    ) -> Result<Arc<(Listing, Option<Stamp>)>, ReadError> {
        let directory = view.directory(publisher);
        let attributes = directory.join("catalog/catalog.attrs");
        self.0.get(
            publisher,
            |(_, made_for)| Stamp::of(&attributes) == *made_for,
            || {
                // Before the catalog: should that change meanwhile, it is read once more.
                let stamp = Stamp::of(&attributes);
                let root = directory.ancestors().nth(2).unwrap_or(&directory);
                Ok((read(root, publisher)?, stamp))
            },
        )
    }
}

fn read(root: &Path, publisher: &str) -> Result<Listing, ReadError> {
    let absent = |_| ReadError::NoPublisher(publisher.to_string());
    let catalog = Repository::open(root).map_err(absent)?.catalog(publisher)?;
    let part = |name: &str| catalog.part(name)?.publishers.get(publisher);
    let (summaries, states) = (part(SUMMARY), part(DEPENDENCY));
    let mut packages: Vec<Package> = Vec::new();
    for package in catalog.packages() {
        let Some(version) = package.fmri.version else { continue };
        match packages.last_mut().filter(|last| last.name == package.fmri.name) {
            Some(last) => last.versions.push(version),
            None => packages.push(Package {
                name: package.fmri.name,
                versions: vec![version],
                summary: String::new(),
                state: State::Current,
            }),
        }
    }
    for package in &mut packages {
        // A catalog's versions ascend.
        package.versions.reverse();
        let newest = package.versions[0].to_string();
        let entry = |entries: Option<&Vec<Entry>>| -> Vec<String> {
            let entries = entries.into_iter().flatten();
            let own = entries.filter(|own| own.version.to_string() == newest);
            own.flat_map(|own| own.actions.iter().cloned()).collect()
        };
        let said = entry(summaries.and_then(|part| part.get(&package.name)));
        package.summary = value(&said, "pkg.summary").unwrap_or_default();
        let said = entry(states.and_then(|part| part.get(&package.name)));
        package.state = if value(&said, "pkg.renamed").as_deref() == Some("true") {
            State::Renamed
        } else if value(&said, "pkg.obsolete").as_deref() == Some("true") {
            State::Obsolete
        } else {
            State::Current
        };
    }
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Listing { packages })
}

/// What the last `set` of this name sets.
fn value(actions: &[String], name: &str) -> Option<String> {
    let named = actions.iter().rev().filter(|text| text.contains(name));
    let mut read = named.filter_map(|text| Action::parse(text).ok());
    let set = read.find(|action| action.get("name") == Some(name))?;
    set.get("value").map(str::to_string)
}
