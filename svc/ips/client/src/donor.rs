//! donor.rs - payloads taken from a root that nobody needs any more.
//!
//! Whoever fills a root anew and has what he filled before gives it away: its files are moved, not
//! fetched, unpacked and written.
//!
//! Law: the giver vouches that each file he names has the content whose hash he tells.  The root
//! loses what is taken.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ips_model::action::Action;
use nix::fcntl::renameat;
use rayon::prelude::*;

use crate::below::Lies;
use crate::execute::fetch::Wanted;
use crate::root::{Directory, Root, RootError, io_error, staged_mode};

/// A root that is given away.
#[derive(Debug)]
pub struct Donor {
    pub(crate) root: Root,
    payloads: HashMap<String, String>,
    /// Somebody was given something.
    begun: AtomicBool,
    /// How much was dropped.
    dropped: AtomicU64,
}

impl Donor {
    /// The root below a directory; `payloads` tells by path the hash of what lies there.
    pub fn open(root: &Path, payloads: HashMap<String, String>) -> Result<Self, RootError> {
        let (begun, dropped) = (AtomicBool::new(false), AtomicU64::new(0));
        Ok(Self { root: Root::open(root)?, payloads, begun, dropped })
    }

    /// Whether nothing was given before.
    pub(crate) fn begins(&self) -> bool {
        !self.begun.swap(true, Ordering::Relaxed)
    }

    /// Whether the content of an action's payload is known to lie at a path, which is the action's.
    pub(crate) fn has(&self, path: &str, action: &Action) -> bool {
        action.get("path") == Some(path)
            && action
                .payload_hash()
                .is_some_and(|hash| self.payloads.get(path).is_some_and(|known| known == hash))
    }

    /// Takes something out of a directory that was given, whatever it is, and goes with the root.
    pub(crate) fn drop_from(
        &self,
        directory: &Directory,
        name: impl AsRef<OsStr>,
    ) -> Result<(), RootError> {
        let name = name.as_ref();
        let gone = format!(".dropped.{}", self.dropped.fetch_add(1, Ordering::Relaxed));
        renameat(directory.fd.as_fd(), name, self.root.fd.as_fd(), gone.as_str())
            .map_err(|errno| io_error(&directory.path_of(&name.to_string_lossy()), errno.into()))
    }

    /// Moves payloads into the stage that lie where they are to be again; gives those that do not.
    pub(crate) fn give<'w, 'a>(
        &self,
        wanted: &'w [Wanted<'a>],
        stage: &Directory,
    ) -> Result<Vec<&'w Wanted<'a>>, RootError> {
        let (mut known, mut lacking) = (Vec::new(), Vec::new());
        for one in wanted {
            match self.path(one) {
                Some(path) => known.push((path, one)),
                None => lacking.push(one),
            }
        }
        // Directory by directory, so that the way to each is walked once.
        known.sort_by_key(|(path, _)| *path);
        let folders: Vec<_> = known.chunk_by(|(a, _), (b, _)| parted(a).0 == parted(b).0).collect();
        let given = |folder: &&[(&str, &'w Wanted<'a>)]| self.give_folder(folder, stage);
        let left: Vec<Vec<_>> = folders.par_iter().map(given).collect::<Result<_, _>>()?;
        lacking.extend(left.into_iter().flatten());
        Ok(lacking)
    }

    /// The path of a payload whose content is known to lie there.
    fn path<'w>(&self, wanted: &'w Wanted<'_>) -> Option<&'w str> {
        let path = wanted.action.get("path")?;
        self.has(path, wanted.action).then_some(path)
    }

    /// Those of one directory; gives what is not there.
    fn give_folder<'w, 'a>(
        &self,
        wanted: &[(&str, &'w Wanted<'a>)],
        stage: &Directory,
    ) -> Result<Vec<&'w Wanted<'a>>, RootError> {
        let above = wanted.first().map_or("", |(path, _)| parted(path).0);
        let Some(directory) = self.root.existing(above)? else {
            return Ok(wanted.iter().map(|(_, one)| *one).collect());
        };
        let mut lacking = Vec::new();
        for (path, one) in wanted {
            if !give_one(one, &directory, parted(path).1, stage)? {
                lacking.push(*one);
            }
        }
        Ok(lacking)
    }
}

fn parted(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn give_one(
    wanted: &Wanted<'_>,
    directory: &Directory,
    name: &str,
    stage: &Directory,
) -> Result<bool, RootError> {
    let Some(there) = directory.look(name)? else { return Ok(false) };
    let size = wanted.action.get("pkg.size").and_then(|size| size.parse().ok());
    if there.lies != Lies::File || size.is_some_and(|size: u64| size != there.size) {
        return Ok(false);
    }
    let mode = staged_mode(wanted.mode);
    if there.mode != mode {
        directory.mode(name, mode)?;
    }
    stage.take(directory, name, &wanted.staged)
}
