//! request.rs - a request's head, as it was sent.
//!
//! The path stays as it came: `%2F` inside a package name is no separator, so decoding is left to
//! who knows what a component means.
//!
//! Invariant: where a body ends has one reading.  A head that gives it two (both ways of saying
//! it, one of them twice, a number that is none) is refused and ends the connection: a proxy in
//! front may have read it otherwise, and the rest may be another client's words.

/// The most a request's head may take.
pub const HEAD_LIMIT: usize = 32 * 1024;
/// The most headers a request may have; a manifest's action has an attribute in each.
const HEADERS: usize = 256;

/// How the end of a request's body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes; 0: there is none.
    Length(u64),
    /// It is sent in chunks, the last of them empty.
    Chunked,
}

/// One request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`, ...
    pub method: String,
    /// The path as sent, still encoded, without query.
    pub path: String,
    /// What follows the first `?`, still encoded; empty where there is none.
    pub query: String,
    /// Whether the connection may carry another request afterwards.
    pub keep_alive: bool,
    /// What follows the head.
    pub framing: Framing,
    /// Whether the client waits to be told that its body is wanted.
    pub expects_continue: bool,
    /// Whether the version is 1.1 (1.0 gets no keep-alive unless asked).
    pub version_1_1: bool,
    headers: Vec<(String, String)>,
}

/// What a buffer of received bytes holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Not a whole head yet.
    Partial,
    /// A head and how many bytes it took.
    Whole(Box<Request>, usize),
    /// No HTTP, or more than is accepted; the connection ends with this answer.
    Refused(u16, &'static str),
}

impl Request {
    /// Reads one head from the start of a buffer.
    pub fn parse(buffer: &[u8]) -> Parsed {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let length = match head.parse(buffer) {
            Ok(httparse::Status::Complete(length)) if length <= HEAD_LIMIT => length,
            Ok(httparse::Status::Partial) if buffer.len() < HEAD_LIMIT => return Parsed::Partial,
            Ok(_) => return Parsed::Refused(431, "The request's head is too long."),
            Err(httparse::Error::TooManyHeaders) => {
                return Parsed::Refused(431, "The request has too many headers.");
            }
            Err(_) => return Parsed::Refused(400, "Malformed request."),
        };
        match Self::of(&head) {
            Ok(request) => Parsed::Whole(Box::new(request), length),
            Err((status, message)) => Parsed::Refused(status, message),
        }
    }

    fn of(head: &httparse::Request<'_, '_>) -> Result<Self, (u16, &'static str)> {
        let headers: Vec<(String, String)> =
            head.headers.iter().map(|h| (h.name.to_ascii_lowercase(), text(h.value))).collect();
        let (path, query) = split_target(head.path.unwrap_or("/"));
        let mut request = Self {
            method: head.method.unwrap_or_default().to_string(),
            path: path.to_string(),
            query: query.to_string(),
            keep_alive: false,
            framing: Framing::Length(0),
            expects_continue: false,
            version_1_1: head.version == Some(1),
            headers,
        };
        let hosts = request.all("host").count();
        if hosts > 1 || (hosts == 0 && request.version_1_1) {
            return Err((400, "HTTP/1.1 requires a 'Host' request header."));
        }
        let connection = request.header("connection").unwrap_or("").to_ascii_lowercase();
        let says = |word: &str| connection.split(',').any(|part| part.trim() == word);
        request.keep_alive = if request.version_1_1 { !says("close") } else { says("keep-alive") };
        request.framing = request.read_framing()?;
        match request.header("expect") {
            None => {}
            Some(text) if text.eq_ignore_ascii_case("100-continue") => {
                request.expects_continue = request.version_1_1;
            }
            Some(_) => return Err((417, "That expectation cannot be met.")),
        }
        Ok(request)
    }

    fn read_framing(&self) -> Result<Framing, (u16, &'static str)> {
        let mut codings = self.all("transfer-encoding");
        let mut lengths = self.all("content-length");
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(Framing::Length(0)),
            (Some(_), Some(_)) => Err((400, "The length of the body is given twice.")),
            (Some(coding), None) => {
                if codings.next().is_some() || !self.version_1_1 {
                    return Err((400, "Malformed Transfer-Encoding."));
                }
                if !coding.eq_ignore_ascii_case("chunked") {
                    return Err((501, "That Transfer-Encoding is not served."));
                }
                Ok(Framing::Chunked)
            }
            (None, Some(text)) => {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                match text.parse() {
                    Ok(length) if digits && lengths.next().is_none() => Ok(Framing::Length(length)),
                    _ => Err((400, "Malformed Content-Length.")),
                }
            }
        }
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Every header, names in lower case, in the order they came.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether the answer has no body.
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

/// A header's value: UTF-8, or what HTTP says bytes that are none mean.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim().to_string(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect::<String>().trim().to_string(),
    }
}

/// Path and query of a request target, without scheme and host.
fn split_target(target: &str) -> (&str, &str) {
    let path = match target.strip_prefix("http://").or_else(|| target.strip_prefix("https://")) {
        Some(rest) => rest.find('/').map_or("/", |start| &rest[start..]),
        None => target,
    };
    let path = path.split('#').next().unwrap_or(path);
    path.split_once('?').unwrap_or((path, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_whole_or_not_at_all() {
        let text = "GET http://h/a%2Fb/c?x=1 HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\n\r\nrest";
        let Parsed::Whole(request, length) = Request::parse(text.as_bytes()) else { panic!() };
        assert_eq!((request.path.as_str(), request.query.as_str()), ("/a%2Fb/c", "x=1"));
        assert_eq!(request.header("range"), Some("bytes=1-2"));
        assert_eq!(&text[length..], "rest");
        for end in 0..length {
            assert_eq!(Request::parse(&text.as_bytes()[..end]), Parsed::Partial, "{end}");
        }
    }

    #[test]
    fn keep_alive_follows_version_and_header() {
        for (version, header, keep) in [
            ("1.1", "Host: h\r\n", true),
            ("1.1", "Host: h\r\nConnection: close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
        ] {
            let text = format!("GET / HTTP/{version}\r\n{header}\r\n");
            let Parsed::Whole(request, _) = Request::parse(text.as_bytes()) else { panic!() };
            assert_eq!(request.keep_alive, keep, "{text}");
        }
    }

    #[test]
    fn a_body_is_framed_in_one_way() {
        for (headers, framing) in [
            ("", Framing::Length(0)),
            ("Content-Length: 99999999999\r\n", Framing::Length(99_999_999_999)),
            ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
        ] {
            let text = format!("POST / HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
            let Parsed::Whole(request, _) = Request::parse(text.as_bytes()) else { panic!() };
            assert_eq!(request.framing, framing, "{text}");
        }
    }

    #[test]
    fn what_is_no_http_is_refused() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(HEAD_LIMIT));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS + 1));
        let post = |headers: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        for (text, status) in [
            ("\x16\x03\x01\r\n\r\n".to_string(), 400),
            ("GET / HTTP/1.1\r\n\r\n".to_string(), 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_string(), 400),
            (post("Content-Length: -1\r\n"), 400),
            (post("Content-Length: +1\r\n"), 400),
            (post("Content-Length: 0x10\r\n"), 400),
            (post("Content-Length: 1, 1\r\n"), 400),
            (post("Content-Length: 99999999999999999999999\r\n"), 400),
            (post("Content-Length: 1\r\nContent-Length: 1\r\n"), 400),
            (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
            (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 400),
            (post("Transfer-Encoding: gzip, chunked\r\n"), 501),
            (post("Transfer-Encoding : chunked\r\n"), 400),
            (post("X: a\r\n Content-Length: 5\r\n"), 400),
            (post("Expect: the-unexpected\r\n"), 417),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_string(), 400),
            (long, 431),
            (many, 431),
        ] {
            let Parsed::Refused(found, _) = Request::parse(text.as_bytes()) else {
                panic!("{text:.80}");
            };
            assert_eq!(found, status, "{text:.80}");
        }
    }
}
