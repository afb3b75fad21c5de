//! deliveries.rs - who delivers which path under which variants, and what a path leads to by links.
//!
//! Links of all packages count everywhere: a path of a new package may lead by an installed link.

use std::cell::RefCell;
use std::collections::HashMap;

use ips_model::{Fmri, Kind, Manifest};

use super::group::grouped;
use crate::paths::{relative, target};
use crate::variants::{Combinations, Template};

/// Links by which one path is followed: two packages that deliver each of a chain of links make
/// twice as many ways of every link.
const MOST_STEPS: usize = 10_000;
/// Links on one way; a system follows fewer.
const MOST_LINKS: usize = 40;

/// Whose files are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Of the packages that are being made.
    Delivered,
    /// Of those that are there.
    Installed,
}

#[derive(Debug)]
struct Package {
    fmri: Fmri,
    variants: Template,
}

/// A delivery: by which package, with which tags.
type Entry = (usize, Template);

/// A link's package, the package with the next step, and under which variants that is so.
type Step = ((usize, usize), Combinations);

/// All packages' files and links.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    packages: Vec<Package>,
    delivered: HashMap<String, Vec<Entry>>,
    installed: HashMap<String, Vec<Entry>>,
    links: HashMap<String, Vec<(Entry, String)>>,
    /// What `holds` has answered: few packages have many tags.
    answered: RefCell<HashMap<Entry, Combinations>>,
}

/// A file that a path leads to.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    pub(crate) path: String,
    /// The package that delivers it.
    pub(crate) package: usize,
    /// The package that delivers the first step to it.
    nearest: usize,
    /// Under which variants.
    pub(crate) holds: Combinations,
    /// The links on the way, the last one first.
    pub(crate) via: Vec<String>,
}

/// A link that is needed where another package is there.
#[derive(Debug, Clone)]
pub(crate) struct Conditional {
    pub(crate) package: usize,
    pub(crate) predicate: usize,
    pub(crate) path: String,
    pub(crate) holds: Combinations,
}

/// All that a path leads to.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    pub(crate) files: Vec<Reached>,
    pub(crate) links: Vec<Conditional>,
}

/// A path that is followed.
struct Walk {
    side: Side,
    /// The paths that led here.
    chain: Vec<String>,
    steps: usize,
}

impl Deliveries {
    /// Adds what a package delivers.
    pub(crate) fn add(&mut self, side: Side, fmri: Fmri, manifest: &Manifest) {
        let package = self.packages.len();
        self.packages.push(Package { fmri, variants: Template::of_manifest(manifest) });
        for action in &manifest.actions {
            let Some(path) = action.get("path") else { continue };
            let entry = (package, Template::of_action(action));
            match action.kind {
                Kind::File => {
                    let files = match side {
                        Side::Delivered => &mut self.delivered,
                        Side::Installed => &mut self.installed,
                    };
                    files.entry(relative(path)).or_default().push(entry);
                }
                Kind::Link | Kind::Hardlink => {
                    let Some(to) = action.get("target") else { continue };
                    self.links.entry(relative(path)).or_default().push((entry, to.to_string()));
                }
                Kind::Set
                | Kind::Depend
                | Kind::Group
                | Kind::User
                | Kind::Dir
                | Kind::Driver
                | Kind::License
                | Kind::Legacy
                | Kind::Signature => {}
            }
        }
    }

    /// Every package is for all values of the variants that it does not name.
    pub(crate) fn widen(&mut self, all: &Template) {
        self.answered.borrow_mut().clear();
        for package in &mut self.packages {
            package.variants.merge_unknown(all);
        }
    }

    /// A package's name.
    pub(crate) fn fmri(&self, package: usize) -> &Fmri {
        &self.packages[package].fmri
    }

    fn holds(&self, entry: &Entry) -> Combinations {
        if let Some(known) = self.answered.borrow().get(entry) {
            return known.clone();
        }
        let (package, tags) = entry;
        let mut all = tags.clone();
        all.merge_unknown(&self.packages[*package].variants);
        let holds = Combinations::satisfied(all);
        self.answered.borrow_mut().insert(entry.clone(), holds.clone());
        holds
    }

    fn files(&self, side: Side, path: &str) -> &[Entry] {
        let files = match side {
            Side::Delivered => &self.delivered,
            Side::Installed => &self.installed,
        };
        files.get(path).map_or(&[], Vec::as_slice)
    }

    /// What `path` leads to under the variants in question.
    pub(crate) fn reach(&self, side: Side, path: &str, asked: &Combinations) -> Reach {
        let mut walk = Walk { side, chain: Vec::new(), steps: 0 };
        self.reach_from(&mut walk, &relative(path), asked)
    }

    fn reach_from(&self, walk: &mut Walk, path: &str, asked: &Combinations) -> Reach {
        let mut reach = Reach::default();
        let files = self.files(walk.side, path);
        let mut open = if files.is_empty() { None } else { Some(asked.clone()) };
        for entry in files {
            let holds = self.holds(entry);
            if !asked.meets(&holds) {
                continue;
            }
            let mut common = asked.common(&holds);
            common.close();
            open.iter_mut().for_each(|open| open.satisfy(&holds));
            reach.files.push(Reached {
                path: path.to_string(),
                package: entry.0,
                nearest: entry.0,
                holds: common,
                via: Vec::new(),
            });
        }
        let done = !reach.files.is_empty() && open.is_some_and(|open| open.is_satisfied());
        // Links that lead to each other have no end.
        let again = walk.chain.len() >= MOST_LINKS || walk.chain.iter().any(|known| known == path);
        if !done && !again && walk.steps < MOST_STEPS {
            walk.steps += 1;
            walk.chain.push(path.to_string());
            self.follow(walk, path, asked, &mut reach);
            walk.chain.pop();
        }
        reach
    }

    /// Goes by the links of the shortest leading part that is a link anywhere.
    fn follow(&self, walk: &mut Walk, path: &str, asked: &Combinations, reach: &mut Reach) {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut parts = ends.map(|end| path.split_at(end));
        let Some((head, rest, links)) =
            parts.find_map(|(head, rest)| Some((head, rest, self.links.get(head)?)))
        else {
            return;
        };
        let mut next_paths: Vec<(String, Vec<Step>)> = Vec::new();
        for (entry, to) in links {
            let holds = self.holds(entry);
            if !asked.meets(&holds) {
                continue;
            }
            let common = asked.common(&holds);
            if common.is_satisfied() && !common.is_empty() {
                continue;
            }
            let next = relative(&format!("{}{rest}", target(head, to)));
            let further = self.reach_from(walk, &next, &common);
            if further.files.is_empty() {
                continue;
            }
            reach.links.extend(further.links);
            for mut file in further.files {
                file.via.push(path.to_string());
                let step = ((entry.0, file.nearest), file.holds.clone());
                match next_paths.iter_mut().find(|(known, _)| *known == next) {
                    Some((_, steps)) => steps.push(step),
                    None => next_paths.push((next.clone(), vec![step])),
                }
                file.nearest = entry.0;
                reach.files.push(file);
            }
        }
        for (_, steps) in next_paths {
            for (pairs, satisfied) in grouped(steps) {
                let mut holds = asked.reopened();
                holds.satisfy(&satisfied);
                for (package, predicate) in pairs {
                    if self.fmri(package) != self.fmri(predicate) {
                        let (path, holds) = (path.to_string(), holds.clone());
                        reach.links.push(Conditional { package, predicate, path, holds });
                    }
                }
            }
        }
    }
}
