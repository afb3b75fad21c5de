//! record.rs - how an image's state changes: all of it at once.
//!
//! A new `state` folder is made beside the old one (`state.new`), flushed, and exchanged with it.
//! Files that stay the same are linked, not copied.  A configuration that belongs to the new state
//! lies in it as `pkg5.image`; it holds from the exchange on, and is then moved to its place.  Who
//! dies in between leaves one or the other moment; the next one who locks the image cleans up.
//!
//! Files of pkg5 that say the same as the catalogs in another form (`catalog.db`,
//! `actions.sqlite`) are not carried over: it makes them again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use image_tree::Tree;
use ips_model::catalog::{
    Attributes, BASE, DEPENDENCY, Entry, PartAttributes, PartText, SUMMARY, split,
};
use ips_model::digest::sha1_hex;
use ips_model::json::SignedError;
use ips_model::{Fmri, Timestamp};
use ips_repository::PathError;
use ips_repository::durable;

use super::{
    AvoidSet, Configuration, FrozenSet, Image, ImageError, ImageLock, LockError, ManifestError,
    Package, StateCatalog, states,
};

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The image is read only, by its format.
    #[error("The image rooted at {} is written in pkg image format {format}, which this program \
        reads but does not change (4 is)", root.display())]
    Format {
        /// The root.
        root: PathBuf,
        /// Its format.
        format: u32,
    },
    /// Another client holds the image.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The present state is damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A package's manifest is not there.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An FMRI without publisher or version is no package.
    #[error("{0} does not name one version of one publisher's package")]
    Name(String),
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A package that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Publisher, name and version.
    pub fmri: Fmri,
    /// Whether the user named it.  Once named, it stays so through updates.
    pub manual: bool,
}

/// What becomes of an image.  What is `None` stays as it is.
#[derive(Debug, Clone)]
pub struct Change {
    /// Packages that came; their manifests are kept already (`Image::keep_manifest`).  One that
    /// came while another version of the same name went is an update.
    pub installed: Vec<Installed>,
    /// Packages that went; their manifests go too.
    pub removed: Vec<Fmri>,
    /// Installed packages of which it is to be known whether the user named them.
    pub manual: Vec<(Fmri, bool)>,
    /// The configuration.
    pub configuration: Option<Configuration>,
    /// Avoided packages.
    pub avoided: Option<AvoidSet>,
    /// Frozen packages.
    pub frozen: Option<FrozenSet>,
    /// Owners and modes of a rootless image.
    pub table: Option<Tree>,
    /// When.
    pub time: Timestamp,
}

impl Change {
    /// Nothing yet.
    pub fn at(time: Timestamp) -> Self {
        Self {
            installed: Vec::new(),
            removed: Vec::new(),
            manual: Vec::new(),
            configuration: None,
            avoided: None,
            frozen: None,
            table: None,
            time,
        }
    }
}

/// The parts of a catalog as they are to be.
pub(super) struct Parts {
    pub base: StateCatalog,
    /// `None`: the file stays.
    pub dependency: Option<PartText>,
    /// `None`: the file stays.
    pub summary: Option<PartText>,
}

impl Image {
    /// Makes a change lasting: all of it, or, when it fails or the program dies, none.
    pub fn record(&mut self, lock: &ImageLock, change: &Change) -> Result<(), RecordError> {
        let packages =
            !change.installed.is_empty() || !change.removed.is_empty() || !change.manual.is_empty();
        let parts = if packages { Some(self.parts(change)?) } else { None };
        self.replace_state(lock, change, parts)?;
        for fmri in &change.removed {
            // It may be back in the same change, and a file that cannot go harms nobody.
            if !change.installed.iter().any(|one| one.fmri.to_string() == fmri.to_string()) {
                self.forget_manifest(fmri);
            }
        }
        Ok(())
    }

    /// Exchanges the state folder for one with these catalogs, `[known, installed]`.
    pub(super) fn replace_state(
        &mut self,
        _lock: &ImageLock,
        change: &Change,
        parts: Option<[Parts; 2]>,
    ) -> Result<(), RecordError> {
        let metadata = self.metadata().to_path_buf();
        let (state, new) = (metadata.join("state"), metadata.join("state.new"));
        remove_folder(&new)?;
        durable::make_folder(&new)?;
        let mut kept = BTreeSet::new();
        if let Some(parts) = &parts {
            for (name, parts) in ["known", "installed"].into_iter().zip(parts) {
                write_catalog(&new.join(name), &state.join(name), parts, change.time)?;
                kept.insert(name);
            }
        }
        let table = change.table.as_ref().map(ToString::to_string);
        for (name, text) in [
            ("avoid_set", change.avoided.as_ref().map(AvoidSet::print)),
            ("frozen_dict", change.frozen.as_ref().map(FrozenSet::print)),
            ("table", table),
            ("pkg5.image", change.configuration.as_ref().map(ToString::to_string)),
        ] {
            if let Some(text) = text {
                durable::write_new(&new.join(name), text.as_bytes())?;
                kept.insert(name);
            }
        }
        carry_over(&state, &new, &kept)?;
        self.flush(&new)?;
        durable::swap_folder(&new, &state)?;
        durable::sync_folder(&metadata)?;
        finish(&metadata)?;
        touch(&metadata.join("modified"), change.time)?;
        let (known, installed) =
            (std::mem::take(&mut self.known), std::mem::take(&mut self.installed));
        if parts.is_none() {
            (self.known, self.installed) = (known, installed);
        }
        if let Some(configuration) = &change.configuration {
            self.configuration = configuration.clone();
            self.sources = Default::default();
        }
        Ok(())
    }

    fn parts(&self, change: &Change) -> Result<[Parts; 2], RecordError> {
        let (mut known, mut installed) = (self.known()?.clone(), self.installed()?.clone());
        let mut dependency = self.part_text("installed", DEPENDENCY)?;
        let mut summary = self.part_text("installed", SUMMARY)?;
        let damaged = |source| self.damaged("installed", source);
        let mut gone: Vec<(Fmri, Package)> = Vec::new();
        let mut forgotten = Vec::new();
        for fmri in &change.removed {
            let package = installed.remove(fmri);
            take(&mut dependency, fmri).map_err(damaged)?;
            take(&mut summary, fmri).map_err(damaged)?;
            if let Some(here) = known.get_mut(fmri) {
                here.set(states::INSTALLED, false);
                here.set(states::MANUAL, false);
                (here.last_install, here.last_update) = (None, None);
                if !here.is(states::KNOWN) {
                    known.remove(fmri);
                    forgotten.push(fmri);
                }
            }
            gone.extend(package.map(|package| (fmri.clone(), package)));
        }
        for one in &change.installed {
            let (publisher, version) = (one.fmri.publisher.as_deref(), one.fmri.version.clone());
            let (Some(publisher), Some(version)) = (publisher, version) else {
                return Err(RecordError::Name(one.fmri.to_string()));
            };
            let (text, manifest) = self.manifest_kept(&one.fmri)?;
            let before = gone.iter().find(|(fmri, _)| fmri.name == one.fmri.name);
            let mut package = known.get(&one.fmri).cloned().unwrap_or_else(|| {
                // From a source that is no publisher's of the image: known by being installed.
                let mut package = Package::new(version.clone(), None);
                package.set(states::KNOWN, false);
                package
            });
            package.signature = Some(sha1_hex(text.as_bytes()));
            package.set(states::INSTALLED, true);
            let manual = before.is_some_and(|(_, package)| package.is(states::MANUAL));
            package.set(states::MANUAL, one.manual || manual);
            let since = before.and_then(|(_, package)| package.last_install);
            package.last_install = since.or(Some(change.time));
            package.last_update = since.and(Some(change.time));
            known.insert(publisher, &one.fmri.name, package.clone());
            installed.insert(publisher, &one.fmri.name, package);
            let mut actions = split(&manifest);
            for (part, name) in [(&mut dependency, DEPENDENCY), (&mut summary, SUMMARY)] {
                if let Some(actions) = actions.remove(name) {
                    let entry = Entry { version: version.clone(), signature: None, actions };
                    part.insert(publisher, &one.fmri.name, entry).map_err(damaged)?;
                }
            }
        }
        mark(&change.manual, [&mut known, &mut installed]);
        let (mut known_dependency, mut known_summary) = (None, None);
        if !forgotten.is_empty() {
            let mut one = self.part_text("known", DEPENDENCY)?;
            let mut other = self.part_text("known", SUMMARY)?;
            for fmri in forgotten {
                for part in [&mut one, &mut other] {
                    take(part, fmri).map_err(|source| self.damaged("known", source))?;
                }
            }
            (known_dependency, known_summary) = (Some(one), Some(other));
        }
        let known = Parts { base: known, dependency: known_dependency, summary: known_summary };
        let installed =
            Parts { base: installed, dependency: Some(dependency), summary: Some(summary) };
        Ok([known, installed])
    }

    /// The manifest that `keep_manifest` has put in its place.
    fn manifest_kept(&self, fmri: &Fmri) -> Result<(String, ips_model::Manifest), RecordError> {
        let path = self.manifest_path(fmri).ok_or_else(|| RecordError::Name(fmri.to_string()))?;
        let text =
            fs::read_to_string(&path).map_err(|source| PathError { path: path.clone(), source })?;
        let malformed = |source| ManifestError::Malformed { fmri: fmri.to_string(), source };
        let manifest = ips_model::Manifest::parse(&text).map_err(malformed)?;
        Ok((text, manifest))
    }

    fn forget_manifest(&self, fmri: &Fmri) {
        let Some(path) = self.manifest_path(fmri) else { return };
        let gone = fs::remove_file(&path);
        // The folder of the name goes when it has no other version; anything else keeps it.
        if let (Ok(()), Some(folder)) = (gone, path.parent()) {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Says in both catalogs whether the user named packages.
fn mark(manual: &[(Fmri, bool)], catalogs: [&mut StateCatalog; 2]) {
    for catalog in catalogs {
        for (fmri, manual) in manual {
            if let Some(here) = catalog.get_mut(fmri) {
                here.set(states::MANUAL, *manual);
            }
        }
    }
}

fn take(part: &mut PartText, fmri: &Fmri) -> Result<(), SignedError> {
    if let (Some(publisher), Some(version)) = (&fmri.publisher, &fmri.version) {
        part.remove(publisher, &fmri.name, version)?;
    }
    Ok(())
}

/// Writes a catalog's files; those that stay are linked from the old folder.
fn write_catalog(
    new: &Path,
    old: &Path,
    parts: &Parts,
    time: Timestamp,
) -> Result<(), RecordError> {
    durable::make_folder(new)?;
    let before = fs::read_to_string(old.join("catalog.attrs")).ok();
    // Attributes that cannot be read have nothing to say that is not made anew here.
    let before = before.and_then(|text| Attributes::parse(&text).ok());
    let mut attributes = before.unwrap_or_else(|| Attributes::new(time));
    attributes.last_modified = time.max(attributes.last_modified);
    (attributes.packages, attributes.versions) = parts.base.counts();
    attributes.updates.clear();
    let unsigned = |last_modified| PartAttributes { last_modified, signature: None };
    durable::write_new(&new.join(BASE), parts.base.print().as_bytes())?;
    attributes.parts.insert(BASE.to_string(), unsigned(attributes.last_modified));
    for (name, part) in [(DEPENDENCY, &parts.dependency), (SUMMARY, &parts.summary)] {
        match part {
            Some(part) => {
                durable::write_new(&new.join(name), part.unsigned().as_bytes())?;
                attributes.parts.insert(name.to_string(), unsigned(attributes.last_modified));
            }
            None if old.join(name).is_file() => durable::link(&old.join(name), &new.join(name))?,
            None => drop(attributes.parts.remove(name)),
        }
    }
    // Only the parts that are there are listed; other locales are not kept in images.
    attributes.parts.retain(|name, _| new.join(name).is_file());
    let text = without_signature(&attributes.sign().text);
    Ok(durable::write_new(&new.join("catalog.attrs"), text.as_bytes())?)
}

/// The files of a catalog that is nobody's update.
pub(super) fn catalog_texts(parts: &Parts, time: Timestamp) -> Vec<(&'static str, String)> {
    let mut attributes = Attributes::new(time);
    (attributes.packages, attributes.versions) = parts.base.counts();
    let mut texts = vec![(BASE, parts.base.print())];
    let others = [(DEPENDENCY, &parts.dependency), (SUMMARY, &parts.summary)];
    texts.extend(
        others
            .into_iter()
            .filter_map(|(name, part)| part.as_ref().map(|part| (name, part.unsigned()))),
    );
    for (name, _) in &texts {
        let part = PartAttributes { last_modified: time, signature: None };
        attributes.parts.insert((*name).to_string(), part);
    }
    texts.push(("catalog.attrs", without_signature(&attributes.sign().text)));
    texts
}

/// The signature is always the last key.
fn without_signature(text: &str) -> String {
    let end = text.rfind("\"_SIGNATURE\":").unwrap_or(text.len());
    format!("{}}}\n", text[..end].trim_end_matches(','))
}

/// Links what the old state has and the new one has not.
fn carry_over(old: &Path, new: &Path, kept: &BTreeSet<&str>) -> Result<(), RecordError> {
    let at = |path: &Path| {
        let path = path.to_path_buf();
        |source| PathError { path, source }
    };
    let entries = match fs::read_dir(old) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at(old)(error).into()),
    };
    for entry in entries {
        let entry = entry.map_err(at(old))?;
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(at(&entry.path()))?);
        let text = name.to_string_lossy();
        if kept.contains(&*text) || matches!(&*text, "catalog.db" | "state_updating") {
            continue;
        }
        if kind.is_file() {
            durable::link(&entry.path(), &new.join(&name))?;
        } else if kind.is_dir() {
            durable::make_folder(&new.join(&name))?;
            carry_over(&entry.path(), &new.join(&name), &BTreeSet::new())?;
        }
    }
    Ok(())
}

/// Ends what a program that died has begun.
pub(super) fn finish(metadata: &Path) -> Result<(), RecordError> {
    let state = metadata.join("state");
    durable::recover(&state)?;
    remove_folder(&metadata.join("state.new"))?;
    let (staged, place) = (state.join("pkg5.image"), metadata.join("pkg5.image"));
    let failed = |source| PathError { path: staged.clone(), source };
    match fs::rename(&staged, &place) {
        Ok(()) => durable::sync_folder(metadata)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error).into()),
    }
    Ok(())
}

fn remove_folder(path: &Path) -> Result<(), PathError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(PathError { path: path.to_path_buf(), source }),
    }
}

fn touch(path: &Path, time: Timestamp) -> Result<(), PathError> {
    let failed = |source| PathError { path: path.to_path_buf(), source };
    let file = File::options().append(true).create(true).open(path).map_err(failed)?;
    let since = Duration::from_micros(u64::try_from(time.micros()).unwrap_or_default());
    file.set_modified(SystemTime::UNIX_EPOCH + since).map_err(failed)
}
