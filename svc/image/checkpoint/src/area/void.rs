//! void.rs - which checkpoint does not count any more because somebody wrote into a file of it.
//!
//! ```text
//! .checkpoints/void    the step, a line end, the path below build_data
//! ```
//!
//! It is there before the checkpoint goes, so whoever opens the area next can still tell why a build
//! begins earlier than it might; and until the step has a checkpoint again.

use std::fs;
use std::path::{Path, PathBuf};

use super::Area;
use crate::disk::Disk;
use crate::error::PathError;
use crate::name::Step;
use crate::record::Found;

/// A checkpoint that does not count any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Void {
    /// The step it was taken before.
    pub step: Step,
    /// The file of build_data that was written into, as a path.
    pub file: PathBuf,
}

impl Void {
    fn place(folders: &Path) -> PathBuf {
        folders.join("void")
    }

    /// The one that an earlier opening found; what cannot be read tells nothing.
    pub(super) fn read(folders: &Path, build_data: &Path) -> Option<Void> {
        let text = fs::read_to_string(Void::place(folders)).ok()?;
        let (step, file) = text.split_once('\n')?;
        Some(Void { step: Step::new(step).ok()?, file: build_data.join(file) })
    }

    /// It is none any more.
    pub(super) fn forget(disk: &Disk, folders: &Path) -> Result<(), PathError> {
        disk.discard(&Void::place(folders))
    }
}

impl Area {
    /// The checkpoint that was last found void, unless its step has another by now.
    #[must_use]
    pub fn void(&self) -> Option<&Void> {
        self.void.as_ref()
    }

    /// Keeps what is known of a checkpoint that is about to go.
    pub(super) fn note(&mut self, found: &Found) {
        let Some((step, pack)) = &found.written else { return };
        // A file that nobody can name any more was of no use either.
        let Some(file) = self.store.file_of(found.number, pack) else { return };
        let text = format!("{step}\n{}", file.display());
        // Where there is no room for it, this opening knows it all the same.
        let _untold = self.disk.replace(&Void::place(&self.folders), text.as_bytes());
        self.void = Some(Void { step: step.clone(), file: self.build_data.join(file) });
    }

    /// The step has a checkpoint, or none has.
    pub(super) fn renew(&mut self, step: Option<&Step>) -> Result<(), PathError> {
        if self.void.as_ref().is_some_and(|void| step.is_none_or(|step| *step == void.step)) {
            Void::forget(&self.disk, &self.folders)?;
            self.void = None;
        }
        Ok(())
    }
}
