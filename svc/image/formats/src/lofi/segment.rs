//! segment.rs - one segment of a compressed image, packed and unpacked.

use std::io::{Read, Write};

use lzma_rust2::{LzmaOptions, LzmaReader, LzmaWriter};

use super::{Algorithm, THRESHOLD};

/// First byte of a segment whose bytes follow as they are.
pub const STORED: u8 = 0;
/// First byte of a compressed one.
const PACKED: u8 = 1;
/// Properties byte of lc 3, lp 0, pb 2.
const PROPERTIES: u8 = 0x5d;
/// The dictionary that the header tells the kernel.  The segment is never longer than what the
/// coder really used, so any decoder finds all of it.
const DICTIONARY: u32 = 1 << 23;
const LZMA_HEADER: usize = 13;

/// A segment of the file from `piece`; `segment` is the length of whole ones.
pub fn pack(algorithm: Algorithm, piece: &[u8], segment: u32) -> Vec<u8> {
    let mut out = vec![PACKED];
    let most = segment.saturating_sub(THRESHOLD) as usize;
    let done = segment > THRESHOLD
        && match algorithm {
            Algorithm::Gzip | Algorithm::Gzip6 => zlib(6, piece, &mut out),
            Algorithm::Gzip9 => zlib(9, piece, &mut out),
            Algorithm::Lzma => lzma(piece, &mut out),
        };
    if !done || out.len() - 1 > most {
        out.clear();
        out.push(STORED);
        out.extend_from_slice(piece);
    }
    out
}

fn zlib(level: i32, piece: &[u8], out: &mut Vec<u8>) -> bool {
    let level = libdeflater::CompressionLvl::new(level).unwrap_or_default();
    let mut compressor = libdeflater::Compressor::new(level);
    out.resize(1 + compressor.zlib_compress_bound(piece.len()), 0);
    let made = compressor.zlib_compress(piece, &mut out[1..]);
    out.truncate(1 + made.as_ref().map_or(0, |made| *made));
    made.is_ok()
}

fn lzma(piece: &[u8], out: &mut Vec<u8>) -> bool {
    out.push(PROPERTIES);
    out.extend(DICTIONARY.to_le_bytes());
    out.extend((piece.len() as u64).to_le_bytes());
    let mut options = LzmaOptions::with_preset(6);
    // A dictionary of the piece's own length finds as much, and costs less memory.
    options.dict_size = (piece.len() as u32).next_power_of_two().max(4096);
    let made = LzmaWriter::new_no_header(&mut *out, &options, false);
    made.and_then(|mut writer| {
        writer.write_all(piece)?;
        writer.finish()
    })
    .is_ok()
}

/// The `length` bytes a segment of the file stands for; `None` when it is damaged.
pub fn unpack(algorithm: Algorithm, bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    match bytes.split_first()? {
        (&STORED, rest) => (rest.len() == length).then(|| rest.to_vec()),
        (&PACKED, rest) => {
            let mut out = vec![0; length];
            match algorithm {
                Algorithm::Lzma => unlzma(rest, &mut out)?,
                Algorithm::Gzip | Algorithm::Gzip6 | Algorithm::Gzip9 => {
                    let made = libdeflater::Decompressor::new().zlib_decompress(rest, &mut out);
                    made.ok().filter(|&made| made == length)?;
                }
            }
            Some(out)
        }
        _ => None,
    }
}

fn unlzma(bytes: &[u8], out: &mut [u8]) -> Option<()> {
    let (header, raw) = bytes.split_at_checked(LZMA_HEADER)?;
    let length = u64::from_le_bytes(header[5..].try_into().ok()?);
    // Bit for bit what a decoder of 128 KiB would do: nothing reaches back beyond a segment.
    let dictionary = (out.len() as u32).next_power_of_two().max(4096);
    if length != out.len() as u64 {
        return None;
    }
    let mut reader = LzmaReader::new_with_props(raw, length, header[0], dictionary, None).ok()?;
    reader.read_exact(out).ok()
}
