//! How an image speaks to its publishers' origins: by their proxies, with their certificates.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use ips_client::image::{
    Configuration, CreateOptions, Image, ImageKind, Publisher, PublisherUri, Refresh,
};
use ips_model::Timestamp;

/// What a refresh says of the only origin of an image's only publisher.
fn refreshed(publisher: Publisher) -> String {
    let place = tempfile::tempdir().unwrap();
    let mut configuration = Configuration::new(&[("variant.arch".into(), "i386".into())].into());
    configuration.set_property("ca-path", "/nowhere");
    configuration.set_publisher(publisher);
    let time = Timestamp::from_seconds(1_750_000_000);
    let kind = ImageKind::Full;
    let options =
        CreateOptions { kind, configuration, force: false, rootless: true, lasting: true, time };
    let mut image = Image::create(&place.path().join("root"), "pkg", &options).unwrap();
    let lock = image.lock().unwrap();
    let done = image.refresh(&lock, &[], Refresh::Now, time).unwrap();
    done.failed[0].2[0].error.to_string()
}

fn publisher(uri: &str) -> Publisher {
    let origins = vec![PublisherUri::new(uri)];
    Publisher { origins, ..Publisher::new("orchard.example") }
}

#[test]
fn an_origin_is_asked_by_its_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let asked = thread::spawn(move || {
        let (stream, _) = proxy.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    });
    let mut publisher = publisher("http://depot.invalid/");
    publisher.origins[0].proxy = Some(format!("http://{address}"));
    refreshed(publisher);
    let line = asked.join().unwrap();
    assert!(line.contains("depot.invalid"), "{line}");
}

#[test]
fn keys_that_cannot_be_used_are_told_of_before_anything_is_asked() {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    let key = |name: &str| keys.join(name).display().to_string();
    for (certificate, own, told) in [
        ("/nowhere/cert".to_string(), key("signer.key"), "/nowhere/cert: No such file".to_string()),
        (key("make"), key("signer.key"), format!("{}: no PEM certificate in it", key("make"))),
        (
            key("signer.pem"),
            String::new(),
            format!("{}: no PEM private key without a passphrase in it", key("signer.pem")),
        ),
    ] {
        let mut publisher = publisher("https://127.0.0.1:1/");
        (publisher.ssl_cert, publisher.ssl_key) = (certificate, own);
        let said = refreshed(publisher);
        assert!(said.starts_with(&told), "{told}: {said}");
    }
}
