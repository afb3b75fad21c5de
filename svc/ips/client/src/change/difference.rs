//! difference.rs - what an image delivers against what it is to deliver.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::action::Kind;

use crate::lay::first_name;
use crate::plan::{Item, Plan};

/// Something that is new or other than before.
#[derive(Debug, Clone, Copy)]
pub struct Came<'a> {
    /// What was there before.
    pub old: Option<Item<'a>>,
    /// What is to be there.
    pub new: Item<'a>,
}

/// Actions of one kind that have no path.
#[derive(Debug, Default)]
pub struct Entries<'a> {
    /// Those that went.
    pub gone: Vec<Item<'a>>,
    /// Those that came.
    pub came: Vec<Came<'a>>,
}

impl Entries<'_> {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.came.is_empty()
    }
}

/// Every difference.
#[derive(Debug, Default)]
pub struct Difference<'a> {
    /// Paths that go, in order.
    pub gone: BTreeMap<&'a str, Item<'a>>,
    /// Paths that come or change, in order.
    pub came: BTreeMap<&'a str, Came<'a>>,
    /// Directories that nothing needs any more, children first.
    pub directories: Vec<String>,
    /// Groups.
    pub groups: Entries<'a>,
    /// Users.
    pub users: Entries<'a>,
    /// Drivers.
    pub drivers: Entries<'a>,
    /// Licences.
    pub licenses: Entries<'a>,
    /// SVR4 packages.
    pub legacies: Entries<'a>,
}

/// Compares two plans.
pub fn difference<'a>(old: &Plan<'a>, new: &Plan<'a>) -> Difference<'a> {
    let mut difference = Difference::default();
    for (path, item) in &old.paths {
        if !new.paths.contains_key(path) {
            difference.gone.insert(path, *item);
        }
    }
    for (path, item) in &new.paths {
        let before = old.paths.get(path).copied();
        if before.is_none_or(|before| before.action != item.action) {
            difference.came.insert(path, Came { old: before, new: *item });
        }
    }
    further_names(new, old, &mut difference);
    difference.groups = entries(&old.groups, &new.groups, key);
    difference.users = entries(&old.users, &new.users, key);
    difference.drivers = entries(&old.drivers, &new.drivers, key);
    difference.legacies = entries(&old.legacies, &new.legacies, key);
    difference.licenses = entries(&old.licenses, &new.licenses, license_key);
    let kept = needed(new);
    let gone = needed(old).into_iter().filter(|path| !kept.contains(path));
    difference.directories = gone.map(str::to_string).collect();
    // A child's path is longer, so it sorts after its parent's.
    difference.directories.sort_by(|a, b| b.cmp(a));
    difference
}

/// Hard links to files that are put anew are made anew.
fn further_names<'a>(new: &Plan<'a>, old: &Plan<'a>, difference: &mut Difference<'a>) {
    let mut more = Vec::new();
    for (path, item) in new.paths.iter().filter(|(_, item)| item.action.kind == Kind::Hardlink) {
        let target = first_name(new, path, item.action.get("target").unwrap_or(""));
        let moved = target.is_some_and(|target| difference.came.contains_key(target.as_str()));
        if moved && !difference.came.contains_key(path) {
            more.push((*path, Came { old: old.paths.get(path).copied(), new: *item }));
        }
    }
    difference.came.extend(more);
}

fn key(item: &Item<'_>) -> String {
    item.action.key().unwrap_or("").to_string()
}

fn license_key(item: &Item<'_>) -> String {
    format!("{} {}", item.package.fmri.name, key(item))
}

fn entries<'a>(
    old: &[Item<'a>],
    new: &[Item<'a>],
    key: impl Fn(&Item<'_>) -> String,
) -> Entries<'a> {
    let index = |items: &[Item<'a>]| -> BTreeMap<String, Item<'a>> {
        items.iter().rev().map(|item| (key(item), *item)).collect()
    };
    let (before, after) = (index(old), index(new));
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
    let gone = gone.map(|(_, item)| *item).collect();
    let mut came = Vec::new();
    let mut seen = BTreeSet::new();
    for item in new {
        let key = key(item);
        let old = before.get(&key).copied();
        if seen.insert(key) && old.is_none_or(|old| old.action != item.action) {
            came.push(Came { old, new: *item });
        }
    }
    Entries { gone, came }
}

/// The directories a plan needs: those it names, and those above what it names.
fn needed<'a>(plan: &Plan<'a>) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::from(["var", "var/pkg", "var/sadm", "var/sadm/install"]);
    for (path, item) in &plan.paths {
        if item.action.kind == Kind::Dir {
            all.insert(path);
        }
        add_parents(&mut all, path);
    }
    all
}

fn add_parents<'a>(all: &mut BTreeSet<&'a str>, path: &'a str) {
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/') {
        if !all.insert(parent) {
            return;
        }
        above = parent;
    }
}
