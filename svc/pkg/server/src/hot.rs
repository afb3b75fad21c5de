//! hot.rs - answers that were given a moment ago, ready to be given again.
//!
//! A payload or manifest never changes under its name, and most clients ask for it in the same
//! plain way.  Such an answer is kept whole, head and all, from the second time on that it is given
//! until the second that its `Date` names is over (who installs or receives asks for each payload
//! once); then everything is forgotten, so what is removed from the repository is gone within a
//! second, and no descriptor stays open for longer.  Larger files are kept open and sent from
//! there.
//!
//! Each worker has one of its own.  A refresh of the depot empties it.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::http::{Body, HEAD_LIMIT, Request, Response, SharedFile};

/// The largest body that is kept in memory; beyond it sending from the file costs less.
const SMALL: u64 = 64 * 1024;
/// How much is kept in memory, and how many answers.
const BYTES: usize = 6 << 20;
const ANSWERS: usize = 1_024;
/// How many paths are remembered that were asked for once.
const ONCE: usize = 16 * 1_024;

/// An answer that is ready.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The head, and a small body.
    pub bytes: Arc<[u8]>,
    /// A large body.
    pub file: Option<(SharedFile, u64)>,
    /// What it is counted as.
    pub operation: &'static str,
}

/// What a worker keeps.
#[derive(Debug, Default)]
pub struct Hot {
    second: u64,
    generation: u64,
    bytes: usize,
    answers: HashMap<Box<[u8]>, Ready>,
    /// What was asked for once, as hashes: one taken for another is only kept early.
    once: HashSet<u64>,
    hasher: RandomState,
}

impl Hot {
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Forgets what is of another second or of an older view of the repository.
    pub fn turn(&mut self, generation: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if now != self.second || generation != self.generation {
            self.answers.clear();
            self.once.clear();
            (self.second, self.generation, self.bytes) = (now, generation, 0);
        }
    }

    /// The answer to the request at the start of `bytes`, and how long the request is.
    pub fn find(&mut self, bytes: &[u8], generation: u64) -> Option<(Ready, usize)> {
        if self.answers.is_empty() {
            return None;
        }
        let (target, length) = plain_get(bytes)?;
        self.turn(generation);
        Some((self.answers.get(target)?.clone(), length))
    }

    /// Keeps an answer, if it is one that lasts and was given before.
    pub fn keep(&mut self, request: &Request, response: &Response, generation: u64) {
        let Some(operation) = response.lasting else { return };
        let plain = request.method == "GET" && request.query.is_empty() && response.status == 200;
        let Body::File { file, offset: 0, length } = &response.body else { return };
        if !plain {
            return;
        }
        self.turn(generation);
        let path = self.hasher.hash_one(&request.path);
        if !self.once.contains(&path) {
            if self.once.len() < ONCE {
                self.once.insert(path);
            }
            return;
        }
        let small = *length <= SMALL;
        let room = if small { *length as usize } else { 0 };
        if self.answers.len() >= ANSWERS || self.bytes + room > BYTES {
            return;
        }
        let mut bytes = response.head(true);
        if small && !file.append_to(&mut bytes, 0, *length) {
            return;
        }
        self.bytes += bytes.len();
        let file = (!small).then(|| (file.clone(), *length));
        let ready = Ready { bytes: bytes.into(), file, operation };
        self.answers.insert(request.path.as_bytes().into(), ready);
    }
}

/// The target of a request that asks for nothing but it: `GET`, no body, no condition, no range,
/// and the connection goes on.  Anything else takes the long way.
fn plain_get(bytes: &[u8]) -> Option<(&[u8], usize)> {
    if !bytes.starts_with(b"GET /") {
        return None;
    }
    let mut headers = [httparse::EMPTY_HEADER; 24];
    let mut head = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = head.parse(bytes) else { return None };
    if head.version != Some(1) || length > HEAD_LIMIT {
        return None;
    }
    let mut hosts = 0;
    for header in head.headers.iter() {
        match header.name.len() {
            4 if header.name.eq_ignore_ascii_case("host") => hosts += 1,
            5 if header.name.eq_ignore_ascii_case("range") => return None,
            6 if header.name.eq_ignore_ascii_case("expect") => return None,
            10 if header.name.eq_ignore_ascii_case("connection")
                && !header.value.eq_ignore_ascii_case(b"keep-alive") =>
            {
                return None;
            }
            14 if header.name.eq_ignore_ascii_case("content-length") => return None,
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => return None,
            17 if header.name.eq_ignore_ascii_case("if-modified-since") => return None,
            _ => {}
        }
    }
    let target = head.path?.as_bytes();
    (hosts == 1).then_some((target, length))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::http::Parsed;

    #[test]
    fn only_the_plainest_requests_are_plain() {
        for (head, plain) in [
            ("GET /a HTTP/1.1\r\nHost: h\r\n\r\n", true),
            ("GET /a HTTP/1.1\r\nHost: h\r\nUser-Agent: x\r\nConnection: Keep-Alive\r\n\r\n", true),
            ("GET /a HTTP/1.0\r\nHost: h\r\n\r\n", false),
            ("GET /a HTTP/1.1\r\n\r\n", false),
            ("GET /a HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", false),
            ("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n", false),
            ("GET /a HTTP/1.1\r\nHost: h\r\nconnection: close\r\n\r\n", false),
            ("GET /a HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n", false),
            ("GET /a HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: x\r\n\r\n", false),
            ("GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", false),
            ("GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("GET /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", false),
            ("GET /a HTTP/1.1\r\nHost: h\r\n", false),
        ] {
            assert_eq!(plain_get(head.as_bytes()).is_some(), plain, "{head}");
        }
    }

    #[test]
    fn an_answer_is_found_again_until_the_view_changes() {
        let head = b"GET /file/1/a HTTP/1.1\r\nHost: h\r\n\r\n";
        let Parsed::Whole(request, length) = Request::parse(head) else { panic!() };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        let file = SharedFile::new(file);
        let mut response = Response::new(200, "x", "");
        response.body = Body::File { file, offset: 0, length: 7 };
        let mut hot = Hot::default();
        hot.keep(&request, &response, 1);
        hot.keep(&request, &response, 1);
        assert!(hot.find(head, 1).is_none(), "not everything lasts");
        response.lasting = Some("file");
        hot.keep(&request, &response, 1);
        assert!(hot.find(head, 1).is_none(), "not at the first time");
        // The second may end in between; then it is kept again.
        let found = (0..10).find_map(|_| {
            hot.keep(&request, &response, 1);
            hot.keep(&request, &response, 1);
            hot.find(head, 1)
        });
        let (ready, used) = found.unwrap();
        assert_eq!(used, length);
        assert!(ready.bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert!(ready.bytes.ends_with(b"\r\n\r\ncontent"));
        assert!(hot.find(head, 2).is_none());
    }
}
