//! packed.rs - property groups as text: in the repository's files, in its memory, and in answers
//! about many instances at once.
//!
//! ```text
//! =general TAB framework            a group: its name and type; "=" stands for "=!" if it is volatile
//! enabled TAB boolean TAB true      a property: its name, its type, a TAB before each value
//! empty TAB count                   no values
//! text TAB astring TAB TAB a\tb     two values, the first of them empty
//! ```
//!
//! Each line ends in a newline; in values `\\`, `\t` and `\n` stand for the three characters that
//! would be taken for something else.  A group is compared by its text: properties are in the
//! order of their names, and nothing can be written in two ways.

use std::collections::BTreeMap;

use crate::import::merge::{Group, Groups, Property};

/// The text of some properties.
#[must_use]
pub fn pack(properties: &BTreeMap<String, Property>) -> String {
    let mut text = String::new();
    for (name, property) in properties {
        line(name, &property.kind, &property.values, &mut text);
    }
    text
}

/// Adds the text of a property.
pub fn line(name: &str, kind: &str, values: &[String], text: &mut String) {
    text.push_str(name);
    text.push('\t');
    text.push_str(kind);
    for value in values {
        text.push('\t');
        if !value.contains(['\\', '\t', '\n']) {
            text.push_str(value);
            continue;
        }
        for letter in value.chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                '\t' => text.push_str("\\t"),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
    }
    text.push('\n');
}

/// The properties of a text, name and the line after the name; in order.
pub fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split_terminator('\n').map(|line| line.split_once('\t').unwrap_or((line, "")))
}

/// A property, of what follows its name in a line; none when that is not text of `pack`.
#[must_use]
pub fn property(rest: &str) -> Option<Property> {
    let mut fields = rest.split('\t');
    let kind = fields.next().filter(|kind| !kind.is_empty())?.to_owned();
    let values = fields.map(plain).collect::<Option<_>>()?;
    Some(Property { kind, values })
}

/// Whether what follows a name in a line is a property.
#[must_use]
pub fn is_property(rest: &str) -> bool {
    let is_value = |field: &str| {
        let mut letters = field.chars();
        while let Some(letter) = letters.next() {
            if letter == '\\' && !matches!(letters.next(), Some('\\' | 't' | 'n')) {
                return false;
            }
        }
        true
    };
    let mut fields = rest.split('\t');
    fields.next().is_some_and(|kind| !kind.is_empty())
        && (!rest.contains('\\') || fields.all(is_value))
}

/// The properties of a text; none when it is not text of `pack`.
#[must_use]
pub fn unpack(text: &str) -> Option<BTreeMap<String, Property>> {
    lines(text).map(|(name, rest)| Some((name.to_owned(), property(rest)?))).collect()
}

/// A value as it was before it was written.
fn plain(field: &str) -> Option<String> {
    if !field.contains('\\') {
        return Some(field.to_owned());
    }
    let mut value = String::with_capacity(field.len());
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        value.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                't' => '\t',
                'n' => '\n',
                _ => return None,
            },
            other => other,
        });
    }
    Some(value)
}

/// Adds the head of a group.
pub fn head(name: &str, kind: &str, volatile: bool, text: &mut String) {
    text.push_str(if volatile { "=!" } else { "=" });
    text.push_str(name);
    text.push('\t');
    text.push_str(kind);
    text.push('\n');
}

/// The groups of a text of heads and properties; none when it is no such text.
#[must_use]
pub fn groups(text: &str) -> Option<Groups> {
    let mut groups = Groups::new();
    let mut last: Option<(String, Group)> = None;
    for (name, rest) in lines(text) {
        let Some(head) = name.strip_prefix('=') else {
            let (_, group) = last.as_mut()?;
            group.properties.insert(name.to_owned(), property(rest)?);
            continue;
        };
        groups.extend(last.take());
        let (name, volatile) = match head.strip_prefix('!') {
            Some(name) => (name, true),
            None => (head, false),
        };
        let group = Group { kind: rest.to_owned(), volatile, ..Group::default() };
        last = Some((name.to_owned(), group));
    }
    groups.extend(last);
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(all: &[(&str, &[&str])]) -> BTreeMap<String, Property> {
        let each = all.iter().map(|(name, values)| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            ((*name).to_owned(), Property { kind: "astring".into(), values })
        });
        each.collect()
    }

    #[test]
    fn texts_and_back() {
        for (all, text) in [
            (properties(&[]), ""),
            (properties(&[("none", &[])]), "none\tastring\n"),
            (properties(&[("one", &[""])]), "one\tastring\t\n"),
            (
                properties(&[("a", &["1", ""]), ("b", &["x y"])]),
                "a\tastring\t1\t\nb\tastring\tx y\n",
            ),
            (properties(&[("a", &["\\t\t\n\\"])]), "a\tastring\t\\\\t\\t\\n\\\\\n"),
            (properties(&[("a", &["=é", "\r"])]), "a\tastring\t=é\t\r\n"),
        ] {
            assert_eq!(pack(&all), text);
            assert_eq!(unpack(text), Some(all), "{text:?}");
        }
    }

    #[test]
    fn groups_and_back() {
        let group = |volatile| Group {
            kind: "framework".into(),
            volatile,
            properties: properties(&[("x", &["1"])]),
        };
        let all: Groups = [("a", false), ("b", true)]
            .map(|(name, volatile)| (name.to_owned(), group(volatile)))
            .into();
        let mut text = String::new();
        for (name, group) in &all {
            head(name, &group.kind, group.volatile, &mut text);
            text.push_str(&pack(&group.properties));
        }
        assert_eq!(groups(&text), Some(all));
    }

    #[test]
    fn other_texts() {
        for text in ["a\n", "a\t\n", "a\tastring\t\\x\n", "a\tastring\t\\"] {
            assert_eq!(unpack(text), None, "{text:?}");
        }
        // Every text of up to five of these letters.
        let letters = ["a", "\t", "\\", "n"];
        let mut texts = vec![String::new()];
        for _ in 0..5 {
            let longer = texts.iter().flat_map(|text| letters.map(|letter| text.clone() + letter));
            let mut longer: Vec<String> = longer.collect();
            longer.push(String::new());
            texts = longer;
        }
        for text in texts {
            assert_eq!(is_property(&text), property(&text).is_some(), "{text:?}");
        }
        assert_eq!(groups("a\tastring\n"), None, "a property outside a group");
    }
}
