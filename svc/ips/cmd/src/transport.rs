//! transport.rs - how depots are spoken to, as the environment and the options say.
//!
//! ```text
//! PKG_CLIENT_CONNECT_TIMEOUT    seconds for a connection; 0 = no limit
//! PKG_CLIENT_LOWSPEED_TIMEOUT   seconds without a byte; 0 = no limit
//! PKG_CLIENT_READ_TIMEOUT       seconds for an answer to begin; 0 = no limit
//! PKG_CLIENT_MAX_CONSECUTIVE_ERROR  after so many failed requests in a row an origin is given up; 0 = never
//! PKG_CLIENT_MAX_TIMEOUT        how often a request is tried
//! PKG_CLIENT_MAX_REDIRECT       how many redirections are followed
//! SSL_CERT_FILE                 PEM file of the certificates that are trusted
//! http_proxy, https_proxy, no_proxy
//! ```

use std::path::{Path, PathBuf};

use ips_client::{Transport, TransportError};

use crate::Failure;

/// A certificate to show and its key: both or neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The PEM file of the certificate.
    pub certificate: Option<PathBuf>,
    /// The PEM file of its key.
    pub key: Option<PathBuf>,
}

/// How a depot is spoken to; `uri` says by which proxy.
pub fn transport(uri: &str, identity: &Identity) -> Result<Transport, Failure> {
    let transport = Transport::told(uri, &set).map_err(Failure::new)?;
    match (&identity.certificate, &identity.key) {
        (Some(certificate), Some(key)) => {
            let (read_certificate, read_key) = (read(certificate)?, read(key)?);
            let shown = [certificate, key].map(|path| path.display().to_string());
            let with =
                transport.with_identity((&shown[0], &read_certificate), (&shown[1], &read_key));
            with.map_err(Failure::new)
        }
        (None, None) => Ok(transport),
        (Some(_), None) => Err(Failure::usage("a certificate is of no use without its key")),
        (None, Some(_)) => Err(Failure::usage("a key is of no use without its certificate")),
    }
}

/// How the publishers of images are spoken to.
pub fn surroundings(uri: &str) -> Result<Transport, TransportError> {
    transport(uri, &Identity::default()).map_err(|failure| TransportError {
        what: "the environment".to_string(),
        reason: failure.message,
    })
}

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}
