//! glob.rs - patterns for paths below a directory.
//!
//! `?` and `*` stay within one name, `**` crosses directories, a name alone also means all below
//! it: `usr/include`, `usr/include/**` and `usr/inc*` all match `usr/include/sys/types.h`.

/// A set of patterns; an empty set matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Globs {
    patterns: Vec<Vec<String>>,
}

impl Globs {
    /// From patterns relative to the directory.
    #[must_use]
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Globs {
        let names = |pattern: &str| {
            let names = pattern.split('/').filter(|name| !name.is_empty() && *name != ".");
            names.map(str::to_owned).collect()
        };
        Globs { patterns: patterns.into_iter().map(names).collect() }
    }

    /// Whether a file with this relative path is meant.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| below(pattern, &names))
    }
}

fn below(pattern: &[String], names: &[&str]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return true };
    if first == "**" {
        return (0..=names.len()).any(|skipped| below(rest, &names[skipped..]));
    }
    match names.split_first() {
        None => false,
        Some((name, others)) => within(first.as_bytes(), name.as_bytes()) && below(rest, others),
    }
}

/// One name against one pattern without slashes.
fn within(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            Some(_) | None => match star {
                None => return false,
                // The last star takes one more byte.
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    seen = taken + 1;
                }
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, want) in [
            ("usr/include/**", "usr/include/sys/types.h", true),
            ("usr/include", "usr/include/stdio.h", true),
            ("/usr/include/", "usr/include/stdio.h", true),
            ("usr/inc*", "usr/include/sys/types.h", true),
            ("usr/include/*.h", "usr/include/stdio.h", true),
            ("usr/include/*.h", "usr/include/sys/types.h", false),
            ("usr/lib/crt1.o", "usr/lib/crt1.o", true),
            ("usr/lib/crt1.o", "usr/lib/crt10.o", false),
            ("**/*.so.?", "usr/lib/amd64/libc.so.1", true),
            ("**/*.so.?", "usr/lib/libc.so.10", false),
            ("a*b*c", "aXXbXbYc", true),
            ("a*b*c", "aXXcXbY", false),
            ("usr/include", "usr", false),
            ("**", "anything/at/all", true),
        ] {
            assert_eq!(Globs::new([pattern]).matches(path), want, "{pattern} {path}");
        }
        assert!(Globs::default().matches("x"));
        assert!(Globs::new(["a", "b"]).matches("b"));
    }
}
