//! populate.rs - fills an empty root with packages and says who owns what.
//!
//! Law: needs no privilege and asks the host nothing: files lie on disk as whoever builds, their
//! owners and modes are in the table.  Everything written follows from the source, the patterns
//! and the options; the only times are those of packages.
//!
//! Not here: image metadata of the pkg client, updating a root that has packages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use image_tree::{Entry, Kind as Node, TableError, Tree};
use ips_model::action::Kind;
use ips_model::{Fmri, Pattern};
use rayon::prelude::*;

use crate::accounts::AccountError;
use crate::conditions::Conditions;
use crate::control::{Control, Phase};
use crate::drivers::DriverError;
use crate::edits::Edits;
use crate::lay::{Laid, first_name, lay, license_path, published, time_of};
use crate::owners::{OwnerError, Owners};
use crate::plan::{ConflictError, Package, Plan, mode, plan};
use crate::root::{Root, RootError};
use crate::solve::choose::{ChooseError, choose};
use crate::source::{Source, SourceError, side_by_side};

/// Why a root is not filled.
#[derive(Debug, thiserror::Error)]
pub enum PopulateError {
    /// The root is no empty directory.
    #[error("{}: {reason}", root.display())]
    NotEmpty {
        /// The root.
        root: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The patterns lead to no closed set.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// The origin did not give what it should.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Packages are in each other's way.
    #[error(transparent)]
    Conflict(#[from] ConflictError),
    /// Nothing could be written at a path.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A hard link's target is no file of the image.
    #[error("{fmri}: {path}: the hard link's target {target} is no file of the image")]
    HardLink {
        /// The package.
        fmri: String,
        /// The link.
        path: String,
        /// Its target.
        target: String,
    },
    /// An account or group needs a file that no package delivers.
    #[error("{fmri}: users and groups need {path}, which no package delivers")]
    NoFile {
        /// The package.
        fmri: String,
        /// The file.
        path: &'static str,
    },
    /// An attribute that is no number.
    #[error("{fmri}: {attribute} \"{text}\" is no number")]
    Attribute {
        /// The package.
        fmri: String,
        /// The attribute.
        attribute: &'static str,
        /// Its value.
        text: String,
    },
    /// A user or group cannot be made.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A driver cannot be added.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A path belongs to nobody.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// A path that the table refuses.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The caller wanted the end.
    #[error("cancelled")]
    Cancelled,
}

/// What kind of image it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PopulateOptions {
    /// `variant.NAME` → value.
    pub variants: BTreeMap<String, String>,
    /// `facet.NAME` (perhaps with `*`) → wanted or not.
    pub facets: BTreeMap<String, bool>,
}

impl Default for PopulateOptions {
    /// A global zone on i386, with everything but debug and optional parts.
    fn default() -> Self {
        let variants = [
            ("variant.arch", "i386"),
            ("variant.opensolaris.imagetype", "full"),
            ("variant.opensolaris.zone", "global"),
        ];
        let variants = variants.map(|(name, value)| (name.to_string(), value.to_string())).into();
        Self { variants, facets: BTreeMap::new() }
    }
}

/// A filled root.
#[derive(Debug)]
pub struct Populated {
    /// Its packages with publisher, version and time stamp, sorted by name.
    pub packages: Vec<Fmri>,
    /// Type, mode, owner and size of every path.
    pub tree: Tree,
    /// Bytes of file contents that were laid down.
    pub bytes: u64,
}

/// Fills the empty directory `root` with the closed set of packages that `patterns` mean.
pub fn populate(
    source: &Source,
    patterns: &[Pattern],
    root: &Path,
    options: &PopulateOptions,
    control: &Control<'_>,
) -> Result<Populated, PopulateError> {
    check_empty(root)?;
    let (variants, facets) = (options.variants.clone(), options.facets.clone());
    let conditions = Conditions { variants, facets, ..Conditions::default() };
    let chosen = choose(source, patterns, &conditions)?;
    let packages = side_by_side(&[source], || manifests(source, &chosen, control))?;
    let mut plan = plan(&packages, &conditions)?;
    // These two values keep what an older version left, which a new image has not.
    plan.paths.retain(|_, item| !matches!(item.action.get("preserve"), Some("abandon" | "legacy")));
    let root = Root::open(root)?;
    let laid = side_by_side(&[source], || lay(source, &plan, &root, control))?;
    let newest = plan_time(&packages);
    let arch = options.variants.get("variant.arch").map_or("i386", String::as_str);
    let edits = Edits::make(&root, &plan, newest, arch)?;
    let bytes = laid.sizes.values().sum();
    let tree = table(&plan, &laid, &edits, newest)?;
    Ok(Populated { packages: chosen, tree, bytes })
}

fn check_empty(root: &Path) -> Result<(), PopulateError> {
    let failed = |reason: String| PopulateError::NotEmpty { root: root.to_path_buf(), reason };
    let mut entries = std::fs::read_dir(root).map_err(|error| failed(error.to_string()))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(failed("the directory is not empty".to_string())),
    }
}

fn manifests(
    source: &Source,
    chosen: &[Fmri],
    control: &Control<'_>,
) -> Result<Vec<Package>, PopulateError> {
    let (done, total) = (AtomicU64::new(0), chosen.len() as u64);
    let read = |fmri: &Fmri| -> Result<Package, PopulateError> {
        if control.is_cancelled() {
            return Err(PopulateError::Cancelled);
        }
        let (_, manifest) = source.manifest(fmri)?;
        control.count(Phase::Manifests, &done, total, &fmri.name);
        Ok(Package { fmri: fmri.clone(), manifest })
    };
    chosen.par_iter().map(read).collect()
}

fn plan_time(packages: &[Package]) -> i64 {
    let stamp = |package: &Package| {
        let stamp = package.fmri.version.as_ref()?.timestamp.clone()?;
        Some(ips_model::Timestamp::parse(&stamp).ok()?.seconds())
    };
    packages.iter().filter_map(stamp).max().unwrap_or(0)
}

/// The metadata of every path.
fn table(
    plan: &Plan<'_>,
    laid: &Laid,
    edits: &Edits<'_>,
    newest: i64,
) -> Result<Tree, PopulateError> {
    let owners = Owners::new(&edits.accounts, edits.has_accounts.0, edits.has_accounts.1);
    let mut tree = Tree::new();
    let top = Entry { kind: Node::Directory, mode: 0o755, uid: 0, gid: 0, mtime: newest };
    tree.insert("", top)?;
    // Path order: a parent that is delivered comes before what is below it.
    for (path, item) in &plan.paths {
        let path = *path;
        add_parents(&mut tree, path)?;
        let fmri = &item.package.fmri;
        let size = || edits.written.get(path).or(laid.sizes.get(path)).copied().unwrap_or(0);
        let kind = match item.action.kind {
            Kind::Dir => Node::Directory,
            Kind::File => Node::File { size: size() },
            Kind::Hardlink => {
                let target = item.action.get("target").unwrap_or("");
                let target = first_name(plan, path, target).unwrap_or_default();
                Node::HardLink { target }
            }
            _ => Node::Symlink { target: item.action.get("target").unwrap_or("").to_string() },
        };
        let entry = match kind {
            Node::HardLink { .. } => Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 },
            Node::Symlink { .. } => {
                Entry { kind, mode: 0o777, uid: 0, gid: 0, mtime: published(item) }
            }
            _ => {
                let (uid, gid) = owners.of(fmri, path, item.action)?;
                let default = if kind == Node::Directory { 0o755 } else { 0o644 };
                let mode = mode(item.action).unwrap_or(default);
                Entry { kind, mode, uid, gid, mtime: time_of(item) }
            }
        };
        tree.insert(path, entry)?;
    }
    for item in &plan.licenses {
        let path = license_path(item);
        let size = laid.sizes.get(&path).copied().unwrap_or(0);
        add_made(&mut tree, &path, size, 0o444, published(item))?;
    }
    for (path, size) in &edits.written {
        if !plan.paths.contains_key(path.as_str()) {
            add_made(&mut tree, path, *size, 0o644, newest)?;
        }
    }
    Ok(tree)
}

/// A file that no action names: root's, in directories of root's.
fn add_made(
    tree: &mut Tree,
    path: &str,
    size: u64,
    mode: u32,
    mtime: i64,
) -> Result<(), PopulateError> {
    let top = Entry { kind: Node::Directory, mode: 0o755, uid: 0, gid: 0, mtime };
    for (end, _) in path.match_indices('/') {
        if tree.get(&path[..end]).is_none() {
            tree.insert(&path[..end], top.clone())?;
        }
    }
    let kind = Node::File { size };
    Ok(tree.insert(path, Entry { kind, mode, uid: 0, gid: 0, mtime })?)
}

/// Directories that nobody delivers are as the one they are made in.
fn add_parents(tree: &mut Tree, path: &str) -> Result<(), PopulateError> {
    let ends = path.match_indices('/').map(|(end, _)| end);
    let mut above = "";
    for end in ends {
        let parent = &path[..end];
        if tree.get(parent).is_none() {
            if let Some(entry) = tree.get(above).cloned() {
                tree.insert(parent, entry)?;
            }
        }
        above = parent;
    }
    Ok(())
}
