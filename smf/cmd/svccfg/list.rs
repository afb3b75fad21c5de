//! list.rs - list, listpg, listprop.
//!
//! What an entity itself has is listed; nothing is composed.

use std::io::Write;

use smf_cmd::operand::matches;
use smf_scf::import::merge::Property;

use crate::session::{Outcome, Session};

/// The children of the selection.
pub fn list(session: &mut Session, pattern: Option<&str>) -> Outcome {
    let entities = session.repository.entities()?;
    let mut names: Vec<String> = Vec::new();
    match &session.selection {
        None => names.extend(entities.keys().map(|fmri| fmri["svc:/".len()..].to_owned())),
        Some(fmri) => {
            names.push(":properties".into());
            let instances = entities.get(fmri).map_or(&[][..], Vec::as_slice);
            names.extend(instances.iter().map(|instance| instance[fmri.len() + 1..].to_owned()));
        }
    }
    let mut out = std::io::stdout().lock();
    for name in names.iter().filter(|name| pattern.is_none_or(|p| matches(p, name))) {
        writeln!(out, "{name}")?;
    }
    Ok(())
}

/// A line of listprop or listpg, before its columns are aligned.
struct Line {
    name: String,
    rest: String,
}

/// The property groups of the selection.
pub fn listpg(session: &mut Session, pattern: Option<&str>) -> Outcome {
    let groups = session.groups()?;
    let wanted = groups.iter().filter(|(name, _)| pattern.is_none_or(|p| matches(p, name)));
    let lines: Vec<_> = wanted.map(|(name, g)| group_line(name, &g.kind, g.volatile)).collect();
    print(&lines)
}

/// The property groups of the selection and their properties.
pub fn listprop(session: &mut Session, pattern: Option<&str>) -> Outcome {
    let mut lines = Vec::new();
    for (name, group) in session.groups()? {
        let whole = pattern.is_none_or(|pattern| matches(pattern, &name));
        if whole {
            lines.push(group_line(&name, &group.kind, group.volatile));
        }
        for (property, value) in &group.properties {
            let full = format!("{name}/{property}");
            if whole || pattern.is_some_and(|pattern| matches(pattern, &full)) {
                lines.push(Line { name: full, rest: values(value) });
            }
        }
    }
    print(&lines)
}

fn group_line(name: &str, kind: &str, volatile: bool) -> Line {
    let mark = if volatile { "\tNONPERSISTENT" } else { "" };
    Line { name: name.to_owned(), rest: format!("{kind}{mark}") }
}

fn print(lines: &[Line]) -> Outcome {
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{:width$}  {}", line.name, line.rest)?;
    }
    Ok(())
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

/// A value the way setprop reads it.
pub fn quoted(value: &str, always: bool) -> String {
    if !always && !value.is_empty() && !value.contains([' ', '\t', '\n', '"', '(', ')']) {
        return value.to_owned();
    }
    let mut text = String::from('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
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
            ("boolean", vec![], "boolean "),
            ("count", vec!["1", "2"], "count    1 2"),
            ("astring", vec!["a\"b\\c"], "astring  \"a\\\"b\\\\c\""),
            ("net_address", vec!["::1"], "net_address  ::1"),
        ] {
            let given = given.into_iter().map(str::to_owned).collect();
            assert_eq!(values(&Property { kind: kind.into(), values: given }), expected);
        }
    }
}
