//! find.rs - the packages that meet a need of a file.

use std::collections::BTreeSet;

use ips_model::Fmri;
use ips_model::action::Action;

use super::Dependency;
use super::deliveries::{Conditional, Deliveries, Reached, Side};
use super::group::grouped;
use crate::depend::attribute;
use crate::paths::join;
use crate::variants::Combinations;

/// `pkg:/NAME@RELEASE-BRANCH`.
fn short(fmri: &Fmri) -> String {
    match &fmri.version {
        Some(version) => format!("{}@{}", fmri.stem(), version.short()),
        None => fmri.stem(),
    }
}

/// Every path that would meet the need, sorted.
fn paths(need: &Action) -> BTreeSet<String> {
    let whole = need.values(attribute::FULL_PATH);
    if !whole.is_empty() {
        return whole.iter().cloned().collect();
    }
    let top = [String::new()];
    let folders = match need.values(attribute::PATH) {
        [] => &top,
        folders => folders,
    };
    let files = need.values(attribute::FILE);
    folders.iter().flat_map(|folder| files.iter().map(move |file| join(folder, file))).collect()
}

/// The dependencies that meet `need`, and the variants under which it stays open.
pub(crate) fn find(
    deliveries: &Deliveries,
    need: &Action,
    asked: &Combinations,
    installed_too: bool,
) -> (Vec<Dependency>, Combinations) {
    let mut open = asked.clone();
    let mut found = find_in(deliveries, Side::Delivered, need, asked, &mut open);
    if installed_too && (found.is_empty() || !open.is_satisfied()) {
        let rest = open.clone();
        found.extend(find_in(deliveries, Side::Installed, need, &rest, &mut open));
    }
    (found, open)
}

fn find_in(
    deliveries: &Deliveries,
    side: Side,
    need: &Action,
    asked: &Combinations,
    open: &mut Combinations,
) -> Vec<Dependency> {
    let paths = paths(need);
    let path_id = paths.iter().cloned().collect::<Vec<_>>().join(":");
    let mut files = Vec::new();
    let mut links = Vec::new();
    for path in &paths {
        let reach = deliveries.reach(side, path, asked);
        files.extend(reach.files.into_iter().map(|file| (file.clone(), file.holds)));
        links.extend(reach.links);
    }
    let mut found = Vec::new();
    for (files, holds) in grouped(files) {
        open.satisfy(&holds);
        found.push(Dependency { action: required(deliveries, need, &files), holds });
    }
    found.extend(links.into_iter().map(|link| conditional(deliveries, need, link)));
    for dependency in &mut found {
        dependency.action.set(attribute::PATH_ID, vec![path_id.clone()]);
    }
    found
}

/// One package is required; of several, any.
fn required(deliveries: &Deliveries, need: &Action, files: &[Reached]) -> Action {
    let mut action = need.clone();
    let names: BTreeSet<String> =
        files.iter().map(|file| short(deliveries.fmri(file.package))).collect();
    let paths: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
    let via = |file: &Reached| file.via.iter().rev().cloned().collect::<Vec<_>>().join(":");
    let shown = if names.len() == 1 { &files[..1] } else { files };
    let via = shown.iter().map(via).filter(|via| !via.is_empty()).collect();
    let kind = if names.len() == 1 { "require" } else { "require-any" };
    action.set("type", vec![kind.to_string()]);
    action.set("fmri", names.into_iter().collect());
    action.set(attribute::FILE, paths.into_iter().collect());
    action.set(attribute::PATH, Vec::new());
    action.set(attribute::FULL_PATH, Vec::new());
    action.set(attribute::VIA_LINKS, via);
    action
}

/// The package with a link is needed where that with the next step is there.
fn conditional(deliveries: &Deliveries, need: &Action, link: Conditional) -> Dependency {
    let mut action = need.clone();
    action.set("type", vec!["conditional".to_string()]);
    action.set("fmri", vec![short(deliveries.fmri(link.package))]);
    action.set("predicate", vec![short(deliveries.fmri(link.predicate))]);
    action.set(attribute::TYPE, vec!["link".to_string()]);
    action.set(attribute::FILE, vec![link.path]);
    action.set(attribute::PATH, Vec::new());
    action.set(attribute::FULL_PATH, Vec::new());
    Dependency { action, holds: link.holds }
}
