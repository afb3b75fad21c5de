//! volley.rs - many files asked of a depot at once.
//!
//! A client may ask again before it is answered (RFC 9112, 9.3.2): the requests go out in one
//! piece, and the answers come in their order.  Most payloads are smaller than what asking for one
//! costs, on both sides and on the way.
//!
//! Law: only what is plain counts: status 200 and a length, in the clear, from the depot itself.
//! Whatever else comes, or stays away, ends the volley, and the caller asks for the rest one by
//! one (transport.rs), which knows certificates, proxies, redirections and patience.  A depot that
//! answers a fresh connection but once is not asked this way again.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::Uri;

use crate::transport::AGENT;
use crate::transport::pace::Pace;

/// How much is read at once.
const ROOM: usize = 256 * 1024;
/// The longest head.
const HEAD: usize = 16 * 1024;
/// Room that has grown beyond this is not kept.
const KEPT: usize = 4 << 20;
/// No depot thinks for so long about a file; one that does is asked the other way, which waits.
const SILENCE: Duration = Duration::from_secs(20);

/// A depot that may be asked so, and the connections to it that rest.
#[derive(Debug)]
pub(crate) struct Volley {
    /// What `Host` says.
    authority: String,
    /// Where to connect to.
    host: String,
    port: u16,
    /// Of all paths the beginning, with a slash at its end.
    base: String,
    connect: Option<Duration>,
    silence: Duration,
    resting: Mutex<Vec<Connection>>,
    barren: AtomicBool,
}

/// What a connection has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Brought {
    count: usize,
    /// Whether more may be asked of it.
    is_open: bool,
}

impl Volley {
    /// The depot at a base URI; none if it is not to be asked this way.
    pub(crate) fn of(
        base: &str,
        connect: Option<Duration>,
        stall: Option<Duration>,
    ) -> Option<Self> {
        let uri: Uri = base.parse().ok()?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"))?;
        // Who has a password shows it in a header.
        if authority.as_str().contains('@') || uri.query().is_some() {
            return None;
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some(Self {
            authority: authority.to_string(),
            host: host.to_string(),
            port: authority.port_u16().unwrap_or(80),
            base: uri.path().to_string(),
            connect,
            silence: stall.unwrap_or(SILENCE).min(SILENCE),
            resting: Mutex::default(),
            barren: AtomicBool::new(false),
        })
    }

    /// Asks for files by their paths below the base and hands what comes to `take`, in order; how
    /// many came.
    pub(crate) fn ask<E>(
        &self,
        paths: &[String],
        mut take: impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut came = 0;
        while paths.len() - came > 1 && !self.barren.load(Ordering::Relaxed) {
            let rested = self.resting().pop();
            let is_fresh = rested.is_none();
            let Some(mut connection) = rested.or_else(|| self.connect().ok()) else { break };
            let asked = &paths[came..];
            let brought = connection.ask(&self.requests(asked), asked.len(), |number, body| {
                take(came + number, body)
            })?;
            came += brought.count;
            if brought.is_open {
                connection.rest();
                self.resting().push(connection);
            } else if is_fresh && brought.count < 2 {
                self.barren.store(true, Ordering::Relaxed);
            }
        }
        Ok(came)
    }

    fn resting(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self, paths: &[String]) -> Vec<u8> {
        let mut text = String::new();
        for path in paths {
            let (base, authority) = (&self.base, &self.authority);
            text.push_str(&format!(
                "GET {base}{path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {AGENT}\r\n\r\n"
            ));
        }
        text.into_bytes()
    }

    fn connect(&self) -> io::Result<Connection> {
        let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            let connected = match self.connect {
                Some(limit) => TcpStream::connect_timeout(&address, limit),
                None => TcpStream::connect(address),
            };
            match connected {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(self.silence))?;
                    stream.set_write_timeout(Some(self.silence))?;
                    let pace = Pace::new(Some(self.silence), Instant::now());
                    return Ok(Connection { stream, pace, room: vec![0; ROOM], begin: 0, end: 0 });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// A connection, and what has come by it: `room[begin..end]`.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    pace: Pace,
    room: Vec<u8>,
    begin: usize,
    end: usize,
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    length: usize,
    /// There is no answer after this one.
    closes: bool,
}

impl Connection {
    fn ask<E>(
        &mut self,
        requests: &[u8],
        count: usize,
        mut take: impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<Brought, E> {
        let mut brought = Brought { count: 0, is_open: false };
        if self.stream.write_all(requests).is_err() {
            return Ok(brought);
        }
        self.pace = self.pace.again(Instant::now());
        while brought.count < count {
            let Ok(head) = self.head() else { return Ok(brought) };
            let Ok(body) = self.body(head.length) else { return Ok(brought) };
            take(brought.count, body)?;
            self.begin += head.length;
            brought.count += 1;
            if head.closes {
                return Ok(brought);
            }
        }
        // What nobody has asked for would be taken for the next answer.
        brought.is_open = self.begin == self.end;
        Ok(brought)
    }

    fn head(&mut self) -> io::Result<Head> {
        loop {
            if let Some((head, length)) = plain(&self.room[self.begin..self.end])? {
                self.begin += length;
                return Ok(head);
            }
            if self.end - self.begin >= HEAD {
                return Err(ErrorKind::InvalidData.into());
            }
            self.fill(HEAD)?;
        }
    }

    fn body(&mut self, length: usize) -> io::Result<&[u8]> {
        while self.end - self.begin < length {
            self.fill(length)?;
        }
        Ok(&self.room[self.begin..self.begin + length])
    }

    /// Reads on, as so many bytes are needed from `begin` on.  The room grows with what has come,
    /// not with what is announced.
    fn fill(&mut self, needed: usize) -> io::Result<()> {
        if self.room.len() - self.begin < needed.min(ROOM) || self.end == self.room.len() {
            self.room.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        if self.end == self.room.len() {
            self.room.resize(needed.min(2 * self.end), 0);
        }
        loop {
            match self.stream.read(&mut self.room[self.end..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.end += count;
                    return self.pace.came(count, Instant::now());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Nothing is awaited any more.
    fn rest(&mut self) {
        (self.begin, self.end) = (0, 0);
        if self.room.len() > KEPT {
            self.room.truncate(ROOM);
            self.room.shrink_to_fit();
        }
    }
}

/// The head at the start of `bytes` and how long it is; none: there has to come more of it.
fn plain(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let odd = || io::Error::from(ErrorKind::InvalidData);
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut headers);
    let size = match response.parse(bytes).map_err(|_| odd())? {
        httparse::Status::Complete(size) => size,
        httparse::Status::Partial => return Ok(None),
    };
    if (response.version, response.code) != (Some(1), Some(200)) {
        return Err(odd());
    }
    let (mut length, mut closes) = (None, false);
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(|_| odd())?.trim();
        match header.name {
            name if name.eq_ignore_ascii_case("content-length") => {
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                if length.is_some() || !digits {
                    return Err(odd());
                }
                length = Some(value.parse().map_err(|_| odd())?);
            }
            name if name.eq_ignore_ascii_case("transfer-encoding")
                || name.eq_ignore_ascii_case("content-encoding") =>
            {
                return Err(odd());
            }
            name if name.eq_ignore_ascii_case("connection") => {
                closes |= !value.eq_ignore_ascii_case("keep-alive");
            }
            _ => {}
        }
    }
    Ok(Some((Head { length: length.ok_or_else(odd)?, closes }, size)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A depot that has a script for each connection: what it says when one whole request after
    /// another has come, then it hangs up.  Gives how many connections it took.
    fn depot(scripts: Vec<Vec<Vec<u8>>>) -> (String, thread::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/below/", listener.local_addr().unwrap());
        let serve = move || {
            let mut taken = 0;
            for script in scripts {
                let (mut stream, _) = listener.accept().unwrap();
                taken += 1;
                let mut came = Vec::new();
                for answer in script {
                    let end = loop {
                        if let Some(at) = came.windows(4).position(|four| four == b"\r\n\r\n") {
                            break at + 4;
                        }
                        let mut some = [0; 1000];
                        match stream.read(&mut some).unwrap() {
                            0 => return taken,
                            count => came.extend_from_slice(&some[..count]),
                        }
                    };
                    assert!(came.starts_with(b"GET /below/p/file/1/"));
                    came.drain(..end);
                    if stream.write_all(&answer).is_err() {
                        break;
                    }
                }
            }
            taken
        };
        (base, thread::spawn(serve))
    }

    fn answer(head: &str, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        [format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\n\r\n").as_bytes(), body]
            .concat()
    }

    /// What three files become when the depot answers so: their lengths, whether it is asked so
    /// again, and the connections it took.
    fn asked(scripts: Vec<Vec<Vec<u8>>>) -> (Vec<usize>, bool, usize) {
        let (base, depot) = depot(scripts);
        let volley = Volley::of(&base, None, None).unwrap();
        let paths: Vec<String> = (0..3).map(|number| format!("p/file/1/{number}")).collect();
        let mut lengths = Vec::new();
        let came = volley.ask(&paths, |number, body| {
            assert_eq!(number, lengths.len());
            assert!(body.iter().all(|byte| *byte == b'0' + number as u8));
            lengths.push(body.len());
            Ok::<(), ()>(())
        });
        assert_eq!(came, Ok(lengths.len()));
        let barren = volley.barren.load(Ordering::Relaxed);
        drop(volley);
        (lengths, barren, depot.join().unwrap())
    }

    #[test]
    fn what_comes_plainly_is_taken() {
        let body = |number: u8, length: usize| answer("", &vec![b'0' + number; length]);
        let last = |number: u8| answer("Connection: close\r\n", &[b'0' + number; 4]);
        let absent = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
        let long = 3 * ROOM + 17;
        for (what, script, lengths, barren) in [
            ("all", vec![body(0, 5), body(1, 0), body(2, long)], vec![5, 0, long], false),
            ("long", vec![body(0, long), body(1, long), body(2, 1)], vec![long, long, 1], false),
            ("one left is not worth it", vec![body(0, 1), last(1)], vec![1, 4], false),
            ("one each", vec![last(0)], vec![4], true),
            ("absent", vec![body(0, 1), body(1, 1), absent], vec![1, 1], false),
        ] {
            assert_eq!(asked(vec![script]), (lengths, barren, 1), "{what}");
        }
    }

    #[test]
    fn what_is_odd_is_left_to_others() {
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(2 * HEAD));
        for head in [
            "",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n0",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n0",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n0",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n0",
            "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n0",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0000",
            "HTTP/1.1 200 OK\r\n\r\n0",
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n0",
            "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1\r\n\r\n0",
            &endless,
            &endless[17..],
        ] {
            let script = vec![head.as_bytes().to_vec()];
            assert_eq!(asked(vec![script]), (vec![], true, 1), "{head}");
        }
    }

    #[test]
    fn a_connection_is_used_again_and_one_that_is_gone_is_replaced() {
        let say = |number: u8| answer("", &[b'0' + number]);
        let both = || [say(0), say(1), say(0), say(1)].to_vec();
        let (base, depot) = depot(vec![both(), both()]);
        let volley = Volley::of(&base, None, None).unwrap();
        let paths = ["p/file/1/0".to_string(), "p/file/1/1".to_string()];
        for _ in 0..3 {
            assert_eq!(volley.ask(&paths, |_, _| Ok::<(), ()>(())), Ok(2));
        }
        assert!(!volley.barren.load(Ordering::Relaxed));
        assert_eq!(
            volley.ask(&paths, |number, _| if number == 1 { Err(()) } else { Ok(()) }),
            Err(())
        );
        drop(volley);
        assert_eq!(depot.join().unwrap(), 2);
    }

    #[test]
    fn bytes_that_nobody_asked_for_end_the_connection() {
        let say = |number: u8| answer("", &[b'0' + number]);
        let more = [say(1), b"HTTP/1.1 200 OK\r\n".to_vec()].concat();
        let (base, depot) = depot(vec![vec![say(0), more, say(0)]]);
        let volley = Volley::of(&base, None, None).unwrap();
        let paths = ["p/file/1/0".to_string(), "p/file/1/1".to_string()];
        assert_eq!(volley.ask(&paths, |_, _| Ok::<(), ()>(())), Ok(2));
        assert!(volley.resting().iter().all(|connection| connection.begin == connection.end));
        drop(volley);
        assert_eq!(depot.join().unwrap(), 1);
    }

    #[test]
    fn who_may_be_asked_so() {
        for (base, host) in [
            ("http://h/", Some(("h", 80, "/"))),
            ("http://h:8001/a/", Some(("h", 8001, "/a/"))),
            ("http://[::1]:8001/", Some(("::1", 8001, "/"))),
            ("https://h/", None),
            ("http://u:p@h/", None),
            ("http://h/?a=/", None),
        ] {
            let volley = Volley::of(base, None, None);
            let found = volley.as_ref().map(|one| (one.host.as_str(), one.port, one.base.as_str()));
            assert_eq!(found, host, "{base}");
        }
    }
}
