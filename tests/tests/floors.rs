//! floors.rs - holds the tree to the design: floors, rooms, names, and what may stand where.
//!
//! Reads the sources as text; builds nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Member path → floor, from the comments between the members of the workspace.
fn floors() -> BTreeMap<String, u32> {
    let mut floor = None;
    let mut members = BTreeMap::new();
    for line in text(&top().join("Cargo.toml")).lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("# floor ") {
            floor = rest.split(':').next().and_then(|number| number.parse().ok());
        } else if line == "]" {
            floor = None;
        } else if let (Some(floor), Some(path)) = (floor, line.strip_prefix('"')) {
            members.insert(path.trim_end_matches(['"', ',']).to_string(), floor);
        }
    }
    assert!(members.len() > 20, "the members were not read: {members:?}");
    members
}

/// The names under `[SECTION]` of a crate's Cargo.toml.
fn keys(manifest: &str, section: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == format!("[{section}]");
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            names.push(line.split(['.', ' ', '=']).next().unwrap().to_string());
        }
    }
    names
}

fn crate_name(manifest: &str) -> String {
    let line = manifest.lines().find_map(|line| line.strip_prefix("name = \"")).unwrap();
    line.trim_end_matches('"').to_string()
}

fn sources(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![below.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A source without its comments and its tests, enough for a search by word.
fn code(path: &Path) -> String {
    let all = text(path);
    let before_tests = all.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let kept = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    kept.collect::<Vec<_>>().join("\n")
}

fn product_sources() -> Vec<PathBuf> {
    let all = ["smf", "svc"].iter().flat_map(|folder| sources(&top().join(folder)));
    all.filter(|path| !path.to_string_lossy().contains("/tests/")).collect()
}

#[test]
fn a_crate_imports_only_from_floors_below() {
    let floors = floors();
    let mut by_name = BTreeMap::new();
    for (path, floor) in &floors {
        by_name.insert(crate_name(&text(&top().join(path).join("Cargo.toml"))), (*floor, path));
    }
    // Two stores may be stood upon by a store: a contract holds a process tree for `process`, and
    // the stages' library is what the stages' own floor shares.
    let allowed = [("process", "smf-contract"), ("builder-release", "builder")];
    for (path, floor) in &floors {
        let manifest = text(&top().join(path).join("Cargo.toml"));
        let name = crate_name(&manifest);
        for dependency in keys(&manifest, "dependencies") {
            let Some((below, at)) = by_name.get(&dependency) else { continue };
            let excused = allowed.contains(&(name.as_str(), dependency.as_str()));
            assert!(
                below < floor || excused,
                "{name} (floor {floor}) imports {dependency} ({below})"
            );
            assert!(
                !(path.starts_with("smf/") && at.starts_with("svc/")),
                "{name}: smf/ never imports svc/ ({dependency})"
            );
            let stage = path.starts_with("svc/") && at.starts_with("smf/");
            // Neither leads to a running SMF: one holds processes, the other writes a file of an image.
            let aside = ["smf-contract", "smf-seed"].contains(&dependency.as_str());
            assert!(!stage || aside, "{name} reaches SMF by {dependency}");
        }
    }
}

#[test]
fn nouns_do_no_input_or_output() {
    for room in ["smf/model", "svc/ips/model", "svc/image/tree", "svc/imager/manifest"] {
        for path in sources(&top().join(room).join("src")) {
            for word in ["std::fs", "std::net", "std::process", "std::thread", "SystemTime::now"] {
                assert!(!code(&path).contains(word), "{}: {word}", path.display());
            }
        }
    }
}

#[test]
fn sql_is_spoken_in_configd_alone() {
    for path in product_sources() {
        let at_home = path.starts_with(top().join("smf/configd"));
        assert!(at_home || !code(&path).contains("rusqlite"), "{}", path.display());
    }
}

#[test]
fn programs_are_started_in_two_rooms() {
    // pkg.depotd becomes a daemon by starting itself again; its file says why.  svccfg's editprop
    // runs the user's editor, which is no service and belongs to the user's own session.
    let rooms = [
        "smf/startd/src/sys",
        "smf/cmd/svccfg/sys",
        "svc/process/src",
        "svc/pkg/server/src/daemon.rs",
    ];
    for path in product_sources() {
        let here = rooms.iter().any(|room| path.starts_with(top().join(room)));
        for word in ["process::Command", "fork()", "execv", "posix_spawn"] {
            assert!(here || !code(&path).contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn no_room_is_called_util() {
    for path in product_sources() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let vague = ["util", "utils", "common", "helpers", "helper", "misc"];
        assert!(!vague.contains(&stem.as_str()), "{}", path.display());
    }
}

#[test]
fn no_file_is_a_house_of_its_own() {
    for path in product_sources() {
        let lines = code(&path).lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 600, "{}: {lines} lines of code", path.display());
    }
}

#[test]
fn the_top_level_is_the_design_card() {
    let mut folders: Vec<String> = fs::read_dir(top())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !name.starts_with("target"))
        .collect();
    folders.sort();
    assert_eq!(folders, ["manifests", "methods", "packaging", "smf", "svc", "tests"]);
}

#[test]
fn the_crates_of_the_design_card_are_used() {
    let mut used = BTreeMap::new();
    for path in floors().keys() {
        let manifest = text(&top().join(path).join("Cargo.toml"));
        for name in keys(&manifest, "dependencies") {
            used.entry(name).or_insert_with(Vec::new).push(path.clone());
        }
    }
    for name in ["libc", "nix", "quick-xml", "serde", "clap", "signal-hook", "syslog", "anyhow"] {
        let rooms = used.get(name).unwrap_or_else(|| panic!("{name} is used by no crate"));
        let word = format!("{}::", name.replace('-', "_"));
        let spoken = rooms
            .iter()
            .any(|room| sources(&top().join(room)).iter().any(|path| code(path).contains(&word)));
        assert!(spoken, "{name} is listed by {rooms:?} and spoken by none");
    }
}

#[test]
fn a_folder_of_svc_is_a_service_exactly_when_manifests_has_its_name() {
    let services = [
        "builder",
        "builder/pipeline",
        "builder/release",
        "merger",
        "imager",
        "live",
        "pkg/server",
    ];
    for service in services {
        let bundle = top().join("manifests/application").join(format!("{service}.xml"));
        assert!(bundle.is_file(), "{} is missing", bundle.display());
        assert!(top().join("svc").join(service).join("src/main.rs").is_file(), "svc/{service}");
    }
    for entry in fs::read_dir(top().join("svc")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let library =
            ["process", "stage", "ips", "image", "lamplighter", "pkg"].contains(&name.as_str());
        assert!(library || services.contains(&name.as_str()), "svc/{name} has no bundle");
    }
}
