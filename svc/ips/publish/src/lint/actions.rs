//! actions.rs - checks of one action by itself.

use ips_model::action::Action;
use ips_model::{Fmri, Kind, check};

use super::engine::Run;
use super::{Level, Package};

pub(super) fn unknown<'a>(run: &mut Run<'a>, package: &'a Package) {
    for _ in 0..package.unknown {
        run.error(0, format!("unknown action found in {}", package.fmri));
    }
}

/// Attributes in whose names an underscore is usual.
const WITH_UNDERSCORE: [&str; 6] = [
    "original_name",
    "refresh_fmri",
    "restart_fmri",
    "suspend_fmri",
    "disable_fmri",
    "clone_perms",
];

/// Names of `set` actions that have other names now.
const RENAMED: [(&str, &str); 7] = [
    ("info.maintainer_url", "info.maintainer-url"),
    ("info.upstream_url", "info.upstream-url"),
    ("info.source_url", "info.source-url"),
    ("info.repository_url", "info.repository-url"),
    ("info.repository_changeset", "info.repository-changeset"),
    ("info.defect_tracker.url", "info.defect-tracker.url"),
    ("opensolaris.arc_url", "org.opensolaris.caseid"),
];

pub(super) fn underscores<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    let fmri = &package.fmri;
    let usual = |key: &str| {
        WITH_UNDERSCORE.contains(&key)
            || ["facet.locale.", "facet.version-lock.", "pkg."]
                .iter()
                .any(|head| key.starts_with(head))
    };
    for key in action.attributes.keys().filter(|key| key.contains('_') && !usual(key)) {
        run.warning(1, format!("underscore in attribute name {key} in {fmri}"));
    }
    let name = action.key().filter(|name| action.kind == Kind::Set && name.contains('_'));
    let Some(name) = name else { return };
    match RENAMED.iter().find(|(old, _)| *old == name) {
        Some((_, new)) => run.warning(
            3,
            format!("underscore in obsolete 'set' action name {name} should be {new} in {fmri}"),
        ),
        None => run.warning(2, format!("underscore in 'set' action name {name} in {fmri}")),
    }
}

pub(super) fn permissions<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    let Some(mode) = action.get("mode") else { return };
    let (path, fmri) = (action.get("path").unwrap_or_default(), &package.fmri);
    // A mode without any permission is as broken as one that is no number.
    let octal = mode.strip_prefix("0o").unwrap_or(mode);
    let bits =
        u32::from_str_radix(octal, 8).ok().map(|bits| bits & 0o7777).filter(|bits| *bits != 0);
    match bits {
        Some(bits) if action.kind == Kind::Dir && bits & 0o111 == 0 => run.warning(
            1,
            format!("directory action for {path} delivered in {fmri} with mode={mode} that has no executable bits"),
        ),
        Some(_) => {}
        None => run.error(
            2,
            format!("broken mode mode={mode} delivered in action for {path} in {fmri}"),
        ),
    }
    let digits: Vec<char> = mode.chars().rev().take(3).collect();
    let [other, group, user] = digits[..] else {
        run.error(3, format!("mode={mode} is too short in action for {path} in {fmri}"));
        return;
    };
    if other > group || group > user || other > user {
        run.warning(
            4,
            format!("unusual mode mode={mode} delivered in action for {path} in {fmri}"),
        );
    }
}

pub(super) fn license<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    if let Some(path) = action.get("path").filter(|_| action.kind == Kind::License) {
        run.error(0, format!("license action in {} has a path attribute, {path}", package.fmri));
    }
}

/// The `pkg.linted` attributes among some, as they are told.
pub(super) fn linted_attributes<'v>(
    attributes: impl Iterator<Item = (&'v String, &'v Vec<String>)>,
) -> Option<String> {
    let told = |(name, values): (&String, &Vec<String>)| match values.as_slice() {
        [value] => format!("{name}={value}"),
        values => format!("{name}={values:?}").replace('"', "'"),
    };
    let all: Vec<String> =
        attributes.filter(|(name, _)| name.starts_with("pkg.linted")).map(told).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

pub(super) fn linted<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    if let Some(told) = linted_attributes(action.attributes.iter()) {
        let text = format!("pkg.linted attributes detected for {} {action}: {told}", package.fmri);
        let id = run.id(0);
        run.log.tell_always(Level::Info, &id, &text);
    }
}

pub(super) fn publication<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    if !run.setup.config.publication() {
        return;
    }
    if let Err(error) = check::action(action) {
        let lines: Vec<String> =
            error.to_string().lines().map(|line| line.trim_start().to_string()).collect();
        let details = lines.join("; ");
        run.error(0, format!("Publication error with action in {}: {details}", package.fmri));
    }
}

pub(super) fn user_name<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    let Some(name) = action.get("username").filter(|_| action.kind == Kind::User) else { return };
    let fmri = &package.fmri;
    if name.is_empty() {
        run.error(4, format!("username attribute value must be set in {fmri}"));
        return;
    }
    if name.chars().count() > 32 {
        run.error(1, format!("Username {name} in {fmri} > 32 chars"));
    }
    let lower = name.starts_with(|first: char| first.is_ascii_lowercase());
    if !lower {
        let text = "does not have an initial lower-case alphabetical character";
        run.warning(2, format!("Username {name} in {fmri} {text}"));
    }
    let usual = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !lower || !name.chars().all(usual) {
        run.warning(3, format!("Username {name} in {fmri} is discouraged - see passwd(4)"));
    }
}

pub(super) fn facet_value<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    let facets = action.attributes.iter().filter(|(name, _)| name.starts_with("facet"));
    for (name, values) in facets {
        let fine =
            |value: &String| matches!(value.to_lowercase().as_str(), "true" | "false" | "all");
        if !values.iter().all(fine) {
            let fmri = &package.fmri;
            run.warning(
                0,
                format!("facet value should be set to 'true', 'false' or 'all' in attribute name {name} in {fmri}"),
            );
        }
    }
}

pub(super) fn actuator<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    const UPDATE: &str = "pkg.additional-update-on-uninstall";
    const UNINSTALL: &str = "pkg.additional-uninstall-on-uninstall";
    let name = action.get("name").filter(|name| name.starts_with("pkg.additional-"));
    let (Some(name), fmri) = (name, &package.fmri) else { return };
    if ![UPDATE, UNINSTALL].contains(&name) {
        run.warning(
            0,
            format!("invalid package actuator name {name} in {fmri}\nsupported values: {UPDATE}, {UNINSTALL}"),
        );
    }
    for target in action.values("value").iter().filter_map(|text| Fmri::parse(text).ok()) {
        match (name, &target.version) {
            (UNINSTALL, Some(_)) => run.warning(
                0,
                format!("invalid package-triggered uninstall FMRI {target} in {fmri}: should not contain a version"),
            ),
            (UPDATE, None) => run.warning(
                0,
                format!("invalid package-triggered update FMRI {target} in {fmri}: should contain a specific version"),
            ),
            _ => {}
        }
    }
}

/// Whether a path is that of a library: `.so`, with numbers after it or without.
fn is_library(path: &str) -> bool {
    path.match_indices(".so")
        .any(|(at, _)| path[at + 3..].chars().all(|c| c.is_ascii_digit() || c == '.'))
}

pub(super) fn arch64<'a>(run: &mut Run<'a>, package: &'a Package, action: &'a Action) {
    let bits = action.get("elfbits").filter(|bits| action.kind == Kind::File && *bits != "64");
    let path = action.get("path").unwrap_or_default();
    let Some(bits) = bits.filter(|_| !is_library(path)) else { return };
    let name = format!("{}.report_errors", run.id(0));
    let errors = run.parameter(&name, package, action);
    let text = format!("{bits}-bit object delivered for {path} in {}.", package.fmri);
    if errors.is_some_and(|errors| errors.eq_ignore_ascii_case("true")) {
        run.error(2, text);
    } else {
        run.warning(1, text);
    }
}
