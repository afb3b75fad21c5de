//! vmdk.rs - a raw disk as VMDK, streamOptimized: the form that appliances and clouds import.
//!
//! ```text
//! little endian, sectors of 512
//! 0        header "KDMV", version 3
//! 1 .. 20  description, text
//! 128 ..   grains of 64 KiB, those of NULs left out: u64 their sector, u32 length, a zlib stream
//!          after 512 of them: a mark (4 sectors follow, type 1) and their table: u32 places
//! ..       mark (type 2) and directory: u32 where each table lies
//! end - 3  mark (type 3), the header again with the directory's place, a sector of NULs
//! ```
//!
//! Law: the same disk gives the same bytes, however many threads there were.

use std::io::{self, Read, Write};

use super::table::SECTOR;
use crate::waves::{self, Cut};

const GRAIN: u64 = 128;
const GRAIN_BYTES: usize = (GRAIN * SECTOR) as usize;
const ENTRIES: usize = 512;
const OVERHEAD: u64 = 128;
const DESCRIPTION: u64 = 20;
const TABLE_MARK: u32 = 1;
const DIRECTORY_MARK: u32 = 2;
const FOOTER_MARK: u32 = 3;
const LEVEL: i32 = 6;

/// Writes the `length` bytes of `disk` to `out`; `name`: the file's own.  Returns its length.
pub fn vmdk(
    disk: &mut (impl Read + Send),
    length: u64,
    name: &str,
    out: &mut (impl Write + Send),
) -> io::Result<u64> {
    let sectors = length / SECTOR;
    let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if length == 0 || length % SECTOR != 0 {
        return invalid("a disk has whole sectors");
    }
    if name.contains(['"', '\n', '\r']) {
        return invalid("the name of a disk has no quotes and no line ends");
    }
    let mut file = File { out, sector: 0, directory: Vec::new(), table: Vec::new() };
    file.put(&header(sectors, u64::MAX))?;
    let mut text = description(sectors, name).into_bytes();
    text.resize((DESCRIPTION * SECTOR) as usize, 0);
    file.put(&text)?;
    file.put(&vec![0; ((OVERHEAD - 1 - DESCRIPTION) * SECTOR) as usize])?;
    let cut = Cut { piece: GRAIN_BYTES, before: 0 };
    let read = waves::in_order(
        &mut disk.take(length),
        cut,
        |_, piece| pack(piece),
        |_, packed| file.grain(packed.as_deref()),
    )?;
    if read != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.end(sectors)
}

/// A grain's zlib stream; nothing for NULs.
fn pack(piece: &[u8]) -> io::Result<Option<Vec<u8>>> {
    if piece.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let mut whole = piece.to_vec();
    whole.resize(GRAIN_BYTES, 0);
    let level = libdeflater::CompressionLvl::new(LEVEL).unwrap_or_default();
    let mut compressor = libdeflater::Compressor::new(level);
    let mut bytes = vec![0; compressor.zlib_compress_bound(whole.len())];
    let made = compressor.zlib_compress(&whole, &mut bytes).map_err(io::Error::other)?;
    bytes.truncate(made);
    Ok(Some(bytes))
}

struct File<'a, W> {
    out: &'a mut W,
    /// Sectors written.
    sector: u64,
    directory: Vec<u32>,
    table: Vec<u32>,
}

impl<W: Write> File<'_, W> {
    /// Writes whole sectors of it.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sectors = (bytes.len() as u64).div_ceil(SECTOR);
        self.out.write_all(bytes)?;
        let missing = (sectors * SECTOR) as usize - bytes.len();
        self.out.write_all(&[0; SECTOR as usize][..missing])?;
        self.sector += sectors;
        Ok(())
    }

    fn place(&self) -> io::Result<u32> {
        u32::try_from(self.sector).map_err(|_| io::Error::other("a VMDK of more than 2 TiB"))
    }

    fn grain(&mut self, packed: Option<&[u8]>) -> io::Result<()> {
        let place = match packed {
            None => 0,
            Some(packed) => {
                let place = self.place()?;
                let number = self.directory.len() * ENTRIES + self.table.len();
                let mut bytes = (number as u64 * GRAIN).to_le_bytes().to_vec();
                bytes.extend((packed.len() as u32).to_le_bytes());
                bytes.extend(packed);
                self.put(&bytes)?;
                place
            }
        };
        self.table.push(place);
        if self.table.len() == ENTRIES { self.end_table() } else { Ok(()) }
    }

    fn end_table(&mut self) -> io::Result<()> {
        let mut table = std::mem::take(&mut self.table);
        let place = if table.iter().all(|&place| place == 0) {
            0
        } else {
            table.resize(ENTRIES, 0);
            self.mark(TABLE_MARK, ENTRIES as u64 * 4 / SECTOR)?;
            let place = self.place()?;
            self.put(&words(&table))?;
            place
        };
        self.directory.push(place);
        Ok(())
    }

    fn mark(&mut self, kind: u32, sectors: u64) -> io::Result<()> {
        let mut bytes = sectors.to_le_bytes().to_vec();
        bytes.extend([0; 4]);
        bytes.extend(kind.to_le_bytes());
        self.put(&bytes)
    }

    fn end(mut self, sectors: u64) -> io::Result<u64> {
        if !self.table.is_empty() {
            self.end_table()?;
        }
        let directory = words(&self.directory);
        self.mark(DIRECTORY_MARK, (directory.len() as u64).div_ceil(SECTOR))?;
        let place = self.sector;
        self.put(&directory)?;
        self.mark(FOOTER_MARK, 1)?;
        self.put(&header(sectors, place))?;
        self.put(&[0; SECTOR as usize])?;
        self.out.flush()?;
        Ok(self.sector * SECTOR)
    }
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn header(sectors: u64, directory: u64) -> Vec<u8> {
    let mut bytes = b"KDMV".to_vec();
    // Line ends can be checked, grains are compressed, marks tell what is what.
    bytes.extend(words(&[3, 0x0003_0001]));
    let capacity = sectors.next_multiple_of(GRAIN);
    for number in [capacity, GRAIN, 1, DESCRIPTION] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend((ENTRIES as u32).to_le_bytes());
    for number in [0, directory, OVERHEAD] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(b"\0\n \r\n\x01\0");
    bytes
}

fn description(sectors: u64, name: &str) -> String {
    let capacity = sectors.next_multiple_of(GRAIN);
    // A content id that follows from the disk's size: nobody has it as a parent.
    let id = libdeflater::crc32(&capacity.to_le_bytes());
    let cylinders = (capacity / (255 * 63)).clamp(1, 65_535);
    format!(
        "# Disk DescriptorFile\nversion=1\nCID={id:08x}\nparentCID=ffffffff\n\
         createType=\"streamOptimized\"\n\n# Extent description\n\
         RW {capacity} SPARSE \"{name}\"\n\n# The Disk Data Base\n#DDB\n\n\
         ddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\n\
         ddb.adapterType = \"lsilogic\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> usize {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    }

    /// What a reader of the format finds.
    fn read(file: &[u8], length: usize) -> Vec<u8> {
        let footer = file.len() - 1024;
        assert_eq!(file[footer..footer + 8], *b"KDMV\x03\0\0\0");
        let directory = word(file, footer + 56) * 512;
        let mut disk = vec![0; length];
        for (index, chunk) in disk.chunks_mut(GRAIN_BYTES).enumerate() {
            let table = word(file, directory + index / 512 * 4) * 512;
            let grain = if table == 0 { 0 } else { word(file, table + index % 512 * 4) * 512 };
            if grain != 0 {
                assert_eq!(word(file, grain), index * 128);
                let size = word(file, grain + 8);
                let mut plain = vec![0; GRAIN_BYTES];
                libdeflater::Decompressor::new()
                    .zlib_decompress(&file[grain + 12..grain + 12 + size], &mut plain)
                    .unwrap();
                chunk.copy_from_slice(&plain[..chunk.len()]);
            }
        }
        disk
    }

    #[test]
    fn what_is_written_is_read() {
        for (length, marks) in [
            (512, vec![0]),
            (3 << 20, vec![5, 70_000, (3 << 20) - 1]),
            ((100 << 20) + 512, vec![40 << 20, 100 << 20]),
        ] {
            let mut disk = vec![0u8; length];
            marks.iter().for_each(|&at: &usize| disk[at] = 7);
            let mut file = Vec::new();
            let size = vmdk(&mut disk.as_slice(), length as u64, "a.vmdk", &mut file).unwrap();
            assert_eq!(size, file.len() as u64);
            assert!(read(&file, length) == disk, "{length}");
        }
        for (length, name) in [(0, "a"), (100, "a"), (512, "a\"b"), (1024, "a")] {
            assert!(vmdk(&mut &[0u8; 512][..], length, name, &mut Vec::new()).is_err());
        }
    }
}
