//! The socket's protocol, spoken byte by byte by a client of its own.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use image_manifest::Document;
use image_manifest::protocol::{self, Client, Peer, ProtocolError};

const TEXT: &str = r#"<distribution name="x"><a>one</a><a>"two" "three"</a><b/>
  <key_value_pairs><pair key="k" value="v"/></key_value_pairs></distribution>"#;

/// One end of a socket, for a server whose clients are quick.
struct End(UnixStream);

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Peer for End {
    fn idle(&mut self) -> io::Result<()> {
        self.0.set_read_timeout(None)
    }

    fn busy(&mut self) -> io::Result<()> {
        self.0.set_read_timeout(Some(Duration::from_millis(50)))
    }
}

/// Serves one client; gives back what it said and how the server ended.
fn with_client<T>(
    client: impl FnOnce(UnixStream) -> T,
) -> (T, Result<(), ProtocolError>, Vec<String>) {
    let document = Document::parse(TEXT).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let server = scope.spawn(move || {
            let mut lines = Vec::new();
            let mut log = |line: &str| lines.push(line.to_owned());
            let ended = protocol::serve(&mut End(theirs), &document, &mut log);
            (ended, lines)
        });
        let said = client(ours);
        let (ended, lines) = server.join().unwrap();
        (said, ended, lines)
    })
}

fn expect(stream: &mut UnixStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, bytes);
}

#[test]
fn a_conversation_byte_by_byte() {
    let (_, ended, lines) = with_client(|mut stream| {
        for (head, request, sizes, answer) in [
            ("0 000001", "a", "3,15", &b"one\0two\0three\0\x02"[..]),
            ("0 000001", "b", "1,3", b"\x03\0\x02"),
            ("1 000001", "k", "1,3", b"v\0\x02"),
            ("0      4", "none", "0,0", b""),
            ("0 000002", "/a", "0,0", b""),
            ("0 000000", "", "1,3", b"\x03\0\x02"),
        ] {
            stream.write_all(head.as_bytes()).unwrap();
            expect(&mut stream, b"\x01");
            stream.write_all(request.as_bytes()).unwrap();
            expect(&mut stream, sizes.as_bytes());
            stream.write_all(b"\x04").unwrap();
            expect(&mut stream, answer);
        }
        stream.write_all(b"\x05").unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    });
    assert!(ended.is_ok(), "{ended:?}");
    let told = [
        "Prerequest received: key is False and size = 1",
        "Received Request: a",
        "Prerequest received: key is True and size = 1",
        "Error parsing remote request \"/a\": Error parsing nodepath: Path cannot start with a /",
        "termination requested",
    ];
    for line in told {
        assert!(lines.iter().any(|l| l == line), "{line} in {lines:?}");
    }
}

#[test]
fn what_is_out_of_order_ends_the_connection() {
    for (bytes, expected) in [
        (&b"2 000001"[..], "ManifestServ Prerequest Protocol Error:key"),
        (b"\x04       ", "ManifestServ Prerequest Protocol Error:key"),
        (b"0 00000x", "ManifestServ Prerequest Protocol Error:size"),
        (b"0 -00001", "ManifestServ Prerequest Protocol Error:size"),
        (b"0 \xff\xff\xff\xff\xff\xff", "ManifestServ Prerequest Protocol Error:size"),
        (b"0 999999", "ManifestServ Prerequest Protocol Error:size"),
        (b"0 000001a\x05", "ManifestServ Protocol Error"),
    ] {
        let (_, ended, _) = with_client(|mut stream| {
            stream.write_all(bytes).unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
        });
        assert_eq!(ended.unwrap_err().to_string(), expected, "{bytes:?}");
    }
}

#[test]
fn a_client_that_stops_inside_a_message_is_not_waited_for() {
    for bytes in [&b"0"[..], b"0 00000", b"0 000009abc", b"0 000001a"] {
        let (_, ended, _) = with_client(|mut stream| {
            stream.write_all(bytes).unwrap();
            // Stays open, and silent, until the server goes.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
        });
        match ended {
            Err(ProtocolError::Stream(error)) => {
                let kind = error.kind();
                let timed = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&kind);
                assert!(timed, "{bytes:?}: {error}");
            }
            other => panic!("{bytes:?}: {other:?}"),
        }
    }
}

#[test]
fn a_client_that_goes_is_let_go() {
    for bytes in [&b""[..], b"0 0", b"0 000001"] {
        let (_, ended, _) = with_client(|mut stream| stream.write_all(bytes).unwrap());
        match ended {
            Ok(()) => assert!(bytes.is_empty()),
            Err(ProtocolError::Stream(_)) => assert!(!bytes.is_empty()),
            other => panic!("{bytes:?}: {other:?}"),
        }
    }
}

#[test]
fn our_client_speaks_it_too() {
    let (values, ended, _) = with_client(|stream| {
        let mut client = Client::new(stream);
        let values = ["a", "b", "none", "/a"]
            .map(|path| client.values(path, false, &mut |_| {}).unwrap())
            .to_vec();
        let key = client.values("k", true, &mut |_| {}).unwrap();
        client.end().unwrap();
        [values, vec![key]].concat()
    });
    assert!(ended.is_ok());
    assert_eq!(values, [vec!["one", "two", "three"], vec![""], vec![], vec![], vec!["v"]]);
}

/// A server that says what it should not.
fn against(answers: &[&[u8]]) -> String {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // Each answer follows something that the client says: head, request, sizes received.
            for (answer, asked) in answers.iter().zip([8, 1, 1]) {
                theirs.read_exact(&mut vec![0; asked]).unwrap();
                theirs.write_all(answer).unwrap();
            }
        });
        Client::new(ours).values("a", false, &mut |_| {}).unwrap_err().to_string()
    })
}

#[test]
fn our_client_trusts_no_server() {
    for (answers, expected) in [
        (&[&b"\x02"[..]][..], "Protocol error: pre_request acknowledge is incorrect"),
        (&[b"\x01", b"1"], "Protocol error: Did not receive request count and size."),
        (&[b"\x01", b"1,99999999999"], "Protocol error: Did not receive request count and size."),
        (&[b"\x01", b"9,3"], "Protocol error: Did not receive request count and size."),
        (&[b"\x01", b"1,3", b"v\0\x03"], "Protocol error: Improper request termination."),
        (&[b"\x01", b"2,3", b"v\0\x02"], "Protocol error: Improper request termination."),
    ] {
        assert_eq!(against(answers), expected);
    }
}
