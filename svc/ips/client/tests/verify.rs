//! Verifying: nothing to say of what was just installed, and pkg5's words for each kind of damage.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::{World, golden};
use image_tree::Tree;
use ips_client::Control;
use ips_client::image::{VerifiedPackage, VerifyOptions};
use ips_model::Fmri;

fn whole() -> World {
    let mut world = World::of(&golden("repo"), tempfile::tempdir().unwrap());
    world.install("system/core-files fruit/pear@1.10 service/accounts driver/plum compat/legacy library/tiny test/varcets copy+pears runtime/lang-19 runtime/lang-110 runtime/lang-fast").unwrap();
    world
}

fn verified(world: &World, options: &VerifyOptions) -> Vec<VerifiedPackage> {
    let packages: Vec<Fmri> =
        world.image.installed().unwrap().packages().map(|(fmri, _)| fmri).collect();
    world.image.verify(&packages, options, &Control::silent()).unwrap()
}

/// What is said, `STEM TYPE KEY: TEXT` a line; editable files only where asked for.
fn said(world: &World, editable: bool) -> Vec<String> {
    let options = VerifyOptions { editable, ..VerifyOptions::default() };
    let mut lines = Vec::new();
    for package in verified(world, &options) {
        for finding in &package.findings {
            let report = &finding.report;
            let texts = report.errors.iter().chain(&report.warnings).chain(&report.info);
            lines.extend(texts.map(|text| {
                let (name, kind) = (&package.fmri.name, finding.kind.as_str());
                format!("{name} {kind} {}: {text}", finding.key)
            }));
        }
    }
    lines
}

#[test]
fn what_is_installed_is_right() {
    let world = whole();
    assert_eq!(said(&world, false), [""; 0]);
    assert!(verified(&world, &VerifyOptions::default()).iter().all(|one| one.status() == "OK"));
}

#[test]
fn every_kind_of_damage() {
    let world = whole();
    let root = world.root();
    let table = root.join("var/pkg/state/table");
    let text = fs::read_to_string(&table).unwrap();
    let mut tree = Tree::parse(&text).unwrap();
    tree.get_mut("usr/bin/pick").unwrap().mode = 0o755;
    let share = tree.get_mut("usr/share/pear").unwrap();
    (share.uid, share.gid) = (71, 8);
    tree.remove("usr/share/pear/notes.txt");
    fs::write(&table, tree.to_string()).unwrap();
    fs::write(root.join("usr/share/doc/pear/README"), "changed").unwrap();
    fs::remove_file(root.join("usr/lib/pear/one.byte")).unwrap();
    fs::remove_file(root.join("usr/bin/birne")).unwrap();
    symlink("apple", root.join("usr/bin/birne")).unwrap();
    fs::remove_file(root.join("usr/bin/pear-hard")).unwrap();
    fs::copy(root.join("usr/bin/pear"), root.join("usr/bin/pear-hard")).unwrap();
    fs::remove_file(root.join("usr/share/pear/empty")).unwrap();
    fs::create_dir(root.join("usr/share/pear/empty")).unwrap();
    fs::write(root.join("usr/share/pear/sparc.txt"), "x").unwrap();
    fs::write(root.join("etc/pear.conf"), "edited").unwrap();
    fs::remove_dir_all(root.join("var/pkg/license/fruit%2Fpear")).unwrap();
    fs::remove_file(root.join("var/sadm/pkg/SUNWpear/pkginfo")).ok();
    let majors = world.read("etc/name_to_major").unwrap();
    world.write("etc/name_to_major", &majors.replace("plum", "prune"));
    let users = world.read("etc/passwd").unwrap();
    world.write("etc/passwd", &users.replace("picker:x:", "plucker:x:"));
    let said = said(&world, true);
    let has = |line: &str| assert!(said.iter().any(|one| one.contains(line)), "{line}\n{said:#?}");
    has("fruit/pear file usr/bin/pick: mode: 0755 should be 4755");
    has("fruit/pear dir usr/share/pear: owner: '71 (71)' should be 'root (0)'");
    has("group: '8 (8)' should be 'bin (2)'");
    has("usr/share/pear/notes.txt: Missing: not in the image's table of owners");
    has("usr/share/doc/pear/README: Size: 7 bytes should be 280");
    has("usr/share/doc/pear/README: Hash: ");
    has("should be 84acf74c43248928c6026db874bf6af32a489f3c10c07e27091278c2269d70dc");
    has("usr/lib/pear/one.byte: Missing: regular file does not exist");
    has("usr/bin/birne: Target: 'apple' should be 'pear'");
    has("usr/bin/pear-hard: Broken: Path and Target (usr/bin/pear) inodes not the same");
    has("usr/share/pear/empty: File Type: 'directory' should be 'regular file'");
    has("etc/pear.conf: editable file has been changed");
    has("fruit/pear license Pear Licence: License file ");
    has("driver/plum driver plum: etc/name_to_major: 'plum' entry not present");
    has("service/accounts user picker: username: '<missing>' should be 'picker'");
    has("var/spool/picker: Owner: picker is unknown");
    // What another variant delivers is nobody's business.
    assert!(!said.iter().any(|line| line.contains("sparc.txt")), "{said:#?}");
}

#[test]
fn links_are_not_followed_out_of_the_root() {
    let world = whole();
    let root = world.root();
    let outside = world.place.path().join("outside");
    fs::rename(root.join("usr/share/doc"), &outside).unwrap();
    symlink(&outside, root.join("usr/share/doc")).unwrap();
    let said = said(&world, false);
    let line = "usr/share/doc: File Type: 'symbolic link' should be 'directory'";
    assert!(said.iter().any(|one| one.contains(line)), "{said:#?}");
    let line = "usr/share/doc/pear/README: Missing: regular file does not exist";
    assert!(said.iter().any(|one| one.contains(line)), "{said:#?}");
}

#[test]
fn an_unwanted_facet_is_asked_to_be_absent() {
    let mut world = whole();
    let lock = world.image.lock().unwrap();
    let mut configuration = world.image.configuration().clone();
    configuration.set_facet("facet.doc", Some(false));
    let mut change =
        ips_client::image::Change::at(ips_model::Timestamp::from_seconds(common::NOW + 100));
    change.configuration = Some(configuration);
    world.image.record(&lock, &change).unwrap();
    let said = said(&world, false);
    let line = "fruit/pear file usr/share/doc/pear/README: File should not exist";
    assert!(said.iter().any(|one| one == line), "{said:#?}");
}

#[test]
fn only_the_paths_asked_for() {
    let world = whole();
    fs::remove_file(world.root().join("usr/lib/pear/one.byte")).unwrap();
    fs::remove_file(world.root().join("usr/lib/pear/table.bin")).unwrap();
    let paths = ["usr/lib/pear/one.byte".to_string()].into();
    let verified = verified(&world, &VerifyOptions { paths, ..VerifyOptions::default() });
    let keys: Vec<&str> = verified
        .iter()
        .flat_map(|one| one.findings.iter().map(|finding| finding.key.as_str()))
        .collect();
    assert_eq!(keys, ["usr/lib/pear/one.byte"]);
}
