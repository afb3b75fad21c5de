//! The whole engine in a simulated world: seeded clock, processes, disk, and deaths at any call.
//!
//! `rules.rs` says what must hold.  A failing seed is printed with the shortest life that still
//! fails; `LAMPLIGHTER_SEED=N` lives that one again, `LAMPLIGHTER_SEEDS=N` says how many are lived
//! from there.

#![allow(clippy::unwrap_used)]

mod disk;
mod files;
mod kernel;
mod oracle;
mod ordered;
mod orders;
mod plan;
mod reality;
mod rest;
mod restraint;
mod rules;
mod world;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use disk::{Disk, Memory};
use files::Files;
use plan::{Plan, Random, SHIFTED};
use world::Broken;

/// The orders of one life.
const ORDERS: usize = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// One life in so many is lived on files too.
const ON_FILES: u64 = 15;

/// Where the repository of a life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Medium {
    Memory,
    Files,
}

impl Medium {
    fn disk(self) -> Box<dyn Disk> {
        match self {
            Medium::Memory => Box::<Memory>::default(),
            Medium::Files => Box::new(Files::new()),
        }
    }
}

fn lived(plan: &Plan, medium: Medium) -> Result<(), Broken> {
    let lived = catch_unwind(AssertUnwindSafe(|| world::live(plan, medium.disk(), false)));
    // Said already, and not by the engine.
    let broken =
        |_| Err(Broken { what: "the world itself panicked".to_owned(), trace: Vec::new() });
    lived.unwrap_or_else(broken)
}

/// What went wrong, without names and numbers.
fn kind(what: &str) -> String {
    let words = what.split(' ').filter(|word| !word.starts_with("svc:/"));
    let words = words.map(|word| word.replace(|byte: char| byte.is_ascii_digit(), ""));
    words.take(8).collect::<Vec<_>>().join(" ")
}

/// Leaves out what the failure does not need.
fn shortest(mut plan: Plan, medium: Medium, what: &str) -> Plan {
    let fails =
        |plan: &Plan| lived(plan, medium).is_err_and(|broken| kind(&broken.what) == kind(what));
    let mut chunk = plan.steps.len().max(1) / 2;
    while chunk > 0 {
        let mut at = 0;
        while at < plan.steps.len() {
            let mut less = plan.clone();
            less.steps.drain(at..(at + chunk).min(plan.steps.len()));
            if fails(&less) {
                plan = less;
            } else {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    for at in (0..plan.services.len()).rev() {
        let mut less = plan.clone();
        less.services.remove(at);
        if fails(&less) {
            plan = less;
        }
    }
    plan
}

fn report(seed: u64, medium: Medium, what: &str) -> String {
    let plan = shortest(Plan::new(seed, ORDERS), medium, what);
    let again = world::live(&plan, medium.disk(), true);
    let Err(broken) = again else { return "it does not fail again".to_owned() };
    let trace = broken.trace.join("\n");
    format!(
        "LAMPLIGHTER_SEED={seed} ({medium:?}): {}\n\nservices: {:#?}\nsteps: {:#?}\n\n{trace}\n\n{}",
        broken.what, plan.services, plan.steps, broken.what
    )
}

/// Lives that failed once, and why.
const FOUND: [(u64, Medium); 21] = [
    // To a milestone while somebody is deleted and the repository refuses some of the overrides.
    (SHIFTED + 218_113, Medium::Memory),
    // Disabled by its start method while the repository refuses that.
    (SHIFTED + 306_806, Medium::Memory),
    // A new instance closes a cycle that another leaves before the first is told of: no failure.
    (SHIFTED + 315_416, Medium::Memory),
    // Deleted and made again while its contract could not be recorded, and then the engine dies.
    (SHIFTED + 38_950, Medium::Memory),
    // To a milestone that stands on somebody who is new, as does somebody who stays: no failure.
    (SHIFTED + 33_879, Medium::Memory),
    // The same where another engine had heard of the new one: no failure.
    (8_021, Medium::Memory),
    // Marked when the repository had not taken that it left maintenance, and the engine died: it is
    // there.
    (3_659, Medium::Memory),
    // A cycle that is gone when its last member has stopped for it: no failure.
    (6_665, Medium::Memory),
    // A cycle with somebody whose deletion the engine has not come to: no failure.
    (18_304, Medium::Memory),
    // To a milestone that is made after the order for it: no failure.
    (29_648, Medium::Memory),
    // Killed a moment before it would have left a daemon: it leaves none.
    (32_201, Medium::Memory),
    // A cycle that one engine found, and for which the next one goes on stopping: no failure.
    (67_952, Medium::Memory),
    // To a milestone that stood on somebody whose deletion the engine has not come to: no failure.
    (73_557, Medium::Memory),
    // The repository refuses to tell one of a file that another hears of: no failure.
    (77_996, Medium::Memory),
    // To be restarted while it starts, which was never written; the engine dies: no failure.
    (118_528, Medium::Memory),
    // To a milestone when somebody is deleted and of the others one is refused: what was written counts.
    (176_455, Medium::Memory),
    // The same, and the milestone is gone when it is tried again.
    (219_044, Medium::Memory),
    // A cycle that an engine finds in what its predecessor never came to take over: no failure.
    (244_123, Medium::Memory),
    // Outside of a milestone, which could not be written: no failure.
    (156_323, Medium::Memory),
    // Outside of a milestone, which could not be written, and the engine dies when its state is.
    (990_034_982, Medium::Memory),
    // Deleted and made again while its state could not be written: what it needs is another thing.
    (990_042_409, Medium::Memory),
];

#[test]
fn seeds_have_nothing_in_common() {
    let numbers = (0..100).flat_map(|seed| {
        let mut random = Random::of(seed, "plan", 0);
        std::iter::repeat_with(move || random.below(1 << 40)).take(100)
    });
    assert_eq!(numbers.collect::<BTreeSet<_>>().len(), 100 * 100);
}

#[test]
fn lives_that_failed_once() {
    for (seed, medium) in FOUND {
        if let Err(broken) = lived(&Plan::new(seed, ORDERS), medium) {
            panic!("{}", report(seed, medium, &broken.what));
        }
    }
}

#[test]
fn every_life_settles() {
    let first = number("LAMPLIGHTER_SEED").unwrap_or(1);
    let alone = number("LAMPLIGHTER_SEED").is_some();
    let count = number("LAMPLIGHTER_SEEDS").unwrap_or(if alone { 1 } else { 1_500 });
    let on_files = count.div_ceil(ON_FILES);
    let orders = AtomicU64::new(0);
    let live = |medium: Medium, lives: u64, next: &AtomicU64| {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + lives {
                return failed;
            }
            let plan = Plan::new(seed, ORDERS);
            orders.fetch_add(plan.orders() as u64, Ordering::Relaxed);
            if let Err(broken) = lived(&plan, medium) {
                failed.push((seed, medium, broken.what));
            }
        }
    };
    let workers = thread::available_parallelism().map_or(2, usize::from).min(8);
    let next = [AtomicU64::new(first), AtomicU64::new(first)];
    let failed: Vec<(u64, Medium, String)> = thread::scope(|scope| {
        let (live, next) = (&live, &next);
        // On files one after the other: a full disk is one for the whole process.
        let files = scope.spawn(|| live(Medium::Files, on_files, &next[1]));
        let memory = (0..workers).map(|_| scope.spawn(|| live(Medium::Memory, count, &next[0])));
        let threads: Vec<_> = memory.chain([files]).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let orders = orders.into_inner();
    println!("{orders} orders in {count} lives in memory and {on_files} on files");
    if let Some((seed, medium, what)) = failed.iter().min() {
        let line =
            |(seed, medium, what): &(u64, Medium, String)| format!("{seed} {medium:?}: {what}");
        let all: Vec<String> = failed.iter().map(line).collect();
        panic!("{} lives failed\n{}\n{}", all.len(), all.join("\n"), report(*seed, *medium, what));
    }
}
