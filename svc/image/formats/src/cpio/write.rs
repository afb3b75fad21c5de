//! write.rs - a table and its files as a cpio archive.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use image_tree::{Entry, Kind, Tree};

use super::{BLOCK, CHARACTER, CpioError, DIRECTORY, END, FIFO, FILE, Format, SECTOR, SYMLINK};
use crate::content::{Content, longer};

/// A member's header, before it has digits.
#[derive(Default)]
struct Header {
    ino: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    mtime: u64,
    size: u64,
    rdev: (u32, u32),
    check: u32,
}

/// The names of a file: which is the last, and how many there are.
struct Names<'a> {
    last: &'a str,
    count: u32,
}

/// Writes `tree` with `content` to `out`; returns the archive's length.
pub fn write(
    tree: &Tree,
    content: &dyn Content,
    format: Format,
    out: &mut impl Write,
) -> Result<u64, CpioError> {
    let mut names: BTreeMap<&str, Names<'_>> = BTreeMap::new();
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    for (path, entry) in tree.iter() {
        let first = match &entry.kind {
            Kind::HardLink { target } => target.as_str(),
            _ => path,
        };
        names
            .entry(first)
            .and_modify(|names| names.count += 1)
            .or_insert(Names { last: path, count: 1 })
            .last = path;
        if first == path {
            numbers.insert(path, numbers.len() as u64 + 1);
        }
    }
    let mut archive = Archive { format, out, length: 0 };
    for (path, entry) in tree.iter() {
        let (first, entry) = match &entry.kind {
            Kind::HardLink { target } => (target.as_str(), file_of(tree, path, target)?),
            _ => (path, entry),
        };
        let names = &names[first];
        let mut header = header(entry);
        header.ino = numbers[first];
        header.links = match entry.kind {
            Kind::Directory => 2 + subdirectories(tree, path),
            _ => names.count,
        };
        if format != Format::Odc && names.last != path {
            header.size = 0;
        }
        archive.member(Member { path, first, entry, header }, content)?;
    }
    archive.end()
}

fn file_of<'a>(tree: &'a Tree, path: &str, target: &str) -> Result<&'a Entry, CpioError> {
    tree.get(target)
        .filter(|entry| !matches!(entry.kind, Kind::Directory | Kind::HardLink { .. }))
        .ok_or_else(|| CpioError::HardLink { path: path.to_string(), target: target.to_string() })
}

fn subdirectories(tree: &Tree, path: &str) -> u32 {
    let skip = if path.is_empty() { 0 } else { path.len() + 1 };
    let children = tree.below(path).filter(|(below, _)| !below[skip..].contains('/'));
    children.filter(|(_, entry)| entry.kind == Kind::Directory).count() as u32
}

fn header(entry: &Entry) -> Header {
    let (kind, size, rdev) = match &entry.kind {
        Kind::Directory | Kind::HardLink { .. } => (DIRECTORY, 0, (0, 0)),
        Kind::File { size } => (FILE, *size, (0, 0)),
        Kind::Symlink { target } => (SYMLINK, target.len() as u64, (0, 0)),
        Kind::CharacterDevice { major, minor } => (CHARACTER, 0, (*major, *minor)),
        Kind::BlockDevice { major, minor } => (BLOCK, 0, (*major, *minor)),
        Kind::Fifo => (FIFO, 0, (0, 0)),
    };
    let Entry { mode, uid, gid, mtime, .. } = *entry;
    let mtime = u64::try_from(mtime).unwrap_or(0);
    Header { mode: kind | (mode & 0o7777), uid, gid, mtime, size, rdev, ..Header::default() }
}

/// One name, with the entry of the file it names.
struct Member<'a> {
    path: &'a str,
    first: &'a str,
    entry: &'a Entry,
    header: Header,
}

struct Archive<'a, W> {
    format: Format,
    out: &'a mut W,
    length: u64,
}

impl<W: Write> Archive<'_, W> {
    fn member(&mut self, member: Member<'_>, content: &dyn Content) -> Result<(), CpioError> {
        let Member { path, first, entry, mut header } = member;
        let size = header.size;
        let failed = |source| CpioError::Content { path: first.to_string(), source };
        let open = || -> io::Result<Box<dyn Read + '_>> {
            match &entry.kind {
                Kind::Symlink { target } => Ok(Box::new(target.as_bytes())),
                Kind::File { .. } => content.open(first),
                _ => Ok(Box::new(io::empty())),
            }
        };
        if self.format == Format::Crc && size > 0 {
            let mut sum = Sum(0);
            io::copy(&mut open().map_err(failed)?.take(size), &mut sum).map_err(failed)?;
            header.check = sum.0;
        }
        self.header(path, &header)?;
        if size > 0 {
            let mut from = open().map_err(failed)?;
            copy(&mut from, size, self.out).map_err(|error| match error {
                Copy::From(source) => failed(source),
                Copy::To(source) => CpioError::Io(source),
            })?;
            self.length += size;
        }
        self.fill(self.format.unit())
    }

    fn header(&mut self, path: &str, header: &Header) -> Result<(), CpioError> {
        let name = if path.is_empty() { "." } else { path };
        let text = match self.format {
            Format::Odc => odc(header, name)?,
            Format::Newc | Format::Crc => newc(self.format, header, name)?,
        };
        self.put(text.as_bytes())?;
        self.put(name.as_bytes())?;
        self.put(&[0])?;
        self.fill(self.format.unit())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), CpioError> {
        self.length += bytes.len() as u64;
        Ok(self.out.write_all(bytes)?)
    }

    fn fill(&mut self, unit: u64) -> Result<(), CpioError> {
        let missing = self.length.next_multiple_of(unit) - self.length;
        self.put(&[0; SECTOR as usize][..missing as usize])
    }

    fn end(mut self) -> Result<u64, CpioError> {
        self.header(END, &Header { links: 1, ..Header::default() })?;
        self.fill(SECTOR)?;
        self.out.flush()?;
        Ok(self.length)
    }
}

/// `value` in so many digits of base 8 or 16.
fn digits(
    value: u64,
    width: usize,
    base: u32,
    path: &str,
    field: &'static str,
) -> Result<String, CpioError> {
    let text = if base == 8 { format!("{value:0width$o}") } else { format!("{value:0width$X}") };
    if text.len() > width {
        return Err(CpioError::Number { path: path.to_string(), field });
    }
    Ok(text)
}

fn odc(header: &Header, name: &str) -> Result<String, CpioError> {
    // 18 bits of inode number: what lies above them becomes the device's.
    let (dev, ino) = (header.ino >> 18, header.ino & 0x3_ffff);
    let rdev = match header.rdev {
        (major @ 0..=0xff, minor @ 0..=0xff) => major << 8 | minor,
        _ => u32::MAX,
    };
    let mut text = String::from("070707");
    for (value, width, field) in [
        (dev, 6, "inode number"),
        (ino, 6, "inode number"),
        (u64::from(header.mode), 6, "mode"),
        (u64::from(header.uid), 6, "owner"),
        (u64::from(header.gid), 6, "group"),
        (u64::from(header.links), 6, "link count"),
        (u64::from(rdev), 6, "device number"),
        (header.mtime, 11, "time"),
        (name.len() as u64 + 1, 6, "name"),
        (header.size, 11, "size"),
    ] {
        text.push_str(&digits(value, width, 8, name, field)?);
    }
    Ok(text)
}

fn newc(format: Format, header: &Header, name: &str) -> Result<String, CpioError> {
    let mut text: String = format.magic().iter().map(|&byte| char::from(byte)).collect();
    for (value, field) in [
        (header.ino, "inode number"),
        (u64::from(header.mode), "mode"),
        (u64::from(header.uid), "owner"),
        (u64::from(header.gid), "group"),
        (u64::from(header.links), "link count"),
        (header.mtime, "time"),
        (header.size, "size"),
        (0, "device"),
        (0, "device"),
        (u64::from(header.rdev.0), "device number"),
        (u64::from(header.rdev.1), "device number"),
        (name.len() as u64 + 1, "name"),
        (u64::from(header.check), "check"),
    ] {
        text.push_str(&digits(value, 8, 16, name, field)?);
    }
    Ok(text)
}

enum Copy {
    From(io::Error),
    To(io::Error),
}

/// Copies exactly `size` bytes, and holds that there are no more.
fn copy(from: &mut dyn Read, size: u64, out: &mut impl Write) -> Result<(), Copy> {
    let mut buffer = vec![0; (size.min(1 << 20)) as usize];
    let mut left = size;
    while left > 0 {
        let count = left.min(buffer.len() as u64) as usize;
        from.read_exact(&mut buffer[..count]).map_err(Copy::From)?;
        out.write_all(&buffer[..count]).map_err(Copy::To)?;
        left -= count as u64;
    }
    match from.read(&mut [0]).map_err(Copy::From)? {
        0 => Ok(()),
        _ => Err(Copy::From(longer(size))),
    }
}

/// The sum of all bytes, modulo 2^32.
pub(super) struct Sum(pub u32);

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sum = bytes.iter().fold(0u64, |sum, &byte| sum + u64::from(byte));
        self.0 = self.0.wrapping_add(sum as u32);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
