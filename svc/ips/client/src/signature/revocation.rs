//! revocation.rs - lists of certificates that their issuers have revoked: fetched, kept, asked.
//!
//! ```text
//! FOLDER/QUOTED-URI     the newest list of a distribution point, as it came (PEM or DER)
//! ```
//!
//! As in pkg5 a certificate counts as revoked only if a list says so that somebody trusted has
//! signed: one that cannot be had, or that a stranger signed, revokes nothing.  A kept list is asked
//! until its next update is due, and after that as long as there is no newer one.  What cannot be
//! written is asked nevertheless; a place is asked once.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use ips_model::quote::{quote, unquote};
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::{Certificate, Used};
use crate::transport::Transport;

/// Reasons by their code, in OpenSSL's words.
const REASONS: [(u8, &str); 10] = [
    (0, "Unspecified"),
    (1, "Key Compromise"),
    (2, "CA Compromise"),
    (3, "Affiliation Changed"),
    (4, "Superseded"),
    (5, "Cessation Of Operation"),
    (6, "Certificate Hold"),
    (8, "Remove From CRL"),
    (9, "Privilege Withdrawn"),
    (10, "AA Compromise"),
];

/// Lists larger than this are none.
const MOST_BYTES: u64 = 64 << 20;

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    der: Vec<u8>,
}

impl List {
    /// Reads PEM or DER; they come in both.
    fn parse(bytes: &[u8]) -> Option<List> {
        let mut blocks = Pem::iter_from_buffer(bytes).filter_map(Result::ok);
        let block = blocks.find(|block| block.label == "X509 CRL");
        let der = block.map_or_else(|| bytes.to_vec(), |block| block.contents);
        let whole =
            CertificateRevocationList::from_der(&der).is_ok_and(|(rest, _)| rest.is_empty());
        whole.then_some(List { der })
    }

    fn read<T>(&self, work: impl FnOnce(&CertificateRevocationList<'_>) -> T) -> T {
        let (_, read) = CertificateRevocationList::from_der(&self.der).expect("it was read before");
        work(&read)
    }

    /// Whether a newer one is due, at a time in seconds since 1970.
    fn is_due(&self, now: i64) -> bool {
        self.read(|own| own.next_update().is_none_or(|next| next.timestamp() <= now))
    }

    /// Whether a certificate signed it, and may.
    pub(crate) fn is_by(&self, issuer: &Certificate) -> bool {
        let signed = self.read(|own| {
            issuer.read(|issuer| {
                own.issuer().as_raw() == issuer.subject().as_raw()
                    && own.verify_signature(issuer.public_key()).is_ok()
            })
        });
        signed && issuer.check(Used::List, 0).is_ok()
    }

    /// Why it has a certificate; none where it has it not.
    pub(crate) fn reason(&self, certificate: &Certificate) -> Option<String> {
        self.read(|own| {
            certificate.read(|certificate| {
                if own.issuer().as_raw() != certificate.issuer().as_raw() {
                    return None;
                }
                let mut entries = own.iter_revoked_certificates();
                let entry = entries.find(|entry| entry.raw_serial() == certificate.raw_serial())?;
                let reason = entry.reason_code().and_then(|(_, reason)| {
                    REASONS
                        .iter()
                        .find(|(code, _)| *code == reason.0)
                        .map(|(_, words)| words.to_string())
                });
                Some(reason.unwrap_or_else(|| "no reason is given".to_string()))
            })
        })
    }
}

impl Certificate {
    /// Where its issuer keeps lists.
    pub(crate) fn distribution_points(&self) -> Vec<String> {
        let of = |name: &GeneralName<'_>| match name {
            GeneralName::URI(uri) => Some((*uri).trim().to_string()),
            _ => None,
        };
        self.read(|own| {
            let mut uris = Vec::new();
            for extension in own.extensions() {
                let ParsedExtension::CRLDistributionPoints(points) = extension.parsed_extension()
                else {
                    continue;
                };
                for point in points.iter() {
                    if let Some(DistributionPointName::FullName(names)) = &point.distribution_point
                    {
                        uris.extend(names.iter().filter_map(of));
                    }
                }
            }
            uris
        })
    }
}

/// The lists of all places that are asked for.
#[derive(Debug)]
pub struct Lists {
    folder: Option<PathBuf>,
    agent: ureq::Agent,
    now: i64,
    known: Mutex<BTreeMap<String, Option<List>>>,
}

impl Lists {
    /// Lists fetched by a transport and kept in a folder, if there is one; those are asked that are
    /// not due at `now`.
    pub fn new(folder: Option<&Path>, transport: &Transport, now: SystemTime) -> Lists {
        let (folder, agent) = (folder.map(Path::to_path_buf), transport.agent());
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        Lists { folder, agent, now, known: Mutex::default() }
    }

    /// The list of a place; none where there is none to be had.  `Err` for a place that cannot be
    /// asked at all.
    pub(crate) fn get(&self, uri: &str) -> Result<Option<List>, String> {
        if !uri.starts_with("http://") && !uri.starts_with("file://") {
            return Err(format!("'{uri}' is not a valid location."));
        }
        // Held while it is fetched, so that a place is asked once.
        let mut known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(list) = known.get(uri) {
            return Ok(list.clone());
        }
        let list = self.look(uri);
        known.insert(uri.to_string(), list.clone());
        Ok(list)
    }

    fn look(&self, uri: &str) -> Option<List> {
        let path = self.folder.as_ref().map(|folder| folder.join(quote(uri)));
        let kept = path.as_ref().and_then(|path| List::parse(&fs::read(path).ok()?));
        if kept.as_ref().is_some_and(|list| !list.is_due(self.now)) {
            return kept;
        }
        let Some((bytes, list)) = self.fetch(uri).and_then(|bytes| {
            let list = List::parse(&bytes)?;
            Some((bytes, list))
        }) else {
            return kept;
        };
        if let Some(path) = path {
            // Whoever may not write here asks again the next time.
            let _not_kept = keep(&path, &bytes);
        }
        Some(list)
    }

    fn fetch(&self, uri: &str) -> Option<Vec<u8>> {
        if let Some(rest) = uri.strip_prefix("file://") {
            return fs::read(unquote(rest.strip_prefix("localhost").unwrap_or(rest))?).ok();
        }
        let mut answer = self.agent.get(uri).call().ok()?;
        if answer.status().as_u16() != 200 {
            return None;
        }
        answer.body_mut().with_config().limit(MOST_BYTES).read_to_vec().ok()
    }
}

fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(bytes)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    beside.as_file().set_permissions(mode)?;
    beside.persist(path)?;
    Ok(())
}
