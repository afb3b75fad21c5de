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
        let compiled = Regex::new(&translated(regex));
        compiled
            .map(|regex| Pattern { regex })
            .map_err(|error| format!("Malformed regexp '{shown}': {error}"))
    }

    /// Whether it matches.
    pub fn is_match(&self, text: &str) -> bool {
        // The only error is a search given up as endless.
        self.regex.is_match(text).unwrap_or(false)
    }

    /// The groups of a match; none where a group took no part.
    pub fn groups(&self, text: &str) -> Option<Vec<Option<String>>> {
        let captures = self.regex.captures(text).ok().flatten()?;
        let group = |at| captures.get(at).map(|group| group.as_str().to_string());
        Some((1..captures.len()).map(group).collect())
    }

    /// `text` with every match replaced by the template.
    pub fn replace(&self, text: &str, template: &str) -> String {
        let with = |captures: &Captures<'_>| filled(template, captures);
        self.regex.replace_all(text, with).into_owned()
    }
}

/// The same expression for our engine: `\Z` has another name, `\<` and `\>` are no more than those
/// letters, a `{` that counts nothing is itself, and in a class `[`, `&&`, `~~` and `--` are themselves.
fn translated(regex: &str) -> String {
    let mut out = String::new();
    let mut class = false;
    let mut rest = regex;
    while let Some(next) = rest.chars().next() {
        let mut taken = next.len_utf8();
        match (next, class) {
            ('\\', _) => {
                let escaped = rest[1..].chars().next();
                taken += escaped.map_or(0, char::len_utf8);
                match escaped {
                    Some('Z') if !class => out.push_str(r"\z"),
                    Some(plain @ ('<' | '>')) => out.push(plain),
                    _ => out.push_str(&rest[..taken]),
                }
            }
            ('[', false) => {
                // A `]` that comes first is a member.
                taken += usize::from(rest[1..].starts_with('^'));
                out.push_str(&rest[..taken]);
                if rest[taken..].starts_with(']') {
                    out.push_str(r"\]");
                    taken += 1;
                }
                class = true;
            }
            (']', true) => {
                out.push(next);
                class = false;
            }
            ('[' | '&' | '~', true) => out.extend(['\\', next]),
            ('-', true) if rest[1..].starts_with('-') => {
                out.push_str(r"-\-");
                taken += 1;
            }
            ('{', false) if !counts(&rest[1..]) => out.push_str(r"\{"),
            _ => out.push(next),
        }
        rest = &rest[taken..];
    }
    out
}

/// Whether what follows a `{` is a repetition: `2}`, `2,}`, `,3}` or `2,3}`.
fn counts(rest: &str) -> bool {
    let Some((inner, _)) = rest.split_once('}') else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match inner.split_once(',') {
        Some((least, most)) => digits(least) && digits(most),
        None => !inner.is_empty() && digits(inner),
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
        assert_eq!(pattern.groups("opt").unwrap(), [None]);
        assert!(Pattern::anchored("(").is_err());
    }

    #[test]
    fn as_python_reads_them() {
        for (regex, text) in [
            ("a{b", "a{b"),
            ("a{2}b{1,}$", "aab"),
            (r"[[&~]+\Z", "[&&~~"),
            (r"[]x]+$", "x]"),
            (r"[^]]$", "x"),
            (r"\<x\>", "<x>"),
            (r"[+--]$", ","),
            (r"^(?!i386).+$", "sparc"),
        ] {
            let pattern =
                Pattern::anchored(regex).unwrap_or_else(|error| panic!("{regex}: {error}"));
            assert!(pattern.is_match(text), "{regex}");
        }
    }
}
