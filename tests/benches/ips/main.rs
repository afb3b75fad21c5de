//! ips - what the package commands cost on a set of 301 packages, 30,000 files and 596 MiB, built
//! for two architectures.
//!
//! Run: `cargo build --release -p ips-cmd -p pkg-server && cargo bench -p tests --bench ips`
//!
//! | variable | |
//! |---|---|
//! | `BENCH_PLACE` | the folder to work in (a temporary one); the set stays in it, in `set`, and is taken as it is |
//! | `BENCH_ROWS` | only rows whose names have one of these words, parted by commas |
//! | `BENCH_ROUNDS` | how often each row is run (1); the medians are told |
//!
//! Every run of a row has a fresh folder and begins with everything flushed; making it ready is not
//! measured.  What was written is removed when all is measured: ext4 leaves inodes that became free
//! alone for five minutes, and making a file among many of them takes ten times as long.  For the
//! same reason a second bench on such a file system has to wait so long.  Beside CPU and wall seconds stands the floor: what a bare loop
//! needs on the same file system for the same files (floor.rs), and how many times that is.  Then
//! what pkg5 needs for the same kind of set on this kind of machine, and the goal.  Asserts nothing
//! of time.

mod floor;
mod set;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;
use tests::cost::cpu;

use floor::{Floor, files};
use set::{BYTES, FILES};

/// Packages of the large catalog.
const MANY: usize = 100_000;

/// CPU and wall seconds.
type Cost = (f64, f64);

/// A line of the table.
#[derive(Default)]
struct Row<'a> {
    what: &'a str,
    /// What is done before, in the row's folder.
    ready: &'a str,
    /// The repository of the set that a depot serves meanwhile at `$DEPOT`; what it uses counts too.
    served: Option<&'a str>,
    /// What is measured.  `$SET` is the folder of the set, `$ROWS` that of all rows.
    line: &'a str,
    floor: Floor,
    /// 0 where nothing is known.
    pkg5: Cost,
    /// 0 where there is none.
    goal: Cost,
}

/// A depot at work; gone with this.
struct Depot {
    child: Child,
    uri: String,
}

impl Depot {
    fn start(programs: &Path, repository: &Path) -> Depot {
        let mut child = Command::new(programs.join("pkg-depotd"))
            .args(["--readonly", "-a", "127.0.0.1", "-p", "0", "-d"])
            .arg(repository)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let uri = line.trim().rsplit(' ').next().unwrap().to_string();
        Depot { child, uri }
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Bench {
    place: PathBuf,
    /// The folders of the rows.
    rows: TempDir,
    programs: PathBuf,
    /// Which rows are asked for.
    words: Option<String>,
    rounds: usize,
}

impl Bench {
    fn set(&self) -> PathBuf {
        self.place.join("set")
    }

    /// Runs a shell line.
    fn run(&self, line: &str, folder: &Path, depot: &str) -> Cost {
        let path = format!("{}:{}", self.programs.display(), std::env::var("PATH").unwrap());
        let (used, begun) = (cpu(libc::RUSAGE_CHILDREN), Instant::now());
        let status = Command::new("sh")
            .args(["-ec", line])
            .current_dir(folder)
            .env("PATH", path)
            .env("SET", self.set())
            .env("ROWS", self.rows.path())
            .env("DEPOT", depot)
            .env("SOURCE_DATE_EPOCH", "1795316676")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{line}");
        (cpu(libc::RUSAGE_CHILDREN) - used, begun.elapsed().as_secs_f64())
    }

    /// The same while a depot serves.
    fn run_served(&self, line: &str, folder: &Path, served: &str) -> Cost {
        let used = cpu(libc::RUSAGE_CHILDREN);
        let depot = Depot::start(&self.programs, &self.set().join(served));
        let (_, wall) = self.run(line, folder, &depot.uri);
        drop(depot);
        (cpu(libc::RUSAGE_CHILDREN) - used, wall)
    }

    fn is_asked(&self, what: &str) -> bool {
        let named = |words: &String| words.split(',').any(|word| what.contains(word));
        self.words.as_ref().is_none_or(named)
    }

    /// Measures a row as often as asked, and tells it.
    fn report(&self, row: &Row<'_>) {
        if !self.is_asked(row.what) {
            return;
        }
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            ours.push(self.afresh(|folder| {
                self.run(row.ready, folder, "");
                flush();
                match row.served {
                    Some(served) => self.run_served(row.line, folder, served),
                    None => self.run(row.line, folder, ""),
                }
            }));
            floors.push(self.afresh(|folder| {
                flush();
                let (used, begun) = (cpu(libc::RUSAGE_SELF), Instant::now());
                row.floor.run(folder);
                (cpu(libc::RUSAGE_SELF) - used, begun.elapsed().as_secs_f64())
            }));
        }
        told(row, median(ours), median(floors));
    }

    /// Does something in a fresh folder.
    fn afresh<T>(&self, work: impl FnOnce(&Path) -> T) -> T {
        work(tempfile::tempdir_in(&self.rows).unwrap().keep().as_path())
    }

    /// The set: proto areas, manifests, and a repository for each architecture.
    fn make_set(&self) {
        let set = self.set();
        for arch in ["i386", "sparc"] {
            set::make(&set, arch, |line| {
                self.run(line, &set, "");
            });
        }
    }
}

/// What was written before is no part of what is measured next.
fn flush() {
    // SAFETY: takes nothing.
    unsafe { libc::sync() }
}

fn median(costs: Vec<Cost>) -> Cost {
    let middle = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let (cpu, wall) = costs.into_iter().unzip();
    (middle(cpu), middle(wall))
}

const HEAD: &str = concat!(
    "                                 CPU s  wall s    floor    wall   ratio    wall",
    "     pkg5   wall    goal   wall"
);

fn told(row: &Row<'_>, (cpu, wall): Cost, (floor, floor_wall): Cost) {
    let is_over = |used: f64, most: f64| most > 0.0 && used > most;
    let verdict = match is_over(cpu, row.goal.0) || is_over(wall, row.goal.1) {
        true => "over",
        false => "met",
    };
    println!(
        "{:<31} {cpu:>6.2} {wall:>7.2}   {floor:>6.2} {floor_wall:>7.2}   {:>5.1} {:>7.1}   {:>6.1} {:>6.0}   {:>5.1} {:>6.1}   {verdict}",
        row.what,
        cpu / floor,
        wall / floor_wall,
        row.pkg5.0,
        row.pkg5.1,
        row.goal.0,
        row.goal.1,
    );
}

/// Packages to, between and in repositories.
fn repositories(bench: &Bench) {
    let set = bench.set();
    let below = |paths: &[&str]| -> Vec<PathBuf> {
        files(&paths.iter().map(|path| set.join(path)).collect::<Vec<_>>())
    };
    let payloads = |arch: &str| below(&[&format!("{arch}/publisher/bench.example/file")]);
    let manifests = || below(&["i386/publisher/bench.example/pkg"]);
    bench.report(&Row {
        what: "publish",
        ready: "pkgrepo create new",
        line: "pkgsend -s new publish --fmri-in-manifest -d $SET/proto.i386 $SET/m.i386/*",
        floor: Floor {
            read: below(&["proto.i386"]),
            written: below(&["i386"]),
            ..Floor::default()
        },
        pkg5: (121.0, 209.0),
        goal: (10.0, 5.5),
        ..Row::default()
    });
    bench.report(&Row {
        what: "pkgrecv, one file system",
        ready: "pkgrepo create new",
        line: "pkgrecv -s $SET/i386 -d new '*'",
        floor: Floor {
            read: payloads("i386"),
            written: manifests(),
            linked: payloads("i386"),
            ..Floor::default()
        },
        pkg5: (30.0, 72.0),
        goal: (0.8, 1.0),
        ..Row::default()
    });
    bench.report(&Row {
        what: "pkgrecv over HTTP, both sides",
        ready: "pkgrepo create new",
        served: Some("i386"),
        line: "pkgrecv -s $DEPOT -d new '*'",
        floor: Floor { carried: below(&["i386"]), written: below(&["i386"]), ..Floor::default() },
        pkg5: (70.0, 169.0),
        goal: (4.0, 4.0),
    });
    let mut both = payloads("i386");
    both.extend(payloads("sparc"));
    both.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
    both.dedup_by(|one, other| one.file_name() == other.file_name());
    bench.report(&Row {
        what: "pkgmerge, two architectures",
        ready: "pkgrepo create new",
        line: "pkgmerge -d new -s arch=i386,$SET/i386 -s arch=sparc,$SET/sparc",
        floor: Floor { read: both.clone(), written: manifests(), linked: both, ..Floor::default() },
        pkg5: (100.0, 162.0),
        goal: (1.5, 2.0),
        ..Row::default()
    });
    let catalog = || below(&["i386/publisher/bench.example/catalog"]);
    bench.report(&Row {
        what: "pkgrepo rebuild",
        ready: "cp -al $SET/i386 new",
        line: "pkgrepo rebuild -s new",
        floor: Floor { read: manifests(), written: catalog(), ..Floor::default() },
        pkg5: (3.4, 0.0),
        goal: (0.3, 0.0),
        ..Row::default()
    });
    bench.report(&Row {
        what: "pkgrepo verify",
        line: "pkgrepo verify -s $SET/i386",
        floor: Floor { read: below(&["i386"]), ..Floor::default() },
        pkg5: (7.1, 0.0),
        goal: (2.0, 1.2),
        ..Row::default()
    });
}

/// Everything installed over http into a fresh root, looked at, and taken away again.
fn images(bench: &Bench) {
    let set = bench.set();
    let installed = || files(&[set.join("proto.i386")]);
    let install = "pkg image-create -f -p bench.example=file://$SET/i386 --variant variant.arch=i386 img; \
        pkg -R img install -q '*'";
    bench.report(&Row {
        what: "install over HTTP, both sides",
        served: Some("i386"),
        line: "pkg image-create -f -p bench.example=$DEPOT --variant variant.arch=i386 img; \
            pkg -R img install -q '*'",
        floor: Floor {
            carried: files(&[set.join("i386")]),
            written: installed(),
            ..Floor::default()
        },
        pkg5: (47.0, 84.0),
        goal: (4.0, 4.0),
        ..Row::default()
    });
    bench.report(&Row {
        what: "pkg verify",
        ready: install,
        line: "pkg -R img verify -q",
        floor: Floor { read: installed(), ..Floor::default() },
        pkg5: (3.6, 0.0),
        ..Row::default()
    });
    bench.report(&Row {
        what: "install, nothing to do",
        ready: install,
        line: "pkg -R img install -q --no-refresh '*' || [ $? = 4 ]",
        ..Row::default()
    });
    bench.report(&Row {
        what: "uninstall all",
        ready: install,
        line: "pkg -R img uninstall -q '*'",
        ..Row::default()
    });
}

/// A catalog of very many packages: its first search index, then a refresh that finds nothing, a
/// list, one more package.
fn catalog(bench: &Bench) {
    let rows = [
        (
            "catalog of 100,000, first index",
            "rm -r repo/publisher/*/index; pkgrepo refresh -s repo",
        ),
        ("catalog of 100,000, refresh", "pkgrepo refresh -s repo"),
        ("catalog of 100,000, list", "pkgrepo list -s repo"),
        ("catalog of 100,000, add one", "pkgsend -s repo publish $ROWS/many/one"),
    ];
    if rows.iter().all(|(what, _)| !bench.is_asked(what)) {
        return;
    }
    let folder = bench.rows.path().join("many");
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
    let publish = "pkgrepo create repo; ls m | xargs -n 20000 sh -c \
        'cd m && exec pkgsend -s ../repo publish --fmri-in-manifest \"$@\"' sh; \
        pkgrepo refresh -s repo";
    bench.run(publish, &folder, "");
    for (what, line) in rows {
        // The hour after, as the log of an hour that all of them came in is nothing usual.
        let line = format!("export SOURCE_DATE_EPOCH=1795320276; {line}");
        let ready = "cp -al $ROWS/many/repo repo";
        let goal = (0.0, if what.ends_with("first index") { 0.0 } else { 1.0 });
        bench.report(&Row { what, ready, line: &line, goal, ..Row::default() });
    }
}

/// What the payloads weigh, ours and compressed as pkg5 does it.
fn sizes(bench: &Bench) {
    if !bench.is_asked("sizes") {
        return;
    }
    let stored = |folder: &Path| -> u64 {
        let all = files(&[folder.join("publisher/bench.example/file")]);
        all.iter().map(|path| fs::metadata(path).unwrap().len()).sum()
    };
    let payloads = stored(&bench.set().join("i386"));
    println!("payloads: {payloads} bytes stored of {} ({FILES} files)", BYTES as u64);
    let zlib = bench.afresh(|folder| {
        // pkg5 compresses with zlib at its best; so does this, on request.
        let line = "pkgrepo create zlib; pkgrepo -s zlib set repository/compression=zlib; \
            pkgsend -s zlib publish --fmri-in-manifest -d $SET/proto.i386 $SET/m.i386/*";
        bench.run(line, folder, "");
        stored(&folder.join("zlib"))
    });
    println!(
        "payloads as pkg5 compresses them: {zlib} bytes; ours {:.1} % of it",
        100.0 * payloads as f64 / zlib as f64
    );
}

fn main() {
    let temporary = tempfile::Builder::new().prefix("ips-bench").tempdir().unwrap();
    let place = std::env::var_os("BENCH_PLACE");
    let place = place.map_or(temporary.path().to_path_buf(), PathBuf::from);
    fs::create_dir_all(&place).unwrap();
    let place = place.canonicalize().unwrap();
    let built = std::env::current_exe().unwrap();
    let programs =
        built.ancestors().nth(2).expect("a bench is in TARGET/release/deps").to_path_buf();
    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let words = std::env::var("BENCH_ROWS").ok();
    let rows = tempfile::Builder::new().prefix("rows.").tempdir_in(&place).unwrap();
    let bench = Bench { place, rows, programs, words, rounds: rounds.unwrap_or(1) };
    bench.make_set();
    println!("{HEAD}");
    repositories(&bench);
    catalog(&bench);
    images(&bench);
    sizes(&bench);
}
