//! server.rs - the listening sockets and the workers.
//!
//! Every worker runs one event loop over connections of its own; the listening sockets are shared
//! and wake one worker each.  Workers share nothing that is written but the service's counters
//! and logs.
//!
//! Not here: signals (main), what a request means (service).

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connection::{Connection, Turn};
use crate::poller::{Interest, Poller};
use crate::service::Service;

/// How often idle connections are looked for.
const SWEEP: Duration = Duration::from_secs(1);

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

/// Starts the workers.  They run until the process ends.
pub fn start(
    listeners: Vec<TcpListener>,
    service: &Arc<Service>,
    workers: usize,
) -> io::Result<Vec<std::thread::JoinHandle<()>>> {
    let listeners = Arc::new(listeners);
    let mut threads = Vec::new();
    for number in 0..workers {
        let mut worker = Worker::new(listeners.clone(), service.clone())?;
        let name = format!("worker-{number}");
        threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run())?);
    }
    Ok(threads)
}

struct Worker {
    poller: Poller,
    listeners: Arc<Vec<TcpListener>>,
    /// False while the process has no descriptor left for a further connection.
    accepting: bool,
    service: Arc<Service>,
    connections: HashMap<u64, (Connection, Interest)>,
    next: u64,
    swept: Instant,
}

impl Worker {
    fn new(listeners: Arc<Vec<TcpListener>>, service: Arc<Service>) -> io::Result<Self> {
        let poller = Poller::new()?;
        let next = listeners.len() as u64;
        let connections = HashMap::new();
        let swept = Instant::now();
        let mut worker =
            Self { poller, listeners, accepting: false, service, connections, next, swept };
        worker.accept_again()?;
        Ok(worker)
    }

    fn accept_again(&mut self) -> io::Result<()> {
        if !self.accepting {
            for (token, listener) in self.listeners.iter().enumerate() {
                self.poller.add_shared(listener.as_fd(), token as u64)?;
            }
            self.accepting = true;
        }
        Ok(())
    }

    fn run(&mut self) {
        let mut ready = Vec::new();
        loop {
            let idle = self.connections.is_empty() && self.accepting;
            let limit = if idle { None } else { Some(SWEEP) };
            if let Err(error) = self.poller.wait(&mut ready, limit) {
                self.service.log_error(&format!("waiting for clients: {error}"));
                std::process::exit(1);
            }
            for &token in &ready {
                if (token as usize) < self.listeners.len() {
                    self.accept(token as usize);
                } else {
                    self.proceed(token);
                }
            }
            if self.swept.elapsed() >= SWEEP {
                self.sweep();
            }
        }
    }

    fn accept(&mut self, which: usize) {
        // A few at a time: the other workers are there too.
        for _ in 0..16 {
            match self.listeners[which].accept() {
                Ok((stream, peer)) => {
                    if stream.set_nonblocking(true).is_err() {
                        continue;
                    }
                    // Without it, a head and its body may wait for each other's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    self.adopt(Connection::new(stream, peer));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                    self.service.log_error(&format!("accepting a connection: {error}"));
                    self.stop_accepting();
                    return;
                }
                // The client gave up between connecting and now.
                Err(_) => {}
            }
        }
    }

    /// The listening sockets would be reported without end; the next sweep looks again.
    fn stop_accepting(&mut self) {
        for listener in self.listeners.iter() {
            let _ = self.poller.remove(listener.as_fd());
        }
        self.accepting = false;
    }

    fn adopt(&mut self, connection: Connection) {
        let interest = Interest { read: true, write: false };
        let token = self.next;
        self.next += 1;
        match self.poller.add(connection.fd(), token, interest) {
            Ok(()) => {
                self.connections.insert(token, (connection, interest));
            }
            Err(error) => self.service.log_error(&format!("watching a connection: {error}")),
        }
    }

    fn proceed(&mut self, token: u64) {
        let Some((connection, interest)) = self.connections.get_mut(&token) else { return };
        let service = &self.service;
        let turn = connection.proceed(&|request, peer| service.answer(request, peer));
        let keep = match turn {
            Turn::Finished => false,
            Turn::Wait(wanted) if wanted == *interest => true,
            Turn::Wait(wanted) => {
                *interest = wanted;
                self.poller.change(connection.fd(), token, wanted).is_ok()
            }
        };
        if !keep {
            // Closing the descriptor takes it out of the set.
            self.connections.remove(&token);
        }
    }

    fn sweep(&mut self) {
        self.swept = Instant::now();
        let limit = self.service.socket_timeout();
        self.connections.retain(|_, (connection, _)| connection.moved().elapsed() < limit);
        if let Err(error) = self.accept_again() {
            self.service.log_error(&format!("watching the listening sockets: {error}"));
        }
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
