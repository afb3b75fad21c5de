//! execute - doing to a root what was planned, all of it or nothing.
//!
//! In reading order: `steps` (what is done, as data), `table` (what they mean for a rootless image), `fetch` (payloads into the stage), `perform`
//! (the steps done), `journal` (written before, read by whoever comes after a program that died).
//!
//! Not here: deciding what is done.

pub mod fetch;
pub mod journal;
pub mod perform;
pub mod steps;
pub mod table;

use std::path::PathBuf;

use ips_repository::PathError;

use crate::control::Control;
use crate::image::{Image, ImageError, ImageLock, RecordError};
use crate::root::RootError;
use crate::source::SourceError;

/// Why a change is not done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The caller wanted the end.
    #[error("cancelled")]
    Cancelled,
    /// No origin has a package's payloads.
    #[error("{fmri}: no configured origin or mirror has its files")]
    NoOrigin {
        /// The package.
        fmri: String,
    },
    /// An origin did not give what it should.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Something below the root could not be changed.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A file of the image's own could not be written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// What was staged is gone.
    #[error("{path}: its content is in the stage no more")]
    NotStaged {
        /// Where it should be put.
        path: String,
    },
    /// The journal makes no sense.
    #[error("{}: damaged", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
    },
    /// The journal is no JSON.
    #[error("journal: {0}")]
    Json(#[from] serde_json::Error),
    /// The image's state is damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The new state could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Ends what a program that died has begun with this image; whether there was something.
pub fn recover(
    image: &mut Image,
    lock: &ImageLock,
    control: &Control<'_>,
) -> Result<bool, ExecuteError> {
    if !journal::is_open(image) {
        return Ok(false);
    }
    journal::finish(image, lock, control)?;
    Ok(true)
}
