//! section.rs - a part of a stream as a stream of its own: a partition to write into.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// `length` bytes of a stream, from `base` on.
pub struct Section<'a, S> {
    stream: &'a mut S,
    base: u64,
    length: u64,
    at: u64,
}

impl<'a, S: Seek> Section<'a, S> {
    /// The part of `stream`; it stands at its own byte 0.
    pub fn of(stream: &'a mut S, base: u64, length: u64) -> io::Result<Self> {
        stream.seek(SeekFrom::Start(base))?;
        Ok(Self { stream, base, length, at: 0 })
    }

    /// How many of `wanted` bytes lie before the end.
    fn room(&self, wanted: usize) -> usize {
        (self.length.saturating_sub(self.at)).min(wanted as u64) as usize
    }
}

impl<S: Seek> Seek for Section<'_, S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        let to = to.ok_or(io::ErrorKind::InvalidInput)?;
        let there = self.base.checked_add(to).ok_or(io::ErrorKind::InvalidInput)?;
        self.stream.seek(SeekFrom::Start(there))?;
        self.at = to;
        Ok(to)
    }
}

impl<S: Write + Seek> Write for Section<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room(bytes.len());
        // 0 for what is behind the end: `write_all` makes an error of it.
        let count = self.stream.write(&bytes[..room])?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: Read + Seek> Read for Section<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.room(buffer.len());
        let count = self.stream.read(&mut buffer[..room])?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_part() {
        let mut all = io::Cursor::new(vec![1u8; 100]);
        let mut section = Section::of(&mut all, 40, 20).unwrap();
        section.write_all(&[2; 15]).unwrap();
        assert!(section.write_all(&[3; 6]).is_err());
        assert_eq!(section.seek(SeekFrom::End(-5)).unwrap(), 15);
        let mut rest = Vec::new();
        section.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, [3; 5]);
        assert!(section.seek(SeekFrom::Current(-21)).is_err());
        section.seek(SeekFrom::Start(50)).unwrap();
        assert!(section.write_all(&[4]).is_err());
        let bytes = all.into_inner();
        assert_eq!((bytes[39], bytes[40], bytes[60]), (1, 2, 1));
    }
}
