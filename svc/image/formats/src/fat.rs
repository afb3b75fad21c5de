//! fat.rs - an EFI system partition: FAT12 with EFI/BOOT/BOOTX64.EFI and nothing else.
//!
//! ```text
//! sectors of 512 bytes, little endian
//! boot sector, padding | FAT | the same FAT | root directory, 512 entries | clusters of 2 KiB
//!                                                                cluster 2   EFI/
//!                                                                        3   EFI/BOOT/
//!                                                                        4.. BOOTX64.EFI
//! FAT: 12 bits a cluster: the next one of the file, 0xfff at its end
//! entry: name 8+3, attributes u8, .. time u16 @22, date u16 @24, first cluster u16, size u32
//! ```
//!
//! Law: the bytes follow from the program and the time alone; every part begins at a multiple of
//! 2048 bytes from the first cluster on, as the blocks of a CD do.

use crate::date::Civil;

const SECTOR: usize = 512;
const CLUSTER_SECTORS: usize = 4;
const CLUSTER: usize = CLUSTER_SECTORS * SECTOR;
const ROOT_ENTRIES: usize = 512;
const ENTRY: usize = 32;
/// FAT12 ends here: a reader tells the kind by the count of clusters.
const CLUSTERS_MAX: usize = 4084;
/// The cluster after the two directories'.
const FIRST_OF_PROGRAM: usize = 4;

const LABEL: &[u8; 11] = b"EFI SYSTEM ";
const IS_LABEL: u8 = 0x08;
const IS_DIRECTORY: u8 = 0x10;
const IS_FILE: u8 = 0x20;

/// Why there is no partition.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FatError {
    /// The program does not fit FAT12 with clusters of 2 KiB.
    #[error("a boot program of {0} bytes is too large for its partition")]
    Large(usize),
}

/// An EFI system partition with `program` as what x86-64 firmware starts from removable media;
/// `volume_id` and `time` (seconds since the epoch, 1980 to 2099) are all else that is in it.
pub fn efi_system_partition(
    program: &[u8],
    volume_id: u32,
    time: i64,
) -> Result<Vec<u8>, FatError> {
    let clusters = 2 + program.len().div_ceil(CLUSTER);
    if clusters > CLUSTERS_MAX {
        return Err(FatError::Large(program.len()));
    }
    let fat = fat(clusters);
    let fat_sectors = fat.len() / SECTOR;
    let tables = 2 * fat_sectors + ROOT_ENTRIES * ENTRY / SECTOR;
    let reserved = (1 + tables).next_multiple_of(CLUSTER_SECTORS) - tables;
    let sectors = reserved + tables + clusters * CLUSTER_SECTORS;

    let mut image = Vec::with_capacity(sectors * SECTOR);
    image.extend(boot_sector(reserved, fat_sectors, sectors, volume_id));
    image.resize(reserved * SECTOR, 0);
    image.extend(&fat);
    image.extend(&fat);
    let stamp = stamp(time);
    let entry = |name: &[u8; 11], kind, cluster, size| entry(name, kind, cluster, size, stamp);
    let mut directory = |entries: &[[u8; ENTRY]], length: usize| {
        let end = image.len() + length;
        image.extend(entries.as_flattened());
        image.resize(end, 0);
    };
    directory(
        &[entry(LABEL, IS_LABEL, 0, 0), entry(b"EFI        ", IS_DIRECTORY, 2, 0)],
        ROOT_ENTRIES * ENTRY,
    );
    // A parent that is the root is called cluster 0.
    for (own, parent, name, kind, cluster, size) in [
        (2, 0, b"BOOT       ", IS_DIRECTORY, 3, 0),
        (3, 2, b"BOOTX64 EFI", IS_FILE, FIRST_OF_PROGRAM, program.len()),
    ] {
        let cluster = if size == 0 && kind == IS_FILE { 0 } else { cluster };
        directory(
            &[
                entry(b".          ", IS_DIRECTORY, own, 0),
                entry(b"..         ", IS_DIRECTORY, parent, 0),
                entry(name, kind, cluster, size),
            ],
            CLUSTER,
        );
    }
    image.extend(program);
    image.resize(sectors * SECTOR, 0);
    Ok(image)
}

/// A number known to be small enough for its field: see [`CLUSTERS_MAX`].
fn le16(value: usize) -> [u8; 2] {
    u16::try_from(value).expect("FAT12 counts fit 16 bits").to_le_bytes()
}

fn boot_sector(reserved: usize, fat_sectors: usize, sectors: usize, id: u32) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xeb, 0x3c, 0x90]);
    put(3, b"LAMPLGHT");
    put(11, &le16(SECTOR));
    put(13, &[CLUSTER_SECTORS as u8]);
    put(14, &le16(reserved));
    put(16, &[2]);
    put(17, &le16(ROOT_ENTRIES));
    put(19, &le16(sectors));
    put(21, &[0xf8]);
    put(22, &le16(fat_sectors));
    put(24, &le16(32));
    put(26, &le16(2));
    put(36, &[0x80, 0, 0x29]);
    put(39, &id.to_le_bytes());
    put(43, LABEL);
    put(54, b"FAT12   ");
    put(510, &[0x55, 0xaa]);
    sector
}

/// The table, whole sectors of it: two directories of a cluster each, then the program.
fn fat(clusters: usize) -> Vec<u8> {
    let mut links: Vec<u16> = vec![0xff8, 0xfff, 0xfff, 0xfff];
    for cluster in FIRST_OF_PROGRAM..clusters + 2 {
        let last = cluster == clusters + 1;
        links.push(if last { 0xfff } else { u16::from_le_bytes(le16(cluster + 1)) });
    }
    let mut bytes = Vec::new();
    for pair in links.chunks(2) {
        let (one, other) = (pair[0], pair.get(1).copied().unwrap_or(0));
        let [low, high, _, _] = (u32::from(one) | (u32::from(other) << 12)).to_le_bytes();
        bytes.extend([low, high, (other >> 4) as u8]);
    }
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    bytes
}

/// Time and date of DOS: two-second steps from 1980, taken as UTC.
fn stamp(time: i64) -> [u8; 4] {
    let Civil { year, month, day, hour, minute, second } = Civil::of(time);
    let time = (hour << 11) | (minute << 5) | (second / 2);
    let date = ((year - 1980).clamp(0, 127) << 9) | (month << 5) | day;
    let ([t0, t1, ..], [d0, d1, ..]) = (time.to_le_bytes(), date.to_le_bytes());
    [t0, t1, d0, d1]
}

fn entry(name: &[u8; 11], kind: u8, cluster: usize, size: usize, stamp: [u8; 4]) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    let mut put = |at: usize, bytes: &[u8]| entry[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(11, &[kind]);
    put(14, &stamp);
    put(18, &stamp[2..]);
    put(22, &stamp);
    put(26, &le16(cluster));
    put(28, &u32::try_from(size).expect("FAT12 holds 8 MiB").to_le_bytes());
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_chains_the_program() {
        // Three clusters of program: 4 -> 5 -> 6 -> end.
        let table = fat(5);
        let link = |cluster: usize| {
            let at = cluster * 3 / 2;
            let pair = u16::from_le_bytes([table[at], table[at + 1]]);
            if cluster % 2 == 0 { pair & 0xfff } else { pair >> 4 }
        };
        let links: Vec<u16> = (0..8).map(link).collect();
        assert_eq!(links, [0xff8, 0xfff, 0xfff, 0xfff, 5, 6, 0xfff, 0]);
        assert_eq!(table.len(), 512);
    }

    #[test]
    fn times() {
        // 2023-11-14 22:13:20
        let [t0, t1, d0, d1] = stamp(1_700_000_000);
        assert_eq!(u16::from_le_bytes([t0, t1]), (22 << 11) | (13 << 5) | 10);
        assert_eq!(u16::from_le_bytes([d0, d1]), (43 << 9) | (11 << 5) | 14);
    }

    #[test]
    fn clusters_begin_at_blocks_of_a_cd() {
        for length in [0, 1, 2048, 2049, 700_000, 4082 * 2048] {
            let program = vec![0x5a; length];
            let image = efi_system_partition(&program, 1, 0).unwrap();
            assert_eq!(image.len() % 2048, 0, "{length}");
            let at = image.len() - length.next_multiple_of(2048);
            assert_eq!(at % 2048, 0, "{length}");
            assert!(image[at..at + length] == program[..], "{length}");
        }
        let error = efi_system_partition(&vec![0; 4082 * 2048 + 1], 1, 0).unwrap_err();
        assert_eq!(error, FatError::Large(4082 * 2048 + 1));
    }
}
