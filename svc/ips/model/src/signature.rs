//! signature.rs - what a signature action signs, and what it says of itself.
//!
//! Signed are all actions but other signatures, each as `Action::signature_text`, sorted and joined
//! by line feeds; the signing action takes part with an empty `value`.  So the order of lines may
//! change and nothing else.
//!
//! Not here: keys, certificates and trust.

use crate::action::{Action, Kind};
use crate::manifest::Manifest;

/// A digest that signatures are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The word of algorithms and content hashes.
    pub fn as_str(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha256",
            Hash::Sha384 => "sha384",
            Hash::Sha512 => "sha512",
        }
    }
}

/// How a signature's value is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// It is the digest (`sha256`): nobody vouches for it.
    Digest(Hash),
    /// It is the digest signed with an RSA key, PKCS#1 v1.5 (`rsa-sha256`).
    Rsa(Hash),
}

impl Algorithm {
    /// Reads the attribute `algorithm`; none where it is not known.
    pub fn parse(text: &str) -> Option<Algorithm> {
        let (rsa, hash) = match text.strip_prefix("rsa-") {
            Some(hash) => (true, hash),
            None => (false, text),
        };
        let all = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
        let hash = all.into_iter().find(|known| known.as_str() == hash)?;
        Some(if rsa { Algorithm::Rsa(hash) } else { Algorithm::Digest(hash) })
    }

    /// The digest that is taken.
    pub fn hash(self) -> Hash {
        match self {
            Algorithm::Digest(hash) | Algorithm::Rsa(hash) => hash,
        }
    }
}

/// The text of the manifest that `signature` signs; the action need not be in it yet.
pub fn signed_text(manifest: &Manifest, signature: &Action) -> String {
    let others = manifest.actions.iter().filter(|action| action.kind != Kind::Signature);
    let mut lines: Vec<String> = others.map(Action::signature_text).collect();
    let mut own = signature.clone();
    own.attributes.insert("value".into(), vec![String::new()]);
    lines.push(own.signature_text());
    lines.sort_unstable();
    lines.join("\n")
}

/// How to verify a signature; none where that is not known: one of a newer version or algorithm, or
/// one that holds for some variants only.  Those are passed over.
pub fn algorithm(signature: &Action) -> Option<Algorithm> {
    let newer = signature.get("version").is_some_and(|version| version != "0");
    let tagged = signature.attributes.keys().any(|name| name.starts_with("variant."));
    if newer || tagged {
        return None;
    }
    Algorithm::parse(signature.get("algorithm")?)
}

/// The bytes of a value in hex; none where it is no hex.
pub fn bytes(value: &str) -> Option<Vec<u8>> {
    if value.len() % 2 != 0 || !value.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..value.len()).step_by(2).map(|at| u8::from_str_radix(&value[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed() {
        let manifest = Manifest::parse(
            "set name=b value=2 value=1\nset name=a value=x\n\
             signature algorithm=sha256 value=00 version=0\n",
        )
        .unwrap();
        let own = Action::parse("signature algorithm=rsa-sha256 value=ff version=0").unwrap();
        let text = "set name=a value=x\nset name=b value=1 value=2\n\
                    signature algorithm=rsa-sha256 value=\"\" version=0";
        assert_eq!(signed_text(&manifest, &own), text);
        let mut turned = manifest.clone();
        turned.actions.reverse();
        assert_eq!(signed_text(&turned, &own), text);
    }

    #[test]
    fn algorithms() {
        for (line, expected) in [
            ("algorithm=sha256 value=1", Some(Algorithm::Digest(Hash::Sha256))),
            ("algorithm=rsa-sha512 value=1 version=0", Some(Algorithm::Rsa(Hash::Sha512))),
            ("algorithm=rsa-sha384 value=1 version=1", None),
            ("algorithm=rsa-sha1 value=1", None),
            ("algorithm=dsa-sha256 value=1", None),
            ("algorithm=sha256 value=1 variant.arch=i386", None),
        ] {
            let action = Action::parse(&format!("signature {line}")).unwrap();
            assert_eq!(algorithm(&action), expected, "{line}");
        }
        assert_eq!(bytes("00ff"), Some(vec![0, 255]));
        for bad in ["0", "0g", "é0"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
