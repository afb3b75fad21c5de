//! argslist.rs - lists of quoted strings, as values of a manifest are split.
//!
//! Only quotes split: text without any is one string, blanks and all.  Quotes of the other kind
//! may stand between quotes; `\"` and `\'` are quotes that split nothing, any other backslash is
//! itself.  White space around a string is removed; between quoted strings it is nothing.
//!
//! | text | strings |
//! |---|---|
//! | `abc def` | `abc def` |
//! | `"abc" "def"` | `abc`, `def` |
//! | `"a'bc" "d\"ef"` | `a'bc`, `d"ef` |

/// A quote that is never closed.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("Unexpected unescaped quote found: {text}")]
pub struct OpenQuote {
    /// The whole text.
    pub text: String,
}

/// Splits the text of an `argslist`, or any other value.
pub fn split(text: &str) -> Result<Vec<String>, OpenQuote> {
    let text = text.trim();
    let mut strings = Vec::new();
    let mut word = String::new();
    let mut quoted: Option<char> = None;
    let mut escaped = false;
    for c in text.chars() {
        let quote = matches!(c, '"' | '\'');
        match (escaped, c) {
            (true, _) => {
                if !quote {
                    word.push('\\');
                }
                word.push(c);
                escaped = false;
            }
            (false, '\\') => escaped = true,
            (false, _) if !quote => word.push(c),
            (false, _) => match quoted {
                None => quoted = Some(c),
                Some(open) if open == c => {
                    quoted = None;
                    flush(&mut word, &mut strings);
                }
                Some(_) => word.push(c),
            },
        }
    }
    if quoted.is_some() {
        return Err(OpenQuote { text: text.to_owned() });
    }
    if escaped {
        word.push('\\');
    }
    flush(&mut word, &mut strings);
    Ok(strings)
}

/// Ends a string; quotes around nothing are no string.
fn flush(word: &mut String, strings: &mut Vec<String>) {
    if !word.is_empty() {
        strings.push(word.trim().to_owned());
        word.clear();
    }
}

/// Splits a command: here white space parts words, quotes keep it, and a backslash takes the
/// next character as it is, as in a shell.
pub fn words(command: &str) -> Result<Vec<String>, OpenQuote> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted: Option<char> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quoted, c) {
            (Some(open), _) if open == c => quoted = None,
            (None, '"' | '\'') => {
                quoted = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                word.get_or_insert_default().push(chars.next().unwrap_or('\\'));
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quoted.is_some() {
        return Err(OpenQuote { text: command.to_owned() });
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quotes_split() {
        for (text, strings) in [
            ("abc", &["abc"][..]),
            (" abc def ", &["abc def"]),
            ("\"abc\"", &["abc"]),
            ("\"abc\" \"def\"", &["abc", "def"]),
            ("\n\t\".livecd\"\n", &[".livecd"]),
            ("\"abc def\" 'ghi'", &["abc def", "ghi"]),
            ("\"a'bc\" \"d\\\"ef\"", &["a'bc", "d\"ef"]),
            ("\"a'b'c\" 'd\"e\"f ghi'", &["a'b'c", "d\"e\"f ghi"]),
            ("a\\nb\\", &["a\\nb\\"]),
            ("a\\\\b", &["a\\\\b"]),
            ("\"a\" b", &["a", "b"]),
            ("", &[]),
            ("\"\"", &[]),
        ] {
            assert_eq!(split(text).unwrap(), strings, "{text}");
        }
        let error = split(" it's ").unwrap_err();
        assert_eq!(error.to_string(), "Unexpected unescaped quote found: it's");
    }

    #[test]
    fn commands_are_split_as_in_a_shell() {
        for (command, split) in [
            (" /bin/x  a\tb ", &["/bin/x", "a", "b"][..]),
            ("x \"a b\" 'c \"d'e", &["x", "a b", "c \"de"]),
            ("x \"\" a\\ b", &["x", "", "a b"]),
            ("x 'a\\b'", &["x", "a\\b"]),
            ("", &[]),
        ] {
            assert_eq!(words(command).unwrap(), split, "{command}");
        }
        assert!(words("x 'a").is_err());
    }
}
