//! unneeded.rs - dependencies that others make unnecessary.
//!
//! A package does not require itself.  Of require-any dependencies those go that a require meets,
//! and those that ask for less than another; conditional ones go where their package is required,
//! or where the file they lead to is met without them.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::Fmri;

use super::Dependency;
use super::run::Warning;
use crate::depend::attribute;
use crate::variants::Combinations;

/// For the needs that a require-any met: where a require meets them now.
type Omitted = BTreeMap<String, Vec<Combinations>>;

/// Leaves out what is not needed.
pub(crate) fn needed(
    dependencies: Vec<Dependency>,
    own: Option<&Fmri>,
    warnings: &mut Vec<Warning>,
) -> Vec<Dependency> {
    let (dependencies, omitted) = requires(dependencies, own, warnings);
    conditionals(dependencies, &omitted)
}

fn requires(
    dependencies: Vec<Dependency>,
    own: Option<&Fmri>,
    warnings: &mut Vec<Warning>,
) -> (Vec<Dependency>, Omitted) {
    let all = dependencies.clone();
    let mut sorted = dependencies;
    // Those that ask for fewer packages are met before those they make unnecessary.
    sorted.sort_by_cached_key(|one| (one.action.values("fmri").len(), one.action.to_string()));
    let mut kept = Vec::new();
    let mut omitted = Omitted::new();
    let mut seen: Vec<(Dependency, BTreeSet<String>)> = Vec::new();
    for mut one in sorted {
        if !matches!(one.kind(), "require" | "require-any") {
            kept.push(one);
            continue;
        }
        let fmris = one.fmris();
        if own.is_some_and(|own| fmris.iter().any(|fmri| own.is_successor_of(fmri))) {
            continue;
        }
        if one.is("require") {
            kept.push(one);
            continue;
        }
        let met = met_by(&mut one, &fmris, &all);
        let smaller = asks_for_less(&one, &fmris, &mut seen, warnings);
        if !smaller && (met.is_none() || one.holds.somewhere()) {
            kept.push(one.clone());
        }
        if !smaller && met.is_none() {
            continue;
        }
        if !one.path_id().is_empty() {
            omitted.insert(one.path_id().to_string(), met.unwrap_or_default());
        }
    }
    (kept, omitted)
}

/// Where requires meet a require-any; it no longer holds there.
fn met_by(one: &mut Dependency, fmris: &[Fmri], all: &[Dependency]) -> Option<Vec<Combinations>> {
    let mut met = None;
    for other in all.iter().filter(|other| other.is("require")) {
        let theirs = other.fmris();
        if !theirs.iter().any(|their| fmris.iter().any(|fmri| their.is_successor_of(fmri))) {
            continue;
        }
        let (_, both, _) = one.holds.separated(&other.holds);
        if one.holds.reopen(&other.holds) || other.holds.is_empty() {
            met.get_or_insert_with(Vec::new).extend(both);
        }
    }
    met
}

/// Whether another require-any that was found out asks for some of the same packages and no other.
fn asks_for_less(
    one: &Dependency,
    fmris: &[Fmri],
    seen: &mut Vec<(Dependency, BTreeSet<String>)>,
    warnings: &mut Vec<Warning>,
) -> bool {
    let found_out = [attribute::FILE, attribute::FULL_PATH];
    if !found_out.iter().any(|name| one.action.attributes.contains_key(*name)) {
        return false;
    }
    let names: BTreeSet<String> = fmris.iter().map(Fmri::to_string).collect();
    let fewer = seen.iter().find(|(other, theirs)| {
        *theirs != names && theirs.is_subset(&names) && other.holds == one.holds
    });
    match fewer {
        Some((other, theirs)) => {
            let dropped = fmris.iter().filter(|fmri| !theirs.contains(&fmri.to_string()));
            warnings.push(Warning::Dropped {
                packages: dropped.map(Fmri::stem).collect(),
                dependency: super::told::without_debug(&other.action),
            });
            true
        }
        None => {
            seen.push((one.clone(), names));
            false
        }
    }
}

fn conditionals(dependencies: Vec<Dependency>, omitted: &Omitted) -> Vec<Dependency> {
    let (conditional, mut kept): (Vec<_>, Vec<_>) =
        dependencies.into_iter().partition(|one| one.is("conditional"));
    let required: Vec<(Fmri, Combinations)> = kept
        .iter()
        .filter(|one| one.is("require"))
        .flat_map(|one| one.fmris().into_iter().map(|fmri| (fmri, one.holds.clone())))
        .collect();
    for mut one in conditional {
        let met = omitted.get(one.path_id()).map_or(&[][..], Vec::as_slice);
        let fmris = one.fmris();
        let same = required
            .iter()
            .filter(|(fmri, _)| fmris.iter().any(|mine| fmri.is_successor_of(mine)))
            .map(|(_, holds)| holds);
        let elsewhere: Vec<&Combinations> = met.iter().chain(same).collect();
        let everywhere = elsewhere.iter().any(|holds| holds.is_empty());
        for holds in elsewhere {
            one.holds.reopen(holds);
        }
        if !everywhere && one.holds.applies() {
            kept.push(one);
        }
    }
    kept
}
