//! roles.rs - who may order the pipeline, whom a gate is built as, and roots side by side.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use tests::{World, top};

/// Whether nobody can run the commands against this world; says so where not.
fn nobody_reaches(world: &World) -> bool {
    let folder = world.root.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let said = as_nobody(world, &["svcs", "-H", "merger"]);
    if said != Some(0) {
        eprintln!("SKIPPED: cannot run the commands as nobody here");
    }
    said == Some(0)
}

/// The exit status of a command that nobody types.
fn as_nobody(world: &World, line: &[&str]) -> Option<i32> {
    let mut command = world.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(line);
    command.output().unwrap().status.code()
}

#[test]
fn a_role_orders_and_configures_what_it_is_authorized_to() {
    let world = World::up();
    if !nobody_reaches(&world) {
        return;
    }
    let enable = ["svcadm", "enable", "-t", "builder/pipeline"];
    let publisher =
        ["svccfg", "-s", "merger:default", "setprop", "merge/publisher", "=", "astring:", "one"];
    for line in [&enable[..], &publisher] {
        assert_ne!(as_nobody(&world, line), Some(0), "{line:?}");
    }
    let etc = world.root.join("etc");
    fs::create_dir_all(etc.join("user_attr.d")).unwrap();
    fs::create_dir_all(etc.join("security")).unwrap();
    let entry = "nobody::::profiles=Distribution Builder\n";
    fs::write(etc.join("user_attr.d/site"), entry).unwrap();
    fs::copy(top().join("packaging/illumos/prof_attr"), etc.join("security/prof_attr")).unwrap();
    for line in [&publisher[..], &["svcadm", "refresh", "merger"], &enable] {
        assert_eq!(as_nobody(&world, line), Some(0), "{line:?}");
    }
    world.await_state("builder/release", "online");
    let publishers = world.current("merger/default").join("repo/publisher");
    let names: Vec<_> = fs::read_dir(publishers).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["one"], "{}", world.story());
    // What the role was not given stays out of its reach.
    for line in [&["svcadm", "disable", "milestone/network"][..], &["svccfg", "delete", "merger"]] {
        assert_ne!(as_nobody(&world, line), Some(0), "{line:?}");
    }
}

#[test]
fn a_gate_is_built_as_somebody_else() {
    let world = World::up();
    if !nobody_reaches(&world) {
        return;
    }
    for line in [
        "svccfg -s builder:illumos setprop build/user = astring: nobody",
        "svcadm refresh builder:illumos",
    ] {
        world.type_line(line).ok();
    }
    world.run("lamplighter", &["build"]).ok();
    let made = world.stage("builder/illumos/ws/proto/root_i386/etc/release");
    assert_eq!(fs::metadata(&made).unwrap().uid(), 65534, "{}", made.display());

    world.type_line("svccfg -s builder:illumos setprop build/user = astring: nobody-such").ok();
    world.type_line("svcadm refresh builder:illumos").ok();
    assert_eq!(world.run("lamplighter", &["build"]).status, 1);
    let why = world.run("lamplighter", &["why"]).out;
    assert!(why.contains("build/user: there is no user \"nobody-such\""), "{why}");
}

#[test]
fn two_distributions_side_by_side() {
    let (one, other) = (World::up(), World::up());
    std::thread::scope(|scope| {
        for world in [&one, &other] {
            scope.spawn(|| world.run("lamplighter", &["build"]).ok());
        }
    });
    one.run("lamplighter", &["down"]).ok();
    assert_eq!(one.alive(), Vec::<String>::new());
    other.await_state("builder/release", "online");
    other.await_well();
}
