//! ips.rs - what the package commands cost on a set of 301 packages, 30,000 files and 596 MiB, built
//! for two architectures.
//!
//! Run: `cargo build --release -p ips-cmd -p pkg-server && cargo bench -p tests --bench ips`
//! `BENCH_PLACE` names the folder to work in (a temporary one), `BENCH_KEEP` keeps it.
//! Prints CPU and wall seconds, what pkg5 needs for the same kind of set on this kind of machine, how
//! many times less that is, and the goal; asserts nothing of time.
//!
//! The set is the same wherever it is made: sizes are log-normal with a median of 4 KB and a tail of
//! megabytes, scaled to the total; content is half words, a third numbers, the rest noise, which
//! compresses about as programs and texts do.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use dice::Dice;

const PACKAGES: usize = 301;
const FILES: usize = 30_000;
/// Packages of the large catalog.
const MANY: usize = 100_000;
const BYTES: f64 = 596.0 * 1024.0 * 1024.0;
/// Of the logarithms of sizes; the mean of the sizes is then five times their median.
const SIGMA: f64 = 1.816;

/// Normally distributed (Box and Muller).
fn normal(numbers: &mut Dice) -> f64 {
    let radius = (-2.0 * numbers.fraction().ln()).sqrt();
    radius * (std::f64::consts::TAU * numbers.fraction()).cos()
}

/// The sizes of all files; their sum is the set's to the byte.
fn sizes() -> Vec<usize> {
    let mut numbers = Dice(596);
    let raw: Vec<f64> = (0..FILES).map(|_| (SIGMA * normal(&mut numbers)).exp()).collect();
    let scale = BYTES / raw.iter().sum::<f64>();
    let mut sizes: Vec<usize> = raw.iter().map(|size| (size * scale) as usize).collect();
    let missing = BYTES as usize - sizes.iter().sum::<usize>();
    sizes[0] += missing;
    sizes
}

/// Content of this size; equal salts give equal content.
fn content(size: usize, salt: u64) -> Vec<u8> {
    let mut numbers = Dice(salt);
    let mut content = Vec::with_capacity(size + 64);
    while content.len() < size {
        match numbers.roll() % 6 {
            0..=2 => {
                for _ in 0..8 {
                    let word = numbers.roll() % 4_096;
                    content.extend(
                        format!("w{word:x}{} ", ["ing", "er", "", "tion"][word as usize % 4])
                            .bytes(),
                    );
                }
            }
            3 | 4 => {
                let base = (numbers.roll() % 100_000) as u32;
                content.extend((0..8u32).flat_map(|step| (base + step * 16).to_le_bytes()));
            }
            _ => content.extend((0..3).flat_map(|_| numbers.roll().to_le_bytes())),
        }
    }
    content.truncate(size);
    content
}

/// Writes proto area and manifests for an architecture; a fifth of the files are its own.
fn make(place: &Path, arch: &str, sizes: &[usize]) {
    let (proto, manifests) = (place.join(format!("proto.{arch}")), place.join(format!("m.{arch}")));
    fs::create_dir_all(&manifests).unwrap();
    let own = u64::from(arch == "sparc");
    for package in 0..PACKAGES {
        let folder = format!("usr/lib/p{package}");
        fs::create_dir_all(proto.join(&folder)).unwrap();
        let mut text = format!(
            "set name=pkg.fmri value=pkg://bench.example/bench/p{package}@1.0-{package}\n\
             set name=pkg.summary value=\"package {package} of the bench set\"\n\
             set name=variant.arch value={arch}\n\
             dir path={folder} mode=0755 owner=root group=bin\n"
        );
        for file in (package..FILES).step_by(PACKAGES) {
            let path = format!("{folder}/f{file}");
            let salt = (file as u64) << 1 | if file % 5 == 0 { own } else { 0 };
            fs::write(proto.join(&path), content(sizes[file], salt)).unwrap();
            text.push_str(&format!("file path={path} mode=0644 owner=root group=bin\n"));
        }
        fs::write(manifests.join(format!("p{package}.p5m")), text).unwrap();
    }
}

/// The time of the processes that have been waited for, in seconds.
fn children() -> f64 {
    // SAFETY: rusage is plain data, and the call fills it.
    let used = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &mut used), 0);
        used
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(used.ru_utime) + seconds(used.ru_stime)
}

struct Bench {
    place: PathBuf,
    programs: PathBuf,
}

impl Bench {
    /// Runs a shell line; CPU and wall seconds.
    fn run(&self, line: &str) -> (f64, f64) {
        let path = format!("{}:{}", self.programs.display(), std::env::var("PATH").unwrap());
        let (used, begun) = (children(), Instant::now());
        let status = Command::new("sh")
            .args(["-c", line])
            .current_dir(&self.place)
            .env("PATH", path)
            .env("SOURCE_DATE_EPOCH", "1795316676")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{line}");
        (children() - used, begun.elapsed().as_secs_f64())
    }

    /// Runs and reports: `pkg5` and `goal` are CPU and wall seconds, 0 where none is known.
    fn report(&self, what: &str, line: &str, pkg5: (f64, f64), goal: (f64, f64)) {
        told(what, self.run(line), pkg5, goal);
    }

    /// The same with a depot that serves a repository at `$DEPOT`; what it uses counts too.
    fn report_served(
        &self,
        what: &str,
        served: &str,
        line: &str,
        pkg5: (f64, f64),
        goal: (f64, f64),
    ) {
        let used = children();
        let mut depot = Command::new(self.programs.join("pkg-depotd"))
            .args(["--readonly", "-a", "127.0.0.1", "-p", "0", "-d"])
            .arg(self.place.join(served))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line_of_depot = String::new();
        BufReader::new(depot.stdout.take().unwrap()).read_line(&mut line_of_depot).unwrap();
        let uri = line_of_depot.trim().rsplit(' ').next().unwrap();
        let (_, wall) = self.run(&line.replace("$DEPOT", uri));
        depot.kill().unwrap();
        depot.wait().unwrap();
        told(what, (children() - used, wall), pkg5, goal);
    }

    /// A catalog of very many packages: a refresh that finds nothing, a list, one more package.
    fn report_catalog(&self) {
        let folder = self.place.join("many");
        fs::create_dir_all(folder.join("m")).unwrap();
        for number in 0..MANY {
            let (group, next) = (number % 997, (number + 1) % MANY);
            let text = format!(
                "set name=pkg.fmri value=pkg://bench.example/bench/c{group}/p{number}@1.0-{}\n\
                 set name=pkg.summary value=\"package {number} of many\"\n\
                 set name=variant.arch value=i386 value=sparc\n\
                 depend fmri=bench/c{}/p{next}@1.0 type=require\n",
                number % 50,
                next % 997,
            );
            fs::write(folder.join(format!("m/{number}")), text).unwrap();
        }
        let one = "set name=pkg.fmri value=pkg://bench.example/bench/one@1.0\n";
        fs::write(folder.join("one"), one).unwrap();
        // The list of manifests is longer than a command line may be.
        self.run(
            "cd many && pkgrepo create repo && ls m | xargs -n 20000 sh -c 'cd m && exec pkgsend -s ../repo publish --fmri-in-manifest \"$@\"' sh",
        );
        // The hour after, as the log of an hour that all of them came in is nothing usual.
        let later = "export SOURCE_DATE_EPOCH=1795320276; ";
        for (what, line) in [
            ("catalog of 100,000, refresh", "pkgrepo refresh -s many/repo"),
            ("catalog of 100,000, list", "pkgrepo list -s many/repo"),
            ("catalog of 100,000, add one", "pkgsend -s many/repo publish many/one"),
        ] {
            self.report(what, &format!("{later}{line}"), (0.0, 0.0), (0.0, 1.0));
        }
    }
}

/// A line of the table; a goal of 0 is none.
fn told(what: &str, (cpu, wall): (f64, f64), pkg5: (f64, f64), goal: (f64, f64)) {
    let is_over = |used: f64, most: f64| most > 0.0 && used > most;
    let verdict = if is_over(cpu, goal.0) || is_over(wall, goal.1) { "over" } else { "met" };
    println!(
        "{what:<29} {cpu:>7.2} {wall:>7.2}   {:>6.1} {:>6.0}   {:>6.1}x   {:>5.1} {:>5.1}   {verdict}",
        pkg5.0,
        pkg5.1,
        pkg5.0 / cpu,
        goal.0,
        goal.1,
    );
}

/// Everything installed over http into a fresh root, looked at, and taken away again.
fn images(bench: &Bench) {
    bench.report_served(
        "install over http, both",
        "i386",
        "rm -rf img && pkg image-create -f -p bench.example=$DEPOT --variant variant.arch=i386 img && \
         pkg -R img install -q '*'",
        (47.0, 84.0),
        (4.0, 4.0),
    );
    bench.report("pkg verify", "pkg -R img verify -q", (3.6, 0.0), (0.0, 0.0));
    bench.report(
        "install, nothing to do",
        "pkg -R img install -q --no-refresh '*' || [ $? = 4 ]",
        (0.0, 0.0),
        (0.0, 0.0),
    );
    bench.report("uninstall all", "pkg -R img uninstall -q '*'", (0.0, 0.0), (0.0, 0.0));
}

/// The bytes of every payload of a repository.
fn stored(folder: &Path) -> u64 {
    let mut sum = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            match about.is_dir() {
                true => folders.push(entry.path()),
                false => sum += about.len(),
            }
        }
    }
    sum
}

fn main() {
    let temporary = tempfile::Builder::new().prefix("ips-bench").tempdir().unwrap();
    let place =
        std::env::var_os("BENCH_PLACE").map_or(temporary.path().to_path_buf(), PathBuf::from);
    let built = std::env::current_exe().unwrap();
    let programs =
        built.ancestors().nth(2).expect("a bench is in TARGET/release/deps").to_path_buf();
    let sizes = sizes();
    for arch in ["i386", "sparc"] {
        make(&place, arch, &sizes);
    }
    let bench = Bench { place: place.clone(), programs };
    println!(
        "{:<29} {:>7} {:>7}   {:>6} {:>6}   {:>7}   {:>5} {:>5}",
        "", "CPU s", "wall s", "pkg5", "wall", "ratio", "goal", "wall"
    );
    let publish = |arch: &str| {
        format!(
            "rm -rf {arch} && pkgrepo create {arch} && pkgsend -s {arch} publish --fmri-in-manifest -d proto.{arch} m.{arch}/*"
        )
    };
    bench.report("publish", &publish("i386"), (121.0, 209.0), (10.0, 5.5));
    bench.run(&publish("sparc"));
    let recv = "rm -rf recv && pkgrepo create recv && pkgrecv -s i386 -d recv '*'";
    bench.report("pkgrecv, one file system", recv, (30.0, 72.0), (0.8, 1.0));
    let http = "rm -rf http && pkgrepo create http && pkgrecv -s $DEPOT -d http '*'";
    bench.report_served("pkgrecv over HTTP, both sides", "i386", http, (70.0, 169.0), (4.0, 4.0));
    let merge = "rm -rf merged && pkgrepo create merged && pkgmerge -d merged -s arch=i386,i386 -s arch=sparc,sparc";
    bench.report("pkgmerge, two architectures", merge, (100.0, 162.0), (1.5, 2.0));
    bench.report("pkgrepo rebuild", "pkgrepo rebuild -s i386", (3.4, 0.0), (0.3, 0.0));
    bench.report("pkgrepo verify", "pkgrepo verify -s i386", (7.1, 0.0), (2.0, 1.2));
    bench.report_catalog();
    images(&bench);
    let payloads = stored(&place.join("i386/publisher/bench.example/file"));
    println!("payloads: {payloads} bytes stored of {} ({} files)", BYTES as u64, FILES);
    // pkg5 compresses with zlib at its best; so does this, on request.
    bench.run("rm -rf zlib && pkgrepo create zlib && pkgrepo -s zlib set repository/compression=zlib && pkgsend -s zlib publish --fmri-in-manifest -d proto.i386 m.i386/*");
    let zlib = stored(&place.join("zlib/publisher/bench.example/file"));
    println!(
        "payloads as pkg5 compresses them: {zlib} bytes; ours {:.1} % of it",
        100.0 * payloads as f64 / zlib as f64
    );
    if std::env::var_os("BENCH_KEEP").is_some() {
        println!("kept: {}", temporary.keep().display());
    }
}
