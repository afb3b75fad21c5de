//! conform.rs - plays the folders of tests/conform, each on a root of its own, several at once.
//!
//! `LAMPLIGHTER_CASE=NAME` plays those alone whose name begins so.

use std::collections::VecDeque;
use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tests::case::{Case, cases, difference};
use tests::smf::Root;

/// More than there are processors: most of a case is waiting.
const AT_ONCE: usize = 6;

fn all() -> Vec<Case> {
    let wanted = std::env::var("LAMPLIGHTER_CASE").unwrap_or_default();
    let mut folders: Vec<_> = fs::read_dir(cases()).unwrap().map(|e| e.unwrap().path()).collect();
    folders.retain(|path| path.join("commands").exists());
    folders.sort();
    let all: Vec<Case> = folders.iter().map(|folder| Case::read(folder)).collect();
    all.into_iter().filter(|case| case.name().starts_with(&wanted)).collect()
}

/// Why a case does not agree, if so.
fn play(case: &Case) -> Option<String> {
    let played = std::panic::catch_unwind(|| {
        let root = Root::up();
        let said = case.play(&root);
        difference(&case.expected(), &said)
    });
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Some(text.unwrap_or_else(|| "panicked".to_owned()))
    })
}

#[test]
fn every_case_agrees() {
    // SAFETY: a number and no memory.  Whatever the umask is, a method's user reads the copies.
    unsafe { libc::umask(0o022) };
    let is_root = is_root_here();
    let (played, skipped): (Vec<Case>, Vec<Case>) =
        all().into_iter().partition(|case| is_root || !case.for_root);
    skipped.iter().for_each(|case| eprintln!("SKIPPED: {} needs root", case.name()));
    let count = played.len();
    assert!(count > 0, "no case");
    let waiting = Mutex::new(VecDeque::from(played));
    let failed = Mutex::new(Vec::new());
    let times = Mutex::new(Vec::<(Duration, String)>::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = waiting.lock().unwrap().pop_front() else { return };
                    let start = Instant::now();
                    if let Some(why) = play(&case) {
                        failed.lock().unwrap().push(format!("== {}\n{why}", case.name()));
                    }
                    times.lock().unwrap().push((start.elapsed(), case.name()));
                }
            });
        }
    });
    let mut times = times.into_inner().unwrap();
    times.sort();
    let slowest: Vec<String> =
        times.iter().rev().take(5).map(|(time, name)| format!("{name} {time:.1?}")).collect();
    println!("{count} cases; slowest: {}", slowest.join(", "));
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    assert!(failed.is_empty(), "{} of {count} disagree\n{}", failed.len(), failed.join("\n"));
}

/// Whether this test is run by root.
fn is_root_here() -> bool {
    // SAFETY: reads a number of this process.
    unsafe { libc::geteuid() == 0 }
}
