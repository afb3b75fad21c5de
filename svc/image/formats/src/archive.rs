//! archive.rs - a boot archive's two companions: its gzip form and its hash.
//!
//! ```text
//! 1f 8b 08 00 | time 0 | xfl | ff      no name, no time
//! deflate blocks of 128 KiB of the archive, each made with the 32 KiB before it as dictionary
//!     and ended on a byte (sync flush: an empty stored block)
//! 03 00                                the last block, empty
//! crc32 u32 | length mod 2^32 u32      little endian
//! ```
//!
//! One member, because loaders read one.  The hash file is the SHA-1 of the archive as the kernel
//! sees it, uncompressed: forty lower-case hexadecimal digits and a newline.
//!
//! Law: equal archives are equal files, however many threads there were.

use std::io::{self, Read, Write};

use sha1::{Digest, Sha1};
use zlib_rs::{Deflate, DeflateFlush, Status};

use crate::pieces::{Earlier, Packed as Part, Piece};
use crate::waves::{self, Cut};

const CUT: Cut = Cut { piece: 128 << 10, before: 32 << 10 };

/// The last block, and the sums.
const TRAILER: u64 = 10;

/// What [`pack`] made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The text of `boot_archive.hash`.
    pub hash: String,
    /// Bytes of the archive.
    pub plain: u64,
    /// Bytes of its gzip form.
    pub packed: u64,
}

/// The text of `boot_archive.hash` for an archive.
pub fn hash(mut archive: impl Read) -> io::Result<String> {
    let mut sha1 = Sha1::new();
    io::copy(&mut archive, &mut sha1)?;
    Ok(hash_text(sha1))
}

fn hash_text(sha1: Sha1) -> String {
    let mut text: String = sha1.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    text
}

/// Writes `archive` to `out` as one gzip member of level `level` (clamped to 1..=9), and hashes it
/// on the way.
pub fn pack(
    archive: &mut (impl Read + Send),
    level: u8,
    out: &mut (impl Write + Send),
) -> io::Result<Packed> {
    Ok(pack_after(None, archive, level, out)?.0)
}

/// The same, with the pieces that an earlier archive had; gives those of this one as well.
pub fn pack_after(
    earlier: Option<&dyn Earlier>,
    archive: &mut (impl Read + Send),
    level: u8,
    out: &mut (impl Write + Send),
) -> io::Result<(Packed, Vec<Piece>)> {
    let level = level.clamp(1, 9);
    let quality = [0, 4, 0, 0, 0, 0, 0, 0, 0, 2][usize::from(level)];
    out.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, quality, 0xff])?;
    let (mut sha1, mut crc, mut packed) = (Sha1::new(), libdeflater::Crc::new(), 10 + TRAILER);
    let (how, mut pieces) = (format!("gzip {level}"), Vec::new());
    let plain = waves::in_order(
        archive,
        CUT,
        |before, piece| {
            let parts = [how.as_bytes(), before, piece];
            Part::find(earlier, &parts, || deflate(level, before, piece))
        },
        |piece, blocks: Part| {
            sha1.update(piece);
            crc.update(piece);
            // The trailer is counted already; the header lies before all.
            pieces.extend(blocks.piece(packed - TRAILER));
            packed += blocks.bytes.len() as u64;
            out.write_all(&blocks.bytes)
        },
    )?;
    out.write_all(&[3, 0])?;
    out.write_all(&crc.sum().to_le_bytes())?;
    // The format keeps the length modulo 2^32.
    out.write_all(&(plain as u32).to_le_bytes())?;
    Ok((Packed { hash: hash_text(sha1), plain, packed }, pieces))
}

/// Raw deflate of `piece`, ended on a byte; distances may reach into `before`.
fn deflate(level: u8, before: &[u8], piece: &[u8]) -> io::Result<Vec<u8>> {
    let refused = |text: &str| io::Error::other(format!("deflate: {text}"));
    // It knows no other answer to a want of memory than a panic.
    let made = std::panic::catch_unwind(|| Deflate::new(i32::from(level), false, 15));
    let mut deflate = made.map_err(|_panic| io::Error::from(io::ErrorKind::OutOfMemory))?;
    if !before.is_empty() {
        deflate.set_dictionary(before).map_err(|error| refused(error.as_str()))?;
    }
    // Level 1 spends up to nine bits on a byte; then there is the flush.
    let mut out = vec![0; piece.len() + piece.len() / 4 + 128];
    let status = deflate
        .compress(piece, &mut out, DeflateFlush::SyncFlush)
        .map_err(|error| refused(error.as_str()))?;
    let (taken, made) = (deflate.total_in() as usize, deflate.total_out() as usize);
    if status != Status::Ok || taken != piece.len() || made == out.len() {
        return Err(refused("no room"));
    }
    out.truncate(made);
    Ok(out)
}

/// One gzip member holding `archive`, as [`pack`] makes it.
pub fn gzip(archive: &[u8], level: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut from = archive;
    pack(&mut from, level, &mut out).expect("memory is read and written without errors");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflated(packed: &[u8], length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        libdeflater::Decompressor::new().gzip_decompress(packed, &mut out).unwrap();
        out
    }

    /// Words that compress, and every so often some that do not.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length)
            .map(|at| if at / 200_000 % 3 == 2 { next() } else { (at / 7 % 113) as u8 })
            .collect()
    }

    #[test]
    fn the_hash_file_is_forty_digits_and_a_newline() {
        let text = hash(&b"abc"[..]).unwrap();
        assert_eq!(text, "a9993e364706816aba3e25717850c26c9cd0d89d\n");
    }

    #[test]
    fn gzip_is_one_member_without_name_and_time() {
        for length in [0, 1, 131_071, 131_072, 131_073, 5_000_000] {
            let archive = sample(length);
            for level in [0, 1, 6, 9] {
                let packed = gzip(&archive, level);
                assert_eq!(packed[..2], [0x1f, 0x8b]);
                assert_eq!(packed[3..8], [0; 5], "no name, no time");
                assert!(inflated(&packed, length) == archive, "{length} bytes, level {level}");
            }
        }
        let archive = sample(5_000_000);
        let sizes = [1, 9].map(|level| gzip(&archive, level).len());
        assert!(sizes[0] > sizes[1], "{sizes:?}");
    }

    #[test]
    fn pieces_are_where_they_are_said_to_be() {
        let (archive, mut out) = (sample(700_000), Vec::new());
        let nothing = crate::pieces::Nothing;
        let (packed, pieces) =
            pack_after(Some(&nothing), &mut archive.as_slice(), 6, &mut out).unwrap();
        assert_eq!((pieces.len(), packed.packed), (6, out.len() as u64));
        for piece in &pieces {
            let at = piece.at as usize;
            let bytes = &out[at..at + piece.length as usize];
            assert_eq!(crate::pieces::digest(bytes), piece.sum);
        }
    }

    #[test]
    fn the_bytes_do_not_depend_on_threads() {
        let archive = sample(9_000_000);
        let made = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = Vec::new();
            let packed = pool.install(|| pack(&mut archive.as_slice(), 6, &mut out)).unwrap();
            assert_eq!(packed.hash, hash(archive.as_slice()).unwrap());
            assert_eq!((packed.plain, packed.packed), (9_000_000, out.len() as u64));
            out
        });
        assert!(made[0] == made[1] && made[1] == made[2]);
    }
}
