//! pkg_signed.rs - signed packages in an image: believed, refused, told of.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Place, copy, top};

const KEY: &str = "-k keys/signer.key -c keys/signer.pem -i keys/middle.pem";
const PEARS: &str = "doc/copy+pears";

/// A repository with one package signed by `key`, and an image of it that believes the root.
fn place(key: &str) -> Place {
    let place = Place::new();
    copy(&top().join("../../client/tests/keys"), &place.path("keys"));
    ok(&place, &format!("pkgsign -s scratch {key} {PEARS}"));
    ok(&place, "pkg image-create -F --variant variant.arch=i386 -p orchard.example=scratch img");
    believe(&place);
    place
}

fn believe(place: &Place) {
    fs::create_dir_all(place.path("img/etc/ssl/pkg")).unwrap();
    fs::copy(place.path("keys/root.pem"), place.path("img/etc/ssl/pkg/root.pem")).unwrap();
}

fn doubt(place: &Place) {
    fs::remove_dir_all(place.path("img/etc/ssl/pkg")).unwrap();
}

fn ok(place: &Place, line: &str) -> String {
    let said = place.sh(line, None);
    assert_eq!(said.status, 0, "{line}: {said:?}");
    said.out
}

/// What is refused leaves the image as it was.
fn refused(place: &Place, line: &str, why: &str) {
    let said = place.sh(line, None);
    assert_eq!(said.status, 1, "{line}: {said:?}");
    assert!(said.err.contains(why), "{line}: {said:?}");
    assert_eq!(place.sh(&format!("pkg -R img list -H {PEARS}"), None).status, 1, "{line}");
}

#[test]
fn signed_packages_are_believed_by_whom_the_image_trusts() {
    let place = place(KEY);
    let install = format!("pkg -R img install {PEARS}");
    for policy in ["verify", "require-signatures", "require-names signer middle"] {
        ok(&place, &format!("pkg -R img set-property signature-policy {policy}"));
        ok(&place, &install);
        assert_eq!(ok(&place, "pkg -R img verify"), "", "{policy}");
        ok(&place, &format!("pkg -R img uninstall {PEARS}"));
    }
    ok(&place, "pkg -R img set-property signature-policy require-names orchard");
    refused(&place, &install, "required names couldn't be found");
    ok(&place, "pkg -R img set-property signature-policy verify");
    doubt(&place);
    refused(&place, &install, "The certificate which issued this certificate");
    // The stricter policy holds: both have to look away.
    ok(&place, "pkg -R img set-property signature-policy ignore");
    refused(&place, &install, "The certificate which issued this certificate");
    ok(&place, "pkg -R img set-publisher --set-property signature-policy=ignore orchard.example");
    ok(&place, &install);
}

#[test]
fn unsigned_and_altered_packages_are_refused() {
    let place = place("-a sha256");
    let install = format!("pkg -R img install {PEARS}");
    let why = "requires signatures to be present but no signature was found in";
    ok(&place, "pkg -R img set-property signature-policy require-signatures");
    refused(&place, &install, why);
    ok(&place, "pkg -R img set-property signature-policy verify");
    ok(
        &place,
        "pkg -R img set-publisher --set-property signature-policy=require-signatures orchard.example",
    );
    refused(&place, &install, why);
    ok(&place, "pkg -R img set-publisher --unset-property signature-policy orchard.example");
    // The digest is of another text, the catalog names what lies there.
    let folder = place.path("scratch/publisher/orchard.example/pkg/doc%2Fcopy%2Bpears");
    let manifest = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("mode=0644", "mode=0666", 1)).unwrap();
    assert_ne!(fs::read_to_string(&manifest).unwrap(), text);
    ok(&place, "pkgrepo -s scratch rebuild && pkg -R img refresh --full");
    refused(&place, &install, "The signature value did not match the expected value.");
}

#[test]
fn verifying_and_mending_tell_of_signatures() {
    let place = place(KEY);
    ok(&place, &format!("pkg -R img install {PEARS}"));
    // Certificates were kept: nobody has to be asked.
    fs::rename(place.path("scratch"), place.path("away")).unwrap();
    assert_eq!(ok(&place, "pkg -R img verify"), "");
    doubt(&place);
    let said = place.sh("pkg -R img verify", None);
    assert_eq!(said.status, 1);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[1].contains(PEARS) && lines[1].ends_with("ERROR"), "{said:?}");
    assert!(lines[2].starts_with("\tsignature: "), "{said:?}");
    assert!(lines[3].starts_with("\t\tERROR: The certificate which issued"), "{said:?}");
    let fixed = place.sh("pkg -R img fix", None);
    assert_eq!((fixed.status, fixed.out.contains("\t\tERROR: The certificate which")), (1, true));
    assert!(fixed.err.contains("The certificate which issued this certificate"), "{fixed:?}");
    believe(&place);
    ok(&place, "pkg -R img set-property signature-policy require-names orchard");
    let said = place.sh("pkg -R img verify", None);
    let told = "\nERROR: The policy for orchard.example requires certain CNs";
    assert!(said.status == 1 && said.out.contains(told), "{said:?}");
}

#[test]
fn a_publishers_own_authorities() {
    let place = place(KEY);
    doubt(&place);
    let install = format!("pkg -R img install {PEARS}");
    let hash = ips_model::digest::sha1_hex(&fs::read(place.path("keys/root.pem")).unwrap());
    refused(&place, &install, "The certificate which issued this certificate");
    let set =
        |option: &str| ok(&place, &format!("pkg -R img set-publisher {option} orchard.example"));
    set("--approve-ca-cert keys/root.pem");
    assert!(ok(&place, "pkg -R img publisher orchard.example").contains(&hash));
    assert!(place.path(&format!("img/var/pkg/publisher/orchard.example/certs/{hash}")).is_file());
    ok(&place, &format!("{install} && pkg -R img uninstall {PEARS}"));
    set(&format!("--revoke-ca-cert {hash}"));
    believe(&place);
    refused(&place, &install, "The certificate which issued this certificate");
    set(&format!("--unset-ca-cert {hash}"));
    ok(&place, &install);
    let said =
        place.sh("pkg -R img set-publisher --approve-ca-cert keys/make orchard.example", None);
    assert!(said.status == 1 && said.err.contains("to be a PEM certificate"), "{said:?}");
}
