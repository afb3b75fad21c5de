//! read.rs - manifests, payloads and catalog files: where they are and what they say.
//!
//! Every path is made of checked parts: an FMRI quoted by the model, a hash of 40 hex digits, a
//! part name of a known form.  So no name from outside leads out of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use ips_model::Fmri;
use ips_model::action::is_sha1;
use ips_model::catalog::{Attributes, PartText, is_part_name};

use crate::catalog::{ATTRIBUTES, Catalog, part_text};
use crate::error::{ReadError, at};
use crate::repository::Repository;

/// Where a payload is in a publisher's folder; the second form is that of older repositories.
pub(crate) fn payload_paths(publisher: &Path, hash: &str) -> [PathBuf; 2] {
    assert!(is_sha1(hash), "a payload's name was checked");
    let file = publisher.join("file");
    [file.join(&hash[..2]).join(hash), file.join(&hash[..2]).join(&hash[2..8]).join(hash)]
}

impl Repository {
    /// A publisher's catalog, all parts, checked against their signatures.
    pub fn catalog(&self, publisher: &str) -> Result<Catalog, ReadError> {
        let folder = self.known_publisher(publisher)?.join("catalog");
        match Catalog::read(&folder) {
            Err(_) if !folder.exists() => Ok(Catalog::empty()),
            read => read,
        }
    }

    /// One part of a publisher's catalog as text, checked against its signature; an empty one where
    /// the catalog has no such part.
    pub fn catalog_part(&self, publisher: &str, name: &str) -> Result<PartText, ReadError> {
        let folder = self.known_publisher(publisher)?.join("catalog");
        match part_text(&folder, name) {
            Err(_) if !folder.exists() => Ok(PartText::default()),
            read => read,
        }
    }

    /// `catalog.attrs` alone; none where the publisher has no catalog.
    pub fn attributes(&self, publisher: &str) -> Result<Option<Attributes>, ReadError> {
        let path = self.known_publisher(publisher)?.join("catalog").join(ATTRIBUTES);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&path)(error).into()),
        };
        let parsed = Attributes::parse(&text);
        Ok(Some(parsed.map_err(|source| ReadError::Catalog { path, source })?))
    }

    /// The packages of every publisher, by publisher, name and ascending version.
    pub fn packages(&self) -> Result<Vec<Fmri>, ReadError> {
        let mut packages = Vec::new();
        for publisher in self.publishers()? {
            let catalog = self.catalog(&publisher)?;
            packages.extend(catalog.packages().into_iter().map(|package| package.fmri));
        }
        Ok(packages)
    }

    /// Where a catalog file (`catalog.attrs`, a part, an update log) is; none where it is not.
    pub fn catalog_file(&self, publisher: &str, name: &str) -> Result<Option<PathBuf>, ReadError> {
        let folder = self.known_publisher(publisher)?.join("catalog");
        let path = folder.join(name);
        let known = name == ATTRIBUTES || is_part_name(name);
        Ok((known && path.is_file()).then_some(path))
    }

    /// Where the manifest of a package is or would be.  The FMRI must name publisher and version.
    pub fn manifest_path(&self, fmri: &Fmri) -> Result<PathBuf, ReadError> {
        let absent = || ReadError::NoPackage(fmri.to_string());
        let publisher = fmri.publisher.as_deref().ok_or_else(absent)?;
        let path = fmri.path().ok_or_else(absent)?;
        Ok(self.publisher_folder(publisher)?.join("pkg").join(path))
    }

    /// The text of a package's manifest, byte for byte as stored.
    pub fn manifest_text(&self, fmri: &Fmri) -> Result<String, ReadError> {
        let path = self.manifest_path(fmri)?;
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(ReadError::NoPackage(fmri.to_string()))
            }
            Err(error) => Err(at(&path)(error).into()),
        }
    }

    /// Where the stored payload with this SHA-1 is, in either layout; none where it is not.
    pub fn file_path(&self, publisher: &str, hash: &str) -> Option<PathBuf> {
        if !is_sha1(hash) {
            return None;
        }
        let folder = self.publisher_folder(publisher).ok()?;
        payload_paths(&folder, hash).into_iter().find(|path| path.is_file())
    }

    /// The stored payload in any publisher's folder, the named publisher's first.
    pub fn any_file_path(&self, publisher: &str, hash: &str) -> Option<PathBuf> {
        self.file_path(publisher, hash).or_else(|| {
            let publishers = self.publishers().ok()?;
            publishers.iter().find_map(|other| self.file_path(other, hash))
        })
    }
}
