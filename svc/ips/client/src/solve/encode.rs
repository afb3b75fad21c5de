//! encode.rs - packages and what they ask of each other, as clauses.
//!
//! ```text
//! present(i)   some version of the stem that is at place i or later is chosen
//! chosen(i)    = present(i) and not present(i + 1)
//! ```
//!
//! Places are in order of versions, so "at least" is one literal, "one version of each stem" needs
//! no clause, and what `incorporate` rules out are at most a few runs of places.
//!
//! With `Explained::Yes` every clause that stands for somebody's wish can be switched off by a
//! literal of its own, so that a contradiction names the wishes that make it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use batsat::{BasicSolver, Lit, SolverInterface, lbool};
use ips_model::fmri::Fmri;

use super::candidate::{Asks, Candidate, Dependency};
use super::trim::{Trim, trim};
use super::{Move, Task, Universe};

/// Whether contradictions are to name who makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explained {
    /// They are.
    Yes,
    /// They need not.
    No,
}

/// Whose wish a clause stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// The package of this number in `Task::roots` was asked for.
    Root(usize),
    /// The package stays, being installed.
    Stays(usize),
    /// The package keeps its version, others being tied by it.
    Holds(usize),
    /// A dependency: stem, candidate, dependency.
    Of(usize, usize, usize),
}

/// A stem with its versions.
pub struct Stem {
    /// The name.
    pub name: String,
    /// Every version known, oldest first.
    pub all: Vec<Candidate>,
    /// Why a version may not be chosen; as many as versions.
    pub trimmed: Vec<Option<Trim>>,
    /// The places in `all` that may be chosen.
    pub usable: Vec<usize>,
    present: Vec<Lit>,
    chosen: Vec<Lit>,
}

impl Stem {
    /// The literal that the version at this place is chosen; none if it may not be.
    pub fn chosen(&self, at: usize) -> Option<Lit> {
        let place = self.usable.binary_search(&at).ok()?;
        self.chosen.get(place).copied()
    }

    /// The literal that any version is chosen.
    pub fn present(&self) -> Option<Lit> {
        self.present.first().copied()
    }
}

/// The clauses of a task.
pub struct Encoding<'a> {
    /// What is asked.
    pub task: &'a Task,
    /// Every stem that could be chosen.
    pub stems: Vec<Stem>,
    /// Name → place in `stems`.
    pub names: HashMap<String, usize>,
    /// The solver.
    pub solver: BasicSolver,
    /// The switches of the wishes, when they are explained.
    pub switches: BTreeMap<Lit, Wish>,
    explained: Explained,
}

impl<'a> Encoding<'a> {
    /// Loads every package that could become part of the answer, and says all clauses.
    pub fn new(universe: &dyn Universe, task: &'a Task, explained: Explained) -> Self {
        let mut new = Self {
            task,
            stems: Vec::new(),
            names: HashMap::new(),
            solver: BasicSolver::default(),
            switches: BTreeMap::new(),
            explained,
        };
        new.load(universe);
        new.forbid_downgrades();
        for at in 0..new.stems.len() {
            new.say_order(at);
        }
        for at in 0..new.stems.len() {
            for place in new.stems[at].usable.clone() {
                for number in 0..new.stems[at].all[place].dependencies.len() {
                    new.say_dependency(at, place, number);
                }
            }
        }
        new.say_wishes();
        new
    }

    fn load(&mut self, universe: &dyn Universe) {
        let task = self.task;
        let roots = task.roots.iter().map(|root| root.stem.clone());
        let mut queue: VecDeque<String> = roots.chain(task.installed.keys().cloned()).collect();
        while let Some(name) = queue.pop_front() {
            if self.names.contains_key(&name) {
                continue;
            }
            let mut all = universe.candidates(&name);
            let installed = task.installed.get(&name);
            if let Some(there) = installed.filter(|there| all.iter().all(|c| c.fmri != there.fmri))
            {
                all.push(there.clone());
            }
            let rank = |one: &Candidate| std::cmp::Reverse(task.ranks.rank(&one.fmri));
            all.sort_by(|a, b| {
                a.fmri.version.cmp(&b.fmri.version).then_with(|| rank(a).cmp(&rank(b)))
            });
            let trimmed = trim(task, &name, &all);
            let usable: Vec<usize> = (0..all.len()).filter(|at| trimmed[*at].is_none()).collect();
            for place in &usable {
                for dependency in &all[*place].dependencies {
                    if dependency.pulls() {
                        let targets = dependency.targets.iter();
                        let unknown = targets.filter(|t| !self.names.contains_key(&t.name));
                        queue.extend(unknown.map(|target| target.name.clone()));
                    }
                }
            }
            self.names.insert(name.clone(), self.stems.len());
            let (present, chosen) = (Vec::new(), Vec::new());
            self.stems.push(Stem { name, all, trimmed, usable, present, chosen });
        }
    }

    /// An update goes back to an older version only where an incorporation says so.
    fn forbid_downgrades(&mut self) {
        if self.task.movement == Move::Keep {
            return;
        }
        let mut allowed: Vec<(usize, Fmri)> = Vec::new();
        for stem in &self.stems {
            for place in &stem.usable {
                let dependencies = stem.all[*place].dependencies.iter();
                for target in dependencies
                    .filter(|one| one.asks == Asks::Incorporate)
                    .flat_map(|one| &one.targets)
                {
                    if let Some(&at) = self.names.get(&target.name) {
                        allowed.push((at, target.clone()));
                    }
                }
            }
        }
        let mut by_stem: HashMap<usize, Vec<Fmri>> = HashMap::new();
        for (at, target) in allowed {
            by_stem.entry(at).or_default().push(target);
        }
        for (at, stem) in self.stems.iter_mut().enumerate() {
            let Some(there) = self.task.installed.get(&stem.name) else { continue };
            if self.task.roots.iter().any(|root| root.stem == stem.name && root.named) {
                continue;
            }
            let tied = by_stem.get(&at).map_or(&[][..], Vec::as_slice);
            for place in std::mem::take(&mut stem.usable) {
                let one = &stem.all[place];
                let version = one.fmri.version.as_ref();
                let fits = |target: &Fmri| match (&target.version, version) {
                    (Some(wanted), Some(version)) => version.matches(wanted),
                    (_, _) => false,
                };
                if one.fmri.version >= there.fmri.version || tied.iter().any(fits) {
                    stem.usable.push(place);
                } else {
                    stem.trimmed[place] = Some(Trim::Newer(there.fmri.clone()));
                }
            }
        }
    }

    /// The literals of a stem.  A version that is there, else the newest, is guessed first.
    fn say_order(&mut self, at: usize) {
        let stem = &mut self.stems[at];
        let there = self.task.installed.get(&stem.name);
        let keep = self.task.movement == Move::Keep;
        for place in &stem.usable {
            let newer = |there: &Candidate| stem.all[*place].fmri.version > there.fmri.version;
            let guess = match there {
                Some(there) if keep => !newer(there),
                // That something is there disturbs seldom, that it is missing often.
                Some(_) | None => true,
            };
            let present = Lit::new(self.solver.new_var(lbool::new(guess), true), true);
            let chosen = Lit::new(self.solver.new_var(lbool::FALSE, false), true);
            stem.present.push(present);
            stem.chosen.push(chosen);
        }
        let (present, chosen) = (stem.present.clone(), stem.chosen.clone());
        for (place, (now, one)) in present.iter().zip(&chosen).enumerate() {
            let (now, one) = (*now, *one);
            match present.get(place + 1).copied() {
                Some(next) => {
                    self.clause(&[!next, now]);
                    self.clause(&[!one, !next]);
                    self.clause(&[!now, next, one]);
                }
                None => self.clause(&[!now, one]),
            }
            self.clause(&[!one, now]);
        }
    }

    fn clause(&mut self, literals: &[Lit]) {
        self.solver.add_clause_reuse(&mut literals.to_vec());
    }

    /// A clause that somebody wishes.
    fn wish(&mut self, wish: Wish, literals: &[Lit]) {
        let mut clause = literals.to_vec();
        if self.explained == Explained::Yes {
            let known = self
                .switches
                .iter()
                .find(|(_, other)| **other == wish && matches!(wish, Wish::Root(_)));
            let switch = match known.map(|(switch, _)| *switch) {
                Some(switch) => switch,
                None => Lit::new(self.solver.new_var(lbool::TRUE, false), true),
            };
            self.switches.insert(switch, wish);
            clause.push(!switch);
        }
        self.solver.add_clause_reuse(&mut clause);
    }

    fn say_wishes(&mut self) {
        let task = self.task;
        for (number, root) in task.roots.iter().enumerate() {
            let stem = &self.stems[self.names[&root.stem]];
            let installed = task.installed.contains_key(&root.stem);
            let usable = stem.usable.iter().zip(&stem.chosen);
            let literals: Vec<Lit> = usable
                .filter(|(place, _)| {
                    let one = &stem.all[**place];
                    root.allows(&one.fmri) && (installed || !one.obsolete)
                })
                .map(|(_, literal)| *literal)
                .collect();
            self.wish(Wish::Root(number), &literals);
        }
        for (name, there) in task.staying() {
            let at = self.names[name];
            let present = self.stems[at].present().into_iter().collect::<Vec<Lit>>();
            self.wish(Wish::Stays(at), &present);
            if task.holds.contains(name) {
                let place = self.stems[at].all.iter().position(|one| one.fmri == there.fmri);
                let same = place.and_then(|place| self.stems[at].chosen(place));
                self.wish(Wish::Holds(at), &same.into_iter().collect::<Vec<Lit>>());
            }
        }
    }

    fn say_dependency(&mut self, at: usize, place: usize, number: usize) {
        let Some(own) = self.stems[at].chosen(place) else { return };
        let dependency = self.stems[at].all[place].dependencies[number].clone();
        let wish = Wish::Of(at, place, number);
        match dependency.asks {
            Asks::Require | Asks::RequireAny | Asks::Group | Asks::GroupAny => {
                let Some(mut clause) = self.any_of(&dependency) else { return };
                clause.push(!own);
                self.wish(wish, &clause);
            }
            Asks::Optional | Asks::Incorporate | Asks::Exclude => {
                for target in &dependency.targets {
                    for (first, after) in self.runs(target, |one| !dependency.suits(target, one)) {
                        let mut clause = vec![!own, !first];
                        clause.extend(after);
                        self.wish(wish, &clause);
                    }
                }
            }
            Asks::Conditional => {
                let Some(predicate) = &dependency.predicate else { return };
                let Some(clause) = self.any_of(&dependency) else { return };
                let live = |one: &Candidate| !one.obsolete && one.fmri.version >= predicate.version;
                for (first, after) in self.runs(predicate, live) {
                    let mut clause = clause.clone();
                    clause.extend([!own, !first]);
                    clause.extend(after);
                    self.wish(wish, &clause);
                }
            }
        }
    }

    /// The literals of which one must be; `None`: the dependency asks nothing in this image.
    fn any_of(&self, dependency: &Dependency) -> Option<Vec<Lit>> {
        let targets = self.task.targets(dependency, |name| self.has_live(name))?;
        let group = matches!(dependency.asks, Asks::Group | Asks::GroupAny);
        let mut literals = Vec::new();
        for target in targets {
            let Some(&at) = self.names.get(&target.name) else { continue };
            let stem = &self.stems[at];
            if group {
                literals.extend(stem.present());
                continue;
            }
            let usable = stem.usable.iter().zip(&stem.chosen);
            let fits = |one: &Candidate| !one.obsolete && one.fmri.version >= target.version;
            literals.extend(
                usable.filter(|(place, _)| fits(&stem.all[**place])).map(|(_, literal)| *literal),
            );
        }
        Some(literals)
    }

    /// Whether a stem has a version that delivers something.
    pub fn has_live(&self, name: &str) -> bool {
        let Some(&at) = self.names.get(name) else { return false };
        let stem = &self.stems[at];
        stem.usable.last().is_some_and(|place| !stem.all[*place].obsolete)
    }

    /// Runs of versions of a target for which `holds`: the literal of its first, of what follows.
    fn runs(&self, target: &Fmri, holds: impl Fn(&Candidate) -> bool) -> Vec<(Lit, Option<Lit>)> {
        let Some(&at) = self.names.get(&target.name) else { return Vec::new() };
        let stem = &self.stems[at];
        let mut runs = Vec::new();
        let mut open = None;
        for (number, place) in stem.usable.iter().enumerate() {
            match (holds(&stem.all[*place]), open) {
                (true, None) => open = Some(stem.present[number]),
                (false, Some(first)) => {
                    runs.push((first, Some(stem.present[number])));
                    open = None;
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
        runs.extend(open.map(|first| (first, None)));
        runs
    }
}
