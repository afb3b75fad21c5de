//! image.rs - the image: its table, and where the bytes of each file are.
//!
//! A file's bytes are its source's, unless a step of the build made it: then they lie in the
//! workshop.  The image's own listing comes last: whoever reads it waits for the digests of all else.
//! Invariant: the table has a row for every path, and every file but the listing has a body.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use image_formats::content::Content;
use image_tree::{Entry, Kind, Tree};

use crate::digests::changed;
use crate::listing::MANIFEST;
use stage::seen::About;

/// The bytes of a file.
#[derive(Debug, Clone)]
pub struct Body {
    /// Where they are.
    pub path: PathBuf,
    /// What that file looked like when it was found; another one is refused.
    pub about: About,
}

/// The image's own listing, of the length that the table gives, as soon as it is there; whoever should
/// make it and fails, is gone.
pub type Coming = Arc<Mutex<Receiver<String>>>;

/// The image.
#[derive(Debug, Default)]
pub struct Image {
    /// Every row.
    pub tree: Tree,
    /// The bytes of each file that is no further name of another.
    pub bodies: BTreeMap<String, Body>,
    /// The bytes of [`MANIFEST`], where the image has one.
    pub listing: Option<Coming>,
}

impl Image {
    /// The row and bytes of a file, under whichever of its names.
    #[must_use]
    pub fn file<'a>(&'a self, path: &'a str) -> Option<(&'a Entry, &'a Body)> {
        let (path, entry) = self.first(path).or_else(|| Some((path, self.tree.get(path)?)))?;
        Some((entry, self.bodies.get(path)?))
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bodies.values().map(|body| body.about.size).sum()
    }

    /// What is below a directory, and the rest.  A file that has names on both sides becomes two.
    #[must_use]
    pub fn parted(&self, below: &str) -> (Image, Image) {
        let inside = |path: &str| {
            path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        (self.part(&inside), self.part(&|path| !inside(path)))
    }

    fn part(&self, wanted: &dyn Fn(&str) -> bool) -> Image {
        let mut image = Image { listing: self.listing.clone(), ..Image::default() };
        // First names on the other side, and the first of their names on this one.
        let mut firsts: BTreeMap<&str, &str> = BTreeMap::new();
        for (path, entry) in self.tree.iter().filter(|(path, _)| wanted(path)) {
            let mut entry = entry.clone();
            let mut body = self.bodies.get(path);
            if let Some((target, row)) = self.first(path).filter(|(target, _)| !wanted(target)) {
                match firsts.get(target) {
                    Some(first) => entry.kind = Kind::HardLink { target: (*first).to_owned() },
                    None => {
                        firsts.insert(target, path);
                        (entry, body) = (row.clone(), self.bodies.get(target));
                    }
                }
            }
            image.bodies.extend(body.map(|body| (path.to_owned(), body.clone())));
            // The paths come from a table.
            let _known = image.tree.insert(path, entry);
        }
        image
    }

    /// The first name and row of a file, where `path` is a further one.
    fn first<'a>(&'a self, path: &str) -> Option<(&'a str, &'a Entry)> {
        match &self.tree.get(path)?.kind {
            Kind::HardLink { target } => Some((target.as_str(), self.tree.get(target)?)),
            _ => None,
        }
    }
}

impl Content for Image {
    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        if let Some(coming) = self.listing.as_ref().filter(|_| path == MANIFEST) {
            let coming = coming.lock().unwrap_or_else(|poison| poison.into_inner());
            let listing = coming.recv().map_err(|_| io::Error::other("no digests are known"))?;
            return Ok(Box::new(Cursor::new(listing.into_bytes())));
        }
        let absent = || io::Error::new(io::ErrorKind::NotFound, "no bytes are known");
        let body = self.bodies.get(path).ok_or_else(absent)?;
        open(&body.path, &body.about)
    }
}

/// Opens a file that looks as it did.
fn open(path: &Path, about: &About) -> io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    if About::of(&file.metadata()?) == *about { Ok(Box::new(file)) } else { Err(changed()) }
}
