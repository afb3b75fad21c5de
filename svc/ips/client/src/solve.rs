//! solve.rs - which versions of which packages make a closed set.
//!
//! Law: the result has every package asked for, what they require, one version of each stem, and
//! no dependency that is not met.  Versions are tried newest first, packages that incorporate
//! others before what they tie, so `entire` decides.
//!
//! A search with conflict-directed backjumping: a dead end names the packages whose wishes made
//! it; the search returns to the last of these, not merely to the last choice.  Each dead end
//! carries the sentence a person needs.
//!
//! Deliberately absent: installed packages, freezes, avoidance, minimal change: the image is new.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ips_model::fmri::Fmri;

use crate::candidate::{Asks, Candidate, Dependency};

/// The most choices tried before the search gives up.
const CHOICES: u32 = 2_000_000;

/// The stack of the search in bytes: a frame a package, in a debug build too, and room for the rest.
const STACK_PER_PACKAGE: usize = 32 << 10;
const STACK_LEAST: usize = 4 << 20;

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// There is no closed set.
    #[error("no set of packages satisfies what was asked for:\n  {}", .reasons.join("\n  "))]
    NoSet {
        /// One sentence each.
        reasons: Vec<String>,
    },
    /// The search has no room to run in.
    #[error("no thread with a stack of {stack} bytes for the solver: {why}")]
    NoThread {
        /// In bytes.
        stack: usize,
        /// What the system said.
        why: String,
    },
}

/// What may be chosen: stem → versions, in any order.
pub type Available = BTreeMap<String, Vec<Candidate>>;

/// A package asked for by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its stem.
    pub stem: String,
    /// The pattern, for messages.
    pub pattern: String,
    /// The versions that the pattern allows.
    pub allowed: BTreeSet<String>,
}

/// Finds the packages, sorted by name.
pub fn solve(mut available: Available, roots: &[Root]) -> Result<Vec<Fmri>, SolveError> {
    for candidates in available.values_mut() {
        candidates.sort_by(|a, b| b.fmri.version.cmp(&a.fmri.version));
    }
    let search = || {
        let mut search = Search::new(&available, roots);
        let found = search.next(Cursor::default());
        found.map(|()| search.result()).map_err(|dead| SolveError::NoSet { reasons: dead.reasons })
    };
    // Deep sets would not fit into a thread's usual stack.
    let stack = STACK_LEAST + available.len() * STACK_PER_PACKAGE;
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(stack);
        match builder.spawn_scoped(scope, search) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => Err(SolveError::NoThread { stack, why: error.to_string() }),
        }
    })
}

/// A dead end: whose wishes made it, and why in words.
struct DeadEnd {
    stems: BTreeSet<String>,
    reasons: Vec<String>,
}

/// What may have to be chosen.
#[derive(Clone, Copy)]
enum Duty<'a> {
    /// A package asked for.
    Asked(&'a Root),
    /// A chosen package's dependency.
    Of(&'a Candidate, &'a Dependency),
}

impl Duty<'_> {
    fn words(self) -> String {
        match self {
            Self::Asked(root) => format!("\"{}\" was asked for", root.pattern),
            Self::Of(owner, dependency) => requirement(owner, dependency),
        }
    }
}

/// Something that has to be chosen.
struct Need<'a> {
    duty: Duty<'a>,
    /// Whose wish it is; nobody's for a package asked for.
    owners: Vec<&'a str>,
    alternatives: Vec<Fmri>,
}

/// How many duties of each list are fulfilled by what is chosen.
#[derive(Clone, Copy, Default)]
struct Cursor {
    tying: usize,
    plain: usize,
}

/// Invariant: the lists and maps say what follows from `chosen`, in its order; whatever comes off
/// its end comes off theirs.  A duty that is fulfilled stays so while what is chosen only grows,
/// so a cursor never goes back on the way down; conditional ones are looked at anew each time.
struct Search<'a> {
    available: &'a Available,
    wished: BTreeMap<&'a str, &'a Root>,
    chosen: Vec<&'a Candidate>,
    /// The same, by stem.
    holders: HashMap<&'a str, &'a Candidate>,
    /// Duties that lead to packages which tie versions, so come first.
    tying: Vec<Duty<'a>>,
    /// Other duties.
    plain: Vec<Duty<'a>>,
    /// Duties that depend on a predicate.
    conditional: Vec<Duty<'a>>,
    /// Stem → what chosen packages say of it.
    aimed: HashMap<&'a str, Vec<(&'a Candidate, &'a Dependency, &'a Fmri)>>,
    choices: u32,
}

impl<'a> Search<'a> {
    fn new(available: &'a Available, roots: &'a [Root]) -> Self {
        let mut search = Self {
            available,
            wished: roots.iter().map(|root| (root.stem.as_str(), root)).collect(),
            chosen: Vec::new(),
            holders: HashMap::new(),
            tying: Vec::new(),
            plain: Vec::new(),
            conditional: Vec::new(),
            aimed: HashMap::new(),
            choices: 0,
        };
        for root in roots {
            let ties = search.ties(&root.stem);
            let list = if ties { &mut search.tying } else { &mut search.plain };
            list.push(Duty::Asked(root));
        }
        search
    }

    fn ties(&self, stem: &str) -> bool {
        let candidates = self.available.get(stem);
        candidates.and_then(|all| all.first()).is_some_and(Candidate::incorporates)
    }

    fn take(&mut self, candidate: &'a Candidate) {
        self.chosen.push(candidate);
        self.holders.insert(&candidate.fmri.name, candidate);
        for dependency in &candidate.dependencies {
            for target in &dependency.targets {
                let aimed = self.aimed.entry(&target.name).or_default();
                aimed.push((candidate, dependency, target));
            }
            let ties = dependency.targets.iter().any(|target| self.ties(&target.name));
            let list = match dependency.asks {
                Asks::Optional | Asks::Incorporate | Asks::Exclude => continue,
                Asks::Conditional => &mut self.conditional,
                _ if ties => &mut self.tying,
                _ => &mut self.plain,
            };
            list.push(Duty::Of(candidate, dependency));
        }
    }

    /// Undoes the last `take`.
    fn put_back(&mut self) {
        let Some(candidate) = self.chosen.pop() else { return };
        self.holders.remove(candidate.fmri.name.as_str());
        for target in candidate.dependencies.iter().flat_map(|one| &one.targets) {
            if let Some(aimed) = self.aimed.get_mut(target.name.as_str()) {
                aimed.pop();
            }
        }
        for list in [&mut self.tying, &mut self.plain, &mut self.conditional] {
            while let Some(Duty::Of(owner, _)) = list.last() {
                if !std::ptr::eq(*owner, candidate) {
                    break;
                }
                list.pop();
            }
        }
    }

    fn next(&mut self, mut from: Cursor) -> Result<(), DeadEnd> {
        match self.need(&mut from)? {
            Some(need) => self.choose(&need, from),
            None => Ok(()),
        }
    }

    fn holder(&self, stem: &str) -> Option<&'a Candidate> {
        self.holders.get(stem).copied()
    }

    /// The next thing to choose, those that tie versions first.
    fn need(&self, from: &mut Cursor) -> Result<Option<Need<'a>>, DeadEnd> {
        while let Some(duty) = self.tying.get(from.tying) {
            if let Some(need) = self.open_need(*duty)? {
                return Ok(Some(need));
            }
            from.tying += 1;
        }
        for duty in &self.conditional {
            if let Some(need) = self.open_need(*duty)? {
                return Ok(Some(need));
            }
        }
        while let Some(duty) = self.plain.get(from.plain) {
            if let Some(need) = self.open_need(*duty)? {
                return Ok(Some(need));
            }
            from.plain += 1;
        }
        Ok(None)
    }

    fn open_need(&self, duty: Duty<'a>) -> Result<Option<Need<'a>>, DeadEnd> {
        match duty {
            Duty::Asked(root) if self.holder(&root.stem).is_some() => Ok(None),
            Duty::Asked(root) => {
                let target = Fmri { publisher: None, name: root.stem.clone(), version: None };
                Ok(Some(Need { duty, owners: Vec::new(), alternatives: vec![target] }))
            }
            Duty::Of(owner, dependency) => self.open_dependency(duty, owner, dependency),
        }
    }

    /// What a chosen package's dependency still needs.
    fn open_dependency(
        &self,
        duty: Duty<'a>,
        owner: &'a Candidate,
        dependency: &'a Dependency,
    ) -> Result<Option<Need<'a>>, DeadEnd> {
        let mut owners = vec![owner.fmri.name.as_str()];
        if dependency.asks == Asks::Conditional {
            let Some(predicate) = &dependency.predicate else { return Ok(None) };
            match self.holder(&predicate.name) {
                Some(there) if there.fmri.version >= predicate.version => {
                    owners.push(there.fmri.name.as_str());
                }
                _ => return Ok(None),
            }
        }
        let tolerant = matches!(dependency.asks, Asks::Group | Asks::GroupAny);
        let met = |target: &Fmri| {
            let holder = self.holder(&target.name);
            holder.is_some_and(|there| tolerant || there.fmri.version >= target.version)
        };
        if dependency.targets.iter().any(met) {
            return Ok(None);
        }
        let absent = |target: &&Fmri| self.holder(&target.name).is_none();
        let mut alternatives: Vec<Fmri> =
            dependency.targets.iter().filter(absent).cloned().collect();
        if tolerant {
            alternatives.iter_mut().for_each(|target| target.version = None);
            alternatives.retain(|target| self.has_live(&target.name));
            if alternatives.is_empty() {
                return Ok(None);
            }
        }
        if alternatives.is_empty() {
            // Every target is there, in a version that is too old.
            let stems = owners.iter().map(|name| name.to_string());
            let targets = dependency.targets.iter().map(|target| target.name.clone());
            let reasons = vec![duty.words()];
            return Err(DeadEnd { stems: stems.chain(targets).collect(), reasons });
        }
        Ok(Some(Need { duty, owners, alternatives }))
    }

    fn has_live(&self, stem: &str) -> bool {
        let candidates = self.available.get(stem);
        candidates.and_then(|all| all.first()).is_some_and(|newest| !newest.obsolete)
    }

    fn choose(&mut self, need: &Need<'a>, from: Cursor) -> Result<(), DeadEnd> {
        let mut stems: BTreeSet<String> = need.owners.iter().map(|name| name.to_string()).collect();
        let mut reasons = Vec::new();
        let mut deeper: Option<Vec<String>> = None;
        for target in &need.alternatives {
            let available: &'a Available = self.available;
            let Some(candidates) = available.get(&target.name) else {
                reasons.push(format!("{}, which no origin has", need.duty.words()));
                continue;
            };
            for candidate in candidates {
                if let Some((blame, reason)) = self.refusal(candidate, target, need) {
                    stems.extend(blame);
                    reasons.push(format!("{}; {reason}", need.duty.words()));
                    continue;
                }
                self.choices += 1;
                if self.choices > CHOICES {
                    let reasons = vec![format!("no answer after {CHOICES} choices")];
                    return Err(DeadEnd { stems: BTreeSet::new(), reasons });
                }
                self.take(candidate);
                let Err(dead) = self.next(from) else { return Ok(()) };
                self.put_back();
                if !dead.stems.contains(&target.name) {
                    return Err(dead);
                }
                stems.extend(dead.stems.into_iter().filter(|stem| *stem != target.name));
                deeper.get_or_insert(dead.reasons);
            }
        }
        reasons.dedup();
        Err(DeadEnd { stems, reasons: deeper.unwrap_or(reasons) })
    }

    /// Why a candidate cannot be chosen now: whose wishes forbid it, and the sentence.
    fn refusal(
        &self,
        candidate: &Candidate,
        target: &Fmri,
        need: &Need<'_>,
    ) -> Option<(Vec<String>, String)> {
        let name = || candidate.fmri.brief();
        let nobody = |reason: String| Some((Vec::new(), reason));
        if candidate.obsolete {
            return nobody(format!("{} is obsolete", name()));
        }
        if candidate.fmri.version < target.version {
            return nobody(format!("{} is older", name()));
        }
        match self.wished.get(candidate.fmri.name.as_str()) {
            Some(root) if !root.allowed.contains(&candidate.fmri.to_string()) => {
                return nobody(format!("{} is not what \"{}\" means", name(), root.pattern));
            }
            None if candidate.explicit && !need.owners.is_empty() => {
                return nobody(format!("{} is installed only when asked for", name()));
            }
            _ => {}
        }
        let aimed = self.aimed.get(candidate.fmri.name.as_str());
        for (owner, dependency, target) in aimed.into_iter().flatten() {
            if !dependency.suits(target, candidate) {
                let words = requirement(owner, dependency);
                let reason = format!("{} is ruled out: {words}", name());
                return Some((vec![owner.fmri.name.clone()], reason));
            }
        }
        self.objection(candidate)
    }

    /// Why a candidate's own wishes do not go with what is chosen.
    fn objection(&self, candidate: &Candidate) -> Option<(Vec<String>, String)> {
        for dependency in &candidate.dependencies {
            for target in &dependency.targets {
                let Some(there) = self.holder(&target.name) else { continue };
                if !dependency.suits(target, there) {
                    let words = requirement(candidate, dependency);
                    let reason = format!("{words}, but {} is chosen", there.fmri.brief());
                    return Some((vec![there.fmri.name.clone()], reason));
                }
            }
        }
        None
    }

    /// The chosen packages, without renamed ones that nothing requires.
    fn result(&self) -> Vec<Fmri> {
        let mut kept = self.chosen.clone();
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

/// A dependency in words.
fn requirement(owner: &Candidate, dependency: &Dependency) -> String {
    let verb = match dependency.asks {
        Asks::Require | Asks::RequireAny => "requires",
        Asks::Optional => "wants, if present, at least",
        Asks::Incorporate => "incorporates",
        Asks::Exclude => "excludes",
        Asks::Conditional => "conditionally requires",
        Asks::Group | Asks::GroupAny => "groups",
    };
    let targets: Vec<String> = dependency.targets.iter().map(Fmri::brief).collect();
    format!("{} {verb} {}", owner.fmri.brief(), targets.join(" or "))
}

#[cfg(test)]
mod tests {
    use ips_model::action::Action;

    use super::*;
    use crate::conditions::Conditions;

    /// `NAME@VERSION: TYPE TARGET, set NAME, ...` a line.
    fn world(text: &str) -> Available {
        let conditions = Conditions { variants: BTreeMap::new(), facets: BTreeMap::new() };
        let mut available = Available::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, rest) = line.split_once(':').unwrap_or((line, ""));
            let fmri = Fmri::parse(name).unwrap();
            let actions: Vec<Action> = rest
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| {
                    let (kind, rest) = part.split_once(' ').unwrap();
                    let line = match kind {
                        "set" => format!("set name={rest} value=true"),
                        "conditional" => {
                            let (predicate, target) = rest.split_once(' ').unwrap();
                            format!("depend type=conditional predicate={predicate} fmri={target}")
                        }
                        _ => {
                            let targets = rest.replace(' ', " fmri=");
                            format!("depend type={kind} fmri={targets}")
                        }
                    };
                    Action::parse(&line).unwrap()
                })
                .collect();
            let candidate = Candidate::read(&fmri, &actions, &conditions).unwrap();
            available.entry(fmri.name.clone()).or_default().push(candidate);
        }
        available
    }

    fn solved(world_text: &str, names: &str) -> Result<String, SolveError> {
        let available = world(world_text);
        let roots: Vec<Root> = names
            .split(' ')
            .map(|name| Root {
                stem: name.to_string(),
                pattern: name.to_string(),
                allowed: available[name].iter().map(|c| c.fmri.to_string()).collect(),
            })
            .collect();
        let found = solve(available, &roots)?;
        Ok(found.iter().map(Fmri::brief).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn sets() {
        for (world, roots, expected) in [
            ("a@1: require b@1\nb@1\nb@2\nc@1", "a", "a@1 b@2"),
            ("a@2: require b@3\na@1: require b@1\nb@1\nb@2", "a", "a@1 b@2"),
            ("e@1: incorporate b@1\na@1: require b\nb@1.5\nb@2", "a e", "a@1 b@1.5 e@1"),
            ("e@1: incorporate b@1.1\nb@1.10\nb@1.1.5", "b e", "b@1.1.5 e@1"),
            ("a@1: optional b@2\nb@1\nb@2", "a", "a@1"),
            ("a@1: optional b@2\nb@1\nb@2", "a b", "a@1 b@2"),
            ("a@1: exclude b@2\nb@1\nb@2", "a b", "a@1 b@1"),
            ("a@2: exclude b\na@1\nb@1", "a b", "a@1 b@1"),
            ("a@1: require-any b@2 c@1\nb@1\nc@1", "a", "a@1 c@1"),
            ("a@1: conditional b c\nb@1\nc@1", "a", "a@1"),
            ("a@1: conditional b c\nb@1\nc@1", "a b", "a@1 b@1 c@1"),
            ("a@1: group b, group none\nb@1", "a", "a@1 b@1"),
            ("a@1: group b\nb@1\nb@2: set pkg.obsolete", "a", "a@1"),
            (
                "a@1: require old\nold@1: set pkg.renamed, require new\nnew@1",
                "a",
                "a@1 new@1 old@1",
            ),
            ("old@1: set pkg.renamed, require new\nnew@1", "old", "new@1"),
            ("a@1: require-any x b\nx@1: set pkg.depend.explicit-install\nb@1", "a", "a@1 b@1"),
            ("a@1: require b\nb@1: require a", "a", "a@1 b@1"),
            // The clash is far from the last choice: only backjumping gets out quickly.
            (
                "a@2: require z@2\na@1\nz@1\nz@2: require y@2\ny@1\ny@2: exclude q@1\nq@1\nm@1\nm@2\nn@1\nn@2",
                "a q m n",
                "a@1 m@2 n@2 q@1",
            ),
        ] {
            assert_eq!(solved(world, roots).unwrap(), expected, "{world}");
        }
    }

    #[test]
    fn what_is_missing_or_clashes_is_said() {
        for (world, roots, expected) in [
            ("a@1: require none@2", "a", "a@1 requires none@2, which no origin has"),
            ("a@1: require b@2\nb@1", "a", "a@1 requires b@2; b@1 is older"),
            (
                "a@1: require b@2\nb@2\nb@1\ne@1: incorporate b@1",
                "a e",
                "a@1 requires b@2; b@2 is ruled out: e@1 incorporates b@1",
            ),
            (
                "a@1\na@2: set pkg.obsolete\nb@1: require a@2",
                "b",
                "b@1 requires a@2; a@2 is obsolete",
            ),
        ] {
            let error = solved(world, roots).unwrap_err();
            let reasons = error.to_string();
            assert!(reasons.lines().any(|reason| reason.trim() == expected), "{error}");
        }
    }

    #[test]
    fn deep_and_wide_sets_are_solved() {
        let mut text = String::new();
        for number in 0..800 {
            let next = number + 1;
            text.push_str(&format!("p{number}@1: require p{next}\np{number}@2: require p{next}\n"));
        }
        text.push_str("p800@1\n");
        assert_eq!(solved(&text, "p0").unwrap().split(' ').count(), 801);
    }
}
