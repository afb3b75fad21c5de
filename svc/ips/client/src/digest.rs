//! digest.rs - whether a payload is the one its action means, before anybody uses it.
//!
//! Stored payloads are gzip streams.  An action of a verified manifest names hashes of the stream
//! (`pkg.content-hash=gzip:...`, `chash`) and of what is in it (`pkg.content-hash=file:...`, the
//! positional SHA-1).  One match of the best kind known is enough; none known is a refusal.

use std::io::Read;

use ips_model::action::Action;
use ips_model::digest::{hex, sha1_hex};
use libdeflater::Decompressor;
use sha2::{Digest, Sha256, Sha512_256};

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

fn hash(algorithm: &str, bytes: &[u8]) -> Option<String> {
    match algorithm {
        "sha512t_256" => Some(hex(&Sha512_256::digest(bytes))),
        "sha256" => Some(hex(&Sha256::digest(bytes))),
        "sha1" => Some(sha1_hex(bytes)),
        _ => None,
    }
}

/// The best hash of a kind (`gzip` or `file`) that an action names: algorithm and value.
pub fn best<'a>(action: &'a Action, kind: &str) -> Option<(&'a str, &'a str)> {
    let listed = action.values("pkg.content-hash").iter();
    let all = listed.filter_map(|text| {
        let (found, rest) = text.split_once(':')?;
        let (algorithm, value) = rest.split_once(':')?;
        (found == kind).then_some((algorithm, value))
    });
    let all: Vec<(&str, &str)> = all.collect();
    let ranked = ["sha512t_256", "sha256"];
    ranked.iter().find_map(|wanted| all.iter().copied().find(|(name, _)| name == wanted))
}

fn compare(algorithm: &str, expected: &str, bytes: &[u8]) -> Result<(), PayloadError> {
    let found = hash(algorithm, bytes).unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    let (algorithm, expected) = (algorithm.to_string(), expected.to_string());
    Err(PayloadError::Hash { algorithm, found, expected })
}

/// Checks a payload as it is stored.
pub fn check_stored(action: &Action, stored: &[u8]) -> Result<(), PayloadError> {
    if let Some((algorithm, expected)) = best(action, "gzip") {
        return compare(algorithm, expected, stored);
    }
    if let Some(expected) = action.get("chash") {
        return compare("sha1", expected, stored);
    }
    check_contents(action, &expand(stored, None)?)
}

/// Checks what a payload holds.
pub fn check_contents(action: &Action, contents: &[u8]) -> Result<(), PayloadError> {
    match (best(action, "file"), action.payload_hash()) {
        (Some((algorithm, expected)), _) => compare(algorithm, expected, contents),
        (None, Some(expected)) => compare("sha1", expected, contents),
        (None, None) => Err(PayloadError::Damaged),
    }
}

/// Takes a stored payload out of its gzip stream.
pub fn expand(stored: &[u8], size: Option<usize>) -> Result<Vec<u8>, PayloadError> {
    // The length is the manifest's claim: believed as far as deflate can swell, and checked.
    if let Some(size) = size.filter(|size| *size <= stored.len().saturating_mul(1_040)) {
        let mut contents = vec![0; size];
        if let Ok(length) = Decompressor::new().gzip_decompress(stored, &mut contents) {
            if length == size {
                return Ok(contents);
            }
        }
    }
    let mut contents = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(stored);
    decoder.read_to_end(&mut contents).map_err(|_| PayloadError::Damaged)?;
    match size {
        Some(size) if size != contents.len() => Err(PayloadError::Damaged),
        Some(_) | None => Ok(contents),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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
