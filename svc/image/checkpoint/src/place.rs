//! place.rs - what a manifest calls the build area: a ZFS dataset or a directory.

use std::path::PathBuf;

/// Where the build area is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `pool/dataset`: everything that does not begin with a slash.
    Dataset(String),
    /// An absolute path; a dataset when one is mounted exactly there.
    Directory(PathBuf),
}

impl Place {
    /// Reads the text of `build_area`.
    #[must_use]
    pub fn of(text: &str) -> Place {
        if text.starts_with('/') {
            Place::Directory(PathBuf::from(text))
        } else {
            Place::Dataset(text.to_owned())
        }
    }
}
