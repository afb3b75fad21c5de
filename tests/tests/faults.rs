//! faults.rs - bad input: a clear message, the right state, nothing half-done.

use std::fs;
use tests::{World, edit, prefix};

/// Builds and expects `instance` in maintenance with `text` in its log's last line of its own.
#[track_caller]
fn fails_with(world: &World, instance: &str, log: &str, text: &str) {
    let said = world.run("lamplighter", &["build"]);
    assert_eq!(said.status, 1, "{said:?}\n{}", world.story());
    assert_eq!(world.state(instance), "maintenance", "{}", world.story());
    let all = world.log(log);
    let last = all.lines().rfind(|line| !line.starts_with('[')).unwrap_or_default();
    assert!(last.contains(text), "{text:?} is not in the last line of\n{all}");
}

#[test]
fn a_gate_that_is_not_there() {
    let world = World::up();
    let gone = format!("build/gate = astring: {}/nowhere", world.gates.display());
    world.run("svccfg", &["-s", "builder:illumos", "setprop", &gone]).ok();
    world.run("svcadm", &["refresh", "builder:illumos"]).ok();
    fails_with(&world, "builder:illumos", "application-builder:illumos", "/nowhere");
    let explained = world.run("svcs", &["-x"]).out;
    assert!(explained.contains("exited with $SMF_EXIT_ERR_CONFIG"), "{explained}");
}

#[test]
fn files_the_proto_area_lacks_are_all_listed_and_nothing_is_published() {
    let world = World::up();
    let folder = world.gates.join("illumos/usr/src/pkg/manifests");
    let mut manifests: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    manifests.retain(|path| path.extension().is_some_and(|extension| extension == "p5m"));
    manifests.sort();
    let text = fs::read_to_string(&manifests[0]).unwrap();
    let missing = ["usr/lib/absent-one", "usr/lib/absent-two"];
    let lines = missing.map(|path| format!("file path={path} mode=0644 owner=root group=bin\n"));
    fs::write(&manifests[0], text + &lines.concat()).unwrap();
    let said = world.run("lamplighter", &["build"]);
    assert_eq!(said.status, 1, "{said:?}");
    let log = world.log("application-builder:illumos");
    for path in missing {
        assert!(log.contains(path), "{path} is not in\n{log}");
    }
    assert_eq!(world.state("builder:illumos"), "maintenance");
    assert!(!world.stage("builder/illumos").join("current").exists(), "something was published");
}

#[test]
fn a_publisher_nobody_knows() {
    let world = World::up();
    let gate = world.gates.join("published");
    let pkgrepo = |arguments: &[&str]| world.run("pkgrepo", arguments).ok();
    pkgrepo(&["create", gate.to_str().unwrap()]);
    pkgrepo(&["-s", gate.to_str().unwrap(), "add-publisher", "here.example"]);
    for property in [
        format!("build/gate = astring: file://{}", gate.display()),
        "build/packages = astring: pkg://elsewhere.example/hello".to_string(),
    ] {
        world.run("svccfg", &["-s", "builder:caiman", "setprop", &property]).ok();
    }
    world.run("svcadm", &["refresh", "builder:caiman"]).ok();
    fails_with(&world, "builder:caiman", "application-builder:caiman", "elsewhere.example");
}

#[test]
fn a_malformed_bundle_is_named_by_line_and_column() {
    let world = World::up();
    let good = prefix().join("lib/svc/manifest/application/merger.xml");
    let bad = world.root.parent().unwrap().join("bad.xml");
    fs::copy(&good, &bad).unwrap();
    edit(&bad, "application/merger", "application/other");
    edit(&bad, "<instance", "<instanze");
    edit(&bad, "</instance>", "</instanze>");
    let line = fs::read_to_string(&bad).unwrap();
    let line = line.lines().position(|text| text.contains("<instanze")).unwrap() + 1;
    let said = world.run("svccfg", &["import", bad.to_str().unwrap()]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains(&format!("{line}")) && said.err.contains("instanze"), "{}", said.err);
    let found = world.run("svcs", &["-H", "application/other"]);
    assert_eq!(found.status, 1, "half of it was imported: {found:?}");
}

#[test]
fn a_port_somebody_holds() {
    let world = World::up();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let gate = world.root.join("repo");
    world.run("pkgrepo", &["create", gate.to_str().unwrap()]).ok();
    for line in [
        "svccfg -s application/pkg/server add taken".to_string(),
        "svccfg -s pkg/server:taken addpg pkg application".to_string(),
        format!("svccfg -s pkg/server:taken setprop pkg/inst_root = astring: {}", gate.display()),
        format!("svccfg -s pkg/server:taken setprop pkg/port = count: {port}"),
    ] {
        world.type_line(&line).ok();
    }
    let said = world.run("svcadm", &["enable", "-s", "pkg/server:taken"]);
    assert_eq!(said.status, 3, "{said:?}\n{}", world.story());
    assert_eq!(world.state("pkg/server:taken"), "maintenance");
    let log = world.log("application-pkg-server:taken");
    assert!(log.contains(&port.to_string()) && log.contains("in use"), "{log}");
}
