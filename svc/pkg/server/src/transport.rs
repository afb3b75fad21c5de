//! transport.rs - the bytes of a connection, in the clear or by TLS, never waiting.
//!
//! In the clear this is the socket itself and files go out without passing through this process.
//! By TLS what is written may stay in the session for a while: `push` sends it on, and until it
//! has (`is_behind`), the owner waits for the socket to take more.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

use crate::http::SharedFile;
use crate::poller;

/// How much of a file is enciphered at once.
const PIECE: usize = 64 * 1024;

/// A socket, and what is between it and HTTP.
pub enum Transport {
    /// Nothing.
    Plain(TcpStream),
    /// A session of TLS.
    Tls(Box<Tls>),
}

/// A TLS session on a socket.
pub struct Tls {
    stream: TcpStream,
    session: ServerConnection,
    piece: Vec<u8>,
}

impl Transport {
    /// Takes over an accepted, non-blocking socket.
    pub fn new(stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let Some(configuration) = tls else { return Ok(Self::Plain(stream)) };
        let session = ServerConnection::new(configuration).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(Tls { stream, session, piece: Vec::new() })))
    }

    /// The socket.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(tls) => tls.stream.as_fd(),
        }
    }

    /// Reads what is there; less than there is room for means that the socket has no more now.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    /// Writes a part of `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    /// Writes a part of a file, up to `limit` bytes from `offset` on, which moves on.
    pub fn send_file(
        &mut self,
        file: &SharedFile,
        offset: &mut u64,
        limit: usize,
    ) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => poller::send_file(stream.as_fd(), file.as_fd(), offset, limit),
            Self::Tls(tls) => tls.send_file(file, offset, limit),
        }
    }

    /// Whether something written has not reached the socket.
    pub fn is_behind(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.session.wants_write(),
        }
    }

    /// Sends on what was written.  False: the socket takes no more now.
    pub fn push(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(_) => Ok(true),
            Self::Tls(tls) => tls.push(),
        }
    }

    /// Says that nothing more will be written.
    pub fn shut(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write),
            Self::Tls(tls) => {
                tls.session.send_close_notify();
                tls.push()?;
                tls.stream.shutdown(Shutdown::Write)
            }
        }
    }

    /// Says so by TLS, as far as the socket takes it; a client in the clear sees the end anyway.
    pub fn say_goodbye(&mut self) {
        if let Self::Tls(tls) = self {
            tls.session.send_close_notify();
            // Whoever does not take it is gone.
            let _ = tls.push();
        }
    }
}

impl Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A client that just hangs up has said all it wanted, too: bodies have lengths.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            let count = self.session.read_tls(&mut self.stream)?;
            let processed = self.session.process_new_packets();
            // The handshake's answers, or the alert that says what is wrong.
            self.push()?;
            processed.map_err(io::Error::other)?;
            if count == 0 {
                return Ok(0);
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.push()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.session.writer().write(bytes)?;
        self.push()?;
        Ok(count)
    }

    fn send_file(
        &mut self,
        file: &SharedFile,
        offset: &mut u64,
        limit: usize,
    ) -> io::Result<usize> {
        if !self.push()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut piece = std::mem::take(&mut self.piece);
        piece.clear();
        let whole = file.append_to(&mut piece, *offset, limit.min(PIECE) as u64);
        let written = if whole { self.write(&piece) } else { Ok(0) };
        self.piece = piece;
        let count = written?;
        *offset += count as u64;
        Ok(count)
    }

    fn push(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.stream) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
