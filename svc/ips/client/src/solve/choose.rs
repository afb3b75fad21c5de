//! choose.rs - from patterns to the closed set of packages of a new image.
//!
//! Of several publishers that have a stem, the one the pattern names is taken, else the first in
//! the source's order.  A pattern without wildcard means one stem: the one it names in full, else
//! the only one that ends so.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::action::Action;
use ips_model::{Fmri, Pattern};

use super::candidate::Candidate;
use super::{Available, Root, SolveError, Task, solve};
use crate::conditions::Conditions;
use crate::source::Source;

/// Why patterns lead to no set of packages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// Nothing matches.
    #[error("{origin}: no package matches \"{pattern}\"")]
    NoMatch {
        /// The origin.
        origin: String,
        /// The pattern.
        pattern: String,
    },
    /// Several stems match.
    #[error("\"{pattern}\" matches multiple packages: {}", .names.join(", "))]
    Ambiguous {
        /// The pattern.
        pattern: String,
        /// The stems.
        names: Vec<String>,
    },
    /// A dependency in the catalog that is no action.
    #[error("{fmri}: {reason}")]
    Action {
        /// The package.
        fmri: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no closed set.
    #[error(transparent)]
    Solve(#[from] SolveError),
}

/// The packages that an image of these patterns has, sorted by name.
pub fn choose(
    source: &Source,
    patterns: &[Pattern],
    conditions: &Conditions,
) -> Result<Vec<Fmri>, ChooseError> {
    let all = source.packages();
    let mut publishers: BTreeMap<&str, &str> = BTreeMap::new();
    let mut wanted = Vec::new();
    for pattern in patterns {
        let meant = meant(source, pattern, &all)?;
        for fmri in &meant {
            // Patterns that name a publisher decide for their stems.
            if pattern.as_str().contains("//") {
                publishers.insert(&fmri.name, fmri.publisher.as_deref().unwrap_or_default());
            }
        }
        wanted.push((pattern, meant));
    }
    for catalog in source.catalogs() {
        for stem in catalog.base.publishers.values().flat_map(BTreeMap::keys) {
            publishers.entry(stem).or_insert(&catalog.publisher);
        }
    }
    let available = available(source, &publishers, conditions)?;
    let mut roots: BTreeMap<String, Root> = BTreeMap::new();
    for (pattern, meant) in wanted {
        for (stem, allowed) in allowed(pattern, &meant, &available) {
            let text = pattern.as_str().to_string();
            let root = Root {
                stem: stem.clone(),
                pattern: text,
                allowed: Some(allowed.clone()),
                publisher_named: false,
                named: false,
            };
            let root = roots.entry(stem).or_insert(root);
            if let Some(known) = &mut root.allowed {
                known.retain(|fmri| allowed.contains(fmri));
            }
        }
    }
    let roots: Vec<Root> = roots.into_values().collect();
    Ok(solve(&available, &Task { roots, ..Task::default() })?)
}

/// The packages a pattern means, of one stem unless it has a wildcard.
fn meant<'a>(
    source: &Source,
    pattern: &Pattern,
    all: &'a [Fmri],
) -> Result<Vec<&'a Fmri>, ChooseError> {
    let mut found = pattern.select(all);
    if found.is_empty() {
        let origin = source.origin().to_string();
        return Err(ChooseError::NoMatch { origin, pattern: pattern.as_str().to_string() });
    }
    let names = |found: &[&Fmri]| -> BTreeSet<String> {
        found.iter().map(|fmri| fmri.name.clone()).collect()
    };
    let several = names(&found);
    if several.len() > 1 && !pattern.is_wild() {
        let text = pattern.as_str().split('@').next().unwrap_or("");
        found.retain(|fmri| fmri.name == text);
        if found.is_empty() {
            return Err(ChooseError::Ambiguous {
                pattern: pattern.as_str().to_string(),
                names: several.into_iter().collect(),
            });
        }
    }
    Ok(found)
}

/// The stems of a pattern with the versions it allows.  A wildcard passes over packages that are
/// obsolete or of another machine; a plain pattern says so when it is solved.
fn allowed(
    pattern: &Pattern,
    meant: &[&Fmri],
    available: &Available,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut stems: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for fmri in meant {
        let candidates = available.get(&fmri.name);
        let newest = candidates.and_then(|all| all.iter().max_by_key(|one| &one.fmri.version));
        if pattern.is_wild() && newest.is_none_or(|newest| newest.obsolete) {
            continue;
        }
        stems.entry(fmri.name.clone()).or_default().insert(fmri.to_string());
    }
    stems
}

fn available(
    source: &Source,
    publishers: &BTreeMap<&str, &str>,
    conditions: &Conditions,
) -> Result<Available, ChooseError> {
    let mut available = Available::new();
    for catalog in source.catalogs() {
        for (fmri, _) in catalog.base.entries() {
            if publishers.get(fmri.name.as_str()) != Some(&catalog.publisher.as_str()) {
                continue;
            }
            let lines = catalog.dependency.get(&fmri).map_or(&[][..], |entry| &entry.actions);
            let actions = lines.iter().map(|line| Action::parse(line));
            let actions = actions.collect::<Result<Vec<Action>, _>>().map_err(|error| {
                ChooseError::Action { fmri: fmri.to_string(), reason: error.to_string() }
            })?;
            let candidate = Candidate::read(&fmri, &actions, conditions);
            if candidate.unsupported.is_none() {
                available.entry(fmri.name.clone()).or_default().push(candidate);
            }
        }
    }
    available.retain(|_, candidates| !candidates.is_empty());
    Ok(available)
}
