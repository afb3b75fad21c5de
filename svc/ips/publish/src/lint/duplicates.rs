//! duplicates.rs - what may be there once is delivered once, and what may be delivered often is
//! the same each time.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::action::Action;
use ips_model::{Fmri, Kind};

use super::Package;
use super::conflict::conflict;
use super::engine::Run;
use super::overlays;
use super::seeds::{Delivery, Thing};
use crate::paths::dirname;

macro_rules! once {
    ($($name:ident $thing:ident $($kind:ident)|+;)*) => {
        $(pub(super) fn $name<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
            if matches!(action.kind, $(Kind::$kind)|+) {
                once(run, package, action, Thing::$thing);
            }
        })*
    };
}

once! {
    paths Path File | License;
    drivers Driver Driver;
    user_names UserName User;
    user_ids UserId User;
    group_names GroupName Group;
    group_ids GroupId Group;
}

pub(super) fn legacy<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    // What is there twice is not looked at again for whether it differs.
    let Some(name) = action.get("pkg").filter(|_| action.kind == Kind::Legacy) else { return };
    if run.done.counted.insert(format!("pkg {name}")) {
        once(run, package, action, Thing::Legacy);
    }
}

/// Sorted FMRIs, each once.
fn fmris(deliveries: &[Delivery<'_>]) -> String {
    let all: BTreeSet<&Fmri> = deliveries.iter().map(|one| &one.package.fmri).collect();
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn once<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action, thing: Thing) {
    let Some(value) = action.get(thing.attribute()) else { return };
    if run.done.things.contains(&(thing, value.to_string())) {
        return;
    }
    let all = run.seeds.of(thing, value);
    if all.len() == 1 {
        return;
    }
    let all: Vec<Delivery<'a>> = all.iter().filter(|one| !one.is_mediated()).copied().collect();
    run.done.things.insert((thing, value.to_string()));
    let tags: Vec<_> = all.iter().map(Delivery::tags).collect();
    let found = conflict(&tags, &package.variants);
    let mut members: Vec<Delivery<'a>> = found.members.iter().map(|at| all[*at]).collect();
    if thing == Thing::Path && action.kind == Kind::File {
        members = overlays::others(&members);
    }
    if members.is_empty() {
        return;
    }
    let (name, who) = (thing.attribute(), fmris(&all));
    if found.variants.is_empty() {
        run.error(
            1,
            format!(
                "{name} {value} is a duplicate delivered by {who} under all variant combinations"
            ),
        );
    }
    for combination in found.variants {
        let told: Vec<String> =
            combination.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let told = told.join(" ");
        run.error(
            2,
            format!("{name} {value} is a duplicate delivered by {who} declaring overlapping variants {told}"),
        );
    }
}

/// Whether several packages may deliver it.
fn is_counted(kind: Kind) -> bool {
    matches!(kind, Kind::Dir | Kind::Link | Kind::Hardlink | Kind::License | Kind::Legacy)
}

/// Attributes that may differ: who mixes up links is told by another check.
fn may_differ(name: &str) -> bool {
    ["variant", "facet", "mediator", "target", "pkg.linted"]
        .iter()
        .any(|head| name.starts_with(head))
}

/// The names of attributes that are not the same.
fn differences(one: &Action, other: &Action) -> BTreeSet<String> {
    let names: BTreeSet<&String> = one.attributes.keys().chain(other.attributes.keys()).collect();
    let differs = |name: &&&String| {
        let sorted = |action: &Action| {
            let mut values = action.values(name).to_vec();
            values.sort();
            values
        };
        sorted(one) != sorted(other)
    };
    names.iter().filter(differs).map(|name| (*name).clone()).collect()
}

pub(super) fn counted<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    if !is_counted(action.kind) {
        return;
    }
    for thing in [Thing::Path, Thing::Legacy] {
        let Some(value) = action.get(thing.attribute()) else { continue };
        let all = run.seeds.of(thing, value).to_vec();
        if all.len() <= 1 || !run.done.counted.insert(format!("{} {value}", thing.attribute())) {
            continue;
        }
        counted_thing(run, package, action, value, &all);
    }
}

fn counted_thing<'a>(
    run: &mut Run<'a>,
    package: &'a Package,
    action: &'a Action,
    value: &str,
    all: &[Delivery<'a>],
) {
    let id = run.id(0);
    let mut seen = Vec::new();
    for one in all {
        if !run.waves(Some(package), Some(one.action), &id) {
            seen.push(*one);
        }
    }
    let own = package.tags(action);
    let mut different = BTreeSet::new();
    for one in &seen {
        let found = differences(one.action, action);
        let mut found = found.into_iter().filter(|name| !may_differ(name)).peekable();
        let meets = || conflict(&[one.tags(), own.clone()], &package.variants);
        if found.peek().is_some() && !meets().members.is_empty() {
            different.extend(found);
        }
    }
    let kinds: BTreeSet<Kind> = seen.iter().map(|one| one.action.kind).collect();
    if different.is_empty() || kinds.len() != 1 {
        return;
    }
    let mut suspects = Vec::new();
    for name in &different {
        let mut by_value: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for one in &seen {
            for value in one.action.values(name) {
                by_value.entry(value).or_default().push(&one.package.fmri.name);
            }
        }
        for (value, mut names) in by_value {
            names.sort_unstable();
            suspects.push(format!("{name}: {value} -> {}", names.join(" ")));
        }
    }
    let count = seen.iter().map(|one| one.fmri()).collect::<BTreeSet<_>>().len();
    let text = format!(
        "{} action for {value} is reference-counted but has different attributes across {count} duplicates: {}",
        action.kind.as_str(),
        suspects.join(" ")
    );
    run.log.tell_always(super::Level::Error, &id, &text);
}

pub(super) fn path_types<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    let Some(path) = action.get("path") else { return };
    if !run.done.types.insert(path.to_string()) {
        return;
    }
    let id = run.id(0);
    let mut seen = Vec::new();
    for one in run.seeds.of(Thing::Path, path).to_vec() {
        if !run.waves(Some(package), Some(one.action), &id) && !one.is_mediated() {
            seen.push(one);
        }
    }
    let kinds: BTreeSet<Kind> = seen.iter().map(|one| one.action.kind).collect();
    let tags: Vec<_> = seen.iter().map(Delivery::tags).collect();
    if kinds.len() > 1 && !conflict(&tags, &package.variants).members.is_empty() {
        let who = fmris(&seen);
        let text = format!("path {path} is delivered by multiple action types across {who}");
        run.log.tell_always(super::Level::Error, &id, &text);
    }
}

pub(super) fn parents<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    let Some(path) = action.get("path") else { return };
    let parent = dirname(path);
    let others: Vec<Delivery<'a>> = run
        .seeds
        .of(Thing::Path, parent)
        .iter()
        .filter(|one| one.action.kind != Kind::Dir)
        .copied()
        .collect();
    for one in others {
        let tags = [package.tags(action), one.tags()];
        if conflict(&tags, &package.variants).members.is_empty() {
            continue;
        }
        let (who, kind, fmri) = (one.fmri(), one.action.kind.as_str(), &package.fmri);
        run.error(
            0,
            format!("Expecting a dir action for {parent}, but {who} delivers it as a {kind}. {path} is delivered by {fmri}"),
        );
    }
}
