//! zfs.rs - the back end of a dataset: snapshots of its child build_data.
//!
//! `DATASET/build_data@.step_NAME` is the state before NAME, `@empty` the state of a fresh build.
//! `DATASET/media` and `DATASET/logs` are children of their own, which no rollback reaches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::area::{BackEnd, Ran, Restored, Tools, Writer};
use crate::disk::Disk;
use crate::error::{OpenError, StoreError};
use crate::name::Step;
use crate::place::is_absent;
use crate::store::{Kept, Store};

/// See the module.
pub(crate) struct Zfs {
    disk: Disk,
    tools: Arc<dyn Tools>,
    dataset: String,
    build_data: String,
}

/// Runs zfs; what it said when it said no.
fn zfs(tools: &dyn Tools, arguments: &[&str]) -> Result<Ran, StoreError> {
    let ran = tools.run("zfs", arguments);
    ran.map_err(|error| StoreError::Zfs {
        command: arguments.join(" "),
        complaint: error.to_string(),
    })
}

fn must(tools: &dyn Tools, arguments: &[&str]) -> Result<String, StoreError> {
    let Ran { success, out, complaint } = zfs(tools, arguments)?;
    if success { Ok(out) } else { Err(StoreError::Zfs { command: arguments.join(" "), complaint }) }
}

impl Zfs {
    /// Sees that a dataset is there; where it is mounted.
    pub(crate) fn ensure(tools: &dyn Tools, dataset: &str) -> Result<PathBuf, OpenError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
        let pool = dataset.split('/').next().unwrap_or_default().to_owned();
        let refused = || OpenError::NoPool { dataset: dataset.to_owned(), pool: pool.clone() };
        if !dataset.starts_with(|c: char| c.is_ascii_alphabetic()) || !dataset.chars().all(plain) {
            return Err(refused());
        }
        let list = ["list", "-H", "-o", "mountpoint", dataset];
        let there = match tools.run("zfs", &list) {
            Err(error) if is_absent(&error) => return Err(OpenError::NoZfs),
            Err(_) => zfs(tools, &list)?,
            Ok(ran) => ran,
        };
        if !there.success && !zfs(tools, &["create", "-p", dataset])?.success {
            return Err(refused());
        }
        let mountpoint = must(tools, &list)?;
        let mountpoint = PathBuf::from(mountpoint.trim_end_matches('\n'));
        if !mountpoint.is_absolute() {
            let (command, complaint) = (list.join(" "), "it is mounted nowhere".to_owned());
            return Err(StoreError::Zfs { command, complaint }.into());
        }
        Ok(mountpoint)
    }

    /// The dataset that is mounted exactly at a path.
    pub(crate) fn mounted_at(tools: &dyn Tools, path: &Path) -> Result<Option<String>, OpenError> {
        let list = ["list", "-H", "-t", "filesystem", "-o", "name,mountpoint"];
        let ran = match tools.run("zfs", &list) {
            Err(error) if is_absent(&error) => return Ok(None),
            Err(_) => zfs(tools, &list)?,
            // Without pools or without permission there are none for us.
            Ok(ran) => ran,
        };
        let mut lines = ran.out.lines().filter_map(|line| line.split_once('\t'));
        Ok(lines.find(|(_, at)| Path::new(at) == path).map(|(name, _)| name.to_owned()))
    }

    /// Sees that the children are there.
    pub(crate) fn make_children(tools: &dyn Tools, dataset: &str) -> Result<(), OpenError> {
        for child in ["build_data", "media", "logs"] {
            let child = format!("{dataset}/{child}");
            if !zfs(tools, &["list", "-H", "-o", "name", &child])?.success {
                must(tools, &["create", &child])?;
                if child.ends_with("/build_data") {
                    must(tools, &["snapshot", &format!("{child}@empty")])?;
                }
            }
        }
        Ok(())
    }

    /// The back end of a dataset whose children are there.
    pub(crate) fn open(
        disk: &Disk,
        tools: &Arc<dyn Tools>,
        dataset: &str,
    ) -> Result<Zfs, StoreError> {
        let (disk, tools) = (disk.clone(), Arc::clone(tools));
        let build_data = format!("{dataset}/build_data");
        Ok(Zfs { disk, tools, dataset: dataset.to_owned(), build_data })
    }

    fn change(&self, arguments: &[&str]) -> Result<(), StoreError> {
        self.disk.before("zfs").map_err(|error| StoreError::Zfs {
            command: arguments.join(" "),
            complaint: error.to_string(),
        })?;
        must(self.tools.as_ref(), arguments).map(|_| ())
    }

    /// The snapshots of build_data, the oldest first: what follows the `@`.
    fn snapshots(&self) -> Result<Vec<String>, StoreError> {
        let list = ["list", "-H", "-t", "snapshot", "-o", "name", "-r", &self.build_data];
        let listed = must(self.tools.as_ref(), &list)?;
        let prefix = format!("{}@", self.build_data);
        let names = listed.lines().filter_map(|line| line.strip_prefix(&prefix));
        Ok(names.map(str::to_owned).collect())
    }

    fn snapshot(&self, step: &Step) -> String {
        format!("{}@.step_{step}", self.build_data)
    }
}

impl Store for Zfs {
    fn back_end(&self) -> BackEnd {
        BackEnd::Zfs { dataset: self.dataset.clone() }
    }

    fn kept(&self) -> Result<Option<Vec<Step>>, StoreError> {
        let names = self.snapshots()?;
        let steps = names.iter().filter_map(|name| name.strip_prefix(".step_"));
        Ok(Some(steps.filter_map(|step| Step::new(step).ok()).collect()))
    }

    fn remember(&mut self, _newest: Option<u32>) {}

    fn take(&mut self, _number: u32, step: &Step, _next: Writer) -> Result<Kept, StoreError> {
        self.change(&["snapshot", &self.snapshot(step)])?;
        Ok(Kept::default())
    }

    fn restore(&mut self, _number: u32, step: &Step) -> Result<Restored, StoreError> {
        self.change(&["rollback", "-r", &self.snapshot(step)])?;
        Ok(Restored::default())
    }

    fn forget(&mut self, _number: u32, step: &Step) -> Result<(), StoreError> {
        let name = format!(".step_{step}");
        if self.snapshots()?.contains(&name) {
            self.change(&["destroy", &self.snapshot(step)])?;
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        let empty = format!("{}@empty", self.build_data);
        if self.snapshots()?.iter().any(|name| name == "empty") {
            return self.change(&["rollback", "-r", &empty]);
        }
        // Not of our making.
        self.change(&["destroy", "-r", &self.build_data])?;
        self.change(&["create", &self.build_data])?;
        self.change(&["snapshot", &empty])
    }
}
