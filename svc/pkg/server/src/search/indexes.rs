//! indexes.rs - the publishers' indexes, read when first asked for.
//!
//! Invariant: what is handed out was current when it was asked for, except that an index on disk
//! may be older than the catalog; then `pkgrepo refresh`, or the depot's own index operation,
//! has not been run since.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ips_model::Fmri;
use ips_repository::{Index, OpenError, ReadError, Repository};

use crate::kept::{Kept, Stamp};
use crate::view::View;

/// The most packages, and bytes of manifests, that are indexed in memory.
const PACKAGES_IN_MEMORY: usize = 5_000;
const BYTES_IN_MEMORY: u64 = 32 << 20;

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The repository has none, and is too large to do without.
    #[error("Search temporarily unavailable.")]
    Absent,
    /// It cannot be read.
    #[error("Search temporarily unavailable: {0}")]
    Read(#[from] ReadError),
}

impl From<OpenError> for IndexError {
    fn from(error: OpenError) -> Self {
        // Of a repository that was read at the start only a file can have become unreadable.
        match error {
            OpenError::Path(error) => IndexError::Read(error.into()),
            OpenError::Missing(_) | OpenError::NoPublisher(_) | OpenError::Configuration { .. } => {
                IndexError::Absent
            }
        }
    }
}

struct Held {
    index: Arc<Index>,
    /// Of an index in memory: the catalog it was made for.
    catalog: Option<Option<Stamp>>,
}

/// The indexes.
pub struct Indexes {
    held: Kept<Held>,
    /// Where they are, if not in the repository.
    home: Option<PathBuf>,
}

impl Indexes {
    /// None yet.
    pub fn at(home: Option<PathBuf>) -> Self {
        Self { held: Kept::default(), home }
    }

    /// A publisher's index.
    pub fn of(&self, view: &View, publisher: &str) -> Result<Arc<Index>, IndexError> {
        let directory = view.directory(publisher);
        let home = self.home.as_ref().map(|home| home.join("publisher").join(publisher));
        let held = self.held.get(
            publisher,
            |held| held.is_current(&directory, home.as_ref().unwrap_or(&directory)),
            || {
                let root = directory.ancestors().nth(2).unwrap_or(&directory);
                let mut repository = Repository::open(root)?;
                if let Some(home) = &self.home {
                    repository = repository.with_indexes(home);
                }
                read(&repository, publisher, &directory)
            },
        );
        held.map(|held| held.index.clone())
    }
}

impl Held {
    fn is_current(&self, directory: &Path, home: &Path) -> bool {
        match self.catalog {
            None => self.index.is_current(),
            Some(made_for) => {
                stamp(directory) == made_for && !home.join("index/manf_list.v1").exists()
            }
        }
    }
}

fn stamp(directory: &Path) -> Option<Stamp> {
    Stamp::of(&directory.join("catalog/catalog.attrs"))
}

fn read(repository: &Repository, publisher: &str, directory: &Path) -> Result<Held, IndexError> {
    if let Some(index) = repository.index(publisher)? {
        return Ok(Held { index: Arc::new(index), catalog: None });
    }
    // Known without reading a catalog that is as large as that.
    let attributes = repository.attributes(publisher)?;
    if attributes.is_some_and(|attributes| attributes.versions > PACKAGES_IN_MEMORY) {
        return Err(IndexError::Absent);
    }
    // Before the catalog: should that change meanwhile, the index is made once more.
    let catalog = Some(stamp(directory));
    let packages: Vec<Fmri> =
        repository.catalog(publisher)?.packages().into_iter().map(|own| own.fmri).collect();
    let size = |fmri: &Fmri| {
        let path = repository.manifest_path(fmri).ok()?;
        Some(fs::metadata(path).ok()?.len())
    };
    if packages.iter().filter_map(size).sum::<u64>() > BYTES_IN_MEMORY {
        return Err(IndexError::Absent);
    }
    let mut manifests = Vec::with_capacity(packages.len());
    for fmri in packages {
        match repository.manifest_text(&fmri) {
            Ok(text) => manifests.push((fmri, text)),
            // Removed meanwhile.
            Err(ReadError::NoPackage(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Held { index: Arc::new(Index::of(manifests)), catalog })
}
