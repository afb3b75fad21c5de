//! trim.rs - versions that cannot be chosen whatever else is, each with the reason in words.
//!
//! The sentences are the original's.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use ips_model::fmri::Fmri;

use super::candidate::{Candidate, Parent};
use super::{Move, Task};

/// Why a version may not be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trim {
    /// The user rejects the package, or removes it.
    Rejected,
    /// It is frozen at another version.
    Frozen {
        /// The package.
        name: String,
        /// At which version.
        version: String,
        /// The user's comment.
        comment: Option<String>,
    },
    /// A newer one is installed.
    Newer(Fmri),
    /// Another publisher has precedence.
    Rank,
    /// The installed package sticks to its publisher.
    Sticky(Fmri),
    /// It is for other images.
    Variant(String),
    /// It is installed only when it is named.
    Explicit,
    /// What is installed is too old to come from.
    Origin(Fmri),
    /// The parent image has not the package it asks for.
    NoParent(String),
    /// The parent image has it from somebody else.
    ParentPublisher(Fmri),
    /// The parent image has it in a newer version.
    ParentNewer(Fmri),
    /// The parent image has it in an older version.
    ParentOlder(Fmri),
}

impl fmt::Display for Trim {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected => to.write_str("This version rejected by user request"),
            Self::Frozen { name, version, comment: None } => {
                write!(to, "This version is excluded by a freeze on {name} at version {version}.")
            }
            Self::Frozen { name, version, comment: Some(comment) } => write!(
                to,
                "This version is excluded by a freeze on {name} at version {version}.  The reason for the freeze is: {comment}"
            ),
            Self::Newer(fmri) => {
                write!(to, "Newer version {} is already installed", fmri.without_build())
            }
            Self::Rank => to.write_str("Package publisher is ranked lower in search order"),
            Self::Sticky(fmri) => write!(
                to,
                "Currently installed package '{}' is from sticky publisher '{}'.",
                fmri.name,
                fmri.publisher.as_deref().unwrap_or_default()
            ),
            Self::Variant(name) => write!(to, "Package doesn't support image variant {name}"),
            Self::Explicit => {
                to.write_str("Uninstalled fmri can only be installed if explicitly requested")
            }
            Self::NoParent(name) => write!(to, "Package is not installed in parent image: {name}"),
            Self::ParentPublisher(fmri) => {
                write!(
                    to,
                    "Package in parent is from a different publisher: {}",
                    fmri.without_build()
                )
            }
            Self::ParentNewer(fmri) => {
                write!(to, "Parent image has a newer version of package: {}", fmri.without_build())
            }
            Self::ParentOlder(fmri) => {
                write!(to, "Parent image has an older version of package: {}", fmri.without_build())
            }
            Self::Origin(fmri) => {
                write!(to, "Installed version in image is too old for upgrade: {}", fmri.brief())
            }
        }
    }
}

/// The reasons against each version of a stem.
pub fn trim(task: &Task, name: &str, all: &[Candidate]) -> Vec<Option<Trim>> {
    let publisher = publisher(task, name, all);
    all.iter().map(|one| reason(task, name, one, &publisher)).collect()
}

/// Whose versions of a stem count.
enum Publisher<'a> {
    Any,
    /// By search order.
    Ranked(&'a str),
    Sticky(&'a Fmri),
}

fn publisher<'a>(task: &'a Task, name: &str, all: &'a [Candidate]) -> Publisher<'a> {
    if task.roots.iter().any(|root| root.stem == name && root.publisher_named) {
        return Publisher::Any;
    }
    match task.installed.get(name) {
        Some(there) if task.ranks.is_sticky(&there.fmri) => Publisher::Sticky(&there.fmri),
        Some(_) => Publisher::Any,
        None => {
            let best = all.iter().min_by_key(|one| task.ranks.rank(&one.fmri));
            best.and_then(|one| one.fmri.publisher.as_deref())
                .map_or(Publisher::Any, Publisher::Ranked)
        }
    }
}

fn reason(task: &Task, name: &str, one: &Candidate, publisher: &Publisher<'_>) -> Option<Trim> {
    if task.removed.contains(name) {
        return Some(Trim::Rejected);
    }
    if let Some(name) = &one.unsupported {
        return Some(Trim::Variant(name.clone()));
    }
    if let Some(parent) = &task.parent {
        if let Some(why) = one.parents.iter().find_map(|wish| apart(wish, &one.fmri, parent)) {
            return Some(why);
        }
    }
    let there = task.installed.get(name);
    // What is installed may stay, whatever has become of the reasons to have it.
    if there.is_some_and(|there| there.fmri == one.fmri) {
        return None;
    }
    match publisher {
        Publisher::Ranked(best) if one.fmri.publisher.as_deref() != Some(*best) => {
            return Some(Trim::Rank);
        }
        Publisher::Sticky(there) if one.fmri.publisher != there.publisher => {
            return Some(Trim::Sticky((*there).clone()));
        }
        Publisher::Any | Publisher::Ranked(_) | Publisher::Sticky(_) => {}
    }
    if let Some((frozen, comment)) = task.frozen.get(name) {
        let fits = match (&frozen.version, &one.fmri.version) {
            (Some(wanted), Some(version)) => version.matches(wanted),
            (_, _) => true,
        };
        if !fits {
            let version = frozen.version.as_ref().map(|version| version.short());
            return Some(Trim::Frozen {
                name: name.to_string(),
                version: version.unwrap_or_default(),
                comment: comment.clone(),
            });
        }
    }
    let root = task.roots.iter().find(|root| root.stem == name);
    let back = task.downgrade && root.is_some_and(|root| root.named);
    match there {
        Some(there)
            if task.movement == Move::Keep && !back && one.fmri.version < there.fmri.version =>
        {
            return Some(Trim::Newer(there.fmri.clone()));
        }
        None if one.explicit && root.is_none() => return Some(Trim::Explicit),
        Some(_) | None => {}
    }
    let too_old = |origin: &&Fmri| {
        task.installed.get(&origin.name).is_some_and(|there| there.fmri.version < origin.version)
    };
    one.origins.iter().find(too_old).map(|origin| Trim::Origin(origin.clone()))
}

/// Why the parent image's packages are not what a package asks of them.
pub fn apart(wish: &Parent, own: &Fmri, parent: &BTreeMap<String, Fmri>) -> Option<Trim> {
    let (wanted, same) = match wish {
        Parent::Same => (own, true),
        Parent::AtLeast(fmri) => (fmri, false),
    };
    let Some(there) = parent.get(&wanted.name) else {
        return Some(Trim::NoParent(wanted.name.clone()));
    };
    if wanted.publisher.is_some() && wanted.publisher != there.publisher {
        return Some(Trim::ParentPublisher(there.clone()));
    }
    match there.version.cmp(&wanted.version) {
        Ordering::Equal => None,
        Ordering::Greater if same => Some(Trim::ParentNewer(there.clone())),
        Ordering::Greater => None,
        Ordering::Less => Some(Trim::ParentOlder(there.clone())),
    }
}
