//! conflict.rs - which actions can be there at the same time, by their variants.

use std::collections::BTreeSet;

use crate::variants::{Combination, Combinations, Template};

/// What meets.
#[derive(Debug, Default)]
pub(super) struct Conflict {
    /// The combinations, in the words of the package; none = all.
    pub(super) variants: BTreeSet<Combination>,
    /// Which of the actions, by their place in the list.
    pub(super) members: BTreeSet<usize>,
}

/// Compares each with each.
pub(super) fn conflict(tags: &[Template], package: &Template) -> Conflict {
    let all: Vec<Combinations> = tags.iter().cloned().map(Combinations::satisfied).collect();
    let mut found = Conflict::default();
    for (at, one) in all.iter().enumerate() {
        for (further, other) in all[at + 1..].iter().enumerate() {
            if one.meets(other) {
                found.members.extend([at, at + 1 + further]);
                let common = one.common(other).satisfied_in(package);
                found.variants.extend(common.into_iter().filter(|one| !one.is_empty()));
            }
        }
    }
    found
}
