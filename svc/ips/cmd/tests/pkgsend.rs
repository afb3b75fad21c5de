//! pkgsend.rs - pkgsend says and stores what pkg5's does.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Place, top};

/// Every case of pkg5, each in a repository of its own but those that come in a row.
#[test]
fn as_pkg5_does() {
    let place = Place::new();
    let mut cases: Vec<String> = fs::read_dir(top().join("cli"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // What is generated comes in no order there.
        .filter(|name| name.starts_with("send-") && name != "send-generate")
        .collect();
    cases.sort();
    assert!(cases.len() > 40);
    for case in cases {
        place.check(&case);
    }
}

#[test]
fn manifests_with_their_own_names_are_packages_apiece() {
    let place = Place::new();
    for name in ["a", "b"] {
        let text = format!("set name=pkg.fmri value=two/{name}@1.0,5.11-1\n");
        fs::write(place.path(&format!("{name}.mog")), text).unwrap();
    }
    let said =
        place.sh("pkgsend -s scratch publish --fmri-in-manifest -d input/proto a.mog b.mog", None);
    let published = "pkg://orchard.example/two/a@1.0,5.11-1:20261122T030436Z\nPUBLISHED\n\
        pkg://orchard.example/two/b@1.0,5.11-1:20261122T030436Z\nPUBLISHED\n";
    assert_eq!((said.out.as_str(), said.status), (published, 0), "{said:?}");
    // Where one is refused, none is published.
    fs::write(place.path("a.mog"), "set name=pkg.fmri value=two/c@1.0\n").unwrap();
    let said = place.sh("pkgsend -s scratch publish --fmri-in-manifest a.mog b.mog", None);
    assert_eq!((said.out.as_str(), said.status), ("", 1), "{said:?}");
    assert_eq!(place.sh("pkgrepo -s scratch list two/c", None).status, 1);
}

#[test]
fn the_destination_may_come_from_anywhere() {
    let place = Place::new();
    let root = fs::canonicalize(place.path("scratch")).unwrap();
    for (at, line) in [
        format!("pkgsend -s file://{} publish m", root.display()),
        format!("pkgsend publish -s {} m", root.display()),
        "PKG_REPO=scratch pkgsend publish m".to_string(),
        "pkgsend -s scratch publish <m".to_string(),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(place.path("m"), format!("set name=pkg.fmri value=place@{at}\n")).unwrap();
        let said = place.sh(&line, None);
        assert_eq!(said.status, 0, "{line}: {said:?}");
    }
    let said = place.sh("pkgsend publish m", None);
    assert_eq!((said.status, said.out.starts_with("Usage:")), (2, true), "{said:?}");
}

/// A manifest that was published once can be published again: its time counts only where it is said.
#[test]
fn the_time_of_a_version() {
    let place = Place::new();
    let line = "set name=pkg.fmri value=pkg://orchard.example/x@1,5.11-2:20240102T030405Z\n";
    fs::write(place.path("m"), line).unwrap();
    for (switch, time) in [
        ("", "20261122T030436Z"),
        ("-D allow-timestamp", "20240102T030405Z"),
        ("-D hash=sha1+sha512t_256", "20261122T030436Z"),
        ("--debug allow-timestamp", "20240102T030405Z"),
    ] {
        let name = format!("scratch-{}", switch.replace(' ', ""));
        let line = format!("pkgrepo create {name} && pkgsend {switch} -s {name} publish m");
        let said = place.sh(&line, None);
        let told = format!("pkg://orchard.example/x@1,5.11-2:{time}\nPUBLISHED\n");
        assert_eq!((said.out, said.status), (told, 0), "{switch}");
    }
    for (line, told) in [
        ("-D odd publish", ": -D takes argument of form name=value, not odd"),
        ("publish -Z", ": illegal publish option -- Z"),
        ("-s scratch generate --zap x", ": illegal generate option -- zap"),
        ("-s scratch refresh-index x", " refresh-index: command does not take operands"),
    ] {
        let said = place.sh(&format!("pkgsend {line}"), None);
        assert_eq!((said.err, said.status), (format!("pkgsend{told}\n"), 2), "{line}");
    }
}

#[test]
fn a_time_that_is_none_is_refused() {
    let place = Place::new();
    fs::write(place.path("m"), "set name=pkg.fmri value=x@1\n").unwrap();
    let said = place.sh("SOURCE_DATE_EPOCH=tomorrow pkgsend -s scratch publish m", None);
    assert_eq!(said.status, 1);
    assert_eq!(said.err, "pkgsend: SOURCE_DATE_EPOCH is not a number of seconds: 'tomorrow'\n");
}

/// Killed when all is staged and only the lock is missing: the repository is as it was, and the
/// next publication cleans up.
#[cfg(target_os = "linux")]
#[test]
fn a_kill_leaves_the_repository_as_it_was() {
    let place = Place::new();
    let publisher = place.path("scratch/publisher/orchard.example");
    fs::create_dir_all(publisher.join("tmp")).unwrap();
    let lock = common::locked(&publisher.join("tmp/lock"));
    let text = "set name=pkg.fmri value=big@1\nfile new path=new mode=0644 owner=root group=bin\n";
    fs::write(place.path("m"), text).unwrap();
    fs::write(place.path("new"), "content that no package has").unwrap();
    let mut killed = std::process::Command::new(env!("CARGO_BIN_EXE_pkgsend"))
        .args(["-s", "scratch", "publish", "-d", ".", "m"])
        .current_dir(place.path(""))
        .spawn()
        .unwrap();
    let staged = || {
        let entries = fs::read_dir(publisher.join("tmp")).unwrap();
        let batches = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        batches.filter_map(|batch| fs::read_dir(batch.join("file")).ok()).flatten().count()
    };
    while staged() == 0 {
        assert!(killed.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::yield_now();
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    drop(lock);
    assert_eq!(place.sh("pkgrepo -s scratch list big", None).status, 1);
    assert_eq!(place.sh("pkgrepo -s scratch refresh", None).status, 0);
    assert_eq!(place.sh("pkgrepo -s scratch list big", None).status, 1);
    let said = place.sh("pkgsend -s scratch publish -d . m", None);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(staged(), 0);
    assert_eq!(place.sh("pkgrepo -s scratch list big", None).status, 0);
}

/// A name that a manifest cannot say is told of; others are quoted where they have to be.
#[test]
fn names_of_files() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    for (name, fine) in [
        (&b"a b"[..], true),
        (b"a\nb", false),
        (b"a\tb", false),
        (b"a\\", false),
        (b"a\xff", false),
        ("é".as_bytes(), true),
    ] {
        let folder = place.path("names");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
        let said = place.sh("pkgsend generate names > m 2> told; s=$?; cat told; exit $s", None);
        assert_eq!(said.status == 0, fine, "{name:?}: {said:?}");
        assert_eq!(said.out.starts_with("pkgsend generate: names/a"), !fine, "{said:?}");
        if fine {
            let line =
                "echo 'set name=pkg.fmri value=names@1' >> m; pkgsend -s null: publish -d names m";
            assert_eq!(place.sh(line, None).status, 0, "{name:?}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// `null:` takes what could be published and keeps nothing; what could not is refused as elsewhere.
#[test]
fn nowhere() {
    let place = Place::new();
    let said = place.sh("pkgsend -s null: publish -d input/proto input/manifests/copy.p5m", None);
    assert_eq!((said.out.as_str(), said.err.as_str(), said.status), ("", "", 0));
    assert!(!place.path("null:").exists());
    let line = "echo 'set name=pkg.fmri value=pkg:/x@1\nfile none path=x mode=0644 owner=root group=bin' | pkgsend -s null: publish -d input/proto";
    let said = place.sh(line, None);
    assert!(
        said.status == 1 && said.err.contains("'none' was not found") || said.err.contains("none"),
        "{said:?}"
    );
}
