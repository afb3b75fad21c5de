//! origin.rs - where packages come from: a repository on disk, an archive, or a depot.

use std::fmt;
use std::path::{Path, PathBuf};

/// Text that names no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Nothing was given.
    #[error("an origin is a path or a URI, and this is empty")]
    Empty,
    /// A scheme that is not read.
    #[error("{text}: origins are paths, file:, http: and https: URIs")]
    Scheme {
        /// The text.
        text: String,
    },
    /// A file URI of another host, or with broken escapes.
    #[error("{text}: not the URI of a local file")]
    File {
        /// The text.
        text: String,
    },
    /// A URI without host, or with blanks.
    #[error("{text}: not a URI")]
    Uri {
        /// The text.
        text: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A repository directory.
    Directory(PathBuf),
    /// A p5p archive.
    Archive(PathBuf),
    /// The base of a depot's URIs, with a slash at its end.
    Depot(String),
}

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    uri: String,
    pub(crate) place: Place,
}

impl Origin {
    /// Reads a path, or a `file:`, `http:` or `https:` URI.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let text = text.trim();
        let own = || text.to_string();
        if text.is_empty() {
            return Err(OriginError::Empty);
        }
        if let Some(rest) = text.strip_prefix("file:") {
            let path = match rest.strip_prefix("//") {
                Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
                None => rest,
            };
            let path = ips_model::quote::unquote(path).filter(|path| path.starts_with('/'));
            let path = path.ok_or_else(|| OriginError::File { text: own() })?;
            return Ok(Self::directory(Path::new(&path)));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::directory(Path::new(text)));
        };
        if !matches!(scheme, "http" | "https") {
            return Err(OriginError::Scheme { text: own() });
        }
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if rest.is_empty() || rest.starts_with('/') || rest.contains(odd) {
            return Err(OriginError::Uri { text: own() });
        }
        let base = if text.ends_with('/') { own() } else { format!("{text}/") };
        Ok(Self { uri: base.clone(), place: Place::Depot(base) })
    }

    /// The repository in a directory.
    pub fn directory(path: &Path) -> Self {
        let uri = format!("file://{}", path.display());
        Self { uri, place: Place::Directory(path.to_path_buf()) }
    }

    /// The archive at a path.
    pub fn archive(path: &Path) -> Self {
        let uri = format!("file://{}", path.display());
        Self { uri, place: Place::Archive(path.to_path_buf()) }
    }

    /// Its URI.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The directory, when the repository lies on disk.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Directory(path) => Some(path),
            Place::Archive(_) | Place::Depot(_) => None,
        }
    }

    /// Whether it is reached by a network.
    pub fn is_remote(&self) -> bool {
        matches!(self.place, Place::Depot(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, uri) in [
            ("/a/b", "file:///a/b"),
            ("a", "file://a"),
            ("file:///a%20b", "file:///a b"),
            ("file:/a", "file:///a"),
            ("file://localhost/a", "file:///a"),
            ("http://h:8001", "http://h:8001/"),
            ("https://h/x/", "https://h/x/"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().uri(), uri, "{text}");
        }
        for text in ["", "ftp://h/", "file://host/a", "http://", "http:///x", "http://a b/"] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }
}
