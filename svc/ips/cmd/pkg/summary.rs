//! summary.rs - a plan for people: how many packages, and with `-v` which.

use std::collections::BTreeMap;
use std::fmt::Write;

use ips_client::change::{Editables, Hydration, PackageChange, Planned};
use ips_client::image::MediatorSetting;
use ips_model::{Fmri, Version};

/// The plan; `verbosity` is how often `-v` was given.
pub fn told(planned: &Planned<'_>, verbosity: usize) -> String {
    let count = |wanted: fn(&PackageChange) -> bool| {
        planned.packages.iter().filter(|change| wanted(change)).count()
    };
    let services: Vec<&str> = planned
        .actuators
        .iter()
        .filter(|(name, _)| name != "reboot-needed")
        .map(|(_, value)| value.as_str())
        .collect();
    let varied = !planned.mediators.is_empty() || !planned.tags.is_empty();
    let affected = if varied { planned.affected().len() } else { 0 };
    let hydrated = planned.hydration != Hydration::Same && !varied;
    let mended = if hydrated { planned.affected().len() } else { 0 };
    let mut rows = Vec::new();
    for (label, number) in [
        ("Packages to remove:", count(|change| change.new.is_none())),
        ("Packages to install:", count(|change| change.old.is_none())),
        ("Packages to update:", count(|change| change.old.is_some() && change.new.is_some())),
        ("Packages to change:", affected),
        ("Packages to fix:", mended),
        ("Mediators to change:", planned.mediators.len()),
        ("Variants/Facets to change:", planned.tags.len()),
        ("Services to change:", services.len()),
    ] {
        if number > 0 {
            rows.push((label, number.to_string()));
        }
    }
    if verbosity > 0 {
        rows.push(("Create boot environment:", "No".to_string()));
        rows.push(("Create backup boot environment:", "No".to_string()));
        let reboot = if planned.needs_reboot() { "Yes" } else { "No" };
        rows.push(("Reboot needed:", reboot.to_string()));
    }
    let label = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let value = rows.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, number) in rows {
        let _ = writeln!(text, "{name:>label$} {number:>value$}");
    }
    text.push('\n');
    if verbosity > 0 {
        text.push_str(&at_length(planned, &services));
    }
    text
}

/// How many packages that go are named, at most.
const NAMED: usize = 7;

/// Which packages go, where nobody asked for that.
pub fn removed(planned: &Planned<'_>) -> String {
    let gone = planned.packages.iter().filter(|change| change.new.is_none());
    let mut lines: Vec<String> = gone.map(|change| format!("  {}\n", change.name())).collect();
    if lines.is_empty() {
        return String::new();
    }
    if lines.len() > NAMED {
        let more = lines.split_off(NAMED - 2).len();
        lines.push(format!(
            "  ...\n  {more} additional removed package(s). Use 'pkg history' to view the full list.\n"
        ));
    }
    format!("Removed Packages:\n\n{}\n", lines.concat())
}

/// What was in the way, and where it is now.
pub fn salvaged(salvaged: &[(String, String)]) -> String {
    let lines: String = salvaged.iter().map(|(from, to)| format!("  {from} -> {to}\n")).collect();
    format!(
        "\nThe following unexpected or editable files and directories were\n\
         salvaged while executing the requested package operation; they\n\
         have been moved to the displayed location in the image:\n\n{lines}"
    )
}

fn at_length(planned: &Planned<'_>, services: &[&str]) -> String {
    let mut text = String::new();
    if !planned.mediators.is_empty() {
        text.push_str("Changed mediators:\n");
        for (name, old, new) in &planned.mediators {
            let _ = writeln!(text, "  mediator {name}:");
            for (what, old, new) in differences(old.as_ref(), new.as_ref()) {
                let _ = writeln!(text, "           {what}: {old} -> {new}");
            }
        }
        text.push('\n');
    }
    if !planned.tags.is_empty() {
        text.push_str("Changed variants/facets:\n");
        for (name, value) in &planned.tags {
            let _ = writeln!(text, "  {name}: {value}");
        }
        text.push('\n');
    }
    if !planned.packages.is_empty() {
        text.push_str("Changed packages:\n");
        let mut by_publisher: BTreeMap<&str, Vec<&PackageChange>> = BTreeMap::new();
        for change in &planned.packages {
            let either = change.new.as_ref().or(change.old.as_ref());
            let publisher = either.and_then(|fmri| fmri.publisher.as_deref()).unwrap_or("");
            by_publisher.entry(publisher).or_default().push(change);
        }
        for (publisher, changes) in by_publisher {
            let _ = writeln!(text, "{publisher}");
            for change in changes {
                let (old, new) = (version(&change.old), version(&change.new));
                let _ = writeln!(text, "  {}\n    {old} -> {new}", change.name());
            }
        }
        text.push('\n');
    }
    text.push_str(&triggered(planned));
    if !services.is_empty() {
        text.push_str("Services:\n");
        for (name, value) in planned.actuators.iter().filter(|(name, _)| name != "reboot-needed") {
            let _ = writeln!(text, "  {name}: {value}");
        }
        text.push('\n');
    }
    text
}

/// What packages that go have brought with them.
fn triggered(planned: &Planned<'_>) -> String {
    let changed = |name: &str| planned.packages.iter().any(|change| change.name() == name);
    let mut by: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for one in planned.resolved.triggered.iter().filter(|one| changed(&one.name)) {
        by.entry(&one.by).or_default().entry(one.operation).or_default().push(&one.name);
    }
    if by.is_empty() {
        return String::new();
    }
    let mut text = String::from("Package-triggered Operations:\n");
    for (trigger, operations) in by {
        let _ = writeln!(text, "{trigger}");
        for (operation, names) in operations {
            let _ = writeln!(text, "    {operation}");
            text.extend(names.iter().map(|name| format!("        {name}\n")));
        }
    }
    text.push('\n');
    text
}

/// Files that may be edited and are changed.
pub fn edited(edited: &Editables) -> String {
    let mut text = String::new();
    let moved: Vec<String> =
        edited.moved.iter().map(|(from, to)| format!("{from} -> {to}")).collect();
    for (name, paths) in [
        ("Move", &moved),
        ("Remove", &edited.removed),
        ("Install", &edited.installed),
        ("Update", &edited.updated),
    ] {
        if !paths.is_empty() {
            let _ = writeln!(text, "  {name}:");
            text.extend(paths.iter().map(|path| format!("    {path}\n")));
        }
    }
    if text.is_empty() { text } else { format!("Editable files to change:\n{text}\n") }
}

/// Release notes, or where they will be.
pub fn release_notes(notes: &[String], shown: bool) -> String {
    if notes.is_empty() {
        return String::new();
    }
    if !shown {
        return "Release notes can be viewed with 'pkg history -n 1 -N'\n\n".to_string();
    }
    let lines: String = notes.iter().map(|line| format!("  {line}\n")).collect();
    format!("Release Notes:\n{lines}\n")
}

fn version(fmri: &Option<Fmri>) -> String {
    let version = fmri.as_ref().and_then(|fmri| fmri.version.as_ref());
    version.map_or_else(|| "None".to_string(), Version::without_build)
}

/// What of a mediator changes: what, from, to.
fn differences(
    old: Option<&MediatorSetting>,
    new: Option<&MediatorSetting>,
) -> Vec<(&'static str, String, String)> {
    let told = |value: Option<&String>, source: Option<&String>| match value {
        None => "None".to_string(),
        Some(value) => match source.map(String::as_str) {
            Some("local") | None => format!("{value} (local default)"),
            Some(source) => format!("{value} ({source} default)"),
        },
    };
    let version = |one: Option<&MediatorSetting>| {
        told(
            one.and_then(|one| one.version.as_ref()),
            one.and_then(|one| one.version_source.as_ref()),
        )
    };
    let implementation = |one: Option<&MediatorSetting>| {
        told(
            one.and_then(|one| one.implementation.as_ref()),
            one.and_then(|one| one.implementation_source.as_ref()),
        )
    };
    let all = [
        ("version", version(old), version(new)),
        ("implementation", implementation(old), implementation(new)),
    ];
    all.into_iter().filter(|(_, old, new)| old != new).collect()
}

/// The plan as the history keeps it.
pub fn states(packages: &[PackageChange]) -> String {
    let name =
        |fmri: &Option<Fmri>| fmri.as_ref().map_or_else(|| "None".to_string(), ToString::to_string);
    let mut text = String::from("Package version changes:\n");
    for change in packages {
        let _ = writeln!(text, "{} -> {}", name(&change.old), name(&change.new));
    }
    text
}

/// Bytes as the original tells them.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB"].into_iter();
    let mut unit = units.next().unwrap_or("B");
    for larger in units {
        if value < 1_024.0 {
            break;
        }
        value /= 1_024.0;
        unit = larger;
    }
    format!("{value:.2} {unit}")
}

/// The same a second.
pub fn speed(bytes: u64, seconds: f64) -> String {
    let a_second = if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
    format!("{}/s", size(a_second as u64).replace(' ', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, text) in
            [(0, "0.00 B"), (54, "54.00 B"), (6_236, "6.09 kB"), (1 << 30, "1.00 GB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
