//! kills.rs - SIGKILL at random moments: of svc.startd, a stage, a stage's tool, a depot; with
//! orders to the pipeline between.
//!
//! Each seed is a run of its own from nothing.  It must end where an unbroken run ends, byte for
//! byte, with no orphan, and never with two workers of one stage at a time.  A failing seed is the
//! name of the thread that panicked; again: `LAMPLIGHTER_SEED=17 LAMPLIGHTER_SEEDS=1`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tests::dice::{Dice, setting};
use tests::hold::Hold;
use tests::living::{Living, Watched};
use tests::{DEADLINE, World, await_true, edit};

const PIPELINE: [&str; 6] =
    ["builder:illumos", "builder:pkg5", "builder:caiman", "merger", "imager", "builder/release"];

const DEPOT: &str = "pkg/server:illumos-build";

/// How many seeds `packaging/check` tries; `packaging/soak` sets LAMPLIGHTER_SEEDS.
const SEEDS: u64 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Engine,
    Stage,
    Tool,
    Depot,
    /// Not a kill: an order, which the kills before and after it may meet.
    Order,
}

const TARGETS: [Target; 7] = [
    Target::Engine,
    Target::Engine,
    Target::Stage,
    Target::Stage,
    Target::Tool,
    Target::Depot,
    Target::Order,
];

/// Orders after which the pipeline is still to come to its end.
const ORDERS: [&str; 4] = [
    "svcadm restart builder/pipeline",
    "svcadm disable builder/pipeline; svcadm enable builder/pipeline",
    "svcadm disable -t builder:pkg5; svcadm enable -t builder:pkg5",
    "svcadm restart builder:illumos; svcadm refresh builder:illumos",
];

/// What was struck, over all seeds.
static STRUCK: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

fn count(what: &str) {
    *STRUCK.lock().unwrap_or_else(PoisonError::into_inner).entry(what.to_owned()).or_default() += 1;
}

/// One run with kills.
struct Run {
    world: World,
    dice: Dice,
    /// Instances of which a process was killed: once each.
    struck: BTreeSet<String>,
    /// Instances that may be in maintenance, because a tool of theirs was killed.
    excused: BTreeSet<String>,
}

/// A gate's build says when it finds that another build of the same gate is alive: the lock is held
/// by everything a build starts.
fn watch_the_gates(world: &World) {
    for gate in ["illumos", "pkg5", "caiman"] {
        let (alone, two) = (world.gates.join(format!(".alone-{gate}")), world.gates.join(".two"));
        let lines = format!(
            "set -eu\nexec 9>>'{}'\nflock -n 9 || echo {gate} >>'{}'\n",
            alone.display(),
            two.display()
        );
        edit(&world.gates.join(gate).join("nightly"), "set -eu\n", &lines);
    }
}

fn online(world: &World, instance: &str) -> bool {
    world.state(instance) == "online"
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut dice = Dice(seed);
        let without = || World::new().with("LAMPLIGHTER_NO_CGROUP", "1");
        let world = match dice.below(3) {
            0 => World::new(),
            1 => without(),
            _ => World::unprivileged().unwrap_or_else(without),
        };
        watch_the_gates(&world);
        Run { world, dice, struck: BTreeSet::new(), excused: BTreeSet::new() }
    }

    fn run(&mut self) {
        self.world.start();
        self.world.run("svcadm", &["enable", "builder/pipeline"]).ok();
        for _ in 0..=self.dice.below(3) {
            self.dice.moment(1500);
            let target = TARGETS[self.dice.pick(&TARGETS)];
            self.strike(target);
        }
        self.completes();
    }

    fn strike(&mut self, target: Target) {
        match target {
            Target::Engine => self.strike_engine(),
            Target::Depot => self.strike_depot(),
            Target::Order => {
                let order = ORDERS[self.dice.pick(&ORDERS)];
                self.world.type_line(order).ok();
                count(&format!("ordered {order}"));
            }
            Target::Stage => {
                // One that may be short, and is not always the first.
                let stage = PIPELINE[self.dice.pick(&PIPELINE)];
                let is_one = |one: &Living, of: &str| {
                    one.is_stage() && of.trim_end_matches(":default").ends_with(stage)
                };
                self.strike_process("stage", 200, &is_one);
            }
            Target::Tool => {
                let is_tool = |one: &Living, of: &str| {
                    !one.is_stage() && one.fmri.is_none() && !of.contains("pkg/server")
                };
                if let Some(fmri) = self.strike_process("tool", 800, &is_tool) {
                    self.excused.insert(fmri);
                }
            }
        }
    }

    fn strike_engine(&mut self) {
        let engine = self.world.living().into_iter().find(Living::is_engine).expect("an engine");
        engine.kill();
        count("killed svc.startd");
        await_true(&|| !engine.is_alive(), &|| "it does not die".to_owned());
        self.dice.moment(300);
        self.world.run("lamplighter", &["up"]).ok();
    }

    fn strike_depot(&mut self) {
        if self.struck.contains(DEPOT) {
            return;
        }
        let served = || self.world.current("builder/illumos").join("stamp").is_file();
        self.wait_for(&served);
        if !served() {
            return;
        }
        self.world.run("svcadm", &["enable", "-s", DEPOT]).ok();
        self.dice.moment(200);
        let depot = self.world.living().into_iter().find(Living::is_depot).expect("a depot");
        depot.kill();
        count("killed depot");
        self.struck.insert(DEPOT.to_owned());
        await_true(&|| !depot.is_alive(), &|| "it does not die".to_owned());
    }

    /// Kills a process that is one, of an instance that was not struck yet; waits for it to be
    /// there.  The instance, if there was one before all was done.
    fn strike_process(
        &mut self,
        kind: &str,
        longest_ms: u64,
        is_one: &dyn Fn(&Living, &str) -> bool,
    ) -> Option<String> {
        let found = |run: &Run| {
            let living = run.world.living();
            let methods: BTreeMap<&str, &str> = living
                .iter()
                .filter_map(|one| Some((one.contracts.first()?.as_str(), one.fmri.as_deref()?)))
                .collect();
            let of = |one: &Living| {
                let fmri = methods.get(one.contracts.first()?.as_str())?;
                Some((*fmri).to_owned())
            };
            let all = living.iter().filter_map(|one| Some((one.clone(), of(one)?)));
            all.filter(|(one, fmri)| is_one(one, fmri) && !run.struck.contains(fmri))
                .collect::<Vec<(Living, String)>>()
        };
        self.wait_for(&|| !found(self).is_empty());
        // Not always in its first moment.
        self.dice.moment(longest_ms);
        self.wait_for(&|| !found(self).is_empty());
        let found = found(self);
        if found.is_empty() {
            return None;
        }
        let (process, fmri) = found[self.dice.pick(&found)].clone();
        process.kill();
        count(&format!("killed {kind} {}", if kind == "tool" { &process.program } else { &fmri }));
        self.struck.insert(fmri.clone());
        Some(fmri)
    }

    /// Waits until something holds or everything is done.
    fn wait_for(&self, holds: &dyn Fn() -> bool) {
        let start = Instant::now();
        for look in 0_u64.. {
            // What is waited for may be short; the end stays.
            let ended = || self.is_stuck() || online(&self.world, "builder/release");
            if holds() || (look % 20 == 0 && ended()) {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "{}", self.world.story());
        }
    }

    /// Whether something is in maintenance: then nothing may come any more.
    fn is_stuck(&self) -> bool {
        self.world.run("svcs", &["-H", "-o", "state", "-a"]).out.contains("maintenance")
    }

    fn completes(&self) {
        let world = &self.world;
        let done = || {
            self.clear_the_excused();
            PIPELINE.iter().all(|instance| online(world, instance))
                && online(world, "builder/pipeline")
                && (!self.struck.contains(DEPOT) || self.is_served())
        };
        await_true(&done, &|| world.story());
        assert_eq!(world.building(), [], "orphans\n{}", world.story());
        assert_eq!(world.half_done(), [""; 0]);
        world.await_well();
        assert_eq!(world.done_twice(), [""; 0], "{}", world.story());
        assert!(!world.gates.join(".two").exists(), "two builds of one gate\n{}", world.story());
    }

    /// Whether the depot gives its catalog.
    fn is_served(&self) -> bool {
        let port = self.world.run("svcprop", &["-p", "pkg/port", DEPOT]).ok();
        let origin = format!("http://127.0.0.1:{}/", port.trim());
        self.world.run("pkgrepo", &["list", "-H", "-s", &origin]).status == 0
    }

    /// Clears what is in maintenance because of a tool; whatever else is there is a failure.
    fn clear_the_excused(&self) {
        let all = self.world.run("svcs", &["-H", "-o", "state,fmri", "-a"]).ok();
        for line in all.lines().filter(|line| line.starts_with("maintenance ")) {
            let fmri = line.split_whitespace().nth(1).unwrap();
            assert!(self.excused.contains(fmri), "{fmri} in maintenance\n{}", self.world.story());
            self.world.run("svcadm", &["clear", fmri]);
        }
    }
}

/// Everything that a run leaves: payloads and manifests of every repository, proto areas, the boot
/// archive and the medium.
fn results(world: &World) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for stage in ["builder/illumos", "builder/pkg5", "builder/caiman", "merger/default"] {
        let output = world.current(stage);
        repository(world, stage, &output.join("repo"), &mut found);
        if stage.starts_with("builder/") {
            digests(&format!("{stage}/proto"), &output.join("proto"), &mut found);
        }
    }
    let release = world.stage("release/default");
    repository(world, "release", &release.join("repo"), &mut found);
    digests("media", &release.join("media"), &mut found);
    let image = world.current("imager/default");
    for entry in fs::read_dir(&image).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let counts = name.ends_with(".iso") || name.contains("archive") || name.ends_with(".table");
        if counts {
            digests(&format!("imager/{name}"), &entry.path(), &mut found);
        }
    }
    assert!(found.keys().any(|name| name.ends_with(".iso")), "{found:?}");
    assert!(found.len() > 40, "{found:?}");
    found
}

fn repository(world: &World, name: &str, path: &Path, found: &mut BTreeMap<String, u64>) {
    // What the catalog says.
    let list = world.run("pkgrepo", &["list", "-H", "-s", path.to_str().unwrap()]).ok();
    found.insert(format!("{name}/list"), digest(list.as_bytes()));
    for publisher in fs::read_dir(path.join("publisher")).unwrap().flatten() {
        for part in ["file", "pkg"] {
            let place = format!("{name}/{}/{part}", publisher.file_name().to_string_lossy());
            digests(&place, &publisher.path().join(part), found);
        }
    }
}

fn digests(name: &str, path: &Path, found: &mut BTreeMap<String, u64>) {
    let kind = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    if kind.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            digests(&name, &entry.path(), found);
        }
        return;
    }
    let digest = if kind.is_symlink() {
        digest(fs::read_link(path).unwrap().as_os_str().as_encoded_bytes())
    } else {
        digest(&fs::read(path).unwrap())
    };
    found.insert(name.to_owned(), digest);
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Looks all the time whether two workers of one stage have its files open.
fn watch_the_workers(world: &Watched, stop: &AtomicBool) -> Vec<String> {
    let mut found = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        found.extend(world.two_workers());
        std::thread::sleep(Duration::from_millis(20));
    }
    found
}

fn one_seed(seed: u64, unbroken: &BTreeMap<String, u64>) {
    let mut run = Run::new(seed);
    let stop = AtomicBool::new(false);
    let place = run.world.watched();
    let (ended, found) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_the_workers(&place, &stop));
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.run()));
        stop.store(true, Ordering::Relaxed);
        (ended, watcher.join().unwrap())
    });
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
    assert_eq!(found, [""; 0], "two workers\n{}", run.world.story());
    let broken = results(&run.world);
    let differ: Vec<&String> = unbroken
        .keys()
        .chain(broken.keys())
        .filter(|name| unbroken.get(*name) != broken.get(*name))
        .collect();
    assert!(differ.is_empty(), "other than unbroken: {differ:?}\n{}", run.world.story());
}

fn unbroken() -> BTreeMap<String, u64> {
    let world = World::new();
    watch_the_gates(&world);
    world.start();
    world.run("svcadm", &["enable", "builder/pipeline"]).ok();
    world.await_state("builder/release", "online");
    results(&world)
}

#[test]
fn killed_at_random_moments_it_ends_where_it_would_have_ended() {
    let first = setting("LAMPLIGHTER_SEED", 1);
    let end = first + setting("LAMPLIGHTER_SEEDS", SEEDS);
    let unbroken = unbroken();
    let next = AtomicU64::new(first);
    let failed = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || failed.lock().unwrap().len() >= 3 {
                return;
            }
            let thread = std::thread::Builder::new().name(format!("seed {seed}"));
            let one = || one_seed(seed, &unbroken);
            let done = std::thread::scope(|scope| thread.spawn_scoped(scope, one).unwrap().join());
            if done.is_err() {
                failed.lock().unwrap().push(seed);
            }
            if (seed + 1 - first) % 50 == 0 {
                println!("{} seeds", seed + 1 - first);
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(worker))));
    for (what, times) in STRUCK.lock().unwrap().iter() {
        println!("{times:5} times {what}");
    }
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "LAMPLIGHTER_SEED of what failed: {failed:?}");
}

/// Kills the stage that is in the middle of its build.
fn kill_the_stage(world: &World) {
    let stage = world.living().into_iter().find(Living::is_stage).expect("a stage at work");
    stage.kill();
}

fn the_third_kill(world: &World) {
    let mut hold = Hold::on(world, "pkg5");
    hold.arm();
    world.start();
    world.run("svcadm", &["enable", "builder/pipeline"]).ok();
    for _ in 0..3 {
        hold.await_held(world);
        // The next build says so anew.
        hold.arm();
        kill_the_stage(world);
    }
    world.await_state("builder:pkg5", "maintenance");
    await_true(&|| world.building().is_empty(), &|| format!("orphans: {:?}", world.building()));
    let explained = world.run("svcs", &["-x"]).out;
    assert!(explained.contains("Start method failed repeatedly, last died on"), "{explained}");
    let why = world.run("svcprop", &["-p", "restarter/auxiliary_state", "builder:pkg5"]).ok();
    assert_eq!(why.trim(), "fault_threshold_reached");
    hold.release();
    world.run("svcadm", &["clear", "builder:pkg5"]).ok();
    world.await_state("builder/release", "online");
    assert_eq!(world.worked("application-builder:illumos"), 1, "{}", world.story());
    assert_eq!(world.half_done(), [""; 0]);
    world.await_well();
}

#[test]
fn the_third_kill_of_a_stage_is_maintenance() {
    the_third_kill(&World::new());
    the_third_kill(&World::new().with("LAMPLIGHTER_NO_CGROUP", "1"));
}

/// The one thing that cannot be made again: `builder/release` is killed while it appends.
#[test]
fn a_release_that_is_killed_while_it_grows_keeps_its_history() {
    let world = World::up();
    let mut dice = Dice(setting("LAMPLIGHTER_SEED", 1));
    world.run("svcadm", &["enable", "builder/pipeline"]).ok();
    world.await_state("builder/release", "online");
    let release = world.stage("release/default/repo");
    let held = || {
        let mut held = BTreeMap::new();
        repository(&world, "release", &release, &mut held);
        held.remove("release/list");
        held
    };
    let mut before = held();
    for round in 1..=4 {
        let page = world.gates.join("pkg5/usr/src/man/pkg.5");
        let text = fs::read_to_string(&page).unwrap();
        fs::write(&page, format!("{text}.\\\" round {round}\n")).unwrap();
        let old = world.current("release/default");
        world.run("svcadm", &["restart", "builder:pkg5"]).ok();
        // Who is killed right after it has finished has not said so.
        let grown = || world.current("release/default") != old;
        let mut killed = false;
        while !killed && !grown() {
            let at_work = world.living().into_iter().find(|one| one.program == "builder-release");
            if let Some(stage) = at_work {
                dice.moment(120);
                killed = stage.is_alive();
                stage.kill();
            }
        }
        println!("round {round}: {}", if killed { "killed" } else { "missed" });
        await_true(&|| grown() && online(&world, "builder/release"), &|| world.story());
        let after = held();
        for (name, digest) in &before {
            assert_eq!(after.get(name), Some(digest), "{name} has changed, round {round}");
        }
        assert!(after.len() > before.len(), "nothing new, round {round}");
        before = after;
    }
    // Every payload of every version is there and is what its manifest says.
    let copy = world.root.join("copy");
    world.run("pkgrepo", &["create", copy.to_str().unwrap()]).ok();
    let (from, to) = (release.to_str().unwrap(), copy.to_str().unwrap());
    world.run("pkgrecv", &["-s", from, "-d", to, "*"]).ok();
    let mut copied = BTreeMap::new();
    repository(&world, "release", &copy, &mut copied);
    copied.remove("release/list");
    let manifests =
        |all: &BTreeMap<String, u64>| all.keys().filter(|n| n.contains("/pkg/")).count();
    assert_eq!(manifests(&copied), manifests(&before));
}
