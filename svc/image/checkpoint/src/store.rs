//! store.rs - the narrow door between the area and what keeps its states.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::area::{BackEnd, Restored, Taken, Writer};
use crate::error::StoreError;
use crate::name::Step;

/// A file in a checkpoint's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptFile {
    pub(crate) name: String,
    pub(crate) length: u64,
    /// CRC-32 of its bytes; `None`: nobody has read them.
    pub(crate) sum: Option<u32>,
    /// It is another name of a file of build_data, which had this time of modification: it must
    /// have it still, or somebody wrote into it.
    #[serde(default)]
    pub(crate) mtime: Option<(i64, i64)>,
}

impl KeptFile {
    /// A file of these bytes.
    pub(crate) fn of(name: &str, bytes: &[u8]) -> KeptFile {
        let (length, sum) = (bytes.len() as u64, Some(crc32fast::hash(bytes)));
        KeptFile { name: name.to_owned(), length, sum, mtime: None }
    }

    /// Whether what is there can be it: of that length, and not written into by another name.
    pub(crate) fn is_whole(&self, about: &Metadata) -> bool {
        let time = (about.mtime(), about.mtime_nsec());
        about.is_file()
            && about.len() == self.length
            && self.mtime.is_none_or(|mtime| mtime == time)
    }
}

/// What was kept of a state.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) taken: Taken,
    /// Files that must be in the checkpoint's folder, whole.
    pub(crate) files: Vec<KeptFile>,
}

/// A back end.  Records, side-cars and the table are the area's; numbers name the folders of
/// checkpoints and grow.
pub(crate) trait Store: Send {
    fn back_end(&self) -> BackEnd;

    /// The steps whose states are kept outside the checkpoints' folders, the oldest first; `None`
    /// when all is in the folders.
    fn kept(&self) -> Result<Option<Vec<Step>>, StoreError>;

    /// Recalls what the newest checkpoint knows, before it is forgotten or followed.
    fn remember(&mut self, newest: Option<u32>);

    /// Keeps the state of build_data.  The folder of the number is there and empty.
    fn take(&mut self, number: u32, step: &Step, next: Writer) -> Result<Kept, StoreError>;

    /// Makes build_data what it was.  All later checkpoints have been forgotten.
    fn restore(&mut self, number: u32, step: &Step) -> Result<Restored, StoreError>;

    /// Lets go of a state whose record is gone; whether or not it is there.
    fn forget(&mut self, number: u32, step: &Step) -> Result<(), StoreError>;

    /// The path below build_data of the file whose other name a file in the folder of the number is.
    fn file_of(&self, _number: u32, _file: &str) -> Option<PathBuf> {
        None
    }

    /// Makes build_data empty.
    fn clear(&mut self) -> Result<(), StoreError>;
}
