//! version.rs - package versions, `RELEASE[,BUILD][-BRANCH][:TIMESTAMP]`.
//!
//! Text is kept as read: two versions that differ in BUILD compare equal and are still two
//! catalog entries, so the text is the key and the comparison is not.  Numbers are unbounded:
//! they are compared by length, then by digits, never converted.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// The build release a version has when its text names none.
pub const DEFAULT_BUILD: &str = "5.11";

/// Why a version is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing where a version belongs.
    #[error("Version cannot be empty")]
    Empty,
    /// A part is empty, has a sign, a leading zero or something that is no digit.
    #[error("Bad Version: {0}")]
    BadPart(String),
    /// The time stamp is not sixteen characters of a real time.
    #[error("Time must be a valid ISO 8601 basic format UTC time: {0}")]
    BadTime(String),
}

/// Numbers joined by dots: a release, build release or branch.
#[derive(Debug, Clone)]
pub struct DotSequence(String);

impl DotSequence {
    /// Reads a sequence.  A component of zeros only (`00`) passes, as it does in pkg5; `01` not.
    pub fn parse(text: &str) -> Result<DotSequence, VersionError> {
        let fine = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && (part.len() == 1 || !part.starts_with('0') || part.bytes().all(|b| b == b'0'))
        };
        if text.split('.').all(fine) {
            Ok(DotSequence(text.to_string()))
        } else {
            Err(VersionError::BadPart(text.to_string()))
        }
    }

    /// The text as read.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components without leading zeros, most significant first.
    fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('.').map(|part| part.trim_start_matches('0'))
    }

    /// Whether `other` is a leading part of this: 1.1.5 starts with 1.1, 1.10 does not.
    pub fn starts_with(&self, other: &DotSequence) -> bool {
        let mut mine = self.parts();
        other.parts().all(|part| mine.next() == Some(part))
    }

    /// Whether no component has a leading zero; what is written has to pass.
    pub fn is_strict(&self) -> bool {
        self.0.split('.').all(|part| part.len() == 1 || !part.starts_with('0'))
    }
}

impl Ord for DotSequence {
    fn cmp(&self, other: &DotSequence) -> Ordering {
        let (mut left, mut right) = (self.parts(), other.parts());
        loop {
            return match (left.next(), right.next()) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(a), Some(b)) if a == b => continue,
                (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            };
        }
    }
}

impl PartialOrd for DotSequence {
    fn partial_cmp(&self, other: &DotSequence) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for DotSequence {
    fn eq(&self, other: &DotSequence) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for DotSequence {}

impl fmt::Display for DotSequence {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// A package version.  Comparison, equality and hash leave BUILD out.
#[derive(Debug, Clone)]
pub struct Version {
    /// The component's own version.
    pub release: DotSequence,
    /// The system release it was built for; never compared.
    pub build: DotSequence,
    /// The branch; none sorts before any.
    pub branch: Option<DotSequence>,
    /// `YYYYMMDDTHHMMSSZ`; none sorts before any.
    pub timestamp: Option<String>,
}

impl Version {
    /// Reads `RELEASE[,BUILD][-BRANCH][:TIMESTAMP]`; BUILD defaults to 5.11.
    pub fn parse(text: &str) -> Result<Version, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        let (rest, timestamp) = split_once_opt(text, ':');
        let (rest, branch) = split_once_opt(rest, '-');
        let (release, build) = split_once_opt(rest, ',');
        if let Some(time) = timestamp {
            check_timestamp(time)?;
        }
        Ok(Version {
            release: DotSequence::parse(release)?,
            build: DotSequence::parse(build.unwrap_or(DEFAULT_BUILD))?,
            branch: branch.map(DotSequence::parse).transpose()?,
            timestamp: timestamp.map(str::to_string),
        })
    }

    /// `REL-BR`: no build, no time.
    pub fn short(&self) -> String {
        match &self.branch {
            Some(branch) => format!("{}-{branch}", self.release),
            None => self.release.to_string(),
        }
    }

    /// `REL-BR:TS`, what lists print.
    pub fn without_build(&self) -> String {
        match &self.timestamp {
            Some(time) => format!("{}:{time}", self.short()),
            None => self.short(),
        }
    }

    /// The same version at another time.
    pub fn at(&self, timestamp: Option<&str>) -> Version {
        Version { timestamp: timestamp.map(str::to_string), ..self.clone() }
    }

    /// Whether the text is the same, BUILD included: the key of catalogs, unlike `==`.
    pub fn is_written_as(&self, other: &Version) -> bool {
        self.release.0 == other.release.0
            && self.build.0 == other.build.0
            && self.branch.as_ref().map(DotSequence::as_str)
                == other.branch.as_ref().map(DotSequence::as_str)
            && self.timestamp == other.timestamp
    }

    /// AUTO matching, what `incorporate` asks: `constraint`'s parts lead this version's parts.
    pub fn matches(&self, constraint: &Version) -> bool {
        let branch = match (&constraint.branch, &self.branch) {
            (None, _) => true,
            (Some(wanted), Some(mine)) => mine.starts_with(wanted),
            (Some(_), None) => false,
        };
        let time = constraint.timestamp.is_none() || constraint.timestamp == self.timestamp;
        self.release.starts_with(&constraint.release) && branch && time
    }

    /// Whether this may be written: no component with a leading zero.
    pub fn is_strict(&self) -> bool {
        self.release.is_strict()
            && self.build.is_strict()
            && self.branch.as_ref().is_none_or(DotSequence::is_strict)
    }
}

/// `a:b` → (a, Some(b)); `a` → (a, None).
fn split_once_opt(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// A package time stamp is sixteen characters that name a real second.
pub fn check_timestamp(text: &str) -> Result<(), VersionError> {
    let shape = text.len() == 16
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if shape && is_real(text.as_bytes()) {
        Ok(())
    } else {
        Err(VersionError::BadTime(text.to_string()))
    }
}

/// Whether sixteen characters of this shape are a second of the calendar; read by hand, because a
/// catalog has hundreds of thousands of them.
fn is_real(text: &[u8]) -> bool {
    let number = |at: std::ops::Range<usize>| {
        text[at].iter().fold(0, |number, byte| number * 10 + i16::from(byte - b'0'))
    };
    let small = |at| i8::try_from(number(at)).unwrap_or(i8::MAX);
    let date = jiff::civil::Date::new(number(0..4), small(4..6), small(6..8));
    date.is_ok() && jiff::civil::Time::new(small(9..11), small(11..13), small(13..15), 0).is_ok()
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.release
            .cmp(&other.release)
            .then_with(|| self.branch.cmp(&other.branch))
            .then_with(|| self.timestamp.cmp(&other.timestamp))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for part in self.release.parts() {
            part.hash(state);
        }
        if let Some(branch) = &self.branch {
            "-".hash(state);
            for part in branch.parts() {
                part.hash(state);
            }
        }
        self.timestamp.hash(state);
    }
}

/// The long form, always with `,BUILD`.
impl fmt::Display for Version {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{},{}", self.release, self.build)?;
        if let Some(branch) = &self.branch {
            write!(to, "-{branch}")?;
        }
        if let Some(time) = &self.timestamp {
            write!(to, ":{time}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn order() {
        for (older, newer) in [
            ("1.9", "1.10"),
            ("1.0", "1.0.1"),
            ("1.0", "1.0-1"),
            ("1.0-1", "1.0-2"),
            ("1.0-9", "1.0-10"),
            ("1.0-1", "1.0-1:20260101T000000Z"),
            ("1.0-1:20260101T000000Z", "1.0-1:20260101T000001Z"),
            ("1.0-2:20260101T000000Z", "1.1-1"),
            ("99999999999999999999999", "100000000000000000000000"),
        ] {
            assert!(version(older) < version(newer), "{older} < {newer}");
        }
        assert_eq!(version("1.0,5.11-1"), version("1.0,5.12-1"));
        assert!(!version("1.0,5.11-1").is_written_as(&version("1.0,5.12-1")));
        assert!(version("1.0-1").is_written_as(&version("1.0,5.11-1")));
        assert_ne!(version("1.0"), version("1.0.0"));
        assert_eq!(version("1.00"), version("1.0"));
    }

    #[test]
    fn text() {
        for (read, long, short) in [
            ("1.0", "1.0,5.11", "1.0"),
            ("1.0,5.10-3", "1.0,5.10-3", "1.0-3"),
            ("1-2024.0:20240102T030405Z", "1,5.11-2024.0:20240102T030405Z", "1-2024.0"),
            ("3.1.4.1.5.9.2.6.5.3,5.11", "3.1.4.1.5.9.2.6.5.3,5.11", "3.1.4.1.5.9.2.6.5.3"),
        ] {
            assert_eq!(version(read).to_string(), long);
            assert_eq!(version(read).short(), short);
        }
        assert!(!version("1.00").is_strict() && version("1.0").is_strict());
    }

    #[test]
    fn refused() {
        for bad in [
            "",
            "1.0-",
            "1.0,",
            "1.0:",
            "1.0-1,5.11",
            "01.0",
            "1.01",
            "1..0",
            ".1",
            "1.",
            "-1",
            "1.0--1",
            "1.0-01",
            "a",
            "1.0a",
            "1.0+1",
            "1.0:20260230T000000Z",
            "1.0:2026-1-1T000000",
            "1.0:20260101T250000Z",
            "1.*",
            "1.0:20260101T000000z",
            "1 ",
        ] {
            assert!(Version::parse(bad).is_err(), "{bad} passed");
        }
    }

    #[test]
    fn auto_matching() {
        for (mine, constraint, expected) in [
            ("1.1", "1.1", true),
            ("1.1.5", "1.1", true),
            ("1.10", "1.1", false),
            ("1.1", "1.1-1", false),
            ("1.1-1.2", "1.1-1", true),
            ("1.1-1:20260101T000000Z", "1.1-1:20260101T000000Z", true),
            ("1.1-1:20260101T000000Z", "1.1-1:20260101T000001Z", false),
            ("1.1,5.12", "1.1,5.11", true),
        ] {
            assert_eq!(
                version(mine).matches(&version(constraint)),
                expected,
                "{mine} {constraint}"
            );
        }
    }
}
