//! digests.rs - MD5 and SHA-256 of files, and those that are known from an earlier build.
//!
//! What is known is believed by the rule of `stage::seen`; what was found is `MD5:SHA256`.  Files are
//! read by a few threads, each of which takes several of similar length at once (`md5.rs` says why).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use image_rooted::parallel;
use sha2::{Digest, Sha256};

pub use stage::recipe::hex;
use stage::seen::{About, Seen};

use crate::md5::{self, LANES, Md5s};

const KIND: &str = "lamplighter-live-digests 3";
const THREADS: usize = 8;
/// Bytes that are read of a file at once: those of all lanes stay near the processor.
const PART: usize = 32 << 10;
/// So many files are sorted by their length; over more of them a disk would have to seek.
const SORTED: usize = 512 * LANES;

/// What a file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-256.
    pub sha256: [u8; 32],
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl Digests {
    /// Of bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digests {
        Digests { md5: ::md5::Md5::digest(bytes).into(), sha256: Sha256::digest(bytes).into() }
    }
}

/// Room for a part of each file.
type Parts = [Vec<u8>; LANES];

/// A file that is being read.
struct Reading {
    file: File,
    /// What it has to have.
    size: u64,
    sha256: Sha256,
    /// Bytes that were read.
    length: u64,
    is_over: bool,
}

impl Reading {
    fn begin(path: &Path, about: &About) -> io::Result<Reading> {
        let file = File::open(path)?;
        if About::of(&file.metadata()?) != *about {
            return Err(changed());
        }
        let (size, sha256) = (about.size, Sha256::new());
        Ok(Reading { file, size, sha256, length: 0, is_over: false })
    }

    /// The next part; nothing of a file that is over.
    fn part(&mut self, part: &mut Vec<u8>) -> io::Result<()> {
        part.clear();
        if self.is_over {
            return Ok(());
        }
        // One byte more tells that it has grown.
        let wanted = (self.size - self.length).saturating_add(1).min(PART as u64) as usize;
        part.resize(wanted, 0);
        let read = fill(&mut self.file, part)?;
        part.truncate(read);
        self.sha256.update(&part);
        self.length += read as u64;
        self.is_over = read < wanted;
        if self.length > self.size || self.is_over && self.length < self.size {
            return Err(changed());
        }
        if self.is_over {
            md5::end(part, self.length);
        }
        Ok(())
    }
}

/// Reads until a buffer is full or there is no more; how much that was.
fn fill(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match from.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The digests of a few files, in their order; those of similar length take the least time.
fn side_by_side(files: &[(&Path, About)], parts: &mut Parts) -> Vec<io::Result<Digests>> {
    debug_assert!(files.len() <= LANES);
    parts.iter_mut().for_each(Vec::clear);
    let mut readings: Vec<io::Result<Reading>> =
        files.iter().map(|(path, about)| Reading::begin(path, about)).collect();
    let mut md5s = Md5s::new();
    loop {
        for (reading, part) in readings.iter_mut().zip(parts.iter_mut()) {
            let read = reading.as_mut().map_or(Ok(()), |reading| reading.part(part));
            if let Err(error) = read {
                part.clear();
                *reading = Err(error);
            }
        }
        if parts.iter().all(Vec::is_empty) {
            break;
        }
        md5s.update(&parts.each_ref().map(Vec::as_slice));
    }
    let done = |(lane, reading): (usize, io::Result<Reading>)| {
        let sha256 = reading?.sha256.finalize().into();
        Ok(Digests { md5: md5s.digest(lane), sha256 })
    };
    readings.into_iter().enumerate().map(done).collect()
}

/// The failure of a file that became another one during the build.
#[must_use]
pub fn changed() -> io::Error {
    io::Error::other("it changed while it was read")
}

/// Digests of earlier builds, and of this one.
#[derive(Debug)]
pub struct Known {
    before: Seen,
    /// Of the files that were really read.
    fresh: HashMap<OsString, (About, Digests)>,
}

/// Digests by where the files are.
pub type ByPath<'a> = HashMap<&'a OsStr, Digests>;

impl Known {
    /// Opens the cache at a path; one that is not there or torn knows nothing.
    ///
    /// # Errors
    /// Its directory cannot be written.
    pub fn open(path: &Path) -> Result<Known> {
        Ok(Known { before: Seen::open(path, KIND)?, fresh: HashMap::new() })
    }

    /// How many files were really read.
    #[must_use]
    pub fn files_read(&self) -> usize {
        self.fresh.len()
    }

    /// Whether the digests of a file are known.
    #[must_use]
    pub fn has(&self, path: &Path, about: &About) -> bool {
        self.find(path, about).is_some()
    }

    fn find(&self, path: &Path, about: &About) -> Option<Digests> {
        let fresh = self.fresh.get(path.as_os_str()).filter(|(seen, _)| seen == about);
        let before = || self.before.found(path, about).and_then(parse);
        fresh.map(|(_, digests)| *digests).or_else(before)
    }

    /// The digests of files, each once.
    ///
    /// # Errors
    /// One cannot be read, or looks different.
    pub fn by_path<'a>(
        &mut self,
        files: impl Iterator<Item = (&'a Path, About)>,
    ) -> Result<ByPath<'a>> {
        let mut files: Vec<(&Path, About)> = files.collect();
        // By bytes: the parts of the paths do not matter.
        files.sort_unstable_by_key(|(path, _)| path.as_os_str());
        files.dedup_by_key(|(path, _)| path.as_os_str());
        let digests = self.of_all(&files).into_iter();
        let named = files.iter().zip(digests).map(|((path, _), digests)| {
            Ok((path.as_os_str(), digests.with_context(|| path.display().to_string())?))
        });
        named.collect()
    }

    /// The digests of files, in their order; those that are not known are read by a few threads.
    fn of_all(&mut self, files: &[(&Path, About)]) -> Vec<io::Result<Digests>> {
        let mut found: Vec<Option<io::Result<Digests>>> =
            files.iter().map(|(path, about)| self.find(path, about).map(Ok)).collect();
        let mut wanted: Vec<usize> =
            found.iter().enumerate().filter(|(_, one)| one.is_none()).map(|(at, _)| at).collect();
        for near in wanted.chunks_mut(SORTED) {
            near.sort_by_key(|at| Reverse(files[*at].1.size));
        }
        let groups: Vec<&[usize]> = wanted.chunks(LANES).collect();
        let threads = parallel::processors().min(THREADS);
        let read = parallel::each(&groups, threads, Parts::default, |few, parts| {
            let paths: Vec<_> = few.iter().map(|at| files[*at]).collect();
            Ok::<_, Infallible>(side_by_side(&paths, parts))
        });
        let Ok(read) = read;
        for (at, digests) in wanted.iter().copied().zip(read.into_iter().flatten()) {
            if let Ok(digests) = &digests {
                let (path, about) = files[at];
                self.fresh.insert(path.into(), (about, *digests));
            }
            found[at] = Some(digests);
        }
        found.into_iter().map(|one| one.unwrap_or_else(|| Err(changed()))).collect()
    }

    /// Keeps the digests of these files for the next build.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn save<'a>(
        &self,
        files: impl Iterator<Item = (&'a Path, &'a About, &'a Digests)>,
    ) -> Result<()> {
        let found = |digests: &Digests| format!("{}:{}", hex(&digests.md5), hex(&digests.sha256));
        Ok(self.before.save(files.map(|(path, about, digests)| (path, about, found(digests))))?)
    }
}

/// What was found, as it was kept.
fn parse(found: &str) -> Option<Digests> {
    let (md5, sha256) = found.split_once(':')?;
    Some(Digests { md5: unhex(md5)?, sha256: unhex(sha256)? })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn about(path: &Path) -> About {
        About::of(&fs::metadata(path).unwrap())
    }

    #[test]
    fn a_file_is_read_once_and_again_when_it_changed() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, cache) = (scratch.path().join("file"), scratch.path().join("cache"));
        fs::write(&file, "abc").unwrap();
        let born = about(&file);
        // The clock of the file system must have moved on.
        let probe = scratch.path().join("probe");
        while {
            fs::write(&probe, "x").unwrap();
            about(&probe).ctime <= born.ctime
        } {}
        let ask = || {
            let mut known = Known::open(&cache).unwrap();
            let seen = about(&file);
            let digests = known.of_all(&[(&file, seen)]).remove(0).unwrap();
            known.save([(file.as_path(), &seen, &digests)].into_iter()).unwrap();
            (known.files_read(), hex(&digests.md5))
        };
        assert_eq!(ask(), (1, "900150983cd24fb0d6963f7d28e17f72".into()));
        assert_eq!(ask(), (0, "900150983cd24fb0d6963f7d28e17f72".into()));
        fs::write(&file, "abd").unwrap();
        let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        fs::File::options().write(true).open(&file).unwrap().set_modified(soon).unwrap();
        assert_eq!(ask(), (1, "4911e516e5aa21d327512e0c8b197616".into()));
        assert_eq!(ask().0, 1, "too young to be believed");
    }

    #[test]
    fn what_changed_or_cannot_be_read_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        fs::write(&file, "abc").unwrap();
        let seen = About { size: 2, ..about(&file) };
        let mut known = Known::open(&scratch.path().join("cache")).unwrap();
        let absent = scratch.path().join("absent");
        let told = known.of_all(&[(&file, seen), (&absent, seen)]);
        assert_eq!(told[0].as_ref().unwrap_err().to_string(), "it changed while it was read");
        assert_eq!(told[1].as_ref().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
