//! The whole engine in a simulated world: seeded clock, processes, disk, and deaths at any call.
//!
//! `rules.rs` says what must hold.  A failing seed is printed with the shortest life that still
//! fails; `LAMPLIGHTER_SEED=N` lives that one again, `LAMPLIGHTER_SEEDS=N` says how many are lived
//! from there.

#![allow(clippy::unwrap_used)]

mod disk;
mod kernel;
mod oracle;
mod ordered;
mod orders;
mod plan;
mod reality;
mod rest;
mod rules;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use disk::Memory;
use plan::Plan;
use world::Broken;

/// The orders of one life.
const ORDERS: usize = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn lived(plan: &Plan) -> Result<(), Broken> {
    world::live(plan, Box::<Memory>::default(), false)
}

/// What went wrong, without names and numbers.
fn kind(what: &str) -> String {
    let words = what.split(' ').filter(|word| !word.starts_with("svc:/"));
    let words = words.map(|word| word.replace(|byte: char| byte.is_ascii_digit(), ""));
    words.take(8).collect::<Vec<_>>().join(" ")
}

/// Leaves out what the failure does not need.
fn shortest(mut plan: Plan, what: &str) -> Plan {
    let fails = |plan: &Plan| lived(plan).is_err_and(|broken| kind(&broken.what) == kind(what));
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

fn report(seed: u64, what: &str) -> String {
    let plan = shortest(Plan::new(seed, ORDERS), what);
    let again = world::live(&plan, Box::<Memory>::default(), true);
    let Err(broken) = again else { return "it does not fail again".to_owned() };
    let trace = broken.trace.join("\n");
    format!(
        "LAMPLIGHTER_SEED={seed}: {}\n\nservices: {:#?}\nsteps: {:#?}\n\n{trace}\n\n{}",
        broken.what, plan.services, plan.steps, broken.what
    )
}

#[test]
fn every_life_settles() {
    let first = number("LAMPLIGHTER_SEED").unwrap_or(1);
    let alone = number("LAMPLIGHTER_SEED").is_some();
    let count = number("LAMPLIGHTER_SEEDS").unwrap_or(if alone { 1 } else { 1_500 });
    let next = AtomicU64::new(first);
    let orders = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(2, usize::from).min(8);
    let failed: Vec<(u64, String)> = thread::scope(|scope| {
        let work = || {
            let mut failed = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count {
                    return failed;
                }
                let plan = Plan::new(seed, ORDERS);
                orders.fetch_add(plan.orders() as u64, Ordering::Relaxed);
                if let Err(broken) = lived(&plan) {
                    failed.push((seed, broken.what));
                }
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!("{} orders in {count} lives", orders.into_inner());
    if let Some((seed, what)) = failed.iter().min() {
        let all: Vec<String> =
            failed.iter().map(|(seed, what)| format!("{seed}: {what}")).collect();
        panic!(
            "{} of {count} lives failed\n{}\n{}",
            all.len(),
            all.join("\n"),
            report(*seed, what)
        );
    }
}
