//! kept.rs - what is made of a publisher's files once and kept while they stay as they are.
//!
//! Who asks for a thing that is being made waits for it; nobody waits for another publisher's.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What tells a file from the next one at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64, i64, i64, u64);

impl Stamp {
    /// Of the file that is there now.
    pub fn of(path: &Path) -> Option<Stamp> {
        let about = fs::metadata(path).ok()?;
        Some(Stamp(about.ino(), about.mtime(), about.mtime_nsec(), about.size()))
    }
}

type Slot<T> = Arc<Mutex<Option<Arc<T>>>>;

/// A thing for each publisher.
pub struct Kept<T> {
    slots: Mutex<BTreeMap<String, Slot<T>>>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

/// What is behind these locks is replaced whole, so a panic leaves nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Kept<T> {
    /// The thing of a publisher that is here: what is kept, if it is current, else what `make`
    /// makes.
    pub fn get<E>(
        &self,
        publisher: &str,
        is_current: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let slot = locked(&self.slots).entry(publisher.to_string()).or_default().clone();
        let mut slot = locked(&slot);
        if let Some(held) = slot.as_ref().filter(|held| is_current(held)) {
            return Ok(held.clone());
        }
        // The old one goes first: two of them need not fit into memory.
        *slot = None;
        let made = Arc::new(make()?);
        *slot = Some(made.clone());
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_made_once_for_each_publisher_until_they_are_old() {
        let kept: Kept<u32> = Kept::default();
        let get = |publisher: &str, current: bool, value: u32| {
            *kept.get(publisher, |_| current, || Ok::<u32, ()>(value)).unwrap()
        };
        assert_eq!(get("a", true, 1), 1);
        assert_eq!(get("a", true, 2), 1);
        assert_eq!(get("b", true, 3), 3);
        assert_eq!(get("a", false, 4), 4);
        assert!(kept.get("a", |_| false, || Err(())).is_err());
        assert_eq!(get("a", true, 5), 5);
    }
}
