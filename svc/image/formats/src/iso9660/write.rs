//! write.rs - what is laid out, as a stream.

use std::io::{self, Write};

use super::SECTOR;
use super::plan::Plan;
use crate::content::Content;
use crate::feed::{Feed, FeedError, Want};
use crate::pieces::{self, Digest, Names};

/// NULs to write at once.
const NULS: [u8; 16 << 10] = [0; 16 << 10];

/// Why no file system came out.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file's contents cannot be read, or are not as long as the table says.
    #[error("{path}: {source}")]
    Content {
        /// The file.
        path: String,
        /// What happened.
        source: io::Error,
    },
    /// The stream cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<FeedError> for WriteError {
    fn from(FeedError { path, source }: FeedError) -> Self {
        Self::Content { path, source }
    }
}

impl Plan<'_> {
    /// Writes it to `out`, from its byte 0 on.
    pub fn write(&self, content: &dyn Content, out: &mut impl Write) -> Result<(), WriteError> {
        self.write_rest(content, &Names::default(), self.bytes(), out)
    }

    /// Writes of it only the pieces of `length` bytes that were not found by their names; files that lie
    /// in none of them are not opened.
    pub fn write_rest(
        &self,
        content: &dyn Content,
        names: &Names,
        length: u64,
        out: &mut impl Write,
    ) -> Result<(), WriteError> {
        let is_read = |size: u64, sector: u64| {
            let from = (sector * SECTOR).min(self.bytes() - 1);
            let last = (from + size.max(1) - 1) / length;
            (from / length..=last).any(|piece| !names.is_found(piece as usize))
        };
        let files = self.files.iter();
        let read = files.filter(|(_, size, sector)| is_read(*size, *sector));
        let wants: Vec<Want<'_>> = read.map(|(path, size, _)| (*path, *size)).collect();
        let mut out = Sieve { out, names, length, at: 0 };
        out.write(&self.head)?;
        std::thread::scope(|scope| -> Result<(), WriteError> {
            let mut feed = Feed::start(scope, content, &wants);
            for (_, size, sector) in &self.files {
                out.fill(sector * SECTOR)?;
                match is_read(*size, *sector) {
                    true => feed.next(|part| out.write(part).map_err(WriteError::from))?,
                    false => out.at += size,
                }
            }
            Ok(())
        })?;
        Ok(out.fill(self.bytes())?)
    }

    /// What each piece of `length` bytes is called: by `way` and by what is in it, `known` telling of
    /// each file a name that only its content has; none of a piece with a file of which it is not known.
    pub fn names<'k>(
        &self,
        way: &str,
        length: u64,
        known: impl Fn(&str) -> Option<&'k str>,
    ) -> Vec<Option<Digest>> {
        let (bytes, names) = (self.bytes(), Vec::new());
        let mut naming = Naming { way, length, bytes, names, begun: 0, name: None };
        for (piece, head) in self.head.chunks(length as usize).enumerate() {
            naming.begin(piece as u64);
            naming.add(&[head]);
        }
        for (path, size, sector) in &self.files {
            let content = known(path);
            let (from, end) = (sector * SECTOR, sector * SECTOR + size);
            let mut at = from;
            while at < end {
                naming.begin(at / length);
                let part = ((at / length + 1) * length).min(end) - at;
                match content {
                    Some(content) => {
                        let places = [at % length, at - from, part, *size].map(u64::to_le_bytes);
                        naming.add(&[content.as_bytes(), places.as_flattened()]);
                    }
                    None => naming.name = None,
                }
                at += part;
            }
        }
        naming.begin(self.bytes().div_ceil(length));
        naming.names
    }
}

/// The names of pieces, one after the other as they become known.
struct Naming<'a> {
    way: &'a str,
    length: u64,
    bytes: u64,
    names: Vec<Option<Digest>>,
    /// How many were begun.
    begun: u64,
    /// Of the piece at hand; none: something in it has no name.
    name: Option<blake3::Hasher>,
}

impl Naming<'_> {
    /// Goes on to a piece that is not before the one at hand.
    fn begin(&mut self, piece: u64) {
        while self.begun <= piece {
            if self.begun > 0 {
                self.names.push(self.name.take().map(|name| name.finalize().into()));
            }
            let size = (self.bytes - (self.begun * self.length).min(self.bytes)).min(self.length);
            self.name = Some(blake3::Hasher::new());
            self.begun += 1;
            self.add(&[b"names of ", self.way.as_bytes(), &size.to_le_bytes()]);
        }
    }

    fn add(&mut self, parts: &[&[u8]]) {
        if let Some(name) = &mut self.name {
            pieces::add(name, parts);
        }
    }
}

/// Lets through what lies in pieces that were not found.
struct Sieve<'a, W> {
    out: &'a mut W,
    names: &'a Names,
    length: u64,
    at: u64,
}

impl<W: Write> Sieve<'_, W> {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = usize::try_from(self.length - self.at % self.length).unwrap_or(usize::MAX);
            let (part, rest) = bytes.split_at(left.min(bytes.len()));
            if !self.names.is_found((self.at / self.length) as usize) {
                self.out.write_all(part)?;
            }
            self.at += part.len() as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Writes NULs up to a place.
    fn fill(&mut self, to: u64) -> io::Result<()> {
        while self.at < to {
            let part = (to - self.at).min(NULS.len() as u64);
            self.write(&NULS[..part as usize])?;
        }
        Ok(())
    }
}
