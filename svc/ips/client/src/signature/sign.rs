//! sign.rs - makes signature actions, as pkgsign(1) does.
//!
//! The signing action takes part in what it signs as it will be stored, certificates' hashes and
//! sizes included, so what is or will be stored of them has to be known first.

use ips_model::digest::{hex, sha1_hex};
use ips_model::signature::{Algorithm, Hash, signed_text};
use ips_model::{Action, Kind, Manifest};
use ips_repository::Stream;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature as rsa;
use x509_parser::pem::Pem;

/// A signature that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key is no RSA key, or one that is too small.
    #[error("{0} was expected to be a RSA key but could not be read correctly.")]
    Key(String),
    /// The key is of another certificate.
    #[error("the key does not belong to the certificate {0}")]
    Pair(String),
    /// Nothing could be signed.
    #[error("the signature could not be made")]
    Signature,
}

/// A private RSA key.
#[derive(Debug)]
pub struct Key(KeyPair);

impl Key {
    /// Reads a PEM file, PKCS#8 or PKCS#1, without a passphrase; `name` is what to call it.
    pub fn parse(pem: &[u8], name: &str) -> Result<Key, SignError> {
        let refused = || SignError::Key(name.to_string());
        for block in Pem::iter_from_buffer(pem).filter_map(Result::ok) {
            let key = match block.label.as_str() {
                "PRIVATE KEY" => KeyPair::from_pkcs8(&block.contents),
                "RSA PRIVATE KEY" => KeyPair::from_der(&block.contents),
                _ => continue,
            };
            return key.map(Key).map_err(|_| refused());
        }
        Err(refused())
    }
}

/// Who signs, and how.
#[derive(Debug)]
pub struct Signer {
    /// The algorithm; one that needs a key comes with one.
    pub algorithm: Algorithm,
    /// The key, its certificate's file and the files of those above it.
    pub key: Option<(Key, Vec<u8>, Vec<Vec<u8>>)>,
}

/// A signature that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The action as it will be stored.
    pub action: Action,
    /// The files it names: the certificate's first.
    pub files: Vec<Vec<u8>>,
}

impl Signer {
    /// The word of the algorithm.
    fn word(&self) -> String {
        match self.algorithm {
            Algorithm::Digest(hash) => hash.as_str().to_string(),
            Algorithm::Rsa(hash) => format!("rsa-{}", hash.as_str()),
        }
    }

    /// Signs a package; `stream` tells what is or will be stored of a file.
    pub fn sign<E: From<SignError>>(
        &self,
        manifest: &Manifest,
        mut stream: impl FnMut(&[u8]) -> Result<Stream, E>,
    ) -> Result<Signed, E> {
        let mut action = Action::new(Kind::Signature);
        action.set("algorithm", vec![self.word()]);
        action.set("version", vec!["0".into()]);
        let Some((key, certificate, chain)) = &self.key else {
            let text = signed_text(manifest, &action);
            let value = ips_repository::digest(self.algorithm.hash().as_str(), text.as_bytes());
            action.set("value", vec![value.ok_or(SignError::Signature)?]);
            return Ok(Signed { action, files: Vec::new() });
        };
        let is_pair = super::Certificate::parse(certificate)
            .is_ok_and(|read| read.rsa_key().as_deref() == Some(key.0.public().as_ref()));
        if !is_pair {
            return Err(SignError::Pair(sha1_hex(certificate)).into());
        }
        describe(&mut action, certificate, &stream(certificate)?);
        if !chain.is_empty() {
            let mut streams = Vec::new();
            for file in chain {
                streams.push(stream(file)?);
            }
            describe_chain(&mut action, chain, &streams);
        }
        let text = signed_text(manifest, &action);
        action.set("value", vec![hex(&self.value(key, text.as_bytes())?)]);
        let files = std::iter::once(certificate).chain(chain).cloned().collect();
        Ok(Signed { action, files })
    }

    fn value(&self, key: &Key, text: &[u8]) -> Result<Vec<u8>, SignError> {
        let padding: &dyn rsa::RsaEncoding = match self.algorithm.hash() {
            Hash::Sha256 => &rsa::RSA_PKCS1_SHA256,
            Hash::Sha384 => &rsa::RSA_PKCS1_SHA384,
            Hash::Sha512 => &rsa::RSA_PKCS1_SHA512,
        };
        let mut value = vec![0; key.0.public().modulus_len()];
        let signed = key.0.sign(padding, &SystemRandom::new(), text, &mut value);
        signed.map(|()| value).map_err(|_| SignError::Signature)
    }
}

fn sha512_256(bytes: &[u8]) -> String {
    ips_repository::digest("sha512t_256", bytes).unwrap_or_default()
}

/// Says of the signer's certificate what publication says of any payload.
fn describe(action: &mut Action, file: &[u8], stream: &Stream) {
    action.hash = Some(sha1_hex(file));
    action.set("chash", vec![stream.sha1.clone()]);
    let hashes = [
        format!("file:sha512t_256:{}", sha512_256(file)),
        format!("gzip:sha512t_256:{}", stream.sha512_256),
    ];
    action.set("pkg.content-hash", hashes.to_vec());
    action.set("pkg.size", vec![file.len().to_string()]);
    action.set("pkg.csize", vec![stream.size.to_string()]);
}

/// The same of the others, each attribute one value with blanks in it, in their order.
fn describe_chain(action: &mut Action, files: &[Vec<u8>], streams: &[Stream]) {
    let of_files = |what: &dyn Fn(&Vec<u8>) -> String| -> Vec<String> {
        vec![files.iter().map(what).collect::<Vec<_>>().join(" ")]
    };
    let of_streams = |what: &dyn Fn(&Stream) -> String| -> Vec<String> {
        vec![streams.iter().map(what).collect::<Vec<_>>().join(" ")]
    };
    action.set("chain", of_files(&|file| sha1_hex(file)));
    action.set("chain.sizes", of_files(&|file| file.len().to_string()));
    action.set("pkg.chain.sha512t_256", of_files(&|file| sha512_256(file)));
    action.set("chain.chashes", of_streams(&|stream| stream.sha1.clone()));
    action.set("chain.csizes", of_streams(&|stream| stream.size.to_string()));
    let best = of_streams(&|stream| stream.sha512_256.clone());
    action.set("pkg.chain.chashes.sha512t_256", best);
}
