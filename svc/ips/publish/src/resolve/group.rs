//! group.rs - facts that hold under variants, taken apart so that no combination is in two groups.

use crate::variants::Combinations;

/// Groups of facts: under each combination of a group, all its facts hold.
pub(crate) fn grouped<T: Clone>(facts: Vec<(T, Combinations)>) -> Vec<(Vec<T>, Combinations)> {
    let mut groups: Vec<(Vec<T>, Combinations)> = Vec::new();
    for (fact, holds) in facts {
        let mut left = Some(holds);
        let mut next = Vec::new();
        for (known, theirs) in groups {
            let Some(mine) = &left else {
                next.push((known, theirs));
                continue;
            };
            let (only_mine, both, only_theirs) = mine.separated(&theirs);
            if let Some(only) = only_theirs {
                next.push((known.clone(), only));
            }
            if let Some(both) = both {
                let with = known.into_iter().chain([fact.clone()]).collect();
                next.push((with, both));
            }
            left = only_mine;
        }
        if let Some(left) = left {
            next.push((vec![fact], left));
        }
        groups = next;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variants::{Template, told};
    use ips_model::action::Action;

    #[test]
    fn each_combination_in_one_group() {
        let template = |text: &str| {
            Template::of_action(&Action::parse(&format!("depend fmri=x {text}")).unwrap())
        };
        let all = template("variant.arch=i386 variant.arch=sparc");
        let holds = |text: &str| {
            let mut holds = Combinations::open(all.clone());
            holds.satisfy(&Combinations::satisfied(template(text)));
            holds
        };
        let facts = vec![
            ("a", holds("variant.arch=i386")),
            ("b", holds("variant.arch=i386 variant.arch=sparc")),
            ("c", holds("variant.arch=sparc")),
        ];
        let groups = grouped(facts);
        let groups: Vec<String> = groups
            .iter()
            .map(|(facts, holds)| {
                let holds: Vec<String> = holds.satisfied_in(&all).iter().map(told).collect();
                format!("{} {}", facts.concat(), holds.join("|"))
            })
            .collect();
        assert_eq!(groups, ["ab variant.arch:i386", "bc variant.arch:sparc"]);
    }
}
