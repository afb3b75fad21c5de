//! version.rs - a group as one commit left it, and the levels that are made of such groups.
//!
//! Invariant: a version never changes.  The live entity and every snapshot that holds the group as
//! it is share it, in memory and in the file.  Its generation is its own alone: no other version of
//! any group ever gets the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use smf_scf::import::merge::{Group, Groups};
use smf_scf::packed;
use smf_scf::protocol::Choice;

/// A property that is set: name, type, values.
pub type Write<'a> = (&'a str, &'a str, Vec<String>);

/// A group as one commit left it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub generation: u64,
    pub volatile: bool,
    /// Name and type, each with a blank after it, then the properties: one allocation for all.
    text: Box<str>,
    name: u8,
    kind: u8,
}

impl Version {
    /// Of a group whose name and type were checked.
    pub fn new(generation: u64, name: &str, kind: &str, volatile: bool, properties: &str) -> Self {
        let length = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
        Self {
            generation,
            volatile,
            text: format!("{name} {kind} {properties}").into(),
            name: length(name),
            kind: length(kind),
        }
    }

    pub fn of(generation: u64, name: &str, group: &Group) -> Self {
        Self::new(generation, name, &group.kind, group.volatile, &packed::pack(&group.properties))
    }

    /// What it becomes when properties are set: name, type, values.
    pub fn with(&self, generation: u64, properties: &[Write<'_>]) -> Self {
        let mut set: Vec<&Write<'_>> = properties.iter().collect();
        set.sort_by_key(|(name, ..)| *name);
        // Of those that are set more than once the last counts.
        set.dedup_by(|later, kept| later.0 == kept.0 && std::mem::replace(kept, later).0 == kept.0);
        let mut set = set.into_iter().peekable();
        let mut text = String::with_capacity(self.text.len() + 64 * properties.len());
        let put = |(name, kind, values): &Write<'_>, text: &mut String| {
            packed::line(name, kind, values, text);
        };
        for (name, rest) in packed::lines(self.properties()) {
            while let Some(before) = set.next_if(|(own, ..)| *own < name) {
                put(before, &mut text);
            }
            if set.peek().is_none_or(|(own, ..)| *own != name) {
                text.extend([name, "\t", rest, "\n"]);
            }
        }
        set.for_each(|rest| put(rest, &mut text));
        Self::new(generation, self.name(), self.kind(), self.volatile, &text)
    }

    pub fn name(&self) -> &str {
        &self.text[..usize::from(self.name)]
    }

    pub fn kind(&self) -> &str {
        let from = usize::from(self.name) + 1;
        &self.text[from..from + usize::from(self.kind)]
    }

    /// As `packed` writes them.
    pub fn properties(&self) -> &str {
        &self.text[usize::from(self.name) + usize::from(self.kind) + 2..]
    }

    /// Whether both hold the same.
    pub fn same(&self, other: &Self) -> bool {
        self.text == other.text && self.volatile == other.volatile
    }

    pub fn group(&self) -> Group {
        Group {
            kind: self.kind().to_owned(),
            volatile: self.volatile,
            properties: packed::unpack(self.properties())
                .expect("a version is made of packed text, which was looked at when it was read"),
        }
    }

    /// The line of a property after its name.
    pub fn property(&self, name: &str) -> Option<&str> {
        packed::lines(self.properties()).find(|(own, _)| *own == name).map(|(_, rest)| rest)
    }
}

/// Groups in the order of their names.
pub(crate) type Level = Vec<Arc<Version>>;

pub(crate) fn find<'a>(level: &'a [Arc<Version>], name: &str) -> Option<&'a Arc<Version>> {
    let at = level.binary_search_by(|version| version.name().cmp(name)).ok()?;
    level.get(at)
}

/// Those of a level whose name and type are wanted.
pub(crate) fn groups(level: &[Arc<Version>], wanted: impl Fn(&str, &str) -> bool) -> Groups {
    let some = level.iter().filter(|version| wanted(version.name(), version.kind()));
    some.map(|version| (version.name().to_owned(), version.group())).collect()
}

/// Whether both are of the very same versions.
pub(crate) fn same(one: &[Arc<Version>], other: &[Arc<Version>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

/// What an instance and its service were at one moment; volatile groups are not in it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub own: Arc<[Arc<Version>]>,
    pub service: Arc<[Arc<Version>]>,
}

impl Snapshot {
    pub fn same(&self, other: &Self) -> bool {
        same(&self.own, &other.own) && same(&self.service, &other.service)
    }

    pub fn versions(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.own.iter().chain(self.service.iter())
    }
}

/// A service or an instance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entity {
    pub level: Level,
    /// In the order of their names.
    pub snapshots: Vec<(Arc<str>, Snapshot)>,
}

impl Entity {
    pub fn snapshot(&self, name: &str) -> Option<&Snapshot> {
        self.snapshots.iter().find(|(own, _)| **own == *name).map(|(_, snapshot)| snapshot)
    }

    pub fn lasting(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.level.iter().filter(|version| !version.volatile)
    }

    /// Every lasting version it refers to, some of them more than once.
    pub fn references(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.lasting().chain(self.snapshots.iter().flat_map(|(_, snapshot)| snapshot.versions()))
    }
}

/// Two levels as one list of groups, each with the properties that are not hidden: name of the
/// group, the version whose type counts, and by name the rest of each property's line.
type Composed<'a> = Vec<(&'a Version, Vec<(&'a str, &'a str)>)>;

/// Lays a level over another, of the groups that are wanted: properties hide those of the same name in the group below.
fn compose<'a>(
    upper: &'a [Arc<Version>],
    lower: &'a [Arc<Version>],
    touches: impl Fn(&Version) -> bool,
) -> Composed<'a> {
    let mut composed: Composed<'a> = Vec::new();
    let (mut upper, mut lower) = (upper.iter().peekable(), lower.iter().peekable());
    loop {
        let (own, below) = match (upper.peek(), lower.peek()) {
            (None, None) => return composed,
            (Some(_), None) => (upper.next(), None),
            (None, Some(_)) => (None, lower.next()),
            (Some(own), Some(below)) => match own.name().cmp(below.name()) {
                std::cmp::Ordering::Less => (upper.next(), None),
                std::cmp::Ordering::Greater => (None, lower.next()),
                std::cmp::Ordering::Equal => (upper.next(), lower.next()),
            },
        };
        let Some(counts) = own.or(below) else { return composed };
        if !touches(counts) {
            continue;
        }
        let mut lines: Vec<_> = packed::lines(counts.properties()).collect();
        if let (Some(_), Some(below)) = (own, below) {
            let hidden = lines.len();
            for (name, rest) in packed::lines(below.properties()) {
                if !lines[..hidden].iter().any(|(own, _)| *own == name) {
                    lines.push((name, rest));
                }
            }
            lines.sort_unstable_by_key(|(name, _)| *name);
        }
        composed.push((counts, lines));
    }
}

/// The text of the chosen part of two levels; of hidden groups without the values.
pub(crate) fn chosen(
    (own, service): (&[Arc<Version>], &[Arc<Version>]),
    choice: &Choice,
    hidden: &BTreeSet<String>,
) -> String {
    let mut text = String::new();
    if *choice == Choice::Nothing {
        return text;
    }
    let touches = |version: &Version| choice.touches(version.name(), version.kind());
    for (version, lines) in compose(own, service, touches) {
        let (name, kind) = (version.name(), version.kind());
        let takes = |property: &str| choice.takes(name, kind, property);
        let any = lines.iter().any(|(property, _)| takes(property));
        // An empty group is there for whoever asked for it by its own name or type.
        if !any && !takes("") {
            continue;
        }
        packed::head(name, kind, version.volatile, &mut text);
        let values = !hidden.contains(name);
        for (property, rest) in lines.into_iter().filter(|(property, _)| takes(property)) {
            let kind = rest.split('\t').next().unwrap_or_default();
            text.push_str(property);
            text.push('\t');
            text.push_str(if values { rest } else { kind });
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use smf_scf::import::merge::Property;

    use super::*;

    fn level(text: &str) -> Level {
        let version = |(at, words): (usize, &str)| {
            let (name, properties) = words.split_once(':').unwrap();
            let lines: String = properties
                .split(',')
                .filter(|word| !word.is_empty())
                .map(|word| format!("{}\tastring\t{}\n", &word[..1], &word[1..]))
                .collect();
            Arc::new(Version::new(at as u64, name, "application", false, &lines))
        };
        text.split_whitespace().enumerate().map(version).collect()
    }

    #[test]
    fn properties_hide_properties() {
        for (upper, lower, want) in [
            ("", "", ""),
            ("a:x1", "", "a:x1"),
            ("", "a:x1", "a:x1"),
            ("b:x1", "a:x1 c:x1", "a:x1 b:x1 c:x1"),
            ("a:x1", "a:w2,x2,y2", "a:w2,x1,y2"),
            ("a:", "a:x2", "a:x2"),
        ] {
            let (upper, lower) = (level(upper), level(lower));
            let shown = compose(&upper, &lower, |_| true).into_iter().map(|(version, lines)| {
                let lines = lines.iter().map(|(name, rest)| name.to_string() + &rest[8..]);
                format!("{}:{}", version.name(), lines.collect::<Vec<_>>().join(","))
            });
            assert_eq!(shown.collect::<Vec<_>>().join(" "), want);
        }
    }

    /// As if the group were taken apart, changed, and put together.
    #[test]
    fn properties_are_set_in_the_text() {
        for (before, set, want) in [
            ("", "", ""),
            ("", "b2 a1", "a1,b2"),
            ("a1,c3", "b2", "a1,b2,c3"),
            ("a1,c3", "c4 a2", "a2,c4"),
            ("b1", "b2 a1 b3 c1", "a1,b3,c1"),
            ("a1,b2", "", "a1,b2"),
        ] {
            let version = &level(&format!("name:{before}"))[0];
            let mut group = version.group();
            let words = set.split_whitespace();
            let set: Vec<Write<'_>> =
                words.map(|word| (&word[..1], "astring", vec![word[1..].to_owned()])).collect();
            for (name, kind, values) in &set {
                let property = Property { kind: (*kind).to_owned(), values: values.clone() };
                group.properties.insert((*name).to_owned(), property);
            }
            let with = version.with(9, &set);
            assert_eq!(with, Version::of(9, "name", &group));
            assert_eq!(with.text, level(&format!("name:{want}"))[0].text);
        }
        let values = vec!["a\tb".to_owned(), String::new(), "\\".to_owned()];
        let odd = level("name:")[0].with(2, &[("p", "ustring", values.clone())]);
        assert_eq!(odd.group().properties["p"].values, values);
    }

    #[test]
    fn parts_of_a_version() {
        let version = &level("name:a1,b2")[0];
        assert_eq!((version.name(), version.kind()), ("name", "application"));
        assert_eq!(version.property("b"), Some("astring\t2"));
        assert_eq!(version.property("c"), None);
        assert_eq!(Version::of(7, "name", &version.group()).text, version.text);
        assert!(find(&level("a: c: d:"), "c").is_some() && find(&level("a: c:"), "b").is_none());
    }
}
