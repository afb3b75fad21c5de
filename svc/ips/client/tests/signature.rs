//! signature.rs - signatures by keys of openssl's making: made to the byte, verified, refused.
//!
//! `keys/make` draws the chains; `keys/signed.p5m` was signed by `openssl dgst`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ips_client::signature::{
    Anchors, Certificate, Key, Policy, SignError, Signatures, Signer, verify,
};
use ips_model::digest::sha1_hex;
use ips_model::signature::Algorithm;
use ips_model::{Action, Kind, Manifest};
use ips_repository::{Stream, compressed};

fn keys() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys")
}

fn file(name: &str) -> Vec<u8> {
    fs::read(keys().join(name)).unwrap()
}

/// Every certificate by its hash.
fn fetch(hash: &str) -> io::Result<Vec<u8>> {
    let mut pems = fs::read_dir(keys()).unwrap().map(|entry| entry.unwrap().path());
    let found = pems.find(|path| sha1_hex(&fs::read(path).unwrap()) == hash);
    Ok(fs::read(found.ok_or(io::ErrorKind::NotFound)?).unwrap())
}

fn root() -> Anchors {
    let mut anchors = Anchors::default();
    anchors.approve(Certificate::parse(&file("root.pem")).unwrap());
    anchors
}

fn unsigned() -> Manifest {
    let mut manifest = signed();
    manifest.actions.retain(|action| action.kind != Kind::Signature);
    manifest
}

fn signed() -> Manifest {
    Manifest::parse(&String::from_utf8(file("signed.p5m")).unwrap()).unwrap()
}

/// The package signed by `name`, with these certificates above it.
fn signed_by(name: &str, chain: &[&str], algorithm: &str) -> Manifest {
    let key = Key::parse(&file(&format!("{name}.key")), name).unwrap();
    let chain = chain.iter().map(|name| file(&format!("{name}.pem"))).collect();
    let signer = Signer {
        algorithm: Algorithm::parse(algorithm).unwrap(),
        key: Some((key, file(&format!("{name}.pem")), chain)),
    };
    let stream = |bytes: &[u8]| Ok::<_, SignError>(Stream::of(&compressed(bytes)));
    let made = signer.sign(&unsigned(), stream).unwrap();
    let mut manifest = unsigned();
    manifest.actions.push(made.action);
    manifest
}

fn names(names: &[&str]) -> Policy {
    let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
    Policy::parse("require-names", &names).unwrap()
}

fn check(manifest: &Manifest, policy: &Policy, anchors: &Anchors) -> Result<Signatures, String> {
    verify(manifest, policy, anchors, None, &fetch).map_err(|error| error.to_string())
}

#[test]
fn the_bytes_are_those_of_openssl() {
    assert_eq!(signed_by("signer", &["middle"], "rsa-sha256").to_string(), signed().to_string());
}

#[test]
fn what_holds() {
    let one =
        Signatures { signers: vec!["C=XX, O=Orchard, CN=signer".into()], ..Signatures::default() };
    for policy in [
        Policy::Verify,
        Policy::RequireSignatures,
        names(&["signer"]),
        names(&["signer", "middle", "root"]),
    ] {
        assert_eq!(check(&signed(), &policy, &root()), Ok(one.clone()), "{policy:?}");
    }
    for algorithm in ["rsa-sha384", "rsa-sha512"] {
        let manifest = signed_by("signer", &["middle"], algorithm);
        assert_eq!(check(&manifest, &Policy::Verify, &root()), Ok(one.clone()), "{algorithm}");
    }
    // An anchor may stand anywhere in the chain, and the order of lines means nothing.
    let mut middle = Anchors::default();
    middle.approve(Certificate::parse(&file("middle.pem")).unwrap());
    let mut turned = signed_by("signer", &[], "rsa-sha256");
    turned.actions.reverse();
    assert!(check(&turned, &Policy::Verify, &middle).is_ok());
    // A certificate that is not valid any more is none of pkg5's business.
    let old = signed_by("old", &["middle"], "rsa-sha256");
    assert!(check(&old, &Policy::Verify, &root()).is_ok());
    // Unsigned packages and unknown signatures pass where nothing is asked for.
    assert_eq!(check(&unsigned(), &Policy::Verify, &root()), Ok(Signatures::default()));
    let mut newer = unsigned();
    newer.actions.push(Action::parse("signature algorithm=ed25519 value=00 version=0").unwrap());
    newer.actions.push(Action::parse("signature algorithm=sha256 value=00 version=7").unwrap());
    let found = check(&newer, &Policy::Verify, &root()).unwrap();
    assert_eq!((found.unknown, found.digests), (2, 0));
    assert_eq!(check(&signed(), &Policy::Ignore, &Anchors::default()), Ok(Signatures::default()));
}

#[test]
fn what_does_not_hold() {
    let mut changed = signed();
    changed.actions[2].set("mode", vec!["0777".into()]);
    let mut revoked = root();
    revoked.revoke(&sha1_hex(&file("middle.pem")));
    let mut digest = unsigned();
    digest.actions.push(Action::parse("signature algorithm=sha256 value=00 version=0").unwrap());
    let none = Anchors::default();
    let by = |name: &str, chain: &[&str]| signed_by(name, chain, "rsa-sha256");
    for (manifest, policy, anchors, expected) in [
        (changed, Policy::Verify, root(), "did not match the expected value"),
        (digest.clone(), Policy::Verify, root(), "did not match the expected value. action:"),
        (signed(), Policy::Verify, none.clone(), "which issued this certificate"),
        (signed(), Policy::Verify, revoked, "which issued this certificate"),
        (by("signer", &[]), Policy::Verify, root(), "which issued this certificate"),
        (by("nosign", &["middle"]), Policy::Verify, root(), "must include 'digital_signature'"),
        (by("critical", &["middle"]), Policy::Verify, root(), "unsupported critical extension"),
        (by("other", &[]), Policy::Verify, root(), "untrusted self-signed certificate"),
        (
            by("deep", &["below", "short", "middle"]),
            Policy::Verify,
            root(),
            "may have 0 certificates between itself and the leaf and has 1",
        ),
        (unsigned(), Policy::RequireSignatures, root(), "no signature was found"),
        (unsigned(), names(&["signer"]), root(), "required names couldn't be found"),
        (signed(), names(&["signer", "orchard"]), root(), "\norchard"),
    ] {
        let error = check(&manifest, &policy, &anchors).unwrap_err();
        assert!(error.contains(expected), "{policy:?}: {expected}: {error}");
    }
    let old = signed_by("old", &["middle"], "rsa-sha256");
    let late = verify(&old, &Policy::Verify, &root(), Some(1_800_000_000), &fetch);
    assert!(late.unwrap_err().to_string().contains("is valid from"));
    // What is fetched has to be what its name says.
    let other = |_: &str| Ok(file("other.pem"));
    let error = verify(&signed(), &Policy::Verify, &root(), None, &other).unwrap_err();
    assert!(error.to_string().contains("its SHA-1 is"), "{error}");
}

#[test]
fn keys_that_cannot_sign() {
    assert!(matches!(Key::parse(&file("root.pem"), "root"), Err(SignError::Key(_))));
    assert!(matches!(Key::parse(b"", "nothing"), Err(SignError::Key(_))));
    let key = Some((Key::parse(&file("old.key"), "old").unwrap(), file("signer.pem"), Vec::new()));
    let signer = Signer { algorithm: Algorithm::parse("rsa-sha256").unwrap(), key };
    let stream = |bytes: &[u8]| Ok::<_, SignError>(Stream::of(bytes));
    assert!(matches!(signer.sign(&unsigned(), stream), Err(SignError::Pair(_))));
}

#[test]
fn anchors_are_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Anchors::read(&folder.path().join("none")).unwrap().is_empty());
    for (name, content) in [("a.pem", file("root.pem")), ("README", b"no certificate".to_vec())] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let anchors = Anchors::read(folder.path()).unwrap();
    assert_eq!(anchors.len(), 1);
    assert!(check(&signed(), &Policy::RequireSignatures, &anchors).is_ok());
}
