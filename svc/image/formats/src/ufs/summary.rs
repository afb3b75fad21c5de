//! summary.rs - superblock and cylinder groups as bytes, counted from the bitmaps.
//!
//! Everything here is derived: `used` says which fragments hold something, `inodes` how many
//! inodes are taken (from the first on) and which of them are directories.  Offsets are those
//! of `struct fs` and `struct cg` on x86: `fs_state` at 132, `fs_npsect` at 1336 (SPARC has
//! them the other way round).

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

    /// The counters at `at`.
    pub fn get(bytes: &[u8], at: usize) -> Self {
        let field = |index: usize| get32(bytes, at + 4 * index);
        Self { directories: field(0), blocks: field(1), inodes: field(2), frags: field(3) }
    }
}

/// What is taken, in the whole file system.
pub struct Usage<'a> {
    /// Bit n: fragment n holds metadata or data.
    pub frags: &'a [u8],
    /// Bit n: inode n is taken.
    pub inodes: &'a [u8],
    /// Bit n: inode n is a directory.
    pub directories: &'a [u8],
}

/// Marks what belongs to no file: boot blocks, superblocks, groups, inodes, summary table.
pub fn mark_metadata(geometry: &Geometry, frags: &mut [u8]) {
    for group in 0..geometry.groups {
        let start = geometry.start(group);
        let first = if group == 0 { 0 } else { start + COPY_AT };
        let summary = if group == 0 { geometry.summary_frags() } else { 0 };
        (first..start + geometry.data_at() + summary).for_each(|at| set_bit(frags, at));
    }
}

/// The block of group `group`, and its counters.
pub fn group(geometry: &Geometry, group: u32, usage: &Usage<'_>, time: u32) -> (Vec<u8>, Counts) {
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

    let mut counts = Counts::default();
    for index in 0..inodes {
        let number = group * inodes + index;
        if bit(usage.inodes, number) {
            set_bit(&mut bytes[at_inodes..], index);
        } else {
            counts.inodes += 1;
        }
        counts.directories += u32::from(bit(usage.directories, number));
    }
    let mut block = base;
    while block < end {
        let stop = end.min(block + FRAGS);
        let free: Vec<u32> = (block..stop).filter(|&at| !bit(usage.frags, at)).collect();
        free.iter().for_each(|at| set_bit(&mut bytes[at_frags..], at - base));
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
