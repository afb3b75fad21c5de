//! plan.rs - what a change means, for whoever has to agree to it.
//!
//! A fix takes paths as they are delivered, whatever lies there, and of users, groups, drivers and
//! licences those that verifying complains of.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::Fmri;
use ips_model::action::{Action, Kind};

use super::difference::{Came, Difference, difference};
use super::resolve::Resolved;
use super::{ChangeError, Reverted, Want, notes, wish};
use crate::control::Control;
use crate::image::{Configuration, Image, MediatorSetting, VerifyOptions};
use crate::plan::{ConflictError, Item, Plan, gather};

/// The most conflicts that are told at once.
const TOLD: usize = 20;

/// A package that comes, goes or changes its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChange {
    /// What was there.
    pub old: Option<Fmri>,
    /// What is to be there.
    pub new: Option<Fmri>,
}

impl PackageChange {
    /// Its stem.
    pub fn name(&self) -> &str {
        let either = self.new.as_ref().or(self.old.as_ref());
        either.map_or("", |fmri| fmri.name.as_str())
    }
}

/// A licence that comes with a package.
#[derive(Debug, Clone)]
pub struct License<'a> {
    /// The package.
    pub fmri: &'a Fmri,
    /// The action.
    pub action: &'a Action,
    /// The licence of this name that the package had before.
    pub old: Option<Item<'a>>,
    /// Whether it was there before, the same.
    pub is_known: bool,
}

impl License<'_> {
    /// Whether it has to be accepted.
    pub fn must_accept(&self) -> bool {
        self.action.get("must-accept") == Some("true") && !self.is_known
    }

    /// Whether it has to be shown.
    pub fn must_display(&self) -> bool {
        self.action.get("must-display") == Some("true") && !self.is_known
    }
}

/// A plan.
pub struct Planned<'a> {
    /// What it stands on.
    pub resolved: &'a Resolved,
    /// Packages, by name.
    pub packages: Vec<PackageChange>,
    /// Mediators with what is set before and after.
    pub mediators: Vec<(String, Option<MediatorSetting>, Option<MediatorSetting>)>,
    /// Variants and facets: name, value.
    pub tags: Vec<(String, String)>,
    /// Licences of packages that come or change.
    pub licenses: Vec<License<'a>>,
    /// What services and the machine would be told: attribute, value.
    pub actuators: BTreeSet<(String, String)>,
    /// Release notes that come.
    pub release_notes: Vec<Item<'a>>,
    /// The configuration it leads to.
    pub configuration: Configuration,
    /// What becomes of publishers that are dehydrated.
    pub hydration: Hydration,
    facets_before: BTreeMap<String, bool>,
    pub(super) new: Plan<'a>,
    pub(super) difference: Difference<'a>,
    /// Paths that are put as they are delivered, whatever lies there.
    pub(super) restored: BTreeSet<&'a str>,
}

/// What becomes of publishers that are dehydrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hydration {
    /// Nothing.
    Same,
    /// There are more of them.
    Less,
    /// Some are none any more.
    More,
}

impl Hydration {
    fn between(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Self {
        match (before.is_subset(after), after.is_subset(before)) {
            (true, true) => Self::Same,
            (true, false) => Self::Less,
            (false, _) => Self::More,
        }
    }
}

impl Planned<'_> {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        let none = &self.difference;
        self.packages.is_empty()
            && self.mediators.is_empty()
            && self.tags.is_empty()
            && none.gone.is_empty()
            && none.came.is_empty()
            && none.directories.is_empty()
            && self.resolved.avoided.is_none()
            // A publisher without files is not worth being dehydrated, but has to be let go of.
            && self.hydration != Hydration::More
    }

    /// Whose entries without a path come or are mended, by package without version.
    pub fn entries(&self) -> BTreeSet<String> {
        let own = &self.difference;
        let all = [&own.groups, &own.users, &own.drivers, &own.licenses, &own.legacies];
        let came = all.into_iter().flat_map(|entries| &entries.came);
        came.map(|came| came.new.package.fmri.stem()).collect()
    }

    /// Packages that stay as they are, of which something comes or goes.
    pub fn affected(&self) -> BTreeSet<&Fmri> {
        let resolved = self.resolved;
        let own = &self.difference;
        let all = [&own.groups, &own.users, &own.drivers, &own.licenses, &own.legacies];
        let came = own.came.values().chain(all.iter().flat_map(|entries| &entries.came));
        let gone = own.gone.values().chain(all.iter().flat_map(|entries| &entries.gone));
        let both = came.map(|came| came.new).chain(gone.copied());
        let fmris = both.map(|item| &item.package.fmri);
        fmris
            .filter(|fmri| resolved.before.contains(fmri) && resolved.after.contains(fmri))
            .collect()
    }

    /// The facets that were set.
    pub fn facets_before(&self) -> &BTreeMap<String, bool> {
        &self.facets_before
    }

    /// How long the files are that come, in bytes.
    pub fn size(&self) -> u64 {
        let sizes =
            self.difference.came.values().filter_map(|came| came.new.action.get("pkg.size"));
        sizes.filter_map(|size| size.parse::<u64>().ok()).fold(0, u64::saturating_add)
    }

    /// Whether release notes have to be shown.
    pub fn must_display_notes(&self) -> bool {
        self.release_notes.iter().any(|note| note.action.get("must-display") == Some("true"))
    }

    /// Whose these paths are: package without version → `TYPE: PATH`.
    pub fn owners(&self, paths: &[String]) -> BTreeMap<String, Vec<String>> {
        let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in paths {
            if let Some(item) = self.new.paths.get(path.as_str()) {
                let told = format!("{}: {path}", item.action.kind.as_str());
                owners.entry(item.package.fmri.stem()).or_default().push(told);
            }
        }
        owners
    }

    /// Whether the machine would have to be started again.
    pub fn needs_reboot(&self) -> bool {
        self.actuators.iter().any(|(name, _)| name == "reboot-needed")
    }
}

/// Says what a change means.
pub fn plan<'a>(image: &Image, resolved: &'a Resolved) -> Result<Planned<'a>, ChangeError> {
    let set = image.configuration().mediators();
    let wanted = resolved.configuration.mediators();
    let before = image.configuration().conditions();
    let after = resolved.configuration.conditions();
    let (old, known) = gather(resolved.side(&resolved.before), &before, &set);
    let (new, mut reasons) = gather(resolved.side(&resolved.after), &after, &wanted);
    // What is wrong with the image already is no reason not to change it.
    reasons.retain(|reason| !known.contains(reason));
    if !reasons.is_empty() {
        let more = reasons.len().saturating_sub(TOLD);
        reasons.truncate(TOLD);
        if more > 0 {
            reasons.push(format!("and {more} more"));
        }
        return Err(ConflictError { reasons }.into());
    }
    let mut difference = difference(&old, &new);
    let restored = restored(resolved, &new)?;
    for path in &restored {
        if let Some(item) = new.paths.get(path) {
            difference.came.entry(path).or_insert(Came { old: Some(*item), new: *item });
        }
    }
    let mediators = new.mediators.settings(&wanted);
    let mut configuration = resolved.configuration.clone();
    configuration.set_mediators(&mediators);
    let packages = package_changes(resolved);
    let mut licenses = licenses(&packages, &old, &new);
    if let Want::Fix(patterns) = &resolved.want {
        let fixed = fixed(resolved, patterns)?;
        let broken = mend(image, &fixed, &new, &mut difference)?;
        licenses.extend(broken);
    }
    let actuators = actuators(&difference);
    Ok(Planned {
        hydration: Hydration::between(&before.dehydrated, &after.dehydrated),
        resolved,
        licenses,
        packages,
        mediators: mediator_changes(&set, &mediators),
        tags: tag_changes(image.configuration(), &configuration),
        actuators,
        release_notes: notes::due(&difference, &resolved.before),
        configuration,
        facets_before: image.configuration().facets(),
        difference,
        restored,
        new,
    })
}

fn package_changes(resolved: &Resolved) -> Vec<PackageChange> {
    let by_name = |side: &BTreeSet<Fmri>| -> BTreeMap<String, Fmri> {
        side.iter().map(|fmri| (fmri.name.clone(), fmri.clone())).collect()
    };
    let (before, after) = (by_name(&resolved.before), by_name(&resolved.after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changes = names.into_iter().map(|name| PackageChange {
        old: before.get(name).cloned(),
        new: after.get(name).cloned(),
    });
    changes.filter(|change| change.old != change.new).collect()
}

fn mediator_changes(
    set: &BTreeMap<String, MediatorSetting>,
    to: &BTreeMap<String, MediatorSetting>,
) -> Vec<(String, Option<MediatorSetting>, Option<MediatorSetting>)> {
    let names: BTreeSet<&String> = set.keys().chain(to.keys()).collect();
    let changes = names.into_iter().map(|n| (n.clone(), set.get(n).cloned(), to.get(n).cloned()));
    changes.filter(|(_, old, new)| old != new).collect()
}

fn tag_changes(old: &Configuration, new: &Configuration) -> Vec<(String, String)> {
    let mut changes = Vec::new();
    let before = old.variants();
    for (name, value) in new.variants() {
        if before.get(&name) != Some(&value) {
            changes.push((name, value));
        }
    }
    let (before, after) = (old.facets(), new.facets());
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        if before.get(name) != after.get(name) {
            let value = match after.get(name) {
                Some(true) => "True",
                Some(false) => "False",
                None => "None",
            };
            changes.push((name.clone(), value.to_string()));
        }
    }
    changes
}

fn licenses<'a>(packages: &[PackageChange], old: &Plan<'a>, new: &Plan<'a>) -> Vec<License<'a>> {
    let changed: BTreeSet<&str> = packages.iter().map(PackageChange::name).collect();
    let of = new.licenses.iter().filter(|item| changed.contains(item.package.fmri.name.as_str()));
    let before = |item: &Item<'_>| {
        old.licenses.iter().copied().find(|before| {
            before.package.fmri.name == item.package.fmri.name
                && before.action.key() == item.action.key()
        })
    };
    let license = |item: &Item<'a>| {
        let old = before(item);
        let is_known = old.is_some_and(|old| old.action.hash == item.action.hash);
        License { fmri: &item.package.fmri, action: item.action, old, is_known }
    };
    of.map(license).collect()
}

/// The packages that a fix is for.
fn fixed<'a>(
    resolved: &'a Resolved,
    patterns: &[String],
) -> Result<BTreeSet<&'a Fmri>, ChangeError> {
    if patterns.is_empty() {
        return Ok(resolved.after.iter().collect());
    }
    let all: Vec<Fmri> = resolved.after.iter().cloned().collect();
    let meant = wish::meant(patterns, &all, ChangeError::NotInstalled)?;
    let names: BTreeSet<&str> =
        meant.iter().flat_map(|(_, found)| found).map(|fmri| fmri.name.as_str()).collect();
    Ok(resolved.after.iter().filter(|fmri| names.contains(fmri.name.as_str())).collect())
}

/// Adds the entries without a path that are not as they should be; the licences among them.
fn mend<'a>(
    image: &Image,
    fixed: &BTreeSet<&Fmri>,
    new: &Plan<'a>,
    difference: &mut Difference<'a>,
) -> Result<Vec<License<'a>>, ChangeError> {
    let packages: Vec<Fmri> = fixed.iter().map(|fmri| (*fmri).clone()).collect();
    let options = VerifyOptions { entries: true, ..VerifyOptions::default() };
    let mut broken: BTreeSet<(String, Kind, String)> = BTreeSet::new();
    for package in image.verify(&packages, &options, &Control::silent())? {
        let wrong = package.findings.into_iter().filter(|one| !one.report.errors.is_empty());
        let name = package.fmri.name;
        broken.extend(wrong.map(|one| (name.clone(), one.kind, one.key)));
    }
    let is_broken = |item: &&Item<'a>| {
        let key = item.action.key().unwrap_or_default().to_string();
        broken.contains(&(item.package.fmri.name.clone(), item.action.kind, key))
    };
    for (items, entries) in [
        (&new.groups, &mut difference.groups),
        (&new.users, &mut difference.users),
        (&new.drivers, &mut difference.drivers),
        (&new.licenses, &mut difference.licenses),
        (&new.legacies, &mut difference.legacies),
    ] {
        let came = items.iter().filter(is_broken).map(|item| Came { old: None, new: *item });
        entries.came.extend(came);
    }
    let licenses = difference.licenses.came.iter().map(|came| License {
        fmri: &came.new.package.fmri,
        action: came.new.action,
        old: None,
        is_known: false,
    });
    Ok(licenses.collect())
}

fn actuators(difference: &Difference<'_>) -> BTreeSet<(String, String)> {
    let came = difference.came.values().flat_map(|came| {
        // What comes with a package that is new does not have to be told to what runs.
        came.old.into_iter().chain([came.new])
    });
    let all = came.chain(difference.gone.values().copied());
    let mut told = BTreeSet::new();
    for item in all {
        for name in
            ["reboot-needed", "restart_fmri", "refresh_fmri", "suspend_fmri", "disable_fmri"]
        {
            for value in item.action.values(name) {
                if name != "reboot-needed" || value == "true" {
                    told.insert((name.to_string(), value.clone()));
                }
            }
        }
    }
    told
}

/// The paths that a fix or revert puts back.
fn restored<'a>(resolved: &'a Resolved, new: &Plan<'a>) -> Result<BTreeSet<&'a str>, ChangeError> {
    match &resolved.want {
        Want::Fix(patterns) => {
            let fixed = fixed(resolved, patterns)?;
            let of = |item: &Item<'_>| fixed.contains(&item.package.fmri);
            Ok(new.paths.iter().filter(|(_, item)| of(item)).map(|(path, _)| *path).collect())
        }
        Want::Revert(Reverted::Paths(paths)) => {
            let mut found = BTreeSet::new();
            let mut missing = Vec::new();
            for path in paths {
                let wanted = path.trim_start_matches('/');
                match new.paths.get_key_value(wanted) {
                    Some((path, item)) if item.action.kind == Kind::File => {
                        found.insert(*path);
                    }
                    Some(_) | None => missing.push(path.clone()),
                }
            }
            if missing.is_empty() { Ok(found) } else { Err(ChangeError::NotPackaged(missing)) }
        }
        Want::Revert(Reverted::Tags(tags)) => {
            let tagged = |item: &Item<'_>| {
                let own = item.action.values("revert-tag");
                own.iter().any(|own| {
                    let name = own.split_once('=').map_or(own.as_str(), |(name, _)| name);
                    tags.iter().any(|tag| tag == name)
                })
            };
            let files = new.paths.iter().filter(|(_, item)| tagged(item));
            Ok(files.map(|(path, _)| *path).collect())
        }
        Want::Install(_)
        | Want::Uninstall(_)
        | Want::Update(_)
        | Want::ExactInstall(_)
        | Want::Sync(_)
        | Want::Variants(_)
        | Want::Facets(_)
        | Want::Mediators(_)
        | Want::Dehydrated(_) => Ok(BTreeSet::new()),
    }
}
