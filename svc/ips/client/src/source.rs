//! source.rs - an opened origin: its catalogs, verified; its manifests and payloads, verified.
//!
//! Law: nothing leaves this file that was not checked.  The catalog's attributes sign its parts,
//! the base part signs manifests, manifests name the hashes of payloads.
//!
//! ```text
//! directory:  DIR/publisher/PUB/catalog/FILE   pkg/QNAME/QVERSION     file/HH/HASH
//! version 3:  DIR/catalog/FILE                 pkg/QNAME/QVERSION     file/HH/HHHHHH/HASH
//! archive:    publisher/PUB/catalog/FILE       pkg/QNAME/QVERSION     file/HH/HASH
//! depot:      URI PUB/catalog/1/FILE           PUB/manifest/0/Q@Q     PUB/file/1/HASH
//! ```
//!
//! An archive without catalog has the one its manifests make.
//!
//! Not here: payloads checked by their actions (payloads.rs), choosing packages, writing anything.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ips_model::action::{Action, is_sha1};
use ips_model::catalog::{Attributes, BASE, DEPENDENCY, Entry, Part, PartAttributes, split};
use ips_model::configuration::Layout;
use ips_model::digest::sha1_hex;
use ips_model::fmri::{Fmri, is_publisher};
use ips_model::json::SignedError;
use ips_model::manifest::Manifest;
use ips_model::{Timestamp, p5i};
use ips_repository::{PathError, Repository};

use crate::archive::Archive;
use crate::digest::{self, PayloadError};
use crate::origin::{Origin, Place};
use crate::transport::{Endurance, Transport, is_passing, pace};
use crate::volley::Volley;

/// How many requests wait for depots at a time: on a network the answer takes its time, whatever
/// number of processors there is here.
const REQUESTS: usize = 16;

/// Works through parallel iterators with as many threads as suit the sources.
pub(crate) fn side_by_side<R: Send>(sources: &[&Source], work: impl FnOnce() -> R + Send) -> R {
    let remote = sources.iter().any(|source| source.origin.is_remote());
    if remote { waiting(work) } else { work() }
}

/// Works through parallel iterators with as many threads as suit a depot.
pub(crate) fn waiting<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(REQUESTS).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}

/// Why an origin did not give what it should.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The path is no repository.
    #[error("{origin}: no package repository there")]
    NoRepository {
        /// The origin.
        origin: String,
    },
    /// The file is no package archive.
    #[error("Archive {} is missing, unsupported, or corrupt: {reason}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The depot could not be reached, or broke off.
    #[error("{uri}: {reason}")]
    Transport {
        /// What was asked for.
        uri: String,
        /// What happened.
        reason: String,
    },
    /// The depot sent nothing, or too little, for too long.
    #[error(
        "{uri}: Operation too slow. Less than 1024 bytes/sec transferred the last {seconds} seconds"
    )]
    Slow {
        /// What was asked for.
        uri: String,
        /// How long it was waited.
        seconds: u64,
    },
    /// The depot answered something else than the data.
    #[error("{uri}: status {status}")]
    Status {
        /// What was asked for.
        uri: String,
        /// The HTTP status.
        status: u16,
    },
    /// A catalog's file is not what its attributes sign.
    #[error("{origin}: publisher {publisher}: {file}: {reason}")]
    Catalog {
        /// The origin.
        origin: String,
        /// The publisher.
        publisher: String,
        /// The catalog's file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A package that the catalog has not.
    #[error("{origin}: {fmri} is not in the catalog")]
    NoPackage {
        /// The origin.
        origin: String,
        /// The package.
        fmri: String,
    },
    /// A manifest is not what the catalog signs, or is malformed.
    #[error("{origin}: manifest of {fmri}: {reason}")]
    Manifest {
        /// The origin.
        origin: String,
        /// The package.
        fmri: String,
        /// What is wrong.
        reason: String,
    },
    /// A payload is not what its action means.
    #[error("{origin}: {fmri}: payload {hash} ({path}): {source}")]
    Payload {
        /// The origin.
        origin: String,
        /// The package.
        fmri: String,
        /// The payload's name.
        hash: String,
        /// What it is for.
        path: String,
        /// What is wrong.
        source: Box<PayloadError>,
    },
}

impl SourceError {
    /// Whether the same may be answered the next time: what broke off, or is said to pass.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Slow { .. } => true,
            Self::Status { status, .. } => is_passing(*status),
            _ => false,
        }
    }
}

/// A publisher's catalog.
#[derive(Debug, Clone)]
pub struct PublisherCatalog {
    /// The publisher's prefix.
    pub publisher: String,
    /// How many packages it has, versions not counted.
    pub packages: usize,
    /// When it was last changed; `None`: there never was a package.
    pub updated: Option<Timestamp>,
    /// Every package with its manifest's signature.
    pub base: Part,
    /// What the solver reads.
    pub dependency: Part,
}

/// An opened origin.
#[derive(Debug)]
pub struct Source {
    origin: Origin,
    agent: ureq::Agent,
    /// How often a request is tried.
    tries: u32,
    endurance: Endurance,
    /// How a depot's files are asked for, many at once.
    pub(crate) volley: Option<Arc<Volley>>,
    archive: Option<Archive>,
    /// A directory of version 3: its only publisher's folders are those at its top.
    single: bool,
    /// Where payloads that were fetched are kept for another time.
    pub(crate) cache: Option<PathBuf>,
    catalogs: Vec<PublisherCatalog>,
}

impl Source {
    /// Opens an origin and reads its catalogs.
    pub fn open(origin: &Origin) -> Result<Self, SourceError> {
        Self::open_by(origin, &Transport::default())
    }

    /// The same; `transport` is how a depot is spoken to.
    pub fn open_by(origin: &Origin, transport: &Transport) -> Result<Self, SourceError> {
        Self::with_catalogs_by(origin, Vec::new(), transport)?.read()
    }

    /// A depot or directory as it is now.
    pub(crate) fn again(&self) -> Result<Self, SourceError> {
        let (origin, agent, tries) = (self.origin.clone(), self.agent.clone(), self.tries);
        let (single, archive, cache) = (self.single, None, None);
        let (endurance, volley) = (self.endurance.again(), self.volley.clone());
        let catalogs = Vec::new();
        Self { origin, agent, tries, endurance, volley, archive, single, cache, catalogs }.read()
    }

    fn read(mut self) -> Result<Self, SourceError> {
        for publisher in self.listed()? {
            let catalog = match self.catalog(&publisher, false) {
                // A publication between two files of a catalog; the second look is a whole one.
                Err(SourceError::Catalog { .. }) => self.catalog(&publisher, true)?,
                other => other?,
            };
            self.catalogs.push(catalog);
        }
        Ok(self)
    }

    /// Opens an origin whose catalogs are known already, and asks it for nothing yet.
    pub fn with_catalogs(
        origin: &Origin,
        catalogs: Vec<PublisherCatalog>,
    ) -> Result<Self, SourceError> {
        Self::with_catalogs_by(origin, catalogs, &Transport::default())
    }

    /// The same; `transport` is how a depot is spoken to.
    pub(crate) fn with_catalogs_by(
        origin: &Origin,
        catalogs: Vec<PublisherCatalog>,
        transport: &Transport,
    ) -> Result<Self, SourceError> {
        let archive = match &origin.place {
            Place::Archive(path) => Some(Archive::open(path)?),
            Place::Directory(_) | Place::Depot(_) => None,
        };
        let single = origin.path().is_some_and(|root| {
            let repository = Repository::open(root).and_then(|one| one.configuration());
            repository.is_ok_and(|configuration| configuration.layout() == Layout::Single)
        });
        let (agent, tries, endurance) =
            (transport.agent(), transport.tries(), transport.endurance());
        let volley = match &origin.place {
            Place::Depot(base) => transport.volley(base).map(Arc::new),
            Place::Directory(_) | Place::Archive(_) => None,
        };
        let (origin, cache) = (origin.clone(), None);
        Ok(Self { origin, agent, tries, endurance, volley, archive, single, cache, catalogs })
    }

    /// The same where others may be asked instead: one that is too slow is not asked twice.
    pub(crate) fn among_others(self) -> Self {
        Self { endurance: self.endurance.among_others(), ..self }
    }

    /// Whether what went wrong is left to others: it is asked again only after them.
    pub(crate) fn leaves(&self, error: &SourceError) -> bool {
        self.endurance.leaves(error)
    }

    /// How many requests have failed since the last that was answered.
    pub(crate) fn failures(&self) -> u32 {
        self.endurance.failed()
    }

    /// The same, keeping what is fetched from a depot in a folder, and looking there first.
    pub fn with_cache(self, folder: &Path) -> Self {
        Self { cache: Some(folder.to_path_buf()), ..self }
    }

    /// What was opened.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The catalogs, the default publisher's first.
    pub fn catalogs(&self) -> &[PublisherCatalog] {
        &self.catalogs
    }

    /// Every package, by publisher, name and version.
    pub fn packages(&self) -> Vec<Fmri> {
        let all = self.catalogs.iter().flat_map(|catalog| catalog.base.entries());
        all.map(|(fmri, _)| fmri).collect()
    }

    /// The files of a publisher's catalog as they are, `catalog.attrs` first; none where there is
    /// no catalog.
    pub fn catalog_files(&self, publisher: &str) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        let name = "catalog.attrs";
        let Some(text) = self.catalog_file(publisher, name, true)? else { return Ok(Vec::new()) };
        let refused = |file: &str, reason: String| SourceError::Catalog {
            origin: self.origin.uri().to_string(),
            publisher: publisher.to_string(),
            file: file.to_string(),
            reason,
        };
        let attributes =
            Attributes::parse(&text).map_err(|error| refused(name, error.to_string()))?;
        let mut files = vec![(name.to_string(), text.into_bytes())];
        for name in attributes.parts.keys().chain(attributes.updates.keys()) {
            let text = self.catalog_file(publisher, name, true)?;
            let text = text.ok_or_else(|| refused(name, "missing".to_string()))?;
            files.push((name.clone(), text.into_bytes()));
        }
        Ok(files)
    }

    /// Whether a package is here.
    pub fn has(&self, fmri: &Fmri) -> bool {
        self.signature(fmri).is_some()
    }

    fn signature(&self, fmri: &Fmri) -> Option<&str> {
        let catalogs = self.catalogs.iter();
        let entry = catalogs.filter_map(|catalog| catalog.base.get(fmri)).next()?;
        entry.signature.as_deref()
    }

    /// A package's manifest: its text as stored and as actions.
    pub fn manifest(&self, fmri: &Fmri) -> Result<(String, Manifest), SourceError> {
        let origin = || self.origin.uri().to_string();
        let refused = |reason: String| SourceError::Manifest {
            origin: origin(),
            fmri: fmri.to_string(),
            reason,
        };
        let absent = || SourceError::NoPackage { origin: origin(), fmri: fmri.to_string() };
        let signature = self.signature(fmri).ok_or_else(absent)?;
        let publisher = fmri.publisher.as_deref().ok_or_else(absent)?;
        let bytes = match &self.origin.place {
            Place::Directory(root) => {
                let path = fmri.path().ok_or_else(absent)?;
                read(&self.folder(root, publisher).join("pkg").join(path))?
            }
            Place::Archive(_) => {
                let path = fmri.path().ok_or_else(absent)?;
                let name = format!("publisher/{publisher}/pkg/{path}");
                self.member(&name)?.ok_or_else(absent)?
            }
            Place::Depot(base) => {
                let url = fmri.url().ok_or_else(absent)?;
                self.get(&format!("{base}{publisher}/manifest/0/{url}"), false)?
            }
        };
        let found = sha1_hex(&bytes);
        if found != signature {
            return Err(refused(format!("SHA-1 is {found}, the catalog says {signature}")));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused("not UTF-8".to_string()))?;
        let manifest = Manifest::parse(&text).map_err(|error| refused(error.to_string()))?;
        Ok((text, manifest))
    }

    /// A payload that is named by its hash alone (a signature's certificates), checked by it.
    pub fn named_payload(&self, fmri: &Fmri, hash: &str) -> Result<Vec<u8>, SourceError> {
        let bytes = self.stored(fmri, hash)?;
        let failed = |source| self.payload_error(fmri, hash, "certificate", source);
        let contents = digest::expand(&bytes, None).map_err(failed)?;
        let found = sha1_hex(&contents);
        if found != hash {
            let (algorithm, expected) = ("sha1".to_string(), hash.to_string());
            return Err(failed(PayloadError::Hash { algorithm, found, expected }));
        }
        Ok(bytes)
    }

    /// That the stored payload of an action is no gzip stream.
    pub(crate) fn damaged(&self, fmri: &Fmri, action: &Action) -> SourceError {
        let hash = action.payload_hash().unwrap_or_default();
        self.payload_error(fmri, hash, action.key().unwrap_or(""), PayloadError::Damaged)
    }

    pub(crate) fn checked<T>(
        &self,
        fmri: &Fmri,
        action: &Action,
        hash: &str,
        result: Result<T, PayloadError>,
    ) -> Result<T, SourceError> {
        let what = action.key().unwrap_or("");
        result.map_err(|source| self.payload_error(fmri, hash, what, source))
    }

    pub(crate) fn payload_error(
        &self,
        fmri: &Fmri,
        hash: &str,
        what: &str,
        source: PayloadError,
    ) -> SourceError {
        SourceError::Payload {
            origin: self.origin.uri().to_string(),
            fmri: fmri.to_string(),
            hash: hash.to_string(),
            path: what.to_string(),
            source: Box::new(source),
        }
    }

    /// Where a payload lies, when the origin is a directory and has it.
    pub fn payload_path(&self, fmri: &Fmri, hash: &str) -> Option<PathBuf> {
        let [now, before] = self.payload_paths(fmri, hash)?;
        // Older repositories have another layout; the present one is asked first.
        Some(if now.is_file() || !before.is_file() { now } else { before })
    }

    /// Where a payload may lie in a directory: the present layout and the older one.
    pub(crate) fn payload_paths(&self, fmri: &Fmri, hash: &str) -> Option<[PathBuf; 2]> {
        let root = self.origin.path()?;
        let publisher = fmri.publisher.as_deref()?;
        if !is_sha1(hash) {
            return None;
        }
        let shard = self.folder(root, publisher).join("file").join(&hash[..2]);
        Some([shard.join(hash), shard.join(&hash[2..8]).join(hash)])
    }

    pub(crate) fn stored(&self, fmri: &Fmri, hash: &str) -> Result<Vec<u8>, SourceError> {
        if !is_sha1(hash) {
            return Err(self.payload_error(fmri, hash, "no payload name", PayloadError::Damaged));
        }
        match (&self.origin.place, self.payload_path(fmri, hash)) {
            (Place::Directory(_), Some(path)) => read(&path),
            (Place::Depot(base), _) => self.get(&format!("{base}{}", asked(fmri, hash)), false),
            (Place::Archive(_), _) => {
                let publisher = fmri.publisher.as_deref().unwrap_or_default();
                let files = format!("publisher/{publisher}/file/{}", &hash[..2]);
                let now = self.member(&format!("{files}/{hash}"))?;
                let before = || self.member(&format!("{files}/{}/{hash}", &hash[2..8]));
                let found = now.map_or_else(before, |now| Ok(Some(now)))?;
                found.ok_or_else(|| {
                    self.payload_error(fmri, hash, "not in the archive", PayloadError::Damaged)
                })
            }
            (Place::Directory(_), None) => {
                Err(self.payload_error(fmri, hash, "no publisher", PayloadError::Damaged))
            }
        }
    }

    /// Where a directory keeps what it has of a publisher.
    fn folder(&self, root: &Path, publisher: &str) -> PathBuf {
        if self.single { root.to_path_buf() } else { root.join("publisher").join(publisher) }
    }

    /// A member of the archive.
    fn member(&self, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        match &self.archive {
            Some(archive) => archive.read(name),
            None => Ok(None),
        }
    }

    /// A payload that was fetched before.
    pub(crate) fn kept(&self, hash: &str) -> Option<Vec<u8>> {
        let folder = self.cache.as_ref().filter(|_| self.origin.is_remote() && is_sha1(hash))?;
        fs::read(folder.join(&hash[..2]).join(hash)).ok()
    }

    pub(crate) fn keep(&self, hash: &str, bytes: &[u8]) -> Result<(), SourceError> {
        let Some(folder) = self.cache.as_ref().filter(|_| self.origin.is_remote()) else {
            return Ok(());
        };
        let folder = folder.join(&hash[..2]);
        let written = fs::create_dir_all(&folder).and_then(|()| {
            let mut beside = tempfile::NamedTempFile::new_in(&folder)?;
            io::Write::write_all(&mut beside, bytes)?;
            beside.persist(folder.join(hash))?;
            Ok(())
        });
        written.map_err(|source| SourceError::File { path: folder, source })
    }

    /// The base and dependency parts that an archive's manifests make, and the newest time.
    fn synthesised(&self, publisher: &str) -> Result<PublisherCatalog, SourceError> {
        let (mut base, mut dependency) = (Part::default(), Part::default());
        let mut newest = None;
        for fmri in self.archive.iter().flat_map(|archive| archive.packages(publisher)) {
            let refused = |reason: String| SourceError::Manifest {
                origin: self.origin.uri().to_string(),
                fmri: fmri.to_string(),
                reason,
            };
            let (Some(path), Some(version)) = (fmri.path(), fmri.version.clone()) else { continue };
            let name = format!("publisher/{publisher}/pkg/{path}");
            let bytes = self.member(&name)?.unwrap_or_default();
            let signature = Some(sha1_hex(&bytes));
            let text = String::from_utf8(bytes).map_err(|_| refused("not UTF-8".into()))?;
            let manifest = Manifest::parse(&text).map_err(|error| refused(error.to_string()))?;
            let entry = Entry { version: version.clone(), signature, actions: Vec::new() };
            base.insert(publisher, &fmri.name, entry);
            if let Some(actions) = split(&manifest).remove(DEPENDENCY) {
                let entry = Entry { version: version.clone(), signature: None, actions };
                dependency.insert(publisher, &fmri.name, entry);
            }
            let time = version.timestamp.as_deref().and_then(|time| Timestamp::parse(time).ok());
            newest = newest.max(time);
        }
        let (packages, _) = base.counts();
        let (publisher, updated) = (publisher.to_string(), newest);
        Ok(PublisherCatalog { publisher, packages, updated, base, dependency })
    }

    /// What the origin says of its publishers; one it only has packages of is but a name.
    pub fn publishers(&self) -> Result<Vec<p5i::Publisher>, SourceError> {
        let broken =
            |uri: &str, reason: String| SourceError::Transport { uri: uri.to_string(), reason };
        if let Place::Depot(base) = &self.origin.place {
            let uri = format!("{base}publisher/0/");
            let text = self.get(&uri, true)?;
            let text = String::from_utf8(text).map_err(|error| broken(&uri, error.to_string()))?;
            let listed = p5i::parse(&text).map_err(|error| broken(&uri, error.to_string()))?;
            return Ok(listed.into_iter().filter(|one| is_publisher(&one.name)).collect());
        }
        let mut publishers = Vec::new();
        for name in self.listed()? {
            let text = match &self.origin.place {
                Place::Directory(root) => {
                    fs::read_to_string(self.folder(root, &name).join("pub.p5i")).ok()
                }
                Place::Archive(_) | Place::Depot(_) => None,
            };
            let said = text.and_then(|text| p5i::parse(&text).ok()).unwrap_or_default();
            let own = || p5i::Publisher { name: name.clone(), ..p5i::Publisher::default() };
            publishers.push(said.into_iter().find(|one| one.name == name).unwrap_or_else(own));
        }
        Ok(publishers)
    }

    /// The files of a catalog made of an archive's manifests; `None` for other origins, and for
    /// publishers that the archive has not.
    pub(crate) fn synthesised_files(
        &self,
        publisher: &str,
    ) -> Result<Option<BTreeMap<String, String>>, SourceError> {
        let Some(archive) = &self.archive else { return Ok(None) };
        if !archive.publishers().iter().any(|name| name == publisher) {
            return Ok(None);
        }
        let catalog = self.synthesised(publisher)?;
        let mut attributes = Attributes::new(catalog.updated.unwrap_or(Timestamp::from_seconds(0)));
        (attributes.packages, attributes.versions) = catalog.base.counts();
        let mut files = BTreeMap::new();
        for (name, part) in [(BASE, &catalog.base), (DEPENDENCY, &catalog.dependency)] {
            let signed = part.sign();
            let last_modified = attributes.last_modified;
            let part = PartAttributes { last_modified, signature: Some(signed.sha1) };
            attributes.parts.insert(name.to_string(), part);
            files.insert(name.to_string(), signed.text);
        }
        files.insert("catalog.attrs".to_string(), attributes.sign().text);
        Ok(Some(files))
    }

    /// The publishers, the default one first.
    pub(crate) fn listed(&self) -> Result<Vec<String>, SourceError> {
        match &self.origin.place {
            Place::Directory(root) => listed_below(root, self.origin.uri()),
            Place::Archive(_) => {
                Ok(self.archive.as_ref().map(Archive::publishers).unwrap_or_default())
            }
            Place::Depot(base) => {
                let uri = format!("{base}publisher/0/");
                let text = self.get(&uri, true)?;
                let broken = |reason: String| SourceError::Transport { uri: uri.clone(), reason };
                let text = String::from_utf8(text).map_err(|error| broken(error.to_string()))?;
                let listed = p5i::parse(&text).map_err(|error| broken(error.to_string()))?;
                let names = listed.into_iter().map(|publisher| publisher.name);
                let mut names: Vec<String> = names.filter(|name| is_publisher(name)).collect();
                let default = self.default_publisher(base);
                names.sort_by_key(|name| Some(name) != default.as_ref());
                Ok(names)
            }
        }
    }

    /// A depot's default publisher, where it tells.
    fn default_publisher(&self, base: &str) -> Option<String> {
        let configuration = self.configuration_of(base).ok()?;
        configuration["publisher"]["prefix"].as_str().map(str::to_string)
    }

    /// A depot's configuration: section → property → value; none where the origin is no depot.
    pub fn configuration(&self) -> Result<Option<serde_json::Value>, SourceError> {
        match &self.origin.place {
            Place::Depot(base) => self.configuration_of(base).map(Some),
            Place::Directory(_) | Place::Archive(_) => Ok(None),
        }
    }

    fn configuration_of(&self, base: &str) -> Result<serde_json::Value, SourceError> {
        let uri = format!("{base}status/0/");
        let status = self.get(&uri, true)?;
        let broken = |error: serde_json::Error| SourceError::Transport {
            uri: uri.clone(),
            reason: error.to_string(),
        };
        let mut status: serde_json::Value = serde_json::from_slice(&status).map_err(broken)?;
        Ok(status["repository"]["configuration"].take())
    }

    fn catalog(&self, publisher: &str, anew: bool) -> Result<PublisherCatalog, SourceError> {
        let publisher = publisher.to_string();
        let empty = PublisherCatalog {
            publisher: publisher.clone(),
            packages: 0,
            updated: None,
            base: Part::default(),
            dependency: Part::default(),
        };
        let refused = |file: &str, reason: String| SourceError::Catalog {
            origin: self.origin.uri().to_string(),
            publisher: publisher.clone(),
            file: file.to_string(),
            reason,
        };
        let Some(text) = self.catalog_file(&publisher, "catalog.attrs", anew)? else {
            return match self.archive {
                Some(_) => self.synthesised(&publisher),
                None => Ok(empty),
            };
        };
        let attributes = Attributes::parse(&text)
            .map_err(|error| refused("catalog.attrs", error.to_string()))?;
        let part = |name: &str| -> Result<Part, SourceError> {
            let Some(signed) = attributes.parts.get(name) else { return Ok(Part::default()) };
            let text = self.catalog_file(&publisher, name, anew)?;
            let text = text.ok_or_else(|| refused(name, "missing".to_string()))?;
            // Reading holds the text to the signature it carries; this one to the attributes.
            let broken = |error: SignedError| refused(name, error.to_string());
            let (part, found) = Part::parse_signed(&text).map_err(broken)?;
            if found.is_none() || signed.signature != found {
                return Err(refused(name, "its signature is not the one of catalog.attrs".into()));
            }
            Ok(part)
        };
        let (base, dependency) = rayon::join(|| part(BASE), || part(DEPENDENCY));
        let (mut base, dependency) = (base?, dependency?);
        // A catalog speaks for its own publisher only.
        base.publishers.retain(|name, _| *name == publisher);
        let (packages, updated) = (attributes.packages, Some(attributes.last_modified));
        Ok(PublisherCatalog { publisher, packages, updated, base, dependency })
    }

    /// A catalog's file; `None`: the publisher has none yet.
    pub(crate) fn catalog_file(
        &self,
        publisher: &str,
        name: &str,
        anew: bool,
    ) -> Result<Option<String>, SourceError> {
        let got = match &self.origin.place {
            Place::Directory(root) => {
                read(&self.folder(root, publisher).join("catalog").join(name))
            }
            Place::Archive(_) => {
                let got = self.member(&format!("publisher/{publisher}/catalog/{name}"))?;
                return Ok(got.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
            }
            Place::Depot(base) => self.get(&format!("{base}{publisher}/catalog/1/{name}"), anew),
        };
        match got {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(SourceError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(SourceError::Status { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn get(&self, uri: &str, anew: bool) -> Result<Vec<u8>, SourceError> {
        self.endurance.tried(uri, self.tries, || self.get_once(uri, anew))
    }

    fn get_once(&self, uri: &str, anew: bool) -> Result<Vec<u8>, SourceError> {
        let stall = self.agent.config().timeout_per_read();
        let failed = |error: ureq::Error| match stall.filter(|_| pace::is_slow(&error)) {
            Some(stall) => SourceError::Slow { uri: uri.into(), seconds: stall.as_secs() },
            None => SourceError::Transport { uri: uri.into(), reason: error.to_string() },
        };
        let mut request = self.agent.get(uri);
        if anew {
            request = request.header("Cache-Control", "no-cache").header("Pragma", "no-cache");
        }
        let mut response = request.call().map_err(failed)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(SourceError::Status { uri: uri.to_string(), status });
        }
        let body = response.body_mut().with_config().limit(u64::MAX).reader();
        pace::read(body, stall).map_err(|error| failed(error.into()))
    }
}

/// The path of a payload below the base of a depot.
pub(crate) fn asked(fmri: &Fmri, hash: &str) -> String {
    format!("{}/file/1/{hash}", fmri.publisher.as_deref().unwrap_or_default())
}

fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    fs::read(path).map_err(|source| SourceError::File { path: path.to_path_buf(), source })
}

/// The publishers of a repository directory, the default one first.
fn listed_below(root: &Path, uri: &str) -> Result<Vec<String>, SourceError> {
    let no_repository = |_| SourceError::NoRepository { origin: uri.to_string() };
    let repository = Repository::open(root).map_err(no_repository)?;
    let default = repository.default_publisher().map_err(no_repository)?;
    let failed = |error: PathError| SourceError::File { path: error.path, source: error.source };
    let mut names = repository.publishers().map_err(failed)?;
    names.sort_by_key(|name| (Some(name) != default.as_ref(), name.clone()));
    Ok(names)
}
