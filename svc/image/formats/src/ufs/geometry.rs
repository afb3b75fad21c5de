//! geometry.rs - how large a file system is, and where its groups lie.
//!
//! The cylinders are make-believe, as mkfs makes them up for a file: 128 sectors a track, 48
//! tracks.  Invariant: every group holds its own metadata and at least one block of data.

use std::ops::Range;

use super::layout::*;

/// How large the file system is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// What the content takes, a fifth more below 150,000 KB of it, else a tenth more (as
    /// distro_const sizes a boot archive), and this many MiB.
    Content {
        /// MiB to leave free beyond the factor.
        pad_mb: u64,
    },
    /// This many bytes, cut down to whole blocks.
    Bytes(u64),
}

/// How many inodes there are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inodes {
    /// One for each file of the content and an eighth more, at least 64 to spare.
    Content,
    /// One for this many bytes of space.
    BytesPer(u32),
    /// One for each file of the content and this many more, for what a live system makes.
    Spare(u32),
}

/// Why no file system of the asked size can be laid out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GeometryError {
    /// The content is larger than the space.
    #[error("{need} blocks of content do not fit into {space} blocks")]
    Space {
        /// Blocks of 8192 bytes the content takes.
        need: u64,
        /// Blocks there are for data.
        space: u64,
    },
    /// More files than inodes.
    #[error("{need} files do not fit into {inodes} inodes")]
    Inodes {
        /// Inodes the content takes.
        need: u64,
        /// Inodes there would be.
        inodes: u64,
    },
    /// Outside of what addresses of 31 bits or the smallest group allow.
    #[error("a file system of {size} fragments cannot be laid out")]
    Size {
        /// Fragments of 1024 bytes.
        size: u64,
    },
}

/// Where everything lies; all numbers are fragments unless they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// All fragments of the file system.
    pub size: u32,
    /// Cylinder groups.
    pub groups: u32,
    /// Cylinders in a full group.
    pub cylinders_per_group: u32,
    /// Inodes in a group, a multiple of 64.
    pub inodes_per_group: u32,
}

impl Geometry {
    /// The geometry for `blocks` blocks of data and `files` inodes.
    pub fn of(
        blocks: u64,
        files: u64,
        space: Space,
        inodes: Inodes,
    ) -> Result<Self, GeometryError> {
        let wanted = |size: u64| match inodes {
            Inodes::Content => files + (files / 8).max(64),
            Inodes::Spare(more) => files + 2 + u64::from(more),
            Inodes::BytesPer(bytes) => size * FRAGMENT / u64::from(bytes.max(1)),
        };
        let found = match space {
            Space::Bytes(bytes) => {
                let size = bytes / BLOCK * u64::from(FRAGS);
                Self::fit(size, wanted(size))?
            }
            Space::Content { pad_mb } => {
                let kb = blocks * (BLOCK / 1024);
                let padded = if kb < 150_000 { kb * 6 / 5 } else { kb * 11 / 10 };
                let target = (padded + pad_mb * 1024) / (BLOCK / 1024) + 1;
                Self::around(target, &wanted)?
            }
        };
        if found.data_blocks() < blocks {
            return Err(GeometryError::Space { need: blocks, space: found.data_blocks() });
        }
        // Inodes 0 and 1 are nobody's.
        if found.inodes() < files + 2 {
            return Err(GeometryError::Inodes { need: files, inodes: found.inodes() - 2 });
        }
        Ok(found)
    }

    /// The smallest geometry with room for `blocks` blocks of data.
    fn around(blocks: u64, inodes: &dyn Fn(u64) -> u64) -> Result<Self, GeometryError> {
        let mut size = (blocks * u64::from(FRAGS)).max(512);
        loop {
            match Self::fit(size, inodes(size)) {
                Ok(found) if found.data_blocks() >= blocks => return Ok(found),
                // A last group too small to stand was cut off: the next step gives it more.
                Ok(found) => {
                    let missing = (blocks - found.data_blocks()) * u64::from(FRAGS);
                    size = size.max(u64::from(found.size)) + missing;
                }
                Err(GeometryError::Size { .. }) if size < 1 << 20 => size += 512,
                Err(error) => return Err(error),
            }
        }
    }

    /// Exactly `size` fragments, less a last group that could not hold itself.
    fn fit(size: u64, inodes: u64) -> Result<Self, GeometryError> {
        let refused = GeometryError::Size { size };
        // Addresses are signed 32-bit numbers in the kernel.
        if size > 0x7fff_ffff {
            return Err(refused);
        }
        let size = size as u32;
        let cylinders = size.div_ceil(CYLINDER);
        for cylinders_per_group in (1..=CYLINDERS_MAX.min(cylinders.max(1))).rev() {
            let mut groups = cylinders.div_ceil(cylinders_per_group);
            let mut size = size;
            while groups > 0 {
                let each = inodes.div_ceil(u64::from(groups)).max(1).next_multiple_of(64);
                let inodes_per_group = u32::try_from(each).unwrap_or(u32::MAX);
                let found = Self { size, groups, cylinders_per_group, inodes_per_group };
                if inodes_per_group > INODES_MAX || found.group_bytes() > BLOCK {
                    break;
                }
                if found.stands() {
                    return Ok(found);
                }
                groups -= 1;
                size = groups * found.frags_per_group();
            }
        }
        Err(refused)
    }

    /// Whether the first and the last group hold their own metadata and one block of data.
    pub fn stands(&self) -> bool {
        let last = self.groups - 1;
        let widest = (OFFSET_CYCLE.min(self.groups) - 1) * GROUP_OFFSET;
        let first_data = self.data_at() + self.summary_frags().next_multiple_of(FRAGS);
        first_data + FRAGS <= self.end(0)
            && self.start(last) + self.data_at() + FRAGS <= self.end(last)
            && widest + self.data_at() + FRAGS <= self.frags_per_group()
    }

    /// Fragments in a full group.
    pub fn frags_per_group(&self) -> u32 {
        self.cylinders_per_group * CYLINDER
    }

    /// All cylinders, the last perhaps in part.
    pub fn cylinders(&self) -> u32 {
        self.size.div_ceil(CYLINDER)
    }

    /// All inodes, 0 and 1 included.
    pub fn inodes(&self) -> u64 {
        u64::from(self.groups) * u64::from(self.inodes_per_group)
    }

    /// First fragment of group `group`.
    pub fn base(&self, group: u32) -> u32 {
        group * self.frags_per_group()
    }

    /// Where the group's metadata is counted from.
    pub fn start(&self, group: u32) -> u32 {
        self.base(group) + GROUP_OFFSET * (group % OFFSET_CYCLE)
    }

    /// One past the group's last fragment.
    pub fn end(&self, group: u32) -> u32 {
        self.size.min(self.base(group) + self.frags_per_group())
    }

    /// First data fragment behind the inodes, counted from a group's start.
    pub fn data_at(&self) -> u32 {
        INODES_AT + self.inodes_per_group / INODES_PER_FRAG
    }

    /// Fragments of the groups' summary table, at the start of group 0's data.
    pub fn summary_frags(&self) -> u32 {
        (self.groups * 16).div_ceil(FRAGMENT as u32)
    }

    /// Bytes of a group's header, counters and bitmaps (CGSIZE).
    pub fn group_bytes(&self) -> u64 {
        let tables = self.cylinders_per_group * 6;
        let maps = self.inodes_per_group.div_ceil(8) + self.frags_per_group().div_ceil(8);
        u64::from(172 + tables + maps)
    }

    /// The ranges of group `group` that may hold data; the summary table is not in them.
    pub fn data(&self, group: u32) -> [Range<u32>; 2] {
        let start = self.start(group);
        if group == 0 {
            [0..0, start + self.data_at() + self.summary_frags()..self.end(0)]
        } else {
            [self.base(group)..start + COPY_AT, start + self.data_at()..self.end(group)]
        }
    }

    /// The whole, aligned blocks that may hold data, in order of address.
    pub fn blocks(&self) -> impl Iterator<Item = u32> + use<> {
        let geometry = *self;
        (0..self.groups).flat_map(move |group| geometry.data(group)).flat_map(|range| {
            let first = range.start.next_multiple_of(FRAGS);
            (first..range.end).step_by(FRAGS as usize).filter(move |at| at + FRAGS <= range.end)
        })
    }

    /// Whole blocks for data.
    pub fn data_blocks(&self) -> u64 {
        let whole = |range: Range<u32>| {
            let first = range.start.next_multiple_of(FRAGS);
            u64::from(range.end.saturating_sub(first) / FRAGS)
        };
        (0..self.groups).flat_map(|group| self.data(group)).map(whole).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_fits() {
        for (blocks, files) in
            [(1, 1), (2, 40), (400, 300), (3_000, 90_000), (15_000, 10), (150_000, 60_000)]
        {
            let space = Space::Content { pad_mb: 0 };
            let found = Geometry::of(blocks, files, space, Inodes::Content).unwrap();
            assert!(found.data_blocks() >= blocks, "{blocks} {files}: {found:?}");
            assert!(found.inodes() >= files + 2, "{blocks} {files}: {found:?}");
            assert!(found.group_bytes() <= BLOCK);
            let last = found.groups - 1;
            assert!(found.start(last) + found.data_at() < found.end(last));
        }
    }

    #[test]
    fn mkfs_numbers_come_out_for_its_own_example() {
        // mkfs with 2048 bytes per inode: 14 cylinders a group where the group block is full.
        let found = Geometry::fit(43_008 * 3, 20_160 * 3).unwrap();
        assert_eq!((found.cylinders_per_group, found.inodes_per_group), (14, 20_160));
        assert_eq!((found.groups, found.frags_per_group()), (3, 43_008));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let little = Space::Bytes(1 << 20);
        for (blocks, files) in [(1_000, 10), (10, 100_000)] {
            assert!(Geometry::of(blocks, files, little, Inodes::BytesPer(4096)).is_err());
        }
        assert!(Geometry::of(1, 1, Space::Bytes(9_000), Inodes::Content).is_err());
        assert!(Geometry::of(1, 1, Space::Bytes(1 << 50), Inodes::Content).is_err());
    }
}
