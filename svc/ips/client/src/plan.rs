//! plan.rs - the actions of all packages of an image as one, before anything is written.
//!
//! Law: a path has one meaning.  Directories, links and hard links may be delivered by several
//! packages when they are delivered alike; a file by one, unless one of two says `overlay=true`
//! and the other `overlay=allow`.  Nothing lies below what is not a directory.
//!
//! Not here: owners' numbers, writing.

use std::collections::BTreeMap;

use image_tree::check_path;
use ips_model::action::{Action, Kind};
use ips_model::{Fmri, Manifest};

use crate::conditions::Conditions;
use crate::conflicts;
use crate::image::MediatorSetting;
use crate::mediators::Mediators;

/// The most conflicts that are told at once.
const TOLD: usize = 20;

/// Packages that cannot be in one image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .reasons.join("\n\n"))]
pub struct ConflictError {
    /// The original's words for each path.
    pub reasons: Vec<String>,
}

/// A package and what it delivers.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub fmri: Fmri,
    /// Its actions.
    pub manifest: Manifest,
}

/// An action and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The package.
    pub package: &'a Package,
    /// The action.
    pub action: &'a Action,
}

/// What an image takes from its packages.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// Directories, files, links and hard links by path.
    pub paths: BTreeMap<&'a str, Item<'a>>,
    /// Groups in package order.
    pub groups: Vec<Item<'a>>,
    /// Users in package order.
    pub users: Vec<Item<'a>>,
    /// Drivers in package order.
    pub drivers: Vec<Item<'a>>,
    /// Licences.
    pub licenses: Vec<Item<'a>>,
    /// What SVR4 queries see.
    pub legacies: Vec<Item<'a>>,
    /// How each mediator was decided.
    pub mediators: Mediators<'a>,
}

/// Puts the packages' actions together.
pub fn plan<'a>(
    packages: &'a [Package],
    conditions: &Conditions,
) -> Result<Plan<'a>, ConflictError> {
    let (plan, mut reasons) = gather(packages.iter(), conditions, &BTreeMap::new());
    if reasons.is_empty() {
        return Ok(plan);
    }
    let more = reasons.len().saturating_sub(TOLD);
    reasons.truncate(TOLD);
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    Err(ConflictError { reasons })
}

/// The same, with mediators that are set, and whatever is wrong beside the plan: an image that has
/// conflicts already still has to be changed.
pub fn gather<'a>(
    packages: impl Iterator<Item = &'a Package>,
    conditions: &Conditions,
    set: &BTreeMap<String, MediatorSetting>,
) -> (Plan<'a>, Vec<String>) {
    let taken = |package: &'a Package| {
        let actions = package.manifest.actions.iter().filter(|action| conditions.allow(action));
        actions.map(move |action| Item { package, action })
    };
    let all: Vec<Item<'a>> = packages.flat_map(taken).collect();
    let mediators = Mediators::decide(all.iter().map(|item| item.action), set);
    let mut plan = Plan::default();
    let mut reasons = Vec::new();
    let mut rivals: BTreeMap<&str, Vec<Item<'a>>> = BTreeMap::new();
    // Which of several links is chosen does not hang on which are laid down.
    let laid = |item: &Item<'a>| !conditions.leaves_out(&item.package.fmri, item.action);
    for item in all.into_iter().filter(laid) {
        match item.action.kind {
            Kind::Set | Kind::Depend | Kind::Signature => {}
            Kind::Group => reasons.extend(add_once(&mut plan.groups, item)),
            Kind::User => reasons.extend(add_once(&mut plan.users, item)),
            Kind::Driver => reasons.extend(add_once(&mut plan.drivers, item)),
            Kind::License => plan.licenses.push(item),
            Kind::Legacy => plan.legacies.push(item),
            Kind::Dir | Kind::File | Kind::Hardlink | Kind::Link => {
                if mediators.allow(item.action) {
                    reasons.extend(add_path(&mut plan.paths, &mut rivals, item));
                }
            }
        }
    }
    for (path, others) in rivals {
        reasons.extend(conflicts::settle(path, &mut plan.paths, &others));
    }
    reasons.extend(buried(&plan.paths));
    plan.mediators = mediators;
    (plan, reasons)
}

/// Attributes of delivery, without tags that chose it and notes of where it came from.
fn essence(action: &Action) -> Vec<(&str, &[String])> {
    let pairs = action.attributes.iter().map(|(name, values)| (name.as_str(), values.as_slice()));
    let counts = |name: &str| match action.kind {
        Kind::Dir => matches!(name, "owner" | "group"),
        Kind::Link | Kind::Hardlink => matches!(name, "target"),
        _ => !name.starts_with("variant.") && !name.starts_with("facet."),
    };
    pairs.filter(|(name, _)| counts(name)).collect()
}

/// The mode as number; none that parses is none.
pub fn mode(action: &Action) -> Option<u32> {
    u32::from_str_radix(action.get("mode")?, 8).ok().map(|mode| mode & 0o7777)
}

pub fn alike(one: &Action, other: &Action) -> bool {
    one.kind == other.kind && mode(one) == mode(other) && essence(one) == essence(other)
}

fn add_once<'a>(items: &mut Vec<Item<'a>>, item: Item<'a>) -> Option<String> {
    let key = item.action.key();
    match items.iter().find(|there| there.action.key() == key) {
        Some(there) if alike(there.action, item.action) => None,
        Some(there) => Some(conflicts::attributes(key.unwrap_or(""), &[*there, item])),
        None => {
            items.push(item);
            None
        }
    }
}

/// Who comes first has the path; others wait until all are there.
fn add_path<'a>(
    paths: &mut BTreeMap<&'a str, Item<'a>>,
    rivals: &mut BTreeMap<&'a str, Vec<Item<'a>>>,
    item: Item<'a>,
) -> Option<String> {
    let path = item.action.key().unwrap_or("").trim_end_matches('/');
    if path.is_empty() || check_path(path).is_err() {
        return Some(format!("{}: path \"{path}\" could leave the image", item.package.fmri));
    }
    match paths.get(path) {
        None => drop(paths.insert(path, item)),
        Some(there) if item.action.kind == Kind::Dir && alike(there.action, item.action) => {}
        Some(_) => rivals.entry(path).or_default().push(item),
    }
    None
}

/// What lies below something that is no directory.
fn buried(paths: &BTreeMap<&str, Item<'_>>) -> Vec<String> {
    let mut reasons = Vec::new();
    for (path, item) in paths {
        let mut above = *path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            above = parent;
            match paths.get(above) {
                Some(there) if there.action.kind == Kind::Dir => break,
                Some(there) => {
                    let kind = there.action.kind.as_str();
                    reasons.push(format!(
                        "{path} of {} lies below the {kind} {above} of {}",
                        item.package.fmri.brief(),
                        there.package.fmri.brief()
                    ));
                    break;
                }
                None => {}
            }
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(texts: &[&str]) -> Result<Vec<String>, ConflictError> {
        let package = |(number, text): (usize, &&str)| Package {
            fmri: Fmri::parse(&format!("pkg://a/p{number}@1")).unwrap(),
            manifest: Manifest::parse(&text.replace("; ", "\n")).unwrap(),
        };
        let packages: Vec<Package> = texts.iter().enumerate().map(package).collect();
        let conditions = Conditions::default();
        let plan = plan(&packages, &conditions)?;
        let shown = |(path, item): (&&str, &Item<'_>)| format!("{path}={}", item.package.fmri.name);
        Ok(plan.paths.iter().map(shown).collect())
    }

    #[test]
    fn what_is_delivered_alike_is_delivered_once() {
        let dir = "dir path=usr mode=0755 owner=root group=sys";
        for (packages, paths) in [
            (vec![dir, dir], "usr=p0"),
            (vec![dir, "dir path=usr/ mode=755 owner=root group=sys facet.x=true"], "usr=p0"),
            (vec!["link path=a target=b", "link path=a target=b"], "a=p0"),
            (
                vec![
                    "file h path=a mode=0644 owner=root group=sys overlay=allow preserve=true",
                    "file i path=a mode=0644 owner=root group=sys overlay=true",
                ],
                "a=p1",
            ),
        ] {
            assert_eq!(planned(&packages).unwrap().join(" "), paths, "{packages:?}");
        }
    }

    #[test]
    fn what_is_in_the_way_is_said() {
        let file = "file h path=a mode=0644 owner=root group=sys";
        for (packages, reason) in [
            (
                vec![file, file],
                "The following packages all deliver file actions to a:\n\n  pkg://a/p0@1,5.11\n  pkg://a/p1@1,5.11\n\nThese packages cannot be installed together. Any non-conflicting subset\nof the above packages can be installed.",
            ),
            (
                vec![file, "dir path=a mode=0755 owner=root group=sys"],
                "The following packages deliver conflicting action types to a:\n\n  dir:\n    pkg://a/p1@1,5.11\n  file:\n    pkg://a/p0@1,5.11\n\nThese packages cannot be installed together. Any non-conflicting subset\nof the above packages can be installed.",
            ),
            (
                vec![
                    "dir path=a mode=0755 owner=root group=sys",
                    "dir path=a mode=0755 owner=root group=bin",
                ],
                "The requested change to the system attempts to install multiple actions\nfor dir 'a' with conflicting attributes:\n\n    1 package delivers 'dir group=bin mode=0755 owner=root path=a':\n        pkg://a/p1@1,5.11\n    1 package delivers 'dir group=sys mode=0755 owner=root path=a':\n        pkg://a/p0@1,5.11\n\nThese packages cannot be installed together. Any non-conflicting subset\nof the above packages can be installed.",
            ),
            (
                vec!["link path=b target=c; link path=b/d/e target=x"],
                "b/d/e of p0@1 lies below the link b of p0@1",
            ),
            (
                vec!["group groupname=g gid=7", "group groupname=g gid=8"],
                "The requested change to the system attempts to install multiple actions\nfor group 'g' with conflicting attributes:\n\n    1 package delivers 'group gid=7 groupname=g':\n        pkg://a/p0@1,5.11\n    1 package delivers 'group gid=8 groupname=g':\n        pkg://a/p1@1,5.11\n\nThese packages cannot be installed together. Any non-conflicting subset\nof the above packages can be installed.",
            ),
        ] {
            assert_eq!(planned(&packages).unwrap_err().reasons, [reason], "{packages:?}");
        }
        for path in ["../a", "a/../b", "a//b", "a/./b"] {
            let text = format!("link path={path} target=x");
            assert!(planned(&[&text]).is_err(), "{path}");
        }
    }
}
