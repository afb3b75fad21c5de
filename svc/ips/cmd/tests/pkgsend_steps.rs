//! pkgsend_steps.rs - pkgsend generates manifests and publishes step by step.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{Place, top};

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn generated_as_pkg5_does() {
    let place = Place::new();
    let shadow = place.path("input/proto/etc/shadow");
    fs::set_permissions(shadow, fs::Permissions::from_mode(0o400)).unwrap();
    let expected = fs::read_to_string(top().join("cli/send-generate/stdout")).unwrap();
    let said = place.sh("pkgsend generate input/proto", None);
    assert_eq!(sorted(&said.out), sorted(&expected));
    place.check("send-generate-nodir");
    // An archive of the same says the same.
    assert_eq!(place.sh("cd input/proto && tar czf ../../proto.tar.gz .", None).status, 0);
    let archive = place.sh("pkgsend generate proto.tar.gz", None);
    assert_eq!((sorted(&archive.out), archive.err.as_str()), (sorted(&expected), ""));
    // What is generated can be published from there.
    fs::write(place.path("m"), format!("set name=pkg.fmri value=all@1\n{}", said.out)).unwrap();
    for source in ["-d input/proto", "-b input/proto", "-b proto.tar.gz"] {
        let line = format!(
            "rm -rf new && pkgrepo create new && pkgrepo -s new add-publisher p && pkgsend -s new publish {source} m"
        );
        let said = place.sh(&line, None);
        assert_eq!((said.err.as_str(), said.status), ("", 0), "{source}");
    }
    assert_eq!(place.sh("pkgrepo verify -s new", None).status, 0);
}

#[test]
fn links_times_and_owners() {
    let place = Place::new();
    let made = place.sh(
        "mkdir -p t/bin t/lib && echo x >t/bin/b && ln t/bin/b t/bin/a && ln t/bin/b t/lib/c && ln -s ../bin t/lib/l && chmod 4755 t/bin/a && touch -d 2024-01-02T03:04:05Z t/bin/a",
        None,
    );
    assert_eq!(made.status, 0, "{made:?}");
    let expected = |file: &str, others: [(&str, &str); 2], time: &str| {
        let mut lines = vec![
            "dir group=bin mode=0755 owner=root path=bin".to_string(),
            "dir group=bin mode=0755 owner=root path=lib".to_string(),
            format!("file {file} group=bin mode=4755 owner=root path={file}{time}"),
            "link path=lib/l target=../bin".to_string(),
        ];
        lines.extend(others.map(|(path, target)| format!("hardlink path={path} target={target}")));
        lines.sort();
        lines.join("\n")
    };
    for (line, expected) in [
        ("pkgsend generate t", expected("bin/a", [("bin/b", "a"), ("lib/c", "../bin/a")], "")),
        (
            "pkgsend generate --target lib/c -T 'c' t",
            expected(
                "lib/c",
                [("bin/a", "../lib/c"), ("bin/b", "../lib/c")],
                " timestamp=20240102T030405Z",
            ),
        ),
    ] {
        let said = place.sh(line, None);
        assert_eq!(sorted(&said.out).join("\n"), expected, "{line}");
    }
    assert_eq!(place.sh("tar cf t.tar --owner=ann --group=staff -C t bin/a bin/b", None).status, 0);
    let said = place.sh("pkgsend generate -u t.tar", None);
    assert_eq!(
        said.out,
        "file bin/a group=staff mode=4755 owner=ann path=bin/a\nhardlink path=bin/b target=a\n"
    );
    fs::write(place.path("none"), "no archive").unwrap();
    for (line, told, status) in [
        ("pkgsend generate none", "pkgsend generate: Unknown bundle type for 'none'\n", 1),
        ("pkgsend generate", "pkgsend generate: No arguments specified for subcommand.\n", 2),
        (
            "mkfifo t/f && pkgsend generate t",
            "pkgsend generate: t/f: not a file, a directory or a symbolic link\n",
            1,
        ),
    ] {
        let said = place.sh(line, None);
        assert_eq!((said.err.as_str(), said.status), (told, status), "{line}");
    }
}

#[test]
fn step_by_step() {
    let place = Place::new();
    fs::write(place.path("more"), "dir path=usr mode=0755 owner=root group=sys\nfile LICENSE.pear path=usr/l mode=0644 owner=root group=bin\n").unwrap();
    let steps = "export PKG_REPO=scratch\n\
        eval $(pkgsend open tool/steps@1.0-1) || exit 9\n\
        pkgsend add set name=pkg.summary value='two words' || exit 8\n\
        pkgsend add file input/proto/usr/bin/pear path=/usr/bin/pear mode=0755 owner=root group=bin || exit 7\n\
        pkgsend add depend fmri=library/tiny type=require || exit 6\n\
        pkgsend include -d input/proto more || exit 5\n\
        pkgrepo -s scratch list tool/steps && exit 4\n\
        pkgsend close\n";
    fs::write(place.path("steps"), steps).unwrap();
    let said = place.sh("sh steps", None);
    let published = "pkg://orchard.example/tool/steps@1.0,5.11-1:20261122T030436Z\nPUBLISHED\n";
    assert!(said.out.ends_with(published), "{said:?}");
    assert_eq!(said.status, 0);
    // The same in one step: the same manifest.
    fs::write(
        place.path("m"),
        "set name=pkg.fmri value=tool/steps@1.0-1\nset name=pkg.summary value=\"two words\"\nfile usr/bin/pear path=usr/bin/pear mode=0755 owner=root group=bin\ndepend fmri=library/tiny type=require\ndir path=usr mode=0755 owner=root group=sys\nfile LICENSE.pear path=usr/l mode=0644 owner=root group=bin\n",
    )
    .unwrap();
    let line = "rm -rf new && cp -r repo new && pkgsend -s new publish -d input/proto m && pkgrepo contents -s new tool/steps >one && pkgrepo contents -s scratch tool/steps >two && cmp one two && pkgrepo verify -s scratch --disable dependency";
    let said = place.sh(line, None);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(
        fs::read_dir(place.path("scratch/publisher/orchard.example/trans")).unwrap().count(),
        0
    );
}

#[test]
fn what_is_not_closed_is_not_there() {
    let place = Place::new();
    let said = place.sh(
        "export PKG_REPO=scratch; id=$(pkgsend open -n x@1) && PKG_TRANS_ID=$id pkgsend import input/proto && pkgsend close -A -t $id",
        None,
    );
    assert_eq!((said.out.as_str(), said.status), ("ABANDONED\n", 0), "{said:?}");
    assert_eq!(place.sh("pkgrepo -s scratch list x", None).status, 1);
    for (line, told, status) in [
        (
            "pkgsend close",
            "pkgsend close: No transaction ID specified using -t or in $PKG_TRANS_ID.\n",
            2,
        ),
        (
            "pkgsend add dir path=a",
            "pkgsend add: No transaction ID specified in $PKG_TRANS_ID\n",
            2,
        ),
        ("pkgsend open", "pkgsend open: open requires one package name\n", 2),
        ("pkgsend open -en a@1", "pkgsend open: only -e or -n may be specified\n", 2),
        (
            "pkgsend close -t 1_x",
            "pkgsend: 'close' failed for transaction ID '1_x': No transaction matching '1_x' could be found.\n",
            1,
        ),
        (
            "pkgsend close -t 1_pkg%3A%2F%2Forchard.example%2Fa/../..",
            "pkgsend: 'close' failed for transaction ID '1_pkg%3A%2F%2Forchard.example%2Fa/../..': No transaction matching '1_pkg%3A%2F%2Forchard.example%2Fa/../..' could be found.\n",
            1,
        ),
        (
            "PKG_REPO=scratch2 pkgsend open x@1",
            "pkgsend: 'open' failed; unable to initiate transaction:\nThis operation requires that a default publisher has been set or that a publisher be specified in the FMRI 'pkg:/x@1,5.11'.\n",
            1,
        ),
        (
            "pkgsend open x",
            "pkgsend: 'open' failed; unable to initiate transaction:\n'The specified FMRI, 'pkg://orchard.example/x', has an invalid version.\n",
            1,
        ),
        (
            "pkgsend open library/tiny@0.3,5.11-1:20240102T030405Z",
            "pkgsend: 'open' failed; unable to initiate transaction:\nThe specified FMRI, 'pkg://orchard.example/library/tiny@0.3,5.11-1:20240102T030405Z', already exists or has been restricted.\n",
            1,
        ),
        (
            "export PKG_TRANS_ID=$(pkgsend open -n y@1); pkgsend add file path=a mode=0644 owner=root group=bin",
            "pkgsend add: Action file NOHASH group=bin mode=0644 owner=root path=a has no payload.\n",
            1,
        ),
        (
            "export PKG_TRANS_ID=$(pkgsend open -n z@1); pkgsend add dir path=a mode=9 owner=root group=bin >/dev/null 2>&1",
            "",
            1,
        ),
    ] {
        let said = place.sh(&format!("export PKG_REPO=scratch; {line}"), None);
        assert_eq!((said.err.as_str(), said.status), (told, status), "{line}");
    }
    let said = place.sh("pkgsend -s made create-repository --set-property publisher.prefix=p && pkgrepo -s made get -H publisher/prefix", None);
    assert!(said.out.contains('p') && said.status == 0, "{said:?}");
}

#[test]
fn indexes_take_in_what_came() {
    let place = Place::new();
    let list = place.path("scratch/publisher/orchard.example/index/full_fmri_list");
    let listed = || fs::read_to_string(&list).is_ok_and(|list| list.contains("pkg:/late@1"));
    let said = place.sh(
        "export PKG_REPO=scratch; eval $(pkgsend open late@1) && pkgsend close >/dev/null",
        None,
    );
    assert_eq!((said.err.as_str(), said.status, listed()), ("", 0, false));
    let silent = ("", "", 0);
    for line in ["pkgsend -s scratch refresh-index", "pkgsend refresh-index -s scratch"] {
        let said = place.sh(line, None);
        assert_eq!((said.out.as_str(), said.err.as_str(), said.status), silent, "{line}");
        assert!(listed(), "{line}");
    }
    for (line, told, status) in [
        (
            "pkgsend refresh-index",
            "pkgsend refresh-index: A destination package repository must be provided using -s.\n",
            2,
        ),
        (
            "rm -r scratch/publisher/*/index && touch scratch/publisher/orchard.example/index && pkgsend -s scratch refresh-index 2>err; s=$?; grep -q '^pkgsend refresh-index: .*index' err && exit $s",
            "",
            1,
        ),
    ] {
        let said = place.sh(line, None);
        assert_eq!((said.err.as_str(), said.status), (told, status), "{line}");
    }
}
