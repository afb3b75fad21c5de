//! solve - which versions of which packages an image is to have.
//!
//! Law: the result has every package asked for, what they require, one version of each stem, and
//! no dependency that is not met; what is installed stays unless it is taken away or became
//! obsolete.  Of all such sets it is the one preferred in this order:
//!
//! 1. the packages asked for as new as can be, those that tie others first;
//! 2. installed ones as they are (`Move::Keep`), or as new as can be (`Move::Newest`);
//! 3. what they pull in: the first of alternatives, as new as can be, and nothing more.
//!
//! In reading order: `candidate` (a version and what it asks), `trim` (versions out of the
//! question), `encode` (all as clauses), `decide` (the preferred answer), `explain` (why there is
//! none).  The clauses are decided by a SAT solver, so an answer is found where there is one.
//!
//! Not here: reading catalogs, patterns (`choose` does both for new images).

pub mod candidate;
pub mod choose;
mod decide;
mod encode;
mod explain;
mod trim;

use std::collections::{BTreeMap, BTreeSet};

use ips_model::fmri::Fmri;

use candidate::{Asks, Candidate, Dependency};
pub use explain::Rejection;
pub(crate) use trim::apart;

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// Packages that were asked for cannot be had.
    #[error("{}", explain::no_version(.stems, .rejections))]
    NoVersion {
        /// The stems.
        stems: Vec<String>,
        /// Every version that was looked at, and why it is none.
        rejections: Vec<Rejection>,
    },
    /// The wishes contradict each other.
    #[error("No solution was found to satisfy constraints\n\n  {}", .reasons.join("\n  "))]
    NoSolution {
        /// One sentence each.
        reasons: Vec<String>,
    },
    /// What is to be removed is needed.
    #[error("{}", explain::not_leaf(.needed))]
    Needed {
        /// What is to be removed, and which packages need it.
        needed: Vec<(Fmri, Vec<Fmri>)>,
    },
}

impl SolveError {
    /// The same without how to learn more, which is up to who was asked.
    pub fn cause(&self) -> String {
        match self {
            Self::NoVersion { stems, rejections } => explain::causes(stems, rejections),
            Self::NoSolution { .. } | Self::Needed { .. } => self.to_string(),
        }
    }

    /// The same with every version that was looked at, where versions are the reason.
    pub fn at_length(&self) -> String {
        match self {
            Self::NoVersion { stems, rejections } => explain::every_version(stems, rejections),
            Self::NoSolution { .. } | Self::Needed { .. } => self.to_string(),
        }
    }
}

/// Where candidates come from.
pub trait Universe {
    /// Every version of a stem that anybody has, in any order.
    fn candidates(&self, stem: &str) -> Vec<Candidate>;
}

/// All candidates by stem.
pub type Available = BTreeMap<String, Vec<Candidate>>;

impl Universe for Available {
    fn candidates(&self, stem: &str) -> Vec<Candidate> {
        self.get(stem).cloned().unwrap_or_default()
    }
}

/// A package asked for by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its stem.
    pub stem: String,
    /// The pattern, for messages.
    pub pattern: String,
    /// The versions that the pattern allows; `None`: all.
    pub allowed: Option<BTreeSet<String>>,
    /// Whether the pattern names a publisher.
    pub publisher_named: bool,
    /// Whether the pattern names a version, which may then be older than the installed one.
    pub named: bool,
}

impl Root {
    /// Whether the pattern allows this version.
    pub fn allows(&self, fmri: &Fmri) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.contains(&fmri.to_string()))
    }
}

/// What is to become of installed packages that nobody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Move {
    /// They keep their version where they can.
    #[default]
    Keep,
    /// They become as new as can be.
    Newest,
}

/// The search order of publishers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranks {
    /// The publishers, best first, and whether packages stick to them.
    pub publishers: Vec<(String, bool)>,
}

impl Ranks {
    fn place(&self, fmri: &Fmri) -> Option<usize> {
        let publisher = fmri.publisher.as_deref();
        self.publishers.iter().position(|(name, _)| Some(name.as_str()) == publisher)
    }

    /// The place of a package's publisher; less is better.
    pub fn rank(&self, fmri: &Fmri) -> usize {
        self.place(fmri).unwrap_or(usize::MAX)
    }

    /// Whether an installed package goes on only with versions of its publisher.
    pub fn is_sticky(&self, fmri: &Fmri) -> bool {
        self.place(fmri).is_some_and(|place| self.publishers[place].1)
    }
}

/// What is asked of the solver.
#[derive(Debug, Clone, Default)]
pub struct Task {
    /// What is there, by stem.
    pub installed: BTreeMap<String, Candidate>,
    /// What is asked for.
    pub roots: Vec<Root>,
    /// Stems that must not be there.
    pub removed: BTreeSet<String>,
    /// What becomes of the rest.
    pub movement: Move,
    /// Stems that groups do not bring.
    pub avoided: BTreeSet<String>,
    /// Installed stems that stay only while something needs them.
    pub loose: BTreeSet<String>,
    /// Stem → version it is frozen at, and why.
    pub frozen: BTreeMap<String, (Fmri, Option<String>)>,
    /// The publishers.
    pub ranks: Ranks,
    /// What the parent image has, by stem; `None`: there is no parent, and nothing is asked of it.
    pub parent: Option<BTreeMap<String, Fmri>>,
    /// Installed stems that keep their version; see `hold`.
    pub holds: BTreeSet<String>,
    /// Whether a pattern with a version may mean one older than what is installed.
    pub downgrade: bool,
}

impl Task {
    /// While packages are installed, what ties others keeps its version unless something else ties
    /// it, or it is asked for, or what is asked for has a hold that begins like its own.
    pub fn hold(&mut self) {
        let tied: BTreeSet<&str> = self
            .installed
            .values()
            .flat_map(|one| &one.dependencies)
            .filter(|one| one.asks == Asks::Incorporate)
            .flat_map(|one| &one.targets)
            .map(|target| target.name.as_str())
            .collect();
        let asked = |name: &str| self.roots.iter().any(|root| root.stem == name);
        let asked_ones = self.installed.iter().filter(|(name, _)| asked(name));
        let relaxed: Vec<&str> = asked_ones.filter_map(|(_, one)| one.hold.as_deref()).collect();
        let held = self.installed.iter().filter(|(name, one)| {
            let hold = one.hold.as_deref();
            let free = hold.is_some_and(|hold| {
                relaxed.iter().any(|other| {
                    hold == *other || hold.strip_prefix(other).is_some_and(|r| r.starts_with('.'))
                })
            });
            one.incorporates() && !tied.contains(name.as_str()) && !asked(name) && !free
        });
        self.holds = held.map(|(name, _)| name.clone()).collect();
    }

    /// What is installed and stays, unless it is obsolete.
    fn staying(&self) -> impl Iterator<Item = (&String, &Candidate)> {
        let goes = |name: &String| self.removed.contains(name) || self.loose.contains(name);
        self.installed.iter().filter(move |(name, _)| !goes(name))
    }

    /// The targets of which a dependency takes one; `None`: it asks nothing in this image.
    fn targets<'a>(
        &self,
        dependency: &'a Dependency,
        live: impl Fn(&str) -> bool,
    ) -> Option<Vec<&'a Fmri>> {
        let all = dependency.targets.iter();
        match dependency.asks {
            Asks::Group | Asks::GroupAny => {
                let shunned =
                    |name: &str| self.avoided.contains(name) || self.removed.contains(name);
                let left: Vec<&Fmri> =
                    all.filter(|one| !shunned(&one.name) && live(&one.name)).collect();
                (!left.is_empty()).then_some(left)
            }
            Asks::Require
            | Asks::Optional
            | Asks::Incorporate
            | Asks::Exclude
            | Asks::Conditional
            | Asks::RequireAny => Some(all.collect()),
        }
    }
}

/// Finds the packages, sorted by name.  Obsolete ones and renamed ones that nothing requires are
/// not among them.
pub fn solve(universe: &dyn Universe, task: &Task) -> Result<Vec<Fmri>, SolveError> {
    match decide::decide(universe, task) {
        Some(found) => Ok(found),
        None => Err(explain::explain(universe, task)),
    }
}

#[cfg(test)]
mod tests;
