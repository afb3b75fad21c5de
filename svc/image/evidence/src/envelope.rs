//! envelope.rs - a statement in a DSSE envelope, signed when there is a key.
//!
//! ```text
//! {"payloadType": T, "payload": base64(P), "signatures": [{"keyid": K, "sig": base64(S)}]}
//! S signs "DSSEv1 " len(T) " " T " " len(P) " " P
//! ```
//!
//! Keys are Ed25519 or RSA (PKCS#1 1.5 with SHA-256): both sign the same bytes the same way every
//! time.  The key's id is the SHA-256 of the public key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use serde_json::json;
use sha2::{Digest, Sha256};
use x509_parser::pem::Pem;

/// The type of an in-toto statement in an envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No PEM block with a private key of a known kind.
    #[error("{name}: no Ed25519 or RSA private key (PKCS#8, without a passphrase)")]
    Unknown {
        /// What the key was called.
        name: String,
    },
    /// It does not sign.
    #[error("the statement could not be signed")]
    Signature,
}

/// A private key.
#[derive(Debug)]
pub enum Key {
    /// Ed25519.
    Ed25519(Ed25519KeyPair),
    /// RSA.
    Rsa(rsa::KeyPair),
}

impl Key {
    /// Reads a PEM file; `name` is what to call it.
    ///
    /// # Errors
    /// There is no key of a known kind in it.
    pub fn parse(pem: &[u8], name: &str) -> Result<Key, KeyError> {
        let blocks = Pem::iter_from_buffer(pem).filter_map(Result::ok);
        let mut keys = blocks.filter_map(|block| match block.label.as_str() {
            "PRIVATE KEY" => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&block.contents)
                .map(Key::Ed25519)
                .or_else(|_| rsa::KeyPair::from_pkcs8(&block.contents).map(Key::Rsa))
                .ok(),
            "RSA PRIVATE KEY" => rsa::KeyPair::from_der(&block.contents).map(Key::Rsa).ok(),
            _ => None,
        });
        keys.next().ok_or_else(|| KeyError::Unknown { name: name.to_owned() })
    }

    /// The public key's bytes: 32 of Ed25519, PKCS#1's structure of RSA.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        match self {
            Key::Ed25519(key) => key.public_key().as_ref(),
            Key::Rsa(key) => key.public_key().as_ref(),
        }
    }

    /// What names it in an envelope.
    #[must_use]
    pub fn id(&self) -> String {
        sha256(self.public())
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self {
            Key::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let random = SystemRandom::new();
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| KeyError::Signature)?;
                Ok(signature)
            }
        }
    }
}

/// What is signed: DSSE's pre-authentication encoding.
#[must_use]
pub fn signed(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let (types, length) = (payload_type.len(), payload.len());
    let mut signed = format!("DSSEv1 {types} {payload_type} {length} ").into_bytes();
    signed.extend_from_slice(payload);
    signed
}

/// The envelope of a statement.
///
/// # Errors
/// The key does not sign.
pub fn envelope(statement: &str, key: &Key) -> Result<String, KeyError> {
    let signature = key.sign(&signed(PAYLOAD_TYPE, statement.as_bytes()))?;
    let envelope = json!({
        "payloadType": PAYLOAD_TYPE,
        "payload": STANDARD.encode(statement),
        "signatures": [{ "keyid": key.id(), "sig": STANDARD.encode(signature) }],
    });
    Ok(format!("{envelope}\n"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
