//! explain.rs - why there is no answer, in words a packager understands.
//!
//! The wishes are said again, each with a switch.  Which switches the solver needs for its
//! contradiction, made as few as can be, are the wishes that clash; from these come the original's
//! sentences, one for each version that was looked at.

use std::collections::BTreeSet;
use std::fmt::Write;

use batsat::{Lit, SolverInterface, lbool};
use ips_model::fmri::Fmri;

use super::candidate::{Asks, Candidate, Dependency};
use super::encode::{Encoding, Explained, Wish};
use super::{SolveError, Task, Universe};

/// How many versions of a package asked for are explained.
const EXPLAINED: usize = 40;

/// A version that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The version.
    pub fmri: Fmri,
    /// The sentence.
    pub reason: String,
    /// Whether the reason stands by itself, not upon other rejections.
    pub is_root: bool,
}

/// Explains a task without answer.
pub fn explain(universe: &dyn Universe, task: &Task) -> SolveError {
    let needed = needed(task);
    if !needed.is_empty() {
        return SolveError::Needed { needed };
    }
    let mut cause = Cause { encoding: Encoding::new(universe, task, Explained::Yes) };
    let (mut stems, mut rejections) = (Vec::new(), Vec::new());
    for (number, root) in task.roots.iter().enumerate() {
        if cause.is_hopeless(number) {
            stems.push(root.stem.clone());
            cause.reject_root(number, &mut rejections);
        }
    }
    if !rejections.is_empty() {
        let mut seen = BTreeSet::new();
        rejections.retain(|one| seen.insert((one.fmri.to_string(), one.reason.clone())));
        return SolveError::NoVersion { stems, rejections };
    }
    let all: Vec<Lit> = cause.encoding.switches.keys().copied().collect();
    let clash = cause.clash(&[], all);
    SolveError::NoSolution { reasons: clash.iter().map(|wish| cause.words(*wish)).collect() }
}

/// What is to be removed and installed packages require.
fn needed(task: &Task) -> Vec<(Fmri, Vec<Fmri>)> {
    let gone = |name: &str| task.removed.contains(name);
    let mut needed = Vec::new();
    for there in task.installed.values().filter(|one| gone(&one.fmri.name)) {
        let needs = |one: &&super::Candidate| {
            let required = one
                .dependencies
                .iter()
                .filter(|dependency| matches!(dependency.asks, Asks::Require | Asks::RequireAny));
            !gone(&one.fmri.name)
                && required.into_iter().any(|dependency| {
                    let left = dependency.targets.iter().filter(|target| {
                        !gone(&target.name) && task.installed.contains_key(&target.name)
                    });
                    let hit = dependency.targets.iter().any(|t| t.name == there.fmri.name);
                    hit && left.count() == 0
                })
        };
        let who: Vec<Fmri> =
            task.installed.values().filter(needs).map(|one| one.fmri.clone()).collect();
        if !who.is_empty() {
            needed.push((there.fmri.clone(), who));
        }
    }
    needed
}

struct Cause<'a> {
    encoding: Encoding<'a>,
}

impl Cause<'_> {
    fn contradicts(&mut self, literals: &[Lit]) -> bool {
        self.encoding.solver.solve_limited(literals) == lbool::FALSE
    }

    /// The switches of all wishes but those of packages asked for.
    fn standing(&self) -> Vec<Lit> {
        let all = self.encoding.switches.iter();
        all.filter(|(_, wish)| !matches!(wish, Wish::Root(_))).map(|(lit, _)| *lit).collect()
    }

    /// Whether a package asked for cannot be had, whatever else is asked for.
    fn is_hopeless(&mut self, number: usize) -> bool {
        let mut literals = self.standing();
        let all = self.encoding.switches.iter();
        literals.extend(all.filter(|(_, wish)| **wish == Wish::Root(number)).map(|(lit, _)| *lit));
        self.contradicts(&literals)
    }

    /// A least set of wishes that contradict each other, `fixed` being so.
    fn clash(&mut self, fixed: &[Lit], from: Vec<Lit>) -> Vec<Wish> {
        let with = |rest: &[Lit]| [fixed, rest].concat();
        let mut core = from;
        if !self.contradicts(&with(&core)) {
            return Vec::new();
        }
        core.retain(|literal| self.encoding.solver.unsat_core_contains_var(literal.var()));
        let mut at = 0;
        while at < core.len() {
            let literal = core.remove(at);
            if !self.contradicts(&with(&core)) {
                core.insert(at, literal);
                at += 1;
            }
        }
        core.iter().map(|literal| self.encoding.switches[literal]).collect()
    }

    fn reject_root(&mut self, number: usize, rejections: &mut Vec<Rejection>) {
        let root = &self.encoding.task.roots[number];
        let at = self.encoding.names[&root.stem];
        let stem = &self.encoding.stems[at];
        let allowed: Vec<usize> =
            (0..stem.all.len()).rev().filter(|p| root.allows(&stem.all[*p].fmri)).collect();
        for place in allowed.into_iter().take(EXPLAINED) {
            self.reject(at, place, rejections);
        }
    }

    fn candidate(&self, at: usize, place: usize) -> &Candidate {
        &self.encoding.stems[at].all[place]
    }

    fn add(
        &self,
        rejections: &mut Vec<Rejection>,
        at: usize,
        place: usize,
        reason: String,
        is_root: bool,
    ) {
        let fmri = self.candidate(at, place).fmri.clone();
        rejections.push(Rejection { fmri, reason, is_root });
    }

    /// Why a version cannot be had.
    fn reject(&mut self, at: usize, place: usize, rejections: &mut Vec<Rejection>) {
        let stem = &self.encoding.stems[at];
        if let Some(trim) = &stem.trimmed[place] {
            return self.add(rejections, at, place, trim.to_string(), true);
        }
        let Some(literal) = stem.chosen(place) else { return };
        if stem.all[place].obsolete && !self.encoding.task.installed.contains_key(&stem.name) {
            return self.add(rejections, at, place, "This version is obsolete".to_string(), true);
        }
        let standing = self.standing();
        let clash = self.clash(&[literal], standing);
        let mut said = false;
        for wish in &clash {
            said |= self.reject_by(*wish, (at, place), &clash, rejections);
        }
        if !said {
            let words: Vec<String> = clash.iter().map(|wish| self.words(*wish)).collect();
            self.add(rejections, at, place, words.join("; "), true);
        }
    }

    /// What one of the wishes that clash says of a version; false: nothing by itself.
    fn reject_by(
        &self,
        wish: Wish,
        (at, place): (usize, usize),
        clash: &[Wish],
        rejections: &mut Vec<Rejection>,
    ) -> bool {
        let Wish::Of(owner, version, number) = wish else { return false };
        let own = self.candidate(owner, version);
        let dependency = &own.dependencies[number];
        if dependency.pulls() {
            return self.reject_unmet((owner, version), dependency, rejections);
        }
        let mut said = false;
        for target in &dependency.targets {
            let Some(&aim) = self.encoding.names.get(&target.name) else { continue };
            if (owner, version) == (at, place) {
                let reason = self.own_words(dependency, target);
                self.add(rejections, at, place, reason, true);
                said = true;
                continue;
            }
            let reason = self.ruled_out(own, dependency, target);
            let stem = &self.encoding.stems[aim];
            for other in stem.usable.iter().rev() {
                let one = &stem.all[*other];
                let meant = if aim == at { *other == place } else { self.is_wanted(one, clash) };
                if meant && !dependency.suits(target, one) {
                    self.add(rejections, aim, *other, reason.clone(), true);
                    said = true;
                }
            }
        }
        said
    }

    /// Whether one of the wishes that clash would take this version.
    fn is_wanted(&self, one: &Candidate, clash: &[Wish]) -> bool {
        clash.iter().any(|wish| {
            let Wish::Of(owner, version, number) = wish else { return false };
            let dependency = &self.candidate(*owner, *version).dependencies[*number];
            let fits =
                |target: &Fmri| target.name == one.fmri.name && one.fmri.version >= target.version;
            dependency.pulls() && !one.obsolete && dependency.targets.iter().any(fits)
        })
    }

    /// A dependency for which there is no version at all.
    fn reject_unmet(
        &self,
        (owner, version): (usize, usize),
        dependency: &Dependency,
        rejections: &mut Vec<Rejection>,
    ) -> bool {
        let (mut obsolete, mut trimmed) = (false, Vec::new());
        for target in &dependency.targets {
            let Some(&at) = self.encoding.names.get(&target.name) else { continue };
            let stem = &self.encoding.stems[at];
            for (place, one) in stem.all.iter().enumerate() {
                if one.fmri.version < target.version {
                    continue;
                }
                match &stem.trimmed[place] {
                    Some(_) => trimmed.push((at, place)),
                    None if one.obsolete => obsolete = true,
                    None => return false,
                }
            }
        }
        let kind = dependency.kind();
        let names: Vec<String> = dependency.targets.iter().map(Fmri::brief).collect();
        let names = names.join(" or ");
        let (reason, is_root) = if !trimmed.is_empty() {
            (format!("No version matching '{kind}' dependency {names} can be installed"), false)
        } else if obsolete {
            let reason =
                format!("All acceptable versions of '{kind}' dependency on {names} are obsolete");
            (reason, true)
        } else {
            (format!("No version for '{kind}' dependency on {names} can be found"), true)
        };
        self.add(rejections, owner, version, reason, is_root);
        for (at, place) in trimmed {
            let trim = self.encoding.stems[at].trimmed[place].as_ref();
            self.add(
                rejections,
                at,
                place,
                trim.map(ToString::to_string).unwrap_or_default(),
                true,
            );
        }
        true
    }

    /// What a version itself does not go with.
    fn own_words(&self, dependency: &Dependency, target: &Fmri) -> String {
        let there = self.encoding.task.installed.contains_key(&target.name);
        let name = target.brief();
        match dependency.asks {
            Asks::Exclude if there => {
                format!("Package contains 'exclude' dependency {name} on installed package")
            }
            Asks::Exclude => {
                format!("Package contains 'exclude' dependency {name} on proposed package")
            }
            _ => format!(
                "No version matching '{}' dependency {name} can be installed",
                dependency.kind()
            ),
        }
    }

    /// That another package rules a version out.
    fn ruled_out(&self, own: &Candidate, dependency: &Dependency, target: &Fmri) -> String {
        let installed = self.encoding.task.installed.get(&own.fmri.name);
        let there = installed.is_some_and(|there| there.fmri == own.fmri);
        match (dependency.asks, there) {
            (Asks::Incorporate, true) => {
                format!("This version is excluded by installed incorporation {}", own.fmri.brief())
            }
            (Asks::Incorporate, false) => {
                format!("Excluded by proposed incorporation '{}'", own.fmri.brief())
            }
            _ => requirement(own, dependency, Some(target)),
        }
    }

    fn words(&self, wish: Wish) -> String {
        match wish {
            Wish::Root(number) => {
                format!("\"{}\" was asked for", self.encoding.task.roots[number].pattern)
            }
            Wish::Stays(at) => {
                let stem = &self.encoding.stems[at];
                let trimmed = stem.trimmed.iter().flatten().next_back();
                match trimmed.filter(|_| stem.usable.is_empty()) {
                    Some(why) => format!("{} is installed: {why}", stem.name),
                    None => format!("{} is installed", stem.name),
                }
            }
            Wish::Holds(at) => {
                let name = &self.encoding.stems[at].name;
                let there = self.encoding.task.installed.get(name);
                let brief = there.map(|there| there.fmri.brief()).unwrap_or_default();
                format!("{brief} keeps its version while it is not asked for")
            }
            Wish::Of(at, place, number) => {
                let own = self.candidate(at, place);
                requirement(own, &own.dependencies[number], None)
            }
        }
    }
}

/// A dependency in words.
fn requirement(owner: &Candidate, dependency: &Dependency, target: Option<&Fmri>) -> String {
    let verb = match dependency.asks {
        Asks::Require | Asks::RequireAny => "requires",
        Asks::Optional => "wants, if present, at least",
        Asks::Incorporate => "incorporates",
        Asks::Exclude => "excludes",
        Asks::Conditional => "conditionally requires",
        Asks::Group | Asks::GroupAny => "groups",
    };
    let all: Vec<String> = match target {
        Some(target) => vec![target.brief()],
        None => dependency.targets.iter().map(Fmri::brief).collect(),
    };
    format!("{} {verb} {}", owner.fmri.brief(), all.join(" or "))
}

fn package(fmri: &Fmri) -> String {
    let version = fmri.version.as_ref().map(|version| version.short());
    format!("{}@{}", fmri.stem(), version.unwrap_or_default())
}

/// The short form, as pkg says it.
pub fn no_version(stems: &[String], rejections: &[Rejection]) -> String {
    format!(
        "{}\nRe-run the operation with the -v option to see all of the rejected\n\
         packages and detailed reasons.",
        causes(stems, rejections)
    )
}

/// What the rejections stand upon.
pub fn causes(stems: &[String], rejections: &[Rejection]) -> String {
    let mut text = String::new();
    for stem in stems {
        let _ = writeln!(text, "No matching version of {stem} can be installed.");
    }
    text.push_str("\nThis is due to the following root cause(s):\n");
    let mut told: Vec<&str> = Vec::new();
    for one in rejections.iter().filter(|one| one.is_root) {
        if told.contains(&one.reason.as_str()) {
            continue;
        }
        told.push(&one.reason);
        let same = rejections.iter().filter(|other| other.reason == one.reason).count() - 1;
        let _ = write!(text, "\n  Package: {}\n  Reason:  {}\n", package(&one.fmri), one.reason);
        if same > 0 {
            let _ = writeln!(
                text,
                "           (and {same} other rejected package versions with the same reason)"
            );
        }
    }
    let _ = write!(
        text,
        "\nThe above led to the rejection of {} package versions in total.",
        rejections.len()
    );
    text
}

/// The long form: every version.
pub fn every_version(stems: &[String], rejections: &[Rejection]) -> String {
    let mut text = String::new();
    for stem in stems {
        let _ = writeln!(text, "No matching version of {stem} can be installed:");
    }
    for one in rejections {
        let _ = write!(text, "  Reject:  {}\n  Reason:  {}\n", package(&one.fmri), one.reason);
    }
    text.trim_end().to_string()
}

pub fn not_leaf(needed: &[(Fmri, Vec<Fmri>)]) -> String {
    let mut text = String::new();
    for (fmri, who) in needed {
        let _ = writeln!(
            text,
            "Cannot remove '{}' due to the following packages that depend on it:",
            fmri.without_build()
        );
        for one in who {
            let _ = writeln!(text, "  {}", one.without_build());
        }
    }
    text.trim_end().to_string()
}
