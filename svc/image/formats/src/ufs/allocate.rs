//! allocate.rs - which fragments a file gets.
//!
//! Blocks go out in order of address.  A tail shorter than a block goes into the started block
//! that it fills best, else starts one.  Invariant: a tail never crosses a block's end; the same
//! requests in the same order get the same addresses; what lies before the next block is taken,
//! but for the ends of started blocks.

use super::layout::FRAGS;

/// Gives away blocks and tails.
pub struct Allocator<I> {
    blocks: I,
    /// `started[n]`: addresses where the last `n` fragments of a block are free.
    started: [Vec<u32>; FRAGS as usize],
    /// How many blocks were taken so far.
    pub taken: u64,
}

/// What is left when all is given away.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// The first block that nobody took; all behind it are free too.
    pub next: Option<u32>,
    /// Free ends of started blocks, in order of address: where, and how many fragments.
    pub ends: Vec<(u32, u32)>,
}

impl<I: Iterator<Item = u32>> Allocator<I> {
    /// Gives away what `blocks` yields, in ascending order.
    pub fn new(blocks: I) -> Self {
        Self { blocks, started: Default::default(), taken: 0 }
    }

    /// A whole block; `None` when there is no more.
    pub fn block(&mut self) -> Option<u32> {
        self.taken += 1;
        self.blocks.next()
    }

    /// `count` fragments (1 to 8) in a row, inside one block.
    pub fn frags(&mut self, count: u32) -> Option<u32> {
        assert!((1..=FRAGS).contains(&count), "a tail is 1 to {FRAGS} fragments");
        if count == FRAGS {
            return self.block();
        }
        let fits = (count..FRAGS).find(|&free| !self.started[free as usize].is_empty());
        let (at, free) =
            match fits.and_then(|free| Some((self.started[free as usize].pop()?, free))) {
                Some(found) => found,
                None => (self.block()?, FRAGS),
            };
        if free > count {
            self.started[(free - count) as usize].push(at + count);
        }
        Some(at)
    }

    /// Ends it.
    pub fn left(mut self) -> Left {
        let started = self.started.iter().enumerate();
        let mut ends: Vec<(u32, u32)> =
            started.flat_map(|(free, all)| all.iter().map(move |&at| (at, free as u32))).collect();
        ends.sort_unstable();
        Left { next: self.blocks.next(), ends }
    }
}

/// Counts the blocks that tails and whole blocks take, without addresses.
pub fn measure(requests: impl Iterator<Item = (u64, u32)>) -> u64 {
    let mut tails = Allocator::new(std::iter::repeat(0));
    let mut whole = 0;
    for (blocks, tail) in requests {
        whole += blocks;
        if tail > 0 {
            tails.frags(tail);
        }
    }
    whole + tails.taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_share_blocks_and_never_cross_them() {
        let mut allocator = Allocator::new((0..10).map(|n| n * 8));
        let got: Vec<_> = [5, 2, 3, 1, 8, 6, 2].map(|n| allocator.frags(n).unwrap()).to_vec();
        assert_eq!(got, [0, 5, 8, 7, 16, 24, 30]);
        assert_eq!(allocator.taken, 4);
        assert_eq!(allocator.left(), Left { next: Some(32), ends: vec![(11, 5)] });
    }

    #[test]
    fn an_empty_pool_gives_nothing() {
        let mut allocator = Allocator::new(std::iter::once(8));
        assert_eq!(allocator.frags(7), Some(8));
        assert_eq!(allocator.frags(2), None);
        assert_eq!(allocator.frags(1), Some(15));
        assert_eq!(allocator.left(), Left { next: None, ends: vec![] });
    }

    #[test]
    fn measuring_counts_what_would_be_taken() {
        assert_eq!(measure([(0, 5), (3, 2), (1, 3), (0, 1)].into_iter()), 4 + 2);
    }
}
