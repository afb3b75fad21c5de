//! conflicts.rs - packages that deliver the same path, and whether they may.
//!
//! Directories, links and hard links may come from several packages when they are delivered alike; a
//! file from one, unless one says `overlay=true` and each other `overlay=allow`, whose attributes are
//! the same where it says `overlay-attributes=deny`.  The words are the original's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use ips_model::action::{Action, Kind};

use crate::plan::{Item, alike};

const ADVICE: &str = "\nThese packages cannot be installed together. Any non-conflicting subset\n\
    of the above packages can be installed.";

/// Decides who has a path for which there are several; what is wrong with it.
pub fn settle<'a>(
    path: &str,
    paths: &mut BTreeMap<&'a str, Item<'a>>,
    others: &[Item<'a>],
) -> Option<String> {
    let first = *paths.get(path)?;
    let all: Vec<Item<'a>> = std::iter::once(first).chain(others.iter().copied()).collect();
    let kind = first.action.kind;
    if all.iter().any(|item| item.action.kind != kind) {
        return Some(types(path, &all));
    }
    if kind == Kind::File {
        let Some(winner) = overlaid(&all) else { return Some(duplicates(path, &all)) };
        let denied = |item: &&Item<'_>| item.action.get("overlay-attributes") == Some("deny");
        let same = |item: &Item<'_>| {
            ["owner", "group", "mode"].iter().all(|n| item.action.get(n) == winner.action.get(n))
        };
        if !all.iter().filter(denied).all(same) {
            return Some(attributes(path, &all));
        }
        if let Some(place) = paths.get_mut(path) {
            *place = winner;
        }
        return None;
    }
    let alike = all.iter().all(|item| alike(item.action, first.action));
    (!alike).then(|| attributes(path, &all))
}

/// The one that lies over the others; `None`: they may not be together.
fn overlaid<'a>(all: &[Item<'a>]) -> Option<Item<'a>> {
    let says = |item: &&Item<'_>, word| item.action.get("overlay") == Some(word);
    let mut over = all.iter().filter(|item| says(item, "true"));
    let winner = over.next()?;
    let below = all.iter().filter(|item| says(item, "allow")).count();
    (below + 1 == all.len()).then_some(*winner)
}

fn packages(all: &[Item<'_>]) -> BTreeSet<String> {
    all.iter().map(|item| item.package.fmri.to_string()).collect()
}

fn duplicates(path: &str, all: &[Item<'_>]) -> String {
    let kind = all.first().map_or("file", |item| item.action.kind.as_str());
    let fmris = packages(all);
    if let (1, Some(fmri)) = (fmris.len(), fmris.first()) {
        return format!(
            "The package {fmri} delivers multiple copies of {kind} {path}\n\
             This package must be corrected before it can be installed."
        );
    }
    let mut text = format!("The following packages all deliver {kind} actions to {path}:\n\n");
    for fmri in fmris {
        let _ = writeln!(text, "  {fmri}");
    }
    text + ADVICE
}

fn types(path: &str, all: &[Item<'_>]) -> String {
    let mut by_type: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for item in all {
        let fmris = by_type.entry(item.action.kind.as_str()).or_default();
        fmris.insert(item.package.fmri.to_string());
    }
    let mut text =
        format!("The following packages deliver conflicting action types to {path}:\n\n");
    for (kind, fmris) in by_type {
        let _ = writeln!(text, "  {kind}:");
        for fmri in fmris {
            let _ = writeln!(text, "    {fmri}");
        }
    }
    text + ADVICE
}

/// Copies that differ in what has to be the same.
pub fn attributes(key: &str, all: &[Item<'_>]) -> String {
    let kind = all.first().map_or("dir", |item| item.action.kind.as_str());
    let mut by_text: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for item in all {
        let fmris = by_text.entry(unique(item.action).to_string()).or_default();
        fmris.insert(item.package.fmri.to_string());
    }
    let mut text = format!(
        "The requested change to the system attempts to install multiple actions\n\
         for {kind} '{key}' with conflicting attributes:\n\n"
    );
    for (action, fmris) in by_text {
        let _ = match fmris.len() {
            1 => writeln!(text, "    1 package delivers '{action}':"),
            count => writeln!(text, "    {count} packages deliver '{action}':"),
        };
        for fmri in fmris {
            let _ = writeln!(text, "        {fmri}");
        }
    }
    text + ADVICE
}

/// An action with only what copies of it must have in common.
fn unique(action: &Action) -> Action {
    let mut unique = Action { kind: action.kind, hash: None, attributes: BTreeMap::new() };
    let counts = |name: &str| match action.kind {
        Kind::Dir | Kind::File => matches!(name, "path" | "owner" | "group" | "mode" | "preserve"),
        Kind::Link | Kind::Hardlink => {
            matches!(name, "path" | "target") || name.starts_with("mediator")
        }
        _ => !name.starts_with("variant.") && !name.starts_with("facet."),
    };
    let attributes = action.attributes.iter().filter(|(name, _)| counts(name));
    unique.attributes = attributes.map(|(n, v)| (n.clone(), v.clone())).collect();
    unique
}
