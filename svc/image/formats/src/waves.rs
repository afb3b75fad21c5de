//! waves.rs - a stream cut into pieces that are worked on at once and come out in order.
//!
//! ```text
//! input:   wave 1 | wave 2 | wave 3 ...        a wave: so many pieces for each thread
//! time 1:  read 1
//! time 2:  work on 1        while 2 is read
//! time 3:  work on 2        while 1 is given away and 3 is read
//! ```
//!
//! Law: a piece begins at a multiple of the piece's length in the stream and sees the bytes right
//! before it, so what comes out depends on neither the waves nor the threads.  Three waves are in
//! memory, whatever the length of the stream.

use std::io::{self, Read};

use rayon::prelude::*;

/// Pieces of a wave for each thread: one that takes long costs little of the whole.
const EACH: usize = 32;
/// No wave is longer, however many threads there are: three of them, and what was made of two, take
/// less than 64 MiB.
const WAVE_MAX: usize = 12 << 20;

/// Where a stream is cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Bytes in a piece; the last is shorter.
    pub piece: usize,
    /// How many of the bytes before it a piece sees, where there are so many.
    pub before: usize,
}

/// Bytes of the stream: `before` that an earlier wave had, then this one's.
struct Wave {
    bytes: Vec<u8>,
    before: usize,
}

impl Wave {
    fn read(
        input: &mut impl Read,
        cut: Cut,
        length: usize,
        earlier: Option<&Self>,
    ) -> io::Result<Self> {
        let tail = earlier.map_or(&[][..], |wave| {
            &wave.bytes[wave.bytes.len() - cut.before.min(wave.bytes.len())..]
        });
        let mut bytes = Vec::with_capacity(tail.len() + length);
        bytes.extend_from_slice(tail);
        input.take(length as u64).read_to_end(&mut bytes)?;
        Ok(Self { before: tail.len(), bytes })
    }

    fn is_empty(&self) -> bool {
        self.bytes.len() == self.before
    }

    /// Each piece with what it sees before it.
    fn pieces(&self, cut: Cut) -> Vec<(&[u8], &[u8])> {
        let begins = (self.before..self.bytes.len()).step_by(cut.piece);
        begins
            .map(|at| {
                let end = self.bytes.len().min(at + cut.piece);
                (&self.bytes[at - cut.before.min(at)..at], &self.bytes[at..end])
            })
            .collect()
    }
}

/// Makes something of every piece of `input` and hands it, with the piece, to `give` in the
/// stream's order; `make` gets the bytes before a piece, and the piece.  Returns the stream's
/// length.
pub fn in_order<T: Send>(
    input: &mut (impl Read + Send),
    cut: Cut,
    make: impl Fn(&[u8], &[u8]) -> io::Result<T> + Sync,
    mut give: impl FnMut(&[u8], T) -> io::Result<()> + Send,
) -> io::Result<u64> {
    let pieces = (EACH * rayon::current_num_threads()).min(WAVE_MAX / cut.piece).max(1);
    let length = pieces * cut.piece;
    let mut now = Wave::read(input, cut, length, None)?;
    let mut made: Option<(Wave, Vec<T>)> = None;
    let mut all = 0;
    loop {
        all += (now.bytes.len() - now.before) as u64;
        let (making, reading) = rayon::join(
            || {
                let all = now.pieces(cut);
                let each = all.into_par_iter().with_max_len(1);
                each.map(|(before, piece)| make(before, piece)).collect()
            },
            || -> io::Result<Wave> {
                if let Some((wave, results)) = made.take() {
                    for ((_, piece), result) in wave.pieces(cut).into_iter().zip(results) {
                        give(piece, result)?;
                    }
                }
                Wave::read(input, cut, length, Some(&now))
            },
        );
        let results: io::Result<Vec<T>> = making;
        let next = reading?;
        if now.is_empty() {
            return Ok(all);
        }
        made = Some((now, results?));
        now = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_order_and_see_what_is_before_them() {
        let cut = Cut { piece: 1000, before: 300 };
        for length in [0usize, 1, 999, 1000, 1001, 123_456, 32_000, 64_000] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut seen = Vec::new();
            let count = in_order(
                &mut bytes.as_slice(),
                cut,
                |before, piece| Ok((before.to_vec(), piece.len())),
                |piece, (before, length)| {
                    assert_eq!(piece.len(), length);
                    assert_eq!(seen.len() % 1000, 0);
                    assert_eq!(before, &seen[seen.len() - 300.min(seen.len())..]);
                    seen.extend_from_slice(piece);
                    Ok(())
                },
            );
            assert_eq!(count.unwrap(), length as u64);
            assert!(seen == bytes, "{length}");
        }
    }

    #[test]
    fn failures_of_either_side_end_it() {
        let bytes = vec![1u8; 100_000];
        let cut = Cut { piece: 512, before: 0 };
        let failure = || io::Error::other("no");
        let made =
            in_order(&mut bytes.as_slice(), cut, |_, _| Err::<(), _>(failure()), |_, ()| Ok(()));
        assert!(made.is_err());
        let given = in_order(&mut bytes.as_slice(), cut, |_, _| Ok(()), |_, ()| Err(failure()));
        assert!(given.is_err());
    }
}
