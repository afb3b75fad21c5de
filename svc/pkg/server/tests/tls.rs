//! A depot that speaks TLS: everything it answers in the clear, it answers so; keys it can and
//! cannot open.
//!
//! `tls/`: a root that nobody has the key of, and a certificate for localhost by it, with its key
//! in the clear and enciphered ("open sesame").  They are of no use elsewhere.

#![allow(clippy::unwrap_used)]

mod depot;

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use depot::{Answer, Depot};
use ips_model::Timestamp;
use ips_repository::Repository;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name);
    path.to_str().unwrap().to_string()
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ips/client/tests/golden/repo")
}

type Session = BufReader<StreamOwned<ClientConnection, TcpStream>>;

fn connect(depot: &Depot) -> Session {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(data("root.pem")).unwrap()).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let client = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(client), name).unwrap();
    BufReader::new(StreamOwned::new(session, depot.connect()))
}

fn ask(session: &mut Session, path: &str) -> Answer {
    write!(session.get_mut(), "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    depot::publisher::read(session).unwrap()
}

#[test]
fn answers_are_those_in_the_clear() {
    let plain = Depot::of(&golden());
    let (certificate, key) = (data("certificate.pem"), data("key.pem"));
    let options = ["--readonly", "--ssl-cert-file", &certificate, "--ssl-key-file", &key];
    let depot = Depot::with(&golden(), &options);
    let mut session = connect(&depot);
    for path in [
        "/versions/0/",
        "/orchard.example/catalog/1/catalog.base.C",
        "/file/1/856857035efe48f89ed6f9b949a3ac359afa0469",
        // Once more: it is kept ready by now.
        "/file/1/856857035efe48f89ed6f9b949a3ac359afa0469",
        "/file/1/none",
    ] {
        let (mine, theirs) = (ask(&mut session, path), plain.get(path));
        assert_eq!((mine.status, &mine.body), (theirs.status, &theirs.body), "{path}");
    }
    let root = ask(&mut session, "/");
    assert_eq!(root.header("location"), Some("https://localhost/en/index.shtml"));
    // Who does not speak TLS gets nothing, and nobody else is held up.
    let mut clear = depot.connect();
    clear.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _reset = clear.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    assert_eq!(ask(&mut session, "/versions/0/").status, 200);
}

#[test]
fn bodies_and_large_files_go_both_ways() {
    let place = tempfile::tempdir().unwrap();
    let repository = Repository::create(&place.path().join("repo")).unwrap();
    repository.add_publisher("new.example", Timestamp::from_seconds(1_700_000_000)).unwrap();
    let (certificate, key) = (data("certificate.pem"), data("key.pem"));
    let options = ["--ssl-cert-file", &certificate, "--ssl-key-file", &key];
    let depot = Depot::with(repository.root(), &options);
    let mut session = connect(&depot);
    let id = ask(&mut session, "/open/0/pkg%3A%2F%2Fnew.example%2Fx%401");
    let id = id.header("transaction-id").unwrap().to_string();
    let content: Vec<u8> =
        (0..1u32 << 19).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let hash = ips_model::digest::sha1_hex(&content);
    let head = format!(
        "POST /add/0/{id}/file HTTP/1.1\r\nHost: localhost\r\nX-IPkg-SetAttr0: path=x\r\n\
         X-IPkg-SetAttr1: mode=0644\r\nX-IPkg-SetAttr2: owner=root\r\n\
         X-IPkg-SetAttr3: group=bin\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    session.get_mut().write_all(head.as_bytes()).unwrap();
    session.get_mut().write_all(&content).unwrap();
    session.get_mut().flush().unwrap();
    let answer = depot::publisher::read(&mut session).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.message());
    assert_eq!(ask(&mut session, &format!("/close/0/{id}")).header("state"), Some("PUBLISHED"));
    for _ in 0..2 {
        let stored = ask(&mut session, &format!("/file/1/{hash}"));
        assert!(ips_repository::expand(&stored.body, Some(content.len())).unwrap() == content);
    }
}

#[test]
fn an_enciphered_key_is_opened_by_a_program_and_read_again_at_refresh() {
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("tell");
    fs::write(&program, "#!/bin/sh\necho 'open sesame'\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let certificate = place.path().join("certificate.pem");
    fs::copy(data("certificate.pem"), &certificate).unwrap();
    let dialog = format!("exec:{}", program.display());
    let key = data("enciphered.pem");
    let certificate = certificate.to_str().unwrap();
    let options = ["--ssl-cert-file", certificate, "--ssl-key-file", &key, "--ssl-dialog", &dialog];
    let depot = Depot::with(&golden(), &options);
    let mut session = connect(&depot);
    assert_eq!(ask(&mut session, "/versions/0/").status, 200);
    // Nobody tells the passphrase a second time; it is remembered.
    fs::remove_file(&program).unwrap();
    for damaged in [false, true] {
        if damaged {
            fs::write(certificate, "none").unwrap();
        }
        kill(Pid::from_raw(depot.pid()), Signal::SIGUSR1).unwrap();
        assert_eq!(ask(&mut session, "/versions/0/").status, 200);
        assert_eq!(ask(&mut connect(&depot), "/versions/0/").status, 200);
    }
}

#[test]
fn a_key_that_cannot_be_used_is_named() {
    let place = tempfile::tempdir().unwrap();
    let other = place.path().join("other.pem");
    fs::write(&other, "nothing of the kind\n").unwrap();
    let other = other.to_str().unwrap();
    let certificate = data("certificate.pem");
    let wrong = place.path().join("wrong");
    fs::write(&wrong, "#!/bin/sh\necho wrong\n").unwrap();
    fs::set_permissions(&wrong, fs::Permissions::from_mode(0o755)).unwrap();
    let wrong = format!("exec:{}", wrong.display());
    for (certificate, key, dialog, reason) in [
        (certificate.as_str(), other, "builtin", "other.pem: "),
        (other, &data("key.pem"), "builtin", "other.pem: "),
        ("/none", &data("key.pem"), "builtin", "/none: "),
        (&certificate, &data("enciphered.pem"), &wrong, "enciphered.pem: the passphrase does not"),
        (&certificate, &data("enciphered.pem"), "exec:/bin/false", "enciphered.pem: the program"),
        (&certificate, &data("older.pem"), "builtin", "openssl pkcs8 -topk8"),
        (&data("root.pem"), &data("key.pem"), "builtin", "key.pem: "),
    ] {
        let said = Command::new(env!("CARGO_BIN_EXE_pkg-depotd"))
            .args(["-p", "0", "--exit-ready", "--ssl-cert-file", certificate])
            .args(["--ssl-key-file", key, "--ssl-dialog", dialog, "-d"])
            .arg(golden())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stderr);
        assert_eq!(said.status.code(), Some(1), "{text}");
        assert!(text.contains(reason), "{reason}: {text}");
    }
}
