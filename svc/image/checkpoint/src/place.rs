//! place.rs - what a manifest calls the build area, and which back end that is.
//!
//! A dataset has ZFS.  A directory has ZFS when a dataset is mounted exactly there, btrfs when
//! build_data is or can be a subvolume, and packs otherwise.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::area::Tools;
#[cfg(target_os = "linux")]
use crate::btrfs::Btrfs;
use crate::disk::Disk;
use crate::error::{OpenError, StoreError};
use crate::packed::Packed;
use crate::store::Store;
use crate::zfs::Zfs;

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

/// A place that is there.
pub(crate) enum Placed {
    Dataset { name: String, mountpoint: PathBuf },
    Directory(PathBuf),
}

impl Placed {
    /// Finds the place, making it if need be.
    pub(crate) fn find(place: &Place, tools: &dyn Tools, disk: &Disk) -> Result<Placed, OpenError> {
        match place {
            Place::Dataset(name) => {
                let mountpoint = Zfs::ensure(tools, name)?;
                Ok(Placed::Dataset { name: name.clone(), mountpoint })
            }
            Place::Directory(path) => match Zfs::mounted_at(tools, path)? {
                Some(name) => Ok(Placed::Dataset { name, mountpoint: path.clone() }),
                None => {
                    disk.ensure_folder(path)?;
                    Ok(Placed::Directory(path.clone()))
                }
            },
        }
    }

    pub(crate) fn root(&self) -> &Path {
        match self {
            Placed::Dataset { mountpoint, .. } => mountpoint,
            Placed::Directory(path) => path,
        }
    }

    /// Makes the datasets of the area's own directories; a plain area's are made by the area.
    pub(crate) fn make_datasets(&self, tools: &dyn Tools) -> Result<(), OpenError> {
        match self {
            Placed::Dataset { name, .. } => Zfs::make_children(tools, name),
            Placed::Directory(_) => Ok(()),
        }
    }

    /// The back end, with build_data there.
    pub(crate) fn store(
        &self,
        disk: &Disk,
        tools: &Arc<dyn Tools>,
        build_data: &Path,
        checkpoints: &Path,
    ) -> Result<Box<dyn Store>, StoreError> {
        if let Placed::Dataset { name, .. } = self {
            return Ok(Box::new(Zfs::open(disk, tools, name)?));
        }
        #[cfg(target_os = "linux")]
        if let Some(btrfs) = Btrfs::open(disk, build_data, checkpoints)? {
            return Ok(Box::new(btrfs));
        }
        disk.ensure_folder(build_data)?;
        Ok(Box::new(Packed::open(disk, build_data, checkpoints)?))
    }
}

/// Whether an error says that a program is not installed.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_makes_a_directory() {
        assert_eq!(Place::of("rpool/dc"), Place::Dataset("rpool/dc".to_owned()));
        assert_eq!(Place::of("/export/dc"), Place::Directory("/export/dc".into()));
    }
}
