//! hashes.rs - the digests of many files, on all processors.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// Makes something of each, on all processors; in their order.  `hear`: how many are done.
pub(super) fn each<I: Sync, S, T: Send>(
    all: &[I],
    hear: &(dyn Fn(usize) + Sync),
    own: impl Fn() -> S + Sync,
    make: impl Fn(&I, &mut S) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get());
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> Result<Vec<(usize, T)>> {
        let (mut own, mut made) = (own(), Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = all.get(number) else { return Ok(made) };
            made.push((number, make(one, &mut own)?));
            hear(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    let mut made = Vec::with_capacity(all.len());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers.min(all.len())).map(|_| scope.spawn(work)).collect();
        // All of them have ended before one's failure is told.
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        for ended in ended {
            made.extend(ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        anyhow::Ok(())
    })?;
    made.sort_unstable_by_key(|(number, _)| *number);
    Ok(made.into_iter().map(|(_, one)| one).collect())
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

    use super::*;

    #[test]
    fn files_keep_their_order() {
        let scratch = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..20).map(|n| scratch.path().join(n.to_string())).collect();
        for (number, path) in files.iter().enumerate() {
            std::fs::write(path, "abc".repeat(number)).unwrap();
        }
        let all = |files: &[PathBuf], wanted| {
            each(files, &|_| {}, room, |path, room| of(path, wanted, room))
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
