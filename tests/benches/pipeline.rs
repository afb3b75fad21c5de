//! pipeline.rs - how long the sample set takes: from clean to a booted ISO, again without a change,
//! and a boot alone.
//!
//! Run: `cargo build --release --workspace --bins && cargo bench -p tests --bench pipeline`
//! Prints figure, goal, ratio; asserts nothing of time.

use std::time::Instant;
use tests::{World, prefix};

fn report(what: &str, seconds: f64, goal: f64) {
    println!("{what:<34} {seconds:>8.2} s   goal {goal:>5.1} s   ratio {:>5.2}", seconds / goal);
}

fn timed(world: &World, arguments: &[&str]) -> f64 {
    let start = Instant::now();
    let said = world.run("lamplighter", arguments);
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(said.status, 0, "{said:?}\n{}", world.story());
    seconds
}

fn main() {
    for (set, goal) in [("--tiny", 6.0), ("--sample", 60.0)] {
        let world = World::new();
        let up: &[&str] = match set {
            "--tiny" => &["up", "--tiny", "--ports", "0"],
            _ => &["up", "--ports", "0"],
        };
        let name = set.trim_start_matches('-');
        report(&format!("{name}: up, fresh root"), timed(&world, up), 1.0);
        report(&format!("{name}: clean to booted ISO"), timed(&world, &["build"]), goal);
        report(&format!("{name}: no change"), timed(&world, &["build"]), 1.0);
        report(&format!("{name}: boot"), timed(&world, &["boot"]), 15.0);
    }
    println!("prefix: {}", prefix().display());
}
