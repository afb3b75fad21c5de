//! distro.rs - what `distro_const` costs on an image of 301 packages, 30,000 files and 596 MiB.
//!
//! Run: `cargo build --release -p imager -p ips-cmd && cargo bench -p tests --bench distro`
//!
//! | variable | |
//! |---|---|
//! | `BENCH_PLACE` | the folder to work in (a temporary one); the set stays in it, in `set`, and is taken as it is: the bench `ips` makes the same |
//! | `BENCH_ROWS` | only rows whose names have one of these words, parted by commas |
//!
//! Every build runs all steps from im-pop to iso, rootless where who runs this is no root; the
//! boot archive is gzip -6 of a seventh of the packages, solaris.zlib lofi's gzip of all.  A step's
//! time has that of the checkpoint after it.  "Without compression" is a build of the same that
//! stores all three as they are.  Beside a step's time stands that of the processors, beside the
//! whole's the most memory that the program had.
//!
//! The row "iso" holds the whole step, run again by itself (from its line to the end of the program:
//! GRUB, medium, its hash, what is in it, all of it on the disk), against `xorriso -as mkisofs -R`
//! of the same directory with its file on the disk.  They take turns; before each all is flushed and
//! the last file removed; the shortest of each counts.
//!
//! Prints figure, goal, and the figure as part of the goal; asserts that media are the same bytes, and
//! nothing of time.  Areas stay until the end (8 GB): ext4 without a journal looks long for an inode
//! where many were freed within the last minutes.

mod image;
#[path = "../ips/set.rs"]
mod set;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use image_formats::lofi::{self, Algorithm};

use image::{Build, Cost, Packing, Yard};

/// How often the step and xorriso are run.
const ROUNDS: usize = 3;
/// Of each step's time, what is printed.
const FLOOR: f64 = 0.005;

struct Bench {
    yard: Yard,
    words: Option<String>,
}

impl Bench {
    fn is_asked(&self, what: &str) -> bool {
        let named = |words: &String| words.split(',').any(|word| what.contains(word));
        self.words.as_ref().is_none_or(named)
    }
}

/// A line: a figure that should not be more than the goal.
fn told(what: &str, figure: f64, unit: &str, goal: f64) {
    let verdict = if figure <= goal { "met" } else { "over" };
    println!("{what:<44} {figure:>7.2}{unit:<2} {goal:>7.2}  {:>5.2}  {verdict}", figure / goal);
}

fn told_steps(build: &Build) {
    let Cost { seconds, cpu } = build.all;
    let memory = build.memory;
    println!("    {:<40} {seconds:>7.2}s {cpu:>7.2}s of processors, {memory:.0} MB", "all");
    for (step, Cost { seconds, cpu }) in &build.steps {
        if *seconds >= FLOOR {
            println!("    {step:<40} {seconds:>7.2}s {cpu:>7.2}s");
        }
    }
}

fn full(bench: &Bench) -> Build {
    let build = bench.yard.fresh("full", Packing::Gzip);
    told("full build", build.all.seconds, "s", 25.0);
    told_steps(&build);
    build
}

fn stored(bench: &Bench) {
    let build = bench.yard.fresh("stored", Packing::None);
    told("full build without compression", build.all.seconds, "s", 8.0);
    told_steps(&build);
}

fn same_bytes(bench: &Bench) {
    let yard = &bench.yard;
    let build = yard.fresh_of_a_user("elsewhere", Packing::Gzip);
    let [one, other] = ["full", "elsewhere"].map(|area| yard.medium(area));
    let status = Command::new("cmp").args([&one, &other]).status().unwrap();
    assert!(status.success(), "{} and {} differ", one.display(), other.display());
    let who = if image::is_root() { "root, and no root" } else { "one user: run this as root" };
    println!("{:<44} {:>7.2}s  same bytes", format!("another place ({who})"), build.all.seconds);
}

/// The step's time beside that of xorriso alone, which makes a file of the same directory.  They take
/// turns, as many as each other: on a machine that has been busy the first of anything is slower.
fn against_xorriso(bench: &Bench) {
    let root = bench.yard.area("full").join("build_data/pkg_image");
    let output = bench.yard.place().join("alone.iso");
    let alone = || {
        image::flush();
        let begun = Instant::now();
        let mut xorriso = Command::new("xorriso");
        xorriso.args(["-no_rc", "-as", "mkisofs", "-quiet", "-R", "-o"]);
        let status = xorriso.arg(&output).arg(&root).status().unwrap();
        assert!(status.success());
        File::open(&output).unwrap().sync_all().unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        fs::remove_file(&output).unwrap();
        seconds
    };
    let step = || {
        // Both write a new file: what was there is gone before the clock runs.
        fs::remove_file(bench.yard.medium("full")).unwrap();
        bench.yard.again_from("full", "iso").step("iso").seconds
    };
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (alone(), step())).collect();
    for (alone, step) in &rounds {
        println!("    {:<40} {alone:>7.2}s, the step {step:.2}s", "xorriso alone");
    }
    let best = |of: fn(&(f64, f64)) -> f64| rounds.iter().map(of).fold(f64::INFINITY, f64::min);
    told("iso, of xorriso alone", best(|round| round.1) / best(|round| round.0), "x", 1.1);
}

/// What two threads bring: the rate of all processors to that of one.
fn threads(bench: &Bench) {
    let mut bytes = Vec::new();
    for package in 0..64 {
        for file in fs::read_dir(bench.yard.proto().join(format!("usr/lib/p{package}"))).unwrap() {
            bytes.extend(fs::read(file.unwrap().path()).unwrap());
        }
    }
    bytes.truncate(bytes.len() / 2048 * 2048);
    let seconds = |count| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
        let once = || {
            let mut out = std::io::Cursor::new(Vec::with_capacity(bytes.len()));
            let begun = Instant::now();
            let length = bytes.len() as u64;
            pool.install(|| {
                lofi::compress(&mut &bytes[..], length, Algorithm::Gzip, lofi::SEGMENT, &mut out)
            })
            .unwrap();
            begun.elapsed().as_secs_f64()
        };
        (0..3).map(|_| once()).fold(f64::INFINITY, f64::min)
    };
    let (one, two) = (seconds(1), seconds(2));
    let rate = bytes.len() as f64 / 1e6 / two;
    println!(
        "{:<44} {:>7.2}x {:>7.2}  {:>5.2}  {} ({rate:.0} MB/s)",
        "lofi's gzip on two threads (at least)",
        one / two,
        1.8,
        one / two / 1.8,
        if one / two >= 1.8 { "met" } else { "below" },
    );
}

fn main() {
    let scratch = tempfile::tempdir().unwrap();
    let place = std::env::var_os("BENCH_PLACE");
    let place = place.map_or_else(|| scratch.path().to_path_buf(), PathBuf::from);
    let bench = Bench { yard: yard(&place), words: std::env::var("BENCH_ROWS").ok() };
    println!("{:<44} {:>8} {:>8}  {:>5}", "", "figure", "goal", "ratio");
    if bench.is_asked("threads") {
        threads(&bench);
    }
    if bench.is_asked("stored") {
        stored(&bench);
    }
    if !["full", "again", "changed", "same", "iso"].iter().any(|row| bench.is_asked(row)) {
        return;
    }
    let build = full(&bench);
    if bench.is_asked("iso") {
        against_xorriso(&bench);
    }
    if bench.is_asked("same") {
        same_bytes(&bench);
    }
    if bench.is_asked("again") {
        told("nothing changed", bench.yard.again("full").all.seconds, "s", 1.0);
    }
    if bench.is_asked("changed") {
        bench.yard.change();
        let changed = bench.yard.again("full");
        told(
            "one package of 301 changed, of a full build",
            changed.all.seconds / build.all.seconds,
            "x",
            0.3,
        );
        let cpu = changed.all.cpu / build.all.cpu;
        told("the same in seconds of processors", cpu, "x", 0.3);
        told_steps(&changed);
    }
}

/// The folder with everything that a build begins with.
fn yard(place: &Path) -> Yard {
    let bench = std::env::current_exe().unwrap();
    let programs = bench.parent().and_then(Path::parent).unwrap();
    Yard::new(place, programs)
}
