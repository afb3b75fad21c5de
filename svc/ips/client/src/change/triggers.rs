//! triggers.rs - what taking a package away brings with it.
//!
//! ```text
//! set name=pkg.additional-update-on-uninstall value=NAME@VERSION      becomes this version
//! set name=pkg.additional-uninstall-on-uninstall value=NAME@VERSION   goes too, if it is this one
//! ```
//!
//! Laws: only what the user takes away triggers anything, and only what is installed is changed by
//! it.  An update counts as if the user had asked for it, so it may go back to an older version.
//! Values that are no package names, and operations that are neither of these, mean nothing.

use std::collections::BTreeSet;

use ips_model::action::Kind;
use ips_model::{Fmri, Pattern};

use super::ChangeError;
use super::universe::Known;
use crate::image::Image;
use crate::solve::{Root, Task};

/// What a package has triggered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Triggered {
    /// The package that goes.
    pub by: String,
    /// `uninstall` or `update`.
    pub operation: &'static str,
    /// The package that it is done to.
    pub name: String,
}

/// The operation of a `set` action's name.
fn operation(name: &str) -> Option<&'static str> {
    match name {
        "pkg.additional-uninstall-on-uninstall" => Some("uninstall"),
        "pkg.additional-update-on-uninstall" => Some("update"),
        _ => None,
    }
}

/// A pattern for the very package of a name, not for one whose name ends like it.
fn exact(value: &str) -> Option<Pattern> {
    let fmri = Fmri::parse(value).ok()?;
    let publisher = fmri.publisher.map_or_else(|| ":".to_string(), |name| format!("://{name}"));
    let version = value.split_once('@').map_or(String::new(), |(_, version)| format!("@{version}"));
    Pattern::parse(&format!("pkg{publisher}/{}{version}", fmri.name)).ok()
}

/// Adds to the task what goes or changes because these installed packages go.
pub fn add(
    task: &mut Task,
    image: &Image,
    known: &Known<'_>,
    gone: &[&Fmri],
) -> Result<BTreeSet<Triggered>, ChangeError> {
    let mut triggered = BTreeSet::new();
    for trigger in gone {
        let manifest = image.manifest(trigger)?;
        for action in manifest.actions.iter().filter(|action| action.kind == Kind::Set) {
            let Some(operation) = action.get("name").and_then(operation) else { continue };
            for pattern in action.values("value").iter().filter_map(|value| exact(value)) {
                let changed = match operation {
                    "uninstall" => uninstall(task, &pattern),
                    _ => update(task, &pattern, &known.packages()),
                };
                triggered.extend(changed.into_iter().map(|name| Triggered {
                    by: trigger.name.clone(),
                    operation,
                    name,
                }));
            }
        }
    }
    Ok(triggered)
}

/// Those that are installed in a version the pattern means go.
fn uninstall(task: &mut Task, pattern: &Pattern) -> BTreeSet<String> {
    let installed: Vec<Fmri> = task.installed.values().map(|one| one.fmri.clone()).collect();
    let names: BTreeSet<String> =
        pattern.select(&installed).into_iter().map(|fmri| fmri.name.clone()).collect();
    task.removed.extend(names.iter().cloned());
    names
}

/// Those that are installed become the newest that patterns mean, other than it is.
fn update(task: &mut Task, pattern: &Pattern, all: &[Fmri]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for fmri in pattern.select(all) {
        let installed = task.installed.get(&fmri.name);
        if installed.is_none_or(|installed| installed.fmri == *fmri) {
            continue;
        }
        names.insert(fmri.name.clone());
        let at = task.roots.iter().position(|root| root.stem == fmri.name).unwrap_or_else(|| {
            task.roots.push(Root {
                stem: fmri.name.clone(),
                pattern: pattern.as_str().to_string(),
                allowed: Some(BTreeSet::new()),
                publisher_named: fmri.publisher.is_some() && pattern.as_str().contains("//"),
                named: true,
            });
            task.roots.len() - 1
        });
        task.roots[at].named = true;
        if let Some(allowed) = &mut task.roots[at].allowed {
            allowed.insert(fmri.to_string());
        }
        task.downgrade = true;
    }
    names
}
