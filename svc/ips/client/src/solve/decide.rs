//! decide.rs - the preferred one of all sets that satisfy the clauses.
//!
//! Duty by duty, those that lead to packages which tie versions first, the best alternative is
//! taken for which the solver still finds an answer.  What was taken is a clause from then on, so
//! nothing is ever taken back; mostly the answer already found has it, and nothing is solved.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use batsat::{Lit, SolverInterface, lbool};
use ips_model::fmri::Fmri;

use super::candidate::{Asks, Candidate, Dependency};
use super::encode::{Encoding, Explained};
use super::{Move, Task, Universe};

/// Something that must be chosen.
#[derive(Clone, Copy)]
enum Duty {
    /// A package asked for.
    Root(usize),
    /// A package that stays.
    Stays(usize),
    /// A dependency: stem, candidate, dependency.
    Of(usize, usize, usize),
}

struct Walk<'a> {
    encoding: Encoding<'a>,
    model: Vec<lbool>,
    /// Stem → candidate.
    chosen: BTreeMap<usize, usize>,
    tying: VecDeque<Duty>,
    plain: VecDeque<Duty>,
    conditional: Vec<Duty>,
}

/// The packages; `None`: there is no answer.
pub fn decide(universe: &dyn Universe, task: &Task) -> Option<Vec<Fmri>> {
    let mut encoding = Encoding::new(universe, task, Explained::No);
    if encoding.solver.solve_limited(&[]) != lbool::TRUE {
        return None;
    }
    let model = encoding.solver.get_model().to_vec();
    let mut walk = Walk {
        encoding,
        model,
        chosen: BTreeMap::new(),
        tying: VecDeque::new(),
        plain: VecDeque::new(),
        conditional: Vec::new(),
    };
    walk.run();
    Some(walk.result())
}

impl Walk<'_> {
    fn run(&mut self) {
        let task = self.encoding.task;
        for number in 0..task.roots.len() {
            self.queue(Duty::Root(number), &[&task.roots[number].stem]);
        }
        // What was asked for is decided before what happens to be there.
        self.work();
        for (name, _) in task.staying() {
            let at = self.encoding.names[name];
            self.queue(Duty::Stays(at), &[name]);
        }
        self.work();
    }

    fn work(&mut self) {
        loop {
            let duty = self.tying.pop_front();
            let Some(duty) =
                duty.or_else(|| self.open_condition()).or_else(|| self.plain.pop_front())
            else {
                return;
            };
            self.fulfil(duty);
        }
    }

    fn queue(&mut self, duty: Duty, names: &[&str]) {
        let ties = |name: &&str| {
            let at = self.encoding.names.get(*name).copied();
            let stem = at.map(|at| &self.encoding.stems[at]);
            let newest = stem.and_then(|stem| Some(&stem.all[*stem.usable.last()?]));
            newest.is_some_and(Candidate::incorporates)
        };
        if names.iter().any(ties) { &mut self.tying } else { &mut self.plain }.push_back(duty);
    }

    /// A conditional dependency whose predicate came true and that is not met.
    fn open_condition(&mut self) -> Option<Duty> {
        let open = self.conditional.iter().position(|duty| {
            let Duty::Of(at, place, number) = *duty else { return false };
            let dependency = &self.encoding.stems[at].all[place].dependencies[number];
            let Some(predicate) = &dependency.predicate else { return false };
            let holder = self.holder(&predicate.name);
            holder.is_some_and(|one| !one.obsolete && one.fmri.version >= predicate.version)
        });
        open.map(|open| self.conditional.swap_remove(open))
    }

    fn holder(&self, name: &str) -> Option<&Candidate> {
        let at = self.encoding.names.get(name)?;
        let place = self.chosen.get(at)?;
        Some(&self.encoding.stems[*at].all[*place])
    }

    fn fulfil(&mut self, duty: Duty) {
        let task = self.encoding.task;
        match duty {
            Duty::Root(number) => {
                let root = &task.roots[number];
                let at = self.encoding.names[&root.stem];
                let installed = task.installed.contains_key(&root.stem);
                let fits = |one: &Candidate| root.allows(&one.fmri) && (installed || !one.obsolete);
                let best = self.newest(at, fits);
                self.choose(&best);
            }
            Duty::Stays(at) => {
                let mut best = self.newest(at, |_| true);
                if task.movement == Move::Keep {
                    let stem = &self.encoding.stems[at];
                    let there = task.installed.get(&stem.name);
                    let same = |one: &Candidate| there.is_some_and(|t| t.fmri == one.fmri);
                    best.sort_by_key(|(_, place)| !same(&stem.all[*place]));
                }
                self.choose(&best);
            }
            Duty::Of(at, place, number) => {
                let dependency = self.encoding.stems[at].all[place].dependencies[number].clone();
                self.fulfil_dependency(&dependency);
            }
        }
    }

    fn fulfil_dependency(&mut self, dependency: &Dependency) {
        let live = |name: &str| self.encoding.has_live(name);
        let Some(targets) = self.encoding.task.targets(dependency, live) else { return };
        let group = matches!(dependency.asks, Asks::Group | Asks::GroupAny);
        let fits = |target: &Fmri, one: &Candidate| {
            group || (!one.obsolete && one.fmri.version >= target.version)
        };
        let met = |target: &&Fmri| self.holder(&target.name).is_some_and(|one| fits(target, one));
        if targets.iter().any(met) {
            return;
        }
        let mut best = Vec::new();
        for target in targets {
            if let Some(&at) = self.encoding.names.get(&target.name) {
                best.extend(self.preferred(at, |one| fits(target, one)));
            }
        }
        self.choose(&best);
    }

    /// A stem's versions, newest first, an installed one that is to be kept before them.
    fn preferred(&self, at: usize, fits: impl Fn(&Candidate) -> bool) -> Vec<(usize, usize)> {
        let task = self.encoding.task;
        let stem = &self.encoding.stems[at];
        let mut best = self.newest(at, fits);
        if let (Move::Keep, Some(there)) = (task.movement, task.installed.get(&stem.name)) {
            best.sort_by_key(|(_, place)| stem.all[*place].fmri != there.fmri);
        }
        best
    }

    fn newest(&self, at: usize, fits: impl Fn(&Candidate) -> bool) -> Vec<(usize, usize)> {
        let stem = &self.encoding.stems[at];
        let usable = stem.usable.iter().rev().filter(|place| fits(&stem.all[**place]));
        usable.map(|place| (at, *place)).collect()
    }

    /// Takes the first alternative that goes with everything taken before.
    fn choose(&mut self, best: &[(usize, usize)]) {
        if best.iter().any(|(at, place)| self.chosen.get(at) == Some(place)) {
            return;
        }
        for (at, place) in best {
            let Some(literal) = self.encoding.stems[*at].chosen(*place) else { continue };
            if self.possible(literal) {
                self.take(*at, *place, literal);
                return;
            }
        }
    }

    fn possible(&mut self, literal: Lit) -> bool {
        let value = self.model.get(literal.var().idx() as usize).copied();
        if value.is_some_and(|value| (value ^ !literal.sign()) == lbool::TRUE) {
            return true;
        }
        let solver = &mut self.encoding.solver;
        if solver.solve_limited(&[literal]) == lbool::TRUE {
            self.model = solver.get_model().to_vec();
            return true;
        }
        solver.add_clause_reuse(&mut vec![!literal]);
        false
    }

    fn take(&mut self, at: usize, place: usize, literal: Lit) {
        self.encoding.solver.add_clause_reuse(&mut vec![literal]);
        self.chosen.insert(at, place);
        for number in 0..self.encoding.stems[at].all[place].dependencies.len() {
            let dependency = &self.encoding.stems[at].all[place].dependencies[number];
            let duty = Duty::Of(at, place, number);
            match dependency.asks {
                Asks::Optional | Asks::Incorporate | Asks::Exclude => {}
                Asks::Conditional => self.conditional.push(duty),
                Asks::Require | Asks::RequireAny | Asks::Group | Asks::GroupAny => {
                    let names: Vec<String> =
                        dependency.targets.iter().map(|target| target.name.clone()).collect();
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    self.queue(duty, &names);
                }
            }
        }
    }

    /// The chosen packages that deliver something, and renamed ones that are required.
    fn result(&self) -> Vec<Fmri> {
        let chosen = self.chosen.iter().map(|(at, place)| &self.encoding.stems[*at].all[*place]);
        let mut kept: Vec<&Candidate> = chosen.filter(|one| !one.obsolete).collect();
        loop {
            let required: BTreeSet<&str> = kept
                .iter()
                .flat_map(|candidate| &candidate.dependencies)
                .filter(|dependency| dependency.asks == Asks::Require)
                .flat_map(|dependency| &dependency.targets)
                .map(|target| target.name.as_str())
                .collect();
            let before = kept.len();
            kept.retain(|one| !one.renamed || required.contains(one.fmri.name.as_str()));
            if kept.len() == before {
                break;
            }
        }
        let mut names: Vec<Fmri> = kept.iter().map(|candidate| candidate.fmri.clone()).collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        names
    }
}
