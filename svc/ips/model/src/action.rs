//! action.rs - one line of a manifest, as a value and as text.
//!
//! Attributes are kept sorted because the text is sorted; values keep their order.  `Display` is
//! the canonical form of pkg5, byte for byte, its omissions included: a tab or a backslash forces
//! no quoting.  Reading is in parse.rs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The types of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A property of the package.
    Set,
    /// A dependency.
    Depend,
    /// A line of group(5).
    Group,
    /// A line of passwd(5).
    User,
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// A hard link.
    Hardlink,
    /// A symbolic link.
    Link,
    /// A device driver.
    Driver,
    /// A licence text.
    License,
    /// What SVR4 package queries see.
    Legacy,
    /// A signature over the other actions.
    Signature,
}

impl Kind {
    /// Every type, in sort order.
    pub const ALL: [Kind; 12] = [
        Kind::Set,
        Kind::Depend,
        Kind::Group,
        Kind::User,
        Kind::Dir,
        Kind::File,
        Kind::Hardlink,
        Kind::Link,
        Kind::Driver,
        Kind::License,
        Kind::Legacy,
        Kind::Signature,
    ];

    /// The word in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Set => "set",
            Kind::Depend => "depend",
            Kind::Group => "group",
            Kind::User => "user",
            Kind::Dir => "dir",
            Kind::File => "file",
            Kind::Hardlink => "hardlink",
            Kind::Link => "link",
            Kind::Driver => "driver",
            Kind::License => "license",
            Kind::Legacy => "legacy",
            Kind::Signature => "signature",
        }
    }

    /// The type a word names.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The attribute that identifies an action of this type.
    pub fn key_attribute(self) -> &'static str {
        match self {
            Kind::Set | Kind::Driver => "name",
            Kind::Depend => "fmri",
            Kind::Group => "groupname",
            Kind::User => "username",
            Kind::Dir | Kind::File | Kind::Hardlink | Kind::Link => "path",
            Kind::License => "license",
            Kind::Legacy => "pkg",
            Kind::Signature => "value",
        }
    }

    /// Whether the line may carry a payload hash after the type.
    pub fn has_payload(self) -> bool {
        matches!(self, Kind::File | Kind::License | Kind::Signature)
    }
}

/// The hash a payload action shows before its payload is known.
pub const NO_HASH: &str = "NOHASH";

/// One action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its type.
    pub kind: Kind,
    /// The positional hash (in a source manifest a path); `NOHASH` where a file names none.
    pub hash: Option<String>,
    /// Attributes; no list is empty.
    pub attributes: BTreeMap<String, Vec<String>>,
}

impl Action {
    /// An action without attributes; files and licences get `NOHASH`.
    pub fn new(kind: Kind) -> Action {
        let hash = matches!(kind, Kind::File | Kind::License).then(|| NO_HASH.to_string());
        Action { kind, hash, attributes: BTreeMap::new() }
    }

    /// `set name=NAME value=VALUE`.
    pub fn set_of(name: &str, value: &str) -> Action {
        let mut action = Action::new(Kind::Set);
        action.set("name", value_list(name));
        action.set("value", value_list(value));
        action
    }

    /// The first value of an attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    /// All values of an attribute; empty where absent.
    pub fn values(&self, name: &str) -> &[String] {
        self.attributes.get(name).map_or(&[], Vec::as_slice)
    }

    /// Replaces an attribute; an empty list removes it.
    pub fn set(&mut self, name: &str, values: Vec<String>) {
        if values.is_empty() {
            self.attributes.remove(name);
        } else {
            self.attributes.insert(name.to_string(), values);
        }
    }

    /// The value of the key attribute.
    pub fn key(&self) -> Option<&str> {
        self.get(self.kind.key_attribute())
    }

    /// The payload's SHA-1, where the hash is one (40 lower-case hex digits).
    pub fn payload_hash(&self) -> Option<&str> {
        self.hash.as_deref().filter(|hash| self.kind.has_payload() && is_sha1(hash))
    }

    /// The SHA-1 names of all payloads: the action's own and, of a signature, its chain's.
    pub fn payload_hashes(&self) -> Vec<&str> {
        let mut hashes: Vec<&str> = self.payload_hash().into_iter().collect();
        if self.kind == Kind::Signature {
            let chain = self.values("chain").iter().flat_map(|chain| chain.split_whitespace());
            hashes.extend(chain.filter(|hash| is_sha1(hash)));
        }
        hashes
    }

    /// The best digest of a kind (`file`: the content, `gzip`: as it is stored) that the action
    /// names: algorithm and value.  SHA-1 is not among them.
    pub fn content_hash(&self, kind: &str) -> Option<(&'static str, &str)> {
        let listed = self.values("pkg.content-hash").iter().filter_map(|text| {
            let (found, rest) = text.split_once(':')?;
            (found == kind).then(|| rest.split_once(':'))?
        });
        let listed: Vec<(&str, &str)> = listed.collect();
        // Older manifests have an attribute for each of the two that they know.
        let older = match kind {
            "gzip" => Some("pkg.chash."),
            "file" => Some("pkg.hash."),
            _ => None,
        };
        ["sha512t_256", "sha256"].into_iter().find_map(|algorithm| {
            let one = listed.iter().find(|(name, _)| *name == algorithm).map(|(_, value)| *value);
            let value = one.or_else(|| self.get(&format!("{}{algorithm}", older?)))?;
            Some((algorithm, value))
        })
    }

    /// The form signatures are made over: lists sorted, the hash always in its place.
    pub fn signature_text(&self) -> String {
        let mut sorted = self.clone();
        for values in sorted.attributes.values_mut() {
            values.sort();
        }
        sorted.to_string()
    }
}

fn value_list(value: &str) -> Vec<String> {
    vec![value.to_string()]
}

/// Whether `text` is 40 lower-case hex digits, hence safe as a file name.
pub fn is_sha1(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A value as it stands in a manifest, quoted where it must be.
pub fn quoted(value: &str) -> Cow<'_, str> {
    let plain = is_plain(value) && !value.contains("$(");
    if plain { Cow::Borrowed(value) } else { Cow::Owned(in_quotes(value)) }
}

/// A member of a list: the same, but `$(` forces nothing.
pub fn quoted_member(value: &str) -> Cow<'_, str> {
    if is_plain(value) { Cow::Borrowed(value) } else { Cow::Owned(in_quotes(value)) }
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && !value.bytes().any(|byte| matches!(byte, b' ' | b'\'' | b'"'))
}

fn in_quotes(value: &str) -> String {
    if !value.contains('"') {
        format!("\"{value}\"")
    } else if !value.contains('\'') {
        format!("'{value}'")
    } else {
        format!("\"{}\"", value.replace('"', "\\\""))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.kind.as_str())?;
        let mut within = None;
        if let Some(hash) = &self.hash {
            if hash.contains([' ', '=', '"']) {
                within = Some(("hash", std::slice::from_ref(hash)));
            } else {
                to.write_str(" ")?;
                to.write_str(hash)?;
            }
        }
        for (name, values) in &self.attributes {
            // An attribute of that name, which no parser makes, comes first.
            if let Some((hash, values)) = within.take_if(|(hash, _)| name.as_str() > *hash) {
                print(to, hash, values)?;
            }
            print(to, name, values)?;
        }
        within.map_or(Ok(()), |(hash, values)| print(to, hash, values))
    }
}

/// An attribute's values, each with its name.
fn print(to: &mut fmt::Formatter<'_>, name: &str, values: &[String]) -> fmt::Result {
    let quoted = if values.len() == 1 { quoted } else { quoted_member };
    for value in values {
        for part in [" ", name, "=", &quoted(value)] {
            to.write_str(part)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        for (value, text) in [
            ("plain", "plain"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("it's", "\"it's\""),
            ("say \"x\"", "'say \"x\"'"),
            ("it's \"x\"", "\"it's \\\"x\\\"\""),
            ("$(X)", "\"$(X)\""),
            ("a\tb", "a\tb"),
            ("a\\b", "a\\b"),
        ] {
            assert_eq!(quoted(value), text);
        }
    }

    #[test]
    fn a_hash_that_cannot_stand_alone_is_an_attribute() {
        let mut action = Action::new(Kind::File);
        action.set("path", vec!["x".into()]);
        action.set("group", vec!["bin".into()]);
        assert_eq!(action.to_string(), "file NOHASH group=bin path=x");
        action.hash = Some("with blank".into());
        assert_eq!(action.to_string(), "file group=bin hash=\"with blank\" path=x");
    }

    #[test]
    fn every_type_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::from_name("unknown"), None);
    }

    #[test]
    fn the_best_content_hash() {
        let mut action = Action::new(Kind::File);
        assert_eq!(action.content_hash("file"), None);
        action.set("pkg.hash.sha256", vec!["old".into()]);
        assert_eq!(action.content_hash("file"), Some(("sha256", "old")));
        let hashes = ["gzip:sha512t_256:c", "file:sha256:b", "file:sha512t_256:a", "file:md5:x"];
        action.set("pkg.content-hash", hashes.map(str::to_string).to_vec());
        assert_eq!(action.content_hash("file"), Some(("sha512t_256", "a")));
        assert_eq!(action.content_hash("gzip"), Some(("sha512t_256", "c")));
        assert_eq!(action.content_hash("gelf"), None);
    }

    #[test]
    fn only_a_sha1_is_a_payload_hash() {
        let mut action = Action::new(Kind::File);
        for bad in ["../../etc/passwd", "NOHASH", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"] {
            action.hash = Some(bad.into());
            assert_eq!(action.payload_hash(), None, "{bad}");
        }
        action.hash = Some("da39a3ee5e6b4b0d3255bfef95601890afd80709".into());
        assert!(action.payload_hash().is_some());
    }
}
