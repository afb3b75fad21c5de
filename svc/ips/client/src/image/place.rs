//! place.rs - where an image is: its root, and the folder below it that holds its metadata.
//!
//! ```text
//! R/var/pkg               a full image: the root of a system
//! R/.org.opensolaris,pkg  a user image: packages below a folder of somebody's own
//! ```
//!
//! Law: neither that folder nor one on the way to it is a symbolic link, for whoever can write the
//! root could lead the metadata anywhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What an image is the root of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// A whole system.
    Full,
    /// A part of another image.
    Partial,
    /// A folder of a user.
    User,
}

impl ImageKind {
    /// The metadata folder below the root.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Full => "var/pkg",
            Self::Partial | Self::User => ".org.opensolaris,pkg",
        }
    }

    /// What `variant.opensolaris.imagetype` says.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::User => "user",
        }
    }
}

/// A root, and its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub root: PathBuf,
    pub metadata: PathBuf,
    pub kind: ImageKind,
}

/// What is wrong with a root.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// No image there.
    #[error("No image rooted at '{}'", root.display())]
    NoImage {
        /// Where one was looked for.
        root: PathBuf,
    },
    /// No image in the folder nor above it.
    #[error("No image found.")]
    NoneAbove,
    /// The metadata, or a folder above it, is a symbolic link or no folder.
    #[error("{}: the image's metadata is not in a directory of its own: {reason}", path.display())]
    Led {
        /// The offending path.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// It could not be looked at.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The image whose root this folder is.
pub(super) fn at(root: &Path) -> Result<Option<Place>, PlaceError> {
    for kind in [ImageKind::User, ImageKind::Full] {
        let metadata = root.join(kind.folder());
        let marks = ["pkg5.image", "cfg_cache"];
        if !marks.iter().any(|mark| metadata.join(mark).symlink_metadata().is_ok()) {
            continue;
        }
        check(root, kind)?;
        return Ok(Some(Place { root: root.to_path_buf(), metadata, kind }));
    }
    Ok(None)
}

/// The image in a folder, or in the nearest one above it that has one.
pub(super) fn above(from: &Path) -> Result<Place, PlaceError> {
    for folder in from.ancestors() {
        if let Some(place) = at(folder)? {
            return Ok(place);
        }
    }
    Err(PlaceError::NoneAbove)
}

/// Refuses a metadata folder that symbolic links lead to.
pub(super) fn check(root: &Path, kind: ImageKind) -> Result<(), PlaceError> {
    let mut path = root.to_path_buf();
    for component in kind.folder().split('/') {
        path.push(component);
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_dir() => {}
            Ok(about) if about.is_symlink() => {
                return Err(PlaceError::Led { path, reason: "a symbolic link leads away" });
            }
            Ok(_) => return Err(PlaceError::Led { path, reason: "no directory" }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(PlaceError::Io { path, source }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn found_from_below() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("usr/share");
        fs::create_dir_all(&deep).unwrap();
        assert!(matches!(at(root.path()), Ok(None)));
        for kind in [ImageKind::Full, ImageKind::User] {
            let metadata = root.path().join(kind.folder());
            fs::create_dir_all(&metadata).unwrap();
            fs::write(metadata.join("pkg5.image"), "").unwrap();
            let found = above(&deep).unwrap();
            assert_eq!((found.kind, found.root.as_path()), (kind, root.path()));
        }
    }

    #[test]
    fn links_are_not_followed() {
        for link in ["var", "var/pkg"] {
            let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            fs::create_dir_all(other.path().join("pkg")).unwrap();
            fs::write(other.path().join("pkg/pkg5.image"), "").unwrap();
            fs::write(other.path().join("pkg5.image"), "").unwrap();
            let link = root.path().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(other.path(), &link).unwrap();
            let error = at(root.path()).unwrap_err().to_string();
            assert!(error.ends_with("a symbolic link leads away"), "{error}");
        }
    }
}
