//! times.rs - how long each step took the last time, for whoever wants to know how long it will.
//!
//! `AREA/.times` is a JSON object of seconds by step.  No part of what is built: written beside and
//! renamed, not durable, and without it nothing is lost but the estimate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is remembered.
#[derive(Debug, Default)]
pub struct Times {
    path: PathBuf,
    seconds: BTreeMap<String, f64>,
}

impl Times {
    /// Of an area.
    pub fn of(area: &Path) -> Self {
        let path = area.join(".times");
        let text = std::fs::read(&path).unwrap_or_default();
        // One of another form is one of nothing.
        let mut seconds: BTreeMap<String, f64> = serde_json::from_slice(&text).unwrap_or_default();
        seconds.retain(|_, seconds| seconds.is_finite() && *seconds >= 0.0);
        Self { path, seconds }
    }

    /// How long a step took.
    pub fn usual(&self, step: &str) -> Option<Duration> {
        Duration::try_from_secs_f64(*self.seconds.get(step)?).ok()
    }

    /// Remembers it.
    pub fn keep(&mut self, step: &str, took: Duration) {
        // Milliseconds are enough.
        self.seconds.insert(step.to_owned(), (took.as_secs_f64() * 1000.0).round() / 1000.0);
        let beside = self.path.with_extension("new");
        let text = serde_json::json!(self.seconds).to_string();
        // A build does not fail because nobody can be told how long it took.
        let _news =
            std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &self.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_time_counts_and_what_is_torn_does_not() {
        let scratch = tempfile::tempdir().unwrap();
        let mut times = Times::of(scratch.path());
        assert_eq!(times.usual("iso"), None);
        for seconds in [7, 3] {
            times.keep("iso", Duration::from_secs(seconds));
        }
        times.keep("usb", Duration::from_micros(1_499));
        let read = Times::of(scratch.path());
        assert_eq!(read.usual("iso"), Some(Duration::from_secs(3)));
        assert_eq!(read.usual("usb"), Some(Duration::from_millis(1)));
        for torn in ["{\"iso\":", "[1]", "{\"iso\":-1}", "{\"iso\":1e300}"] {
            std::fs::write(scratch.path().join(".times"), torn).unwrap();
            assert_eq!(Times::of(scratch.path()).usual("iso"), None, "{torn}");
        }
    }
}
