//! told.rs - dependencies in messages.

use std::collections::BTreeSet;

use ips_model::action::{Action, quoted};

use crate::depend::attribute;
use crate::variants::{Combination, told};

/// The action without what only tells where it came from.
pub(crate) fn without_debug(action: &Action) -> Action {
    let mut action = action.clone();
    action.attributes.retain(|name, _| !name.starts_with(attribute::PREFIX));
    action
}

/// The order of attributes: type, FMRI, others, lists, facets, variants.
fn rank(name: &str, values: &[String]) -> u8 {
    match name {
        name if name.starts_with("variant.") => 7,
        name if name.starts_with("facet.") => 6,
        _ if values.len() > 1 => 5,
        "type" => 0,
        "fmri" => 1,
        _ => 4,
    }
}

/// Over several lines, none longer than 80 columns where that can be.
pub(crate) fn spread(action: &Action) -> String {
    const JOINED: &str = " \\\n        ";
    let mut text = format!("    {}", action.kind.as_str());
    let mut attributes: Vec<(&String, &Vec<String>)> = action.attributes.iter().collect();
    attributes.sort_by_key(|(name, values)| (rank(name, values), *name));
    let mut left: usize = attributes.iter().map(|(_, values)| values.len()).sum();
    for (name, values) in attributes {
        let own_line = values.len() > 1 && name.starts_with("pkg.debug");
        for value in values.iter().collect::<BTreeSet<_>>() {
            let one = format!("{name}={}", quoted(value));
            let line = text.len() - text.rfind('\n').unwrap_or(0);
            let most = if left == 1 { 80 } else { 78 };
            let fits = !own_line && line + one.len() < most;
            text.push_str(if fits { " " } else { JOINED });
            text.push_str(&one);
            left = left.saturating_sub(1);
        }
    }
    text
}

/// Combinations, one a line.
pub(crate) fn combinations(all: &BTreeSet<Combination>, between: &str) -> String {
    all.iter().map(told).collect::<Vec<_>>().join(between)
}

/// Two conditional dependencies that cannot both be.
pub(crate) fn pair(one: &Action, other: &Action, holds: &BTreeSet<Combination>) -> String {
    let mut text = String::new();
    if holds.is_empty() {
        text.push('\n');
    } else {
        text.push_str(" is only problematic in the listed variant combinations:\n\t\t");
        text.push_str(&combinations(holds, "\n\t\t"));
        text.push('\n');
    }
    text.push_str(&format!("{}\n{}\n", spread(one), spread(other)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_over_lines() {
        let action = Action::parse(
            "depend fmri=__TBD pkg.debug.depend.file=libc.so.1 pkg.debug.depend.path=lib pkg.debug.depend.path=usr/lib pkg.debug.depend.reason=usr/bin/x pkg.debug.depend.type=elf type=require",
        )
        .unwrap();
        assert_eq!(
            spread(&action),
            "    depend type=require fmri=__TBD pkg.debug.depend.file=libc.so.1 \\\n        pkg.debug.depend.reason=usr/bin/x pkg.debug.depend.type=elf \\\n        pkg.debug.depend.path=lib \\\n        pkg.debug.depend.path=usr/lib"
        );
    }
}
