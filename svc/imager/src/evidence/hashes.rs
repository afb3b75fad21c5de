//! hashes.rs - the digests of files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use stage::recipe::hex;

const PIECE: usize = 256 << 10;

/// What a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hashed {
    /// Length in bytes.
    pub size: u64,
    /// SHA-1 in hexadecimal; empty where nobody asked for it.
    pub sha1: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Which digests are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// SHA-1 and SHA-256: of files in a bill of materials.
    Both,
    /// SHA-256: of media.
    Sha256,
}

/// Room for a part of a file; each thread has one.
pub(super) fn room() -> Vec<u8> {
    vec![0; PIECE]
}

/// Hashes a file.
pub(super) fn of(path: &Path, wanted: Wanted, room: &mut [u8]) -> Result<Hashed> {
    let hashed = File::open(path).and_then(|mut file| read(&mut file, wanted, room));
    hashed.with_context(|| path.display().to_string())
}

/// Hashes what is read.
pub(super) fn read(
    from: &mut impl Read,
    wanted: Wanted,
    room: &mut [u8],
) -> std::io::Result<Hashed> {
    let (mut sha1, mut sha256) = (Sha1::new(), Sha256::new());
    let mut size = 0;
    loop {
        let count = from.read(room)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        sha256.update(&room[..count]);
        if wanted == Wanted::Both {
            sha1.update(&room[..count]);
        }
    }
    let sha1 = match wanted {
        Wanted::Both => hex(&sha1.finalize()),
        Wanted::Sha256 => String::new(),
    };
    Ok(Hashed { size, sha1, sha256: hex(&sha256.finalize()) })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use image_rooted::parallel;

    use super::*;

    #[test]
    fn files_keep_their_order() {
        let scratch = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..20).map(|n| scratch.path().join(n.to_string())).collect();
        for (number, path) in files.iter().enumerate() {
            std::fs::write(path, "abc".repeat(number)).unwrap();
        }
        let all = |files: &[PathBuf], wanted| {
            let threads = parallel::processors();
            parallel::each(files, threads, room, |path, room| of(path, wanted, room))
        };
        let hashed = all(&files, Wanted::Both).unwrap();
        let sizes: Vec<u64> = hashed.iter().map(|one| one.size).collect();
        assert_eq!(sizes, (0..20).map(|number| number * 3).collect::<Vec<_>>());
        // printf abc | sha1sum, sha256sum
        assert_eq!(hashed[1].sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(hashed[1].sha256.starts_with("ba7816bf8f01cfea"));
        assert!(all(&files, Wanted::Sha256).unwrap()[1].sha1.is_empty());
        let absent = [scratch.path().join("absent")];
        let text = format!("{:#}", all(&absent, Wanted::Both).unwrap_err());
        assert!(text.contains("absent: No such file"), "{text}");
        assert!(all(&[], Wanted::Both).unwrap().is_empty());
    }
}
