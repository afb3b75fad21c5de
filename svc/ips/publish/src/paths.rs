//! paths.rs - paths as text, the way pkg5 joins, splits and normalises them.

/// `a` and `b` with a slash between; an absolute `b` stands alone.
pub fn join(a: &str, b: &str) -> String {
    if b.starts_with('/') || a.is_empty() {
        b.to_string()
    } else if a.ends_with('/') {
        format!("{a}{b}")
    } else {
        format!("{a}/{b}")
    }
}

/// What stands before the last slash, and what after it.
pub fn split(path: &str) -> (&str, &str) {
    match path.rfind('/') {
        Some(at) => (path[..at].trim_end_matches('/'), &path[at + 1..]),
        None => ("", path),
    }
}

/// The folder.
pub fn dirname(path: &str) -> &str {
    split(path).0
}

/// The last component.
pub fn basename(path: &str) -> &str {
    split(path).1
}

/// Without `.`, `..`, double slashes and the slash it begins with; what would lead above the top
/// keeps its `..`, so that nothing is found there.
pub fn relative(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if path.starts_with('/') => {}
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// Where a link at `path` leads.
pub fn target(path: &str, target: &str) -> String {
    relative(&join(dirname(path), target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_text() {
        for (path, expected) in [
            ("a/../b", "b"),
            ("/usr//lib/./x", "usr/lib/x"),
            ("../x", "../x"),
            ("/../x", "x"),
            ("", ""),
        ] {
            assert_eq!(relative(path), expected, "{path}");
        }
        assert_eq!(target("usr/bin/x", "../lib/y"), "usr/lib/y");
        assert_eq!(target("usr/bin/x", "/lib/y"), "lib/y");
        assert_eq!(split("a/b/c"), ("a/b", "c"));
        assert_eq!(split("/c"), ("", "c"));
    }
}
