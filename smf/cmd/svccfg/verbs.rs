//! verbs.rs - every command of svccfg: its name, its words, what it is for, and who does it.
//!
//! One table, read by the engine, by `help`, and by the completion.  Each family of commands keeps
//! its own part of it in its own file.

use smf_cmd::svccfg_lex::Token;

use crate::session::{Level, Outcome, Session};
use crate::{
    cleanup, describe, edit, entity, environment, export, general, group, hash, import, inventory,
    list, notify, profile, property, restore, select, snapshot, validate, value,
};

/// A command.
pub struct Verb {
    pub name: &'static str,
    /// Its words, as the manual has them; several lines for several forms.
    pub usage: &'static str,
    /// What it does, in a sentence or two.
    pub about: &'static str,
    /// Where it can be used, for the completion.
    pub at: &'static [At],
    pub run: fn(&mut Session, &[Token]) -> Outcome,
}

/// What is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Scope,
    Service,
    Instance,
    Snapshot,
}

/// Wherever one is.
pub const ANYWHERE: &[At] = &[At::Scope, At::Service, At::Instance, At::Snapshot];
/// Where groups can be read.
pub const READABLE: &[At] = &[At::Service, At::Instance, At::Snapshot];
/// Where groups can be changed.
pub const EDITABLE: &[At] = &[At::Service, At::Instance];

/// A family and its commands, in the order of `help`.
pub const FAMILIES: &[(&str, &[&[Verb]])] = &[
    ("General commands", &[general::VERBS]),
    (
        "Manifest commands",
        &[inventory::VERBS, validate::VERBS, import::VERBS, export::VERBS, restore::VERBS],
    ),
    ("Manifest record commands", &[cleanup::VERBS, hash::VERBS]),
    ("Profile commands", &[profile::VERBS]),
    ("Entity commands", &[select::VERBS, entity::VERBS, describe::VERBS]),
    ("Snapshot commands", &[snapshot::VERBS]),
    ("Property group commands", &[list::VERBS, group::VERBS]),
    ("Property commands", &[property::VERBS, edit::VERBS]),
    ("Property value commands", &[value::VERBS, environment::VERBS]),
    ("Notification parameters", &[notify::VERBS]),
];

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Verb> {
    FAMILIES.iter().flat_map(|(_, parts)| parts.iter().flat_map(|verbs| verbs.iter()))
}

/// The one with this name.
pub fn find(name: &str) -> Option<&'static Verb> {
    all().find(|verb| verb.name == name)
}

/// What is selected now.
pub fn at(session: &Session) -> At {
    match (&session.snapshot, &session.selection) {
        (Some((_, Level::Instance | Level::Service)), _) => At::Snapshot,
        (None, None) => At::Scope,
        (None, Some(fmri)) if smf_cmd::operand::is_instance(fmri) => At::Instance,
        (None, Some(_)) => At::Service,
    }
}

/// `Usage: ...` and what the command is for.
pub fn help(verb: &Verb) -> String {
    let usage: Vec<&str> = verb.usage.lines().collect();
    format!("Usage: {}\n\n{}", usage.join("\n\t"), verb.about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_usages_begin_with_them() {
        let mut names: Vec<_> = all().map(|verb| verb.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(count, 40);
        for verb in all() {
            for line in verb.usage.lines() {
                let first = line.split_whitespace().next();
                assert_eq!(first, Some(verb.name), "{line}");
            }
        }
    }
}
