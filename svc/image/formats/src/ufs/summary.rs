//! summary.rs - superblock and cylinder groups as bytes, counted from the bitmaps.
//!
//! Everything here is derived from what is left free and from how many inodes are taken.  Offsets are those
//! of `struct fs` and `struct cg` on x86: `fs_state` at 132, `fs_npsect` at 1336 (SPARC has
//! them the other way round).

use super::allocate::Left;
use super::geometry::Geometry;
use super::layout::*;

/// The four counters of a group, or of all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Directories.
    pub directories: u32,
    /// Free whole blocks.
    pub blocks: u32,
    /// Free inodes.
    pub inodes: u32,
    /// Free fragments outside of free whole blocks.
    pub frags: u32,
}

impl Counts {
    /// The sum of both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            directories: self.directories + other.directories,
            blocks: self.blocks + other.blocks,
            inodes: self.inodes + other.inodes,
            frags: self.frags + other.frags,
        }
    }

    /// Puts them at `at`, in the format's order.
    pub fn put(self, bytes: &mut [u8], at: usize) {
        for (index, value) in
            [self.directories, self.blocks, self.inodes, self.frags].into_iter().enumerate()
        {
            put32(bytes, at + 4 * index, value);
        }
    }
}

/// What is taken of one group.
pub struct Usage {
    /// How many of its inodes are taken, from its first on.
    pub inodes: u32,
    /// How many of those are directories.
    pub directories: u32,
    /// Bit n: its fragment n is free.
    pub free: Vec<u8>,
}

/// The free fragments of group `group`, where only `left` is.
pub fn free(geometry: &Geometry, group: u32, left: &Left) -> Vec<u8> {
    let (base, end) = (geometry.base(group), geometry.end(group));
    let mut map = vec![0; geometry.frags_per_group().div_ceil(8) as usize];
    let next = left.next.unwrap_or(u32::MAX);
    for range in geometry.data(group) {
        for at in range.clone() {
            // Blocks that the range cuts are never given away.
            let block = at / FRAGS * FRAGS;
            let whole = block >= range.start && block + FRAGS <= range.end;
            if !whole || block >= next {
                set_bit(&mut map, at - base);
            }
        }
    }
    let first = left.ends.partition_point(|&(at, _)| at < base);
    for &(at, count) in left.ends[first..].iter().take_while(|&&(at, _)| at < end) {
        (at..at + count).for_each(|at| set_bit(&mut map, at - base));
    }
    map
}

/// The block of group `group`, and its counters.
pub fn group(geometry: &Geometry, group: u32, usage: &Usage, time: u32) -> (Vec<u8>, Counts) {
    let mut bytes = vec![0; BLOCK as usize];
    let (base, end) = (geometry.base(group), geometry.end(group));
    let cylinders = geometry.cylinders_per_group;
    let inodes = geometry.inodes_per_group;
    let at_btot = 168;
    let at_b = at_btot + 4 * cylinders as usize;
    let at_inodes = at_b + 2 * cylinders as usize;
    let at_frags = at_inodes + inodes.div_ceil(8) as usize;
    let at_end = at_frags + geometry.frags_per_group().div_ceil(8) as usize;
    put32(&mut bytes, 4, GROUP_MAGIC);
    put32(&mut bytes, 8, time);
    put32(&mut bytes, 12, group);
    let here = (end - base).div_ceil(CYLINDER);
    put16(&mut bytes, 16, here as u16);
    put16(&mut bytes, 18, inodes as u16);
    put32(&mut bytes, 20, end - base);
    for (at, value) in [(84, at_btot), (88, at_b), (92, at_inodes), (96, at_frags), (100, at_end)] {
        put32(&mut bytes, at, value as u32);
    }

    let mut counts = Counts { directories: usage.directories, ..Counts::default() };
    (0..usage.inodes).for_each(|index| set_bit(&mut bytes[at_inodes..], index));
    counts.inodes = inodes - usage.inodes;
    bytes[at_frags..at_frags + usage.free.len()].copy_from_slice(&usage.free);
    let mut block = base;
    while block < end {
        let stop = end.min(block + FRAGS);
        let free: Vec<u32> = (block..stop).filter(|&at| bit(&usage.free, at - base)).collect();
        if free.len() == FRAGS as usize {
            counts.blocks += 1;
            let cylinder = ((block - base) / CYLINDER) as usize;
            let (total, row) = (at_btot + 4 * cylinder, at_b + 2 * cylinder);
            let (whole, in_row) = (get32(&bytes, total) + 1, get16(&bytes, row) + 1);
            put32(&mut bytes, total, whole);
            put16(&mut bytes, row, in_row);
        } else {
            counts.frags += free.len() as u32;
            for run in runs(&free) {
                let at = 52 + 4 * run;
                let count = get32(&bytes, at) + 1;
                put32(&mut bytes, at, count);
            }
        }
        block = stop;
    }
    counts.put(&mut bytes, 24);
    (bytes, counts)
}

/// The lengths of runs of neighbours in an ascending list.
fn runs(list: &[u32]) -> Vec<usize> {
    list.chunk_by(|a, b| a + 1 == *b).map(<[u32]>::len).collect()
}

/// The superblock for a file system with `total` free, last written at `time`.
pub fn superblock(geometry: &Geometry, total: Counts, time: u32) -> Vec<u8> {
    let mut bytes = vec![0; SUPERBLOCK_SIZE];
    let metadata: u32 = (0..geometry.groups)
        .map(|group| geometry.data_at() - if group == 0 { 0 } else { COPY_AT })
        .sum::<u32>()
        + geometry.summary_frags();
    let block = BLOCK as u32;
    let frag = FRAGMENT as u32;
    let fields: [(usize, u32); 47] = [
        (8, COPY_AT),
        (12, GROUP_AT),
        (16, INODES_AT),
        (20, geometry.data_at()),
        (24, GROUP_OFFSET),
        (28, 0u32.wrapping_sub(OFFSET_CYCLE)),
        (32, time),
        (36, geometry.size),
        (40, geometry.size - metadata),
        (44, geometry.groups),
        (48, block),
        (52, frag),
        (56, FRAGS),
        (68, 60),
        (72, 0u32.wrapping_sub(block)),
        (76, 0u32.wrapping_sub(frag)),
        (80, 13),
        (84, 10),
        (88, 128),
        (92, block / 4),
        (96, 3),
        (100, 1),
        (104, SUPERBLOCK_SIZE as u32),
        (108, 0u32.wrapping_sub(block / 16)),
        (112, 9),
        (116, POINTERS as u32),
        (120, block / INODE as u32),
        (124, SECTORS_PER_FRAG),
        (128, 1),
        (132, STATE_OKAY.wrapping_sub(time)),
        (152, geometry.data_at()),
        (156, geometry.summary_frags() * frag),
        (160, (geometry.group_bytes() as u32).next_multiple_of(frag)),
        (164, TRACKS),
        (168, TRACK),
        (172, TRACK * TRACKS),
        (176, geometry.cylinders()),
        (180, geometry.cylinders_per_group),
        (184, geometry.inodes_per_group),
        (188, geometry.frags_per_group()),
        (1336, TRACK),
        (1340, block - 1),
        (1348, frag - 1),
        (1356, 1),
        (1360, 1),
        (1364, 1376),
        (1368, 1376),
    ];
    for (at, value) in fields {
        put32(&mut bytes, at, value);
    }
    put32(&mut bytes, 1372, MAGIC);
    total.put(&mut bytes, 192);
    // Clean, and able to hold files of 2 GiB and more.
    bytes[209] = 1;
    bytes[211] = 1;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted() {
        assert_eq!(runs(&[0, 1, 3, 5, 6, 7]), [2, 1, 3]);
        assert!(runs(&[]).is_empty());
    }

    #[test]
    fn fields_lie_where_x86_has_them() {
        let geometry =
            Geometry { size: 4096, groups: 1, cylinders_per_group: 2, inodes_per_group: 128 };
        let bytes = superblock(&geometry, Counts::default(), 1_700_000_000);
        for (at, value) in [
            (20, 48),
            (28, 0xffff_ffc0),
            (72, 0xffff_e000),
            (132, STATE_OKAY.wrapping_sub(1_700_000_000)),
            (1320, 0),
            (1324, 0),
            (1336, 128),
            (1344, 0),
            (1372, MAGIC),
        ] {
            assert_eq!(get32(&bytes, at), value, "at {at}");
        }
        assert_eq!(get64(&bytes, 1340), 8191);
        assert_eq!((bytes[208], bytes[209]), (0, 1));
    }
}
