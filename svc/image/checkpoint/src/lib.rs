//! image-checkpoint - the build area of an image and the checkpoints in it.
//!
//! Reading order: [`name`] (steps and ids), [`place`] (what a manifest calls the area), [`area`]
//! (the area: opened, locked, cleared, checkpointed, rolled back), record (what makes a checkpoint
//! one), lock, keeper (what goes on beside the build), store (the door to the back ends), packed (any
//! file system), zfs, btrfs, disk and sys (every call), [`order`] (what may be resumed).
//!
//! Law: a checkpoint is the state *before* the step it is named after.  Only complete ones are
//! ever seen: their record is written last and removed first.  They are a stack: what was made
//! later goes when an earlier one is rolled back to.  What a step writes into `build_data`, in
//! place or not, never reaches a checkpoint.  `media` and `logs` are never rolled back.
//!
//! Not here: what the steps do, what an id is made of, messages on a terminal.

pub mod area;
#[cfg(target_os = "linux")]
mod btrfs;
mod disk;
pub mod error;
mod keeper;
mod lock;
pub mod name;
pub mod order;
mod packed;
pub mod place;
mod record;
mod store;
mod sys;
mod zfs;

pub use area::{
    Area, BackEnd, Checkpoint, Options, Ran, Restored, Taken, Tools, Void, Writer, spare_name,
};
pub use disk::Calls;
pub use error::{CheckpointError, ClearError, OpenError, PathError, RollbackError, StoreError};
pub use name::{Id, NameError, Step};
pub use order::{Inconsistent, changed_since, check_order, resumable};
pub use place::Place;

/// What this boot of the system is called, as no other is; nothing where that cannot be told.
#[must_use]
pub fn boot() -> String {
    sys::boot()
}
