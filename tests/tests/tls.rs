//! tls.rs - the commands, and a front end that lets in only who shows a certificate.
//!
//! The front end speaks TLS and asks for a certificate by tests/tls/root.pem; what it is asked it
//! asks a depot, which is how a depot gets clients with certificates.  Its own certificate is the one
//! of the depot's tests.
//!
//! Needs `cargo build -p ips-cmd -p pkg-server`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tests::depot::{Depot, programs};
use tests::{Said, top};

fn ours(name: &str) -> PathBuf {
    top().join("tests/tls").join(name)
}

fn servers(name: &str) -> PathBuf {
    top().join("svc/pkg/server/tests/tls").join(name)
}

/// What the front end asks of its clients.
fn configuration() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ours("root.pem")).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let chain = CertificateDer::pem_file_iter(servers("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(servers("key.pem")).unwrap();
    let configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    Arc::new(configuration)
}

/// One connection: requests without bodies, each asked of the depot on a connection of its own.
fn forward(
    client: TcpStream,
    depot: &str,
    configuration: &Arc<ServerConfig>,
) -> std::io::Result<()> {
    let session = ServerConnection::new(configuration.clone()).unwrap();
    let mut client = StreamOwned::new(session, client);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if client.read(&mut byte)? == 0 {
            return Ok(());
        }
        request.push(byte[0]);
    }
    let text = String::from_utf8(request).unwrap();
    let mut depot = TcpStream::connect(depot)?;
    depot.write_all(text.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
    let mut answer = Vec::new();
    depot.read_to_end(&mut answer)?;
    client.write_all(&answer)?;
    client.conn.send_close_notify();
    client.flush()
}

/// The front end, on a free port; it ends with the test's process.
fn front_end(depot: &Depot) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (configuration, depot) = (configuration(), depot.address().to_string());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (configuration, depot) = (configuration.clone(), depot.clone());
            // A client that is refused, or gone, is one fewer.
            std::thread::spawn(move || forward(client.unwrap(), &depot, &configuration).is_ok());
        }
    });
    uri
}

fn run(place: &Path, line: &str) -> Said {
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .current_dir(place)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", programs().display()))
        .env("SSL_CERT_FILE", servers("root.pem"))
        .env("PKG_CLIENT_MAX_TIMEOUT", "1");
    Said::run(command)
}

#[test]
fn who_shows_a_certificate_is_let_in() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    let publish = "pkgrepo create repo && pkgrepo add-publisher -s repo a.example && \
        printf 'set name=pkg.fmri value=pkg://a.example/x@1\\nset name=pkg.summary value=X\\n\
        file f path=f mode=0644 owner=root group=bin\\n' > m && echo content > f && \
        pkgsend -s repo publish -d . m && pkgrepo create there && pkgrepo create merged";
    run(here, publish).ok();
    let depot = Depot::of(&here.join("repo"));
    let uri = front_end(&depot);
    let shown =
        format!("--key {} --cert {}", ours("client.key").display(), ours("client.pem").display());
    let strange = shown.replace("client.", "stranger.");
    let commands = [
        "pkgrepo info -s @",
        "pkgrepo list -s @",
        "pkgrepo contents -s @ x",
        "pkgrepo get -s @ publisher/prefix",
        "pkgrepo get -p a.example -s @",
        "pkgrepo refresh -s @",
        "pkgrepo diff -s @ -s repo",
        "pkgrecv -s @ --newest",
        "pkgrecv -s @ -d there x",
        "pkgmerge -d merged -s arch=i386,@",
    ];
    for command in commands {
        let by = |identity: &str| {
            let (first, rest) = command.split_once(' ').unwrap();
            let first = if first == "pkgrepo" {
                let (verb, rest) = rest.split_once(' ').unwrap();
                format!("pkgrepo {verb} {identity} {rest}")
            } else {
                format!("{first} {identity} {rest}")
            };
            run(here, &first.replace('@', &uri))
        };
        for refused in [by(""), by(&strange)] {
            assert_ne!(refused.status, 0, "{command}: {refused:?}");
            assert!(refused.err.contains(&uri), "{command}: {refused:?}");
        }
        by(&shown).ok();
    }
    let got = |repository: &str| run(here, &format!("pkgrepo contents -s {repository} x")).ok();
    assert_eq!(got("there"), got("repo"));
    assert!(got("merged").contains("set name=variant.arch value=i386"));
    // A depot may also be where merged packages go, once.
    let newer = "pkgrepo create newer && sed s/x@1/x@2/ m | pkgsend -s newer publish -d .";
    run(here, newer).ok();
    let merge = format!("pkgmerge -d {} -s arch=sparc,newer", depot.uri());
    run(here, &merge).ok();
    assert!(got("repo").contains("set name=variant.arch value=sparc"));
    assert!(run(here, &merge).err.contains("already exists"));
    let half = run(here, &format!("pkgrepo info --key {} -s {uri}", ours("client.key").display()));
    assert_eq!(half.status, 2, "{half:?}");
}
