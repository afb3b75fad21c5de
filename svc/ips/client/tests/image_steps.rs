//! An image changed step by step, and after each step the same as the original's.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{World, golden};

/// The listing of a step: path → the rest.
fn expected(step: usize) -> BTreeMap<String, String> {
    let text = fs::read_to_string(golden(&format!("image/listing-step{step:02}.txt"))).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once('\t').unwrap()).map(own).collect()
}

fn own((path, rest): (&str, &str)) -> (String, String) {
    (path.to_string(), rest.to_string())
}

/// What differs for a reason: the device commands did nothing there, their chown took set-id bits, and
/// some files hold the day, or members in an order that has no rule.
fn settled(path: &str, row: &str) -> Option<String> {
    let devices = ["driver_aliases", "driver_classes", "minor_perm", "name_to_major"];
    let edited = path == "reconfigure"
        || devices.iter().any(|name| path == format!("etc/{name}"))
        || path.starts_with("etc/security/");
    if edited {
        return None;
    }
    let mut fields: Vec<&str> = row.split('\t').collect();
    let (kind, size) = (fields[0], fields[3]);
    let dated = path.ends_with("/pkginfo") || matches!(path, "etc/shadow" | "etc/group");
    if dated {
        fields[4] = "-";
        // A new entry's date and a member's place do not change how long the file is.
        return (kind == "f" && !path.ends_with("/pkginfo")).then(|| format!("{path} {size}"));
    }
    if kind == "f" && fields[1].len() == 4 {
        let plain = format!("0{}", &fields[1][1..]);
        fields[1] = &plain;
        return Some(fields.join("\t"));
    }
    Some(fields.join("\t"))
}

fn settle(listing: &BTreeMap<String, String>) -> BTreeMap<&str, String> {
    let rows = listing.iter().filter_map(|(path, row)| Some((path.as_str(), settled(path, row)?)));
    rows.collect()
}

fn compare(world: &World, step: usize) {
    let (want, have) = (expected(step), world.listing());
    let (want, have) = (settle(&want), settle(&have));
    let mut differences = Vec::new();
    for path in want.keys().chain(have.keys()) {
        if want.get(path) != have.get(path) {
            differences.push(format!("{path}\n  {:?}\n  {:?}", want.get(path), have.get(path)));
        }
    }
    differences.dedup();
    assert!(differences.is_empty(), "step {step}:\n{}", differences.join("\n"));
}

#[test]
fn every_step_leaves_what_the_original_leaves() {
    let mut world = World::of(&golden("repo"), tempfile::tempdir().unwrap());
    world.install("system/core-files fruit/pear@1.9").unwrap();
    compare(&world, 0);
    world.install("entire").unwrap();
    compare(&world, 1);
    assert_eq!(
        world.installed(),
        "entire@1-2024.0 fruit/pear@1.10-1 system/core-files@1.0-2024.0.0"
    );
    world
        .install("service/accounts driver/plum compat/legacy library/tiny test/varcets copy+pears quoting")
        .unwrap();
    compare(&world, 2);
    world.install("runtime/lang-19 runtime/lang-110 runtime/lang-fast").unwrap();
    compare(&world, 3);
    let mediators = world.image.configuration().to_string();
    let expected = "[mediators]\n\
        fastlang.version-source = vendor\nfastlang.implementation = fast\n\
        fastlang.implementation-source = vendor\n\
        lang.version = 1.10\nlang.version-source = system\nlang.implementation-source = system\n";
    assert!(mediators.contains(expected), "{mediators}");
    let nothing = world.install("old/birne").unwrap();
    assert_eq!((nothing.steps, nothing.bytes), (0, 0));
    compare(&world, 4);
    let error = world.install("nosuch").unwrap_err().to_string();
    assert!(error.ends_with("refreshing publisher information:\n\n\tnosuch"), "{error}");
    let error = world.install("fruit/pear@2.0").unwrap_err().to_string();
    assert!(error.starts_with("No matching version of fruit/pear can be installed."), "{error}");
    compare(&world, 6);
    world.uninstall("compat/legacy").unwrap();
    compare(&world, 7);
    world.install("entire").unwrap();
    compare(&world, 8);
}
