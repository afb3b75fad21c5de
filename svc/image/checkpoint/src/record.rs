//! record.rs - what makes a checkpoint one: its folder's record.
//!
//! ```text
//! .checkpoints/N/manifest   the manifest at that time, as .step_NAME beside build_data
//! .checkpoints/N/table      the metadata table, if there was one
//! .checkpoints/N/record     JSON: step, id, when, in which boot, which files; written last
//! .checkpoints/N/durable    CRC-32 of the record that it was flushed with, in hexadecimal
//! .checkpoints/gone/        what is to be removed
//! ```
//!
//! A build that begins with what an earlier one reached ([`crate::Area::restart`]) leaves folders that are
//! no checkpoints any more: bases, below all checkpoints.
//!
//! Law: a folder without a record is none.  In another boot than it was written in a record that was
//! not flushed counts if the bytes of all its files are those that were written; where nobody knows
//! their sums, it does not.  A checkpoint ends by its folder's move into `gone`, in one rename.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::area::Checkpoint;
use crate::disk::{Disk, open_path};
use crate::error::{PathError, at};
use crate::keeper::DURABLE;
use crate::name::{Id, Step};
use crate::store::KeptFile;

/// The kind of the back end whose checkpoints are files in their folders.
pub(crate) const PACKED: &str = "packed";

/// The version of the record.
const FORMAT: u32 = 2;

/// The record's text.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) format: u32,
    pub(crate) step: Step,
    pub(crate) id: Id,
    pub(crate) made: i64,
    /// Which kind of back end keeps it.
    pub(crate) kind: String,
    pub(crate) boot: String,
    pub(crate) files: Vec<KeptFile>,
    /// It is no checkpoint any more: later ones name its packs.
    #[serde(default)]
    pub(crate) is_base: bool,
    /// How often its files have been made copies.
    #[serde(default)]
    pub(crate) revision: u32,
}

impl Record {
    /// The record of a checkpoint that has just been kept.
    pub(crate) fn new(
        checkpoint: &Checkpoint,
        kind: &str,
        boot: &str,
        files: Vec<KeptFile>,
    ) -> Record {
        let Checkpoint { step, id, made, .. } = checkpoint.clone();
        Record {
            format: FORMAT,
            step,
            id,
            made,
            kind: kind.into(),
            boot: boot.into(),
            files,
            is_base: false,
            revision: 0,
        }
    }

    /// Bytes of its files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// Makes copies of those files that are other names of files of build_data; whether there were
    /// any.  One whose other names are gone is nobody else's any more.
    pub(crate) fn harden(disk: &Disk, folder: &Path) -> Result<bool, PathError> {
        let mut record = Record::of(folder)?;
        let mut linked = Vec::new();
        for (place, file) in
            record.files.iter().enumerate().filter(|(_, file)| file.mtime.is_some())
        {
            let path = folder.join(&file.name);
            let about = std::fs::symlink_metadata(&path).map_err(at(&path))?;
            // Somebody has written into one that is not: a copy would make a checkpoint of that.
            if file.is_whole(&about) {
                linked.push((place, about.nlink() > 1));
            }
        }
        if linked.is_empty() {
            return Ok(false);
        }
        // Another record than the one that was flushed, before anything else is.
        record.revision += 1;
        record.write(disk, folder)?;
        for (place, is_shared) in linked {
            let file = &mut record.files[place];
            if let (Some(mtime), true) = (file.mtime.take(), is_shared) {
                file.sum = Some(copy(disk, folder, &file.name, mtime)?);
            }
        }
        record.write(disk, folder)?;
        Ok(true)
    }

    /// What a folder's record says, to be written anew.
    pub(crate) fn of(folder: &Path) -> Result<Record, PathError> {
        let path = folder.join("record");
        let text = std::fs::read(&path).map_err(at(&path))?;
        serde_json::from_slice(&text).map_err(io::Error::from).map_err(at(&path))
    }

    /// Writes it into the checkpoint's folder: from now on it is one.
    pub(crate) fn write(&self, disk: &Disk, folder: &Path) -> Result<(), PathError> {
        let path = folder.join("record");
        let text = serde_json::to_vec(self).map_err(std::io::Error::from).map_err(at(&path))?;
        disk.replace(&path, &text)
    }
}

/// A folder below `.checkpoints`.
pub(crate) struct Found {
    pub(crate) number: u32,
    /// `None`: torn, or of another boot or back end.
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) is_durable: bool,
    pub(crate) is_base: bool,
    /// Bytes of its files.
    pub(crate) bytes: u64,
    /// The step, and the file that is another name of one of build_data which somebody wrote into.
    pub(crate) written: Option<(Step, String)>,
}

/// All folders of checkpoints, by number.
pub(crate) fn find(checkpoints: &Path, kind: &str, boot: &str) -> Result<Vec<Found>, PathError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(checkpoints).map_err(at(checkpoints))? {
        let entry = entry.map_err(at(checkpoints))?;
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(number) = number else { continue };
        let folder = entry.path();
        let is_durable = is_durable(&folder);
        let read = read(&folder);
        let written = read.as_ref().and_then(|(_, record)| {
            Some((record.step.clone(), written(&folder, record)?.name.clone()))
        });
        let checkpoint = read.filter(|(_, record)| {
            let same_boot = !boot.is_empty() && record.boot == boot;
            record.kind == kind
                && is_whole(&folder, record)
                && (is_durable || same_boot || is_intact(&folder, record))
        });
        let record = checkpoint.as_ref().map(|(_, record)| record);
        let is_base = record.is_some_and(|record| record.is_base);
        let bytes = record.map_or(0, Record::bytes);
        let checkpoint = checkpoint.map(|(checkpoint, _)| checkpoint);
        found.push(Found { number, checkpoint, is_durable, is_base, bytes, written });
    }
    found.sort_by_key(|found| found.number);
    Ok(found)
}

/// Makes a file of a folder a copy of itself; the sum of its bytes.
fn copy(disk: &Disk, folder: &Path, name: &str, mtime: (i64, i64)) -> Result<u32, PathError> {
    let (path, beside) = (folder.join(name), folder.join("pack.new"));
    disk.discard(&beside)?;
    disk.before("copy").map_err(at(&beside))?;
    std::fs::copy(&path, &beside).map_err(at(&beside))?;
    // Until the record is written the time is what makes it whole.
    disk.set_time(&open_path(folder)?, c"pack.new", mtime).map_err(at(&beside))?;
    let sum = sum(&beside).map_err(at(&beside))?;
    disk.move_path(&beside, &path)?;
    Ok(sum)
}

/// What `durable` says when a folder has been flushed with the record that it has now.
pub(crate) fn mark(folder: &Path) -> Result<Vec<u8>, PathError> {
    let path = folder.join("record");
    let text = std::fs::read(&path).map_err(at(&path))?;
    Ok(format!("{:08x}\n", crc32fast::hash(&text)).into_bytes())
}

fn is_durable(folder: &Path) -> bool {
    let said = std::fs::read(folder.join(DURABLE));
    said.is_ok_and(|said| mark(folder).is_ok_and(|mark| mark == said))
}

/// What a folder says it is; `None` when that cannot be read.
fn read(folder: &Path) -> Option<(Checkpoint, Record)> {
    let text = std::fs::read(folder.join("record")).ok()?;
    let record: Record = serde_json::from_slice(&text).ok()?;
    let manifest = std::fs::read(folder.join("manifest")).ok()?;
    let Record { format, step, id, made, .. } = &record;
    let checkpoint = Checkpoint { step: step.clone(), id: id.clone(), made: *made, manifest };
    (*format == FORMAT).then_some((checkpoint, record))
}

/// The file of a folder that somebody wrote into by its name in build_data.
fn written<'a>(folder: &Path, record: &'a Record) -> Option<&'a KeptFile> {
    let is_other = |file: &&KeptFile| {
        let about = std::fs::symlink_metadata(folder.join(&file.name));
        file.mtime.is_some() && about.is_ok_and(|about| !file.is_whole(&about))
    };
    record.files.iter().find(is_other)
}

fn is_whole(folder: &Path, record: &Record) -> bool {
    let whole = |file: &KeptFile| {
        std::fs::symlink_metadata(folder.join(&file.name)).is_ok_and(|about| file.is_whole(&about))
    };
    record.files.iter().all(whole)
}

/// Whether all bytes that were written are there; only of packs everything is in the folder.
fn is_intact(folder: &Path, record: &Record) -> bool {
    let same = |file: &KeptFile| {
        let sum = sum(&folder.join(&file.name));
        file.sum.is_some_and(|wanted| sum.is_ok_and(|sum| sum == wanted))
    };
    record.kind == PACKED && record.files.iter().all(same)
}

fn sum(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let (mut sum, mut part) = (crc32fast::Hasher::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(sum.finalize()),
            read => sum.update(&part[..read]),
        }
    }
}

/// The side-car of a step: the manifest as it was, for people and other tools.
pub(crate) fn side_car(root: &Path, step: &Step) -> PathBuf {
    root.join(format!(".step_{step}"))
}
