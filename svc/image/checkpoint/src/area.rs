//! area.rs - the build area: opened, locked, cleared, checkpointed, rolled back.
//!
//! ```text
//! AREA/
//!   build_data/          what the steps change; the only part that is rolled back
//!   media/  logs/        what comes out, and what was said
//!   .table               the metadata table of build_data (crate image-tree); may be absent
//!   .step_NAME           the manifest as it was when NAME's checkpoint was taken
//!   .checkpoints/        what the back end needs, and each checkpoint's record (record.rs)
//!   .checkpoints/void    which checkpoint does not count any more, and why (area/void.rs)
//!   .checkpoints/spare/  directories that a step moved out of build_data instead of removing them
//!   distro_const.lock    held while the area is open; says by whom
//! ```
//!
//! Invariant: nothing that an earlier step started is alive when a method here is called; the
//! caller has seen to that.

mod restart;
mod void;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::disk::{Calls, Disk};
use crate::error::{
    CheckpointError, ClearError, OpenError, PathError, RollbackError, StoreError, at,
};
use crate::keeper::Keeper;
use crate::lock::Lock;
use crate::name::{Id, Step};
use crate::place::{Place, Placed};
use crate::record::{self, Record};
use crate::store::{Kept, KeptFile, Store};
use crate::sys;

pub use void::Void;

/// 2025-01-01: numbers of checkpoints are seconds since then, or one more than the last.
const EPOCH: i64 = 1_735_689_600;

/// How the area keeps its checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackEnd {
    /// Snapshots of `DATASET/build_data`.
    Zfs {
        /// The area's dataset.
        dataset: String,
    },
    /// Snapshots of the subvolume build_data.
    Btrfs,
    /// Copies of what changed, large files by sharing blocks.
    Reflink,
    /// Copies of what changed; any file system.
    Embedded,
}

impl BackEnd {
    /// What a record says: a back end reads what it or its like has kept.
    fn kind(&self) -> &'static str {
        match self {
            Self::Zfs { .. } => "zfs",
            Self::Btrfs => "btrfs",
            Self::Reflink | Self::Embedded => record::PACKED,
        }
    }
}

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// It exited with status 0.
    pub success: bool,
    /// Standard output.
    pub out: String,
    /// The last line of standard error, or how it ended.
    pub complaint: String,
}

/// The seam to `zfs`.
pub trait Tools: Send + Sync {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// `NotFound` when it is not installed; others when it cannot be run.
    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Ran>;
}

/// How an area is opened.
#[derive(Clone)]
pub struct Options {
    /// Runs zfs.
    pub tools: Arc<dyn Tools>,
    /// Stands before every call that changes the disk; for tests.
    pub calls: Option<Arc<dyn Calls>>,
}

/// A complete checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The step it was taken before.
    pub step: Step,
    /// The digest of what made this state.
    pub id: Id,
    /// When it was taken, seconds since the epoch.
    pub made: i64,
    /// The manifest at that time.
    pub manifest: Vec<u8>,
}

/// How whoever works on build_data next does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// Somehow: files are written into.
    Any,
    /// A file that is there is replaced or removed, never written into, and keeps its time.
    Replaces,
    /// The same, and so well known that what a directory holds is not looked at when it is as it was:
    /// modes stay as well.  In build_data itself and directly below it anything may happen.
    Known,
    /// As `Known`, but whoever comes later need not be announced: large files are copied.
    KnownFirst,
}

impl Writer {
    /// Whether large files need not be copied.
    pub(crate) fn replaces(self) -> bool {
        matches!(self, Self::Replaces | Self::Known)
    }

    /// Whether directories tell what was done.
    pub(crate) fn is_known(self) -> bool {
        matches!(self, Self::Known | Self::KnownFirst)
    }
}

/// What a checkpoint cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Paths in build_data (0 where the back end does not look).
    pub paths: u64,
    /// Bytes that had to be kept anew.
    pub new_bytes: u64,
    /// Bytes that an earlier checkpoint held already.
    pub shared_bytes: u64,
}

/// What a rollback changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Paths made or made again (0 where the back end does not look).
    pub made: u64,
    /// Paths removed, a directory counting as one.
    pub removed: u64,
}

/// An open build area; nobody else has it while this lives.
pub struct Area {
    root: PathBuf,
    build_data: PathBuf,
    media: PathBuf,
    logs: PathBuf,
    table: PathBuf,
    /// `.checkpoints`
    folders: PathBuf,
    spare: PathBuf,
    disk: Disk,
    boot: String,
    store: Box<dyn Store>,
    back_end: BackEnd,
    /// Folders below all checkpoints that hold bytes for them, and how many.
    bases: Vec<(u32, u64)>,
    /// Of each checkpoint the number of its folder.
    numbers: Vec<u32>,
    checkpoints: Vec<Checkpoint>,
    /// A rollback or clearing has not come to its end.
    torn: bool,
    void: Option<Void>,
    // Dropped in this order: the lock when the keeper is done.
    keeper: Keeper,
    _lock: Lock,
}

impl Area {
    /// Opens the area, making what is missing; removes what an earlier build left half done.
    ///
    /// # Errors
    /// Another build has it, the dataset cannot be had, or something cannot be read or made.
    pub fn open(place: &Place, options: &Options) -> Result<Area, OpenError> {
        let disk = Disk::new(options.calls.clone());
        let place = Placed::find(place, options.tools.as_ref(), &disk)?;
        let root = place.root().to_owned();
        let lock = Lock::take(&root)?;
        let [build_data, media, logs, folders] =
            ["build_data", "media", "logs", ".checkpoints"].map(|name| root.join(name));
        place.make_datasets(options.tools.as_ref())?;
        let spare = folders.join("spare");
        for folder in [&media, &logs, &folders, &folders.join("gone"), &spare] {
            disk.ensure_folder(folder)?;
        }
        let store = place.store(&disk, &options.tools, &build_data, &folders)?;
        let keeper = Keeper::start(&disk, &folders)?;
        let mut area = Area {
            table: root.join(".table"),
            root,
            build_data,
            media,
            logs,
            folders,
            spare,
            boot: sys::boot(),
            back_end: store.back_end(),
            store,
            bases: Vec::new(),
            numbers: Vec::new(),
            checkpoints: Vec::new(),
            torn: false,
            void: None,
            disk,
            keeper,
            _lock: lock,
        };
        area.recover()?;
        Ok(area)
    }

    /// Finds the complete checkpoints; whatever else an earlier build has left of others goes.
    fn recover(&mut self) -> Result<(), StoreError> {
        let found = record::find(&self.folders, self.back_end.kind(), &self.boot)?;
        let kept = self.store.kept()?;
        self.void = Void::read(&self.folders, &self.build_data);
        let mut whole = true;
        for (place, found) in found.into_iter().enumerate() {
            let in_store = |checkpoint: &Checkpoint| {
                kept.as_ref().is_none_or(|kept| kept.get(place) == Some(&checkpoint.step))
            };
            let folder = self.folder(found.number);
            if whole {
                self.note(&found);
            }
            match found.checkpoint.filter(in_store) {
                Some(checkpoint) if whole && (self.numbers.is_empty() || !found.is_base) => {
                    if !found.is_durable {
                        self.keeper.flush(&folder);
                    }
                    if found.is_base {
                        self.bases.push((found.number, found.bytes));
                        continue;
                    }
                    self.numbers.push(found.number);
                    self.checkpoints.push(checkpoint);
                }
                // A stack: without one of them there are none above it.
                _ => {
                    whole = false;
                    self.put_away(&folder)?;
                }
            }
        }
        for step in kept.unwrap_or_default().iter().rev() {
            if !self.checkpoints.iter().any(|made| made.step == *step) {
                self.store.forget(0, step)?;
            }
        }
        self.keeper.sweep();
        Ok(self.remove_side_cars()?)
    }

    /// Removes the side-cars that no checkpoint has.
    fn remove_side_cars(&self) -> Result<(), PathError> {
        for entry in fs::read_dir(&self.root).map_err(at(&self.root))? {
            let entry = entry.map_err(at(&self.root))?;
            let name = entry.file_name();
            let step = name.to_str().and_then(|name| name.strip_prefix(".step_"));
            let Some(step) = step else { continue };
            if !self.checkpoints.iter().any(|made| made.step.as_str() == step) {
                self.disk.discard(&entry.path())?;
            }
        }
        Ok(())
    }

    fn folder(&self, number: u32) -> PathBuf {
        self.folders.join(number.to_string())
    }

    /// Moves a checkpoint's folder out of the way: it is none any more.
    fn put_away(&self, folder: &Path) -> Result<(), PathError> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let gone = format!("{name}.{}-{}", std::process::id(), time.as_nanos());
        self.disk.move_path(folder, &self.folders.join("gone").join(gone))
    }

    /// Forgets all but the first `keep` checkpoints, the newest first.
    fn forget_after(&mut self, keep: usize) -> Result<(), StoreError> {
        while self.checkpoints.len() > keep {
            let (Some(number), Some(made)) = (self.numbers.last(), self.checkpoints.last()) else {
                break;
            };
            let (number, step) = (*number, made.step.clone());
            self.put_away(&self.folder(number))?;
            self.numbers.pop();
            self.checkpoints.pop();
            self.disk.discard(&record::side_car(&self.root, &step))?;
            self.store.forget(number, &step)?;
        }
        self.keeper.sweep();
        Ok(())
    }

    /// The area itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the steps change.
    #[must_use]
    pub fn build_data(&self) -> &Path {
        &self.build_data
    }

    /// Where media go; never rolled back.
    #[must_use]
    pub fn media(&self) -> &Path {
        &self.media
    }

    /// Where logs go; never rolled back.
    #[must_use]
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The file of build_data's metadata table, rolled back with it.  It may be absent; who changes
    /// it writes beside and renames.
    #[must_use]
    pub fn table(&self) -> &Path {
        &self.table
    }

    /// Where a step may move a directory of build_data instead of removing it, under the name that
    /// [`spare_name`] gives: a rollback that wants it back need not make it again.  What is not
    /// wanted back stays until the area is cleared or it is replaced.
    #[must_use]
    pub fn spare(&self) -> &Path {
        &self.spare
    }

    /// How checkpoints are kept here.
    #[must_use]
    pub fn back_end(&self) -> &BackEnd {
        &self.back_end
    }

    /// The complete checkpoints, the oldest first.
    #[must_use]
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// A fresh build: all checkpoints and side-cars go, also of steps that no manifest names any
    /// more, and build_data and the table are empty.
    ///
    /// # Errors
    /// Something cannot be removed or made; a repeat goes on.
    pub fn clear(&mut self) -> Result<(), ClearError> {
        self.torn = true;
        self.forget_after(0)?;
        while let Some((number, _)) = self.bases.last() {
            self.put_away(&self.folder(*number))?;
            self.bases.pop();
        }
        self.remove_side_cars()?;
        self.disk.discard(&self.table)?;
        self.store.clear()?;
        self.put_away(&self.spare)?;
        self.disk.ensure_folder(&self.spare)?;
        self.renew(None)?;
        self.keeper.sweep();
        self.torn = false;
        Ok(())
    }

    /// Keeps the state of build_data and its table as the state before `step`.  It is there when
    /// this returns, whatever kills the process later; after a power failure it is there if all of
    /// it had reached the disk (after [`Area::settle`] it has), and otherwise not at all.
    ///
    /// # Errors
    /// There is one of that step, or something cannot be read or written; then there is none.
    pub fn checkpoint(
        &mut self,
        step: &Step,
        id: &Id,
        manifest: &[u8],
    ) -> Result<Taken, CheckpointError> {
        self.checkpoint_for(Writer::Any, step, id, manifest)
    }

    /// The same, before somebody of whom it is known how he works: large files need not be copied
    /// for who only replaces them.  Before anybody else works, [`Area::harden`] has to be called;
    /// after a build that did not, files that were written into make their checkpoints void.
    ///
    /// # Errors
    /// As of [`Area::checkpoint`].
    pub fn checkpoint_for(
        &mut self,
        next: Writer,
        step: &Step,
        id: &Id,
        manifest: &[u8],
    ) -> Result<Taken, CheckpointError> {
        if self.checkpoints.iter().any(|made| made.step == *step) {
            return Err(CheckpointError::Exists { step: step.clone() });
        }
        if self.torn {
            return Err(CheckpointError::Torn);
        }
        let newest = self.newest();
        self.store.remember(newest);
        // Never a number that a power failure could bring back from among the removed.
        let now = jiff::Timestamp::now().as_second();
        let since = u32::try_from(now.saturating_sub(EPOCH)).unwrap_or(0);
        let number = newest.map_or(since, |newest| since.max(newest + 1));
        let folder = self.folder(number);
        let made =
            Checkpoint { step: step.clone(), id: id.clone(), made: now, manifest: manifest.into() };
        let kept = self.keep(number, &folder, &made, next).and_then(|taken| {
            self.renew(Some(step))?;
            Ok(taken)
        });
        match kept {
            Ok(taken) => {
                self.keeper.flush(&folder);
                self.numbers.push(number);
                self.checkpoints.push(made);
                Ok(taken)
            }
            Err(error) => {
                self.withdraw(number, &folder, step);
                Err(error.into())
            }
        }
    }

    fn keep(
        &mut self,
        number: u32,
        folder: &Path,
        made: &Checkpoint,
        next: Writer,
    ) -> Result<Taken, StoreError> {
        self.disk.ensure_folder(folder)?;
        let Kept { taken, files } = self.store.take(number, &made.step, next)?;
        let table = contents(&self.table)?;
        let own = table.iter().map(|table| ("table", table));
        let mut files = files;
        for (name, bytes) in own.chain([("manifest", &made.manifest)]) {
            self.disk.replace(&folder.join(name), bytes)?;
            files.push(KeptFile::of(name, bytes));
        }
        self.disk.replace(&record::side_car(&self.root, &made.step), &made.manifest)?;
        let record = Record::new(made, self.back_end.kind(), &self.boot, files);
        record.write(&self.disk, folder)?;
        Ok(taken)
    }

    /// Takes back what there is of a checkpoint that came to nothing.  What cannot be taken back has
    /// no record; the next open removes it.
    fn withdraw(&mut self, number: u32, folder: &Path, step: &Step) {
        let put_away = if folder.exists() { self.put_away(folder) } else { Ok(()) };
        let _left = put_away
            .and_then(|()| self.disk.discard(&record::side_car(&self.root, step)))
            .map_err(StoreError::from)
            .and_then(|()| self.store.forget(number, step));
        self.store.remember(self.newest());
        self.keeper.sweep();
    }

    /// Makes build_data and its table what they were before `step`.  Its checkpoint stays; those
    /// made later go with their side-cars.
    ///
    /// # Errors
    /// There is no such checkpoint, or something cannot be read or written; a repeat goes on.
    pub fn rollback(&mut self, step: &Step) -> Result<Restored, RollbackError> {
        let found = self.checkpoints.iter().position(|made| made.step == *step);
        let found = found.ok_or_else(|| RollbackError::Absent { step: step.clone() })?;
        self.store.remember(self.numbers.last().copied());
        self.torn = true;
        self.forget_after(found + 1)?;
        let number = self.numbers[found];
        let restored = self.store.restore(number, step)?;
        match contents(&self.folder(number).join("table"))? {
            Some(table) => self.disk.replace(&self.table, &table)?,
            None => self.disk.discard(&self.table)?,
        }
        self.keeper.sweep();
        self.torn = false;
        Ok(restored)
    }

    fn newest(&self) -> Option<u32> {
        self.numbers.last().copied().or(self.bases.last().map(|(number, _)| *number))
    }

    /// Waits until all checkpoints would survive a power failure and what was removed is gone.
    ///
    /// # Errors
    /// The disk refuses, or a file system is mounted in what was to be removed.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        self.keeper.settle()
    }

    /// Waits until what was removed is gone.  Dropping the area does the same but tells nobody of
    /// errors.
    ///
    /// # Errors
    /// The disk refuses, or a file system is mounted in what was to be removed.
    pub fn tidy(&mut self) -> Result<(), StoreError> {
        self.keeper.wait()
    }
}

/// The name in [`Area::spare`] of a directory, by its path below build_data.
#[must_use]
pub fn spare_name(path: &str) -> String {
    path.replace('%', "%25").replace('/', "%2F")
}

/// What a file holds; `None` when it is not there.
fn contents(path: &Path) -> Result<Option<Vec<u8>>, PathError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}
