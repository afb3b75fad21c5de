//! table.rs - partition tables: the master boot record's four entries, and GPT.
//!
//! ```text
//! MBR  0x1b8 signature   0x1be 4 entries of 16 bytes   0x1fe 55 aa
//!      entry: 80 active | chs 3 | type | chs 3 | first u32 | sectors u32
//! GPT  sector 0  protective MBR: one entry of type ee over all
//!      sector 1  header "EFI PART": own place, the other's, first and last usable, disk id,
//!                where 128 entries of 128 bytes lie, their CRC, its own CRC
//!      2 .. 33   entries: type, id, first u64, last u64, attributes u64, 36 characters of name
//!      end - 33  the same entries; the last sector: the other header
//! ```
//!
//! Law: ids come from what is given; the same table gives the same bytes.

use super::guid::Guid;

/// Bytes in a sector.
pub const SECTOR: u64 = 512;
const ENTRIES: usize = 128;
const ENTRY: usize = 128;
/// Sectors of the entries.
const ENTRY_SECTORS: u64 = (ENTRIES * ENTRY) as u64 / SECTOR;
/// First sector that partitions may have.
pub const FIRST_USABLE: u64 = 2 + ENTRY_SECTORS;
const NAME_MAX: usize = 36;
const HEADER: usize = 92;

/// An entry of a master boot record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MbrEntry {
    /// Type.
    pub kind: u8,
    /// First sector.
    pub first: u32,
    /// Sectors.
    pub sectors: u32,
    /// Whether firmware starts it.
    pub active: Active,
}

/// Whether an entry of a master boot record is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Active {
    /// 80.
    Yes,
    /// 00.
    No,
}

/// Puts entries into a boot record, whose code stays; cylinders, heads and sectors are not used.
/// Panics if there are more than four.
pub fn put_mbr(sector: &mut [u8], entries: &[MbrEntry]) {
    assert!(entries.len() <= 4, "a master boot record has four entries");
    sector[0x1be..0x1fe].fill(0);
    for (entry, bytes) in entries.iter().zip(sector[0x1be..0x1fe].chunks_exact_mut(16)) {
        bytes[0] = if entry.active == Active::Yes { 0x80 } else { 0 };
        bytes[4] = entry.kind;
        bytes[8..12].copy_from_slice(&entry.first.to_le_bytes());
        bytes[12..].copy_from_slice(&entry.sectors.to_le_bytes());
    }
    sector[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
}

/// The entries of a boot record that are in use; `None`: it is none.
pub fn mbr(sector: &[u8]) -> Option<Vec<MbrEntry>> {
    if sector.get(0x1fe..0x200) != Some(&[0x55, 0xaa]) {
        return None;
    }
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let entries = sector[0x1be..0x1fe].chunks_exact(16).filter(|bytes| bytes[4] != 0);
    let entry = |bytes: &[u8]| MbrEntry {
        kind: bytes[4],
        first: word(&bytes[8..]),
        sectors: word(&bytes[12..]),
        active: if bytes[0] & 0x80 == 0 { Active::No } else { Active::Yes },
    };
    Some(entries.map(entry).collect())
}

/// A partition of a GPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub kind: Guid,
    /// Its own id.
    pub id: Guid,
    /// Name, at most 36 UTF-16 units.
    pub name: String,
    /// First sector.
    pub first: u64,
    /// Sectors, at least one.
    pub sectors: u64,
}

/// A GUID partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpt {
    /// The disk's id.
    pub disk: Guid,
    /// Sectors of the disk.
    pub sectors: u64,
    /// In order of place.
    pub partitions: Vec<Partition>,
}

/// Why a table is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TableError {
    /// Partitions overlap, lie outside of the disk, or are too many; or a name is too long.
    #[error("partition {0}: it has no room in the table")]
    Room(String),
    /// Not a table, or a damaged one.
    #[error("{0}")]
    Format(&'static str),
}

impl Gpt {
    /// Holds partitions against the disk and each other.
    pub fn check(&self) -> Result<(), TableError> {
        let mut next = FIRST_USABLE;
        for (index, partition) in self.partitions.iter().enumerate() {
            let end = partition.first.checked_add(partition.sectors);
            let good = index < ENTRIES
                && partition.name.encode_utf16().count() <= NAME_MAX
                && partition.sectors > 0
                && partition.first >= next
                && end.is_some_and(|end| end <= self.last_usable() + 1);
            if !good {
                return Err(TableError::Room(partition.name.clone()));
            }
            next = partition.first + partition.sectors;
        }
        Ok(())
    }

    fn last_usable(&self) -> u64 {
        self.sectors.saturating_sub(2 + ENTRY_SECTORS)
    }

    /// The protective entry of the master boot record.
    pub fn protective(&self) -> MbrEntry {
        let sectors = u32::try_from(self.sectors - 1).unwrap_or(u32::MAX);
        MbrEntry { kind: 0xee, first: 1, sectors, active: Active::No }
    }

    /// Sectors 1 to 33.
    pub fn primary(&self) -> Vec<u8> {
        let entries = self.entries();
        let mut bytes = self.header(1, self.sectors - 1, 2, &entries);
        bytes.extend(entries);
        bytes
    }

    /// The last 33 sectors.
    pub fn backup(&self) -> Vec<u8> {
        let mut bytes = self.entries();
        let at = self.sectors - 1 - ENTRY_SECTORS;
        bytes.extend(self.header(self.sectors - 1, 1, at, &bytes));
        bytes
    }

    fn entries(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(ENTRIES * ENTRY);
        for partition in &self.partitions {
            let end = all.len() + ENTRY;
            all.extend(partition.kind.bytes());
            all.extend(partition.id.bytes());
            all.extend(partition.first.to_le_bytes());
            all.extend((partition.first + partition.sectors - 1).to_le_bytes());
            all.extend([0; 8]);
            partition.name.encode_utf16().for_each(|unit| all.extend(unit.to_le_bytes()));
            all.resize(end, 0);
        }
        all.resize(ENTRIES * ENTRY, 0);
        all
    }

    fn header(&self, own: u64, other: u64, entries_at: u64, entries: &[u8]) -> Vec<u8> {
        let mut bytes = b"EFI PART\0\0\x01\0".to_vec();
        bytes.extend((HEADER as u32).to_le_bytes());
        bytes.extend([0; 8]);
        for number in [own, other, FIRST_USABLE, self.last_usable()] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.disk.bytes());
        bytes.extend(entries_at.to_le_bytes());
        for number in [ENTRIES as u32, ENTRY as u32, libdeflater::crc32(entries)] {
            bytes.extend(number.to_le_bytes());
        }
        let sum = libdeflater::crc32(&bytes);
        bytes[16..20].copy_from_slice(&sum.to_le_bytes());
        bytes.resize(SECTOR as usize, 0);
        bytes
    }

    /// Reads sectors 1 to 33.
    pub fn parse(primary: &[u8]) -> Result<Self, TableError> {
        let bad = TableError::Format;
        let length = (SECTOR * (1 + ENTRY_SECTORS)) as usize;
        let bytes = primary.get(..length).ok_or(bad("a partition table is longer"))?;
        let (header, entries) = bytes.split_at(SECTOR as usize);
        let long = |bytes: &[u8], at: usize| {
            bytes[at..at + 8].iter().rev().fold(0u64, |all, &byte| all << 8 | u64::from(byte))
        };
        let word = |bytes: &[u8], at: usize| (long(bytes, at) & 0xffff_ffff) as u32;
        let guid =
            |bytes: &[u8], at: usize| Guid::of(std::array::from_fn(|index| bytes[at + index]));
        if &header[..8] != b"EFI PART" || word(header, 12) != HEADER as u32 {
            return Err(bad("no GUID partition table"));
        }
        let mut plain = header[..HEADER].to_vec();
        plain[16..20].fill(0);
        if libdeflater::crc32(&plain) != word(header, 16)
            || (word(header, 80), word(header, 84)) != (ENTRIES as u32, ENTRY as u32)
            || libdeflater::crc32(entries) != word(header, 88)
        {
            return Err(bad("a sum of the partition table is wrong"));
        }
        let used = entries.chunks_exact(ENTRY).filter(|entry| entry[..16] != [0; 16]);
        let partition = |entry: &[u8]| {
            let (first, last) = (long(entry, 32), long(entry, 40));
            let units: Vec<u16> = entry[56..]
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .take_while(|&unit| unit != 0)
                .collect();
            let sectors = last.wrapping_sub(first).wrapping_add(1);
            let name = String::from_utf16_lossy(&units);
            Partition { kind: guid(entry, 0), id: guid(entry, 16), name, first, sectors }
        };
        let sectors = long(header, 32).saturating_add(1);
        let found =
            Self { disk: guid(header, 56), sectors, partitions: used.map(partition).collect() };
        found.check().map(|()| found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Gpt {
        let disk = Guid::parse("01234567-89ab-cdef-0123-456789abcdef").unwrap();
        let partition = |name: &str, kind, first, sectors| Partition {
            kind,
            id: disk.derived(name),
            name: name.to_string(),
            first,
            sectors,
        };
        Gpt {
            disk,
            sectors: 10_000,
            partitions: vec![
                partition("efi", Guid::EFI_SYSTEM, 34, 2_000),
                partition("wurzel ü", Guid::ROOT, 4_096, 5_000),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let gpt = sample();
        assert_eq!(Gpt::parse(&gpt.primary()), Ok(gpt.clone()));
        assert_eq!(gpt.backup().len(), 33 * 512);
        for at in [0, 30, 60, 88, 512, 600] {
            let mut bytes = gpt.primary();
            bytes[at] ^= 1;
            assert!(Gpt::parse(&bytes).is_err(), "{at}");
        }
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let change = |change: &dyn Fn(&mut Gpt)| {
            let mut gpt = sample();
            change(&mut gpt);
            gpt.check()
        };
        assert_eq!(change(&|_| ()), Ok(()));
        assert!(change(&|gpt| gpt.partitions[0].first = 33).is_err());
        assert!(change(&|gpt| gpt.partitions[0].sectors = 4_063).is_err());
        assert!(change(&|gpt| gpt.partitions[1].sectors = 5_872).is_err());
        assert!(change(&|gpt| gpt.partitions[1].sectors = 5_871).is_ok());
        assert!(change(&|gpt| gpt.partitions[1].sectors = 0).is_err());
        assert!(change(&|gpt| gpt.partitions[1].first = u64::MAX).is_err());
        assert!(change(&|gpt| gpt.partitions[1].name = "x".repeat(37)).is_err());
    }

    #[test]
    fn boot_records() {
        let mut sector = [0xcc; 512];
        let entries = [
            MbrEntry { kind: 0xbe, first: 3, sectors: 60, active: Active::No },
            MbrEntry { kind: 0xef, first: 1_000, sectors: 8_800, active: Active::Yes },
        ];
        put_mbr(&mut sector, &entries);
        assert_eq!(mbr(&sector), Some(entries.to_vec()));
        assert!(sector[..0x1be].iter().all(|&byte| byte == 0xcc), "the code stays");
        assert_eq!(mbr(&[0; 512]), None);
    }
}
