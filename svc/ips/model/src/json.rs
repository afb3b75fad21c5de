//! json.rs - JSON as catalogs are signed: canonical text and the `_SIGNATURE` at its end.
//!
//! Keys sorted at every level, no blanks, ASCII only, `\uXXXX` with upper-case digits, then one
//! line feed.  The SHA-1 of that text is the signature; it is stored as the last key, outside
//! the sort.  What a file looks like otherwise does not matter to a verifier.

use serde_json::Value;

use crate::digest::sha1_hex;

/// The key of the signature.
pub const SIGNATURE: &str = "_SIGNATURE";

/// Canonical text without the line feed.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, to: &mut String) {
    match value {
        Value::Null => to.push_str("null"),
        Value::Bool(truth) => to.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => to.push_str(&number.to_string()),
        Value::String(text) => string(text, to),
        Value::Array(items) => {
            to.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    to.push(',');
                }
                write(item, to);
            }
            to.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            to.push('{');
            for (at, (key, member)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    to.push(',');
                }
                string(key, to);
                to.push(':');
                write(member, to);
            }
            to.push('}');
        }
    }
}

/// Appends a string as it stands in canonical text.
pub(crate) fn string(text: &str, to: &mut String) {
    to.push('"');
    // Most text needs no escapes at all.
    if text.bytes().all(|byte| matches!(byte, b' '..=0x7f) && byte != b'"' && byte != b'\\') {
        to.push_str(text);
        to.push('"');
        return;
    }
    for next in text.chars() {
        match next {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\u{8}' => to.push_str("\\b"),
            '\t' => to.push_str("\\t"),
            '\n' => to.push_str("\\n"),
            '\u{c}' => to.push_str("\\f"),
            '\r' => to.push_str("\\r"),
            ' '..='\u{7f}' => to.push(next),
            _ => {
                for unit in next.encode_utf16(&mut [0; 2]) {
                    to.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
    to.push('"');
}

/// A signed file's text and its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The text to store, line feed included.
    pub text: String,
    /// SHA-1 of the canonical text without `_SIGNATURE`.
    pub sha1: String,
}

/// Signs an object that has no `_SIGNATURE`.
pub fn sign(value: &Value) -> Signed {
    signed(canonical(value))
}

/// Signs the canonical text of an object.
pub(crate) fn signed(mut text: String) -> Signed {
    text.push('\n');
    let sha1 = sha1_hex(text.as_bytes());
    text.truncate(text.len() - 2);
    if text.len() > 1 {
        text.push(',');
    }
    text.push_str(&format!("\"{SIGNATURE}\":{{\"sha-1\":\"{sha1}\"}}}}\n"));
    Signed { text, sha1 }
}

/// A file that is no JSON object or whose signature is another's.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    /// It does not parse.
    #[error("not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It is JSON of another shape.
    #[error("{0}")]
    Shape(String),
    /// The stored signature is not that of the content.
    #[error("signature {stored} is not that of the content, {actual}")]
    Signature {
        /// What the file says.
        stored: String,
        /// What its content gives.
        actual: String,
    },
}

/// The signature of a text as every writer writes it, held to its bytes without reading them.  None
/// says nothing: the text may be another form of what was signed.
pub(crate) fn plainly_signed(text: &str) -> Option<&str> {
    plain_length(text).map(|(_, signature)| signature)
}

/// The same, and how long the text is before the signature and the last brace.
pub(crate) fn plain_length(text: &str) -> Option<(usize, &str)> {
    let head = text.strip_suffix("\"}}\n")?;
    let at = head.len().checked_sub(40).filter(|at| head.is_char_boundary(*at))?;
    let (head, signature) = head.split_at(at);
    let head = head.strip_suffix(&format!("\"{SIGNATURE}\":{{\"sha-1\":\""))?;
    let head = head.strip_suffix(',').unwrap_or(head);
    if !head.is_ascii() || !escapes_are_plain(head) {
        return None;
    }
    let own = crate::digest::sha1_hex_of(&[head.as_bytes(), b"}\n"]);
    (own == signature).then_some((head.len(), signature))
}

/// Whether every `\u` is one that canonical text has: in capitals, and of a character that has no
/// other form.
fn escapes_are_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += next + 2;
        if bytes.get(at - 1) != Some(&b'u') {
            continue;
        }
        let Some(digits) = text.get(at..at + 4) else { return false };
        let capital = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
        let code = u32::from_str_radix(digits, 16).unwrap_or(0);
        let short = matches!(code, 8..=10 | 12 | 13 | 0x20..=0x7f);
        if short || !digits.bytes().all(capital) {
            return false;
        }
    }
    true
}

/// Reads an object, checks its signature if it has one, and takes it out.
pub fn verified(text: &str) -> Result<(Value, Option<String>), SignedError> {
    let mut value: Value = serde_json::from_str(text)?;
    if has_fraction(&value) {
        // It would be signed in another spelling than it was read in.
        return Err(SignedError::Shape("a number that is no integer".into()));
    }
    let Value::Object(members) = &mut value else {
        return Err(SignedError::Shape("not a JSON object".into()));
    };
    let Some(signature) = members.remove(SIGNATURE) else {
        return Ok((value, None));
    };
    let stored = signature["sha-1"].as_str().unwrap_or_default().to_string();
    let actual = sign(&value).sha1;
    if stored == actual {
        Ok((value, Some(stored)))
    } else {
        Err(SignedError::Signature { stored, actual })
    }
}

/// Whether there is a number that is no integer of 64 bits.
pub(crate) fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn canonical_text() {
        for (value, text) in [
            (json!({"b": 1, "a": [true, null, "x"]}), r#"{"a":[true,null,"x"],"b":1}"#),
            (json!({"_F": [], "a": {}, "B": 0}), r#"{"B":0,"_F":[],"a":{}}"#),
            (json!("é–果😀/"), r#""\u00E9\u2013\u679C\uD83D\uDE00/""#),
            (
                json!("\u{8}\t\n\u{c}\r\u{1}\u{1f}\u{7f}\"\\"),
                "\"\\b\\t\\n\\f\\r\\u0001\\u001F\u{7f}\\\"\\\\\"",
            ),
        ] {
            assert_eq!(canonical(&value), text);
        }
    }

    #[test]
    fn numbers_are_integers() {
        for text in
            ["{\"_S\":9999999000000000000000000000000000000000016}", "{\"a\":[{\"b\":1.5}]}"]
        {
            assert!(matches!(verified(text), Err(SignedError::Shape(_))), "{text}");
        }
    }

    #[test]
    fn signing_is_verified() {
        let signed = sign(&json!({"a": "é"}));
        assert!(signed.text.starts_with("{\"a\":\"\\u00E9\",\"_SIGNATURE\":{\"sha-1\":\""));
        assert!(signed.text.ends_with("\"}}\n"));
        assert_eq!(verified(&signed.text).unwrap(), (json!({"a": "é"}), Some(signed.sha1.clone())));
        // White space and escapes are not part of it.
        let loose = signed.text.replace(':', ": ").replace("\\u00E9", "é");
        assert!(verified(&loose).is_ok());
        assert!(verified(&signed.text.replace("\\u00E9", "e")).is_err());
        assert!(sign(&json!({})).text.starts_with("{\"_SIGNATURE\""));
        for value in [json!({}), json!({"a": [1]}), json!({"a": "\u{e9}\u{1f600}\u{1}\n\\u12"})] {
            let text = sign(&value).text;
            assert_eq!(plainly_signed(&text), Some(sign(&value).sha1.as_str()), "{value}");
            assert_eq!(plainly_signed(&text.replace('1', "2")), None);
        }
        // Signed in another form than every writer's: held to what it says, not to its bytes.
        for text in ["\\u00e9", "\\u0041", "\\u000A"] {
            let text = super::signed(format!("{{\"a\":\"{text}\"}}")).text;
            assert!(plainly_signed(&text).is_none() && verified(&text).is_err(), "{text}");
        }
        for bad in ["", "{", "[]", "1", &signed.text[..20]] {
            assert!(verified(bad).is_err(), "{bad}");
        }
    }
}
