//! manifests.rs - the manifest of a package: kept in the image, or fetched from its publisher.
//!
//! Law: nothing leaves this file whose SHA-1 is not the one a catalog of the image says.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ips_model::Fmri;
use ips_model::catalog::{BASE, Part};
use ips_model::digest::sha1_hex;
use ips_model::manifest::{Manifest, ManifestErrors};
use ips_repository::{PathError, durable};

use super::{Image, ImageError, ImageLock, Publisher, PublisherUri, RecordError};
use crate::origin::{Origin, OriginError};
use crate::source::{PublisherCatalog, Source, SourceError};
use crate::transport::{TransportError, in_turn};

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The image's own files are damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// An FMRI without publisher or version names no manifest.
    #[error("{0} does not name one version of one publisher's package")]
    Name(String),
    /// No origin of the publisher has the package.
    #[error("{0}: the package is in no catalog of its publisher's origins")]
    NoOrigin(String),
    /// An origin's URI makes no sense.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A key or certificate to speak to an origin with cannot be used.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// An origin did not give it.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It does not parse.
    #[error("{fmri}: {source}")]
    Malformed {
        /// The package.
        fmri: String,
        /// What is wrong.
        source: ManifestErrors,
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

/// An origin of a publisher, ready to be asked for manifests and payloads; its catalog is the one
/// the image has fetched.
#[derive(Debug)]
pub struct ImageSource {
    /// The publisher.
    pub publisher: String,
    /// The origin, opened.
    pub source: Source,
}

/// What a URI of a publisher leads to: a file is an archive.
pub(super) fn origin_of(uri: &str) -> Result<Origin, OriginError> {
    let origin = Origin::parse(uri)?;
    Ok(match origin.path() {
        Some(path) if path.is_file() => Origin::archive(path),
        Some(_) | None => origin,
    })
}

impl Image {
    /// Where the catalog of one of a publisher's origins is kept.
    pub(super) fn origin_folder(&self, publisher: &str, uri: &str) -> PathBuf {
        self.publisher_folder(publisher).join("origins").join(sha1_hex(uri.as_bytes()))
    }

    /// Where what is known of a publisher is kept.
    pub fn publisher_folder(&self, publisher: &str) -> PathBuf {
        self.metadata().join("publisher").join(publisher)
    }

    /// The enabled origins of all enabled publishers, in search order.  No catalog is fetched: what
    /// the last refresh has brought is what they have.
    pub fn sources(&self) -> Result<&[ImageSource], ManifestError> {
        if let Some(sources) = self.sources.get() {
            return Ok(sources);
        }
        let mut sources = Vec::new();
        for publisher in self.configuration().publishers() {
            if !publisher.disabled {
                self.open_origins(publisher, &mut sources)?;
            }
        }
        Ok(self.sources.get_or_init(|| sources))
    }

    /// The mirrors of all enabled publishers: they have payloads, and no catalog.
    pub fn mirrors(&self) -> Result<Vec<ImageSource>, ManifestError> {
        let enabled = self.configuration().publishers().iter().filter(|one| !one.disabled);
        let mut sources = Vec::new();
        for publisher in enabled {
            for uri in publisher.mirrors.iter().filter(|uri| !uri.disabled) {
                let source = self.speak(publisher, uri, Vec::new())?;
                sources.push(ImageSource { publisher: publisher.prefix.clone(), source });
            }
        }
        Ok(sources)
    }

    /// A place of a publisher, spoken to as the publisher wants it.
    fn speak(
        &self,
        publisher: &Publisher,
        place: &PublisherUri,
        catalogs: Vec<PublisherCatalog>,
    ) -> Result<Source, ManifestError> {
        let transport = self.transport(publisher, place)?;
        let source = Source::with_catalogs_by(&origin_of(&place.uri)?, catalogs, &transport)?;
        let mirrors = publisher.mirrors.iter().filter(|uri| !uri.disabled);
        let is_alone = publisher.enabled_origins().count() + mirrors.count() < 2;
        Ok(if is_alone { source } else { source.among_others() })
    }

    fn open_origins(
        &self,
        publisher: &Publisher,
        sources: &mut Vec<ImageSource>,
    ) -> Result<(), ManifestError> {
        for uri in publisher.enabled_origins() {
            let path = self.origin_folder(&publisher.prefix, &uri.uri).join(BASE);
            let Some(text) = super::read(&path)? else { continue };
            let mut base = Part::parse(&text)
                .map_err(|source| ImageError::Part { path: path.clone(), source })?;
            base.publishers.retain(|name, _| *name == publisher.prefix);
            let (packages, _) = base.counts();
            let catalog = PublisherCatalog {
                publisher: publisher.prefix.clone(),
                packages,
                updated: None,
                base,
                dependency: Part::default(),
            };
            let source = self.speak(publisher, uri, vec![catalog])?;
            sources.push(ImageSource { publisher: publisher.prefix.clone(), source });
        }
        Ok(())
    }

    /// The origins that have a package, in the order they are configured.
    pub fn sources_of<'a>(
        &'a self,
        fmri: &'a Fmri,
    ) -> Result<impl Iterator<Item = &'a Source>, ManifestError> {
        let of = move |source: &'a ImageSource| {
            let same = Some(&source.publisher) == fmri.publisher.as_ref();
            (same && source.source.has(fmri)).then_some(&source.source)
        };
        Ok(self.sources()?.iter().filter_map(of))
    }

    /// Where a package's manifest is kept; `None` without publisher or version.
    pub fn manifest_path(&self, fmri: &Fmri) -> Option<PathBuf> {
        let publisher = fmri.publisher.as_deref()?;
        Some(self.publisher_folder(publisher).join("pkg").join(fmri.path()?))
    }

    /// A package's manifest, with all its actions, and the text it was published as.
    pub fn manifest_text(&self, fmri: &Fmri) -> Result<(String, Manifest), ManifestError> {
        let path = self.manifest_path(fmri).ok_or_else(|| ManifestError::Name(fmri.to_string()))?;
        if let Some(text) = kept(&path)? {
            if self.is_signed(fmri, &text)? {
                let manifest = Manifest::parse(&text);
                let malformed =
                    |source| ManifestError::Malformed { fmri: fmri.to_string(), source };
                return Ok((text, manifest.map_err(malformed)?));
            }
        }
        let mut sources: Vec<&Source> = self.sources_of(fmri)?.collect();
        sources.sort_by_key(|source| source.failures());
        in_turn(&sources, |source| source, |source| source.manifest(fmri)).map_err(|error| {
            error.map_or_else(|| ManifestError::NoOrigin(fmri.to_string()), ManifestError::from)
        })
    }

    /// A package's manifest, with all its actions.
    pub fn manifest(&self, fmri: &Fmri) -> Result<Manifest, ManifestError> {
        self.manifest_text(fmri).map(|(_, manifest)| manifest)
    }

    /// Whether this text is the manifest that the image's catalogs mean.
    fn is_signed(&self, fmri: &Fmri, text: &str) -> Result<bool, ImageError> {
        // The catalog of what is installed is the smaller one, and mostly enough.
        let package = match self.installed()?.get(fmri) {
            Some(package) => Some(package),
            None => self.known()?.get(fmri),
        };
        let signature = package.and_then(|package| package.signature.as_deref());
        Ok(signature == Some(&sha1_hex(text.as_bytes())))
    }

    /// The same for many.  They are not flushed one by one: whoever records them flushes all.
    pub fn keep_manifests(
        &self,
        _lock: &ImageLock,
        texts: &BTreeMap<Fmri, String>,
    ) -> Result<(), RecordError> {
        for (fmri, text) in texts {
            let absent = || RecordError::Name(fmri.to_string());
            put(&self.manifest_path(fmri).ok_or_else(absent)?, text)?;
        }
        Ok(())
    }

    /// Puts a manifest in its place, before the package is recorded as installed.
    pub fn keep_manifest(
        &self,
        _lock: &ImageLock,
        fmri: &Fmri,
        text: &str,
    ) -> Result<(), RecordError> {
        let absent = || RecordError::Name(fmri.to_string());
        let path = self.manifest_path(fmri).ok_or_else(absent)?;
        let folder = path.parent().unwrap_or(self.metadata());
        durable::make_folder(folder)?;
        Ok(durable::replace(&path, text.as_bytes())?)
    }
}

fn put(path: &Path, text: &str) -> Result<(), PathError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    durable::make_folder(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.new"));
    let at = |source| PathError { path: beside.clone(), source };
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
        Ok(()) | Err(_) => {}
    }
    durable::write_new(&beside, text.as_bytes())?;
    fs::rename(&beside, path).map_err(at)
}

fn kept(path: &Path) -> Result<Option<String>, ManifestError> {
    match fs::read(path) {
        // What is no text is no manifest either, and is fetched again.
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ManifestError::Io { path: path.to_path_buf(), source }),
    }
}
