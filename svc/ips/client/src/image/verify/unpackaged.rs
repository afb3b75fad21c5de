//! unpackaged.rs - what lies below the root and no installed package delivers.
//!
//! What is in a directory that is nobody's is not looked at: the directory tells of all of it.  No
//! link is followed, so a link to a directory is told of as a file.

use std::collections::BTreeMap;

use ips_model::Manifest;
use ips_model::action::Kind;

use super::VerifyError;
use crate::below::Lies;
use crate::control::Control;
use crate::image::Image;
use crate::root::{Directory, Root, RootError};

/// Something that is nobody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its path below the root.
    pub path: String,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// What a walk through the root found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpackaged {
    /// In the order of the walk: what is in a directory, then what is in those in it.
    pub strays: Vec<Stray>,
    /// Directories that could not be read, and why.
    pub errors: Vec<String>,
}

/// The most directories within one another.
const DEPTH: usize = 1_000;

impl Image {
    /// Looks for what no installed package delivers.
    pub fn unpackaged(&self, control: &Control<'_>) -> Result<Unpackaged, VerifyError> {
        let installed = self.installed()?;
        let manifests: Vec<Manifest> =
            installed.packages().map(|(fmri, _)| self.manifest(&fmri)).collect::<Result<_, _>>()?;
        let delivered = self.delivered(&manifests);
        let root = Root::open(self.root())?;
        let mut found = Unpackaged::default();
        if let Some(top) = root.existing("")? {
            let mut walk = Walk { root: &root, delivered: &delivered, control, found: &mut found };
            walk.through(&top, "", 0)?;
        }
        Ok(found)
    }

    /// Path → as what it is delivered, with the directories above.
    fn delivered<'a>(&self, manifests: &'a [Manifest]) -> BTreeMap<&'a str, Kind> {
        let conditions = self.configuration().conditions();
        let mut delivered = BTreeMap::new();
        for action in manifests.iter().flat_map(|manifest| &manifest.actions) {
            let Some(path) = action.get("path").filter(|_| conditions.allow(action)) else {
                continue;
            };
            delivered.insert(path, action.kind);
        }
        let paths: Vec<&str> = delivered.keys().copied().collect();
        for path in paths {
            let mut above = path;
            while let Some((parent, _)) = above.rsplit_once('/') {
                delivered.entry(parent).or_insert(Kind::Dir);
                above = parent;
            }
        }
        delivered
    }
}

struct Walk<'a, 'c> {
    root: &'a Root,
    delivered: &'a BTreeMap<&'a str, Kind>,
    control: &'a Control<'c>,
    found: &'a mut Unpackaged,
}

impl Walk<'_, '_> {
    fn through(
        &mut self,
        directory: &Directory,
        above: &str,
        depth: usize,
    ) -> Result<(), VerifyError> {
        if self.control.is_cancelled() {
            return Err(VerifyError::Cancelled);
        }
        let (folders, files) = match sorted(directory) {
            Ok(sorted) => sorted,
            Err(error) => {
                self.found.errors.push(error.to_string());
                return Ok(());
            }
        };
        let below = |name: &str| match above {
            "" => name.to_string(),
            above => format!("{above}/{name}"),
        };
        let mut own = Vec::new();
        for path in folders.iter().map(|name| below(name)) {
            match self.delivered.get(path.as_str()) {
                Some(Kind::Dir | Kind::Link) => own.push(path),
                Some(_) | None => self.found.strays.push(Stray { path, is_directory: true }),
            }
        }
        for (name, is_link) in files {
            let path = below(&name);
            let taken = match self.delivered.get(path.as_str()) {
                // A directory that is a link is not as it should be, but it is packaged.
                Some(Kind::Dir) => is_link,
                Some(_) => true,
                None => false,
            };
            if !taken {
                self.found.strays.push(Stray { path, is_directory: false });
            }
        }
        for path in own {
            match self.root.existing(&path) {
                Ok(Some(_)) if depth == DEPTH => {
                    self.found.errors.push(format!("{path}: too many directories in directories"));
                }
                Ok(Some(directory)) => self.through(&directory, &path, depth + 1)?,
                // It went while we looked.
                Ok(None) => {}
                Err(error) => self.found.errors.push(error.to_string()),
            }
        }
        Ok(())
    }
}

type Names = (Vec<String>, Vec<(String, bool)>);

/// The directories in one, and what else is in it with whether it is a link; by name.
fn sorted(directory: &Directory) -> Result<Names, RootError> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    let mut names = directory.names()?;
    names.sort();
    for name in names {
        match directory.look(&name)?.map(|look| look.lies) {
            Some(Lies::Directory) => folders.push(name),
            Some(lies) => files.push((name, lies == Lies::Link)),
            // A name that is no text, or something that went.
            None => files.push((name, false)),
        }
    }
    Ok((folders, files))
}
