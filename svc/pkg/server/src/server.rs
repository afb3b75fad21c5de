//! server.rs - the listening sockets.
//!
//! Not here: who accepts connections on them (worker).

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

/// Why no socket listens.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has the port.
    #[error("port {port} is already in use on {address}")]
    InUse {
        /// The address.
        address: String,
        /// The port.
        port: u16,
    },
    /// The port is reserved.
    #[error("no permission to listen on {address} port {port}")]
    Permission {
        /// The address.
        address: String,
        /// The port.
        port: u16,
    },
    /// Anything else, such as an address that this host has not.
    #[error("listening on {address} port {port}: {source}")]
    Other {
        /// The address.
        address: String,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on every address given, as `HOST` or `HOST:PORT`.
pub fn bind(addresses: &[String], port: u16) -> Result<Vec<TcpListener>, BindError> {
    let mut listeners = Vec::new();
    for text in addresses {
        let (address, port) = split(text, port);
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address: address.clone(), port },
            io::ErrorKind::PermissionDenied => {
                BindError::Permission { address: address.clone(), port }
            }
            _ => BindError::Other { address: address.clone(), port, source },
        };
        let resolved = (address.as_str(), port).to_socket_addrs().map_err(failed)?;
        let sockets: Vec<SocketAddr> = resolved.collect();
        let listener = TcpListener::bind(sockets.as_slice()).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Parts `HOST[:PORT]`, `[V6][:PORT]`; a bare IPv6 address has no port.
fn split(text: &str, port: u16) -> (String, u16) {
    if let Some(rest) = text.strip_prefix('[') {
        if let Some((host, tail)) = rest.split_once(']') {
            let own = tail.strip_prefix(':').and_then(|digits| digits.parse().ok());
            return (host.to_string(), own.unwrap_or(port));
        }
    }
    match text.split_once(':') {
        Some((host, digits)) if !digits.contains(':') => {
            (host.to_string(), digits.parse().unwrap_or(port))
        }
        _ => (text.to_string(), port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, host, port) in [
            ("127.0.0.1", "127.0.0.1", 80),
            ("127.0.0.1:81", "127.0.0.1", 81),
            ("[::1]", "::1", 80),
            ("[::1]:82", "::1", 82),
            ("::1", "::1", 80),
            ("host", "host", 80),
        ] {
            assert_eq!(split(text, 80), (host.to_string(), port), "{text}");
        }
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(&["127.0.0.1".to_string()], port).unwrap_err();
        assert_eq!(error.to_string(), format!("port {port} is already in use on 127.0.0.1"));
    }
}
