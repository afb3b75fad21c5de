//! http.rs - HTTP/1.1 without the socket: responses as written, and what both sides share.
//!
//! In `http/`: `request` (heads as read), `body` (where a request's body ends).
//!
//! Not here: sockets, and what any path stands for.

pub mod body;
pub mod request;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

pub use request::{HEAD_LIMIT, Parsed, Request};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// An open file that several answers may be sent from.
#[derive(Debug, Clone)]
pub struct SharedFile(Arc<File>);

impl SharedFile {
    /// Of a file that never changes.
    pub fn new(file: File) -> Self {
        Self(Arc::new(file))
    }

    /// Puts a part behind `bytes`.  False, and `bytes` as before: it was not whole.
    pub fn append_to(&self, bytes: &mut Vec<u8>, offset: u64, length: u64) -> bool {
        let start = bytes.len();
        bytes.resize(start + length as usize, 0);
        let whole = self.0.read_exact_at(&mut bytes[start..], offset).is_ok();
        if !whole {
            bytes.truncate(start);
        }
        whole
    }
}

impl AsFd for SharedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What follows the head of a response.
#[derive(Debug)]
pub enum Body {
    /// Nothing, and no length is announced (304).
    Absent,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A part of an open file.
    File {
        /// The file, kept open until the last byte went.
        file: SharedFile,
        /// Where the part starts.
        offset: u64,
        /// How long it is.
        length: u64,
    },
}

/// One answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers of this answer; those every answer has are added by [`Response::head`].
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
    /// What it counts as, where everybody who asks for the same path gets the same.
    pub lasting: Option<&'static str>,
}

impl Response {
    /// An answer with a body of its own.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type", content_type.to_string())];
        Self { status, headers, body: Body::Bytes(body.into()), lasting: None }
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Lets caches keep the answer for some seconds.
    pub fn cached(self, seconds: i64) -> Self {
        let expires = http_date(Timestamp::now().as_second().saturating_add(seconds));
        let control = format!("must-revalidate, no-transform, max-age={seconds}");
        let fresh = self.with("Cache-Control", control);
        if fresh.status == 304 { fresh } else { fresh.with("Expires", expires) }
    }

    /// How long the body is.
    pub fn length(&self) -> u64 {
        match &self.body {
            Body::Absent => 0,
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File { length, .. } => *length,
        }
    }

    /// The status line and headers, ready to send.
    pub fn head(&self, keep_alive: bool) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let mut line = |name: &str, value: &str| {
            // A line break inside a value would start a header of the sender's choice.
            let value = value.replace(['\r', '\n'], " ");
            text.push_str(&format!("{name}: {value}\r\n"));
        };
        for (name, value) in &self.headers {
            line(name, value);
        }
        line("Server", "pkg.depotd");
        line("Date", &http_date(Timestamp::now().as_second()));
        line("X-Frame-Options", "SAMEORIGIN");
        line("X-XSS-Protection", "1; mode=block");
        // A page has a stricter one of its own.
        if !self.headers.iter().any(|(name, _)| *name == "Content-Security-Policy") {
            line("Content-Security-Policy", "default-src 'self';");
        }
        if !matches!(self.body, Body::Absent) {
            line("Content-Length", &self.length().to_string());
        }
        line("Connection", if keep_alive { "keep-alive" } else { "close" });
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// The page of an error: `<h2>` holds code and reason, `<p>` the message that clients extract.
pub fn error(status: u16, message: &str) -> Response {
    let reason = reason(status);
    let mut safe = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            other => safe.push(other),
        }
    }
    let page = format!(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
         \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
         <html>\n<head>\n\
         <meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></meta>\n\
         <title>{status} {reason}</title>\n</head>\n<body>\n\
         <h2>{status} {reason}</h2>\n<p>{safe}</p>\n</body>\n</html>\n"
    );
    Response::new(status, "text/html", page)
}

/// A time as HTTP writes it.
pub fn http_date(seconds: i64) -> String {
    let stamp = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    // Only years before 0 or after 9999 have no such form.
    DateTimePrinter::new().timestamp_to_rfc9110_string(&stamp).unwrap_or_default()
}

/// The bytes a `Range` header asks for: first and length.  `None`: send the whole; `Some(Err)`:
/// nothing of it lies in the file.  Several ranges are answered with the whole.
pub fn range(header: Option<&str>, size: u64) -> Option<Result<(u64, u64), ()>> {
    let spec = header?.trim().strip_prefix("bytes=")?;
    let (first, last) = spec.split_once('-')?;
    if spec.contains(',') {
        return None;
    }
    let (first, last) = match (first.trim(), last.trim()) {
        ("", suffix) => {
            let suffix: u64 = suffix.parse().ok()?;
            if suffix == 0 {
                return Some(Err(()));
            }
            (size.saturating_sub(suffix), size.saturating_sub(1))
        }
        (first, "") => (first.parse().ok()?, size.saturating_sub(1)),
        (first, last) => (first.parse().ok()?, last.parse::<u64>().ok()?.min(size.max(1) - 1)),
    };
    if first >= size || last < first {
        return Some(Err(()));
    }
    Some(Ok((first, last - first + 1)))
}

/// The reason phrase of a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Request Entity Too Large",
        416 => "Requested Range Not Satisfiable",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        507 => "Insufficient Storage",
        _ => "Internal Server Error",
    }
}

/// Undoes percent-encoding; bytes that make no UTF-8 are replaced.
pub fn decode(text: &str) -> String {
    decode_but(text, None)
}

/// Undoes percent-encoding except that of one byte, which stays in upper case.
pub fn decode_but(text: &str, kept: Option<u8>) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let value = digits.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match value {
            Some(value) if bytes[at] == b'%' && Some(value) != kept => {
                out.push(value);
                at += 3;
            }
            Some(value) if bytes[at] == b'%' => {
                out.extend_from_slice(format!("%{value:02X}").as_bytes());
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, size, expected) in [
            ("bytes=0-99", 2787, Some(Ok((0, 100)))),
            ("bytes=5-", 10, Some(Ok((5, 5)))),
            ("bytes=-3", 10, Some(Ok((7, 3)))),
            ("bytes=5-500", 10, Some(Ok((5, 5)))),
            ("bytes=10-", 10, Some(Err(()))),
            ("bytes=-0", 10, Some(Err(()))),
            ("bytes=0-0", 0, Some(Err(()))),
            ("bytes=1-2,4-5", 10, None),
            ("lines=1-2", 10, None),
        ] {
            assert_eq!(range(Some(header), size), expected, "{header}");
        }
    }

    #[test]
    fn escapes() {
        for (text, whole, kept) in
            [("a%2fb%2C", "a/b,", "a%2Fb,"), ("100%", "100%", "100%"), ("%zz%41", "%zzA", "%zzA")]
        {
            assert_eq!(decode(text), whole);
            assert_eq!(decode_but(text, Some(b'/')), kept);
        }
    }

    #[test]
    fn messages_cannot_break_out_of_the_page_or_the_head() {
        let response = error(404, "<script>&").with("Location", "a\r\nX: y");
        let Body::Bytes(body) = &response.body else { panic!() };
        assert!(String::from_utf8_lossy(body).contains("<p>&lt;script&gt;&amp;</p>"));
        assert!(!String::from_utf8(response.head(true)).unwrap().contains("\r\nX: y"));
    }

    #[test]
    fn dates() {
        assert_eq!(http_date(1_795_316_630), "Sun, 22 Nov 2026 03:03:50 GMT");
    }
}
