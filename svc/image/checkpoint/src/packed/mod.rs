//! packed - the back end for any file system: what changed is copied into packs.
//!
//! Reading order: index (a tree as bytes), pack (files' bytes), crew (threads over directories),
//! take (a tree is read and kept), restore (a tree is made what it was).
//!
//! ```text
//! .checkpoints/N/index    the tree, each file with its place in a pack of this or an earlier N
//! .checkpoints/N/now      the same with the stamps the files got by the last rollback; a cache
//! .checkpoints/N/pack.K   bytes that no earlier checkpoint has; or one large file, under another name
//! ```
//!
//! Why copies, and neither hard links nor overlays: a script writes into files in place, which a
//! linked tree would share; an overlay needs a user namespace, which many CI hosts refuse, and shows an empty
//! build_data to who looks into a paused build.  60,000 files are one sequential write, and a later
//! checkpoint costs one look at each.
//!
//! A large file is not copied where whoever works next never writes into a file, but only replaces it:
//! the pack is another name of it.  Its time tells if somebody wrote into it all the same; then
//! there is no checkpoint any more.  Before anybody else works it becomes a copy,
//! if it has another name still ([`crate::Area::harden`]).
//!
//! Extended attributes are not kept: no step writes any; owners and modes that a rootless build cannot
//! set are in the metadata table.
//!
//! Invariant: an index names packs of its own checkpoint and of earlier ones only.  So what is
//! forgotten from the top of the stack leaves nothing that anybody names.

mod crew;
mod index;
mod pack;
mod restore;
mod take;

use std::io;
use std::path::{Path, PathBuf};

use index::{Index, Moment};
use pack::Packs;
use take::{Known, Target};

use crate::area::{BackEnd, Restored, Taken, Writer};
use crate::disk::{self, Disk};
use crate::error::{PathError, StoreError, at};
use crate::keeper::remove_all;
use crate::name::Step;
use crate::store::{Kept, KeptFile, Store};
use crate::sys;

/// See the module.
pub(crate) struct Packed {
    disk: Disk,
    build_data: PathBuf,
    checkpoints: PathBuf,
    shares: bool,
    boot: String,
    /// The newest checkpoint's tree.
    known: Option<(u32, Index)>,
    /// Who has worked since it was read.
    worked: Writer,
}

impl Packed {
    /// The back end of an area whose folders are there.
    pub(crate) fn open(
        disk: &Disk,
        build_data: &Path,
        checkpoints: &Path,
    ) -> Result<Packed, StoreError> {
        let beside = disk::open_path(checkpoints)?;
        let device = |folder, path| disk::look(folder, c".").map(|it| it.st_dev).map_err(at(path));
        let inside = disk::open_path(build_data)?;
        if device(&beside, checkpoints)? != device(&inside, build_data)? {
            return Err(StoreError::Mounted { path: build_data.to_owned() });
        }
        for room in ["apart", "links"] {
            let room = checkpoints.join(room);
            // Left by a restoring that was killed.
            remove_all(disk, &room)?;
            disk.ensure_folder(&room)?;
        }
        sys::scatter(&disk::open_path(&checkpoints.join("apart"))?);
        Ok(Packed {
            disk: disk.clone(),
            build_data: build_data.to_owned(),
            checkpoints: checkpoints.to_owned(),
            shares: can_share(disk, checkpoints)?,
            boot: sys::boot(),
            known: None,
            worked: Writer::Any,
        })
    }

    fn folder(&self, number: u32) -> PathBuf {
        self.checkpoints.join(number.to_string())
    }

    fn read(&self, number: u32, name: &str) -> Result<Index, StoreError> {
        let path = self.folder(number).join(name);
        let bytes = std::fs::read(&path).map_err(at(&path))?;
        Index::parse(&bytes).map_err(|reason| StoreError::Damaged { path, reason })
    }

    /// The file system's clock: what is changed from now on has this ctime or a later one.
    fn clock(&self) -> Result<Moment, PathError> {
        let path = self.checkpoints.join("clock");
        self.disk.replace(&path, b"")?;
        let folder = disk::open_path(&self.checkpoints)?;
        let about = disk::look(&folder, c"clock").map_err(at(&path))?;
        // Renaming gave it its ctime.
        Ok((about.st_ctime, about.st_ctime_nsec))
    }

    fn counts(&self, index: &Index) -> bool {
        !self.boot.is_empty() && index.boot == self.boot
    }
}

/// Whether two files can have blocks in common here.
fn can_share(disk: &Disk, folder: &Path) -> Result<bool, PathError> {
    let (one, two) = (folder.join("share.from"), folder.join("share.to"));
    let written = disk.replace(&one, &[7; 4096]).and_then(|()| disk.replace(&two, b""));
    match written {
        // What needs room is to say so; whether blocks are shared does not matter then.
        Err(error) if error.source.kind() == io::ErrorKind::StorageFull => return Ok(false),
        other => other?,
    }
    let from = std::fs::File::open(&one).map_err(at(&one))?;
    let to = std::fs::File::options().write(true).open(&two).map_err(at(&two))?;
    let shares = sys::share(&from, &to, 0, 4096).is_ok();
    disk.discard(&one)?;
    disk.discard(&two)?;
    Ok(shares)
}

impl Store for Packed {
    fn back_end(&self) -> BackEnd {
        if self.shares { BackEnd::Reflink } else { BackEnd::Embedded }
    }

    fn kept(&self) -> Result<Option<Vec<Step>>, StoreError> {
        Ok(None)
    }

    fn remember(&mut self, newest: Option<u32>) {
        let known = self.known.take().filter(|(number, _)| Some(*number) == newest);
        self.known = known.or_else(|| {
            self.worked = Writer::Any;
            let number = newest?;
            // A cache that is damaged, or an index: all is compared or copied then.
            let index = self.read(number, "now").or_else(|_| self.read(number, "index")).ok()?;
            Some((number, index))
        });
    }

    fn take(&mut self, number: u32, _step: &Step, next: Writer) -> Result<Kept, StoreError> {
        let folder = self.folder(number);
        let packs = Packs::new(&self.checkpoints);
        let worked = std::mem::replace(&mut self.worked, Writer::Any);
        let known = self.known.as_ref().map(|(_, index)| {
            let counts = self.counts(index);
            Known { index, counts, trusts: counts && worked.is_known() }
        });
        let target = Target { folder: &folder, checkpoint: number, shares: self.shares, next };
        let read = take::read(&self.disk, &self.build_data, known, &packs, &target)?;
        let boot = self.boot.clone();
        let taken = self.clock()?;
        let index = Index { boot, taken, root: read.root, folders: read.folders };
        let bytes = index.to_bytes();
        self.disk.replace(&folder.join("index"), &bytes)?;
        let mut files = read.packs;
        files.push(KeptFile::of("index", &bytes));
        (self.known, self.worked) = (Some((number, index)), next);
        let (paths, new_bytes, shared_bytes) = (read.paths, read.new_bytes, read.shared_bytes);
        Ok(Kept { taken: Taken { paths, new_bytes, shared_bytes }, files })
    }

    fn restore(&mut self, number: u32, _step: &Step) -> Result<Restored, StoreError> {
        // What the last rollback left has the stamps that may still be on the disk.
        let index = self.read(number, "now").or_else(|_| self.read(number, "index"));
        let mut wanted = index?;
        let wanted_counts = self.counts(&wanted);
        self.worked = Writer::Any;
        let known = self.known.take();
        let known = known.as_ref().map_or(&wanted, |(_, index)| index).clone();
        let counts = self.counts(&known);
        let known = Known { index: &known, counts, trusts: false };
        let packs = Packs::new(&self.checkpoints);
        let room = |name: &str| disk::open_path(&self.checkpoints.join(name));
        let rooms = restore::Rooms {
            gone: room("gone")?,
            apart: room("apart")?,
            links: room("links")?,
            spare: room("spare")?,
        };
        let known = restore::Stamped { newest: known, wanted_counts };
        let done =
            restore::restore(&self.disk, &self.build_data, &mut wanted, known, &packs, &rooms)?;
        wanted.boot = self.boot.clone();
        wanted.taken = self.clock()?;
        self.disk.replace(&self.folder(number).join("now"), &wanted.to_bytes())?;
        self.known = Some((number, wanted));
        Ok(Restored { made: done.made, removed: done.removed })
    }

    fn file_of(&self, number: u32, file: &str) -> Option<PathBuf> {
        let index = self.read(number, "index").ok()?;
        index.path_of(|content| content.checkpoint == number && pack::name(content.pack) == file)
    }

    fn forget(&mut self, _number: u32, _step: &Step) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.known = None;
        let unique = format!("cleared-{}-{}", std::process::id(), self.clock()?.1);
        let gone = self.checkpoints.join("gone").join(&unique);
        let fresh = self.checkpoints.join("apart").join(&unique);
        self.disk.ensure_folder(&fresh)?;
        self.disk.move_path(&self.build_data, &gone)?;
        Ok(self.disk.move_path(&fresh, &self.build_data)?)
    }
}
