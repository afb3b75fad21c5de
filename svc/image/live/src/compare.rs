//! compare.rs - what one manifest has and another has not.

use std::collections::BTreeMap;
use std::fmt;

use crate::entry::Entry;
use crate::manifest::Manifest;

/// A path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference<'a> {
    /// Only the first has it.
    Removed(&'a Entry),
    /// Only the second has it.
    Added(&'a Entry),
    /// Both have it, otherwise.
    Changed(&'a Entry, &'a Entry),
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Removed(old) => write!(f, "- {old}"),
            Difference::Added(new) => write!(f, "+ {new}"),
            Difference::Changed(old, new) => write!(f, "- {old}\n+ {new}"),
        }
    }
}

/// The differences, in the order of the paths.  Of a path that stands twice the last one counts.
#[must_use]
pub fn compare<'a>(old: &'a Manifest, new: &'a Manifest) -> Vec<Difference<'a>> {
    let mut sides: BTreeMap<&str, (Option<&Entry>, Option<&Entry>)> = BTreeMap::new();
    for entry in &old.entries {
        sides.entry(&entry.path).or_default().0 = Some(entry);
    }
    for entry in &new.entries {
        sides.entry(&entry.path).or_default().1 = Some(entry);
    }
    let difference = |side: (Option<&'a Entry>, Option<&'a Entry>)| match side {
        (Some(old), None) => Some(Difference::Removed(old)),
        (None, Some(new)) => Some(Difference::Added(new)),
        (Some(old), Some(new)) if old.kind != new.kind => Some(Difference::Changed(old, new)),
        (Some(_), Some(_)) | (None, None) => None,
    };
    sides.into_values().filter_map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences() {
        let (old, _) = Manifest::parse("a", "f x 0444 r s\nf y 0444 r s\ns z=a\nd d 0755 r s\n");
        let (new, _) =
            Manifest::parse("b", "# more\nd d 0755 r s\nf y 0555 r s\nh x=y\nf w 0444 r s\n");
        let told: Vec<String> = compare(&old, &new).iter().map(Difference::to_string).collect();
        let expected = [
            "+ f w 0444 r s",
            "- f x 0444 r s\n+ h x=y",
            "- f y 0444 r s\n+ f y 0555 r s",
            "- s z=a",
        ];
        assert_eq!(told, expected);
        assert_eq!(compare(&old, &old), []);
    }
}
