//! catalog.rs - catalog v1: the parts, the attributes, the update logs, as values and as text.
//!
//! A part maps publisher → stem → entries, ascending by version.  The base part has every
//! package and its manifest's signature; the others have the packages that have such actions.
//!
//! Invariant: a part name read from a file is one path component of a known form
//! (`is_part_name`), so it may be used as a file name.

mod read;
mod text;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::action::{Action, Kind};
use crate::fmri::{Fmri, is_name, is_publisher};
use crate::json::{Signed, SignedError, canonical, plainly_signed, sign, signed, string, verified};
use crate::manifest::Manifest;
use crate::time::Timestamp;
use crate::version::Version;

pub use text::{Line, LogText, PartText, Text, lines};

/// The part that every package is in.
pub const BASE: &str = "catalog.base.C";
/// The part the solver reads.
pub const DEPENDENCY: &str = "catalog.dependency.C";
/// The part lists are made from; other locales end in their name.
pub const SUMMARY: &str = "catalog.summary.C";

/// What a part says of one version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The full version, the key.
    pub version: Version,
    /// SHA-1 of the manifest; in the base part.
    pub signature: Option<String>,
    /// The actions' text; in the other parts.
    pub actions: Vec<String>,
}

/// One catalog part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Publisher → stem → versions, ascending.
    pub publishers: BTreeMap<String, BTreeMap<String, Vec<Entry>>>,
    /// Other reserved keys (`_FEATURE`), kept because they are part of the signed text.
    pub reserved: BTreeMap<String, Value>,
}

fn shape(what: impl Into<String>) -> SignedError {
    SignedError::Shape(what.into())
}

impl Entry {
    /// Its canonical text: the keys in their order, without what it has not.
    fn write(&self, to: &mut String) {
        to.push('{');
        if !self.actions.is_empty() {
            to.push_str("\"actions\":[");
            for (number, action) in self.actions.iter().enumerate() {
                to.push_str(if number > 0 { "," } else { "" });
                string(action, to);
            }
            to.push_str("],");
        }
        if let Some(signature) = &self.signature {
            to.push_str("\"signature-sha-1\":");
            string(signature, to);
            to.push(',');
        }
        to.push_str("\"version\":");
        string(&self.version.to_string(), to);
        to.push('}');
    }

    fn from_json(value: &Value) -> Result<Entry, SignedError> {
        let text = value["version"].as_str().ok_or_else(|| shape("an entry without version"))?;
        let version =
            Version::parse(text).map_err(|error| shape(format!("version {text}: {error}")))?;
        let signature = value["signature-sha-1"].as_str().map(str::to_string);
        let listed = value["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let actions = listed.iter().filter_map(Value::as_str).map(str::to_string).collect();
        Ok(Entry { version, signature, actions })
    }
}

impl Part {
    /// Reads a part; a signature, where there is one, must hold.
    pub fn parse(text: &str) -> Result<Part, SignedError> {
        Ok(Part::parse_signed(text)?.0)
    }

    /// The same, and the signature that holds.
    pub fn parse_signed(text: &str) -> Result<(Part, Option<String>), SignedError> {
        let read::Read { part, signature } = serde_json::from_str(text).map_err(|error| {
            if error.is_data() { shape(error.to_string()) } else { SignedError::Syntax(error) }
        })?;
        let signature = match signature {
            None => None,
            Some(own) => match plainly_signed(text) {
                Some(plain) => Some(plain.to_string()),
                None if own.is_null() => None,
                None => verified(text)?.1,
            },
        };
        Ok((part, signature))
    }

    /// The signed text.
    pub fn sign(&self) -> Signed {
        signed(self.text())
    }

    /// The canonical text, neither signed nor ended by a line feed.
    fn text(&self) -> String {
        text_of(&self.publishers, &self.reserved)
    }

    /// Adds an entry in its place; of an existing version it takes the place.
    pub fn insert(&mut self, publisher: &str, stem: &str, entry: Entry) {
        let stems = self.publishers.entry(publisher.to_string()).or_default();
        place(stems.entry(stem.to_string()).or_default(), entry);
    }

    /// Takes an entry out; a stem or publisher without entries goes too.
    pub fn remove(&mut self, publisher: &str, stem: &str, version: &Version) -> Option<Entry> {
        let stems = self.publishers.get_mut(publisher)?;
        let entries = stems.get_mut(stem)?;
        let at = entries.iter().position(|entry| entry.version.is_written_as(version))?;
        let entry = entries.remove(at);
        if entries.is_empty() {
            stems.remove(stem);
        }
        if stems.is_empty() {
            self.publishers.remove(publisher);
        }
        Some(entry)
    }

    /// The entry of a package.
    pub fn get(&self, fmri: &Fmri) -> Option<&Entry> {
        let entries = self.publishers.get(fmri.publisher.as_deref()?)?.get(&fmri.name)?;
        let version = fmri.version.as_ref()?;
        entries.iter().find(|entry| entry.version.is_written_as(version))
    }

    /// Every entry with its FMRI, by publisher, stem and version.
    pub fn entries(&self) -> impl Iterator<Item = (Fmri, &Entry)> {
        self.publishers.iter().flat_map(|(publisher, stems)| {
            stems.iter().flat_map(move |(stem, entries)| {
                entries.iter().map(move |entry| {
                    let fmri = Fmri {
                        publisher: Some(publisher.clone()),
                        name: stem.clone(),
                        version: Some(entry.version.clone()),
                    };
                    (fmri, entry)
                })
            })
        })
    }

    /// Stems and versions.
    pub fn counts(&self) -> (usize, usize) {
        let stems = self.publishers.values().flat_map(BTreeMap::values);
        stems.fold((0, 0), |(stems, versions), entries| (stems + 1, versions + entries.len()))
    }
}

/// Puts an entry among those of its stem, which ascend.
fn place(entries: &mut Vec<Entry>, entry: Entry) {
    match entries.iter_mut().find(|other| other.version.is_written_as(&entry.version)) {
        Some(same) => *same = entry,
        None => {
            let at = entries.partition_point(|other| other.version <= entry.version);
            entries.insert(at, entry);
        }
    }
}

fn key(name: &str, to: &mut String) {
    string(name, to);
    to.push(':');
}

/// The canonical text of publishers and reserved keys.
fn text_of<T: text::Listed>(
    publishers: &BTreeMap<String, BTreeMap<String, Vec<T>>>,
    reserved: &BTreeMap<String, Value>,
) -> String {
    let mut text = String::from("{");
    let mut publishers = publishers.iter().peekable();
    let mut reserved = reserved.iter().peekable();
    loop {
        // Both are sorted, and so is what comes of them.
        let first = match (publishers.peek(), reserved.peek()) {
            (Some((publisher, _)), Some((key, _))) => publisher < key,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        if text.len() > 1 {
            text.push(',');
        }
        if let Some((publisher, stems)) = publishers.next_if(|_| first) {
            key(publisher, &mut text);
            write_stems(stems, &mut text);
        } else if let Some((name, value)) = reserved.next() {
            key(name, &mut text);
            text.push_str(&canonical(value));
        }
    }
    text.push('}');
    text
}

fn write_stems<T: text::Listed>(stems: &BTreeMap<String, Vec<T>>, to: &mut String) {
    to.push('{');
    for (number, (stem, entries)) in stems.iter().enumerate() {
        to.push_str(if number > 0 { "," } else { "" });
        key(stem, to);
        write_list(entries, to);
    }
    to.push('}');
}

fn write_list<T: text::Listed>(entries: &[T], to: &mut String) {
    to.push('[');
    for (number, entry) in entries.iter().enumerate() {
        to.push_str(if number > 0 { "," } else { "" });
        entry.write(to);
    }
    to.push(']');
}

/// What a manifest puts into the parts other than base: part name → action texts.
pub fn split(manifest: &Manifest) -> BTreeMap<String, Vec<String>> {
    let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for action in manifest.of_kind(Kind::Depend) {
        parts.entry(DEPENDENCY.into()).or_default().push(action.to_string());
    }
    for action in manifest.of_kind(Kind::Set) {
        if let Some(part) = part_of_set(action) {
            parts.entry(part).or_default().push(action.to_string());
        }
    }
    parts
}

fn part_of_set(action: &Action) -> Option<String> {
    let name = action.key()?;
    let begins = |heads: &[&str]| heads.iter().any(|head| name.starts_with(head));
    if begins(&["variant", "facet", "pkg.depend."])
        || matches!(name, "pkg.obsolete" | "pkg.renamed" | "pkg.legacy")
    {
        return Some(DEPENDENCY.into());
    }
    if matches!(name, "fmri" | "pkg.fmri" | "publisher")
        || begins(&["info.source-url", "pkg.debug", "pkg.linted"])
    {
        return None;
    }
    match name.rsplit_once(':') {
        Some((_, locale)) if is_locale(locale) => Some(format!("catalog.summary.{locale}")),
        Some(_) | None => Some(SUMMARY.into()),
    }
}

fn is_locale(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_-@.".contains(&byte);
    !text.is_empty()
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(fine)
        && !text.contains("..")
}

/// Whether `name` is the file name of a part or update log, and so safe in a path.
pub fn is_part_name(name: &str) -> bool {
    let Some((head, locale)) = name
        .strip_prefix("catalog.")
        .or_else(|| name.strip_prefix("update."))
        .and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    let head_fine = if name.starts_with("update.") {
        head.len() == 12 && Timestamp::parse(&head.replace('Z', "0000Z")).is_ok()
    } else {
        matches!(head, "base" | "dependency" | "summary")
    };
    head_fine && is_locale(locale)
}

/// When a part or log was last changed, and its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartAttributes {
    /// The last change.
    pub last_modified: Timestamp,
    /// The file's `_SIGNATURE`; absent in images.
    pub signature: Option<String>,
}

/// `catalog.attrs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Fixed for the life of a catalog.
    pub created: Timestamp,
    /// The last change; never goes back.
    pub last_modified: Timestamp,
    /// Stems.
    pub packages: usize,
    /// Versions.
    pub versions: usize,
    /// The parts by file name.
    pub parts: BTreeMap<String, PartAttributes>,
    /// The update logs by file name.
    pub updates: BTreeMap<String, PartAttributes>,
    /// Other reserved keys.
    pub reserved: BTreeMap<String, Value>,
}

impl Attributes {
    /// Of an empty catalog.
    pub fn new(created: Timestamp) -> Attributes {
        Attributes {
            created,
            last_modified: created,
            packages: 0,
            versions: 0,
            parts: BTreeMap::new(),
            updates: BTreeMap::new(),
            reserved: BTreeMap::new(),
        }
    }

    /// Reads the file; a signature, where there is one, must hold.
    pub fn parse(text: &str) -> Result<Attributes, SignedError> {
        let (value, _) = verified(text)?;
        if value["version"].as_u64() != Some(1) {
            return Err(shape("the catalog's version is not 1"));
        }
        let count = |key: &str| -> Result<usize, SignedError> {
            let number = value[key].as_u64().and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| shape(format!("{key} is not a number")))
        };
        let reserved = value.as_object().into_iter().flatten();
        Ok(Attributes {
            created: time(&value["created"])?,
            last_modified: time(&value["last-modified"])?,
            packages: count("package-count")?,
            versions: count("package-version-count")?,
            parts: part_attributes(&value["parts"])?,
            updates: part_attributes(&value["updates"])?,
            reserved: reserved
                .filter(|(key, _)| key.starts_with('_'))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        })
    }

    /// The signed text.
    pub fn sign(&self) -> Signed {
        let parts = |parts: &BTreeMap<String, PartAttributes>| -> Value {
            let member = |(name, part): (&String, &PartAttributes)| {
                let mut members = Map::new();
                members.insert("last-modified".into(), json!(part.last_modified.to_string()));
                if let Some(signature) = &part.signature {
                    members.insert("signature-sha-1".into(), json!(signature));
                }
                (name.clone(), Value::Object(members))
            };
            Value::Object(parts.iter().map(member).collect())
        };
        let mut value = json!({
            "created": self.created.to_string(),
            "last-modified": self.last_modified.to_string(),
            "package-count": self.packages,
            "package-version-count": self.versions,
            "parts": parts(&self.parts),
            "updates": parts(&self.updates),
            "version": 1,
        });
        for (key, reserved) in &self.reserved {
            value[key] = reserved.clone();
        }
        sign(&value)
    }
}

fn time(value: &Value) -> Result<Timestamp, SignedError> {
    let text = value.as_str().ok_or_else(|| shape("a time is not text"))?;
    Timestamp::parse(text).map_err(|error| shape(error.to_string()))
}

fn part_attributes(value: &Value) -> Result<BTreeMap<String, PartAttributes>, SignedError> {
    let mut parts = BTreeMap::new();
    for (name, part) in value.as_object().into_iter().flatten() {
        if !is_part_name(name) {
            return Err(shape(format!("{name:?} is not the name of a catalog part")));
        }
        let signature = part["signature-sha-1"].as_str().map(str::to_string);
        let last_modified = time(&part["last-modified"])?;
        parts.insert(name.clone(), PartAttributes { last_modified, signature });
    }
    Ok(parts)
}

/// What an update log says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The version came.
    Add,
    /// The version went.
    Remove,
}

/// One operation of an update log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When.
    pub time: Timestamp,
    /// What.
    pub operation: Operation,
    /// Of which version.
    pub version: Version,
    /// Part name → the entry that came or went.
    pub parts: BTreeMap<String, Entry>,
}

/// An update log, `update.HOUR.LOCALE`: publisher → stem → operations in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The operations.
    pub publishers: BTreeMap<String, BTreeMap<String, Vec<LogEntry>>>,
    /// Other reserved keys.
    pub reserved: BTreeMap<String, Value>,
}

impl LogEntry {
    /// Its canonical text: parts, then what is said of all of them, which is the order of keys.
    fn write(&self, to: &mut String) {
        to.push('{');
        for (part, entry) in &self.parts {
            key(part, to);
            entry.write(to);
            to.push(',');
        }
        key("op-time", to);
        string(&self.time.to_string(), to);
        to.push(',');
        key("op-type", to);
        string(
            match self.operation {
                Operation::Add => "add",
                Operation::Remove => "remove",
            },
            to,
        );
        to.push(',');
        key("version", to);
        string(&self.version.to_string(), to);
        to.push('}');
    }

    fn from_json(value: &Value) -> Result<LogEntry, SignedError> {
        let operation = match value["op-type"].as_str() {
            Some("add") => Operation::Add,
            Some("remove") => Operation::Remove,
            other => return Err(shape(format!("op-type {other:?}"))),
        };
        let mut parts = BTreeMap::new();
        for (name, entry) in value.as_object().into_iter().flatten() {
            if name.starts_with("catalog.") {
                if !is_part_name(name) {
                    return Err(shape(format!("{name:?} is not the name of a catalog part")));
                }
                parts.insert(name.clone(), Entry::from_json(entry)?);
            }
        }
        let version = Entry::from_json(value)?.version;
        Ok(LogEntry { time: time(&value["op-time"])?, operation, version, parts })
    }
}

impl Log {
    /// Reads a log; a signature, where there is one, must hold.
    pub fn parse(text: &str) -> Result<Log, SignedError> {
        Ok(Log::parse_signed(text)?.0)
    }

    /// The same, and the signature that holds.
    pub fn parse_signed(text: &str) -> Result<(Log, Option<String>), SignedError> {
        let (value, signature) = verified(text)?;
        let mut log = Log::default();
        for (publisher, stems) in value.as_object().into_iter().flatten() {
            if publisher.starts_with('_') {
                log.reserved.insert(publisher.clone(), stems.clone());
                continue;
            }
            if !is_publisher(publisher) {
                return Err(shape(format!("publisher {publisher} is not valid")));
            }
            let read = log.publishers.entry(publisher.clone()).or_default();
            for (stem, entries) in
                stems.as_object().ok_or_else(|| shape("no object of packages"))?
            {
                if !is_name(stem) {
                    return Err(shape(format!("package name {stem} is not valid")));
                }
                let entries = entries.as_array().ok_or_else(|| shape("operations are no list"))?;
                let entries = entries.iter().map(LogEntry::from_json);
                read.insert(stem.clone(), entries.collect::<Result<_, _>>()?);
            }
        }
        Ok((log, signature))
    }

    /// The signed text.
    pub fn sign(&self) -> Signed {
        signed(self.text())
    }

    /// The canonical text, neither signed nor ended by a line feed.
    fn text(&self) -> String {
        text_of(&self.publishers, &self.reserved)
    }

    /// Appends an operation.
    pub fn push(&mut self, publisher: &str, stem: &str, entry: LogEntry) {
        let stems = self.publishers.entry(publisher.to_string()).or_default();
        stems.entry(stem.to_string()).or_default().push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: &str) -> Entry {
        let version = Version::parse(version).unwrap();
        Entry { version, signature: Some("0".repeat(40)), actions: Vec::new() }
    }

    #[test]
    fn versions_stay_ascending_and_builds_apart() {
        let mut part = Part::default();
        for version in ["1.10", "1.9", "1.9,5.12", "1.9-1"] {
            part.insert("p", "a", entry(version));
        }
        let order: Vec<String> =
            part.entries().map(|(_, entry)| entry.version.to_string()).collect();
        assert_eq!(order, ["1.9,5.11", "1.9,5.12", "1.9,5.11-1", "1.10,5.11"]);
        assert_eq!(part.counts(), (1, 4));
        let version = Version::parse("1.9,5.12").unwrap();
        assert!(part.remove("p", "a", &version).is_some());
        assert!(part.remove("p", "a", &version).is_none());
        let text = part.sign().text;
        assert_eq!(Part::parse(&text).unwrap(), part);
    }

    #[test]
    fn sets_go_to_their_part() {
        let manifest = Manifest::parse(
            "set name=pkg.fmri value=pkg://p/a@1\nset name=pkg.summary value=s\n\
             set name=pkg.summary:de value=z\nset name=variant.arch value=i386\n\
             set name=pkg.obsolete value=true\nset name=pkg.linted.x value=true\n\
             set name=info.source-url value=u\nset name=info.x:y/z value=u\n\
             depend type=require fmri=b\ndir path=a\n",
        )
        .unwrap();
        let parts = split(&manifest);
        assert_eq!(
            parts[DEPENDENCY],
            [
                "depend fmri=b type=require",
                "set name=variant.arch value=i386",
                "set name=pkg.obsolete value=true"
            ]
        );
        assert_eq!(parts[SUMMARY], ["set name=pkg.summary value=s", "set name=info.x:y/z value=u"]);
        assert_eq!(parts["catalog.summary.de"], ["set name=pkg.summary:de value=z"]);
    }

    #[test]
    fn hostile_names() {
        for name in ["catalog.base.C", "catalog.summary.zh_CN.UTF-8", "update.20261122T03Z.C"] {
            assert!(is_part_name(name), "{name}");
        }
        for name in [
            "",
            "catalog.attrs",
            "catalog.base.",
            "catalog.base.../x",
            "../catalog.base.C",
            "catalog.summary.a/b",
            "update..C",
            "update.2026112203Z.C",
            "update.20261122T99Z.C",
            "catalog.summary.a..b",
        ] {
            assert!(!is_part_name(name), "{name}");
        }
        for text in [
            r#"{"..":{}}"#,
            r#"{"p":{"../x":[]}}"#,
            r#"{"p":{"a":[{"version":"../1"}]}}"#,
            r#"{"p":[]}"#,
            r#"{"p":{"a":{}}}"#,
            r#"{"_F":[255555555555555555555555]}"#,
        ] {
            assert!(Part::parse(text).is_err(), "{text}");
            assert!(Log::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn attributes_and_logs_are_read_back() {
        let at = Timestamp::parse("20261122T020923.708265Z").unwrap();
        let attributes = Attributes::new(at);
        let text = attributes.sign().text;
        assert!(text.starts_with(
            "{\"created\":\"20261122T020923.708265Z\",\"last-modified\":\"20261122T020923.708265Z\",\
             \"package-count\":0,\"package-version-count\":0,\"parts\":{},\"updates\":{},\"version\":1,"
        ));
        assert_eq!(Attributes::parse(&text).unwrap(), attributes);
        let mut log = Log::default();
        let parts = BTreeMap::from([(BASE.to_string(), entry("1"))]);
        let version = Version::parse("1").unwrap();
        log.push("p", "a", LogEntry { time: at, operation: Operation::Add, version, parts });
        assert_eq!(Log::parse(&log.sign().text).unwrap(), log);
    }
}
