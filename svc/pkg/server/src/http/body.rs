//! body.rs - where a request's body ends, found while its bytes come in.
//!
//! ```text
//! chunked:  SIZE-IN-HEX [;EXTENSION] CRLF  SIZE bytes  CRLF  ...  0 CRLF  [TRAILER CRLF]...  CRLF
//! ```
//!
//! Nothing is kept but what the next byte's meaning needs.  A line of the framing that is longer
//! than any sensible one, or is no such line, ends the connection.

use crate::http::request::Framing;

/// The most a line of the framing may take, and all trailers together.
const LINE_LIMIT: usize = 4 * 1024;

/// A body's framing that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunk of a body")]
pub struct Malformed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// So many bytes of content are left, of the body or of a chunk.
    Content(u64),
    /// In the line that gives a chunk's size: in the number or behind it.
    Size { value: u64, digits: usize, ended: bool, length: usize },
    /// The line that gives a chunk's size has to end now.
    SizeEnd { value: u64 },
    /// A line break has to follow a chunk; whether its first half came.
    AfterChunk { half: bool },
    /// Behind the last chunk; how long this line is, and all of them.
    Trailer { line: usize, all: usize },
    /// The body has ended.
    End,
}

/// Reads a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyReader {
    framing: Framing,
    place: Place,
}

/// What was found at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Content, and how many bytes it and the framing before it took.
    Content(&'a [u8], usize),
    /// The body ends after so many bytes.
    End(usize),
    /// All bytes were framing and more is needed.
    More,
}

impl BodyReader {
    /// At the start of a body.
    pub fn new(framing: Framing) -> Self {
        let place = match framing {
            Framing::Length(0) => Place::End,
            Framing::Length(length) => Place::Content(length),
            Framing::Chunked => START_OF_SIZE,
        };
        Self { framing, place }
    }

    /// Whether the whole body has been read.
    pub fn is_over(&self) -> bool {
        self.place == Place::End
    }

    /// Takes the next piece from `bytes`.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Found<'a>, Malformed> {
        let mut at = 0;
        loop {
            if self.is_over() {
                return Ok(Found::End(at));
            }
            if let Place::Content(left) = self.place {
                let rest = &bytes[at..];
                if rest.is_empty() {
                    return Ok(Found::More);
                }
                let count = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - count as u64;
                self.place = match (left, self.framing) {
                    (0, Framing::Length(_)) => Place::End,
                    (0, Framing::Chunked) => Place::AfterChunk { half: false },
                    (left, _) => Place::Content(left),
                };
                return Ok(Found::Content(&rest[..count], at + count));
            }
            let Some(&byte) = bytes.get(at) else { return Ok(Found::More) };
            at += 1;
            self.place = step(self.place, byte)?;
        }
    }
}

const START_OF_SIZE: Place = Place::Size { value: 0, digits: 0, ended: false, length: 0 };

fn behind_size(value: u64) -> Place {
    if value == 0 { Place::Trailer { line: 0, all: 0 } } else { Place::Content(value) }
}

/// One byte of framing.
fn step(place: Place, byte: u8) -> Result<Place, Malformed> {
    match place {
        Place::Size { length, .. } if length >= LINE_LIMIT => Err(Malformed),
        Place::Size { value, digits, ended, length } => match byte {
            b'\r' | b'\n' if digits == 0 => Err(Malformed),
            b'\r' => Ok(Place::SizeEnd { value }),
            b'\n' => Ok(behind_size(value)),
            _ if ended => Ok(Place::Size { value, digits, ended, length: length + 1 }),
            b';' | b' ' | b'\t' if digits > 0 => {
                Ok(Place::Size { value, digits, ended: true, length: length + 1 })
            }
            _ => {
                let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
                // Sixteen digits could still overflow what a file may be.
                if digits >= 15 {
                    return Err(Malformed);
                }
                let value = value * 16 + u64::from(digit);
                Ok(Place::Size { value, digits: digits + 1, ended, length: length + 1 })
            }
        },
        Place::SizeEnd { value } if byte == b'\n' => Ok(behind_size(value)),
        Place::AfterChunk { half: false } if byte == b'\r' => Ok(Place::AfterChunk { half: true }),
        Place::AfterChunk { .. } if byte == b'\n' => Ok(START_OF_SIZE),
        Place::SizeEnd { .. } | Place::AfterChunk { .. } => Err(Malformed),
        Place::Trailer { all, .. } if all >= LINE_LIMIT => Err(Malformed),
        Place::Trailer { line, all } => match byte {
            b'\r' => Ok(Place::Trailer { line, all: all + 1 }),
            b'\n' if line == 0 => Ok(Place::End),
            b'\n' => Ok(Place::Trailer { line: 0, all: all + 1 }),
            _ => Ok(Place::Trailer { line: line + 1, all: all + 1 }),
        },
        Place::Content(_) | Place::End => Ok(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `text` in pieces of `size` bytes: the content, and what is behind the body.
    fn read(framing: Framing, text: &str, size: usize) -> Result<(String, String), Malformed> {
        let mut reader = BodyReader::new(framing);
        let (mut content, mut at) = (Vec::new(), 0);
        while !reader.is_over() && at < text.len() {
            let piece = &text.as_bytes()[at..(at + size).min(text.len())];
            let mut used = 0;
            loop {
                match reader.next(&piece[used..])? {
                    Found::Content(bytes, count) => {
                        content.extend_from_slice(bytes);
                        used += count;
                    }
                    Found::End(count) => {
                        used += count;
                        break;
                    }
                    Found::More => {
                        used = piece.len();
                        break;
                    }
                }
            }
            at += used;
        }
        assert!(reader.is_over(), "{text:?} in pieces of {size}");
        Ok((String::from_utf8(content).unwrap(), text[at..].to_string()))
    }

    #[test]
    fn bodies_end_where_they_end_in_pieces_of_any_size() {
        let chunked =
            "4\r\nWiki\r\n6;x=y\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nA: b\r\n\r\nGET";
        for size in 1..chunked.len() {
            let found = read(Framing::Chunked, chunked, size).unwrap();
            assert_eq!(found, ("Wikipedia in \r\n\r\nchunks.".into(), "GET".into()), "{size}");
            let found = read(Framing::Length(5), "12345GET", size).unwrap();
            assert_eq!(found, ("12345".into(), "GET".into()));
        }
        assert!(BodyReader::new(Framing::Length(0)).is_over());
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let long = format!("1;{}", "x".repeat(LINE_LIMIT + 1));
        let trailer = format!("0\r\n{}", "x".repeat(LINE_LIMIT + 1));
        for text in [
            "\r\n",
            "x\r\n",
            "1\rX",
            "1;a\r\r\n",
            "-1\r\n",
            "ffffffffffffffff\r\n",
            "1\r\naX",
            &long,
            &trailer,
        ] {
            assert!(
                BodyReader::new(Framing::Chunked).next(text.as_bytes()).is_err() || {
                    let mut reader = BodyReader::new(Framing::Chunked);
                    let Ok(Found::Content(_, used)) = reader.next(text.as_bytes()) else {
                        panic!("{text:.20}")
                    };
                    reader.next(&text.as_bytes()[used..]).is_err()
                }
            );
        }
    }
}
