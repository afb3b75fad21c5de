//! attach.rs - links between images, made, renewed and taken away.
//!
//! Law: the child is written before the parent that is told of it, and let go of after it, so that
//! every child a parent knows knows its parent.  Who dies in between leaves a child that may be
//! attached again under the same name.  `linked_prop` is written last and removed first: without it
//! the other files mean nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ips_model::{Fmri, Timestamp};
use ips_repository::{PathError, durable};
use serde_json::{Value, json};

use super::names::with_slash;
use super::{
    FACETS, FOLDER, LinkedError, LinkedName, Model, PACKAGES, PROPERTIES, PUBLISHERS, Stored,
};
use crate::image::{Change, Configuration, Image, ImageLock};

/// What a child knows of its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentState {
    /// What is installed there.
    pub packages: Vec<Fmri>,
    publishers: Vec<(String, bool)>,
    facets: BTreeMap<String, bool>,
}

/// Facets of this kind are a parent's to set.
const INHERITED: &str = "facet.version-lock.";

impl ParentState {
    /// What there is to know of an image.
    pub fn of(parent: &Image) -> Result<Self, LinkedError> {
        let packages = parent.installed()?.packages().map(|(fmri, _)| fmri).collect();
        Ok(Self::configured(parent.configuration(), packages))
    }

    /// What there will be to know of an image with this configuration and these packages.
    pub fn configured(configuration: &Configuration, packages: Vec<Fmri>) -> Self {
        let facets = configuration.facets().into_iter();
        Self {
            packages,
            publishers: enabled(configuration),
            facets: facets.filter(|(name, _)| name.starts_with(INHERITED)).collect(),
        }
    }

    /// The packages by name.
    pub fn by_name(&self) -> BTreeMap<String, Fmri> {
        self.packages.iter().map(|fmri| (fmri.name.clone(), fmri.clone())).collect()
    }

    /// What is in each file.
    fn files(&self) -> [(&'static str, Value); 3] {
        let packages: Vec<String> = self.packages.iter().map(ToString::to_string).collect();
        let publishers: Vec<Value> =
            self.publishers.iter().map(|(name, sticky)| json!([name, sticky])).collect();
        [(PACKAGES, json!(packages)), (PUBLISHERS, json!(publishers)), (FACETS, json!(self.facets))]
    }
}

/// The publishers that count, in search order, and whether they are sticky.
fn enabled(configuration: &Configuration) -> Vec<(String, bool)> {
    let publishers = configuration.publishers().iter().filter(|one| !one.disabled);
    publishers.map(|one| (one.prefix.clone(), one.sticky)).collect()
}

/// A link that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// What the child is to be called.
    pub name: &'a LinkedName,
    /// Who keeps it up to date.
    pub model: Model,
    /// Where the parent is.
    pub parent: &'a Path,
    /// What the parent is like.
    pub state: &'a ParentState,
    /// Whether changes of a parent that keeps its child up to date are meant for it.
    pub recurse: bool,
}

/// Whether a child that is linked already may be linked anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relink {
    /// Only under the name it has.
    No,
    /// Under any.
    Allowed,
}

impl Image {
    /// What this image is to know of its parent: of one that it pulls from, what that has now.
    pub fn parent_state(&self) -> Result<ParentState, LinkedError> {
        let no_child = || LinkedError::NoChild(self.root().to_path_buf());
        let link = self.child_link()?.ok_or_else(no_child)?;
        match (link.model, &link.parent) {
            (Model::Pull, Some(parent)) => ParentState::of(&self.parent_at(parent)?),
            (Model::Pull | Model::Push, _) => self.kept_parent_state(),
        }
    }

    /// What this image knows of its parent, whatever has become of that since.
    pub fn kept_parent_state(&self) -> Result<ParentState, LinkedError> {
        if self.child_link()?.is_none() {
            return Err(LinkedError::NoChild(self.root().to_path_buf()));
        }
        Ok(ParentState {
            packages: self.pushed_packages()?,
            publishers: self.pushed_publishers()?,
            facets: self.configuration().inherited_facets(),
        })
    }

    /// Whether this image already knows of its parent what there is to know.
    pub fn knows(&self, state: &ParentState) -> Result<bool, LinkedError> {
        let kept = self.kept_parent_state()?;
        Ok(kept.by_name() == state.by_name()
            && kept.publishers == state.publishers
            && kept.facets == state.facets)
    }

    /// Checks that the parent's publishers are this image's, too, and come before its other ones.
    pub fn check_publishers(&self, parent: &ParentState) -> Result<(), LinkedError> {
        let own = enabled(self.configuration());
        if own.starts_with(&parent.publishers) {
            return Ok(());
        }
        Err(LinkedError::Publishers { parent: parent.publishers.clone(), child: own })
    }

    /// Whether this image keeps what it knows of its parent up to date itself.
    pub fn pulls(&self) -> Result<bool, LinkedError> {
        Ok(self.child_link()?.is_some_and(|link| link.model == Model::Pull))
    }

    /// Checks that an image may become the child of another one.
    pub fn check_link(
        parent: &Image,
        child: &Image,
        name: &LinkedName,
        model: Model,
        relink: Relink,
    ) -> Result<(), LinkedError> {
        let what = match model {
            Model::Push => "child attach",
            Model::Pull => "parent attach",
        };
        if name.kind() != "system" {
            return Err(LinkedError::Type { what, kind: name.kind().to_string() });
        }
        let (above, below) = (real(parent.root())?, real(child.root())?);
        if above == below {
            return Err(LinkedError::Itself(above));
        }
        if above.starts_with(&below) {
            return Err(match below == Path::new("/") {
                true => LinkedError::Root,
                false => LinkedError::Nested { parent: above, child: below },
            });
        }
        if let Some(between) = between(&above, &below) {
            return Err(LinkedError::Between { parent: above, child: below, between });
        }
        let same = child
            .stored_link()?
            .is_none_or(|stored| stored.name.is_none() || stored.name.as_ref() == Some(name));
        if !same && relink == Relink::No {
            return Err(LinkedError::Linked(below));
        }
        let known = parent.children()?.into_iter().find(|child| child.name == *name);
        match known {
            Some(other) if model == Model::Push && real(&other.path).ok() != Some(below) => {
                Err(LinkedError::Duplicate(name.clone()))
            }
            Some(_) if model == Model::Push && relink == Relink::No => {
                Err(LinkedError::Duplicate(name.clone()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Makes this image a child: what it knows of its parent, then that it has one.
    pub fn become_child(
        &mut self,
        lock: &ImageLock,
        link: &Link<'_>,
        time: Timestamp,
    ) -> Result<(), LinkedError> {
        self.keep_parent(lock, link.state, time)?;
        let pulls = link.model == Model::Pull;
        self.store(&Stored {
            path: with_slash(self.root()),
            name: Some(link.name.clone()),
            model: Some(link.model),
            parent: pulls.then(|| with_slash(link.parent)),
            recurse: (!pulls).then_some(link.recurse),
        })
    }

    /// Keeps what is known of the parent.
    pub fn keep_parent(
        &mut self,
        lock: &ImageLock,
        state: &ParentState,
        time: Timestamp,
    ) -> Result<(), LinkedError> {
        durable::make_folder(&self.metadata().join(FOLDER))?;
        for (name, value) in state.files() {
            let path = self.linked_file(name);
            let text = format!("{value}\n");
            if super::read(&path)?.as_deref() != Some(text.as_str()) {
                durable::replace(&path, text.as_bytes())?;
            }
        }
        self.inherit(lock, &state.facets, time)
    }

    fn inherit(
        &mut self,
        lock: &ImageLock,
        facets: &BTreeMap<String, bool>,
        time: Timestamp,
    ) -> Result<(), LinkedError> {
        if self.configuration().inherited_facets() == *facets {
            return Ok(());
        }
        let mut configuration = self.configuration().clone();
        configuration.set_inherited_facets(facets);
        self.reconfigure(lock, configuration, time)
    }

    fn store(&self, stored: &Stored) -> Result<(), LinkedError> {
        durable::make_folder(&self.metadata().join(FOLDER))?;
        let text = format!("{}\n", stored.to_value());
        Ok(durable::replace(&self.linked_file(PROPERTIES), text.as_bytes())?)
    }

    /// Has this image know a child that knows it already, and whether changes are meant for it.
    pub fn adopt(
        &mut self,
        lock: &ImageLock,
        name: &LinkedName,
        (child, recurse): (&Path, bool),
        time: Timestamp,
    ) -> Result<(), LinkedError> {
        let moved = self.moved()?;
        if self.stored_link()?.is_none() {
            let path = with_slash(self.root());
            self.store(&Stored { path, ..Stored::default() })?;
        }
        let mut configuration = self.configuration().clone();
        let path = moved.undo(&with_slash(&real(child)?));
        configuration.set_child(&name.to_string(), Some((&path, recurse)));
        self.reconfigure(lock, configuration, time)
    }

    fn reconfigure(
        &mut self,
        lock: &ImageLock,
        configuration: Configuration,
        time: Timestamp,
    ) -> Result<(), LinkedError> {
        let mut change = Change::at(time);
        change.configuration = Some(configuration);
        self.record(lock, &change).map_err(|error| LinkedError::Record(Box::new(error)))
    }

    /// Whether changes of this image are meant for a child, from now on.
    pub fn set_recurse(
        &mut self,
        lock: &ImageLock,
        name: &LinkedName,
        recurse: bool,
        time: Timestamp,
    ) -> Result<(), LinkedError> {
        let child = self.child(name)?;
        let moved = self.moved()?;
        let mut configuration = self.configuration().clone();
        let path = moved.undo(&with_slash(&child.path));
        configuration.set_child(&name.to_string(), Some((&path, recurse)));
        self.reconfigure(lock, configuration, time)
    }

    /// Has this image know whether changes of its parent are meant for it.
    pub fn know_recurse(&self, _lock: &ImageLock, recurse: bool) -> Result<(), LinkedError> {
        let no_child = || LinkedError::NoChild(self.root().to_path_buf());
        let stored = self.stored_link()?.filter(|stored| stored.name.is_some());
        self.store(&Stored { recurse: Some(recurse), ..stored.ok_or_else(no_child)? })
    }

    /// Has this image forget a child.
    pub fn forget_child(
        &mut self,
        lock: &ImageLock,
        name: &LinkedName,
        time: Timestamp,
    ) -> Result<(), LinkedError> {
        let mut configuration = self.configuration().clone();
        configuration.set_child(&name.to_string(), None);
        self.reconfigure(lock, configuration, time)?;
        if self.child_link()?.is_none() && self.children()?.is_empty() {
            self.unlink_files()?;
        }
        Ok(())
    }

    /// Has this image hang on none.
    pub fn leave_parent(&mut self, lock: &ImageLock, time: Timestamp) -> Result<(), LinkedError> {
        let stored = self.stored_link()?;
        match stored.filter(|_| !self.configuration().children().is_empty()) {
            Some(stored) => {
                self.store(&Stored { path: stored.path, ..Stored::default() })?;
                self.remove([PACKAGES, PUBLISHERS, FACETS])?;
            }
            None => self.unlink_files()?,
        }
        self.inherit(lock, &BTreeMap::new(), time)
    }

    fn unlink_files(&self) -> Result<(), LinkedError> {
        self.remove([PROPERTIES, PACKAGES, PUBLISHERS, FACETS])
    }

    fn remove<const N: usize>(&self, names: [&str; N]) -> Result<(), LinkedError> {
        for name in names {
            let path = self.linked_file(name);
            match std::fs::remove_file(&path) {
                Ok(()) => durable::sync_folder(&self.metadata().join(FOLDER))?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(PathError { path, source }.into()),
            }
        }
        Ok(())
    }
}

fn real(path: &Path) -> Result<PathBuf, PathError> {
    std::fs::canonicalize(path).map_err(|source| PathError { path: path.to_path_buf(), source })
}

/// An image on the way from one to the other: above the child up to what is above both, and above
/// the parent.
fn between(parent: &Path, child: &Path) -> Option<PathBuf> {
    let common: PathBuf = parent
        .components()
        .zip(child.components())
        .take_while(|(one, other)| one == other)
        .map(|(one, _)| one.as_os_str())
        .collect();
    let above = |path: &Path| -> Vec<PathBuf> {
        let above = path.ancestors().skip(1).map(Path::to_path_buf);
        above.take_while(|path| path.starts_with(&common)).collect()
    };
    let all = above(child).into_iter().chain(above(parent));
    all.filter(|path| path != parent && path != child)
        .find(|path| matches!(crate::image::place::at(path), Ok(Some(_)) | Err(_)))
}
