//! chain.rs - from the certificate that signed a package to one that is trusted.
//!
//! Upwards from the signer's: an anchor that issued the certificate ends the search, unless common
//! names are still wanted; else one of the given certificates has to have issued it.  Each is looked
//! at once, so a ring of certificates ends too.

use std::collections::BTreeSet;

use super::anchors::Anchors;
use super::certificate::{Certificate, CertificateError, Used};

/// Why a certificate is not trusted.  The words are pkg5's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A certificate on the way is refused.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Somebody vouches for himself.
    #[error(
        "Chain was rooted in an untrusted self-signed certificate.\nThe certificate's subject is: {0}"
    )]
    SelfSigned(String),
    /// Nobody who is trusted vouches for it.
    #[error("The certificate which issued this certificate: {subject} could not be found. The issuer is: {issuer}{}", problems(.refused))]
    Broken {
        /// The last certificate of the chain.
        subject: String,
        /// Who vouches for it.
        issuer: String,
        /// Certificates that would have gone on and may not.
        refused: Vec<ChainError>,
    },
    /// The user revoked it, or its issuer did.
    #[error("Certificate {hash} was revoked for this reason:\n{reason}")]
    Revoked {
        /// The certificate.
        hash: String,
        /// Why.
        reason: String,
    },
    /// The place of its issuer's list cannot be asked.
    #[error("{0}")]
    Place(String),
}

fn problems(refused: &[ChainError]) -> String {
    if refused.is_empty() {
        return String::new();
    }
    let all: Vec<String> = refused.iter().map(ToString::to_string).collect();
    format!("\nThe following problems were encountered:\n{}", all.join("\n"))
}

/// Follows the chain; takes the common names that are met out of `names`.  `now` in seconds since
/// 1970 asks that every certificate be valid then.
pub(crate) fn follow(
    signer: &Certificate,
    others: &[Certificate],
    anchors: &Anchors,
    names: &mut BTreeSet<String>,
    now: Option<i64>,
) -> Result<(), ChainError> {
    follow_from(signer, Used::Package, others, anchors, names, now)
}

/// Whether its issuer's lists have a certificate.  A list counts only if an anchor signed it, or a
/// certificate that leads to one.
fn listed(
    certificate: &Certificate,
    others: &[Certificate],
    anchors: &Anchors,
) -> Result<(), ChainError> {
    let Some(lists) = &anchors.lists else { return Ok(()) };
    for uri in certificate.distribution_points() {
        let Some(list) = lists.get(&uri).map_err(ChainError::Place)? else { continue };
        let Some(reason) = list.reason(certificate) else { continue };
        let leads = |issuer: &Certificate| {
            // Lists are not asked about those who sign them: that has no end.
            let plain = Anchors { lists: None, ..anchors.clone() };
            let names = &mut BTreeSet::new();
            follow_from(issuer, Used::List, others, &plain, names, None).is_ok()
        };
        let trusted = anchors.certificates.iter().any(|anchor| list.is_by(anchor))
            || others.iter().any(|other| list.is_by(other) && leads(other));
        if trusted {
            return Err(ChainError::Revoked { hash: certificate.hash.clone(), reason });
        }
    }
    Ok(())
}

/// The same from a certificate that was used otherwise.
fn follow_from(
    signer: &Certificate,
    used: Used,
    others: &[Certificate],
    anchors: &Anchors,
    names: &mut BTreeSet<String>,
    now: Option<i64>,
) -> Result<(), ChainError> {
    let mut meet = |certificate: &Certificate| {
        for name in &certificate.names {
            names.remove(name);
        }
        names.is_empty()
    };
    let usable = |certificate: &Certificate, used, below| -> Result<(), ChainError> {
        if anchors.revoked.contains(&certificate.hash) {
            let reason = "User manually revoked certificate.".to_string();
            return Err(ChainError::Revoked { hash: certificate.hash.clone(), reason });
        }
        certificate.check(used, below)?;
        listed(certificate, others, anchors)?;
        Ok(now.map_or(Ok(()), |now| certificate.check_time(now))?)
    };
    usable(signer, used, 0)?;
    let mut left: Vec<&Certificate> = others.iter().collect();
    let (mut current, mut below, mut trusted) = (signer, 0, false);
    loop {
        meet(current);
        if let Some(anchor) = anchors.certificates.iter().find(|anchor| anchor.issued(current)) {
            trusted = true;
            if meet(anchor) {
                return Ok(());
            }
        }
        if current.is_own_issuer() {
            let untrusted = || ChainError::SelfSigned(current.subject.clone());
            return if trusted { Ok(()) } else { Err(untrusted()) };
        }
        let mut refused = Vec::new();
        let issuer = left.iter().position(|other| {
            if !other.is_authority() || !other.issued(current) {
                return false;
            }
            match usable(other, Used::Certificate, below) {
                Ok(()) => true,
                Err(error) => {
                    refused.push(error);
                    false
                }
            }
        });
        let Some(at) = issuer else {
            let (subject, issuer) = (current.subject.clone(), current.issuer.clone());
            let broken = || ChainError::Broken { subject, issuer, refused };
            return if trusted { Ok(()) } else { Err(broken()) };
        };
        current = left.swap_remove(at);
        below += 1;
    }
}
