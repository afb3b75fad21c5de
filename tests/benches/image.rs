//! image.rs - the writers of images: UFS against tar of the same tree, ISO 9660 against xorriso,
//! compression on two threads against one; and the memory of each.
//!
//! Run: `cargo bench -p tests --bench image [-- WHAT]` (WHAT: ufs, iso, lofi, gzip, memory)
//! Prints figure, goal, ratio; asserts nothing of time.  Memory is the most that a writer had beside
//! what was there before it began.

use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use image_formats::archive;
use image_formats::iso9660;
use image_formats::lofi::{self, Algorithm};
use image_formats::ufs::{self, Inodes, Options, Space, Zeros};
use image_tree::{Entry, Kind, Tree};
use tests::sample::sample;

const FILES: usize = 30_000;
const BYTES: usize = 600 << 20;
const ROUNDS: usize = 3;

/// The shortest of some rounds, in seconds.
fn best(mut run: impl FnMut()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    rounds.fold(f64::INFINITY, f64::min)
}

fn report(what: &str, megabytes: f64, seconds: f64) {
    println!("{what:<40} {seconds:>7.2} s {:>8.0} MB/s", megabytes / seconds);
}

/// A tree like an image: most files small, some large, all together [`BYTES`].
fn tree(root: &Path, bytes: &[u8]) -> Tree {
    let mut tree = Tree::new();
    let entry = |kind| Entry { kind, mode: 0o755, uid: 0, gid: 0, mtime: 5 };
    tree.insert("", entry(Kind::Directory)).expect("the top");
    let (mut at, mut left) = (0, BYTES);
    for index in 0..FILES {
        let folder = format!("d{:03}", index / 100);
        if index % 100 == 0 {
            std::fs::create_dir(root.join(&folder)).expect("a new folder");
            tree.insert(&folder, entry(Kind::Directory)).expect("a plain path");
        }
        // 29 of 30 have 4 KB in the middle; the rest is for the others.
        let size = match index % 30 {
            0 => BYTES / (FILES / 30) - 29 * 5_000,
            odd => odd * 333,
        };
        let size = size.min(left).min(bytes.len());
        left -= size;
        at = if at + size > bytes.len() { 0 } else { at };
        let path = format!("{folder}/f{index:05}");
        std::fs::write(root.join(&path), &bytes[at..at + size]).expect("a new file");
        tree.insert(&path, entry(Kind::File { size: size as u64 })).expect("a plain path");
        at += size;
    }
    tree
}

/// A tree on the disk.
struct Sample {
    root: PathBuf,
    tree: Tree,
    out: PathBuf,
}

impl Sample {
    fn new(scratch: &Path, bytes: &[u8]) -> Self {
        let (root, out) = (scratch.join("root"), scratch.join("out"));
        std::fs::create_dir(&root).expect("a new folder");
        let tree = tree(&root, bytes);
        Self { root, tree, out }
    }

    fn open(&self, path: &str) -> std::io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(self.root.join(path))?))
    }

    fn ufs(&self, zeros: Zeros) {
        let (space, inodes) = (Space::Content { pad_mb: 0 }, Inodes::Content);
        let options = Options { space, inodes, zeros, time: 0 };
        let mut file = File::create(&self.out).expect("a new file");
        ufs::write(&self.tree, &|path: &str| self.open(path), &options, &mut file)
            .expect("it fits");
    }

    fn iso(&self) {
        let options = iso9660::Options { volume: "BENCH", time: 0, weights: "" };
        let plan = iso9660::Plan::new(&self.tree, &options).expect("a plan");
        let file = File::create(&self.out).expect("a new file");
        let mut file = std::io::BufWriter::with_capacity(1 << 20, file);
        plan.write(&|path: &str| self.open(path), &mut file).expect("it fits");
        file.flush().expect("it fits");
    }
}

/// The most memory that something took beside what was there, in MB.
fn memory(run: impl FnOnce()) -> f64 {
    let field = |name: &str| -> f64 {
        let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the field");
        let kilobytes: f64 = line.trim_matches([':', '\t', ' ', 'k', 'B']).parse().expect("kB");
        kilobytes / 1024.0
    };
    // What was let go of is no part of what is there.
    // SAFETY: takes a number and touches only memory that nobody has.
    unsafe { libc::malloc_trim(0) };
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak is forgotten");
    let before = field("VmRSS");
    run();
    field("VmHWM") - before
}

fn memories(sample: &Sample, bytes: &[u8]) {
    let told = |what: &str, megabytes: f64| {
        let verdict = if megabytes < 64.0 { "met" } else { "over" };
        println!("memory of {what:<30} {megabytes:>7.1} MB, goal 64: {verdict}");
    };
    told("ufs", memory(|| sample.ufs(Zeros::Stored)));
    told("iso9660", memory(|| sample.iso()));
    let out = || File::create(&sample.out).expect("a new file");
    for algorithm in [Algorithm::Gzip, Algorithm::Lzma] {
        let length =
            bytes.len().min(if algorithm == Algorithm::Lzma { 24 << 20 } else { 128 << 20 });
        let lofi = || {
            lofi::compress(
                &mut &bytes[..length],
                length as u64,
                algorithm,
                lofi::SEGMENT,
                &mut out(),
            )
            .expect("it fits");
        };
        told(&format!("lofi {}", algorithm.name()), memory(lofi));
    }
    let gzip = || drop(archive::pack(&mut &bytes[..], 6, &mut out()).expect("it fits"));
    told("gzip -6", memory(gzip));
}

fn against_xorriso(sample: &Sample) {
    let Sample { root, out, .. } = sample;
    let megabytes = BYTES as f64 / 1e6;
    let fresh = || drop(std::fs::remove_file(out));
    let xorriso = best(|| {
        fresh();
        let mut xorriso = Command::new("xorriso");
        xorriso.args(["-no_rc", "-stdio_sync", "off", "-as", "mkisofs", "-quiet", "-R", "-o"]);
        assert!(xorriso.arg(out).arg(root).status().is_ok_and(|status| status.success()));
    });
    report("xorriso, 30,000 files, 600 MiB", megabytes, xorriso);
    let seconds = best(|| {
        fresh();
        sample.iso();
    });
    report("iso9660", megabytes, seconds);
    println!("    {:.2} x xorriso's time, goal 1.1", seconds / xorriso);
}

fn against_tar(sample: &Sample) {
    let Sample { root, out, .. } = sample;
    let megabytes = BYTES as f64 / 1e6;
    // Both write a new file: what was there is gone before the clock runs.
    let fresh = || drop(std::fs::remove_file(out));
    let tar = best(|| {
        fresh();
        let status = Command::new("tar").arg("-cf").arg(out).arg("-C").arg(root).arg(".").status();
        assert!(status.is_ok_and(|status| status.success()));
    });
    report("tar, 30,000 files, 600 MiB", megabytes, tar);
    for (name, zeros) in [("stored", Zeros::Stored), ("holes", Zeros::Holes)] {
        let seconds = best(|| {
            fresh();
            sample.ufs(zeros);
        });
        report(&format!("ufs ({name})"), megabytes, seconds);
        println!("    {:.2} x tar's rate, goal 0.7", tar / seconds);
    }
    let mut image = ufs::Image::open(File::open(out).expect("the image")).expect("an image");
    let seconds = best(|| assert!(ufs::check(&mut image).expect("a check").is_empty()));
    report("ufs check", megabytes, seconds);
}

/// Seconds of `run` with so many threads.
fn threads(count: usize, run: impl Fn() + Sync) -> f64 {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("threads");
    pool.install(|| best(&run))
}

fn scales(name: &str, bytes: &[u8], run: impl Fn() -> u64 + Sync) {
    let megabytes = bytes.len() as f64 / 1e6;
    let one = threads(1, || assert!(run() > 0));
    let two = threads(2, || assert!(run() > 0));
    report(&format!("{name}, one thread"), megabytes, one);
    report(&format!("{name}, two threads"), megabytes, two);
    let rest = run() as f64 / bytes.len() as f64;
    println!("    {:.2} x one thread's rate, goal 1.8; {rest:.3} of the size", one / two);
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wants = |what: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == what);
    let scratch = tempfile::tempdir().expect("a place");
    let mut bytes = sample(128 << 20);
    bytes.truncate(bytes.len() / 2048 * 2048);
    if ["ufs", "iso", "memory"].into_iter().any(wants) {
        let sample = Sample::new(scratch.path(), &bytes);
        if wants("ufs") {
            against_tar(&sample);
        }
        if wants("iso") {
            against_xorriso(&sample);
        }
        if wants("memory") {
            memories(&sample, &bytes);
        }
    }
    if wants("lofi") {
        for (algorithm, length) in [(Algorithm::Gzip, 128 << 20), (Algorithm::Lzma, 24 << 20)] {
            let bytes = &bytes[..bytes.len().min(length)];
            scales(&format!("lofi {}", algorithm.name()), bytes, || {
                let mut out = Cursor::new(Vec::with_capacity(bytes.len()));
                let length = bytes.len() as u64;
                let mut from = bytes;
                lofi::compress(&mut from, length, algorithm, lofi::SEGMENT, &mut out)
                    .expect("memory")
                    .bytes
            });
        }
    }
    if wants("gzip") {
        for level in [6, 9] {
            let bytes = &bytes[..bytes.len().min(if level == 9 { 48 << 20 } else { 128 << 20 })];
            scales(&format!("gzip -{level} and SHA-1"), bytes, || {
                let mut from = bytes;
                let mut out = std::io::BufWriter::with_capacity(1 << 20, std::io::sink());
                let packed = archive::pack(&mut from, level, &mut out).expect("memory").packed;
                out.flush().expect("memory");
                packed
            });
        }
    }
}
