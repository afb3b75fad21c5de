//! handle.rs - a connection to a repository, from the side that asks.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::protocol::{Refusal, Request, Response, receive, send};
use crate::socket;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The repository refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection broke; whether the request was carried out is not known.
    #[error("connection to the repository lost")]
    Lost(#[source] io::Error),
    /// The answer is not one to the question: the server is of another version.
    #[error("the repository server speaks another protocol")]
    Protocol,
}

/// A connection.
#[derive(Debug)]
pub struct Handle {
    stream: UnixStream,
}

impl Handle {
    /// Connects to the server behind a socket.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self { stream: socket::connect(path)? })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The repository refuses, or the connection breaks.
    pub fn call(&mut self, request: &Request) -> Result<Response, CallError> {
        send(&self.stream, request).map_err(CallError::Lost)?;
        match receive(&self.stream).map_err(CallError::Lost)? {
            Some(Response::Refused(refusal)) => Err(refusal.into()),
            Some(response) => Ok(response),
            None => Err(CallError::Lost(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}
