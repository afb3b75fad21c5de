//! pattern.rs - which packages a user means.
//!
//! `STEM[@VERSION]`, split at the first `@`.  The stem is exact (`/x`, `pkg:/x`, `pkg://PUB/x`),
//! a glob over the whole name (`*` and `?`, crossing `/`), or the last components of the name.
//! In the version RELEASE, BRANCH and time may each be `*`; what is absent is `*`.

use crate::fmri::{Fmri, is_publisher};
use crate::version::{DotSequence, Version};

/// A pattern that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Illegal FMRI '{pattern}': {reason}")]
pub struct PatternError {
    /// The pattern as given.
    pub pattern: String,
    /// Why, in pkg5's words.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stem {
    Exact(String),
    Glob(String),
    Tail(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    Any,
    Latest,
    /// A star inside a sequence is accepted and matches nothing.
    Nothing,
    Parts {
        release: Option<DotSequence>,
        branch: Option<DotSequence>,
        time: Option<String>,
    },
}

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    text: String,
    publisher: Option<String>,
    stem: Stem,
    version: Wanted,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let refuse = |reason: String| PatternError { pattern: text.to_string(), reason };
        let (left, version) = match text.split_once('@') {
            Some((left, version)) => (left, Some(version)),
            None => (text, None),
        };
        let (publisher, name, rooted) = split(left);
        if name.is_empty() {
            return Err(refuse("Invalid Package Name: ".into()));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_/-.+*?".contains(&byte);
        if !name.bytes().all(allowed) || publisher.is_some_and(|publisher| !is_publisher(publisher))
        {
            return Err(refuse(format!("Invalid Package Name: {name}")));
        }
        let stem = if name.contains(['*', '?']) {
            Stem::Glob(name.to_string())
        } else if rooted {
            Stem::Exact(name.to_string())
        } else {
            Stem::Tail(format!("/{name}"))
        };
        let version = match version {
            None | Some("") => Wanted::Any,
            Some("latest") => Wanted::Latest,
            Some(version) => wanted(version).map_err(refuse)?,
        };
        Ok(Pattern {
            text: text.to_string(),
            publisher: publisher.map(str::to_string),
            stem,
            version,
        })
    }

    /// The pattern as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the stem has a wildcard, so that several stems may match.
    pub fn is_wild(&self) -> bool {
        matches!(self.stem, Stem::Glob(_))
    }

    /// Whether the package is meant.  `latest` lets every version pass; `select` narrows it.
    pub fn matches(&self, fmri: &Fmri) -> bool {
        let publisher = self.publisher.is_none() || self.publisher == fmri.publisher;
        publisher && self.matches_stem(&fmri.name) && self.matches_version(fmri.version.as_ref())
    }

    fn matches_stem(&self, name: &str) -> bool {
        match &self.stem {
            Stem::Exact(exact) => name == exact,
            Stem::Glob(glob) => glob_matches(glob, name),
            Stem::Tail(tail) => name.ends_with(tail.as_str()) || name == &tail[1..],
        }
    }

    fn matches_version(&self, version: Option<&Version>) -> bool {
        match (&self.version, version) {
            (Wanted::Any | Wanted::Latest, _) => true,
            (Wanted::Nothing, _) | (Wanted::Parts { .. }, None) => false,
            (Wanted::Parts { release, branch, time }, Some(mine)) => {
                release.as_ref().is_none_or(|wanted| mine.release.starts_with(wanted))
                    && branch.as_ref().is_none_or(|wanted| {
                        mine.branch.as_ref().is_some_and(|mine| mine.starts_with(wanted))
                    })
                    && time.as_ref().is_none_or(|wanted| mine.timestamp.as_ref() == Some(wanted))
            }
        }
    }

    /// The packages of `all` that are meant, in their order; with `@latest` the newest of each
    /// publisher and stem.
    pub fn select<'a>(&self, all: &'a [Fmri]) -> Vec<&'a Fmri> {
        let mut found: Vec<&Fmri> = all.iter().filter(|fmri| self.matches(fmri)).collect();
        if self.version == Wanted::Latest {
            let newest = found.clone();
            found.retain(|fmri| {
                let same =
                    |other: &&Fmri| other.name == fmri.name && other.publisher == fmri.publisher;
                newest.iter().copied().filter(same).all(|other| other.version <= fmri.version)
            });
        }
        found
    }
}

/// → publisher, name, and whether the name is exact.
fn split(left: &str) -> (Option<&str>, &str, bool) {
    let rest = left.strip_prefix("pkg:").unwrap_or(left);
    if let Some(rest) = rest.strip_prefix("//") {
        let (publisher, name) = rest.split_once('/').unwrap_or((rest, ""));
        return ((!publisher.is_empty()).then_some(publisher), name, true);
    }
    match rest.strip_prefix('/') {
        Some(name) => (None, name, true),
        None => (None, left, false),
    }
}

/// Reads the version part; `Err` is the reason.
fn wanted(text: &str) -> Result<Wanted, String> {
    let (rest, time) = cut(text, ':');
    let (rest, branch) = cut(rest, '-');
    let (release, build) = cut(rest, ',');
    let mut starred = false;
    let mut sequence = |part: Option<&str>| -> Result<Option<DotSequence>, String> {
        match part {
            None | Some("*") => Ok(None),
            Some(part) if part.split('.').any(|piece| piece == "*") => {
                starred = true;
                Ok(None)
            }
            Some(part) => DotSequence::parse(part).map(Some).map_err(|error| error.to_string()),
        }
    };
    let release = sequence(Some(release))?;
    sequence(build)?;
    let branch = sequence(branch)?;
    let time = time.filter(|time| *time != "*").map(str::to_string);
    if starred {
        return Ok(Wanted::Nothing);
    }
    Ok(Wanted::Parts { release, branch, time })
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Case-sensitive file name matching of `*` and `?` over the whole text.
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // Where the last star was, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        if at < glob.len() && glob[at] == b'*' {
            star = Some((at, from));
            at += 1;
        } else if at < glob.len() && (glob[at] == b'?' || glob[at] == text[from]) {
            at += 1;
            from += 1;
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            at = star_at + 1;
            from = taken + 1;
        } else {
            return false;
        }
    }
    glob[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, fmri: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(&Fmri::parse(fmri).unwrap())
    }

    #[test]
    fn stems() {
        for (pattern, name, expected) in [
            ("ssh", "network/ssh", true),
            ("ssh", "ssh", true),
            ("ssh", "network/openssh", false),
            ("network/ssh", "network/ssh", true),
            ("/ssh", "network/ssh", false),
            ("pkg:/network/ssh", "network/ssh", true),
            ("pkg:/ssh", "network/ssh", false),
            ("//p/network/ssh", "//p/network/ssh", true),
            ("pkg://q/network/ssh", "//p/network/ssh", false),
            ("*", "a/b/c", true),
            ("net*ssh", "network/ssh", true),
            ("*/ss?", "network/ssh", true),
            ("*SSH", "network/ssh", false),
            ("*ssh", "network/ssh/x", false),
            ("c++", "net/c++", true),
        ] {
            assert_eq!(matches(pattern, &format!("{name}@1")), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn versions() {
        for (pattern, expected) in [
            ("@1", true),
            ("@1.0", true),
            ("@1.0-*", true),
            ("@*-1", true),
            ("@1.0,5.12-1", true),
            ("@*", true),
            ("@", true),
            ("@latest", true),
            ("@1.0-1:20260101T000000Z", true),
            ("@1.*", false),
            ("@1.1", false),
            ("@1.0-2", false),
        ] {
            let fmri = "a@1.0,5.11-1:20260101T000000Z";
            assert_eq!(matches(&format!("a{pattern}"), fmri), expected, "{pattern}");
        }
        assert!(!matches("a@1.1", "a@1.10"));
    }

    #[test]
    fn refused() {
        for bad in ["", "@1.0", "pkg:/", "a[b]", "a b", "a@1.0*", "a@01", "pkg://b_d/a", "a@x"] {
            assert!(Pattern::parse(bad).is_err(), "{bad:?} passed");
        }
    }

    #[test]
    fn latest_is_the_newest_of_each_stem() {
        let all: Vec<Fmri> = ["//p/a@1.9", "//p/a@1.10", "//p/b@1", "//q/a@1"]
            .iter()
            .map(|text| Fmri::parse(text).unwrap())
            .collect();
        let newest = Pattern::parse("*@latest").unwrap();
        let names: Vec<String> =
            newest.select(&all).iter().map(|fmri| fmri.without_build()).collect();
        assert_eq!(names, ["pkg://p/a@1.10", "pkg://p/b@1", "pkg://q/a@1"]);
    }
}
