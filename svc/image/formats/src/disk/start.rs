//! start.rs - boot code told where the rest of it lies, as grub-bios-setup and installboot(8) do.
//!
//! ```text
//! GRUB 2   boot.img: 0x5c u64 first sector of the core; 0x66 two bytes, no-ops for a hard disk
//!          core: the first sector's last 12 bytes: u64 where the rest lies, u16 sectors, u16 segment
//! loader   pmbr: 0xfc u16 sectors of stage 2, 0xfe u64 where it lies, 0x106 the partition's id
//! ```

use super::guid::Guid;
use super::table::SECTOR;
use crate::iso::told;

/// Why a boot program cannot be placed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StartError {
    /// A first stage is one sector.
    #[error("a first stage of {0} bytes is none")]
    First(usize),
    /// The rest has no room, or is none.
    #[error("a second stage of {0} bytes has no room")]
    Second(usize),
}

/// A boot record and what it loads.
pub type Stages = (Vec<u8>, Vec<u8>);

fn sectors(first: &[u8], second: &[u8], room: u64) -> Result<u16, StartError> {
    if first.len() as u64 != SECTOR {
        return Err(StartError::First(first.len()));
    }
    let sectors = second.len() as u64;
    let sectors = sectors.div_ceil(SECTOR);
    match u16::try_from(sectors) {
        Ok(count) if count > 1 && sectors <= room => Ok(count),
        _ => Err(StartError::Second(second.len())),
    }
}

/// GRUB 2: `boot` (boot.img) and `core`, which is to lie in the `room` sectors from `at` on.
pub fn grub(boot: &[u8], core: &[u8], at: u64, room: u64) -> Result<Stages, StartError> {
    let count = sectors(boot, core, room)?;
    let (mut boot, mut core) = (boot.to_vec(), core.to_vec());
    boot[0x5c..0x64].copy_from_slice(&at.to_le_bytes());
    boot[0x66..0x68].copy_from_slice(&[0x90, 0x90]);
    core[0x1f4..0x1fc].copy_from_slice(&(at + 1).to_le_bytes());
    core[0x1fc..0x1fe].copy_from_slice(&(count - 1).to_le_bytes());
    core[0x1fe..0x200].copy_from_slice(&0x820_u16.to_le_bytes());
    Ok((boot, core))
}

/// illumos' loader: `pmbr` and `stage2` (gptzfsboot), which is to lie in the `room` sectors from
/// `at` on; `root` is the partition it is to read.
pub fn loader(
    pmbr: &[u8],
    stage2: &[u8],
    (at, room): (u64, u64),
    (root, root_at): (Guid, u64),
) -> Result<Stages, StartError> {
    let count = sectors(pmbr, stage2, room)?;
    let mut pmbr = pmbr.to_vec();
    pmbr[0xfc..0xfe].copy_from_slice(&count.to_le_bytes());
    pmbr[0xfe..0x106].copy_from_slice(&at.to_le_bytes());
    pmbr[0x106..0x116].copy_from_slice(&root.bytes());
    Ok((pmbr, told(stage2, u32::try_from(root_at).unwrap_or(u32::MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_know_each_other() {
        let (first, second) = (vec![1; 512], vec![2; 1500]);
        let (boot, core) = grub(&first, &second, 2048, 100).unwrap();
        assert_eq!(boot[0x5c..0x68], [0, 8, 0, 0, 0, 0, 0, 0, 1, 1, 0x90, 0x90]);
        assert_eq!(core[0x1f4..0x200], [1, 8, 0, 0, 0, 0, 0, 0, 2, 0, 0x20, 8]);
        let (pmbr, stage2) = loader(&first, &second, (34, 100), (Guid::ROOT, 4096)).unwrap();
        assert_eq!(pmbr[0xfc..0x108], [3, 0, 34, 0, 0, 0, 0, 0, 0, 0, 0x4d, 0xcf]);
        assert_eq!(stage2, second);
        assert_eq!(grub(&first[1..], &second, 1, 100), Err(StartError::First(511)));
        assert_eq!(grub(&first, &second, 1, 2), Err(StartError::Second(1500)));
        assert_eq!(grub(&first, &second[..512], 1, 2), Err(StartError::Second(512)));
    }
}
