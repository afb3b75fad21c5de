//! hybrid.rs - an ISO 9660 image that also starts from a disk by illumos' loader: what fdisk(8) and
//! installboot(8) would do to it.
//!
//! ```text
//! sector 0        pmbr: stage 2 is 1 sector at 3, then the entries
//!   entry 1       type be, sectors 3 to 62
//!   entry 2       type ef, the EFI system partition of the El Torito catalog
//! sector 3        pmbr again: stage 2 is isoboot, at 4
//! sector 4 ..     isoboot, its multiboot header told where the partition begins
//! sector 64       the first sector of the ISO's own
//!
//! pmbr: 0xfc u16 sectors of stage 2, 0xfe u64 where it lies; bytes 3 to 0x3d are the disk's own
//! ```
//!
//! Law: nothing from sector 64 on is touched.

use std::io::{Read, Seek, SeekFrom, Write};

use super::{IsoError, catalog};
use crate::disk::{Active, MbrEntry, put_mbr};

const SECTOR: usize = 512;
const X86_BOOT: u8 = 0xbe;
const EFI: u8 = 0xef;
const FIRST: u32 = 3;
const SECTORS: u32 = 60;
/// `bss_end_addr` in a multiboot header, from its magic on.
const BSS_END: usize = 24;
const MULTIBOOT: [u8; 4] = 0x1bad_b002_u32.to_le_bytes();

/// Makes `image` start from a disk by `pmbr` (one sector) and `isoboot`.
pub fn hybrid(
    image: &mut (impl Read + Write + Seek),
    pmbr: &[u8],
    isoboot: &[u8],
) -> Result<(), IsoError> {
    if pmbr.len() != SECTOR {
        return Err(IsoError::Boot("pmbr", pmbr.len()));
    }
    let stage2 = isoboot.len().div_ceil(SECTOR);
    if isoboot.is_empty() || stage2 + 1 > SECTORS as usize {
        return Err(IsoError::Boot("isoboot", isoboot.len()));
    }
    let entries = catalog(image)?;
    let efi = entries.iter().find(|entry| entry.platform == EFI);
    let mut table =
        vec![MbrEntry { kind: X86_BOOT, first: FIRST, sectors: SECTORS, active: Active::No }];
    if let Some(efi) = efi {
        let first = efi.block.checked_mul(4).ok_or(IsoError::Format("an entry's block"))?;
        let sectors = u32::from(efi.sectors);
        table.push(MbrEntry { kind: EFI, first, sectors, active: Active::No });
    }
    let mut first = stage1(pmbr, 1, FIRST);
    put_mbr(&mut first, &table);
    let mut part = stage1(pmbr, stage2 as u16, FIRST + 1);
    part.extend(told(isoboot, FIRST));
    part.resize(SECTORS as usize * SECTOR, 0);
    image.seek(SeekFrom::Start(0))?;
    image.write_all(&first)?;
    image.seek(SeekFrom::Start(u64::from(FIRST) * SECTOR as u64))?;
    image.write_all(&part)?;
    image.flush()?;
    Ok(())
}

/// A pmbr that loads so many sectors from `at`.
fn stage1(pmbr: &[u8], sectors: u16, at: u32) -> Vec<u8> {
    let mut bytes = pmbr.to_vec();
    bytes[0xfc..0xfe].copy_from_slice(&sectors.to_le_bytes());
    bytes[0xfe..0x106].copy_from_slice(&u64::from(at).to_le_bytes());
    bytes[0x1fe..].copy_from_slice(&[0x55, 0xaa]);
    bytes
}

/// A second stage that knows its partition, by installboot's convention.
pub(crate) fn told(stage2: &[u8], partition: u32) -> Vec<u8> {
    let mut bytes = stage2.to_vec();
    // As multiboot has it: in the first 8 KiB, on a multiple of four.
    let header = bytes.chunks_exact(4).take(2048).position(|word| word == MULTIBOOT);
    let field = header.map(|word| word * 4 + BSS_END);
    if let Some(field) = field.and_then(|at| bytes.get_mut(at..at + 8)) {
        field.copy_from_slice(&u64::from(partition).to_le_bytes());
    }
    bytes
}
