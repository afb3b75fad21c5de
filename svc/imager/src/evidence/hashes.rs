//! hashes.rs - the digests of many files, on all processors.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

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

/// Hashes files, in their order; `hear`: how many are done.
pub(super) fn all(
    files: &[PathBuf],
    wanted: Wanted,
    hear: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Hashed>> {
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get());
    let next = Mutex::new(files.iter().enumerate());
    let done = Mutex::new((0, vec![None; files.len()]));
    let work = || -> Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let taken = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
            let Some((number, path)) = taken else { return Ok(()) };
            let hashed = one(path, wanted, &mut piece);
            let hashed = hashed.with_context(|| path.display().to_string())?;
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            done.1[number] = Some(hashed);
            done.0 += 1;
            let count = done.0;
            drop(done);
            hear(count);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        ended
            .collect::<Vec<_>>()
            .into_iter()
            .try_for_each(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let (_, hashed) = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(hashed.into_iter().flatten().collect())
}

fn one(path: &Path, wanted: Wanted, piece: &mut [u8]) -> std::io::Result<Hashed> {
    let mut file = File::open(path)?;
    let (mut sha1, mut sha256) = (Sha1::new(), Sha256::new());
    let mut size = 0;
    loop {
        let count = file.read(piece)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        sha256.update(&piece[..count]);
        if wanted == Wanted::Both {
            sha1.update(&piece[..count]);
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
    use super::*;

    #[test]
    fn files_keep_their_order() {
        let scratch = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..20).map(|n| scratch.path().join(n.to_string())).collect();
        for (number, path) in files.iter().enumerate() {
            std::fs::write(path, "abc".repeat(number)).unwrap();
        }
        let hashed = all(&files, Wanted::Both, &|_| {}).unwrap();
        let sizes: Vec<u64> = hashed.iter().map(|one| one.size).collect();
        assert_eq!(sizes, (0..20).map(|number| number * 3).collect::<Vec<_>>());
        // printf abc | sha1sum, sha256sum
        assert_eq!(hashed[1].sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(hashed[1].sha256.starts_with("ba7816bf8f01cfea"));
        assert!(all(&files, Wanted::Sha256, &|_| {}).unwrap()[1].sha1.is_empty());
        let absent = [scratch.path().join("absent")];
        let text = format!("{:#}", all(&absent, Wanted::Both, &|_| {}).unwrap_err());
        assert!(text.contains("absent: No such file"), "{text}");
    }
}
