//! place.rs - what the argument of `-s` and `-d` leads to.

use std::path::{Path, PathBuf};

use ips_client::{Depot, Origin, Source};
use ips_model::configuration::ConfigurationError;
use ips_model::quote::unquote;
use ips_repository::{OpenError, Repository};

use crate::Failure;
use crate::transport::{Identity, transport};

/// A repository's place as a user gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory, or what may become one; absolute.
    Directory(PathBuf),
    /// A file, which is to be a package archive; absolute.
    Archive(PathBuf),
    /// `http://…` or `https://…`.
    Url(String),
}

impl Place {
    /// Reads a path or URI; relative paths start at the working directory.
    pub fn parse(text: &str) -> Result<Place, Failure> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Place::Url(text.to_string()));
        }
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        if let Some(scheme) = scheme.filter(|scheme| is_scheme(scheme) && !KNOWN.contains(scheme)) {
            return Err(Failure::new(format!(
                "The URI '{text}' uses the unsupported scheme '{scheme}'.  Supported schemes are file://, http://, and https://."
            )));
        }
        let path = match text.strip_prefix("file:") {
            None => text.to_string(),
            Some(rest) => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                let path = path
                    .strip_prefix("localhost")
                    .filter(|path| path.starts_with('/'))
                    .unwrap_or(path);
                unquote(path).ok_or_else(|| invalid(text))?
            }
        };
        if path.is_empty() {
            return Err(invalid(text));
        }
        let path = std::path::absolute(Path::new(&path))?;
        Ok(if path.is_file() { Place::Archive(path) } else { Place::Directory(path) })
    }

    /// The directory of a place that is written to or read without a server.
    pub fn directory(&self) -> Result<&Path, Failure> {
        match self {
            Place::Directory(path) | Place::Archive(path) => Ok(path),
            Place::Url(url) => Err(Failure::new(format!(
                "The following URIs use unsupported schemes.  Supported schemes are file://: {url}"
            ))),
        }
    }

    /// Opens the repository in the directory.
    pub fn open(&self) -> Result<Repository, Failure> {
        let path = self.directory()?;
        if matches!(self, Place::Archive(_)) {
            return Err(Failure::new(OpenError::Missing(path.to_path_buf())));
        }
        Repository::open(path).map_err(|error| told(path, &error))
    }

    /// Opens it to take packages from it.
    pub fn source(&self) -> Result<Source, Failure> {
        self.source_as(&Identity::default())
    }

    /// The same, showing a certificate of one's own to a depot.
    pub fn source_as(&self, identity: &Identity) -> Result<Source, Failure> {
        let origin = match self {
            Place::Directory(path) => {
                // An unusable repository is told of in the same words.
                self.open()?;
                Origin::directory(path)
            }
            Place::Archive(path) => Origin::archive(path),
            Place::Url(url) => {
                let origin = Origin::parse(url).map_err(Failure::new)?;
                let by = transport(url, identity)?;
                return Source::open_by(&origin, &by).map_err(Failure::new);
            }
        };
        Source::open(&origin).map_err(Failure::new)
    }

    /// The depot to publish to, where it is one.
    pub fn depot(&self, identity: &Identity) -> Result<Option<Depot>, Failure> {
        let Place::Url(url) = self else { return Ok(None) };
        Depot::open(url, &transport(url, identity)?).map(Some).map_err(Failure::new)
    }
}

/// Schemes that are taken as paths: `null` is nowhere, for who knows it.
const KNOWN: [&str; 2] = ["file", "null"];

/// Whether it is the scheme of a URI, not the beginning of a path.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|next| next.is_ascii_alphanumeric() || "+-.".contains(next))
}

fn invalid(text: &str) -> Failure {
    Failure::new(format!("The specified URI, '{text}', is not valid."))
}

/// An unusable repository as pkg5 tells it, with the code of the transport it has no part in.
fn told(path: &Path, error: &OpenError) -> Failure {
    let shown = path.display();
    let (code, reason) = match error {
        OpenError::Missing(_) => ("E_HTTP_NOT_FOUND (22)", error.to_string()),
        OpenError::Configuration { source: ConfigurationError::Version(Some(version)), .. } => (
            "E_TFTP_ILLEGAL (71)",
            format!(
                "The repository at '{shown}' is version '{version}'; only versions up to 4 are supported."
            ),
        ),
        OpenError::Configuration { .. } | OpenError::NoPublisher(_) | OpenError::Path(_) => {
            return Failure::new(error);
        }
    };
    Failure::new(format!(
        "file protocol error: code: {code} reason: {reason}\nRepository URL: 'file://{shown}'."
    ))
}

/// As a URI.
impl std::fmt::Display for Place {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Directory(path) | Place::Archive(path) => {
                write!(to, "file://{}", path.display())
            }
            Place::Url(url) => to.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let here = std::env::current_dir().unwrap();
        for (text, path) in [
            ("/a/b", PathBuf::from("/a/b")),
            ("a", here.join("a")),
            ("file:///a/b%20c", PathBuf::from("/a/b c")),
            ("file://localhost/a", PathBuf::from("/a")),
            ("file:/a", PathBuf::from("/a")),
        ] {
            assert_eq!(Place::parse(text).unwrap(), Place::Directory(path), "{text}");
        }
        assert_eq!(Place::parse("http://h:1/").unwrap(), Place::Url("http://h:1/".into()));
        assert_eq!(Place::parse("a/b://c").unwrap(), Place::Directory(here.join("a/b:/c")));
        for bad in ["", "file://", "file:///%", "ftp://h/", "svn+ssh://h/"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}
