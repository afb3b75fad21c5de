//! pkg_notes.rs - release notes: shown when they must be or somebody asks, and kept for the history.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::Place;

fn publish(place: &Place, name: &str, version: &str, note: &str, text: &str) {
    fs::write(place.path("note"), text).unwrap();
    let manifest = format!(
        "set name=pkg.fmri value=pkg://notes.example/{name}@{version},5.11-0\n\
         dir path=usr mode=0755 owner=root group=root release-note=feature/pkg/self@0\n\
         file note path=usr/share/doc/{name}-{version} mode=0644 owner=root group=root {note}\n"
    );
    fs::write(place.path("p5m"), manifest).unwrap();
    let said = place.sh("pkgsend -s notes publish -d . p5m", None);
    assert_eq!(said.status, 0, "{said:?}");
}

#[test]
fn notes_are_shown_and_kept() {
    let place = Place::new();
    assert_eq!(
        place
            .sh("pkgrepo create notes && pkgrepo -s notes add-publisher notes.example", None)
            .status,
        0
    );
    for (name, version, note, text) in [
        ("foo", "1.0", "release-note=feature/pkg/self@0", "bobcats\nare fun"),
        ("foo", "1.1", "release-note=feature/pkg/self@1.0.1", "wombats"),
        ("foo", "1.2", "release-note=feature/pkg/self@1.1.1 must-display=true", "no animals"),
        ("foo", "1.3", "release-note=feature/pkg/self@1.2", "nothing new"),
        ("bar", "1.0", "", "x"),
        ("baz", "1.0", "release-note=bar@1.1", "boote – лодки"),
    ] {
        publish(&place, name, version, note, text);
    }
    let made = place.sh(
        "pkg image-create -F -p notes --variant arch=i386 img && mkdir -p img/etc && \
         printf 'root:x:0:0::/:\\n' > img/etc/passwd && printf 'root::0:\\n' > img/etc/group",
        None,
    );
    assert_eq!(made.status, 0, "{made:?}");
    let pointer = "Release notes can be viewed with 'pkg history -n 1 -N'\n";
    for (line, told, untold) in [
        ("install -n foo@1.0", "Release Notes:\n  bobcats\n  are fun\n", pointer),
        ("install -q foo@1.0", "", "bobcats"),
        ("history -n 1 -N", ": Release notes:\n    bobcats\n    are fun\n", "None"),
        ("history -Hn 1 -o release_notes", "Yes\n", "No"),
        ("history -n 1 -l", "Release Notes: Yes\n", ""),
        ("update -v foo@1.1", "Release Notes:\n  wombats\n", pointer),
        ("update foo@1.2", "Release Notes:\n  no animals\n", pointer),
        ("update foo@1.3", "", "Release"),
        ("history -n 1 -N", ": Release notes: None\n", "no animals"),
        ("install bar baz", "", "Release"),
        ("uninstall baz", "", "Release"),
        ("install baz", pointer, "boote"),
        ("history -HNn 1", ": Release notes:\n    boote – лодки\n", ""),
        ("uninstall baz", "", "Release"),
        ("install --parsable=0 baz", "\"release-notes\":[\"boote – лодки\"]", "Release Notes"),
    ] {
        let said = place.sh(&format!("pkg -R img {line}"), None);
        assert_eq!(said.status, 0, "{line}: {said:?}");
        assert!(said.out.contains(told), "{line}: {said:?}");
        assert!(untold.is_empty() || !said.out.contains(untold), "{line}: {said:?}");
    }
    let kept = || fs::read_dir(place.path("img/var/pkg/notes")).unwrap().count();
    assert!(kept() > 2);
    assert_eq!(place.sh("pkg -R img purge-history", None).status, 0);
    assert_eq!(kept(), 0);
}

/// What a plan has as JSON, whatever it is for.
const KEYS: [&str; 23] = [
    "activate-be",
    "add-packages",
    "affect-packages",
    "affect-services",
    "backup-be-name",
    "be-name",
    "boot-archive-rebuild",
    "change-editables",
    "change-facets",
    "change-mediators",
    "change-packages",
    "change-variants",
    "child-images",
    "create-backup-be",
    "create-new-be",
    "image-name",
    "item-messages",
    "licenses",
    "release-notes",
    "remove-packages",
    "space-available",
    "space-required",
    "version",
];

/// The whole of a change as JSON.
#[test]
fn a_plan_as_json() {
    let place = Place::new();
    let made = place.sh(
        "pkg image-create -F -p repo --variant arch=i386 --variant debug.illumos=false img && \
         pkg -R img install -q system/core-files fruit/pear@1.9",
        None,
    );
    assert_eq!(made.status, 0, "{made:?}");
    let plan = |line: &str| -> serde_json::Value {
        let line = line.split_once(' ').map_or((line, ""), |(name, rest)| (name, rest));
        let line = format!("{} --parsable=0 {}", line.0, line.1);
        let said = place.sh(&format!("pkg -R img {line}"), None);
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{line}: {error}: {said:?}"))
    };
    for line in [
        "install -n pear@2.0",
        "update -n",
        "uninstall -n pear",
        "change-facet -n doc=false",
        "change-variant -n debug.illumos=true",
        "exact-install -n system/core-files",
        "verify",
        "fix",
    ] {
        let value = plan(line);
        let mut own: Vec<&String> = value.as_object().unwrap().keys().collect();
        own.sort();
        assert_eq!(own, KEYS, "{line}");
    }
    let update = plan("update -n pear@2.0");
    assert_eq!(update["change-editables"], serde_json::json!([["updated", ["etc/pear.conf"]]]));
    // The licence has not changed.
    assert_eq!(update["licenses"], serde_json::json!([]));
    for name in ["space-required", "space-available"] {
        assert!(update[name].as_u64().unwrap() > 0, "{update}");
    }
    let tiny = plan("install -n compat/legacy library/tiny service/accounts");
    for license in tiny["licenses"].as_array().unwrap() {
        assert_eq!((&license[0], &license[1]), (&license[2][0], &serde_json::json!([])), "{tiny}");
        assert!(license[2][2].as_str().unwrap().contains('\n'), "{tiny}");
    }
    let facet = plan("change-facet -n doc=false");
    assert_eq!(
        facet["change-facets"],
        serde_json::json!([["facet.doc", false, null, "local", false, false]])
    );
    assert!(!facet["affect-packages"].as_array().unwrap().is_empty(), "{facet}");
    let gone = plan("uninstall -n pear");
    assert_eq!(
        gone["change-editables"],
        serde_json::json!([["removed", ["etc/pear.conf"]]]),
        "{gone}"
    );
    let come = plan("install -n service/accounts runtime/lang-19 runtime/lang-110");
    assert_eq!(come["change-mediators"][0][0], "lang", "{come}");
    assert_eq!(come["change-mediators"][0][1].as_array().unwrap().len(), 2, "{come}");
}
