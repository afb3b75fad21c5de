//! revocation.rs - lists of revoked certificates: fetched, kept, asked, and passed over.
//!
//! `lists/make` draws who has issued what.  The lists' host is nobody's; a proxy of the test
//! answers for it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use ips_client::signature::{Anchors, Certificate, Key, Lists, Policy, SignError, Signer, verify};
use ips_client::{Patience, Transport};
use ips_model::Manifest;
use ips_model::digest::sha1_hex;
use ips_model::signature::Algorithm;
use ips_repository::{Stream, compressed};

fn keys() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lists")
}

fn file(name: &str) -> Vec<u8> {
    fs::read(keys().join(name)).unwrap()
}

fn fetch(hash: &str) -> std::io::Result<Vec<u8>> {
    let mut files =
        fs::read_dir(keys()).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.find(|bytes| sha1_hex(bytes) == hash).ok_or_else(|| ErrorKind::NotFound.into())
}

fn signed_by(name: &str, chain: &[&str]) -> Manifest {
    let text = "set name=pkg.fmri value=pkg://a.example/x@1,5.11:20260101T000000Z\n";
    let mut manifest = Manifest::parse(text).unwrap();
    let key = Key::parse(&file(&format!("{name}.key")), name).unwrap();
    let chain = chain.iter().map(|name| file(&format!("{name}.pem"))).collect();
    let signer = Signer {
        algorithm: Algorithm::parse("rsa-sha256").unwrap(),
        key: Some((key, file(&format!("{name}.pem")), chain)),
    };
    let stream = |bytes: &[u8]| Ok::<_, SignError>(Stream::of(&compressed(bytes)));
    manifest.actions.push(signer.sign(&manifest, stream).unwrap().action);
    manifest
}

/// A proxy: what it answers (nothing = 404) and how often it was asked.
struct Proxy {
    uri: String,
    answer: Arc<Mutex<Option<Vec<u8>>>>,
    asked: Arc<AtomicUsize>,
}

impl Proxy {
    fn new() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Proxy { uri, answer: Arc::default(), asked: Arc::default() };
        let (answer, asked) = (proxy.answer.clone(), proxy.asked.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = BufReader::new(client.unwrap());
                let mut request = String::new();
                while client.read_line(&mut request).unwrap_or(0) > 0 {
                    let mut line = String::new();
                    while client.read_line(&mut line).unwrap_or(0) > 2 {
                        line.clear();
                    }
                    if request.starts_with("CONNECT lists.orchard.example:80 ") {
                        client.get_mut().write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                        request.clear();
                        continue;
                    }
                    assert!(request.contains("/list HTTP/1.1"), "{request}");
                    asked.fetch_add(1, Ordering::SeqCst);
                    let body = answer.lock().unwrap().clone();
                    let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
                    let body = body.unwrap_or_default();
                    let head = format!(
                        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    client.get_mut().write_all(&[head.as_bytes(), &body].concat()).unwrap();
                    break;
                }
            }
        });
        proxy
    }

    fn serve(&self, name: Option<&str>) {
        *self.answer.lock().unwrap() = name.map(file);
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    /// Verifies by anchors that ask lists kept in a folder.
    fn check(&self, signer: &str, folder: Option<&Path>) -> Result<(), String> {
        let patience = Patience { tries: 1, ..Patience::default() };
        let transport = Transport::new(patience).with_proxy(&self.uri).unwrap();
        let mut anchors = Anchors::default();
        anchors.approve(Certificate::parse(&file("root.pem")).unwrap());
        anchors.ask(Lists::new(folder, &transport, SystemTime::now()));
        let chain: &[&str] = if signer == "good" { &["stranger"] } else { &[] };
        let verified = verify(&signed_by(signer, chain), &Policy::Verify, &anchors, None, &fetch);
        verified.map(drop).map_err(|error| error.to_string())
    }
}

#[test]
fn lists_are_fetched_and_kept() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("crls");
    let kept = folder.join("http%3A%2F%2Flists.orchard.example%2Flist");
    let proxy = Proxy::new();
    let revoked = |result: Result<(), String>| {
        let error = result.unwrap_err();
        let hash = sha1_hex(&file("bad.pem"));
        let text = format!("Certificate {hash} was revoked for this reason:\nKey Compromise\n");
        assert!(error.starts_with(&text), "{error}");
    };
    // Without a list nothing is revoked.
    assert_eq!(proxy.check("bad", Some(&folder)), Ok(()));
    assert_eq!((proxy.asked(), kept.exists()), (1, false));
    proxy.serve(Some("list.pem"));
    revoked(proxy.check("bad", Some(&folder)));
    assert_eq!(proxy.check("good", Some(&folder)), Ok(()));
    assert_eq!((proxy.asked(), fs::read(&kept).unwrap()), (1, file("list.pem")));
    // What is kept is asked until its next update; what is due, and cannot be had anew, still is.
    proxy.serve(None);
    revoked(proxy.check("bad", Some(&folder)));
    assert_eq!(proxy.asked(), 0);
    fs::write(&kept, file("old.pem")).unwrap();
    revoked(proxy.check("bad", Some(&folder)));
    assert_eq!(proxy.asked(), 1);
    // What comes in its place and is no list is not kept.
    proxy.serve(Some("root.pem"));
    revoked(proxy.check("bad", Some(&folder)));
    assert_eq!(fs::read(&kept).unwrap(), file("old.pem"));
    // DER does as well; and who keeps no lists asks each time.
    proxy.serve(Some("fresh.der"));
    assert!(proxy.check("good", Some(&folder)).unwrap_err().contains("Key Compromise"));
    assert_eq!(fs::read(&kept).unwrap(), file("fresh.der"));
    proxy.asked();
    for _ in 0..2 {
        revoked(proxy.check("bad", None));
    }
    assert_eq!(proxy.asked(), 2);
}

#[test]
fn what_a_stranger_says_revokes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let proxy = Proxy::new();
    proxy.serve(Some("strange.pem"));
    // Though the stranger's certificate comes with the signature.
    assert_eq!(proxy.check("good", Some(place.path())), Ok(()));
    assert_eq!(proxy.asked(), 1);
    let error = proxy.check("odd", Some(place.path())).unwrap_err();
    assert!(
        error.starts_with("'ldap://lists.orchard.example/list' is not a valid location."),
        "{error}"
    );
    // A folder that cannot be written is no obstacle.
    let blocked = place.path().join("blocked");
    fs::write(&blocked, "").unwrap();
    proxy.serve(Some("list.pem"));
    assert!(proxy.check("bad", Some(&blocked)).is_err());
}
