//! newer.rs - which checkpoints a request of the newer form means, given what there are.
//!
//! Pure.  `-l` excludes nothing and comes first; checkpoints have names and no numbers.  A build can
//! go on from a checkpoint if those before it are registered as they were when they ran; another
//! description is none, nor is another list of packages.  Pausing where the build would begin is to
//! do nothing.

use image_manifest::Step;

use super::arguments::{Asked, Request};
use super::choice::{Choice, Refused};

/// A checkpoint that is there: the name of its step, and the step as the manifest of that time had
/// it; none where that cannot be told.
pub struct Made {
    /// The name.
    pub name: String,
    /// The step.
    pub step: Option<Step>,
}

/// Whether two steps are registered alike.
fn is_same(one: &Step, other: &Step) -> bool {
    (&one.name, one.native, &one.script, &one.arguments, &one.named)
        == (&other.name, other.native, &other.script, &other.arguments, &other.named)
}

/// How many of the steps a build can go on from.
pub fn resumable(steps: &[Step], made: &[Made]) -> usize {
    let pairs = || steps.iter().zip(made);
    let there = pairs().take_while(|(step, made)| step.name == made.name).count();
    // A step that is another now has not run as it is: a build can begin with it, no later.
    let ran = pairs()
        .take_while(|(step, made)| made.step.as_ref().is_some_and(|before| is_same(step, before)));
    there.min(ran.count() + 1)
}

/// What a request means.
pub fn choose(steps: &[Step], made: &[Made], request: &Request) -> Result<Choice, Refused> {
    let refused = |text: String| Refused { lines: vec![text], usage: false };
    if request.options.contains(&Asked::List) {
        return Ok(Choice::List);
    }
    let at = |name: &str| steps.iter().position(|step| step.name == name);
    // Without any checkpoint the first is where a build begins.
    let there = resumable(steps, made).max(1);
    let begin = match request.resume() {
        None => None,
        Some(name) => Some(
            at(name)
                .filter(|step| *step < there)
                .ok_or_else(|| refused(format!("'{name}' is not a resumable checkpoint")))?,
        ),
    };
    let end = match request.pause() {
        None => None,
        Some(name) => {
            Some(at(name).filter(|end| begin.is_none_or(|at| at <= *end)).ok_or_else(|| {
                refused(format!("'{name}' is not a valid checkpoint to pause execution at."))
            })?)
        }
    };
    if begin.is_some() && begin == end {
        return Ok(Choice::Nothing);
    }
    Ok(Choice::Build { resume: begin.filter(|_| !made.is_empty()), pause: end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::arguments::Both;

    fn step(name: &str, script: &str) -> Step {
        Step {
            name: name.to_owned(),
            message: format!("do {name}"),
            native: None,
            script: script.to_owned(),
            arguments: Vec::new(),
            named: Vec::new(),
            built_in: false,
        }
    }

    fn made(steps: &[(&str, Option<&str>)]) -> Vec<Made> {
        let made = steps.iter().map(|(name, script)| Made {
            name: (*name).to_owned(),
            step: script.map(|script| Step { message: "then".into(), ..step(name, script) }),
        });
        made.collect()
    }

    #[test]
    fn what_is_registered_otherwise_ends_the_run() {
        let steps = ["a", "b", "c"].map(|name| step(name, "run"));
        let (ran, other) = (Some("run"), Some("walk"));
        for (there, wanted) in [
            (&[][..], 0),
            (&[("a", ran)], 1),
            (&[("a", ran), ("b", ran), ("c", ran)], 3),
            // The last is another now, and can be begun with.
            (&[("a", ran), ("b", ran), ("c", other)], 3),
            (&[("a", ran), ("b", other), ("c", ran)], 2),
            (&[("a", None), ("b", ran)], 1),
            (&[("b", ran), ("a", ran)], 0),
            (&[("a", ran), ("c", ran)], 1),
        ] {
            assert_eq!(resumable(&steps, &made(there)), wanted);
        }
    }

    #[test]
    fn what_is_chosen_and_refused() {
        let steps = ["a", "b", "c"].map(|name| step(name, "run"));
        let two = made(&[("a", Some("run")), ("b", Some("run"))]);
        let build = |resume, pause| Ok(Choice::Build { resume, pause });
        let not = |name: &str| Err(format!("'{name}' is not a resumable checkpoint"));
        let never =
            |name: &str| Err(format!("'{name}' is not a valid checkpoint to pause execution at."));
        for (line, there, wanted) in [
            ("m", &two, build(None, None)),
            ("m -r b", &two, build(Some(1), None)),
            ("m -r a -p c", &two, build(Some(0), Some(2))),
            ("m -l -r nothing -p nothing", &two, Ok(Choice::List)),
            ("m -r b -p b", &two, Ok(Choice::Nothing)),
            ("m -p a", &two, build(None, Some(0))),
            ("m -r c", &two, not("c")),
            ("m -r 1", &two, not("1")),
            ("m -r c -p nothing", &two, not("c")),
            ("m -p nothing", &two, never("nothing")),
            ("m -r b -p a", &two, never("a")),
            ("m -r a", &Vec::new(), build(None, None)),
            ("m -r b", &Vec::new(), not("b")),
        ] {
            let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
            let request = Both::of(&words).dc.unwrap();
            let chosen = choose(&steps, there, &request).map_err(|refused| {
                assert!(!refused.usage);
                refused.lines.join("|")
            });
            assert_eq!(chosen, wanted, "{line}");
        }
    }
}
