//! combine.rs - the dependencies of a package, each once, tagged with the variants it holds under.

use std::collections::BTreeMap;

use ips_model::Fmri;
use ips_model::action::Action;

use super::Dependency;
use super::collapse::{collapse, merge};
use super::run::{ResolveError, Warning};
use super::told;
use super::unneeded::needed;
use crate::variants::{Combinations, Template};

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Combined {
    pub(crate) actions: Vec<Action>,
    pub(crate) errors: Vec<ResolveError>,
    pub(crate) warnings: Vec<Warning>,
}

/// Combines the dependencies of one package.
pub(crate) fn combine(
    dependencies: Vec<Dependency>,
    package: &Template,
    own: Option<&Fmri>,
) -> Combined {
    let mut combined = Combined::default();
    let dependencies = needed(collapse(dependencies), own, &mut combined.warnings);
    combined.errors.extend(conflicts(&dependencies, package));
    // Sorted by type, predicate and packages, as pkg5 prints them.
    let mut groups: BTreeMap<(String, String, Vec<String>), Vec<Dependency>> = BTreeMap::new();
    for one in dependencies {
        let fmris = one.action.values("fmri").to_vec();
        let key = (one.kind().to_string(), one.predicate().to_string(), fmris);
        groups.entry(key).or_default().push(one);
    }
    for group in groups.into_values() {
        let mut holds = Combinations::open(package.clone());
        let mut whole: Option<Action> = None;
        for one in group {
            holds.satisfy(&one.holds);
            match &mut whole {
                Some(whole) => merge(whole, &one.action),
                None => whole = Some(one.action),
            }
        }
        let Some(whole) = whole else { continue };
        let tags = holds.satisfied_in(package);
        if tags.is_empty() {
            combined.actions.push(whole);
            continue;
        }
        for combination in tags {
            let mut action = whole.clone();
            for (name, value) in combination.iter() {
                action.set(name, vec![value.clone()]);
            }
            combined.actions.push(action);
        }
    }
    combined
}

/// Links that lead to one file by the same next package, and are in different ones: there is no
/// type of dependency for "if A is there, then B or C".
fn conflicts(dependencies: &[Dependency], package: &Template) -> Option<ResolveError> {
    let found: Vec<&Dependency> = dependencies
        .iter()
        .filter(|one| one.is("conditional") && !one.path_id().is_empty())
        .collect();
    let mut pairs = Vec::new();
    for (at, one) in found.iter().enumerate() {
        for other in &found[at + 1..] {
            let same = one.predicate() == other.predicate() && one.path_id() == other.path_id();
            if !same || one.action.values("fmri") == other.action.values("fmri") {
                continue;
            }
            let (_, both, _) = one.holds.separated(&other.holds);
            if let Some(both) = both.filter(Combinations::applies) {
                pairs.push(told::pair(&one.action, &other.action, &both.satisfied_in(package)));
            }
        }
    }
    (!pairs.is_empty()).then_some(ResolveError::Conditional { pairs })
}
