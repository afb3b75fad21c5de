//! kept.rs - the pieces of a packed file, kept until the next of its name is packed.
//!
//! ```text
//! DIR/NAME/bytes    the packed file itself: another name of it, where that can be, else a copy
//! DIR/NAME/index    each piece, once for each of its digests: digest, sum, place u64, length u32;
//!                   little endian
//! ```
//!
//! One file of each name is kept, so what is kept is as large as what is made.  It is a cache: what
//! is not there, or has other bytes than were packed (whoever changes the packed file in place
//! changes these too), is packed anew.  Nothing is flushed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image_formats::pieces::{Digest, Earlier, Piece, digest};

use crate::removal::remove;

/// Bytes of a piece in the index.
const ROW: usize = 32 + 32 + 8 + 4;
/// Longer than any piece.
const LONGEST: u32 = 32 << 20;

/// The pieces that were kept under a name.
pub struct Kept {
    folder: PathBuf,
    /// None: there is nothing that can be read.
    bytes: Option<File>,
    pieces: HashMap<Digest, Piece>,
    /// The digests of what lies at a place.
    places: HashMap<u64, Vec<Digest>>,
}

impl Kept {
    /// Reads what there is in `dir` under this name.
    pub fn open(dir: &Path, name: &str) -> Self {
        let folder = dir.join(name);
        let bytes = File::open(folder.join("bytes")).ok();
        // What cannot be read was not kept.
        let index = fs::read(folder.join("index")).unwrap_or_default();
        let pieces = index.chunks_exact(ROW).filter_map(piece);
        let pieces: HashMap<_, _> = pieces.map(|piece| (piece.digest, piece)).collect();
        let mut places: HashMap<u64, Vec<Digest>> = HashMap::new();
        for piece in pieces.values() {
            places.entry(piece.at).or_default().push(piece.digest);
        }
        Self { folder, bytes, pieces, places }
    }

    /// Keeps the pieces of a packed file instead.
    pub fn replace(self, packed: &Path, pieces: &[Piece]) -> Result<()> {
        let keep = || -> io::Result<()> {
            remove(&self.folder)?;
            let new = self.folder.with_extension("new");
            remove(&new)?;
            fs::create_dir_all(&new)?;
            let bytes = new.join("bytes");
            if fs::hard_link(packed, &bytes).is_err() {
                fs::copy(packed, &bytes)?;
            }
            fs::write(new.join("index"), pieces.iter().flat_map(row).collect::<Vec<u8>>())?;
            fs::rename(&new, &self.folder)
        };
        keep().with_context(|| self.folder.display().to_string())
    }
}

impl Earlier for Kept {
    fn piece(&self, wanted: &Digest) -> Option<(Vec<u8>, Digest)> {
        let piece = self.pieces.get(wanted)?;
        let mut bytes = vec![0; piece.length as usize];
        self.bytes.as_ref()?.read_exact_at(&mut bytes, piece.at).ok()?;
        (digest(&bytes) == piece.sum).then_some((bytes, piece.sum))
    }

    fn has(&self, wanted: &Digest) -> bool {
        self.bytes.is_some() && self.pieces.contains_key(wanted)
    }

    fn digests(&self, wanted: &Digest) -> Vec<Digest> {
        let place = self.pieces.get(wanted).and_then(|piece| self.places.get(&piece.at));
        place.cloned().unwrap_or_else(|| vec![*wanted])
    }
}

fn row(piece: &Piece) -> Vec<u8> {
    let (at, length) = (piece.at.to_le_bytes(), piece.length.to_le_bytes());
    [&piece.digest[..], &piece.sum, &at, &length].concat()
}

fn piece(row: &[u8]) -> Option<Piece> {
    let (digest, row) = row.split_first_chunk()?;
    let (sum, row) = row.split_first_chunk()?;
    let (at, row) = row.split_first_chunk()?;
    let (length, _) = row.split_first_chunk()?;
    let (at, length) = (u64::from_le_bytes(*at), u32::from_le_bytes(*length));
    (length <= LONGEST).then_some(Piece { digest: *digest, sum: *sum, at, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_while_it_is_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let (dir, packed) = (scratch.path().join("kept"), scratch.path().join("packed"));
        let bytes: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
        fs::write(&packed, &bytes).unwrap();
        let piece = |at: usize, length: usize| {
            let part = &bytes[at..at + length];
            let (digest, sum) = (digest(&at.to_le_bytes()), digest(part));
            Piece { digest, sum, at: at as u64, length: length as u32 }
        };
        let pieces = [piece(0, 5_000), piece(5_000, 7_000)];
        let none = Kept::open(&dir, "one");
        assert!(none.piece(&pieces[0].digest).is_none());
        none.replace(&packed, &pieces).unwrap();
        let find = |number: usize| {
            let found = Kept::open(&dir, "one").piece(&pieces[number].digest);
            found.map(|(bytes, _)| bytes)
        };
        assert!(find(0).unwrap() == bytes[..5_000] && find(1).unwrap() == bytes[5_000..12_000]);
        // Its first part is written to in place.
        File::options().write(true).open(&packed).unwrap().write_at(b"x", 9).unwrap();
        assert!(find(0).is_none() && find(1).is_some());
        Kept::open(&dir, "one").replace(&packed, &pieces[..1]).unwrap();
        assert!(find(1).is_none());
        fs::write(dir.join("one/index"), [0xff; 100]).unwrap();
        assert!(find(0).is_none());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }
}
