//! pkgrepo.rs - pkgrepo says and does what pkg5's does.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Place, top};

/// The cases of pkg5 that only read, all of them.
#[test]
fn as_pkg5_does() {
    let place = Place::new();
    let heads =
        ["repo-list", "repo-info", "repo-get", "repo-contents", "repo-badsub", "repo-usage"];
    let mut cases: Vec<String> = fs::read_dir(top().join("cli"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            // Those that come after a change are checked with it.
            let later = name.contains("-after") || name.ends_with("-cloned");
            heads.iter().any(|head| name.starts_with(head)) && !later
        })
        .collect();
    cases.sort();
    assert!(cases.len() > 45, "{}", cases.len());
    for case in cases.iter().map(String::as_str).chain(["repo-create-exists"]) {
        place.check(case);
    }
}

#[test]
fn publishers_are_added() {
    let place = Place::new();
    for case in ["repo-add-pub", "repo-add-pub-again", "repo-add-pub-partial", "repo-add-pub-bad"] {
        place.check(case);
    }
    let said = place.sh("pkgrepo -s scratch info -H", None);
    let names: Vec<&str> = said.out.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["fourth.example", "harbour.example", "orchard.example", "third.example"]);
    place.check("repo-set");
    let expected = top().join("cli/repo-set/pkg5.repository.after");
    let [ours, theirs] =
        [place.path("scratch/pkg5.repository"), expected].map(|path| fs::read(path).unwrap());
    assert_eq!(ours, theirs);
    place.check("repo-set-list");
    let expected = top().join("cli/repo-set-list/pub.p5i.after");
    let [ours, theirs] = [place.path("scratch/publisher/third.example/pub.p5i"), expected]
        .map(|path| fs::read_to_string(path).unwrap());
    assert_eq!(ours, theirs);
    place.check("repo-get-after-set");
    let refused =
        place.sh("pkgrepo set -s scratch -p third.example repository/refresh-seconds=x", None);
    assert_eq!(refused.status, 1, "{refused:?}");
    let line = "pkgrepo set -s scratch -p third.example -p new.example repository/origins=http://o/ \
        && pkgrepo set -s scratch -p all repository/name=N && \
        pkgrepo get -s scratch -H -p third.example -p new.example repository/origins repository/name";
    let said = place.sh(line, None);
    let [origins, names] = ["http://o/", " N"].map(|text| said.out.matches(text).count());
    assert_eq!((said.status, origins, names), (0, 2, 2), "{said:?}");
    for (what, told) in
        [("x/y=z", "unknown property section 'x'"), ("publisher/prefix=x", "'prefix'")]
    {
        let refused = place.sh(&format!("pkgrepo set -s scratch -p all {what}"), None);
        assert!(refused.status == 2 && refused.err.contains(told), "{refused:?}");
    }
    place.check("repo-set-badbool");
    place.check("repo-set-unknown");
    let said = place.sh("pkgrepo get -s scratch a/b", None);
    assert!(said.out.ends_with("a          b                            c\n"), "{said:?}");
}

#[test]
fn the_version_may_not_be_set() {
    let place = Place::new();
    assert_eq!(place.sh("pkgrepo set -s scratch repository/version=9", None).status, 1);
    assert_eq!(place.sh("pkgrepo info -s scratch", None).status, 0);
    let path = place.path("scratch/pkg5.repository");
    let text = fs::read_to_string(&path).unwrap().replacen("version = 4", "version = 9", 1);
    fs::write(&path, text).unwrap();
    let said = place.sh("pkgrepo info -s scratch", None);
    let expected = "pkgrepo: file protocol error: code: E_TFTP_ILLEGAL (71) reason: The repository at '$ROOT/scratch' is version '9'; only versions up to 4 are supported.\nRepository URL: 'file://$ROOT/scratch'.\n";
    assert_eq!((said.err.as_str(), said.status), (expected, 1));
}

#[test]
fn catalogs_are_renewed() {
    let place = Place::new();
    let list = || place.sh("pkgrepo -s scratch list", None);
    let before = list();
    for case in ["repo-refresh", "repo-rebuild", "repo-rebuild-empty"] {
        place.check(case);
        assert_eq!(list(), before, "{case}");
    }
    fs::remove_dir_all(place.path("scratch/publisher/orchard.example/catalog")).unwrap();
    assert_ne!(list(), before);
    place.check("repo-refresh");
    assert_eq!(list(), before);
}

#[test]
fn indexes_are_renewed_with_them() {
    let place = Place::new();
    let index = place.path("scratch/publisher/orchard.example/index/main_dict.ascii.v2");
    let first =
        || fs::read_to_string(&index).ok().and_then(|text| Some(text.lines().next()?.to_string()));
    for (line, version) in [
        ("refresh --no-index", None),
        ("refresh -p harbour.example", None),
        ("refresh --no-catalog", Some("VERSION: 2")),
        ("refresh", Some("VERSION: 2")),
        ("rebuild", Some("VERSION: 2")),
    ] {
        assert_eq!(place.sh(&format!("pkgrepo -s scratch {line}"), None).status, 0);
        assert_eq!(first().as_deref(), version, "{line}");
    }
    let line = "printf 'set name=pkg.fmri value=pkg://orchard.example/late@1\n' > late.p5m && \
                pkgsend -s scratch publish late.p5m && pkgrepo -s scratch refresh";
    assert_eq!(place.sh(line, None).status, 0);
    assert_eq!(first().as_deref(), Some("VERSION: 3"));
    assert!(fs::read_to_string(&index).unwrap().contains("\nlate set!pkg.fmri@"));
}

#[test]
fn the_place_stands_before_or_after() {
    let place = Place::new();
    let root = fs::canonicalize(place.path("repo")).unwrap();
    let expected = place.sh("pkgrepo list -s repo", None);
    for line in [
        "pkgrepo -s repo list".to_string(),
        format!("pkgrepo -s file://{} list", root.display()),
        "cd repo && pkgrepo list -s .".to_string(),
        "pkgrepo list -srepo".to_string(),
    ] {
        assert_eq!(place.sh(&line, None), expected, "{line}");
    }
    for (line, told) in [
        ("pkgrepo list -s", "pkgrepo list: option -s requires an argument\n"),
        ("pkgrepo list -s repo -Z", "pkgrepo list: illegal option -- Z\n"),
        ("pkgrepo --zap", "pkgrepo: illegal global option -- zap\n"),
        ("pkgrepo create", "pkgrepo create: No repository location specified.\n"),
        (
            "pkgrepo add-publisher x",
            "pkgrepo add-publisher: A package repository location must be provided using -s.\n",
        ),
    ] {
        let said = place.sh(line, None);
        let told = format!("{told}Try `pkgrepo --help or -?' for more information.\n");
        assert_eq!((said.err, said.status), (told, 2), "{line}");
    }
}
