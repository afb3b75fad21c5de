//! map.rs - the addresses of one file's blocks: direct, and by indirect blocks up to three deep.
//!
//! ```text
//! index 0 ..                  12 direct addresses in the inode
//!       12 ..                 ib[0] -> 2048 addresses
//!       12 + 2048 ..          ib[1] -> 2048 blocks of 2048 addresses
//!       12 + 2048 + 2048^2 .. ib[2] -> 2048 blocks of 2048 blocks of 2048 addresses
//! ```
//!
//! Law: an indirect block lies before what it points to, and is there only if it points to
//! something; an address of 0 is a hole.

use std::io::{self, Seek, Write};

use super::allocate::Allocator;
use super::layout::*;
use super::window::Window;

/// The addresses of a file while it is written.
pub struct Map {
    /// `db` of the inode.
    pub direct: [u32; DIRECT],
    /// `ib` of the inode.
    pub indirect: [u32; 3],
    /// Sectors taken, indirect blocks counted.
    pub sectors: u64,
    /// The indirect blocks above the last address, topmost first.
    open: Vec<Level>,
    /// Which entry of each of them was used last.
    path: Vec<usize>,
}

struct Level {
    at: u32,
    bytes: Vec<u8>,
}

/// How deep the block `index` lies, and which entry leads to it on each level.
pub fn steps(index: u64) -> Vec<usize> {
    let pointers = POINTERS as u64;
    let Some(mut rest) = index.checked_sub(DIRECT as u64) else { return Vec::new() };
    let mut depth = 1;
    let mut span = pointers;
    while rest >= span {
        rest -= span;
        span *= pointers;
        depth += 1;
    }
    let digit = |level: u32| (rest / pointers.pow(level) % pointers) as usize;
    (0..depth).rev().map(digit).collect()
}

/// Indirect blocks of a file of `blocks` blocks without holes.
pub fn indirect_blocks(blocks: u64) -> u64 {
    let pointers = POINTERS as u64;
    let mut rest = blocks.saturating_sub(DIRECT as u64);
    let (mut count, mut span) = (0, pointers);
    while rest > 0 {
        let here = rest.min(span);
        // Of each level one block for so many addresses, down to the last.
        let mut reach = span;
        while reach >= pointers {
            count += here.div_ceil(reach);
            reach /= pointers;
        }
        rest -= here;
        span *= pointers;
    }
    count
}

impl Map {
    /// All holes.
    pub fn new() -> Self {
        let (direct, indirect) = ([0; DIRECT], [0; 3]);
        Self { direct, indirect, sectors: 0, open: Vec::new(), path: Vec::new() }
    }

    /// Makes room for the address of block `index`; they come in ascending order.  `None`: the file
    /// system is full.
    pub fn reach<I: Iterator<Item = u32>, W: Write + Seek>(
        &mut self,
        index: u64,
        blocks: &mut Allocator<I>,
        out: &mut Window<'_, W>,
    ) -> io::Result<Option<()>> {
        let path = steps(index);
        let same = if path.len() == self.path.len() {
            path.iter().zip(&self.path).take_while(|(a, b)| a == b).count()
        } else {
            0
        };
        // The topmost block stays while the depth does; each further one, while its entry does.
        let keep = if path.len() == self.path.len() { (same + 1).min(self.open.len()) } else { 0 };
        self.close(keep, out)?;
        while self.open.len() < path.len() {
            let Some(at) = blocks.block() else { return Ok(None) };
            self.sectors += u64::from(FRAGS * SECTORS_PER_FRAG);
            let level = self.open.len();
            match self.open.last_mut() {
                Some(above) => put32(&mut above.bytes, 4 * path[level - 1], at),
                None => self.indirect[path.len() - 1] = at,
            }
            self.open.push(Level { at, bytes: vec![0; BLOCK as usize] });
        }
        self.path = path;
        Ok(Some(()))
    }

    /// Sets the address of the block that was reached last.
    pub fn set(&mut self, index: u64, at: u32, frags: u32) {
        self.sectors += u64::from(frags * SECTORS_PER_FRAG);
        match (self.open.last_mut(), self.path.last()) {
            (Some(level), Some(&entry)) => put32(&mut level.bytes, 4 * entry, at),
            _ => self.direct[index as usize] = at,
        }
    }

    /// Writes the indirect blocks below the first `keep`.
    pub fn close<W: Write + Seek>(
        &mut self,
        keep: usize,
        out: &mut Window<'_, W>,
    ) -> io::Result<()> {
        for level in self.open.drain(keep.min(self.open.len())..).rev() {
            out.put(level.at, &level.bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_blocks_lie() {
        let (one, two) = (12 + 2048, 12 + 2048 + 2048 * 2048);
        for (index, path) in [
            (0, vec![]),
            (11, vec![]),
            (12, vec![0]),
            (one - 1, vec![2047]),
            (one, vec![0, 0]),
            (one + 2048, vec![1, 0]),
            (two - 1, vec![2047, 2047]),
            (two, vec![0, 0, 0]),
            (two + 2049, vec![0, 1, 1]),
        ] {
            assert_eq!(steps(index), path, "{index}");
        }
    }

    #[test]
    fn indirect_blocks_are_counted() {
        let (one, two) = (12 + 2048, 12 + 2048 + 2048 * 2048);
        for (blocks, count) in [
            (0, 0),
            (12, 0),
            (13, 1),
            (one, 1),
            (one + 1, 3),
            (one + 2049, 4),
            (two, 1 + 1 + 2048),
            (two + 1, 2050 + 3),
            (two + 2048 * 2048 + 1, 2050 + 1 + 2 + 2049),
        ] {
            assert_eq!(indirect_blocks(blocks), count, "{blocks}");
        }
    }
}
