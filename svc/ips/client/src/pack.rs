//! pack.rs - packages of some repositories as a p5p archive (archive.rs draws it).
//!
//! The members are written to an unnamed file while their index is made; the archive is put
//! together of both beside its place and renamed into it, so it is whole or not there.  Equal
//! packages at an equal time make equal bytes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ips_model::{Action, Fmri, Kind, Manifest, Pattern, Timestamp};
use rayon::prelude::*;

use crate::archive::{BLOCK, INDEX};
use crate::control::{Control, Phase};
use crate::receive::{ReceiveError, ReceiveOptions};
use crate::select::Offers;
use crate::source::{Source, SourceError, side_by_side};

/// Python's tar module ends an archive at a multiple of this.
const RECORD: u64 = 10_240;

/// An archive being written: members and their index.
struct Packing {
    body: File,
    offset: u64,
    index: String,
    /// The folders that are in it.
    folders: BTreeSet<String>,
    now: Timestamp,
}

/// Writes the packages that the patterns mean into the new archive `place`; those it has.
///
/// # Errors
/// Something is at the place already, or a source does not give what it should.
pub fn pack(
    sources: &[&Source],
    place: &Path,
    patterns: &[Pattern],
    options: &ReceiveOptions,
    control: &Control<'_>,
) -> Result<Vec<Fmri>, ReceiveError> {
    let offers = Offers::of(sources, options.from_publisher.as_deref())?;
    let chosen = offers.select(patterns, options)?;
    let failed =
        |source| ReceiveError::Source(SourceError::File { path: place.to_path_buf(), source });
    let folder = place.parent().filter(|path| !path.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_path_buf();
    let mut packing = Packing::new(&folder, options.now).map_err(failed)?;
    let mut packed = BTreeSet::new();
    for (done, fmri) in chosen.iter().enumerate() {
        if control.is_cancelled() {
            return Err(ReceiveError::Cancelled);
        }
        control.say(Phase::Packages, done as u64, chosen.len() as u64, &fmri.name);
        let Some(offer) = offers.get(fmri) else { continue };
        let (text, manifest) = offer.source.manifest(fmri)?;
        let publisher = fmri.publisher.as_deref().unwrap_or_default();
        let top = format!("publisher/{publisher}");
        let path = fmri.path().unwrap_or_default();
        packing.file(&format!("{top}/pkg/{path}"), text.as_bytes()).map_err(failed)?;
        for (hash, stored) in payloads(&[offer.source], fmri, &manifest, &packed, publisher)? {
            packed.insert((publisher.to_string(), hash.clone()));
            let name = format!("{top}/file/{}/{hash}", &hash[..2]);
            packing.file(&name, &stored).map_err(failed)?;
        }
    }
    let default = chosen.first().and_then(|fmri| fmri.publisher.as_deref());
    packing.finish(place, &folder, default.unwrap_or_default()).map_err(failed)?;
    Ok(chosen)
}

/// The payloads of a package that are not in the archive yet, in the order of the manifest.
fn payloads(
    sources: &[&Source],
    fmri: &Fmri,
    manifest: &Manifest,
    packed: &BTreeSet<(String, String)>,
    publisher: &str,
) -> Result<Vec<(String, Vec<u8>)>, ReceiveError> {
    let mut wanted: Vec<(&Action, &str)> = Vec::new();
    for action in &manifest.actions {
        for hash in action.payload_hashes() {
            let held = packed.contains(&(publisher.to_string(), hash.to_string()));
            if !held && !wanted.iter().any(|(_, other)| *other == hash) {
                wanted.push((action, hash));
            }
        }
    }
    let fetch = |(action, hash): (&Action, &str)| -> Result<(String, Vec<u8>), ReceiveError> {
        let own = action.kind != Kind::Signature && action.payload_hash() == Some(hash);
        let stored = match own {
            true => sources[0].payload(fmri, action)?,
            false => sources[0].named_payload(fmri, hash)?,
        };
        Ok((hash.to_string(), stored))
    };
    side_by_side(sources, || wanted.into_par_iter().map(fetch).collect())
}

impl Packing {
    fn new(folder: &Path, now: Timestamp) -> io::Result<Packing> {
        let body = tempfile::tempfile_in(folder)?;
        Ok(Packing { body, offset: 0, index: String::new(), folders: BTreeSet::new(), now })
    }

    /// Adds a file, after the folders it is in.
    fn file(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        for (at, _) in name.match_indices('/') {
            if self.folders.insert(name[..at].to_string()) {
                self.member(&name[..at], None)?;
            }
        }
        self.member(name, Some(content))
    }

    fn member(&mut self, name: &str, content: Option<&[u8]>) -> io::Result<()> {
        let bytes = blocks(name, content, None, self.now);
        self.body.write_all(&bytes)?;
        let (size, kind) = (content.map_or(0, <[u8]>::len), if content.is_some() { 0 } else { 5 });
        let length = bytes.len() as u64;
        self.index.push_str(&format!("{name}\0{}\0{length}\0{size}\0b'{kind}'\0\n", self.offset));
        self.offset += length;
        Ok(())
    }

    /// Puts the archive together; nothing may be at its place.
    fn finish(mut self, place: &Path, folder: &Path, publisher: &str) -> io::Result<PathBuf> {
        let configuration = format!(
            "[CONFIGURATION]\nversion = 4\n\n[publisher]\nprefix = {publisher}\n\n[repository]\nversion = 4\n"
        );
        self.file("pkg5.repository", configuration.as_bytes())?;
        let index = ips_repository::compressed(self.index.as_bytes());
        let mut beside = tempfile::NamedTempFile::new_in(folder)?;
        let comment = Some("pkg5.archive.version.0");
        let first = blocks(INDEX, Some(&index), comment, self.now);
        beside.write_all(&first)?;
        self.body.seek(SeekFrom::Start(0))?;
        io::copy(&mut self.body, &mut beside)?;
        let end = first.len() as u64 + self.offset + 2 * BLOCK;
        let padded = end.div_ceil(RECORD) * RECORD;
        beside.as_file().set_len(padded)?;
        beside.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        beside.as_file().sync_all()?;
        beside.persist_noclobber(place).map_err(|error| error.error)?;
        Ok(place.to_path_buf())
    }
}

/// A member as the archive has it: its extended header, its header, its content, all padded.
fn blocks(name: &str, content: Option<&[u8]>, comment: Option<&str>, now: Timestamp) -> Vec<u8> {
    let mut records = String::new();
    if let Some(comment) = comment {
        records.push_str(&record("comment", comment));
    }
    // The fraction is there because readers of these archives know it so.
    records.push_str(&record("mtime", &format!("{}.000000", now.seconds())));
    if name.len() > 99 {
        records.push_str(&record("path", name));
    }
    let mut bytes = Vec::new();
    put(&mut bytes, "././@PaxHeader", tar::EntryType::XHeader, 0, records.as_bytes(), 0);
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    match content {
        Some(content) => put(&mut bytes, name, tar::EntryType::Regular, 0o644, content, seconds),
        None => {
            let name = format!("{name}/");
            put(&mut bytes, &name, tar::EntryType::Directory, 0o755, &[], seconds);
        }
    }
    bytes
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts itself.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

fn put(
    bytes: &mut Vec<u8>,
    name: &str,
    kind: tar::EntryType,
    mode: u32,
    content: &[u8],
    modified: u64,
) {
    let mut header = tar::Header::new_ustar();
    let field = &mut header.as_old_mut().name;
    let length = name.len().min(field.len());
    field[..length].copy_from_slice(&name.as_bytes()[..length]);
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(content.len() as u64);
    header.set_mtime(modified);
    if kind != tar::EntryType::XHeader {
        let ustar = header.as_ustar_mut().expect("the header was made as ustar");
        ustar
            .set_username("root")
            .and_then(|()| ustar.set_groupname("root"))
            .expect("four letters fit");
    }
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(content);
    let padded = bytes.len().next_multiple_of(BLOCK as usize);
    bytes.resize(padded, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_themselves() {
        for (value, text) in [
            ("pkg5.archive.version.0", "34 comment=pkg5.archive.version.0\n"),
            ("x", "13 comment=x\n"),
        ] {
            assert_eq!(record("comment", value), text);
        }
        for length in 0..300 {
            let text = record("path", &"a".repeat(length));
            let (count, _) = text.split_once(' ').unwrap();
            assert_eq!(count, text.len().to_string());
        }
    }

    #[test]
    fn long_names_are_read_again() {
        let now = Timestamp::from_seconds(1_700_000_000);
        for length in [1, 50, 99, 100, 101, 250] {
            let name = "n".repeat(length);
            let bytes = [blocks(&name, Some(b"x"), None, now), vec![0; 1024]].concat();
            let mut archive = tar::Archive::new(&bytes[..]);
            let entry = archive.entries().unwrap().next().unwrap().unwrap();
            assert_eq!(entry.path().unwrap().to_str(), Some(name.as_str()));
        }
    }
}
