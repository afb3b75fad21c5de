//! write.rs - what is laid out, as a stream.

use std::io::{self, Write};

use super::SECTOR;
use super::plan::Plan;
use crate::content::Content;
use crate::feed::{Feed, FeedError, Want};

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
        let wants: Vec<Want<'_>> =
            self.files.iter().map(|(path, size, _)| (*path, *size)).collect();
        out.write_all(&self.head)?;
        let mut at = self.head.len() as u64;
        std::thread::scope(|scope| -> Result<(), WriteError> {
            let mut feed = Feed::start(scope, content, &wants);
            for (_, size, sector) in &self.files {
                fill(out, &mut at, sector * SECTOR)?;
                feed.next(|part| out.write_all(part).map_err(WriteError::from))?;
                at += size;
            }
            Ok(())
        })?;
        Ok(fill(out, &mut at, self.bytes())?)
    }
}

/// Writes NULs from one place to another.
fn fill(out: &mut impl Write, at: &mut u64, to: u64) -> io::Result<()> {
    while *at < to {
        let part = (to - *at).min(NULS.len() as u64);
        out.write_all(&NULS[..part as usize])?;
        *at += part;
    }
    Ok(())
}
