//! error.rs - why something of an area could not be done.

use std::io;
use std::path::{Path, PathBuf};

use crate::name::Step;

/// A path and what the system said of it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct PathError {
    /// Where.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Names the path of an error.
pub(crate) fn at<E: Into<io::Error>>(path: &Path) -> impl FnOnce(E) -> PathError + '_ {
    move |error| PathError { path: path.to_path_buf(), source: error.into() }
}

/// What a back end could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something cannot be read, written or made.
    #[error(transparent)]
    Path(#[from] PathError),
    /// `zfs` refused.
    #[error("zfs {command}: {complaint}")]
    Zfs {
        /// Its subcommand and what it was about.
        command: String,
        /// What it said.
        complaint: String,
    },
    /// What a checkpoint keeps is not what was put there.
    #[error("{}: damaged ({reason})", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file system is mounted inside build_data; it is nothing that could be kept or removed.
    #[error("{}: a file system is mounted here", path.display())]
    Mounted {
        /// Where.
        path: PathBuf,
    },
}

/// Why an area could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another build has it.
    #[error("{}: in use by process {pid} since {since}", area.display())]
    Held {
        /// The area.
        area: PathBuf,
        /// The holder; 0 when it has not said.
        pid: u32,
        /// When it began, RFC 3339 in UTC.
        since: String,
    },
    /// Another build was killed, and what it started goes on.
    #[error(
        "{}: what process {pid} has started is still at work, although that is gone: end it, or \
         wait",
        area.display()
    )]
    Left {
        /// The area.
        area: PathBuf,
        /// The build that was killed.
        pid: u32,
    },
    /// A dataset was named and there is no zfs.
    #[error(
        "ZFS dataset was specified for the build area,\nbut zfs is not installed on the system."
    )]
    NoZfs,
    /// The dataset cannot be made.
    #[error(
        "Unable to create the zfs dataset {dataset}. \n\
         You may want to check that the pool {pool} exists."
    )]
    NoPool {
        /// The dataset.
        dataset: String,
        /// Its pool.
        pool: String,
    },
    /// The back end failed, or the area's own files cannot be read or made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the area could not be cleared.
#[derive(Debug, thiserror::Error)]
pub enum ClearError {
    /// The back end failed, or the area's own files cannot be removed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a checkpoint could not be taken; none is there then.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is one of that step.
    #[error("step {step} has a checkpoint")]
    Exists {
        /// The step.
        step: Step,
    },
    /// An earlier rollback or clearing failed: what build_data holds is no state of the build.
    #[error("build_data was left in the middle of a rollback")]
    Torn,
    /// The back end failed, or the checkpoint's own files cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a state could not be gone back to.  The checkpoint is there still; a repeat goes on.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// There is no checkpoint of that step.
    #[error("step {step} has no checkpoint")]
    Absent {
        /// The step.
        step: Step,
    },
    /// The back end failed, or the area's own files cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PathError> for OpenError {
    fn from(error: PathError) -> Self {
        Self::Store(error.into())
    }
}

impl From<PathError> for ClearError {
    fn from(error: PathError) -> Self {
        Self::Store(error.into())
    }
}

impl From<PathError> for CheckpointError {
    fn from(error: PathError) -> Self {
        Self::Store(error.into())
    }
}

impl From<PathError> for RollbackError {
    fn from(error: PathError) -> Self {
        Self::Store(error.into())
    }
}
