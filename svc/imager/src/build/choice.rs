//! choice.rs - which steps a request means, given what checkpoints there are.
//!
//! Pure.  The order of the checks is part of the interface: every option as it comes (a step that
//! does not exist, one that cannot be gone on from), then options that exclude each other, then
//! where to pause.  A checkpoint of a step is its state *before* the step, so the last one there
//! is belongs to the step that failed or paused.

use super::arguments::{Asked, Request};

/// A step by what people call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// What it does.
    pub message: String,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Show the table.
    List,
    /// There is no step to run.
    Nothing,
    /// Build.
    Build {
        /// The step to go on from; none: all of it.
        resume: Option<usize>,
        /// The step before which to stop.
        pause: Option<usize>,
    },
}

/// Why it is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What to say, line by line.
    pub lines: Vec<String>,
    /// Whether the usage follows; then the status is 2, else 1.
    pub usage: bool,
}

fn refused(lines: &[&str]) -> Refused {
    Refused { lines: lines.iter().map(|line| (*line).to_string()).collect(), usage: false }
}

fn misused(lines: &[&str]) -> Refused {
    Refused { usage: true, ..refused(lines) }
}

/// What a request is held against.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The manifest's steps, in order.
    pub steps: &'a [Named],
    /// The steps that have a checkpoint, in the order in which they were made; none: checkpoints
    /// are not available.
    pub checkpoints: Option<&'a [String]>,
    /// The manifest's own wish where to go on.
    pub resume_from: Option<&'a str>,
}

impl Ground<'_> {
    /// How many steps can be gone on from: those before the first without a checkpoint.
    pub fn resumable(&self) -> usize {
        let made = self.checkpoints.unwrap_or_default();
        self.steps.iter().take_while(|step| made.contains(&step.name)).count()
    }

    /// What a request means.
    pub fn choose(&self, request: &Request) -> Result<Choice, Refused> {
        let (mut resume, mut pause) = (None, None);
        if self.checkpoints.is_some() {
            resume = self.resume_from.map(|text| self.step(text)).transpose()?;
        }
        let given = |asked: &Asked| request.options.contains(asked);
        let mut seen_resume = false;
        for asked in &request.options {
            if *asked == Asked::Help {
                return Err(misused(&[]));
            }
            if self.checkpoints.is_none() {
                return Err(refused(&[
                    "Checkpointing is not available",
                    &format!("Rerun the build without {}", asked.letter()),
                ]));
            }
            match asked {
                Asked::Resume(_) if seen_resume => return Err(misused(&[])),
                Asked::Resume(text) => (resume, seen_resume) = (Some(self.step(text)?), true),
                Asked::Pause(_) if pause.is_some() => return Err(misused(&[])),
                Asked::Pause(text) => pause = Some(self.step(text)?),
                Asked::ResumeLast => match self.resumable().checked_sub(1) {
                    Some(last) => resume = Some(last),
                    None => return Err(nothing_there("")),
                },
                Asked::List | Asked::Help => {}
            }
        }
        // A step that cannot be gone on from is told of before options that exclude each other.
        let resume = resume.map(|step| self.resume_at(step)).transpose()?;
        let (last, list) = (given(&Asked::ResumeLast), given(&Asked::List));
        if last && seen_resume {
            return Err(misused(&["-R and -r cannot be specified for the same build. "]));
        }
        if list && (last || seen_resume || pause.is_some()) {
            return Err(misused(&["-l and -R, -r, or -p cannot be specified for the same build"]));
        }
        if list {
            return Ok(Choice::List);
        }
        if pause.zip(resume).is_some_and(|(pause, resume)| pause <= resume) {
            return Err(misused(&["The resume step must be earlier than the pause step."]));
        }
        Ok(Choice::Build { resume, pause })
    }

    /// A step by its name, else by its number.
    fn step(&self, text: &str) -> Result<usize, Refused> {
        let named = self.steps.iter().position(|step| step.name == text);
        let numbered = || {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.then(|| text.parse::<usize>().ok()).flatten();
            number.filter(|number| *number < self.steps.len())
        };
        named.or_else(numbered).ok_or_else(|| {
            let first = [
                format!("An invalid step ({text}) was specified."),
                "Valid step names are: ".into(),
            ];
            let names = self.steps.iter().map(|step| step.name.clone());
            Refused { lines: first.into_iter().chain(names).collect(), usage: false }
        })
    }

    /// Whether a build can go on from a step.
    fn resume_at(&self, step: usize) -> Result<usize, Refused> {
        let made = self.checkpoints.unwrap_or_default();
        let resumable = self.resumable();
        if made.is_empty() {
            return Err(nothing_there(" "));
        }
        if step >= resumable {
            let first = [
                "You must specify an earlier step to resume at.",
                "Valid steps to resume from are: ",
            ];
            let steps = self.steps[..resumable].iter();
            let rows = steps.map(|step| format!("{:<20}{:<10}", step.name, step.message));
            let lines = first.map(str::to_string).into_iter().chain(rows).collect();
            return Err(Refused { lines, usage: false });
        }
        let in_order = made.iter().zip(&self.steps[..=step]).all(|(made, step)| *made == step.name);
        if !in_order {
            return Err(refused(&[
                "The manifest file is inconsistent with your build area.",
                "Please resolve if you wish to use the resume functionality.",
            ]));
        }
        Ok(step)
    }
}

/// The original ends the line with a blank where a step was named.
fn nothing_there(blank: &str) -> Refused {
    refused(&[
        &format!("There are no valid steps to resume from.{blank}"),
        "Please rerun the build without the -r or -R options.",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::arguments::Both;

    fn steps() -> Vec<Named> {
        ["im-pop", "im-mod", "3", "iso"]
            .map(|name| Named { name: name.to_string(), message: format!("do {name}") })
            .to_vec()
    }

    fn choose(
        line: &str,
        made: Option<&[&str]>,
        resume_from: Option<&str>,
    ) -> Result<Choice, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        let request = Both::of(&words).old.unwrap();
        let made: Option<Vec<String>> =
            made.map(|made| made.iter().map(|name| (*name).to_string()).collect());
        let steps = steps();
        let ground = Ground { steps: &steps, checkpoints: made.as_deref(), resume_from };
        ground.choose(&request).map_err(|refused| {
            let status = if refused.usage { 2 } else { 1 };
            format!("{status}: {}", refused.lines.join("|"))
        })
    }

    const EARLIER: &str = "1: You must specify an earlier step to resume at.|Valid steps to resume \
                           from are: |im-pop              do im-pop |im-mod              do im-mod ";
    const NOTHING: &str = "1: There are no valid steps to resume from. |Please rerun the build \
                           without the -r or -R options.";
    const ORDER: &str = "1: The manifest file is inconsistent with your build area.|Please resolve \
                         if you wish to use the resume functionality.";
    const INVALID: &str = "1: An invalid step (x) was specified.|Valid step names are: \
                           |im-pop|im-mod|3|iso";

    #[test]
    fn what_is_chosen() {
        let build = |resume, pause| Ok(Choice::Build { resume, pause });
        let two = Some(&["im-pop", "im-mod"][..]);
        for (line, made, own, wanted) in [
            ("m", two, None, build(None, None)),
            ("-l m", two, None, Ok(Choice::List)),
            ("-R m", two, None, build(Some(1), None)),
            ("-r im-mod m", two, None, build(Some(1), None)),
            ("-r 0 -p 1 m", two, None, build(Some(0), Some(1))),
            // A step that is called 3 is meant, not the fourth.
            ("-p 3 m", two, None, build(None, Some(2))),
            ("-p 0 m", Some(&[][..]), None, build(None, Some(0))),
            ("m", two, Some("0"), build(Some(0), None)),
            ("-r 1 m", two, Some("0"), build(Some(1), None)),
            ("m", None, Some("0"), build(None, None)),
        ] {
            assert_eq!(choose(line, made, own), wanted, "{line}");
        }
    }

    #[test]
    fn what_is_refused() {
        let two = Some(&["im-pop", "im-mod"][..]);
        let none = Some(&[][..]);
        for (line, made, own, wanted) in [
            ("-r x m", two, None, INVALID),
            ("-p x m", two, None, INVALID),
            ("-p 4 m", two, None, &INVALID.replace("(x)", "(4)")),
            ("-p -1 m", two, None, &INVALID.replace("(x)", "(-1)")),
            ("-R m", none, None, &NOTHING.replace(". |", ".|")),
            ("-r im-pop m", none, None, NOTHING),
            ("-l m", none, Some("im-pop"), NOTHING),
            ("-r iso m", two, None, EARLIER),
            // A step that cannot be is told of before options that exclude each other.
            ("-R -r iso m", two, None, EARLIER),
            ("-R m", Some(&["im-mod", "im-pop"][..]), None, ORDER),
            ("-r im-mod m", Some(&["im-mod", "im-pop"][..]), None, ORDER),
            ("-R -r im-pop m", two, None, "2: -R and -r cannot be specified for the same build. "),
            (
                "-l -R m",
                two,
                None,
                "2: -l and -R, -r, or -p cannot be specified for the same build",
            ),
            (
                "-l -p iso m",
                two,
                None,
                "2: -l and -R, -r, or -p cannot be specified for the same build",
            ),
            (
                "-r im-mod -p im-mod m",
                two,
                None,
                "2: The resume step must be earlier than the pause step.",
            ),
            ("-r im-pop -r im-pop m", two, None, "2: "),
            ("-p iso -p iso m", two, None, "2: "),
            ("-h m", two, None, "2: "),
            ("-R m", None, None, "1: Checkpointing is not available|Rerun the build without -R"),
            ("-l m", None, None, "1: Checkpointing is not available|Rerun the build without -l"),
            ("-p 0 m", None, None, "1: Checkpointing is not available|Rerun the build without -p"),
        ] {
            assert_eq!(choose(line, made, own), Err(wanted.to_string()), "{line}");
        }
    }

    #[test]
    fn the_run_of_checkpoints_ends_at_the_first_gap() {
        let made = ["im-pop".to_string(), "3".to_string()];
        let ground = Ground { steps: &steps(), checkpoints: Some(&made), resume_from: None };
        assert_eq!(ground.resumable(), 1);
    }
}
