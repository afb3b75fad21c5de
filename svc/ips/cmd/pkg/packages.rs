//! packages.rs - the packages a listing subcommand means: of the image, or of repositories named
//! with `-g`; and what there is to read of them.

use std::collections::{BTreeMap, BTreeSet};

use ips_client::Source;
use ips_client::image::{Image, Package, StateCatalog, states};
use ips_cmd::place::Place;
use ips_cmd::{Failure, patterns};
use ips_model::catalog::Part;
use ips_model::{Action, Fmri, Manifest, Pattern};

/// Packages and where to read more of them.
pub struct Packages {
    /// Every one with its states.
    pub catalog: StateCatalog,
    /// `set` and `depend` actions that the solver reads.
    pub dependency: Part,
    /// Repositories named with `-g`; none: the image's own.
    pub sources: Vec<Source>,
}

impl Packages {
    /// What is installed.
    pub fn installed(image: &Image) -> Result<Packages, Failure> {
        let catalog = image.installed().map_err(Failure::new)?.clone();
        let dependency = image.installed_dependencies().map_err(Failure::new)?;
        Ok(Packages { catalog, dependency, sources: Vec::new() })
    }

    /// Everything known.
    pub fn known(image: &Image) -> Result<Packages, Failure> {
        let catalog = image.known().map_err(Failure::new)?.clone();
        let dependency = image.known_dependencies().map_err(Failure::new)?;
        Ok(Packages { catalog, dependency, sources: Vec::new() })
    }

    /// What these repositories have, with what the image knows of being installed.
    pub fn of_repositories<'a>(
        image: &Image,
        places: impl Iterator<Item = &'a str>,
    ) -> Result<Packages, Failure> {
        let mut packages = Packages {
            catalog: StateCatalog::default(),
            dependency: Part::default(),
            sources: Vec::new(),
        };
        for text in places {
            let source = Place::parse(text)?.source()?;
            for catalog in source.catalogs() {
                packages.add(image, &catalog.base, &catalog.dependency)?;
            }
            packages.sources.push(source);
        }
        Ok(packages)
    }

    fn add(&mut self, image: &Image, base: &Part, dependency: &Part) -> Result<(), Failure> {
        let installed = image.installed().map_err(Failure::new)?;
        for (fmri, entry) in base.entries() {
            let mut package = match installed.get(&fmri) {
                Some(package) => package.clone(),
                None => Package::new(entry.version.clone(), entry.signature.clone()),
            };
            let actions = dependency.get(&fmri).map(|entry| entry.actions.as_slice());
            for action in
                actions.unwrap_or_default().iter().filter_map(|text| Action::parse(text).ok())
            {
                let state = match action.key() {
                    Some("pkg.obsolete") => states::OBSOLETE,
                    Some("pkg.renamed") => states::RENAMED,
                    Some("pkg.legacy") => states::LEGACY,
                    Some(_) | None => continue,
                };
                package.set(state, action.get("value") == Some("true"));
            }
            let publisher = fmri.publisher.as_deref().unwrap_or_default();
            self.catalog.insert(publisher, &fmri.name, package);
        }
        for (fmri, entry) in dependency.entries() {
            let publisher = fmri.publisher.as_deref().unwrap_or_default();
            self.dependency.insert(publisher, &fmri.name, entry.clone());
        }
        Ok(())
    }

    /// A package's manifest.
    pub fn manifest(&self, image: &Image, fmri: &Fmri) -> Result<Manifest, Failure> {
        if self.sources.is_empty() {
            return image.manifest(fmri).map_err(Failure::new);
        }
        let source = self.sources.iter().find(|source| source.has(fmri));
        let absent = || Failure::new(format!("{fmri} is in none of the repositories"));
        let (_, manifest) = source.ok_or_else(absent)?.manifest(fmri).map_err(Failure::new)?;
        Ok(manifest)
    }

    /// All of them, by name, publisher and version, the newest first.
    pub fn sorted(&self) -> Vec<(Fmri, &Package)> {
        let mut all: Vec<(Fmri, &Package)> = self.catalog.packages().collect();
        all.sort_by(|(one, _), (other, _)| {
            let names = one.name.cmp(&other.name).then_with(|| one.publisher.cmp(&other.publisher));
            names.then_with(|| other.version.cmp(&one.version))
        });
        all
    }
}

/// Of these packages, for each stem the newest version of the publisher that comes first in the
/// search order.
pub fn ranked<'a>(image: &Image, chosen: Vec<(Fmri, &'a Package)>) -> Vec<(Fmri, &'a Package)> {
    let order: Vec<&str> =
        image.configuration().publishers().iter().map(|one| one.prefix.as_str()).collect();
    let rank = |fmri: &Fmri| {
        let at = order.iter().position(|one| Some(*one) == fmri.publisher.as_deref());
        at.unwrap_or(order.len())
    };
    let mut best: BTreeMap<String, (Fmri, &Package)> = BTreeMap::new();
    for (fmri, package) in chosen {
        let better = best
            .get(&fmri.name)
            .is_none_or(|(other, _)| (rank(&fmri), &other.version) < (rank(other), &fmri.version));
        if better {
            best.insert(fmri.name.clone(), (fmri, package));
        }
    }
    best.into_values().collect()
}

/// Patterns of operands, with which of them have meant something.
pub struct Wanted {
    patterns: Vec<Pattern>,
    met: Vec<bool>,
}

impl Wanted {
    /// Reads operands; an illegal one is told in pkg5's words.
    pub fn parse(operands: &[String]) -> Result<Wanted, Failure> {
        let patterns = patterns::parse(operands)?;
        let met = vec![false; patterns.len()];
        Ok(Wanted { patterns, met })
    }

    /// Those of `all` that are meant: `latest` in a pattern means the newest of each stem.
    pub fn choose<'a>(&mut self, all: Vec<(Fmri, &'a Package)>) -> Vec<(Fmri, &'a Package)> {
        if self.patterns.is_empty() {
            return all;
        }
        let fmris: Vec<Fmri> = all.iter().map(|(fmri, _)| fmri.clone()).collect();
        let mut meant: BTreeSet<String> = BTreeSet::new();
        for (pattern, met) in self.patterns.iter().zip(&mut self.met) {
            let chosen = pattern.select(&fmris);
            *met |= !chosen.is_empty();
            meant.extend(chosen.into_iter().map(ToString::to_string));
        }
        all.into_iter().filter(|(fmri, _)| meant.contains(&fmri.to_string())).collect()
    }

    /// The operands that have meant nothing.
    pub fn unmet(&self) -> Vec<&str> {
        let pairs = self.patterns.iter().zip(&self.met);
        pairs.filter(|(_, met)| !**met).map(|(pattern, _)| pattern.as_str()).collect()
    }
}
