//! compare.rs - which actions came, went or changed.
//!
//! Two actions are the same one where type, key attribute and the tags of declared variants are
//! equal; of several such in one manifest the last counts.

use std::collections::BTreeMap;

use ips_model::{Action, Kind, Manifest};

use crate::variants::declared;

/// An action as it was and as it is; one of them may be missing.
pub type Difference<'a> = (Option<&'a Action>, Option<&'a Action>);

/// Type, key values, tags.
type Identity = (Kind, Vec<String>, Vec<(String, Vec<String>)>);

/// The differences, file system actions by path, the others by type and key.
pub fn differences<'a>(old: &'a Manifest, new: &'a Manifest) -> Vec<Difference<'a>> {
    let mut variants: Vec<String> = declared(old).into_keys().collect();
    variants.extend(declared(new).into_keys());
    let identified = |manifest: &'a Manifest| -> BTreeMap<Identity, &'a Action> {
        manifest.actions.iter().map(|action| (identity(action, &variants), action)).collect()
    };
    let (old, new) = (identified(old), identified(new));
    let mut found: Vec<Difference<'a>> = Vec::new();
    for (identity, was) in &old {
        match new.get(identity) {
            Some(is) if same(was, is) => {}
            is => found.push((Some(was), is.copied())),
        }
    }
    found.extend(
        new.iter()
            .filter(|(identity, _)| !old.contains_key(identity))
            .map(|(_, is)| (None, Some(*is))),
    );
    found.sort_by_key(place);
    found
}

fn identity(action: &Action, variants: &[String]) -> Identity {
    let sorted = |name: &str| {
        let mut values = action.values(name).to_vec();
        values.sort();
        values
    };
    let tags = action
        .attributes
        .keys()
        .filter(|name| variants.contains(name))
        .map(|name| (name.clone(), sorted(name)))
        .collect();
    (action.kind, sorted(action.kind.key_attribute()), tags)
}

fn same(was: &Action, is: &Action) -> bool {
    changed_attributes(was, is).is_empty() && was.hash == is.hash
}

/// The attributes that one has and the other has not, or not so; lists without regard to order.
pub fn changed_attributes<'a>(was: &'a Action, is: &'a Action) -> Vec<&'a str> {
    let sorted = |action: &Action, name: &str| {
        let mut values = action.values(name).to_vec();
        values.sort();
        values
    };
    let mut names: Vec<&str> =
        was.attributes.keys().chain(is.attributes.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| sorted(was, name) != sorted(is, name));
    names
}

fn place(difference: &Difference<'_>) -> (u8, String) {
    let (was, is) = difference;
    let action = was.or(*is).expect("a difference has an action");
    let class = match action.kind {
        Kind::Set => 0,
        Kind::Depend => 1,
        Kind::Group => 2,
        Kind::User => 3,
        Kind::Dir | Kind::File | Kind::Hardlink | Kind::Link => 4,
        Kind::Driver => 5,
        Kind::License => 6,
        Kind::Legacy => 7,
        Kind::Signature => 8,
    };
    (class, action.values(action.kind.key_attribute()).join(" "))
}
