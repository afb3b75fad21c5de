//! What lies beside the media: what they are made of, who made them, and what `diff` tells of it.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{MEDIA, SLIM, Yard, absent};
use serde_json::Value;

const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIGhgKwOi39HPBM8ji4fcy7p7awxRU6waVNVWi/M3Twgq
-----END PRIVATE KEY-----
";

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The element of a list whose field has this value.
fn one<'a>(list: &'a Value, field: &str, value: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|one| one[field] == value);
    found.unwrap_or_else(|| panic!("no {field} {value} in {list:#}"))
}

#[test]
fn the_documents_say_what_is_in_the_media() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let yard = Yard::new();
    let motd = yard.script("motd", "#!/bin/sh\necho hi >>$2/etc/motd; echo x >$2/etc/added\n");
    let mut steps: Vec<_> = SLIM.iter().chain(&MEDIA[..1]).copied().collect();
    steps.insert(2, ["motd", "Words of the day", &motd, ""]);
    yard.manifest("m", &steps);
    fs::write(yard.path("key.pem"), KEY).unwrap();
    let said = yard.run(&["build", "-k", "key.pem", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let media = yard.path("area/media");
    let facts = json(&media.join("Orchard.facts.json"));
    let sha256 = |bytes: &[u8]| stage::recipe::sha256(bytes);

    // What packages brought, what a script changed of it, what only the build made.
    let release = one(&facts["files"], "path", "etc/release");
    assert_eq!(release["package"], "entire");
    assert_eq!(
        (&release["size"], &release["sha256"]),
        (&12.into(), &sha256(b"  Orchard 1\n").into())
    );
    let changed = one(&facts["files"], "path", "etc/motd");
    assert_eq!(
        (&changed["package"], &changed["sha256"]),
        (&"entire".into(), &sha256(b"hello\nhi\n").into())
    );
    assert_eq!(one(&facts["files"], "path", "etc/added")["package"], Value::Null);
    // Of the boot archive what is otherwise there, and nothing that is the same.
    one(&facts["files"], "path", "boot_archive/etc/nodename");
    let paths = || facts["files"].as_array().unwrap().iter().map(|file| &file["path"]);
    assert!(!paths().any(|path| path == "boot_archive/etc/release"));
    let rows: Vec<&str> =
        facts["table"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(rows.iter().any(|row| row.starts_with("f 4555 0 3") && row.ends_with(" usr/bin/su")));
    let iso = fs::read(media.join("Orchard.iso")).unwrap();
    let medium = one(&facts["media"], "name", "Orchard.iso");
    assert_eq!((&medium["size"], &medium["sha256"]), (&iso.len().into(), &sha256(&iso).into()));

    let bill = fs::read(media.join("Orchard.spdx.json")).unwrap();
    let package = json(&media.join("Orchard.spdx.json"))["packages"][1].clone();
    assert_eq!(
        (&package["name"], &package["supplier"]),
        (&"entire".into(), &"Organization: orchard.example".into())
    );

    let statement = fs::read_to_string(media.join("Orchard.provenance.json")).unwrap();
    let value: Value = serde_json::from_str(&statement).unwrap();
    for (name, bytes) in [("Orchard.iso", &iso), ("Orchard.spdx.json", &bill)] {
        assert_eq!(one(&value["subject"], "name", name)["digest"]["sha256"], sha256(bytes));
    }
    let build = &value["predicate"]["buildDefinition"];
    let manifest = fs::read(yard.path("m.xml")).unwrap();
    assert_eq!(build["externalParameters"]["manifest"]["digest"]["sha256"], sha256(&manifest));
    let made = build["internalParameters"]["steps"].as_array().unwrap();
    let made: Vec<&str> = made.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(made, steps.iter().map(|step| step[0]).collect::<Vec<_>>());

    let envelope = json(&media.join("Orchard.intoto.jsonl"));
    let key = image_evidence::Key::parse(KEY.as_bytes(), "k").unwrap();
    assert_eq!(envelope["signatures"][0]["keyid"], key.id());

    signed_as_is_wanted(&yard, &statement);
}

/// With nothing to build, what is signed follows what is asked; and a build that goes on from a
/// step knows the steps before it.
fn signed_as_is_wanted(yard: &Yard, statement: &str) {
    let media = yard.path("area/media");
    let there = || media.join("Orchard.intoto.jsonl").exists();
    for (words, wanted) in [
        (&["build", "m.xml"][..], false),
        (&["build", "-k", "key.pem", "m.xml"], true),
        (&["build", "-k", "key.pem", "-r", "gen-slim-cont", "m.xml"], true),
        (&["build", "-r", "iso", "m.xml"], false),
    ] {
        let said = yard.run(words);
        assert_eq!((said.status, there()), (0, wanted), "{words:?}: {}", said.err);
        let now = fs::read_to_string(media.join("Orchard.provenance.json")).unwrap();
        assert_eq!(now, statement, "{words:?}");
    }
    for (key, why) in [("absent.pem", "No such file"), ("m.xml", "no Ed25519 or RSA private key")] {
        let said = yard.run(&["build", "-k", key, "m.xml"]);
        assert_eq!(said.status, 1, "{}", said.err);
        assert!(
            said.err.starts_with(&format!("distro_const: {key}: ")) && said.err.contains(why),
            "{}",
            said.err
        );
    }
}

#[test]
fn what_no_step_packs_is_told_too() {
    let yard = Yard::new();
    yard.manifest("m", &SLIM[..6]);
    assert_eq!(yard.run(&["build", "m.xml"]).status, 0);
    let facts = yard.path("area/media/Orchard.facts.json");
    one(&json(&facts)["files"], "path", "etc/motd");
    fs::copy(&facts, yard.path("before.json")).unwrap();
    yard.change();
    assert_eq!(yard.run(&["build", "m.xml"]).status, 0);

    // What is told by what the last build hashed is what is told by hashing everything.
    let digests = fs::read_to_string(yard.path("area/.pieces/digests")).unwrap();
    assert!(digests.contains(&stage::recipe::sha256(b"good day\n")), "{digests}");
    let told = fs::read_to_string(&facts).unwrap();
    fs::rename(yard.path("area"), yard.path("known")).unwrap();
    assert_eq!(yard.run(&["build", "m.xml"]).status, 0);
    assert_eq!(fs::read_to_string(&facts).unwrap(), told);

    let said = yard.run(&["diff", "before.json", "area"]);
    assert_eq!(said.status, 1, "{}", said.err);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].starts_with("~ package entire: orchard.example 1.0"), "{}", said.out);
    assert!(lines.contains(&"~ etc/motd: 6 -> 9 bytes (+3)"), "{}", said.out);
    assert!(!said.out.contains("etc/release"), "{}", said.out);
    let said = yard.run(&["diff", "--json", "before.json", "area/media/Orchard.spdx.json"]);
    let value: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.status, &value["packages"][0]["name"]), (1, &"entire".into()));
    assert_eq!(one(&value["paths"], "path", "etc/motd")["after"]["bytes"], 9);
    let said = yard.run(&["diff", "area", "area/media"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    assert!(said.out.starts_with("0 packages and 0 paths differ; "), "{}", said.out);

    // A medium may be a folder; one of the documents that tells nothing of what is inside is none.
    fs::create_dir(yard.path("area/media/Orchard.netboot")).unwrap();
    let said = yard.run(&["diff", "area/media/Orchard.netboot", "area"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    let said = yard.run(&["diff", "area/media/Orchard.provenance.json", "area"]);
    let no_facts = "these are no facts of a build: missing field `format` at line 1 column ";
    assert_eq!(said.status, 2);
    assert_eq!(said.err.matches(no_facts).count(), 1, "{}", said.err);
    assert_eq!(said.err.matches("missing field").count(), 1, "{}", said.err);

    fs::create_dir(yard.path("none")).unwrap();
    fs::create_dir(yard.path("two")).unwrap();
    for name in ["a", "b"] {
        fs::copy(&facts, yard.path("two").join(format!("{name}.facts.json"))).unwrap();
    }
    for (words, why) in [
        (&["diff", "area"][..], "Usage: distro_const diff [--json] build build"),
        (&["diff", "--xml", "area", "area"], "Usage: "),
        (&["diff", "area", "none"], "distro_const: none: neither facts nor a bill of materials"),
        (&["diff", "absent", "area"], "distro_const: absent: No such file"),
        (&["diff", "area", "two"], "distro_const: two/: several builds, "),
        (&["diff", "m.xml", "area"], "distro_const: m.xml: beside it are neither"),
    ] {
        let said = yard.run(words);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{words:?}");
        assert!(said.err.starts_with(why), "{words:?}: {}", said.err);
    }
}
