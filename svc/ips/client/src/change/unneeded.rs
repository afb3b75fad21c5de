//! unneeded.rs - installed packages that nobody asked for and nothing needs any more.
//!
//! Needed is what the user named, and what something needed pulls in: what it requires, one of
//! several or not, what groups bring, what a condition that holds asks for.  What only rules
//! versions (optional, incorporate, exclude) needs nothing.

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

fn closure<'a>(all: &'a [Candidate], named: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let there: BTreeMap<&str, &Candidate> =
        all.iter().map(|one| (one.fmri.name.as_str(), one)).collect();
    let holds = |dependency: &&Dependency| match dependency.asks {
        Asks::Conditional => dependency.predicate.as_ref().is_some_and(|predicate| {
            there
                .get(predicate.name.as_str())
                .is_some_and(|one| one.fmri.version >= predicate.version)
        }),
        _ => dependency.pulls(),
    };
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&Candidate> =
        all.iter().filter(|one| named.contains(&one.fmri.name)).collect();
    while let Some(one) = next.pop() {
        if !needed.insert(&one.fmri.name) {
            continue;
        }
        let targets = one.dependencies.iter().filter(holds).flat_map(|one| &one.targets);
        next.extend(targets.filter_map(|target| there.get(target.name.as_str()).copied()));
    }
    needed
}

#[cfg(test)]
mod tests {
    use ips_model::Action;

    use super::*;
    use crate::conditions::Conditions;

    #[test]
    fn what_is_needed() {
        let conditions = Conditions { variants: BTreeMap::new(), facets: BTreeMap::new() };
        let world = |text: &str| -> Vec<Candidate> {
            let one = |line: &str| {
                let (name, wishes) = line.split_once(':').unwrap();
                let fmri = Fmri::parse(&format!("//p/{name}@1")).unwrap();
                let wish = |text: &str| Action::parse(&format!("depend {text}")).unwrap();
                let wishes = wishes.split(',').map(str::trim).filter(|text| !text.is_empty());
                let actions: Vec<Action> = wishes.map(wish).collect();
                Candidate::read(&fmri, &actions, &conditions)
            };
            text.lines().map(one).collect()
        };
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
