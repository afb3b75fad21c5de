//! pkg_verify.rs - what `pkg verify` and `pkg fix` say of paths, of what is nobody's, and as JSON.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Place, Said};
use serde_json::Value;

fn image(place: &Place) -> impl Fn(&str) -> Said + '_ {
    let made = place.sh(
        "pkg image-create -F -p repo --variant arch=i386 img && \
         pkg -R img install -q system/core-files fruit/pear@1.9 service/accounts && \
         rm img/etc/.pwd.lock",
        None,
    );
    assert_eq!(made.status, 0, "{made:?}");
    |line| place.sh(&format!("pkg -R img {line}"), None)
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

const PEAR: &str = "pkg://orchard.example/fruit/pear@1.9,5.11-1:20240102T030405Z";

#[test]
fn paths_and_what_is_nobodys() {
    let place = Place::new();
    let pkg = image(&place);
    let head = format!("{:70} {:>7}\n", "PACKAGE", "STATUS");
    let line = |name: &str, status: &str| {
        format!("{:70} {status:>7}\n", format!("pkg://orchard.example/{name}"))
    };
    let (pear, core) = (line("fruit/pear", "OK"), line("system/core-files", "OK"));
    for (arguments, status, out) in [
        ("-p usr/bin/pear", 0, String::new()),
        ("-v -p /usr/bin/pear", 0, format!("{head}{pear}")),
        ("-vH -p /usr/bin/pear -p etc/name_to_major", 0, format!("{pear}{core}")),
        // Several deliver it; one is asked.
        ("-vH -p usr", 0, core.clone()),
        ("-p nowhere", 0, format!("{head}nowhere is not found in the image\n")),
        ("-H -p /etc/group fruit/pear", 0, "etc/group is not found in the image\n".to_string()),
        (
            "--unpackaged-only",
            0,
            "UNPACKAGED CONTENTS\ndir: $ROOT/img/var/pkg:\n\tUnpackaged directory\n".to_string(),
        ),
        (
            "-H --unpackaged fruit/pear",
            0,
            "dir: $ROOT/img/var/pkg:\n\tUnpackaged directory\n".to_string(),
        ),
        ("-q --unpackaged", 0, String::new()),
    ] {
        let said = pkg(&format!("verify {arguments}"));
        assert_eq!((said.status, said.err.as_str()), (status, ""), "{arguments}: {said:?}");
        assert_eq!(said.out, out, "{arguments}");
    }
    let root = place.path("img");
    fs::create_dir_all(root.join("usr/stray/deep")).unwrap();
    fs::write(root.join("usr/bin/own"), "x").unwrap();
    std::os::unix::fs::symlink("/nowhere", root.join("etc/link")).unwrap();
    fs::remove_file(root.join("usr/bin/pear")).unwrap();
    let said = pkg("verify --unpackaged");
    let expected = format!(
        "{head}{}\tfile: usr/bin/pear\n\t\tERROR: Missing: regular file does not exist\n\
         \thardlink: usr/bin/pear-hard\n\t\tERROR: Target 'pear' does not exist\n{}\n\
         UNPACKAGED CONTENTS\n\
         file: $ROOT/img/etc/link:\n\tUnpackaged file\n\
         dir: $ROOT/img/usr/stray:\n\tUnpackaged directory\n\
         file: $ROOT/img/usr/bin/own:\n\tUnpackaged file\n\
         dir: $ROOT/img/var/pkg:\n\tUnpackaged directory\n",
        line("fruit/pear", "ERROR"),
        "-".repeat(80)
    );
    assert_eq!((said.out, said.status), (expected, 1));
    for (arguments, told) in [
        (
            "--unpackaged --unpackaged-only",
            "The '--unpackaged' and '--unpackaged-only' options may not be combined.",
        ),
        ("-p x --unpackaged", "The '-p' and '--unpackaged' options may not be combined."),
        ("-p x --unpackaged-only", "The '-p' and '--unpackaged-only' options may not be combined."),
        (
            "--unpackaged-only pear",
            "can not report only unpackaged contents with package arguments.",
        ),
        ("-v --parsable 0", "The '-v' and '--parsable' options may not be combined."),
        ("-H --parsable 0", "The '-H' and '--parsable' options may not be combined."),
        ("--parsable 1", "invalid argument '1' for option '--parsable'"),
    ] {
        let said = pkg(&format!("verify {arguments}"));
        assert!(said.err.starts_with(&format!("pkg verify: {told}\nUsage:")), "{said:?}");
        assert_eq!(said.status, 2, "{arguments}");
    }
}

#[test]
fn findings_as_json() {
    let place = Place::new();
    let pkg = image(&place);
    let said = pkg("verify --parsable=0 --unpackaged pear");
    let value = json(&said);
    assert_eq!(said.status, 0);
    let items = &value["item-messages"];
    assert_eq!(items[PEAR]["messages"][0]["msg_level"], "info");
    let stray = format!("dir: {}", fs::canonicalize(place.path("img/var/pkg")).unwrap().display());
    let stray = stray.replace(fs::canonicalize(place.path("")).unwrap().to_str().unwrap(), "$ROOT");
    assert_eq!(items["unpackaged"][&stray][0]["msg_type"], "unpackaged", "{value}");
    fs::write(place.path("img/usr/bin/pear"), "x").unwrap();
    fs::write(place.path("img/etc/pear.conf"), "edited").unwrap();
    let said = pkg("verify --parsable=0");
    let value = json(&said);
    assert_eq!(said.status, 1);
    assert_eq!(value["affect-packages"], serde_json::json!([PEAR]));
    let item = &value["item-messages"][PEAR];
    assert_eq!(item["messages"][0]["msg_level"], "error");
    assert_eq!(item["file: usr/bin/pear"][0]["msg_level"], "error");
    assert_eq!(item["file: etc/pear.conf"][0]["msg_text"], "editable file has been changed");
    let said = pkg("fix --parsable=0 -n pear");
    let fixed = json(&said);
    assert_eq!((said.status, &fixed["affect-packages"]), (1, &value["affect-packages"]));
    assert_eq!(fixed["change-editables"], serde_json::json!([]));
    let said = pkg("fix --parsable=0");
    assert_eq!(
        (said.status, json(&said)["item-messages"][PEAR]["messages"][0]["msg_level"].clone()),
        (0, Value::from("error"))
    );
    let said = pkg("fix --parsable=0 --unpackaged");
    assert_eq!(said.status, 4);
    assert!(json(&said)["item-messages"]["unpackaged"].is_object());
    for (status, packages, edited) in [
        (0, serde_json::json!([PEAR]), serde_json::json!([["updated", ["etc/pear.conf"]]])),
        (4, serde_json::json!([]), serde_json::json!([])),
    ] {
        let said = pkg("revert --parsable=0 /etc/pear.conf");
        let value = json(&said);
        assert_eq!(said.status, status, "{said:?}");
        assert_eq!((&value["affect-packages"], &value["change-editables"]), (&packages, &edited));
    }
}

#[test]
fn entries_are_mended() {
    let place = Place::new();
    let pkg = image(&place);
    let root = place.path("img");
    let users = fs::read_to_string(root.join("etc/passwd")).unwrap();
    let without: String =
        users.lines().filter(|l| !l.starts_with("picker:")).map(|l| format!("{l}\n")).collect();
    assert_ne!(users, without);
    fs::write(root.join("etc/passwd"), &without).unwrap();
    fs::remove_dir_all(root.join("var/pkg/license/fruit%2Fpear")).unwrap();
    let bad = pkg("verify");
    assert_eq!(bad.status, 1);
    assert!(bad.out.contains("username: '<missing>' should be 'picker'"), "{bad:?}");
    assert!(bad.out.contains("\tlicense: "), "{bad:?}");
    let dry = pkg("fix -n");
    assert_eq!(dry.status, 1, "{dry:?}");
    assert!(dry.out.starts_with("Packages to fix: 2\n\nPACKAGE "), "{dry:?}");
    let said = pkg("fix");
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.out.contains("Repairing: pkg://orchard.example/service/accounts@"), "{said:?}");
    let after = pkg("verify");
    assert_eq!((after.status, after.out.as_str()), (0, ""), "{after:?}");
    assert_eq!(pkg("fix").out, "No updates necessary for this image.\n");
}
