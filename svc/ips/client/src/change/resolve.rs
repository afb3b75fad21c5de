//! resolve.rs - the packages an image has, those it is to have, and their manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;

use ips_model::{Fmri, Manifest};
use rayon::prelude::*;

use super::triggers::Triggered;
use super::universe::Known;
use super::{ChangeError, Order, Want, wish};
use crate::conditions::Conditions;
use crate::control::{Control, Phase};
use crate::image::{AvoidSet, Certificates, Configuration, Image};
use crate::plan::Package;
use crate::solve::{Universe, solve};
use crate::source::{Source, side_by_side};

/// Packages before and after.
#[derive(Debug)]
pub struct Resolved {
    /// What was wanted.
    pub want: Want,
    /// Every package of either side, once.
    pub packages: Vec<Package>,
    /// Which of them the image has.
    pub before: BTreeSet<Fmri>,
    /// Which it is to have.
    pub after: BTreeSet<Fmri>,
    /// Stems the user named.
    pub named: BTreeSet<String>,
    /// What packages that go have triggered.
    pub triggered: BTreeSet<Triggered>,
    /// Texts of manifests that the image does not keep yet.
    pub texts: BTreeMap<Fmri, String>,
    /// Certificates that it does not keep yet.
    pub(super) certificates: Certificates,
    /// The configuration it is to have.
    pub configuration: Configuration,
    /// The avoided packages it is to have, if they change.
    pub avoided: Option<AvoidSet>,
}

impl Resolved {
    /// The packages of one side, by name.
    pub fn side<'a>(&'a self, names: &'a BTreeSet<Fmri>) -> impl Iterator<Item = &'a Package> {
        self.packages.iter().filter(|package| names.contains(&package.fmri))
    }
}

/// Finds the packages an image is to have.
pub fn resolve(
    image: &Image,
    order: &Order<'_>,
    control: &Control<'_>,
) -> Result<Resolved, ChangeError> {
    let configuration = wanted_configuration(image, &order.want);
    let installed = image.installed()?;
    let before: BTreeSet<Fmri> = installed.packages().map(|(fmri, _)| fmri).collect();
    let (after, named, triggered, avoided) = if order.want.solves() {
        let conditions = configuration.conditions();
        solved(image, order, conditions)?
    } else {
        (before.clone(), BTreeSet::new(), BTreeSet::new(), None)
    };
    let mut texts = BTreeMap::new();
    let names: BTreeSet<&Fmri> = before.union(&after).collect();
    let names: Vec<&Fmri> = names.into_iter().collect();
    let packages = manifests(image, order.sources, &names, control)?;
    let mut read = Vec::new();
    for (package, text) in packages {
        if !before.contains(&package.fmri) {
            texts.insert(package.fmri.clone(), text);
        }
        read.push(package);
    }
    read.sort_by(|a, b| a.fmri.name.cmp(&b.fmri.name).then_with(|| a.fmri.cmp(&b.fmri)));
    let certificates = signatures(image, order, &read, (&before, &after))?;
    let want = order.want.clone();
    let packages = read;
    Ok(Resolved {
        want,
        packages,
        before,
        after,
        named,
        triggered,
        texts,
        certificates,
        configuration,
        avoided,
    })
}

/// Refuses packages that are not signed as is asked for: those that come, and those that are put
/// back as they were.  The certificates that had to be fetched for it.
fn signatures(
    image: &Image,
    order: &Order<'_>,
    packages: &[Package],
    (before, after): (&BTreeSet<Fmri>, &BTreeSet<Fmri>),
) -> Result<Certificates, ChangeError> {
    let mended: BTreeSet<Fmri> = match &order.want {
        Want::Fix(patterns) if patterns.is_empty() => after.clone(),
        Want::Fix(patterns) => {
            let all: Vec<Fmri> = after.iter().cloned().collect();
            let meant = wish::meant(patterns, &all, ChangeError::NotInstalled)?;
            meant.into_iter().flat_map(|(_, found)| found).cloned().collect()
        }
        _ => BTreeSet::new(),
    };
    let comes = |fmri: &Fmri| after.contains(fmri) && !before.contains(fmri);
    let looked: Vec<(&Fmri, &Manifest)> = packages
        .iter()
        .filter(|package| comes(&package.fmri) || mended.contains(&package.fmri))
        .map(|package| (&package.fmri, &package.manifest))
        .collect();
    let trusted = image.trusted(&looked, order.sources)?;
    match trusted.refused.into_iter().next() {
        None => Ok(trusted.fetched),
        Some((at, error)) => {
            let (fmri, source) = (Box::new(looked[at].0.clone()), Box::new(error));
            Err(ChangeError::Signature { fmri, source })
        }
    }
}

type Answer = (BTreeSet<Fmri>, BTreeSet<String>, BTreeSet<Triggered>, Option<AvoidSet>);

fn solved(image: &Image, order: &Order<'_>, conditions: Conditions) -> Result<Answer, ChangeError> {
    let known = Known::read(image, order.sources, conditions)?;
    let (task, mut named, triggered) = wish::task(image, order, &known)?;
    let after: BTreeSet<Fmri> = solve(&known, &task)?.into_iter().collect();
    follow_renames(&known, &after, &mut named);
    let mut avoided = image.avoided()?;
    let old = avoided.clone();
    // What groups bring and the user takes away is avoided from now on; what he asks for is not.
    let grouped: BTreeSet<String> = after
        .iter()
        .map(|fmri| known.candidate(fmri))
        .flat_map(|one| one.dependencies)
        .filter(|one| one.kind().starts_with("group"))
        .flat_map(|one| one.targets)
        .map(|target| target.name)
        .collect();
    avoided.avoided.extend(task.removed.intersection(&grouped).cloned());
    for name in &named {
        avoided.avoided.remove(name);
        avoided.implied.remove(name);
    }
    let changed = (avoided != old).then_some(avoided);
    Ok((after, named, triggered, changed))
}

/// Who asks for an old name asks for what it leads to.
fn follow_renames(known: &Known<'_>, after: &BTreeSet<Fmri>, named: &mut BTreeSet<String>) {
    let has = |name: &str| after.iter().any(|fmri| fmri.name == name);
    let mut gone: Vec<String> = named.iter().filter(|name| !has(name)).cloned().collect();
    let mut seen: BTreeSet<String> = gone.iter().cloned().collect();
    while let Some(name) = gone.pop() {
        let renamed = known.candidates(&name).into_iter().filter(|one| one.renamed);
        let targets = renamed.flat_map(|one| one.dependencies).filter(|one| one.pulls());
        for target in targets.flat_map(|one| one.targets) {
            if has(&target.name) {
                named.insert(target.name);
            } else if seen.insert(target.name.clone()) {
                gone.push(target.name);
            }
        }
    }
}

fn wanted_configuration(image: &Image, want: &Want) -> Configuration {
    let mut configuration = image.configuration().clone();
    match want {
        Want::Variants(variants) => {
            for (name, value) in variants {
                configuration.set_variant(name, value);
            }
        }
        Want::Facets(facets) => {
            for (name, value) in facets {
                configuration.set_facet(name, *value);
            }
        }
        Want::Mediators(set) => {
            let mut mediators = configuration.mediators();
            for (name, setting) in set {
                match setting {
                    Some(setting) => drop(mediators.insert(name.clone(), setting.clone())),
                    None => drop(mediators.remove(name)),
                }
            }
            configuration.set_mediators(&mediators);
        }
        Want::Dehydrated(publishers) => {
            let publishers: Vec<String> = publishers.iter().cloned().collect();
            configuration.set_property("dehydrated", &crate::image::print_list(&publishers));
        }
        Want::Install(_)
        | Want::Uninstall(_)
        | Want::Update(_)
        | Want::ExactInstall(_)
        | Want::Sync(_)
        | Want::Fix(_)
        | Want::Revert(_) => {}
    }
    configuration
}

fn manifests(
    image: &Image,
    sources: &[Source],
    names: &[&Fmri],
    control: &Control<'_>,
) -> Result<Vec<(Package, String)>, ChangeError> {
    let (done, total) = (AtomicU64::new(0), names.len() as u64);
    let read = |fmri: &&Fmri| -> Result<(Package, String), ChangeError> {
        if control.is_cancelled() {
            return Err(crate::execute::ExecuteError::Cancelled.into());
        }
        let of_moment = sources.iter().find(|source| source.has(fmri));
        let (text, manifest): (String, Manifest) = match of_moment {
            Some(source) if image.installed()?.get(fmri).is_none() => source.manifest(fmri)?,
            Some(_) | None => image.manifest_text(fmri)?,
        };
        control.count(Phase::Manifests, &done, total, &fmri.name);
        Ok((Package { fmri: (*fmri).clone(), manifest }, text))
    };
    let own = image.sources()?.iter().map(|one| &one.source);
    let all: Vec<&Source> = own.chain(sources).collect();
    side_by_side(&all, || names.par_iter().map(read).collect())
}
