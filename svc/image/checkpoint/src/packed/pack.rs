//! pack.rs - files' bytes, one after the other, in a checkpoint's packs.
//!
//! `.checkpoints/N/pack.K`: one for each thread that writes, so none waits for another.  A pack
//! never changes once its checkpoint is there, but for a large file that was linked becoming a copy.  Small files are gathered and written together; large
//! ones begin on a block, and share their blocks where the file system can.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::{collections::HashMap, sync::Arc};

use nix::sys::stat::FileStat;
use nix::unistd::Whence;

use super::index::{Content, Segments};
use super::take::Target;
use crate::area::Writer;
use crate::disk::Disk;
use crate::error::{PathError, at};
use crate::store::KeptFile;
use crate::sys;

/// How much is gathered before it is written, and read at once.
const GATHER: usize = 1 << 20;

/// Files from this size on share blocks where that can be; smaller ones are copied faster.
const SHARE: u64 = 128 << 10;

/// Files from this size on are not copied where they need not be.
const LARGE: u64 = 1 << 20;

/// More than there are threads: packs of large files are numbered from here on.
const THREADS: u32 = 64;

/// What a shared file's place in a pack is a multiple of: the block size of every file system that
/// shares.
const BLOCK: u64 = 64 << 10;

/// The pack that one thread writes.
pub(super) struct Packer<'a> {
    disk: &'a Disk,
    folder: &'a Path,
    path: PathBuf,
    file: File,
    checkpoint: u32,
    pack: u32,
    shares: bool,
    next: Writer,
    /// Gathered, to be written at `written`.
    gathered: Vec<u8>,
    written: u64,
    /// Of what is written; `None`: some was shared and never read.
    sum: Option<crc32fast::Hasher>,
    /// Bytes kept by this one.
    pub(super) kept: u64,
    /// Packs that are files themselves.
    linked: Vec<KeptFile>,
}

impl<'a> Packer<'a> {
    /// Makes the pack `pack` of a checkpoint whose folder is there.
    pub(super) fn create(
        disk: &'a Disk,
        target: &Target<'a>,
        pack: u32,
    ) -> Result<Packer<'a>, PathError> {
        let Target { folder, checkpoint, shares, next } = *target;
        let path = folder.join(name(pack));
        disk.before("create").map_err(at(&path))?;
        let file = File::options().write(true).create_new(true).open(&path).map_err(at(&path))?;
        Ok(Packer {
            disk,
            folder,
            path,
            file,
            checkpoint,
            pack,
            shares,
            next,
            gathered: Vec::with_capacity(2 * GATHER),
            written: 0,
            sum: Some(crc32fast::Hasher::new()),
            kept: 0,
            linked: Vec::new(),
        })
    }

    /// Keeps the bytes of an open file, whose path is for messages.
    pub(super) fn keep(
        &mut self,
        file: &File,
        about: &FileStat,
        path: &Path,
    ) -> Result<Content, PathError> {
        let size = u64::try_from(about.st_size).unwrap_or(0);
        let blocks = u64::try_from(about.st_blocks).unwrap_or(0);
        let segments =
            if blocks * 512 < size { segments(file, size).map_err(at(path))? } else { None };
        let (checkpoint, pack) = (self.checkpoint, self.pack);
        // One that its owner may not read could not be read by another name either.
        let readable = about.st_mode & 0o400 != 0;
        if self.next.replaces() && size >= LARGE && segments.is_none() && readable {
            if let Some(pack) = self.link(about, path)? {
                return Ok(Content { checkpoint, pack, offset: 0, size, segments: None });
            }
        }
        let content = |offset, segments| Content { checkpoint, pack, offset, size, segments };
        let Some(segments) = segments else {
            if self.shares && size >= SHARE {
                self.flush()?;
                let offset = self.written.next_multiple_of(BLOCK);
                if sys::share(file, &self.file, offset, size).is_ok() {
                    (self.written, self.sum) = (offset + size, None);
                    return Ok(content(offset, None));
                }
            }
            let content = content(self.end(), None);
            self.copy(file, 0, size, path)?;
            return Ok(content);
        };
        let content = content(self.end(), Some(segments.clone()));
        for (place, length) in segments {
            self.copy(file, place, length, path)?;
        }
        Ok(content)
    }

    /// Makes a pack of a file itself, by another name; the pack's number.  `None`: it cannot be.
    fn link(&mut self, about: &FileStat, path: &Path) -> Result<Option<u32>, PathError> {
        // Numbers of different threads are different.
        let pack = self.pack + THREADS * (1 + self.linked.len() as u32);
        let to = self.folder.join(name(pack));
        self.disk.before("link").map_err(at(&to))?;
        if std::fs::hard_link(path, &to).is_err() {
            return Ok(None);
        }
        let linked = std::fs::symlink_metadata(&to).map_err(at(&to))?;
        if linked.ino() != about.st_ino {
            self.disk.discard(&to)?;
            return Ok(None);
        }
        let mtime = Some((linked.mtime(), linked.mtime_nsec()));
        self.linked.push(KeptFile { name: name(pack), length: linked.len(), sum: None, mtime });
        Ok(Some(pack))
    }

    fn end(&self) -> u64 {
        self.written + self.gathered.len() as u64
    }

    fn copy(
        &mut self,
        file: &File,
        mut place: u64,
        length: u64,
        path: &Path,
    ) -> Result<(), PathError> {
        let mut left = length;
        while left > 0 {
            let part = usize::try_from(left).map_or(GATHER, |left| left.min(GATHER));
            let start = self.gathered.len();
            self.gathered.resize(start + part, 0);
            file.read_exact_at(&mut self.gathered[start..], place).map_err(at(path))?;
            (place, left) = (place + part as u64, left - part as u64);
            if self.gathered.len() >= GATHER {
                self.flush()?;
            }
        }
        self.kept += length;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PathError> {
        if !self.gathered.is_empty() {
            self.disk.write(&self.file, &self.gathered, self.written).map_err(at(&self.path))?;
            self.written += self.gathered.len() as u64;
            if let Some(sum) = &mut self.sum {
                sum.update(&self.gathered);
            }
            self.gathered.clear();
        }
        Ok(())
    }

    /// Writes what is gathered; what the packs must be.
    pub(super) fn finish(mut self) -> Result<Vec<KeptFile>, PathError> {
        self.flush()?;
        let (name, length) = (name(self.pack), self.written);
        let sum = self.sum.map(crc32fast::Hasher::finalize);
        self.linked.push(KeptFile { name, length, sum, mtime: None });
        Ok(self.linked)
    }
}

/// The name of a pack in its checkpoint's folder.
pub(super) fn name(pack: u32) -> String {
    format!("pack.{pack}")
}

/// Whether a pack is one file, or was when it was kept.
pub(super) fn is_link(content: &Content) -> bool {
    content.pack >= THREADS
}

/// What of a file is no hole; `None` when nothing is.
fn segments(file: &File, size: u64) -> io::Result<Option<Segments>> {
    let seek = |place: u64, whence| {
        let place = i64::try_from(place).map_err(io::Error::other)?;
        match nix::unistd::lseek(file, place, whence) {
            Ok(found) => Ok(Some(u64::try_from(found).unwrap_or(size).min(size))),
            Err(nix::errno::Errno::ENXIO) => Ok(None),
            Err(errno) => Err(io::Error::from(errno)),
        }
    };
    let mut found = Vec::new();
    let mut place = 0;
    while let Some(data) = seek(place, Whence::SeekData)? {
        let hole = seek(data, Whence::SeekHole)?.unwrap_or(size);
        if hole <= data {
            break;
        }
        found.push((data, hole - data));
        place = hole;
    }
    Ok((found != [(0, size)]).then(|| found.into_boxed_slice()))
}

/// The packs of all checkpoints, to be read; each is opened once.
pub(super) struct Packs<'a> {
    checkpoints: &'a Path,
    open: RwLock<HashMap<(u32, u32), Arc<File>>>,
}

impl<'a> Packs<'a> {
    /// The packs below `.checkpoints`.
    pub(super) fn new(checkpoints: &'a Path) -> Packs<'a> {
        Packs { checkpoints, open: RwLock::default() }
    }

    fn path(&self, content: &Content) -> PathBuf {
        self.checkpoints.join(content.checkpoint.to_string()).join(name(content.pack))
    }

    fn pack(&self, content: &Content) -> Result<Arc<File>, PathError> {
        let key = (content.checkpoint, content.pack);
        let poisoned = std::sync::PoisonError::into_inner;
        if let Some(pack) = self.open.read().unwrap_or_else(poisoned).get(&key) {
            return Ok(Arc::clone(pack));
        }
        let path = self.path(content);
        let pack = Arc::new(File::open(&path).map_err(at(&path))?);
        let mut open = self.open.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        open.insert(key, Arc::clone(&pack));
        Ok(pack)
    }

    /// Whether an open file, which is as long, has these bytes, and the same holes.
    pub(super) fn is_same(
        &self,
        content: &Content,
        file: &File,
        path: &Path,
        buffers: &mut Buffers,
    ) -> Result<bool, PathError> {
        if content.size == 0 {
            return Ok(true);
        }
        if content.segments.is_some()
            && segments(file, content.size).map_err(at(path))? != content.segments
        {
            return Ok(false);
        }
        let pack = self.pack(content)?;
        for Part { place, from, length } in parts(content) {
            let (one, two) = (&mut buffers.one[..length], &mut buffers.two[..length]);
            file.read_exact_at(one, place).map_err(at(path))?;
            pack.read_exact_at(two, from).map_err(at(&self.path(content)))?;
            if one != two {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Fills a new file.
    pub(super) fn fill(
        &self,
        disk: &Disk,
        content: &Content,
        file: &File,
        path: &Path,
        buffers: &mut Buffers,
    ) -> Result<(), PathError> {
        if content.size == 0 {
            return Ok(());
        }
        let pack = self.pack(content)?;
        if content.segments.is_some() {
            disk.before("truncate").map_err(at(path))?;
            file.set_len(content.size).map_err(at(path))?;
        }
        for Part { place, from, length } in parts(content) {
            let bytes = &mut buffers.one[..length];
            pack.read_exact_at(bytes, from).map_err(at(&self.path(content)))?;
            disk.write(file, bytes, place).map_err(at(path))?;
        }
        Ok(())
    }
}

/// A part of a file, small enough for a buffer.
struct Part {
    /// Where in the file.
    place: u64,
    /// Where in the pack.
    from: u64,
    length: usize,
}

/// The parts of a file that are no hole.
fn parts(content: &Content) -> impl Iterator<Item = Part> + '_ {
    let whole = content.segments.is_none().then_some((0, content.size));
    let segments = content.segments.as_deref().unwrap_or_default().iter().copied();
    let mut from = content.offset;
    segments.chain(whole).flat_map(move |(place, length)| {
        let start = from;
        from += length;
        (0..length).step_by(GATHER).map(move |done| {
            let length = usize::try_from(length - done).map_or(GATHER, |left| left.min(GATHER));
            Part { place: place + done, from: start + done, length }
        })
    })
}

/// Room for a part of a file, twice.
pub(super) struct Buffers {
    one: Vec<u8>,
    two: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers { one: vec![0; GATHER], two: vec![0; GATHER] }
    }
}
