//! fmri.rs - names of packages, `pkg://PUBLISHER/NAME@VERSION`.
//!
//! An `Fmri` that exists is well formed: its parts may be used in paths once quoted.

use std::cmp::Ordering;
use std::fmt;

use crate::quote::quote;
use crate::version::{Version, VersionError};

/// Why an FMRI is refused; the text is pkg5's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FmriError {
    /// The name is not components of `[A-Za-z0-9][A-Za-z0-9_.+-]*` joined by `/`.
    #[error("Illegal FMRI '{fmri}': Invalid Package Name: {name}")]
    Name {
        /// The whole text.
        fmri: String,
        /// Its name.
        name: String,
    },
    /// The publisher prefix is not one.
    #[error("Illegal FMRI '{fmri}': Publisher name is not valid: {publisher}")]
    Publisher {
        /// The whole text.
        fmri: String,
        /// Its publisher.
        publisher: String,
    },
    /// The version is not one.
    #[error("Illegal FMRI '{fmri}': {source}")]
    Version {
        /// The whole text.
        fmri: String,
        /// What is wrong with it.
        source: VersionError,
    },
}

/// The name of a package, with or without publisher and version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fmri {
    /// Publisher prefix.
    pub publisher: Option<String>,
    /// Package name (stem).
    pub name: String,
    /// Version; none in dependencies on any version.
    pub version: Option<Version>,
}

impl Fmri {
    /// Reads any of the accepted forms; trailing white space is dropped.
    pub fn parse(text: &str) -> Result<Fmri, FmriError> {
        let text = text.trim_end();
        let refused = |name: &str| FmriError::Name { fmri: text.into(), name: name.into() };
        let (publisher, rest) = split_publisher(text);
        let (name, version) = match rest.rfind('@') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        if let Some(publisher) = publisher {
            if !is_publisher(publisher) {
                let publisher = publisher.to_string();
                return Err(FmriError::Publisher { fmri: text.into(), publisher });
            }
        }
        let version = version
            .map(Version::parse)
            .transpose()
            .map_err(|source| FmriError::Version { fmri: text.into(), source })?;
        if !is_name(name) {
            return Err(refused(name));
        }
        Ok(Fmri { publisher: publisher.map(str::to_string), name: name.to_string(), version })
    }

    /// An FMRI of known parts, as catalogs keep them.
    pub fn of(publisher: &str, name: &str, version: &str) -> Result<Fmri, FmriError> {
        Fmri::parse(&format!("pkg://{publisher}/{name}@{version}"))
    }

    /// The same package of another publisher.
    pub fn with_publisher(&self, publisher: &str) -> Fmri {
        Fmri { publisher: Some(publisher.to_string()), ..self.clone() }
    }

    /// `pkg:/NAME@VERSION`: the long form without the publisher.
    pub fn without_publisher(&self) -> String {
        Fmri { publisher: None, ..self.clone() }.to_string()
    }

    /// `pkg://PUB/NAME@REL-BR:TS`, what lists print.
    pub fn without_build(&self) -> String {
        let mut text = self.stem();
        if let Some(version) = &self.version {
            text.push('@');
            text.push_str(&version.without_build());
        }
        text
    }

    /// `pkg://PUB/NAME`, no version.
    pub fn stem(&self) -> String {
        match &self.publisher {
            Some(publisher) => format!("pkg://{publisher}/{}", self.name),
            None => format!("pkg:/{}", self.name),
        }
    }

    /// `NAME@REL-BR`, for messages.
    pub fn brief(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{}", self.name, version.short()),
            None => self.name.clone(),
        }
    }

    /// `QUOTED-NAME/QUOTED-VERSION`, the manifest's place below `pkg/`; none without version.
    pub fn path(&self) -> Option<String> {
        let version = self.version.as_ref()?;
        Some(format!("{}/{}", quote(&self.name), quote(&version.to_string())))
    }

    /// `QUOTED-NAME@QUOTED-VERSION`, its form in depot URLs; none without version.
    pub fn url(&self) -> Option<String> {
        let version = self.version.as_ref()?;
        Some(format!("{}@{}", quote(&self.name), quote(&version.to_string())))
    }

    /// Whether this is `other` or newer: same name, same publisher where both have one.
    pub fn is_successor_of(&self, other: &Fmri) -> bool {
        let publisher = match (&self.publisher, &other.publisher) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (None, _) | (_, None) => true,
        };
        publisher && self.name == other.name && self.version >= other.version
    }
}

/// `pkg://PUB/x`, `//PUB/x`, `pkg:/x`, `/x`, `x` → (PUB, x).
fn split_publisher(text: &str) -> (Option<&str>, &str) {
    let rest = text.strip_prefix("pkg:").unwrap_or(text);
    if let Some(rest) = rest.strip_prefix("//") {
        let (publisher, name) = rest.split_once('/').unwrap_or((rest, ""));
        return ((!publisher.is_empty()).then_some(publisher), name);
    }
    // Without a slash `pkg:` is no scheme, and the colon makes the name illegal.
    match rest.strip_prefix('/') {
        Some(name) => (None, name),
        None => (None, text),
    }
}

/// Whether `text` is a package name.
pub fn is_name(text: &str) -> bool {
    text.split('/').all(|part| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte))
    })
}

/// Whether `text` is a publisher prefix: dot-joined parts of `[A-Za-z0-9][A-Za-z0-9-]*`.
pub fn is_publisher(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

impl Ord for Fmri {
    fn cmp(&self, other: &Fmri) -> Ordering {
        self.publisher
            .cmp(&other.publisher)
            .then_with(|| self.name.cmp(&other.name))
            .then_with(|| self.version.cmp(&other.version))
    }
}

impl PartialOrd for Fmri {
    fn partial_cmp(&self, other: &Fmri) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The long form.
impl fmt::Display for Fmri {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.stem())?;
        match &self.version {
            Some(version) => write!(to, "@{version}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fmri(text: &str) -> Fmri {
        Fmri::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn forms() {
        for (read, long) in [
            ("pkg://p.example/a/b@1.0", "pkg://p.example/a/b@1.0,5.11"),
            ("//p.example/a@1.0-1", "pkg://p.example/a@1.0,5.11-1"),
            ("pkg:/a/b@1.0", "pkg:/a/b@1.0,5.11"),
            ("/a/b", "pkg:/a/b"),
            ("a/b@1  ", "pkg:/a/b@1,5.11"),
            ("pkg:///a", "pkg:/a"),
            ("net/c++/http+json_x.y-z@3", "pkg:/net/c++/http+json_x.y-z@3,5.11"),
        ] {
            assert_eq!(fmri(read).to_string(), long);
            assert_eq!(fmri(long).to_string(), long);
        }
    }

    #[test]
    fn refused() {
        for bad in [
            "",
            "pkg:/",
            "pkg:a",
            "-x",
            "pkg:/-x@1",
            "a//b",
            "a/",
            "/a/",
            "../a",
            "a/../b",
            "a/.b",
            "a@",
            "x@@",
            "pkg://bad_pub/a",
            "pkg://-p/a",
            "pkg://../a",
            "a b",
            "a\u{e9}",
            "a%2Fb@1",
            "pkg://p",
            "pkg://p/",
            "@1.0",
            "a@01.0",
            "pkg://p..q/a",
        ] {
            assert!(Fmri::parse(bad).is_err(), "{bad:?} passed");
        }
        let error = Fmri::parse("pkg:/x@01.0").unwrap_err();
        assert_eq!(error.to_string(), "Illegal FMRI 'pkg:/x@01.0': Bad Version: 01.0");
        let error = Fmri::parse("x@@").unwrap_err();
        assert_eq!(error.to_string(), "Illegal FMRI 'x@@': Version cannot be empty");
    }

    #[test]
    fn order_is_publisher_name_version() {
        for (first, second) in [
            ("a@2", "//p/a@1"),
            ("//p/a@2", "//q/a@1"),
            ("//p/a@2", "//p/b@1"),
            ("//p/a", "//p/a@1"),
            ("//p/a@1.9", "//p/a@1.10"),
            ("a+b@1", "a/b@1"),
        ] {
            assert!(fmri(first) < fmri(second), "{first} < {second}");
        }
    }

    #[test]
    fn paths() {
        let name = fmri("pkg://p/web/server@1.0-1:20260101T000000Z");
        let path = "web%2Fserver/1.0%2C5.11-1%3A20260101T000000Z";
        assert_eq!(name.path().as_deref(), Some(path));
        assert_eq!(name.url(), Some(path.replacen('/', "@", 1)));
        assert_eq!(name.without_build(), "pkg://p/web/server@1.0-1:20260101T000000Z");
        assert_eq!(fmri("a").path(), None);
    }
}
