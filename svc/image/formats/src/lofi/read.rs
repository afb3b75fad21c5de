//! read.rs - a compressed image read.  Nothing in it is trusted.

use std::io::{self, Read, Seek, SeekFrom, Write};

use rayon::prelude::*;

use super::segment;
use super::{Algorithm, HEADER, NAME, SEGMENTS};

/// Segments unpacked at once.
const TOGETHER: usize = 64;

/// Why an image is not written or read.
#[derive(Debug, thiserror::Error)]
pub enum LofiError {
    /// The length is 0, no multiple of 512, or has too many segments.
    #[error("an image of {0} bytes cannot be compressed: whole sectors of 512 bytes are needed")]
    Length(u64),
    /// No power of two, or out of bounds.
    #[error("segments of {0} bytes are not possible")]
    Segment(u32),
    /// The stream does not have the length it was said to have.
    #[error("{length} bytes were to be compressed, there are {read}")]
    Other {
        /// What was said.
        length: u64,
        /// What was read, at most one byte more.
        read: u64,
    },
    /// No compressed image.
    #[error("this is no compressed image: {0}")]
    Format(&'static str),
    /// A segment that does not unpack.
    #[error("segment {0} is damaged")]
    Damaged(u32),
    /// A segment that was to be taken from an earlier image is not what it was.
    #[error("segment {0} of the last image is damaged")]
    Earlier(usize),
    /// The streams.
    #[error("the compressed image")]
    Io(#[from] io::Error),
}

/// An open compressed image.
pub struct Reader<R> {
    from: R,
    algorithm: Algorithm,
    segment: u32,
    last: u32,
    /// Where each segment begins in the file, and where the last ends.
    index: Vec<u64>,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads header and index and holds them against the length of the stream.
    pub fn open(mut from: R) -> Result<Self, LofiError> {
        let length = from.seek(SeekFrom::End(0))?;
        from.seek(SeekFrom::Start(0))?;
        let mut header = [0; HEADER];
        from.read_exact(&mut header).map_err(|_| LofiError::Format("it is too short"))?;
        let field = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let end = header[..NAME].iter().position(|&byte| byte == 0).unwrap_or(NAME);
        let name = std::str::from_utf8(&header[..end]).ok();
        let algorithm = name.and_then(Algorithm::of).ok_or(LofiError::Format("its algorithm"))?;
        let (segment, entries, last) = (field(36), field(40), field(44));
        if !segment.is_power_of_two() || !SEGMENTS.contains(&segment) || last == 0 || last > segment
        {
            return Err(LofiError::Format("its segments' length"));
        }
        if entries < 2 || HEADER as u64 + 8 * u64::from(entries) > length {
            return Err(LofiError::Format("its index is too short"));
        }
        let mut bytes = vec![0; 8 * entries as usize];
        from.read_exact(&mut bytes)?;
        let base = HEADER as u64 + bytes.len() as u64;
        let entry = |bytes: &[u8]| bytes.iter().fold(0, |all, &byte| all << 8 | u64::from(byte));
        let index: Vec<u64> =
            bytes.chunks_exact(8).map(|bytes| base.saturating_add(entry(bytes))).collect();
        let good = index.first() == Some(&base)
            && index.last().is_some_and(|&end| end <= length)
            && index.windows(2).all(|pair| pair[0] < pair[1]);
        if !good {
            return Err(LofiError::Format("its index"));
        }
        Ok(Self { from, algorithm, segment, last, index })
    }

    /// How it is compressed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Bytes of the image.
    #[allow(clippy::len_without_is_empty)] // There is no empty one.
    pub fn len(&self) -> u64 {
        u64::from(self.segment) * u64::from(self.segments() - 1) + u64::from(self.last)
    }

    /// Segments.
    pub fn segments(&self) -> u32 {
        (self.index.len() - 1) as u32
    }

    /// The bytes of segment `number`, from 0 on.
    pub fn segment(&mut self, number: u32) -> Result<Vec<u8>, LofiError> {
        let bytes = self.raw(number)?;
        segment::unpack(self.algorithm, &bytes, self.length(number))
            .ok_or(LofiError::Damaged(number))
    }

    /// Writes all of the image to `out`.
    pub fn copy(&mut self, out: &mut impl Write) -> Result<(), LofiError> {
        let all = self.segments();
        for first in (0..all).step_by(TOGETHER) {
            let numbers = first..all.min(first + TOGETHER as u32);
            let raw: Vec<(u32, Vec<u8>)> = numbers
                .map(|number| Ok((number, self.raw(number)?)))
                .collect::<Result<_, LofiError>>()?;
            let algorithm = self.algorithm;
            let lengths: Vec<usize> = raw.iter().map(|(number, _)| self.length(*number)).collect();
            let unpacked: Vec<Result<Vec<u8>, LofiError>> = raw
                .into_par_iter()
                .zip(lengths)
                .map(|((number, bytes), length)| {
                    segment::unpack(algorithm, &bytes, length).ok_or(LofiError::Damaged(number))
                })
                .collect();
            for bytes in unpacked {
                out.write_all(&bytes?)?;
            }
        }
        Ok(())
    }

    /// Bytes that segment `number` stands for.
    fn length(&self, number: u32) -> usize {
        if number + 1 == self.segments() { self.last as usize } else { self.segment as usize }
    }

    fn raw(&mut self, number: u32) -> Result<Vec<u8>, LofiError> {
        let at = number as usize;
        let (Some(&from), Some(&to)) = (self.index.get(at), self.index.get(at + 1)) else {
            return Err(LofiError::Damaged(number));
        };
        // Never longer than when it is stored.
        if to - from > u64::from(self.segment) + 1 {
            return Err(LofiError::Damaged(number));
        }
        let mut bytes = vec![0; (to - from) as usize];
        self.from.seek(SeekFrom::Start(from))?;
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
