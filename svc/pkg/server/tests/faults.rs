//! A depot that is killed, or whose disk is full, while packages are published: what is there
//! then is sound, and the same once more succeeds.
//!
//! `LAMPLIGHTER_KILLS` is how often it is killed (10), `LAMPLIGHTER_SEED` the seed of the moments.

#![allow(clippy::unwrap_used)]

mod depot;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use depot::Depot;
use depot::publisher::Publisher;
use dice::Dice;
use ips_model::{Action, Timestamp};
use ips_repository::Repository;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PUBLISHER: &str = "kill.example";
const PACKAGES: usize = 6;

fn content(package: usize, file: usize) -> Vec<u8> {
    let mut numbers = Dice((package * 10 + file) as u64);
    (0..2_000).flat_map(|_| format!("{:x} ", numbers.roll() % 5_000).into_bytes()).collect()
}

fn fmri(package: usize) -> String {
    format!("pkg://{PUBLISHER}/p{package}@1.0,5.11:20240102T030405Z")
}

/// Publishes every package that is not there yet, and stops where the depot is gone.
/// How many it was told are published.
fn publish_all(port: &Depot, known: &[String]) -> Option<usize> {
    let mut client = Publisher::new(port);
    let mut told = 0;
    for package in (0..PACKAGES).filter(|package| !known.contains(&fmri(*package))) {
        let path = format!("/open/0/{}", ips_model::quote::quote(&fmri(package)));
        let opened = client.try_send("GET", &path, "", b"")?;
        let id = opened.header("transaction-id").unwrap_or_else(|| panic!("{}", opened.message()));
        let id = id.to_string();
        for file in 0..4 {
            let text = format!("file path=p{package}/{file} mode=0644 owner=root group=bin");
            let action = Action::parse(&text).unwrap();
            let headers = depot::publisher::headers(&action);
            let path = format!("/add/0/{id}/file");
            let answer = client.try_send("POST", &path, &headers, &content(package, file))?;
            assert_eq!(answer.status, 200, "{}", answer.message());
        }
        let closed = client.try_send("GET", &format!("/close/0/{id}"), "", b"")?;
        assert_eq!(closed.status, 200, "{}", closed.message());
        told += 1;
    }
    Some(told)
}

/// The packages of a sound repository.
fn sound(repository: &Repository, told: &str) -> Vec<String> {
    let verified = repository.verify(PUBLISHER).unwrap();
    assert_eq!(verified.findings, [], "{told}");
    let catalogued = repository.catalog(PUBLISHER).unwrap().packages();
    catalogued.iter().map(|package| package.fmri.to_string()).collect()
}

#[test]
fn killed_at_any_moment_it_leaves_a_sound_repository() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (kills, seed) = (number("LAMPLIGHTER_KILLS", 10), number("LAMPLIGHTER_SEED", 1));
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Dice(seed);
    let fresh = |name: &str| {
        let repository = Repository::create(&folder.path().join(name)).unwrap();
        repository.add_publisher(PUBLISHER, Timestamp::from_seconds(1_700_000_000)).unwrap();
        repository
    };
    let begun = Instant::now();
    let depot = Depot::with(fresh("whole").root(), &[]);
    assert_eq!(publish_all(&depot, &[]), Some(PACKAGES));
    let whole = u64::try_from(begun.elapsed().as_micros()).unwrap();
    let mut at_work = 0;
    for round in 0..kills {
        let told = format!("round {round}, seed {seed}");
        let repository = fresh(&format!("r{round}"));
        let depot = Depot::with(repository.root(), &[]);
        let pid = Pid::from_raw(depot.pid());
        let after = Duration::from_micros(numbers.roll() % whole);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(after);
            kill(pid, Signal::SIGKILL).unwrap();
        });
        at_work += u64::from(publish_all(&depot, &[]).is_none());
        killer.join().unwrap();
        drop(depot);
        let there = sound(&repository, &told);
        let depot = Depot::with(repository.root(), &[]);
        let rest = publish_all(&depot, &there);
        assert_eq!(rest, Some(PACKAGES - there.len()), "{told}");
        assert_eq!(sound(&repository, &told).len(), PACKAGES, "{told}");
        let tmp = repository.root().join("publisher").join(PUBLISHER).join("tmp");
        // What this depot published is being indexed.
        let own = format!("batch.{}.", depot.pid());
        let left: Vec<String> = fs::read_dir(tmp)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with(&own))
            .collect();
        assert!(left == ["lock"] || rest == Some(0), "{told}: {left:?}");
        drop(depot);
        fs::remove_dir_all(repository.root()).unwrap();
    }
    assert!(at_work > 0 || kills < 5, "no kill met it at work");
    println!("{kills} kills, {at_work} while packages were published");
}

/// Fills the file system below `place` but for some kilobytes.
fn fill(place: &Path, left: u64) -> PathBuf {
    let about = nix::sys::statvfs::statvfs(place).unwrap();
    let free = about.blocks_available() as u64 * about.fragment_size() as u64;
    let filler = place.join("filler");
    fs::write(&filler, vec![0; usize::try_from(free - left * 1024).unwrap()]).unwrap();
    filler
}

#[test]
fn a_full_disk_is_told_and_others_are_served() {
    if !mounts::are_own("a_full_disk_is_told_and_others_are_served") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    mounts::mount("size=8m", folder.path());
    let repository = Repository::create(&folder.path().join("repo")).unwrap();
    repository.add_publisher(PUBLISHER, Timestamp::from_seconds(1_700_000_000)).unwrap();
    let depot = Depot::with(repository.root(), &[]);
    let mut client = Publisher::new(&depot);
    let file =
        |n: usize| Action::parse(&format!("file path={n} mode=0644 owner=root group=bin")).unwrap();
    let id = client.open(&fmri(0)).unwrap();
    assert_eq!(client.add(&id, &file(0), &content(0, 0)).status, 200);
    // While a body comes in.
    let filler = fill(folder.path(), 256);
    let answer = client.add(&id, &file(1), &vec![7; 4 << 20]);
    assert_eq!(answer.status, 507, "{}", answer.message());
    assert!(answer.message().contains("No space left on device"), "{}", answer.message());
    assert_eq!(client.send("GET", "/catalog/1/catalog.attrs", "", b"").status, 200);
    // While it is published.
    fs::remove_file(&filler).unwrap();
    let filler = fill(folder.path(), 0);
    let refused = client.close(&id).unwrap_err();
    assert!(refused.starts_with("507 ") && refused.contains("No space left"), "{refused}");
    assert_eq!(client.send("GET", "/versions/0/", "", b"").status, 200);
    assert_eq!(sound(&repository, "full"), [""; 0]);
    // With room, the same transaction is whole.
    fs::remove_file(&filler).unwrap();
    assert_eq!(client.add(&id, &file(1), &content(0, 1)).status, 200);
    assert_eq!(client.close(&id), Ok(fmri(0)));
    assert_eq!(sound(&repository, "with room"), [fmri(0)]);
    drop(depot);
    drop(client);
    assert!(Command::new("umount").arg(folder.path()).status().unwrap().success());
}
