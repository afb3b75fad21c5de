//! buildstamp.rs - the one time of a world: `20260101T000000Z`, made once, used for everything.
//!
//! It is in `proto/buildstamp` from the first step until `clean`.  `$BUILDSTAMP` may choose it, and
//! must agree with the one that is there: a kernel of one stamp in an image of another is a lie.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ips_model::Timestamp;
use stage::output::write_beside;

/// A time as UTC, sixteen characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buildstamp(String);

/// Why there is no buildstamp.
#[derive(Debug, thiserror::Error)]
pub enum BuildstampError {
    /// The text is none.
    #[error("{from}: \"{text}\" is no buildstamp (YYYYMMDDTHHMMSSZ)")]
    Form {
        /// Where it stands.
        from: String,
        /// The text.
        text: String,
    },
    /// Two that should be one.
    #[error("BUILDSTAMP is {asked}, and {} says {there}: unset it, or clean first", file.display())]
    Differs {
        /// What the environment says.
        asked: String,
        /// What the proto area says.
        there: String,
        /// The file.
        file: PathBuf,
    },
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Buildstamp {
    /// Takes a text, with or without a newline at its end, for a buildstamp.
    ///
    /// # Errors
    /// It is none; `from` says where it stands.
    pub fn parse(text: &str, from: &str) -> Result<Buildstamp, BuildstampError> {
        let word = text.strip_suffix('\n').unwrap_or(text);
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let formed = word.len() == 16
            && word.is_ascii()
            && digits(&word[..8])
            && &word[8..9] == "T"
            && digits(&word[9..15])
            && word.ends_with('Z');
        if formed && Timestamp::parse(word).is_ok() {
            return Ok(Buildstamp(word.to_owned()));
        }
        Err(BuildstampError::Form { from: from.to_owned(), text: word.to_owned() })
    }

    /// This second's.
    #[must_use]
    pub fn now() -> Buildstamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Buildstamp(Timestamp::from_seconds(seconds).package())
    }

    /// The sixteen characters.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Seconds since the epoch, for `SOURCE_DATE_EPOCH`.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        Timestamp::parse(&self.0).map_or(0, |time| time.seconds())
    }

    /// The stamp of a proto area: the one that is there, else the one asked for, else a new one,
    /// which is there from now on.
    ///
    /// # Errors
    /// One of them is none, they differ, or the file cannot be read or written.
    pub fn of(proto: &Path, asked: Option<&str>) -> Result<Buildstamp, BuildstampError> {
        let file = proto.join("buildstamp");
        let failed = |source| BuildstampError::File { path: file.clone(), source };
        let asked = asked.filter(|text| !text.is_empty());
        let asked = asked.map(|text| Buildstamp::parse(text, "BUILDSTAMP")).transpose()?;
        let there = match fs::read_to_string(&file) {
            Ok(text) => Some(Buildstamp::parse(&text, &file.display().to_string())?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        match (there, asked) {
            (Some(there), Some(asked)) if there != asked => {
                Err(BuildstampError::Differs { asked: asked.0, there: there.0, file })
            }
            (Some(there), _) => Ok(there),
            (None, asked) => {
                let stamp = asked.unwrap_or_else(Buildstamp::now);
                fs::create_dir_all(proto).map_err(failed)?;
                write_beside(&file, format!("{}\n", stamp.0).as_bytes()).map_err(failed)?;
                Ok(stamp)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_characters_of_a_real_time() {
        for (text, good) in [
            ("20260101T000000Z", true),
            ("20260101T000000Z\n", true),
            ("20260101T000000Z\n\n", false),
            ("20261301T000000Z", false),
            ("2026010100000000", false),
            ("20260101T000000z", false),
            ("\u{e4}260101T000000Z", false),
            ("", false),
        ] {
            assert_eq!(Buildstamp::parse(text, "x").is_ok(), good, "{text:?}");
        }
        assert_eq!(Buildstamp::parse("19700101T000102Z", "x").unwrap().seconds(), 62);
        let now = Buildstamp::now();
        assert!(Buildstamp::parse(now.text(), "now").is_ok(), "{now:?}");
    }

    #[test]
    fn made_once_and_never_two() {
        let place = tempfile::tempdir().unwrap();
        let proto = place.path().join("proto");
        let (one, other) = ("20260101T000000Z", "20260101T000001Z");
        assert_eq!(Buildstamp::of(&proto, Some(one)).unwrap().text(), one);
        for asked in [None, Some(""), Some(one)] {
            assert_eq!(Buildstamp::of(&proto, asked).unwrap().text(), one);
        }
        let error = Buildstamp::of(&proto, Some(other)).unwrap_err().to_string();
        assert!(error.contains(one) && error.contains(other) && error.contains("clean"), "{error}");
        fs::write(proto.join("buildstamp"), "half").unwrap();
        let error = Buildstamp::of(&proto, None).unwrap_err().to_string();
        assert!(error.contains("proto/buildstamp: \"half\" is no buildstamp"), "{error}");
    }
}
