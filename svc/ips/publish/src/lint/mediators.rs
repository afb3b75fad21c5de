//! mediators.rs - links that are chosen among: one mediator for a path, and all of one type.

use std::collections::BTreeSet;

use ips_model::Kind;
use ips_model::action::Action;

use super::Package;
use super::conflict::conflict;
use super::engine::Run;
use super::seeds::{Delivery, Thing};
use crate::variants::Template;

pub(super) fn links<'a>(run: &mut Run<'a>, _package: &'a Package, action: &'a Action) {
    if !matches!(action.kind, Kind::Link | Kind::Hardlink) {
        return;
    }
    let Some(path) = action.get("path") else { return };
    let all = run.seeds.of(Thing::Path, path).to_vec();
    if all.len() == 1 || !run.done.links.insert(path.to_string()) {
        return;
    }
    let [types_id, missing_id, different_id] = [1, 2, 3].map(|finding| run.id(finding));
    let wanted = action.get("mediator");
    let (mut different, mut missing) = (Vec::new(), Vec::new());
    for one in &all {
        let (list, id) = match one.action.get("mediator") {
            None => (&mut missing, &missing_id),
            other if other != wanted => (&mut different, &different_id),
            Some(_) => continue,
        };
        if !run.waves(None, Some(one.action), id) {
            list.push(*one);
        }
    }
    let mut involved: Vec<Delivery<'a>> = Vec::new();
    let met = meeting(run, &different, &all, &different_id);
    if !met.is_empty() {
        let who = fmris(&met);
        run.error(
            3,
            format!("path {path} uses different mediator namespaces across actions in {who}"),
        );
        involved.extend(met);
    }
    let met = meeting(run, &missing, &all, &missing_id);
    // A directory would not become a link by a mediator.
    if kinds(&met).len() == 1 {
        let who = fmris(&met);
        run.error(
            2,
            format!("path {path} has missing mediator attributes across actions in {who}"),
        );
    }
    involved.extend(met);
    if kinds(&involved).len() > 1 {
        let mut told = Vec::new();
        for one in involved {
            if !run.waves(None, Some(one.action), &types_id) {
                told.push(one);
            }
        }
        if !told.is_empty() {
            let who = fmris(&told);
            run.error(
                1,
                format!("path {path} uses multiple action types for potentially mediated links across actions in {who}"),
            );
        }
    }
}

fn kinds(deliveries: &[Delivery<'_>]) -> BTreeSet<Kind> {
    deliveries.iter().map(|one| one.action.kind).collect()
}

fn fmris(deliveries: &[Delivery<'_>]) -> String {
    let all: BTreeSet<String> = deliveries.iter().map(Delivery::fmri).collect();
    all.into_iter().collect::<Vec<_>>().join(" ")
}

/// Those of `some` that can be there with another of the path, and those others.
fn meeting<'a>(
    run: &mut Run<'a>,
    some: &[Delivery<'a>],
    all: &[Delivery<'a>],
    id: &str,
) -> Vec<Delivery<'a>> {
    let mut met = Vec::new();
    for one in some {
        for other in all {
            if std::ptr::eq(one.action, other.action) || run.waves(None, Some(other.action), id) {
                continue;
            }
            let tags = [one.tags(), other.tags()];
            if !conflict(&tags, &Template::default()).members.is_empty() {
                met.extend([*one, *other]);
            }
        }
    }
    met
}
