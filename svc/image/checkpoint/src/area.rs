//! area.rs - the build area: opened, locked, cleared, checkpointed, rolled back.
//!
//! ```text
//! AREA/
//!   build_data/          what the steps change; the only part that is rolled back
//!   media/  logs/        what comes out, and what was said
//!   .table               the metadata table of build_data (crate image-tree); may be absent
//!   .step_NAME           the manifest as it was when NAME's checkpoint was taken
//!   .checkpoints/        what the back end needs, and each checkpoint's record (record.rs)
//!   distro_const.lock    held while the area is open; says by whom
//! ```
//!
//! Invariant: nothing that an earlier step started is alive when a method here is called; the
//! caller has seen to that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{CheckpointError, ClearError, OpenError, PathError, RollbackError, at};
use crate::name::{Id, Step};
use crate::place::Place;

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
    back_end: BackEnd,
    checkpoints: Vec<Checkpoint>,
}

impl Area {
    /// Opens the area, making what is missing; removes what an earlier build left half done.
    ///
    /// # Errors
    /// Another build has it, the dataset cannot be had, or something cannot be read or made.
    pub fn open(place: &Place, _options: &Options) -> Result<Area, OpenError> {
        let Place::Directory(root) = place else { return Err(OpenError::NoZfs) };
        let [build_data, media, logs] = ["build_data", "media", "logs"].map(|name| root.join(name));
        for folder in [&build_data, &media, &logs] {
            fs::create_dir_all(folder).map_err(at(folder))?;
        }
        Ok(Area {
            table: root.join(".table"),
            root: root.clone(),
            build_data,
            media,
            logs,
            back_end: BackEnd::Embedded,
            checkpoints: Vec::new(),
        })
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
        self.checkpoints.clear();
        remake(&self.build_data).map_err(ClearError::from)
    }

    /// Keeps the state of build_data and its table as the state before `step`.  It is there when
    /// this returns, whatever kills the process later; after a power failure it is there if
    /// [`Area::settle`] or the next open came to its end, and otherwise not at all.
    ///
    /// # Errors
    /// There is one of that step, or something cannot be read or written; then there is none.
    pub fn checkpoint(
        &mut self,
        step: &Step,
        id: &Id,
        manifest: &[u8],
    ) -> Result<Taken, CheckpointError> {
        if self.checkpoints.iter().any(|made| made.step == *step) {
            return Err(CheckpointError::Exists { step: step.clone() });
        }
        let (step, id, manifest) = (step.clone(), id.clone(), manifest.to_vec());
        self.checkpoints.push(Checkpoint { step, id, made: 0, manifest });
        Ok(Taken::default())
    }

    /// Makes build_data and its table what they were before `step`.  Its checkpoint stays; those
    /// made later go with their side-cars.
    ///
    /// # Errors
    /// There is no such checkpoint, or something cannot be read or written; a repeat goes on.
    pub fn rollback(&mut self, step: &Step) -> Result<Restored, RollbackError> {
        let found = self.checkpoints.iter().position(|made| made.step == *step);
        let found = found.ok_or_else(|| RollbackError::Absent { step: step.clone() })?;
        self.checkpoints.truncate(found + 1);
        Ok(Restored::default())
    }

    /// Waits until all checkpoints would survive a power failure and what was removed is gone.
    /// Dropping the area does the same but tells nobody of errors.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn settle(&mut self) -> Result<(), PathError> {
        Ok(())
    }
}

fn remake(folder: &Path) -> Result<(), PathError> {
    fs::remove_dir_all(folder).map_err(at(folder))?;
    fs::create_dir(folder).map_err(at(folder))
}
