//! lineage.rs - packages that are gone or have another name, and packages whose names are alike.

use std::collections::BTreeSet;

use ips_model::Kind;
use ips_model::action::Action;

use super::Package;
use super::engine::Run;
use super::package::Follow;

/// Tells `text` where an action is not of the kinds that may be; waved aside on each such action,
/// that it was.
fn only<'a>(run: &mut Run<'a>, package: &'a Package, kinds: &[Kind], finding: u8, text: &str) {
    let id = run.id(finding);
    let mut waved: Option<&'a Action> = None;
    let mut found = false;
    for action in package.manifest.actions.iter().filter(|action| !kinds.contains(&action.kind)) {
        if run.waves(Some(package), Some(action), &id) {
            waved = Some(action);
        } else {
            found = true;
        }
    }
    if found {
        run.log.about(package, None);
        run.error(finding, text);
    } else if waved.is_some() {
        run.log.about(package, waved);
        run.error(finding, text);
        run.log.about(package, None);
    }
}

pub(super) fn obsoletion<'a>(run: &mut Run<'a>, package: &'a Package) {
    if package.get("pkg.obsolete") != Some("true") {
        return;
    }
    let fmri = &package.fmri;
    for name in ["pkg.description", "pkg.summary"] {
        if package.has(name) {
            run.log.about(package, package.set(name));
            run.error(1, format!("obsolete package {fmri} has {name} attribute"));
        }
    }
    run.log.about(package, None);
    let text =
        format!("obsolete package {fmri} contains actions other than set or signature actions");
    only(run, package, &[Kind::Set, Kind::Signature], 2, &text);
    let dependents = run.seeds.dependents.get(&fmri.name).map_or(&[][..], Vec::as_slice);
    let lasting: BTreeSet<String> = dependents
        .iter()
        .filter_map(|one| run.world.find(&one.fmri.to_string(), run.any_publisher))
        .filter(|one| one.get("pkg.obsolete") != Some("true"))
        .map(|one| one.fmri.to_string())
        .collect();
    if !lasting.is_empty() {
        let names = lasting.into_iter().collect::<Vec<_>>().join(" ");
        run.warning(
            3,
            format!("obsolete package {fmri} is depended upon by the following packages: {names}"),
        );
    }
}

pub(super) fn renames<'a>(run: &mut Run<'a>, package: &'a Package) {
    if !package.has("pkg.renamed") {
        return;
    }
    let fmri = &package.fmri;
    let text = format!(
        "renamed package {fmri} contains actions other than set, depend or signature actions"
    );
    only(run, package, &[Kind::Set, Kind::Depend, Kind::Signature], 1, &text);
    let leads = |action: &Action| {
        let incorporation = action.key().is_some_and(|name| name.contains("incorporation"));
        !incorporation || action.get("type") == Some("require")
    };
    if !package.manifest.of_kind(Kind::Depend).any(leads) {
        run.error(
            2,
            format!("renamed package {fmri} does not declare a 'require' dependency indicating what it was renamed to"),
        );
    }
    let rule = Follow {
        target: None,
        refuses_obsolete: false,
        legacy: false,
        any_publisher: run.any_publisher,
    };
    match run.world.follow(&fmri.to_string(), &rule, &mut Vec::new()) {
        Err(error) => run.error(4, format!("package renaming: {error}")),
        Ok(None) => {
            run.warning(
                3,
                format!("unable to follow renames for {fmri}: possible missing package"),
            );
        }
        Ok(Some(last)) if last.has("pkg.obsolete") => {
            let obsolete = &last.fmri;
            run.error(5, format!("package {fmri} was renamed to an obsolete package {obsolete}"));
        }
        Ok(Some(_)) => {}
    }
}

pub(super) fn naming<'a>(run: &mut Run<'a>, package: &'a Package) {
    let leaf = package.fmri.name.rsplit('/').next().unwrap_or_default();
    let Some(all) = run.seeds.leaves.get(leaf) else { return };
    let own = all.iter().any(|one| one.fmri == package.fmri);
    if run.done.leaves.contains(leaf) || !own {
        return;
    }
    if all.len() > 1 {
        let mut names: Vec<String> = all.iter().map(|one| one.fmri.to_string()).collect();
        names.sort();
        let names = names.join(" ");
        run.warning(
            0,
            format!("last name component {leaf} in package name clashes across {names}"),
        );
    }
    let id = run.id(0);
    if !run.waves(Some(package), None, &id) {
        run.done.leaves.insert(leaf.to_string());
    }
}
