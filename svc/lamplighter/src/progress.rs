//! progress.rs - how far a working stage is: its progress file.
//!
//! `{"phase":"compile","done":3,"total":40,"item":"unix.c","since":1795514400}`; the file is gone
//! when the stage has ended.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::place::Place;

/// How far a stage is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Progress {
    /// What it does.
    pub phase: String,
    /// Of the total.
    #[serde(default)]
    pub done: u64,
    /// 0: nobody knows.
    #[serde(default)]
    pub total: u64,
    /// What it works on.
    #[serde(default)]
    pub item: String,
    /// When the stage began, in seconds since the epoch; 0: nobody knows.
    #[serde(default)]
    pub since: u64,
}

impl Progress {
    /// Reads a progress file's text.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Of a stage; `None` when it does not work.
    pub fn of(place: &Place, fmri: &str) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(place.stage(fmri).join("progress")).ok()?)
    }

    /// How long the stage works already.
    pub fn elapsed(&self) -> Option<Duration> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        // A clock that was set back says nothing.
        let elapsed = now.checked_sub(Duration::from_secs(self.since))?;
        (self.since > 0).then_some(elapsed)
    }

    /// `compile 3/40`
    pub fn shown(&self) -> String {
        match self.total {
            0 => self.phase.clone(),
            total => format!("{} {}/{total}", self.phase, self.done),
        }
    }

    /// Whether a line is worth printing after `before`: another phase, or a tenth more.
    pub fn is_news_after(&self, before: Option<&Self>) -> bool {
        let Some(before) = before else { return true };
        let tenth = |progress: &Self| progress.done * 10 / progress.total.max(1);
        before.phase != self.phase || tenth(before) != tenth(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(done: u64, total: u64) -> Progress {
        Progress { phase: "compile".into(), done, total, ..Progress::default() }
    }

    #[test]
    fn a_progress_file() {
        let text = r#"{"phase":"compile","done":3,"total":40,"item":"unix.c"}"#;
        let read = Progress::parse(text).unwrap();
        assert_eq!((read.shown().as_str(), read.item.as_str()), ("compile 3/40", "unix.c"));
        assert_eq!(Progress::parse(r#"{"phase":"merge"}"#).unwrap().shown(), "merge");
        assert_eq!(Progress::parse("{"), None);
        assert_eq!(read.elapsed(), None);
        assert!(
            Progress { since: 1, ..read.clone() }.elapsed() > Some(Duration::from_secs(1 << 30))
        );
        assert_eq!(Progress { since: u64::MAX, ..read }.elapsed(), None);
    }

    #[test]
    fn news() {
        for (before, now, news) in [
            (None, at(0, 40), true),
            (Some(at(0, 40)), at(3, 40), false),
            (Some(at(3, 40)), at(4, 40), true),
            (Some(at(3, 0)), at(4, 0), true),
            (Some(at(40, 40)), Progress { phase: "publish".into(), ..at(40, 40) }, true),
        ] {
            assert_eq!(now.is_news_after(before.as_ref()), news, "{before:?} {now:?}");
        }
    }
}
