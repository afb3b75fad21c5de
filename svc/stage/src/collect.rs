//! collect.rs - which outputs go, and that nobody loses one he reads.
//!
//! Never goes what `current` names and what somebody holds (see [`crate::Input`]; a caller who wants
//! an output kept holds it).  Of the rest the newest stay, by the time of the stamp; what has no
//! stamp was never complete and is older than all.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::lock;
use crate::output::{OutputError, Outputs, STAMP, at, remove_tree};

/// What stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    /// So many of the newest, one at least.
    pub keep: u64,
    /// What was finished since then, too.
    pub since: Option<SystemTime>,
}

impl Retention {
    /// The newest, by count alone.
    #[must_use]
    pub fn newest(keep: u64) -> Retention {
        Retention { keep, ..Retention::default() }
    }
}

/// Whether outputs are removed or only named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collecting {
    /// They are removed.
    Really,
    /// Nothing is changed.
    Trial,
}

/// An output that went, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// Where it lies.
    pub path: PathBuf,
    /// The bytes that its file system has back.
    pub freed: u64,
}

impl Outputs {
    /// Removes outputs that nobody needs, the oldest first.
    ///
    /// # Errors
    /// The directory cannot be read, or an output not be removed.
    pub fn collect(
        &self,
        retention: &Retention,
        how: Collecting,
    ) -> Result<Vec<Collected>, OutputError> {
        let mut gone = Vec::new();
        for path in self.surplus(retention)? {
            gone.extend(collect_one(&path, how).map_err(at(&path))?);
        }
        Ok(gone)
    }

    /// What the retention gives away, the oldest first; it may be held.
    fn surplus(&self, retention: &Retention) -> Result<Vec<PathBuf>, OutputError> {
        let (out, current) = (self.all(), self.current_name());
        let mut found = Vec::new();
        for entry in fs::read_dir(&out).map_err(at(&out))? {
            let path = entry.map_err(at(&out))?.path();
            let born = fs::metadata(path.join(STAMP)).and_then(|stamp| stamp.modified());
            found.push((born.unwrap_or(UNIX_EPOCH), path));
        }
        found.sort();
        let keep = usize::try_from(retention.keep).unwrap_or(usize::MAX).max(1);
        found.truncate(found.len().saturating_sub(keep));
        found.retain(|(born, path)| {
            let name = path.file_name();
            let is_young = retention.since.is_some_and(|since| *born >= since);
            name != current.as_deref() && !is_young
        });
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }
}

/// The stamp goes first, under its lock: a half-removed output is never a complete one.
fn collect_one(path: &Path, how: Collecting) -> io::Result<Option<Collected>> {
    let stamp = File::open(path.join(STAMP)).ok();
    if let Some(stamp) = &stamp {
        if !lock::try_exclusive(stamp)? {
            return Ok(None);
        }
    }
    let mut links = HashMap::new();
    let freed = size(path, &mut links)?;
    if how == Collecting::Really {
        if stamp.is_some() {
            fs::remove_file(path.join(STAMP))?;
        }
        remove_tree(path)?;
    }
    Ok(Some(Collected { path: path.to_owned(), freed }))
}

/// What removing a tree brings: a file with a link elsewhere brings nothing.
fn size(path: &Path, links: &mut HashMap<(u64, u64), u64>) -> io::Result<u64> {
    let about = fs::symlink_metadata(path)?;
    let own = about.blocks() * 512;
    if !about.is_dir() {
        let seen = links.entry((about.dev(), about.ino())).or_default();
        *seen += 1;
        return Ok(if *seen == about.nlink() { own } else { 0 });
    }
    // What may not be read is not counted; whether it can be removed is seen then.
    let Ok(entries) = fs::read_dir(path) else { return Ok(own) };
    entries.map(|entry| size(&entry?.path(), links)).try_fold(own, |sum, next| Ok(sum + next?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Input, Stamp};
    use std::time::Duration;

    /// An output that was finished so many days ago.
    fn made(place: &Path, digest: &str, days: u64) -> PathBuf {
        let work = place.join("work");
        fs::create_dir_all(work.join("sub")).unwrap();
        fs::write(work.join("sub/file"), vec![7; 100_000]).unwrap();
        let stamp = Stamp { digest: digest.into(), ..Stamp::default() };
        let path = Outputs::of(place).finish(&work, &stamp).unwrap();
        let born = SystemTime::now() - Duration::from_secs(days * 86400);
        let file = File::options().write(true).open(path.join(STAMP)).unwrap();
        file.set_modified(born).unwrap();
        path
    }

    fn there(place: &Path) -> String {
        let mut names: Vec<_> = fs::read_dir(place.join("out")).unwrap().collect();
        names.sort_by_key(|entry| entry.as_ref().unwrap().path());
        let names = names.into_iter().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn the_old_go_the_held_stay() {
        let place = tempfile::tempdir().unwrap();
        let outputs = Outputs::of(place.path());
        let collect = |keep| outputs.collect(&Retention::newest(keep), Collecting::Really).unwrap();
        let mut held = Vec::new();
        for (digest, days) in [("a", 4), ("b", 3), ("c", 2), ("d", 1)] {
            let path = made(place.path(), digest, days);
            if digest == "a" {
                held.push(Input::hold(&path).unwrap());
            }
        }
        collect(2);
        assert_eq!(there(place.path()), "acd");
        held.clear();
        outputs.reuse("a").unwrap();
        collect(1);
        assert_eq!(there(place.path()), "ad", "the current one stays");
    }

    #[test]
    fn by_age() {
        let place = tempfile::tempdir().unwrap();
        let outputs = Outputs::of(place.path());
        for (digest, days) in [("a", 40), ("b", 30), ("c", 20), ("d", 10), ("e", 0)] {
            made(place.path(), digest, days);
        }
        fs::create_dir(place.path().join("out/ruin")).unwrap();
        let since = Some(SystemTime::now() - Duration::from_secs(15 * 86400));
        let _held = Input::hold(&place.path().join("out/b")).unwrap();
        let retention = Retention { keep: 1, since };
        let told = outputs.collect(&retention, Collecting::Trial).unwrap();
        let names: Vec<_> = told.iter().map(|one| one.path.file_name().unwrap()).collect();
        assert_eq!(names, ["ruin", "a", "c"], "the oldest first");
        assert_eq!(there(place.path()), "abcderuin", "a trial changes nothing");
        assert!(told[1].freed >= 100_000, "{told:?}");
        assert_eq!(outputs.collect(&retention, Collecting::Really).unwrap(), told);
        assert_eq!(there(place.path()), "bde");
    }

    #[test]
    fn what_is_linked_elsewhere_frees_nothing() {
        let place = tempfile::tempdir().unwrap();
        let one = made(place.path(), "a", 2);
        let alone = size(&one, &mut HashMap::new()).unwrap();
        fs::hard_link(one.join("sub/file"), one.join("sub/again")).unwrap();
        assert_eq!(size(&one, &mut HashMap::new()).unwrap(), alone, "both links are in it");
        fs::hard_link(one.join("sub/file"), place.path().join("elsewhere")).unwrap();
        assert!(size(&one, &mut HashMap::new()).unwrap() + 100_000 <= alone);
    }
}
