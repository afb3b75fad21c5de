//! properties.rs - the properties of an instance, as svcprop(1) prints them.
//!
//! ```text
//! build/gate astring /export/illumos\ gate
//! build/reads astring illumos:usr/include/** ""
//! ```
//!
//! A backslash makes the next character plain, a newline too; `""` is the empty value.  A value
//! that is empty counts as absent where one value is asked for: bundles ship documented
//! properties with empty values.

use std::collections::BTreeMap;

/// A property that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// It must have a value.
    #[error("{0} is not set")]
    Absent(String),
    /// It must have one value.
    #[error("{0} has more than one value")]
    Many(String),
    /// The value makes no sense.
    #[error("{name}: \"{value}\" is not {kind}")]
    Value {
        /// The property.
        name: String,
        /// Its value.
        value: String,
        /// What it should be, with an article.
        kind: &'static str,
    },
}

/// Property name (`group/property`) to values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    values: BTreeMap<String, Vec<String>>,
}

impl Properties {
    /// Parses what `svcprop FMRI` prints; lines of another form are left out.
    #[must_use]
    pub fn parse(text: &str) -> Properties {
        let mut values = BTreeMap::new();
        for mut words in lines_of_words(text) {
            if words.len() >= 2 && words[0].contains('/') {
                let rest = words.split_off(2);
                values.insert(words.swap_remove(0), rest);
            }
        }
        Properties { values }
    }

    /// All values; none when it is absent.  Empty values are left out.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        let all = self.values.get(name).map_or(&[][..], Vec::as_slice);
        all.iter().map(String::as_str).filter(|value| !value.is_empty()).collect()
    }

    /// The one value, or none.
    ///
    /// # Errors
    /// It has more than one.
    pub fn text(&self, name: &str) -> Result<Option<&str>, PropertyError> {
        match self.list(name).as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            [_, _, ..] => Err(PropertyError::Many(name.into())),
        }
    }

    /// The one value.
    ///
    /// # Errors
    /// It has none or more than one.
    pub fn required(&self, name: &str) -> Result<&str, PropertyError> {
        self.text(name)?.ok_or_else(|| PropertyError::Absent(name.into()))
    }

    /// A boolean.
    ///
    /// # Errors
    /// Neither true nor false, or more than one value.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, PropertyError> {
        match self.text(name)? {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(value) => Err(value_error(name, value, "true or false")),
        }
    }

    /// A count.
    ///
    /// # Errors
    /// No number, or more than one value.
    pub fn count(&self, name: &str, default: u64) -> Result<u64, PropertyError> {
        let Some(value) = self.text(name)? else { return Ok(default) };
        value.parse().map_err(|_| value_error(name, value, "a count"))
    }

    /// What the instance requires: the entities of its dependencies, in the order of their names.
    #[must_use]
    pub fn entities(&self) -> Vec<&str> {
        let mut found = Vec::new();
        for name in self.values.keys() {
            let Some(group) = name.strip_suffix("/entities") else { continue };
            let grouping = self.list(&format!("{group}/grouping"));
            if grouping.iter().all(|grouping| *grouping == "require_all") {
                found.extend(self.list(name));
            }
        }
        found
    }

    /// The properties of one group, in the order of their names, with their values: what a stage
    /// adds to its recipe.
    #[must_use]
    pub fn group(&self, group: &str) -> Vec<(&str, &[String])> {
        let within = |name: &str| name.split_once('/').is_some_and(|(first, _)| first == group);
        let all = self.values.iter().filter(|(name, _)| within(name));
        all.map(|(name, values)| (name.as_str(), values.as_slice())).collect()
    }
}

fn value_error(name: &str, value: &str, kind: &'static str) -> PropertyError {
    PropertyError::Value { name: name.into(), value: value.into(), kind }
}

/// Words, unquoted, line by line.
fn lines_of_words(text: &str) -> Vec<Vec<String>> {
    let mut lines = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(characters.next()),
            // Never inside of a word: a literal one has a backslash.
            '"' => drop(word.get_or_insert_default()),
            ' ' | '\t' | '\n' => {
                let line = lines.last_mut().expect("there is always a line");
                line.extend(word.take());
                if character == '\n' {
                    lines.push(Vec::new());
                }
            }
            _ => word.get_or_insert_default().push(character),
        }
    }
    lines.last_mut().expect("there is always a line").extend(word);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        for (text, want) in [
            ("a/b astring plain\n", vec!["plain"]),
            ("a/b astring two\\ words one\n", vec!["two words", "one"]),
            ("a/b astring \"\"\n", vec![""]),
            ("a/b astring \\\"\\\"\n", vec!["\"\""]),
            ("a/b astring a\\\nb c\n", vec!["a\nb", "c"]),
            ("a/b astring x\\;y\\&\\\\\n", vec!["x;y&\\"]),
            ("a/b astring\n", vec![]),
            ("a/b astring last", vec!["last"]),
        ] {
            let parsed = Properties::parse(text);
            assert_eq!(
                parsed.group("a"),
                [("a/b", &want.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()[..])],
                "{text:?}"
            );
        }
    }

    #[test]
    fn required_entities() {
        let text = "a/entities fmri svc:/x:1 svc:/x:2\na/grouping astring require_all\n\
                    b/entities fmri svc:/y:1\nb/grouping astring optional_all\n";
        assert_eq!(Properties::parse(text).entities(), ["svc:/x:1", "svc:/x:2"]);
    }

    #[test]
    fn typed() {
        let text = "g/t astring x\ng/l astring a b\ng/e astring \"\"\ng/f boolean true\n\
                    g/c count 7\ngg/x astring no\n\nnoise\n";
        let properties = Properties::parse(text);
        assert_eq!(properties.text("g/t"), Ok(Some("x")));
        assert_eq!(properties.text("g/e"), Ok(None));
        assert_eq!(properties.required("g/e"), Err(PropertyError::Absent("g/e".into())));
        assert_eq!(properties.required("g/no").unwrap_err().to_string(), "g/no is not set");
        assert_eq!(properties.list("g/l"), ["a", "b"]);
        assert!(properties.text("g/l").is_err());
        assert_eq!(properties.flag("g/f", false), Ok(true));
        assert_eq!(properties.flag("g/no", true), Ok(true));
        assert_eq!(properties.count("g/c", 1), Ok(7));
        let wrong = properties.count("g/t", 1).unwrap_err().to_string();
        assert_eq!(wrong, "g/t: \"x\" is not a count");
        assert_eq!(properties.group("g").len(), 5);
    }
}
