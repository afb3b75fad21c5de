//! archive.rs - a p5p archive, read: where each member is, and what is in it.
//!
//! ```text
//! pax header  comment=pkg5.archive.version.0
//! pkg5.index.0.gz     NAME 0 OFFSET 0 LENGTH 0 SIZE 0 TYPE 0 \n ...     as gzip
//! publisher/PUB/...   members as in a repository of version 4
//! pkg5.repository
//! ```
//!
//! OFFSET counts from the end of the index to the member's first header, LENGTH is all its blocks,
//! SIZE its content, which ends with them.  An archive without a usable index is read through
//! once.  Nothing in the index is believed but where to look: content is checked by who asks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ips_model::Fmri;
use ips_model::fmri::is_publisher;
use ips_model::quote::unquote;

use crate::source::SourceError;

/// The size everything is rounded to.
pub(crate) const BLOCK: u64 = 512;
/// The index's name.
pub(crate) const INDEX: &str = "pkg5.index.0.gz";
/// What the comment of the first member begins with.
const COMMENT: &str = "pkg5.archive.version.";
/// No index is as large as this.
const LARGEST_INDEX: u64 = 1 << 28;

/// Where a member's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    offset: u64,
    size: u64,
}

/// An opened archive.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: File,
    members: BTreeMap<String, Place>,
}

impl Archive {
    /// Opens the archive and finds out what is where.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let refused = |error: io::Error| SourceError::Archive {
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        let file = File::open(path).map_err(refused)?;
        let length = file.metadata().map_err(refused)?.len();
        let members = match indexed(&file, length).map_err(refused)? {
            Some(members) => members,
            None => scanned(&file, length).map_err(refused)?,
        };
        Ok(Self { path: path.to_path_buf(), file, members })
    }

    /// The content of a member; none where there is none of this name.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let Some(place) = self.members.get(name) else { return Ok(None) };
        let failed = |source| SourceError::File { path: self.path.clone(), source };
        let size = usize::try_from(place.size).unwrap_or(usize::MAX);
        let mut content = vec![0; size];
        self.file.read_exact_at(&mut content, place.offset).map_err(failed)?;
        Ok(Some(content))
    }

    /// The publishers that have something in it, sorted.
    pub fn publishers(&self) -> Vec<String> {
        let names = self.members.keys().filter_map(|name| name.strip_prefix("publisher/"));
        let mut publishers: Vec<String> = names
            .filter_map(|rest| rest.split('/').next())
            .filter(|name| is_publisher(name))
            .map(str::to_string)
            .collect();
        publishers.dedup();
        publishers
    }

    /// The packages of a publisher that have a manifest in it.
    pub fn packages(&self, publisher: &str) -> Vec<Fmri> {
        let head = format!("publisher/{publisher}/pkg/");
        let names = self.members.keys().filter_map(|name| name.strip_prefix(&head));
        let fmri = |rest: &str| {
            let (name, version) = rest.split_once('/')?;
            Fmri::of(publisher, &unquote(name)?, &unquote(version)?).ok()
        };
        names.filter_map(fmri).collect()
    }
}

fn rounded(size: u64) -> Option<u64> {
    Some(size.checked_add(BLOCK - 1)? / BLOCK * BLOCK)
}

/// Reads the index; none where it cannot be used.
fn indexed(file: &File, length: u64) -> io::Result<Option<BTreeMap<String, Place>>> {
    let mut archive = tar::Archive::new(file);
    let mut entries = archive.entries()?;
    let Some(first) = entries.next() else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "nothing is in it"));
    };
    let mut first = first?;
    let mut version = None;
    for extension in first.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        if extension.key() == Ok("comment") {
            version = extension.value().ok().and_then(|text| text.strip_prefix(COMMENT));
            if version != Some("0") {
                let told = "its version is not 0";
                return Err(io::Error::new(io::ErrorKind::InvalidData, told));
            }
        }
    }
    if version.is_none() || &*first.path_bytes() != INDEX.as_bytes() {
        return Ok(None);
    }
    let Some(base) =
        rounded(first.size()).and_then(|size| first.raw_file_position().checked_add(size))
    else {
        return Ok(None);
    };
    let mut text = Vec::new();
    let unpacked = flate2::read::MultiGzDecoder::new(&mut first);
    if unpacked.take(LARGEST_INDEX).read_to_end(&mut text).is_err() {
        return Ok(None);
    }
    Ok(String::from_utf8(text).ok().and_then(|text| parsed(&text, base, length)))
}

fn parsed(text: &str, base: u64, length: u64) -> Option<BTreeMap<String, Place>> {
    let mut members = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split('\0');
        let name = fields.next()?;
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (offset, blocks, size) = (number()?, number()?, number()?);
        let begin = base.checked_add(offset)?.checked_add(blocks)?.checked_sub(rounded(size)?)?;
        if begin < base || begin.checked_add(size)? > length {
            return None;
        }
        members.insert(name.to_string(), Place { offset: begin, size });
    }
    Some(members)
}

fn scanned(file: &File, length: u64) -> io::Result<BTreeMap<String, Place>> {
    let mut members = BTreeMap::new();
    let mut file = file;
    io::Seek::seek(&mut file, io::SeekFrom::Start(0))?;
    for entry in tar::Archive::new(file).entries()? {
        let entry = entry?;
        let place = Place { offset: entry.raw_file_position(), size: entry.size() };
        if place.offset.checked_add(place.size).is_none_or(|end| end > length) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too early"));
        }
        if let Ok(name) = std::str::from_utf8(&entry.path_bytes()) {
            members.insert(name.trim_end_matches('/').to_string(), place);
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_not_believed() {
        let length = 10_000;
        let line = |offset: &str, blocks: &str, size: &str| {
            format!("a/b\0{offset}\0{blocks}\0{size}\0b'0'\0\n")
        };
        let good = parsed(&line("0", "2048", "31"), 1024, length).unwrap();
        assert_eq!(good["a/b"], Place { offset: 2560, size: 31 });
        let most = u64::MAX.to_string();
        for (offset, blocks, size) in [
            ("0", "0", "31"),
            ("9000", "2048", "31"),
            (most.as_str(), "2048", "31"),
            ("0", most.as_str(), "31"),
            ("0", "2048", most.as_str()),
            ("-1", "2048", "31"),
            ("0", "1024", "9999"),
            ("", "", ""),
        ] {
            assert_eq!(parsed(&line(offset, blocks, size), 1024, length), None, "{offset}");
        }
        assert_eq!(parsed("a\n", 0, 10), None);
    }
}
