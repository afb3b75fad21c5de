//! tokens.rs - the words an action is found by.
//!
//! ```text
//! file ab12… path=usr/bin/pear …   →  (content, ab12…, ab12…)  (hash, ab12…, hash)
//!                                     (basename, pear, basename)  (path, /usr/bin/pear, path)
//! set name=pkg.summary value="A pear"  →  (pkg.summary, A, A pear)  (pkg.summary, pear, A pear)
//! ```
//!
//! Law: the words, their keys and their values are those of pkg5, since its clients and servers
//! read the same index.  A word that stands twice in an action is told twice.

use crate::action::{Action, Kind, NO_HASH};
use crate::check::DEPEND_TYPES;
use crate::fmri::Fmri;

/// Attributes of files and licences that hold hashes, apart from the positional one.
const HASHES: [&str; 3] = ["pkg.content-hash", "pkg.hash.sha256", "pkg.hash.sha512t_256"];

/// The attributes of a link that are found.
const MEDIATION: [&str; 4] =
    ["mediator", "mediator-version", "mediator-implementation", "mediator-priority"];

/// Tells every word of an action: the key it stands under, the word, and what the key's value is
/// to be shown as (the whole value of a `set`, the key itself of most others).
pub fn each_token(action: &Action, tell: &mut dyn FnMut(&str, &str, &str)) {
    let kind = action.kind;
    match kind {
        Kind::Set => set(action, tell),
        Kind::Depend => depend(action, tell),
        Kind::Group => named(action, "groupname", "name", tell),
        Kind::User => named(action, "username", "name", tell),
        Kind::Dir => path(action, tell),
        Kind::File | Kind::License => {
            payload(action, tell);
            if kind == Kind::File {
                path(action, tell);
            } else {
                named(action, "license", "license", tell);
            }
        }
        Kind::Hardlink | Kind::Link => {
            path(action, tell);
            MEDIATION.iter().for_each(|name| named(action, name, name, tell));
        }
        Kind::Driver => {
            named(action, "name", "driver_name", tell);
            named(action, "alias", "alias", tell);
        }
        Kind::Legacy => {
            named(action, "pkg", "legacy_pkg", tell);
            named(action, "pkg", "pkg", tell);
        }
        Kind::Signature => {
            if let Some(hash) = hash(action) {
                tell("certificate", hash, hash);
            }
            for (name, key) in [("algorithm", "algorithm"), ("value", "signature")] {
                action.values(name).iter().for_each(|value| tell(key, value, value));
            }
        }
    }
}

/// Every value of an attribute under a key that is also what is shown.
fn named(action: &Action, name: &str, key: &str, tell: &mut dyn FnMut(&str, &str, &str)) {
    action.values(name).iter().for_each(|value| tell(key, value, key));
}

fn hash(action: &Action) -> Option<&str> {
    action.hash.as_deref().filter(|hash| *hash != NO_HASH)
}

fn payload(action: &Action, tell: &mut dyn FnMut(&str, &str, &str)) {
    if let Some(hash) = hash(action) {
        // A file's hash is shown as the value; a licence's is not.
        tell("content", hash, if action.kind == Kind::File { hash } else { "content" });
        tell("hash", hash, "hash");
    }
    HASHES.iter().for_each(|name| named(action, name, name, tell));
}

fn path(action: &Action, tell: &mut dyn FnMut(&str, &str, &str)) {
    for path in action.values("path") {
        tell("basename", path.rsplit('/').next().unwrap_or(path), "basename");
        tell("path", &format!("/{path}"), "path");
    }
}

fn depend(action: &Action, tell: &mut dyn FnMut(&str, &str, &str)) {
    let Some(kind) = action.get("type").filter(|kind| DEPEND_TYPES.contains(kind)) else { return };
    for fmri in action.values("fmri") {
        let fmri = fmri.strip_prefix("pkg:/").unwrap_or(fmri);
        tell(kind, fmri, kind);
        if let Some((stem, _)) = fmri.split_once('@') {
            tell(kind, stem, kind);
        }
    }
}

fn set(action: &Action, tell: &mut dyn FnMut(&str, &str, &str)) {
    let Some(name) = action.get("name") else { return };
    match action.values("value") {
        values if name == "info.classification" => {
            for value in values {
                let levels = value.split_once(':').map_or(value.as_str(), |(_, levels)| levels);
                tell(name, levels, levels);
                let words = levels.split('/').flat_map(words);
                words.for_each(|word| tell(name, word, levels));
            }
        }
        [value] if name == "pkg.fmri" || name == "fmri" => package(name, value, tell),
        values => {
            for value in values {
                if value.contains(' ') {
                    words(value).for_each(|word| tell(name, word, value));
                } else {
                    tell(name, value, value);
                }
            }
        }
    }
}

/// The package's own name: whole, by its trailing parts, and the parts of its version.
fn package(key: &str, text: &str, tell: &mut dyn FnMut(&str, &str, &str)) {
    let Ok(fmri) = Fmri::parse(text) else { return };
    let stem = match &fmri.publisher {
        Some(publisher) => format!("{publisher}/{}", fmri.name),
        None => fmri.name.clone(),
    };
    tell(key, &stem, &stem);
    if let Some(version) = &fmri.version {
        tell(key, version.build.as_str(), &stem);
        tell(key, version.release.as_str(), &stem);
        if let Some(time) = &version.timestamp {
            tell(key, time, &stem);
        }
    }
    let mut rest = Some(fmri.name.as_str());
    while let Some(name) = rest {
        tell(key, name, &stem);
        rest = name.split_once('/').map(|(_, rest)| rest);
    }
}

/// The words of a text, split where Python splits: at its separators too.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let blank = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    text.split(blank).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Vec<String> {
        let mut all = Vec::new();
        let action = Action::parse(line).unwrap();
        each_token(&action, &mut |key, token, value| all.push(format!("{key} {token} [{value}]")));
        all
    }

    #[test]
    fn words_of_each_type() {
        let cases: [(&str, &[&str]); 12] = [
            (
                "set name=pkg.summary value=\"two words\"",
                &["pkg.summary two [two words]", "pkg.summary words [two words]"],
            ),
            ("set name=k value=a value=a", &["k a [a]", "k a [a]"]),
            (
                "set name=info.classification value=x.2008:A/B",
                &[
                    "info.classification A/B [A/B]",
                    "info.classification A [A/B]",
                    "info.classification B [A/B]",
                ],
            ),
            (
                "set name=pkg.fmri value=pkg://p/a/b@1,5.11-2:20240102T030405Z",
                &[
                    "pkg.fmri p/a/b [p/a/b]",
                    "pkg.fmri 5.11 [p/a/b]",
                    "pkg.fmri 1 [p/a/b]",
                    "pkg.fmri 20240102T030405Z [p/a/b]",
                    "pkg.fmri a/b [p/a/b]",
                    "pkg.fmri b [p/a/b]",
                ],
            ),
            (
                "depend fmri=pkg:/a@1 fmri=b type=require-any",
                &[
                    "require-any a@1 [require-any]",
                    "require-any a [require-any]",
                    "require-any b [require-any]",
                ],
            ),
            ("depend fmri=a type=strange", &[]),
            ("dir path=usr/bin mode=0755", &["basename bin [basename]", "path /usr/bin [path]"]),
            (
                "file abc path=a",
                &[
                    "content abc [abc]",
                    "hash abc [hash]",
                    "basename a [basename]",
                    "path /a [path]",
                ],
            ),
            (
                "license abc license=\"My Licence\"",
                &["content abc [content]", "hash abc [hash]", "license My Licence [license]"],
            ),
            (
                "driver name=d alias=x alias=y",
                &["driver_name d [driver_name]", "alias x [alias]", "alias y [alias]"],
            ),
            ("legacy pkg=EX", &["legacy_pkg EX [legacy_pkg]", "pkg EX [pkg]"]),
            ("group groupname=g", &["name g [name]"]),
        ];
        for (line, expected) in cases {
            assert_eq!(told(line), expected, "{line}");
        }
    }
}
