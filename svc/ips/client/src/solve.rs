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

/// There is no closed set, with the reasons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no set of packages satisfies what was asked for:\n  {}", .reasons.join("\n  "))]
pub struct SolveError {
    /// One sentence each.
    pub reasons: Vec<String>,
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
    let wished: BTreeMap<&str, &Root> =
        roots.iter().map(|root| (root.stem.as_str(), root)).collect();
    // One frame a package: deep sets would not fit into a thread's usual stack.
    let search = || {
        let (chosen, holders) = (Vec::new(), HashMap::new());
        let mut search = Search { available: &available, wished, chosen, holders, choices: 0 };
        search.next().map(|()| search.result()).map_err(|dead| SolveError { reasons: dead.reasons })
    };
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(512 << 20);
        let failed = |reason: String| SolveError { reasons: vec![reason] };
        match builder.spawn_scoped(scope, search) {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(failed("solver died".into()))),
            Err(error) => Err(failed(format!("no thread for the solver: {error}"))),
        }
    })
}

/// A dead end: whose wishes made it, and why in words.
struct DeadEnd {
    stems: BTreeSet<String>,
    reasons: Vec<String>,
}

/// Something that has to be chosen.
struct Need<'a> {
    /// Whose wish it is; nobody's for a root.
    owners: Vec<&'a str>,
    alternatives: Vec<Fmri>,
    words: String,
}

struct Search<'a> {
    available: &'a Available,
    wished: BTreeMap<&'a str, &'a Root>,
    /// In the order of choice.
    chosen: Vec<&'a Candidate>,
    /// The same, by stem.
    holders: HashMap<&'a str, &'a Candidate>,
    choices: u32,
}

impl<'a> Search<'a> {
    fn next(&mut self) -> Result<(), DeadEnd> {
        match self.need()? {
            Some(need) => self.choose(&need),
            None => Ok(()),
        }
    }

    fn holder(&self, stem: &str) -> Option<&'a Candidate> {
        self.holders.get(stem).copied()
    }

    /// The next thing to choose, those that tie versions first.
    fn need(&self) -> Result<Option<Need<'a>>, DeadEnd> {
        let mut first = None;
        let roots = self.wished.values().filter(|root| self.holder(&root.stem).is_none());
        let roots = roots.map(|root| Need {
            owners: Vec::new(),
            alternatives: vec![Fmri { publisher: None, name: root.stem.clone(), version: None }],
            words: format!("\"{}\" was asked for", root.pattern),
        });
        let mut open: Vec<Need<'a>> = roots.collect();
        for owner in &self.chosen {
            for dependency in &owner.dependencies {
                open.extend(self.open_need(owner, dependency)?);
            }
        }
        for need in open {
            let ties = |target: &Fmri| {
                let candidates = self.available.get(&target.name);
                candidates.and_then(|all| all.first()).is_some_and(Candidate::incorporates)
            };
            if need.alternatives.iter().any(ties) {
                return Ok(Some(need));
            }
            first = first.or(Some(need));
        }
        Ok(first)
    }

    /// What a chosen package's dependency still needs.
    fn open_need(
        &self,
        owner: &'a Candidate,
        dependency: &'a Dependency,
    ) -> Result<Option<Need<'a>>, DeadEnd> {
        let mut owners = vec![owner.fmri.name.as_str()];
        match dependency.asks {
            Asks::Optional | Asks::Incorporate | Asks::Exclude => return Ok(None),
            Asks::Conditional => {
                let Some(predicate) = &dependency.predicate else { return Ok(None) };
                match self.holder(&predicate.name) {
                    Some(there) if there.fmri.version >= predicate.version => {
                        owners.push(there.fmri.name.as_str());
                    }
                    _ => return Ok(None),
                }
            }
            Asks::Require | Asks::RequireAny | Asks::Group | Asks::GroupAny => {}
        }
        let tolerant = matches!(dependency.asks, Asks::Group | Asks::GroupAny);
        let met = |target: &Fmri| {
            let holder = self.holder(&target.name);
            holder.is_some_and(|there| tolerant || there.fmri.version >= target.version)
        };
        if dependency.targets.iter().any(met) {
            return Ok(None);
        }
        let words = requirement(owner, dependency);
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
            return Err(DeadEnd { stems: stems.chain(targets).collect(), reasons: vec![words] });
        }
        Ok(Some(Need { owners, alternatives, words }))
    }

    fn has_live(&self, stem: &str) -> bool {
        let candidates = self.available.get(stem);
        candidates.and_then(|all| all.first()).is_some_and(|newest| !newest.obsolete)
    }

    fn choose(&mut self, need: &Need<'a>) -> Result<(), DeadEnd> {
        let mut stems: BTreeSet<String> = need.owners.iter().map(|name| name.to_string()).collect();
        let mut reasons = Vec::new();
        let mut deeper: Option<Vec<String>> = None;
        for target in &need.alternatives {
            let available: &'a Available = self.available;
            let Some(candidates) = available.get(&target.name) else {
                reasons.push(format!("{}, which no origin has", need.words));
                continue;
            };
            for candidate in candidates {
                match self.refusal(candidate, target, need) {
                    None => {}
                    Some((blame, reason)) => {
                        stems.extend(blame);
                        reasons.push(format!("{}; {reason}", need.words));
                        continue;
                    }
                }
                self.choices += 1;
                if self.choices > CHOICES {
                    let reasons = vec![format!("no answer after {CHOICES} choices")];
                    return Err(DeadEnd { stems: BTreeSet::new(), reasons });
                }
                self.chosen.push(candidate);
                self.holders.insert(&candidate.fmri.name, candidate);
                let Err(dead) = self.next() else { return Ok(()) };
                self.chosen.pop();
                self.holders.remove(candidate.fmri.name.as_str());
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
        let name = candidate.fmri.brief();
        let nobody = |reason: String| Some((Vec::new(), reason));
        if candidate.obsolete {
            return nobody(format!("{name} is obsolete"));
        }
        if candidate.fmri.version < target.version {
            return nobody(format!("{name} is older"));
        }
        match self.wished.get(candidate.fmri.name.as_str()) {
            Some(root) if !root.allowed.contains(&candidate.fmri.to_string()) => {
                return nobody(format!("{name} is not what \"{}\" means", root.pattern));
            }
            None if candidate.explicit && !need.owners.is_empty() => {
                return nobody(format!("{name} is installed only when asked for"));
            }
            _ => {}
        }
        for owner in &self.chosen {
            if let Some(dependency) = clash(owner, candidate) {
                let reason = format!("{name} is ruled out: {}", requirement(owner, dependency));
                return Some((vec![owner.fmri.name.clone()], reason));
            }
            if let Some(dependency) = clash(candidate, owner) {
                let there = owner.fmri.brief();
                let words = requirement(candidate, dependency);
                return Some((
                    vec![owner.fmri.name.clone()],
                    format!("{words}, but {there} is chosen"),
                ));
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
            let stays = |candidate: &&Candidate| {
                !candidate.renamed || required.contains(candidate.fmri.name.as_str())
            };
            let next: Vec<&Candidate> = kept.iter().copied().filter(stays).collect();
            kept = next;
            if kept.len() == before {
                break;
            }
        }
        let mut names: Vec<Fmri> = kept.iter().map(|candidate| candidate.fmri.clone()).collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        names
    }
}

/// The dependency of `owner` that a version of another package does not suit.
fn clash<'c>(owner: &'c Candidate, other: &Candidate) -> Option<&'c Dependency> {
    owner.dependencies.iter().find(|dependency| {
        let mut aimed = dependency.targets.iter().filter(|target| target.name == other.fmri.name);
        aimed.any(|target| !dependency.suits(target, other))
    })
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
            assert_eq!(solved(world, roots).as_deref(), Ok(expected), "{world}");
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
            assert!(error.reasons.iter().any(|reason| reason == expected), "{error}");
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
