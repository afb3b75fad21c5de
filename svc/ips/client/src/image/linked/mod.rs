//! Linked images: one that hangs on another, whose packages rule its own.
//!
//! ```text
//! [linked_system:NAME]                   in the parent's pkg5.image: li-name, li-path, li-recurse
//! linked/linked_prop                     {"li-model": "push", "li-name": "system:NAME", …}
//! linked/linked_ppkgs                    ["pkg://PUB/NAME@VERSION", …]  the parent's packages
//! linked/linked_ppubs                    [["PUB", true], …]             its publishers; sticky
//! linked/linked_pfacets                  {"facet.version-lock.x": false, …}
//! ```
//!
//! A parent that was told of its child pushes; a child that was told of its parent pulls.  A parent
//! has `linked_prop`, too, with its own path: where both are moved, the paths of children and parents
//! move along.  Children are of the type `system`; what zones are is not known off illumos.
//!
//! In reading order: here, what an image is linked to; `names` (names and paths), `attach` (links
//! made, renewed and taken away).

mod attach;
mod names;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ips_model::Fmri;
use ips_repository::PathError;
use serde_json::{Map, Value, json};

use super::{Image, ImageError, RecordError, read};
use crate::solve::apart;
use crate::solve::candidate::Parent;

pub use attach::{Link, ParentState, Relink};
pub use names::LinkedName;
use names::{Moved, with_slash};

/// Why images are not linked, or what one is linked to cannot be said.
#[derive(Debug, thiserror::Error)]
pub enum LinkedError {
    /// A name that is none.
    #[error(
        "Invalid linked image name '{0}'. Linked image names have the following format '<linked_image plugin>:<linked_image name>'"
    )]
    Name(String),
    /// A type of child that cannot be linked here.
    #[error("Linked image type does not support {what}: {kind}")]
    Type {
        /// `child attach`, `parent attach`.
        what: &'static str,
        /// The type.
        kind: String,
    },
    /// A child of this name is there.
    #[error("A linked child image with this name already exists: {0}")]
    Duplicate(LinkedName),
    /// No such child.
    #[error("Unknown child linked image: {0}")]
    Unknown(LinkedName),
    /// The image hangs on another one.
    #[error("Image already a linked child: {}", .0.display())]
    Linked(PathBuf),
    /// The image hangs on none.
    #[error("Current image is not a linked child: {}", .0.display())]
    NoChild(PathBuf),
    /// It is for the parent to let go.
    #[error("Parent linked to child, can not detach child: {}", .0.display())]
    Parents(PathBuf),
    /// An image to itself.
    #[error("Can't link image to itself: {}", .0.display())]
    Itself(PathBuf),
    /// The root of the running system.
    #[error("Cannot attach root image as child: /")]
    Root,
    /// A parent inside its child.
    #[error("A parent image '{}' can not be nested within a child image '{}'", parent.display(), child.display())]
    Nested {
        /// The parent.
        parent: PathBuf,
        /// The child.
        child: PathBuf,
    },
    /// An image between the two.
    #[error("Intermediate image '{}' found between child '{}' and parent '{}'", between.display(), child.display(), parent.display())]
    Between {
        /// The parent.
        parent: PathBuf,
        /// The child.
        child: PathBuf,
        /// The image between them.
        between: PathBuf,
    },
    /// A child without its parent's publishers.
    #[error("{}", publishers_text(parent, child))]
    Publishers {
        /// The parent's: prefix, sticky.
        parent: Vec<(String, bool)>,
        /// The child's.
        child: Vec<(String, bool)>,
    },
    /// No image at the child's path.
    #[error("Can't initialize child image at path: {}\n{reason}", path.display())]
    Child {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No image at the parent's path.
    #[error("Can't initialize parent image at path: {}\n{reason}", path.display())]
    Parent {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file of the link makes no sense.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An image's state is damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// An image's state could not be changed.
    #[error(transparent)]
    Record(#[from] Box<RecordError>),
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

fn publishers_text(parent: &[(String, bool)], child: &[(String, bool)]) -> String {
    let list = |all: &[(String, bool)]| -> String {
        let line = |(at, (prefix, sticky)): (usize, &(String, bool))| {
            format!("\n    PUBLISHER {at}: {prefix}{}", if *sticky { "" } else { " (non-sticky)" })
        };
        all.iter().enumerate().map(line).collect()
    };
    format!(
        "\nInvalid child image publisher configuration.  Child image publisher\n\
         configuration must be a superset of the parent image publisher configuration.\n\
         Please update the child publisher configuration to match the parent.  If the\n\
         child image is a zone this can be done automatically by detaching and\n\
         attaching the zone.\n\nThe parent image has the following enabled publishers:{}\n\n\
         The child image has the following enabled publishers:{}",
        list(parent),
        list(child),
    )
}

impl LinkedError {
    /// The exit status that the original has for it.
    pub fn status(&self) -> u8 {
        match self {
            Self::Child { .. } | Self::Parent { .. } => 51,
            Self::NoChild(_) => 53,
            Self::Parents(_) => 54,
            _ => 1,
        }
    }
}

/// Who keeps a child's knowledge of its parent up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// The parent.
    Push,
    /// The child.
    Pull,
}

impl Model {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
        }
    }
}

/// How an image hangs on another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildLink {
    /// Its name.
    pub name: LinkedName,
    /// Who keeps it up to date.
    pub model: Model,
    /// Where the parent is now, if the child knows.
    pub parent: Option<PathBuf>,
}

/// What an image says of its links; paths as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stored {
    path: String,
    name: Option<LinkedName>,
    model: Option<Model>,
    parent: Option<String>,
    recurse: Option<bool>,
}

/// A child, as its parent knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its name.
    pub name: LinkedName,
    /// Where it is now.
    pub path: PathBuf,
    /// Whether changes of the parent are meant for it, too.
    pub recurse: bool,
}

const FOLDER: &str = "linked";
const PROPERTIES: &str = "linked_prop";
const PACKAGES: &str = "linked_ppkgs";
const PUBLISHERS: &str = "linked_ppubs";
const FACETS: &str = "linked_pfacets";

impl Stored {
    fn parse(value: &Value) -> Result<Self, String> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_string);
        let name = text("li-name").map(|name| LinkedName::parse(&name)).transpose();
        let model = match text("li-model").as_deref() {
            None => None,
            Some("push") => Some(Model::Push),
            Some("pull") => Some(Model::Pull),
            Some(other) => return Err(format!("li-model is '{other}'")),
        };
        let name = name.map_err(|error| error.to_string())?;
        if name.is_some() != model.is_some() {
            return Err("li-name and li-model belong together".to_string());
        }
        let path = text("li-path").ok_or("li-path is missing")?;
        let recurse = value.get("li-recurse").and_then(Value::as_bool);
        Ok(Self { path, name, model, parent: text("li-parent"), recurse })
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            map.extend(value.map(|value| (name.to_string(), value)));
        };
        put("li-model", self.model.map(|model| json!(model.as_str())));
        put("li-name", self.name.as_ref().map(|name| json!(name.to_string())));
        put("li-parent", self.parent.as_ref().map(|parent| json!(parent)));
        put("li-path", Some(json!(self.path)));
        put("li-recurse", self.recurse.map(|recurse| json!(recurse)));
        Value::Object(map)
    }
}

impl Image {
    fn linked_file(&self, name: &str) -> PathBuf {
        self.metadata().join(FOLDER).join(name)
    }

    fn linked_value(&self, name: &str) -> Result<Option<Value>, LinkedError> {
        let path = self.linked_file(name);
        let Some(text) = read(&path)? else { return Ok(None) };
        let malformed = |error: serde_json::Error| LinkedError::Malformed {
            path: path.clone(),
            reason: error.to_string(),
        };
        serde_json::from_str(&text).map(Some).map_err(malformed)
    }

    fn stored_link(&self) -> Result<Option<Stored>, LinkedError> {
        let Some(value) = self.linked_value(PROPERTIES)? else { return Ok(None) };
        let path = self.linked_file(PROPERTIES);
        let malformed = |reason| LinkedError::Malformed { path, reason };
        Stored::parse(&value).map(Some).map_err(malformed)
    }

    /// From where the image was when it was linked to where it is.
    fn moved(&self) -> Result<Moved, LinkedError> {
        let now = with_slash(self.root());
        let then = self.stored_link()?.map_or_else(|| now.clone(), |stored| stored.path);
        Ok(Moved::between(&then, &now))
    }

    /// What the image hangs on; `None`: nothing.
    pub fn child_link(&self) -> Result<Option<ChildLink>, LinkedError> {
        let Some(stored) = self.stored_link()? else { return Ok(None) };
        let (Some(name), Some(model)) = (stored.name, stored.model) else { return Ok(None) };
        let moved = Moved::between(&stored.path, &with_slash(self.root()));
        let parent = stored.parent.map(|parent| PathBuf::from(moved.apply(&parent)));
        Ok(Some(ChildLink { name, model, parent }))
    }

    /// The images that hang on this one, by name.
    pub fn children(&self) -> Result<Vec<Child>, LinkedError> {
        let moved = self.moved()?;
        let children = self.configuration().children().into_iter();
        let mut children: Vec<Child> = children
            .filter_map(|(name, path, recurse)| {
                let name = LinkedName::parse(&name).ok()?;
                Some(Child { name, path: PathBuf::from(moved.apply(&path)), recurse })
            })
            .collect();
        children.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(children)
    }

    /// A child by its name.
    pub fn child(&self, name: &LinkedName) -> Result<Child, LinkedError> {
        let mut children = self.children()?.into_iter();
        children.find(|child| child.name == *name).ok_or_else(|| LinkedError::Unknown(name.clone()))
    }

    /// Every image that has to do with this one: name, `child`, `self` or `parent`, and where.
    pub fn related(&self) -> Result<Vec<(String, &'static str, PathBuf)>, LinkedError> {
        let link = self.child_link()?;
        let children = self.children()?;
        if link.is_none() && children.is_empty() {
            return Ok(Vec::new());
        }
        let none = || "-".to_string();
        let own = link.as_ref().map_or_else(none, |link| link.name.to_string());
        let mut all = vec![(own, "self", PathBuf::from(with_slash(self.root())))];
        if let Some(parent) = link.and_then(|link| link.parent) {
            all.push((none(), "parent", parent));
        }
        all.extend(children.into_iter().map(|one| (one.name.to_string(), "child", one.path)));
        // What has no name comes first.
        all.sort_by(|one, other| (one.0 != "-", &one.0).cmp(&(other.0 != "-", &other.0)));
        Ok(all)
    }

    /// What can be said of the link of an image, or of one of its children: name, value.
    pub fn link_properties(
        &self,
        child: Option<&LinkedName>,
    ) -> Result<BTreeMap<String, String>, LinkedError> {
        let mut all = BTreeMap::new();
        let mut put = |name: &str, value: String| drop(all.insert(name.to_string(), value));
        if let Some(name) = child {
            let child = self.child(name)?;
            put("li-model", Model::Push.as_str().to_string());
            put("li-name", child.name.to_string());
            put("li-path", with_slash(&child.path));
            put("li-recurse", if child.recurse { "True" } else { "False" }.to_string());
            return Ok(all);
        }
        let Some(stored) = self.stored_link()? else { return Ok(all) };
        put("li-path", stored.path);
        if let Some(name) = stored.name {
            put("li-name", name.to_string());
        }
        if let Some(model) = stored.model {
            put("li-model", model.as_str().to_string());
        }
        if let Some(parent) = stored.parent {
            put("li-parent", parent);
        }
        if let Some(recurse) = stored.recurse {
            put("li-recurse", if recurse { "True" } else { "False" }.to_string());
        }
        Ok(all)
    }

    /// The packages of the parent, by name, that rule this image; `None`: it hangs on none.
    pub fn parent_packages(&self) -> Result<Option<BTreeMap<String, Fmri>>, LinkedError> {
        let Some(link) = self.child_link()? else { return Ok(None) };
        let fmris = match (link.model, &link.parent) {
            (Model::Pull, Some(parent)) => ParentState::of(&self.parent_at(parent)?)?.packages,
            (Model::Pull | Model::Push, _) => self.pushed_packages()?,
        };
        Ok(Some(fmris.into_iter().map(|fmri| (fmri.name.clone(), fmri)).collect()))
    }

    fn pushed_packages(&self) -> Result<Vec<Fmri>, LinkedError> {
        let value = self.linked_value(PACKAGES)?.unwrap_or_else(|| json!([]));
        let malformed = |reason: &str| LinkedError::Malformed {
            path: self.linked_file(PACKAGES),
            reason: reason.to_string(),
        };
        let list = value.as_array().ok_or_else(|| malformed("no list"))?;
        let fmri = |one: &Value| {
            let text = one.as_str().ok_or_else(|| malformed("an FMRI that is no text"))?;
            Fmri::parse(text).map_err(|error| malformed(&error.to_string()))
        };
        list.iter().map(fmri).collect()
    }

    fn pushed_publishers(&self) -> Result<Vec<(String, bool)>, LinkedError> {
        let value = self.linked_value(PUBLISHERS)?.unwrap_or_else(|| json!([]));
        serde_json::from_value(value).map_err(|error| LinkedError::Malformed {
            path: self.linked_file(PUBLISHERS),
            reason: error.to_string(),
        })
    }

    /// The image that this one hangs on.
    fn parent_at(&self, path: &Path) -> Result<Image, LinkedError> {
        Image::open(path, self.client()).map_err(|error| LinkedError::Parent {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })
    }

    /// The installed packages that are not as their dependencies on the parent image ask.
    pub fn out_of_sync(&self, parent: &BTreeMap<String, Fmri>) -> Result<Vec<Fmri>, LinkedError> {
        let mut apart_ones = Vec::new();
        for candidate in self.installed_candidates()? {
            let is_apart = |wish: &Parent| apart(wish, &candidate.fmri, parent).is_some();
            if candidate.parents.iter().any(is_apart) {
                apart_ones.push(candidate.fmri);
            }
        }
        Ok(apart_ones)
    }
}
