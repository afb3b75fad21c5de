//! history.rs - the release is history: one name, one content, for ever; and never a mixture.
//!
//! A compiler is exchanged while sources stay; versions that clients pin survive ten releases and
//! a clean-up; builders are restarted while what comes after them works on their outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tests::{World, await_true};

/// Manifests of a repository, `pkg://publisher/name@version` encoded as the files are, to text.
fn manifests(repository: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let list = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    for publisher in list(&repository.join("publisher")) {
        for file in list(&publisher.join("pkg")).iter().flat_map(|stem| list(stem)) {
            let name = file.strip_prefix(repository).unwrap().display().to_string();
            found.insert(name, fs::read_to_string(&file).unwrap());
        }
    }
    found
}

fn released(world: &World) -> BTreeMap<String, String> {
    manifests(&world.stage("release/default/repo"))
}

#[track_caller]
fn build(world: &World) {
    let said = world.run("lamplighter", &["build"]);
    assert_eq!(said.status, 0, "{said:?}\n{}", world.story());
}

fn set(world: &World, instance: &str, properties: &[&str]) {
    for property in properties {
        world.run("svccfg", &["-s", instance, "setprop", property]).ok();
    }
    world.run("svcadm", &["refresh", instance]).ok();
}

/// A compiler of builder:illumos that the test can exchange: its path.
fn own_compiler(world: &World) -> PathBuf {
    let folder = world.gates.join("tools");
    fs::create_dir(&folder).unwrap();
    let compiler = folder.join("gcc");
    exchange(&compiler, 0);
    // `up` found the kernel's sources as an input; the compiler is one more.
    let inputs = world.type_line("svcprop -p build/inputs builder:illumos").ok();
    let inputs =
        format!("build/inputs = astring: (\"{}\" \"{}\")", inputs.trim(), compiler.display());
    let path = format!(
        "build/environment = astring: \"PATH={}:{}:/usr/bin:/bin\"",
        folder.display(),
        tests::prefix().join("bin").display()
    );
    set(world, "builder:illumos", &[&inputs, &path]);
    set(world, "imager:default", &["image/boot_test = boolean: false"]);
    compiler
}

/// The same compiler, but for the code it makes of one function.
fn exchange(compiler: &Path, version: u32) {
    let text = format!(
        "#!/bin/sh\n\
         for one in \"$@\"; do\n\
         \tcase $one in\n\
         \t*/true.c) set -- \"$@\" -DTINY_VERSION={version} -include \"${{0%/*}}/v{version}.h\" ;;\n\
         \tesac\n\
         done\n\
         exec /usr/bin/gcc \"$@\"\n"
    );
    let header = compiler.with_file_name(format!("v{version}.h"));
    fs::write(header, format!("const int tiny_version_of_compiler = 0x10000 + {version};\n"))
        .unwrap();
    fs::write(compiler, text).unwrap();
    fs::set_permissions(compiler, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What stood in the release stands there, as it was.
#[track_caller]
fn assert_kept(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) {
    for (name, text) in before {
        assert_eq!(now.get(name), Some(text), "{name}");
    }
}

#[test]
fn ten_compilers_ten_releases_and_a_clean_up() {
    let world = World::up();
    let compiler = own_compiler(&world);
    let mut all: Vec<BTreeMap<String, String>> = Vec::new();
    for version in 0..10 {
        exchange(&compiler, version);
        build(&world);
        let now = released(&world);
        if let Some(before) = all.last() {
            assert_kept(before, &now);
            assert!(now.len() > before.len(), "release {version} has nothing new");
        }
        all.push(now);
    }
    // Back to the first compiler: clients must see its packages again, so they are newer.
    exchange(&compiler, 0);
    build(&world);
    let now = released(&world);
    assert_kept(&all[9], &now);
    assert!(now.len() > all[9].len(), "the first compiler's packages are not the newest");

    world.run("lamplighter", &["clean", "--keep", "1"]).ok();
    for stage in ["builder/illumos", "merger/default", "imager/default"] {
        assert_eq!(fs::read_dir(world.stage(stage).join("out")).unwrap().count(), 1, "{stage}");
    }
    pinned_versions_are_served(&world, &now);
    assert_eq!(released(&world), now);
    build(&world);
    assert_eq!(released(&world), now);
}

/// Every version of every package, with its payloads, comes out of the release's depot.
fn pinned_versions_are_served(world: &World, held: &BTreeMap<String, String>) {
    world.await_state("pkg/server:release", "online");
    let port = world.type_line("svcprop -p pkg/port pkg/server:release").ok();
    let origin = format!("http://127.0.0.1:{}/", port.trim());
    let target = world.root.parent().unwrap().join("client");
    let target = target.to_str().unwrap();
    world.run("pkgrepo", &["create", target]).ok();
    for text in held.values() {
        let line = text.lines().find(|line| line.contains("name=pkg.fmri")).unwrap();
        let fmri = line.split("value=").nth(1).unwrap().split_whitespace().next().unwrap();
        world.run("pkgrecv", &["-s", &origin, "-d", target, fmri]).ok();
    }
    assert_eq!(&manifests(Path::new(target)), held);
    world.run("pkgrepo", &["verify", "-s", target]);
}

/// An exclusive lock on the stamp of an output: whoever wants to read that output waits.
struct Barrier(fs::File);

impl Barrier {
    fn at(output: &Path) -> Barrier {
        let stamp = fs::File::open(output.join("stamp")).unwrap();
        // SAFETY: a descriptor that this function owns.
        assert_eq!(0, unsafe { libc::flock(stamp.as_raw_fd(), libc::LOCK_EX) });
        Barrier(stamp)
    }

    /// Whether a process waits for it.
    fn is_waited_for(&self) -> bool {
        let inode = format!(":{} ", self.0.metadata().unwrap().ino());
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("->") && line.contains(&inode))
    }
}

fn stamp(output: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(output.join("stamp")).unwrap()).unwrap()
}

/// Manifests of every output a builder ever had, by its digest.
type Seen = BTreeMap<String, BTreeMap<String, String>>;

fn look(world: &World, seen: &mut Seen) {
    for builder in ["illumos", "pkg5", "caiman"] {
        let out = world.stage(&format!("builder/{builder}")).join("out");
        for output in fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()) {
            let digest = output.file_name().unwrap().to_string_lossy().into_owned();
            seen.entry(digest).or_insert_with(|| manifests(&output.join("repo")));
        }
    }
}

/// Every candidate there is holds exactly the packages of the outputs that its stamp names.
#[track_caller]
fn no_candidate_is_a_mixture(world: &World, seen: &Seen) {
    for entry in fs::read_dir(world.stage("merger/default/out")).unwrap() {
        let candidate = entry.unwrap().path();
        let mut expected = BTreeMap::new();
        for digest in stamp(&candidate)["read"].as_object().unwrap().values() {
            expected.extend(seen[digest.as_str().unwrap()].clone());
        }
        let held = manifests(&candidate.join("repo"));
        assert_eq!(
            held.keys().collect::<BTreeSet<_>>(),
            expected.keys().collect::<BTreeSet<_>>(),
            "{}",
            candidate.display()
        );
        assert_eq!(held, expected);
    }
}

fn change_pkg5(world: &World, line: &str) {
    let source = world.gates.join("pkg5/usr/src/man/pkg.5");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, format!("{text}.\\\" {line}\n")).unwrap();
}

#[test]
fn a_builder_restarted_while_merger_and_imager_work() {
    let world = World::up();
    set(&world, "imager:default", &["image/boot_test = boolean: false"]);
    build(&world);
    let mut seen = Seen::new();
    look(&world, &mut seen);
    // The merger has resolved illumos and pkg5 and waits for caiman's output; meanwhile pkg5 is
    // built again.  Outputs are collected at each end, down to one.
    for builder in ["illumos", "pkg5", "caiman"] {
        set(&world, &format!("builder:{builder}"), &["build/keep = count: 1"]);
    }
    let old = world.current("builder/pkg5");
    let log = "application-builder:pkg5";
    fs::remove_dir_all(world.stage("merger/default/out")).unwrap();
    let barrier = Barrier::at(&world.current("builder/caiman"));
    world.run("svcadm", &["restart", "merger"]).ok();
    await_true(&|| barrier.is_waited_for(), &|| world.story());
    change_pkg5(&world, "one");
    let before = world.worked(log);
    world.run("svcadm", &["restart", "builder:pkg5"]).ok();
    await_true(&|| world.worked(log) > before, &|| world.story());
    assert!(old.join("stamp").exists(), "what the merger holds was collected");
    assert_ne!(world.current("builder/pkg5"), old);
    look(&world, &mut seen);
    drop(barrier);
    settled(&world, &mut seen);

    // The same for the imager, which waits for the merger's output.
    let candidate = world.current("merger/default");
    let barrier = Barrier::at(&candidate);
    fs::remove_dir_all(world.stage("imager/default/out")).unwrap();
    world.run("svcadm", &["restart", "imager"]).ok();
    await_true(&|| barrier.is_waited_for(), &|| world.story());
    change_pkg5(&world, "two");
    let before = world.worked(log);
    world.run("svcadm", &["restart", "builder:pkg5"]).ok();
    await_true(&|| world.worked(log) > before, &|| world.story());
    look(&world, &mut seen);
    drop(barrier);
    settled(&world, &mut seen);
}

/// Everything comes to rest on today's outputs, and nothing was ever mixed.
#[track_caller]
fn settled(world: &World, seen: &mut Seen) {
    let chained = || {
        let reads = |stage: &str, of: &str, name: &str| {
            let (now, of) = (world.current(stage), world.current(of));
            let text = fs::read_to_string(now.join("stamp")).unwrap_or_default();
            let stamp: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            stamp["read"][name].as_str().map(str::to_owned)
                == of.file_name().map(|name| name.to_string_lossy().into_owned())
        };
        reads("merger/default", "builder/pkg5", "builder:pkg5")
            && reads("imager/default", "merger/default", "merger")
            && reads("release/default", "imager/default", "imager")
            && world.state("builder/release") == "online"
    };
    await_true(&chained, &|| world.story());
    look(world, seen);
    no_candidate_is_a_mixture(world, seen);
    world.await_well();
}
