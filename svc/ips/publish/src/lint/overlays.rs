//! overlays.rs - files that may take the place of another package's file.
//!
//! `overlay=allow` (with `preserve`) may be replaced, `overlay=true` replaces: one of each, the same
//! but for their content, wherever both can be there.

use std::collections::BTreeSet;

use ips_model::Kind;
use ips_model::action::Action;

use super::Package;
use super::conflict::{Conflict, conflict};
use super::engine::Run;
use super::seeds::{Delivery, Thing};
use crate::variants::Template;

/// What has to be the same.
const SAME: [&str; 5] = ["path", "mode", "owner", "group", "sysattr"];

#[derive(Debug, Default)]
struct Sorted<'a> {
    replacing: Vec<Delivery<'a>>,
    allowing: Vec<Delivery<'a>>,
    others: Vec<Delivery<'a>>,
    without_preserve: Vec<Delivery<'a>>,
}

fn sorted<'a>(members: &[Delivery<'a>]) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    for one in members {
        let place = match one.action.get("overlay") {
            Some("true") => &mut sorted.replacing,
            Some("allow") if one.action.get("preserve").is_none() => &mut sorted.without_preserve,
            Some("allow") => &mut sorted.allowing,
            Some(_) | None => &mut sorted.others,
        };
        place.push(*one);
    }
    sorted
}

/// Of files that meet, those that have no part in overlaying.
pub(super) fn others<'a>(members: &[Delivery<'a>]) -> Vec<Delivery<'a>> {
    let sorted = sorted(members);
    if sorted.replacing.is_empty() && sorted.allowing.is_empty() {
        return members.to_vec();
    }
    sorted.others
}

pub(super) fn overlays<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    let Some(path) = action.get("path").filter(|_| action.kind == Kind::File) else { return };
    if run.done.overlays.contains(path) {
        return;
    }
    let all = run.seeds.of(Thing::Path, path);
    if all.len() == 1 {
        return;
    }
    let all: Vec<Delivery<'a>> = all.iter().filter(|one| !one.is_mediated()).copied().collect();
    run.done.overlays.insert(path.to_string());
    let met = meeting(&all, &package.variants);
    let members: Vec<Delivery<'a>> = met.members.iter().map(|at| all[*at]).collect();
    let who: BTreeSet<String> = all.iter().map(Delivery::fmri).collect();
    let who = who.into_iter().collect::<Vec<_>>().join(", ");
    for (finding, text) in faults(path, &who, &sorted(&members), &package.variants) {
        run.error(finding, text);
    }
}

fn meeting(deliveries: &[Delivery<'_>], package: &Template) -> Conflict {
    let tags: Vec<Template> = deliveries.iter().map(Delivery::tags).collect();
    conflict(&tags, package)
}

fn told(conflict: &Conflict) -> String {
    let pairs: BTreeSet<String> = conflict
        .variants
        .iter()
        .flat_map(|one| one.iter())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.into_iter().collect::<Vec<_>>().join(", ")
}

fn faults(
    path: &str,
    who: &str,
    sorted: &Sorted<'_>,
    package: &Template,
) -> BTreeSet<(u8, String)> {
    let mut faults = BTreeSet::new();
    let Sorted { replacing, allowing, others, without_preserve } = sorted;
    if replacing.is_empty() && allowing.is_empty() {
        return faults;
    }
    for one in without_preserve {
        let fmri = one.fmri();
        faults.insert((
            1,
            format!(
                "path {path} missing 'preserve' attribute for 'overlay=allow' action in {fmri}"
            ),
        ));
    }
    let among = meeting(replacing, package);
    if !among.members.is_empty() {
        let told = told(&among);
        faults.insert((
            2,
            format!("path {path} has duplicate 'overlay=true' actions for the following variants across across {who}: {told}"),
        ));
    }
    let among = meeting(allowing, package);
    if replacing.is_empty() && !among.members.is_empty() {
        let told = told(&among);
        faults.insert((
            3,
            format!("path {path} has duplicate 'overlay=allow' actions for the following variants across across {who}: {told}"),
        ));
    }
    for one in replacing {
        faults.extend(partners(path, who, *one, allowing, package));
    }
    if !others.is_empty() {
        faults.insert((
            7,
            format!("path {path} has both overlay and non-overlay actions across {who}"),
        ));
    }
    faults
}

/// A replacing file has one partner wherever it can be.
fn partners(
    path: &str,
    who: &str,
    one: Delivery<'_>,
    allowing: &[Delivery<'_>],
    package: &Template,
) -> Option<(u8, String)> {
    let meets =
        |other: &&Delivery<'_>| !conflict(&[one.tags(), other.tags()], package).members.is_empty();
    let mut partners: Vec<Delivery<'_>> = allowing.iter().filter(meets).copied().collect();
    // Those that meet each other are partners of something as well.
    let among = meeting(allowing, package);
    if !partners.is_empty() {
        partners = allowing
            .iter()
            .enumerate()
            .filter(|(at, other)| meets(other) || among.members.contains(at))
            .map(|(_, other)| *other)
            .collect();
    }
    if partners.is_empty() && among.members.is_empty() {
        let text = format!(
            "path {path} uses 'overlay=true' actions but has no corresponding 'overlay=allow' actions across {who}"
        );
        return Some((5, text));
    }
    let among = meeting(&partners, package);
    if !among.members.is_empty() {
        let told = told(&among);
        let text = format!(
            "path {path} uses overlay='true' actions but has duplicate 'overlay=allow' actions for the following variants across {who}: {told}"
        );
        return Some((4, text));
    }
    let same = |action: &Action| SAME.map(|name| action.values(name).to_vec());
    let differs = partners.iter().any(|other| same(other.action) != same(one.action));
    differs.then(|| {
        let text = format!(
            "path {path} has mismatching attributes for 'overlay=true' and 'overlay=allow' action-pairs across {who}"
        );
        (6, text)
    })
}
