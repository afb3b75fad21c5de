//! durations.rs - how long a stage took the last times, for whoever wants to know how long it
//! will take.
//!
//! DIR/durations is a JSON array of seconds, the oldest first, of the last runs that made an
//! output.  No part of an output or of a recipe: it is written beside and renamed, not durable,
//! and without it nothing is lost but the estimate.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// So many runs are remembered.
const REMEMBERED: usize = 9;

/// The last durations in seconds, the oldest first; none where the file is absent or torn.
#[must_use]
pub fn read(directory: &Path) -> Vec<f64> {
    let text = fs::read_to_string(directory.join("durations")).unwrap_or_default();
    let all: Vec<f64> = serde_json::from_str(&text).unwrap_or_default();
    all.into_iter().filter(|seconds| seconds.is_finite() && *seconds >= 0.0).collect()
}

/// Remembers one more.
pub(crate) fn add(directory: &Path, took: Duration) {
    let mut all = read(directory);
    // Milliseconds are enough.
    all.push((took.as_secs_f64() * 1000.0).round() / 1000.0);
    let old = all.len().saturating_sub(REMEMBERED);
    let text = serde_json::json!(all[old..]);
    let (path, beside) = (directory.join("durations"), directory.join("durations.new"));
    // Work does not fail because nobody can be told how long it took.
    let _news = fs::write(&beside, format!("{text}\n")).and_then(|()| fs::rename(&beside, &path));
}

/// What to expect: the median, which one strange run does not move.
#[must_use]
pub fn usual(durations: &[f64]) -> Option<Duration> {
    let mut sorted = durations.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2)?;
    Duration::try_from_secs_f64(*middle).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_remembered() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!((read(place.path()), usual(&[])), (vec![], None));
        for seconds in 1..=12 {
            add(place.path(), Duration::from_secs(seconds));
        }
        let all = read(place.path());
        assert_eq!((all.len(), all[0], all[8]), (REMEMBERED, 4.0, 12.0));
        assert_eq!(usual(&all), Some(Duration::from_secs(8)));
        assert_eq!(usual(&[1.0, 900.0, 1.5]), Some(Duration::from_millis(1500)));
        for torn in ["[1,", "{}", "[1e999]", "[-1]", "[\"x\"]"] {
            fs::write(place.path().join("durations"), torn).unwrap();
            assert_eq!(read(place.path()), Vec::<f64>::new(), "{torn}");
        }
    }
}
