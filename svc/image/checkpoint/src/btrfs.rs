//! btrfs.rs - the back end of a btrfs file system: build_data is a subvolume.
//!
//! `.checkpoints/N/data` is a read-only snapshot of it.  No rights are needed but those of the
//! subvolume's owner.

use std::path::{Path, PathBuf};

use crate::area::{BackEnd, Restored, Taken, Writer};
use crate::disk::{self, Disk};
use crate::error::{PathError, StoreError, at};
use crate::keeper::remove_all;
use crate::name::Step;
use crate::store::{Kept, Store};
use crate::sys::btrfs;

/// See the module.
pub(crate) struct Btrfs {
    disk: Disk,
    build_data: PathBuf,
    checkpoints: PathBuf,
}

impl Btrfs {
    /// The back end, if the file system is btrfs and build_data can be or is a subvolume.
    pub(crate) fn open(
        disk: &Disk,
        build_data: &Path,
        checkpoints: &Path,
    ) -> Result<Option<Btrfs>, StoreError> {
        if !btrfs::is_btrfs(checkpoints).map_err(at(checkpoints))? {
            return Ok(None);
        }
        let (build_data, checkpoints) = (build_data.to_owned(), checkpoints.to_owned());
        let store = Btrfs { disk: disk.clone(), build_data, checkpoints };
        remove_all(disk, &store.fresh())?;
        // One that somebody has emptied by removing it is made anew; one that is full is no subvolume
        // that we could snapshot.
        let emptied = std::fs::remove_dir(&store.build_data).is_ok();
        if emptied || !store.build_data.exists() {
            let made = store.create(&store.build_data);
            return Ok(made.is_ok().then_some(store));
        }
        let is_subvolume = btrfs::is_subvolume(&store.build_data).map_err(at(&store.build_data))?;
        Ok(is_subvolume.then_some(store))
    }

    fn fresh(&self) -> PathBuf {
        self.checkpoints.join("fresh")
    }

    fn create(&self, path: &Path) -> Result<(), PathError> {
        self.disk.before("subvolume").map_err(at(path))?;
        let folder = disk::open_path(path.parent().unwrap_or(path))?;
        btrfs::create(&folder, path.file_name().unwrap_or_default()).map_err(at(path))
    }

    fn snapshot(&self, from: &Path, to: &Path, kind: btrfs::Kind) -> Result<(), PathError> {
        self.disk.before("snapshot").map_err(at(to))?;
        let source = disk::open_path(from)?;
        let folder = disk::open_path(to.parent().unwrap_or(to))?;
        btrfs::snapshot(&source, &folder, to.file_name().unwrap_or_default(), kind).map_err(at(to))
    }

    fn data(&self, number: u32) -> PathBuf {
        self.checkpoints.join(number.to_string()).join("data")
    }

    /// Puts `fresh` in build_data's place.
    fn exchange(&self) -> Result<(), PathError> {
        let time = jiff::Timestamp::now().as_nanosecond();
        let gone = self.checkpoints.join("gone").join(format!("build_data.{time}"));
        if self.build_data.exists() {
            self.disk.move_path(&self.build_data, &gone)?;
        }
        self.disk.move_path(&self.fresh(), &self.build_data)
    }
}

impl Store for Btrfs {
    fn back_end(&self) -> BackEnd {
        BackEnd::Btrfs
    }

    fn kept(&self) -> Result<Option<Vec<Step>>, StoreError> {
        Ok(None)
    }

    fn remember(&mut self, _newest: Option<u32>) {}

    fn take(&mut self, number: u32, _step: &Step, _next: Writer) -> Result<Kept, StoreError> {
        self.snapshot(&self.build_data, &self.data(number), btrfs::Kind::ReadOnly)?;
        Ok(Kept { taken: Taken::default(), files: Vec::new() })
    }

    fn restore(&mut self, number: u32, _step: &Step) -> Result<Restored, StoreError> {
        remove_all(&self.disk, &self.fresh())?;
        self.snapshot(&self.data(number), &self.fresh(), btrfs::Kind::Writable)?;
        self.exchange()?;
        Ok(Restored::default())
    }

    fn forget(&mut self, _number: u32, _step: &Step) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        remove_all(&self.disk, &self.fresh())?;
        self.create(&self.fresh())?;
        Ok(self.exchange()?)
    }
}
