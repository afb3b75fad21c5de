//! engine - how quick svc.startd is, against a bare loop and against make(1).
//!
//! Run: `cargo build --release -p smf-startd -p smf-cmd && cargo bench -p tests --bench engine`
//! With words, only the rows whose name has one of them.  Prints ours, the other, their ratio and
//! the goal; asserts nothing of time.  Each row is measured several times, ours and the other in
//! turn, and the least of each is printed: what else the machine does is in neither.
//!
//! "From engine start": the repository holds the enabled services, nothing runs, nothing volatile
//! is left, as after a boot.

mod world;

use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use smf_scf::handle::Handle;
use smf_scf::protocol::{Choice, Query, Request, Response, Wanted};

use world::{Service, World, states};

/// So often is each row measured.
const TURNS: usize = 3;

fn print(what: &str, ours: Duration, other: (&str, Duration), goal: &str) {
    let (ours, theirs) = (ours.as_secs_f64() * 1e3, other.1.as_secs_f64() * 1e3);
    let ratio = ours / theirs;
    println!(
        "{what:<46} {ours:>9.2} ms   {:<22} {theirs:>9.2} ms   ratio {ratio:>5.2}   goal {goal}",
        other.0
    );
}

fn figure(what: &str, ours: f64, unit: &str, goal: &str) {
    println!("{what:<46} {ours:>9.2} {unit:<70} goal {goal}");
}

/// posix_spawn and waitpid, two at a time.
fn bare(count: usize) -> Duration {
    let mut log = tempfile::tempfile().unwrap();
    let began = Instant::now();
    let mut running = 0;
    for number in 0..=count + 1 {
        if running == 2 || number >= count {
            let mut status = 0;
            // SAFETY: waitpid for any child, with room for its status.
            if running > 0 && unsafe { libc::waitpid(-1, &raw mut status, 0) } > 0 {
                running -= 1;
                std::io::Write::write_all(&mut log, b"exited\n").unwrap();
            }
        }
        if number < count {
            let arguments = [c"/bin/true".as_ptr().cast_mut(), std::ptr::null_mut()];
            let environment = [c"PATH=/usr/bin".as_ptr().cast_mut(), std::ptr::null_mut()];
            let mut pid = 0;
            // SAFETY: all pointers live through the call; the arrays end with a null pointer.
            let failed = unsafe {
                libc::posix_spawn(
                    &raw mut pid,
                    c"/bin/true".as_ptr(),
                    std::ptr::null(),
                    std::ptr::null(),
                    arguments.as_ptr(),
                    environment.as_ptr(),
                )
            };
            assert_eq!(0, failed);
            running += 1;
        }
    }
    began.elapsed()
}

fn make(services: &[Service], jobs: &str) -> Duration {
    let place = tempfile::tempdir().unwrap();
    let name = |name: &str| name.replace('/', "-");
    let all: Vec<String> = services.iter().map(|service| name(&service.name)).collect();
    let mut text = format!(".PHONY: all {0}\nall: {0}\n", all.join(" "));
    for service in services {
        let on: Vec<String> = service.on.iter().map(|on| name(on)).collect();
        writeln!(text, "{}: {}\n\t@/bin/true", name(&service.name), on.join(" ")).unwrap();
    }
    let file = place.path().join("Makefile");
    fs::write(&file, text).unwrap();
    let began = Instant::now();
    let made = Command::new("make").arg(jobs).arg("-f").arg(&file).arg("all").status().unwrap();
    assert!(made.success());
    began.elapsed()
}

fn name(number: usize) -> String {
    format!("bench/s{number}")
}

fn flat(count: usize) -> Vec<Service> {
    (0..count).map(|number| Service::transient(name(number), Vec::new())).collect()
}

fn chain(count: usize) -> Vec<Service> {
    let on = |number: usize| number.checked_sub(1).map(name).into_iter().collect();
    (0..count).map(|number| Service::transient(name(number), on(number))).collect()
}

/// Each depends on two of those before it.
fn dag(count: usize) -> Vec<Service> {
    let on = |number: usize| {
        let parents = [number.checked_sub(1).map(|last| last / 2), number.checked_sub(7)];
        let mut on: Vec<String> = parents.into_iter().flatten().map(name).collect();
        on.dedup();
        on
    };
    (0..count).map(|number| Service::transient(name(number), on(number))).collect()
}

/// Ours and the other in turn, the least of each.
fn against(services: &[Service], other: impl Fn() -> Duration) -> (Duration, Duration, Duration) {
    against_in(TURNS, services, other)
}

fn against_in(
    turns: usize,
    services: &[Service],
    other: impl Fn() -> Duration,
) -> (Duration, Duration, Duration) {
    let mut world = World::new(services);
    let (mut least, mut cpu, mut least_other) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..turns {
        let (took, used) = world.boot();
        (least, cpu) = (least.min(took), cpu.min(used));
        // In order: what an engine that is killed leaves behind is not there after a boot.
        world.end();
        least_other = least_other.min(other());
    }
    (least, cpu, least_other)
}

fn rows() -> Vec<(&'static str, fn())> {
    vec![
        ("flat", || {
            let (ours, cpu, other) = against(&flat(1_000), || bare(1_000));
            print("1,000 flat, start to all online", ours, ("spawn loop, two", other), "1.3");
            figure("   engine time for each", cpu.as_secs_f64(), "ms", "0.3");
        }),
        ("dag", || {
            let services = dag(500);
            let (ours, _, other) = against(&services, || make(&services, "-j8"));
            print("500, two parents each", ours, ("make -j8", other), "1.3");
        }),
        ("chain", || {
            let services = chain(500);
            let (ours, _, other) = against(&services, || make(&services, "-j1"));
            print("chain of 500", ours, ("make -j1", other), "1.3");
        }),
        ("long", || {
            // Once is enough for what takes so long.
            let (half, _, _) = against_in(1, &chain(5_000), || Duration::ZERO);
            let (whole, _, _) = against_in(1, &chain(10_000), || Duration::ZERO);
            print("chain of 10,000", whole, ("chain of 5,000", half), "2 (linear)");
        }),
        ("latency", latency),
        ("idle", idle),
        ("graph", graph),
        ("narrow", || drop(enable_all("one by one", narrow(10_000)))),
        ("adopt", adopt),
    ]
}

/// How long after one is online the method of the next is executed, beyond what it takes to start
/// that program: it says when it runs, and the repository when the one before it came online.
fn latency() {
    const COUNT: usize = 200;
    let start = "/bin/date +%%s.%%N";
    let of = |service: Service| Service { start: start.to_owned(), ..service };
    let services: Vec<Service> = chain(COUNT).into_iter().map(of).collect();
    let mut world = World::new(&services);
    world.boot();
    let mut handle = world.connect();
    let mut late: Vec<f64> = services
        .windows(2)
        .map(|two| said(&world.log(&two[1])) - online_since(&mut handle, &two[0].fmri()))
        .collect();
    let mut alone: Vec<f64> = (0..COUNT)
        .map(|_| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
            let output = Command::new("/bin/date").arg("+%s.%N").output().unwrap();
            said(&String::from_utf8(output.stdout).unwrap()) - now
        })
        .collect();
    let median = |of: &mut Vec<f64>| {
        of.sort_by(f64::total_cmp);
        of[of.len() / 2] * 1e3
    };
    let (late, alone) = (median(&mut late), median(&mut alone));
    figure("online to dependent's exec, beyond fork+exec", late - alone, "ms", "1");
    figure("   of which in all", late, "ms", "");
}

/// The last time that is a line of this text.
fn said(text: &str) -> f64 {
    let mut times = text.lines().filter_map(|line| line.parse().ok());
    times.next_back().expect("it says when it runs")
}

/// When an instance came to its state.
fn online_since(handle: &mut Handle, fmri: &str) -> f64 {
    let query = Query {
        instances: Some(vec![fmri.to_owned()]),
        live: Choice::These(vec![Wanted::Property("restarter".into(), "state_timestamp".into())]),
        running: Choice::Nothing,
    };
    let answer = handle.call(&Request::Composed(query)).unwrap();
    let Response::Composed(all) = answer else { panic!("another answer") };
    let one = all.into_iter().next().and_then(smf_scf::protocol::Packed::unpack).unwrap();
    one.live["restarter"].properties["state_timestamp"].values[0].parse().unwrap()
}

fn daemons(count: usize) -> Vec<Service> {
    let daemon = |number| Service {
        name: name(number),
        start: "/bin/sleep 100000".to_owned(),
        model: "child",
        on: Vec::new(),
        enabled: true,
    };
    (0..count).map(daemon).collect()
}

fn idle() {
    let mut world = World::new(&flat(1_000));
    world.boot();
    figure("1,000 online: resident", world.status("VmRSS:") as f64 / 1024.0, "MB", "25");
    std::thread::sleep(Duration::from_secs(1));
    let woken = |world: &World| world.status("voluntary_ctxt_switches:");
    let before = woken(&world);
    std::thread::sleep(Duration::from_secs(60));
    figure("1,000 online: wake-ups in a minute", (woken(&world) - before) as f64, "", "0");
}

/// Each depends on five of those before it, the last among them: one after the other.
fn narrow(count: usize) -> Vec<Service> {
    let on = |number: usize| {
        (1..=5).filter_map(|back| number.checked_sub(back * back)).map(name).collect()
    };
    (0..count).map(|number| Service::transient(name(number), on(number))).collect()
}

/// In layers, each service on five of the layer before: a whole layer may start at once.
fn wide(count: usize) -> Vec<Service> {
    let layer = count / 10;
    let on = |number: usize| {
        let before = (number / layer).checked_sub(1).map(|before| before * layer);
        let of = |before: usize| (0..5).map(move |other| before + (number + other * 37) % layer);
        before.into_iter().flat_map(of).map(name).collect()
    };
    (0..count).map(|number| Service::transient(name(number), on(number))).collect()
}

/// `svcadm enable -r` of one that depends on all others.
fn enable_all(what: &str, mut services: Vec<Service>) -> (World, String) {
    let count = services.len();
    let on = services.iter().map(|service| service.name.clone()).collect();
    services.push(Service::transient("bench/all".into(), on));
    let edges: usize = services.iter().map(|service| service.on.len()).sum();
    services.iter_mut().for_each(|service| service.enabled = false);
    let alone = Service::transient("bench/alone".into(), Vec::new());
    let fmri = alone.fmri();
    services.push(alone);
    let mut world = World::new(&services);
    world.start();
    world.settled("online");
    let began = Instant::now();
    let enabled = world.command("svcadm").args(["enable", "-r", "bench/all"]).status().unwrap();
    assert!(enabled.success());
    world.count = count + 2;
    let took = world.settled("online") - began;
    let what = format!("enable -r of {count}, {edges} edges, {what}");
    figure(&what, took.as_secs_f64() * 1e3 / count as f64, "ms for each", "");
    (world, fmri)
}

/// `enable -r` of everything, and one restart among few and among many.
fn graph() {
    for count in [1_000, 10_000] {
        let (world, fmri) = enable_all("wide", wide(count));
        let mut least = Duration::MAX;
        for _ in 0..20 {
            let used = world.cpu();
            let restarted = world.command("svcadm").args(["restart", &fmri]).status().unwrap();
            assert!(restarted.success());
            world.settled("online");
            least = least.min(world.cpu() - used);
        }
        let what = format!("one restart among {count}: engine time");
        figure(&what, least.as_secs_f64() * 1e3, "ms", "the same for both");
    }
}

/// A new engine over what the one before it left running.
fn adopt() {
    let mut world = World::new(&daemons(1_000));
    let mut least = Duration::MAX;
    world.boot();
    let pids = children();
    for _ in 0..TURNS {
        world.kill();
        let began = Instant::now();
        world.start();
        let mut handle = world.connect();
        assert_eq!(states(&mut handle).iter().filter(|(one, _)| one == "online").count(), 1_000);
        let pid = world.root().join("etc/svc/volatile/svc.startd.pid");
        let ours = world.engine.as_ref().map_or(0, Child::id).to_string();
        while fs::read_to_string(&pid).unwrap_or_default().trim() != ours {
            std::thread::sleep(Duration::from_micros(500));
        }
        least = least.min(began.elapsed());
    }
    let same = pids.iter().filter(|pid| children().contains(pid)).count();
    figure("restart with 1,000 running: all adopted", least.as_secs_f64() * 1e3, "ms", "300");
    figure("   of which still the same processes", same as f64, "", "1000");
}

/// The daemons of these benches.
fn children() -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mine = processes.filter(|process| {
        let text = fs::read(process.path().join("cmdline")).unwrap_or_default();
        text == b"/bin/sleep\x00100000\x00"
    });
    mine.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

fn main() {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let forbidden =
        std::env::var_os("LAMPLIGHTER_NO_CGROUP").is_some_and(|value| !value.is_empty());
    println!("contracts: {}", if forbidden { "by cookie" } else { "by cgroup, where there are" });
    for (row, measure) in rows() {
        if words.is_empty() || words.iter().any(|word| row.contains(word.as_str())) {
            measure();
        }
    }
}
