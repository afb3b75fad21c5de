//! window.rs - where the writer's bytes go: in memory while they are near, then in long runs.
//!
//! ```text
//! file system   ......................[ 4 MiB in memory ]............
//! behind it     a tail in a block that was started long ago: written at once
//! inside        copied
//! before it     what is in memory goes out, and the window moves there
//! ```
//!
//! Law: only blocks that something was put into are written, whole; so what others write between
//! them (inodes, groups) stays.

use std::io::{self, Seek, SeekFrom, Write};

use super::layout::{BLOCK, FRAGMENT, FRAGS};

const BLOCKS: usize = 512;

/// The window, and the stream behind it.
pub struct Window<'a, W> {
    out: &'a mut W,
    /// Where the stream stands, so far as it is known.
    at: Option<u64>,
    /// First fragment in memory.
    base: u32,
    bytes: Vec<u8>,
    /// `filled[n]`: block n of those in memory has something in it.
    filled: [bool; BLOCKS],
}

impl<'a, W: Write + Seek> Window<'a, W> {
    /// Nothing put yet.
    pub fn new(out: &'a mut W) -> Self {
        let bytes = vec![0; BLOCKS * BLOCK as usize];
        Self { out, at: None, base: 0, bytes, filled: [false; BLOCKS] }
    }

    /// Puts the bytes of at most one block of data at fragment `at`; NULs fill the last fragment.
    pub fn put(&mut self, at: u32, bytes: &[u8]) -> io::Result<()> {
        debug_assert!(u64::from(at % FRAGS) * FRAGMENT + bytes.len() as u64 <= BLOCK);
        if at < self.base {
            return self.put_now(at, bytes);
        }
        if (at - self.base) as usize >= BLOCKS * FRAGS as usize {
            self.flush()?;
            self.base = at / FRAGS * FRAGS;
        }
        let here = at - self.base;
        let from = here as usize * FRAGMENT as usize;
        self.bytes[from..from + bytes.len()].copy_from_slice(bytes);
        self.filled[(here / FRAGS) as usize] = true;
        Ok(())
    }

    /// Writes at fragment `at`, past the window: what no block of data shares a block with, or what
    /// lies before it.
    pub fn put_now(&mut self, at: u32, bytes: &[u8]) -> io::Result<()> {
        let missing = bytes.len().next_multiple_of(FRAGMENT as usize) - bytes.len();
        self.seek(u64::from(at) * FRAGMENT)?;
        self.out.write_all(bytes)?;
        self.out.write_all(&[0; FRAGMENT as usize][..missing])?;
        self.at = self.at.map(|at| at + (bytes.len() + missing) as u64);
        Ok(())
    }

    /// Writes what is in memory.
    pub fn flush(&mut self) -> io::Result<()> {
        let mut block = 0;
        while block < BLOCKS {
            let run = self.filled[block..].iter().take_while(|&&filled| filled).count();
            if run == 0 {
                block += 1;
                continue;
            }
            let bytes = block * BLOCK as usize..(block + run) * BLOCK as usize;
            self.seek(u64::from(self.base) * FRAGMENT + bytes.start as u64)?;
            self.out.write_all(&self.bytes[bytes.clone()])?;
            self.at = self.at.map(|at| at + bytes.len() as u64);
            self.bytes[bytes].fill(0);
            block += run;
        }
        self.filled = [false; BLOCKS];
        Ok(())
    }

    /// Everything into the stream, and the stream's own memory out of it.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.out.flush()
    }

    fn seek(&mut self, to: u64) -> io::Result<()> {
        if self.at != Some(to) {
            // Unknown until the stream has moved.
            self.at = None;
            self.out.seek(SeekFrom::Start(to))?;
            self.at = Some(to);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_lies_there() {
        let mut out = io::Cursor::new(vec![9u8; 40 << 20]);
        let mut window = Window::new(&mut out);
        let puts = [(16, 100), (8, 8192), (17, 2000), (5_000, 8192), (20, 1024), (30_000, 1)];
        for (at, length) in puts {
            window.put(at, &vec![at as u8; length]).unwrap();
        }
        window.put_now(24, &[77; 8192]).unwrap();
        window.finish().unwrap();
        let bytes = out.into_inner();
        for (at, length) in puts {
            let from = at as usize * 1024;
            assert!(bytes[from..from + length].iter().all(|&byte| byte == at as u8), "{at}");
            let rest = &bytes[from + length..(from + length).next_multiple_of(1024)];
            assert!(rest.iter().all(|&byte| byte == 0), "{at}");
        }
        assert!(bytes[24 * 1024..32 * 1024].iter().all(|&byte| byte == 77));
        // Nobody put anything there.
        assert!(bytes[32 * 1024..5_000 * 1024].iter().all(|&byte| byte == 9));
    }
}
