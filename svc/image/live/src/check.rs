//! check.rs - what is wrong with a manifest, before a byte is copied.
//!
//! | what | why |
//! |---|---|
//! | a path twice | which one is meant?  Only a directory may stand again, with the same mode and owner |
//! | a parent that is no directory of the manifest | its mode and owner would be invented |
//! | something below a link | it would be written where the link leads |
//! | a hard link to no file of the manifest | there is nothing to link to |
//! | an owner or group that the image does not have | its number would be invented |
//!
//! A symbolic link may lead nowhere: device links and links into other file systems do.

use std::collections::{BTreeSet, HashMap};

use crate::accounts::Accounts;
use crate::entry::{Entry, Kind};
use crate::manifest::{Manifest, Problem};
use crate::similar::nearest;

/// Everything that is wrong, in the order of the lines.  Owners are looked up where `accounts` are
/// given.
#[must_use]
pub fn check(manifest: &Manifest, accounts: Option<&Accounts>) -> Vec<Problem> {
    let mut first: HashMap<&str, &Entry> = HashMap::with_capacity(manifest.entries.len());
    let mut problems = Vec::new();
    for entry in &manifest.entries {
        match first.get(entry.path.as_str()) {
            None => drop(first.insert(&entry.path, entry)),
            Some(known) => problems.extend(again(manifest, entry, known)),
        }
    }
    let known = Known { manifest, first };
    let mut parents = BTreeSet::new();
    for entry in &manifest.entries {
        problems.extend(known.parent(entry, &mut parents));
        if let Kind::HardLink(target) = &entry.kind {
            problems.extend(known.target(entry, target));
        }
        if let Some(accounts) = accounts {
            problems.extend(owner(manifest, entry, accounts));
        }
    }
    problems.sort_by_key(|problem| {
        let file = manifest.files.iter().position(|file| *file == problem.file);
        (file, problem.line)
    });
    problems
}

fn again(manifest: &Manifest, entry: &Entry, known: &Entry) -> Option<Problem> {
    let same = entry.kind == known.kind && matches!(entry.kind, Kind::Directory(_));
    let place = manifest.place(known, entry);
    let text = format!("{} {} is at {place} already", known.kind.name(), entry.path);
    (!same).then(|| manifest.problem(entry, text))
}

fn owner(manifest: &Manifest, entry: &Entry, accounts: &Accounts) -> Vec<Problem> {
    let Some(owned) = entry.kind.owned() else { return Vec::new() };
    let unknown = |what: &str, name: &str, known: bool| {
        let text = || format!("{}: the image has no {what} {name}", entry.path);
        (!known).then(|| manifest.problem(entry, text()))
    };
    let user = unknown("user", &owned.owner, accounts.users.contains_key(&owned.owner));
    let group = unknown("group", &owned.group, accounts.groups.contains_key(&owned.group));
    user.into_iter().chain(group).collect()
}

struct Known<'a> {
    manifest: &'a Manifest,
    first: HashMap<&'a str, &'a Entry>,
}

impl<'a> Known<'a> {
    /// What is wrong with the directory an entry is in; each directory that is missing is told once.
    fn parent(&self, entry: &'a Entry, told: &mut BTreeSet<&'a str>) -> Option<Problem> {
        let (parent, _) = entry.path.rsplit_once('/')?;
        let text = match self.first.get(parent).map(|parent| (&parent.kind, *parent)) {
            Some((Kind::Directory(_), _)) => return None,
            Some((kind, at)) => {
                let place = self.manifest.place(at, entry);
                format!("{} is below {parent}, a {} ({place})", entry.path, kind.name())
            }
            None if !told.insert(parent) => return None,
            None => format!("{}: its directory {parent} is not in the manifest", entry.path),
        };
        Some(self.manifest.problem(entry, text))
    }

    /// What is wrong with the target of a hard link: in the end there must be a file.
    fn target(&self, entry: &Entry, target: &str) -> Option<Problem> {
        let mut seen = BTreeSet::from([entry.path.as_str()]);
        let mut next = target;
        let text = loop {
            match self.first.get(next).map(|found| &found.kind) {
                Some(Kind::File(_)) => return None,
                Some(Kind::HardLink(further)) if seen.insert(next) => next = further,
                Some(Kind::HardLink(_)) => {
                    break format!("hard link {} leads in a circle", entry.path);
                }
                Some(kind) => {
                    break format!(
                        "hard link {}: {next} is a {}, not a file",
                        entry.path,
                        kind.name()
                    );
                }
                None => {
                    let files = self.manifest.entries.iter();
                    let files = files.filter(|entry| matches!(entry.kind, Kind::File(_)));
                    let near = nearest(next, files.map(|entry| entry.path.as_str()));
                    let hint = near.map(|near| format!("; there is {near}")).unwrap_or_default();
                    break format!("hard link {}: no file {next}{hint}", entry.path);
                }
            }
        };
        Some(self.manifest.problem(entry, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, accounts: Option<&Accounts>) -> Vec<String> {
        let (manifest, problems) = Manifest::parse("m", text);
        assert_eq!(problems, []);
        check(&manifest, accounts).iter().map(Problem::to_string).collect()
    }

    #[test]
    fn problems_in_the_order_of_lines() {
        for (text, expected) in [
            ("d a 0755 r s\nf a/b 0444 r s\nh c=a/b\nh d=c\ns e=/nowhere\n", &[][..]),
            ("d a 0755 r s\nd a 0755 r s\n", &[]),
            ("f b 0444 r s\nh a=b\n", &[]),
            ("d a 0755 r s\nd a 0700 r s\n", &["m:2: directory a is at line 1 already"]),
            ("f a 0444 r s\nf a 0444 r s\n", &["m:2: file a is at line 1 already"]),
            ("s a=b\nf a 0444 r s\n", &["m:2: symbolic link a is at line 1 already"]),
            (
                "f a/b 0444 r s\nf a/c 0444 r s\nd a/d/e 0755 r s\n",
                &[
                    "m:1: a/b: its directory a is not in the manifest",
                    "m:3: a/d/e: its directory a/d is not in the manifest",
                ],
            ),
            ("s a=b\nf a/c 0444 r s\n", &["m:2: a/c is below a, a symbolic link (line 1)"]),
            ("f a 0444 r s\nf a/c 0444 r s\n", &["m:2: a/c is below a, a file (line 1)"]),
            (
                "f bunzip2 0444 r s\nh bzcat=bunzip\n",
                &["m:2: hard link bzcat: no file bunzip; there is bunzip2"],
            ),
            ("d a 0755 r s\nh b=a\n", &["m:2: hard link b: a is a directory, not a file"]),
            (
                "h a=b\nh b=a\n",
                &["m:1: hard link a leads in a circle", "m:2: hard link b leads in a circle"],
            ),
        ] {
            assert_eq!(told(text, None), expected, "{text}");
        }
    }

    #[test]
    fn owners_are_those_of_the_image() {
        let accounts = Accounts::parse("root:x:0:0:::", "sys::3:");
        let text = "d a 0755 root sys\nf b 0444 joe sys\nf c 0444 root staff\ns d=b\n";
        let expected =
            ["m:2: b: the image has no user joe", "m:3: c: the image has no group staff"];
        assert_eq!(told(text, Some(&accounts)), expected);
    }

    #[test]
    fn places_in_other_files_are_named() {
        let (mut manifest, _) = Manifest::parse("one", "f a 0444 r s\n");
        manifest.append(Manifest::parse("two", "\nf a 0444 r s\n").0);
        let told: Vec<String> = check(&manifest, None).iter().map(Problem::to_string).collect();
        assert_eq!(told, ["two:2: file a is at one:1 already"]);
    }
}
