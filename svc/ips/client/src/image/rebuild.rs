//! rebuild.rs - the image's own catalogs, made of those of its publishers and of what is installed.
//!
//! Known is what an enabled publisher's catalog has, and what is installed, which stays known when
//! nobody offers it any more (without the state `KNOWN`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use ips_model::catalog::{BASE, DEPENDENCY, Entry, Part, SUMMARY};
use ips_model::{Action, Timestamp, Version};
use serde_json::json;

use super::record::Parts;
use super::{
    Change, FrozenSet, Image, ImageError, ImageLock, Package, RecordError, StateCatalog, states,
};

/// A publisher's catalog: its parts, and of a package from several origins, which.
#[derive(Default)]
struct Offered {
    base: Part,
    dependency: Part,
    summary: Part,
    sources: BTreeMap<(String, String), Vec<String>>,
}

impl Image {
    /// Makes the catalogs of known and installed packages anew.
    pub fn rebuild(&mut self, lock: &ImageLock, now: Timestamp) -> Result<(), RecordError> {
        let parts = self.rebuilt()?;
        self.replace_state(lock, &Change::at(now), Some(parts))
    }

    fn rebuilt(&self) -> Result<[Parts; 2], RecordError> {
        let (old, frozen) = (self.installed()?.clone(), self.frozen()?);
        let (mut known, mut installed) = (StateCatalog::default(), StateCatalog::default());
        let (mut dependency, mut summary) = (Part::default(), Part::default());
        let (old_dependency, old_summary) =
            (self.installed_dependencies()?, self.installed_summaries()?);
        let mut offers = BTreeMap::new();
        for publisher in self.configuration().publishers().iter().filter(|one| !one.disabled) {
            let uris = publisher.enabled_origins().map(|one| one.uri.clone());
            let origins = uris.map(|uri| (self.origin_folder(&publisher.prefix, &uri), uri));
            let origins: Vec<(PathBuf, String)> = origins.collect();
            offers.insert(publisher.prefix.clone(), offered(&publisher.prefix, &origins)?);
        }
        for (publisher, offered) in offers {
            let flagged = flags(&offered.dependency, &publisher);
            let stems = offered.base.publishers.get(&publisher).into_iter().flatten();
            for (stem, entries) in stems {
                for entry in entries {
                    let version = entry.version.to_string();
                    let mut package = Package::new(entry.version.clone(), entry.signature.clone());
                    let key = (stem.clone(), version);
                    for flag in flagged.get(&key).into_iter().flatten() {
                        package.set(*flag, true);
                    }
                    if let Some(sources) = offered.sources.get(&key) {
                        package.others.insert("sources".into(), json!(sources));
                    }
                    known.insert(&publisher, stem, package);
                }
            }
            merge(&mut dependency, offered.dependency);
            merge(&mut summary, offered.summary);
        }
        for (fmri, package) in old.packages() {
            let publisher = fmri.publisher.as_deref().unwrap_or_default();
            let mut here = known.get(&fmri).cloned().unwrap_or_else(|| {
                let mut gone = package.clone();
                gone.set(states::KNOWN, false);
                gone
            });
            here.set(states::INSTALLED, true);
            here.set(states::MANUAL, package.is(states::MANUAL));
            (here.last_install, here.last_update) = (package.last_install, package.last_update);
            if known.get(&fmri).is_none() {
                for (part, old) in
                    [(&mut dependency, &old_dependency), (&mut summary, &old_summary)]
                {
                    if let Some(entry) = old.get(&fmri) {
                        part.insert(publisher, &fmri.name, entry.clone());
                    }
                }
            }
            known.insert(publisher, &fmri.name, here.clone());
            installed.insert(publisher, &fmri.name, here);
        }
        mark(&mut known, &mut installed, &frozen);
        let known = Parts { base: known, dependency: Some(dependency), summary: Some(summary) };
        let (dependency, summary) = (Some(old_dependency), Some(old_summary));
        Ok([known, Parts { base: installed, dependency, summary }])
    }
}

/// Marks what has a newer version of any publisher, and what is frozen.
fn mark(known: &mut StateCatalog, installed: &mut StateCatalog, frozen: &FrozenSet) {
    let mut newest: BTreeMap<String, Version> = BTreeMap::new();
    for (_, stem, package) in known.iter() {
        match newest.get_mut(stem) {
            Some(best) if *best >= package.version => {}
            Some(best) => *best = package.version.clone(),
            None => drop(newest.insert(stem.to_string(), package.version.clone())),
        }
    }
    for catalog in [known, installed] {
        catalog.each(|_, stem, package| {
            let older = newest.get(stem).is_some_and(|best| *best > package.version);
            package.set(states::UPGRADABLE, older);
            let held = frozen.stems.get(stem).and_then(|frozen| frozen.fmri.version.as_ref());
            let held = held.is_some_and(|version| package.version.matches(version));
            package.set(states::FROZEN, held);
        });
    }
}

/// Version by version, which are obsolete, renamed or legacy.
fn flags(dependency: &Part, publisher: &str) -> BTreeMap<(String, String), Vec<u8>> {
    let names = [
        ("pkg.obsolete", states::OBSOLETE),
        ("pkg.renamed", states::RENAMED),
        ("pkg.legacy", states::LEGACY),
    ];
    let mut flags: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    for (stem, entries) in dependency.publishers.get(publisher).into_iter().flatten() {
        for entry in entries {
            for text in &entry.actions {
                let Some((name, flag)) = names.iter().find(|(name, _)| text.contains(name)) else {
                    continue;
                };
                let Ok(action) = Action::parse(text) else { continue };
                if action.key() == Some(name) && action.get("value") == Some("true") {
                    let key = (stem.clone(), entry.version.to_string());
                    flags.entry(key).or_default().push(*flag);
                }
            }
        }
    }
    flags
}

/// What the origins of a publisher have together; of what several have, the first one's counts.
fn offered(publisher: &str, origins: &[(PathBuf, String)]) -> Result<Offered, ImageError> {
    let mut offered = Offered::default();
    for (folder, uri) in origins {
        let part = |name: &str| -> Result<BTreeMap<String, Vec<Entry>>, ImageError> {
            let path = folder.join(name);
            let Some(text) = super::read(&path)? else { return Ok(BTreeMap::new()) };
            let part = Part::parse(&text).map_err(|source| ImageError::Part { path, source })?;
            // A catalog speaks for its own publisher only.
            Ok(part
                .publishers
                .into_iter()
                .find(|(name, _)| name == publisher)
                .unwrap_or_default()
                .1)
        };
        for (name, into) in [
            (BASE, &mut offered.base),
            (DEPENDENCY, &mut offered.dependency),
            (SUMMARY, &mut offered.summary),
        ] {
            let stems = part(name)?;
            if origins.len() == 1 {
                into.publishers.insert(publisher.to_string(), stems);
                continue;
            }
            for (stem, entries) in stems {
                for entry in entries {
                    if name == BASE {
                        let key = (stem.clone(), entry.version.to_string());
                        offered.sources.entry(key).or_default().push(uri.clone());
                    }
                    if !has(into, publisher, &stem, &entry) {
                        into.insert(publisher, &stem, entry);
                    }
                }
            }
        }
    }
    Ok(offered)
}

fn has(part: &Part, publisher: &str, stem: &str, entry: &Entry) -> bool {
    let entries = part.publishers.get(publisher).and_then(|stems| stems.get(stem));
    let version = entry.version.to_string();
    entries.into_iter().flatten().any(|other| other.version.to_string() == version)
}

/// The files of one catalog of all these origins', unsigned, as pkg5 keeps it; none without origins.
pub(super) fn merged(
    origins: &[(&String, PathBuf)],
    publisher: &str,
    now: Timestamp,
) -> Result<Vec<(&'static str, String)>, ImageError> {
    if origins.is_empty() {
        return Ok(Vec::new());
    }
    let origins: Vec<(PathBuf, String)> =
        origins.iter().map(|(uri, folder)| (folder.clone(), (*uri).clone())).collect();
    let offered = offered(publisher, &origins)?;
    let mut base = StateCatalog::default();
    for (fmri, entry) in offered.base.entries() {
        let mut package = Package::new(entry.version.clone(), entry.signature.clone());
        package.states.clear();
        let key = (fmri.name.clone(), entry.version.to_string());
        if let Some(sources) = offered.sources.get(&key) {
            package.others.insert("sources".into(), json!(sources));
        }
        base.insert(publisher, &fmri.name, package);
    }
    let parts =
        Parts { base, dependency: Some(offered.dependency), summary: Some(offered.summary) };
    Ok(super::record::catalog_texts(&parts, now))
}

fn merge(into: &mut Part, from: Part) {
    for (publisher, stems) in from.publishers {
        into.publishers.entry(publisher).or_default().extend(stems);
    }
}
