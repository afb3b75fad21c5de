//! version3.rs - the commands on a repository of version 3: what reads it works, what would change it says so.
#![allow(clippy::unwrap_used)]

mod common;

use common::Place;

const MAKE: &str = "mkdir old && cp -r repo/publisher/orchard.example/catalog repo/publisher/orchard.example/pkg repo/publisher/orchard.example/file old && \
    printf '[publisher]\\nprefix = orchard.example\\n\\n[repository]\\nname = Old\\n' > old/cfg_cache";

/// What an old repository says is what the new one says of that publisher.
#[test]
fn it_is_read() {
    let place = Place::new();
    assert_eq!(place.sh(MAKE, None).status, 0);
    for line in [
        "pkgrepo info -p orchard.example -s",
        "pkgrepo list -p orchard.example -s",
        "pkgrepo contents system/core-files test/quoting -s",
        "pkgrepo verify --disable dependency -p orchard.example -s",
    ] {
        let said = |name: &str| {
            let said = place.sh(&format!("{line} {name}"), None);
            common::Said { out: said.out.replace(&format!("/{name}"), "/R"), ..said }
        };
        let [old, new] = ["old", "repo"].map(said);
        assert_eq!(old.status, 0, "{line}: {old:?}");
        assert_eq!(old, new, "{line}");
    }
    let got =
        place.sh("pkgrepo get -H -s old publisher/prefix repository/name repository/version", None);
    assert_eq!(
        got.out.split_whitespace().collect::<Vec<_>>(),
        [
            "publisher",
            "prefix",
            "orchard.example",
            "repository",
            "name",
            "Old",
            "repository",
            "version",
            "3",
        ]
    );
    let take = place.sh("pkgrecv -s old -d scratch2 '*' && pkgrepo list -s scratch2", None);
    assert_eq!(take.status, 0, "{take:?}");
    let same = place.sh(
        "for r in old scratch2; do pkgrepo contents -s $r | sha1sum; done | uniq | wc -l",
        None,
    );
    assert_eq!(same.out.trim(), "1", "{same:?}");
}

#[test]
fn it_is_not_changed() {
    let place = Place::new();
    assert_eq!(place.sh(MAKE, None).status, 0);
    let before = place.sh("find old -type f | sort | xargs sha1sum", None).out;
    for line in [
        "pkgrepo rebuild -s old",
        "pkgrepo refresh -s old",
        "pkgrepo remove -s old '*'",
        "pkgrepo add-publisher -s old new.example",
        "pkgrepo set -s old publisher/prefix=new.example",
        "pkgrepo remove-publisher --synchronous -s old orchard.example",
        "pkgrecv -s repo -d old '*'",
        "echo 'set name=pkg.fmri value=pkg://orchard.example/new@1' | pkgsend -s old publish",
    ] {
        let said = place.sh(line, None);
        assert_eq!(said.status, 1, "{line}: {said:?}");
        let told = "The repository at '$ROOT/old' is version '3', which can be read only; pkgrecv(1) takes";
        assert!(said.err.contains(told), "{line}: {said:?}");
    }
    assert_eq!(place.sh("find old -type f | sort | xargs sha1sum", None).out, before);
}
