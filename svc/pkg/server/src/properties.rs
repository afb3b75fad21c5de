//! properties.rs - the text `svcprop -c -t` prints, or a file of sections, as settings.
//!
//! A line is `GROUP/PROPERTY TYPE VALUE...`; a backslash at its end continues it, `""` is the
//! empty value, a value is quoted as for a shell.  Only what starts with `pkg` is a setting; the
//! restarter's own groups are passed over.
//!
//! A file begins with a `[GROUP]`; `NAME = VALUE` follows, and a line that begins with a blank goes
//! on with the value before it.  `[a, b]` is a list.
//!
//! Not here: running svcprop (daemon), what a setting means (options).

use std::collections::BTreeMap;

/// Settings by `GROUP/PROPERTY`; a property without value has an empty list.
pub type Properties = BTreeMap<String, Vec<String>>;

/// A line that is no property.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line} of the properties is malformed: {text}")]
pub struct PropertyError {
    line: usize,
    text: String,
}

/// Reads the text.
pub fn parse(text: &str) -> Result<Properties, PropertyError> {
    let said = |line: &&str| !line.is_empty() && !line.starts_with(['#', ';']);
    if text.lines().map(str::trim).find(said).is_some_and(|line| line.starts_with('[')) {
        return sections(text);
    }
    let joined = text.replace("\\\n", "");
    let mut properties = Properties::new();
    for (index, line) in joined.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let failed = || PropertyError { line: index + 1, text: line.to_string() };
        let mut fields = line.splitn(3, ' ');
        let name = fields.next().filter(|name| name.contains('/')).ok_or_else(failed)?;
        fields.next().ok_or_else(failed)?;
        let values = words(fields.next().unwrap_or("")).ok_or_else(failed)?;
        // Of a service's and an instance's FMRI before the name only the end counts.
        let name = match name.rfind(":properties/") {
            Some(at) => &name[at + ":properties/".len()..],
            None => name,
        };
        if name.starts_with("pkg") {
            properties.insert(name.to_string(), values);
        }
    }
    Ok(properties)
}

/// Reads a file of sections.
fn sections(text: &str) -> Result<Properties, PropertyError> {
    let mut plain: Vec<(String, String)> = Vec::new();
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        let failed = || PropertyError { line: index + 1, text: line.to_string() };
        let is_more = line.starts_with([' ', '\t']);
        match line.trim() {
            "" => {}
            comment if comment.starts_with(['#', ';']) => {}
            more if is_more => {
                let (_, value) = plain.last_mut().ok_or_else(failed)?;
                *value = format!("{value} {more}").trim_start().to_string();
            }
            head if head.starts_with('[') => {
                section = head[1..].strip_suffix(']').ok_or_else(failed)?.trim();
            }
            pair => {
                let (name, value) = pair.split_once('=').ok_or_else(failed)?;
                plain.push((format!("{section}/{}", name.trim()), value.trim().to_string()));
            }
        }
    }
    let values = |value: &str| match value.strip_prefix('[').and_then(|v| v.strip_suffix(']')) {
        Some(list) => {
            let words = list.split(',').map(|word| word.trim().trim_matches(['\'', '"']));
            words.filter(|word| !word.is_empty()).map(str::to_string).collect()
        }
        None => vec![value.to_string()],
    };
    let own = plain.iter().filter(|(name, _)| name.starts_with("pkg"));
    Ok(own.map(|(name, value)| (name.clone(), values(value))).collect())
}

/// Parts a line as a shell does; `None` when a quote stays open.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(rest.next()?),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        end if end == character => break,
                        '\\' if character == '"' => word.push(rest.next()?),
                        other => word.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = "pkg/port count 8001\npkg/address net_address \npkg/proxy_base astring \"\"\n\
                    pkg_bui/feed_name ustring package\\ repository\\ feed\n\
                    pkg/inst_root astring '/a b'\ngeneral/enabled boolean true\n\
                    start/exec astring a\\\nb\n";
        let found = parse(text).unwrap();
        for (name, values) in [
            ("pkg/port", vec!["8001"]),
            ("pkg/address", vec![]),
            ("pkg/proxy_base", vec![""]),
            ("pkg_bui/feed_name", vec!["package repository feed"]),
            ("pkg/inst_root", vec!["/a b"]),
        ] {
            assert_eq!(found[name], values, "{name}");
        }
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn sections_of_a_file() {
        let text = "# ours\n[pkg]\nport = 80\naddress = ['127.0.0.1', \"::1\"]\nreadonly=True\n\n\
                    [pkg_bui]\nfeed_description = example.com's software\n  update log\n; no\n\
                    [other]\nport = 9\n";
        let found = parse(text).unwrap();
        for (name, values) in [
            ("pkg/port", vec!["80"]),
            ("pkg/address", vec!["127.0.0.1", "::1"]),
            ("pkg/readonly", vec!["True"]),
            ("pkg_bui/feed_description", vec!["example.com's software update log"]),
        ] {
            assert_eq!(found[name], values, "{name}");
        }
        assert_eq!(found.len(), 4);
        for text in ["[pkg\nport = 1", "[pkg]\nport", "[pkg]\n more\nport = 1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_property_is_refused() {
        for text in ["port count 1", "pkg/port", "pkg/x astring 'a"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
