//! content.rs - what a site adds to the depot's own pages: files below CONTENT_ROOT/web.
//!
//! ```text
//! CONTENT_ROOT/web/robots.txt                /robots.txt, instead of ours
//! CONTENT_ROOT/web/_themes/style.css         /_themes/style.css, instead of ours
//! CONTENT_ROOT/web/DIR/FILE                  /DIR/FILE
//! ```
//!
//! Laws: an operation's and a publisher's paths are never looked for here; no link leads out of the
//! folder; templates of the original (.shtml, .mako) are not sent, for they are programs.

use std::path::{Component, Path, PathBuf};

use crate::http::{self, Request, Response};
use crate::opening::Root;
use crate::operations;

const HOUR: i64 = 3_600;

/// Types of files by the ends of their names.
const TYPES: [(&str, &str); 13] = [
    ("css", "text/css; charset=utf-8"),
    ("gif", "image/gif"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/vnd.microsoft.icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("xml", "application/xml"),
];

/// The files.
#[derive(Debug)]
pub struct Content(Root);

impl Content {
    /// Those of a content root.
    pub fn of(content_root: &Path) -> Self {
        Self(Root::of(&content_root.join("web")))
    }

    /// Whether there is a file at a path of the depot's.
    pub fn has(&self, path: &str) -> bool {
        self.place(path).is_some_and(|place| self.0.open(&place).is_ok())
    }

    /// The file that a request means, if there is one.
    pub fn answer(&self, request: &Request) -> Option<Response> {
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return None;
        }
        let place = self.place(&http::decode_but(&request.path, Some(b'/')))?;
        let end = place.extension().and_then(|end| end.to_str()).unwrap_or("").to_ascii_lowercase();
        let known = TYPES.iter().find(|(own, _)| *own == end);
        let content_type = known.map_or("application/octet-stream", |(_, own)| *own);
        // What cannot be opened is not there, as far as others are concerned.
        let opened = self.0.open(&place).ok()?;
        operations::sent(opened, request, content_type, HOUR).ok()
    }

    /// Where a file would lie.
    fn place(&self, path: &str) -> Option<PathBuf> {
        let below = Path::new(path.strip_prefix('/')?);
        let mut parts = below.components();
        let is_plain = !path.contains('\0')
            && below.file_name().is_some()
            && parts.all(|part| match part {
                Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
                _ => false,
            });
        // Of the last part: where links lead to the folder, a slash behind it counts for nothing.
        let is_template = below.extension().is_some_and(|end| end == "shtml" || end == "mako");
        (is_plain && !is_template).then(|| self.0.path().join(below))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_file_of_the_sites_is_not_there() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap().join("real");
        fs::create_dir_all(real.join("web/doc")).unwrap();
        for name in ["page.html", "page.shtml", "page.mako", ".secret"] {
            fs::write(real.join("web/doc").join(name), "x").unwrap();
        }
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        for root in [real, link] {
            let content = Content::of(&root);
            assert!(content.has("/doc/page.html"));
            for path in ["/doc/page.shtml", "/doc/page.mako", "/doc/.secret", "/doc", "/", ""] {
                for end in ["", "/", "//", "/."] {
                    assert!(!content.has(&format!("{path}{end}")), "{path}{end} in {root:?}");
                }
            }
        }
    }
}
