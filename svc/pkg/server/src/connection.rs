//! connection.rs - one client's connection, from bytes to bytes, never waiting.
//!
//! Requests are answered in the order they came (pipelining); what cannot be sent yet waits in
//! `output`.  A client that does not read stops being read from, so it costs two buffers and
//! holds up nobody.  A body goes piece by piece to whoever wants it (`Receiver`), or nowhere.
//!
//! Invariant: after `proceed`, either the socket would block in a direction that `interest`
//! names, or a job is running whose answer `deliver` brings, or the connection is finished, or
//! the turn's share is used up and `interest` asks to write (which is reported at once, so the
//! rest follows after the others had their turn).
//!
//! Not here: what a request means (`Host` knows), and who looks for overdue connections.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::hot::Ready;
use crate::http::body::{BodyReader, Found};
use crate::http::request::Framing;
use crate::http::{self, Body, Parsed, Request, Response, SharedFile};
use crate::jobs::Job;
use crate::poller::Interest;
use crate::transport::Transport;

/// How many answers may wait before no further request is read.
const WAITING_LIMIT: usize = 32;
/// And how many bytes of them in memory.
const WAITING_BYTES: usize = 128 * 1024;
/// A file up to this size goes out in one write with its head.
const INLINE_SIZE: u64 = 16 * 1024;
/// Answers that wait behind one another go out in one write, up to about this size.
const TOGETHER: usize = 32 * 1024;
/// How much of a file goes out before other connections have their turn.
const SHARE: usize = 512 * 1024;
/// How many steps a turn has.
const STEPS: usize = 16;
/// How much of a body that nobody wants is read before the connection is given up.
const UNWANTED_LIMIT: u64 = 16 << 20;

/// What becomes of a request.
pub enum Answer {
    /// This.
    Now(Response),
    /// What the job says, when it has been run; the body, if there is one, is not wanted.
    Later(Job),
    /// What is said once the whole body has come.
    AfterBody(Box<dyn Receiver>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Answer::Now(response)
    }
}

/// Who takes a request's body.
pub trait Receiver: Send {
    /// Takes the next bytes; an error is the answer, and the rest of the body is not wanted.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Box<Response>>;
    /// The body was whole; this runs as a job.
    fn finish(self: Box<Self>) -> Response;
}

/// What a connection asks of its owner.
pub trait Host {
    /// What becomes of a request.
    fn answer(&self, request: &Request, peer: SocketAddr) -> Answer;
    /// Runs a job; its answer comes by [`Connection::deliver`].
    fn run(&self, job: Job);
    /// The answer to the request at the start of these bytes, where it is ready, and how long the
    /// request is.
    fn ready(&self, bytes: &[u8]) -> Option<(Ready, usize)>;
    /// A request has got its answer.
    fn answered(&self, request: &Request, response: &Response, peer: SocketAddr);
}

enum Piece {
    Bytes { bytes: Vec<u8>, sent: usize },
    Shared { bytes: Arc<[u8]>, sent: usize },
    File { file: SharedFile, offset: u64, end: u64 },
}

/// What the next bytes from the client are.
enum State {
    /// A request's head.
    Heads,
    /// A body: for somebody, or for nobody, then with how much of it has come.
    Body { reader: BodyReader, wanted: Option<(Box<Request>, Box<dyn Receiver>)>, unwanted: u64 },
    /// A further request, which has to wait for the answer to this one.
    Working(Box<Request>),
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
    transport: Transport,
    peer: SocketAddr,
    /// What came and could not be taken yet; empty for most of the time.
    input: Vec<u8>,
    output: VecDeque<Piece>,
    state: State,
    /// No further request is accepted; the rest of `output` still goes out.
    closing: bool,
    end_of_input: bool,
    /// Our side is shut; what still comes is read and dropped, so that the last answer arrives.
    lingering: bool,
    moved: Instant,
    /// Since when a head has been awaited that is not whole.
    head_since: Option<Instant>,
}

impl Connection {
    /// Takes over a client's socket.
    pub fn new(transport: Transport, peer: SocketAddr) -> Self {
        let now = Instant::now();
        Self {
            transport,
            peer,
            input: Vec::new(),
            output: VecDeque::new(),
            state: State::Heads,
            closing: false,
            end_of_input: false,
            lingering: false,
            moved: now,
            head_since: Some(now),
        }
    }

    /// The socket.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.transport.fd()
    }

    /// Whether the client has been silent, or at one head, for longer than it may.
    pub fn is_overdue(&self, now: Instant, limit: Duration) -> bool {
        if matches!(self.state, State::Working(_)) {
            return false;
        }
        let over = |since: Instant| now.saturating_duration_since(since) >= limit;
        over(self.moved) || self.head_since.is_some_and(over)
    }

    /// When the client last moved, if nothing would be lost by dropping the connection.
    pub fn idle_since(&self) -> Option<Instant> {
        let idle = self.output.is_empty() && matches!(self.state, State::Heads);
        idle.then_some(self.moved)
    }

    /// Reads, answers and writes as far as it goes without waiting.
    pub fn proceed(&mut self, host: &dyn Host, scratch: &mut [u8]) -> Turn {
        match self.steps(host, scratch) {
            Ok(Turn::Finished) => {
                self.transport.say_goodbye();
                Turn::Finished
            }
            Ok(turn) => turn,
            // The peer reset the connection or its file shrank: there is nobody to tell.
            Err(_) => Turn::Finished,
        }
    }

    /// Brings the answer of the job that this connection waits for.
    pub fn deliver(&mut self, host: &dyn Host, response: Response) {
        match std::mem::replace(&mut self.state, State::Heads) {
            State::Working(request) => self.put(host, &request, response),
            other => self.state = other,
        }
    }

    fn steps(&mut self, host: &dyn Host, scratch: &mut [u8]) -> io::Result<Turn> {
        let behind = !self.output.is_empty() || self.transport.is_behind();
        if matches!(self.state, State::Working(_)) && !behind {
            // Nothing was waited for: the socket itself is broken.
            return Ok(Turn::Finished);
        }
        for _ in 0..STEPS {
            if !self.flush()? {
                return Ok(Turn::Wait(self.interest()));
            }
            if self.take_waiting(host) {
                continue;
            }
            if self.is_finished()? {
                return Ok(Turn::Finished);
            }
            if !self.interest().read || !self.fill(host, scratch)? {
                let working = matches!(self.state, State::Working(_));
                if self.output.is_empty() && (working || !self.is_finished()?) {
                    return Ok(Turn::Wait(self.interest()));
                }
            }
        }
        Ok(Turn::Wait(Interest { read: false, write: true }))
    }

    /// All has been said.  A body that still comes is dropped first: closing a socket that has
    /// unread bytes destroys the answer on its way.
    fn is_finished(&mut self) -> io::Result<bool> {
        if matches!(self.state, State::Working(_)) {
            return Ok(false);
        }
        if self.end_of_input {
            return Ok(true);
        }
        if !self.closing {
            return Ok(false);
        }
        let State::Body { reader, wanted, .. } = &self.state else { return Ok(true) };
        // Somebody takes the body, and has yet to answer.
        if wanted.is_some() {
            return Ok(false);
        }
        if reader.is_over() {
            return Ok(true);
        }
        if !self.lingering {
            self.transport.shut()?;
            self.lingering = true;
            self.head_since = Some(self.moved);
        }
        Ok(false)
    }

    /// What has been said goes out before more is asked, so a client that does not read is not
    /// read from.
    fn interest(&self) -> Interest {
        if !self.output.is_empty() || self.transport.is_behind() {
            return Interest { read: false, write: true };
        }
        let wanted = match self.state {
            State::Heads => !self.closing && self.input.len() < http::HEAD_LIMIT,
            State::Body { .. } => true,
            State::Working(_) => false,
        };
        Interest { read: wanted && !self.end_of_input, write: false }
    }

    /// Reads once.  False: nothing there now.
    fn fill(&mut self, host: &dyn Host, scratch: &mut [u8]) -> io::Result<bool> {
        let count = match self.transport.read(scratch) {
            Ok(0) => {
                self.end_of_input = true;
                return Ok(true);
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        };
        self.moved = Instant::now();
        if self.input.is_empty() {
            let taken = self.take(host, &scratch[..count]);
            self.input.extend_from_slice(&scratch[taken..count]);
        } else {
            self.input.extend_from_slice(&scratch[..count]);
        }
        // A socket that gave less than was asked for has no more now.
        Ok(count == scratch.len() || !self.input.is_empty())
    }

    /// Takes what was left over.  False: nothing could be.
    fn take_waiting(&mut self, host: &dyn Host) -> bool {
        if self.input.is_empty() {
            return false;
        }
        let input = std::mem::take(&mut self.input);
        let taken = self.take(host, &input);
        if taken == 0 {
            self.input = input;
        } else {
            self.input = input[taken..].to_vec();
        }
        taken > 0
    }

    /// Takes whole heads and pieces of bodies from the start of `bytes`; how much it took.
    fn take(&mut self, host: &dyn Host, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.is_full() {
            let rest = &bytes[at..];
            let used = match &self.state {
                State::Heads if self.closing => bytes.len() - at,
                State::Heads => self.take_head(host, rest),
                State::Body { .. } => self.take_body(host, rest),
                State::Working(_) => 0,
            };
            if used == 0 {
                break;
            }
            at += used;
        }
        at
    }

    /// Whether enough waits to be sent.
    fn is_full(&self) -> bool {
        let held = |piece: &Piece| match piece {
            Piece::Bytes { bytes, .. } => bytes.len(),
            Piece::Shared { .. } | Piece::File { .. } => 0,
        };
        self.output.len() >= WAITING_LIMIT
            || self.output.iter().map(held).sum::<usize>() >= WAITING_BYTES
    }

    fn take_head(&mut self, host: &dyn Host, bytes: &[u8]) -> usize {
        if let Some((ready, length)) = host.ready(bytes) {
            self.head_since = None;
            self.output.push_back(Piece::Shared { bytes: ready.bytes, sent: 0 });
            if let Some((file, end)) = ready.file {
                self.output.push_back(Piece::File { file, offset: 0, end });
            }
            return length;
        }
        match Request::parse(bytes) {
            Parsed::Partial => {
                self.head_since.get_or_insert(self.moved);
                0
            }
            Parsed::Whole(request, length) => {
                self.head_since = None;
                self.closing = !request.keep_alive;
                self.begin(host, request);
                length
            }
            Parsed::Refused(status, message) => {
                self.give_up();
                self.queue(http::error(status, message), false);
                bytes.len()
            }
        }
    }

    /// Nobody knows where the next request would begin: whatever comes is dropped.
    fn give_up(&mut self) {
        self.closing = true;
        let reader = BodyReader::new(Framing::Length(u64::MAX));
        self.state = State::Body { reader, wanted: None, unwanted: 0 };
    }

    /// A request's head has come.
    fn begin(&mut self, host: &dyn Host, request: Box<Request>) {
        let reader = BodyReader::new(request.framing);
        match host.answer(&request, self.peer) {
            Answer::Now(response) => {
                // A client that waits to be asked for its body is not asked; it may send it
                // nevertheless, so what follows cannot be told apart.
                self.closing |= request.expects_continue && !reader.is_over();
                self.put(host, &request, response);
                if !reader.is_over() {
                    self.state = State::Body { reader, wanted: None, unwanted: 0 };
                }
            }
            Answer::Later(job) if reader.is_over() => {
                host.run(job);
                self.state = State::Working(request);
            }
            Answer::Later(job) => {
                self.receive(host, request, reader, Box::new(Ignored(job)));
            }
            Answer::AfterBody(receiver) => self.receive(host, request, reader, receiver),
        }
    }

    fn receive(
        &mut self,
        host: &dyn Host,
        request: Box<Request>,
        reader: BodyReader,
        receiver: Box<dyn Receiver>,
    ) {
        if reader.is_over() {
            host.run(Box::new(move || receiver.finish()));
            self.state = State::Working(request);
            return;
        }
        if request.expects_continue {
            let bytes = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
            self.output.push_back(Piece::Bytes { bytes, sent: 0 });
        }
        self.state = State::Body { reader, wanted: Some((request, receiver)), unwanted: 0 };
    }

    fn take_body(&mut self, host: &dyn Host, bytes: &[u8]) -> usize {
        let State::Body { reader, wanted, unwanted } = &mut self.state else { return 0 };
        let found = reader.next(bytes);
        let over = reader.is_over();
        let (used, refused) = match (found, wanted.as_mut()) {
            (Ok(Found::Content(content, used)), Some((_, receiver))) => {
                (used, receiver.take(content).err())
            }
            (Ok(Found::Content(_, used)), None) => {
                *unwanted += used as u64;
                if *unwanted > UNWANTED_LIMIT {
                    self.end_of_input = true;
                }
                (used, None)
            }
            (Ok(Found::End(used)), _) => (used, None),
            (Ok(Found::More), _) => (bytes.len(), None),
            (Err(malformed), _) => {
                let response = http::error(400, &format!("{malformed}."));
                let wanted = wanted.take();
                self.give_up();
                match wanted {
                    Some((request, _)) => self.put(host, &request, response),
                    None => self.queue(response, false),
                }
                return bytes.len();
            }
        };
        if let Some(response) = refused {
            if let Some((request, _)) = wanted.take() {
                self.put(host, &request, *response);
            }
        }
        if over {
            self.body_is_over(host);
        }
        used
    }

    fn body_is_over(&mut self, host: &dyn Host) {
        let state = std::mem::replace(&mut self.state, State::Heads);
        if let State::Body { wanted: Some((request, receiver)), .. } = state {
            host.run(Box::new(move || receiver.finish()));
            self.state = State::Working(request);
        }
    }

    fn put(&mut self, host: &dyn Host, request: &Request, response: Response) {
        host.answered(request, &response, self.peer);
        self.queue(response, request.is_head());
    }

    fn queue(&mut self, response: Response, head_only: bool) {
        let (mut bytes, sent) = self.last_bytes();
        bytes.append(&mut response.head(!self.closing));
        let mut after = None;
        match response.body {
            _ if head_only => {}
            Body::Absent => {}
            Body::Bytes(body) => bytes.extend_from_slice(&body),
            Body::File { file, offset, length } => {
                if length > INLINE_SIZE || !file.append_to(&mut bytes, offset, length) {
                    after = Some(Piece::File { file, offset, end: offset + length });
                }
            }
        }
        self.output.push_back(Piece::Bytes { bytes, sent });
        self.output.extend(after);
    }

    /// Takes the bytes that wait last, for others to go along, and how many of them are sent.
    fn last_bytes(&mut self) -> (Vec<u8>, usize) {
        match self.output.pop_back() {
            Some(Piece::Bytes { bytes, sent }) if bytes.len() < TOGETHER => (bytes, sent),
            other => {
                self.output.extend(other);
                (Vec::new(), 0)
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
                Piece::Bytes { bytes, sent } => self.transport.write(&bytes[*sent..]),
                Piece::Shared { bytes, sent } => self.transport.write(&bytes[*sent..]),
                Piece::File { file, offset, end } => {
                    let limit = usize::try_from(*end - *offset).unwrap_or(SHARE).min(share);
                    self.transport.send_file(file, offset, limit)
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
                Piece::Shared { bytes, sent } => {
                    *sent += count;
                    *sent == bytes.len()
                }
                Piece::File { offset, end, .. } => offset == end,
            };
            if whole {
                self.output.pop_front();
            }
        }
        self.transport.push()
    }
}

/// Takes a body that the job behind it has no use for.
struct Ignored(Job);

impl Receiver for Ignored {
    fn take(&mut self, _: &[u8]) -> Result<(), Box<Response>> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Response {
        (self.0)()
    }
}

#[cfg(test)]
mod tests;
