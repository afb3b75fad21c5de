//! pkglint.rs - pkglint tells what pkg5's tells (tests/cli), and what the cases of tests/lint say.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, check_folders};

#[test]
fn golden() {
    let place = Place::new();
    for case in ["lint-depends", "lint-pear"] {
        place.check(case);
    }
}

#[test]
fn cases() {
    check_folders("lint", 22);
}

#[test]
fn a_cache_remembers_its_repositories() {
    let place = Place::new();
    let manifest = "input/manifests/tiny.p5m";
    let first = place.sh(&format!("pkglint -c c -r repo {manifest}"), None);
    assert!(!first.err.contains("unable to find"), "{first:?}");
    let again = place.sh(&format!("pkglint -c c {manifest}"), None);
    assert_eq!((first.out, first.err), (again.out, again.err));
    let other = place.sh(&format!("pkglint -c c -r nowhere {manifest}"), None);
    assert!(other.out.contains("Ignoring -r option, existing image found.\n"), "{other:?}");
    let bad = place.sh("pkglint -c new -l nowhere", None);
    assert_eq!(bad.status, 2, "{bad:?}");
    assert!(!place.path("new/lint_image").exists(), "what cannot be opened is not remembered");
}
