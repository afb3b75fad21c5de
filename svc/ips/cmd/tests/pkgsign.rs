//! pkgsign.rs - packages signed in a repository on disk.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Place, copy, top};

fn place() -> Place {
    let place = Place::new();
    copy(&top().join("../../client/tests/keys"), &place.path("keys"));
    // The repository trusts a folder of its own.
    fs::create_dir(place.path("anchors")).unwrap();
    fs::copy(place.path("keys/root.pem"), place.path("anchors/root.pem")).unwrap();
    let folder = place.path("anchors");
    let set =
        format!("pkgrepo -s scratch set repository/trust-anchor-directory={}", folder.display());
    assert_eq!(place.sh(&set, None).status, 0);
    place
}

const KEY: &str = "-k keys/signer.key -c keys/signer.pem -i keys/middle.pem";

#[test]
fn a_package_is_signed_in_place() {
    let place = place();
    let before = place.sh("pkgrepo -s scratch contents doc/copy+pears", None).out;
    let said = place.sh(&format!("pkgsign -s scratch -n {KEY} doc/copy+pears"), None);
    assert!(said.out.starts_with("Signed pkg://orchard.example/doc/copy+pears@"), "{said:?}");
    assert_eq!(place.sh("pkgrepo -s scratch contents doc/copy+pears", None).out, before);
    let signed = place.sh(&format!("pkgsign -s scratch {KEY} doc/copy+pears"), None);
    assert_eq!((&signed.out, signed.err.as_str(), signed.status), (&said.out, "", 0));
    let after = place.sh("pkgrepo -s scratch contents doc/copy+pears", None).out;
    let line = after.strip_prefix(before.as_str()).unwrap();
    for part in [
        "algorithm=rsa-sha256 chain=",
        " chain.chashes=",
        " pkg.chain.sha512t_256=",
        " version=0\n",
    ] {
        assert!(line.starts_with("signature ") && line.contains(part), "{part}: {line}");
    }
    // Once more changes nothing; by a digest it may be signed too.
    let again = place.sh(&format!("pkgsign -s scratch {KEY} doc/copy+pears"), None);
    assert_eq!((again.out.as_str(), again.err.as_str(), again.status), ("", "", 0));
    assert_eq!(place.sh("pkgsign -s scratch -a sha512 doc/copy+pears", None).status, 0);
    let both = place.sh("pkgrepo -s scratch contents -t signature doc/copy+pears", None).out;
    assert_eq!(both.lines().count(), 2, "{both}");
    let verified = place.sh("pkgrepo verify -s scratch --disable dependency", None);
    assert!(!verified.out.contains("Bad signature"), "{verified:?}");
    assert!(!verified.out.contains("Corrupt manifest"), "{verified:?}");
    // The catalog names the new manifest, in logs too: it can be received.
    let received = place.sh("pkgrepo create new && pkgrecv -s scratch -d new doc/copy+pears", None);
    assert_eq!((received.err.as_str(), received.status), ("", 0));
    let there = place.sh("pkgrepo -s scratch contents doc/copy+pears", None).out;
    assert_eq!(place.sh("pkgrepo -s new contents doc/copy+pears", None).out, there);
}

#[test]
fn who_is_not_trusted_is_told_of() {
    let place = place();
    let line = "pkgsign -s scratch -k keys/other.key -c keys/other.pem doc/copy+pears";
    assert_eq!(place.sh(line, None).status, 0);
    let said = place.sh("pkgrepo verify -s scratch --disable dependency", None);
    assert!(said.out.contains("ERROR: Bad signature."), "{said:?}");
    assert!(said.out.contains("untrusted self-signed certificate"), "{said:?}");
    assert_eq!(said.status, 1);
}

#[test]
fn a_run_that_was_killed_is_repeated() {
    let place = place();
    // As if it had ended between the manifest and the catalog.
    copy(&place.path("scratch/publisher/orchard.example/catalog"), &place.path("catalog"));
    assert_eq!(place.sh(&format!("pkgsign -s scratch {KEY} doc/copy+pears"), None).status, 0);
    fs::remove_dir_all(place.path("scratch/publisher/orchard.example/catalog")).unwrap();
    copy(&place.path("catalog"), &place.path("scratch/publisher/orchard.example/catalog"));
    let damaged = place.sh("pkgrepo verify -s scratch --disable dependency", None);
    assert!(damaged.out.contains("Corrupt manifest"), "{damaged:?}");
    assert_eq!(place.sh(&format!("pkgsign -s scratch {KEY} doc/copy+pears"), None).status, 0);
    let mended = place.sh("pkgrepo verify -s scratch --disable dependency", None);
    assert!(!mended.out.contains("Corrupt manifest"), "{mended:?}");
    let lines = place.sh("pkgrepo -s scratch contents -t signature doc/copy+pears", None).out;
    assert_eq!(lines.lines().count(), 1);
}

#[test]
fn what_is_refused() {
    let place = place();
    for (arguments, status, told) in [
        ("", 2, "a repository must be provided"),
        ("-s scratch", 2, "At least one fmri or pattern must be provided to sign."),
        ("-s scratch -k keys/signer.key '*'", 2, "its associated certificate must be given."),
        ("-s scratch -c keys/signer.pem '*'", 2, "its associated key must be given."),
        ("-s scratch -c none '*'", 2, "was expected to be a certificate but isn't a file."),
        ("-s scratch -i keys/middle.pem '*'", 2, "Intermediate certificates are only valid if"),
        ("-s scratch -a md5 '*'", 2, "md5 is not a recognized signature algorithm."),
        ("-s scratch -a rsa-sha256 '*'", 2, "requires that a key and certificate pair"),
        ("-s scratch -a sha256 -k keys/signer.key -c keys/signer.pem '*'", 2, "does not use a key"),
        ("-s scratch none", 1, "did not match any packages"),
        ("-s scratch -k keys/old.key -c keys/signer.pem doc/copy+pears", 1, "does not belong to"),
        (
            "-s scratch -k keys/root.pem -c keys/root.pem doc/copy+pears",
            1,
            "expected to be a RSA key",
        ),
    ] {
        let said = place.sh(&format!("pkgsign {arguments}"), None);
        assert!(
            said.err.starts_with("pkgsign: ") && said.err.contains(told),
            "{arguments}: {said:?}"
        );
        assert_eq!(said.status, status, "{arguments}");
    }
    let left = place.sh("ls scratch/publisher/orchard.example/trans", None).out;
    assert_eq!(left, "", "a transaction was left");
}
