//! search.rs - what the search index costs on 301 packages with 30,000 files.
//!
//! Run: `cargo bench -p tests --bench search`
//! Prints what it takes to make the index, to add one package, to read it, and for each kind of
//! query the median of many runs; asserts that a query takes no longer than 20 ms.
//!
//! The set is that of the bench of the package commands without the payloads: the same names, and
//! hashes as long as theirs.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use ips_model::query::{Request, Returns};
use ips_model::{Fmri, Timestamp};
use ips_repository::{Index, Repository};
use tests::cost::cpu;

const PACKAGES: usize = 301;
const FILES: usize = 30_000;
const PUBLISHER: &str = "bench.example";
const GOAL: Duration = Duration::from_millis(20);

fn hash(salt: usize, digits: usize) -> String {
    let mut text = String::new();
    let mut state = salt as u64;
    while text.len() < digits {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        text.push_str(&format!("{:016x}", mixed ^ (mixed >> 27)));
    }
    text.truncate(digits);
    text
}

/// Stores a manifest as publication would, without payloads.
fn store(repository: &Repository, package: usize) {
    let name = format!("pkg://{PUBLISHER}/bench/p{package}@1.0,5.11-{package}:20261122T031756Z");
    let fmri = Fmri::parse(&name).unwrap();
    let folder = format!("usr/lib/p{package}");
    let mut text = format!(
        "set name=pkg.fmri value={name}\n\
         set name=pkg.summary value=\"package {package} of the bench set\"\n\
         set name=variant.arch value=i386\n\
         dir group=bin mode=0755 owner=root path={folder}\n"
    );
    for file in (package..FILES).step_by(PACKAGES) {
        text.push_str(&format!(
            "file {} chash={} group=bin mode=0644 owner=root path={folder}/f{file} \
             pkg.content-hash=file:sha512t_256:{} pkg.content-hash=gzip:sha512t_256:{} \
             pkg.csize={file} pkg.size={file}\n",
            hash(file, 40),
            hash(file + FILES, 40),
            hash(file + 2 * FILES, 64),
            hash(file + 3 * FILES, 64),
        ));
    }
    let path = repository.manifest_path(&fmri).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (begun, before) = (Instant::now(), cpu(libc::RUSAGE_SELF));
    let done = work();
    let (cpu, wall) = (cpu(libc::RUSAGE_SELF) - before, begun.elapsed().as_secs_f64());
    println!("{what:<30} {:>8.1} ms CPU {:>8.1} ms", cpu * 1e3, wall * 1e3);
    done
}

fn query(index: &Index, request: &Request) -> usize {
    let mut count = 0;
    let done = index.search(request, &mut |line| {
        count += line.shown(0).to_string().len().min(1);
        ControlFlow::Continue(())
    });
    done.unwrap();
    count
}

fn main() {
    let place = tempfile::Builder::new().prefix("search-bench").tempdir().unwrap();
    let repository = Repository::create(&place.path().join("repo")).unwrap();
    let now = Timestamp::parse("20261122T031756Z").unwrap();
    repository.add_publisher(PUBLISHER, now).unwrap();
    (0..PACKAGES).for_each(|package| store(&repository, package));
    timed("catalog made", || repository.rebuild(PUBLISHER, now)).unwrap();
    timed("index made", || repository.rebuild_index(PUBLISHER)).unwrap();
    store(&repository, PACKAGES);
    repository.refresh(PUBLISHER, now).unwrap();
    timed("a package added to the index", || repository.refresh_index(PUBLISHER)).unwrap();
    let index = timed("index read", || repository.index(PUBLISHER)).unwrap().unwrap();
    println!("{} words, {} bytes on disk", index.word_count(), size(&place.path().join("repo")));
    let mut slowest = Duration::ZERO;
    for (text, returns) in [
        ("f12345", Returns::Actions),
        ("F12345", Returns::Actions),
        ("/usr/lib/p4/f12345", Returns::Actions),
        ("f1234*", Returns::Actions),
        ("*2345", Returns::Actions),
        ("*c0ffe*", Returns::Actions),
        ("p7", Returns::Packages),
        ("bench/p7:file::f1*", Returns::Actions),
        ("bench AND package", Returns::Packages),
        ("'package 7 of the bench'", Returns::Actions),
        ("dir:basename:", Returns::Actions),
        ("i386", Returns::Packages),
        ("<f12345> OR <f7>", Returns::Packages),
        ("nothing", Returns::Actions),
    ] {
        let request = Request::of(text, returns);
        let mut times: Vec<Duration> = Vec::new();
        let mut hits = 0;
        for _ in 0..31 {
            let begun = Instant::now();
            hits = query(&index, &request);
            times.push(begun.elapsed());
        }
        times.sort();
        let median = times[times.len() / 2];
        slowest = slowest.max(median);
        println!("{text:<28} {hits:>6} found    {:>8.3} ms", median.as_secs_f64() * 1e3);
    }
    let begun = Instant::now();
    let hits = query(&index, &Request::of("*", Returns::Actions));
    println!("{:<28} {hits:>6} found    {:>8.1} ms", "*", begun.elapsed().as_secs_f64() * 1e3);
    println!("slowest but the last: {:.3} ms of {GOAL:?}", slowest.as_secs_f64() * 1e3);
    assert!(slowest <= GOAL);
}

fn size(folder: &Path) -> u64 {
    let index = folder.join("publisher").join(PUBLISHER).join("index");
    fs::read_dir(index).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}
