//! fat.rs - an EFI system partition: FAT12 with what firmware starts in EFI/BOOT, and nothing else.
//!
//! ```text
//! sectors of 512 bytes, little endian
//! boot sector, padding | FAT | the same FAT | root directory, 512 entries | clusters of 2 KiB
//!                                                                cluster 2   EFI/
//!                                                                        3   EFI/BOOT/
//!                                                                        4.. BOOTX64.EFI, ...
//! FAT: 12 bits a cluster: the next one of the file, 0xfff at its end
//! entry: name 8+3, attributes u8, .. time u16 @22, date u16 @24, first cluster u16, size u32
//! ```
//!
//! Law: the bytes follow from the programs and the time alone; every part begins at a multiple of
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
    /// No name of eight and three characters, or more programs than a directory's cluster has
    /// entries for.
    #[error("\"{0}\" cannot be a boot program's name")]
    Name(String),
}

/// A boot program: its name (letters and digits, eight and three, in capitals), and its bytes.
pub type Program<'a> = (&'a str, &'a [u8]);

/// An EFI system partition with `program` as what x86-64 firmware starts from removable media;
/// `volume_id` and `time` (seconds since the epoch, 1980 to 2099) are all else that is in it.
pub fn efi_system_partition(
    program: &[u8],
    volume_id: u32,
    time: i64,
) -> Result<Vec<u8>, FatError> {
    boot_partition(&[("BOOTX64.EFI", program)], volume_id, time)
}

/// An EFI system partition with several programs, one for each kind of firmware.
pub fn boot_partition(
    programs: &[Program<'_>],
    volume_id: u32,
    time: i64,
) -> Result<Vec<u8>, FatError> {
    let lengths: Vec<usize> =
        programs.iter().map(|(_, bytes)| bytes.len().div_ceil(CLUSTER)).collect();
    let clusters = lengths.iter().fold(2, |sum: usize, length| sum.saturating_add(*length));
    if clusters > CLUSTERS_MAX {
        return Err(FatError::Large(programs.iter().map(|(_, bytes)| bytes.len()).sum()));
    }
    let fat = fat(&lengths);
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
    let folder = |name, cluster| entry(name, IS_DIRECTORY, cluster, 0);
    directory(&[entry(LABEL, IS_LABEL, 0, 0), folder(b"EFI        ", 2)], ROOT_ENTRIES * ENTRY);
    // A parent that is the root is called cluster 0.
    let dots = |own, parent| [folder(b".          ", own), folder(b"..         ", parent)];
    directory(&[&dots(2, 0)[..], &[folder(b"BOOT       ", 3)]].concat(), CLUSTER);
    let mut boot = dots(3, 2).to_vec();
    let mut next = FIRST_OF_PROGRAM;
    for ((name, bytes), length) in programs.iter().zip(&lengths) {
        let short = short_name(name).filter(|_| boot.len() < CLUSTER / ENTRY);
        let short = short.ok_or_else(|| FatError::Name((*name).to_string()))?;
        let first = if bytes.is_empty() { 0 } else { next };
        boot.push(entry(&short, IS_FILE, first, bytes.len()));
        next += length;
    }
    directory(&boot, CLUSTER);
    for ((_, bytes), length) in programs.iter().zip(&lengths) {
        let end = image.len() + length * CLUSTER;
        image.extend(*bytes);
        image.resize(end, 0);
    }
    Ok(image)
}

/// A name as a directory holds it: eight characters and three, without the dot.
fn short_name(name: &str) -> Option<[u8; 11]> {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let fits = (1..=8).contains(&stem.len()) && extension.len() <= 3;
    if !fits || !plain(stem) || !plain(extension) {
        return None;
    }
    let mut short = [b' '; 11];
    short[..stem.len()].copy_from_slice(stem.as_bytes());
    short[8..8 + extension.len()].copy_from_slice(extension.as_bytes());
    Some(short)
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

/// The table, whole sectors of it: two directories of a cluster each, then the programs of so many
/// clusters.
fn fat(lengths: &[usize]) -> Vec<u8> {
    let mut links: Vec<u16> = vec![0xff8, 0xfff, 0xfff, 0xfff];
    for &length in lengths {
        let end = links.len() + length;
        for cluster in links.len()..end {
            let last = cluster + 1 == end;
            links.push(if last { 0xfff } else { u16::from_le_bytes(le16(cluster + 1)) });
        }
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
        // Three clusters of one program, none of another, two of a third.
        let table = fat(&[3, 0, 2]);
        let link = |cluster: usize| {
            let at = cluster * 3 / 2;
            let pair = u16::from_le_bytes([table[at], table[at + 1]]);
            if cluster % 2 == 0 { pair & 0xfff } else { pair >> 4 }
        };
        let links: Vec<u16> = (0..10).map(link).collect();
        assert_eq!(links, [0xff8, 0xfff, 0xfff, 0xfff, 5, 6, 0xfff, 8, 0xfff, 0]);
        assert_eq!(table.len(), 512);
    }

    #[test]
    fn names() {
        assert_eq!(short_name("BOOTIA32.EFI"), Some(*b"BOOTIA32EFI"));
        assert_eq!(short_name("A"), Some(*b"A          "));
        for bad in ["", ".EFI", "BOOTRISCV64.EFI", "bootx64.efi", "A.B.C", "A/B", "A.EFIS"] {
            assert_eq!(short_name(bad), None, "{bad}");
        }
        let error = boot_partition(&[("x", b"")], 1, 0).unwrap_err();
        assert_eq!(error, FatError::Name("x".to_string()));
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
