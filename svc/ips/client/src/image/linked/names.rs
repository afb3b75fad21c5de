//! names.rs - names of linked images, and paths that move along with their images.

use std::fmt;
use std::path::Path;

use super::LinkedError;

/// `TYPE:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkedName {
    kind: String,
    name: String,
}

impl LinkedName {
    /// Reads a name; the type is `system` or `zone`.
    pub fn parse(text: &str) -> Result<Self, LinkedError> {
        let malformed = || LinkedError::Name(text.to_string());
        let (kind, name) = text.split_once(':').ok_or_else(malformed)?;
        let plain = |c: char| !c.is_control() && !matches!(c, ':' | '[' | ']' | '/');
        if !matches!(kind, "system" | "zone") || name.is_empty() || !name.chars().all(plain) {
            return Err(malformed());
        }
        Ok(Self { kind: kind.to_string(), name: name.to_string() })
    }

    /// The type.
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

impl fmt::Display for LinkedName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}:{}", self.kind, self.name)
    }
}

/// A path as linked images store it.
pub fn with_slash(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.ends_with('/') { text.into_owned() } else { format!("{text}/") }
}

/// A folder with images in it that was moved: how paths began, and how they begin now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    from: String,
    to: String,
}

impl Moved {
    /// From where an image was to where it is; both end in a slash.  What the two paths have in
    /// common at their ends has not moved.
    pub fn between(then: &str, now: &str) -> Self {
        let (mut from, mut to) = (then.trim_end_matches('/'), now.trim_end_matches('/'));
        while let (Some((above, last)), Some((now_above, now_last))) =
            (from.rsplit_once('/'), to.rsplit_once('/'))
        {
            if last != now_last {
                break;
            }
            (from, to) = (above, now_above);
        }
        Self { from: format!("{from}/"), to: format!("{to}/") }
    }

    /// Where something that was there is now.
    pub fn apply(&self, path: &str) -> String {
        match path.strip_prefix(&self.from) {
            Some(rest) => format!("{}{rest}", self.to),
            None => path.to_string(),
        }
    }

    /// Where something that is here was.
    pub fn undo(&self, path: &str) -> String {
        Self { from: self.to.clone(), to: self.from.clone() }.apply(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, is) in [
            ("system:a", true),
            ("zone:z1", true),
            ("a", false),
            ("other:a", false),
            ("system:", false),
            (":a", false),
            ("system:a:b", false),
            ("system:a]\nb", false),
        ] {
            assert_eq!(LinkedName::parse(text).is_ok(), is, "{text}");
        }
        assert_eq!(LinkedName::parse("system:a").unwrap().to_string(), "system:a");
    }

    #[test]
    fn paths_move_along() {
        for (then, now, path, moved) in [
            ("/a/img/", "/a/img/", "/a/child/", "/a/child/"),
            ("/a/img/", "/b/img/", "/a/child/", "/b/child/"),
            ("/a/img/", "/b/img/", "/c/child/", "/c/child/"),
            ("/", "/mnt/", "/zones/z/", "/mnt/zones/z/"),
            ("/x/a/img/", "/y/a/img/", "/x/a/child/", "/y/a/child/"),
        ] {
            let whole = Moved::between(then, now);
            assert_eq!(whole.apply(path), moved, "{then} {now} {path}");
            assert_eq!(whole.undo(moved), path, "{then} {now} {path}");
        }
    }
}
