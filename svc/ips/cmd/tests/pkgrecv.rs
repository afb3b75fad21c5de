//! pkgrecv.rs - pkgrecv copies what pkg5's copies, byte for byte.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{Place, top};
use ips_model::digest::sha1_hex;

/// SHA-1, size and path of every stored manifest, payload and timeless catalog part.
fn files(folder: &Path) -> Vec<String> {
    let line = |(name, path): (String, std::path::PathBuf)| {
        let bytes = fs::read(path).unwrap();
        format!("{}\t{}\t{name}", sha1_hex(&bytes), bytes.len())
    };
    let lines: Vec<String> = common::files(folder).into_iter().map(line).collect();
    kept(lines.iter().map(String::as_str))
}

/// Without what holds a time, and without the index, which is not made here.
fn kept<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let times = ["catalog.attrs", "/update.", "/index/", "/tmp/", "pkg5.repository", "pub.p5i"];
    let stable =
        |line: &&str| !line.starts_with('#') && !times.iter().any(|part| line.contains(part));
    let mut lines: Vec<String> = lines.filter(stable).map(str::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn what_is_copied() {
    let place = Place::new();
    let root = fs::canonicalize(place.path("repo")).unwrap();
    for (name, line) in [
        ("latest", "pkgrecv -s repo -d NEW -m latest fruit/pear 'test/*'".to_string()),
        (
            "all-versions",
            format!("pkgrecv -s file://{} -d NEW -m all-versions fruit/pear", root.display()),
        ),
        ("all-timestamps", "PKG_SRC=repo PKG_DEST=NEW pkgrecv fruit/pear".to_string()),
        ("recursive", "pkgrecv -s repo -d NEW -r -m latest meta/all-depends".to_string()),
        ("everything", "pkgrecv -s repo -d NEW '*'".to_string()),
        ("old", "pkgrecv 'old/*' -s repo -d NEW".to_string()),
    ] {
        assert_eq!(place.sh(&format!("pkgrepo create {name}"), None).status, 0);
        let line = line.replace("NEW", name);
        let said = place.sh(&line, None);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{line}: {said:?}");
        let read = |kind: &str| {
            fs::read_to_string(top().join("recv").join(format!("{name}.{kind}"))).unwrap()
        };
        let listed = place.sh(&format!("pkgrepo -s {name} list -H -F tsv"), None);
        assert_eq!(listed.out, read("list.tsv"), "{line}");
        assert_eq!(files(&place.path(name)), kept(read("files.txt").lines()), "{line}");
        let count = said.out.lines().filter(|line| line.starts_with("Republish: pkg:/")).count();
        assert_eq!(count, listed.out.lines().count(), "{said:?}");
        // Once more: everything is there.
        let again = place.sh(&line, None);
        assert_eq!((again.status, again.out.contains("Republish")), (0, false), "{again:?}");
    }
}

#[test]
fn as_pkg5_does() {
    let place = Place::new();
    for case in [
        "recv-badpattern",
        "recv-newest",
        "recv-nodest",
        "recv-nomatch",
        "recv-nopattern",
        "recv-nosrc",
        "recv-usage",
    ] {
        place.check(case);
    }
    let said = place.sh("pkgrecv -s repo -d scratch2 pear nosuch", None);
    let out = "Processing packages for publisher orchard.example ...
Retrieving and evaluating 6 package(s)...
Republish: pkg:/fruit/pear@1.0,5.11-1:20240102T030405Z ... Done
Republish: pkg:/fruit/pear@1.0,5.11-2:20240102T030405Z ... Done
Republish: pkg:/fruit/pear@1.9,5.11-1:20240102T030405Z ... Done
Republish: pkg:/fruit/pear@1.10,5.11-1:20240102T030405Z ... Done
Republish: pkg:/fruit/pear@2.0,5.11-1:20240102T030405Z ... Done
Republish: pkg:/fruit/pear@2.0,5.11-1:20240203T040506Z ... Done
Processing packages for publisher harbour.example ...
Retrieving and evaluating 1 package(s)...
Republish: pkg:/fruit/pear@5.0,5.11-1:20240102T030405Z ... Done

";
    assert_eq!(said.out, out);
    let told = "pkgrecv: The following pattern(s) did not match any packages:\n\tnosuch\n";
    assert_eq!((said.err.as_str(), said.status), (told, 3));
    assert_eq!(place.sh("pkgrepo -s scratch2 list -H pear", None).out.lines().count(), 7);
    place.check("recv-n");
    // All of nothing is fine.
    let said = place.sh("pkgrepo create empty && pkgrecv -s empty -d scratch2 '*' nosuch", None);
    assert_eq!((said.out.as_str(), said.err.as_str(), said.status), ("", "", 0));
}

#[test]
fn other_contents_under_the_same_name_are_refused() {
    let place = Place::new();
    let manifest =
        "set name=pkg.fmri value=pkg://orchard.example/library/tiny@0.3,5.11-1:20240102T030405Z\n";
    fs::write(place.path("m"), manifest).unwrap();
    assert_eq!(place.sh("pkgsend -D allow-timestamp -s scratch2 publish m", None).status, 0);
    let said = place.sh("pkgrecv -s repo -d scratch2 '*'", None);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("library/tiny@0.3,5.11-1:20240102T030405Z"), "{said:?}");
    assert_eq!(place.sh("pkgrepo -s scratch2 list -H", None).out.lines().count(), 1);
}

#[test]
fn a_trial_changes_nothing() {
    let place = Place::new();
    let totals = |line: &str| {
        let said = place.sh(line, None);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{line}: {said:?}");
        let words = |line: &str| line.split_whitespace().last().unwrap_or_default().to_string();
        // Of the first publisher.
        let figures = |line: &&str| line.contains(" to add:") || line.contains(" to retrieve:");
        said.out.lines().filter(figures).take(2).map(words).collect::<Vec<String>>()
    };
    assert_eq!(totals("pkgrecv -s repo -d scratch2 -n '*'")[0], "23");
    assert_eq!(totals("pkgrecv -s repo -d scratch2 -n -v -m latest pear"), ["1", "19"]);
    assert_eq!(totals("pkgrecv -s repo -d scratch -n pear"), ["0", "0"]);
    assert_eq!(totals("pkgrecv -s repo -d scratch2 -n -r -m latest meta/all-depends")[0], "8");
    assert_eq!(place.sh("pkgrepo -s scratch2 list -H", None).out, "");
}
