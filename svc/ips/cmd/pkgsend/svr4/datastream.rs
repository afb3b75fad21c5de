//! datastream.rs - a package as one file, made a folder of.
//!
//! ```text
//! # PaCkAgE DaTaStReAm        the package's name and its parts; then
//! EXpkg 1 100                 # end of header, and zeros up to a multiple of 512
//! # end of header
//! cpio: EXpkg/pkginfo EXpkg/pkgmap TRAILER!!!   zeros up to a multiple of 512
//! cpio: pkginfo pkgmap install/... reloc/... root/... TRAILER!!!
//! ```
//!
//! The whole may be compressed by gzip.  cpio headers are ASCII, old (070707) or new (070701, 070702).
//! Regular files are taken; a name that leads out of the folder is refused.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use ips_cmd::Failure;

const MAGIC: &[u8] = b"# PaCkAgE DaTaStReAm";
const END_OF_HEADER: &str = "# end of header";
const TRAILER: &str = "TRAILER!!!";
const BLOCK: u64 = 512;
/// The type bits of a mode, and those of a regular file.
const TYPE: u64 = 0o170_000;
const REGULAR: u64 = 0o100_000;
/// Names longer than this are none.
const LONGEST: u64 = 4096;
/// Headers have fewer packages than lines here.
const MOST_LINES: usize = 1000;

/// Bytes, and how many were read.
struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        Ok(count)
    }
}

impl<R: BufRead> Counted<R> {
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.read += (&mut self.inner).take(LONGEST).read_until(b'\n', &mut line)? as u64;
        Ok(String::from_utf8_lossy(&line).trim_end().to_string())
    }

    fn skip(&mut self, count: u64) -> io::Result<()> {
        io::copy(&mut self.by_ref().take(count), &mut io::sink()).map(drop)
    }

    /// Goes on to a multiple.
    fn align(&mut self, to: u64) -> io::Result<()> {
        self.skip(self.read.next_multiple_of(to) - self.read)
    }

    fn number(&mut self, digits: u64, radix: u32) -> io::Result<u64> {
        let mut text = String::new();
        self.by_ref().take(digits).read_to_string(&mut text)?;
        let odd = text.len() as u64 != digits;
        let number = u64::from_str_radix(&text, radix).ok().filter(|_| !odd);
        number.ok_or_else(|| broken("a header of the archive is damaged"))
    }
}

fn broken(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

type Stream = Counted<Box<dyn BufRead>>;

fn open(path: &Path) -> io::Result<Stream> {
    let mut file = BufReader::new(fs::File::open(path)?);
    let compressed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let inner: Box<dyn BufRead> = match compressed {
        true => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file))),
        false => Box::new(file),
    };
    Ok(Counted { inner, read: 0 })
}

/// Whether a file is a package.
pub fn is_datastream(path: &Path) -> bool {
    let begins = || -> io::Result<bool> {
        let mut head = vec![0; MAGIC.len()];
        open(path)?.read_exact(&mut head)?;
        Ok(head == MAGIC)
    };
    begins().unwrap_or(false)
}

/// A folder with what the file holds.
pub fn unpacked(path: &Path) -> Result<tempfile::TempDir, Failure> {
    let folder = tempfile::tempdir()?;
    let told = |error: io::Error| Failure::new(format!("{}: {error}", path.display()));
    let mut stream = open(path).map_err(told)?;
    let packages = header(&mut stream).map_err(told)?;
    if packages != 1 {
        return Err(Failure::new(
            "Multi-package datastreams are not supported.\nPlease use pkgtrans(1) to convert this bundle to multiple\nfilesystem format packages.",
        ));
    }
    // The first archive has the package's name before what describes it.
    archive(&mut stream, folder.path(), 1).map_err(told)?;
    archive(&mut stream, folder.path(), 0).map_err(told)?;
    Ok(folder)
}

/// How many packages there are.
fn header(stream: &mut Stream) -> io::Result<usize> {
    stream.line()?;
    for packages in 0..MOST_LINES {
        if stream.line()? == END_OF_HEADER {
            stream.align(BLOCK)?;
            return Ok(packages);
        }
    }
    Err(broken("the header has no end"))
}

/// An entry of an archive: its mode, how long its content is, its name, and to which multiple it
/// is filled up.
struct Entry {
    mode: u64,
    size: u64,
    name: String,
    filled: u64,
}

fn archive(stream: &mut Stream, folder: &Path, without: usize) -> io::Result<()> {
    // Zeros may stand before it.
    let start = loop {
        let start = stream.read;
        let mut magic = [0; 6];
        stream.read_exact(&mut magic).map_err(|_| broken("an archive is missing"))?;
        match &magic {
            [0, 0, 0, 0, 0, 0] => stream.align(BLOCK)?,
            _ => break (start, magic),
        }
    };
    let (mut start, mut magic) = start;
    loop {
        let entry = entry(stream, &magic, start)?;
        if entry.name == TRAILER {
            return stream.align(BLOCK);
        }
        let place = within(&entry.name, without)?;
        match place.filter(|_| entry.mode & TYPE == REGULAR) {
            Some(place) => {
                let path = folder.join(place);
                fs::create_dir_all(path.parent().unwrap_or(folder))?;
                let mut file = fs::File::create(&path)?;
                let written = io::copy(&mut stream.by_ref().take(entry.size), &mut file)?;
                if written != entry.size {
                    return Err(broken("the archive ends early"));
                }
            }
            None => stream.skip(entry.size)?,
        }
        fill(stream, start, entry.filled)?;
        start = stream.read;
        stream.read_exact(&mut magic).map_err(|_| broken("the archive ends early"))?;
    }
}

/// Skips what fills the archive up, counted from an entry's start.
fn fill(stream: &mut Stream, start: u64, to: u64) -> io::Result<()> {
    let length = stream.read - start;
    stream.skip(length.next_multiple_of(to) - length)
}

fn entry(stream: &mut Stream, magic: &[u8; 6], start: u64) -> io::Result<Entry> {
    let (mode, size, name, filled) = match magic {
        b"070701" | b"070702" => {
            let mut fields = [0; 13];
            for field in &mut fields {
                *field = stream.number(8, 16)?;
            }
            (fields[1], fields[6], fields[11], 4)
        }
        b"070707" => {
            let mut fields = [0; 10];
            for (at, field) in fields.iter_mut().enumerate() {
                *field = stream.number(if matches!(at, 7 | 9) { 11 } else { 6 }, 8)?;
            }
            (fields[2], fields[9], fields[8], 1)
        }
        _ => return Err(broken("not a cpio archive with ASCII headers")),
    };
    if name == 0 || name > LONGEST {
        return Err(broken("a name in the archive is damaged"));
    }
    let mut bytes = vec![0; usize::try_from(name).unwrap_or_default()];
    stream.read_exact(&mut bytes)?;
    fill(stream, start, filled)?;
    bytes.pop();
    let name =
        String::from_utf8(bytes).map_err(|_| broken("a name in the archive is not UTF-8"))?;
    Ok(Entry { mode, size, name, filled })
}

/// Where an entry goes: its name without its first components; none for a name that has no more.
fn within(name: &str, without: usize) -> io::Result<Option<PathBuf>> {
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(broken("a name in the archive leads out of the package"));
            }
        }
    }
    let path: PathBuf = parts.iter().skip(without).collect();
    Ok(Some(path).filter(|path| path.as_os_str() != ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, without, place) in [
            ("EXpkg/pkginfo", 1, Some("pkginfo")),
            ("./reloc/usr/x", 0, Some("reloc/usr/x")),
            ("EXpkg", 1, None),
        ] {
            assert_eq!(within(name, without).unwrap(), place.map(PathBuf::from), "{name}");
        }
        for bad in ["../x", "/etc/passwd", "a/../../x"] {
            assert!(within(bad, 0).is_err(), "{bad}");
        }
    }
}
