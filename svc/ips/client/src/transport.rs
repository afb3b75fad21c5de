//! transport.rs - how depots are spoken to: who one is, whom one trusts, how long one waits.
//!
//! The caller reads the environment and the files; this makes an HTTP client of what they say.

use std::time::Duration;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::source::SourceError;

/// Files that are no certificates or keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct TransportError {
    /// The file, as the caller calls it.
    pub what: String,
    /// What is wrong with it.
    pub reason: String,
}

/// How depots are spoken to.
#[derive(Debug, Clone, Default)]
pub struct Transport {
    patience: Patience,
    identity: Option<ClientCert>,
    roots: Option<RootCerts>,
    proxy: Option<ureq::Proxy>,
}

/// How long to wait and how often to try: what pkg5's `PKG_CLIENT_` variables say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection; none = for ever.
    pub connect: Option<Duration>,
    /// Without a byte coming; none = for ever.
    pub stall: Option<Duration>,
    /// How often a request is tried.
    pub tries: u32,
    /// How many redirections are followed.
    pub redirects: u32,
}

impl Default for Patience {
    fn default() -> Self {
        let (connect, stall) = (Duration::from_secs(60), Duration::from_secs(60));
        Self { connect: Some(connect), stall: Some(stall), tries: 4, redirects: 5 }
    }
}

impl Transport {
    /// Without a certificate of one's own; trusts the certificates everybody does.
    pub fn new(patience: Patience) -> Self {
        Self { patience, ..Self::default() }
    }

    /// Shows a certificate of one's own where a depot asks: PEM files, and what to call them.
    pub fn with_identity(
        self,
        certificate: (&str, &[u8]),
        key: (&str, &[u8]),
    ) -> Result<Self, TransportError> {
        let refused = |what: &str, reason: &str| TransportError {
            what: what.to_string(),
            reason: reason.to_string(),
        };
        let chain = certificates(certificate.1);
        if chain.is_empty() {
            return Err(refused(certificate.0, "no PEM certificate in it"));
        }
        let private = PrivateKey::from_pem(key.1)
            .map_err(|_| refused(key.0, "no PEM private key without a passphrase in it"))?;
        let identity = ClientCert::new_with_certs(&chain, private);
        Ok(Self { identity: Some(identity), ..self })
    }

    /// Trusts the certificates of a PEM file, and no others.
    pub fn with_roots(self, pem: (&str, &[u8])) -> Result<Self, TransportError> {
        let roots = certificates(pem.1);
        if roots.is_empty() {
            let (what, reason) = (pem.0.to_string(), "no PEM certificate in it".to_string());
            return Err(TransportError { what, reason });
        }
        Ok(Self { roots: Some(RootCerts::new_with_certs(&roots)), ..self })
    }

    /// Whether only certain certificates are trusted.
    pub(crate) fn has_roots(&self) -> bool {
        self.roots.is_some()
    }

    /// Goes by a proxy: its URI.
    pub fn with_proxy(self, proxy: &str) -> Result<Self, TransportError> {
        let refused = |error: ureq::Error| TransportError {
            what: proxy.to_string(),
            reason: error.to_string(),
        };
        Ok(Self { proxy: Some(ureq::Proxy::new(proxy).map_err(refused)?), ..self })
    }

    /// How often a request is tried.
    pub(crate) fn tries(&self) -> u32 {
        self.patience.tries.max(1)
    }

    pub(crate) fn agent(&self) -> ureq::Agent {
        let mut tls = TlsConfig::builder().client_cert(self.identity.clone());
        if let Some(roots) = &self.roots {
            tls = tls.root_certs(roots.clone());
        }
        let hour = Some(Duration::from_secs(3_600));
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(self.proxy.clone())
            .user_agent(concat!("lamplighter/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            .max_redirects(self.patience.redirects)
            .tls_config(tls.build())
            .timeout_connect(self.patience.connect)
            // A depot that closes a transaction or rebuilds has work to do before it answers.
            .timeout_recv_response(hour)
            .timeout_recv_body(hour)
            .timeout_per_read(self.patience.stall)
            .build();
        config.into()
    }
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let certificate = |item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    parse_pem(pem).filter_map(Result::ok).filter_map(certificate).collect()
}

/// Whether an answer with this status may be another one the next time.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 500 | 502..=504)
}

/// Tries a request until it is answered or has been tried often enough.
pub(crate) fn tried<T>(
    tries: u32,
    mut once: impl FnMut() -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    let mut tried = 1;
    loop {
        match once() {
            Err(SourceError::Status { status, .. }) if is_passing(status) && tried < tries => {}
            Err(SourceError::Transport { .. }) if tried < tries => {}
            answer => return answer,
        }
        tried += 1;
    }
}
