//! intake.rs - a payload that came as a file: described and compressed where it lies.
//!
//! A large payload costs little memory: content and compressed form are mapped, so they are pages
//! of files, which the system takes back when it needs the room.  The bytes are those that
//! `payload` makes of the same content.
//!
//! Law: what is mapped is a private file that nobody else has the name of, or a payload of the
//! repository, which never changes; so nothing is cut short under the map.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use ips_model::configuration::Compression;
use memmap2::{Mmap, MmapMut};
use tempfile::NamedTempFile;

use crate::error::{PathError, at};
use crate::payload::{Content, Stream, compress, compress_into, compress_zlib, stored_bound};
use crate::transaction::readable_in;

/// From this size on a file is mapped instead of read.
const LARGE: u64 = 4 << 20;

/// A payload described, and its stored form where it is new.
pub(crate) struct Taken {
    pub(crate) content: Content,
    pub(crate) stream: Stream,
    pub(crate) stored: Option<NamedTempFile>,
}

/// Describes content.  Unless `held` finds a stored copy by its SHA-1, the stored form is written
/// to a new file in `folder`.
pub(crate) fn take_in(
    bytes: &[u8],
    folder: &Path,
    held: impl FnOnce(&str) -> Option<PathBuf>,
    with: Compression,
) -> Result<Taken, PathError> {
    let content = Content::of(bytes);
    if let Some(held) = held(&content.sha1) {
        let stream = Stream::of(&Bytes::map(&held).map_err(at(&held))?);
        return Ok(Taken { content, stream, stored: None });
    }
    let mut stored = readable_in(folder).map_err(at(folder))?;
    write_stored(bytes, stored.as_file_mut(), with).map_err(at(folder))?;
    let stream = Stream::of(&Bytes::map(stored.path()).map_err(at(folder))?);
    Ok(Taken { content, stream, stored: Some(stored) })
}

fn write_stored(bytes: &[u8], to: &mut File, with: Compression) -> io::Result<()> {
    let large = bytes.len() as u64 >= LARGE;
    match with {
        Compression::Zlib if large => compress_zlib(bytes, to),
        Compression::Libdeflate if large && reserve(to, stored_bound(bytes.len()))? => {
            // SAFETY: the file is new and private (see above), and its blocks are there, so
            // writing to the map meets neither its end nor a full disk.
            let mut out = unsafe { MmapMut::map_mut(&*to) }?;
            let length = compress_into(bytes, &mut out);
            drop(out);
            to.set_len(length as u64)
        }
        Compression::Zlib | Compression::Libdeflate => to.write_all(&compress(bytes, with)),
    }
}

/// Gives a new file its blocks.  False: this file system cannot promise them.
#[cfg(target_os = "linux")]
fn reserve(file: &File, length: usize) -> io::Result<bool> {
    use std::os::fd::AsRawFd;
    let length = libc::off_t::try_from(length).map_err(io::Error::other)?;
    // SAFETY: takes no pointer; the descriptor is open for the call.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
        0 => Ok(true),
        libc::EINVAL | libc::EOPNOTSUPP | libc::ENOSYS => {
            file.set_len(0)?;
            Ok(false)
        }
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// ZFS, the file system of illumos, promises no blocks.
#[cfg(not(target_os = "linux"))]
fn reserve(_: &File, _: usize) -> io::Result<bool> {
    Ok(false)
}

/// A file's bytes, read or mapped.
pub(crate) enum Bytes {
    Read(Vec<u8>),
    Mapped(Mmap),
}

impl Bytes {
    /// Of a file that somebody may be writing to.
    pub(crate) fn read(path: &Path) -> io::Result<Bytes> {
        Ok(Bytes::Read(std::fs::read(path)?))
    }

    /// Of a file that is nobody else's, or never changes.
    pub(crate) fn map(path: &Path) -> io::Result<Bytes> {
        let file = File::open(path)?;
        if file.metadata()?.len() < LARGE {
            return Bytes::read(path);
        }
        // SAFETY: nobody changes or cuts the file while it is mapped (see above).
        Ok(Bytes::Mapped(unsafe { Mmap::map(&file) }?))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Read(bytes) => bytes,
            Bytes::Mapped(map) => map,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_a_payload_in_memory() {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("source");
        for size in [0, 1_000, LARGE as usize + 77_777] {
            let content: Vec<u8> = (0..size).map(|at| (at * at / 251) as u8).collect();
            std::fs::write(&source, &content).unwrap();
            let bytes = Bytes::map(&source).unwrap();
            assert!(*bytes == content);
            for with in [Compression::Libdeflate, Compression::Zlib] {
                let taken = take_in(&bytes, place.path(), |_| None, with).unwrap();
                let wanted = compress(&content, with);
                let stored = taken.stored.unwrap();
                assert!(std::fs::read(stored.path()).unwrap() == wanted, "{size} {with:?}");
                assert_eq!(taken.stream, Stream::of(&wanted));
                assert_eq!(taken.content, Content::of(&content));
                let held = |_: &str| Some(stored.path().to_path_buf());
                let again = take_in(&bytes, place.path(), held, with).unwrap();
                assert_eq!(again.stream, taken.stream);
                assert!(again.stored.is_none());
            }
        }
    }
}
