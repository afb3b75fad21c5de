//! protocol.rs - how finalizer scripts ask for values: both sides, over any stream.
//!
//! ```text
//! client  KIND " " SIZE     8 bytes: '0' a node path, '1' a key; SIZE in 6 decimal characters
//! server  01
//! client  SIZE bytes        the request
//! server  COUNT "," SIZE    in text; "0,0" when there is nothing
//! client  04
//! server  COUNT values, each followed by 00 (an empty one is 03), then 02     SIZE bytes
//! client  the next request, or 05
//! ```
//!
//! Law: a client is never trusted.  Nothing is allocated by what it says beyond a request of six
//! digits, a bad query has no hits, and anything else out of order ends its connection.  How
//! long a client may be silent is its stream's to say ([`Peer`]).

use std::io::{self, Read, Write};

use crate::Document;

/// Bytes of what announces a request.
const HEAD: usize = 8;
/// The longest request, in bytes; announced are up to 999,999.
const REQUEST_MAX: usize = 64 << 10;
/// The most that a client takes as an answer, in bytes.
const ANSWER_MAX: usize = 64 << 20;

const REQUEST_WANTED: u8 = 1;
const COMPLETE: u8 = 2;
const EMPTY: u8 = 3;
const SIZES_RECEIVED: u8 = 4;
const END: u8 = 5;
const SEPARATOR: u8 = 0;

/// Why a connection ends early.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The stream, or its time-out.
    #[error(transparent)]
    Stream(#[from] io::Error),
    /// The first byte of a request is neither '0' nor '1'.
    #[error("ManifestServ Prerequest Protocol Error:key")]
    Kind,
    /// The size of a request is no number, or too large.
    #[error("ManifestServ Prerequest Protocol Error:size")]
    Size,
    /// The client sent something else than it should.
    #[error("ManifestServ Protocol Error")]
    Order,
    /// The server did not ask for the request that was announced.
    #[error("Protocol error: pre_request acknowledge is incorrect")]
    Acknowledge,
    /// The server did not say how much will come.
    #[error("Protocol error: Did not receive request count and size.")]
    Sizes,
    /// The answer does not end as it should.
    #[error("Protocol error: Improper request termination.")]
    Termination,
}

/// A client's stream, as the server sees it.
pub trait Peer: Read + Write {
    /// Nothing is owed: the next byte may be long in coming.
    fn idle(&mut self) -> io::Result<()>;

    /// A message has begun: what is missing of it should come soon.
    fn busy(&mut self) -> io::Result<()>;
}

/// Answers one client until it says that it is done, or goes; `log` hears each message.
pub fn serve<S: Peer>(
    stream: &mut S,
    document: &Document,
    log: &mut dyn FnMut(&str),
) -> Result<(), ProtocolError> {
    loop {
        let mut head = [0; HEAD];
        stream.idle()?;
        if stream.read(&mut head[..1])? == 0 || head[0] == END {
            log("termination requested");
            return Ok(());
        }
        stream.busy()?;
        stream.read_exact(&mut head[1..])?;
        let (is_key, size) = announced(&head)?;
        log(&format!("Prerequest received: key is {} and size = {size}", told(is_key)));
        stream.write_all(&[REQUEST_WANTED])?;
        let mut request = vec![0; size];
        stream.read_exact(&mut request)?;
        let request = String::from_utf8_lossy(&request);
        let request = request.trim();
        log(&format!("Received Request: {request}"));
        let values = values(document, request, is_key, log);
        let answer = answer(&values);
        stream.write_all(format!("{},{}", values.len(), answer.len()).as_bytes())?;
        let mut received = [0];
        stream.read_exact(&mut received)?;
        if received[0] != SIZES_RECEIVED {
            return Err(ProtocolError::Order);
        }
        stream.write_all(&answer)?;
    }
}

/// As the original prints it.
fn told(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}

fn announced(head: &[u8; HEAD]) -> Result<(bool, usize), ProtocolError> {
    let is_key = match head[0] {
        b'0' => false,
        b'1' => true,
        _ => return Err(ProtocolError::Kind),
    };
    let digits = std::str::from_utf8(&head[2..]).map_err(|_| ProtocolError::Size)?.trim();
    let size: usize = digits.parse().map_err(|_| ProtocolError::Size)?;
    if size > REQUEST_MAX { Err(ProtocolError::Size) } else { Ok((is_key, size)) }
}

/// The values of a request; a bad one is like a good one without hits.
fn values(
    document: &Document,
    request: &str,
    is_key: bool,
    log: &mut dyn FnMut(&str),
) -> Vec<String> {
    let found = if is_key { document.key(request) } else { document.query(request) };
    found.unwrap_or_else(|error| {
        log(&format!("Error parsing remote request \"{request}\": {error}"));
        Vec::new()
    })
}

fn answer(values: &[String]) -> Vec<u8> {
    let mut answer = Vec::new();
    for value in values {
        if value.is_empty() {
            answer.push(EMPTY);
        }
        answer.extend_from_slice(value.as_bytes());
        answer.push(SEPARATOR);
    }
    if !values.is_empty() {
        answer.push(COMPLETE);
    }
    answer
}

/// The other side.
pub struct Client<S: Read + Write> {
    stream: S,
}

impl<S: Read + Write> Client<S> {
    /// A client on a stream that is connected.
    pub fn new(stream: S) -> Self {
        Self { stream }
    }

    /// Asks for the values of a node path, or of a key; `log` hears each message.
    pub fn values(
        &mut self,
        request: &str,
        is_key: bool,
        log: &mut dyn FnMut(&str),
    ) -> Result<Vec<String>, ProtocolError> {
        if request.len() > REQUEST_MAX {
            return Err(ProtocolError::Size);
        }
        let head = format!("{} {:06}", u8::from(is_key), request.len());
        log(&format!("Sending pre-request: {head}"));
        self.stream.write_all(head.as_bytes())?;
        let mut wanted = [0];
        self.stream.read_exact(&mut wanted)?;
        if wanted[0] != REQUEST_WANTED {
            return Err(ProtocolError::Acknowledge);
        }
        log(&format!("Sending request: {request}"));
        self.stream.write_all(request.as_bytes())?;
        let (count, size) = self.sizes()?;
        self.stream.write_all(&[SIZES_RECEIVED])?;
        log(&format!("Receiving {count} results..."));
        let mut answer = vec![0; size];
        self.stream.read_exact(&mut answer)?;
        strings(&answer, count)
    }

    /// Says that nothing more will be asked.
    pub fn end(mut self) -> Result<(), ProtocolError> {
        Ok(self.stream.write_all(&[END])?)
    }

    /// `COUNT,SIZE` has no end of its own: it is what the server sends at once.
    fn sizes(&mut self) -> Result<(usize, usize), ProtocolError> {
        let mut text = [0; 64];
        let length = self.stream.read(&mut text)?;
        let text = std::str::from_utf8(&text[..length]).map_err(|_| ProtocolError::Sizes)?;
        let (count, size) = text.split_once(',').ok_or(ProtocolError::Sizes)?;
        let number = |text: &str| text.trim().parse().map_err(|_| ProtocolError::Sizes);
        let (count, size): (usize, usize) = (number(count)?, number(size)?);
        if count > size || size > ANSWER_MAX {
            return Err(ProtocolError::Sizes);
        }
        Ok((count, size))
    }
}

fn strings(answer: &[u8], count: usize) -> Result<Vec<String>, ProtocolError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut parts: Vec<&[u8]> = answer.split(|byte| *byte == SEPARATOR).collect();
    if parts.len() != count + 1 || parts.pop() != Some(&[COMPLETE]) {
        return Err(ProtocolError::Termination);
    }
    let string = |part: &[u8]| match part {
        [EMPTY] => String::new(),
        part => String::from_utf8_lossy(part).into_owned(),
    };
    Ok(parts.into_iter().map(string).collect())
}
