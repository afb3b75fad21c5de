//! depot.rs - what is said to a depot, and what is made of its answers; the depot is a list of them.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ips_client::{Depot, DepotError, Patience, Transport, deliver};
use ips_model::{Action, Manifest, Timestamp};
use ips_repository::Sources;

const VERSIONS: &str = "pkg-server x\nopen 0\nadd 0\nclose 0\nabandon 0\nfile 0 1\npublisher 0\n";
const ID: &str = "1_pkg%3A%2F%2Fp%2Fx%401%2C5.11%3A20240102T030405Z";

/// An answer: status, one header, body; with status 0 the connection is cut.
type Canned = (u16, &'static str, String);

/// Answers one request after the other, each on a connection of its own; what was asked comes out.
fn serve(answers: Vec<Canned>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let (asked, out) = channel();
    std::thread::spawn(move || {
        for (status, header, body) in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut head).unwrap() > 0);
            }
            let length = |line: &str| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            };
            let mut sent = vec![0; head.lines().find_map(length).unwrap_or(0)];
            reader.read_exact(&mut sent).unwrap();
            let attributes = head.lines().filter(|line| line.to_lowercase().starts_with("x-ipkg"));
            let attributes: Vec<&str> = attributes.collect();
            let first = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
            let told = format!("{first} {attributes:?} {}", String::from_utf8_lossy(&sent));
            asked.send(told).unwrap();
            if status > 0 {
                let head = format!("HTTP/1.1 {status} X\r\n{header}Connection: close\r\n");
                let length = format!("Content-Length: {}\r\n\r\n", body.len());
                (&stream).write_all((head + &length + &body).as_bytes()).unwrap();
            }
        }
    });
    (uri, out)
}

fn open(answers: Vec<Canned>) -> (Depot, Receiver<String>) {
    let (uri, asked) = serve([vec![(200, "", VERSIONS.to_string())], answers].concat());
    let patience = Patience { stall: Some(Duration::from_secs(30)), ..Patience::default() };
    let depot = Depot::open(&uri, &Transport::new(patience)).unwrap();
    assert_eq!(asked.recv().unwrap(), "GET /versions/0/ [] ");
    (depot, asked)
}

fn page(text: &str) -> String {
    format!("<h2>400 Bad Request</h2>\n<p>{text}</p>")
}

fn none() -> String {
    String::new()
}

#[test]
fn what_may_be_done_twice_is_tried_again() {
    let (depot, asked) =
        open(vec![(502, "", none()), (0, "", none()), (503, "", none()), (200, "", none())]);
    depot.add_file("ID", "HASH", b"stored").unwrap();
    for _ in 0..4 {
        let told = asked.recv().unwrap().to_lowercase();
        assert_eq!(told, "post /file/1/id [\"x-ipkg-setattr0: basename=hash\"] stored");
    }
    let (depot, _asked) = open(vec![(502, "", none()); 4]);
    let error = depot.add_file("ID", "HASH", b"stored").unwrap_err();
    assert!(error.to_string().contains("status 502"), "{error}");
}

#[test]
fn what_may_not_is_asked_again_only_where_it_was_not_done() {
    let action = Action::parse("depend fmri=a fmri=b type=require-any").unwrap();
    let (depot, asked) = open(vec![(503, "", none()), (200, "", none())]);
    depot.add("ID", &action, b"").unwrap();
    let told = asked.recv().unwrap();
    assert!(told.starts_with("POST /add/0/ID/depend"), "{told}");
    assert!(told.to_lowercase().contains("x-ipkg-setattr0: fmri=['a', 'b']"), "{told}");
    let (depot, asked) = open(vec![(0, "", none())]);
    assert!(matches!(depot.add("ID", &action, b""), Err(DepotError::Source(_))));
    assert_eq!(asked.iter().count(), 1);
}

#[test]
fn a_close_whose_answer_is_lost_is_looked_up() {
    for (status, published) in [(200, true), (404, false)] {
        let (depot, asked) = open(vec![(0, "", none()), (status, "", none())]);
        let closed = depot.close(ID, true);
        assert_eq!(closed.is_ok(), published, "{closed:?}");
        assert!(asked.recv().unwrap().starts_with(&format!("GET /close/0/{ID}")));
        let looked = asked.recv().unwrap();
        assert_eq!(looked, "HEAD /p/manifest/0/x@1%2C5.11%3A20240102T030405Z [] ");
    }
}

#[test]
fn refusals_are_the_depots_words() {
    let (depot, _asked) = open(vec![(400, "", page("&#x27;x&#x27; already exists"))]);
    assert_eq!(depot.begin("pkg://p/x@1").unwrap_err().to_string(), "'x' already exists");
    let p5i = r#"{"packages":[],"publishers":[{"alias":null,"name":"p","packages":[],"repositories":[]}],"version":1}"#;
    let (depot, _asked) = open(vec![(200, "", p5i.to_string())]);
    let told = "Publisher 'p' has no repositories that support the 'append/0' operation.";
    assert_eq!(depot.append("pkg://p/x@1").unwrap_err().to_string(), told);
}

#[test]
fn a_depot_without_manifests_gets_actions_and_what_fails_is_abandoned() {
    let manifest =
        Manifest::parse("set name=pkg.fmri value=pkg://p/x@1\nset name=a value=b\n").unwrap();
    let header = "Transaction-ID: 1_pkg%3A%2F%2Fp%2Fx%401%2C5.11%3A20240102T030405Z\r\n";
    let stamp = Timestamp::parse("20240102T030405Z").unwrap();
    let publish = |answers| {
        let (depot, asked) = open(answers);
        let published =
            deliver(&depot, std::slice::from_ref(&manifest), &Sources::default(), stamp, true);
        let asked: Vec<String> = asked.iter().collect();
        (published.into_iter().next().unwrap(), asked)
    };
    let (published, asked) = publish(vec![
        (200, header, none()),
        (200, "", none()),
        (200, "State: PUBLISHED\r\n", none()),
    ]);
    assert_eq!(published.unwrap(), "pkg://p/x@1,5.11:20240102T030405Z");
    assert_eq!(asked.len(), 3, "{asked:?}");
    let (published, asked) = publish(vec![
        (200, header, none()),
        (400, "", page("no such thing")),
        (200, "State: ABANDONED\r\n", none()),
    ]);
    let told = format!("'add' failed for transaction ID '{ID}': no such thing");
    assert_eq!(published.unwrap_err().to_string(), told);
    assert!(asked[2].starts_with(&format!("GET /abandon/0/{ID}")), "{asked:?}");
}

#[test]
fn certificates_are_read_before_anything_is_asked() {
    let keys = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    let read = |name: &str| std::fs::read(keys.join(name)).unwrap();
    let (certificate, key) = (read("signer.pem"), read("signer.key"));
    let with = |certificate: &[u8], key: &[u8]| {
        let made = Transport::default().with_identity(("c", certificate), ("k", key));
        made.map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(with(&certificate, &key), Ok(()));
    assert_eq!(with(b"", &key), Err("c: no PEM certificate in it".to_string()));
    let told = "k: no PEM private key without a passphrase in it".to_string();
    assert_eq!(with(&certificate, b"none"), Err(told));
    assert!(Transport::default().with_roots(("r", b"")).is_err());
}
