//! manifests.rs - checks of a package by itself.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::Kind;
use ips_model::action::Action;

use super::actions::linted_attributes;
use super::conflict::conflict;
use super::engine::Run;
use super::seeds::name_of;
use super::{Level, Package};
use crate::variants::Template;

pub(super) fn opensolaris<'a>(run: &mut Run<'a>, package: &'a Package) {
    if package.has("pkg.renamed") || package.has("pkg.obsolete") {
        return;
    }
    for name in ["org.opensolaris.consolidation", "info.classification"] {
        if !package.has(name) {
            run.warning(1, format!("Missing attribute '{name}' in {}", package.fmri));
        }
    }
}

pub(super) fn summary<'a>(run: &mut Run<'a>, package: &'a Package) {
    let bare = package.has("pkg.renamed") || package.has("pkg.obsolete");
    if !bare && !package.has("pkg.summary") {
        run.error(2, format!("Missing attribute 'pkg.summary' in {}", package.fmri));
    }
}

pub(super) fn description<'a>(run: &mut Run<'a>, package: &'a Package) {
    let (description, summary) = (package.get("pkg.description"), package.get("pkg.summary"));
    let fmri = &package.fmri;
    if description == Some("") {
        run.log.about(package, package.set("pkg.description"));
        run.warning(1, format!("Empty pkg.description in {fmri}"));
    }
    if summary == Some("") {
        run.log.about(package, package.set("pkg.summary"));
        run.warning(3, format!("Empty pkg.summary in {fmri}"));
    }
    if description == summary && description.is_some_and(|text| !text.is_empty()) {
        run.log.about(package, package.set("pkg.summary"));
        run.warning(2, format!("pkg.description matches pkg.summary in {fmri}"));
    }
}

/// The names of actions that are there more than once, under some variants.
fn repeated(groups: BTreeMap<String, Vec<&Action>>, package: &Package) -> Vec<String> {
    let meets = |actions: &Vec<&Action>| {
        let tags: Vec<Template> = actions.iter().map(|one| Template::of_action(one)).collect();
        !conflict(&tags, &package.variants).members.is_empty()
    };
    groups.into_iter().filter(|(_, actions)| meets(actions)).map(|(name, _)| name).collect()
}

fn grouped<'a>(
    run: &mut Run<'a>,
    package: &'a Package,
    kind: Kind,
) -> BTreeMap<String, Vec<&'a Action>> {
    let id = run.id(0);
    let mut groups: BTreeMap<String, Vec<&Action>> = BTreeMap::new();
    for action in package.manifest.of_kind(kind) {
        if let Some(name) = action.key().filter(|_| !run.waves(Some(package), Some(action), &id)) {
            groups.entry(name.to_string()).or_default().push(action);
        }
    }
    groups
}

pub(super) fn duplicate_sets<'a>(run: &mut Run<'a>, package: &'a Package) {
    let twice = repeated(grouped(run, package, Kind::Set), package);
    if !twice.is_empty() {
        run.error(0, format!("duplicate set actions on {} in {}", twice.join(" "), package.fmri));
    }
}

pub(super) fn duplicate_licenses<'a>(run: &mut Run<'a>, package: &'a Package) {
    let twice = repeated(grouped(run, package, Kind::License), package);
    if !twice.is_empty() {
        let names = twice.join(" ");
        run.error(0, format!("duplicate license actions on {names} in {}", package.fmri));
    }
}

pub(super) fn duplicate_depends<'a>(run: &mut Run<'a>, package: &'a Package) {
    let id = run.id(2);
    let mut groups: BTreeMap<String, Vec<&Action>> = BTreeMap::new();
    for action in package.manifest.of_kind(Kind::Depend) {
        let kind = action.get("type").unwrap_or_default();
        if !matches!(kind, "require" | "require-any" | "group-any")
            || run.waves(Some(package), Some(action), &id)
        {
            continue;
        }
        for name in action.values("fmri").iter().filter_map(|text| name_of(text)) {
            groups.entry(name).or_default().push(action);
        }
    }
    // Two lists of which any will do are the same where they name the same packages.
    let names = |action: &Action| -> Option<BTreeSet<String>> {
        let any = matches!(action.get("type"), Some("require-any" | "group-any"));
        any.then(|| action.values("fmri").iter().filter_map(|text| name_of(text)).collect())
    };
    let meet = |one: &Action, other: &Action| {
        let (mine, theirs) = (names(one), names(other));
        let other_list = mine.is_some() && theirs.is_some() && mine != theirs;
        let tags = [Template::of_action(one), Template::of_action(other)];
        !other_list && !conflict(&tags, &package.variants).members.is_empty()
    };
    let mut compared: Vec<(*const Action, *const Action)> = Vec::new();
    let mut twice = Vec::new();
    for (name, actions) in groups {
        let mut found = false;
        for (at, one) in actions.iter().enumerate() {
            for other in &actions[at + 1..] {
                let pair = (std::ptr::from_ref(*one), std::ptr::from_ref(*other));
                if !compared.contains(&pair) {
                    compared.push(pair);
                    found |= meet(one, other);
                }
            }
        }
        if found {
            twice.push(name);
        }
    }
    if !twice.is_empty() {
        run.error(2, format!("duplicate depend actions in {} {}", package.fmri, twice.join(" ")));
    }
}

pub(super) fn linted<'a>(run: &mut Run<'a>, package: &'a Package) {
    if let Some(told) = linted_attributes(package.attributes.iter()) {
        let text = format!("pkg.linted attributes detected for {}: {told}", package.fmri);
        let id = run.id(0);
        run.log.tell_always(Level::Info, &id, &text);
    }
}

pub(super) fn classification<'a>(run: &mut Run<'a>, package: &'a Package) {
    let known = &run.setup.classification;
    let Some(action) = package.set("info.classification").filter(|_| !run.done.classification)
    else {
        return;
    };
    if let Some(fault) = known.fault() {
        let text =
            format!("Unable to perform manifest checks for info.classification attribute: {fault}");
        run.error(1, text);
        run.done.classification = true;
        return;
    }
    run.log.about(package, Some(action));
    let fmri = package.fmri.to_string();
    for value in action.values("value") {
        if let Some((finding, text)) = known.check(value, &fmri) {
            run.error(finding, text);
        }
    }
}

pub(super) fn services<'a>(run: &mut Run<'a>, package: &'a Package) {
    let bundle = |path: &&str| {
        let folders = ["lib/svc/manifest", "var/svc/manifest"];
        path.ends_with(".xml") && folders.iter().any(|folder| path.starts_with(folder))
    };
    let files = package.manifest.of_kind(Kind::File).filter_map(|action| action.get("path"));
    let bundles: Vec<&str> = files.filter(bundle).collect();
    if !bundles.is_empty() && !package.has("org.opensolaris.smf.fmri") {
        let (fmri, bundles) = (&package.fmri, bundles.join(" "));
        run.warning(
            0,
            format!("SMF manifests were delivered by {fmri}, but no org.opensolaris.smf.fmri attribute was found. Manifests found were: {bundles}"),
        );
    }
}

pub(super) fn variants<'a>(run: &mut Run<'a>, package: &'a Package) {
    if !run.setup.config.publication() {
        return;
    }
    let [undefined_id, unknown_id, arch_id] = [1, 2, 3].map(|finding| run.id(finding));
    let (mut undefined, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    let mut has_code = false;
    for action in &package.manifest.actions {
        if run.waves(Some(package), Some(action), "None") {
            continue;
        }
        let elf = action.kind == Kind::File && action.get("pkg.filetype") == Some("elf");
        has_code |= elf || action.get("elfarch").is_some();
        let difference = Template::of_action(action).difference(&package.variants);
        let counts = |name: &str| !name.starts_with("variant.debug");
        if !run.waves(Some(package), Some(action), &undefined_id) {
            undefined.extend(difference.names.into_iter().filter(|name| counts(name)));
        }
        if !run.waves(Some(package), Some(action), &unknown_id) {
            let values = difference.values.into_iter().filter(|(name, _)| counts(name));
            unknown.extend(values.map(|(name, value)| format!("{name}={value}")));
        }
    }
    let (fmri, told) =
        (&package.fmri, |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join(" "));
    if !undefined.is_empty() {
        run.error(1, format!("variant(s) {} not defined by {fmri}", told(undefined)));
    }
    if !unknown.is_empty() {
        let unknown = told(unknown);
        run.error(
            2,
            format!("variant(s) {unknown} not in list of known values for variants in {fmri}"),
        );
    }
    if has_code && !package.has("variant.arch") && !run.waves(Some(package), None, &arch_id) {
        run.error(3, format!("variant.arch not declared in {fmri}"));
    }
}
