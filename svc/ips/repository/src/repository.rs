//! repository.rs - the directory as a whole: made, opened, configured, and its publishers.
//!
//! A version 3 repository has the folders of its only publisher at its top.  It is read, not changed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ips_model::Timestamp;
use ips_model::configuration::{Configuration, Layout};
use ips_model::fmri::is_publisher;
use ips_model::p5i;

use crate::catalog::CatalogEdit;
use crate::durable;
use crate::error::{CreateError, OpenError, PathError, ReadError, WriteError, at};
use crate::lock::{Lock, Wait};

/// The file that marks a repository.
const MARK: &str = "pkg5.repository";
/// The file that older ones of version 3 have in its place.
const OLDER_MARK: &str = "cfg_cache";

/// A repository on disk.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
    /// Of version 3 the publisher.
    single: Option<String>,
    /// Where search indexes are, if not beside the packages.
    indexes: Option<PathBuf>,
}

/// What `pkgrepo info` says of a publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The prefix.
    pub publisher: String,
    /// Package names, not versions.
    pub packages: usize,
    /// `online`.
    pub status: &'static str,
    /// The last change of the catalog; none where there is no catalog.
    pub updated: Option<Timestamp>,
}

impl Repository {
    /// Makes a repository in a directory that is empty or not there; parents are made too.
    pub fn create(root: &Path) -> Result<Repository, CreateError> {
        durable::make_folder(root)?;
        for entry in fs::read_dir(root).map_err(at(root))? {
            // The snapshot folder of a ZFS file system is nobody's content.
            if entry.map_err(at(root))?.file_name() != ".zfs" {
                return Err(CreateError::NotEmpty(root.to_path_buf()));
            }
        }
        let text = Configuration::new().to_string();
        durable::replace(&root.join(MARK), text.as_bytes())?;
        Ok(Repository { root: root.to_path_buf(), single: None, indexes: None })
    }

    /// Opens a repository of version 4, or 3.
    pub fn open(root: &Path) -> Result<Repository, OpenError> {
        let mut repository = Repository { root: root.to_path_buf(), single: None, indexes: None };
        let configuration = repository.configuration()?;
        if configuration.layout() == Layout::Single {
            let prefix = configuration.default_publisher().filter(|prefix| is_publisher(prefix));
            let prefix = prefix.ok_or_else(|| OpenError::NoPublisher(root.to_path_buf()))?;
            repository.single = Some(prefix.to_string());
        }
        Ok(repository)
    }

    /// The same with its search indexes in another place: `ROOT/publisher/PUB/index`.  So they are
    /// made of a repository that may only be read.
    #[must_use]
    pub fn with_indexes(self, root: &Path) -> Repository {
        Repository { indexes: Some(root.to_path_buf()), ..self }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `pkg5.repository` as it is now.
    pub fn configuration(&self) -> Result<Configuration, OpenError> {
        for (mark, parse) in [
            (MARK, Configuration::parse as fn(&str) -> _),
            (OLDER_MARK, Configuration::parse_older),
        ] {
            let path = self.root.join(mark);
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let refused = |source| OpenError::Configuration { path, source };
                    return parse(&text).map_err(refused);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => return Err(at(&path)(error).into()),
            }
        }
        Err(OpenError::Missing(self.root.clone()))
    }

    /// The default publisher, if one is set.
    pub fn default_publisher(&self) -> Result<Option<String>, OpenError> {
        Ok(self.configuration()?.default_publisher().map(str::to_string))
    }

    /// Sets a property of `pkg5.repository`.  The version may not be changed.
    pub fn set_property(&self, section: &str, name: &str, value: &str) -> Result<(), WriteError> {
        self.changeable()?;
        let fixed = name == "version" && matches!(section, "repository" | "CONFIGURATION");
        if fixed || value.contains(['\n', '\r']) {
            return Err(WriteError::Property(format!("{section}/{name}"), value.into()));
        }
        if (section, name) == ("publisher", "prefix") && !value.is_empty() && !is_publisher(value) {
            return Err(WriteError::Publisher(value.into()));
        }
        let mut configuration = self.configuration()?;
        configuration.set(section, name, value);
        durable::replace(&self.root.join(MARK), configuration.to_string().as_bytes())?;
        Ok(())
    }

    /// Sets the publisher that FMRIs without one belong to.
    pub fn set_default_publisher(&self, name: &str) -> Result<(), WriteError> {
        self.set_property("publisher", "prefix", name)
    }

    /// The publishers' prefixes, sorted.
    pub fn publishers(&self) -> Result<Vec<String>, PathError> {
        if let Some(publisher) = &self.single {
            return Ok(vec![publisher.clone()]);
        }
        let folder = self.root.join("publisher");
        let mut names = Vec::new();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(at(&folder)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(at(&folder))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // A batch that came to nothing leaves a folder with `tmp` alone.
            let marks = ["catalog", "pub.p5i", "pkg", "old.catalog"];
            if is_publisher(&name) && marks.iter().any(|mark| entry.path().join(mark).exists()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Adds a publisher with an empty catalog made at `now`; the first becomes the default one.
    pub fn add_publisher(&self, name: &str, now: Timestamp) -> Result<(), WriteError> {
        self.changeable()?;
        if !is_publisher(name) {
            return Err(WriteError::Publisher(name.into()));
        }
        if self.publishers()?.iter().any(|other| other == name) {
            return Err(WriteError::PublisherExists(name.into()));
        }
        let folder = self.publisher_folder(name)?;
        for name in ["tmp", "file", "pkg"] {
            durable::make_folder(&folder.join(name))?;
        }
        let _lock = Lock::take(&folder, Wait::Block)?;
        if !folder.join("catalog").is_dir() {
            let staging = folder.join("tmp/catalog.new");
            if staging.exists() {
                fs::remove_dir_all(&staging).map_err(at(&staging))?;
            }
            CatalogEdit::new(now).save(&folder.join("catalog"), &staging)?;
            durable::sync_filesystem(&staging)?;
            durable::swap_folder(&staging, &folder.join("catalog"))?;
        }
        let description = p5i::Publisher { name: name.into(), ..p5i::Publisher::default() };
        durable::replace(&folder.join("pub.p5i"), p5i::print(&[description]).as_bytes())?;
        if self.default_publisher()?.is_none() {
            self.set_default_publisher(name)?;
        }
        Ok(())
    }

    /// What is to be told of a publisher.
    pub fn info(&self, publisher: &str) -> Result<Info, ReadError> {
        let attributes = self.attributes(publisher)?;
        Ok(Info {
            publisher: publisher.into(),
            packages: attributes.as_ref().map_or(0, |attributes| attributes.packages),
            status: "online",
            updated: attributes.map(|attributes| attributes.last_modified),
        })
    }

    /// The text of a publisher's description, where it has one.
    pub fn description(&self, publisher: &str) -> Result<Option<String>, ReadError> {
        let path = self.known_publisher(publisher)?.join("pub.p5i");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path)(error).into()),
        }
    }

    /// Replaces a publisher's description.
    pub fn describe(&self, described: &p5i::Publisher) -> Result<(), WriteError> {
        let path = self.changed_publisher(&described.name)?.join("pub.p5i");
        durable::replace(&path, p5i::print(std::slice::from_ref(described)).as_bytes())?;
        Ok(())
    }

    /// Where a publisher is or would be; refused where the prefix is no prefix.
    pub(crate) fn publisher_folder(&self, name: &str) -> Result<PathBuf, ReadError> {
        match &self.single {
            Some(publisher) if publisher == name => Ok(self.root.clone()),
            None if is_publisher(name) => Ok(self.root.join("publisher").join(name)),
            Some(_) | None => Err(ReadError::NoPublisher(name.into())),
        }
    }

    /// Refuses what cannot be changed.
    pub(crate) fn changeable(&self) -> Result<(), WriteError> {
        match self.single {
            Some(_) => Err(WriteError::ReadOnly(self.root.clone())),
            None => Ok(()),
        }
    }

    /// The folder of a publisher that is here and is to be changed.
    pub(crate) fn changed_publisher(&self, name: &str) -> Result<PathBuf, WriteError> {
        self.changeable()?;
        Ok(self.known_publisher(name)?)
    }

    /// The folder that a publisher's index is in, which is to be changed.
    pub(crate) fn changed_index(&self, name: &str) -> Result<PathBuf, WriteError> {
        if self.indexes.is_none() {
            self.changeable()?;
        }
        Ok(self.known_index(name)?)
    }

    /// The folder that the index of a publisher that is here is in.
    pub(crate) fn known_index(&self, name: &str) -> Result<PathBuf, ReadError> {
        let folder = self.known_publisher(name)?;
        Ok(match &self.indexes {
            Some(root) => root.join("publisher").join(name),
            None => folder,
        })
    }

    /// The folder of a publisher that is here.
    pub(crate) fn known_publisher(&self, name: &str) -> Result<PathBuf, ReadError> {
        let folder = self.publisher_folder(name)?;
        if folder.is_dir() { Ok(folder) } else { Err(ReadError::NoPublisher(name.into())) }
    }
}
