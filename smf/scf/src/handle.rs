//! handle.rs - a connection to a repository, from the side that asks.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::protocol::{LENGTH_MAX, Refusal, Request, Response, receive, send_at_most};
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
    /// The request is longer than a repository takes; nothing of it was asked.
    #[error("too much for one transaction: {0}, at most {LENGTH_MAX} bytes are taken")]
    TooLong(io::Error),
    /// The answer is not one to the question: the server is of another version.
    #[error("the repository server speaks another protocol")]
    Protocol,
}

/// A connection.  One that the server has closed while nothing was asked (it was idle long, or
/// svc.startd came up anew) is made again with the next question.
#[derive(Debug)]
pub struct Handle {
    stream: UnixStream,
    path: PathBuf,
}

impl Handle {
    /// Connects to the server behind a socket.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self { stream: socket::connect(path)?, path: path.to_path_buf() })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The repository refuses, or the connection breaks.
    pub fn call(&mut self, request: &Request) -> Result<Response, CallError> {
        if self.is_closed() {
            self.stream = socket::connect(&self.path).map_err(CallError::Lost)?;
        }
        let sent = match send_at_most(&self.stream, request, LENGTH_MAX) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(CallError::TooLong(error));
            }
            // Whoever was refused a place is told so without having been heard.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(CallError::Lost(error));
            }
            sent => sent,
        };
        match receive(&self.stream) {
            Ok(Some(Response::Refused(refusal))) => Err(refusal.into()),
            Ok(Some(response)) => sent.map(|()| response).map_err(CallError::Lost),
            Ok(None) => Err(CallError::Lost(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(CallError::Lost(sent.err().unwrap_or(error))),
        }
    }

    /// Whether the server has gone from the other end.
    fn is_closed(&self) -> bool {
        use nix::sys::socket::{MsgFlags, recv};
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        match recv(self.stream.as_raw_fd(), &mut [0], flags) {
            Ok(0) => true,
            // Between two questions there is nothing to read.
            Err(nix::errno::Errno::EAGAIN) | Ok(_) => false,
            Err(_) => true,
        }
    }
}
