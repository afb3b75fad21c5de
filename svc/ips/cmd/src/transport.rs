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

use ips_client::{Patience, Transport, TransportError};

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
    let mut transport = Transport::new(patience()?);
    if let Some(path) = set("SSL_CERT_FILE") {
        let pem = read(Path::new(&path))?;
        transport = transport.with_roots((&path, &pem)).map_err(Failure::new)?;
    }
    if let Some(proxy) = proxy(uri) {
        transport = transport.with_proxy(&proxy).map_err(Failure::new)?;
    }
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

fn patience() -> Result<Patience, Failure> {
    Patience::told(&set).map_err(Failure::new)
}

/// The proxy for a URI, as curl and pkg5 find it.
fn proxy(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let authority = authority.rsplit('@').next()?;
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => authority.split(':').next()?,
    };
    let spared = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
    if is_spared(host, &spared) {
        return None;
    }
    match scheme {
        "https" => set("https_proxy").or_else(|| set("HTTPS_PROXY")),
        _ => set("http_proxy"),
    }
    .or_else(|| set("all_proxy"))
}

fn is_spared(host: &str, spared: &str) -> bool {
    spared.split(',').map(str::trim).filter(|name| !name.is_empty()).any(|name| {
        let name = name.trim_start_matches('.');
        name == "*"
            || host == name
            || host.strip_suffix(name).is_some_and(|head| head.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_spared_the_proxy() {
        for (host, spared, is) in [
            ("a.example", "b.example, .example", true),
            ("a.example", "a.example", true),
            ("aexample", "example", false),
            ("a.example", "*", true),
            ("a.example", "", false),
        ] {
            assert_eq!(is_spared(host, spared), is, "{host} {spared}");
        }
    }
}
