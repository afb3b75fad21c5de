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
    for (what, told, status) in [
        ("-p third.example repository/none=1", " set: unknown property 'none'", 2),
        ("-p none.example repository/none=1", " set: unknown property 'none'", 2),
        ("a", ": a property name and value must be provided in the form", 2),
        ("'a/b=(\"c)'", ": a property name and value must be provided in the form", 2),
        (
            "-p third.example repository/refresh-seconds=x",
            ": Unable to set properties for publisher 'third.example':\n'x' is not a valid value for repository attribute 'refresh_seconds'.",
            1,
        ),
        (
            "-p third.example 'repository/mirrors=(http://m/ m)'",
            ": Unable to set properties for publisher 'third.example':\n'm' is not a valid URI.",
            1,
        ),
        (
            "-p third.example repository/collection-type=odd",
            ": Unable to set properties for publisher 'third.example':\n'odd' is not a valid repository collection type.",
            1,
        ),
        ("-p _x publisher/alias=y", ": '_x' is not a valid publisher name.", 1),
    ] {
        let refused = place.sh(&format!("pkgrepo set -s scratch {what}"), None);
        let starts = refused.err.starts_with(&format!("pkgrepo{told}"));
        assert!(starts && refused.status == status, "{what}: {refused:?}");
    }
    // A property named again is a list, words are a shell's, and a section may have slashes.
    let line = "pkgrepo set -s scratch -p third.example repository/collection-type=supplemental \
        repository/mirrors=http://m/ repository/mirrors=http://n/ && \
        pkgrepo set -s scratch \"x/y/z=('a b' c)\" && pkgrepo get -H -s scratch x/y/z && \
        pkgrepo get -Hs scratch -p third.example repository/mirrors repository/collection-type";
    let said = place.sh(line, None);
    assert!(said.out.lines().next().unwrap().ends_with(r" (a\ b c)"), "{said:?}");
    assert!(said.out.contains(" supplemental\n") && said.out.contains(" (http://m/ http://n/)\n"));
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
    let said = place.sh("pkgrecv -s repo -d scratch pear", None);
    let expected = "pkgrecv: $ROOT/scratch/pkg5.repository: repository version '9' is not supported (3 and 4 are)\n";
    assert_eq!((said.err.as_str(), said.status), (expected, 1));
}

#[test]
fn marks_of_packages() {
    let place = Place::new();
    for (name, set, mark) in [
        ("mark/legacy", "pkg.legacy", " l "),
        ("mark/obsolete", "pkg.obsolete", " o "),
        ("mark/none", "pkg.other", "   "),
    ] {
        let line = format!(
            "printf 'set name=pkg.fmri value={name}@1\nset name={set} value=true\n' | pkgsend -s scratch publish && pkgrepo list -H -s scratch {name}"
        );
        let said = place.sh(&line, None);
        let listed = said.out.lines().last().unwrap();
        assert!(listed.starts_with(&format!("orchard.example {name:45}{mark}1:")), "{listed}");
    }
}

#[test]
fn what_no_depot_does() {
    let place = Place::new();
    for line in [
        "create",
        "set a/b=c",
        "set -p x repository/name=y",
        "add-publisher x",
        "remove-publisher x",
        "remove x",
        "verify",
        "fix",
    ] {
        let said = place.sh(&format!("pkgrepo -s http://127.0.0.1:1/ {line}"), None);
        let verb = line.split(' ').next().unwrap();
        let told = format!(
            "pkgrepo {verb}: Network repositories are not currently supported for this operation.\nTry `pkgrepo --help or -?' for more information.\n"
        );
        assert_eq!((said.err, said.status), (told, 2), "{line}");
    }
    let said = place.sh("pkgrepo -s ftp://x/ list", None);
    let told = "pkgrepo: The URI 'ftp://x/' uses the unsupported scheme 'ftp'.  Supported schemes are file://, http://, and https://.\n";
    assert_eq!((said.err.as_str(), said.status), (told, 1));
}

/// Who has the lock is told, as the file has it: pkg5 writes it so, too.
#[cfg(target_os = "linux")]
#[test]
fn a_lock_that_another_has() {
    let place = Place::new();
    let folder = place.path("scratch/publisher/orchard.example/tmp");
    fs::create_dir_all(&folder).unwrap();
    let _lock = common::locked(&folder.join("lock"));
    for (text, told) in [("", "."), ("17\nelsewhere\n", ": pid 17 on elsewhere.")] {
        fs::write(folder.join("lock"), text).unwrap();
        let told = format!(
            "pkgrepo: The repository cannot be modified as it is currently in use by another process{told}\n"
        );
        for verb in ["refresh", "rebuild", "remove tiny"] {
            let said = place.sh(&format!("pkgrepo -s scratch {verb} -p orchard.example"), None);
            assert_eq!((said.err, said.status), (told.clone(), 1), "{verb}");
        }
    }
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

/// What is there of what was asked for, and the status that says how much that was.
#[test]
fn some_of_what_is_asked_for() {
    let place = Place::new();
    let nobody = "no matching publishers found\n";
    for (line, lines, err, status) in [
        ("info -H -p harbour.example -p none", 1, "".to_string(), 3),
        ("info -H -p all -p none", 2, "".to_string(), 0),
        ("info -H -p none", 0, format!("pkgrepo info: {nobody}"), 1),
        ("info -F tsv -p none", 0, "".to_string(), 1),
        ("list -H -p harbour.example -p none", 2, "".to_string(), 0),
        ("list -F json -p none", 0, "".to_string(), 1),
        ("get -H repository/version none/none", 1, "".to_string(), 3),
        ("get -F json none/none", 0, "".to_string(), 1),
        ("get -H none/none", 0, "pkgrepo get: no matching properties found\n".to_string(), 1),
        ("get -H -p harbour.example -p none publisher/prefix", 1, "".to_string(), 3),
        ("refresh --no-index -p harbour.example -p none", 1, "".to_string(), 3),
        ("rebuild --no-index -p none", 0, format!("pkgrepo rebuild: {nobody}"), 1),
        ("rebuild --no-index --no-catalog -p none", 0, "".to_string(), 0),
    ] {
        let said = place.sh(&format!("pkgrepo -s scratch {line}"), None);
        let told = (said.out.lines().count(), said.err.as_str(), said.status);
        assert_eq!(told, (lines, err.as_str(), status), "{line}: {said:?}");
    }
    for (line, told) in [
        ("refresh x", "refresh: command does not take operands"),
        ("info x", "info: command does not take operands"),
        ("create --version x new", "create: Version must be an integer value."),
    ] {
        let said = place.sh(&format!("pkgrepo -s scratch {line}"), None);
        assert!(said.status == 2 && said.err.contains(told), "{line}: {said:?}");
    }
    let said = place.sh("pkgrepo add_publisher -s scratch a/b _c d", None);
    let told = "pkgrepo add-publisher: Invalid publisher prefix 'a/b'\n\
        pkgrepo add-publisher: Invalid publisher prefix '_c'\n";
    assert_eq!((said.err.as_str(), said.status), (told, 1));
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
