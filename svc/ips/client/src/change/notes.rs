//! notes.rs - which release notes a change brings to light.
//!
//! ```text
//! release-note=feature/pkg/self@0      when the package comes to an image that had it not
//! release-note=feature/pkg/self@V      when the image had the package in a version before V
//! release-note=NAME@V                  when the image had package NAME in a version before V
//! release-note=true                    whenever the file comes or changes
//! ```
//!
//! The text of the file is the note; what has no payload has no text.

use std::collections::BTreeSet;

use ips_model::Fmri;
use ips_model::action::Action;

use super::difference::Difference;
use crate::plan::Item;

/// The containing package.
const SELF: &str = "feature/pkg/self";

/// The notes of a change of an image that has these packages.
pub fn due<'a>(difference: &Difference<'a>, before: &BTreeSet<Fmri>) -> Vec<Item<'a>> {
    let came = difference.came.values().map(|came| came.new);
    came.filter(|item| is_due(item.action, &item.package.fmri, before)).collect()
}

fn is_due(action: &Action, own: &Fmri, before: &BTreeSet<Fmri>) -> bool {
    let Some(text) = action.get("release-note") else { return false };
    if action.payload_hash().is_none() {
        return false;
    }
    if text.eq_ignore_ascii_case("true") {
        return true;
    }
    let Ok(of) = Fmri::parse(text) else { return false };
    let stem = if of.name == SELF { &own.name } else { &of.name };
    let had = before.iter().find(|fmri| fmri.name == *stem);
    let initial =
        of.name == SELF && text.split_once('@').is_some_and(|(_, version)| version == "0");
    match had {
        None => initial,
        Some(had) => !initial && had.version < of.version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_note_is_due() {
        let fmri = |text: &str| Fmri::parse(text).unwrap();
        let own = fmri("pkg://a/foo@1.2,5.11-0:20260101T000000Z");
        for (note, before, due) in [
            ("feature/pkg/self@0", "", true),
            ("feature/pkg/self@0", "foo@1.0", false),
            ("feature/pkg/self@1.0.1", "foo@1.0-0", true),
            ("feature/pkg/self@1.0.1", "foo@1.1", false),
            ("feature/pkg/self@1.0.1", "", false),
            ("bar@1.1", "bar@1.0-0", true),
            ("bar@1.1", "bar@1.1", false),
            ("bar@1.1", "foo@1.0", false),
            ("true", "", true),
            ("false", "", false),
            ("a b", "", false),
        ] {
            let before: BTreeSet<Fmri> = before.split_whitespace().map(fmri).collect();
            let hash = "a".repeat(40);
            let action = format!(
                "file {hash} path=n mode=0644 owner=root group=sys release-note=\"{note}\""
            );
            let action = Action::parse(&action).unwrap();
            assert_eq!(is_due(&action, &own, &before), due, "{note} {before:?}");
        }
        let directory = Action::parse(
            "dir path=n mode=0755 owner=root group=sys release-note=feature/pkg/self@0",
        )
        .unwrap();
        assert!(!is_due(&directory, &own, &BTreeSet::new()));
    }
}
