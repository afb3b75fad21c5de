//! lofi.rs - compressed images of lofi(4D): `solaris.zlib` and its kin, written and read.
//!
//! ```text
//! big endian
//! 0     algorithm, 36 bytes, NULs behind its name
//! 36    u32 S: bytes in a segment, a power of two
//! 40    u32 N: entries of the index, one more than there are segments
//! 44    u32 bytes in the last segment
//! 48    u64 x N: where each segment begins, from the index's end on; the last: where all end
//! 48+8N segments: one byte 1 and compressed bytes, or one byte 0 and the bytes themselves
//! ..    NULs to a multiple of 512
//!
//! gzip: a zlib stream.   lzma: 5d, dictionary u32 le, length u64 le, raw LZMA1 without end mark
//! ```
//!
//! Law: the same bytes and algorithm give the same file, however many threads there were.  A
//! segment is stored as it is when compression saves less than 2048 bytes, as lofiadm does.

use std::io::{self, Read, Seek, SeekFrom, Write};

use rayon::prelude::*;

use crate::pieces::{Digest, Earlier, Last, Names, Nothing, Packed, Piece};
use crate::waves::{self, Cut};

mod read;
mod segment;

pub use read::{LofiError, Reader};

/// Bytes in a segment, unless others are asked for.
pub const SEGMENT: u32 = 128 << 10;
/// Smallest and largest segment this module writes or reads.
pub const SEGMENTS: std::ops::RangeInclusive<u32> = 512..=16 << 20;
const NAME: usize = 36;
const HEADER: usize = 48;
const SECTOR: u64 = 512;
/// Segments of an earlier file that are in memory at once.
const TOGETHER: usize = 64;
/// What compression must save.
const THRESHOLD: u32 = 2048;

/// How segments are compressed; the names are the kernel's, it knows no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `gzip`: level 6.
    Gzip,
    /// `gzip-6`.
    Gzip6,
    /// `gzip-9`.
    Gzip9,
    /// `lzma`.
    Lzma,
}

impl Algorithm {
    /// All.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Gzip6, Self::Gzip9, Self::Lzma];

    /// The name in the file, and in `lofiadm -C`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Gzip6 => "gzip-6",
            Self::Gzip9 => "gzip-9",
            Self::Lzma => "lzma",
        }
    }

    /// The algorithm of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// What [`compress`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compressed {
    /// Segments.
    pub segments: u32,
    /// How many of them are stored as they are.
    pub stored: u32,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes the `length` bytes of `image` to `out`, from its byte 0 on, in segments of `segment`
/// bytes.  `length` must be a multiple of 512 and more than 0.
pub fn compress<W: Write + Seek + Send>(
    image: &mut (impl Read + Send),
    length: u64,
    algorithm: Algorithm,
    segment: u32,
    out: &mut W,
) -> Result<Compressed, LofiError> {
    Ok(compress_after(None, image, length, algorithm, segment, out)?.0)
}

/// The same, with the segments that an earlier file had; gives those of this one as well.
pub fn compress_after<W: Write + Seek + Send>(
    earlier: Option<&dyn Earlier>,
    image: &mut (impl Read + Send),
    length: u64,
    algorithm: Algorithm,
    segment: u32,
    out: &mut W,
) -> Result<(Compressed, Vec<Piece>), LofiError> {
    let names = &Names::default();
    let last = earlier.map(|earlier| Last { earlier, names });
    compress_named(last, image, length, algorithm, segment, out)
}

/// What the digests of segments begin with, however they are called.
pub fn way(algorithm: Algorithm, segment: u32) -> String {
    format!("lofi {} {segment}", algorithm.name())
}

/// The same, where segments are known by names: of those that were found `image` has no bytes.
///
/// # Errors
/// [`LofiError::Earlier`]: one that was found is damaged, and has to be read after all.
pub fn compress_named<W: Write + Seek + Send>(
    last: Option<Last<'_>>,
    image: &mut (impl Read + Send),
    length: u64,
    algorithm: Algorithm,
    segment: u32,
    out: &mut W,
) -> Result<(Compressed, Vec<Piece>), LofiError> {
    if !segment.is_power_of_two() || !SEGMENTS.contains(&segment) {
        return Err(LofiError::Segment(segment));
    }
    let segments = u32::try_from(length.div_ceil(u64::from(segment))).unwrap_or(u32::MAX);
    if length == 0 || length % SECTOR != 0 || segments == u32::MAX {
        return Err(LofiError::Length(length));
    }
    let rest = length - u64::from(segments - 1) * u64::from(segment);
    let index_end = HEADER as u64 + 8 * (u64::from(segments) + 1);
    out.seek(SeekFrom::Start(index_end))?;
    let (nothing, none) = (Nothing, Names::default());
    let (earlier, names) = (last.map(|last| last.earlier), last.map_or(&none, |last| last.names));
    let kept = earlier.unwrap_or(&nothing);
    let mut file =
        Segments { names, out, index: vec![0], begin: index_end, stored: 0, pieces: vec![] };
    let sizes = (0..segments).map(|at| if at + 1 < segments { u64::from(segment) } else { rest });
    let wanted = sizes.enumerate().filter(|(at, _)| !names.is_found(*at));
    let wanted: u64 = wanted.map(|(_, size)| size).sum();
    let how = way(algorithm, segment);
    let cut = Cut { piece: segment as usize, before: 0 };
    let mut damaged = None;
    // One byte more than there should be shows that there is more.
    let read = waves::in_order(
        &mut image.take(wanted + 1),
        cut,
        |_, piece| {
            let parts = [how.as_bytes(), piece];
            Packed::find(earlier, &parts, || Ok(segment::pack(algorithm, piece, segment)))
        },
        |_, packed: Packed| {
            damaged = file.take(kept)?;
            match damaged {
                Some(at) => Err(io::Error::other(LofiError::Earlier(at))),
                None => file.put(packed),
            }
        },
    );
    if let Some(at) = damaged {
        return Err(LofiError::Earlier(at));
    }
    let read = read?;
    if read != wanted {
        return Err(LofiError::Other { length: wanted, read });
    }
    if let Some(at) = file.take(kept)? {
        return Err(LofiError::Earlier(at));
    }
    let Segments { index, stored, pieces, .. } = file;
    let end = index_end + index.last().copied().unwrap_or(0);
    let bytes = end.next_multiple_of(SECTOR);
    out.write_all(&vec![0; (bytes - end) as usize])?;
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&header(algorithm, segment, rest as u32, &index))?;
    out.flush()?;
    Ok((Compressed { segments, stored, bytes }, pieces))
}

/// Segments of an earlier file by their names, each with its sum; nothing where it is damaged.
type Batch = Vec<(Digest, Option<(Vec<u8>, Digest)>)>;

/// The segments of a file, as they come.
struct Segments<'a, W> {
    names: &'a Names,
    out: &'a mut W,
    /// Where each begins, and the next will.
    index: Vec<u64>,
    /// Where the first does in the file.
    begin: u64,
    stored: u32,
    pieces: Vec<Piece>,
}

impl<W: Write> Segments<'_, W> {
    /// The number of the next.
    fn next(&self) -> usize {
        self.index.len() - 1
    }

    /// Takes those that come next from an earlier file, as far as they were found there; one that is
    /// damaged, if there is one.  Some are read while those before them are written.
    fn take(&mut self, earlier: &dyn Earlier) -> io::Result<Option<usize>>
    where
        W: Send,
    {
        let names = self.names;
        let read = |first: usize| -> Batch {
            let found = (first..first + TOGETHER).take_while(|at| names.is_found(*at));
            let found: Vec<Digest> = found.filter_map(|at| names.name(at)).collect();
            found.into_par_iter().map(|name| (name, earlier.piece(&name))).collect()
        };
        let mut batch = read(self.next());
        while !batch.is_empty() {
            let after = self.next() + batch.len();
            let (next, written) = rayon::join(|| read(after), || self.write_all(batch, earlier));
            if let Some(damaged) = written? {
                return Ok(Some(damaged));
            }
            batch = next;
        }
        Ok(None)
    }

    fn write_all(&mut self, batch: Batch, earlier: &dyn Earlier) -> io::Result<Option<usize>> {
        for (name, piece) in batch {
            let Some((bytes, sum)) = piece else { return Ok(Some(self.next())) };
            self.write(&bytes, &earlier.digests(&name), sum)?;
        }
        Ok(None)
    }

    /// Adds one that was read.
    fn put(&mut self, packed: Packed) -> io::Result<()> {
        let name = self.names.name(self.next());
        let (digests, sum) = match packed.digests {
            Some((digest, sum)) => ([Some(digest), name].into_iter().flatten().collect(), sum),
            None => (Vec::new(), Digest::default()),
        };
        self.write(&packed.bytes, &digests, sum)
    }

    fn write(&mut self, bytes: &[u8], digests: &[Digest], sum: Digest) -> io::Result<()> {
        let at = self.index.last().copied().unwrap_or(0);
        let length = bytes.len() as u32;
        let piece = |digest: &Digest| Piece { digest: *digest, sum, at: self.begin + at, length };
        self.pieces.extend(digests.iter().map(piece));
        self.stored += u32::from(bytes[0] == segment::STORED);
        self.index.push(at + bytes.len() as u64);
        self.out.write_all(bytes)
    }
}

fn header(algorithm: Algorithm, segment: u32, last: u32, index: &[u64]) -> Vec<u8> {
    let mut bytes = algorithm.name().as_bytes().to_vec();
    bytes.resize(NAME, 0);
    for number in [segment, index.len() as u32, last] {
        bytes.extend(number.to_be_bytes());
    }
    index.iter().for_each(|at| bytes.extend(at.to_be_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::pieces;

    fn sample(length: usize) -> Vec<u8> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length)
            .map(|at| if at / 150_000 % 3 == 2 { next() } else { (at / 9 % 97) as u8 })
            .collect()
    }

    fn packed(image: &[u8], algorithm: Algorithm, segment: u32) -> (Vec<u8>, Compressed) {
        let mut out = Cursor::new(Vec::new());
        let length = image.len() as u64;
        let made = compress(&mut &image[..], length, algorithm, segment, &mut out).unwrap();
        assert_eq!(out.get_ref().len() as u64, made.bytes);
        (out.into_inner(), made)
    }

    #[test]
    fn the_header_is_the_kernels() {
        let image = vec![0u8; 3 * 2048];
        let (file, made) = packed(&image, Algorithm::Gzip9, 4096);
        let mut want = b"gzip-9".to_vec();
        want.resize(36, 0);
        want.extend([0, 0, 0x10, 0, 0, 0, 0, 3, 0, 0, 8, 0]);
        want.extend([0; 8]);
        assert_eq!(file[..56], want[..]);
        assert_eq!(made.segments, 2);
        assert_eq!(file.len() % 512, 0);
        // The first segment: compressed, a zlib stream.
        assert_eq!(file[72..74], [1, 0x78]);
        // lzma: properties, dictionary of 8 MiB, length.
        let (file, _) = packed(&image, Algorithm::Lzma, 4096);
        assert_eq!(file[72..86], [1, 0x5d, 0, 0, 0x80, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_written_is_read() {
        for algorithm in Algorithm::ALL {
            for (length, segment) in [
                (512, SEGMENT),
                (131_072, SEGMENT),
                (131_072 * 2, SEGMENT),
                (131_072 * 9 + 2048, SEGMENT),
                (300_032, 512),
                (300_032, 8192),
                (3_000_320, 1 << 20),
            ] {
                let image = sample(length);
                let (file, made) = packed(&image, algorithm, segment);
                let what = format!("{algorithm:?} {length} {segment}");
                let mut reader = Reader::open(Cursor::new(&file)).unwrap();
                assert_eq!(
                    (reader.len(), reader.algorithm()),
                    (length as u64, algorithm),
                    "{what}"
                );
                let mut out = Vec::new();
                reader.copy(&mut out).unwrap();
                assert!(out == image, "{what}");
                // Segments too small to save anything are never compressed.
                assert!(segment > 2048 || made.stored == made.segments, "{what}");
                assert!(segment <= 2048 || made.stored < made.segments || length == 512, "{what}");
            }
        }
    }

    #[test]
    fn segments_stay_as_they_are_when_little_is_saved() {
        // Random bytes, and a last segment compared with a whole one.
        let noise = sample(450_000)[300_000..300_000 + 131_072].to_vec();
        let (file, made) = packed(&noise, Algorithm::Gzip, SEGMENT);
        assert_eq!((made.stored, made.segments), (1, 1));
        assert_eq!(file[64], 0);
        assert!(file[65..65 + noise.len()] == noise[..]);
        let (_, made) = packed(&noise[..1024], Algorithm::Gzip, SEGMENT);
        assert_eq!(made.stored, 0);
    }

    #[test]
    fn the_bytes_do_not_depend_on_threads() {
        let image = sample(131_072 * 40);
        let made = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| packed(&image, Algorithm::Gzip, SEGMENT)).0
        });
        assert!(made[0] == made[1] && made[1] == made[2]);
    }

    /// Pieces of a file in memory, and how many were found.
    struct Before(Vec<u8>, Vec<Piece>, std::sync::atomic::AtomicUsize);

    impl Earlier for Before {
        fn piece(&self, digest: &pieces::Digest) -> Option<(Vec<u8>, pieces::Digest)> {
            let piece = self.1.iter().find(|piece| piece.digest == *digest)?;
            self.2.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let at = piece.at as usize;
            let bytes = self.0[at..at + piece.length as usize].to_vec();
            assert_eq!(pieces::digest(&bytes), piece.sum);
            Some((bytes, piece.sum))
        }
    }

    #[test]
    fn earlier_segments_are_taken_and_nothing_else() {
        let image = sample(131_072 * 12);
        let mut changed = image.clone();
        changed[131_072 * 5] ^= 1;
        let after = |earlier: &dyn Earlier, image: &[u8], algorithm| {
            let (mut out, length) = (Cursor::new(Vec::new()), image.len() as u64);
            let done =
                compress_after(Some(earlier), &mut &*image, length, algorithm, SEGMENT, &mut out);
            (out.into_inner(), done.unwrap().1)
        };
        let (file, pieces) = after(&pieces::Nothing, &image, Algorithm::Gzip);
        assert_eq!(file, packed(&image, Algorithm::Gzip, SEGMENT).0);
        let before = Before(file, pieces, Default::default());
        assert_eq!(
            after(&before, &changed, Algorithm::Gzip).0,
            packed(&changed, Algorithm::Gzip, SEGMENT).0
        );
        assert_eq!(before.2.load(std::sync::atomic::Ordering::Relaxed), 11);
        // Made otherwise, they are others.
        let other = after(&before, &image, Algorithm::Gzip9).0;
        assert_eq!(other, packed(&image, Algorithm::Gzip9, SEGMENT).0);
        assert_eq!(before.2.load(std::sync::atomic::Ordering::Relaxed), 11);
    }

    #[test]
    fn other_lengths_are_refused() {
        let image = vec![0u8; 2048];
        for (length, segment) in
            [(0, SEGMENT), (100, SEGMENT), (2048, 3000), (1024, SEGMENT), (4096, SEGMENT)]
        {
            let mut out = Cursor::new(Vec::new());
            let made = compress(&mut &image[..], length, Algorithm::Gzip, segment, &mut out);
            assert!(made.is_err(), "{length} {segment}");
        }
    }

    #[test]
    fn hostile_files_are_refused_without_a_panic() {
        let (good, _) = packed(&sample(40_960), Algorithm::Lzma, 8192);
        let mut state = 5u64;
        for _ in 0..2_000 {
            let mut bytes = good.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (state >> 33) as usize % bytes.len().min(200);
                bytes[at] = (state >> 25) as u8;
            }
            bytes.truncate(bytes.len() - (state >> 40) as usize % 3 * 700);
            if let Ok(mut reader) = Reader::open(Cursor::new(bytes)) {
                let _ = reader.copy(&mut std::io::sink());
            }
        }
    }
}
