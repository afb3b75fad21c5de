//! trust.rs - whether packages are signed as the image and their publishers ask for.
//!
//! ```text
//! R/TRUST-ANCHOR-DIRECTORY/*     PEM files the image trusts; links in it are not followed
//! publisher/PUB/certs/SHA1       certificates: those the administrator approved, those of signatures
//! publisher/PUB/crls/URI         issuers' lists of revoked certificates, asked where the image's property
//!                                check-certificate-revocation is set; a cache, written by whoever fetches
//! ```
//!
//! The stricter of two policies holds, the image's and the publisher's, each `verify` unless it is
//! set.  A publisher the image has not asks for nothing.  Nothing is written here: certificates that
//! had to be fetched are handed back, for whoever holds the lock to keep.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Mutex;
use std::time::SystemTime;

use ips_model::action::is_sha1;
use ips_model::digest::sha1_hex;
use ips_model::{Fmri, Kind, Manifest};
use rayon::prelude::*;

use super::{ConfigurationError, Image, ImageLock, ManifestError, Publisher, RecordError, Value};
use crate::root::{Root, RootError};
use crate::signature::{
    Anchors, Certificate, CertificateError, Lists, Policy, PolicyError, SignatureError, verify,
};
use crate::source::{Source, side_by_side};
use crate::transport::Transport;

/// Why signatures cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A policy that is none.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A property that is none.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The folder of the anchors cannot be read.
    #[error(transparent)]
    Anchors(#[from] RootError),
    /// A certificate that was approved for a publisher is not there, or is another.
    #[error("the certificate {hash} that was approved for publisher {publisher}: {reason}")]
    Approved {
        /// The publisher.
        publisher: String,
        /// The certificate.
        hash: String,
        /// What is wrong.
        reason: String,
    },
    /// The image's sources cannot be opened.
    #[error(transparent)]
    Sources(#[from] Box<ManifestError>),
}

/// Certificates by publisher and SHA-1: PEM files.
pub(crate) type Certificates = BTreeMap<(String, String), Vec<u8>>;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Trusted {
    /// The packages that are not accepted, by their place in the list.
    pub refused: Vec<(usize, SignatureError)>,
    /// Certificates that had to be fetched.
    pub fetched: Certificates,
}

/// What is asked of a publisher's packages, and whom they are believed.
struct Asked {
    policy: Policy,
    anchors: Anchors,
}

impl Image {
    /// Looks at the signatures of packages.  Certificates the image has not come from the origins of
    /// the packages' publishers and from `sources`, which may have publishers the image has not.
    pub(crate) fn trusted(
        &self,
        packages: &[(&Fmri, &Manifest)],
        sources: &[Source],
    ) -> Result<Trusted, TrustError> {
        let mut policies = BTreeMap::new();
        let mut chosen = Vec::new();
        for (at, (fmri, manifest)) in packages.iter().enumerate() {
            let publisher = fmri.publisher.as_deref().unwrap_or_default();
            if !policies.contains_key(publisher) {
                let given = sources.iter().any(|source| source.has(fmri));
                policies.insert(publisher, self.signature_policy(publisher, given)?);
            }
            let signed = manifest.of_kind(Kind::Signature).next().is_some();
            match policies[publisher] {
                Policy::Ignore => {}
                Policy::Verify if !signed => {}
                _ => chosen.push((at, publisher, *manifest, *fmri)),
            }
        }
        if chosen.is_empty() {
            return Ok(Trusted::default());
        }
        let anchors = self.anchors()?;
        let mut asked = BTreeMap::new();
        for (_, publisher, ..) in &chosen {
            if !asked.contains_key(publisher) {
                let anchors = self.publisher_anchors(publisher, &anchors)?;
                asked.insert(*publisher, Asked { policy: policies[publisher].clone(), anchors });
            }
        }
        let own: Vec<&Source> =
            self.sources().map_err(Box::new)?.iter().map(|one| &one.source).collect();
        let all: Vec<&Source> = own.into_iter().chain(sources).collect();
        let shelf = Shelf { image: self, sources, found: Mutex::default() };
        let refused = side_by_side(&all, || {
            let look = |&(at, publisher, manifest, fmri): &(usize, &str, &Manifest, &Fmri)| {
                let asked = &asked[publisher];
                let fetch = |hash: &str| shelf.certificate(fmri, hash);
                let found = verify(manifest, &asked.policy, &asked.anchors, None, &fetch);
                found.err().map(|error| (at, error))
            };
            chosen.par_iter().filter_map(look).collect()
        });
        let found = shelf.found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let fetched = found.into_iter().filter_map(|(name, found)| match found {
            Ok((pem, true)) => Some((name, pem)),
            Ok((_, false)) | Err(_) => None,
        });
        Ok(Trusted { refused, fetched: fetched.collect() })
    }

    /// What is asked of a publisher's packages; `given`: somebody brought them along.
    fn signature_policy(&self, publisher: &str, given: bool) -> Result<Policy, TrustError> {
        let configuration = self.configuration();
        let name = configuration.property("signature-policy").unwrap_or_default();
        let own = Policy::parse(name, &configuration.list("signature-required-names")?)?;
        match configuration.publisher(publisher) {
            Some(publisher) => Ok(own.combine(&policy_of(publisher)?)),
            None if given => Ok(own.combine(&Policy::default())),
            None => Ok(Policy::Ignore),
        }
    }

    fn anchors(&self) -> Result<Anchors, TrustError> {
        let folder = self.configuration().property("trust-anchor-directory").unwrap_or_default();
        let root = Root::open(self.root())?;
        let mut anchors = Anchors::default();
        let folder = folder.trim_matches('/');
        if let Some(directory) = root.existing(folder)? {
            let mut names = directory.names()?;
            names.sort();
            for name in names {
                // Folders, links, and what is no certificate are passed over.
                let pem = root.bytes(&format!("{folder}/{name}"))?.unwrap_or_default();
                if let Ok(certificate) = Certificate::parse(&pem) {
                    anchors.approve(certificate);
                }
            }
        }
        Ok(anchors)
    }

    fn publisher_anchors(&self, publisher: &str, image: &Anchors) -> Result<Anchors, TrustError> {
        let mut anchors = image.clone();
        let asked = self.configuration().property("check-certificate-revocation");
        if asked.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            let folder = self.publisher_folder(publisher).join("crls");
            anchors.ask(Lists::new(Some(&folder), &Transport::default(), SystemTime::now()));
        }
        let Some(publisher) = self.configuration().publisher(publisher) else {
            return Ok(anchors);
        };
        for hash in &publisher.approved_ca_certs {
            let failed = |reason: String| TrustError::Approved {
                publisher: publisher.prefix.clone(),
                hash: hash.clone(),
                reason,
            };
            let pem = self
                .kept_certificate(&publisher.prefix, hash)
                .map_err(|error| failed(error.to_string()))?;
            let certificate = Certificate::parse(&pem);
            anchors.approve(certificate.map_err(|error| failed(error.to_string()))?);
        }
        for hash in &publisher.revoked_ca_certs {
            anchors.revoke(hash);
        }
        Ok(anchors)
    }

    /// A certificate the image keeps, checked.
    pub fn kept_certificate(&self, publisher: &str, hash: &str) -> io::Result<Vec<u8>> {
        if !is_sha1(hash) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "its name is no SHA-1"));
        }
        let pem = fs::read(self.publisher_folder(publisher).join("certs").join(hash))?;
        let found = sha1_hex(&pem);
        if found != hash {
            let reason = format!("its SHA-1 is {found}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(pem)
    }

    /// Keeps certificates: (publisher, SHA-1) → PEM file.
    pub fn keep_certificates(
        &self,
        _lock: &ImageLock,
        certificates: &BTreeMap<(String, String), Vec<u8>>,
    ) -> Result<(), RecordError> {
        for ((publisher, hash), pem) in certificates {
            let folder = self.publisher_folder(publisher).join("certs");
            ips_repository::durable::make_folder(&folder)?;
            ips_repository::durable::replace(&folder.join(hash), pem)?;
        }
        Ok(())
    }
}

/// A certificate to be approved: its SHA-1 and its PEM file, without whatever is about it.
pub fn approvable(file: &[u8]) -> Result<(String, Vec<u8>), CertificateError> {
    Certificate::parse(file)?;
    let text = String::from_utf8_lossy(file);
    let end = "-----END CERTIFICATE-----";
    let block = text.find("-----BEGIN CERTIFICATE-----").and_then(|from| {
        let to = text[from..].find(end)? + from + end.len();
        Some(format!("{}\n", &text[from..to]))
    });
    let pem = block.map_or_else(|| file.to_vec(), String::into_bytes);
    Ok((sha1_hex(&pem), pem))
}

fn policy_of(publisher: &Publisher) -> Result<Policy, PolicyError> {
    let texts = |name: &str| match publisher.properties.get(name) {
        Some(Value::Text(text)) => vec![text.clone()],
        Some(Value::List(texts)) => texts.clone(),
        None => Vec::new(),
    };
    match texts("signature-policy").first().filter(|name| *name != super::DEFAULT) {
        Some(name) => Policy::parse(name, &texts("signature-required-names")),
        None => Ok(Policy::default()),
    }
}

/// A certificate that was asked for: the file and whether it had to be fetched, or why there is none.
type Shelved = Result<(Vec<u8>, bool), String>;

/// Certificates that were asked for, each once.
struct Shelf<'a> {
    image: &'a Image,
    sources: &'a [Source],
    found: Mutex<BTreeMap<(String, String), Shelved>>,
}

impl Shelf<'_> {
    fn certificate(&self, fmri: &Fmri, hash: &str) -> io::Result<Vec<u8>> {
        let publisher = fmri.publisher.clone().unwrap_or_default();
        let name = (publisher, hash.to_string());
        let lock = || self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = lock().get(&name).cloned();
        let found = known.unwrap_or_else(|| {
            let found = self.look(fmri, &name.0, hash);
            lock().insert(name, found.clone());
            found
        });
        found.map(|(pem, _)| pem).map_err(io::Error::other)
    }

    fn look(&self, fmri: &Fmri, publisher: &str, hash: &str) -> Shelved {
        // One that is kept and damaged is as good as none.
        if let Ok(pem) = self.image.kept_certificate(publisher, hash) {
            return Ok((pem, false));
        }
        let own = self.image.sources().map_err(|error| error.to_string())?.iter();
        let own = own.filter(|one| one.publisher == publisher).map(|one| &one.source);
        let others = self.sources.iter().filter(|source| source.has(fmri));
        let mut last = "no origin of its publisher has it".to_string();
        for source in own.chain(others) {
            let stored = source.named_payload(fmri, hash).map_err(|error| error.to_string());
            let pem = stored.and_then(|stored| {
                ips_repository::expand(&stored, None).map_err(|error| error.to_string())
            });
            match pem {
                Ok(pem) => return Ok((pem, true)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
