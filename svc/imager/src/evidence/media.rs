//! media.rs - the media and their digests.
//!
//! ```text
//! build_data/media     of media that were hashed while they were made: a line of each, SHA-256 STAMP NAME
//! ```
//!
//! The media are the files in the folder that are called `NAME.` and something; of a folder that is
//! called so, all files in it.  One whose stamp is as it was when it was made is not read again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use image_evidence::Medium;
use image_rooted::parallel;
use sha2::{Digest, Sha256};
use stage::recipe::hex;
use stage::seen::About;

use super::hashes::{self, Wanted};
use super::{DOCUMENTS, delivered};
use crate::steps::{Places, Work};

fn kept(places: &Places) -> PathBuf {
    places.build_data.join("media")
}

/// The SHA-256 of a medium, for who makes it: of its bytes in order.
#[derive(Default)]
pub struct Sum(Sha256);

impl Sum {
    /// The next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// In hexadecimal.
    pub fn sha256(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Keeps the SHA-256 of a medium that is at its place.
pub fn keep(work: &Work<'_>, medium: &Path, sha256: &str) -> Result<()> {
    let name = medium.file_name().and_then(|name| name.to_str()).context("a medium has a name")?;
    let about = fs::symlink_metadata(medium).with_context(|| medium.display().to_string())?;
    let mut text = delivered::text(&kept(work.places))?;
    text.push_str(&format!("{sha256} {} {name}\n", About::of(&about)));
    image_rooted::archive::write_file(&kept(work.places), text.as_bytes())
}

/// A medium that is read, and who hears how much of all has been.
struct Heard<'a> {
    file: File,
    done: &'a AtomicU64,
    hear: &'a (dyn Fn(u64) + Sync),
}

impl Read for Heard<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(room)?;
        let before = self.done.fetch_add(count as u64, Ordering::Relaxed);
        let done = before + count as u64;
        if done >> 20 != before >> 20 {
            (self.hear)(done >> 20);
        }
        Ok(count)
    }
}

/// All media, hashed; `hear` is told how many MiB of those that have to be read have been, of how
/// many.
pub(super) fn all(work: &Work<'_>, hear: &(dyn Fn(u64, u64) + Sync)) -> Result<Vec<Medium>> {
    let (folder, name) = (&work.places.media, &work.image.name);
    let text = delivered::text(&kept(work.places))?;
    let line = |line: &str| -> Option<(String, (About, String))> {
        let mut words = line.splitn(3, ' ');
        let (sha256, stamp, name) = (words.next()?, words.next()?, words.next()?);
        Some((name.to_owned(), (About::parse(stamp)?, sha256.to_owned())))
    };
    // Of a medium that was made twice, the last counts.
    let known: HashMap<String, (About, String)> = text.lines().filter_map(line).collect();
    let (mut media, mut total) = (Vec::new(), 0);
    for name in names(folder, name)? {
        let path = folder.join(&name);
        let named = || path.display().to_string();
        let stamp = About::of(&fs::symlink_metadata(&path).with_context(named)?);
        let hashed = known.get(&name).filter(|(known, _)| *known == stamp);
        if hashed.is_none() {
            total += fs::metadata(&path).with_context(named)?.len();
        }
        media.push((name, hashed.map(|(_, sha256)| (stamp.size, sha256.clone()))));
    }
    let (done, total) = (AtomicU64::new(0), total.div_ceil(1 << 20));
    let hear = |done: u64| hear(done, total);
    parallel::each(&media, parallel::processors(), hashes::room, |(name, hashed), room| {
        let (size, sha256) = match hashed {
            Some(hashed) => hashed.clone(),
            None => {
                let path = folder.join(name);
                let read = File::open(&path).and_then(|file| {
                    let mut heard = Heard { file, done: &done, hear: &hear };
                    hashes::read(&mut heard, Wanted::Sha256, room)
                });
                let read = read.with_context(|| path.display().to_string())?;
                (read.size, read.sha256)
            }
        };
        Ok(Medium { name: name.clone(), size, sha256 })
    })
}

/// The media of a name, below their folder, in order.
fn names(folder: &Path, name: &str) -> Result<Vec<String>> {
    let own = |file: &str| {
        let rest = file.strip_prefix(name)?.strip_prefix('.')?;
        (!DOCUMENTS.contains(&rest)).then_some(())
    };
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(inside) = folders.pop() {
        let here = folder.join(&inside);
        let named = || here.display().to_string();
        for entry in std::fs::read_dir(&here).with_context(named)? {
            let entry = entry.with_context(named)?;
            let Ok(file) = entry.file_name().into_string() else { continue };
            let kind = entry.file_type().with_context(named)?;
            if inside.is_empty() && own(&file).is_none() {
                continue;
            }
            let path = if inside.is_empty() { file } else { format!("{inside}/{file}") };
            // A medium may have a name with its time, and its own be a link to that.
            let leads = |to: PathBuf| to.components().count() == 1 && here.join(to).is_file();
            let is_medium = kind.is_file()
                || kind.is_symlink() && std::fs::read_link(entry.path()).is_ok_and(leads);
            match (kind.is_dir(), is_medium) {
                (true, _) => folders.push(path),
                (_, true) => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_what_is_called_so() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path();
        for path in [
            "x.iso",
            "x.spdx.json",
            "x.facts.json",
            "xy.iso",
            ".x.iso.new",
            "boot-test.log",
            "x.netboot/boot/loader",
            "x.netboot/boot.ipxe",
        ] {
            std::fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
            std::fs::write(folder.join(path), path).unwrap();
        }
        let wanted = ["x.iso", "x.netboot/boot.ipxe", "x.netboot/boot/loader"];
        assert_eq!(names(folder, "x").unwrap(), wanted);
    }
}
