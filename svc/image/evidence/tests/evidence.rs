//! evidence.rs - the texts as a whole: what their formats demand, the same bytes for the same
//! contents, read back, verified, compared.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use image_evidence::{
    Build, Contents, Digests, Facts, File, Key, Material, Medium, Package, Provenance, Tool,
    compare, envelope, read, spdx, statement,
};
use image_tree::Tree;
use serde_json::Value;

/// Ed25519, made for this test.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIGhgKwOi39HPBM8ji4fcy7p7awxRU6waVNVWi/M3Twgq
-----END PRIVATE KEY-----
";

fn package(name: &str, version: &str, licenses: &[&str], requires: &[&str]) -> Package {
    let strings = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Package {
        publisher: "sample.example".to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        summary: Some(format!("The \"{name}\"")),
        licenses: strings(licenses),
        requires: strings(requires),
        manifest_sha256: "ab".repeat(32),
    }
}

fn file(path: &str, package: Option<&str>, size: u64) -> File {
    let digests = Digests { sha1: format!("{size:040x}"), sha256: format!("{size:064x}") };
    File { path: path.to_owned(), package: package.map(str::to_owned), size, digests }
}

fn sample() -> Contents {
    Contents {
        name: "Sample_X86".to_owned(),
        time: 1_700_000_000,
        tool: Tool { name: "lamplighter".to_owned(), version: "0.1.0".to_owned() },
        packages: vec![
            package("system/kernel", "1.0-0:20231114T221320Z", &["lic_CDDL", "Some words"], &[]),
            package(
                "shell/ksh93",
                "2.0-0:20231114T221320Z",
                &["MIT"],
                &["system/kernel", "absent"],
            ),
            package("empty", "1.0-0:20231114T221320Z", &[], &["system/kernel"]),
        ],
        files: vec![
            file("usr/bin/ksh93", Some("shell/ksh93"), 300),
            file("kernel/unix", Some("system/kernel"), 100),
            file("kernel/genunix", Some("system/kernel"), 200),
            file(".image_info", None, 7),
        ],
        media: vec![Medium {
            name: "Sample_X86.iso".to_owned(),
            size: 4096,
            sha256: "cd".repeat(32),
        }],
    }
}

/// What the specification and its schema demand of every document.
fn check(document: &Value) {
    assert_eq!(document["spdxVersion"], "SPDX-2.3");
    assert_eq!(document["dataLicense"], "CC0-1.0");
    assert_eq!(document["SPDXID"], "SPDXRef-DOCUMENT");
    let namespace = document["documentNamespace"].as_str().unwrap();
    assert!(namespace.starts_with("https://") && !namespace.contains(['#', ' ']), "{namespace}");
    assert_eq!(document["creationInfo"]["created"], "2023-11-14T22:13:20Z");
    assert_eq!(document["creationInfo"]["creators"][0], "Tool: lamplighter-0.1.0");
    let mut ids = BTreeSet::from(["SPDXRef-DOCUMENT".to_owned()]);
    let list = |field: &str| document[field].as_array().unwrap().clone();
    for element in list("packages").iter().chain(&list("files")) {
        let id = element["SPDXID"].as_str().unwrap();
        let rest = id.strip_prefix("SPDXRef-").unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        assert!(!rest.is_empty() && rest.chars().all(plain), "{id}");
        assert!(ids.insert(id.to_owned()), "{id} twice");
    }
    let explained: BTreeSet<_> = document["hasExtractedLicensingInfos"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|info| info["licenseId"].as_str().unwrap().to_owned())
        .collect();
    for package in list("packages") {
        for field in ["name", "downloadLocation", "licenseConcluded", "copyrightText"] {
            assert!(package[field].is_string(), "{field}: {package}");
        }
        let analyzed = package["filesAnalyzed"].as_bool().unwrap();
        assert_eq!(package.get("packageVerificationCode").is_some(), analyzed);
        assert_eq!(package.get("licenseInfoFromFiles").is_some(), analyzed);
        let declared = package["licenseDeclared"].as_str().unwrap();
        for word in declared.split(" AND ").filter(|word| word.starts_with("LicenseRef-")) {
            assert!(explained.contains(word), "{word} is not explained");
        }
    }
    for file in list("files") {
        assert!(file["fileName"].as_str().unwrap().starts_with("./"));
        let sums = file["checksums"].as_array().unwrap();
        assert!(sums.iter().any(|sum| sum["algorithm"] == "SHA1"), "clause 8.4 demands SHA1");
    }
    for relation in list("relationships") {
        for end in ["spdxElementId", "relatedSpdxElement"] {
            assert!(ids.contains(relation[end].as_str().unwrap()), "{relation}");
        }
    }
}

#[test]
fn a_bill_is_what_spdx_demands() {
    let text = spdx(&sample());
    let document: Value = serde_json::from_str(&text).unwrap();
    check(&document);
    let all = document["relationships"].as_array().unwrap().len();
    // DESCRIBES, 3 packages, 4 files, 2 dependencies that are in the image.
    assert_eq!(all, 1 + 3 + 4 + 2);
    let kernel = &document["packages"][3];
    assert_eq!(kernel["name"], "system/kernel");
    assert_eq!(kernel["licenseDeclared"], "CDDL-1.0 AND LicenseRef-Some-x20words");
    // printf %s of the two sums in order | sha1sum
    let code = "packageVerificationCode";
    assert_eq!(kernel[code]["packageVerificationCodeValue"], VERIFICATION);
}

const VERIFICATION: &str = "64c7f5df81e1c783e95601bb834ba3b9753653ae";

#[test]
fn order_does_not_matter_and_contents_do() {
    let (one, mut two) = (sample(), sample());
    two.packages.reverse();
    two.files.rotate_left(2);
    two.packages.iter_mut().for_each(|package| package.licenses.reverse());
    assert_eq!(spdx(&one), spdx(&two));
    two.files[0].digests.sha256 = "0".repeat(64);
    let space = |text: String| {
        let document: Value = serde_json::from_str(&text).unwrap();
        document["documentNamespace"].as_str().unwrap().to_owned()
    };
    assert_ne!(space(spdx(&one)), space(spdx(&two)));
}

#[test]
fn media_are_told_of_in_the_comment_of_the_image() {
    let sample = sample();
    let image = |media: &[Medium]| {
        let text = image_evidence::Draft::of(&sample).finish(media);
        let mut document: Value = serde_json::from_str(&text).unwrap();
        check(&document);
        let space = document["documentNamespace"].as_str().unwrap().to_owned();
        (document["packages"][0].take(), space)
    };
    let medium = |name: &str| Medium { name: name.to_owned(), size: 5, sha256: "ab".repeat(32) };
    let sum = "ab".repeat(32);
    let (none, one) = (image(&[]), image(&[medium("b.iso")]));
    assert_eq!(none.0.get("comment"), None);
    assert_eq!(one.0["comment"], format!("b.iso SHA256 {sum}"));
    let two = image(&[medium("b.iso"), medium("a\"\n.usb")]);
    assert_eq!(two.0["comment"], format!("a\"\n.usb SHA256 {sum}\nb.iso SHA256 {sum}"));
    assert!(none.1 != one.1 && one.1 != two.1);
    assert_eq!(two, image(&[medium("a\"\n.usb"), medium("b.iso")]));
}

#[test]
fn a_bill_is_read_as_it_was_written() {
    let sample = sample();
    let bill = read(&spdx(&sample)).unwrap();
    assert_eq!(bill.name, sample.name);
    let mut files = sample.files.clone();
    files.sort_by(|one, two| one.path.cmp(&two.path));
    assert_eq!(bill.files, files);
    let fmris: Vec<_> = bill.packages.iter().map(Package::fmri).collect();
    let wanted = ["empty@1.0", "shell/ksh93@2.0", "system/kernel@1.0"];
    assert_eq!(fmris, wanted.map(|name| format!("pkg://sample.example/{name}-0:20231114T221320Z")));
    assert_eq!(bill.packages[1].requires, ["system/kernel"]);
    assert_eq!(bill.packages[1].manifest_sha256, "ab".repeat(32));

    for (text, wanted) in [
        ("{", "the bill of materials is no JSON"),
        ("{}", "the document is \"\", not SPDX-2.3"),
        (r#"{"spdxVersion":"SPDX-2.3"}"#, "the document has no name"),
        (
            r#"{"spdxVersion":"SPDX-2.3","name":"x","files":[{"SPDXID":"SPDXRef-File-0",
                "fileName":"./a","checksums":[],"comment":"many bytes"}]}"#,
            "./a has no size",
        ),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{text}: {error}");
    }
}

fn provenance() -> Provenance {
    let sample = sample();
    let material = |package: &Package| Material {
        uri: package.fmri(),
        sha256: package.manifest_sha256.clone(),
    };
    let pair = |(one, two): (&str, &str)| (one.to_owned(), two.to_owned());
    Provenance {
        media: sample.media.clone(),
        manifest: Material { uri: "slim_cd_x86.xml".to_owned(), sha256: "ef".repeat(32) },
        origins: vec![pair(("sample.example", "http://127.0.0.1:8003/"))],
        steps: [("im-pop", "01"), ("iso", "02")].map(pair).to_vec(),
        packages: sample.packages.iter().map(material).collect(),
        tool: sample.tool,
        build_type: "https://lamplighter.example/distro_const/v1".to_owned(),
        builder: "https://lamplighter.example/host".to_owned(),
        time: sample.time,
    }
}

#[test]
fn a_statement_says_what_the_media_were_made_of() {
    let text = statement(&provenance());
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(value["predicateType"], "https://slsa.dev/provenance/v1");
    assert_eq!(value["subject"][0]["name"], "Sample_X86.iso");
    assert_eq!(value["subject"][0]["digest"]["sha256"], "cd".repeat(32));
    let definition = &value["predicate"]["buildDefinition"];
    assert_eq!(definition["externalParameters"]["manifest"]["digest"]["sha256"], "ef".repeat(32));
    assert_eq!(definition["internalParameters"]["steps"][1]["id"], "02");
    let first = &definition["resolvedDependencies"][0]["uri"];
    assert_eq!(*first, "pkg://sample.example/empty@1.0-0:20231114T221320Z");
    assert_eq!(value["predicate"]["runDetails"]["builder"]["version"]["lamplighter"], "0.1.0");
    let mut other = provenance();
    other.packages.reverse();
    assert_eq!(statement(&other), text);
}

#[test]
fn an_envelope_is_verified_with_the_public_key() {
    use base64::Engine;
    let key = Key::parse(KEY.as_bytes(), "test").unwrap();
    let text = statement(&provenance());
    let signed = envelope(&text, &key).unwrap();
    assert_eq!(signed, envelope(&text, &key).unwrap(), "the same bytes every time");
    let value: Value = serde_json::from_str(&signed).unwrap();
    let decode = |value: &Value| {
        let engine = base64::engine::general_purpose::STANDARD;
        engine.decode(value.as_str().unwrap()).unwrap()
    };
    assert_eq!(value["payloadType"], "application/vnd.in-toto+json");
    assert_eq!(decode(&value["payload"]), text.as_bytes());
    assert_eq!(value["signatures"][0]["keyid"], key.id());
    let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key.public());
    let signature = decode(&value["signatures"][0]["sig"]);
    let length = text.len();
    let message = format!("DSSEv1 28 application/vnd.in-toto+json {length} {text}");
    public.verify(message.as_bytes(), &signature).unwrap();
    assert!(public.verify(text.as_bytes(), &signature).is_err());

    for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "noise"] {
        let error = Key::parse(pem.as_bytes(), "keys/build.pem").unwrap_err().to_string();
        assert!(error.starts_with("keys/build.pem: no Ed25519 or RSA private key"), "{error}");
    }
}

fn build(contents: &Contents, table: Option<&str>) -> Build {
    let table = table.map(|text| Tree::parse(text).unwrap());
    Build::of(&read(&spdx(contents)).unwrap(), table.as_ref())
}

#[test]
fn builds_are_compared() {
    let before = sample();
    let mut after = sample();
    after.packages[0].version = "1.1-0:20231114T221321Z".to_owned();
    after.packages.remove(2);
    after.packages.push(package("new", "1", &[], &[]));
    after.files[1] = file("kernel/unix", Some("system/kernel"), 150);
    after.files.remove(2);
    after.files.push(file("usr/bin/new\n", None, 9));
    let same = compare(&build(&before, None), &build(&before, None));
    assert!(same.is_empty());
    let difference = compare(&build(&before, None), &build(&after, None));
    let wanted = "\
- package empty: sample.example 1.0-0:20231114T221320Z
+ package new: sample.example 1
~ package system/kernel: sample.example 1.0-0:20231114T221320Z -> sample.example 1.1-0:20231114T221321Z
- kernel/genunix: 200 bytes
~ kernel/unix: 100 -> 150 bytes (+50)
+ usr/bin/new\\n: 9 bytes
3 packages and 3 paths differ; 607 -> 466 bytes (-141)
";
    assert_eq!(difference.to_string(), wanted);
    let json = difference.to_json();
    assert_eq!(json["paths"][1]["after"]["bytes"], 150);
    assert_eq!(json["packages"][0]["after"], Value::Null);
    assert_eq!(json["bytes"]["before"], 607);
}

#[test]
fn tables_tell_modes_owners_and_links() {
    let contents = sample();
    let table =
        "d 0755 0 0 0 - usr\nf 0755 0 2 0 300 usr/bin/ksh93\nl 0777 0 0 0 ksh93 usr/bin/sh\n";
    let other = table.replace("f 0755 0 2", "f 4755 0 2").replace("0 ksh93 usr", "0 bash usr");
    let (one, two) = (build(&contents, Some(table)), build(&contents, Some(&other)));
    let text = compare(&one, &two).to_string();
    let wanted = "\
~ usr/bin/ksh93: 300 -> 300 bytes (+0), file 0755 0:2 -> file 4755 0:2
~ usr/bin/sh: 0 -> 0 bytes (+0), link to ksh93 -> link to bash
0 packages and 2 paths differ; 607 -> 607 bytes (+0)
";
    assert_eq!(text, wanted);
    // Who has no table says nothing of what only a table knows.
    assert!(compare(&build(&contents, None), &one).is_empty());
}

const TABLE: &str = "d 0755 0 0 0 - usr\nl 0777 0 0 0 a%20b usr/sh\n";

#[test]
fn facts_are_read_as_they_were_written() {
    let facts = Facts { contents: sample(), table: Tree::parse(TABLE).unwrap() };
    let mut other = facts.clone();
    other.contents.files.reverse();
    other.contents.packages.reverse();
    assert_eq!(facts.to_text(), other.to_text(), "order does not matter");
    let back = Facts::parse(&facts.to_text()).unwrap();
    assert_eq!(back.to_text(), facts.to_text());
    assert_eq!(back.table, facts.table);
    // Media may come to it later.
    for media in [&facts.contents.media[..], &[]] {
        let with = |media: &[Medium]| {
            let contents = Contents { media: media.to_vec(), ..facts.contents.clone() };
            Facts { contents, ..facts.clone() }.to_text()
        };
        assert_eq!(Facts::with_media(&with(&[]), media), Some(with(media)));
    }
    assert_eq!(Facts::with_media(&facts.to_text(), &[]), None);
    let empty = Facts { table: Tree::new(), ..facts.clone() };
    assert_eq!(Facts::parse(&empty.to_text()).unwrap().table, Tree::new());
    for (text, wanted) in [
        ("{", "these are no facts of a build: EOF while parsing"),
        ("{}", "these are no facts of a build: missing field `format` at line 1 column 2"),
        (&facts.to_text().replace("\"format\": 1", "\"format\": 9"), "facts of format 9"),
        (&facts.to_text().replace("d 0755", "z 0755"), "the facts' table: line 1"),
    ] {
        let error = Facts::parse(text).unwrap_err();
        // As a program tells it: each cause once.
        let cause = std::error::Error::source(&error);
        let told = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        assert!(told.starts_with(wanted), "{told}");
    }
}

#[test]
fn media_differ_where_nothing_else_does() {
    let facts = Facts { contents: sample(), table: Tree::new() };
    let mut other = facts.clone();
    other.contents.media[0].sha256 = "ce".repeat(32);
    other.contents.media.push(Medium {
        name: "x.usb".to_owned(),
        size: 7,
        sha256: "ff".repeat(32),
    });
    let (one, two) = (Build::of_facts(&facts), Build::of_facts(&other));
    assert!(compare(&one, &one).is_empty());
    let difference = compare(&one, &two);
    let wanted = "\
~ medium Sample_X86.iso: 4096 -> 4096 bytes (+0)
+ medium x.usb: 7 bytes
0 packages and 0 paths differ; 607 -> 607 bytes (+0)
";
    assert_eq!(difference.to_string(), wanted);
    assert_eq!(difference.to_json()["media"][1]["after"], 7);
    // A bill of materials says nothing that media could be compared by.
    assert!(compare(&build(&sample(), None), &two).is_empty());
}
