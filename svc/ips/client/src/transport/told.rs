//! told.rs - how depots are spoken to, by what a program's surroundings say.
//!
//! ```text
//! PKG_CLIENT_...      how long to wait, how often to try (transport.rs)
//! SSL_CERT_FILE       PEM file of the certificates that are trusted
//! http_proxy, https_proxy, all_proxy, no_proxy
//! ```
//!
//! The variables are asked for by name: nothing here reads an environment.

use super::{Patience, Transport, TransportError};

/// Gives the value of a variable.
type Variable<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl Transport {
    /// How a depot at `uri` is spoken to.  An empty variable is none.
    ///
    /// # Errors
    /// A variable makes no sense.
    pub fn told(
        uri: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, TransportError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut transport = Self::new(Patience::told(&set)?);
        if let Some(path) = set("SSL_CERT_FILE") {
            let unreadable = |error: std::io::Error| TransportError {
                what: path.clone(),
                reason: error.to_string(),
            };
            let pem = std::fs::read(&path).map_err(unreadable)?;
            transport = transport.with_roots((&path, &pem))?;
        }
        match proxy(uri, &set) {
            Some(proxy) => transport.with_proxy(&proxy),
            None => Ok(transport),
        }
    }
}

/// The proxy for a URI, as curl and pkg5 find it.
fn proxy(uri: &str, set: &Variable<'_>) -> Option<String> {
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

    #[test]
    fn which_proxy_a_uri_goes_by() {
        let set = |name: &str| match name {
            "http_proxy" => Some("http://one:1".to_owned()),
            "https_proxy" => Some("http://two:2".to_owned()),
            "no_proxy" => Some("near.example".to_owned()),
            _ => None,
        };
        for (uri, wanted) in [
            ("http://far.example/", Some("http://one:1")),
            ("https://far.example:8443/x", Some("http://two:2")),
            ("http://user@near.example:80/", None),
            ("http://[::1]:80/", Some("http://one:1")),
            ("/a/path", None),
        ] {
            assert_eq!(proxy(uri, &set).as_deref(), wanted, "{uri}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (name, value, wanted) in [
            ("SSL_CERT_FILE", "/nowhere/ca.pem", "/nowhere/ca.pem"),
            ("PKG_CLIENT_MAX_TIMEOUT", "often", "PKG_CLIENT_MAX_TIMEOUT"),
        ] {
            let told =
                Transport::told("http://a/", &|asked| (asked == name).then(|| value.to_owned()));
            assert!(told.unwrap_err().to_string().contains(wanted));
        }
        assert!(Transport::told("http://a/", &|_| Some(String::new())).is_ok());
    }
}
