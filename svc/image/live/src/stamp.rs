//! stamp.rs - the build stamp: one time in UTC, made once, that names everything of a platform.

use std::fmt;
use std::str::FromStr;

use ips_model::Timestamp;

/// `YYYYMMDDTHHMMSSZ`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    text: String,
    seconds: i64,
}

/// A text that is no stamp.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("build stamp \"{0}\" is not of the form YYYYMMDDTHHMMSSZ")]
pub struct StampError(String);

impl Stamp {
    /// The stamp of a time, in seconds since the epoch.
    ///
    /// # Errors
    /// No year of four digits.
    pub fn of(seconds: i64) -> Result<Stamp, StampError> {
        let text = Timestamp::from_seconds(seconds).package();
        text.parse().map_err(|_: StampError| StampError(seconds.to_string()))
    }

    /// Seconds since the epoch.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// The stamp itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for Stamp {
    type Err = StampError;

    fn from_str(text: &str) -> Result<Stamp, StampError> {
        let time = Timestamp::parse(text).ok().filter(|_| is_shaped(text.as_bytes()));
        let time = time.ok_or_else(|| StampError(text.to_owned()))?;
        Ok(Stamp { text: text.to_owned(), seconds: time.seconds() })
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether bytes have the shape of a stamp, whatever the digits say.
fn is_shaped(bytes: &[u8]) -> bool {
    bytes.len() == 16
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

/// A text in which the first ` NNNNNNNNTNNNNNNZ` of each line became ` STAMP`.
#[must_use]
pub fn stamped(text: &[u8], stamp: &Stamp) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let found = line.windows(17).position(|part| part[0] == b' ' && is_shaped(&part[1..]));
        match found {
            Some(at) => {
                out.extend_from_slice(&line[..=at]);
                out.extend_from_slice(stamp.text.as_bytes());
                out.extend_from_slice(&line[at + 17..]);
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps() {
        let stamp: Stamp = "20110308T012345Z".parse().unwrap();
        assert_eq!(stamp.seconds(), 1_299_547_425);
        assert_eq!(Stamp::of(1_299_547_425).unwrap(), stamp);
        for text in
            ["", "20110308T012345", "20111308T012345Z", "2011-0308T01234Z", "x", "../../T012345Z.."]
        {
            assert!(text.parse::<Stamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn placeholders_become_the_stamp() {
        let stamp: Stamp = "20110308T012345Z".parse().unwrap();
        for (text, made) in [
            ("joyent 00000000T000000Z\n", "joyent 20110308T012345Z\n"),
            ("a 00000000T000000Z 11111111T111111Z", "a 20110308T012345Z 11111111T111111Z"),
            ("x00000000T000000Z\n\n", "x00000000T000000Z\n\n"),
            (" 00000000T000000Z\n 00000000T000000Z", " 20110308T012345Z\n 20110308T012345Z"),
        ] {
            assert_eq!(stamped(text.as_bytes(), &stamp), made.as_bytes(), "{text}");
        }
    }
}
