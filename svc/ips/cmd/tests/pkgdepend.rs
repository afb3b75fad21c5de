//! pkgdepend: the folders of tests/depend, each a case with its manifests; `proto` is the proto
//! area of all of them.

mod common;

use std::fs;

use common::{Place, copy, top};

#[test]
fn cases() {
    let place = Place::new();
    let all = top().join("depend");
    copy(&all, &place.path("depend"));
    let mut names: Vec<String> = fs::read_dir(&all)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "proto")
        .collect();
    names.sort();
    assert!(names.len() > 30, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let read = |file: &str| fs::read_to_string(all.join(&name).join(file)).unwrap_or_default();
        let said = place.sh(&format!("cd depend/{name}\n{}", read("cmd")), None);
        let told = format!("{}--\n{}-- {}\n", said.out, said.err, said.status);
        let expected =
            format!("{}--\n{}-- {}\n", read("stdout"), read("stderr"), read("exit").trim());
        if told != expected {
            wrong.push(format!("{name}: said\n{told}expected\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
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
