//! iso9660 - ISO 9660 with Rock Ridge (RRIP_1991A), written: the parts of an image that are mounted.
//!
//! In reading order: `susp` (the fields of Rock Ridge), `plan` (a metadata table laid out), `head`
//! (descriptors, path tables, directories as bytes), `write` (all of it as a stream).
//!
//! ```text
//! sector 0      16 of NULs
//! sector 16     the volume descriptor, then the set's terminator
//! sector 18     the path table, little endian, then big endian
//!               each directory's records, then what of their fields found no room in them
//! at a cut      files, in the order of their paths, heavy ones first
//!               NULs to a multiple of 32 KiB
//! ```
//!
//! Files begin on sectors.  Some paths (one of 64, as a hash of the path says) begin at a *cut*: at
//! a multiple of [`CUT`].  So a file that grows moves those behind it only up to the next cut, and
//! what is behind that by whole pieces of that length, if at all: whoever works on such pieces (lofi
//! does) finds nearly all of them again in the image of a tree that is nearly the same.  Nothing of
//! that depends on an earlier image.
//!
//! Names are Rock Ridge's; the plain names are numbers.  No directory is moved, however deep.
//!
//! Law: the same table, contents and options give the same bytes.  Every file has exactly the length
//! that the table gives.

mod head;
mod plan;
mod susp;
mod write;

pub use plan::{Options, Plan, PlanError};
pub use write::WriteError;

/// Bytes of a sector.
pub const SECTOR: u64 = 2048;

/// Where pieces of the stream begin that stay the same when others change.
pub const CUT: u64 = 128 << 10;

/// A number of sectors in which `bytes` have room.
fn sectors(bytes: u64) -> u64 {
    bytes.div_ceil(SECTOR)
}

/// Both byte orders, one after the other.
fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// Both byte orders, one after the other.
fn both32(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// A date in a directory record: seven bytes, the last the offset from GMT.
fn date(time: i64) -> [u8; 7] {
    let at = crate::date::Civil::of(time);
    let year = (at.year - 1900).clamp(0, 255);
    [year, at.month, at.day, at.hour, at.minute, at.second, 0].map(|part| part as u8)
}
