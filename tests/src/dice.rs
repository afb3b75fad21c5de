//! dice.rs - numbers and moments that a seed decides, and what an environment variable sets.

use std::time::Duration;

/// The number an environment variable holds, or the usual one.
pub fn setting(name: &str, usual: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")))
}

/// Numbers that look random and are the same for the same seed (splitmix64).
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number from 0 on.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    /// The place of one of them.
    pub fn pick<T>(&mut self, from: &[T]) -> usize {
        usize::try_from(self.below(from.len() as u64)).unwrap()
    }

    /// A moment; what happens until then is up to the host.
    pub fn moment(&mut self, longest_ms: u64) {
        std::thread::sleep(Duration::from_millis(self.below(longest_ms)));
    }
}
