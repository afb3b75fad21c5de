//! verdict.rs - what the states of the pipeline come to, seen from where a run began.
//!
//! Pure.  A run begins with a picture of all states.  Stages that it makes anew (restarted, or
//! taken along) must have left that picture before they count; a maintenance that was there
//! before, and has been cleared, counts for nothing until the stage has left it.

use std::collections::{BTreeMap, BTreeSet};

use crate::smf::{Instance, PIPELINE};

/// Where a run began.
#[derive(Debug, Default)]
pub struct Beginning {
    /// When each instance came into its state.
    since: BTreeMap<String, String>,
    /// Who must be made anew.
    anew: BTreeSet<String>,
}

/// What to do to get the pipeline going.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// In maintenance from before.
    pub clear: Vec<String>,
    /// The switch is off.
    pub enable: Vec<String>,
    /// The switch is on, and somebody has switched these off.
    pub enable_temporarily: Vec<String>,
    /// Online stages that depend on no other: to look whether they are up to date.
    pub restart: Vec<String>,
}

/// What the states come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something is under way, or about to be.
    Wait {
        /// An instance is in transition.
        moving: bool,
    },
    /// Everything is online.
    Done,
    /// These are in maintenance.
    Failed(Vec<String>),
}

/// Who takes whom along.
pub type Edges = BTreeMap<String, Vec<String>>;

/// What has to be ordered, and the beginning to judge from.
pub fn begin(now: &[Instance], edges: &Edges) -> (Orders, Beginning) {
    let mut orders = Orders::default();
    let dependents: BTreeSet<&String> = edges.values().flatten().collect();
    let on = now.iter().any(|one| one.fmri == PIPELINE && !one.rests("disabled"));
    for one in now {
        let fmri = one.fmri.clone();
        if one.rests("maintenance") {
            orders.clear.push(fmri);
        } else if one.rests("disabled") && one.fmri == PIPELINE {
            orders.enable.push(fmri);
        } else if one.rests("disabled") && on {
            orders.enable_temporarily.push(fmri);
        } else if one.rests("online") && one.fmri != PIPELINE && !dependents.contains(&fmri) {
            orders.restart.push(fmri);
        }
    }
    let mut anew = BTreeSet::new();
    let mut reached = orders.restart.clone();
    while let Some(fmri) = reached.pop() {
        if anew.insert(fmri.clone()) {
            reached.extend(edges.get(&fmri).into_iter().flatten().cloned());
        }
    }
    let since = now.iter().map(|one| (one.fmri.clone(), one.since.clone())).collect();
    (orders, Beginning { since, anew })
}

impl Beginning {
    fn left(&self, one: &Instance) -> bool {
        self.since.get(&one.fmri) != Some(&one.since)
    }

    /// Judges the states.
    pub fn judge(&self, now: &[Instance]) -> Verdict {
        let failed: Vec<String> = now
            .iter()
            .filter(|one| one.rests("maintenance") && self.left(one))
            .map(|one| one.fmri.clone())
            .collect();
        if !failed.is_empty() {
            return Verdict::Failed(failed);
        }
        let is_done = |one: &Instance| {
            one.rests("online") && (!self.anew.contains(&one.fmri) || self.left(one))
        };
        if now.iter().all(is_done) {
            return Verdict::Done;
        }
        Verdict::Wait { moving: now.iter().any(|one| one.next.is_some()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [&str; 4] = ["builder:illumos", "builder:pkg5", "merger:default", "x:release"];

    /// The pipeline and four stages, each `state`, `state>next`, with a time behind `@`.
    fn picture(text: &str) -> Vec<Instance> {
        let fmris = [PIPELINE.to_owned()].into_iter().chain(STAGES.map(named));
        fmris
            .zip(text.split_whitespace())
            .map(|(fmri, word)| {
                let (state, since) = word.split_once('@').unwrap();
                let (state, next) = match state.split_once('>') {
                    Some((state, next)) => (state, Some(next.to_owned())),
                    None => (state, None),
                };
                Instance { fmri, state: state.to_owned(), next, since: since.to_owned() }
            })
            .collect()
    }

    fn named(name: &str) -> String {
        format!("svc:/application/{name}")
    }

    fn edges() -> Edges {
        let pairs = STAGES.windows(2).map(|pair| (named(pair[0]), vec![named(pair[1])]));
        pairs.collect()
    }

    #[test]
    fn a_fresh_pipeline_is_switched_on() {
        let off = "disabled@1 ".repeat(5);
        let (orders, beginning) = begin(&picture(&off), &edges());
        assert_eq!(
            orders,
            Orders { enable: vec![PIPELINE.to_owned()], ..Orders::default() },
            "its stages are the switch's to enable"
        );
        for (now, verdict) in [
            (off.as_str(), Verdict::Wait { moving: false }),
            (
                "online@2 offline>online@2 offline@2 offline@2 offline@2",
                Verdict::Wait { moving: true },
            ),
            (
                "online@2 online@3 maintenance>offline@3 offline@2 offline@2",
                Verdict::Wait { moving: true },
            ),
            (
                "online@2 online@3 maintenance@4 offline@2 offline@2",
                Verdict::Failed(vec![named("builder:pkg5")]),
            ),
            ("online@2 online@3 online@4 online@5 online@6", Verdict::Done),
        ] {
            assert_eq!(beginning.judge(&picture(now)), verdict, "{now}");
        }
    }

    #[test]
    fn what_is_online_is_looked_at_again_from_the_first_stage_on() {
        let all = "online@1 ".repeat(5);
        let (orders, beginning) = begin(&picture(&all), &edges());
        assert_eq!(orders.restart, [named("builder:illumos")]);
        for (now, verdict) in [
            (all.as_str(), Verdict::Wait { moving: false }),
            ("online@1 online@2 online@1 online@1 online@1", Verdict::Wait { moving: false }),
            ("online@1 online@2 online@3 online@4 online@5", Verdict::Done),
        ] {
            assert_eq!(beginning.judge(&picture(now)), verdict, "{now}");
        }
    }

    #[test]
    fn an_old_maintenance_is_cleared_and_does_not_count() {
        let before = "online@1 online@1 maintenance@1 offline@1 disabled@1";
        let (orders, beginning) = begin(&picture(before), &edges());
        assert_eq!(orders.clear, [named("builder:pkg5")]);
        assert_eq!(orders.enable_temporarily, [named("x:release")]);
        assert_eq!(orders.restart, [named("builder:illumos")]);
        assert_eq!(beginning.judge(&picture(before)), Verdict::Wait { moving: false });
        let again = "online@1 online@1 maintenance@2 offline@1 disabled@1";
        let failed = Verdict::Failed(vec![named("builder:pkg5")]);
        assert_eq!(beginning.judge(&picture(again)), failed);
    }
}
