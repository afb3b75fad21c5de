//! compare.rs - two builds side by side: which packages and files differ, and by how much.
//!
//! A build is what its bill of materials and, if there is one, its metadata table say.  Without a
//! table only files are compared; with one also directories, links and devices, modes and owners.
//! Media are compared where both builds name theirs: how they were packed shows nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use image_tree::{Entry, Kind, Tree};
use serde_json::{Value, json};

use crate::facts::Facts;
use crate::read::Bill;

/// What a path of a build is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    /// What it is besides its bytes: `file 0644 0:0`, `link TARGET`; empty without a table.
    nature: String,
    size: u64,
    /// SHA-256 of a file's bytes; empty when the bill does not list it.
    sha256: String,
}

/// A build, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// By name: publisher and version.
    packages: BTreeMap<String, (String, String)>,
    items: BTreeMap<String, Item>,
    /// Its items are all there is, not only files.
    has_table: bool,
    /// By name: length and SHA-256.
    media: Option<BTreeMap<String, (u64, String)>>,
}

impl Build {
    /// Takes together what is known of a build.
    #[must_use]
    pub fn of(bill: &Bill, table: Option<&Tree>) -> Build {
        let packages = bill.packages.iter().map(|package| {
            (package.name.clone(), (package.publisher.clone(), package.version.clone()))
        });
        let files = bill.files.iter().map(|file| {
            let (nature, sha256) = (String::new(), file.digests.sha256.clone());
            (file.path.clone(), Item { nature, size: file.size, sha256 })
        });
        let (packages, items) = (packages.collect(), files.collect());
        let mut build = Build { packages, items, has_table: table.is_some(), media: None };
        for (path, entry) in table.into_iter().flat_map(Tree::iter) {
            let size = if let Kind::File { size } = entry.kind { size } else { 0 };
            let none = || Item { nature: String::new(), size, sha256: String::new() };
            let item = build.items.entry(path.to_owned()).or_insert_with(none);
            item.nature = nature(entry);
        }
        build
    }

    /// All that a build's facts say.
    #[must_use]
    pub fn of_facts(facts: &Facts) -> Build {
        let media = facts.contents.media.iter();
        let media = media.map(|one| (one.name.clone(), (one.size, one.sha256.clone())));
        Build { media: Some(media.collect()), ..Build::of(&facts.bill(), Some(&facts.table)) }
    }
}

fn nature(entry: &Entry) -> String {
    let Entry { kind, mode, uid, gid, .. } = entry;
    let kind = match kind {
        Kind::Directory => "directory".to_owned(),
        Kind::File { .. } => "file".to_owned(),
        Kind::Symlink { target } => return format!("link to {target}"),
        Kind::HardLink { target } => return format!("name of {target}"),
        Kind::CharacterDevice { major, minor } => format!("character device {major},{minor}"),
        Kind::BlockDevice { major, minor } => format!("block device {major},{minor}"),
        Kind::Fifo => "pipe".to_owned(),
    };
    format!("{kind} {mode:04o} {uid}:{gid}")
}

/// A package that is in one build, or in both in different versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageDifference {
    /// Its name.
    pub name: String,
    /// `PUBLISHER VERSION` in the first build.
    pub before: Option<String>,
    /// The same in the second.
    pub after: Option<String>,
}

/// A path that is in one build, or in both with something different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathDifference {
    /// The path.
    pub path: String,
    /// Its length in the first build.
    pub before: Option<u64>,
    /// Its length in the second.
    pub after: Option<u64>,
    /// What differs besides bytes: both, or nothing.
    pub nature: Option<(String, String)>,
}

/// A medium that is in one build, or in both with other bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediumDifference {
    /// Its file name.
    pub name: String,
    /// Its length in the first build.
    pub before: Option<u64>,
    /// Its length in the second.
    pub after: Option<u64>,
}

/// How two builds differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Packages, by name.
    pub packages: Vec<PackageDifference>,
    /// Paths, in byte order.
    pub paths: Vec<PathDifference>,
    /// Media, by name.
    pub media: Vec<MediumDifference>,
    /// Bytes of all files in the first build, and in the second.
    pub bytes: (u64, u64),
}

/// Compares two builds.
#[must_use]
pub fn compare(before: &Build, after: &Build) -> Difference {
    let total = |build: &Build| build.items.values().map(|item| item.size).sum();
    let mut difference =
        Difference { bytes: (total(before), total(after)), ..Difference::default() };
    difference.media = media(before, after);
    let names: BTreeSet<&String> = before.packages.keys().chain(after.packages.keys()).collect();
    for name in names {
        let (one, two) = (before.packages.get(name), after.packages.get(name));
        if one != two {
            let said = |(publisher, version): &(String, String)| format!("{publisher} {version}");
            let (before, after) = (one.map(said), two.map(said));
            difference.packages.push(PackageDifference { name: name.clone(), before, after });
        }
    }
    let paths: BTreeSet<&String> = before.items.keys().chain(after.items.keys()).collect();
    let both = before.has_table && after.has_table;
    for path in paths {
        let (one, two) = (before.items.get(path), after.items.get(path));
        // What only a table lists can be missing only where there is one.
        let listed = one.or(two).is_some_and(|item| both || !item.sha256.is_empty());
        if one == two || !listed {
            continue;
        }
        let nature = one.zip(two).and_then(|(one, two)| {
            // A build without a table says nothing.
            let differs =
                one.nature != two.nature && !one.nature.is_empty() && !two.nature.is_empty();
            differs.then(|| (one.nature.clone(), two.nature.clone()))
        });
        let same_bytes = one
            .zip(two)
            .is_some_and(|(one, two)| (one.size, &one.sha256) == (two.size, &two.sha256));
        if same_bytes && nature.is_none() {
            continue;
        }
        let (before, after) = (one.map(|item| item.size), two.map(|item| item.size));
        difference.paths.push(PathDifference { path: path.clone(), before, after, nature });
    }
    difference
}

fn media(before: &Build, after: &Build) -> Vec<MediumDifference> {
    let Some((before, after)) = before.media.as_ref().zip(after.media.as_ref()) else {
        return Vec::new();
    };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let size = |media: &BTreeMap<String, (u64, String)>, name| media.get(name).map(|one| one.0);
    differing
        .map(|name| MediumDifference {
            name: name.clone(),
            before: size(before, name),
            after: size(after, name),
        })
        .collect()
}

impl Difference {
    /// Whether the builds are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.paths.is_empty() && self.media.is_empty()
    }

    /// The same as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let package = |package: &PackageDifference| json!({ "name": package.name, "before": package.before, "after": package.after });
        let path = |path: &PathDifference| {
            let (before, after) = path.nature.clone().unzip();
            json!({
                "path": path.path,
                "before": { "bytes": path.before, "is": before },
                "after": { "bytes": path.after, "is": after },
            })
        };
        let medium = |medium: &MediumDifference| json!({ "name": medium.name, "before": medium.before, "after": medium.after });
        json!({
            "media": self.media.iter().map(medium).collect::<Vec<_>>(),
            "packages": self.packages.iter().map(package).collect::<Vec<_>>(),
            "paths": self.paths.iter().map(path).collect::<Vec<_>>(),
            "bytes": { "before": self.bytes.0, "after": self.bytes.1 },
        })
    }
}

/// One line for each difference: `+`, `-` or `~`, what it is, its name, and how much; a sum at the end.
impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PackageDifference { name, before, after } in &self.packages {
            match (before, after) {
                (Some(before), Some(after)) => {
                    writeln!(out, "~ package {name}: {before} -> {after}")?;
                }
                (Some(before), None) => writeln!(out, "- package {name}: {before}")?,
                (None, after) => {
                    writeln!(out, "+ package {name}: {}", after.as_deref().unwrap_or_default())?;
                }
            }
        }
        for PathDifference { path, before, after, nature } in &self.paths {
            let path = path.escape_debug();
            match (before, after) {
                (Some(before), Some(after)) => {
                    write!(
                        out,
                        "~ {path}: {before} -> {after} bytes ({})",
                        signed(*before, *after)
                    )?;
                    match nature {
                        Some((one, two)) => writeln!(out, ", {one} -> {two}")?,
                        None => writeln!(out)?,
                    }
                }
                (Some(before), None) => writeln!(out, "- {path}: {before} bytes")?,
                (None, after) => writeln!(out, "+ {path}: {} bytes", after.unwrap_or_default())?,
            }
        }
        for MediumDifference { name, before, after } in &self.media {
            match (before, after) {
                (Some(before), Some(after)) => {
                    let change = signed(*before, *after);
                    writeln!(out, "~ medium {name}: {before} -> {after} bytes ({change})")?;
                }
                (Some(before), None) => writeln!(out, "- medium {name}: {before} bytes")?,
                (None, after) => {
                    writeln!(out, "+ medium {name}: {} bytes", after.unwrap_or_default())?;
                }
            }
        }
        let (packages, paths) = (self.packages.len(), self.paths.len());
        let (before, after) = self.bytes;
        let change = signed(before, after);
        writeln!(
            out,
            "{packages} packages and {paths} paths differ; {before} -> {after} bytes ({change})"
        )
    }
}

fn signed(before: u64, after: u64) -> String {
    if after >= before { format!("+{}", after - before) } else { format!("-{}", before - after) }
}
