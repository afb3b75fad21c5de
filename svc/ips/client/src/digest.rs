//! digest.rs - whether a payload is the one its action means, before anybody uses it.
//!
//! Stored payloads are gzip streams.  An action of a verified manifest names hashes of the stream
//! (`pkg.content-hash=gzip:...`, `chash`) and of what is in it (`pkg.content-hash=file:...`, the
//! positional SHA-1).  One match of the best kind known is enough; none known is a refusal.

use ips_model::action::Action;

/// Why a payload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Its hash is another one.
    #[error("{algorithm} is {found}, {expected} was expected")]
    Hash {
        /// Which hash.
        algorithm: String,
        /// What it is.
        found: String,
        /// What the manifest says.
        expected: String,
    },
    /// It is no gzip stream, or one of another length.
    #[error("the compressed data is damaged")]
    Damaged,
}

/// Which digest of an action is to be compared, and what it has to be; `None`: it names none.
pub(crate) type Check = for<'a> fn(&'a Action) -> Option<(&'static str, &'a str)>;

/// Of a payload as it is stored.
pub(crate) fn stored(action: &Action) -> Option<(&'static str, &str)> {
    action.content_hash("gzip").or_else(|| Some(("sha1", action.get("chash")?)))
}

/// Of a payload that is to be linked from another repository of this host.  The file stays the one
/// that is there, so this is about damage, not forgery, and the cheapest digest will do.
pub(crate) fn linked(action: &Action) -> Option<(&'static str, &str)> {
    action.get("chash").map(|expected| ("sha1", expected)).or_else(|| stored(action))
}

/// Of what a payload holds.
pub(crate) fn contents(action: &Action) -> Option<(&'static str, &str)> {
    action.content_hash("file").or_else(|| Some(("sha1", action.payload_hash()?)))
}

/// Checks many, each by one digest; one whose action names none of it by what it holds.
pub(crate) fn check_all(all: &[(&Action, &[u8])], check: Check) -> Vec<Result<(), PayloadError>> {
    let expected: Vec<_> = all.iter().map(|(action, _)| check(action)).collect();
    let texts: Vec<(&str, &[u8])> = expected
        .iter()
        .zip(all)
        .filter_map(|(expected, (_, bytes))| Some(((*expected)?.0, *bytes)))
        .collect();
    let mut digests = ips_repository::digest_all(&texts).into_iter();
    let compared = expected.into_iter().zip(all).map(|(expected, (action, bytes))| {
        let Some((algorithm, expected)) = expected else {
            return match contents(action) {
                Some(_) => check_contents(action, &expand(bytes, None)?),
                None => Err(PayloadError::Damaged),
            };
        };
        let found = digests.next().flatten().unwrap_or_default();
        if found == expected {
            return Ok(());
        }
        let (algorithm, expected) = (algorithm.to_string(), expected.to_string());
        Err(PayloadError::Hash { algorithm, found, expected })
    });
    compared.collect()
}

/// Checks a payload as it is stored.
pub fn check_stored(action: &Action, bytes: &[u8]) -> Result<(), PayloadError> {
    check_all(&[(action, bytes)], stored).remove(0)
}

/// Checks what a payload holds.
pub fn check_contents(action: &Action, bytes: &[u8]) -> Result<(), PayloadError> {
    match contents(action) {
        Some(_) => check_all(&[(action, bytes)], contents).remove(0),
        None => Err(PayloadError::Damaged),
    }
}

/// Takes a stored payload out of its gzip stream.
pub fn expand(stored: &[u8], size: Option<usize>) -> Result<Vec<u8>, PayloadError> {
    ips_repository::expand(stored, size).map_err(|_| PayloadError::Damaged)
}

/// The same, to the end of `onto`.
pub(crate) fn expand_onto(
    stored: &[u8],
    size: Option<usize>,
    onto: &mut Vec<u8>,
) -> Result<(), PayloadError> {
    ips_repository::expand_onto(stored, size, onto).map_err(|_| PayloadError::Damaged)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ips_model::digest::{hex, sha1_hex};
    use sha2::{Digest, Sha512_256};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_best_hash_known_decides() {
        let stored = gzip(b"pear");
        let name = sha1_hex(b"pear");
        let chash = sha1_hex(&stored);
        let best = hex(&Sha512_256::digest(&stored));
        let wrong = "0".repeat(64);
        for (attributes, good) in [
            (String::new(), true),
            (format!("chash={chash}"), true),
            (format!("chash={}", &wrong[..40]), false),
            (format!("chash={chash} pkg.content-hash=gzip:sha512t_256:{wrong}"), false),
            (format!("chash=x pkg.content-hash=gzip:sha512t_256:{best}"), true),
            (format!("pkg.content-hash=file:sha256:{wrong}"), false),
        ] {
            let line = format!("file {name} path=a owner=root group=bin mode=0644 {attributes}");
            let action = Action::parse(&line).unwrap();
            assert_eq!(check_stored(&action, &stored).is_ok(), good, "{attributes}");
            let linked = attributes.contains(&chash) || (good && !attributes.contains("chash"));
            assert_eq!(
                check_all(&[(&action, &stored[..])], super::linked)[0].is_ok(),
                linked,
                "{attributes}"
            );
        }
    }

    #[test]
    fn damage_is_seen() {
        let stored = gzip(&[7; 100_000]);
        assert_eq!(expand(&stored, Some(100_000)).unwrap().len(), 100_000);
        assert_eq!(expand(&stored, None).unwrap().len(), 100_000);
        for (bytes, size) in [
            (&stored[..stored.len() - 9], None),
            (&stored[..], Some(99_999)),
            (&stored[..], Some(usize::MAX)),
            (&b"no gzip"[..], Some(3)),
        ] {
            assert_eq!(expand(bytes, size), Err(PayloadError::Damaged), "{size:?}");
        }
    }
}
