//! seen.rs - what files looked like when they were read, and what was found in them: one stat per file
//! when nothing changed.
//!
//! The cache, NUL between entries:
//!
//! ```text
//! KIND AS_OF \0
//! ABOUT WHAT /absolute/path \0 ...      ABOUT: SIZE:MTIME:CTIME:DEVICE:INODE, times in nanoseconds
//! ```
//!
//! Law (git's racy-mtime rule): what was found is used again only when the file looks the same and both
//! times are older than AS_OF, the time of the file system just before the cache was made.  A file
//! changed in the very moment it was read is read again.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::tree::{TreeError, at};

/// What a file looks like; another one says it has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since the epoch.
    pub mtime: i128,
    /// Nanoseconds since the epoch.
    pub ctime: i128,
    /// Device and inode.
    pub inode: (u64, u64),
}

impl About {
    /// Of what the system says.
    #[must_use]
    pub fn of(about: &Metadata) -> About {
        let time =
            |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        About {
            size: about.len(),
            mtime: time(about.mtime(), about.mtime_nsec()),
            ctime: time(about.ctime(), about.ctime_nsec()),
            inode: (about.dev(), about.ino()),
        }
    }

    /// One as it is displayed.
    #[must_use]
    pub fn parse(text: &str) -> Option<About> {
        let mut fields = text.split(':');
        let mut field = || fields.next();
        let about = About {
            size: field()?.parse().ok()?,
            mtime: field()?.parse().ok()?,
            ctime: field()?.parse().ok()?,
            inode: (field()?.parse().ok()?, field()?.parse().ok()?),
        };
        field().is_none().then_some(about)
    }

    /// Whether all that happened to it did before a time, in nanoseconds since the epoch; what
    /// happened in that very tick of the clock may be missed.
    #[must_use]
    pub fn is_older(&self, time: i128) -> bool {
        self.mtime < time && self.ctime < time
    }
}

impl fmt::Display for About {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let About { size, mtime, ctime, inode: (device, inode) } = self;
        write!(to, "{size}:{mtime}:{ctime}:{device}:{inode}")
    }
}

/// What time it is by the clock of the file system in which a file lies, in nanoseconds since the
/// epoch; the file holds one NUL then.
///
/// # Errors
/// It cannot be written.
pub fn clock(path: &Path) -> io::Result<i128> {
    let file = File::create(path)?;
    // A write sets the time even where making the file did not.
    (&file).write_all(b"\0")?;
    Ok(About::of(&file.metadata()?).mtime)
}

/// What was found in files by earlier runs.
#[derive(Debug)]
pub struct Seen {
    kind: &'static str,
    path: PathBuf,
    beside: PathBuf,
    as_of: i128,
    before: HashMap<PathBuf, (About, String)>,
}

impl Seen {
    /// Opens the cache of a kind at a path; one that is not there, torn or of another kind is empty.
    ///
    /// # Errors
    /// Its directory cannot be written.
    pub fn open(path: &Path, kind: &'static str) -> Result<Seen, TreeError> {
        let beside = path.with_extension("new");
        // Made before anything is read.
        let as_of = clock(&beside).map_err(at(&beside))?;
        let before = fs::read(path).ok().and_then(|bytes| parse(&bytes, kind)).unwrap_or_default();
        Ok(Seen { kind, path: path.to_owned(), beside, as_of, before })
    }

    /// What was found in a file that looks like this.
    #[must_use]
    pub fn found(&self, path: &Path, about: &About) -> Option<&str> {
        let (seen, found) = self.before.get(path)?;
        (seen == about).then_some(found)
    }

    /// Whether a file of this look cannot have changed since without looking different.
    #[must_use]
    pub fn is_settled(&self, about: &About) -> bool {
        about.is_older(self.as_of)
    }

    /// Keeps what was found, a word without blanks a file, for the next run.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save<'a>(
        &self,
        files: impl Iterator<Item = (&'a Path, &'a About, String)>,
    ) -> Result<(), TreeError> {
        let mut bytes = format!("{} {}\0", self.kind, self.as_of).into_bytes();
        for (path, about, found) in files {
            // What is too young to be trusted next time is not worth a line.
            if !self.is_settled(about) {
                continue;
            }
            bytes.extend_from_slice(format!("{about} {found} ").as_bytes());
            bytes.extend_from_slice(path.as_os_str().as_bytes());
            bytes.push(0);
        }
        fs::write(&self.beside, bytes).map_err(at(&self.beside))?;
        fs::rename(&self.beside, &self.path).map_err(at(&self.path))
    }
}

fn parse(bytes: &[u8], kind: &str) -> Option<HashMap<PathBuf, (About, String)>> {
    let mut parts = bytes.strip_suffix(b"\0")?.split(|byte| *byte == 0);
    let as_of = std::str::from_utf8(parts.next()?).ok()?.strip_prefix(kind)?.trim();
    let as_of: i128 = as_of.parse().ok()?;
    let mut known = HashMap::new();
    for part in parts {
        let mut fields = part.splitn(3, |byte| *byte == b' ');
        let mut text = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
        let about = About::parse(text()?)?;
        let found = text()?.to_owned();
        let path = PathBuf::from(OsStr::from_bytes(fields.next()?));
        if about.is_older(as_of) {
            known.insert(path, (about, found));
        }
    }
    Some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_displayed_is_read_back() {
        let about = About { size: 1, mtime: -2, ctime: 3, inode: (4, 5) };
        assert_eq!(about.to_string(), "1:-2:3:4:5");
        assert_eq!(About::parse("1:-2:3:4:5"), Some(about));
        for wrong in ["1:2:3:4", "1:2:3:4:5:6", "1:2:x:4:5", ""] {
            assert_eq!(About::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_torn_cache_is_empty() {
        for bytes in [&b""[..], b"noise", b"lamplighter-stat-cache 1 5\x001 2 3\x00"] {
            assert!(parse(bytes, "lamplighter-stat-cache 1").is_none_or(|known| known.is_empty()));
        }
    }
}
