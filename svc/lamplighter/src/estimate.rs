//! estimate.rs - how long the stages will take, by how long they took.
//!
//! A stage remembers its last runs (see `stage::durations`); the median is what to expect.  An
//! estimate is an upper bound of sorts: a stage that finds its output made already is done sooner.

use std::collections::BTreeMap;
use std::time::Duration;

use stage::durations;

use crate::place::Place;
use crate::smf::{Instance, PIPELINE};
use crate::verdict::Edges;

/// What to expect, by instance; those that never made an output are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Estimates(BTreeMap<String, Duration>);

impl Estimates {
    /// Of these instances.
    pub fn of(place: &Place, fmris: &[String]) -> Self {
        let usual = |fmri: &String| {
            let usual = durations::usual(&durations::read(&place.stage(fmri)))?;
            Some((fmri.clone(), usual))
        };
        Self(fmris.iter().filter_map(usual).collect())
    }

    /// How long a stage will take from its beginning.
    pub fn whole(&self, fmri: &str) -> Option<Duration> {
        self.0.get(fmri).copied()
    }

    /// What stands beside a working stage: `12s of about 1m 10s`; without an estimate `12s`.
    pub fn beside(&self, fmri: &str, elapsed: Option<Duration>) -> String {
        match (elapsed, self.whole(fmri)) {
            (None, None) => String::new(),
            (Some(elapsed), None) => format!(" ({})", shown(elapsed)),
            (None, Some(whole)) => format!(" (about {})", shown(whole)),
            (Some(elapsed), Some(whole)) => {
                format!(" ({} of about {})", shown(elapsed), shown(whole))
            }
        }
    }

    /// How long until all is online that is on its way: the longest way along the dependencies.
    /// `None` when nothing works, or nobody knows.
    pub fn left(
        &self,
        now: &[Instance],
        edges: &Edges,
        elapsed: &dyn Fn(&str) -> Option<Duration>,
    ) -> Option<Duration> {
        let mut own = BTreeMap::new();
        for one in now.iter().filter(|one| one.fmri != PIPELINE) {
            let works = one.next.is_some();
            if works || one.state == "offline" {
                let spent = elapsed(&one.fmri).filter(|_| works).unwrap_or_default();
                own.insert(one.fmri.as_str(), self.whole(&one.fmri)?.saturating_sub(spent));
            }
        }
        if !now.iter().any(|one| one.next.is_some() && one.fmri != PIPELINE) {
            return None;
        }
        // No way is longer than there are stages; so a circle ends too.
        let depth = now.len();
        now.iter().map(|one| longest(&one.fmri, &own, edges, depth)).max()
    }
}

fn longest(fmri: &str, own: &BTreeMap<&str, Duration>, edges: &Edges, depth: usize) -> Duration {
    let here = own.get(fmri).copied().unwrap_or_default();
    let next = edges.get(fmri).into_iter().flatten();
    let beyond = match depth {
        0 => None,
        depth => next.map(|fmri| longest(fmri, own, edges, depth - 1)).max(),
    };
    here + beyond.unwrap_or_default()
}

/// `12s`, `1m 05s`, `2h 03m`.
pub fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60) {
        (0, 0) if seconds == 0 => "<1s".to_owned(),
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m {:02}s", seconds % 60),
        (hours, minutes) => format!("{hours}h {:02}m", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (seconds, text) in
            [(0, "<1s"), (59, "59s"), (65, "1m 05s"), (3599, "59m 59s"), (7380, "2h 03m")]
        {
            assert_eq!(shown(Duration::from_secs(seconds)), text);
        }
    }

    fn instance(word: &str) -> Instance {
        let (fmri, state) = word.split_once('=').unwrap();
        let next = state.strip_suffix('*').map(|_| "online".to_owned());
        let state = state.trim_end_matches('*').to_owned();
        Instance { fmri: fmri.to_owned(), state, next, since: String::new() }
    }

    #[test]
    fn the_longest_way_counts() {
        let whole = [("a", 10), ("b", 100), ("c", 20), ("d", 5)];
        let whole = whole.map(|(name, s)| (name.to_owned(), Duration::from_secs(s)));
        let estimates = Estimates(whole.into());
        let edges: Edges = [("a", "c"), ("b", "c"), ("c", "d")]
            .iter()
            .map(|(from, to)| ((*from).to_owned(), vec![(*to).to_owned()]))
            .collect();
        let spent = |fmri: &str| (fmri == "a" || fmri == "b").then_some(Duration::from_secs(8));
        for (now, left) in [
            ("a=offline* b=offline* c=offline d=offline", Some(92 + 20 + 5)),
            ("a=offline* b=online c=offline d=offline", Some(2 + 20 + 5)),
            ("a=online b=online c=online d=offline*", Some(5)),
            ("a=online b=online c=maintenance d=offline", None),
            ("a=online b=online c=online d=online", None),
            ("a=offline* x=offline", None),
        ] {
            let now: Vec<Instance> = now.split_whitespace().map(instance).collect();
            let left = left.map(Duration::from_secs);
            assert_eq!(estimates.left(&now, &edges, &spent), left, "{now:?}");
        }
        assert_eq!(estimates.beside("b", spent("b")), " (8s of about 1m 40s)");
        assert_eq!(estimates.beside("x", spent("b")), " (8s)");
        assert_eq!(estimates.beside("x", None), "");
    }
}
