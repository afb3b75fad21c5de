//! anchors.rs - the certificates an image trusts without being told by another.
//!
//! A folder of PEM files, as `trust-anchor-directory` names it; what in it is no certificate is
//! passed over.  Beside them the certificates that were approved for a publisher, less those that
//! were revoked.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::certificate::Certificate;
use super::revocation::Lists;

/// A folder of anchors that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct AnchorError {
    /// The folder or file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Whom an image trusts.
#[derive(Debug, Clone, Default)]
pub struct Anchors {
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) revoked: BTreeSet<String>,
    /// What else is asked whether a certificate was revoked.
    pub(crate) lists: Option<Arc<Lists>>,
}

impl Anchors {
    /// Reads a folder; one that is not there has no anchors.
    pub fn read(folder: &Path) -> Result<Anchors, AnchorError> {
        let failed = |path: &Path, source| AnchorError { path: path.to_path_buf(), source };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Anchors::default()),
            entries => entries.map_err(|source| failed(folder, source))?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|source| failed(folder, source))?.path());
        }
        paths.sort();
        let mut anchors = Anchors::default();
        for path in paths.iter().filter(|path| path.is_file()) {
            let pem = fs::read(path).map_err(|source| failed(path, source))?;
            anchors.certificates.extend(Certificate::parse(&pem));
        }
        Ok(anchors)
    }

    /// Trusts a certificate too: `pkg set-publisher --approve-ca-cert`.
    pub fn approve(&mut self, certificate: Certificate) {
        self.certificates.push(certificate);
    }

    /// Trusts the certificate in the file with this SHA-1 no more, wherever it is met:
    /// `pkg set-publisher --revoke-ca-cert`.
    pub fn revoke(&mut self, hash: &str) {
        self.certificates.retain(|certificate| certificate.hash != hash);
        self.revoked.insert(hash.to_string());
    }

    /// Has the issuers' lists asked whether a certificate was revoked.
    pub fn ask(&mut self, lists: Lists) {
        self.lists = Some(Arc::new(lists));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }
}
