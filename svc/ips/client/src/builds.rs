//! builds.rs - which packages of several sources are merged with one another.
//!
//! Of each stem every source gives the newest version that a pattern means and no exclusion does;
//! a source may lack the stem.  Versions of one stem are the same but for their times.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::{Fmri, Pattern};

use crate::source::Source;

/// Why a publisher's packages are not merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildsError {
    /// A pattern means nothing in any source.
    #[error(
        "The following pattern(s) did not match any packages in any of the specified repositories for publisher {publisher}:\n{}",
        .patterns.join("\n")
    )]
    Unmatched {
        /// The publisher.
        publisher: String,
        /// The patterns.
        patterns: Vec<String>,
    },
    /// The sources have one stem in several versions.
    #[error(
        "fmris matching the following patterns do not have matching versions across all repositories for publisher {publisher}: {}",
        .fmris.join(", ")
    )]
    Versions {
        /// The publisher.
        publisher: String,
        /// One package of each stem and source that disagree.
        fmris: Vec<String>,
    },
}

/// The builds of each stem: the number of the source, and the package there.
pub type Builds = BTreeMap<String, Vec<(usize, Fmri)>>;

/// Finds them for one publisher; without `include`, all stems.
pub fn builds(
    sources: &[&Source],
    publisher: &str,
    include: &[Pattern],
    exclude: &[Pattern],
) -> Result<Builds, BuildsError> {
    let mut builds = Builds::new();
    let mut unmatched: BTreeSet<&str> = include.iter().map(Pattern::as_str).collect();
    for (number, source) in sources.iter().enumerate() {
        let catalogs = source.catalogs().iter().filter(|catalog| catalog.publisher == publisher);
        let all: Vec<Fmri> =
            catalogs.flat_map(|catalog| catalog.base.entries()).map(|(fmri, _)| fmri).collect();
        let mut meant: Vec<&Fmri> = if include.is_empty() { all.iter().collect() } else { vec![] };
        for pattern in include {
            let found = pattern.select(&all);
            if !found.is_empty() {
                unmatched.remove(pattern.as_str());
            }
            meant.extend(found);
        }
        let left_out: BTreeSet<String> = exclude
            .iter()
            .flat_map(|pattern| pattern.select(&all))
            .map(ToString::to_string)
            .collect();
        let mut newest: BTreeMap<&str, &Fmri> = BTreeMap::new();
        for fmri in meant.into_iter().filter(|fmri| !left_out.contains(&fmri.to_string())) {
            let held = newest.entry(&fmri.name).or_insert(fmri);
            if fmri.version > held.version {
                *held = fmri;
            }
        }
        for (name, fmri) in newest {
            builds.entry(name.to_string()).or_default().push((number, fmri.clone()));
        }
    }
    let publisher = publisher.to_string();
    if !unmatched.is_empty() {
        let patterns = unmatched.into_iter().map(str::to_string).collect();
        return Err(BuildsError::Unmatched { publisher, patterns });
    }
    let fmris: Vec<String> =
        builds.values().filter(|one| !agree(one)).flatten().map(told).collect();
    if fmris.is_empty() { Ok(builds) } else { Err(BuildsError::Versions { publisher, fmris }) }
}

fn told((_, fmri): &(usize, Fmri)) -> String {
    fmri.to_string()
}

/// Whether the versions are one but for their times.
fn agree(builds: &[(usize, Fmri)]) -> bool {
    let timeless = |fmri: &Fmri| fmri.version.as_ref().map(|version| version.at(None).to_string());
    builds.iter().all(|(_, fmri)| timeless(fmri) == timeless(&builds[0].1))
}
