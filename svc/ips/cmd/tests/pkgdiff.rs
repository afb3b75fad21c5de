//! pkgdiff.rs - pkgdiff tells what pkg5's tells.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::Place;

#[test]
fn as_pkg5_does() {
    let place = Place::new();
    for case in ["diff-pear", "diff-same"] {
        place.check(case);
    }
}

/// Two manifests, arguments, what is told.
const CASES: [(&str, &str, &str, &str); 11] = [
    (
        "dir path=a mode=1\n",
        "dir path=b mode=1\n",
        "",
        "- dir mode=1 path=a\n+ dir mode=1 path=b\n",
    ),
    ("dir path=a mode=1\n", "dir path=a mode=2\n", "", "dir path=a\n  - mode=1\n  + mode=2\n"),
    ("dir path=a mode=1\n", "dir path=a mode=2\n", "-i mode", ""),
    ("dir path=a mode=1\n", "dir path=a mode=2\n", "-o owner", ""),
    (
        "dir path=a mode=1 owner=o\n",
        "dir path=a mode=2 group=g\n",
        "-o group",
        "dir path=a\n  + group=g\n",
    ),
    (
        "set name=a value=1 value=2\n",
        "set name=a value=3 value=2\n",
        "",
        "set name=a\n  - value=1\n  + value=3\n",
    ),
    ("set name=a value=1 value=2\n", "set name=a value=2 value=1\n", "", ""),
    ("file h path=a chash=1\n", "file i path=a chash=2\n", "-i hash", ""),
    ("set a=b\ndir path=a\n", "set a=c\n", "-t dir,link", "- dir path=a\n"),
    (
        "set name=variant.arch value=i386 value=sparc\ndir path=a variant.arch=i386\ndir path=a mode=1 variant.arch=sparc\n",
        "set name=variant.arch value=i386 value=sparc\ndir path=a mode=1 variant.arch=i386\ndir path=a mode=1 variant.arch=sparc\n",
        "",
        "dir path=a variant.arch=i386\n  + mode=1\n",
    ),
    (
        "set name=variant.arch value=i386 value=sparc\ndir path=a variant.arch=i386\ndir path=a mode=1 variant.arch=sparc\n",
        "set name=variant.arch value=sparc\ndir path=a mode=1\n",
        "-v arch=sparc",
        "",
    ),
];

#[test]
fn differences() {
    let place = Place::new();
    for (old, new, options, told) in CASES {
        fs::write(place.path("old"), old).unwrap();
        let line = format!("pkgdiff {options} old -");
        fs::write(place.path("new"), new).unwrap();
        let said = place.sh(&line, Some(&place.path("new")));
        assert_eq!((said.out.as_str(), said.err.as_str()), (told, ""), "{options}: {old}");
        assert_eq!(said.status, i32::from(!told.is_empty()), "{options}: {old}");
    }
}

#[test]
fn what_is_refused() {
    let place = Place::new();
    fs::write(place.path("a"), "set name=variant.arch value=i386\n").unwrap();
    fs::write(place.path("b"), "set name=variant.arch value=sparc\n").unwrap();
    for (line, told, status) in [
        ("pkgdiff a", "two manifest arguments are required", 2),
        ("pkgdiff - -", "only one manifest argument can be stdin", 2),
        ("pkgdiff -i a -o b a b", "-i and -o options may not be used at the same time.", 2),
        ("pkgdiff -t dir,dri a b", "unknown action types: dri", 2),
        ("pkgdiff -v arch a b", "variant option incorrect arch", 2),
        ("pkgdiff -v a=1 -v a=2 a b", "For any variant, only one value may be specified.", 2),
        ("pkgdiff -v arch=x a b", "Manifest a doesn't support variant variant.arch=x", 2),
        (
            "pkgdiff a b",
            "Manifests support different variants variant.arch=i386 variant.arch=sparc",
            3,
        ),
        ("pkgdiff a nosuch", "nosuch: No such file or directory (os error 2)", 3),
        ("printf '\\377' | pkgdiff a -", "-: stream did not contain valid UTF-8", 3),
        ("echo dir | pkgdiff a -", "Action error in file -: line 1: Malformed", 3),
    ] {
        let said = place.sh(line, None);
        assert!(said.err.starts_with(&format!("pkgdiff: {told}")), "{line}: {said:?}");
        assert_eq!((said.status, said.out.starts_with("Usage:")), (status, status == 2), "{line}");
    }
}
