//! transport.rs - how depots are spoken to: who one is, whom one trusts, how long one waits.
//!
//! The caller reads the environment and the files; this makes an HTTP client of what they say.  What
//! variables mean, for all who follow pkg's, is in transport/told.rs; what comes too slowly to be
//! waited for, in transport/pace.rs.

pub(crate) mod pace;
mod told;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::source::{Source, SourceError};
use crate::volley::Volley;

/// Who asks.
pub(crate) const AGENT: &str = concat!("lamplighter/", env!("CARGO_PKG_VERSION"));

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
    /// While less than 1024 bytes a second come; none = for ever.
    pub stall: Option<Duration>,
    /// For an answer to begin; none = for ever.
    pub answer: Option<Duration>,
    /// How often a request is tried.
    pub tries: u32,
    /// After how many requests in a row that failed altogether an origin is given up; 0 = never.
    pub errors: u32,
    /// How many redirections are followed.
    pub redirects: u32,
}

impl Default for Patience {
    fn default() -> Self {
        let minute = Some(Duration::from_secs(60));
        // A depot that closes a transaction or rebuilds has work to do before it answers.
        let answer = Some(Duration::from_secs(3_600));
        Self { connect: minute, stall: minute, answer, tries: 4, errors: 4, redirects: 5 }
    }
}

impl Patience {
    /// What a program's surroundings say: its variables `PKG_CLIENT_CONNECT_TIMEOUT`,
    /// `PKG_CLIENT_LOWSPEED_TIMEOUT` and `PKG_CLIENT_READ_TIMEOUT` in seconds, 0 = no limit;
    /// `PKG_CLIENT_MAX_TIMEOUT`, how often a request is tried; `PKG_CLIENT_MAX_CONSECUTIVE_ERROR`,
    /// `PKG_CLIENT_MAX_REDIRECT`.
    pub fn told(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, TransportError> {
        let number = |name: &str| -> Result<Option<u32>, TransportError> {
            let wrong = |text: &String| TransportError {
                what: format!("{name} is not a number"),
                reason: format!("'{text}'"),
            };
            variable(name).map(|text| text.trim().parse().map_err(|_| wrong(&text))).transpose()
        };
        let seconds = |number: Option<u32>, usual: Option<Duration>| match number {
            None => usual,
            Some(0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds.into())),
        };
        let usual = Self::default();
        Ok(Self {
            connect: seconds(number("PKG_CLIENT_CONNECT_TIMEOUT")?, usual.connect),
            stall: seconds(number("PKG_CLIENT_LOWSPEED_TIMEOUT")?, usual.stall),
            answer: seconds(number("PKG_CLIENT_READ_TIMEOUT")?, usual.answer),
            tries: number("PKG_CLIENT_MAX_TIMEOUT")?.unwrap_or(usual.tries),
            errors: number("PKG_CLIENT_MAX_CONSECUTIVE_ERROR")?.unwrap_or(usual.errors),
            redirects: number("PKG_CLIENT_MAX_REDIRECT")?.unwrap_or(usual.redirects),
        })
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

    /// How long an origin that fails is asked.
    pub(crate) fn endurance(&self) -> Endurance {
        Endurance { most: self.patience.errors, failed: AtomicU32::new(0), is_alone: true }
    }

    /// How many files at once are asked of the depot at a base URI, if they may be.
    pub(crate) fn volley(&self, base: &str) -> Option<Volley> {
        let Patience { connect, stall, .. } = self.patience;
        Volley::of(base, connect, stall).filter(|_| self.proxy.is_none())
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
            .user_agent(AGENT)
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            .max_redirects(self.patience.redirects)
            .tls_config(tls.build())
            .timeout_connect(self.patience.connect)
            .timeout_recv_response(self.patience.answer)
            .timeout_recv_body(hour)
            .timeout_per_read(self.patience.stall)
            .build();
        config.into()
    }
}

/// Counts the requests of an origin that failed one after the other.
#[derive(Debug)]
pub(crate) struct Endurance {
    most: u32,
    failed: AtomicU32,
    /// Nobody else has what is asked for: who is too slow is asked once more.
    is_alone: bool,
}

impl Endurance {
    /// The same from the beginning.
    pub(crate) fn again(&self) -> Self {
        Self { most: self.most, failed: AtomicU32::new(0), is_alone: self.is_alone }
    }

    /// The same where others may be asked instead.
    pub(crate) fn among_others(self) -> Self {
        Self { is_alone: false, ..self }
    }

    /// How many requests have failed since the last that was answered.
    pub(crate) fn failed(&self) -> u32 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Whether what went wrong is no reason to ask the same again before others were asked.
    pub(crate) fn leaves(&self, error: &SourceError) -> bool {
        !self.is_alone && matches!(error, SourceError::Slow { .. })
    }

    /// Tries a request as `tried` does, unless too many have failed before.
    pub(crate) fn tried<T>(
        &self,
        uri: &str,
        tries: u32,
        once: impl FnMut() -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let failed = self.failed();
        if self.most > 0 && failed >= self.most {
            let reason = format!("given up: {failed} requests in a row have failed");
            return Err(SourceError::Transport { uri: uri.to_string(), reason });
        }
        let again = |error: &SourceError| error.is_passing() && !self.leaves(error);
        let answer = tried(tries, again, once);
        match &answer {
            Err(SourceError::Transport { .. } | SourceError::Slow { .. }) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            // Who answers, whatever it is, is there.
            Ok(_) | Err(_) => self.failed.store(0, Ordering::Relaxed),
        }
        answer
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

/// Tries a request until it is answered, fails otherwise than `again` says, or has been tried often
/// enough.
pub(crate) fn tried<T>(
    tries: u32,
    again: impl Fn(&SourceError) -> bool,
    mut once: impl FnMut() -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    let mut tried = 1;
    loop {
        match once() {
            Err(error) if again(&error) && tried < tries => {}
            answer => return answer,
        }
        tried += 1;
    }
}

/// What the first of several places gives that has it; `Err(None)`: there is no place.  One that was
/// left to others because it was slow may only have had a bad moment: it is asked once more.
pub(crate) fn in_turn<P, T>(
    places: &[P],
    source: impl Fn(&P) -> &Source,
    ask: impl Fn(&P) -> Result<T, SourceError>,
) -> Result<T, Option<SourceError>> {
    let mut last = None;
    let mut asked: Vec<&P> = places.iter().collect();
    for _round in 0..2 {
        let mut left = Vec::new();
        for place in asked {
            match ask(place) {
                Ok(got) => return Ok(got),
                Err(error) => {
                    if source(place).leaves(&error) {
                        left.push(place);
                    }
                    last = Some(error);
                }
            }
        }
        asked = left;
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_answers_is_given_up() {
        let fails = || -> Result<(), SourceError> {
            Err(SourceError::Transport { uri: "u".into(), reason: "no".into() })
        };
        let absent = || -> Result<(), SourceError> {
            Err(SourceError::Status { uri: "u".into(), status: 404 })
        };
        for (most, asked) in [(2, 2), (0, 5)] {
            let patience = Patience { errors: most, ..Patience::default() };
            let endurance = Transport::new(patience).endurance();
            let mut calls = 0;
            for _ in 0..5 {
                let asked = || {
                    calls += 1;
                    fails()
                };
                assert!(endurance.tried("u", 1, asked).is_err());
            }
            assert_eq!(calls, asked, "{most}");
            assert!(endurance.again().tried("u", 1, || Ok(())).is_ok());
        }
        // Who is slow is asked again only where nobody else can be.
        for (endurance, asked) in [
            (Transport::default().endurance(), 3),
            (Transport::default().endurance().among_others(), 1),
        ] {
            let mut calls = 0;
            let slow = || -> Result<(), SourceError> {
                calls += 1;
                Err(SourceError::Slow { uri: "u".into(), seconds: 1 })
            };
            assert!(endurance.tried("u", 3, slow).is_err());
            assert_eq!((calls, endurance.failed()), (asked, 1));
        }
        // One that answers now and then goes on.
        let endurance = Transport::new(Patience { errors: 2, ..Patience::default() }).endurance();
        for once in [fails, absent, fails, absent, fails] {
            let error = endurance.tried("u", 1, once).unwrap_err().to_string();
            assert!(!error.contains("given up"), "{error}");
        }
    }
}
