//! depends.rs - dependencies and legacy actions: what they name has to be there, and to last.

use ips_model::action::Action;
use ips_model::{Fmri, Kind};

use super::Package;
use super::engine::Run;
use super::package::{Follow, succeeds};

pub(super) fn valid<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    for _ in action.values("fmri").iter().filter(|text| Fmri::parse(text).is_err()) {
        run.error(0, format!("invalid FMRI in action {action} in {}", package.fmri));
    }
}

pub(super) fn incorporate<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    if action.kind != Kind::Depend || action.get("type") != Some("incorporate") {
        return;
    }
    for text in action.values("fmri") {
        if Fmri::parse(text).is_ok_and(|fmri| fmri.version.is_none()) {
            let fmri = &package.fmri;
            run.error(
                0,
                format!("'incorporate' depend action on {text} in {fmri} does not have a version."),
            );
        }
    }
}

pub(super) fn obsolete<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    let required = action.kind == Kind::Depend && action.get("type") == Some("require");
    // What a renamed package leads to is looked at by another check.
    if !required || package.is("pkg.renamed") {
        return;
    }
    let Some(text) = action.key() else { return };
    let text = if text.starts_with("pkg:/") { text.to_string() } else { format!("pkg:/{text}") };
    let Ok(declared) = Fmri::parse(&text) else { return };
    if run.done.missing.contains(&text) {
        return;
    }
    if let Some(found) = run.seeds.plain.get(&declared.name) {
        let suits =
            declared.version.is_none() || succeeds(&found.fmri, &declared, run.any_publisher);
        if !found.is("pkg.obsolete") && suits {
            return;
        }
    }
    let rule = Follow {
        target: None,
        refuses_obsolete: true,
        legacy: false,
        any_publisher: run.any_publisher,
    };
    match run.world.follow(&text, &rule, &mut Vec::new()) {
        Err(error) => {
            run.error(0, format!("dependency on obsolete package in {}: {error}", package.fmri));
        }
        Ok(Some(_)) => {}
        Ok(None) => missing(run, package, action, text),
    }
}

/// A package that is nowhere may be known to be elsewhere.
fn missing<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action, text: String) {
    let name = format!("{}.1.missing-deps", run.id(0));
    let known = run.parameter(&name, package, action).unwrap_or_default();
    let bare = text.split('@').next().unwrap_or_default();
    let is_known = known.split_whitespace().any(|one| one == text || one == bare);
    if !is_known {
        let fmri = &package.fmri;
        run.warning(
            1,
            format!(
                "obsolete dependency check skipped: unable to find dependency {text} for {fmri}"
            ),
        );
    }
    run.done.missing.insert(text);
}

const REQUIRED: [&str; 7] = ["category", "desc", "hotline", "name", "pkg", "vendor", "version"];

pub(super) fn legacy<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    if action.kind != Kind::Legacy {
        return;
    }
    let fmri = &package.fmri;
    for name in REQUIRED.iter().filter(|name| action.get(name).is_none()) {
        run.error(1, format!("{name} missing from legacy action in {fmri}"));
    }
    if let Some(name) = action.get("pkg") {
        if let Some(old) = run.world.find(&format!("pkg:/{name}"), run.any_publisher) {
            legacy_rename(run, package, name, old);
        }
    }
    if action.get("version").is_some_and(|version| !version.contains("REV=")) {
        run.warning(3, format!("legacy action in {fmri} does not contain a REV= string"));
    }
}

/// Who installs the old package has to get this one.
fn legacy_rename<'a>(run: &mut Run<'a>, package: &'a Package, name: &str, old: &'a Package) {
    if !old.is("pkg.renamed") {
        return;
    }
    let rule = Follow {
        target: Some(&package.fmri),
        refuses_obsolete: false,
        legacy: true,
        any_publisher: run.any_publisher,
    };
    let told =
        format!("legacy package {} did not result in a dependency on {}", old.fmri, package.fmri);
    match run.world.follow(name, &rule, &mut Vec::new()) {
        Err(error) => run.error(5, format!("legacy renaming: {error}")),
        Ok(None) => run.error(4, format!("{told} when following package renames")),
        Ok(Some(found)) if !succeeds(&package.fmri, &found.fmri, run.any_publisher) => {
            run.error(2, told);
        }
        Ok(Some(_)) => {}
    }
}
