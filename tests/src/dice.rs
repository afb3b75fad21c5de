//! dice.rs - numbers that a seed decides, and what an environment variable sets.

pub use dice::Dice;

/// The number an environment variable holds, or the usual one.
pub fn setting(name: &str, usual: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")))
}
