//! pipe.rs - what one thread writes, read by another.
//!
//! Law: a reader that meets the end has all that was written, unless the writer was dropped before
//! [`Writer::end`]: that is a failure, never a short stream.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes that go over at once.
const PARCEL: usize = 1 << 20;
/// Parcels on their way.
const ROOM: usize = 4;

/// The end that is written to.
pub struct Writer {
    to: SyncSender<Vec<u8>>,
    gathered: Vec<u8>,
}

/// The end that is read from.
pub struct Reader {
    from: Receiver<Vec<u8>>,
    parcel: Vec<u8>,
    at: usize,
    ended: bool,
}

/// A pipe.
pub fn pipe() -> (Writer, Reader) {
    let (to, from) = sync_channel(ROOM);
    let reader = Reader { from, parcel: Vec::new(), at: 0, ended: false };
    (Writer { to, gathered: Vec::with_capacity(PARCEL) }, reader)
}

impl Writer {
    /// There is no more.
    pub fn end(mut self) -> io::Result<()> {
        self.flush()?;
        // An empty parcel is the end.
        self.to.send(Vec::new()).map_err(|_| gone())
    }
}

/// Nobody reads any more.
fn gone() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = bytes.len().min(PARCEL - self.gathered.len());
        self.gathered.extend_from_slice(&bytes[..part]);
        if self.gathered.len() == PARCEL {
            self.flush()?;
        }
        Ok(part)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let parcel = std::mem::replace(&mut self.gathered, Vec::with_capacity(PARCEL));
        self.to.send(parcel).map_err(|_| gone())
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.parcel.len() && !self.ended {
            let cut = |_| io::Error::new(io::ErrorKind::UnexpectedEof, "the writer ended early");
            (self.parcel, self.at) = (self.from.recv().map_err(cut)?, 0);
            self.ended = self.parcel.is_empty();
        }
        let part = into.len().min(self.parcel.len() - self.at);
        into[..part].copy_from_slice(&self.parcel[self.at..self.at + part]);
        self.at += part;
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_no_stream_is_short() {
        let bytes: Vec<u8> = (0..7 * PARCEL / 2).map(|at| (at % 251) as u8).collect();
        for ends in [true, false] {
            let (mut to, mut from) = pipe();
            let mut read = Vec::new();
            let result = std::thread::scope(|scope| {
                scope.spawn(|| {
                    to.write_all(&bytes).unwrap();
                    if ends {
                        to.end().unwrap();
                    } else {
                        to.flush().unwrap();
                        drop(to);
                    }
                });
                from.read_to_end(&mut read)
            });
            assert!(read == bytes);
            assert_eq!(result.is_ok(), ends);
        }
        let (mut to, from) = pipe();
        drop(from);
        assert!(to.write_all(&bytes).is_err());
    }
}
