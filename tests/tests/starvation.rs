//! starvation.rs - no space, no inodes, no descriptors, no memory, no permission, an odd clock.
//!
//! Each time: the stage is in maintenance, its log and `lamplighter why` name the cause, nothing
//! half-done is current; after the repair the pipeline completes, with the bytes it would have
//! made otherwise.  Small file systems live in a mount namespace of the test's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use mounts::mount;
use tests::{World, await_true, contents, edit};

/// Stages in the order of the pipeline: directory, instance, log.
const STAGES: [(&str, &str, &str); 5] = [
    ("builder/illumos", "builder:illumos", "application-builder:illumos"),
    ("builder/pkg5", "builder:pkg5", "application-builder:pkg5"),
    ("merger/default", "merger", "application-merger:default"),
    ("imager/default", "imager", "application-imager:default"),
    ("release/default", "builder/release", "application-builder-release:default"),
];

fn remount(options: &str, place: &Path) {
    let options = format!("remount,{options}");
    let said = Command::new("mount").args(["-o", &options]).arg(place).status().unwrap();
    assert!(said.success(), "mount -o {options} {}", place.display());
}

/// Builds; `instance` fails, and both its log's last own line and `why` hold one of `texts`.
#[track_caller]
fn fails(world: &World, instance: &str, log: &str, texts: &[&str]) {
    let said = world.run("lamplighter", &["build"]);
    assert_eq!(said.status, 1, "{said:?}\n{}", world.story());
    assert_eq!(world.state(instance), "maintenance", "{}", world.story());
    let all = world.log(log);
    let last = all.lines().rfind(|line| !line.starts_with('[')).unwrap_or_default();
    assert!(texts.iter().any(|text| last.contains(text)), "{texts:?}: the last line of\n{all}");
    let why = world.run("lamplighter", &["why"]).out;
    assert!(why.contains(last), "{last}\nis not in\n{why}");
}

/// The repair is done: what failed is cleared, and all comes online.
#[track_caller]
fn completes(world: &World, instance: &str) {
    world.run("svcadm", &["clear", instance]).ok();
    world.await_state("builder/release", "online");
    world.await_well();
}

/// Manifests and payloads of the release, and its medium: path to content.
fn released(world: &World) -> BTreeMap<String, Vec<u8>> {
    let top = world.stage("release/default");
    let mut found = BTreeMap::new();
    ["repo/publisher", "media"]
        .iter()
        .for_each(|part| found.extend(contents(&top.join(part), &top)));
    // When it came, not what came; and locks.
    found.retain(|name, _| !name.contains("/catalog/") && !name.contains("/tmp/"));
    found
}

fn unbroken() -> BTreeMap<String, Vec<u8>> {
    let world = World::up();
    world.run("lamplighter", &["build"]).ok();
    released(&world)
}

#[track_caller]
fn assert_same(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (name, content) in one {
        assert!(other[name] == *content, "{name} differs");
    }
}

/// Starves each stage in turn with these options of its file system, then gives it room.
fn starved(options: [&[&str]; 5], room: &str) {
    let world = World::new();
    for (place, _, _) in STAGES {
        mount("size=8k,nr_inodes=2", &world.stage(place));
    }
    world.start();
    let texts =
        ["No space left on device", "exceeds free space on media", "no room in the file system"];
    for ((place, instance, log), options) in STAGES.into_iter().zip(options) {
        for one in options {
            remount(one, &world.stage(place));
            fails(&world, instance, log, &texts);
            let half = world.stage(place).join("current");
            assert!(!half.exists(), "{one}: {} is there", half.display());
        }
        remount(room, &world.stage(place));
    }
    completes(&world, "builder/release");
    assert_same(&released(&world), &unbroken());
}

#[test]
fn a_full_disk_at_each_stage() {
    if mounts::are_own("a_full_disk_at_each_stage") {
        let options: [&[&str]; 5] = [
            &["size=8k,nr_inodes=9k", "size=64k", "size=128k", "size=200k"],
            &["size=8k,nr_inodes=9k", "size=32k"],
            &["size=8k,nr_inodes=9k", "size=64k", "size=128k"],
            &["size=8k,nr_inodes=9k", "size=100k", "size=400k"],
            &["size=8k,nr_inodes=9k", "size=64k", "size=128k", "size=400k"],
        ];
        starved(options, "size=64m");
    }
}

#[test]
fn no_inode_at_each_stage() {
    if mounts::are_own("no_inode_at_each_stage") {
        let options: [&[&str]; 5] = [
            &["size=64m,nr_inodes=3", "nr_inodes=20", "nr_inodes=60", "nr_inodes=110"],
            &["size=64m,nr_inodes=3", "nr_inodes=20"],
            &["size=64m,nr_inodes=3", "nr_inodes=20", "nr_inodes=50"],
            &["size=64m,nr_inodes=3", "nr_inodes=20", "nr_inodes=45"],
            &["size=64m,nr_inodes=3", "nr_inodes=20", "nr_inodes=45", "nr_inodes=70"],
        ];
        starved(options, "nr_inodes=9k");
    }
}

#[test]
fn a_root_that_is_full() {
    if !mounts::are_own("a_root_that_is_full") {
        return;
    }
    let world = World::new();
    mount("size=4k", &world.root);
    let gates = world.gates.to_str().unwrap().to_owned();
    let up = ["up", "--tiny", "--gates", &gates, "--ports", "0"];
    for size in ["4k", "60k", "200k", "500k", "900k"] {
        remount(&format!("size={size}"), &world.root);
        let said = world.run("lamplighter", &up);
        assert_eq!(said.status, 1, "{size}: {said:?}");
        let told = ["full", "No space left"].iter().any(|text| said.err.contains(text));
        assert!(told, "{size}: {said:?}");
    }
    remount("size=64m", &world.root);
    world.run("lamplighter", &up).ok();

    // And full again, to the last byte, after configuration.
    let filler = world.root.join("filler");
    let fill = format!("cat /dev/zero >'{}'", filler.display());
    assert_ne!(world.type_line(&fill).status, 0);
    assert_ne!(world.run("lamplighter", &["build"]).status, 0);
    fs::remove_file(&filler).unwrap();
    // The repository tells old states until the engine has written the new ones again.
    let builds = || world.run("lamplighter", &["build"]).status == 0;
    await_true(&builds, &|| world.story());
    world.await_well();
    assert_same(&released(&world), &unbroken());
}

/// Sets properties of an instance and refreshes it.
fn set(world: &World, instance: &str, properties: &[&str]) {
    for property in properties {
        world.run("svccfg", &["-s", instance, "setprop", property]).ok();
    }
    world.run("svcadm", &["refresh", instance]).ok();
}

#[test]
fn tools_without_descriptors_or_memory() {
    let world = World::up();
    let log = "application-builder:illumos";
    for (limit, texts) in [
        // All but one are taken; children inherit them.
        (
            "exec 3</dev/null 4<&3 5<&3 6<&3 7<&3 8<&3 9<&3; ulimit -n 11",
            &["Too many open files", "Pipe call failed"][..],
        ),
        (
            "ulimit -v 24000",
            &["memory", "failed to map segment", "Killed", "internal compiler error"],
        ),
    ] {
        let line = format!("build/command = astring: \"{limit}; sh ./nightly env.sh\"");
        set(&world, "builder:illumos", &[&line]);
        fails(&world, "builder:illumos", log, texts);
    }
    set(&world, "builder:illumos", &["build/command = astring: \"sh ./nightly env.sh\""]);
    completes(&world, "builder:illumos");
    assert_same(&released(&world), &unbroken());
}

#[test]
fn a_stage_without_descriptors() {
    let mut world = World::new();
    world.within(&["prlimit", "--nofile=64:64"]);
    world.start();
    world.run("lamplighter", &["build"]).ok();
    assert_same(&released(&world), &unbroken());
}

/// The start method of a stage, with words before it.
fn before_method(name: &str, words: &str) -> String {
    let method = format!("%{{lamplighter/prefix}}/lib/svc/method/{name} start");
    format!("start/exec = astring: \"{words}{method}\"")
}

/// A stage that may have less memory than it needs ends by itself, names what it lacked, and
/// is not tried for ever.
#[test]
fn stages_without_memory() {
    let world = World::up();
    for (instance, name, size) in [
        ("merger:default", "merger", 4),
        ("imager:default", "imager", 4),
        // Enough for itself, not for its tools.
        ("imager:default", "imager", 64),
    ] {
        let limit = format!("prlimit --data={} ", size << 20);
        world.type_line(&format!("svccfg -s {instance} addpg start method"));
        set(&world, instance, &[&before_method(name, &limit)]);
        let said = world.run("lamplighter", &["build"]);
        assert_eq!(said.status, 1, "{said:?}\n{}", world.story());
        assert_eq!(world.state(instance), "maintenance", "{}", world.story());
        let told = world.log(&format!("application-{instance}"));
        let why = world.run("lamplighter", &["why"]).out;
        for text in [&told, &why] {
            assert!(text.to_lowercase().contains("memory"), "{text}");
        }
        assert!(!world.stage(&instance.replace(':', "/")).join("current").exists());
        set(&world, instance, &[&before_method(name, "")]);
    }
    completes(&world, "imager:default");
    assert_same(&released(&world), &unbroken());
}

/// The host's clock goes back an hour between two builds: what was made is kept, what is made
/// then is newer than what was there.
#[test]
fn a_clock_that_goes_back() {
    let world = World::up();
    world.run("lamplighter", &["build"]).ok();
    let before = newest(&world);
    for (instance, name) in [
        ("builder:pkg5", "builder"),
        ("merger:default", "merger"),
        ("imager:default", "imager"),
        ("builder/release:default", "builder-release"),
    ] {
        world.type_line(&format!("svccfg -s {instance} addpg start method")).ok();
        set(&world, instance, &[&before_method(name, "faketime -f -1h ")]);
    }
    assert!(world.run("lamplighter", &["build"]).ok().contains("up to date"));
    let page = world.gates.join("pkg5/usr/src/man/pkg.5");
    let text = fs::read_to_string(&page).unwrap();
    fs::write(&page, format!("{text}.\\\" later\n")).unwrap();
    let said = world.run("lamplighter", &["build"]);
    assert_eq!(said.status, 0, "{said:?}\n{}", world.story());
    let after = newest(&world);
    let newer = before.iter().filter(|(stem, version)| after[*stem] > **version).count();
    let older = before.iter().filter(|(stem, version)| after[*stem] < **version).count();
    assert!(newer > 0 && older == 0, "{before:?}\n{after:?}");
    world.await_well();
}

#[test]
fn an_input_nobody_may_read() {
    let Some(world) = World::unprivileged() else { return };
    use std::os::unix::fs::PermissionsExt;
    world.start();
    let source = world.gates.join("pkg5/usr/src/man/pkg.5");
    let allow = |mode: u32| {
        fs::set_permissions(&source, fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(0o000);
    let path = source.to_str().unwrap();
    fails(&world, "builder:pkg5", "application-builder:pkg5", &[path]);
    let log = world.log("application-builder:pkg5");
    assert!(log.contains("ermission denied"), "{log}");
    allow(0o644);
    completes(&world, "builder:pkg5");
}

#[test]
fn a_gate_that_changes_while_it_is_built() {
    let world = World::up();
    let gate = world.gates.join("caiman");
    let git = |words: &[&str]| {
        let own = ["-c", "user.name=n", "-c", "user.email=n@example"];
        let said = Command::new("git").args(own).arg("-C").arg(&gate).args(words).output();
        assert!(said.as_ref().is_ok_and(|said| said.status.success()), "{said:?}");
    };
    fs::write(gate.join(".gitignore"), "/obj\n/proto\n/packages\n/packages.i386\n").unwrap();
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    let changes = "echo '.\\\\\" later' >>usr/src/man/distro_const.1; sh ./nightly env.sh";
    let command = format!("build/command = astring: \"{}\"", changes.replace('"', "\\\""));
    set(&world, "builder:caiman", &["build/in_place = boolean: true", &command]);
    let texts = ["the gate changed while it was built"];
    fails(&world, "builder:caiman", "application-builder:caiman", &texts);
    set(&world, "builder:caiman", &["build/command = astring: \"sh ./nightly env.sh\""]);
    completes(&world, "builder:caiman");
}

/// The newest released version of each package, as text that orders like time.
fn newest(world: &World) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in released(world).into_keys().filter(|name| name.contains("/pkg/")) {
        let (stem, version) = name.rsplit_once('/').unwrap();
        let entry: &mut String = found.entry(stem.to_owned()).or_default();
        *entry = (*entry).clone().max(version.to_owned());
    }
    found
}

#[test]
fn sources_of_the_future_and_of_an_hour_ago() {
    let world = World::up();
    set(&world, "imager:default", &["image/boot_test = boolean: false"]);
    let source = world.gates.join("pkg5/usr/src/man/pkg.5");
    let log = "application-builder:pkg5";
    let hour = Duration::from_secs(3600);
    let date = |time: SystemTime| {
        fs::File::options().append(true).open(&source).unwrap().set_modified(time).unwrap();
    };
    let dates = [SystemTime::now() + hour * 24 * 400, SystemTime::now() - hour];
    let gate_date = world.gates.join("pkg5/.source-date");
    let text = fs::read_to_string(&source).unwrap();
    let mut before = BTreeMap::new();
    let mut worked = 0;
    for (round, time) in (1u8..).zip([dates[0], dates[0], dates[1], dates[1]]) {
        // Equal in length and, twice, in time: only its content and ctime tell.
        fs::write(&source, format!("{text}.\\\" round {round}\n")).unwrap();
        date(time);
        let seconds: i64 = fs::read_to_string(&gate_date).unwrap().trim().parse().unwrap();
        fs::write(&gate_date, format!("{}\n", seconds - 3600)).unwrap();
        let said = world.run("lamplighter", &["build"]);
        assert_eq!(said.status, 0, "{said:?}\n{}", world.story());
        worked += 1;
        assert_eq!(world.worked(log), worked, "round {round}\n{}", world.story());
        // Who updates gets the newest: it must be this one.
        let now = newest(&world);
        for (stem, version) in &before {
            assert!(now[stem] >= *version, "{stem}: {} after {version}", now[stem]);
        }
        assert_ne!(now, before, "round {round}");
        let shown = world.run("lamplighter", &["build"]).ok();
        assert!(shown.contains("up to date"), "{shown}");
        before = now;
    }
    edit(&gate_date, "1764", "xx");
    fails(&world, "builder:pkg5", log, &["is not seconds since the epoch"]);
}
