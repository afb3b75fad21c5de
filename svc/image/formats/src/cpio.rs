//! cpio.rs - cpio archives: odc, newc and crc.
//!
//! ```text
//! odc   "070707", then octal: dev 6, ino 6, mode 6, uid 6, gid 6, nlink 6, rdev 6, mtime 11,
//!       length of the name 6, length of the data 11; name and NUL; data
//! newc  "070701", then 8 hexadecimal digits each: ino, mode, uid, gid, nlink, mtime, length of
//!       the data, dev major, minor, rdev major, minor, length of the name, check; name and NUL,
//!       NULs to a multiple of 4; data, NULs to a multiple of 4
//! crc   "070702", newc with the sum of the data's bytes as check
//! ```
//!
//! The last member is called `TRAILER!!!`; NULs follow to a multiple of 512.  Names have no
//! leading slash, as the kernel looks for them; the root is `.`.  In odc every name of a file
//! carries its data, because the kernel's reader takes the first that fits; in newc and crc the
//! last name does.
//!
//! Law: the same table, contents and format give the same bytes; inodes are numbered in the order
//! of the table.

use std::io;

mod read;
mod write;

pub use read::read;
pub use write::write;

const END: &str = "TRAILER!!!";
const SECTOR: u64 = 512;
/// Bits of a mode that are the type.
const TYPE: u32 = 0o170_000;
const FIFO: u32 = 0o010_000;
const CHARACTER: u32 = 0o020_000;
const DIRECTORY: u32 = 0o040_000;
const BLOCK: u32 = 0o060_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// Which cpio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The portable format of POSIX, `cpio -H odc`.
    Odc,
    /// SVR4's, `cpio -H newc`.
    Newc,
    /// SVR4's with check sums, `cpio -H crc`.
    Crc,
}

impl Format {
    /// All.
    pub const ALL: [Self; 3] = [Self::Odc, Self::Newc, Self::Crc];

    fn magic(self) -> &'static [u8; 6] {
        match self {
            Self::Odc => b"070707",
            Self::Newc => b"070701",
            Self::Crc => b"070702",
        }
    }

    /// Bytes of a header, the magic counted.
    fn header(self) -> usize {
        match self {
            Self::Odc => 76,
            Self::Newc | Self::Crc => 110,
        }
    }

    /// What names and data are filled up to.
    fn unit(self) -> u64 {
        match self {
            Self::Odc => 1,
            Self::Newc | Self::Crc => 4,
        }
    }
}

/// Why an archive is not written or read.
#[derive(Debug, thiserror::Error)]
pub enum CpioError {
    /// A number of the table that the format has no digits for.
    #[error("{path}: its {field} has no room in the archive")]
    Number {
        /// The path.
        path: String,
        /// Which.
        field: &'static str,
    },
    /// A hard link to nothing of the table.
    #[error("{path}: a hard link to {target}, which is no file of the table")]
    HardLink {
        /// The link.
        path: String,
        /// What it names.
        target: String,
    },
    /// A file's contents cannot be read, or are not as long as the table says.
    #[error("{path}")]
    Content {
        /// The file.
        path: String,
        /// What happened.
        source: io::Error,
    },
    /// No cpio archive, or a damaged one.
    #[error("byte {at}: {reason}")]
    Format {
        /// Where, in the stream.
        at: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The stream.
    #[error("the archive")]
    Io(#[from] io::Error),
}
