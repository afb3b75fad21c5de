//! ledger.rs - whose files a program said they were, and what devices it made, where the system
//! would not let it.
//!
//! A program without privilege may give no file away and make no device.  With a ledger
//! ([`crate::Program::ledger`]) it may: the calls are answered as the system answers root, and what
//! they asked for is written here, by file, not by name.  A device is an empty file on the disk.
//! A program that looks at a file sees what the ledger says of it, so that who copies a file with
//! its owner, or replaces it by another, gives it the owner that it has.
//!
//! Invariant: a claim belongs to the file that it was made of.  One that is gone leaves its claim
//! to no other, even where the file system uses its number again.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys;

/// A device that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// A block device; else a character device.
    pub is_block: bool,
    /// Its driver.
    pub major: u32,
    /// Its instance.
    pub minor: u32,
}

/// What was said of a file; what was not said is as the disk says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claim {
    /// Its owner.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// What device it is.
    pub device: Option<Device>,
}

/// What tells a file from the next one of the same number.
pub(crate) type Generation = Vec<u8>;

/// All that was said.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By file system and number.
    claims: Mutex<HashMap<(u64, u64), (Generation, Claim)>>,
    witnessed: AtomicBool,
}

impl Ledger {
    fn claims(&self) -> MutexGuard<'_, HashMap<(u64, u64), (Generation, Claim)>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing was said at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.claims().is_empty()
    }

    /// Whether a program's calls were answered: only then does silence mean something.
    #[must_use]
    pub fn is_witnessed(&self) -> bool {
        self.witnessed.load(Ordering::SeqCst)
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn witness(&self) {
        self.witnessed.store(true, Ordering::SeqCst);
    }

    /// Says of the file at a path, of which the system says `about`, what is known of it.
    pub fn know(&self, path: &Path, about: &Metadata, claim: Claim) {
        self.say((about.dev(), about.ino()), sys::generation_at(path), claim);
    }

    /// What was said of a file, whose generation is asked for only where it matters.
    pub(crate) fn claim(
        &self,
        file: (u64, u64),
        generation: impl FnOnce() -> Generation,
    ) -> Option<Claim> {
        let claims = self.claims();
        let (known, claim) = claims.get(&file)?;
        (*known == generation()).then_some(*claim)
    }

    /// What was said of the file at a path, of which the system says `about`.
    #[must_use]
    pub fn of(&self, path: &Path, about: &Metadata) -> Option<Claim> {
        self.claim((about.dev(), about.ino()), || sys::generation_at(path))
    }

    /// Adds to what was said of a file: the newest word counts.
    pub(crate) fn say(&self, file: (u64, u64), generation: Generation, said: Claim) {
        let mut claims = self.claims();
        let known = claims.entry(file).or_default();
        if known.0 != generation {
            *known = (generation, Claim::default());
        }
        let Claim { uid, gid, device } = known.1;
        known.1 =
            Claim { uid: said.uid.or(uid), gid: said.gid.or(gid), device: said.device.or(device) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_word_counts_and_only_of_its_file() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        std::fs::write(&path, "").unwrap();
        let about = std::fs::symlink_metadata(&path).unwrap();
        let ledger = Ledger::default();
        assert_eq!(ledger.of(&path, &about), None);
        let (file, own) = ((about.dev(), about.ino()), sys::generation_at(&path));
        let device = Device { is_block: false, major: 1, minor: 3 };
        let made = Claim { device: Some(device), ..Claim::default() };
        ledger.say(file, own.clone(), made);
        ledger.say(file, own.clone(), Claim { uid: Some(5), gid: Some(6), device: None });
        ledger.say(file, own, Claim { uid: Some(7), ..Claim::default() });
        let wanted = Claim { uid: Some(7), gid: Some(6), device: Some(device) };
        assert_eq!(ledger.of(&path, &about), Some(wanted));
        ledger.say(file, b"another".to_vec(), Claim { gid: Some(9), ..Claim::default() });
        assert_eq!(ledger.of(&path, &about), None, "the file it was said of is gone");
    }
}
