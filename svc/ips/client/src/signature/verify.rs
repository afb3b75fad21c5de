//! verify.rs - whether a package's signatures are what a policy asks for.

use std::io;

use ips_model::signature::{Algorithm, Hash, algorithm, bytes, signed_text};
use ips_model::{Action, Kind, Manifest};
use ring::signature as rsa;

use super::anchors::Anchors;
use super::certificate::Certificate;
use super::chain::{ChainError, follow};
use super::policy::Policy;

/// Why a package is not accepted.  The words are pkg5's.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// A signature does not hold.
    #[error(
        "A signature in {package} could not be verified for this reason:\n{reason}\nThe signature's hash is {hash}"
    )]
    Unverified {
        /// The package.
        package: String,
        /// The signature's value.
        value: String,
        /// The signature: its certificate's hash, or its value where it has none.
        hash: String,
        /// Why.
        reason: String,
    },
    /// Who made it is not trusted.
    #[error("{source}\nThe package involved is {package}")]
    Chain {
        /// The package.
        package: String,
        /// The signature's value.
        value: String,
        /// Why.
        source: Box<ChainError>,
    },
    /// A certificate cannot be had.
    #[error("the certificate {hash} of {package}: {reason}")]
    Fetch {
        /// The package.
        package: String,
        /// The signature's value.
        value: String,
        /// The certificate.
        hash: String,
        /// Why.
        reason: String,
    },
    /// There is none that somebody vouches for.
    #[error(
        "The policy for {publisher} requires signatures to be present but no signature was found in {package}."
    )]
    Missing {
        /// The publisher.
        publisher: String,
        /// The package.
        package: String,
    },
    /// Names were not met.
    #[error(
        "The policy for {publisher} requires certain CNs to be seen in a chain of trust. The following required names couldn't be found for this package:\n{package}.\n{}", .names.join("\n")
    )]
    Names {
        /// The publisher.
        publisher: String,
        /// The package.
        package: String,
        /// The names.
        names: Vec<String>,
    },
}

impl SignatureError {
    /// The value of the signature that does not hold; none where a signature is missing.
    pub fn signature(&self) -> Option<&str> {
        match self {
            SignatureError::Unverified { value, .. }
            | SignatureError::Chain { value, .. }
            | SignatureError::Fetch { value, .. } => Some(value),
            SignatureError::Missing { .. } | SignatureError::Names { .. } => None,
        }
    }
}

/// What was found of a package that is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures {
    /// How many signatures were verified that are digests only.
    pub digests: usize,
    /// The subjects of the certificates whose signatures were verified.
    pub signers: Vec<String>,
    /// How many signatures were passed over: newer, or for some variants only.
    pub unknown: usize,
}

/// Verifies the signatures of a package.  `fetch` gives the file (PEM, unpacked) with a SHA-1; what
/// it gives is checked by that.  With `now`, in seconds since 1970, certificates have to be valid
/// then; pkg5 does not ask for that, since a package outlives the certificate it was signed with.
pub fn verify(
    manifest: &Manifest,
    policy: &Policy,
    anchors: &Anchors,
    now: Option<i64>,
    fetch: &dyn Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Signatures, SignatureError> {
    let mut found = Signatures::default();
    let mut names = match policy {
        Policy::Ignore => return Ok(found),
        Policy::Verify | Policy::RequireSignatures => Default::default(),
        Policy::RequireNames(names) => names.clone(),
    };
    let fmri = manifest.fmri().ok();
    let package = fmri.as_ref().map(ToString::to_string).unwrap_or_default();
    let publisher = fmri.and_then(|fmri| fmri.publisher).unwrap_or_default();
    let look = Look { manifest, package: &package, fetch };
    for signature in manifest.of_kind(Kind::Signature) {
        match (algorithm(signature), signature.payload_hash()) {
            (Some(Algorithm::Digest(hash)), None) => {
                look.digest(signature, hash)?;
                found.digests += 1;
            }
            (Some(Algorithm::Rsa(hash)), Some(certificate)) => {
                let signer = look.certificate(signature, certificate)?;
                let others = look.chain(signature)?;
                follow(&signer, &others, anchors, &mut names, now)
                    .map_err(|source| look.chain_error(signature, source))?;
                look.signed(signature, hash, &signer)?;
                found.signers.push(signer.subject);
            }
            _ => found.unknown += 1,
        }
    }
    match policy {
        Policy::RequireSignatures if found.signers.is_empty() => {
            Err(SignatureError::Missing { publisher, package })
        }
        Policy::RequireNames(_) if !names.is_empty() => {
            let names = names.into_iter().collect();
            Err(SignatureError::Names { publisher, package, names })
        }
        _ => Ok(found),
    }
}

struct Look<'a> {
    manifest: &'a Manifest,
    package: &'a str,
    fetch: &'a dyn Fn(&str) -> io::Result<Vec<u8>>,
}

impl Look<'_> {
    fn certificate(&self, of: &Action, hash: &str) -> Result<Certificate, SignatureError> {
        let failed = |reason: String| SignatureError::Fetch {
            package: self.package.to_string(),
            value: value_of(of),
            hash: hash.to_string(),
            reason,
        };
        let pem = (self.fetch)(hash).map_err(|error| failed(error.to_string()))?;
        let certificate = Certificate::parse(&pem).map_err(|error| failed(error.to_string()))?;
        if certificate.hash != hash {
            return Err(failed(format!("its SHA-1 is {}", certificate.hash)));
        }
        Ok(certificate)
    }

    /// The certificates between the signer's and an anchor.
    fn chain(&self, signature: &Action) -> Result<Vec<Certificate>, SignatureError> {
        let hashes = signature.payload_hashes().into_iter().skip(1);
        hashes.map(|hash| self.certificate(signature, hash)).collect()
    }

    fn refuse(&self, signature: &Action, reason: String) -> SignatureError {
        let hash = signature.payload_hash().or(signature.key()).unwrap_or_default();
        let (package, hash) = (self.package.to_string(), hash.to_string());
        SignatureError::Unverified { package, value: value_of(signature), hash, reason }
    }

    fn chain_error(&self, signature: &Action, source: ChainError) -> SignatureError {
        let package = self.package.to_string();
        SignatureError::Chain { package, value: value_of(signature), source: Box::new(source) }
    }

    fn digest(&self, signature: &Action, hash: Hash) -> Result<(), SignatureError> {
        let text = signed_text(self.manifest, signature);
        let own = ips_repository::digest(hash.as_str(), text.as_bytes());
        let said = signature.key().map(str::to_ascii_lowercase);
        if own.is_some() && own == said {
            return Ok(());
        }
        let told = "The signature value did not match the expected value. action: ";
        Err(self.refuse(signature, format!("{told}{signature}")))
    }

    fn signed(
        &self,
        signature: &Action,
        hash: Hash,
        signer: &Certificate,
    ) -> Result<(), SignatureError> {
        let key = signer.rsa_key();
        let key = key.ok_or_else(|| self.refuse(signature, "The key is no RSA key.".into()))?;
        let with = match hash {
            Hash::Sha256 => &rsa::RSA_PKCS1_2048_8192_SHA256,
            Hash::Sha384 => &rsa::RSA_PKCS1_2048_8192_SHA384,
            Hash::Sha512 => &rsa::RSA_PKCS1_2048_8192_SHA512,
        };
        let value = bytes(signature.key().unwrap_or_default()).unwrap_or_default();
        let text = signed_text(self.manifest, signature);
        let holds = rsa::UnparsedPublicKey::new(with, key).verify(text.as_bytes(), &value);
        let told = || "The signature value did not match the expected value.".to_string();
        holds.map_err(|_| self.refuse(signature, told()))
    }
}

fn value_of(signature: &Action) -> String {
    signature.key().unwrap_or_default().to_string()
}
