//! unneeded.rs - installed packages that nobody asked for and nothing needs any more.
//!
//! Needed is what the user named, and what something needed pulls in: what it requires, one of
//! several or not, what groups bring, what a condition that holds asks for.  What only rules
//! versions (optional, incorporate, exclude) needs nothing.  What could be removed alone is another
//! question: whether any installed package, needed or not, cannot be without it.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::Fmri;

use crate::image::{Image, ImageError, states};
use crate::solve::candidate::{Asks, Candidate, Dependency};

/// The packages that could go.
pub fn unneeded(image: &Image) -> Result<Vec<Fmri>, ImageError> {
    let candidates = image.installed_candidates()?;
    let manual = image.installed()?.packages().filter(|(_, package)| package.is(states::MANUAL));
    let manual: BTreeSet<String> = manual.map(|(fmri, _)| fmri.name).collect();
    let needed = closure(&candidates, &manual);
    let free = candidates.iter().filter(|one| !needed.contains(one.fmri.name.as_str()));
    Ok(free.map(|one| one.fmri.clone()).collect())
}

/// The packages that could be removed alone, by name, and whether another one would still like to
/// have it (groups, optional dependencies).
pub fn removable(image: &Image) -> Result<BTreeMap<String, bool>, ImageError> {
    Ok(alone(&image.installed_candidates()?))
}

fn alone(all: &[Candidate]) -> BTreeMap<String, bool> {
    let there: BTreeMap<&str, &Candidate> =
        all.iter().map(|one| (one.fmri.name.as_str(), one)).collect();
    let (mut held, mut liked) = (BTreeSet::new(), BTreeSet::new());
    for (one, dependency) in
        all.iter().flat_map(|one| one.dependencies.iter().map(move |it| (one, it)))
    {
        let targets = dependency.targets.iter().map(|target| target.name.as_str());
        let present: Vec<&str> =
            targets.filter(|name| there.contains_key(name) && *name != one.fmri.name).collect();
        match dependency.asks {
            Asks::Require => held.extend(present),
            Asks::RequireAny if present.len() == 1 => held.extend(present),
            Asks::Conditional if holds(dependency, &there) => held.extend(present),
            Asks::Optional | Asks::Group | Asks::GroupAny => liked.extend(present),
            Asks::RequireAny | Asks::Conditional | Asks::Incorporate | Asks::Exclude => {}
        }
    }
    let free = there.keys().filter(|name| !held.contains(*name));
    free.map(|name| (name.to_string(), liked.contains(name))).collect()
}

/// Whether the predicate of a conditional dependency is there.
fn holds(dependency: &Dependency, there: &BTreeMap<&str, &Candidate>) -> bool {
    dependency.predicate.as_ref().is_some_and(|predicate| {
        there.get(predicate.name.as_str()).is_some_and(|one| one.fmri.version >= predicate.version)
    })
}

fn closure<'a>(all: &'a [Candidate], named: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let there: BTreeMap<&str, &Candidate> =
        all.iter().map(|one| (one.fmri.name.as_str(), one)).collect();
    let pulls = |dependency: &&Dependency| match dependency.asks {
        Asks::Conditional => holds(dependency, &there),
        _ => dependency.pulls(),
    };
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&Candidate> =
        all.iter().filter(|one| named.contains(&one.fmri.name)).collect();
    while let Some(one) = next.pop() {
        if !needed.insert(&one.fmri.name) {
            continue;
        }
        let targets = one.dependencies.iter().filter(pulls).flat_map(|one| &one.targets);
        next.extend(targets.filter_map(|target| there.get(target.name.as_str()).copied()));
    }
    needed
}

#[cfg(test)]
mod tests {
    use ips_model::Action;

    use super::*;
    use crate::conditions::Conditions;

    fn world(text: &str) -> Vec<Candidate> {
        let conditions = Conditions::default();
        let one = |line: &str| {
            let (name, wishes) = line.split_once(':').unwrap();
            let fmri = Fmri::parse(&format!("//p/{name}@1")).unwrap();
            let wish = |text: &str| Action::parse(&format!("depend {text}")).unwrap();
            let wishes = wishes.split(',').map(str::trim).filter(|text| !text.is_empty());
            let actions: Vec<Action> = wishes.map(wish).collect();
            Candidate::read(&fmri, &actions, &conditions)
        };
        text.lines().map(one).collect()
    }

    #[test]
    fn what_can_go_alone() {
        for (text, free) in [
            ("a: type=require fmri=b\nb:\nc:", "a c"),
            ("a: type=require-any fmri=b fmri=c\nb:\nc:", "a b c"),
            ("a: type=require-any fmri=b fmri=none\nb:", "a"),
            ("a: type=group fmri=b, type=optional fmri=c\nb:\nc:", "a b? c?"),
            ("a: type=conditional predicate=b fmri=c\nb:\nc:", "a b"),
            ("a: type=conditional predicate=none fmri=c\nc:", "a c"),
            ("a: type=incorporate fmri=b@1, type=exclude fmri=c\nb:", "a b"),
        ] {
            let found = alone(&world(text));
            let found: Vec<String> = found
                .iter()
                .map(|(name, liked)| format!("{name}{}", if *liked { "?" } else { "" }))
                .collect();
            assert_eq!(found.join(" "), free, "{text}");
        }
    }

    #[test]
    fn what_is_needed() {
        for (text, named, needed) in [
            ("a: type=require fmri=b\nb:\nc:", "a", "a b"),
            ("a: type=require fmri=b\nb: type=require fmri=a\nc: type=require fmri=a", "", ""),
            ("a: type=require-any fmri=b fmri=c fmri=none\nb:\nc:\nd:", "a", "a b c"),
            ("a: type=group fmri=b, type=group-any fmri=c\nb:\nc:", "a", "a b c"),
            (
                "a: type=optional fmri=b, type=incorporate fmri=c@1, type=exclude fmri=d\nb:\nc:",
                "a",
                "a",
            ),
            ("a: type=conditional predicate=b fmri=c\nb:\nc:", "a", "a c"),
            ("a: type=conditional predicate=b@2 fmri=c\nb:\nc:", "a", "a"),
        ] {
            let all = world(text);
            let named = named.split_whitespace().map(str::to_string).collect();
            let found: Vec<&str> = closure(&all, &named).into_iter().collect();
            assert_eq!(found.join(" "), needed, "{text}");
        }
    }
}
