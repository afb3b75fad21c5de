//! pattern.rs - regular expressions as the rules are written: those of Python.
//!
//! `match` is anchored at the start only, `search` nowhere.  Look-around and back references are
//! part of the language.

use fancy_regex::{Captures, Regex};

/// A regular expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
}

impl Pattern {
    /// One that has to match from the start.
    pub fn anchored(text: &str) -> Result<Pattern, String> {
        Pattern::compile(&format!(r"\A(?:{text})"), text)
    }

    /// One that may match anywhere.
    pub fn anywhere(text: &str) -> Result<Pattern, String> {
        Pattern::compile(text, text)
    }

    fn compile(regex: &str, shown: &str) -> Result<Pattern, String> {
        let regex = regex.replace(r"\Z", r"\z");
        let compiled = Regex::new(&regex);
        compiled
            .map(|regex| Pattern { regex })
            .map_err(|error| format!("Malformed regexp '{shown}': {error}"))
    }

    /// Whether it matches.
    pub fn is_match(&self, text: &str) -> bool {
        // The only error is a search given up as endless.
        self.regex.is_match(text).unwrap_or(false)
    }

    /// The groups of a match; a group that took no part is empty.
    pub fn groups(&self, text: &str) -> Option<Vec<String>> {
        let captures = self.regex.captures(text).ok().flatten()?;
        let group = |at| captures.get(at).map_or("", |group| group.as_str()).to_string();
        Some((1..captures.len()).map(group).collect())
    }

    /// `text` with every match replaced by the template.
    pub fn replace(&self, text: &str, template: &str) -> String {
        let with = |captures: &Captures<'_>| filled(template, captures);
        self.regex.replace_all(text, with).into_owned()
    }
}

/// A template of `re.sub`: `\1`, `\g<1>`, `\g<name>`, `\n`, `\t` and `\\` mean something.
fn filled(template: &str, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    let numbered = |at: usize| captures.get(at).map_or("", |group| group.as_str());
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits =
            rest.len() - rest.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
        if digits > 0 {
            let digits = digits.min(2);
            out.push_str(numbered(rest[..digits].parse().unwrap_or(0)));
            rest = &rest[digits..];
        } else if let Some((name, after)) =
            rest.strip_prefix("g<").and_then(|tail| tail.split_once('>'))
        {
            out.push_str(match name.parse() {
                Ok(number) => numbered(number),
                Err(_) => captures.name(name).map_or("", |group| group.as_str()),
            });
            rest = after;
        } else {
            let Some(next) = rest.chars().next() else {
                out.push('\\');
                break;
            };
            match next {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                '\\' => out.push('\\'),
                other => out.extend(['\\', other]),
            }
            rest = &rest[next.len_utf8()..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements() {
        for (pattern, text, template, expected) in [
            ("^usr/(.*)$", "usr/bin", r"opt/\1", "opt/bin"),
            ("a", "banana", "o", "bonono"),
            ("(?P<x>b)", "abc", r"[\g<x>\g<1>\\]", r"a[bb\]c"),
            ("b", "abc", "$1", "a$1c"),
            (r"(?<!a)b", "abb", "x", "abx"),
            ("(a)|(b)", "ab", r"<\1\2>", "<a><b>"),
        ] {
            let replaced = Pattern::anywhere(pattern).unwrap().replace(text, template);
            assert_eq!(replaced, expected, "{pattern}");
        }
    }

    #[test]
    fn anchors() {
        let pattern = Pattern::anchored("usr/|opt(x)?").unwrap();
        for (text, matches) in [("usr/bin", true), ("a/usr/bin", false), ("opt", true)] {
            assert_eq!(pattern.is_match(text), matches, "{text}");
        }
        assert_eq!(pattern.groups("opt").unwrap(), [""]);
        assert!(Pattern::anchored("(").is_err());
    }
}
