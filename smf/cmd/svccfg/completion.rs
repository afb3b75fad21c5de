//! completion.rs - what the tabulator key offers: commands, names, groups and properties.
//!
//! What there is to offer is read once a prompt, before the line is edited: editing never waits
//! for the repository.  Pure from there on.

use rustyline::completion::Completer as Complete;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use smf_cmd::operand::is_instance;

use crate::session::Session;
use crate::verbs::{self, At};

/// What there is to offer at one prompt.
#[derive(Debug, Default)]
pub struct Known {
    /// Commands that can be used here.
    verbs: Vec<String>,
    /// All commands, for `help`.
    all: Vec<String>,
    /// The children of what is selected.
    children: Vec<String>,
    /// All services and instances.
    fmris: Vec<String>,
    groups: Vec<String>,
    /// `group/property`
    properties: Vec<String>,
    snapshots: Vec<String>,
}

impl Known {
    /// What there is now.  What cannot be read is not offered.
    pub fn of(session: &mut Session) -> Self {
        let at = verbs::at(session);
        let usable = verbs::all().filter(|verb| verb.at.contains(&at));
        let mut known = Self {
            verbs: usable.map(|verb| verb.name.to_owned()).collect(),
            all: verbs::all().map(|verb| verb.name.to_owned()).collect(),
            ..Self::default()
        };
        let entities = session.repository().and_then(|repository| Ok(repository.entities()?));
        let entities = entities.unwrap_or_default();
        known.fmris =
            entities.iter().flat_map(|(s, all)| std::iter::once(s).chain(all)).cloned().collect();
        known.children = match (&session.selection, at) {
            (None, _) => entities.keys().map(|fmri| fmri["svc:/".len()..].to_owned()).collect(),
            (Some(service), At::Service) => {
                let instances = entities.get(service).into_iter().flatten();
                instances.map(|fmri| fmri[service.len() + 1..].to_owned()).collect()
            }
            (Some(_), _) => Vec::new(),
        };
        for (name, group) in session.groups().unwrap_or_default() {
            known.properties.extend(group.properties.keys().map(|p| format!("{name}/{p}")));
            known.groups.push(name);
        }
        if let Some(instance) = session.selection.clone().filter(|fmri| is_instance(fmri)) {
            let names = session.repository().and_then(|r| Ok(r.snapshots(&instance)?));
            known.snapshots = names.unwrap_or_default();
        }
        known
    }

    /// Where the word before the cursor begins, and what it can become.
    pub fn offer(&self, line: &str) -> (usize, Vec<String>) {
        let start = line.rfind([' ', '\t', '=', '(']).map_or(0, |at| at + 1);
        let word = &line[start..];
        let before: Vec<&str> = line[..start].split_whitespace().collect();
        let empty: &[String] = &[];
        let lists: &[&[String]] = match before[..] {
            [] => &[&self.verbs],
            ["help"] => &[&self.all],
            ["select"] | ["delete", ..] => &[&self.children, &self.fmris],
            ["export", ..] | ["validate"] => &[&self.fmris],
            ["selectsnap" | "revert"] => &[&self.snapshots],
            ["listpg" | "delpg"] => &[&self.groups],
            ["listprop" | "delprop" | "describe", ..] => &[&self.groups, &self.properties],
            ["setprop" | "addpropvalue" | "delpropvalue"] => &[&self.properties],
            _ => &[empty],
        };
        let mut found: Vec<String> = lists
            .iter()
            .flat_map(|list| list.iter())
            .filter(|name| name.starts_with(word))
            .cloned()
            .collect();
        found.sort();
        found.dedup();
        (start, found)
    }
}

/// The completion of a line editor.
#[derive(Debug, Default)]
pub struct Completer {
    pub known: Known,
}

impl Complete for Completer {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let (start, mut found) = self.known.offer(&line[..at]);
        // A word that is complete is followed by the next.
        if let [only] = found.as_mut_slice() {
            only.push(' ');
        }
        Ok((start, found))
    }
}

impl Helper for Completer {}
impl Highlighter for Completer {}
impl Validator for Completer {}
impl Hinter for Completer {
    type Hint = String;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered() {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let known = Known {
            verbs: list("select selectsnap setprop list"),
            all: list("add select"),
            children: list("default other"),
            fmris: list("svc:/a/b svc:/a/b:default"),
            groups: list("pkg start"),
            properties: list("pkg/port pkg/host start/exec"),
            snapshots: list("initial running"),
        };
        for (line, start, expected) in [
            ("", 0, "list select selectsnap setprop"),
            ("sel", 0, "select selectsnap"),
            ("help a", 5, "add"),
            ("select d", 7, "default"),
            ("select svc:/a/b:", 7, "svc:/a/b:default"),
            ("setprop pkg/", 8, "pkg/host pkg/port"),
            ("listprop p", 9, "pkg pkg/host pkg/port"),
            ("delete -f o", 10, "other"),
            ("selectsnap r", 11, "running"),
            ("setprop pkg/port = 8", 19, ""),
            ("quit x", 5, ""),
        ] {
            let (at, found) = known.offer(line);
            assert_eq!((at, found.join(" ").as_str()), (start, expected), "{line}");
        }
    }
}
