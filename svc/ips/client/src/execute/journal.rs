//! journal.rs - what is being done to an image, written down before it is begun.
//!
//! ```text
//! journal/steps      the steps, one a line
//! journal/change     what is recorded when they are done
//! journal/cleared    there when the first phase is over
//! cache/stage/       the files the steps put
//! ```
//!
//! Law: the folder appears by a rename, when all that it names lies on the disk; from then on the
//! change is done, by whoever locks the image next if need be.  Before that nothing has happened.
//! It goes when the image's state tells of the change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use image_tree::Tree;
use ips_model::{Fmri, Timestamp};
use ips_repository::{PathError, durable, make_apart};
use serde::{Deserialize, Serialize};

use super::ExecuteError;
use super::perform::{Ownership, Performer};
use super::steps::Steps;
use crate::control::Control;
use crate::image::{AvoidSet, Change, Configuration, FrozenSet, Image, ImageLock, Installed};
use crate::root::{Directory, Root};

const FOLDER: &str = "journal";

/// A change as text.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    installed: Vec<(String, bool)>,
    removed: Vec<String>,
    configuration: Option<String>,
    avoided: Option<String>,
    frozen: Option<String>,
    table: Option<String>,
    micros: i64,
}

impl Written {
    fn of(change: &Change) -> Self {
        let installed = change.installed.iter();
        Self {
            installed: installed.map(|one| (one.fmri.to_string(), one.manual)).collect(),
            removed: change.removed.iter().map(Fmri::to_string).collect(),
            configuration: change.configuration.as_ref().map(Configuration::to_string),
            avoided: change.avoided.as_ref().map(AvoidSet::print),
            frozen: change.frozen.as_ref().map(FrozenSet::print),
            table: change.table.as_ref().map(Tree::to_string),
            micros: change.time.micros(),
        }
    }

    fn change(&self) -> Option<Change> {
        let mut change = Change::at(Timestamp::from_micros(self.micros));
        for (fmri, manual) in &self.installed {
            let fmri = Fmri::parse(fmri).ok()?;
            change.installed.push(Installed { fmri, manual: *manual });
        }
        for fmri in &self.removed {
            change.removed.push(Fmri::parse(fmri).ok()?);
        }
        let text = |text: &Option<String>| text.clone();
        change.configuration = match text(&self.configuration) {
            Some(text) => Some(Configuration::parse(&text).ok()?),
            None => None,
        };
        change.avoided = match text(&self.avoided) {
            Some(text) => Some(AvoidSet::parse(&text).ok()?),
            None => None,
        };
        change.frozen = match text(&self.frozen) {
            Some(text) => Some(FrozenSet::parse(&text).ok()?),
            None => None,
        };
        change.table = match text(&self.table) {
            Some(text) => Some(Tree::parse(&text).ok()?),
            None => None,
        };
        Some(change)
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> PathError {
    let path = path.to_path_buf();
    move |source| PathError { path: path.clone(), source }
}

/// Opens the stage of an image.
pub fn stage(image: &Image) -> Result<Directory, ExecuteError> {
    let path = image.metadata().join("cache/stage");
    make_apart(&path, &image.metadata().join("cache/tmp"))?;
    Ok(Root::open(&path)?.directory("")?)
}

/// Whether something was begun and not ended.
pub fn is_open(image: &Image) -> bool {
    image.metadata().join(FOLDER).join("steps").is_file()
}

/// Writes down what is to be done; from here on it is done.
pub fn open(image: &Image, steps: &Steps, change: &Change) -> Result<(), ExecuteError> {
    let metadata = image.metadata();
    let (new, folder) = (metadata.join("journal.new"), metadata.join(FOLDER));
    remove(&new)?;
    durable::make_folder(&new)?;
    let change = serde_json::to_string(&Written::of(change))?;
    durable::write_new(&new.join("steps"), steps.print()?.as_bytes())?;
    durable::write_new(&new.join("change"), change.as_bytes())?;
    image.flush(&new)?;
    fs::rename(&new, &folder).map_err(at(&folder))?;
    Ok(durable::sync_folder(metadata)?)
}

/// Does what the journal says, records it, and ends the journal.
pub fn finish(
    image: &mut Image,
    lock: &ImageLock,
    control: &Control<'_>,
) -> Result<(), ExecuteError> {
    let folder = image.metadata().join(FOLDER);
    let read = |name: &str| -> Result<String, ExecuteError> {
        let path = folder.join(name);
        Ok(fs::read_to_string(&path).map_err(at(&path))?)
    };
    let steps = Steps::parse(&read("steps")?)?;
    let written: Written = serde_json::from_str(&read("change")?)?;
    let damaged = || ExecuteError::Journal { path: folder.join("change") };
    let change = written.change().ok_or_else(damaged)?;
    let table = change.table.is_some() || image.table()?.is_some();
    let root = Root::open(image.root())?;
    let (stage, done) = (stage(image)?, AtomicU64::new(0));
    let performer = Performer {
        root: &root,
        stage: &stage,
        ownership: if table { Ownership::Table } else { Ownership::Disk },
        control,
        done: &done,
        total: steps.len() as u64,
    };
    let cleared = folder.join("cleared");
    if !cleared.is_file() {
        performer.clear(&steps.clear)?;
        // What follows must not reach the disk before what went.
        if !steps.clear.is_empty() {
            image.flush(&folder)?;
        }
        durable::write_new(&cleared, b"")?;
    }
    performer.make(&steps.make)?;
    performer.finished();
    image.flush(&folder)?;
    if !is_recorded(image, &change)? {
        image.record(lock, &change)?;
    }
    close(image)
}

/// Whether the image's state tells of a change already.
fn is_recorded(image: &Image, change: &Change) -> Result<bool, ExecuteError> {
    if change.installed.is_empty() && change.removed.is_empty() {
        return Ok(false);
    }
    let installed = image.installed()?;
    let came = |fmri: &Fmri| change.installed.iter().any(|one| one.fmri == *fmri);
    Ok(change.installed.iter().all(|one| installed.get(&one.fmri).is_some())
        && change.removed.iter().all(|fmri| came(fmri) || installed.get(fmri).is_none()))
}

fn close(image: &Image) -> Result<(), ExecuteError> {
    let metadata = image.metadata();
    let (folder, old) = (metadata.join(FOLDER), metadata.join("journal.old"));
    remove(&old)?;
    fs::rename(&folder, &old).map_err(at(&folder))?;
    remove(&old)?;
    remove(&metadata.join("cache/stage"))?;
    Ok(())
}

fn remove(path: &PathBuf) -> Result<(), PathError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(PathError { path: path.clone(), source }),
    }
}
