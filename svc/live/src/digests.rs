//! digests.rs - MD5 and SHA-256 of files, and those that are known from an earlier build.
//!
//! ```text
//! lamplighter-live-digests 1 AS_OF \0
//! SIZE MTIME CTIME DEVICE INODE MD5 SHA256 /absolute/path \0 ...       times in nanoseconds
//! ```
//!
//! Law (git's racy rule): what is known is believed only of a file that looks the same and whose times
//! are before AS_OF, the time of the file system when the cache was opened.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::places::About;

const MAGIC: &str = "lamplighter-live-digests 1";
const THREADS: usize = 8;
const BUFFER: usize = 256 << 10;

/// What a file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
        Digests { md5: Md5::digest(bytes).into(), sha256: Sha256::digest(bytes).into() }
    }

    /// Of a file that looks as it did when it was found.
    ///
    /// # Errors
    /// It cannot be read, or looks different.
    pub fn read(path: &Path, about: &About, buffer: &mut [u8]) -> io::Result<Digests> {
        let mut file = File::open(path)?;
        if About::of(&file.metadata()?) != *about {
            return Err(changed());
        }
        let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
        let mut length = 0;
        loop {
            match file.read(buffer) {
                Ok(0) => break,
                Ok(read) => {
                    md5.update(&buffer[..read]);
                    sha256.update(&buffer[..read]);
                    length += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if length != about.size {
            return Err(changed());
        }
        Ok(Digests { md5: md5.finalize().into(), sha256: sha256.finalize().into() })
    }
}

/// The failure of a file that became another one during the build.
#[must_use]
pub fn changed() -> io::Error {
    io::Error::other("it changed while it was read")
}

/// Digests of earlier builds.
#[derive(Debug)]
pub struct Known {
    path: PathBuf,
    as_of: i128,
    before: HashMap<PathBuf, (About, Digests)>,
    fresh: usize,
}

impl Known {
    /// Opens the cache at a path; one that is not there or torn knows nothing.
    ///
    /// # Errors
    /// Its directory cannot be written.
    pub fn open(path: &Path) -> Result<Known> {
        let beside = path.with_extension("new");
        let made = File::create(&beside).and_then(|file| {
            // A write sets the time even where making the file did not.
            (&file).write_all(b"\0")?;
            file.metadata()
        });
        let now = About::of(&made.with_context(|| beside.display().to_string())?);
        let before = fs::read(path).ok().and_then(|bytes| parse(&bytes)).unwrap_or_default();
        Ok(Known { path: path.to_owned(), as_of: now.mtime, before, fresh: 0 })
    }

    /// How many files were really read.
    #[must_use]
    pub fn files_read(&self) -> usize {
        self.fresh
    }

    /// The digests of files, in their order; those that are not known are read by a few threads.
    pub fn of_all(&mut self, files: &[(&Path, About)]) -> Vec<io::Result<Digests>> {
        let mut found: Vec<Option<io::Result<Digests>>> = files
            .iter()
            .map(|(path, about)| match self.before.get(*path) {
                Some((seen, digests)) if seen == about => Some(Ok(*digests)),
                Some(_) | None => None,
            })
            .collect();
        let wanted: Vec<usize> =
            found.iter().enumerate().filter(|(_, one)| one.is_none()).map(|(at, _)| at).collect();
        self.fresh += wanted.len();
        let next = AtomicUsize::new(0);
        let read = Mutex::new(Vec::with_capacity(wanted.len()));
        std::thread::scope(|scope| {
            let work = || {
                let mut buffer = vec![0; BUFFER];
                let mut own = Vec::new();
                while let Some(at) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (path, about) = &files[*at];
                    own.push((*at, Digests::read(path, about, &mut buffer)));
                }
                read.lock().unwrap_or_else(|poison| poison.into_inner()).extend(own);
            };
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            for _ in 1..cores.min(THREADS).min(wanted.len()) {
                scope.spawn(work);
            }
            work();
        });
        for (at, digests) in read.into_inner().unwrap_or_else(|poison| poison.into_inner()) {
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
        let mut bytes = format!("{MAGIC} {}\0", self.as_of).into_bytes();
        for (path, about, digests) in files {
            // What is too young to be trusted next time is not worth a line.
            if about.mtime >= self.as_of || about.ctime >= self.as_of {
                continue;
            }
            let About { size, mtime, ctime, inode: (device, inode) } = about;
            let (md5, sha256) = (hex(&digests.md5), hex(&digests.sha256));
            let head = format!("{size} {mtime} {ctime} {device} {inode} {md5} {sha256} ");
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(path.as_os_str().as_bytes());
            bytes.push(0);
        }
        let beside = self.path.with_extension("new");
        let write = || fs::write(&beside, &bytes).and_then(|()| fs::rename(&beside, &self.path));
        write().with_context(|| self.path.display().to_string())
    }
}

fn parse(bytes: &[u8]) -> Option<HashMap<PathBuf, (About, Digests)>> {
    let mut parts = bytes.strip_suffix(b"\0")?.split(|byte| *byte == 0);
    let as_of = std::str::from_utf8(parts.next()?).ok()?.strip_prefix(MAGIC)?.trim();
    let as_of: i128 = as_of.parse().ok()?;
    let mut known = HashMap::new();
    for part in parts {
        let mut fields = part.splitn(8, |byte| *byte == b' ');
        let mut text = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
        let about = About {
            size: text()?.parse().ok()?,
            mtime: text()?.parse().ok()?,
            ctime: text()?.parse().ok()?,
            inode: (text()?.parse().ok()?, text()?.parse().ok()?),
        };
        let digests = Digests { md5: unhex(text()?)?, sha256: unhex(text()?)? };
        let path = PathBuf::from(OsStr::from_bytes(fields.next()?));
        if about.mtime < as_of && about.ctime < as_of {
            known.insert(path, (about, digests));
        }
    }
    Some(known)
}

#[cfg(test)]
mod tests {
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
