//! wish.rs - patterns as packages, and the task they make for the solver.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::{Fmri, Pattern};

use super::triggers::{self, Triggered};
use super::universe::{Known, ranks};
use super::{ChangeError, Order, Want};
use crate::image::Image;
use crate::solve::candidate::Candidate;
use crate::solve::{Move, Root, Task};

/// The packages patterns mean among some, by pattern; those that mean none are all told.
pub fn meant<'a>(
    patterns: &[String],
    all: &'a [Fmri],
    none: impl Fn(Vec<String>) -> ChangeError,
) -> Result<Vec<(Pattern, Vec<&'a Fmri>)>, ChangeError> {
    let mut meant = Vec::new();
    let mut unmatched = Vec::new();
    for text in patterns {
        let pattern = Pattern::parse(text)?;
        let found = one_stem(&pattern, pattern.select(all))?;
        if found.is_empty() {
            unmatched.push(text.clone());
        }
        meant.push((pattern, found));
    }
    if unmatched.is_empty() { Ok(meant) } else { Err(none(unmatched)) }
}

/// A pattern without wildcard means one stem: the one it names in full, else the only one.
fn one_stem<'a>(pattern: &Pattern, mut found: Vec<&'a Fmri>) -> Result<Vec<&'a Fmri>, ChangeError> {
    let stems = |found: &[&Fmri]| -> BTreeSet<String> {
        found.iter().map(|fmri| fmri.name.clone()).collect()
    };
    let several = stems(&found);
    if several.len() > 1 && !pattern.is_wild() {
        let text = pattern.as_str().split('@').next().unwrap_or("");
        found.retain(|fmri| fmri.name == text);
        if found.is_empty() {
            let pattern = pattern.as_str().to_string();
            return Err(ChangeError::Ambiguous { pattern, names: several.into_iter().collect() });
        }
    }
    Ok(found)
}

/// The packages asked for.
fn roots(meant: &[(Pattern, Vec<&Fmri>)], known: &Known<'_>) -> Vec<Root> {
    let mut roots: BTreeMap<String, Root> = BTreeMap::new();
    for (pattern, found) in meant {
        let mut stems: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for fmri in found {
            stems.entry(&fmri.name).or_default().insert(fmri.to_string());
        }
        for (stem, allowed) in stems {
            // A wildcard passes over what is obsolete or for other images; a plain pattern says so.
            let newest = found.iter().filter(|fmri| fmri.name == stem).max();
            let newest = newest.map(|fmri| known.candidate(fmri));
            if pattern.is_wild()
                && newest.is_some_and(|one| one.obsolete || one.unsupported.is_some())
            {
                continue;
            }
            let root = roots.entry(stem.to_string()).or_insert_with(|| Root {
                stem: stem.to_string(),
                pattern: pattern.as_str().to_string(),
                allowed: Some(allowed.clone()),
                publisher_named: pattern.as_str().contains("//"),
                named: pattern.as_str().contains('@'),
            });
            if let Some(known) = &mut root.allowed {
                known.retain(|fmri| allowed.contains(fmri));
            }
        }
    }
    roots.into_values().collect()
}

/// What is installed, as the solver sees it.
pub fn installed(image: &Image, known: &Known<'_>) -> Result<Vec<Candidate>, ChangeError> {
    Ok(image.installed()?.packages().map(|(fmri, _)| known.candidate(&fmri)).collect())
}

/// A task that wants nothing yet.
fn bare(image: &Image, order: &Order<'_>, known: &Known<'_>) -> Result<Task, ChangeError> {
    let there = installed(image, known)?;
    let (frozen, avoided) = (image.frozen()?, image.avoided()?);
    Ok(Task {
        installed: there.into_iter().map(|one| (one.fmri.name.clone(), one)).collect(),
        avoided: avoided.avoided.union(&avoided.implied).cloned().collect(),
        frozen: frozen
            .stems
            .iter()
            .map(|(stem, one)| (stem.clone(), (one.fmri.clone(), one.reason.clone())))
            .collect(),
        ranks: ranks(image, order.sources),
        parent: match (&order.want, &order.parent) {
            (Want::Sync(parent), _) | (_, Some(parent)) => Some(parent.clone()),
            _ => image.parent_packages()?,
        },
        ..Task::default()
    })
}

/// The solver's task; also the stems the user named, and what was triggered.
pub fn task(
    image: &Image,
    order: &Order<'_>,
    known: &Known<'_>,
) -> Result<(Task, BTreeSet<String>, BTreeSet<Triggered>), ChangeError> {
    let mut task = bare(image, order, known)?;
    let own: Vec<Fmri> = task.installed.values().map(|one| one.fmri.clone()).collect();
    // Installed ones that the user takes away.
    let mut gone: Vec<&Fmri> = Vec::new();
    match &order.want {
        Want::Install(patterns) => {
            task.roots = roots(&meant(patterns, &known.packages(), ChangeError::NoMatch)?, known);
        }
        Want::ExactInstall(patterns) => {
            task.roots = roots(&meant(patterns, &known.packages(), ChangeError::NoMatch)?, known);
            let asked: BTreeSet<&str> = task.roots.iter().map(|root| root.stem.as_str()).collect();
            task.installed.retain(|name, _| asked.contains(name.as_str()));
        }
        Want::Uninstall(patterns) => {
            let meant = meant(patterns, &own, ChangeError::NotInstalled)?;
            gone.extend(meant.into_iter().flat_map(|(_, found)| found));
            task.removed = gone.iter().map(|fmri| fmri.name.clone()).collect();
        }
        Want::Update(patterns) if patterns.is_empty() || patterns == &["*"] => {
            task.movement = Move::Newest;
        }
        Want::Update(patterns) => update(&mut task, patterns, &own, known)?,
        Want::Sync(parent) => {
            // What is out of step is asked for in any version; the parent's is the one that is left.
            let apart = image.out_of_sync(parent)?;
            task.roots = apart.iter().map(|fmri| any_version(&fmri.name)).collect();
        }
        Want::Variants(_)
        | Want::Facets(_)
        | Want::Mediators(_)
        | Want::Fix(_)
        | Want::Revert(_)
        | Want::Dehydrated(_) => {}
    }
    let named = match &order.want {
        Want::Sync(_) => BTreeSet::new(),
        _ => task.roots.iter().map(|root| root.stem.clone()).collect(),
    };
    if !order.reject.is_empty() {
        let all = known.packages();
        for (_, found) in meant(&order.reject, &all, ChangeError::NoMatch)? {
            task.removed.extend(found.iter().map(|fmri| fmri.name.clone()));
            gone.extend(own.iter().filter(|fmri| found.contains(fmri)));
        }
    }
    // An update may go back where the pattern says so, and leaves alone what it does not name.
    task.downgrade = matches!(&order.want, Want::Update(_) | Want::Sync(_));
    let triggering: &[&Fmri] = if order.triggers { &gone } else { &[] };
    let mut triggered = triggers::add(&mut task, image, known, triggering)?;
    triggered.retain(|one| !named.contains(&one.name));
    let moves = matches!(&order.want, Want::Install(_) | Want::Update(_) | Want::Sync(_));
    if task.movement == Move::Keep && moves {
        task.hold();
    }
    // What was avoided and came because something needed it goes with that.
    let asked = |name: &String| task.roots.iter().any(|root| root.stem == *name);
    let loose = image.avoided()?.avoided.into_iter().filter(|name| !asked(name));
    task.loose = loose.filter(|name| task.installed.contains_key(name)).collect();
    Ok((task, named, triggered))
}

fn any_version(stem: &str) -> Root {
    Root {
        stem: stem.to_string(),
        pattern: stem.to_string(),
        allowed: None,
        publisher_named: false,
        named: true,
    }
}

fn update(
    task: &mut Task,
    patterns: &[String],
    own: &[Fmri],
    known: &Known<'_>,
) -> Result<(), ChangeError> {
    let all = known.packages();
    let there: BTreeSet<&str> = own.iter().map(|fmri| fmri.name.as_str()).collect();
    let here: Vec<Fmri> =
        all.into_iter().filter(|fmri| there.contains(fmri.name.as_str())).collect();
    task.roots = roots(&meant(patterns, &here, ChangeError::NotInstalled)?, known);
    Ok(())
}
