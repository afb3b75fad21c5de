//! pipeline.rs - the main road: tiny gates to a booted medium, repeated, changed, broken, mended.

use std::fs;
use std::process::Command;
use tests::{World, await_true, edit};

const LOGS: [&str; 5] = [
    "application-builder:illumos",
    "application-builder:pkg5",
    "application-builder:caiman",
    "application-merger:default",
    "application-imager:default",
];

fn worked(world: &World) -> Vec<usize> {
    LOGS.iter().map(|log| world.worked(log)).collect()
}

#[test]
fn from_clean_to_a_booted_medium_again_and_after_a_change() {
    let world = World::up();
    let said = world.run("lamplighter", &["build"]);
    let story = format!("{}\n{}\n{}", said.out, said.err, world.story());
    assert_eq!(said.status, 0, "{story}");
    for instance in ["builder:illumos", "builder:pkg5", "builder:caiman", "merger", "imager"] {
        assert_eq!(world.state(instance), "online", "{story}");
    }
    assert_eq!(world.state("builder/release"), "online", "{story}");
    assert_eq!(worked(&world), [1; 5], "{story}");

    // The guest read the archive it was given, and said so on its serial console.
    let guest = fs::read_to_string(world.current("imager/default").join("boot-test.log")).unwrap();
    let release = fs::read_to_string(world.gates.join("illumos/usr/src/data/release"));
    let release = release.unwrap_or_else(|_| "Lamplighter".to_string());
    assert!(guest.contains(release.lines().next().unwrap().trim()), "{guest}");
    assert!(guest.contains("boot_archive.hash: ok"), "{guest}");

    the_medium_holds_what_the_gates_made(&world);
    again_without_a_change(&world);
    after_a_change_in_pkg5(&world);
    stop_and_leave_nothing(&world);
}

/// Runs a program of the host and gives its output; it must succeed.
fn host(program: &str, arguments: &[&str]) -> Vec<u8> {
    let said = Command::new(program).args(arguments).output().unwrap();
    assert!(said.status.success(), "{program} {arguments:?}: {said:?}");
    said.stdout
}

/// Readers that are not ours, xorriso and GRUB, find in the medium's boot archive every file that
/// a gate made for it.
fn the_medium_holds_what_the_gates_made(world: &World) {
    let medium = world.stage("release/default/media").join("tiny.iso");
    let scratch = tempfile::tempdir().unwrap();
    let (packed, archive) = (scratch.path().join("packed"), scratch.path().join("archive"));
    let inside = "/platform/i86pc/amd64/boot_archive";
    let arguments = ["-osirrox", "on", "-indev", medium.to_str().unwrap(), "-extract", inside];
    host("xorriso", &[&arguments[..], &[packed.to_str().unwrap()]].concat());
    let unpack = r#"gzip -dc < "$0""#;
    fs::write(&archive, host("sh", &["-c", unpack, packed.to_str().unwrap()])).unwrap();
    let table = fs::read_to_string(world.current("imager/default").join("root.table")).unwrap();
    // Actions of users and groups edit these.
    let edited = ["etc/group", "etc/passwd", "etc/shadow", "etc/ftpd/ftpusers"];
    let mut compared = 0;
    for line in table.lines().filter(|line| line.starts_with("f ")) {
        let path = line.rsplit(' ').next().unwrap();
        let gates =
            ["illumos", "pkg5", "caiman"].map(|gate| world.current(&format!("builder/{gate}")));
        let made =
            gates.iter().map(|gate| gate.join("proto").join(path)).find(|made| made.is_file());
        let Some(made) = made.filter(|_| !edited.contains(&path)) else { continue };
        let arguments = [archive.to_str().unwrap(), "cmp", &format!("(loop0)/{path}")];
        let said = host("grub-fstest", &[&arguments[..], &[made.to_str().unwrap()]].concat());
        assert!(!String::from_utf8_lossy(&said).contains("differ"), "{path}");
        compared += 1;
    }
    assert!(compared >= 7, "{compared} files compared of\n{table}");
}

fn again_without_a_change(world: &World) {
    world.run("svcadm", &["restart", "builder:illumos"]).ok();
    let settled = || world.log(LOGS[4]).matches("up to date").count() >= 1;
    await_true(&settled, &|| world.story());
    world.await_state("builder/release", "online");
    assert_eq!(worked(world), [1; 5], "{}", world.story());

    let said = world.run("lamplighter", &["build"]).ok();
    assert!(said.contains("up to date"), "{said}");
}

fn after_a_change_in_pkg5(world: &World) {
    let source = world.gates.join("pkg5/usr/src/man/pkg.5");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text + ".\\\" one more line\n").unwrap();
    world.run("svcadm", &["restart", "builder:pkg5"]).ok();
    await_true(&|| world.worked(LOGS[4]) == 2, &|| world.story());
    world.await_state("builder/release", "online");
    let counts = worked(world);
    assert_eq!((counts[0], counts[1], counts[3], counts[4]), (1, 2, 2, 2), "{}", world.story());
}

fn stop_and_leave_nothing(world: &World) {
    world.run("svcadm", &["disable", "-s", "builder/pipeline"]).ok();
    for instance in ["builder:illumos", "imager", "builder/release"] {
        assert_eq!(world.state(instance), "disabled", "{}", world.story());
    }
    world.await_well();
}

#[test]
fn a_compile_error_is_named_and_mended() {
    let world = World::up();
    let source = world.gates.join("illumos/usr/src/cmd/true/true.c");
    edit(&source, "return", "retrun");
    let said = world.run("lamplighter", &["build"]);
    assert_eq!(said.status, 1, "{said:?}\n{}", world.story());
    assert!(format!("{}{}", said.out, said.err).contains("builder:illumos"), "{said:?}");
    assert_eq!(world.state("builder:illumos"), "maintenance");

    let explained = world.run("svcs", &["-xv"]).out;
    for text in [
        "svc:/application/builder:illumos",
        "exited with $SMF_EXIT_ERR_FATAL",
        "application-builder:illumos.log",
        "svc:/application/imager:default",
    ] {
        assert!(explained.contains(text), "{text:?} is not in\n{explained}");
    }
    let log = world.log("application-builder:illumos");
    let of_stage = log.lines().rfind(|line| !line.starts_with('[')).unwrap();
    assert!(of_stage.contains("true.c") && of_stage.contains("error"), "{log}");
    let why = world.run("lamplighter", &["why"]).out;
    assert!(why.contains("true.c"), "{why}");

    edit(&source, "retrun", "return");
    world.run("svcadm", &["clear", "builder:illumos"]).ok();
    world.await_state("builder/release", "online");
    world.await_well();
}

#[test]
fn the_whole_runs_as_nobody_without_cgroups() {
    let Some(world) = World::unprivileged() else { return };
    world.start();
    let said = world.run("lamplighter", &["build", "--json"]);
    assert_eq!(said.status, 0, "{said:?}\n{}", world.story());
    for line in said.out.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
}
