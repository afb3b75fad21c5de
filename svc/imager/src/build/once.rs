//! once.rs - a step to go back to counts once for each time that it is set.
//!
//! ```text
//! DIR/resumed    {"step": what was gone back to, "count": how often that was}
//! ```
//!
//! A command is typed; a property stays.  A reboot, a `clear` or an edge that fires finds it again,
//! and shall not make everything anew.  The count is part of what names an output: what was made once
//! more lies beside what was made before.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// Empty where nothing is wished any more.
    step: String,
    count: u64,
}

/// What was gone back to.
pub struct Once {
    path: PathBuf,
    record: Record,
}

impl Once {
    /// Of a stage's directory.
    pub fn of(directory: &Path) -> Result<Self> {
        let path = directory.join("resumed");
        let record = match std::fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).with_context(|| path.display().to_string())?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Record::default(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        Ok(Self { path, record })
    }

    /// Whether a wish, empty for none, is still to be followed.
    pub fn is_new(&self, wish: &str) -> bool {
        !wish.is_empty() && wish != self.record.step
    }

    /// How often will have been gone back once a wish is followed.
    pub fn count(&self, wish: &str) -> u64 {
        self.record.count + u64::from(self.is_new(wish))
    }

    /// Remembers that a wish was followed.
    pub fn keep(&self, wish: &str) -> Result<()> {
        if wish == self.record.step {
            return Ok(());
        }
        let record = Record { step: wish.to_owned(), count: self.count(wish) };
        image_rooted::archive::write_file(&self.path, &serde_json::to_vec(&record)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_new_when_it_is_set_anew() {
        let scratch = tempfile::tempdir().unwrap();
        let mut seen = Vec::new();
        for wish in ["", "iso", "iso", "usb", "", "usb", "usb"] {
            let once = Once::of(scratch.path()).unwrap();
            seen.push((once.is_new(wish), once.count(wish)));
            once.keep(wish).unwrap();
        }
        let wanted =
            [(false, 0), (true, 1), (false, 1), (true, 2), (false, 2), (true, 3), (false, 3)];
        assert_eq!(seen, wanted);
        // Who was killed before it was remembered is asked again, for the same.
        let once = Once::of(scratch.path()).unwrap();
        assert_eq!((once.is_new("iso"), once.count("iso")), (true, 4));
        let once = Once::of(scratch.path()).unwrap();
        assert_eq!((once.is_new("iso"), once.count("iso")), (true, 4));
        std::fs::write(scratch.path().join("resumed"), "{").unwrap();
        assert!(Once::of(scratch.path()).is_err());
    }
}
