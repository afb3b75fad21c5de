//! tarball.rs - a folder as one packed archive, the same bytes for the same files.
//!
//! Names in the order of their bytes, owned by root, all of one time; directories 0755, files 0644.

use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image_formats::archive;
use image_rooted::kept::Kept;

const BLOCK: u64 = 512;
/// Bytes in a stored block of deflate.
const STORED: usize = 0xffff;

/// How the archive is packed.
pub enum Packing {
    /// Not at all, in the form of gzip: what is in it is packed already.
    Stored,
    /// At level 1, with the pieces that an earlier one had.
    Fast(Kept),
}

/// What comes next.
enum Part {
    Bytes(Cursor<Vec<u8>>),
    File(PathBuf),
    Open(io::Take<File>),
}

/// The archive, read from its beginning to its end.
struct Stream {
    /// The last one comes first.
    parts: Vec<Part>,
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = self.parts.last_mut() {
            let read = match part {
                Part::Bytes(bytes) => bytes.read(into)?,
                Part::Open(file) => file.read(into)?,
                Part::File(path) => {
                    let file = File::open(&*path)?;
                    let length = file.metadata()?.len();
                    *part = Part::Open(file.take(length));
                    continue;
                }
            };
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            self.parts.pop();
        }
        Ok(0)
    }
}

/// Packs the folder `above/name`, whose name all paths begin with, to `to`.
///
/// # Errors
/// Something cannot be read or written.
pub fn pack(above: &Path, name: &str, time: i64, packing: Packing, to: &Path) -> Result<()> {
    let mut parts = Vec::new();
    add(above, name, u64::try_from(time).unwrap_or(0), &mut parts)?;
    parts.push(Part::Bytes(Cursor::new(vec![0; 2 * BLOCK as usize])));
    parts.reverse();
    let named = || to.display().to_string();
    let mut out = BufWriter::new(File::create(to).with_context(named)?);
    let mut stream = Stream { parts };
    let (kept, pieces) = match packing {
        Packing::Stored => (None, store(&mut stream, &mut out).map(|()| Vec::new())),
        Packing::Fast(kept) => {
            let packed = archive::pack_after(Some(&kept), &mut stream, 1, &mut out);
            (Some(kept), packed.map(|(_, pieces)| pieces))
        }
    };
    let pieces = pieces.with_context(named)?;
    out.flush().with_context(named)?;
    kept.map_or(Ok(()), |kept| kept.replace(to, &pieces))
}

/// One gzip member of stored blocks, without name and time.
fn store(from: &mut impl Read, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])?;
    let (mut crc, mut length, mut block) = (libdeflater::Crc::new(), 0u64, Vec::new());
    loop {
        block.clear();
        from.by_ref().take(STORED as u64).read_to_end(&mut block)?;
        // The last block is shorter than others, and may be empty.
        let (size, last) = (block.len() as u16, block.len() < STORED);
        let ([low, high], [not_low, not_high]) = (size.to_le_bytes(), (!size).to_le_bytes());
        out.write_all(&[u8::from(last), low, high, not_low, not_high])?;
        out.write_all(&block)?;
        crc.update(&block);
        length += u64::from(size);
        if last {
            break;
        }
    }
    out.write_all(&crc.sum().to_le_bytes())?;
    // The format keeps the length modulo 2^32.
    out.write_all(&(length as u32).to_le_bytes())
}

fn add(above: &Path, name: &str, time: u64, parts: &mut Vec<Part>) -> Result<()> {
    let at = above.join(name);
    let named = || at.display().to_string();
    let about = fs::symlink_metadata(&at).with_context(named)?;
    if about.is_dir() {
        parts.push(head(&format!("{name}/"), tar::EntryType::Directory, 0o755, (0, time))?);
        let entries = fs::read_dir(&at).with_context(named)?;
        let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names.with_context(named)?;
        names.sort();
        for below in names {
            add(above, &format!("{name}/{}", below.to_string_lossy()), time, parts)?;
        }
        return Ok(());
    }
    let size = about.len();
    parts.push(head(name, tar::EntryType::Regular, 0o644, (size, time))?);
    parts.push(Part::File(at));
    let rest = size.next_multiple_of(BLOCK) - size;
    parts.push(Part::Bytes(Cursor::new(vec![0; rest as usize])));
    Ok(())
}

fn head(name: &str, kind: tar::EntryType, mode: u32, (size, time): (u64, u64)) -> Result<Part> {
    let mut head = tar::Header::new_ustar();
    head.set_path(name).with_context(|| name.to_owned())?;
    head.set_entry_type(kind);
    head.set_mode(mode);
    head.set_uid(0);
    head.set_gid(0);
    head.set_size(size);
    head.set_mtime(time);
    head.set_username("root")?;
    head.set_groupname("root")?;
    head.set_cksum();
    Ok(Part::Bytes(Cursor::new(head.as_bytes().to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_folder_is_the_same_archive() {
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path().join("platform-x");
        fs::create_dir_all(top.join("i86pc/amd64")).unwrap();
        fs::write(top.join("i86pc/amd64/boot_archive"), vec![7; 1000]).unwrap();
        fs::write(top.join("i86pc/empty"), "").unwrap();
        fs::write(top.join("i86pc/large"), vec![9; 200_000]).unwrap();
        let (one, two) = (scratch.path().join("1.tgz"), scratch.path().join("2.tgz"));
        for stored in [true, false] {
            for to in [&one, &two] {
                let packing = if stored {
                    Packing::Stored
                } else {
                    Packing::Fast(Kept::open(&scratch.path().join("kept"), "tgz"))
                };
                pack(scratch.path(), "platform-x", 1_299_547_425, packing, to).unwrap();
                fs::write(top.join("i86pc/empty"), "").unwrap();
            }
            assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
            check(&one);
        }
    }

    /// As tar(1) reads it.
    fn check(tgz: &Path) {
        let listed = process::Program::new("tar")
            .args(["-tvzf", tgz.to_str().unwrap()])
            .output(&process::Limits::none())
            .unwrap();
        assert!(listed.success() && listed.err.is_empty(), "{listed:?}");
        let text = listed.text();
        let names: Vec<&str> =
            text.lines().filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(
            names,
            [
                "platform-x/",
                "platform-x/i86pc/",
                "platform-x/i86pc/amd64/",
                "platform-x/i86pc/amd64/boot_archive",
                "platform-x/i86pc/empty",
                "platform-x/i86pc/large"
            ]
        );
        assert!(text.contains("root/root      1000 2011-03-08"), "{text}");
    }
}
