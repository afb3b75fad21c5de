//! connection.rs - one client's connection, from bytes to bytes, never waiting.
//!
//! Requests are answered in the order they came (pipelining); what cannot be sent yet waits in
//! `output`.  A client that does not read stops being read from, so it costs two buffers and
//! holds up nobody.
//!
//! Invariant: after `proceed`, either the socket would block in a direction that `interest`
//! names, or the connection is finished, or the turn's share is used up and `interest` asks to
//! write (which is reported at once, so the rest follows after the others had their turn).
//!
//! Not here: what a request means (the answering function is handed in), and time-outs.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use crate::http::{self, Body, Parsed, Request, Response};
use crate::poller::{self, Interest};

/// How many answers may wait before no further request is read.
const WAITING_LIMIT: usize = 32;
/// How much is read at once.
const READ_SIZE: usize = 16 * 1024;
/// A file up to this size goes out in one write with its head.
const INLINE_SIZE: u64 = 16 * 1024;
/// How much of a file goes out before other connections have their turn.
const SHARE: usize = 512 * 1024;
/// How many steps a turn has.
const STEPS: usize = 16;

enum Piece {
    Bytes { bytes: Vec<u8>, sent: usize },
    File { file: std::fs::File, offset: u64, end: u64 },
}

/// What the owner does with a connection after its turn.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Wait for this.
    Wait(Interest),
    /// Drop it.
    Finished,
}

/// A client's connection.
pub struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    input: Vec<u8>,
    output: VecDeque<Piece>,
    body_left: u64,
    /// No further request is accepted; the rest of `output` still goes out.
    closing: bool,
    end_of_input: bool,
    moved: Instant,
}

impl Connection {
    /// Takes over an accepted, non-blocking socket.
    pub fn new(stream: TcpStream, peer: SocketAddr) -> Self {
        Self {
            stream,
            peer,
            input: Vec::new(),
            output: VecDeque::new(),
            body_left: 0,
            closing: false,
            end_of_input: false,
            moved: Instant::now(),
        }
    }

    /// The socket.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// When a byte last went either way.
    pub fn moved(&self) -> Instant {
        self.moved
    }

    /// Reads, answers and writes as far as it goes without waiting.
    pub fn proceed(&mut self, answer: &dyn Fn(&Request, SocketAddr) -> Response) -> Turn {
        match self.steps(answer) {
            Ok(turn) => turn,
            // The peer reset the connection or its file shrank: there is nobody to tell.
            Err(_) => Turn::Finished,
        }
    }

    fn steps(&mut self, answer: &dyn Fn(&Request, SocketAddr) -> Response) -> io::Result<Turn> {
        for _ in 0..STEPS {
            if !self.flush()? {
                return Ok(Turn::Wait(self.interest()));
            }
            let answered = self.answer_waiting(answer);
            if answered {
                continue;
            }
            if self.closing || self.end_of_input {
                return Ok(Turn::Finished);
            }
            if !self.fill()? {
                return Ok(Turn::Wait(self.interest()));
            }
        }
        Ok(Turn::Wait(Interest { read: false, write: true }))
    }

    fn interest(&self) -> Interest {
        let write = !self.output.is_empty();
        let room = self.output.len() < WAITING_LIMIT && self.input.len() < http::HEAD_LIMIT;
        Interest { read: room && !self.closing && !self.end_of_input, write }
    }

    /// Reads once.  False: nothing there now.
    fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = [0; READ_SIZE];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.end_of_input = true,
            Ok(count) => self.input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        }
        self.moved = Instant::now();
        Ok(true)
    }

    /// Answers the whole requests that were read.  False: there was none.
    fn answer_waiting(&mut self, answer: &dyn Fn(&Request, SocketAddr) -> Response) -> bool {
        let mut answered = false;
        while !self.closing && self.output.len() < WAITING_LIMIT {
            let skipped = self.body_left.min(self.input.len() as u64);
            self.input.drain(..skipped as usize);
            self.body_left -= skipped;
            if self.body_left > 0 || self.input.is_empty() {
                break;
            }
            match Request::parse(&self.input) {
                Parsed::Partial => break,
                Parsed::Whole(request, length) => {
                    self.input.drain(..length);
                    self.body_left = request.body_length;
                    self.closing = !request.keep_alive;
                    let response = answer(&request, self.peer);
                    self.put(response, request.is_head());
                }
                Parsed::Refused(status, message) => {
                    self.closing = true;
                    self.put(http::error(status, message), false);
                }
            }
            answered = true;
        }
        answered
    }

    fn put(&mut self, response: Response, head_only: bool) {
        let mut bytes = response.head(!self.closing);
        if head_only {
            self.output.push_back(Piece::Bytes { bytes, sent: 0 });
            return;
        }
        match response.body {
            Body::Absent => self.output.push_back(Piece::Bytes { bytes, sent: 0 }),
            Body::Bytes(body) => {
                bytes.extend_from_slice(&body);
                self.output.push_back(Piece::Bytes { bytes, sent: 0 });
            }
            Body::File { file, offset, length } => {
                let inline = length <= INLINE_SIZE && append(&file, offset, length, &mut bytes);
                self.output.push_back(Piece::Bytes { bytes, sent: 0 });
                if !inline {
                    self.output.push_back(Piece::File { file, offset, end: offset + length });
                }
            }
        }
    }

    /// Sends what waits.  False: the socket takes no more now, or the share is used up.
    fn flush(&mut self) -> io::Result<bool> {
        let mut share = SHARE;
        while let Some(piece) = self.output.front_mut() {
            if share == 0 {
                return Ok(false);
            }
            let sent = match piece {
                Piece::Bytes { bytes, sent } => self.stream.write(&bytes[*sent..]),
                Piece::File { file, offset, end } => {
                    let limit = usize::try_from(*end - *offset).unwrap_or(SHARE).min(share);
                    poller::send_file(self.stream.as_fd(), file.as_fd(), offset, limit)
                }
            };
            let count = match sent {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.moved = Instant::now();
            share = share.saturating_sub(count);
            let whole = match piece {
                Piece::Bytes { bytes, sent } => {
                    *sent += count;
                    *sent == bytes.len()
                }
                Piece::File { offset, end, .. } => offset == end,
            };
            if whole {
                self.output.pop_front();
            }
        }
        Ok(true)
    }
}

/// Reads a small part of a file behind `bytes`.  False, and `bytes` as before: it was not whole.
fn append(file: &std::fs::File, offset: u64, length: u64, bytes: &mut Vec<u8>) -> bool {
    use std::os::unix::fs::FileExt;
    let start = bytes.len();
    bytes.resize(start + length as usize, 0);
    let whole = file.read_exact_at(&mut bytes[start..], offset).is_ok();
    if !whole {
        bytes.truncate(start);
    }
    whole
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (Connection::new(stream, peer), client)
    }

    fn echo(request: &Request, _: SocketAddr) -> Response {
        Response::new(200, "text/plain", request.path.clone())
    }

    /// Proceeds until the connection waits for input or is finished.
    fn settle(connection: &mut Connection) -> Turn {
        loop {
            match connection.proceed(&echo) {
                Turn::Wait(Interest { write: true, .. }) => {}
                turn => return turn,
            }
        }
    }

    #[test]
    fn pipelined_requests_are_answered_in_order() {
        let (mut connection, mut client) = pair();
        let mut text = String::new();
        for number in 0..100 {
            text.push_str(&format!("GET /{number}/ HTTP/1.1\r\n\r\n"));
        }
        text.push_str("POST /skip/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /");
        text.push_str("GET /last/ HTTP/1.1\r\nConnection: close\r\n\r\n");
        client.write_all(text.as_bytes()).unwrap();
        assert_eq!(settle(&mut connection), Turn::Finished);
        drop(connection);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        let bodies: Vec<&str> = answer.split("\r\n\r\n").skip(1).collect();
        assert_eq!(bodies.len(), 102);
        for (number, body) in bodies[..100].iter().enumerate() {
            assert!(body.starts_with(&format!("/{number}/")), "{number}: {body}");
        }
        assert!(bodies[100].starts_with("/skip/") && bodies[101].starts_with("/last/"));
    }

    #[test]
    fn a_client_that_does_not_read_is_not_read_from() {
        let (mut connection, mut client) = pair();
        client.set_nonblocking(true).unwrap();
        let big = |_: &Request, _: SocketAddr| Response::new(200, "x", vec![0; 1 << 20]);
        let request = b"GET / HTTP/1.1\r\n\r\n";
        let mut asked = 0;
        for _ in 0..5_000 {
            asked += client.write(request).unwrap_or(0);
            connection.proceed(&big);
        }
        assert!(asked > 0 && connection.output.len() <= WAITING_LIMIT);
        let Turn::Wait(interest) = connection.proceed(&big) else { panic!() };
        assert!(interest.write);
    }

    #[test]
    fn garbage_ends_the_connection_with_an_answer() {
        let (mut connection, mut client) = pair();
        client.write_all(b"\0\0\0\0\r\n\r\n").unwrap();
        assert_eq!(settle(&mut connection), Turn::Finished);
        drop(connection);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    }
}
