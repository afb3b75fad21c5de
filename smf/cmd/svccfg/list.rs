//! list.rs - listpg and listprop.
//!
//! What an entity itself has is listed; nothing is composed.

use smf_cmd::operand::matches;
use smf_cmd::svccfg_lex::{Token, quoted};
use smf_scf::import::merge::{Group, Groups, Property};

use crate::arguments::optional;
use crate::session::{Outcome, Session};
use crate::verbs::{READABLE, Verb};
use crate::voice::print;

pub const VERBS: &[Verb] = &[
    Verb {
        name: "listpg",
        usage: "listpg [glob_pattern]",
        about: "List the property groups of what is selected.",
        at: READABLE,
        run: listpg,
    },
    Verb {
        name: "listprop",
        usage: "listprop [glob_pattern]",
        about: "List the property groups and properties of what is selected.",
        at: READABLE,
        run: listprop,
    },
];

/// A line of a listing: the name, and what stands behind the column of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    pub rest: String,
}

fn listpg(session: &mut Session, tokens: &[Token]) -> Outcome {
    let pattern = optional(tokens)?;
    let groups = session.groups()?;
    let wanted = groups.iter().filter(|(name, _)| pattern.is_none_or(|p| matches(p, name)));
    let lines: Vec<_> = wanted.map(|(name, group)| group_line(name, group)).collect();
    print(&aligned(&lines).concat())
}

fn listprop(session: &mut Session, tokens: &[Token]) -> Outcome {
    let lines = lines(&session.groups()?, optional(tokens)?);
    print(&aligned(&lines).concat())
}

/// The lines of the groups and properties that a pattern names; a group brings its properties.
pub fn lines(groups: &Groups, pattern: Option<&str>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, group) in groups {
        let whole = pattern.is_none_or(|pattern| matches(pattern, name));
        if whole {
            lines.push(group_line(name, group));
        }
        for (property, value) in &group.properties {
            let full = format!("{name}/{property}");
            if whole || pattern.is_some_and(|pattern| matches(pattern, &full)) {
                lines.push(Line { name: full, rest: values(value) });
            }
        }
    }
    lines
}

fn group_line(name: &str, group: &Group) -> Line {
    let mark = if group.volatile { "\tNONPERSISTENT" } else { "" };
    Line { name: name.to_owned(), rest: format!("{}{mark}", group.kind) }
}

/// The lines with their second column in line.
pub fn aligned(lines: &[Line]) -> Vec<String> {
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
    lines.iter().map(|line| format!("{:width$}  {}\n", line.name, line.rest)).collect()
}

/// The type, padded, and the values behind it.
fn values(property: &Property) -> String {
    let textual = matches!(property.kind.as_str(), "astring" | "ustring");
    let several = property.values.len() > 1;
    let mut text = format!("{:<7} ", property.kind);
    for value in &property.values {
        text.push(' ');
        text.push_str(&quoted(value, textual && several));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_aligned_and_quoted() {
        for (kind, given, expected) in [
            ("count", vec!["8001"], "count    8001"),
            ("astring", vec!["two words"], "astring  \"two words\""),
            ("astring", vec!["a", "b"], "astring  \"a\" \"b\""),
            ("astring", vec!["a", ""], "astring  \"a\" \"\""),
            ("astring", vec![""], "astring  "),
            ("boolean", vec![], "boolean "),
            ("count", vec!["1", "2"], "count    1 2"),
            ("fmri", vec!["svc:/a", "svc:/b"], "fmri     svc:/a svc:/b"),
            ("astring", vec!["a\"b\\c"], "astring  \"a\\\"b\\\\c\""),
            ("net_address", vec!["::1"], "net_address  ::1"),
        ] {
            let given = given.into_iter().map(str::to_owned).collect();
            assert_eq!(values(&Property { kind: kind.into(), values: given }), expected);
        }
    }
}
