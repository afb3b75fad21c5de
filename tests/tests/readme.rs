//! readme.rs - what the README shows is typed here as it stands there.

use std::fs;
use std::process::Command;
use tests::{World, copy_tree, prefix, top};

/// The shell block of the README that follows `<!-- test: NAME -->`.
fn block(name: &str) -> String {
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    let mark = format!("<!-- test: {name} -->\n```sh\n");
    let rest = readme.split_once(&mark).unwrap_or_else(|| panic!("no block {name}")).1;
    rest.split_once("```").unwrap().0.to_string()
}

/// Types a block in the folder of the one before; every line must succeed.
fn typed(world: &World, name: &str, repository: &str) -> String {
    let folder = world.root.parent().unwrap().join("typed");
    fs::create_dir_all(&folder).unwrap();
    let script = format!("set -e\n{}", block(name));
    let mut shell = world.command("sh");
    shell.args(["-c", &script]).current_dir(&folder).env("REPOSITORY", repository);
    let said = shell.output().unwrap();
    let out = String::from_utf8_lossy(&said.stdout).into_owned();
    let err = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{out}\n{err}\n{}", world.story());
    out
}

/// The names in a repository, as `pkgrepo list` shows them.
fn listed(repository: &str) -> String {
    let said = Command::new(prefix().join("bin/pkgrepo"))
        .args(["-s", repository, "list", "-H"])
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8_lossy(&said.stdout).into_owned()
}

#[test]
fn your_own_gate_and_a_published_repository() {
    let world = World::up();
    typed(&world, "gate", "");
    typed(&world, "own-gate", "");
    let release = world.stage("release/default").join("repo");
    let release = release.to_str().unwrap();
    assert!(listed(release).contains("hello"), "{}", listed(release));

    // What that gate made is a published repository to another builder.
    let published = world.root.parent().unwrap().join("elsewhere");
    copy_tree(&world.current("builder/mine").join("repo"), &published);
    let out = typed(&world, "published", &format!("file://{}", published.display()));
    assert!(out.contains("hello"), "{out}");

    let out = typed(&world, "image", "");
    assert!(out.lines().any(|line| line.ends_with(".iso")), "{out}");
}

#[test]
fn a_platform_from_proto_areas() {
    let world = World::up();
    let out = typed(&world, "live", "");
    assert!(out.contains("boot test (BIOS, CD): boot_archive.hash: ok\n"), "{out}");
}

#[test]
fn packages_without_an_illumos_host() {
    let world = World::up();
    let out = typed(&world, "packages", "");
    assert!(out.ends_with("usr/share/hello.txt\nhello, packages\n"), "{out}");
}

#[test]
fn a_service_of_your_own() {
    let world = World::up();
    let out = typed(&world, "service", "");
    assert!(out.contains("hello, world"), "{out}");
    assert!(out.contains("svc:/site/greeter:default"), "{out}");
    world.await_state("greeter", "online");
    let log = || world.log("site-greeter:default");
    tests::await_true(&|| log().contains("hello, illumos and Linux"), &log);
}
