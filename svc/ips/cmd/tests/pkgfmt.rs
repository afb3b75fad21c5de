//! pkgfmt.rs - pkgfmt puts manifests into pkg5's form and leaves them in it.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{Place, top};

const CASES: [&str; 4] = ["fmt-depends", "fmt-plum", "fmt-quoting", "fmt-variants"];

#[test]
fn as_pkg5_does() {
    let place = Place::new();
    for case in CASES {
        place.check(case);
        // What has the form keeps it, in both forms.
        let formed = top().join("cli").join(case).join("stdout");
        let again = place.sh("pkgfmt", Some(&formed));
        assert_eq!(again.out, fs::read_to_string(&formed).unwrap(), "{case}");
        let older = place.sh("pkgfmt -f v1", Some(&formed)).out;
        fs::write(place.path("m"), &older).unwrap();
        assert_eq!(place.sh("pkgfmt -f v1 <m", None).out, older, "{case}");
        assert_eq!(place.sh("pkgfmt -c m && PKGFMT_OUTPUT=v1 pkgfmt -c m", None).status, 0);
        assert_eq!(place.sh("pkgfmt -f v2 m && cat m", None).out, again.out, "{case}");
    }
}

#[test]
fn files_are_replaced_in_place() {
    let place = Place::new();
    fs::write(place.path("m"), "dir mode=0755 path=a\nset a=b\n").unwrap();
    fs::set_permissions(place.path("m"), fs::Permissions::from_mode(0o640)).unwrap();
    let said = place.sh("pkgfmt -c m", None);
    let told = "pkgfmt: error: m is not in pkgfmt form; run pkgfmt on file without -c or -d to reformat manifest in place\n";
    assert_eq!((said.err.as_str(), said.status), (told, 1));
    let said = place.sh("pkgfmt -d m", None);
    let lines: Vec<&str> = said.out.lines().skip(2).collect();
    let expected = [
        "@@ -1,2 +1,2 @@",
        "-set name=a value=b",
        "-dir  path=a mode=0755",
        "+dir mode=0755 path=a",
        "+set a=b",
    ];
    assert_eq!((lines, said.status), (expected.to_vec(), 1));
    assert_eq!(place.sh("pkgfmt m", None).status, 0);
    let text = fs::read_to_string(place.path("m")).unwrap();
    assert_eq!(text, "set name=a value=b\ndir  path=a mode=0755\n");
    assert_eq!(fs::metadata(place.path("m")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(place.sh("pkgfmt -c m && pkgfmt -d m", None).status, 0);
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 5, "nothing is left beside it");
}

#[test]
fn what_is_refused() {
    let place = Place::new();
    for (line, told, status) in [
        ("pkgfmt -c -d m", "only one of [cdsu] may be specified", 2),
        ("pkgfmt -f v3 m", "unsupported format 'v3'", 2),
        ("pkgfmt -Z", "illegal global option -- Z", 2),
        ("pkgfmt nosuch", "nosuch: No such file or directory (os error 2)", 1),
        ("echo 'dir mode=1 path=a' | pkgfmt -c", "manifest is not in pkgfmt form", 1),
    ] {
        let said = place.sh(line, None);
        assert!(said.err.starts_with(&format!("pkgfmt: error: {told}\n")), "{line}: {said:?}");
        assert_eq!(said.status, status, "{line}");
    }
    let said = place.sh("echo 'file path=a pkg.depend.x=1 pkg.debug=2 mode=1' | pkgfmt -s", None);
    assert_eq!(said.out, "file path=a mode=1\n");
}
