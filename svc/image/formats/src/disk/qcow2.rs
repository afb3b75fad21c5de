//! qcow2.rs - a raw disk as QEMU's qcow2, version 3: clusters of 64 KiB, those of NULs left out.
//!
//! ```text
//! big endian; a cluster each or more
//! header 104 bytes | L1 | then, as they are met: L2 table, data ... | counts | table of counts
//! L1, L2: u64 each, where the next lies, its highest bit set
//! counts: u16 for each cluster, 1
//! ```
//!
//! Law: the same disk gives the same bytes.  Its length is a multiple of 512.

use std::io::{self, Read, Seek, SeekFrom, Write};

const CLUSTER: u64 = 1 << 16;
const ENTRIES: u64 = CLUSTER / 8;
const COUNTS: u64 = CLUSTER / 2;
const COPIED: u64 = 1 << 63;

/// Writes the `length` bytes of `disk` to `out`, from its byte 0 on; returns the file's length.
pub fn qcow2(disk: &mut impl Read, length: u64, out: &mut (impl Write + Seek)) -> io::Result<u64> {
    if length % 512 != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a disk has whole sectors"));
    }
    let tables = length.div_ceil(CLUSTER * ENTRIES);
    let l1_clusters = (tables * 8).div_ceil(CLUSTER).max(1);
    let mut next = 1 + l1_clusters;
    let mut l1 = vec![0u64; (l1_clusters * ENTRIES) as usize];
    let mut cluster = vec![0; CLUSTER as usize];
    let mut left = length;
    for entry in l1.iter_mut().take(tables as usize) {
        let mut l2 = vec![0u64; ENTRIES as usize];
        let own = next;
        let mut used = false;
        for place in &mut l2 {
            let count = left.min(CLUSTER) as usize;
            disk.read_exact(&mut cluster[..count])?;
            cluster[count..].fill(0);
            left -= count as u64;
            if cluster.iter().any(|&byte| byte != 0) {
                // The table lies before the first of its data.
                next += if used { 1 } else { 2 };
                used = true;
                *place = ((next - 1) * CLUSTER) | COPIED;
                put(out, next - 1, &cluster)?;
            }
            if left == 0 {
                break;
            }
        }
        if used {
            *entry = (own * CLUSTER) | COPIED;
            put(out, own, &bytes(&l2))?;
        }
    }
    put(out, 1, &bytes(&l1))?;
    finish(out, next, l1_clusters, (length, tables))
}

/// Counts, their table, and the header.
fn finish(
    out: &mut (impl Write + Seek),
    next: u64,
    l1_clusters: u64,
    (length, tables): (u64, u64),
) -> io::Result<u64> {
    // The counts count themselves and their table too.
    let (mut counts, mut table) = (1, 1);
    loop {
        let all = next + counts + table;
        let (more, wide) = (all.div_ceil(COUNTS), (counts * 8).div_ceil(CLUSTER));
        if (more, wide) == (counts, table) {
            break;
        }
        (counts, table) = (more, wide);
    }
    let all = next + counts + table;
    for block in 0..counts {
        let here = (all - block * COUNTS).min(COUNTS) as usize;
        let mut bytes = [0, 1].repeat(here);
        bytes.resize(CLUSTER as usize, 0);
        put(out, next + block, &bytes)?;
    }
    let places: Vec<u64> = (next..next + counts).map(|at| at * CLUSTER).collect();
    let mut places = bytes(&places);
    places.resize((table * CLUSTER) as usize, 0);
    put(out, next + counts, &places)?;
    let mut header = b"QFI\xfb".to_vec();
    header.extend(3u32.to_be_bytes());
    header.extend([0; 12]);
    header.extend(16u32.to_be_bytes());
    header.extend(length.to_be_bytes());
    header.extend([0; 4]);
    header.extend(u32::try_from(tables).unwrap_or(u32::MAX).to_be_bytes());
    header.extend(CLUSTER.to_be_bytes());
    header.extend(((next + counts) * CLUSTER).to_be_bytes());
    header.extend(u32::try_from(table).unwrap_or(u32::MAX).to_be_bytes());
    header.extend([0; 4 + 8 + 24]);
    header.extend(4u32.to_be_bytes());
    header.extend(104u32.to_be_bytes());
    header.resize(CLUSTER as usize, 0);
    debug_assert!(l1_clusters > 0);
    put(out, 0, &header)?;
    out.flush()?;
    Ok(all * CLUSTER)
}

fn bytes(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn put(out: &mut (impl Write + Seek), cluster: u64, bytes: &[u8]) -> io::Result<()> {
    out.seek(SeekFrom::Start(cluster * CLUSTER))?;
    out.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(bytes: &[u8], at: usize) -> u64 {
        u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    /// What a reader of the format finds.
    fn read(file: &[u8]) -> Vec<u8> {
        assert_eq!(file[..8], *b"QFI\xfb\0\0\0\x03");
        let (length, l1) = (long(file, 24) as usize, long(file, 40) as usize);
        let mut disk = vec![0; length];
        for (index, chunk) in disk.chunks_mut(1 << 16).enumerate() {
            let l2 = (long(file, l1 + index / 8192 * 8) & !COPIED) as usize;
            if l2 != 0 {
                let at = (long(file, l2 + index % 8192 * 8) & !COPIED) as usize;
                if at != 0 {
                    chunk.copy_from_slice(&file[at..at + chunk.len()]);
                }
            }
        }
        disk
    }

    #[test]
    fn what_is_written_is_read() {
        for (length, marks) in [
            (512, vec![0]),
            (65_536, vec![]),
            (3 << 20, vec![5, 70_000, (3 << 20) - 1]),
            ((600 << 20) + 512, vec![1, 530 << 20, 600 << 20]),
        ] {
            let mut disk = vec![0u8; length];
            marks.iter().for_each(|&at| disk[at] = 7);
            let mut out = io::Cursor::new(Vec::new());
            let size = qcow2(&mut disk.as_slice(), length as u64, &mut out).unwrap();
            let file = out.into_inner();
            assert_eq!(size, file.len() as u64);
            assert!(read(&file) == disk, "{length}");
            // Every cluster is counted once.
            let table = long(&file, 48) as usize;
            let counts = &file[long(&file, table) as usize..][..file.len() / (1 << 16) * 2];
            assert!(counts.chunks(2).all(|count| count == [0, 1]), "{length}");
        }
        assert!(qcow2(&mut &[0u8; 100][..], 100, &mut io::Cursor::new(Vec::new())).is_err());
        assert!(qcow2(&mut &[0u8; 512][..], 1024, &mut io::Cursor::new(Vec::new())).is_err());
    }
}
