//! steps.rs - what is built, in which order, and what of it is due.
//!
//! | step | needs | builds |
//! |---|---|---|
//! | illumos | | projects/illumos: everything else is compiled against it |
//! | extra | illumos | projects/illumos-extra |
//! | local-NAME | illumos, extra | projects/local/NAME |
//! | livesrc | illumos, extra, every local-NAME | src |
//!
//! A step is done when its stamp is there and no older than the stamps of what it needs: whoever
//! removes a stamp has that step built again, and all that needs it.

use std::time::SystemTime;

/// One of the things that are built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The gate.
    Illumos,
    /// What is no part of the gate.
    Extra,
    /// A local project.
    Local(String),
    /// The workspace's own sources.
    Livesrc,
}

impl Step {
    /// All steps of a workspace with these local projects, each after what it needs.
    #[must_use]
    pub fn all(locals: &[String]) -> Vec<Step> {
        let mut all = vec![Step::Illumos, Step::Extra];
        all.extend(locals.iter().map(|name| Step::Local(name.clone())));
        all.push(Step::Livesrc);
        all
    }

    /// Its name, as its stamp has it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Step::Illumos => "illumos".to_owned(),
            Step::Extra => "extra".to_owned(),
            Step::Local(name) => format!("local-{name}"),
            Step::Livesrc => "livesrc".to_owned(),
        }
    }

    /// Whether it needs another.
    #[must_use]
    pub fn needs(&self, other: &Step) -> bool {
        match self {
            Step::Illumos => false,
            Step::Extra => *other == Step::Illumos,
            Step::Local(_) => matches!(other, Step::Illumos | Step::Extra),
            Step::Livesrc => *other != Step::Livesrc,
        }
    }
}

/// The steps that a name means: one, all local ones (`local`), or everything (`world`).
#[must_use]
pub fn named(all: &[Step], name: &str) -> Option<Vec<Step>> {
    match name {
        "world" => Some(all.to_vec()),
        "local" => {
            let is_local = |step: &&Step| matches!(step, Step::Local(_));
            Some(all.iter().filter(is_local).cloned().collect())
        }
        _ => all.iter().find(|step| step.name() == name).map(|step| vec![step.clone()]),
    }
}

/// What has to be built for these steps, in order.
#[must_use]
pub fn due(
    all: &[Step],
    wanted: &[Step],
    stamp: &dyn Fn(&Step) -> Option<SystemTime>,
) -> Vec<Step> {
    let mut due: Vec<Step> = Vec::new();
    for step in all {
        let is_wanted = wanted.iter().any(|other| other == step || other.needs(step));
        if !is_wanted {
            continue;
        }
        let is_fresh = stamp(step).is_some_and(|own| {
            let needs = all.iter().filter(|other| step.needs(other));
            needs.into_iter().all(|other| stamp(other).is_some_and(|theirs| theirs <= own))
        });
        if !is_fresh || due.iter().any(|other| step.needs(other)) {
            due.push(step.clone());
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The due steps, where `stamps` are `name@second`.
    fn asked(wanted: &str, stamps: &str) -> String {
        let all = Step::all(&["a".to_owned(), "b".to_owned()]);
        let stamp = |step: &Step| {
            let mut stamps = stamps.split_whitespace().filter_map(|word| word.split_once('@'));
            let found = stamps.find(|(name, _)| *name == step.name());
            found.map(|(_, at)| SystemTime::UNIX_EPOCH + Duration::from_secs(at.parse().unwrap()))
        };
        let wanted = named(&all, wanted).unwrap();
        let due = due(&all, &wanted, &stamp);
        due.iter().map(Step::name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_due() {
        let done = "illumos@1 extra@2 local-a@3 local-b@4 livesrc@5";
        for (wanted, stamps, want) in [
            ("world", "", "illumos extra local-a local-b livesrc"),
            ("world", done, ""),
            // Resumes at the one that failed.
            ("world", "illumos@1 extra@2 local-a@3", "local-b livesrc"),
            // A stamp that was removed, and one that was made anew.
            ("world", "illumos@1 extra@2 local-b@4 livesrc@5", "local-a livesrc"),
            (
                "world",
                "illumos@9 extra@2 local-a@3 local-b@4 livesrc@5",
                "extra local-a local-b livesrc",
            ),
            // Two local projects do not need one another.
            ("local-b", "illumos@1 extra@2", "local-b"),
            ("local", "illumos@1 extra@2 local-b@3", "local-a"),
            ("extra", "", "illumos extra"),
            ("extra", done, ""),
            // Stamps of one second.
            ("world", "illumos@1 extra@1 local-a@1 local-b@1 livesrc@1", ""),
        ] {
            assert_eq!(asked(wanted, stamps), want, "{wanted}: {stamps}");
        }
        assert_eq!(named(&Step::all(&[]), "nothing"), None);
    }
}
