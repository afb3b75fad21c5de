//! donor.rs - payloads taken from a root that nobody needs any more.
//!
//! Whoever fills a root anew and has what he filled before gives it away: its files are moved, not
//! fetched, unpacked and written.
//!
//! Law: the giver vouches that each file he names has the content whose hash he tells.  The root
//! loses what is taken.

use std::collections::HashMap;
use std::path::Path;

use crate::below::Lies;
use crate::execute::fetch::Wanted;
use crate::root::{Directory, Root, RootError, staged_mode};

/// A root that is given away.
#[derive(Debug)]
pub struct Donor {
    root: Root,
    payloads: HashMap<String, String>,
}

impl Donor {
    /// The root below a directory; `payloads` tells by path the hash of what lies there.
    pub fn open(root: &Path, payloads: HashMap<String, String>) -> Result<Self, RootError> {
        Ok(Self { root: Root::open(root)?, payloads })
    }

    /// Moves a payload into the stage, if it lies where it is to be again; whether it did.
    pub(crate) fn give(&self, wanted: &Wanted<'_>, stage: &Directory) -> Result<bool, RootError> {
        let (Some(path), Some(hash)) = (wanted.action.get("path"), wanted.action.payload_hash())
        else {
            return Ok(false);
        };
        if self.payloads.get(path).is_none_or(|known| known != hash) {
            return Ok(false);
        }
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(directory) = self.root.existing(above)? else { return Ok(false) };
        let Some(there) = directory.look(name)? else { return Ok(false) };
        let size = wanted.action.get("pkg.size").and_then(|size| size.parse().ok());
        if there.lies != Lies::File || size.is_some_and(|size: u64| size != there.size) {
            return Ok(false);
        }
        let mode = staged_mode(wanted.mode);
        if there.mode != mode {
            directory.mode(name, mode)?;
        }
        stage.take(&directory, name, &wanted.staged)
    }
}
