//! reproducible.rs - the tiny set twice, under all that must not matter: the same bytes.
//!
//! Another directory, umask, time zone, locale, user, number of cores and time; payloads,
//! manifests, boot archive and medium are compared.  `lamplighter verify` does the like for a
//! user, and explains what it finds.  The sample set: packaging/reproduce.

use std::collections::BTreeMap;
use std::fs;

use tests::{World, contents, edit};

/// What was made: path to content.
fn made(world: &World) -> BTreeMap<String, Vec<u8>> {
    let top = world.root.join("var/lamplighter");
    let mut found = BTreeMap::new();
    for part in ["release/default/repo/publisher", "release/default/media"] {
        found.extend(contents(&top.join(part), &top));
    }
    // Catalogs of the release tell when packages came; those of outputs do not.
    found.retain(|name, _| !name.contains("/catalog/") && !name.contains("/tmp/"));
    for stage in ["builder/illumos", "builder/pkg5", "builder/caiman", "merger/default"] {
        let repository = world.stage(stage).join("current/repo");
        found.extend(contents(&repository, &top));
    }
    for name in ["boot_archive", "boot_archive.hash", "root.table"] {
        let path = world.current("imager/default").join(name);
        found.insert(name.to_owned(), fs::read(&path).unwrap());
    }
    // A lock names its process.
    found.retain(|name, _| !name.ends_with("/tmp/lock"));
    found
}

#[test]
fn neither_place_nor_user_nor_time_matters() {
    let one = World::up();
    one.run("lamplighter", &["build"]).ok();
    let Some(other) = World::unprivileged() else { return };
    let other = other.with("TZ", "Asia/Kathmandu").with("LC_ALL", "en_US.UTF-8");
    let gates = other.gates.display().to_string();
    let line =
        format!("umask 077; exec taskset -c 0 lamplighter up --tiny --gates '{gates}' --ports 0");
    other.type_line(&line).ok();
    other.type_line("umask 077; exec taskset -c 0 lamplighter build").ok();
    let (one, other) = (made(&one), made(&other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (name, content) in &one {
        assert!(other[name] == *content, "{name} differs");
    }
    assert!(one.len() > 40, "{} files compared", one.len());
}

#[test]
fn verify_says_the_same_and_explains_what_is_not() {
    let world = World::up();
    let said = world.run("lamplighter", &["verify"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.out.ends_with("same\n"), "{said:?}");

    // The place of the build gets into a program.
    let makefile = world.gates.join("illumos/usr/src/Makefile");
    edit(&makefile, "CFLAGS  = ", "CFLAGS  = -include $(CURDIR)/place.h ");
    let nightly = world.gates.join("illumos/nightly");
    edit(
        &nightly,
        "echo \"==== Build ====\"\n",
        "echo \"==== Build ====\"\n\
         printf '__attribute__((used)) static const char place[] = \"%s\";\\n' \"$(pwd)\" >place.h\n",
    );
    edit(
        &makefile,
        "$(OBJ)/crt1.o: $(SRC)/lib/crt/crt1.S\n\t$(CC) $(CFLAGS)",
        "$(OBJ)/crt1.o: $(SRC)/lib/crt/crt1.S\n\t$(CC) -m64",
    );
    let said = world.run("lamplighter", &["verify", "--json"]);
    assert_eq!(said.status, 1, "{said:?}");
    let lines: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let program = lines.iter().find(|line| line["file"] == "usr/bin/true");
    let program = program.unwrap_or_else(|| panic!("{}", said.out));
    assert!(program["package"].as_str().unwrap().contains("illumos.example"), "{program}");
    assert!(program["action"].as_str().unwrap().starts_with("file "), "{program}");
    assert!(program["byte"].is_u64(), "{program}");
    assert_eq!(lines.last().unwrap()["status"], "different");
    assert_eq!(world.run("lamplighter", &["verify", "twice"]).status, 2);
}
