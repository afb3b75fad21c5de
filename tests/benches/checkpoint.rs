//! checkpoint.rs - how long checkpoints and rollbacks of a large build area take, beside `cp`.
//!
//! Run: `cargo bench -p tests --bench checkpoint`
//! `BENCH_PLACE` is a directory on the file system to measure (the temporary one).
//!
//! 60,000 files in 3,000 directories, 600 MB, sizes by a seed.  Rows: the first checkpoint of all of
//! it, one with nothing changed, one with 2,000 files changed, rollbacks with nothing, 2,000 files and
//! everything to be brought back, the metadata table of as many paths printed and parsed, and the
//! same tree by `cp -al` and `cp -a --reflink=never`; each with its ratio to both, and with the
//! processor's time, which says more than the clock's where others work.  Asserts nothing of time.
//!
//! ext4 without a journal looks long for an inode where many were freed within the last minutes:
//! a run right after another shows that, and not us.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use dice::Dice;
use image_checkpoint::{Area, Id, Options, Place, Ran, Step, Tools};
use tests::cost::cpu;

const FILES: u64 = 60_000;
const IN_A_FOLDER: u64 = 20;

struct NoTools;

impl Tools for NoTools {
    fn run(&self, _program: &str, _arguments: &[&str]) -> io::Result<Ran> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn path(root: &Path, number: u64) -> PathBuf {
    let folder = number / IN_A_FOLDER;
    root.join(format!("pkg_image/{}/{}/{folder}/f{number}", folder % 10, folder % 170))
}

fn fill(root: &Path) {
    let mut dice = Dice(60_000);
    let bytes: Vec<u8> = (0..1 << 15).flat_map(|_| dice.roll().to_le_bytes()).collect();
    for number in 0..FILES {
        let path = path(root, number);
        if number % IN_A_FOLDER == 0 {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        // Most are small, one in twenty has up to 220 KB.
        let most = if dice.roll() % 20 == 0 { 220_000 } else { 10_000 };
        fs::write(path, &bytes[..(dice.roll() % most) as usize]).unwrap();
    }
}

fn change(root: &Path) {
    for number in (0..FILES).step_by(30) {
        let path = path(root, number);
        match number % 4 {
            0 => fs::remove_file(path).unwrap(),
            _ => fs::write(path, format!("changed {number}")).unwrap(),
        }
    }
}

/// Seconds by the clock, and of the processor.
#[derive(Clone, Copy)]
struct Cost {
    clock: f64,
    processor: f64,
}

fn timed<T>(whose: libc::c_int, work: impl FnOnce() -> T) -> (Cost, T) {
    let (began, before) = (Instant::now(), cpu(whose));
    let done = work();
    let clock = began.elapsed().as_secs_f64();
    (Cost { clock, processor: cpu(whose) - before }, done)
}

fn copy(arguments: &[&str], from: &Path, to: &Path) -> Cost {
    let copying = || Command::new("cp").args(arguments).arg(from).arg(to).status().unwrap();
    let (cost, copied) = timed(libc::RUSAGE_CHILDREN, copying);
    assert!(copied.success());
    cost
}

fn main() {
    let place = std::env::var_os("BENCH_PLACE").map_or_else(std::env::temp_dir, PathBuf::from);
    let place = tempfile::tempdir_in(place).unwrap();
    let options = Options { tools: Arc::new(NoTools), calls: None };
    let directory = Place::Directory(place.path().join("area"));
    let mut area = Area::open(&directory, &options).unwrap();
    let data = area.build_data().to_owned();
    fill(&data);
    let mut rows = Vec::new();
    let mut take = |area: &mut Area, name: &str, what: &str| {
        let (step, id) = (Step::new(name).unwrap(), Id::new("0123456789abcdef").unwrap());
        let (cost, taken) = timed(libc::RUSAGE_SELF, || area.checkpoint(&step, &id, b"").unwrap());
        println!("{what}: {taken:?}");
        rows.push((what.to_owned(), cost));
    };
    take(&mut area, "first", "checkpoint, all new");
    take(&mut area, "second", "checkpoint, nothing changed");
    area.settle().unwrap();
    change(&data);
    take(&mut area, "third", "checkpoint, 2,000 changed");
    area.settle().unwrap();
    let mut back = |area: &mut Area, what: &str| {
        let (cost, restored) =
            timed(libc::RUSAGE_SELF, || area.rollback(&Step::new("first").unwrap()).unwrap());
        println!("{what}: {restored:?}");
        rows.push((what.to_owned(), cost));
    };
    back(&mut area, "rollback, 2,000 changed");
    back(&mut area, "rollback, nothing changed");
    fs::remove_dir_all(data.join("pkg_image")).unwrap();
    back(&mut area, "rollback, all removed");
    area.settle().unwrap();

    let mut table = image_tree::Tree::new();
    for number in 0..FILES {
        let kind = image_tree::Kind::File { size: number };
        let entry = image_tree::Entry { kind, mode: 0o644, uid: 0, gid: 3, mtime: 1_700_000_000 };
        let path = path(Path::new(""), number);
        table.insert(path.to_str().unwrap(), entry).unwrap();
    }
    let (cost, text) = timed(libc::RUSAGE_SELF, || table.to_string());
    rows.push(("table, printed".to_owned(), cost));
    let (cost, parsed) = timed(libc::RUSAGE_SELF, || image_tree::Tree::parse(&text).unwrap());
    rows.push(("table, parsed".to_owned(), cost));
    assert_eq!(parsed, table);

    let linked = copy(&["-al"], &data, &place.path().join("linked"));
    let copied = copy(&["-a", "--reflink=never"], &data, &place.path().join("copied"));
    let head = ["s", "processor, s", "of cp -al", "of cp -a"];
    println!(
        "\n{:<30}{:>9}{:>14}{:>11}{:>11}",
        area_name(&area),
        head[0],
        head[1],
        head[2],
        head[3]
    );
    rows.extend([("cp -al".to_owned(), linked), ("cp -a --reflink=never".to_owned(), copied)]);
    for (what, Cost { clock, processor }) in &rows {
        let (of_links, of_copy) = (clock / linked.clock, clock / copied.clock);
        println!("{what:<30}{clock:>9.3}{processor:>14.3}{of_links:>11.3}{of_copy:>11.3}");
    }
    area.clear().unwrap();
}

fn area_name(area: &Area) -> String {
    format!("{:?}", area.back_end())
}
