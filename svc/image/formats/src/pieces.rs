//! pieces.rs - pieces of a packed stream that an earlier stream had too.
//!
//! Whoever keeps a packed file and what is said here of its pieces can pack a stream that is nearly
//! the same at the cost of hashing it.
//!
//! A piece has further names where it is known what it is made of before anybody reads that: the
//! digest of the names of its parts.  Who finds it by such a name need not read them.
//!
//! Law: what is found is what would be made.  A digest covers all that a packed piece depends on; a
//! name belongs to one content alone.

/// BLAKE3: every byte of an image is digested in every build, and SHA-256 takes four times as long.
pub type Digest = [u8; 32];

/// A piece of a packed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Of what it was made of, and how.
    pub digest: Digest,
    /// Of its bytes.
    pub sum: Digest,
    /// Where it lies in the file.
    pub at: u64,
    /// How long it is there.
    pub length: u32,
}

/// Packed pieces from before.
pub trait Earlier: Sync {
    /// The bytes made of what has this digest, if they are there and whole, and their own digest.
    fn piece(&self, digest: &Digest) -> Option<(Vec<u8>, Digest)>;

    /// Whether there should be such a piece; it may prove to be damaged.
    fn has(&self, _digest: &Digest) -> bool {
        false
    }

    /// All digests of a piece that has this one.
    fn digests(&self, digest: &Digest) -> Vec<Digest> {
        vec![*digest]
    }
}

/// An earlier stream, and which pieces of this one it has by their names.
#[derive(Clone, Copy)]
pub struct Last<'a> {
    /// Its pieces.
    pub earlier: &'a dyn Earlier,
    /// Those of this one.
    pub names: &'a Names,
}

/// Which pieces of a stream are known by name, and which of them an earlier stream had.
#[derive(Debug, Default)]
pub struct Names {
    names: Vec<Option<Digest>>,
    found: Vec<bool>,
}

impl Names {
    /// Looks for pieces by their names, in the stream's order.
    pub fn find(names: Vec<Option<Digest>>, earlier: &dyn Earlier) -> Self {
        let found = names.iter().map(|name| name.is_some_and(|name| earlier.has(&name))).collect();
        Self { names, found }
    }

    /// The same names, and nothing of what was there before.
    pub fn forget(self) -> Self {
        Self { found: Vec::new(), ..self }
    }

    /// A piece's name.
    pub(crate) fn name(&self, piece: usize) -> Option<Digest> {
        self.names.get(piece).copied().flatten()
    }

    /// Whether a piece need not be read.
    pub(crate) fn is_found(&self, piece: usize) -> bool {
        self.found.get(piece).copied().unwrap_or(false)
    }
}

/// Nothing was kept.
pub struct Nothing;

impl Earlier for Nothing {
    fn piece(&self, _digest: &Digest) -> Option<(Vec<u8>, Digest)> {
        None
    }
}

/// The digest of bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    blake3::hash(bytes).into()
}

/// Adds a list of parts to what is digested.
pub(crate) fn add(hash: &mut blake3::Hasher, parts: &[&[u8]]) {
    for part in parts {
        // The length keeps lists apart whose joined bytes are equal.
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
}

/// A packed piece with its digests, where somebody asked for them.
pub(crate) struct Packed {
    pub bytes: Vec<u8>,
    /// Of what it was made of, and of itself.
    pub digests: Option<(Digest, Digest)>,
}

impl Packed {
    /// Finds what was made of these parts before, or makes it.
    pub fn find<E>(
        earlier: Option<&dyn Earlier>,
        parts: &[&[u8]],
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let Some(earlier) = earlier else { return Ok(Self { bytes: make()?, digests: None }) };
        let mut hash = blake3::Hasher::new();
        add(&mut hash, parts);
        let of: Digest = hash.finalize().into();
        let (bytes, sum) = match earlier.piece(&of) {
            Some(found) => found,
            None => {
                let bytes = make()?;
                let sum = digest(&bytes);
                (bytes, sum)
            }
        };
        Ok(Self { bytes, digests: Some((of, sum)) })
    }

    /// What is to be said of it at a place of the file.
    pub fn piece(&self, at: u64) -> Option<Piece> {
        let (digest, sum) = self.digests?;
        Some(Piece { digest, sum, at, length: self.bytes.len() as u32 })
    }
}
