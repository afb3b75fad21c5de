//! rebuild.rs - the image's own catalogs, made of those of its publishers and of what is installed.
//!
//! Known is what an enabled publisher's catalog has, and what is installed, which stays known when
//! nobody offers it any more (without the state `KNOWN`).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use ips_model::catalog::{BASE, DEPENDENCY, Entry, Part, PartText, SUMMARY};
use ips_model::json::SignedError;
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
    dependency: PartText,
    summary: PartText,
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
        let old_dependency = self.part_text("installed", DEPENDENCY)?;
        let old_summary = self.part_text("installed", SUMMARY)?;
        let mut offers = BTreeMap::new();
        for publisher in self.configuration().publishers().iter().filter(|one| !one.disabled) {
            let uris = publisher.enabled_origins().map(|one| one.uri.clone());
            let origins = uris.map(|uri| (self.origin_folder(&publisher.prefix, &uri), uri));
            let origins: Vec<(PathBuf, String)> = origins.collect();
            offers.insert(publisher.prefix.as_str(), offered(&publisher.prefix, &origins)?);
        }
        let joined = |part: fn(&Offered) -> &PartText| {
            let parts: Vec<_> = offers.iter().map(|(name, offer)| (*name, part(offer))).collect();
            PartText::of_publishers(&parts).map_err(|source| self.damaged("known", source))
        };
        let mut dependency = joined(|offer| &offer.dependency)?;
        let mut summary = joined(|offer| &offer.summary)?;
        for (publisher, offered) in offers {
            let flagged = flags(&offered.dependency, publisher)
                .map_err(|source| self.damaged(DEPENDENCY, source))?;
            let Offered { mut base, sources, .. } = offered;
            for (stem, entries) in base.publishers.remove(publisher).unwrap_or_default() {
                let packages = entries.into_iter();
                let packages = packages.map(|entry| package(&stem, entry, &flagged, &sources));
                known.insert_all(publisher, &stem, packages.collect());
            }
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
                    let damaged = |source| self.damaged("installed", source);
                    if let Some(entry) = old.get(&fmri).map_err(damaged)? {
                        part.insert(publisher, &fmri.name, entry).map_err(damaged)?;
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

/// A version that a publisher offers.
fn package(
    stem: &str,
    entry: Entry,
    flagged: &BTreeMap<(String, String), Vec<u8>>,
    sources: &BTreeMap<(String, String), Vec<String>>,
) -> Package {
    let mut package = Package::new(entry.version, entry.signature);
    if flagged.is_empty() && sources.is_empty() {
        return package;
    }
    let key = (stem.to_string(), package.version.to_string());
    for flag in flagged.get(&key).into_iter().flatten() {
        package.set(*flag, true);
    }
    if let Some(sources) = sources.get(&key) {
        package.others.insert("sources".into(), json!(sources));
    }
    package
}

/// Marks what has a newer version of any publisher, and what is frozen.
fn mark(known: &mut StateCatalog, installed: &mut StateCatalog, frozen: &FrozenSet) {
    let newest = newest(known);
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

/// The newest version of each stem that has several.
fn newest(known: &StateCatalog) -> HashMap<String, Version> {
    let mut best: HashMap<&str, (&Version, usize)> = HashMap::new();
    for (_, stem, package) in known.iter() {
        let (version, count) = best.entry(stem).or_insert((&package.version, 0));
        *version = (*version).max(&package.version);
        *count += 1;
    }
    let several = best.into_iter().filter(|(_, (_, count))| *count > 1);
    several.map(|(stem, (version, _))| (stem.to_string(), version.clone())).collect()
}

/// Version by version, which are obsolete, renamed or legacy.
fn flags(
    dependency: &PartText,
    publisher: &str,
) -> Result<BTreeMap<(String, String), Vec<u8>>, SignedError> {
    let names = [
        ("pkg.obsolete", states::OBSOLETE),
        ("pkg.renamed", states::RENAMED),
        ("pkg.legacy", states::LEGACY),
    ];
    let flag_of = |text: &str| {
        let (name, flag) = names.iter().find(|(name, _)| text.contains(name))?;
        let action = Action::parse(text).ok()?;
        let set = action.key() == Some(name) && action.get("value") == Some("true");
        set.then_some(*flag)
    };
    let mut flags: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    let stems = dependency.stems().filter(|(own, _, list)| {
        *own == publisher && names.iter().any(|(name, _)| list.contains(name))
    });
    for (publisher, stem, _) in stems {
        for entry in dependency.entries(publisher, stem)? {
            for flag in entry.actions.iter().filter_map(|text| flag_of(text)) {
                let key = (stem.to_string(), entry.version.to_string());
                flags.entry(key).or_default().push(flag);
            }
        }
    }
    Ok(flags)
}

/// What the origins of a publisher have together; of what several have, the first one's counts.
fn offered(publisher: &str, origins: &[(PathBuf, String)]) -> Result<Offered, ImageError> {
    if let [(folder, _)] = origins {
        let path = folder.join(BASE);
        let base = || match super::read(&path)? {
            Some(text) => part_of(&path, &text),
            None => Ok(Part::default()),
        };
        let others = || (super::text_at(folder, DEPENDENCY), super::text_at(folder, SUMMARY));
        let (base, (dependency, summary)) = rayon::join(base, others);
        let (base, dependency, summary) = (base?, dependency?, summary?);
        return Ok(Offered { base, dependency, summary, sources: BTreeMap::new() });
    }
    let (mut base, mut dependency, mut summary) =
        (Part::default(), Part::default(), Part::default());
    let mut sources: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (folder, uri) in origins {
        for (name, into) in
            [(BASE, &mut base), (DEPENDENCY, &mut dependency), (SUMMARY, &mut summary)]
        {
            let path = folder.join(name);
            let Some(text) = super::read(&path)? else { continue };
            // A catalog speaks for its own publisher only.
            let own = part_of(&path, &text)?.publishers.remove(publisher);
            for (stem, entries) in own.unwrap_or_default() {
                for entry in entries {
                    if name == BASE {
                        let key = (stem.clone(), entry.version.to_string());
                        sources.entry(key).or_default().push(uri.clone());
                    }
                    if !has(into, publisher, &stem, &entry) {
                        into.insert(publisher, &stem, entry);
                    }
                }
            }
        }
    }
    let text = |part: &Part| {
        let path = origins.first().map(|(folder, _)| folder.clone()).unwrap_or_default();
        PartText::of(part).map_err(|source| ImageError::Part { path, source })
    };
    let (dependency, summary) = (text(&dependency)?, text(&summary)?);
    Ok(Offered { base, dependency, summary, sources })
}

fn part_of(path: &Path, text: &str) -> Result<Part, ImageError> {
    Part::parse(text).map_err(|source| ImageError::Part { path: path.to_path_buf(), source })
}

fn has(part: &Part, publisher: &str, stem: &str, entry: &Entry) -> bool {
    let entries = part.publishers.get(publisher).and_then(|stems| stems.get(stem));
    entries.into_iter().flatten().any(|other| other.version.is_written_as(&entry.version))
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
