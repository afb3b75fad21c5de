//! archive.rs - a boot archive's two companions: its gzip form and its hash.
//!
//! The hash file is the SHA-1 of the archive as the kernel sees it, uncompressed: forty
//! lower-case hexadecimal digits and a newline.  The gzip header names no file and no time, so
//! equal archives are equal files.

use std::io::{self, Read};

use sha1::{Digest, Sha1};

/// The text of `boot_archive.hash` for an archive.
pub fn hash(mut archive: impl Read) -> io::Result<String> {
    let mut sha1 = Sha1::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = archive.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        sha1.update(&buffer[..count]);
    }
    let mut text: String = sha1.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    Ok(text)
}

/// One gzip member holding `archive`, at libdeflate's level `level` (clamped to 1..=12).
pub fn gzip(archive: &[u8], level: u8) -> Vec<u8> {
    let level = libdeflater::CompressionLvl::new(i32::from(level.clamp(1, 12))).unwrap_or_default();
    let mut compressor = libdeflater::Compressor::new(level);
    let mut out = vec![0; compressor.gzip_compress_bound(archive.len())];
    let length = compressor.gzip_compress(archive, &mut out).expect("the bound is never too small");
    out.truncate(length);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_file_is_forty_digits_and_a_newline() {
        let text = hash(&b"abc"[..]).unwrap();
        assert_eq!(text, "a9993e364706816aba3e25717850c26c9cd0d89d\n");
    }

    #[test]
    fn gzip_names_no_time_and_inflates_again() {
        let archive: Vec<u8> = (0..100_000u32).flat_map(|n| (n / 9).to_le_bytes()).collect();
        let packed = gzip(&archive, 9);
        assert_eq!(packed[..2], [0x1f, 0x8b]);
        assert_eq!(packed[3..8], [0; 5], "no name, no time");
        let mut out = vec![0; archive.len()];
        libdeflater::Decompressor::new().gzip_decompress(&packed, &mut out).unwrap();
        assert_eq!(out, archive);
    }
}
