//! parse.rs - reads one action from its line.
//!
//! The line is joined already (manifest.rs joins).  Positions count characters from 0, as pkg5
//! prints them, and the caret stands under that character.

use crate::action::{Action, Kind};

/// Why a line is no action; the texts are pkg5's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The line does not scan.
    #[error("Malformed action at position: {position}: {reason}:\n    {text}\n    {:>1$}", "^", .position + 1)]
    Malformed {
        /// The line.
        text: String,
        /// Where, in characters.
        position: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The first word is no type.
    #[error("unknown action type '{kind}' in action '{text}'")]
    UnknownKind {
        /// The word.
        kind: String,
        /// The line.
        text: String,
    },
    /// It scans, and cannot be.
    #[error("invalid action, '{text}': {reason}")]
    Invalid {
        /// The action.
        text: String,
        /// Why.
        reason: String,
    },
}

/// What one pass over the text found.
struct Scan<'a> {
    /// The line.
    text: &'a str,
    /// The same without blanks at its end.
    line: &'a str,
    /// How many bytes of it are read; always at the beginning of a character.
    at: usize,
    hash: Option<String>,
    pairs: Vec<(&'a str, String)>,
}

impl Action {
    /// Reads an action.
    pub fn parse(text: &str) -> Result<Action, ActionError> {
        let line = text.trim_end_matches(['\n', '\r', ' ', '\t']);
        let mut scan = Scan { text, line, at: 0, hash: None, pairs: Vec::new() };
        let word = scan.word();
        let kind = Kind::from_name(word).ok_or_else(|| ActionError::UnknownKind {
            kind: word.to_string(),
            text: text.to_string(),
        })?;
        scan.attributes()?;
        scan.finish(kind)
    }
}

impl<'a> Scan<'a> {
    /// `at` counts bytes; messages count characters.
    fn malformed(&self, at: usize, reason: &'static str) -> ActionError {
        let text = self.text.trim_end_matches(['\n', '\r']).to_string();
        ActionError::Malformed { text, position: self.line[..at].chars().count(), reason }
    }

    fn invalid(&self, reason: &str) -> ActionError {
        ActionError::Invalid { text: self.text.to_string(), reason: reason.to_string() }
    }

    fn peek(&self) -> Option<char> {
        self.line[self.at..].chars().next()
    }

    fn skip_blanks(&mut self) {
        self.at = self.line.len() - self.line[self.at..].trim_start().len();
    }

    fn word(&mut self) -> &'a str {
        let rest = &self.line[self.at..];
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn attributes(&mut self) -> Result<(), ActionError> {
        self.skip_blanks();
        while self.at < self.line.len() {
            match self.key()? {
                Some(key) => {
                    let value = self.value()?;
                    self.pairs.push((key, value));
                }
                // A word without `=` right after the type is the hash.
                None => continue,
            }
            self.skip_blanks();
        }
        if self.pairs.is_empty() {
            return Err(self.malformed(self.at, "no attributes"));
        }
        Ok(())
    }

    /// A key up to and with its `=`, or nothing where the word was the hash.
    fn key(&mut self) -> Result<Option<&'a str>, ActionError> {
        let from = self.at;
        let line = self.line;
        for (at, next) in line[from..].char_indices() {
            self.at = from + at;
            match next {
                '=' if at == 0 => return Err(self.malformed(from, "missing key")),
                '=' => {
                    let key = &line[from..self.at];
                    if let Some(quote) = key.find(['"', '\'']) {
                        return Err(self.malformed(from + quote, "quote in key"));
                    }
                    self.at += 1;
                    return Ok(Some(key));
                }
                '"' | '\'' if at > 0 && !self.may_be_hash() => {
                    return Err(self.malformed(self.at, "quote in key"));
                }
                next if next.is_whitespace() => {
                    if !self.may_be_hash() {
                        return Err(self.malformed(self.at, "whitespace in key"));
                    }
                    self.hash = Some(line[from..self.at].to_string());
                    self.skip_blanks();
                    return Ok(None);
                }
                _ => {}
            }
        }
        let reason = if self.may_be_hash() { "no attributes" } else { "missing value" };
        Err(self.malformed(line.len(), reason))
    }

    fn may_be_hash(&self) -> bool {
        self.hash.is_none() && self.pairs.is_empty()
    }

    fn value(&mut self) -> Result<String, ActionError> {
        match self.peek() {
            None => Err(self.malformed(self.at, "missing value")),
            Some(next) if next.is_whitespace() => Err(self.malformed(self.at, "missing value")),
            Some('"' | '\'') => {
                let mut value = String::new();
                // Quoted pieces with only blanks between are one value.
                while let Some(quote @ ('"' | '\'')) = self.peek() {
                    self.at += 1;
                    self.quoted(quote, &mut value)?;
                    self.skip_blanks();
                }
                Ok(value)
            }
            Some(_) => Ok(self.word().to_string()),
        }
    }

    fn quoted(&mut self, quote: char, value: &mut String) -> Result<(), ActionError> {
        loop {
            let Some(next) = self.peek() else {
                return Err(self.malformed(self.at, "unfinished quoted value"));
            };
            self.at += next.len_utf8();
            match (next, self.peek()) {
                ('\\', Some(after)) if after == quote || after == '\\' => {
                    value.push(after);
                    self.at += 1;
                }
                (next, _) if next == quote => return Ok(()),
                (next, _) => value.push(next),
            }
        }
    }

    fn finish(mut self, kind: Kind) -> Result<Action, ActionError> {
        let mut action = Action::new(kind);
        if self.hash.is_some() && !kind.has_payload() {
            return Err(self.invalid("action type doesn't allow payload"));
        }
        for (key, value) in std::mem::take(&mut self.pairs) {
            if key == "data" {
                return Err(self.invalid("invalid key: 'data'"));
            }
            if key == "hash" && kind.has_payload() {
                if self.hash.as_ref().is_some_and(|hash| *hash != value) {
                    return Err(self.invalid("multiple values for hash"));
                }
                self.hash = Some(value);
                continue;
            }
            match action.attributes.get_mut(key) {
                Some(values) => values.push(value),
                None => drop(action.attributes.insert(key.to_string(), vec![value])),
            }
        }
        if self.hash.is_some() {
            action.hash = self.hash;
        }
        normalise(&mut action)
            .map_err(|reason| ActionError::Invalid { text: action.to_string(), reason })?;
        Ok(action)
    }
}

/// What parsing settles by type; `Err` is the reason of refusal.
fn normalise(action: &mut Action) -> Result<(), String> {
    match action.kind {
        Kind::Set => normalise_set(action),
        Kind::Driver => normalise_clone_perms(action),
        Kind::Depend
        | Kind::Group
        | Kind::User
        | Kind::Dir
        | Kind::File
        | Kind::Hardlink
        | Kind::Link
        | Kind::License
        | Kind::Legacy
        | Kind::Signature => {}
    }
    // The old spelling of the zone's variant means the new one; it stays beside it.
    let zone = action.values("opensolaris.zone");
    if !zone.is_empty() && action.values("variant.opensolaris.zone").is_empty() {
        action.set("variant.opensolaris.zone", zone.to_vec());
    }
    if let Some(paths) = action.attributes.get_mut("path") {
        if let [path] = paths.as_mut_slice() {
            if path.starts_with('/') {
                *path = path.trim_start_matches('/').to_string();
            }
            if path.is_empty() {
                // The refusal shows the path as it became: empty.
                return Err("Empty or invalid path attribute".into());
            }
        }
    }
    let key = action.kind.key_attribute();
    match action.values(key).len() {
        0 => Err(format!("no value specified for key attribute '{key}'")),
        1 => Ok(()),
        _ if action.kind == Kind::Depend => Ok(()),
        _ => Err(format!("{key} attribute may only be specified once")),
    }
}

fn normalise_set(action: &mut Action) {
    // `set NAME=VALUE` is short for `set name=NAME value=VALUE`.
    if action.attributes.len() == 1 && action.attributes.values().all(|values| values.len() == 1) {
        if let Some((name, values)) = action.attributes.pop_first() {
            action.set("name", vec![name]);
            action.set("value", values);
        }
    }
    let renamed = match action.get("name") {
        Some("fmri") => Some("pkg.fmri"),
        Some("authority") => Some("publisher"),
        _ => None,
    };
    if let Some(name) = renamed {
        action.set("name", vec![name.to_string()]);
    }
}

/// A clone permission of three words lacks the driver's name in front.
fn normalise_clone_perms(action: &mut Action) {
    let Some(name) = action.key().map(str::to_string) else { return };
    if let Some(perms) = action.attributes.get_mut("clone_perms") {
        for perm in perms.iter_mut().filter(|perm| perm.split_whitespace().count() == 3) {
            *perm = format!("{name} {perm}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text() {
        for (read, printed) in [
            ("set name=a value=b", "set name=a value=b"),
            ("set a=b", "set name=a value=b"),
            ("set name=a", "set name=name value=a"),
            ("set name=fmri value=x@1", "set name=pkg.fmri value=x@1"),
            ("set name=a value=\"a\" \"b\" 'c d'", "set name=a value=\"abc d\""),
            ("set name=a value=a\"b", "set name=a value='a\"b'"),
            ("set name=a value=\"x\\\"y\\\\z\\n\"", "set name=a value='x\"y\\z\\n'"),
            ("set name=a value=2 value=1", "set name=a value=2 value=1"),
            ("set name=a value=\"\"", "set name=a value=\"\""),
            ("set\tname=a  value=b \t", "set name=a value=b"),
            ("dir path=//usr/bin mode=0755", "dir mode=0755 path=usr/bin"),
            ("file path=x hash=a", "file a path=x"),
            ("file a path=x hash=a", "file a path=x"),
            ("file path=x hash='a b'", "file hash=\"a b\" path=x"),
            ("file path=x", "file NOHASH path=x"),
            ("depend fmri=a fmri=b type=require-any", "depend fmri=a fmri=b type=require-any"),
            (
                "driver name=d clone_perms='0666 root sys'",
                "driver clone_perms=\"d 0666 root sys\" name=d",
            ),
            (
                "set name=a value=b opensolaris.zone=global",
                "set name=a opensolaris.zone=global value=b variant.opensolaris.zone=global",
            ),
            ("link path=a target==b", "link path=a target==b"),
        ] {
            let action = Action::parse(read).unwrap_or_else(|error| panic!("{read}: {error}"));
            assert_eq!(action.to_string(), printed, "{read}");
        }
    }

    #[test]
    fn refusals() {
        for (read, message) in [
            (
                "set name=a \"va lue\"=b",
                "Malformed action at position: 14: whitespace in key:\n    set name=a \"va lue\"=b\n                  ^",
            ),
            (
                "set name=a value=",
                "Malformed action at position: 17: missing value:\n    set name=a value=\n                     ^",
            ),
            (
                "set name=a value=\"abc",
                "Malformed action at position: 21: unfinished quoted value:\n    set name=a value=\"abc\n                         ^",
            ),
            ("fiel x=y", "unknown action type 'fiel' in action 'fiel x=y'"),
            ("unknown x=y", "unknown action type 'unknown' in action 'unknown x=y'"),
            (
                "set name=a value=b data=c",
                "invalid action, 'set name=a value=b data=c': invalid key: 'data'",
            ),
            (
                "dir path=/ mode=0755",
                "invalid action, 'dir mode=0755 path=\"\"': Empty or invalid path attribute",
            ),
            (
                "dir mode=0755",
                "invalid action, 'dir mode=0755': no value specified for key attribute 'path'",
            ),
            (
                "dir path=a path=b",
                "invalid action, 'dir path=a path=b': path attribute may only be specified once",
            ),
            (
                "dir abc path=usr",
                "invalid action, 'dir abc path=usr': action type doesn't allow payload",
            ),
            (
                "file a path=x hash=b",
                "invalid action, 'file a path=x hash=b': multiple values for hash",
            ),
        ] {
            assert_eq!(Action::parse(read).unwrap_err().to_string(), message, "{read}");
        }
    }

    #[test]
    fn reasons() {
        for (read, position, reason) in [
            ("file \"usr/name with blank\" path=x", 19, "whitespace in key"),
            ("file path=x =b", 12, "missing key"),
            ("file path=x a'b=c", 13, "quote in key"),
            ("file path=x a= b=c", 14, "missing value"),
            ("file path=x a", 13, "missing value"),
            ("dir", 3, "no attributes"),
            ("file abc", 8, "no attributes"),
            ("", 0, "no attributes"),
        ] {
            match Action::parse(read) {
                Err(ActionError::Malformed { position: at, reason: why, .. }) => {
                    assert_eq!((at, why), (position, reason), "{read}");
                }
                Err(ActionError::UnknownKind { .. }) if read.is_empty() => {}
                other => panic!("{read}: {other:?}"),
            }
        }
    }
}
