//! quarantine.rs - what `verify` found damaged is put aside, and the catalog made anew.
//!
//! ```text
//! PUB/pkg5-quarantine/fix.RANDOM/pkg/NAME/VERSION   manifests
//!                               /file/HH/HASH       payloads
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ips_model::Timestamp;

use crate::durable;
use crate::error::{WriteError, at};
use crate::lock::{Lock, Wait};
use crate::repository::Repository;
use crate::verify::{Fault, Finding};

/// The folder in a publisher's.
pub(crate) const FOLDER: &str = "pkg5-quarantine";

/// What was put aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed {
    /// The packages that are gone; of a file that is no package its path.
    pub quarantined: BTreeSet<String>,
    /// What could not be moved.
    pub failed: BTreeSet<PathBuf>,
}

impl Repository {
    /// Puts aside what is damaged, every package that needs it too, and makes the catalog anew.
    pub fn fix(
        &self,
        publisher: &str,
        findings: &[Finding],
        now: Timestamp,
    ) -> Result<Fixed, WriteError> {
        let damaged: Vec<&Finding> =
            findings.iter().filter(|finding| finding.fault != Fault::Restricted).collect();
        let mut fixed = Fixed::default();
        if damaged.is_empty() {
            return Ok(fixed);
        }
        let folder = self.changed_publisher(publisher)?;
        durable::make_folder(&folder.join("tmp"))?;
        {
            let _lock = Lock::take(&folder, Wait::Refuse)?;
            let quarantine = folder.join(FOLDER);
            durable::make_folder(&quarantine)?;
            let aside = tempfile::Builder::new()
                .prefix("fix.")
                .tempdir_in(&quarantine)
                .map_err(at(&quarantine))?
                .keep();
            for finding in damaged {
                let manifest = finding.package.as_ref().map(|fmri| self.manifest_path(fmri));
                let manifest = manifest.transpose()?;
                for path in [Some(finding.place.clone()), manifest].into_iter().flatten() {
                    if !put_aside(&folder, &path, &aside) {
                        fixed.failed.insert(path);
                    }
                }
                let name = finding.package.as_ref().map(ToString::to_string);
                let name = name.unwrap_or_else(|| finding.place.display().to_string());
                fixed.quarantined.insert(name);
            }
        }
        self.rebuild(publisher, now)?;
        Ok(fixed)
    }
}

/// Moves a file of the publisher, if it is there; whether it is gone from its place.
fn put_aside(folder: &Path, path: &Path, aside: &Path) -> bool {
    let Ok(below) = path.strip_prefix(folder) else { return false };
    if fs::symlink_metadata(path).is_err() {
        return true;
    }
    let place = aside.join(below);
    let made = place.parent().is_none_or(|parent| durable::make_folder(parent).is_ok());
    made && fs::rename(path, place).is_ok()
}
