//! print.rs - a line of svcprop.
//!
//! ```text
//! value value                                       of one property that was asked for
//! group/property type value value                   with types
//! svc:/s:i/:properties/group/property type value    with FMRIs
//! ```
//!
//! A property without values still has the blank behind its type: who splits lines counts on it.

use smf_scf::import::merge::Property;

use crate::options::Options;

/// Characters that a backslash makes plain.
const SPECIAL: &str = ";&()|^<>\n \t\\\"'`";

/// What comes before the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub full: bool,
    pub types: bool,
}

impl Style {
    /// What the options ask for; one-part and two-part -p together turn types on everywhere.
    pub fn of(options: &Options) -> Self {
        let parts = options.selectors.iter().map(|selector| selector.property.is_some());
        let mixed = parts.clone().any(|two| two) && parts.clone().any(|two| !two);
        Self { full: options.full, types: options.types || options.full || mixed }
    }
}

/// The line of a property.
pub fn line(style: Style, fmri: &str, (group, property): (&str, &str), value: &Property) -> String {
    let values: Vec<String> = value.values.iter().map(|value| quoted(value)).collect();
    let values = values.join(" ");
    let kind = &value.kind;
    match (style.types, style.full) {
        (true, true) => format!("{fmri}/:properties/{group}/{property} {kind} {values}"),
        (true, false) => format!("{group}/{property} {kind} {values}"),
        (false, _) => values,
    }
}

/// A value that a shell reads back as one word.
fn quoted(value: &str) -> String {
    if value.is_empty() {
        return "\"\"".into();
    }
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if SPECIAL.contains(character) {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options;

    #[test]
    fn every_metacharacter_gets_a_backslash() {
        for (value, expected) in [
            ("", "\"\""),
            ("plain", "plain"),
            ("two words", "two\\ words"),
            ("a;b&c(d)e|f^g<h>i", "a\\;b\\&c\\(d\\)e\\|f\\^g\\<h\\>i"),
            ("\n\t\\\"'`", "\\\n\\\t\\\\\\\"\\'\\`"),
            ("$*#?[]{}~!=%", "$*#?[]{}~!=%"),
            ("ä", "ä"),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }

    #[test]
    fn lines() {
        let property = |values: &[&str]| Property {
            kind: "astring".into(),
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        };
        for (full, types, values, expected) in [
            (false, false, &["a b", ""][..], "a\\ b \"\""),
            (false, true, &["a"], "g/p astring a"),
            (false, true, &[], "g/p astring "),
            (false, false, &[], ""),
            (true, true, &["a", "b"], "svc:/s:i/:properties/g/p astring a b"),
            (true, true, &[], "svc:/s:i/:properties/g/p astring "),
        ] {
            let got = line(Style { full, types }, "svc:/s:i", ("g", "p"), &property(values));
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn mixing_selectors_is_noticed() {
        for (arguments, types, full) in [
            ("-p a x", false, false),
            ("-p a/b x", false, false),
            ("-p a -p a/b x", true, false),
            ("-p a/c -p a/b x", false, false),
            ("-t x", true, false),
            ("-f x", true, true),
        ] {
            let words = arguments.split_whitespace();
            let options = options::parse(lexopt::Parser::from_args(words)).unwrap();
            assert_eq!(Style::of(&options), Style { full, types }, "{arguments}");
        }
    }
}
