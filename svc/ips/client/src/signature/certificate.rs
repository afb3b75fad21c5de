//! certificate.rs - a certificate: who it is of, who vouches for it, what it may be used for.
//!
//! An extension that is critical and not understood refuses the certificate; so does a value of a
//! known one that means more than is understood.  A use is checked where the extension is there.

use ips_model::digest::sha1_hex;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{KeyUsage, ParsedExtension, X509Extension};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

/// A certificate that is refused.  The words are pkg5's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is no certificate.
    #[error("not a certificate: {0}")]
    Form(String),
    /// An extension that has to be understood is not.
    #[error(
        "The certificate whose subject is {subject} could not be verified because it uses an unsupported critical extension.\nExtension name: {name}\nExtension value: {value}"
    )]
    Critical {
        /// The certificate.
        subject: String,
        /// The extension.
        name: String,
        /// What it says.
        value: String,
    },
    /// An extension says what is not understood.
    #[error(
        "The certificate whose subject is {subject} could not be verified because it has an extension with a value that pkg(7) does not understand.\nExtension name: {name}\nExtension value: {value}"
    )]
    Value {
        /// The certificate.
        subject: String,
        /// The extension.
        name: String,
        /// What it says.
        value: String,
    },
    /// It may not be used for this.
    #[error(
        "The certificate whose subject is {subject} could not be verified because it has been used inappropriately.  The way it is used means that the value for extension {name} must include '{used}' but the value was '{value}'."
    )]
    Use {
        /// The certificate.
        subject: String,
        /// The extension.
        name: String,
        /// The use.
        used: &'static str,
        /// What it says.
        value: String,
    },
    /// It may not have so many certificates below it.
    #[error(
        "The certificate whose subject is {subject} could not be verified because it may have {most} certificates between itself and the leaf and has {length}."
    )]
    PathLength {
        /// The certificate.
        subject: String,
        /// How many it has.
        length: u32,
        /// How many it may have.
        most: u32,
    },
    /// It is not valid at this time.
    #[error("The certificate whose subject is {subject} is valid from {from} to {to} only.")]
    Time {
        /// The certificate.
        subject: String,
        /// From when.
        from: String,
        /// Until when.
        to: String,
    },
}

/// What a certificate is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Used {
    /// Its key signed a package.
    Package,
    /// Its key signed another certificate.
    Certificate,
    /// Its key signed a list of revoked certificates.
    List,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    /// SHA-1 of the file it came in, which payloads are named by.
    pub hash: String,
    /// Its subject.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// The common names of its subject.
    pub names: Vec<String>,
}

impl Certificate {
    /// Reads the first certificate of a PEM file.
    pub fn parse(pem: &[u8]) -> Result<Certificate, CertificateError> {
        let form = |what: String| CertificateError::Form(what);
        let first = Pem::iter_from_buffer(pem)
            .filter_map(Result::ok)
            .find(|block| matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE"));
        let der = first.ok_or_else(|| form("no PEM certificate in it".into()))?.contents;
        let (subject, issuer, names) = {
            let (rest, read) =
                X509Certificate::from_der(&der).map_err(|error| form(error.to_string()))?;
            if !rest.is_empty() {
                return Err(form("bytes follow the certificate".into()));
            }
            let names = read.subject().iter_common_name();
            let names = names.filter_map(|name| name.as_str().ok()).map(str::to_string).collect();
            (read.subject().to_string(), read.issuer().to_string(), names)
        };
        Ok(Certificate { der, hash: sha1_hex(pem), subject, issuer, names })
    }

    /// Does `work` with the certificate's parts.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
        let (_, read) = X509Certificate::from_der(&self.der).expect("it was read before");
        work(&read)
    }

    /// Whether its subject is the issuer of `other` and its key signed that one.
    pub(crate) fn issued(&self, other: &Certificate) -> bool {
        self.read(|own| {
            other.read(|other| {
                own.subject().as_raw() == other.issuer().as_raw()
                    && other.verify_signature(Some(own.public_key())).is_ok()
            })
        })
    }

    /// Whether it names itself as its issuer.
    pub(crate) fn is_own_issuer(&self) -> bool {
        self.read(|own| own.subject().as_raw() == own.issuer().as_raw())
    }

    /// Whether it says that it may issue certificates.
    pub(crate) fn is_authority(&self) -> bool {
        self.read(|own| own.basic_constraints().ok().flatten().is_some_and(|found| found.value.ca))
    }

    /// Its public key as RSA's `RSAPublicKey`; none where it is no RSA key.
    pub(crate) fn rsa_key(&self) -> Option<Vec<u8>> {
        self.read(|own| {
            let key = own.public_key();
            let rsa = key.algorithm.algorithm == x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
            rsa.then(|| key.subject_public_key.data.to_vec())
        })
    }

    /// Checks that it may be used so, with `below` certificates between it and the leaf.
    pub(crate) fn check(&self, used: Used, below: u32) -> Result<(), CertificateError> {
        self.read(|own| {
            for extension in own.extensions() {
                self.check_one(extension, used, below)?;
            }
            Ok(())
        })
    }

    fn check_one(
        &self,
        extension: &X509Extension<'_>,
        used: Used,
        below: u32,
    ) -> Result<(), CertificateError> {
        let subject = self.subject.clone();
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(said) => match said.path_len_constraint {
                Some(most) if below > most => {
                    Err(CertificateError::PathLength { subject, length: below, most })
                }
                _ if used == Used::Certificate && !said.ca => Err(CertificateError::Use {
                    subject,
                    name: "basicConstraints".into(),
                    used: "ca",
                    value: String::new(),
                }),
                _ => Ok(()),
            },
            ParsedExtension::KeyUsage(usage) => self.check_usage(usage, used),
            _ if extension.critical => Err(CertificateError::Critical {
                subject,
                name: name_of(extension),
                value: ips_model::digest::hex(extension.value),
            }),
            _ => Ok(()),
        }
    }

    fn check_usage(&self, usage: &KeyUsage, used: Used) -> Result<(), CertificateError> {
        let all = [
            ("digital_signature", usage.digital_signature(), true),
            ("content_commitment", usage.non_repudiation(), false),
            ("key_encipherment", usage.key_encipherment(), false),
            ("data_encipherment", usage.data_encipherment(), false),
            ("key_agreement", usage.key_agreement(), true),
            ("key_cert_sign", usage.key_cert_sign(), true),
            ("crl_sign", usage.crl_sign(), true),
            ("encipher_only", usage.encipher_only(), false),
            ("decipher_only", usage.decipher_only(), false),
        ];
        let said = all.iter().filter(|(_, said, _)| *said).map(|(name, ..)| *name);
        let value = said.collect::<Vec<_>>().join(", ");
        let (subject, name) = (self.subject.clone(), "keyUsage".to_string());
        if all.iter().any(|(_, said, known)| *said && !known) {
            return Err(CertificateError::Value { subject, name, value });
        }
        let (used, fine) = match used {
            Used::Package => ("digital_signature", usage.digital_signature()),
            Used::Certificate => ("key_cert_sign", usage.key_cert_sign()),
            Used::List => ("crl_sign", usage.crl_sign()),
        };
        if fine { Ok(()) } else { Err(CertificateError::Use { subject, name, used, value }) }
    }

    /// Checks that it is valid at a time, in seconds since 1970.
    pub(crate) fn check_time(&self, seconds: i64) -> Result<(), CertificateError> {
        self.read(|own| {
            let valid = own.validity();
            if (valid.not_before.timestamp()..=valid.not_after.timestamp()).contains(&seconds) {
                return Ok(());
            }
            let (from, to) = (valid.not_before.to_string(), valid.not_after.to_string());
            Err(CertificateError::Time { subject: self.subject.clone(), from, to })
        })
    }
}

/// The name of an extension where it has one, else its number.
fn name_of(extension: &X509Extension<'_>) -> String {
    let registry = x509_parser::oid_registry::OidRegistry::default().with_x509();
    match registry.get(&extension.oid) {
        Some(known) => known.sn().to_string(),
        None => extension.oid.to_id_string(),
    }
}
