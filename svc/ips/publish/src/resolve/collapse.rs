//! collapse.rs - a conditional dependency whose condition is required anyway is no longer one.
//!
//! Links that lead to the same file by the same next package are each a way to it: together they
//! become one require-any.  What a packager wrote is taken one by one.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::Fmri;
use ips_model::action::Action;

use super::Dependency;
use super::group::grouped;
use crate::variants::Combinations;

/// Adds the attributes of `from` to those of `to`.
pub(crate) fn merge(to: &mut Action, from: &Action) {
    for (name, values) in &from.attributes {
        let known = to.attributes.entry(name.clone()).or_default();
        for value in values {
            if !known.contains(value) {
                known.push(value.clone());
            }
        }
    }
}

/// Packages that are required, by stem.
#[derive(Debug, Default)]
struct Required(BTreeMap<String, Vec<(Fmri, Combinations)>>);

impl Required {
    fn add(&mut self, dependency: &Dependency) {
        for fmri in dependency.fmris() {
            let holds = dependency.holds.clone();
            self.0.entry(fmri.stem()).or_default().push((fmri, holds));
        }
    }

    /// Where the predicate, or a newer version of it, is required.
    fn holds(&self, predicate: &str) -> Vec<Combinations> {
        let Ok(predicate) = Fmri::parse(predicate) else { return Vec::new() };
        let known = self.0.get(&predicate.stem()).map_or(&[][..], Vec::as_slice);
        let meets = known.iter().filter(|(fmri, _)| fmri.is_successor_of(&predicate));
        meets.map(|(_, holds)| holds.clone()).collect()
    }
}

/// Conditional dependencies on one file's account.
type Group = (String, Vec<Dependency>);

/// Replaces conditional dependencies by others where that can be.
pub(crate) fn collapse(dependencies: Vec<Dependency>) -> Vec<Dependency> {
    let (conditional, mut result): (Vec<_>, Vec<_>) =
        dependencies.into_iter().partition(|one| one.is("conditional"));
    let mut required = Required::default();
    for one in result.iter().filter(|one| one.is("require")) {
        required.add(one);
    }
    let mut groups: BTreeMap<String, Vec<Group>> = BTreeMap::new();
    for one in conditional {
        let of_predicate = groups.entry(one.predicate().to_string()).or_default();
        match of_predicate.iter_mut().find(|(path_id, _)| path_id == one.path_id()) {
            Some((_, group)) => group.push(one),
            None => of_predicate.push((one.path_id().to_string(), vec![one])),
        }
    }
    let mut open: BTreeSet<String> = groups.keys().cloned().collect();
    while let Some(predicate) = open.pop_first() {
        let met = required.holds(&predicate);
        if met.is_empty() {
            continue;
        }
        let mut left = Vec::new();
        for (path_id, group) in groups.remove(&predicate).unwrap_or_default() {
            let (gone, kept) = apart(group, &met);
            let made = if path_id.is_empty() { singly(gone) } else { together(gone) };
            for one in made.iter().filter(|one| one.is("require")) {
                open.extend(one.action.get("fmri").map(str::to_string));
                required.add(one);
            }
            result.extend(made);
            if !kept.is_empty() {
                left.push((path_id, kept));
            }
        }
        if !left.is_empty() {
            groups.insert(predicate, left);
        }
    }
    result.extend(groups.into_values().flatten().flat_map(|(_, group)| group));
    result
}

/// Actions that hold under the same variants.
type Alike = (Vec<Action>, Combinations);

/// What can be collapsed, and what stays.
fn apart(group: Vec<Dependency>, met: &[Combinations]) -> (Vec<Alike>, Vec<Dependency>) {
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    let facts = group.into_iter().map(|one| (one.action, one.holds)).collect();
    for (actions, holds) in grouped(facts) {
        let mut left = Some(holds);
        for met in met {
            let Some(holds) = &left else { break };
            let (only, both, _) = holds.separated(met);
            gone.extend(both.map(|both| (actions.clone(), both)));
            left = only;
        }
        if let Some(holds) = left {
            let one = |action| Dependency { action, holds: holds.clone() };
            kept.extend(actions.into_iter().map(one));
        }
    }
    (gone, kept)
}

fn singly(gone: Vec<Alike>) -> Vec<Dependency> {
    let one = |(actions, holds): Alike| {
        actions.into_iter().map(move |mut action| {
            action.set("predicate", Vec::new());
            action.set("type", vec!["require".to_string()]);
            Dependency { action, holds: holds.clone() }
        })
    };
    gone.into_iter().flat_map(one).collect()
}

fn together(gone: Vec<Alike>) -> Vec<Dependency> {
    let one = |(actions, holds): Alike| {
        let mut actions = actions.into_iter();
        let mut whole = actions.next()?;
        for action in actions {
            merge(&mut whole, &action);
        }
        let names: BTreeSet<String> = whole.values("fmri").iter().cloned().collect();
        let kind = if names.len() > 1 { "require-any" } else { "require" };
        whole.set("fmri", names.into_iter().collect());
        whole.set("type", vec![kind.to_string()]);
        whole.set("predicate", Vec::new());
        Some(Dependency { action: whole, holds })
    };
    gone.into_iter().filter_map(one).collect()
}
