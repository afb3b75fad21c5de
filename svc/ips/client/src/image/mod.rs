//! An image: packages in a root, and what the client knows of them.
//!
//! ```text
//! R/var/pkg/                 (a user image: R/.org.opensolaris,pkg/)
//!   pkg5.image               configuration                    `configuration`, `publisher`
//!   lock                     who changes the image            `lock`
//!   modified                 touched by every change
//!   state/known/             catalog of all packages          `state`
//!   state/installed/         catalog of those installed
//!   state/avoid_set, state/frozen_dict                        `avoid`
//!   state/table              rootless images: type, mode, owner of every path (image_tree)
//!   state/pkg5.image         a configuration that goes with this state and is not yet in place
//!   publisher/PUB/catalog/   the catalogs of PUB as fetched   `refresh`
//!   publisher/PUB/pkg/QNAME/QVERSION   manifests as published
//!   publisher/PUB/certs/SHA1 certificates                     `trust`
//!   license/QNAME/license.QLICENSE     history/TIME-NN.xml    notes/TIME-NN.txt    lost+found/…
//!   linked/                  what a child knows of its parent  `linked`
//!   journal/                 a plan that is being carried out (`execute::journal`)
//!   cache/stage/             payloads fetched for it (`execute::fetch`)
//! ```
//!
//! In reading order: `place` (where an image is), `ini` and `literal` (how `pkg5.image` is
//! spelled), `configuration` and `publisher` (what it says), `state`, `avoid`, `lock`, `manifests`
//! (a package's manifest, kept or fetched), `record` (how all of it changes), `create`, `speak` (to origins), `refresh` (with `apply`) and `rebuild` (catalogs fetched, and the image's own made of
//! them), `history`, `linked` (images that hang on one another), `database` and `sqlite` (the catalogs of format 5), `trust` (whether packages are signed as is asked for), `verify` (whether the root is as its packages say).
//!
//! Invariants: `state/` is replaced as one folder, so known, installed, avoided, frozen packages and
//! the table are of one moment whenever a program dies.  Who changes anything holds the `ImageLock`.
//! Whoever installs a package has put its manifest in its place first (`keep_manifest`).

mod apply;
mod avoid;
mod configuration;
mod create;
mod database;
mod history;
mod ini;
mod linked;
mod literal;
mod lock;
mod manifests;
mod place;
mod publisher;
mod rebuild;
mod record;
mod refresh;
mod speak;
mod sqlite;
mod state;
mod trust;
mod verify;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image_tree::{TableError, Tree};
use ips_model::action::Action;
use ips_model::catalog::{DEPENDENCY, Part, PartText, SUMMARY};
use ips_model::fmri::Fmri;
use ips_model::json::SignedError;
use ips_repository::{PathError, durable};

use crate::solve::candidate::Candidate;
use crate::transport::{Transport, TransportError};

pub use avoid::{AvoidSet, Frozen, FrozenSet, ListError};
pub use configuration::{
    Configuration, ConfigurationError, DEFAULT, MediatorSetting, POLICIES, PROPERTIES, Sort,
};
pub use create::{CreateError, CreateOptions};
pub use database::CatalogError;
pub use history::{HistoryError, Operation, Outcome};
pub use linked::{Child, ChildLink, Link, LinkedError, LinkedName, Model, ParentState, Relink};
pub use literal::print_texts as print_list;
pub use lock::{ImageLock, LockError};
pub use manifests::{ImageSource, ManifestError};
pub use place::{ImageKind, PlaceError};
pub use publisher::{Publisher, PublisherUri, REFRESH_SECONDS, Value};
pub use record::{Change, Installed, RecordError};
pub use refresh::{OriginFailure, OriginRefreshError, Refresh, Refreshed};
pub use state::{Package, StateCatalog, StateError, states};
pub(crate) use trust::Certificates;
pub use trust::{TrustError, approvable};
pub use verify::{Finding, Report, Stray, Unpackaged, VerifiedPackage, VerifyError, VerifyOptions};

/// The newest format that is written, and what new images get.
pub const FORMAT: u32 = 4;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is none, or it is led elsewhere.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Its format is from before the catalogs.
    #[error("The image rooted at {} is written in pkg image format {format}, which is too old to be \
        read (4 and 5 are)", root.display())]
    Old {
        /// The root.
        root: PathBuf,
        /// Its format.
        format: u32,
    },
    /// Its format is newer than this program.
    #[error("The image rooted at {} is written in pkg image format {format}, which is newer than \
        this program (4 and 5 are known)", root.display())]
    New {
        /// The root.
        root: PathBuf,
        /// Its format.
        format: u32,
    },
    /// Its configuration is refused.
    #[error("{}: {source}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ConfigurationError,
    },
    /// One of its catalogs is damaged.
    #[error("{}: {source}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: StateError,
    },
    /// A part of one of its catalogs is damaged.
    #[error("{}: {source}", path.display())]
    Part {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: SignedError,
    },
    /// The catalogs of an image of format 5 are damaged.
    #[error("{}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CatalogError,
    },
    /// The list of avoided or frozen packages is damaged.
    #[error("{}: {source}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ListError,
    },
    /// The table of a rootless image is damaged.
    #[error("{}: {source}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: TableError,
    },
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// How a URI is spoken to before its publisher's own wishes: what the program's surroundings say.
pub type Surroundings = fn(&str) -> Result<Transport, TransportError>;

/// An opened image.
#[derive(Debug)]
pub struct Image {
    place: place::Place,
    client: String,
    surroundings: Surroundings,
    /// Flushed at its commit points.
    lasting: bool,
    configuration: Configuration,
    known: OnceLock<StateCatalog>,
    installed: OnceLock<StateCatalog>,
    sources: OnceLock<Vec<ImageSource>>,
    /// Format 5: the catalogs of the database.
    database: OnceLock<database::Catalogs>,
}

impl Image {
    /// Opens the image whose root this folder is, for a client of this name (`pkg`).
    pub fn open(root: &Path, client: &str) -> Result<Self, ImageError> {
        let place = place::at(root)?;
        let absent = || PlaceError::NoImage { root: root.to_path_buf() };
        Self::of(place.ok_or_else(absent)?, client)
    }

    /// Opens the image in a folder, or in the nearest one above it that has one.
    pub fn find(from: &Path, client: &str) -> Result<Self, ImageError> {
        Self::of(place::above(from)?, client)
    }

    fn of(place: place::Place, client: &str) -> Result<Self, ImageError> {
        let staged = place.metadata.join("state/pkg5.image");
        let path = place.metadata.join("pkg5.image");
        let old = || ImageError::Old { root: place.root.clone(), format: 2 };
        let text = match read(&staged)? {
            // The state it goes with is in place already: it is the one that holds.
            Some(text) => text,
            None => read(&path)?.ok_or_else(old)?,
        };
        let refused = |source| ImageError::Configuration { path: path.clone(), source };
        let configuration = Configuration::parse(&text).map_err(refused)?;
        let root = place.root.clone();
        match configuration.version() {
            4 | 5 => {}
            format @ 0..4 => return Err(ImageError::Old { root, format }),
            format => return Err(ImageError::New { root, format }),
        }
        Ok(Self {
            place,
            client: client.to_string(),
            surroundings: |_| Ok(Transport::default()),
            lasting: true,
            configuration,
            known: OnceLock::new(),
            installed: OnceLock::new(),
            sources: OnceLock::new(),
            database: OnceLock::new(),
        })
    }

    /// The same image, whose publishers are spoken to as the surroundings say.
    pub fn within(self, surroundings: Surroundings) -> Self {
        Self { surroundings, ..self }
    }

    /// Flushes what was written so far, unless nobody would look for it after a power failure.
    pub(crate) fn flush(&self, path: &Path) -> Result<(), PathError> {
        if self.lasting { durable::sync_filesystem(path) } else { Ok(()) }
    }

    /// The image's root.
    pub fn root(&self) -> &Path {
        &self.place.root
    }

    /// The folder of its metadata, `R/var/pkg`.
    pub fn metadata(&self) -> &Path {
        &self.place.metadata
    }

    /// What it is the root of.
    pub fn kind(&self) -> ImageKind {
        self.place.kind
    }

    /// The client's name, as locks and the history tell it.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// What `pkg5.image` says.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Keeps other clients from changing the image until the lock is dropped.  What was read before
    /// is read again afterwards, for another client may have been faster.
    pub fn lock(&mut self) -> Result<ImageLock, RecordError> {
        if self.configuration.version() != FORMAT {
            let (root, format) = (self.place.root.clone(), self.configuration.version());
            return Err(RecordError::Format { root, format });
        }
        let lock = ImageLock::take(&self.place.metadata, &self.client)?;
        record::finish(&self.place.metadata)?;
        let read = Self::of(self.place.clone(), &self.client)?.within(self.surroundings);
        *self = Self { lasting: self.lasting, ..read };
        Ok(lock)
    }

    /// Every package of every publisher, and what is installed.
    pub fn known(&self) -> Result<&StateCatalog, ImageError> {
        self.catalog(&self.known, "known")
    }

    /// What is installed.
    pub fn installed(&self) -> Result<&StateCatalog, ImageError> {
        self.catalog(&self.installed, "installed")
    }

    fn catalog<'a>(
        &'a self,
        cell: &'a OnceLock<StateCatalog>,
        name: &str,
    ) -> Result<&'a StateCatalog, ImageError> {
        if let Some(catalog) = cell.get() {
            return Ok(catalog);
        }
        if let Some(database) = self.database()? {
            return Ok(&database.base[usize::from(name == "installed")]);
        }
        let path = self.place.metadata.join("state").join(name).join("catalog.base.C");
        let catalog = match read(&path)? {
            Some(text) => {
                StateCatalog::parse(&text).map_err(|source| ImageError::State { path, source })?
            }
            None => StateCatalog::default(),
        };
        Ok(cell.get_or_init(|| catalog))
    }

    /// Depend actions and what else the solver needs of every known package.
    pub fn known_dependencies(&self) -> Result<Part, ImageError> {
        self.part("known", DEPENDENCY)
    }

    /// Summary, description, classification of every known package.
    pub fn known_summaries(&self) -> Result<Part, ImageError> {
        self.part("known", SUMMARY)
    }

    /// The same of installed packages.
    pub fn installed_dependencies(&self) -> Result<Part, ImageError> {
        self.part("installed", DEPENDENCY)
    }

    /// The same of installed packages.
    pub fn installed_summaries(&self) -> Result<Part, ImageError> {
        self.part("installed", SUMMARY)
    }

    /// The catalogs of an image of format 5; `None`: they are files.
    fn database(&self) -> Result<Option<&database::Catalogs>, ImageError> {
        if self.configuration.version() == FORMAT {
            return Ok(None);
        }
        if let Some(database) = self.database.get() {
            return Ok(Some(database));
        }
        let path = self.place.metadata.join("state/catalog.db");
        let catalogs = match std::fs::read(&path) {
            Ok(bytes) => {
                database::read(&bytes).map_err(|source| ImageError::Database { path, source })?
            }
            Err(source) => return Err(ImageError::Io { path, source }),
        };
        Ok(Some(self.database.get_or_init(|| catalogs)))
    }

    fn part(&self, catalog: &str, name: &str) -> Result<Part, ImageError> {
        if let Some(database) = self.database()? {
            let parts = if name == DEPENDENCY { &database.dependency } else { &database.summary };
            return Ok(parts[usize::from(catalog == "installed")].clone());
        }
        let path = self.place.metadata.join("state").join(catalog).join(name);
        match read(&path)? {
            Some(text) => Part::parse(&text).map_err(|source| ImageError::Part { path, source }),
            None => Ok(Part::default()),
        }
    }

    /// A part of the image's own catalogs as text.
    fn part_text(&self, catalog: &str, name: &str) -> Result<PartText, ImageError> {
        let folder = self.place.metadata.join("state").join(catalog);
        match self.database()? {
            None => text_at(&folder, name),
            Some(_) => PartText::of(&self.part(catalog, name)?)
                .map_err(|source| ImageError::Part { path: folder.join(name), source }),
        }
    }

    /// That one of the image's own catalogs, or a part of one, makes no sense.
    fn damaged(&self, name: &str, source: SignedError) -> ImageError {
        ImageError::Part { path: self.place.metadata.join("state").join(name), source }
    }

    /// The installed version of a stem.
    pub fn installed_version(&self, stem: &str) -> Result<Option<Fmri>, ImageError> {
        let installed = self.installed()?;
        Ok(installed.of_stem(stem).next().map(|(publisher, package)| Fmri {
            publisher: Some(publisher.to_string()),
            name: stem.to_string(),
            version: Some(package.version.clone()),
        }))
    }

    /// What is installed, with what it asks of others in this image.
    pub(crate) fn installed_candidates(&self) -> Result<Vec<Candidate>, ImageError> {
        let conditions = self.configuration().conditions();
        let dependencies = self.installed_dependencies()?;
        let candidate = |fmri: Fmri| {
            let lines = dependencies.get(&fmri).map_or(&[][..], |entry| entry.actions.as_slice());
            let actions: Vec<Action> =
                lines.iter().filter_map(|line| Action::parse(line).ok()).collect();
            Candidate::read(&fmri, &actions, &conditions)
        };
        Ok(self.installed()?.packages().map(|(fmri, _)| candidate(fmri)).collect())
    }

    /// What group dependencies do not bring.
    pub fn avoided(&self) -> Result<AvoidSet, ImageError> {
        let path = self.place.metadata.join("state/avoid_set");
        match read(&path)? {
            Some(text) => {
                AvoidSet::parse(&text).map_err(|source| ImageError::List { path, source })
            }
            None => Ok(AvoidSet::default()),
        }
    }

    /// What stays at its version.
    pub fn frozen(&self) -> Result<FrozenSet, ImageError> {
        let path = self.place.metadata.join("state/frozen_dict");
        match read(&path)? {
            Some(text) => {
                FrozenSet::parse(&text).map_err(|source| ImageError::List { path, source })
            }
            None => Ok(FrozenSet::default()),
        }
    }

    /// Owners and modes of a rootless image; `None`: the disk has them.
    pub fn table(&self) -> Result<Option<Tree>, ImageError> {
        let path = self.place.metadata.join("state/table");
        let Some(text) = read(&path)? else { return Ok(None) };
        Tree::parse(&text).map(Some).map_err(|source| ImageError::Table { path, source })
    }

    /// Where a package's licence text lies.
    pub fn license_path(&self, fmri: &Fmri, license: &str) -> PathBuf {
        let quoted = ips_model::quote::quote;
        let file = format!("license.{}", quoted(license));
        self.place.metadata.join("license").join(quoted(&fmri.name)).join(file)
    }
}

/// A part in a folder as text; an empty one where there is no such file.
fn text_at(folder: &Path, name: &str) -> Result<PartText, ImageError> {
    let path = folder.join(name);
    let Some(text) = read(&path)? else { return Ok(PartText::default()) };
    let (part, _) = PartText::read(text).map_err(|source| ImageError::Part { path, source })?;
    Ok(part)
}

/// A file's text; `None` where there is none.
fn read(path: &Path) -> Result<Option<String>, ImageError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ImageError::Io { path: path.to_path_buf(), source }),
    }
}
