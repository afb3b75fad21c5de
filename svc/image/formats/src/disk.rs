//! disk.rs - disks: a partition table, what starts them, and the forms that machines take.
//!
//! ```text
//! sector 0        boot code and the protective entry
//! 1 .. 33         GPT
//! 2048 ..         partitions, each from a multiple of 1 MiB on
//! end - 33 ..     GPT again
//! ```
//!
//! | file | what |
//! |---|---|
//! | `disk/guid.rs` | GUIDs |
//! | `disk/table.rs` | master boot record and GPT |
//! | `disk/section.rs` | a partition as a stream |
//! | `disk/start.rs` | boot code told where the rest of it lies |
//! | `disk/qcow2.rs`, `disk/vmdk.rs` | a raw disk in other forms |

use std::io::{self, Seek, SeekFrom, Write};

mod guid;
mod qcow2;
mod section;
mod start;
mod table;
mod vmdk;

pub use guid::Guid;
pub use qcow2::qcow2;
pub use section::Section;
pub use start::{StartError, grub, loader};
pub use table::{Active, FIRST_USABLE, Gpt, MbrEntry, Partition, SECTOR, TableError, mbr, put_mbr};
pub use vmdk::vmdk;

/// Partitions begin at multiples of so many sectors.
const ALIGN: u64 = 2048;
/// Bytes of a boot record before its entries that are code.
const CODE: usize = 440;

/// A partition to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want<'a> {
    /// Name; the partition's id follows from it and the disk's.
    pub name: &'a str,
    /// What it is for.
    pub kind: Guid,
    /// Bytes it has at least.
    pub bytes: u64,
}

/// A disk just large enough for partitions, in their order.
pub fn lay_out(disk: Guid, wants: &[Want<'_>]) -> Result<Gpt, TableError> {
    let mut next = ALIGN;
    let mut partitions = Vec::new();
    for want in wants {
        // A stream's places are signed numbers of bytes.
        if want.bytes > i64::MAX as u64 / 2 {
            return Err(TableError::Room(want.name.to_string()));
        }
        let sectors = want.bytes.div_ceil(SECTOR).max(1);
        let id = disk.derived(want.name);
        let name = want.name.to_string();
        partitions.push(Partition { kind: want.kind, id, name, first: next, sectors });
        next = (next + sectors).next_multiple_of(ALIGN);
    }
    let gpt = Gpt { disk, sectors: next + ALIGN, partitions };
    gpt.check().map(|()| gpt)
}

/// Writes both tables and the boot record; of `code` (a boot record or less of one) what comes
/// before the entries is taken.  The partitions' bytes stay as they are.
pub fn write_tables(gpt: &Gpt, code: &[u8], out: &mut (impl Write + Seek)) -> io::Result<()> {
    let mut record = code[..code.len().min(CODE)].to_vec();
    record.resize(SECTOR as usize, 0);
    put_mbr(&mut record, &[gpt.protective()]);
    let mut put = |at: u64, bytes: &[u8]| {
        out.seek(SeekFrom::Start(at))?;
        out.write_all(bytes)
    };
    let backup = gpt.backup();
    put((gpt.sectors * SECTOR) - backup.len() as u64, &backup)?;
    put(SECTOR, &gpt.primary())?;
    put(0, &record)?;
    out.flush()
}

/// The length of a USB image that holds what an ISO of so many bytes holds: a fifth more, whole MiB
/// and half a KiB, as the constructor of old has it; `more` MiB for partitions beside it.
pub fn usb_size(iso: u64, more: u64) -> u64 {
    let kib = iso / 1024 * 12 / 10;
    kib / 1024 * (1 << 20) + (512 << 10) + (more << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_for_its_partitions() {
        let disk = Guid::parse("01234567-89ab-cdef-0123-456789abcdef").unwrap();
        let want = |name, bytes| Want { name, kind: Guid::ROOT, bytes };
        let gpt = lay_out(disk, &[want("a", 1), want("b", (1 << 20) + 1), want("c", 512)]).unwrap();
        let places: Vec<_> = gpt.partitions.iter().map(|part| (part.first, part.sectors)).collect();
        assert_eq!(places, [(2048, 1), (4096, 2049), (8192, 1)]);
        assert_eq!(gpt.sectors, 12288);
        assert!(gpt.partitions[0].id != gpt.partitions[1].id);
        assert!(lay_out(disk, &[want("a", u64::MAX)]).is_err());

        let mut out = io::Cursor::new(vec![0; 12288 * 512]);
        write_tables(&gpt, &[0xcc; 512], &mut out).unwrap();
        let bytes = out.into_inner();
        assert_eq!(bytes[..440], [0xcc; 440]);
        assert_eq!(mbr(&bytes[..512]), Some(vec![gpt.protective()]));
        assert_eq!(Gpt::parse(&bytes[512..]), Ok(gpt));
        assert_eq!(bytes[12287 * 512..][..8], *b"EFI PART");
    }
}
