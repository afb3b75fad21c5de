//! spool.rs - an answer of unknown length: in memory while it is short, then in a file.
//!
//! The file has no name, so it is gone when the answer has been sent or the depot has ended.

use std::fs::File;
use std::io::{self, Write};

use crate::http::{Body, SharedFile};

/// What is kept in memory.
const IN_MEMORY: usize = 256 * 1024;
/// What no answer may exceed; a query for everything must not fill the disk.
const LIMIT: u64 = 1 << 30;

/// Text that comes piece by piece.
#[derive(Default)]
pub struct Spool {
    bytes: Vec<u8>,
    file: Option<File>,
    written: u64,
}

impl Spool {
    /// Adds a piece.
    pub fn push(&mut self, text: &str) -> io::Result<()> {
        self.bytes.extend_from_slice(text.as_bytes());
        if self.bytes.len() > IN_MEMORY { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        file.write_all(&self.bytes)?;
        self.written += self.bytes.len() as u64;
        self.bytes.clear();
        if self.written > LIMIT {
            return Err(io::Error::other("too many results"));
        }
        Ok(())
    }

    /// All of it.
    pub fn into_body(mut self) -> io::Result<Body> {
        if self.file.is_some() {
            self.flush()?;
        }
        Ok(match self.file {
            Some(file) => {
                Body::File { file: SharedFile::new(file), offset: 0, length: self.written }
            }
            None => Body::Bytes(self.bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_stay_in_memory_and_long_ones_do_not() {
        for count in [0, 10, 20_000] {
            let mut spool = Spool::default();
            let line = "a line of a result, which is somewhat long\n";
            (0..count).for_each(|_| spool.push(line).unwrap());
            let whole = line.repeat(count);
            match spool.into_body().unwrap() {
                Body::Bytes(bytes) => assert_eq!((bytes, count < 100), (whole.into_bytes(), true)),
                Body::File { file, offset, length } => {
                    let mut bytes = Vec::new();
                    assert!(file.append_to(&mut bytes, offset, length));
                    assert_eq!((offset, bytes), (0, whole.into_bytes()));
                }
                Body::Absent => panic!(),
            }
        }
    }
}
