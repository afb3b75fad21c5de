//! layout.rs - the constants of the format and its byte order.
//!
//! ```text
//! byte 0      boot blocks (zero)
//! 8192        superblock, 1380 bytes
//! group c     base b = c * fragments per group; start s = b + 64 * (c mod 64)
//!   s + 16    copy of the superblock         (fragments of 1024 bytes)
//!   s + 24    the group's block: header, counters, bitmaps
//!   s + 32    inodes, 128 bytes each
//!   s + data  data up to the end of the group; b .. s + 16 is data too where c > 0
//! ```
//!
//! Everything is little endian; kernel integers are 32 bits wide even where a structure says long.

/// Bytes in a block.
pub const BLOCK: u64 = 8192;
/// Bytes in a fragment; addresses count fragments.
pub const FRAGMENT: u64 = 1024;
/// Fragments in a block.
pub const FRAGS: u32 = 8;
/// Sectors of 512 bytes in a fragment; `di_blocks` counts sectors.
pub const SECTORS_PER_FRAG: u32 = 2;
/// Where the superblock lies, in bytes.
pub const SUPERBLOCK_AT: u64 = 8192;
/// Bytes of the superblock that are read and written.
pub const SUPERBLOCK_SIZE: usize = 2048;
/// Bytes in an inode.
pub const INODE: usize = 128;
/// Inodes in a fragment.
pub const INODES_PER_FRAG: u32 = 8;
/// Direct addresses in an inode.
pub const DIRECT: usize = 12;
/// Addresses in an indirect block.
pub const POINTERS: usize = 2048;
/// The root directory's inode; 0 and 1 are never given away.
pub const ROOT: u32 = 2;
/// Length of one chunk of a directory; no entry crosses its end.
pub const CHUNK: usize = 512;
/// Longest name of a directory entry.
pub const NAME_MAX: usize = 255;
/// Longest text of a symbolic link.
pub const LINK_MAX: usize = 1023;

/// Superblock magic, at 1372.
pub const MAGIC: u32 = 0x0001_1954;
/// Cylinder group magic, at 4.
pub const GROUP_MAGIC: u32 = 0x0009_0255;
/// `fs_state + fs_time` of a file system that was left in order.
pub const STATE_OKAY: u32 = 0x7c26_9d38;

/// Fragment of the superblock's copy, in a group.
pub const COPY_AT: u32 = 16;
/// Fragment of the group's own block, in a group.
pub const GROUP_AT: u32 = 24;
/// First fragment of the inodes, in a group.
pub const INODES_AT: u32 = 32;

/// Sectors in a track, as mkfs assumes where there is no label.
pub const TRACK: u32 = 128;
/// Tracks in a cylinder.
pub const TRACKS: u32 = 48;
/// Fragments in a cylinder.
pub const CYLINDER: u32 = TRACK * TRACKS / SECTORS_PER_FRAG;
/// How much further each group's metadata starts than the one's before.
pub const GROUP_OFFSET: u32 = 64;
/// After this many groups the offset begins again at 0.
pub const OFFSET_CYCLE: u32 = 64;
/// Most cylinders in a group.
pub const CYLINDERS_MAX: u32 = 16;
/// Most inodes in a group.
pub const INODES_MAX: u32 = 21_888;

/// File types in the upper four bits of an inode's mode.
pub mod kind {
    /// Named pipe.
    pub const FIFO: u16 = 0o010_000;
    /// Character device.
    pub const CHARACTER: u16 = 0o020_000;
    /// Directory.
    pub const DIRECTORY: u16 = 0o040_000;
    /// Block device.
    pub const BLOCK: u16 = 0o060_000;
    /// Regular file.
    pub const FILE: u16 = 0o100_000;
    /// Symbolic link.
    pub const SYMLINK: u16 = 0o120_000;
    /// The bits themselves.
    pub const MASK: u16 = 0o170_000;
}

/// Puts a 16-bit number at `at`.
pub fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

/// Puts a 32-bit number at `at`.
pub fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Puts a 64-bit number at `at`.
pub fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// The 16-bit number at `at`.
pub fn get16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The 32-bit number at `at`.
pub fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The 64-bit number at `at`.
pub fn get64(bytes: &[u8], at: usize) -> u64 {
    u64::from(get32(bytes, at)) | u64::from(get32(bytes, at + 4)) << 32
}

/// Whether bit `index` of a bitmap is set; bits count from the least significant one.
pub fn bit(map: &[u8], index: u32) -> bool {
    map[index as usize / 8] & (1 << (index % 8)) != 0
}

/// Sets bit `index` of a bitmap.
pub fn set_bit(map: &mut [u8], index: u32) {
    map[index as usize / 8] |= 1 << (index % 8);
}

/// How many fragments a file's data takes: a tail in fragments only while no indirect block is
/// needed, whole blocks otherwise.
pub fn data_frags(size: u64) -> u64 {
    let unit = if size > DIRECT as u64 * BLOCK { BLOCK } else { FRAGMENT };
    size.div_ceil(unit) * (unit / FRAGMENT)
}

/// How many fragments block `index` of a file of `size` bytes takes.
pub fn frags_of_block(size: u64, index: u64) -> u32 {
    let left = data_frags(size).saturating_sub(index * u64::from(FRAGS));
    left.min(u64::from(FRAGS)) as u32
}
