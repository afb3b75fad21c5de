//! read.rs - a cpio archive read as a stream.  Nothing in it is trusted: names are held to be plain
//! paths, lengths to be there.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use image_tree::{Entry, Kind, Tree};

use super::write::Sum;
use super::{BLOCK, CHARACTER, CpioError, DIRECTORY, END, FIFO, FILE, Format, SYMLINK, TYPE};

/// Longest name or link.
const NAME_MAX: u64 = 4096;

struct Header {
    /// Device and inode: what names of one file share.
    file: (u64, u64, u64),
    mode: u32,
    uid: u32,
    gid: u32,
    links: u64,
    mtime: i64,
    rdev: (u32, u32),
    name: u64,
    size: u64,
    check: u32,
}

/// Reads an archive of any of the three formats: hands the bytes of every file to `keep`, with its
/// first name, and returns the table.
pub fn read(
    input: &mut impl Read,
    keep: &mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> Result<Tree, CpioError> {
    let mut from = Counted { from: input, at: 0 };
    let mut tree = Tree::new();
    let mut first: BTreeMap<(u64, u64, u64), String> = BTreeMap::new();
    loop {
        let at = from.at;
        let bad = |reason: String| CpioError::Format { at, reason };
        let (format, header) = header(&mut from)?;
        let name = name(&mut from, format, header.name)?;
        if name == END {
            return Ok(tree);
        }
        let path = if name == "." { "" } else { name.strip_prefix("./").unwrap_or(&name) };
        image_tree::check_path(path).map_err(|error| bad(error.to_string()))?;
        if tree.get(path).is_some() {
            return Err(bad(format!("{path} is there twice")));
        }
        let target = first.get(&header.file).cloned();
        let kind = kind(&mut from, &header, path, target.as_deref(), keep)
            .map_err(|reason| reason.unwrap_or_else(|text| bad(format!("{path}: {text}"))))?;
        from.fill(format.unit())?;
        let entry = match &target {
            Some(target) => {
                // Of newc, the last name has the data.
                if let (Kind::File { size }, Some(entry)) = (&kind, tree.get_mut(target)) {
                    if *size > 0 {
                        entry.kind = kind.clone();
                    }
                }
                let kind = Kind::HardLink { target: target.clone() };
                Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 }
            }
            None => {
                if header.links > 1 && kind != Kind::Directory {
                    first.insert(header.file, path.to_string());
                }
                let Header { mode, uid, gid, mtime, .. } = header;
                Entry { kind, mode: mode & 0o7777, uid, gid, mtime }
            }
        };
        tree.insert(path, entry).map_err(|error| bad(error.to_string()))?;
    }
}

/// A failure that has a text only, or one that is whole.
type Failure = Result<CpioError, String>;

fn kind<R: Read>(
    from: &mut Counted<'_, R>,
    header: &Header,
    path: &str,
    target: Option<&str>,
    keep: &mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> Result<Kind, Failure> {
    let whole = |error: CpioError| Ok::<_, String>(error);
    let (major, minor) = header.rdev;
    let size = header.size;
    let kind = match header.mode & TYPE {
        DIRECTORY => Kind::Directory,
        FIFO => Kind::Fifo,
        CHARACTER => Kind::CharacterDevice { major, minor },
        BLOCK => Kind::BlockDevice { major, minor },
        FILE => Kind::File { size },
        SYMLINK if size > NAME_MAX => return Err(Err("the link is too long".to_string())),
        SYMLINK => {
            let bytes = from.bytes(size).map_err(whole)?;
            let target = String::from_utf8(bytes);
            return Ok(Kind::Symlink { target: target.map_err(|_| Err("no UTF-8".to_string()))? });
        }
        other => return Err(Err(format!("type {other:o}"))),
    };
    if !matches!(kind, Kind::File { .. }) {
        return if size == 0 { Ok(kind) } else { Err(Err("data without a file".to_string())) };
    }
    let begin = from.at;
    let mut data = Data { from: from.by_ref().take(size), sum: Sum(0) };
    // Of odc, every name has the data; of newc and crc, a name without data is followed by one.
    if target.is_none() || size > 0 {
        let first = target.unwrap_or(path);
        let failed = |source| CpioError::Content { path: first.to_string(), source };
        keep(first, &mut data).map_err(|error| whole(failed(error)))?;
    }
    io::copy(&mut data, &mut io::sink()).map_err(|error| whole(error.into()))?;
    let sum = data.sum.0;
    if from.at - begin != size {
        return Err(Err("the archive ends within the data".to_string()));
    }
    if header.check != 0 && header.check != sum {
        return Err(Err(format!("check {:08X}, not {sum:08X}", header.check)));
    }
    Ok(kind)
}

fn header<R: Read>(from: &mut Counted<'_, R>) -> Result<(Format, Header), CpioError> {
    let at = from.at;
    let bad = |reason: &str| CpioError::Format { at, reason: reason.to_string() };
    let magic = from.bytes(6)?;
    let format = Format::ALL.into_iter().find(|format| magic == format.magic());
    let format = format.ok_or_else(|| bad("no header of odc, newc or crc"))?;
    let text = from.bytes(format.header() as u64 - 6)?;
    let text = std::str::from_utf8(&text).map_err(|_| bad("no digits"))?;
    let widths: &[usize] = match format {
        Format::Odc => &[6, 6, 6, 6, 6, 6, 6, 11, 6, 11],
        Format::Newc | Format::Crc => &[8; 13],
    };
    let base = if format == Format::Odc { 8 } else { 16 };
    let mut fields = Vec::new();
    let mut begin = 0;
    for width in widths {
        let digits = text.get(begin..begin + width).filter(|text| !text.starts_with('+'));
        let value = digits.and_then(|text| u64::from_str_radix(text, base).ok());
        fields.push(value.ok_or_else(|| bad("no digits"))?);
        begin += width;
    }
    Ok((format, of_fields(format, &fields)))
}

fn of_fields(format: Format, fields: &[u64]) -> Header {
    // At most 32 bits, or 18: see the widths.
    let small = |index: usize| fields[index] as u32;
    match format {
        Format::Odc => Header {
            file: (fields[0], 0, fields[1]),
            mode: small(2),
            uid: small(3),
            gid: small(4),
            links: fields[5],
            mtime: fields[7] as i64,
            rdev: (small(6) >> 8, small(6) & 0xff),
            name: fields[8],
            size: fields[9],
            check: 0,
        },
        Format::Newc | Format::Crc => Header {
            file: (fields[7], fields[8], fields[0]),
            mode: small(1),
            uid: small(2),
            gid: small(3),
            links: fields[4],
            mtime: fields[5] as i64,
            rdev: (small(9), small(10)),
            name: fields[11],
            size: fields[6],
            check: if format == Format::Crc { small(12) } else { 0 },
        },
    }
}

fn name<R: Read>(
    from: &mut Counted<'_, R>,
    format: Format,
    length: u64,
) -> Result<String, CpioError> {
    let at = from.at;
    let bad = |reason: &str| CpioError::Format { at, reason: reason.to_string() };
    if !(2..=NAME_MAX).contains(&length) {
        return Err(bad("the name's length"));
    }
    let mut bytes = from.bytes(length)?;
    if bytes.pop() != Some(0) {
        return Err(bad("the name does not end"));
    }
    from.fill(format.unit())?;
    String::from_utf8(bytes).map_err(|_| bad("the name is not UTF-8"))
}

/// A stream that knows how far it was read.
struct Counted<'a, R> {
    from: &'a mut R,
    at: u64,
}

impl<R: Read> Counted<'_, R> {
    /// So many bytes, few.
    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, CpioError> {
        let at = self.at;
        let mut bytes = vec![0; count as usize];
        self.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                CpioError::Format { at, reason: "the archive ends here".to_string() }
            }
            _ => CpioError::Io(error),
        })?;
        Ok(bytes)
    }

    fn fill(&mut self, unit: u64) -> Result<(), CpioError> {
        self.bytes(self.at.next_multiple_of(unit) - self.at).map(|_| ())
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// A member's data, summed up on the way.
struct Data<R> {
    from: R,
    sum: Sum,
}

impl<R: Read> Read for Data<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.sum.write_all(&buffer[..count])?;
        Ok(count)
    }
}
