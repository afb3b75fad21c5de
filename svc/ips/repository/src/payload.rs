//! payload.rs - payloads as they are stored: gzip under one exact header.
//!
//! ```text
//! 1f 8b 08 00  00 00 00 00  02 ff | raw deflate | CRC-32 LE | size mod 2^32 LE
//! ```
//!
//! No name, no time, so equal content gives equal bytes.  pkg5 knows a stored payload again by
//! this header only, so no other is ever written.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha1::{Digest, Sha1};
use sha2::Sha512_256;

use ips_model::Action;
use ips_model::configuration::Compression;
use ips_model::digest::{hex, sha1_hex};

use crate::elf::{self, Elf};
use crate::lanes::{sha1_of_all, sha512_256_of_all};

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];
/// How much follows the deflate stream.
const TRAILER: usize = 8;
/// libdeflate's levels end at 12.  At this one programs and texts come out a percent smaller than
/// stock zlib makes them at its best; each level more takes half as long again for a third of a
/// percent.
const LIBDEFLATE_LEVEL: i32 = 5;

/// Digests of the content of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// The payload's name.
    pub(crate) sha1: String,
    sha512_256: String,
    size: u64,
    elf: Option<Elf>,
}

/// Digests of the gzip stream of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// SHA-1, the action's `chash`.
    pub sha1: String,
    /// SHA-512/256, the action's `gzip` content hash.
    pub sha512_256: String,
    /// Length, the action's `pkg.csize`.
    pub size: usize,
}

impl Content {
    /// Of the uncompressed bytes.
    pub(crate) fn of(bytes: &[u8]) -> Content {
        Content {
            sha1: sha1_hex(bytes),
            sha512_256: sha512_256_hex(bytes),
            size: bytes.len() as u64,
            elf: elf::inspect(bytes),
        }
    }

    /// Of many, side by side.
    pub(crate) fn of_all(all: &[Vec<u8>]) -> Vec<Content> {
        let texts: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        let digests = sha1_of_all(&texts).into_iter().zip(sha512_256_of_all(&texts));
        let content = |(bytes, (sha1, sha512_256)): (&Vec<u8>, _)| Content {
            sha1,
            sha512_256,
            size: bytes.len() as u64,
            elf: elf::inspect(bytes),
        };
        all.iter().zip(digests).map(content).collect()
    }
}

impl Stream {
    /// Of the stored bytes.
    pub fn of(bytes: &[u8]) -> Stream {
        Stream { sha1: sha1_hex(bytes), sha512_256: sha512_256_hex(bytes), size: bytes.len() }
    }

    /// Of many, side by side.
    pub fn of_all<'b>(all: impl Iterator<Item = &'b [u8]>) -> Vec<Stream> {
        let texts: Vec<&[u8]> = all.collect();
        let digests = sha1_of_all(&texts).into_iter().zip(sha512_256_of_all(&texts));
        let stream = |(bytes, (sha1, sha512_256)): (&&[u8], _)| Stream {
            sha1,
            sha512_256,
            size: bytes.len(),
        };
        texts.iter().zip(digests).map(stream).collect()
    }
}

pub(crate) fn sha512_256_hex(bytes: &[u8]) -> String {
    hex(&Sha512_256::digest(bytes))
}

thread_local! {
    /// A compressor's tables are larger than most files: each thread makes them once.
    static PRESS: RefCell<libdeflater::Compressor> = RefCell::new(libdeflater::Compressor::new(
        libdeflater::CompressionLvl::new(LIBDEFLATE_LEVEL).unwrap_or_default(),
    ));
    static EXPANDER: RefCell<libdeflater::Decompressor> =
        RefCell::new(libdeflater::Decompressor::new());
    /// What files are read into.
    static BUFFER: RefCell<Buffer> = RefCell::default();
}

/// Room that is used again and again; only growing costs anything.
#[derive(Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// Room that has grown beyond this is not kept.
    const KEPT: usize = 32 << 20;

    /// Room for so many bytes; what is in it is left over from before.
    fn room(&mut self, size: usize) -> &mut [u8] {
        if self.0.len() > Self::KEPT && size <= Self::KEPT {
            self.0 = Vec::new();
        }
        if self.0.len() < size {
            self.0.resize(size, 0);
        }
        &mut self.0[..size]
    }

    /// A file's content.
    pub(crate) fn read(&mut self, mut file: File) -> io::Result<&[u8]> {
        let mut size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX - 1);
        let mut length = 0;
        loop {
            // One byte more than there is: a read that leaves room has met the end.
            let read = match file.read(&mut self.room(size + 1)[length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            length += read;
            if length > size {
                // It has grown since.
                size = size.saturating_mul(2);
            } else if length == size || read == 0 {
                return Ok(&self.0[..length]);
            }
        }
    }
}

/// Reads a file into this thread's buffer and does `work` with it, which must not read another one
/// this way.
pub fn with_file<T>(path: &Path, work: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
    BUFFER.with_borrow_mut(|buffer| Ok(work(buffer.read(File::open(path)?)?)))
}

/// The stored form of a payload.
pub(crate) fn compress(bytes: &[u8], with: Compression) -> Vec<u8> {
    match with {
        Compression::Libdeflate => {
            let mut stored = vec![0; stored_bound(bytes.len())];
            let length = compress_into(bytes, &mut stored);
            stored.truncate(length);
            stored
        }
        Compression::Zlib => {
            let mut stored = Vec::new();
            compress_zlib(bytes, &mut stored).expect("writing to memory does not fail");
            stored
        }
    }
}

/// The most room that [`compress_into`] needs for content of this size.
pub(crate) fn stored_bound(size: usize) -> usize {
    let bound = PRESS.with_borrow_mut(|press| press.deflate_compress_bound(size));
    HEADER.len() + bound + TRAILER
}

/// Writes the stored form to the start of `out`, by libdeflate, which has to have all of it in
/// its place at once; how long it is.
pub(crate) fn compress_into(bytes: &[u8], out: &mut [u8]) -> usize {
    out[..HEADER.len()].copy_from_slice(&HEADER);
    // The bound makes the only error, too little room, impossible.
    let length = PRESS
        .with_borrow_mut(|press| press.deflate_compress(bytes, &mut out[HEADER.len()..]))
        .expect("the output is as large as its bound");
    let end = HEADER.len() + length;
    out[end..end + TRAILER].copy_from_slice(&trailer(bytes));
    end + TRAILER
}

/// Writes the stored form as stock zlib makes it.
pub(crate) fn compress_zlib(bytes: &[u8], mut to: impl Write) -> io::Result<()> {
    to.write_all(&HEADER)?;
    let mut compressor = flate2::write::DeflateEncoder::new(&mut to, flate2::Compression::best());
    compressor.write_all(bytes)?;
    compressor.finish()?;
    to.write_all(&trailer(bytes))
}

fn trailer(bytes: &[u8]) -> [u8; TRAILER] {
    let mut crc = libdeflater::Crc::new();
    crc.update(bytes);
    let mut trailer = [0; TRAILER];
    trailer[..4].copy_from_slice(&crc.sum().to_le_bytes());
    trailer[4..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    trailer
}

/// Bytes as stock zlib stores a payload of them.
pub fn compressed(bytes: &[u8]) -> Vec<u8> {
    compress(bytes, Compression::Zlib)
}

/// What is or will be stored of a payload: the stream of the copy that is `held`, or a new one with
/// its bytes.  A payload that is held keeps its bytes, and so its compressed size and hashes.
pub(crate) fn stored_form(
    held: Option<&Path>,
    bytes: &[u8],
    with: Compression,
) -> io::Result<(Stream, Option<Vec<u8>>)> {
    if let Some(held) = held {
        return Ok((Stream::of(&std::fs::read(held)?), None));
    }
    let stored = compress(bytes, with);
    Ok((Stream::of(&stored), Some(stored)))
}

/// A payload made ready to be stored elsewhere.
#[derive(Debug, Clone)]
pub struct Made {
    content: Content,
    /// The stored form.
    pub stored: Vec<u8>,
    /// Digests of the stored form.
    pub stream: Stream,
}

impl Made {
    /// Of the uncompressed bytes.
    pub fn of(bytes: &[u8], with: Compression) -> Made {
        let stored = compress(bytes, with);
        Made { content: Content::of(bytes), stream: Stream::of(&stored), stored }
    }

    /// The payload's name.
    pub fn hash(&self) -> &str {
        &self.content.sha1
    }

    /// Says of the payload in its action what publication says; `stream` is what is stored.
    pub fn describe(&self, action: &mut Action, stream: &Stream) {
        describe(action, &self.content, stream);
    }
}

/// Puts what is known of a payload into its action: the hash, sizes and content hashes.
pub(crate) fn describe(action: &mut Action, content: &Content, stream: &Stream) {
    for name in
        ["elfarch", "elfbits", "elfhash", "pkg.content-hash", "pkg.csize", "pkg.size", "chash"]
    {
        action.set(name, Vec::new());
    }
    let mut hashes = Vec::new();
    if let Some(elf) = &content.elf {
        action.set("elfarch", vec![elf.arch.to_string()]);
        action.set("elfbits", vec![elf.bits.to_string()]);
        action.set("elfhash", vec![elf.sha1.clone()]);
        hashes.push(format!("gelf:sha512t_256:{}", elf.sha512_256));
        hashes.push(format!("gelf.unsigned:sha512t_256:{}", elf.sha512_256));
    }
    hashes.push(format!("file:sha512t_256:{}", content.sha512_256));
    hashes.push(format!("gzip:sha512t_256:{}", stream.sha512_256));
    action.hash = Some(content.sha1.clone());
    action.set("chash", vec![stream.sha1.clone()]);
    action.set("pkg.content-hash", hashes);
    action.set("pkg.size", vec![content.size.to_string()]);
    action.set("pkg.csize", vec![stream.size.to_string()]);
}

/// The digest of bytes by the name manifests have for its algorithm, in hex; none where the
/// algorithm is not known.
pub fn digest(algorithm: &str, bytes: &[u8]) -> Option<String> {
    match algorithm {
        "sha512t_256" => Some(sha512_256_hex(bytes)),
        "sha256" => Some(hex(&sha2::Sha256::digest(bytes))),
        "sha384" => Some(hex(&sha2::Sha384::digest(bytes))),
        "sha512" => Some(hex(&sha2::Sha512::digest(bytes))),
        "sha1" => Some(sha1_hex(bytes)),
        _ => None,
    }
}

/// Takes a stored payload out of its gzip stream.  `size` is what a manifest claims, and has to
/// be right.
///
/// # Errors
/// `InvalidData` where the stream is damaged or of another length.
pub fn expand(stored: &[u8], size: Option<usize>) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    expand_onto(stored, size, &mut content)?;
    Ok(content)
}

/// The same, to the end of `onto`.
pub fn expand_onto(stored: &[u8], size: Option<usize>, onto: &mut Vec<u8>) -> io::Result<()> {
    let begin = onto.len();
    // The claim is believed as far as deflate can swell.
    if let Some(size) = size.filter(|size| *size <= stored.len().saturating_mul(1_040)) {
        onto.resize(begin + size, 0);
        let unpacked = EXPANDER
            .with_borrow_mut(|expander| expander.gzip_decompress(stored, &mut onto[begin..]));
        if unpacked.is_ok_and(|length| length == size) {
            return Ok(());
        }
        onto.truncate(begin);
    }
    flate2::read::MultiGzDecoder::new(stored).read_to_end(onto)?;
    match size {
        Some(size) if size != onto.len() - begin => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "another length"))
        }
        Some(_) | None => Ok(()),
    }
}

/// What a stored payload unpacks to, as digests and length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// SHA-1 of the content: the name it must have.
    pub sha1: String,
    /// SHA-512/256 of the content.
    pub sha512_256: String,
    /// Length of the content.
    pub size: u64,
}

/// Unpacks a gzip stream from anywhere, piece by piece, and digests it.
///
/// # Errors
/// `InvalidData` where the stream is damaged or something follows it.
pub fn unpack(stored: impl Read) -> io::Result<Unpacked> {
    let mut unpacked = flate2::bufread::GzDecoder::new(io::BufReader::new(stored));
    let (mut sha1, mut sha512) = (Sha1::new(), Sha512_256::new());
    let mut size = 0;
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = unpacked.read(&mut piece)?;
        if length == 0 {
            break;
        }
        sha1.update(&piece[..length]);
        sha512.update(&piece[..length]);
        size += length as u64;
    }
    if unpacked.into_inner().read(&mut [0])? > 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes after the gzip stream"));
    }
    let (sha1, sha512_256) = (hex(&sha1.finalize()), hex(&sha512.finalize()));
    Ok(Unpacked { sha1, sha512_256, size })
}

/// Unpacks the stored payload at `path`.
pub fn unpack_file(path: &Path) -> io::Result<Unpacked> {
    unpack(File::open(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_unpacked() {
        let text = "one line and another\n".repeat(500).into_bytes();
        for with in [Compression::Libdeflate, Compression::Zlib] {
            for content in [&b""[..], b"x", &text] {
                let stored = compress(content, with);
                assert_eq!(stored[..10], HEADER);
                let unpacked = unpack(&stored[..]).unwrap();
                assert_eq!(unpacked.sha1, sha1_hex(content));
                assert_eq!(unpacked.size, content.len() as u64);
                let half = &stored[..stored.len() - 4];
                assert!(unpack(half).is_err(), "{with:?}: a truncated stream passed");
            }
        }
        assert_eq!(compress(b"", Compression::Zlib).len(), 20);
        assert!(unpack(&[compress(b"x", Compression::Zlib), vec![0]].concat()[..]).is_err());
    }

    #[test]
    fn sha512_256_is_not_a_truncated_sha512() {
        let empty = "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a";
        assert_eq!(sha512_256_hex(b""), empty);
    }
}
