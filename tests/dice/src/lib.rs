//! dice - numbers that look random and are the same for the same seed, on every host (splitmix64).
//!
//! For tests and benches alone: a failure prints its seed, and the seed brings the failure back.

use std::time::Duration;

/// The numbers that follow a seed.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not including, the limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    /// The same, as the place of something among so many.
    pub fn place(&mut self, among: usize) -> usize {
        (self.roll() % among as u64) as usize
    }

    /// The place of one of them.
    pub fn pick<T>(&mut self, from: &[T]) -> usize {
        self.place(from.len())
    }

    /// A moment; what happens until then is up to the host.
    pub fn moment(&mut self, longest_ms: u64) {
        std::thread::sleep(Duration::from_millis(self.below(longest_ms)));
    }

    /// A number in (0, 1).
    pub fn fraction(&mut self) -> f64 {
        ((self.roll() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_everywhere() {
        let mut dice = Dice(1_234_567);
        let rolled = [dice.roll(), dice.roll(), dice.roll()];
        // The reference sequence of splitmix64.
        assert_eq!(
            rolled,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
        assert!(dice.fraction() > 0.0 && dice.below(3) < 3 && dice.place(1) == 0);
    }
}
