//! pkgmerge.rs - pkgmerge makes of two architectures what pkg5's makes of them.
//!
//! The order of lines within a type is pkg5's accident, so manifests are compared as sorted lines.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::{Place, Said, copy, files, top};
use ips_model::digest::sha1_hex;

const SOURCES: &str = "-s arch=i386,i386/ -s variant.arch=sparc,sparc/";

fn place() -> Place {
    let place = Place::new();
    for arch in ["i386", "sparc"] {
        copy(&top().join("merge").join(arch), &place.path(arch));
    }
    place
}

/// Merges into the new repository `name`.
fn merge(place: &Place, name: &str, arguments: &str) -> Said {
    assert_eq!(place.sh(&format!("pkgrepo create {name}"), None).status, 0);
    place.sh(&format!("pkgmerge -d {name} {SOURCES} {arguments}"), None)
}

/// Path and sorted lines of each manifest.
fn manifests(folder: &Path) -> Vec<(String, String)> {
    let sorted = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    };
    files(folder).iter().map(|(name, path)| (name.clone(), sorted(path))).collect()
}

#[test]
fn as_pkg5_does() {
    let place = place();
    for (name, patterns) in [
        ("merged", "tool/sow ground base/i386 base/sparc gone ren"),
        ("merged-exclude", "'*' '!base/mismatch' '!base/badvar' '!*sow'"),
    ] {
        let said = merge(&place, name, patterns);
        assert_eq!((said.err.as_str(), said.status), ("", 0), "{said:?}");
        let folder = top().join("merge").join(format!("{name}.sorted")).join("orchard.example/pkg");
        let ours = place.path(name).join("publisher/orchard.example/pkg");
        assert_eq!(manifests(&ours), manifests(&folder));
        let told = said.out.lines().filter(|line| line.starts_with(" Startup: Republish: pkg:/"));
        assert_eq!(told.count(), files(&folder).len(), "{said:?}");
    }
    let expected = fs::read_to_string(top().join("merge/merged.files.txt")).unwrap();
    let payload = |line: &&str| line.contains("/file/");
    let expected: Vec<&str> = expected.lines().filter(payload).collect();
    let ours: Vec<String> = files(&place.path("merged"))
        .iter()
        .map(|(name, path)| {
            let bytes = fs::read(path).unwrap();
            format!("{}\t{}\t{name}", sha1_hex(&bytes), bytes.len())
        })
        .filter(|line| payload(&line.as_str()))
        .collect();
    assert_eq!(ours, expected);
    place.check("version-merge");
}

#[test]
fn the_outcome_is_always_the_same_and_payloads_are_linked() {
    let place = place();
    for name in ["one", "two"] {
        assert_eq!(merge(&place, name, "sow ground").status, 0);
    }
    let bytes = |name: &str| -> Vec<(String, Vec<u8>)> {
        let all = files(&place.path(name));
        all.iter().map(|(name, path)| (name.clone(), fs::read(path).unwrap())).collect()
    };
    assert_eq!(bytes("one"), bytes("two"));
    for (name, path) in files(&place.path("one/publisher/orchard.example/file")) {
        assert!(fs::metadata(path).unwrap().nlink() >= 3, "{name}");
    }
    assert_eq!(place.sh("pkgrepo rebuild -s one", None).status, 0);
    let rebuilt = place.path("one/publisher/orchard.example/catalog/catalog.base.C");
    let merged = place.path("two/publisher/orchard.example/catalog/catalog.base.C");
    assert_eq!(fs::read(rebuilt).unwrap(), fs::read(merged).unwrap());
}

#[test]
fn what_cannot_be_merged_leaves_nothing() {
    let place = place();
    let fmri = |name: &str, version: &str| {
        format!("pkg://orchard.example/base/{name}@{version},5.11-3:20240102T030405Z")
    };
    for (name, patterns, told) in [
        (
            "mismatch",
            "base/mismatch ground",
            format!(
                "fmris matching the following patterns do not have matching versions across all repositories for publisher orchard.example: {}, {}",
                fmri("mismatch", "1.0"),
                fmri("mismatch", "1.1")
            ),
        ),
        (
            "badvar",
            "base/badvar ground",
            format!("package {} is tagged as not supporting variant.arch sparc", fmri("badvar", "1.0")),
        ),
        (
            "nomatch",
            "nosuch ground",
            "The following pattern(s) did not match any packages in any of the specified repositories for publisher orchard.example:\nnosuch".into(),
        ),
        (
            "nopublisher",
            "-p other.example ground",
            "no publishers from source repositories match the given -p options.".into(),
        ),
    ] {
        let said = merge(&place, name, patterns);
        assert_eq!((said.err, said.status), (format!("pkgmerge: {told}\n"), 1), "{name}");
        assert_eq!(place.sh(&format!("pkgrepo list -H -s {name}"), None).out, "", "{name}");
        assert_eq!(place.sh(&format!("pkgrepo refresh -s {name}"), None).status, 0);
        assert_eq!(place.sh(&format!("pkgrepo list -H -s {name}"), None).out, "", "{name}");
    }
    let said = merge(&place, "known", "-p other.example -p orchard.example ground");
    let told =
        "pkgmerge: the following publishers were not found in source repositories: other.example\n";
    assert_eq!((said.err.as_str(), said.status), (told, 1));
    // What is there already keeps the rest of the publisher out.
    let said = place.sh(&format!("pkgmerge -d known {SOURCES} ground sow"), None);
    let told = format!(
        "pkgmerge: 'open' failed; unable to initiate transaction:\nThe specified FMRI, '{}', already exists or has been restricted.\n",
        fmri("ground", "1.0")
    );
    assert_eq!((said.err, said.status), (told, 1));
    assert_eq!(place.sh("pkgrepo list -H -s known", None).out.lines().count(), 1);
    let trial = merge(&place, "trial", "-n sow");
    let told = " Startup: Republish: pkg:/tool/sow@1.0,5.11-3:20240102T030406Z ...\n";
    assert_eq!((trial.out.as_str(), trial.status), (told, 0));
    assert_eq!(place.sh("pkgrepo list -H -s trial", None).out, "");
}

#[test]
fn a_payload_that_is_there_is_told_of_as_it_is_there() {
    let place = place();
    // The destination has the content of `usr/share/common`, compressed by another method.
    fs::create_dir_all(place.path("proto")).unwrap();
    let common = place.sh("zcat i386/publisher/orchard.example/file/b4/*", None).out;
    fs::write(place.path("proto/f"), common).unwrap();
    fs::write(
        place.path("m"),
        "set name=pkg.fmri value=pkg://orchard.example/other@1\nfile f path=f mode=0644 owner=root group=bin\n",
    )
    .unwrap();
    assert_eq!(place.sh("pkgrepo create there && pkgrepo set -s there repository/compression=libdeflate && pkgsend -s there publish -d proto m", None).status, 0);
    assert_eq!(place.sh(&format!("pkgmerge -d there {SOURCES} ground"), None).status, 0);
    let facts = |name: &str| -> Vec<String> {
        let said = place.sh(&format!("pkgrepo contents -s there -t file {name}"), None);
        let fact = |word: &&str| word.starts_with("chash=") || word.contains("hash=gzip:");
        said.out.split_whitespace().filter(fact).map(str::to_string).collect()
    };
    assert_eq!(facts("other").len(), 2);
    assert_eq!(facts("other"), facts("ground"));
}

#[test]
fn what_is_refused() {
    let place = place();
    for (line, told) in [
        ("", "At least one variant name, value, and package source must be provided using -s."),
        ("-s arch=i386,i386", "A destination package repository must be provided using -d."),
        ("-d d -s i386", "-s option must specify variant=value,repo_uri"),
        ("-d d -s arch,i386", "-s option must specify variant=value,repo_uri"),
        (
            "-d d -s arch=i386,i386/ -s debug=true,sparc/",
            "Source file://$ROOT/i386/ missing values for variants: variant.debug",
        ),
        (
            "-d d -s arch=i386,debug=true,i386 -s arch=sparc,debug=false,sparc",
            "No source was specified for variant combination variant.arch=i386 variant.debug=false.",
        ),
        ("-Z", "illegal option -- Z"),
    ] {
        let said = place.sh(&format!("pkgmerge {line}"), None);
        assert_eq!((said.err, said.status), (format!("pkgmerge: {told}\n"), 2), "{line}");
        assert!(said.out.starts_with("Usage:"));
    }
    let said = place.sh(&format!("pkgmerge -d nosuch {SOURCES}"), None);
    assert_eq!(said.status, 1, "{said:?}");
}
