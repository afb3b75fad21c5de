//! select.rs - which packages of several sources are received.
//!
//! A package that two sources offer is taken from the first; if they disagree about its contents
//! nothing is taken.  Patterns are pkgrecv's: what one names that is nowhere is an error that says
//! so, be it a package or a publisher.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::action::Action;
use ips_model::{Fmri, Pattern};

use crate::receive::{ReceiveError, ReceiveOptions, Versions};
use crate::source::Source;

/// A package and where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The source.
    pub source: &'a Source,
    /// SHA-1 of its manifest.
    pub signature: &'a str,
}

/// What several sources offer.
pub struct Offers<'a> {
    sources: &'a [&'a Source],
    /// In order of publisher, name and version.
    all: Vec<Fmri>,
    offers: BTreeMap<String, Offer<'a>>,
}

impl<'a> Offers<'a> {
    /// Everything, or everything of one publisher.
    pub fn of(sources: &'a [&'a Source], publisher: Option<&str>) -> Result<Self, ReceiveError> {
        let mut all: Vec<Fmri> = Vec::new();
        let mut offers: BTreeMap<String, Offer<'a>> = BTreeMap::new();
        let catalogs = sources
            .iter()
            .flat_map(|source| source.catalogs().iter().map(move |catalog| (*source, catalog)));
        for (source, catalog) in catalogs {
            if publisher.is_some_and(|wanted| wanted != catalog.publisher) {
                continue;
            }
            for (fmri, entry) in catalog.base.entries() {
                let signature = entry.signature.as_deref().unwrap_or_default();
                match offers.get(&fmri.to_string()) {
                    None => {
                        offers.insert(fmri.to_string(), Offer { source, signature });
                        all.push(fmri);
                    }
                    Some(other) if other.signature == signature => {}
                    Some(other) => {
                        return Err(ReceiveError::Differ {
                            fmri: fmri.to_string(),
                            one: other.source.origin().to_string(),
                            other: source.origin().to_string(),
                        });
                    }
                }
            }
        }
        all.sort();
        let offers = Self { sources, all, offers };
        publisher.map_or(Ok(()), |name| offers.know(name))?;
        Ok(offers)
    }

    fn origins(&self) -> String {
        let uris: Vec<&str> = self.sources.iter().map(|source| source.origin().uri()).collect();
        uris.join(", ")
    }

    fn know(&self, publisher: &str) -> Result<(), ReceiveError> {
        let mut catalogs = self.sources.iter().flat_map(|source| source.catalogs());
        if catalogs.any(|catalog| catalog.publisher == publisher) {
            return Ok(());
        }
        let (publisher, origins) = (publisher.to_string(), self.origins());
        Err(ReceiveError::NoPublisher { publisher, origins })
    }

    /// Where a package comes from.
    pub fn get(&self, fmri: &Fmri) -> Option<Offer<'a>> {
        self.offers.get(&fmri.to_string()).copied()
    }

    /// The packages that are wanted, in order.  With their dependencies they are narrowed once more:
    /// what the newest of everything is, is clear only then.
    pub fn select(
        &self,
        patterns: &[Pattern],
        options: &ReceiveOptions,
    ) -> Result<Vec<Fmri>, ReceiveError> {
        let mut chosen: BTreeMap<String, Fmri> = BTreeMap::new();
        if patterns.is_empty() {
            let all: Vec<&Fmri> = self.all.iter().collect();
            take(&mut chosen, narrow(&all, options.versions));
        }
        for pattern in patterns {
            if let Some(publisher) = publisher_of(pattern) {
                self.know(publisher)?;
            }
            let meant = pattern.select(&self.all);
            if meant.is_empty() {
                let (pattern, origins) = (pattern.as_str().to_string(), self.origins());
                return Err(ReceiveError::NoMatch { pattern, origins });
            }
            take(&mut chosen, narrow(&meant, options.versions));
        }
        if options.recursive {
            self.close(&mut chosen);
        }
        let mut all: Vec<&Fmri> = chosen.values().collect();
        all.sort();
        let mut chosen: Vec<Fmri> = narrow(&all, options.versions).into_iter().cloned().collect();
        chosen.sort();
        Ok(chosen)
    }

    /// Adds what the chosen packages name in their dependencies, of any type, as pkgrecv does; the
    /// newest that begins like the version named.  What no source has is passed over.
    fn close(&self, chosen: &mut BTreeMap<String, Fmri>) {
        let mut stems: BTreeMap<&str, Vec<&Fmri>> = BTreeMap::new();
        for fmri in &self.all {
            stems.entry(&fmri.name).or_default().push(fmri);
        }
        let mut open: Vec<Fmri> = chosen.values().cloned().collect();
        while let Some(owner) = open.pop() {
            for target in self.named_by(&owner) {
                let publisher = target.publisher.as_ref().or(owner.publisher.as_ref());
                let suits = |fmri: &&&Fmri| match (&target.version, &fmri.version) {
                    (Some(wanted), Some(version)) => version.matches(wanted),
                    (_, _) => true,
                };
                let stem = stems.get(target.name.as_str()).into_iter().flatten();
                let suiting: Vec<&&Fmri> = stem.filter(suits).collect();
                let own = suiting.iter().rev().find(|fmri| fmri.publisher.as_ref() == publisher);
                let any = suiting.last().filter(|_| target.publisher.is_none());
                let Some(found) = own.or(any) else { continue };
                if chosen.insert(found.to_string(), (**found).clone()).is_none() {
                    open.push((**found).clone());
                }
            }
        }
    }

    fn named_by(&self, owner: &Fmri) -> BTreeSet<Fmri> {
        let Some(offer) = self.get(owner) else { return BTreeSet::new() };
        let mut entries =
            offer.source.catalogs().iter().filter_map(|catalog| catalog.dependency.get(owner));
        let lines = entries.next().map_or(&[][..], |entry| &entry.actions);
        let actions = lines.iter().filter(|line| line.starts_with("depend "));
        let actions = actions.filter_map(|line| Action::parse(line).ok());
        let texts: Vec<String> = actions.flat_map(|a| a.values("fmri").to_vec()).collect();
        texts.iter().filter_map(|text| Fmri::parse(text).ok()).collect()
    }
}

fn take(chosen: &mut BTreeMap<String, Fmri>, some: Vec<&Fmri>) {
    chosen.extend(some.into_iter().map(|fmri| (fmri.to_string(), fmri.clone())));
}

/// Which of the versions found, which are in ascending order, are meant.
fn narrow<'f>(found: &[&'f Fmri], versions: Versions) -> Vec<&'f Fmri> {
    let key = |fmri: &Fmri| {
        let version = match versions {
            Versions::All => fmri.version.as_ref().map(ToString::to_string),
            Versions::Each => fmri.version.as_ref().map(|version| version.at(None).to_string()),
            Versions::Newest => None,
        };
        (fmri.publisher.clone(), fmri.name.clone(), version)
    };
    let newest: BTreeMap<_, &Fmri> = found.iter().map(|fmri| (key(fmri), *fmri)).collect();
    newest.into_values().collect()
}

fn publisher_of(pattern: &Pattern) -> Option<&str> {
    let text = pattern.as_str();
    let rest = text.strip_prefix("pkg:").unwrap_or(text).strip_prefix("//")?;
    rest.split('/').next().filter(|publisher| !publisher.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let all: Vec<Fmri> = ["a@1:20240101T000000Z", "a@1:20240102T000000Z", "a@2", "b@1"]
            .iter()
            .map(|text| Fmri::parse(&format!("pkg://p/{text}")).unwrap())
            .collect();
        let all: Vec<&Fmri> = all.iter().collect();
        for (versions, count) in [(Versions::All, 4), (Versions::Each, 3), (Versions::Newest, 2)] {
            let found = narrow(&all, versions);
            assert_eq!(found.len(), count, "{versions:?}");
            assert!(versions == Versions::All || !found.contains(&all[0]));
        }
    }

    #[test]
    fn publishers_in_patterns() {
        for (text, publisher) in
            [("pkg://a.b/x", Some("a.b")), ("//a/*", Some("a")), ("pkg:/x", None), ("x", None)]
        {
            assert_eq!(publisher_of(&Pattern::parse(text).unwrap()), publisher, "{text}");
        }
    }
}
