//! create.rs - a new image: its metadata folder, and nothing in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image_tree::{Entry, Kind, Tree};
use ips_model::Timestamp;
use ips_repository::{PathError, durable};

use super::place::{self, Place};
use super::record::Parts;
use super::{
    Change, Configuration, Image, ImageError, ImageKind, PlaceError, RecordError, StateCatalog,
};

/// Why no image was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is something in the root.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// There is an image already.
    #[error("there is already an image at: {}", .0.display())]
    Exists(PathBuf),
    /// The metadata would be led elsewhere.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The new image cannot be opened.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its first state could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What kind of image it is to be.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// What it is the root of.
    pub kind: ImageKind,
    /// Its configuration, of format 4.
    pub configuration: Configuration,
    /// Whether a root that is not empty, or an image that is there, is taken.  An image that is
    /// there loses its configuration and what it knows; files of packages stay where they are.
    pub force: bool,
    /// Whether owners and modes are kept in a table instead of on the disk: without privilege they
    /// cannot be on the disk.
    pub rootless: bool,
    /// Whether it outlives a power failure at any moment.  Whoever begins anew after one need not
    /// wait for the disk.
    pub lasting: bool,
    /// When.
    pub time: Timestamp,
}

impl Image {
    /// Makes an image for a client of this name.
    pub fn create(root: &Path, client: &str, options: &CreateOptions) -> Result<Self, CreateError> {
        let io = |source| PathError { path: root.to_path_buf(), source };
        durable::make_folder(root)?;
        let root = fs::canonicalize(root).map_err(io)?;
        let there = place::at(&root)?;
        match &there {
            Some(_) if !options.force => return Err(CreateError::Exists(root)),
            None if !options.force && !is_empty(&root)? => return Err(CreateError::NotEmpty(root)),
            Some(place) => {
                for name in ["state", "publisher", "cache", "history", "pkg5.image"] {
                    remove(&place.metadata.join(name))?;
                }
            }
            None => {}
        }
        place::check(&root, options.kind)?;
        let metadata = root.join(options.kind.folder());
        for name in
            ["cache/index", "cache/publisher", "cache/tmp", "gui_cache", "history", "license"]
        {
            durable::make_folder(&metadata.join(name))?;
        }
        for name in ["lost+found", "publisher", "ssl", "state"] {
            durable::make_folder(&metadata.join(name))?;
        }
        durable::replace(
            &metadata.join("pkg5.image"),
            options.configuration.to_string().as_bytes(),
        )?;
        let mut image = Self::of(Place { root, metadata, kind: options.kind }, client)?;
        image.lasting = options.lasting;
        let lock = image.lock()?;
        let mut change = Change::at(options.time);
        change.table = options.rootless.then(|| empty_table(options.time));
        image.replace_state(&lock, &change, Some([empty(), empty()]))?;
        drop(lock);
        Ok(image)
    }
}

/// A catalog's parts, without packages.
fn empty() -> Parts {
    let base = StateCatalog::default();
    Parts { base, dependency: Some(Default::default()), summary: Some(Default::default()) }
}

/// The root alone, root's.
fn empty_table(time: Timestamp) -> Tree {
    let mut tree = Tree::new();
    let entry = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, mtime: time.seconds() };
    tree.insert("", entry).expect("the root's own path is a plain one");
    tree
}

fn is_empty(root: &Path) -> Result<bool, PathError> {
    let at = |source| PathError { path: root.to_path_buf(), source };
    Ok(fs::read_dir(root).map_err(at)?.next().is_none())
}

fn remove(path: &Path) -> Result<(), PathError> {
    let at = |source| PathError { path: path.to_path_buf(), source };
    let removed = match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(at),
    }
}
