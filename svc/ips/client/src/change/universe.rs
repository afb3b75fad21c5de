//! universe.rs - what an image's catalogs, and sources of the moment, have to choose from.

use ips_model::Fmri;
use ips_model::action::Action;
use ips_model::catalog::Part;

use super::ChangeError;
use crate::conditions::Conditions;
use crate::image::{Image, StateCatalog, states};
use crate::solve::candidate::Candidate;
use crate::solve::{Ranks, Universe};
use crate::source::Source;

/// Everything an image could have.
pub struct Known<'a> {
    known: &'a StateCatalog,
    dependencies: Part,
    installed: Part,
    sources: &'a [Source],
    enabled: Vec<&'a str>,
    conditions: Conditions,
}

impl<'a> Known<'a> {
    /// Reads the image's catalogs.
    pub fn read(
        image: &'a Image,
        sources: &'a [Source],
        conditions: Conditions,
    ) -> Result<Self, ChangeError> {
        let publishers = image.configuration().publishers().iter();
        let enabled = publishers.filter(|one| !one.disabled).map(|one| one.prefix.as_str());
        Ok(Self {
            known: image.known()?,
            dependencies: image.known_dependencies()?,
            installed: image.installed_dependencies()?,
            sources,
            enabled: enabled.collect(),
            conditions,
        })
    }

    /// Every package that may be asked for.
    pub fn packages(&self) -> Vec<Fmri> {
        let known = self.known.packages().filter(|(fmri, package)| {
            package.is(states::INSTALLED) || (package.is(states::KNOWN) && self.is_enabled(fmri))
        });
        let mut all: Vec<Fmri> = known.map(|(fmri, _)| fmri).collect();
        for source in self.sources {
            all.extend(source.packages());
        }
        all
    }

    fn is_enabled(&self, fmri: &Fmri) -> bool {
        fmri.publisher.as_deref().is_some_and(|publisher| self.enabled.contains(&publisher))
    }

    /// A version as the solver sees it.
    pub fn candidate(&self, fmri: &Fmri) -> Candidate {
        let of_source = || {
            let catalogs = self.sources.iter().flat_map(Source::catalogs);
            catalogs.filter_map(|catalog| catalog.dependency.get(fmri)).next()
        };
        let entry = self.dependencies.get(fmri).or_else(|| self.installed.get(fmri));
        let lines = entry.or_else(of_source).map_or(&[][..], |entry| &entry.actions);
        // A line that is no action cannot ask for anything; the manifest, which is signed, can.
        let actions: Vec<Action> =
            lines.iter().filter_map(|line| Action::parse(line).ok()).collect();
        Candidate::read(fmri, &actions, &self.conditions)
    }
}

impl Universe for Known<'_> {
    fn candidates(&self, stem: &str) -> Vec<Candidate> {
        let mut all: Vec<Fmri> = Vec::new();
        for (publisher, package) in self.known.of_stem(stem) {
            let fmri = Fmri {
                publisher: Some(publisher.to_string()),
                name: stem.to_string(),
                version: Some(package.version.clone()),
            };
            if package.is(states::KNOWN) && self.is_enabled(&fmri) {
                all.push(fmri);
            }
        }
        for catalog in self.sources.iter().flat_map(Source::catalogs) {
            let stems = catalog.base.publishers.get(&catalog.publisher);
            for entry in stems.and_then(|stems| stems.get(stem)).into_iter().flatten() {
                let fmri = Fmri {
                    publisher: Some(catalog.publisher.clone()),
                    name: stem.to_string(),
                    version: Some(entry.version.clone()),
                };
                if !all.contains(&fmri) {
                    all.push(fmri);
                }
            }
        }
        all.iter().map(|fmri| self.candidate(fmri)).collect()
    }
}

/// The image's publishers as the solver ranks them, those of further sources last.
pub fn ranks(image: &Image, sources: &[Source]) -> Ranks {
    let own = image.configuration().publishers().iter();
    let mut publishers: Vec<(String, bool)> =
        own.map(|one| (one.prefix.clone(), one.sticky)).collect();
    for catalog in sources.iter().flat_map(Source::catalogs) {
        if !publishers.iter().any(|(name, _)| *name == catalog.publisher) {
            publishers.push((catalog.publisher.clone(), true));
        }
    }
    Ranks { publishers }
}
