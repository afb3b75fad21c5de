//! media.rs - what lies in the folder of media, and which step made it.
//!
//! ```text
//! AREA/.media        {STEP: [{"name", "size", "modified"}]}
//! AREA/media/NAME-MM-DD-HH-MM.iso, NAME.iso -> it      where the manifest has add_timestamp
//! ```
//!
//! Media are never rolled back, so a step is passed over only while what it made lies there as it
//! was made.  Written beside and renamed, not durable: without it a step's media are not missed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use image_manifest::{Native, Step};
use jiff::Zoned;
use serde::{Deserialize, Serialize};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Medium {
    name: String,
    size: u64,
    /// Nanoseconds since the epoch.
    modified: u64,
}

/// The files of the folder by name, and its folders by their names alone; hidden ones are not
/// finished.
pub fn list(folder: &Path) -> Result<Vec<Medium>> {
    let mut found = Vec::new();
    let named = || folder.display().to_string();
    for entry in std::fs::read_dir(folder).with_context(named)? {
        let entry = entry.with_context(named)?;
        let about = entry.metadata().with_context(named)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !(about.is_file() || about.is_dir()) {
            continue;
        }
        if about.is_dir() {
            found.push(Medium { name, size: 0, modified: 0 });
            continue;
        }
        let since = about.modified().with_context(named)?.duration_since(UNIX_EPOCH);
        let modified = since.map_or(0, |since| since.as_nanos() as u64);
        found.push(Medium { name, size: about.len(), modified });
    }
    found.sort();
    Ok(found)
}

/// Which step made what.
pub struct Makers {
    path: PathBuf,
    made: BTreeMap<String, Vec<Medium>>,
}

impl Makers {
    /// Of an area.
    pub fn of(area: &Path) -> Self {
        let path = area.join(".media");
        let text = std::fs::read(&path).unwrap_or_default();
        // One of another form is one of nothing.
        Self { path, made: serde_json::from_slice(&text).unwrap_or_default() }
    }

    /// How many of the first steps left what lies there.
    pub fn unchanged(&self, steps: &[Step], folder: &Path) -> Result<usize> {
        let there = list(folder)?;
        let is_there = |step: &&Step| {
            let made = self.made.get(&step.name);
            made.is_none_or(|made| made.iter().all(|one| there.contains(one)))
        };
        Ok(steps.iter().take_while(is_there).count())
    }

    /// Remembers what a step made: what is other than `before`, and what was its own already.
    pub fn keep(&mut self, step: &str, before: &[Medium], folder: &Path) -> Result<()> {
        let own = self.made.remove(step).unwrap_or_default();
        let mut made = list(folder)?;
        made.retain(|one| !before.contains(one) || own.contains(one));
        if made.is_empty() && own.is_empty() {
            return Ok(());
        }
        if !made.is_empty() {
            self.made.insert(step.to_owned(), made);
        }
        let beside = self.path.with_extension("new");
        let write = || {
            std::fs::write(&beside, serde_json::to_vec(&self.made)?)?;
            std::fs::rename(&beside, &self.path)
        };
        write().with_context(|| self.path.display().to_string())
    }
}

/// The end of the name of the medium that a step makes.
fn end(native: Native) -> Option<&'static str> {
    match native {
        Native::Iso => Some("iso"),
        Native::Usb => Some("usb"),
        _ => None,
    }
}

/// What the newer form says of a step that makes a medium.
pub fn making(native: Native, folder: &Path, name: &str, stamp: Option<&str>) -> Option<String> {
    let end = end(native)?;
    let path = folder.join(format!("{name}{}.{end}", stamp.unwrap_or_default()));
    Some(format!("Making final {} image: {}", end.to_uppercase(), path.display()))
}

/// What is put behind the name of a medium that is to have its time in it.
pub fn stamp(now: &Zoned) -> String {
    now.strftime("-%m-%d-%H-%M").to_string()
}

/// Gives the medium that a step made a name with its time; its own becomes a link to that.
pub fn name_by_time(native: Native, folder: &Path, name: &str, stamp: &str) -> Result<()> {
    let Some(end) = end(native) else { return Ok(()) };
    let (own, timed) = (format!("{name}.{end}"), format!("{name}{stamp}.{end}"));
    let at = folder.join(&own);
    let rename = || {
        std::fs::rename(&at, folder.join(&timed))?;
        std::os::unix::fs::symlink(&timed, &at)
    };
    rename().with_context(|| at.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Vec<Step> {
        let step = |name: &str| Step {
            name: name.to_owned(),
            message: String::new(),
            native: None,
            script: String::new(),
            arguments: Vec::new(),
            named: Vec::new(),
            built_in: false,
        };
        ["pop", "iso", "usb"].map(step).to_vec()
    }

    #[test]
    fn a_step_whose_medium_is_gone_is_not_passed_over() {
        let scratch = tempfile::tempdir().unwrap();
        let (area, folder) = (scratch.path(), scratch.path().join("media"));
        std::fs::create_dir(&folder).unwrap();
        let unchanged = || Makers::of(area).unchanged(&steps(), &folder).unwrap();
        assert_eq!(unchanged(), 3);
        for (step, medium) in [("pop", None), ("iso", Some("x.iso")), ("usb", Some("x.usb"))] {
            let before = list(&folder).unwrap();
            if let Some(medium) = medium {
                std::fs::write(folder.join(medium), step).unwrap();
            }
            Makers::of(area).keep(step, &before, &folder).unwrap();
        }
        assert_eq!(unchanged(), 3);
        // A step that leaves its medium as it is has made it still.
        Makers::of(area).keep("iso", &list(&folder).unwrap(), &folder).unwrap();
        std::fs::write(folder.join("x.usb"), "another").unwrap();
        assert_eq!(unchanged(), 2);
        std::fs::remove_file(folder.join("x.iso")).unwrap();
        assert_eq!(unchanged(), 1);
        std::fs::write(area.join(".media"), "{\"iso\":").unwrap();
        assert_eq!(unchanged(), 3);
    }

    #[test]
    fn a_medium_is_called_by_its_time() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path();
        let now: Zoned = "2026-01-02T03:04:05+00:00[UTC]".parse().unwrap();
        let stamp = stamp(&now);
        for text in ["one", "two"] {
            // As a step does: beside, then over whatever is there.
            std::fs::write(folder.join("beside"), text).unwrap();
            std::fs::rename(folder.join("beside"), folder.join("x.iso")).unwrap();
            name_by_time(Native::Iso, folder, "x", &stamp).unwrap();
            let link = std::fs::read_link(folder.join("x.iso")).unwrap();
            assert_eq!(link.to_str(), Some("x-01-02-03-04.iso"));
            assert_eq!(std::fs::read_to_string(folder.join("x.iso")).unwrap(), text);
        }
        name_by_time(Native::Disk, folder, "x", &stamp).unwrap();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
        let said = making(Native::Usb, Path::new("/m"), "x", Some(&stamp));
        assert_eq!(said.as_deref(), Some("Making final USB image: /m/x-01-02-03-04.usb"));
        assert_eq!(making(Native::ImPop, folder, "x", None), None);
    }
}
