//! buildstamp.rs - the one time of a world: `20260101T000000Z`, made once, used for everything.
//!
//! It is in `proto/buildstamp` from the first step until `clean`.  `$BUILDSTAMP` may choose it, and
//! must agree with the one that is there: a kernel of one stamp in an image of another is a lie.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use live_manifest::{Stamp, StampError};
use stage::output::write_beside;

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

/// Takes a text, with or without a newline at its end, for a buildstamp; `from` says where it stands.
fn parsed(text: &str, from: &str) -> Result<Stamp, BuildstampError> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let (from, wrong) = (from.to_owned(), text.to_owned());
    text.parse().map_err(|_: StampError| BuildstampError::Form { from, text: wrong })
}

/// The stamp of a proto area: the one that is there, else the one asked for, else this second's,
/// which is there from now on.
///
/// # Errors
/// One of them is none, they differ, or the file cannot be read or written.
pub fn buildstamp(proto: &Path, asked: Option<&str>) -> Result<Stamp, BuildstampError> {
    let file = proto.join("buildstamp");
    let failed = |source| BuildstampError::File { path: file.clone(), source };
    let asked = asked.filter(|text| !text.is_empty());
    let asked = asked.map(|text| parsed(text, "BUILDSTAMP")).transpose()?;
    let there = match fs::read_to_string(&file) {
        Ok(text) => Some(parsed(&text, &file.display().to_string())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let stamp = match (there, asked) {
        (Some(there), Some(asked)) if there != asked => {
            let (asked, there) = (asked.to_string(), there.to_string());
            return Err(BuildstampError::Differs { asked, there, file });
        }
        (Some(there), _) => return Ok(there),
        (None, Some(asked)) => asked,
        (None, None) => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
            let form = |error: StampError| {
                let (from, text) = ("the clock".to_owned(), error.to_string());
                BuildstampError::Form { from, text }
            };
            Stamp::of(seconds).map_err(form)?
        }
    };
    fs::create_dir_all(proto).map_err(failed)?;
    write_beside(&file, format!("{stamp}\n").as_bytes()).map_err(failed)?;
    Ok(stamp)
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
            assert_eq!(parsed(text, "x").is_ok(), good, "{text:?}");
        }
        assert_eq!(parsed("19700101T000102Z", "x").unwrap().seconds(), 62);
    }

    #[test]
    fn made_once_and_never_two() {
        let place = tempfile::tempdir().unwrap();
        let proto = place.path().join("proto");
        let (one, other) = ("20260101T000000Z", "20260101T000001Z");
        assert_eq!(buildstamp(&proto, Some(one)).unwrap().text(), one);
        for asked in [None, Some(""), Some(one)] {
            assert_eq!(buildstamp(&proto, asked).unwrap().text(), one);
        }
        let error = buildstamp(&proto, Some(other)).unwrap_err().to_string();
        assert!(error.contains(one) && error.contains(other) && error.contains("clean"), "{error}");
        fs::write(proto.join("buildstamp"), "half").unwrap();
        let error = buildstamp(&proto, None).unwrap_err().to_string();
        assert!(error.contains("proto/buildstamp: \"half\" is no buildstamp"), "{error}");
    }
}
