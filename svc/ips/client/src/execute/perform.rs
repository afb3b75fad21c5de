//! perform.rs - doing the steps.
//!
//! What goes is done in order, one after the other.  Of what comes, whole directories are moved
//! first; then directories are made, parents before children; then everything else, directory by
//! directory and side by side; then hard links, whose files are there by then; then what was
//! salvaged, where no name is taken by then.

use std::sync::atomic::{AtomicU64, Ordering};

use ips_model::digest::sha1_hex;
use rayon::prelude::*;

use super::ExecuteError;
use super::steps::{Owned, Step};
use crate::below::Lies;
use crate::control::{Control, Phase};
use crate::root::{Directory, Root, RootError};

/// Where owners and modes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// On disk; needs privilege.
    Disk,
    /// In the image's table; files on disk belong to whoever runs this.
    Table,
}

/// A root being changed.
pub struct Performer<'a> {
    /// The root.
    pub root: &'a Root,
    /// Where staged files lie.
    pub stage: &'a Directory,
    /// Who keeps the owners.
    pub ownership: Ownership,
    /// Who hears of it, and may stop it.
    pub control: &'a Control<'a>,
    /// How many steps are done.
    pub done: &'a AtomicU64,
    /// How many there are.
    pub total: u64,
}

impl Performer<'_> {
    fn count(&self, path: &str) -> Result<(), ExecuteError> {
        self.control.count(Phase::Actions, self.done, self.total, path);
        if self.control.is_cancelled() { Err(ExecuteError::Cancelled) } else { Ok(()) }
    }

    /// Does what takes away.
    pub fn clear(&self, steps: &[Step]) -> Result<(), ExecuteError> {
        // Files go directory by directory; the way to each is walked once.
        let mut open: Option<(&str, Option<Directory>)> = None;
        for step in steps {
            match step {
                Step::Unlink { path } => {
                    let above = parent(path);
                    if open.as_ref().is_none_or(|(path, _)| *path != above) {
                        open = Some((above, self.root.existing(above)?));
                    }
                    if let Some((_, Some(directory))) = &open {
                        directory.unlink(name(path))?;
                    }
                }
                other => self.clear_one(other)?,
            }
            self.count(step.path())?;
        }
        Ok(())
    }

    fn clear_one(&self, step: &Step) -> Result<(), ExecuteError> {
        match step {
            Step::Save { path, to, sha1 } => {
                let content = self.root.bytes(path)?;
                if content.is_some_and(|bytes| sha1_hex(&bytes) == *sha1) {
                    let (from, old) = self.root.parent(path)?;
                    let (into, new) = self.root.parent(to)?;
                    into.replace_link(new, &from, old)?;
                }
            }
            Step::Move { from, to } | Step::Salvage { path: from, to } => {
                self.root.rename(from, to)?;
            }
            Step::Unlink { path } => self.root.unlink(path)?,
            Step::Rmdir { path, to } => self.remove_directory(path, to)?,
            Step::Directory { .. }
            | Step::Whole { .. }
            | Step::Put { .. }
            | Step::Link { .. }
            | Step::HardLink { .. }
            | Step::Recover { .. }
            | Step::Attributes { .. } => self.make_one(step)?,
        }
        Ok(())
    }

    fn remove_directory(&self, path: &str, to: &str) -> Result<(), RootError> {
        if self.root.rmdir(path)? {
            return Ok(());
        }
        let Some(directory) = self.root.existing(path)?.filter(|_| !to.is_empty()) else {
            return Ok(());
        };
        for name in directory.names()? {
            self.root.rename(&format!("{path}/{name}"), &format!("{to}/{name}"))?;
        }
        self.root.rmdir(path)?;
        Ok(())
    }

    /// Does what brings.
    pub fn make(&self, steps: &[Step]) -> Result<(), ExecuteError> {
        let whole = |step: &&Step| matches!(step, Step::Whole { .. });
        let directory = |step: &&Step| matches!(step, Step::Directory { .. });
        let further = |step: &&Step| matches!(step, Step::HardLink { .. });
        let recovers = |step: &&Step| matches!(step, Step::Recover { .. });
        let in_order = |which: &dyn Fn(&&Step) -> bool| {
            steps.iter().filter(which).try_for_each(|step| {
                self.make_one(step)?;
                self.count(step.path())
            })
        };
        // Before any directory: it comes where none is.
        in_order(&whole)?;
        in_order(&directory)?;
        let is_plain =
            |step: &&Step| !whole(step) && !directory(step) && !further(step) && !recovers(step);
        let mut plain: Vec<&Step> = steps.iter().filter(is_plain).collect();
        plain.sort_by(|a, b| parent(a.path()).cmp(parent(b.path())));
        let groups: Vec<&[&Step]> =
            plain.chunk_by(|a, b| parent(a.path()) == parent(b.path())).collect();
        groups.par_iter().try_for_each(|group| self.make_in_one_directory(group))?;
        in_order(&further)?;
        in_order(&recovers)
    }

    /// Puts what was salvaged into a directory; what would be in the way of something stays.
    fn recover(&self, path: &str, from: &str) -> Result<(), RootError> {
        let Some(salvaged) = self.root.existing(from)? else { return Ok(()) };
        let into = match self.root.directory(path) {
            Err(RootError::NotDirectory { .. }) => return Ok(()),
            into => into?,
        };
        for name in salvaged.names()? {
            if into.look(&name)?.is_none() {
                self.root.rename(&format!("{from}/{name}"), &format!("{path}/{name}"))?;
            }
        }
        self.root.rmdir(from)?;
        Ok(())
    }

    fn make_in_one_directory(&self, steps: &[&Step]) -> Result<(), ExecuteError> {
        let Some(first) = steps.first() else { return Ok(()) };
        let directory = self.root.directory(parent(first.path()))?;
        for step in steps {
            self.make_named(&directory, name(step.path()), step)?;
            self.count(step.path())?;
        }
        Ok(())
    }

    fn make_one(&self, step: &Step) -> Result<(), ExecuteError> {
        if let Step::Directory { path, owned } = step {
            self.root.directory(path)?;
            return Ok(self.own_path(path, *owned)?);
        }
        if let Step::Recover { path, from } = step {
            return Ok(self.recover(path, from)?);
        }
        let (directory, name) = self.root.parent(step.path())?;
        self.make_named(&directory, name, step)
    }

    fn make_named(
        &self,
        directory: &Directory,
        name: &str,
        step: &Step,
    ) -> Result<(), ExecuteError> {
        match step {
            Step::Put { path, staged, owned, mtime, .. } => {
                self.dress(staged, *owned, *mtime)?;
                self.take(directory, name, staged, path)?;
            }
            Step::Whole { path, staged } => self.take(directory, name, staged, path)?,
            Step::Link { target, .. } => directory.replace_symlink(name, target)?,
            Step::HardLink { target, .. } => {
                let (of, old) = self.root.parent(target)?;
                directory.replace_link(name, &of, old)?;
            }
            Step::Attributes { owned, mtime, .. } => {
                let is_file = directory.look(name)?.is_some_and(|look| look.lies == Lies::File);
                if is_file {
                    self.own(directory, name, *owned)?;
                    if let Some(mtime) = mtime {
                        directory.date(name, *mtime)?;
                    }
                }
            }
            Step::Save { .. }
            | Step::Move { .. }
            | Step::Salvage { .. }
            | Step::Unlink { .. }
            | Step::Rmdir { .. }
            | Step::Recover { .. }
            | Step::Directory { .. } => {}
        }
        Ok(())
    }

    /// Takes what is staged to its place.
    fn take(
        &self,
        directory: &Directory,
        name: &str,
        staged: &str,
        path: &str,
    ) -> Result<(), ExecuteError> {
        // What is no longer in the stage was put before this program was stopped.
        if !directory.take(self.stage, staged, name)? && directory.look(name)?.is_none() {
            return Err(ExecuteError::NotStaged { path: path.to_string() });
        }
        Ok(())
    }

    /// Gives a staged file the attributes that it lacks before it is seen.
    fn dress(&self, staged: &str, owned: Owned, mtime: Option<i64>) -> Result<(), RootError> {
        if self.ownership == Ownership::Table && mtime.is_none() {
            return Ok(());
        }
        let Some(look) = self.stage.look(staged)? else { return Ok(()) };
        let has = Owned { mode: look.mode, uid: look.uid, gid: look.gid };
        if self.ownership == Ownership::Disk && has != owned {
            self.stage.own_seen(staged, look, owned)?;
        }
        match mtime.filter(|mtime| *mtime != look.mtime) {
            Some(mtime) => self.stage.date(staged, mtime),
            None => Ok(()),
        }
    }

    fn own(&self, directory: &Directory, name: &str, owned: Owned) -> Result<(), RootError> {
        match self.ownership {
            Ownership::Disk => directory.own(name, owned.mode, owned.uid, owned.gid),
            // The owner can always write, or an update could not.
            Ownership::Table => directory.mode(name, (owned.mode & 0o755) | 0o600),
        }
    }

    fn own_path(&self, path: &str, owned: Owned) -> Result<(), RootError> {
        if path.is_empty() || self.ownership == Ownership::Table {
            return Ok(());
        }
        let (above, last) = self.root.parent(path)?;
        above.own(last, owned.mode, owned.uid, owned.gid)
    }

    /// Tells that all is done.
    pub fn finished(&self) {
        self.done.store(self.total, Ordering::Relaxed);
        self.control.say(Phase::Actions, self.total, self.total, "");
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
