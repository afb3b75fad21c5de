//! catalog.rs - the El Torito boot catalog of an ISO 9660 image, read: what etdump(8) tells.
//!
//! ```text
//! sector 17 (of 2048)   boot record: 00 "CD001" 01 "EL TORITO SPECIFICATION", catalog's sector @71
//! catalog, 32 bytes each:
//!   01 platform .. sum 55 aa        validation
//!   88 media seg u16 .. n u16 rba   initial entry: n virtual sectors of 512 from block rba
//!   90|91 platform n id             header of n entries, 91: the last
//! ```

use std::io::{Read, Seek, SeekFrom};

use super::IsoError;

const BLOCK: u64 = 2048;
const ENTRY: usize = 32;

/// An entry of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootEntry {
    /// 0: BIOS, 0xef: UEFI.
    pub platform: u8,
    /// Whether firmware may start it.
    pub bootable: bool,
    /// Emulation; 0: none.
    pub media: u8,
    /// First block of 2048 bytes.
    pub block: u32,
    /// Sectors of 512 bytes to load.
    pub sectors: u16,
}

/// The entries of an image's catalog, in order.
pub fn catalog(image: &mut (impl Read + Seek)) -> Result<Vec<BootEntry>, IsoError> {
    let record = block(image, 17)?;
    if &record[..7] != b"\0CD001\x01" || &record[7..30] != b"EL TORITO SPECIFICATION" {
        return Err(IsoError::Format("no El Torito boot record"));
    }
    let at = u32::from_le_bytes([record[71], record[72], record[73], record[74]]);
    let bytes = block(image, u64::from(at))?;
    let mut records = bytes.chunks_exact(ENTRY);
    let validation = records.next().unwrap_or_default();
    let sum = validation
        .chunks_exact(2)
        .fold(0u16, |sum, pair| sum.wrapping_add(u16::from_le_bytes([pair[0], pair[1]])));
    if validation.first() != Some(&1) || validation[30..] != [0x55, 0xaa] || sum != 0 {
        return Err(IsoError::Format("the boot catalog's first entry"));
    }
    let mut entries = Vec::new();
    let mut platform = validation[1];
    // The initial entry, then what headers announce.
    let (mut left, mut more) = (1, true);
    for record in records {
        match (left, record[0]) {
            (0, 0x90 | 0x91) if more => {
                platform = record[1];
                left = u16::from_le_bytes([record[2], record[3]]);
                more = record[0] == 0x90;
            }
            (0, _) => break,
            _ => {
                left -= 1;
                entries.push(BootEntry {
                    platform,
                    bootable: record[0] == 0x88,
                    media: record[1] & 0xf,
                    block: u32::from_le_bytes([record[8], record[9], record[10], record[11]]),
                    sectors: u16::from_le_bytes([record[6], record[7]]),
                });
            }
        }
    }
    Ok(entries)
}

fn block(image: &mut (impl Read + Seek), number: u64) -> Result<Vec<u8>, IsoError> {
    let mut bytes = vec![0; BLOCK as usize];
    image.seek(SeekFrom::Start(number * BLOCK))?;
    image.read_exact(&mut bytes)?;
    Ok(bytes)
}
