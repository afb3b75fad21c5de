//! Requests to the depot: any bytes, cut anywhere.  However they arrive, heads and bodies end in
//! the same places; a path decoded is safe to show; nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pkg_server::http::body::{BodyReader, Found};
use pkg_server::http::request::Framing;
use pkg_server::http::{self, Parsed, Request};

/// What a connection would make of the bytes: methods, paths and bodies, and how it ended.
fn read(bytes: &[u8], piece: usize) -> (Vec<(String, String, Vec<u8>)>, &'static str) {
    let mut requests = Vec::new();
    let (mut at, mut end) = (0, piece.min(bytes.len()));
    loop {
        let (request, length) = match Request::parse(&bytes[at..end]) {
            Parsed::Whole(request, length) => (request, length),
            Parsed::Refused(status, _) => {
                assert!((400..=501).contains(&status));
                return (requests, "refused");
            }
            Parsed::Partial if end == bytes.len() => return (requests, "partial"),
            Parsed::Partial => {
                end = (end + piece).min(bytes.len());
                continue;
            }
        };
        at += length;
        let mut body = Vec::new();
        let mut reader = BodyReader::new(request.framing);
        while !reader.is_over() {
            match reader.next(&bytes[at..end]) {
                Ok(Found::Content(content, used)) => {
                    assert!(used >= content.len() && !content.is_empty());
                    body.extend_from_slice(content);
                    at += used;
                }
                Ok(Found::End(used)) => at += used,
                Ok(Found::More) if end == bytes.len() => return (requests, "cut"),
                Ok(Found::More) => {
                    at = end;
                    end = (end + piece).min(bytes.len());
                }
                Err(_) => return (requests, "malformed"),
            }
        }
        if let Framing::Length(length) = request.framing {
            assert_eq!(body.len() as u64, length);
        }
        check(&request);
        requests.push((request.method.clone(), request.path.clone(), body));
        if at == bytes.len() {
            return (requests, "end");
        }
    }
}

fn check(request: &Request) {
    let path = http::decode(&request.path);
    let shown = http::error(404, &path);
    let head = String::from_utf8(shown.head(true)).unwrap();
    assert_eq!(head.matches("\r\n\r\n").count(), 1);
    if let http::Body::Bytes(body) = &shown.body {
        let page = String::from_utf8_lossy(body);
        let message = page.split("<p>").nth(1).unwrap().split("</p>").next().unwrap();
        assert!(!message.contains('<') || message.is_empty());
    }
    let _kept = http::decode_but(&request.path, Some(b'/'));
    for size in [0, 1, 100, u64::MAX] {
        if let Some(Ok((offset, length))) = http::range(request.header("range"), size) {
            assert!(length > 0 && offset.checked_add(length).unwrap() <= size);
        }
    }
    for (_, value) in request.headers() {
        let _list = pkg_server::literal::list(value);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, usize::MAX);
    for piece in [1, 2, 7, 64] {
        let parts = read(bytes, piece);
        // A head that is refused may be refused before all of it has come.
        assert_eq!(parts.0, whole.0, "pieces of {piece}: {parts:?} {whole:?}");
        assert_eq!(parts.1, whole.1, "pieces of {piece}");
    }
});
