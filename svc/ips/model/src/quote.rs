//! quote.rs - percent encoding of names in paths and URLs.
//!
//! Everything but `A-Z a-z 0-9 _ . - ~` becomes `%XX` with upper-case digits, so a quoted name
//! is always one path component: it holds no `/`, and is never `.` or `..` unless the name was.

use std::borrow::Cow;

/// The quoted form of a package name, version or FMRI.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

/// The form that words of a search index and its answers have: as `quote`, but `/` stays.
pub fn quote_path(text: &str) -> Cow<'_, str> {
    const PLAIN: [bool; 256] = {
        let mut plain = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            plain[byte] = (byte as u8).is_ascii_alphanumeric()
                || matches!(byte as u8, b'_' | b'.' | b'-' | b'~' | b'/');
            byte += 1;
        }
        plain
    };
    let plain = |byte: u8| PLAIN[usize::from(byte)];
    let Some(first) = text.bytes().position(|byte| !plain(byte)) else {
        return Cow::Borrowed(text);
    };
    let mut quoted = String::with_capacity(text.len() + 16);
    quoted.push_str(&text[..first]);
    for byte in text.bytes().skip(first) {
        if plain(byte) {
            quoted.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
            quoted.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    Cow::Owned(quoted)
}

/// What `quote` was given; nothing where an escape is broken or the result is not UTF-8.
pub fn unquote(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_undone() {
        for (plain, quoted) in [
            ("web/server", "web%2Fserver"),
            ("1.0,5.11-1:20260101T000000Z", "1.0%2C5.11-1%3A20260101T000000Z"),
            ("net/c++/x_y.z~-", "net%2Fc%2B%2B%2Fx_y.z~-"),
            ("a@b %", "a%40b%20%25"),
        ] {
            assert_eq!(quote(plain), quoted);
            assert_eq!(quote_path(plain), quoted.replace("%2F", "/"));
            assert_eq!(unquote(quoted).as_deref(), Some(plain));
        }
        assert_eq!(unquote("a%2fb").as_deref(), Some("a/b"));
        for broken in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(unquote(broken), None, "{broken}");
        }
    }
}
