//! pkgdepend.rs - the cases of tests/depend; `proto` there is the proto area of all of them.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Place, check_folders, copy, top};

#[test]
fn cases() {
    check_folders("depend", 30);
}

#[test]
fn a_result_is_replaced_whole() {
    let place = Place::new();
    copy(&top().join("depend"), &place.path("depend"));
    let line = "cd depend/resolve-simple && pkgdepend resolve -S -m app.dep lib.dep && ls -A";
    let first = place.sh(line, None);
    let text = fs::read(place.path("depend/resolve-simple/app.dep.res")).unwrap();
    let again = place.sh(line, None);
    assert_eq!((first.status, first.out), (0, again.out.clone()), "{}", first.err);
    assert!(!again.out.contains(".pkgdepend-"), "{}", again.out);
    assert_eq!(fs::read(place.path("depend/resolve-simple/app.dep.res")).unwrap(), text);
}
