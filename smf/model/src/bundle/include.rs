//! include.rs - a bundle that includes others: XInclude, as far as bundles use it.
//!
//! What is included is opened by the caller; here it is found out what to open, and how deep and
//! how much.  A resource that is not there is replaced by its xi:fallback; one that is there and
//! is no bundle is an error in it.

use super::BundleError;
use super::xml::{Element, Position};

/// Inclusions in inclusions go so deep at most; a circle ends here.
pub(super) const DEPTH_MAX: usize = 16;

/// What is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Include<'a> {
    /// As it is written: a path, or a file: URL.
    pub href: &'a str,
    /// The name of the document it is written in, as it was opened; none for the outermost.
    pub base: Option<&'a str>,
}

impl Include<'_> {
    /// The path that is meant; relative to the document that names it.
    #[must_use]
    pub fn path(&self) -> String {
        let path = self.href.strip_prefix("file://localhost").or_else(|| {
            self.href.strip_prefix("file://").or_else(|| self.href.strip_prefix("file:"))
        });
        let path = path.unwrap_or(self.href);
        match self.base.and_then(|base| base.rsplit_once('/')) {
            Some((folder, _)) if !path.starts_with('/') => format!("{folder}/{path}"),
            _ => path.to_owned(),
        }
    }
}

/// What has been opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// Its name, for messages and for what it includes itself.
    pub name: String,
    /// Its contents.
    pub text: String,
}

/// Opens what is included; the error is the reason why that cannot be.
pub type Open<'a> = dyn FnMut(&Include<'_>) -> Result<Included, String> + 'a;

/// Why an inclusion cannot be carried out.
pub(super) fn refused(at: Position, reason: &str) -> BundleError {
    let text = format!("couldn't handle XInclude statements in document: {reason}");
    BundleError::expected(at, text, "xi:fallback")
}

/// The href of an inclusion, if it is one that can be carried out.
pub(super) fn href(element: &Element) -> Result<&str, BundleError> {
    let href = element.attribute("href").unwrap_or_default();
    let reason = if element.attribute("parse").is_some_and(|parse| parse != "xml") {
        "text is not included"
    } else if element.attribute("xpointer").is_some() || href.contains('#') {
        "parts of documents are not included"
    } else if href.is_empty() {
        "no document is named"
    } else {
        return Ok(href);
    };
    Err(BundleError::invalid(
        element.at,
        format!("couldn't handle XInclude statements in document: {reason}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_document() {
        for (href, base, path) in [
            ("file:/etc/svc/profile/x.xml", None, "/etc/svc/profile/x.xml"),
            ("file:///etc/x.xml", Some("/a/b.xml"), "/etc/x.xml"),
            ("file://localhost/etc/x.xml", None, "/etc/x.xml"),
            ("x.xml", Some("/a/b.xml"), "/a/x.xml"),
            ("x.xml", Some("b.xml"), "x.xml"),
            ("../x.xml", Some("a/b.xml"), "a/../x.xml"),
        ] {
            assert_eq!(Include { href, base }.path(), path, "{href} in {base:?}");
        }
    }
}
