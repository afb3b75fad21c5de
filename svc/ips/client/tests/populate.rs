//! Filling roots: the same paths, owners and contents as the original, and no harm done.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image_tree::Kind;
use ips_client::{Control, Origin, PopulateError, PopulateOptions, Populated, Source, populate};
use ips_model::digest::sha1_hex;
use ips_model::{Manifest, Pattern, Timestamp};
use ips_repository::{Repository, Sources};

const NOW: i64 = 1_700_000_000;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn filled(repository: &Path, patterns: &[&str], root: &Path) -> Result<Populated, PopulateError> {
    let source = Source::open(&Origin::directory(repository)).unwrap();
    let patterns: Vec<Pattern> =
        patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    populate(&source, &patterns, root, &PopulateOptions::default(), &Control::silent())
}

/// A repository of manifests; every file's content is its path.
fn published(place: &Path, manifests: &[&str]) -> PathBuf {
    let (proto, path) = (place.join("proto"), place.join("repo"));
    let repository = Repository::create(&path).unwrap();
    let now = Timestamp::from_seconds(NOW);
    repository.add_publisher("orchard.example", now).unwrap();
    let batch = repository.batch().unwrap();
    for text in manifests {
        let manifest = Manifest::parse(text).unwrap();
        for action in manifest.actions.iter().filter(|action| action.kind.has_payload()) {
            let file = proto.join(action.hash.as_deref().unwrap());
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, action.hash.as_deref().unwrap()).unwrap();
        }
        let sources = Sources { folders: vec![proto.clone()], timestamps: Vec::new() };
        batch.publish(&manifest, &sources, now).unwrap();
    }
    batch.commit(now).unwrap();
    path
}

#[test]
fn a_root_is_as_the_original_made_it() {
    let place = tempfile::tempdir().unwrap();
    let patterns = [
        "system/core-files",
        "fruit/pear",
        "entire",
        "service/accounts",
        "driver/plum",
        "compat/legacy",
        "library/tiny",
        "test/varcets",
        "copy+pears",
        "quoting",
        "runtime/lang-*",
        "old/birne",
    ];
    let populated = filled(&golden("repo"), &patterns, place.path()).unwrap();
    let found: BTreeMap<String, String> = shown(&populated, place.path());
    let text = fs::read_to_string(golden("root.tsv")).unwrap();
    let mut expected = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (path, rest) = line.split_once('\t').unwrap();
        expected.insert(path.to_string(), rest.replace("nlink=2", "-"));
    }
    let mut differences = Vec::new();
    for path in expected.keys().chain(found.keys()) {
        let (want, have) = (expected.get(path), found.get(path));
        if want != have && !is_known(path) {
            differences.push(format!("{path}\n  {want:?}\n  {have:?}"));
        }
    }
    differences.dedup();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    for name in ["passwd", "group"] {
        let lines = |path: PathBuf| -> Vec<String> {
            fs::read_to_string(path).unwrap().lines().map(sorted_members).collect()
        };
        assert_eq!(lines(place.path().join("etc").join(name)), lines(golden(name)), "{name}");
    }
    let aliases = fs::read_to_string(place.path().join("etc/driver_aliases")).unwrap();
    assert!(aliases.ends_with("plum \"pci1af4,1000\"\nplum \"pciex8086,15b8\"\n"), "{aliases}");
}

/// The order of a group's members has no meaning, and no rule in the original.
fn sorted_members(line: &str) -> String {
    let (head, members) = line.rsplit_once(':').unwrap();
    let mut members: Vec<&str> = members.split(',').collect();
    members.sort_unstable();
    format!("{head}:{}", members.join(","))
}

/// Paths that differ for a reason: the lock file of the original's editor, driver files (there the
/// device commands did nothing), and what holds a date of the day or members in any order.
fn is_known(path: &str) -> bool {
    let drivers = [
        "reconfigure",
        "etc/driver_aliases",
        "etc/driver_classes",
        "etc/minor_perm",
        "etc/name_to_major",
        "etc/security/device_policy",
        "etc/security/extra_privs",
        "etc/devlink.tab",
    ];
    drivers.contains(&path)
        || path.starts_with("var/pkg")
        || matches!(path, "etc/.pwd.lock" | "etc/shadow" | "etc/group" | "")
        || path.ends_with("/pkginfo")
}

/// The table and the disk in the words of the listing.
fn shown(populated: &Populated, root: &Path) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for (path, entry) in populated.tree.iter() {
        let first = match &entry.kind {
            Kind::HardLink { target } => populated.tree.get(target).unwrap(),
            _ => entry,
        };
        let (mode, owner) = (first.mode & 0o1777, format!("{}:{}", first.uid, first.gid));
        let row = match &first.kind {
            Kind::Directory => format!("d\t{mode:04o}\t{owner}\t-\t-\t-"),
            Kind::Symlink { target } => format!("l\t-\t{owner}\t-\t-\t{target}"),
            Kind::File { size } => {
                let bytes = fs::read(root.join(path)).unwrap();
                assert_eq!(bytes.len() as u64, *size, "{path}");
                format!("f\t{mode:04o}\t{owner}\t{size}\t{}\t-", sha1_hex(&bytes))
            }
            other => panic!("{path}: {other:?}"),
        };
        shown.insert(path.to_string(), row);
    }
    shown
}

#[test]
fn the_same_twice_gives_the_same() {
    let place = tempfile::tempdir().unwrap();
    let roots = ["one", "two"].map(|name| place.path().join(name));
    let trees = roots.map(|root| {
        fs::create_dir(&root).unwrap();
        let populated = filled(&golden("repo"), &["entire", "fruit/pear"], &root).unwrap();
        populated.tree.to_string()
    });
    assert_eq!(trees[0], trees[1]);
}

#[test]
fn what_cannot_be_is_said() {
    let core = "set name=pkg.fmri value=core@1\n\
                dir path=etc mode=0755 owner=root group=sys\n\
                file passwd path=etc/passwd mode=0644 owner=root group=sys\n";
    let cases: [(&[&str], &str, &str); 7] = [
        (&[core], "nothing", "no package matches \"nothing\""),
        (
            &["set name=pkg.fmri value=a@1\ndepend type=require fmri=b@2\n"],
            "a",
            "No version for 'require' dependency on b@2",
        ),
        (
            &[
                "set name=pkg.fmri value=a@1\nfile x path=f mode=0644 owner=root group=sys\n",
                "set name=pkg.fmri value=b@1\nfile y path=f mode=0644 owner=root group=sys\n",
            ],
            "*",
            "The following packages all deliver file actions to f:",
        ),
        (
            &["set name=pkg.fmri value=a@1\nlink path=l target=/tmp\n\
               file x path=l/f mode=0644 owner=root group=sys\n"],
            "a",
            "l/f of a@1 lies below the link l of a@1",
        ),
        (
            &["set name=pkg.fmri value=a@1\ndir path=d mode=0755 owner=picker group=sys\n"],
            "a",
            "d: the image has no user picker",
        ),
        (
            &["set name=pkg.fmri value=a@1\ngroup groupname=picker gid=77\n"],
            "a",
            "users and groups need etc/group, which no package delivers",
        ),
        (
            &["set name=pkg.fmri value=a@1\nhardlink path=h target=../none\n"],
            "a",
            "h: the hard link's target ../none is no file of the image",
        ),
    ];
    for (manifests, pattern, message) in cases {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir(&root).unwrap();
        let repository = published(place.path(), manifests);
        let error = filled(&repository, &[pattern], &root).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn nothing_is_filled_twice_and_nothing_damaged_is_laid_down() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    fs::create_dir(&root).unwrap();
    let manifest = "set name=pkg.fmri value=a@1\nfile x path=f mode=0444 owner=root group=sys\n";
    let repository = published(place.path(), &[manifest]);
    let populated = filled(&repository, &["a"], &root).unwrap();
    assert_eq!(fs::read(root.join("f")).unwrap(), b"x");
    assert_eq!(populated.tree.get("f").unwrap().mtime, NOW);
    assert_eq!(
        populated.packages[0].to_string(),
        "pkg://orchard.example/a@1,5.11:20231114T221320Z"
    );
    let error = filled(&repository, &["a"], &root).unwrap_err().to_string();
    assert!(error.ends_with("the directory is not empty"), "{error}");

    let hash = sha1_hex(b"x");
    let stored = repository.join("publisher/orchard.example/file").join(&hash[..2]).join(&hash);
    let mut bytes = fs::read(&stored).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&stored, bytes).unwrap();
    let root = place.path().join("second");
    fs::create_dir(&root).unwrap();
    let error = filled(&repository, &["a"], &root).unwrap_err().to_string();
    assert!(error.contains(&hash) && error.contains("a@1"), "{error}");
    assert!(!root.join("f").exists());
}
