//! encoding.rs - the bytes of a document become text.
//!
//! ```text
//! EF BB BF                 UTF-8              a byte order mark decides,
//! FE FF, FF FE             UTF-16
//! 00 3C 00 3F, 3C 00 3F 00 UTF-16             then how `<?` is spelt,
//! <?xml ... encoding='X'   X                  then the declaration;
//! otherwise                UTF-8
//! ```
//!
//! What must hold: every byte has become a character, or it is said where the first one is that is
//! none.  X is one of the encodings that every reader of XML has to know or that libxml2 knows by
//! itself: UTF-8, UTF-16, ISO-8859-1, US-ASCII.

use super::BundleError;
use super::xml::{Position, SIZE_MAX};

/// What may stand in a declaration, in capitals, and how the bytes are read then.
const NAMES: [(&str, Encoding); 10] = [
    ("UTF-8", Encoding::Utf8),
    ("UTF8", Encoding::Utf8),
    ("US-ASCII", Encoding::Ascii),
    ("ASCII", Encoding::Ascii),
    ("ISO-8859-1", Encoding::Latin1),
    ("ISO8859-1", Encoding::Latin1),
    ("ISO_8859-1", Encoding::Latin1),
    ("ISO-LATIN-1", Encoding::Latin1),
    ("LATIN1", Encoding::Latin1),
    ("L1", Encoding::Latin1),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Ascii,
    Latin1,
}

/// The text of a document.
///
/// # Errors
///
/// [`BundleError::TooLarge`], and [`BundleError::Malformed`] with the place of what is no character
/// of the document's encoding, or where the encoding is not known.
pub fn decode(bytes: Vec<u8>) -> Result<String, BundleError> {
    if bytes.len() > SIZE_MAX {
        return Err(BundleError::TooLarge { limit: SIZE_MAX });
    }
    match bytes.as_slice() {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest.to_vec()),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0, b'<', 0, b'?', ..] => utf16(&bytes, u16::from_be_bytes),
        [b'<', 0, b'?', 0, ..] => utf16(&bytes, u16::from_le_bytes),
        _ => match declared(&bytes)? {
            Encoding::Utf8 => utf8(bytes),
            Encoding::Ascii => match bytes.iter().position(|byte| !byte.is_ascii()) {
                None => utf8(bytes),
                Some(at) => Err(none(&bytes[..at], "US-ASCII")),
            },
            // Its characters have the numbers of its bytes.
            Encoding::Latin1 => Ok(bytes.into_iter().map(char::from).collect()),
        },
    }
}

/// What the XML declaration says of bytes in which it reads as ASCII.
fn declared(bytes: &[u8]) -> Result<Encoding, BundleError> {
    let Some(name) = declaration(bytes) else { return Ok(Encoding::Utf8) };
    let at = Position { line: 1, column: 1 };
    let capitals = name.to_ascii_uppercase();
    if matches!(capitals.as_str(), "UTF-16" | "UTF16") {
        let text = format!("document labelled {name} but has UTF-8 content");
        return Err(BundleError::malformed(at, text));
    }
    let found = NAMES.iter().find(|(own, _)| *own == capitals);
    found
        .map(|(_, encoding)| *encoding)
        .ok_or_else(|| BundleError::malformed(at, format!("unsupported encoding {name}")))
}

/// The value of `encoding` in `<?xml ...?>`.
fn declaration(bytes: &[u8]) -> Option<&str> {
    let rest = bytes.strip_prefix(b"<?xml")?;
    let end = rest.windows(2).position(|two| two == b"?>")?;
    let text = std::str::from_utf8(&rest[..end]).ok()?;
    let value = text.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    value[1..].split_once(quote).map(|(name, _)| name)
}

fn utf8(bytes: Vec<u8>) -> Result<String, BundleError> {
    String::from_utf8(bytes)
        .map_err(|error| none(&error.as_bytes()[..error.utf8_error().valid_up_to()], "UTF-8"))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, BundleError> {
    let pairs = bytes.chunks_exact(2);
    let half = !pairs.remainder().is_empty();
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(none(text.as_bytes(), "UTF-16")),
        }
    }
    if half { Err(none(text.as_bytes(), "UTF-16")) } else { Ok(text) }
}

/// What follows `before` is no character; `before` is UTF-8.
fn none(before: &[u8], encoding: &str) -> BundleError {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let of_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let column = String::from_utf8_lossy(of_line).chars().count() + 1;
    BundleError::malformed(Position { line, column }, format!("a byte that is not {encoding}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn the_same_text_in_every_encoding() {
        let text = "<?xml version='1.0'?>\n<a>é</a>";
        let latin = |name: &str| {
            let mut bytes =
                format!("<?xml version=\"1.0\" encoding = \"{name}\"?><a>").into_bytes();
            bytes.extend(*b"\xe9\x85</a>");
            bytes
        };
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            wide(text, u16::to_be_bytes),
            wide(text, u16::to_le_bytes),
            wide(&format!("\u{feff}{text}"), u16::to_be_bytes),
            wide(&format!("\u{feff}{text}"), u16::to_le_bytes),
        ] {
            assert_eq!(decode(bytes.clone()).unwrap(), text, "{bytes:?}");
        }
        for name in ["ISO-8859-1", "iso-8859-1", "latin1"] {
            let read = decode(latin(name)).unwrap();
            assert!(read.ends_with("<a>é\u{85}</a>"), "{name}: {read}");
        }
        // The mark counts, whatever is declared.
        let marked = wide("\u{feff}<?xml encoding='UTF-8'?><a>\u{1f300}</a>", u16::to_le_bytes);
        assert!(decode(marked).unwrap().ends_with("\u{1f300}</a>"));
    }

    #[test]
    fn what_is_no_character_is_said_with_its_place() {
        let declared = |name: &str| format!("<?xml version='1.0' encoding='{name}'?>\n<a>é</a>");
        let lone = [wide("<?xml?>\nab", u16::to_be_bytes), vec![0xd8, 0, 0, b'<']].concat();
        let half = [wide("<?xml?>", u16::to_le_bytes), vec![b'<']].concat();
        for (bytes, expected) in [
            (b"<a>\n\xc3\xa9\xff</a>".to_vec(), "line 2, column 2: a byte that is not UTF-8"),
            (declared("us-ascii").into(), "line 2, column 4: a byte that is not US-ASCII"),
            (declared("KOI-7").into(), "line 1, column 1: unsupported encoding KOI-7"),
            (
                declared("UTF-16").into(),
                "line 1, column 1: document labelled UTF-16 but has UTF-8 content",
            ),
            (lone, "line 2, column 3: a byte that is not UTF-16"),
            (half, "line 1, column 8: a byte that is not UTF-16"),
            (vec![b' '; SIZE_MAX + 1], "document has more than 16777216 bytes"),
        ] {
            assert_eq!(decode(bytes).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_declaration_declares_nothing() {
        for (text, expected) in [
            ("<?xml version='1.0'?><a encoding='x'/>", None),
            ("<a/><?xml encoding='x'?>", None),
            ("<?xml encoding=x?>", None),
            ("<?xml encoding='x?>", None),
            ("<?xml encoding='x'", None),
            ("<?xml encoding=\"UTF-8\" standalone='yes'?>", Some("UTF-8")),
        ] {
            assert_eq!(declaration(text.as_bytes()), expected, "{text}");
        }
    }
}
