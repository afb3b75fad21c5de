//! pkgrepo_mend.rs - pkgrepo removes, verifies, fixes and compares as pkg5's does.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{Place, Said, files, top};
use ips_model::catalog::{Log, Part};

const TABLE: &str =
    "scratch/publisher/orchard.example/file/85/856857035efe48f89ed6f9b949a3ac359afa0469";
const ORCHARD: &str = "scratch/publisher/orchard.example";

fn place() -> Place {
    let place = Place::new();
    // Everybody may read it, or that is what is told first.
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    place
}

/// Runs a case whose blocks of output may come in any order.
fn check_blocks(place: &Place, case: &str) {
    let read = |name: &str| fs::read_to_string(top().join("cli").join(case).join(name)).unwrap();
    let said = place.sh(read("cmd").trim(), None);
    let sorted = |text: &str| {
        let mut blocks: Vec<String> = text
            .replacen("verification.\n", "verification.\n\n\n", 1)
            .split("\n\n\n")
            .map(str::to_string)
            .collect();
        blocks.sort();
        blocks
    };
    assert_eq!(sorted(&said.out), sorted(&read("stdout")), "{case}");
    assert_eq!((said.err, said.status), (read("stderr"), read("exit").trim().parse().unwrap()));
}

#[test]
fn packages_are_removed() {
    let place = place();
    fs::create_dir_all(place.path(ORCHARD).join("index")).unwrap();
    for case in ["repo-remove-n", "repo-remove-noarg", "repo-remove-none", "repo-remove"] {
        place.check(case);
    }
    place.check("repo-list-after-remove");
    assert!(!place.path(ORCHARD).join("index").exists());
    let after = top().join("cli/repo-remove/catalog.after");
    for name in
        ["catalog.base.C", "catalog.dependency.C", "catalog.summary.C", "catalog.summary.de"]
    {
        let part = |folder: &Path| {
            Part::parse(&fs::read_to_string(folder.join(name)).unwrap()).unwrap().publishers
        };
        assert_eq!(part(&place.path(ORCHARD).join("catalog")), part(&after), "{name}");
    }
    // Clients are told by the log: what went, with all that was known of it.
    let logs = files(&place.path(ORCHARD).join("catalog"));
    let newest = logs.iter().rfind(|(name, _)| name.starts_with("update.") && name.ends_with(".C"));
    let log = |path: PathBuf| {
        let log = Log::parse(&fs::read_to_string(path).unwrap()).unwrap();
        let pear = log.publishers["orchard.example"]["fruit/pear"].clone();
        pear[pear.len() - 2..]
            .iter()
            .map(|entry| (entry.operation, entry.parts.clone()))
            .collect::<Vec<_>>()
    };
    let ours = log(newest.unwrap().1.clone());
    assert_eq!(ours, log(after.join("update.20261122T03Z.C")));
    // The payload that the newer pears share with the removed ones stays.
    assert!(place.path(TABLE).exists());
    assert_eq!(place.sh("pkgrepo verify -s scratch --disable dependency", None).status, 0);
    assert_eq!(place.sh("pkgrepo remove -s scratch '*'", None).status, 0);
    for publisher in ["orchard.example", "harbour.example"] {
        for folder in ["pkg", "file"] {
            let folder = place.path("scratch/publisher").join(publisher).join(folder);
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "{}", folder.display());
        }
    }
    assert_eq!(place.sh("pkgrepo list -H -s scratch", None).out, "");
    assert_eq!(place.sh("pkgrecv -s repo -d scratch '*'", None).status, 0);
    assert_eq!(place.sh("pkgrepo verify -s scratch", None).status, 0);
}

#[test]
fn packages_of_one_day_and_one_publisher() {
    let place = place();
    let said = place.sh("pkgrepo remove -s scratch -n -d 20240203 '*'", None);
    assert_eq!(
        said.out,
        "1 package(s) will be removed:\n\tpkg://orchard.example/fruit/pear@2.0-1:20240203T040506Z\n"
    );
    let said = place.sh("pkgrepo remove -s scratch -p harbour.example pear", None);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    assert_eq!(place.sh("pkgrepo list -H -s scratch pear", None).out.lines().count(), 6);
    let said = place.sh("pkgrepo remove -s scratch -d 2024 '*'", None);
    assert_eq!(said.status, 2, "{said:?}");
}

#[test]
fn publishers_are_removed() {
    let place = place();
    for case in ["repo-remove-pub", "repo-remove-pub-again"] {
        place.check(case);
    }
    assert!(!place.path("scratch/publisher/harbour.example").exists());
    assert_eq!(fs::read_dir(place.path("scratch")).unwrap().count(), 2);
    let said = place.sh("pkgrepo remove-publisher -n -s scratch orchard.example", None);
    assert_eq!(said.out, "Removing publisher(s)\n'orchard.example'\t(17 package(s))\n");
    assert_eq!(place.sh("pkgrepo add-publisher -s scratch third.example", None).status, 0);
    let said = place.sh("pkgrepo remove-publisher -s scratch orchard.example", None);
    assert!(said.out.ends_with("The default publisher was removed. Setting 'publisher/prefix' to 'third.example', the only publisher left\n"), "{said:?}");
    let said = place.sh("pkgrepo remove-publisher -s scratch third.example", None);
    assert!(
        said.out.ends_with(
            "The default publisher was removed. The 'publisher/prefix' property has been unset\n"
        ),
        "{said:?}"
    );
    let said = place.sh("pkgrepo remove-publisher -s scratch bad_pub", None);
    let told = "pkgrepo remove-publisher: Invalid publisher prefix(es):\n bad_pub\n";
    assert_eq!((said.err.as_str(), said.status), (told, 1));
}

#[test]
fn damage_is_found_and_put_aside() {
    let place = place();
    for case in ["repo-verify", "repo-verify-nodep", "repo-verify-empty", "repo-verify-badcheck"] {
        place.check(case);
    }
    for line in [
        "pkgrepo remove -s scratch fruit/pear@1.0",
        "pkgrepo remove-publisher -s scratch harbour.example",
    ] {
        assert_eq!(place.sh(line, None).status, 0);
    }
    let sound = fs::read(place.path(TABLE)).unwrap();
    fs::write(place.path(TABLE), &sound[..sound.len() / 2]).unwrap();
    check_blocks(&place, "repo-verify-damaged");
    let fixed = place.sh("pkgrepo fix -s scratch", None);
    let expected = fs::read_to_string(top().join("cli/repo-fix/stdout")).unwrap();
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        lines.sort();
        lines.dedup();
        lines
    };
    // The day on which pkg5 published one of them differs by its input.
    assert_eq!(lines(&fixed.out).len(), lines(&expected).len(), "{fixed:?}");
    let stable = |text: &str| {
        lines(text).into_iter().filter(|line| !line.contains("@2.0")).collect::<Vec<_>>()
    };
    assert_eq!(stable(&fixed.out), stable(&expected));
    assert_eq!(fixed.status, 1);
    place.check("repo-verify-after-fix");
    let aside = files(&place.path(ORCHARD).join("pkg5-quarantine"));
    let is = |(_, path): &&(String, PathBuf)| {
        path.ends_with("file/85/856857035efe48f89ed6f9b949a3ac359afa0469")
    };
    assert_eq!(aside.iter().filter(is).count(), 1);
    assert_eq!(place.sh("pkgrepo list -s scratch pear", None).status, 1);
    // What is republished is well again.
    assert_eq!(place.sh("pkgrecv -s repo -d scratch '*'", None).status, 0);
    assert_eq!(place.sh("pkgrepo verify -s scratch", None).status, 0);
    let said = place.sh("pkgrepo fix -s scratch", None);
    assert_eq!(
        (said.out.as_str(), said.status),
        ("Initiating repository fix.\n\nNo repository fixes required.\n", 0)
    );
    fs::remove_file(place.path(TABLE)).unwrap();
    for line in [
        "pkgrepo remove -s scratch fruit/pear@1.0",
        "pkgrepo remove-publisher -s scratch harbour.example",
    ] {
        assert_eq!(place.sh(line, None).status, 0);
    }
    check_blocks(&place, "repo-verify-missing");
}

/// What is done to a repository, and what is told of it.
const DAMAGE: [(&str, &str); 8] = [
    (
        "printf x >pkg/old%2Fgone/1.0%2C5.11-1%3A20240102T030405Z",
        "           ERROR: Corrupt manifest.\n Repository path: $ROOT/scratch/publisher/orchard.example/pkg/old%2Fgone/1.0%2C5.11-1%3A20240102T030405Z\n          Detail: Use pkglint(1) for more details.\n",
    ),
    (
        "sed -i 's/Pears/Bears/' pkg/fruit%2Fpear/1.9*",
        "           ERROR: Corrupt manifest.\n Repository path: $ROOT/scratch/publisher/orchard.example/pkg/fruit%2Fpear/1.9%2C5.11-1%3A20240102T030405Z\n          Detail: SHA-1 is ",
    ),
    (
        "rm pkg/fruit%2Fpear/1.9*",
        "           ERROR: Missing manifest.\n         Package: pkg://orchard.example/fruit/pear@1.9,5.11-1:20240102T030405Z\n",
    ),
    (
        "echo content | gzip >file/85/856857035efe48f89ed6f9b949a3ac359afa0469",
        "           ERROR: Invalid file hash: ",
    ),
    (
        "mkdir -p pkg/a && touch pkg/a/b",
        "           ERROR: Bad manifest.\n Repository path: $ROOT/scratch/publisher/orchard.example/pkg/a/b\n          Detail: not the name of a package\n",
    ),
    (
        "chmod o-r file/85/856857035efe48f89ed6f9b949a3ac359afa0469",
        "         WARNING: Restrictive permissions.\n            Path: $ROOT/scratch/publisher/orchard.example/file/85/856857035efe48f89ed6f9b949a3ac359afa0469\n",
    ),
    (
        "pkgrepo remove -s ../.. library/tiny",
        "           ERROR: Missing dependency.\n         Package: pkg://orchard.example/fruit/pear@1.0,5.11-1:20240102T030405Z\n      Dependency: library/tiny@0.3\n Dependency type: optional\n",
    ),
    ("rm catalog/catalog.base.C", ""),
];

#[test]
fn every_kind_of_damage() {
    for (damage, told) in DAMAGE {
        let place = place();
        let done = place.sh(&format!("cd {ORCHARD} && {damage}"), None);
        assert_eq!(done.status, 0, "{done:?}");
        let said: Said = place.sh("pkgrepo verify -s scratch", None);
        assert!(said.out.contains(told), "{damage}: {said:?}");
        let warning = told.contains("WARNING");
        assert_eq!(said.status, i32::from(!warning), "{damage}: {said:?}");
        if told.contains("Missing dependency") {
            fs::write(place.path("ignored"), "# these\nlibrary/tiny # gone\n").unwrap();
            assert_eq!(place.sh("pkgrepo verify -i ignored -s scratch", None).status, 0);
            assert_eq!(
                place.sh("pkgrepo verify -i ignored --disable dependency -s scratch", None).status,
                2
            );
        }
    }
}

#[test]
fn repositories_are_compared() {
    let place = place();
    let same = place.sh("pkgrepo diff -s repo -s scratch", None);
    assert_eq!((same.out.as_str(), same.err.as_str(), same.status), ("", "", 0));
    assert_eq!(place.sh("pkgrepo remove -s scratch fruit/pear@1.0 boat", None).status, 0);
    assert_eq!(place.sh("pkgrepo add-publisher -s scratch third.example", None).status, 0);
    let said = place.sh("pkgrepo diff -q -s repo -s scratch", None);
    assert_eq!((said.out.as_str(), said.status), ("", 10));
    let said = place.sh("pkgrepo diff -s repo -s scratch", None);
    let expected = "
The table below shows the number of packages [total distinct versions]
by publisher in the specified repositories.

* Repo1: $ROOT/repo
* Repo2: $ROOT/scratch

+-----------------+------------+------------+---------+---------+
| Publisher       | Repo1 only | Repo2 only | In both |   Total |
+-----------------+------------+------------+---------+---------+
| third.example   |          - |      0 [0] |  0 [ 0] |  0 [ 0] |
| harbour.example |      1 [1] |      0 [0] |  1 [ 1] |  2 [ 2] |
| orchard.example |      0 [2] |      0 [0] | 17 [21] | 17 [23] |
+-----------------+------------+------------+---------+---------+
";
    assert_eq!(said.out, expected);
    let said = place.sh("pkgrepo diff -v -s repo -s scratch", None);
    assert_eq!(
        said.out,
        "+ third.example
        + (0 package(s) with 0 different version(s))
harbour.example
        - pkg://harbour.example/sea/boat@1.0,5.11-1:20240102T030405Z
        (1 pkg(s) with 1 version(s) are in both repositories.)
orchard.example
        - pkg://orchard.example/fruit/pear@1.0,5.11-1:20240102T030405Z
        - pkg://orchard.example/fruit/pear@1.0,5.11-2:20240102T030405Z
        (17 pkg(s) with 21 version(s) are in both repositories.)
"
    );
    let json = |line: &str| -> serde_json::Value {
        serde_json::from_str(&place.sh(line, None).out).unwrap()
    };
    let verbose = json("pkgrepo diff -v --parsable -s repo -s scratch");
    assert_eq!(verbose["plus_pubs"][0]["publisher"], "third.example");
    assert_eq!(verbose["common_pubs"][1]["common"]["versions"], 21);
    let summary = json("pkgrepo diff --parsable -s repo -s scratch");
    assert_eq!(summary["table_data"][2][1], serde_json::json!({"packages": 0, "versions": 2}));
    let strict = place.sh("pkgrepo diff --strict -v -s repo -s scratch -p orchard.example", None);
    let told = |line: &&str| line.contains("catalog last modified: ");
    let times: Vec<&str> = strict.out.lines().filter(told).collect();
    assert!(times.len() == 2 && times.iter().all(|time| !time.ends_with('Z')), "{strict:?}");
    for (line, told) in [
        ("pkgrepo diff", "Two package repository locations must be provided using -s."),
        (
            "pkgrepo diff -s repo",
            "A second package repository location must also be provided using -s.",
        ),
        ("pkgrepo diff -s a -s b -s c", "only two repositories can be specified"),
        ("pkgrepo diff -qv -s a -s b", "-q and -v can not be combined"),
        ("pkgrepo diff -s a -s b c", "command does not take any operands"),
    ] {
        let said = place.sh(line, None);
        assert!(said.err.starts_with(&format!("pkgrepo diff: {told}\n")), "{line}: {said:?}");
        assert_eq!(said.status, 2);
    }
    let said = place.sh("pkgrepo diff -s repo -s scratch -p harbour.example -p none", None);
    assert_eq!(said.status, 10);
    let said = place.sh("pkgrepo diff -s repo -s scratch -p third.example", None);
    let told = "pkgrepo diff: no matching publishers found in repository: file://$ROOT/repo\n";
    assert_eq!((said.err.as_str(), said.status), (told, 1));
}
