//! ways.rs - where many paths of a root lie on the disk.
//!
//! [`Rooted::on_disk`] looks at every directory above a path; who asks for all files of a root asks
//! the same of the same directories again and again.
//!
//! Law: nobody changes the root while this lives, so what was seen of a directory is so.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use super::{Result, Rooted};

/// The ways that were walked.
#[derive(Debug)]
pub struct Ways<'a> {
    root: &'a Rooted,
    /// Paths whose parents, and that themselves, are directories on the disk where they are there.
    seen: RwLock<HashSet<String>>,
}

impl<'a> Ways<'a> {
    /// Of a root.
    pub fn new(root: &'a Rooted) -> Self {
        Self { root, seen: RwLock::default() }
    }

    /// What [`Rooted::on_disk`] says.
    pub fn on_disk(&self, path: &str) -> Result<PathBuf> {
        let Some((above, _)) = path.rsplit_once('/') else { return self.root.on_disk(path) };
        if self.seen.read().unwrap_or_else(PoisonError::into_inner).contains(above) {
            return self.root.place(path);
        }
        let at = self.root.on_disk(path)?;
        self.seen.write().unwrap_or_else(PoisonError::into_inner).insert(above.to_owned());
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Owned;
    use super::*;

    #[test]
    fn a_way_is_walked_once_and_leads_nowhere_else() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("r");
        let mut root = Rooted::create(&dir, &scratch.path().join("t"), 9).unwrap();
        root.put("a/b/one", b"x", Owned::root(0o644)).unwrap();
        root.link("link", "a").unwrap();
        let ways = Ways::new(&root);
        for path in ["a/b/one", "a/b/two", "a/b", "a", "none/there"] {
            for _ in 0..2 {
                assert_eq!(ways.on_disk(path).unwrap(), dir.join(path));
            }
        }
        for path in ["link/b/one", "a/b/one/x", "a/b/../one", "../x", "a/b/", "/a"] {
            for _ in 0..2 {
                assert!(ways.on_disk(path).is_err(), "{path}");
            }
        }
    }
}
