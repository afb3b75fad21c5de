//! progress.rs - how far a working stage has come, for whoever looks.
//!
//! One JSON object in DIR/progress, written beside and renamed, so a reader never sees half of
//! one; removed when the work ends.  Not durable: it is news, not state.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// At most this often the file is written; a new phase is always written.
const PACE: Duration = Duration::from_millis(200);

/// The progress file of a stage; the file goes when this does.
#[derive(Debug)]
pub struct Progress {
    path: PathBuf,
    /// When the work began, in seconds since the epoch.
    since: u64,
    last: Mutex<Option<(String, Instant)>>,
}

impl Progress {
    /// In the directory of a stage.
    #[must_use]
    pub fn of(directory: &Path) -> Progress {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Progress { path: directory.join("progress"), since, last: Mutex::new(None) }
    }

    /// Tells: which part of the work, how many of how many (0 of 0 where nobody knows), on what.
    pub fn tell(&self, phase: &str, done: u64, total: u64, item: &str) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.as_ref().is_some_and(|(before, when)| before == phase && when.elapsed() < PACE) {
            return;
        }
        *last = Some((phase.to_owned(), Instant::now()));
        let text = serde_json::json!({
            "phase": phase, "done": done, "total": total, "item": item, "since": self.since
        });
        let beside = self.path.with_extension("new");
        // Work does not fail because nobody could be told of it.
        let _news =
            fs::write(&beside, format!("{text}\n")).and_then(|()| fs::rename(&beside, &self.path));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_and_gone() {
        let place = tempfile::tempdir().unwrap();
        let progress = Progress::of(place.path());
        let read = || fs::read_to_string(place.path().join("progress")).unwrap();
        progress.tell("copy", 1, 3, "usr/src");
        let since = progress.since;
        let text = r#"{"phase":"copy","done":1,"total":3,"item":"usr/src","since":"#;
        assert_eq!(read(), format!("{text}{since}}}\n"));
        progress.tell("copy", 2, 3, "usr/lib");
        assert!(read().contains("\"done\":1"), "too soon to be written again");
        progress.tell("build", 0, 0, "");
        assert!(read().contains("build"));
        drop(progress);
        assert!(fs::read_dir(place.path()).unwrap().next().is_none());
    }
}
