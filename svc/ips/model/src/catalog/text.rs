//! text.rs - a part or update log as its canonical text: looked into, and changed, without taking
//! all of it apart.
//!
//! ```text
//! {"PUBLISHER":{"STEM":[{…,"version":"…"},…],"STEM":[…]},"_FEATURE":…}
//!               └ Stem: where its name and its list are, and how many entries that has
//! ```
//!
//! Where there are a hundred thousand packages a part has tens of megabytes, and a change is about
//! a few hundred bytes of it.  The text is walked over once, its signature is taken of it as it
//! stands, and a changed list is put between what stands before and after it.
//!
//! Invariants: names of publishers and packages are valid and ascend; a text that is not written
//! as every writer writes it is read whole and written anew.  Not here: whether a list that
//! nobody asks for makes sense.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;

use super::{Entry, Log, LogEntry, Part, key, shape, write_list};
use crate::fmri::{Fmri, is_name, is_publisher};
use crate::json::{Signed, SignedError, plain_length, signed};
use crate::time::{TimeError, Timestamp};
use crate::version::Version;

/// One version of a package as it stands in a part's text.
#[derive(Debug, Deserialize)]
pub struct Line<'a> {
    /// The full version.
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    /// SHA-1 of the manifest; in the base part.
    #[serde(borrow, rename = "signature-sha-1", default)]
    pub signature: Option<Cow<'a, str>>,
}

/// A package of a part's text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stem {
    name: Range<usize>,
    list: Range<usize>,
    entries: usize,
}

/// A publisher, or a reserved key, which has no packages.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: Range<usize>,
    value: Range<usize>,
    stems: Option<Vec<Stem>>,
}

/// What lists consist of.
pub trait Listed: Clone + Sized {
    /// Appends its canonical text.
    fn write(&self, to: &mut String);
    /// The entries of a list's text.
    fn read(list: &str) -> Result<Vec<Self>, SignedError>;
    /// The canonical text of a file that is written in another form, and the signature that holds.
    fn rewrite(text: &str) -> Result<(String, Option<String>), SignedError>;
}

impl Listed for Entry {
    fn write(&self, to: &mut String) {
        Entry::write(self, to);
    }

    fn read(list: &str) -> Result<Vec<Entry>, SignedError> {
        serde_json::from_str(list).map_err(|error| shape(error.to_string()))
    }

    fn rewrite(text: &str) -> Result<(String, Option<String>), SignedError> {
        let (part, signature) = Part::parse_signed(text)?;
        Ok((part.text(), signature))
    }
}

impl Listed for LogEntry {
    fn write(&self, to: &mut String) {
        LogEntry::write(self, to);
    }

    fn read(list: &str) -> Result<Vec<LogEntry>, SignedError> {
        let values: Vec<serde_json::Value> =
            serde_json::from_str(list).map_err(|error| shape(error.to_string()))?;
        values.iter().map(LogEntry::from_json).collect()
    }

    fn rewrite(text: &str) -> Result<(String, Option<String>), SignedError> {
        let (log, signature) = Log::parse_signed(text)?;
        Ok((log.text(), signature))
    }
}

/// Publisher → stem → what its list is to be; nothing: it goes.
type Changed<T> = BTreeMap<String, BTreeMap<String, Vec<T>>>;

/// A part or update log as text.
#[derive(Debug, Clone)]
pub struct Text<T> {
    text: String,
    members: Vec<Member>,
    changed: Changed<T>,
}

/// A part as text.
pub type PartText = Text<Entry>;
/// An update log as text.
pub type LogText = Text<LogEntry>;

impl<T> Default for Text<T> {
    fn default() -> Text<T> {
        Text { text: "{}".to_string(), members: Vec::new(), changed: BTreeMap::new() }
    }
}

impl<T: Listed> Text<T> {
    /// Takes a file's text; a signature, where there is one, must hold.  The signature that holds.
    pub fn read(mut text: String) -> Result<(Text<T>, Option<String>), SignedError> {
        if let Some((length, signature)) = plain_length(&text) {
            let (signature, tail) = (signature.to_string(), text.split_off(length));
            text.push('}');
            if let Some(members) = scan(&text) {
                return Ok((Text { text, members, changed: BTreeMap::new() }, Some(signature)));
            }
            text.pop();
            text.push_str(&tail);
        }
        let (text, signature) = T::rewrite(&text)?;
        Ok((Text::of_canonical(text)?, signature))
    }

    fn of_canonical(text: String) -> Result<Text<T>, SignedError> {
        let members = scan(&text).ok_or_else(|| shape("not the shape of a catalog part"))?;
        Ok(Text { text, members, changed: BTreeMap::new() })
    }

    /// The entries of a package, in their order.
    pub fn entries(&self, publisher: &str, stem: &str) -> Result<Vec<T>, SignedError> {
        if let Some(entries) = self.changed.get(publisher).and_then(|stems| stems.get(stem)) {
            return Ok(entries.clone());
        }
        match self.find(publisher, stem) {
            Some(found) => T::read(&self.text[found.list.clone()]),
            None => Ok(Vec::new()),
        }
    }

    /// A package's list as it was read; none where the package is not there.
    pub fn list_text(&self, publisher: &str, stem: &str) -> Option<&str> {
        self.find(publisher, stem).map(|found| &self.text[found.list.clone()])
    }

    /// Whether a version was read of a package, spelled like this.
    pub fn names(&self, publisher: &str, stem: &str, version: &str) -> bool {
        let list = self.list_text(publisher, stem);
        list.is_some_and(|list| {
            list.match_indices(version).any(|(at, _)| {
                list[..at].ends_with("\"version\":\"")
                    && list[at + version.len()..].starts_with('"')
            })
        })
    }

    /// Appends an entry to those of a package.
    pub fn push(&mut self, publisher: &str, stem: &str, entry: T) -> Result<(), SignedError> {
        self.list(publisher, stem)?.push(entry);
        Ok(())
    }

    /// Every package, as it was read: publisher, stem and the text of its list.
    pub fn stems(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.members.iter().flat_map(move |member| {
            let publisher = &self.text[member.name.clone()];
            member.stems.iter().flatten().map(move |stem| {
                (publisher, &self.text[stem.name.clone()], &self.text[stem.list.clone()])
            })
        })
    }

    /// Stems and versions.
    pub fn counts(&self) -> (usize, usize) {
        let read = self.members.iter().flat_map(|member| member.stems.iter().flatten());
        let (mut stems, mut versions) =
            read.fold((0, 0), |(stems, versions), one| (stems + 1, versions + one.entries));
        for (publisher, changed) in &self.changed {
            for (stem, entries) in changed {
                if let Some(before) = self.find(publisher, stem) {
                    (stems, versions) = (stems - 1, versions - before.entries);
                }
                (stems, versions) =
                    (stems + usize::from(!entries.is_empty()), versions + entries.len());
            }
        }
        (stems, versions)
    }

    /// The signed text.
    pub fn sign(&self) -> Signed {
        signed(self.text())
    }

    /// The text as images have it: not signed, with its line feed.
    pub fn unsigned(&self) -> String {
        let mut text = self.text();
        text.push('\n');
        text
    }

    /// The canonical text.
    fn text(&self) -> String {
        if self.changed.is_empty() {
            return self.text.clone();
        }
        let mut text = String::with_capacity(self.text.len() + (64 << 10));
        text.push('{');
        let mut changed = self.changed.iter().peekable();
        for member in &self.members {
            let name = &self.text[member.name.clone()];
            while let Some((publisher, stems)) = changed.next_if(|(new, _)| new.as_str() < name) {
                self.write_publisher(publisher, &[], stems, &mut text);
            }
            match (changed.next_if(|(own, _)| *own == name), &member.stems) {
                (Some((_, stems)), Some(old)) => self.write_publisher(name, old, stems, &mut text),
                (Some(_), None) | (None, _) => {
                    text.push_str(&self.text[member.name.start - 1..member.value.end]);
                    text.push(',');
                }
            }
        }
        for (publisher, stems) in changed {
            self.write_publisher(publisher, &[], stems, &mut text);
        }
        if text.len() > 1 {
            text.pop();
        }
        text.push('}');
        text
    }

    /// A publisher's stems, the old ones and what became of some, and a comma; nothing where none
    /// are left.
    fn write_publisher(
        &self,
        publisher: &str,
        old: &[Stem],
        changed: &BTreeMap<String, Vec<T>>,
        to: &mut String,
    ) {
        let begun = to.len();
        key(publisher, to);
        to.push('{');
        let empty = to.len();
        let mut rest = old;
        for (stem, entries) in changed {
            let before = rest.partition_point(|own| &self.text[own.name.clone()] < stem.as_str());
            self.copy(&rest[..before], to);
            rest = &rest[before..];
            if let Some((first, others)) = rest.split_first() {
                if self.text[first.name.clone()] == **stem {
                    rest = others;
                }
            }
            if !entries.is_empty() {
                key(stem, to);
                write_list(entries, to);
                to.push(',');
            }
        }
        self.copy(rest, to);
        if to.len() == empty {
            to.truncate(begun);
            return;
        }
        to.pop();
        to.push_str("},");
    }

    /// Neighbouring stems as they stand, and a comma.
    fn copy(&self, stems: &[Stem], to: &mut String) {
        if let [first, ..] = stems {
            let last = stems.last().unwrap_or(first);
            to.push_str(&self.text[first.name.start - 1..last.list.end]);
            to.push(',');
        }
    }

    fn find(&self, publisher: &str, stem: &str) -> Option<&Stem> {
        let member = self.members.iter().find(|own| &self.text[own.name.clone()] == publisher)?;
        let stems = member.stems.as_ref()?;
        let at = stems.binary_search_by(|own| self.text[own.name.clone()].cmp(stem)).ok()?;
        stems.get(at)
    }

    /// The list of a stem, to be changed.
    fn list(&mut self, publisher: &str, stem: &str) -> Result<&mut Vec<T>, SignedError> {
        let known = self.changed.get(publisher).is_some_and(|stems| stems.contains_key(stem));
        let before = if known { Vec::new() } else { self.entries(publisher, stem)? };
        let stems = self.changed.entry(publisher.to_string()).or_default();
        Ok(stems.entry(stem.to_string()).or_insert(before))
    }
}

impl PartText {
    /// The text of a part.
    pub fn of(part: &Part) -> Result<PartText, SignedError> {
        Text::of_canonical(part.text())
    }

    /// What each of these parts was read to say of the publisher it stands beside; of nobody twice.
    pub fn of_publishers(parts: &[(&str, &PartText)]) -> Result<PartText, SignedError> {
        let of = |(publisher, part): &(&str, &PartText)| {
            let own = part.members.iter().find(|own| part.text[own.name.clone()] == **publisher)?;
            Some(part.text[own.name.start - 1..own.value.end].to_string())
        };
        let members: BTreeSet<String> = parts.iter().filter_map(of).collect();
        Text::of_canonical(format!("{{{}}}", Vec::from_iter(members).join(",")))
    }

    /// The entry of a package.
    pub fn get(&self, fmri: &Fmri) -> Result<Option<Entry>, SignedError> {
        let (Some(publisher), Some(version)) = (&fmri.publisher, &fmri.version) else {
            return Ok(None);
        };
        let entries = self.entries(publisher, &fmri.name)?;
        Ok(entries.into_iter().find(|entry| entry.version.is_written_as(version)))
    }

    /// Adds an entry in its place; of an existing version it takes the place.
    pub fn insert(&mut self, publisher: &str, stem: &str, entry: Entry) -> Result<(), SignedError> {
        super::place(self.list(publisher, stem)?, entry);
        Ok(())
    }

    /// Takes an entry out; a stem or publisher without entries goes too.
    pub fn remove(
        &mut self,
        publisher: &str,
        stem: &str,
        version: &Version,
    ) -> Result<Option<Entry>, SignedError> {
        let entries = self.list(publisher, stem)?;
        let at = entries.iter().position(|entry| entry.version.is_written_as(version));
        Ok(at.map(|at| entries.remove(at)))
    }
}

impl LogText {
    /// What happened to a publisher's packages after `time`: stem and operations, in the order of
    /// stems.  Lists in which nothing is later are not read.
    pub fn later(
        &self,
        publisher: &str,
        time: Timestamp,
    ) -> Result<Vec<(&str, Vec<LogEntry>)>, SignedError> {
        let mut found = Vec::new();
        for (_, stem, list) in self.stems().filter(|(own, ..)| *own == publisher) {
            if times(list).all(|told| told.is_ok_and(|told| told <= time)) {
                continue;
            }
            let mut entries = LogEntry::read(list)?;
            entries.retain(|entry| entry.time > time);
            found.push((stem, entries));
        }
        Ok(found)
    }
}

/// The times of a list's operations.  Inside a string the key's last quote would be escaped.
fn times(list: &str) -> impl Iterator<Item = Result<Timestamp, TimeError>> {
    let after = list.split("\"op-time\":\"").skip(1);
    after.map(|rest| Timestamp::parse(rest.split('"').next().unwrap_or_default()))
}

/// The versions that a list's text names.
pub fn lines(list: &str) -> Result<Vec<Line<'_>>, SignedError> {
    serde_json::from_str(list).map_err(|error| shape(error.to_string()))
}

/// Where everything is; `None` where the text has another form.
fn scan(text: &str) -> Option<Vec<Member>> {
    let mut scan = Scan { text: text.as_bytes(), at: 0 };
    let mut members: Vec<Member> = Vec::new();
    scan.expect(b'{')?;
    while !scan.ends(b'}')? {
        if !members.is_empty() {
            scan.expect(b',')?;
        }
        let name = scan.string()?;
        scan.expect(b':')?;
        let begun = scan.at;
        let stems = if text[name.clone()].starts_with('_') {
            scan.value()?;
            None
        } else if is_publisher(&text[name.clone()]) {
            Some(stems(&mut scan, text)?)
        } else {
            return None;
        };
        if members.last().is_some_and(|last| text[last.name.clone()] >= text[name.clone()]) {
            return None;
        }
        members.push(Member { name, value: begun..scan.at, stems });
    }
    (scan.at == text.len()).then_some(members)
}

fn stems(scan: &mut Scan<'_>, text: &str) -> Option<Vec<Stem>> {
    let mut stems: Vec<Stem> = Vec::new();
    scan.expect(b'{')?;
    while !scan.ends(b'}')? {
        if !stems.is_empty() {
            scan.expect(b',')?;
        }
        let name = scan.string()?;
        scan.expect(b':')?;
        let begun = scan.at;
        if scan.text.get(begun) != Some(&b'[') {
            return None;
        }
        let entries = scan.value()?;
        let ascends = stems.last().is_none_or(|last| text[last.name.clone()] < text[name.clone()]);
        if !ascends || !is_name(&text[name.clone()]) {
            return None;
        }
        stems.push(Stem { name, list: begun..scan.at, entries });
    }
    Some(stems)
}

/// A place in a JSON text without blanks.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn expect(&mut self, byte: u8) -> Option<()> {
        (*self.text.get(self.at)? == byte).then(|| self.at += 1)
    }

    /// Whether this byte is next; then it is passed.
    fn ends(&mut self, byte: u8) -> Option<bool> {
        let is_next = *self.text.get(self.at)? == byte;
        self.at += usize::from(is_next);
        Some(is_next)
    }

    /// Passes a string; what is between its quotes.
    fn string(&mut self) -> Option<Range<usize>> {
        self.expect(b'"')?;
        let begun = self.at;
        loop {
            let rest = self.text.get(self.at..)?;
            self.at += memchr::memchr2(b'"', b'\\', rest)?;
            if self.text[self.at] == b'"' {
                self.at += 1;
                return Some(begun..self.at - 1);
            }
            self.at += 2;
        }
    }

    /// Passes a value; how many objects are right below it.
    fn value(&mut self) -> Option<usize> {
        let (mut depth, mut objects) = (0usize, 0);
        loop {
            match *self.text.get(self.at)? {
                b'"' => {
                    self.string()?;
                    self.at -= 1;
                }
                open @ (b'{' | b'[') => {
                    objects += usize::from(depth == 1 && open == b'{');
                    depth += 1;
                }
                // The end of what a plain value is in.
                b'}' | b']' | b',' if depth == 0 => return Some(0),
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Some(objects);
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: &str, action: &str) -> Entry {
        let version = Version::parse(version).unwrap();
        Entry { version, signature: None, actions: vec![action.to_string()] }
    }

    /// A part of these publishers, stems and versions.
    fn part(all: &[(&str, &str, &str)]) -> Part {
        let mut part = Part::default();
        for (publisher, stem, version) in all {
            part.insert(publisher, stem, entry(version, "set name=x value=\"[{,\\\"}]\""));
        }
        part
    }

    #[test]
    fn whatever_changes_the_text_is_that_of_the_part() {
        let old = [("b.example", "actions", "1"), ("b.example", "c", "1"), ("b.example", "c", "2")];
        let cases: [&[(&str, &str, &str, bool)]; 8] = [
            &[],
            &[("b.example", "a", "1", true)],
            &[("b.example", "z", "1", true), ("b.example", "c", "1.5", true)],
            &[("a.example", "z", "1", true), ("c.example", "x", "3", true)],
            &[("b.example", "c", "1", false), ("b.example", "c", "2", false)],
            &[("b.example", "actions", "1", false), ("b.example", "b", "2", true)],
            &[("b.example", "actions", "9", false), ("b.example", "c", "2", true)],
            &[
                ("b.example", "actions", "1", false),
                ("b.example", "c", "1", false),
                ("b.example", "c", "2", false),
                ("b.example", "d", "2", true),
                ("b.example", "d", "2", false),
            ],
        ];
        for feature in [None, Some("ooce:utf8"), Some("\u{e9}\"")] {
            for changes in cases {
                let mut whole = part(&old);
                if let Some(feature) = feature {
                    whole.reserved.insert("_FEATURE".into(), serde_json::json!([feature]));
                }
                let (mut text, signature) = PartText::read(whole.sign().text).unwrap();
                assert_eq!(signature, Some(whole.sign().sha1));
                for (publisher, stem, version, comes) in changes {
                    let entry = entry(version, "set name=y value=\u{e9}");
                    if *comes {
                        whole.insert(publisher, stem, entry.clone());
                        text.insert(publisher, stem, entry).unwrap();
                    } else {
                        let gone = whole.remove(publisher, stem, &entry.version);
                        assert_eq!(text.remove(publisher, stem, &entry.version).unwrap(), gone);
                    }
                }
                assert_eq!(text.sign(), whole.sign(), "{changes:?}");
                assert_eq!(text.counts(), whole.counts(), "{changes:?}");
                for (fmri, entry) in whole.entries() {
                    assert_eq!(text.get(&fmri).unwrap().as_ref(), Some(entry));
                }
            }
        }
    }

    #[test]
    fn other_forms_are_read_too() {
        let whole = part(&[("p", "b", "1"), ("p", "a", "1")]);
        let loose = whole.sign().text.replace("\":", "\": ").replace("{\"", "{ \"");
        let (text, signature) = PartText::read(loose).unwrap();
        assert_eq!((text.sign(), signature), (whole.sign(), Some(whole.sign().sha1)));
        let (text, signature) = PartText::read("{\"p\":{\"a\":[]}}".to_string()).unwrap();
        assert_eq!((signature, text.entries("p", "a").unwrap()), (None, Vec::new()));
        for bad in [
            "",
            "{",
            "[]",
            r#"{"../p":{}}"#,
            r#"{"p":{"../x":[]}}"#,
            r#"{"p":[]}"#,
            r#"{"p":{"a":{}}}"#,
            r#"{"p":{"a":["#,
        ] {
            let signed = bad.strip_suffix('}').map(|head| signed(format!("{head}}}")).text);
            for text in signed.into_iter().chain([bad.to_string()]) {
                assert!(PartText::read(text.clone()).is_err(), "{text}");
            }
        }
        let damaged = whole.sign().text.replacen("p", "q", 1);
        assert!(PartText::read(damaged).is_err());
    }

    #[test]
    fn publishers_are_put_together() {
        let one = PartText::of(&part(&[("b", "x", "1"), ("c", "x", "1")])).unwrap();
        let other = PartText::of(&part(&[("a-a", "y", "2"), ("a", "y", "1")])).unwrap();
        let parts = [("b", &one), ("d", &one), ("a-a", &other), ("a", &other)];
        let joined = PartText::of_publishers(&parts).unwrap();
        let expected = part(&[("b", "x", "1"), ("a-a", "y", "2"), ("a", "y", "1")]);
        assert_eq!(joined.unsigned(), PartText::of(&expected).unwrap().unsigned());
        assert_eq!(PartText::of_publishers(&[]).unwrap().unsigned(), "{}\n");
    }

    #[test]
    fn a_list_that_makes_no_sense_is_told_when_it_is_asked_for() {
        let text = signed(r#"{"p":{"a":[{}],"b":[]}}"#.to_string()).text;
        let (text, _) = PartText::read(text).unwrap();
        let whole = PartText::of(&part(&[("p", "a", "1-2")])).unwrap();
        for (stem, version, named) in [
            ("a", "1,5.11-2", true),
            ("a", "1-2", false),
            ("a", "1,5.11-", false),
            ("b", "1", false),
        ] {
            assert_eq!(whole.names("p", stem, version), named, "{stem} {version}");
        }
        assert!(text.entries("p", "a").is_err() && text.entries("p", "b").is_ok());
    }
}
